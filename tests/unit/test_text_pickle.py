"""Text pickles of one string are read, everything else is refused, nothing is run."""

from __future__ import annotations

import contextlib
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iotronic_mec.text_pickle import NotAString, looks_pickled, read_string


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_whatever_pickle_wrote(text: str) -> None:
    """What pickle wrote of a string is that string."""
    written = pickle.dumps(text, 0).decode("latin-1")

    assert looks_pickled(written)
    assert read_string(written) == text


@pytest.mark.parametrize(
    ("written", "text"), [("S'a\\nb'\np0\n.", "a\nb"), ('S"it\'s"\np1\n.', "it's")]
)
def test_strings_of_python_2(written: str, text: str) -> None:
    """Strings as Python 2 wrote them are read too."""
    assert read_string(written) == text


@pytest.mark.parametrize(
    "written",
    [
        "cos\nsystem\n(S'true'\ntR.",
        "Va\np0\n0cos\nsystem\n(S'true'\ntR.",
        "(lp0\nVa\np1\na.",
        "I1\n.",
        "N.",
        "Va\np0\n",
        "S'a'*9\n.",
        "S''.join('a')\n.",
        "V\\ud800\np0\n.",
        "",
    ],
)
def test_anything_else(written: str) -> None:
    """Whatever would do more than make a string is refused."""
    with pytest.raises(NotAString):
        read_string(written)


@given(st.text(max_size=60))
def test_never_another_error(text: str) -> None:
    """No text makes the reader raise anything else."""
    with contextlib.suppress(NotAString):
        assert isinstance(read_string(text), str)
