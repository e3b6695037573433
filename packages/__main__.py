"""``python -m packages FOLDER``: build wheel, sdist and Debian package into a folder."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from packages.debian_package import ARCHITECTURES, build_package, host_architecture
from packages.distributions import build_sdist, build_wheel, source_time


def main() -> int:
    """Build; print the path of each file; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m packages", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where the files go")
    parser.add_argument(
        "--architecture",
        choices=ARCHITECTURES,
        default=host_architecture(),
        help="of the Debian package; nothing of another one is run (%(default)s)",
    )
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    try:
        build(options.folder.absolute(), options.architecture)
    except subprocess.CalledProcessError as error:
        sys.stderr.write(f"{error.cmd[0]} ended with {error.returncode}\n")
        return 1
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def build(folder: Path, architecture: str) -> None:
    """Build all three into ``folder``."""
    checkout = Path(__file__).resolve().parents[1]
    epoch_s = source_time(checkout)
    with tempfile.TemporaryDirectory(prefix="iotronic-packages-") as name:
        work = Path(name)
        sdist = build_sdist(checkout, folder, work, epoch_s)
        print(sdist, flush=True)
        wheel = build_wheel(sdist, folder, work, epoch_s)
        print(wheel, flush=True)
        print(build_package(checkout, wheel, folder, work, architecture, epoch_s), flush=True)


if __name__ == "__main__":
    sys.exit(main())
