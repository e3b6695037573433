"""The disk of a board: Debian 12 by debootstrap, its own kernel, and the agent's package."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from demo.run import EXAMPLE
from tests.packages import system
from tests.packages.system import WITH, System

PACKAGES = f"{WITH},dbus,iproute2,kmod,linux-image-{{}},systemd-sysv,udev"
"""What the board has beyond a minimal system; the architecture is to be filled in."""

DRIVERS = "virtio_blk\nvirtio_pci\next4\n"
"""What the initial file system needs to find the disk; all of Debian's drivers do as well."""

INITRD_S = 900
"""Longest time for making it, seconds."""

SIZE_MIB = 3072
MAKE_S = 300
"""Longest time for writing the disk, seconds."""

PICTURES = "/srv/pictures"
"""The pictures of the example, as a camera of the board's owner."""

CONTROL = "/usr/local/sbin/boardvm-control"

FILES = {
    "etc/fstab": "/dev/vda / ext4 defaults,noatime 0 1\n",
    "etc/hostname": "board\n",
    "etc/hosts": "127.0.0.1 localhost board\n",
    "etc/systemd/network/20-wired.network": "[Match]\nName=en*\n\n[Network]\nDHCP=ipv4\n",
    "etc/systemd/system/boardvm-control.service": (
        "[Unit]\nDescription=commands of the test\n\n"
        f"[Service]\nExecStart=/usr/bin/python3 {CONTROL} /dev/virtio-ports/control\n"
        "Restart=always\nRestartSec=0.5\n\n"
        "[Install]\nWantedBy=multi-user.target\n"
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """What QEMU boots: the board's disk, and the kernel and initial file system in it."""

    architecture: str
    image: Path
    kernel: Path
    initrd: Path


def make(deb: Path, folder: Path, architecture: str) -> Disk:
    """Make a board's disk with the package installed by dpkg; root only.

    :param architecture: Debian's name of the board's
    """
    base = system.make_base(PACKAGES.format(architecture), architecture, make_initrd)
    board = system.copy(base, folder / "root")
    for name, text in FILES.items():
        path = board.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    shutil.copy(Path(__file__).with_name("control.py"), board.root / CONTROL.lstrip("/"))
    shutil.copytree(EXAMPLE / "pictures", board.root / PICTURES.lstrip("/"))
    board.run("systemctl", "enable", "systemd-networkd.service", "boardvm-control.service")
    board.run("dpkg", "--install", board.copy_in(deb))
    disk = Disk(
        architecture=architecture,
        image=folder / "disk.img",
        kernel=keep(board, "vmlinuz", folder),
        initrd=keep(board, "initrd.img", folder),
    )
    write_image(board.root, disk.image)
    subprocess.run(["rm", "-rf", "--one-file-system", str(board.root)], check=True, timeout=120)
    return disk


def make_initrd(board: System) -> None:
    """Make the initial file system of the system's kernel, a small one."""
    settings = board.root / "etc/initramfs-tools"
    (settings / "conf.d/board").write_text("MODULES=list\n", encoding="utf-8")
    (settings / "modules").write_text(DRIVERS, encoding="utf-8")
    (kernel,) = (board.root / "boot").glob("vmlinuz-*")
    version = kernel.name.removeprefix("vmlinuz-")
    board.run("update-initramfs", "-c", "-k", version, limit_s=INITRD_S)


def keep(board: System, name: str, folder: Path) -> Path:
    """Copy the kernel or the initial file system out of the system."""
    (found,) = (board.root / "boot").glob(f"{name}-*")
    return Path(shutil.copy(found, folder / name))


def write_image(root: Path, image: Path) -> None:
    """Write a folder as an ext4 file system; nothing is mounted."""
    program = system.find("mke2fs")
    if program is None:
        raise RuntimeError("missing: mke2fs: apt-get install e2fsprogs")
    subprocess.run(
        [program, "-q", "-t", "ext4", "-L", "board", "-d", root, image, f"{SIZE_MIB}M"],
        check=True,
        timeout=MAKE_S,
    )
