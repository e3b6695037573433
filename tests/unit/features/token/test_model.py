"""How far a token reaches."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iotronic_mec.features.identity.model import RANK, UnknownRole, check_roles, rank
from iotronic_mec.features.token.model import limit, limited

ROLES = st.sampled_from(sorted(RANK))
SOME = st.lists(ROLES, min_size=1, max_size=3).map(tuple)


@given(held=SOME, most=st.none() | ROLES)
def test_a_token_is_never_more_than_its_user(held: tuple[str, ...], most: str | None) -> None:
    """What a token may do is within what its user may, and within its limit."""
    left = limited(held, most)

    assert rank(left) <= rank(held)
    assert most is None or rank(left) <= max(rank((most,)), 0)


@given(acting=SOME, held=SOME, asked=st.none() | ROLES)
def test_nobody_makes_a_stronger_token(
    acting: tuple[str, ...], held: tuple[str, ...], asked: str | None
) -> None:
    """A new token reaches no further than its maker does at that moment."""
    made = limited(held, limit(acting, held, asked))

    assert rank(made) <= max(rank(acting), 0) or rank(acting) >= rank(held)


@pytest.mark.parametrize("roles", [(), ("boss",), ("member", "boss")])
def test_unknown_roles(roles: tuple[str, ...]) -> None:
    """At least one role, and only known ones."""
    with pytest.raises(UnknownRole):
        check_roles(roles)


def test_roles_count_once() -> None:
    """A role given twice is one."""
    assert check_roles(["member", "reader", "member"]) == ("member", "reader")
