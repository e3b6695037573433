"""The command line against a fake cloud, in this process."""

from __future__ import annotations

import io
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from cliff.help import HelpExit

from iotronic_mec.cli.shell import Shell
from tests.fakes.http_cloud import HttpCloud


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The standard output as JSON."""
        return json.loads(self.out)


class Iot:
    """``iot`` with captured streams; call it with the words after ``iot``."""

    def __call__(self, *words: str) -> Outcome:
        """Run one command."""
        out, err = io.StringIO(), io.StringIO()
        try:
            code = Shell(stdout=out, stderr=err).run(list(words))
        except HelpExit:
            code = 0
        return Outcome(code=code, out=out.getvalue(), err=err.getvalue())


@pytest.fixture
def cloud() -> Iterator[HttpCloud]:
    """Run a fake cloud."""
    with HttpCloud() as started:
        yield started


@pytest.fixture
def no_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Take away what the caller's environment has set, and its files."""
    for name in list(os.environ):
        if name.startswith("OS_") or name == "IOTRONIC_URL":
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def bare_iot(no_variables: None) -> Iterator[Iot]:
    """Return ``iot`` without credentials; logging is as before afterwards."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield Iot()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def iot(bare_iot: Iot, cloud: HttpCloud, monkeypatch: pytest.MonkeyPatch) -> Iot:
    """Return ``iot`` with the token and address of the fake cloud."""
    monkeypatch.setenv("OS_AUTH_TOKEN", cloud.token)
    monkeypatch.setenv("IOTRONIC_URL", cloud.url)
    return bare_iot
