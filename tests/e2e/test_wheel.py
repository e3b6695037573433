"""The wheel holds what it should, and works without the checkout."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

INSTALL_S = 300
"""Longest time for building or installing, seconds."""

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


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel of the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    build = ["-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, repository]
    run(sys.executable, *build, cwd=folder)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel in an environment of its own; return the folder of its programs.

    The libraries are those of the environment the tests run in; of ours it
    holds the wheel only.
    """
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "virtualenv", "--quiet", folder, cwd=folder)
    run(folder / "bin/python", "-m", "pip", "install", "--quiet", "--no-deps", wheel, cwd=folder)
    site = next(folder.glob("lib/python*/site-packages"))
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin"


@pytest.mark.e2e
@pytest.mark.timeout(INSTALL_S)
def test_the_wheel_ships_the_migrations_under_our_name(wheel: Path) -> None:
    """The migrations are inside our package; nothing mixes with the library alembic."""
    names = zipfile.ZipFile(wheel).namelist()

    assert "iotronic_mec/migrations/env.py" in names
    assert "iotronic_mec/migrations/script.py.mako" in names
    assert any(name.startswith("iotronic_mec/migrations/versions/0001") for name in names)
    assert "iotronic_mec/py.typed" in names
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {
        "iotronic_mec",
        "lightning_agent",
    }


@pytest.mark.e2e
@pytest.mark.timeout(INSTALL_S)
def test_an_installed_wheel_upgrades_an_empty_database(
    repository: Path, installed: Path, tmp_path: Path
) -> None:
    """The migrations are found, to the newest, and `import alembic` is the library."""
    newest = max(path.name[:4] for path in (repository / "alembic/versions").glob("[0-9]*.py"))
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    library, ours = run(installed / "python", "-c", WHERE, cwd=tmp_path).split()

    run(installed / "iotronic-mec", "db", "upgrade", "--state-dir", state, cwd=tmp_path)
    said = run(installed / "iotronic-mec", "db", "version", "--state-dir", state, cwd=tmp_path)

    assert "site-packages/alembic/" in library
    assert ours.startswith(str(installed.parent))
    assert said.split() == ["database", newest, "release", newest]


@pytest.mark.e2e
@pytest.mark.timeout(INSTALL_S)
@pytest.mark.parametrize("program", ["iotronic-mec", "lightning-agent", "iot"])
def test_the_installed_programs_start(installed: Path, tmp_path: Path, program: str) -> None:
    """Each console script prints its help."""
    assert program in run(installed / program, "--help", cwd=tmp_path)


@pytest.mark.e2e
@pytest.mark.timeout(2 * INSTALL_S)
@pytest.mark.parametrize(
    ("extra", "commands"),
    [
        ("", ["iotronic-mec --version", "lightning-agent --help"]),
        ("agent", ["lightning-agent run --help", "lightning-agent enrol --help"]),
        ("agent,camera,inference", ["lightning-agent doctor --help"]),
        ("cli", ["iot board list --help"]),
        ("server", ["iotronic-mec db --help", "iotronic-mec config --help"]),
        ("server,router", ["iotronic-mec standalone --help"]),
    ],
)
def test_an_extra_alone_is_enough(
    repository: Path, wheel: Path, tmp_path: Path, extra: str, commands: list[str]
) -> None:
    """What an extra is for works with nothing else installed."""
    place = tmp_path / "environment"
    run(sys.executable, "-m", "virtualenv", "--quiet", place, cwd=tmp_path)
    install = ["-m", "pip", "install", "--quiet", "--no-compile"]
    constraints = ["-c", repository / "constraints.txt"]
    wanted = f"{wheel}[{extra}]" if extra else wheel
    run(place / "bin/python", *install, *constraints, wanted, cwd=tmp_path)

    for command in commands:
        program, *arguments = command.split()
        assert run(place / "bin" / program, *arguments, cwd=tmp_path)
