"""One board in QEMU: started, asked over a port, ended or killed."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packages.debian_package import host_architecture
from tests.boardvm.disk import Disk

PROGRAM = "qemu-system-x86_64"

MODELS = {
    "amd64": ((PROGRAM, "-cpu", "max"), "ttyS0"),
    "arm64": (("qemu-system-aarch64", "-machine", "virt", "-cpu", "cortex-a72"), "ttyAMA0"),
}
"""Debian's architecture → QEMU's program and processor, and the serial console."""

MEMORY_MIB = 1024

BOOT_S = 420
"""Longest time until the board takes commands, seconds; 60 to 150 without KVM on two cores."""

ANSWER_S = 30
"""What an answer may take beyond the limit of its command, seconds."""

SAYS_OK = bytes.fromhex("baf803b04feeb04beebaf400b010eef4ebfd").ljust(510, b"\0") + b"\x55\xaa"
"""A boot sector: writes OK to the first serial port and ends the machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How a command in the board ended; the code is ``None`` when its limit was reached."""

    code: int | None
    out: str
    err: str


def accelerator(architecture: str) -> str:
    """Return ``kvm`` where a machine really runs with it, else ``tcg``.

    ``IOT_TEST_ACCELERATOR`` says which to use. The device being there means nothing: it is tried.
    """
    given = os.environ.get("IOT_TEST_ACCELERATOR")
    if given:
        return given
    is_foreign = architecture != "amd64" or host_architecture() != "amd64"
    if is_foreign or not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg"
    with tempfile.NamedTemporaryFile(suffix=".img") as sector:
        sector.write(SAYS_OK)
        sector.flush()
        # the processor that boards get: some are refused where a plainer one is not
        command = [*MODELS[architecture][0], "-smp", "2", "-accel", "kvm"]
        command += ["-nodefaults", "-display", "none", "-m", "64"]
        command += ["-drive", f"file={sector.name},format=raw,if=ide", "-serial", "stdio"]
        command += ["-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
        try:
            said = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False
            ).stdout
        except subprocess.TimeoutExpired:
            return "tcg"
    return "kvm" if said == b"OK" else "tcg"


class Machine:
    """A board.

    :param folder: for its console's log and its sockets, of a short path
    """

    def __init__(self, disk: Disk, folder: Path, accel: str) -> None:
        self._disk = disk
        self._folder = folder
        self._accel = accel
        self._process: subprocess.Popen[bytes] | None = None
        self._port: socket.socket | None = None
        self._received = b""
        self.clock = "utc"
        """What the board's clock says at the next start, e.g. ``1970-01-01``."""
        self.console = folder / "console.log"
        """All that the board wrote to its serial console."""

    def start(self) -> float:
        """Boot it; return the seconds until it took commands."""
        program = MODELS[self._disk.architecture][0][0]
        if shutil.which(program) is None:
            package = "qemu-system-x86" if program == PROGRAM else "qemu-system-arm"
            raise RuntimeError(f"missing: {program}: apt-get install {package}")
        since = time.monotonic()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        path = self._folder / "control.sock"
        path.unlink(missing_ok=True)
        listener.bind(str(path))
        listener.listen(1)
        listener.settimeout(30)
        with listener, self.console.open("ab") as log:
            self._process = subprocess.Popen(
                self._command(path), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
            self._port, _ = listener.accept()
        self._received = b""
        assert self._read(BOOT_S) == {"ready": True}
        return time.monotonic() - since

    def run(self, *argv: str, given: str = "", limit_s: float = 60, check: bool = True) -> Done:
        """Run a command in it as root.

        :param given: its standard input
        :param check: fail when its exit code is not 0
        """
        assert self._port is not None
        order = {"argv": argv, "input": given, "limit_s": limit_s}
        self._port.settimeout(ANSWER_S)
        self._port.sendall(json.dumps(order).encode() + b"\n")
        done = Done(**self._read(limit_s + ANSWER_S))
        assert not check or done.code == 0, f"{argv}: {done}"
        return done

    def stop(self) -> None:
        """Shut it down as its owner would; kill it when it does not end."""
        if self._process is None:
            return
        if self._process.poll() is None and self._port is not None:
            self.run("systemctl", "--no-block", "poweroff", check=False)
            try:
                self._process.wait(120)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._close()

    def cut_power(self) -> None:
        """Kill it: what the board had not written is lost."""
        if self._process is not None:
            self._process.kill()
        self._close()

    def _close(self) -> None:
        if self._process is not None:
            self._process.wait(30)
        if self._port is not None:
            self._port.close()
        self._process = self._port = None

    def _read(self, limit_s: float) -> Any:
        assert self._port is not None
        end = time.monotonic() + limit_s
        while b"\n" not in self._received:
            self._port.settimeout(max(end - time.monotonic(), 0.01))
            try:
                received = self._port.recv(65536)
            except TimeoutError:
                raise AssertionError(
                    f"no answer within {limit_s} s: {self.last_words()}"
                ) from None
            assert received, f"the board ended: {self.last_words()}"
            self._received += received
        line, _, self._received = self._received.partition(b"\n")
        return json.loads(line)

    def last_words(self) -> str:
        """Return the end of the console's log."""
        return self.console.read_bytes()[-3000:].decode(errors="replace")

    def _command(self, control: Path) -> list[str]:
        program, console = MODELS[self._disk.architecture]
        arguments = f"root=/dev/vda rw console={console} systemd.show_status=1"
        return [
            *(*program, "-accel", self._accel, "-smp", "2", "-m", str(MEMORY_MIB)),
            *("-nodefaults", "-display", "none", "-no-reboot", "-rtc", f"base={self.clock}"),
            *("-kernel", str(self._disk.kernel), "-initrd", str(self._disk.initrd)),
            *("-append", arguments, "-serial", "stdio"),
            *("-chardev", f"socket,id=control,path={control}", "-device", "virtio-serial-pci"),
            *("-device", "virtserialport,chardev=control,name=control"),
            *("-drive", f"file={self._disk.image},format=raw,if=virtio,cache=writeback"),
            *("-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net"),
            *("-device", "virtio-rng-pci"),
        ]
