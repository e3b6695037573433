"""Contexts: who asks, how long, and what a repeated request makes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iotronic_mec.context import Context, Idempotency, system_context
from iotronic_mec.errors import DeadlineExceeded

TEXT = st.text(max_size=10)
KEYS = st.none() | st.builds(Idempotency, key=TEXT, route=TEXT)
CONTEXTS = st.builds(
    Context,
    user=TEXT,
    project=TEXT,
    user_name=TEXT,
    roles=st.lists(TEXT, max_size=3).map(tuple),
    request_id=TEXT,
    idempotency=KEYS,
    system=st.booleans(),
)


@given(CONTEXTS)
def test_round_trip(context: Context) -> None:
    """Over RPC everything is kept but the deadline, of which the rest travels."""
    timed = context.with_timeout(30)

    found = Context.from_wire(timed.to_wire())

    names = ("user", "project", "user_name", "roles", "request_id", "idempotency", "system")
    assert [getattr(found, name) for name in names] == [getattr(timed, name) for name in names]
    assert 29 < found.remaining_s() <= 30.1


def test_time_is_used_up() -> None:
    """Past the deadline there is no time left, here and after a hop."""
    late = Context(user="u", project="p").with_timeout(-1)

    with pytest.raises(DeadlineExceeded):
        late.remaining_s()
    with pytest.raises(DeadlineExceeded):
        Context.from_wire(late.to_wire()).remaining_s()


def test_hop_gives_no_time() -> None:
    """A hop never leaves more time than there was."""
    context = Context(user="u", project="p").with_timeout(5)

    assert Context.from_wire(context.to_wire()).deadline <= context.deadline + 0.1


def context(project: str = "p", route: str = "POST /a", key: str = "k") -> Context:
    """Return the context of a request with an Idempotency-Key."""
    return Context(user="u", project=project, idempotency=Idempotency(key=key, route=route))


def test_repeated_request_makes_the_same() -> None:
    """Project, route, key and kind decide what uuid a repeated request makes."""
    first = context().new_uuid("board")

    assert context().new_uuid("board") == first


@pytest.mark.parametrize(
    "other",
    [context(project="q"), context(route="POST /b"), context(key="l")],
)
def test_other_request_makes_another(other: Context) -> None:
    """Another project, route or key makes another thing."""
    assert other.new_uuid("board") != context().new_uuid("board")


def test_kinds_differ() -> None:
    """One request makes things of several kinds with different uuids."""
    assert context().new_uuid("board") != context().new_uuid("operation")


def test_without_a_key() -> None:
    """Without a key every uuid is new."""
    plain = Context(user="u", project="p")

    assert plain.new_uuid("board") != plain.new_uuid("board")


@pytest.mark.parametrize(
    ("roles", "system", "expected"),
    [(("admin",), False, True), (("member", "reader"), False, False), ((), True, True)],
)
def test_administrators(roles: tuple[str, ...], system: bool, expected: bool) -> None:
    """The role admin and the cloud itself administer, nobody else."""
    assert Context(user="u", project="p", roles=roles, system=system).is_admin is expected


def test_the_clouds_own() -> None:
    """The cloud's own context has a request id and time."""
    made = system_context(5)

    assert made.system
    assert made.request_id.startswith("req-")
    assert 0 < made.remaining_s() <= 5
