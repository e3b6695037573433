"""What tenant code cannot do inside the sandbox, and can outside: the same code runs in both.

First level only; the numbers in ids are those of the list of attacks in the sandbox specification.
Every attack is ``def main(context, **parameters)`` that returns whether it succeeded.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lightning_agent.errors import Error
from tests.agent.supervised import Supervised

PREFIX = """
import ctypes, mmap, os, resource, signal, socket
from pathlib import Path
node = f"/tmp/planted-{os.getpid()}"
libc = ctypes.CDLL(None, use_errno=True)
def succeeds(action):
    try:
        action()
    except (OSError, MemoryError):
        return False
    return True
def interfaces():
    try:
        return {name for _, name in socket.if_nameindex()}
    except OSError:
        return set()
"""

ATTACKS = {
    "2 read passwd": "succeeds(lambda: open('/etc/passwd').read())",
    "3 read the agent's settings": "succeeds(lambda: open(settings).read())",
    "4 list home and var": "succeeds(lambda: (os.listdir('/home'), os.listdir('/var')))",
    "7 write to a package folder": "succeeds(lambda: open(f'{packages}/planted.py', 'w'))",
    "13 the root of another process": "succeeds(lambda: os.listdir(f'/proc/{victim}/root/'))",
    "14 environment of another": "succeeds(lambda: open(f'/proc/{victim}/environ').read())",
    "16 list sys": "os.path.exists('/sys/kernel')",
    "18 no_new_privs is off": "libc.prctl(39, 0, 0, 0, 0) == 0",
    "19 further user namespace": "libc.unshare(0x10000000) == 0",
    "22 mount": "libc.mount(b'none', b'/tmp', b'tmpfs', 0, None) == 0",
    "23 chroot": "succeeds(lambda: os.chroot('/tmp'))",
    "24 mknod": "succeeds(lambda: (os.mknod(node, 0o60600, os.makedev(8, 0)), os.unlink(node)))",
    "17 has CAP_SYS_ADMIN in its bounding set": "libc.prctl(23, 21, 0, 0, 0) == 1",
    "28 io_uring": "libc.syscall(425, 2, (ctypes.c_uint8 * 120)()) >= 0",
    "33 two gigabytes in one process": "succeeds(lambda: mmap.mmap(-1, 2 * 1024**3))",
    "40 a hundred descriptors": "succeeds(lambda: [os.dup(0) for _ in range(100)])",
    "52 signal a process of the host": "succeeds(lambda: os.kill(victim, 0))",
    "56 see host pids": "os.path.exists('/proc/self')",
    "63 secret in the environment": "'PLANTED_SECRET' in os.environ",
    "64 loopback TCP": "succeeds(lambda: socket.create_connection(('127.0.0.1', port), 2))",
    "65 UDP": "succeeds(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))",
    "67 netlink socket": "succeeds(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW))",
    "68 abstract socket": "succeeds(lambda: socket.socket(socket.AF_UNIX).connect(abstract))",
    "69 path socket": "succeeds(lambda: socket.socket(socket.AF_UNIX).connect(supervisor))",
    "71 kernel messages": "os.path.exists('/dev/kmsg')",
}

NEEDS_ROOT = {
    "22 mount",
    "23 chroot",
    "24 mknod",
}
"""Attacks that only root can do outside, so that only root can be their positive control."""


@pytest.fixture(scope="module")
def surroundings(
    shared_supervisor: Supervised, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Any]]:
    """Give the host's things that attacks try to reach; all are open to this user."""
    settings = tmp_path_factory.mktemp("host") / "agent.toml"
    settings.write_text("secret")
    packages = tmp_path_factory.mktemp("site-packages")
    abstract = f"\0lightning-test-{os.getpid()}"
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_UNIX) as listener,
        subprocess.Popen(["sleep", "600"]) as victim,
    ):
        listener.bind(abstract)
        listener.listen()
        yield {
            "settings": str(settings),
            "packages": str(packages),
            "port": tcp.getsockname()[1],
            "abstract": abstract,
            "supervisor": str(shared_supervisor.state_dir / "supervisor.sock"),
            "victim": victim.pid,
        }
        victim.kill()


def _outside(source: str, parameters: dict[str, Any]) -> Any:
    """Run the same source as an ordinary process, in a fork of its own."""
    script = (
        f"{source}\nimport json, sys\nprint(json.dumps(main(None, **json.loads(sys.argv[1]))))"
    )
    isolated = ["unshare", "--mount"] if os.geteuid() == 0 else []
    ended = subprocess.run(
        [*isolated, sys.executable, "-c", script, json.dumps(parameters)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


def _attack(expression: str) -> str:
    names = "settings, packages, port, abstract, supervisor, victim"
    return f"{PREFIX}\ndef main(context, {names}):\n    return bool({expression})\n"


@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_an_attack_fails_inside(
    shared_supervisor: Supervised, surroundings: dict[str, Any], name: str
) -> None:
    """The attack does not succeed inside the sandbox."""
    inside = {**surroundings, "packages": "/opt/packages/0"}

    succeeded = shared_supervisor.run(_attack(ATTACKS[name]), **inside)

    assert succeeded is False


@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_the_same_attack_succeeds_outside(surroundings: dict[str, Any], name: str) -> None:
    """Positive control: without the sandbox, the same code succeeds."""
    if name in NEEDS_ROOT and os.geteuid() != 0:
        pytest.skip("only root can do this outside")
    if name == "71 kernel messages" and not os.path.exists("/dev/kmsg"):
        pytest.skip("this machine is a container that has no /dev/kmsg itself")

    succeeded = _outside(_attack(ATTACKS[name]), surroundings)

    assert succeeded is True


WITHIN = {
    "the work folder": ("open('/job/x', 'wb').write(bytes(8 * 1024**2))", True),
    "36 a file beyond the limit": ("open('/job/x', 'wb').write(bytes(80 * 1024**2))", False),
    "/tmp": ("open('/tmp/x', 'wb').write(bytes(8 * 1024**2))", True),
    "35 /tmp beyond its size": ("open('/tmp/x', 'wb').write(bytes(20 * 1024**2))", False),
    "/dev/shm": ("open('/dev/shm/x', 'wb').write(bytes(8 * 1024**2))", True),
    "38 /dev/shm beyond its size": ("open('/dev/shm/x', 'wb').write(bytes(20 * 1024**2))", False),
    "/dev/null": ("open('/dev/null', 'wb').write(b'x')", True),
    "38 the root": ("open('/x', 'wb').write(b'x')", False),
    "38 /dev": ("open('/dev/x', 'wb').write(b'x')", False),
    "5 /usr": ("open('/usr/lib/x', 'wb').write(b'x')", False),
    "the standard library": ("open(os.__file__).read()", True),
    "6 write to the standard library": ("open(os.__file__, 'a')", False),
    "cpuinfo": ("open('/proc/cpuinfo').read()", True),
    "1 shadow": ("open('/etc/shadow').read()", False),
    "4 list the parents of the interpreter": (
        "os.listdir('/root/.ssh') + os.listdir('/home/' + os.listdir('/home')[0])",
        False,
    ),
    "half a gigabyte": ("bytearray(512 * 1024**2)", True),
    "thirty descriptors": ("[os.dup(0) for _ in range(30)]", True),
    "30 raise a limit": ("resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))", False),
    "17 become root": ("os.setuid(0)", False),
}


@pytest.mark.parametrize("name", sorted(WITHIN))
def test_what_is_and_is_not_allowed_inside(shared_supervisor: Supervised, name: str) -> None:
    """What a plugin needs works; what lies just beyond does not."""
    expression, allowed = WITHIN[name]
    source = f"{PREFIX}\ndef main(context):\n    return succeeds(lambda: {expression})\n".replace(
        "(OSError, MemoryError)", "(OSError, MemoryError, ValueError)"
    )

    result = shared_supervisor.run(source)

    assert result is allowed


def test_32_a_fork_bomb_is_bounded(shared_supervisor: Supervised) -> None:
    """A plugin can have some processes, but not many, and the supervisor answers meanwhile."""
    source = (
        "import os, time\n"
        "def main(context, wanted):\n"
        "    for made in range(wanted):\n"
        "        try:\n"
        "            child = os.fork()\n"
        "        except OSError:\n"
        "            return made\n"
        "        if child == 0:\n"
        "            time.sleep(60)\n"
        "            os._exit(0)\n"
        "    return wanted\n"
    )

    few = shared_supervisor.run(source, wanted=10)
    many = shared_supervisor.run(source, wanted=200)

    assert few == 10
    assert 10 < many <= 64
    assert (
        shared_supervisor.client.request("hello", protocol=1, timeout_s=1)["level"] == "standard"
    )


def test_34_many_processes_do_not_hold_more_than_one_may(shared_supervisor: Supervised) -> None:
    """Six children that fill 300 MiB each are killed with their call; two of them are not."""
    source = (
        "import mmap, os, time\n"
        "def main(context, children):\n"
        "    for _ in range(children):\n"
        "        if os.fork() == 0:\n"
        "            held = mmap.mmap(-1, 300 << 20)\n"
        "            for place in range(0, len(held), 4096):\n"
        "                held[place] = 1\n"
        "            time.sleep(60)\n"
        "    time.sleep(1.0 if children < 4 else 15.0)\n"
        "    return 'here'\n"
    )

    assert shared_supervisor.run(source, children=2) == "here"
    with pytest.raises(Error) as caught:
        shared_supervisor.run(source, children=6)

    assert caught.value.code == "plugin_failed"
    assert caught.value.details["type"] == "OutOfMemory"


def test_60_only_the_channel_is_inherited(shared_supervisor: Supervised) -> None:
    """Beside the standard three, one descriptor is open: the channel; with a camera, two."""
    source = (
        "import os\n"
        "def is_open(number):\n"
        "    try:\n"
        "        os.fstat(number)\n"
        "    except OSError:\n"
        "        return False\n"
        "    return True\n"
        "def main(context):\n"
        "    return sum(is_open(number) for number in range(3, 64))\n"
    )

    without = shared_supervisor.run(source)
    with_camera = shared_supervisor.run(source, cameras=("default",))

    assert (without, with_camera) == (1, 2)


def test_the_environment_is_ours(shared_supervisor: Supervised) -> None:
    """Inside there are only the variables that the sandbox sets."""
    source = "import os\ndef main(context):\n    return sorted(os.environ)"

    names = shared_supervisor.run(source)

    assert set(names) == {
        *("HOME", "LANG", "LIGHTNING_SANDBOX", "OMP_NUM_THREADS"),
        *("OPENBLAS_NUM_THREADS", "PATH", "PWD", "TMPDIR"),
    }


def test_each_owner_has_an_own_uid_under_root(shared_supervisor: Supervised) -> None:
    """Where the supervisor is root, the host sees plugins under uids that nobody else has."""
    if os.geteuid() != 0:
        pytest.skip("an ordinary user has one uid only")
    source = (
        "import os\n"
        "def main(context):\n"
        "    open('/job/ready', 'w')\n"
        "    context.log('ready')\n"
        "    context.stopping.wait(60)\n"
    )
    plugin, started = shared_supervisor.start_plugin(source)
    try:
        uids = {_uid(pid) for pid in _below(started["pid"])}
    finally:
        shared_supervisor.client.request("stop", plugin=plugin, delay_s=0)
        shared_supervisor.client.wait_event(timeout_s=5)

    assert max(uids) in range(61184, 65520)


def _uid(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    (line,) = [line for line in lines if line.startswith("Uid:")]
    return int(line.split()[1])


def _below(pid: int) -> set[int]:
    end = time.monotonic() + 5
    found: set[int] = set()
    while len(found) < 4 and time.monotonic() < end:
        found = _descendants(pid)
    return found


def _descendants(pid: int) -> set[int]:
    found = set()
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for word in task.read_text(encoding="ascii").split():
            found |= {int(word)} | _descendants(int(word))
    return found


def test_one_call_sees_nothing_of_another(shared_supervisor: Supervised) -> None:
    """Each call has a fresh work folder, and modules changed in one are whole in the next."""
    source = (
        "import json\n"
        "def main(context):\n"
        "    seen = [path.name for path in context.work.iterdir()]\n"
        "    changed = hasattr(json, 'planted')\n"
        "    json.planted = True\n"
        "    (context.work / 'left').write_text('behind')\n"
        "    return [seen, changed]\n"
    )
    plugin, digest = shared_supervisor.install(source.encode())

    results = [shared_supervisor.call(plugin, digest)["result"] for _ in range(2)]

    assert results == [[[], False], [[], False]]


def test_an_error_of_ours_is_never_a_bare_one(shared_supervisor: Supervised) -> None:
    """A failing attack comes back as a named error, never as a lost connection."""
    with pytest.raises(Error) as caught:
        shared_supervisor.run(
            "import os\ndef main(context):\n    os.kill(-1, 9)\n    os.kill(0, 9)"
        )

    assert caught.value.code == "plugin_failed"
