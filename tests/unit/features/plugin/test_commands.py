"""Rules on plugins: names, projects, repetition, use of blobs, vetoes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from iotronic_mec.errors import BadRequest, Conflict
from iotronic_mec.features.blob import store as blob_store
from iotronic_mec.features.blob.commands import BlobCommands
from iotronic_mec.features.blob.model import BlobMissing
from iotronic_mec.features.blob.table import blob, blob_reservation, blob_use
from iotronic_mec.features.plugin import store
from iotronic_mec.features.plugin.commands import PluginCommands
from iotronic_mec.features.plugin.model import (
    Plugin,
    PluginAmbiguous,
    PluginExists,
    PluginForbidden,
    PluginInUse,
    PluginNotFound,
)
from iotronic_mec.features.plugin.table import plugin as plugin_table
from iotronic_mec.page import Page
from tests.fakes.conductor import OTHER_PROJECT, PROJECT, FakeConductor, conductor, context

THIRD_PROJECT = "66666666-6666-4666-8666-666666666666"
INJECTED = "injected-one"


def refuse_injected(connection: Connection, uuid: str) -> None:
    """Veto the deletion of plugins of one name."""
    found = store.find_plugin(connection, uuid)
    if found is not None and found.name == INJECTED:
        raise PluginInUse()


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeConductor]:
    """Return parts with the tables of plugins and blobs."""
    tables = [blob, blob_use, blob_reservation, plugin_table]
    with conductor(tmp_path, tables, may_delete={"plugin": (refuse_injected,)}) as made:
        yield made


def content(fake: FakeConductor, code: bytes, project: str = PROJECT) -> dict[str, Any]:
    """Store code as the API does."""
    room = BlobCommands(fake.parts, {}).reserve(context(project), size_bytes=len(code))
    stored = fake.storage.put([code], len(code))
    return {"format": "py", "digest": stored.digest, "size": stored.size_bytes, **room}


def create(
    fake: FakeConductor, name: str, project: str = PROJECT, code: bytes = b"x = 1", **values: Any
) -> str:
    """Create a plugin and return its uuid."""
    made = PluginCommands(fake.parts, {}).create(
        context(project, key=values.pop("key", None)),
        name=name,
        content=content(fake, code, project),
        **values,
    )
    return str(made["uuid"])


def get(fake: FakeConductor, ident: str, project: str = PROJECT, **values: Any) -> Plugin:
    """Look a plugin up."""
    with fake.parts.database.read() as connection:
        return store.get_plugin(connection, project, ident, **values)


def stored_bytes(fake: FakeConductor, project: str = PROJECT) -> tuple[int, int, int]:
    """Return stored, unused and reserved bytes of a project."""
    with fake.parts.database.read() as connection:
        used = blob_store.usage(connection, project)
    return used.stored, used.unused, used.reserved


def test_creates(fake: FakeConductor) -> None:
    """A plugin is found by uuid and name, and its making is noted."""
    uuid = create(fake, "camera", parameters={"rate": 1}, callable=True)

    found = get(fake, "camera")
    assert found == get(fake, uuid) == get(fake, uuid.upper().replace("-", ""))
    assert (found.parameters, found.callable, found.public) == ({"rate": 1}, True, False)
    assert (found.created_at, found.updated_at) == (fake.clock.now(), None)
    assert stored_bytes(fake) == (5, 0, 0)
    assert fake.ledger.audited == [("plugin.create", uuid)]
    assert fake.ledger.emitted == [(PROJECT, "plugin.created", uuid)]


def test_names_are_a_projects_own(fake: FakeConductor) -> None:
    """A name is taken once in a project; another project may have it too."""
    create(fake, "camera")
    create(fake, "camera", OTHER_PROJECT)

    with pytest.raises(PluginExists):
        create(fake, "camera")


def test_refused_creation_notes_nothing(fake: FakeConductor) -> None:
    """A refused creation leaves no row; its room stays reserved until its bytes go."""
    create(fake, "camera")

    with pytest.raises(PluginExists):
        create(fake, "camera", code=b"y = 22")

    assert stored_bytes(fake) == (5, 0, 6)
    assert len(fake.ledger.audited) == 1


def test_one_of_two_with_a_name_wins(fake: FakeConductor) -> None:
    """Of several that create one name at once, exactly one does."""
    made: list[str] = []
    refused: list[Conflict] = []

    def work() -> None:
        try:
            made.append(create(fake, "camera"))
        except Conflict as error:
            refused.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert (len(made), len(refused)) == (1, 5)


def test_repeated_creation_finds_the_first(fake: FakeConductor) -> None:
    """With the same Idempotency-Key a second try gives what the first made."""
    first = create(fake, "camera", key="once")
    second = create(fake, "camera", key="once")

    assert first == second
    assert stored_bytes(fake) == (5, 0, 0)
    assert len(fake.ledger.audited) == 1


def test_bytes_must_be_there(fake: FakeConductor) -> None:
    """A plugin is not made of bytes that are not in the storage."""
    wanted = content(fake, b"x = 1")
    fake.storage.delete(wanted["digest"])

    with pytest.raises(BlobMissing):
        PluginCommands(fake.parts, {}).create(context(), name="camera", content=wanted)


@pytest.mark.parametrize(
    "name", ["", "a b", "a/b", "..", "é", "n" * 256, "7b0f7b9e-1111-4222-8333-123456789abc"]
)
def test_refuses_names(fake: FakeConductor, name: str) -> None:
    """Names that would need quoting, or look like a uuid, are refused."""
    with pytest.raises(BadRequest):
        create(fake, name)


def test_private_plugins_are_not_there_for_others(fake: FakeConductor) -> None:
    """Another project's private plugin can be neither seen, changed nor deleted."""
    uuid = create(fake, "camera", OTHER_PROJECT)
    commands = PluginCommands(fake.parts, {})

    with pytest.raises(PluginNotFound):
        get(fake, uuid)
    with pytest.raises(PluginNotFound):
        get(fake, "camera")
    with pytest.raises(PluginNotFound):
        commands.update(context(), plugin=uuid, values={"public": True})
    with pytest.raises(PluginNotFound):
        commands.delete(context(), plugin=uuid)


def test_public_plugins_can_be_seen_and_not_changed(fake: FakeConductor) -> None:
    """Another project's public plugin can be read, and changed by nobody else."""
    uuid = create(fake, "camera", OTHER_PROJECT, public=True)
    commands = PluginCommands(fake.parts, {})

    assert get(fake, "camera").uuid == uuid
    with pytest.raises(PluginNotFound):
        get(fake, uuid, with_public=False)
    with pytest.raises(PluginForbidden):
        commands.update(context(), plugin=uuid, values={"name": "mine"})
    with pytest.raises(PluginForbidden):
        commands.delete(context(), plugin="camera")


def test_administrators_may_change_all(fake: FakeConductor) -> None:
    """An administrator changes and deletes plugins of every project."""
    uuid = create(fake, "camera", OTHER_PROJECT)
    commands = PluginCommands(fake.parts, {})
    admin = context(PROJECT, "admin")

    commands.update(admin, plugin=uuid, values={}, content=content(fake, b"y = 22"))
    assert get(fake, "camera", OTHER_PROJECT).size == 6
    assert stored_bytes(fake, OTHER_PROJECT) == (11, 5, 0)
    assert stored_bytes(fake) == (0, 0, 0)

    commands.delete(admin, plugin=uuid)
    with pytest.raises(PluginNotFound):
        get(fake, uuid, every_project=True)


def test_own_plugin_comes_before_a_public_one(fake: FakeConductor) -> None:
    """A name means the project's own plugin; then a public one, if it is the only one."""
    own = create(fake, "camera")
    create(fake, "camera", OTHER_PROJECT, public=True)
    create(fake, "camera", THIRD_PROJECT, public=True)

    assert get(fake, "camera").uuid == own
    PluginCommands(fake.parts, {}).delete(context(), plugin="camera")
    with pytest.raises(PluginAmbiguous):
        get(fake, "camera")


def test_updates_some_fields(fake: FakeConductor) -> None:
    """An update changes what it names and notes it."""
    uuid = create(fake, "camera", parameters={"rate": 1})
    fake.clock.advance(60)

    PluginCommands(fake.parts, {}).update(
        context(), plugin="camera", values={"name": "lens", "extra": {"a": 1}}
    )

    found = get(fake, "lens")
    assert (found.uuid, found.extra, found.parameters) == (uuid, {"a": 1}, {"rate": 1})
    assert found.updated_at == fake.clock.now()
    assert fake.ledger.audited[-1] == ("plugin.update", uuid)
    assert fake.ledger.emitted[-1] == (PROJECT, "plugin.updated", uuid)


def test_update_keeps_its_own_name(fake: FakeConductor) -> None:
    """The plugin's own name is free for itself, another's is not."""
    create(fake, "camera")
    create(fake, "lens")
    commands = PluginCommands(fake.parts, {})

    commands.update(context(), plugin="camera", values={"name": "camera"})
    with pytest.raises(PluginExists):
        commands.update(context(), plugin="camera", values={"name": "lens"})


@pytest.mark.parametrize("field", ["uuid", "owner", "project", "digest", "created_at"])
def test_refuses_to_change_what_is_not_the_tenants(fake: FakeConductor, field: str) -> None:
    """Identity, ownership and digest follow from what was done."""
    create(fake, "camera")

    with pytest.raises(BadRequest, match=field):
        PluginCommands(fake.parts, {}).update(context(), plugin="camera", values={field: "x"})


def test_new_code_replaces_the_old(fake: FakeConductor) -> None:
    """After an update with code the old bytes are unused, the new ones in use."""
    create(fake, "camera", code=b"x = 1")

    PluginCommands(fake.parts, {}).update(
        context(), plugin="camera", values={}, content=content(fake, b"y = 22")
    )

    assert stored_bytes(fake) == (11, 5, 0)
    assert get(fake, "camera").size == 6


def test_same_code_again_stays_in_use(fake: FakeConductor) -> None:
    """An update with the code it has leaves its bytes in use."""
    create(fake, "camera", code=b"x = 1")

    PluginCommands(fake.parts, {}).update(
        context(), plugin="camera", values={}, content=content(fake, b"x = 1")
    )

    assert stored_bytes(fake) == (5, 0, 0)


def test_deletes(fake: FakeConductor) -> None:
    """A deleted plugin is gone, its bytes unused, its name free."""
    uuid = create(fake, "camera")

    PluginCommands(fake.parts, {}).delete(context(), plugin=uuid)

    with pytest.raises(PluginNotFound):
        get(fake, uuid)
    assert stored_bytes(fake) == (5, 5, 0)
    assert fake.ledger.emitted[-1] == (PROJECT, "plugin.deleted", uuid)
    assert create(fake, "camera") != uuid


def test_injected_plugins_stay(fake: FakeConductor) -> None:
    """A veto keeps the plugin and everything about it."""
    uuid = create(fake, INJECTED)

    with pytest.raises(PluginInUse) as caught:
        PluginCommands(fake.parts, {}).delete(context(), plugin=uuid)

    assert caught.value.code == "iot.plugin.in_use"
    assert get(fake, uuid)
    assert stored_bytes(fake) == (5, 0, 0)


def test_lists_what_a_project_may_see(fake: FakeConductor) -> None:
    """The scope of a list decides whose plugins it holds."""
    create(fake, "own")
    create(fake, "other-public", OTHER_PROJECT, public=True)
    create(fake, "other-private", OTHER_PROJECT)

    def names(**scope: Any) -> list[str]:
        with fake.parts.database.read() as connection:
            found = store.list_page(connection, store.Scope(**scope), Page(limit=10))
        return [plugin.name for plugin in found]

    assert names(project=PROJECT) == ["own"]
    assert names(project=PROJECT, with_public=True) == ["own", "other-public"]
    assert names(project=None) == ["own", "other-public", "other-private"]
    assert names(project=None, only_public=True) == ["other-public"]
