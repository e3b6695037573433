"""Calls of plugins through a real supervisor and a real sandbox."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from lightning_agent.errors import (
    BadRequest,
    Busy,
    Error,
    PluginFailed,
    PluginNotInstalled,
    PluginTimeout,
    ProtocolMismatch,
    ResultTooLarge,
    UnknownMethod,
)
from tests.agent.supervised import Supervised, descendants, make_zip, settled

Eventually = Callable[[Callable[[], bool]], None]

RAISING = """
def outer(value):
    return inner(value)

def inner(value):
    raise KeyError(value)

def main(context):
    try:
        outer("cause")
    except KeyError as error:
        raise ValueError("no such thing") from error
"""


def test_a_call_returns_the_result(shared_supervisor: Supervised) -> None:
    """A plugin's function gets its parameters and its result comes back."""
    source = "def main(context, a, b=0):\n    return {'sum': a + b, 'same': context.parameters}"

    result = shared_supervisor.run(source, a=2, b=40)

    assert result == {"sum": 42, "same": {"a": 2, "b": 40}}


def test_a_plugin_can_be_a_class(shared_supervisor: Supervised) -> None:
    """A class derived from Plugin is made and run."""
    source = (
        "from lightning_plugin import Plugin\n"
        "class Adder(Plugin):\n"
        "    def run(self, a):\n"
        "        return [a + 1, self.context.parameters['a']]\n"
    )

    result = shared_supervisor.run(source, a=1)

    assert result == [2, 1]


def test_a_zip_holds_modules_and_data(shared_supervisor: Supervised) -> None:
    """A zip's entry file imports its neighbours and reads its data files."""
    bundle = make_zip(
        {
            "main.py": b"import near.part\ndef main(context):\n"
            b"    return near.part.read(context.path / 'data' / 'x.txt')\n",
            "near/part.py": b"def read(path):\n    return path.read_text()\n",
            "data/x.txt": b"content",
        }
    )
    plugin, digest = shared_supervisor.install(bundle, ending="zip")

    answer = shared_supervisor.call(plugin, digest)

    assert answer["result"] == "content"


def test_logs_come_in_order_of_writing(shared_supervisor: Supervised) -> None:
    """What is printed, logged and reported is kept in the order in which it was written."""
    source = (
        "import sys\n"
        "def main(context):\n"
        "    print('one')\n"
        "    context.log('two')\n"
        "    print('three', file=sys.stderr)\n"
        "    context.logger.warning('four')\n"
        "    context.report({'five': 5})\n"
        "    print('six', end='')\n"
    )
    plugin, digest = shared_supervisor.install(source.encode())

    answer = shared_supervisor.call(plugin, digest)
    kept = shared_supervisor.client.request("logs", plugin=plugin, lines=1000)["lines"]

    expected = ["one", "two", "three", "WARNING four", '{"five":5}', "six"]
    assert answer == {"result": None, "logs": expected}
    assert [line["text"] for line in kept] == expected
    assert [line["stream"] for line in kept] == [
        *("stdout", "log", "stderr", "log", "report", "stdout")
    ]


def test_output_of_native_code_is_kept(shared_supervisor: Supervised) -> None:
    """What bypasses Python's streams is in the log as well."""
    source = (
        "import os\ndef main(context):\n    os.write(1, b'raw out\\n')\n    os.write(2, b'err\\n')"
    )
    plugin, digest = shared_supervisor.install(source.encode())

    shared_supervisor.call(plugin, digest)
    kept = shared_supervisor.client.request("logs", plugin=plugin)["lines"]

    assert sorted((line["stream"], line["text"]) for line in kept) == [
        ("stderr", "err"),
        ("stdout", "raw out"),
    ]


def test_an_exception_comes_back_with_the_tenants_frames_only(
    shared_supervisor: Supervised,
) -> None:
    """The traceback shows the tenant's own lines and causes, and nothing of ours."""
    with pytest.raises(PluginFailed) as caught:
        shared_supervisor.run(RAISING)

    trace = str(caught.value.details["traceback"])
    assert caught.value.message == "ValueError: no such thing"
    assert caught.value.details["type"] == "ValueError"
    assert 'File "plugin.py", line 6, in inner' in trace
    assert 'outer("cause")' in trace
    assert "lightning" not in trace
    assert "importlib" not in trace


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("def main(context:\n", "SyntaxError"),
        ("import nothing_of_this_name\n", "ModuleNotFoundError"),
        ("def main(context):\n    return main(context)\n", "RecursionError"),
        ("def main(context, needed):\n    pass\n", "TypeError"),
        ("def other():\n    pass\n", "TypeError"),
        ("def main(context):\n    raise SystemExit('bye')\n", "SystemExit"),
        ("def main(context):\n    return {1, 2}\n", "ResultNotJson"),
        ("def main(context):\n    return float('nan')\n", "ResultNotJson"),
        ("def main(context):\n    return '\\ud800'\n", "ResultNotJson"),
        ("import ctypes\ndef main(context):\n    ctypes.string_at(0)\n", "Crashed"),
        ("import os\ndef main(context):\n    os._exit(3)\n", "Crashed"),
    ],
)
def test_every_failure_is_named(shared_supervisor: Supervised, source: str, kind: str) -> None:
    """Whatever goes wrong in a plugin, the error says what kind of failure it was."""
    with pytest.raises(PluginFailed) as caught:
        shared_supervisor.run(source)

    assert caught.value.details["type"] == kind


def test_a_result_may_be_a_megabyte_and_not_more(shared_supervisor: Supervised) -> None:
    """The limit of results is 1 MiB of JSON, quotes included."""
    source = "def main(context, n):\n    return 'x' * n"

    fits = shared_supervisor.run(source, n=1024 * 1024 - 2)
    with pytest.raises(ResultTooLarge):
        shared_supervisor.run(source, n=1024 * 1024 - 1)

    assert len(fits) == 1024 * 1024 - 2


def test_a_result_whose_msgpack_is_larger_than_its_json_arrives(
    shared_supervisor: Supervised,
) -> None:
    """A megabyte of short floats, the worst case of the conversion, fits into a frame."""
    source = "def main(context):\n    return [0.5] * 262143"

    result = shared_supervisor.run(source)

    assert len(result) == 262143


@pytest.mark.parametrize(("depth", "accepted"), [(50, True), (100, False), (5000, False)])
def test_deep_results_are_refused(
    shared_supervisor: Supervised, depth: int, accepted: bool
) -> None:
    """Nesting that could hurt a reader further on is refused; ordinary nesting is not."""
    source = (
        "def main(context, depth):\n"
        "    value = 1\n"
        "    for _ in range(depth):\n"
        "        value = [value]\n"
        "    return value\n"
    )

    outcome = _outcome(lambda: shared_supervisor.run(source, depth=depth))

    assert outcome == ("result" if accepted else "plugin_failed")


HOSTILE_CHANNEL = """
import os, socket
def main(context, message):
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, bytes(message))
        except OSError:
            pass
    return "honest"
"""


@pytest.mark.parametrize(
    ("message", "outcome"),
    [
        (b"", "result"),
        (b"\xff\xff\xff\xff", "result_too_large"),
        (b"\x00\x00\x00\x04nope", "plugin_failed"),
        (b"\x00\x00\x00\x02[]", "plugin_failed"),
        (b"\x00\x00\x00\x04[{]}", "plugin_failed"),
        (b"\x00\x00\x10\x00" + b"[" * 4096, "plugin_failed"),
        (b"\x80\x04\x95.", "result_too_large"),
    ],
)
def test_a_broken_channel_fails_the_call_only(
    shared_supervisor: Supervised, message: bytes, outcome: str
) -> None:
    """Whatever tenant code writes to the result socket, the supervisor survives it."""
    found = _outcome(lambda: shared_supervisor.run(HOSTILE_CHANNEL, message=list(message)))

    assert found == outcome
    assert (
        shared_supervisor.client.request("hello", protocol=1, timeout_s=1)["level"] == "standard"
    )


@pytest.mark.parametrize(
    "source",
    [
        "import time\ndef main(context):\n    time.sleep(60)",
        "def main(context):\n    while True: pass",
        "import signal, time\ndef main(context):\n"
        "    for n in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:\n"
        "        signal.signal(n, signal.SIG_IGN)\n"
        "    time.sleep(60)",
        "import os, signal\ndef main(context):\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        os.kill(os.getpid(), signal.SIGSTOP)\n"
        "    os.waitpid(child, 0)",
        "import os, time\ndef main(context):\n"
        "    for _ in range(5):\n"
        "        if os.fork() == 0:\n"
        "            os.setsid()\n"
        "            time.sleep(60)\n"
        "    time.sleep(60)",
    ],
    ids=["sleeps", "spins", "ignores signals", "stops its child", "has children"],
)
def test_the_deadline_kills_the_whole_tree(
    shared_supervisor: Supervised, eventually: Eventually, source: str
) -> None:
    """A plugin at its deadline is gone with all it started, and the caller is told."""
    before = settled(shared_supervisor)
    began = time.monotonic()

    with pytest.raises(PluginTimeout):
        shared_supervisor.run(source, deadline_s=0.5)

    assert 0.4 < time.monotonic() - began < 30, "long before the minute the plugin wants"
    eventually(lambda: descendants(shared_supervisor.process.pid) <= before)


def test_nothing_outlives_a_call(shared_supervisor: Supervised, eventually: Eventually) -> None:
    """A child that a plugin left behind ends with the call, although the result came."""
    source = (
        "import os, time\n"
        "def main(context, leave):\n"
        "    if leave and os.fork() == 0:\n"
        "        os.setsid()\n"
        "        time.sleep(60)\n"
        "        os._exit(0)\n"
        "    return 'done'\n"
    )
    plugin, digest = shared_supervisor.install(source.encode())
    shared_supervisor.call(plugin, digest, parameters={"leave": False})
    before = settled(shared_supervisor)

    answer = shared_supervisor.call(plugin, digest, parameters={"leave": True})

    assert answer["result"] == "done"
    # one fork was used up and one made ahead for the next call
    eventually(lambda: len(descendants(shared_supervisor.process.pid)) == len(before))
    assert len(settled(shared_supervisor)) == len(before)


def test_a_removed_plugin_leaves_no_warm_sandbox(
    shared_supervisor: Supervised, eventually: Eventually
) -> None:
    """What calls were forked from ends with the plugin."""
    before = set(shared_supervisor.client.request("warm")["pids"])
    plugin, digest = shared_supervisor.install(b"def main(context):\n    return 1\n")
    shared_supervisor.call(plugin, digest)
    (made,) = set(shared_supervisor.client.request("warm")["pids"]) - before

    shared_supervisor.client.request("uninstall", plugin=plugin)

    eventually(lambda: made not in descendants(shared_supervisor.process.pid))


def test_a_flood_of_output_is_capped(shared_supervisor: Supervised) -> None:
    """Endless output is dropped and counted; the supervisor answers others meanwhile."""
    source = (
        "import time\n"
        "def main(context):\n"
        "    end = time.monotonic() + 1\n"
        "    while time.monotonic() < end:\n"
        "        print('x' * 200 + '\\n' * 40)\n"
        "    return 'done'\n"
    )
    plugin, digest = shared_supervisor.install(source.encode())
    number = shared_supervisor.client.send(
        "call", plugin=plugin, digest=digest, parameters={}, deadline_s=20.0, grants={}
    )

    began = time.monotonic()
    shared_supervisor.client.request("hello", protocol=1)
    took_s = time.monotonic() - began
    answer = shared_supervisor.client.wait(number)
    logs = shared_supervisor.client.request("logs", plugin=plugin, lines=1000)

    kept_bytes = sum(
        path.stat().st_size for path in (shared_supervisor.state_dir / "logs").glob(f"{plugin}.*")
    )
    assert answer["result"] == "done"
    assert took_s < 1
    assert logs["dropped"] > 0
    assert kept_bytes <= 1024 * 1024


def test_one_call_too_many_is_busy(shared_supervisor: Supervised) -> None:
    """Beyond its slots the board answers busy, and takes calls again when one is free."""
    source = "import time\ndef main(context, s):\n    time.sleep(s)\n    return s"
    plugin, digest = shared_supervisor.install(source.encode())
    arguments = {"plugin": plugin, "digest": digest, "deadline_s": 20.0, "grants": {}}
    client = shared_supervisor.client

    numbers = [client.send("call", parameters={"s": 0.5}, **arguments) for _ in range(4)]
    with pytest.raises(Busy):
        client.request("call", parameters={"s": 0.1}, **arguments)
    results = [client.wait(number)["result"] for number in numbers]
    after = client.request("call", parameters={"s": 0.1}, **arguments)

    assert results == [0.5] * 4
    assert after["result"] == 0.1


def test_a_call_that_nobody_waits_for_is_killed(
    shared_supervisor: Supervised, eventually: Eventually
) -> None:
    """When the agent's connection closes, its calls end: nobody could get their results."""
    source = "import time\ndef main(context):\n    time.sleep(60)"
    plugin, digest = shared_supervisor.install(source.encode())
    before = settled(shared_supervisor)
    other = shared_supervisor.connect()
    other.send("call", plugin=plugin, digest=digest, parameters={}, deadline_s=60.0)
    eventually(lambda: bool(descendants(shared_supervisor.process.pid) - before))

    other.close()

    eventually(lambda: descendants(shared_supervisor.process.pid) <= before)


def test_an_absent_plugin_is_named(shared_supervisor: Supervised) -> None:
    """A version that is not on the board is its own error."""
    with pytest.raises(PluginNotInstalled):
        shared_supervisor.call("absent", "0" * 64)


@pytest.mark.parametrize(
    ("method", "arguments", "kind"),
    [
        ("nothing", {}, UnknownMethod),
        ("hello", {"protocol": 2}, ProtocolMismatch),
        ("call", {"plugin": "../up", "digest": "0" * 64, "deadline_s": 1.0}, BadRequest),
        ("call", {"plugin": "p", "digest": "../../etc", "deadline_s": 1.0}, BadRequest),
        ("call", {"plugin": "p", "digest": "0" * 64, "deadline_s": "soon"}, BadRequest),
        ("call", {"plugin": "p", "digest": "0" * 64, "deadline_s": float("nan")}, BadRequest),
        ("install", {"plugin": "p", "digest": "0" * 64, "path": "relative.py"}, BadRequest),
        ("status", {}, BadRequest),
        ("status", {"plugin": "a/b"}, BadRequest),
    ],
)
def test_malformed_requests_are_refused(
    shared_supervisor: Supervised, method: str, arguments: dict[str, object], kind: type[Error]
) -> None:
    """A request that is out of range, or would leave the state directory, is refused."""
    with pytest.raises(kind):
        shared_supervisor.client.request(method, **arguments)


def _outcome(action: Callable[[], object]) -> str:
    try:
        action()
    except Error as error:
        return error.code
    return "result"
