"""Drives a cloud by a client generated from its OpenAPI; runs in the generator's environment.

``generated_client.py URL TOKEN`` with the folder of the package ``generated`` on
``PYTHONPATH``; prints what it saw as JSON.
"""

from __future__ import annotations

import json
import sys
from http import HTTPStatus

from generated import AuthenticatedClient
from generated.api.board import (
    board_create,
    board_delete,
    board_index_get_v1_boards,
    board_show,
    board_update,
)
from generated.models import BoardCreate, BoardUpdate, Problem

NAME = "generated"


def main(url: str, token: str) -> dict[str, object]:
    """Make, list, show, change and delete a board; return what was seen."""
    client = AuthenticatedClient(
        base_url=url, token=token, prefix="", auth_header_name="X-Auth-Token"
    )
    with client:
        made = board_create.sync(client=client, body=BoardCreate(name=NAME))
        again = board_create.sync(client=client, body=BoardCreate(name=NAME))
        listed = board_index_get_v1_boards.sync(client=client)
        shown = board_show.sync(made.uuid, client=client)
        changed = board_update.sync(
            made.uuid, client=client, body=BoardUpdate.from_dict({"type": "gateway"})
        )
        deleted = board_delete.sync_detailed(made.uuid, client=client)
        gone = board_show.sync_detailed(made.uuid, client=client)
    return {
        "made": made.name,
        "again": again.code if isinstance(again, Problem) else None,
        "listed": [board.name for board in listed.boards],
        "shown": shown.uuid == made.uuid,
        "changed": changed.type_,
        "deleted": deleted.status_code == HTTPStatus.NO_CONTENT,
        "gone": gone.status_code == HTTPStatus.NOT_FOUND,
    }


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
