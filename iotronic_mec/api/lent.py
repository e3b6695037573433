"""Reading another project's things under a grant.

A handler that did not find a thing in the caller's own project asks here before
it answers 404; the conductor decides, counts and audits. Own things never come
here, so they cost nothing more.
"""

from __future__ import annotations

from iotronic_mec.api.controller import Call
from iotronic_mec.ids import is_uuid, normal_uuid


def passes(call: Call, kind: str, ident: str, action: str) -> bool:
    """Say whether a grant lets the caller read a thing; a passing read is counted.

    :param ident: as the client wrote it; names are looked up in the own project only
    """
    if not is_uuid(ident):
        return False
    uuid = normal_uuid(ident)
    return bool(call.ask("grant", "use", kind=kind, uuid=uuid, action=action))
