"""The wheel and the sdist, each installed in an environment with nothing else."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from iotronic_mec import __version__
from tests.packages.conftest import Built, build

INSTALL_S = 600
"""Longest time of one installation, seconds."""

WHERE = "import alembic, iotronic_mec; print(alembic.__file__); print(iotronic_mec.__file__)"


def run(*arguments: str | Path, cwd: Path) -> str:
    """Run a program outside the checkout; return what it printed."""
    done = subprocess.run(
        [str(each) for each in arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=INSTALL_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module", params=["wheel", "sdist"])
def programs(
    request: pytest.FixtureRequest,
    repository: Path,
    built: Built,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Install what is handed out, with constraints; return the folder of its programs."""
    folder = tmp_path_factory.mktemp(request.param)
    run(sys.executable, "-m", "virtualenv", "--quiet", folder, cwd=folder)
    install = ["-m", "pip", "install", "--quiet", "--no-compile"]
    constraints = ["-c", repository / "constraints.txt"]
    wanted = f"{getattr(built, request.param)}[server,agent]"
    run(folder / "bin/python", *install, *constraints, wanted, cwd=folder)
    return folder / "bin"


@pytest.mark.timeout(2 * INSTALL_S)
def test_it_upgrades_an_empty_database(repository: Path, programs: Path, tmp_path: Path) -> None:
    """The migrations are found, to the newest, and `import alembic` is the library."""
    newest = max(path.name[:4] for path in (repository / "alembic/versions").glob("[0-9]*.py"))
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    library, ours = run(programs / "python", "-c", WHERE, cwd=tmp_path).split()

    run(programs / "iotronic-mec", "db", "upgrade", "--state-dir", state, cwd=tmp_path)
    said = run(programs / "iotronic-mec", "db", "version", "--state-dir", state, cwd=tmp_path)

    assert Path(library).is_relative_to(programs.parent)
    assert "site-packages/alembic/" in library
    assert Path(ours).is_relative_to(programs.parent)
    assert said.split() == ["database", newest, "release", newest]


@pytest.mark.timeout(2 * INSTALL_S)
@pytest.mark.parametrize("program", ["iotronic-mec", "lightning-agent"])
def test_its_programs_tell_their_version(programs: Path, tmp_path: Path, program: str) -> None:
    """What is installed is what was built."""
    assert run(programs / program, "--version", cwd=tmp_path).split()[-1] == __version__


def test_the_sdist_holds_what_the_packages_are_built_from(built: Built) -> None:
    """The Debian package can be built from it, and nothing of a build or a tool is in it."""
    with tarfile.open(built.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    assert {
        "packages/debian/postinst",
        "etc/systemd/lightning-agent.service",
        "setup.cfg",
    } <= names
    assert {"constraints.txt", "alembic/env.py", "tests/packages/system.py"} <= names
    assert not [name for name in names if name.startswith((".tox", "build/", "dist/"))]


@pytest.mark.timeout(2 * INSTALL_S)
def test_the_same_sources_give_the_same_bytes(
    repository: Path, built: Built, tmp_path: Path
) -> None:
    """Built again at another place, later, by somebody with another umask: nothing differs."""
    again = build(repository, tmp_path, umask=0o077)

    assert sums(again) == sums(built)


def test_other_sources_give_other_bytes(built: Built, tmp_path: Path) -> None:
    """The comparison above can fail."""
    for file in (built.wheel, built.sdist, built.deb):
        shutil.copy(file, tmp_path)
    with (tmp_path / built.deb.name).open("ab") as file:
        file.write(b"\n")
    other = Built(
        wheel=tmp_path / built.wheel.name,
        sdist=tmp_path / built.sdist.name,
        deb=tmp_path / built.deb.name,
    )

    assert sums(other) != sums(built)


def sums(files: Built) -> list[tuple[str, str]]:
    """Return name and SHA-256 of each file."""
    return [
        (file.name, hashlib.sha256(file.read_bytes()).hexdigest())
        for file in (files.wheel, files.sdist, files.deb)
    ]
