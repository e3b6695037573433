"""The authorizers as pure functions; the router's part is in tests/wamp."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iotronic_mec.wamp.authorize import authorize_board, authorize_enrol
from lightning_agent.protocol import names

OWN = "0d07340a-7862-4681-adc6-d4acaf9a0554"
ANOTHER = "791ddb2f-f150-452d-9760-9d64763e0ca0"
WHO = {"session": 5, "authid": OWN, "authrole": "board"}
ACTIONS = ("call", "register", "publish", "subscribe")

URIS = st.one_of(
    st.sampled_from(sorted({*names.REPORTS, names.ENROL, names.AUTH_BOARD, "wamp.session.kill"})),
    st.sampled_from((OWN, ANOTHER, "", "x")).flatmap(
        lambda board: st.sampled_from(
            (f"iotronic.board.{board}", f"iotronic.board.{board}.", f"iotronic.board.{board}.x")
        )
    ),
    st.text(max_size=30),
)
OPTIONS = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {},
        optional={
            "match": st.sampled_from(("exact", "prefix", "wildcard", "odd", None)),
            "forward_for": st.sampled_from(([], [{"authid": "x"}], None)),
            "force_reregister": st.booleans(),
        },
    ),
)


@given(uri=URIS, action=st.sampled_from((*ACTIONS, "odd")), options=OPTIONS)
def test_an_answer_is_never_cached(uri: str, action: str, options: dict[str, Any] | None) -> None:
    """The router's cache would serve it to other sessions."""
    answers = [f(WHO, uri, action, options) for f in (authorize_board, authorize_enrol)]

    assert {answer["cache"] for answer in answers} == {False}


@given(uri=URIS, action=st.sampled_from(ACTIONS), options=OPTIONS)
def test_forwarding_is_never_allowed(
    uri: str, action: str, options: dict[str, Any] | None
) -> None:
    """Whatever else the options hold."""
    options = {**(options or {}), "forward_for": [{"session": 1, "authid": "a", "authrole": "b"}]}

    answers = [f(WHO, uri, action, options) for f in (authorize_board, authorize_enrol)]

    assert {answer["allow"] for answer in answers} == {False}


@given(uri=URIS, action=st.sampled_from(("register", "subscribe", "publish")), options=OPTIONS)
def test_a_board_stays_below_its_own_prefix(
    uri: str, action: str, options: dict[str, Any] | None
) -> None:
    """With the dot; nothing that is allowed lies outside."""
    allowed = authorize_board(WHO, uri, action, options)["allow"]

    assert not allowed or uri.startswith(f"iotronic.board.{OWN}.")


@given(uri=URIS, action=st.sampled_from(ACTIONS), options=OPTIONS)
def test_a_code_may_call_one_procedure(
    uri: str, action: str, options: dict[str, Any] | None
) -> None:
    """And do nothing else."""
    allowed = authorize_enrol({"authid": "code:1"}, uri, action, options)["allow"]

    assert not allowed or (action, uri) == ("call", names.ENROL)


@pytest.mark.parametrize(
    ("uri", "action", "options"),
    [
        (f"iotronic.board.{OWN}.", "register", {"match": "prefix", "force_reregister": True}),
        (f"iotronic.board.{OWN}.events", "publish", {}),
        (f"iotronic.board.{OWN}.events", "subscribe", {"match": "exact"}),
        (names.JOIN, "call", {"timeout": 5}),
        (names.RESULTS, "call", None),
    ],
)
def test_a_board_may_do_its_work(uri: str, action: str, options: dict[str, Any] | None) -> None:
    """The positive control."""
    assert authorize_board(WHO, uri, action, options)["allow"] is True


@pytest.mark.parametrize("authid", ["", "x", None, f"{OWN}.x", OWN.upper(), "*"])
def test_an_odd_identity_has_no_prefix(authid: object) -> None:
    """Only a uuid names a board."""
    uri = f"iotronic.board.{authid}."

    assert authorize_board({"authid": authid}, uri, "register", {})["allow"] is False
