"""Uuids and names: what is let in needs no quoting anywhere."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iotronic_mec import ids
from iotronic_mec.errors import BadRequest
from lightning_agent.protocol import names

HEX = st.text("0123456789abcdefABCDEF-", min_size=30, max_size=40)


@given(st.uuids())
def test_forms_of_a_uuid(uuid: object) -> None:
    """Every way to write a uuid gives the one form the protocol takes."""
    text = str(uuid)
    forms = [text, text.upper(), text.replace("-", "")]

    assert all(map(ids.is_uuid, forms))
    assert {ids.normal_uuid(form) for form in forms} == {text}
    assert names.UUID.fullmatch(text)


@given(HEX)
def test_whatever_looks_like_one_is_one(text: str) -> None:
    """What passes as a uuid can be brought into the one form."""
    assert not ids.is_uuid(text) or names.UUID.fullmatch(ids.normal_uuid(text))


@given(st.text(max_size=30))
def test_names_need_no_quoting(name: str) -> None:
    """A name that is let in is the same in a URL, and is no uuid."""
    try:
        kept = ids.check_name(name)
    except BadRequest:
        kept = "refused"

    assert quote(kept, safe="") == kept
    assert not ids.is_uuid(kept)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a b", "é", "a\n", "x" * 256])
def test_refused_names(name: str) -> None:
    """What would need quoting, or leads elsewhere in a path, is refused by its field."""
    with pytest.raises(BadRequest) as told:
        ids.check_name(name, "title")

    assert told.value.details == {"field": "title"}


def test_new_ones_differ() -> None:
    """Fresh uuids are in the one form and differ."""
    made = {ids.new_uuid() for _ in range(100)}

    assert len(made) == 100
    assert all(names.UUID.fullmatch(uuid) for uuid in made)
