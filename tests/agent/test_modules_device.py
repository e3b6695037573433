"""Orders to the board itself: what the owner allows, delays, packages, REST, reset."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock as FakeReactor

from lightning_agent.clock import Clock
from lightning_agent.errors import Error
from lightning_agent.modules import command, interfaces
from lightning_agent.modules.base import BadParameters, Parts
from lightning_agent.modules.command import CommandFailed, CommandTimeout, run_command
from lightning_agent.modules.device import Device
from lightning_agent.modules.keeper import Keeper
from lightning_agent.modules.leases import Leases
from lightning_agent.modules.package import Package, package_command, upgrade_command
from lightning_agent.modules.reset import Reset
from lightning_agent.modules.rest import Rest, RestFailed, RestRefused, RestTimeout
from lightning_agent.owner import NotAllowed, read_owner
from lightning_agent.protocol import device
from lightning_agent.protocol.device import PackageParameters
from lightning_agent.protocol.errors import BadMessage
from lightning_agent.state import leftovers
from lightning_agent.state.disk import DirectDisk
from lightning_agent.state.lease import LeaseReader
from lightning_agent.state.store import Store
from tests.agent.stand_ins import (
    BOARD,
    FakeFetcher,
    FakeLink,
    FakePower,
    a_plugin,
    an_order,
    begin,
    result_of,
)
from tests.fakes.web import dripping, says, serving

Eventually = Callable[[Callable[[], bool]], None]


class Reactor(FakeReactor):
    """Time by hand; what threads hand over is taken when it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.handed: list[Any] = []

    def callFromThread(self, function: Any, *arguments: Any) -> None:
        """Keep it."""
        self.handed.append((function, arguments))

    def turn(self) -> None:
        """Run what threads handed over."""
        while self.handed:
            function, arguments = self.handed.pop(0)
            function(*arguments)


class Bench:
    """The device modules of a board whose owner says what the test says."""

    def __init__(self, folder: Path, **table: Any) -> None:
        self.reactor, self.link, self.power = Reactor(), FakeLink(), FakePower()
        self.store = Store(folder, DirectDisk())
        link: Any = self.link
        fetcher: Any = FakeFetcher()
        leases = Leases(link=link, store=self.store, reader=LeaseReader(folder, BOARD))
        self.keeper = Keeper(
            link=link, store=self.store, fetcher=fetcher, clock=Clock(), leases=leases
        )
        self.parts = Parts(
            clock=Clock(),
            link=link,
            keeper=self.keeper,
            reactor=self.reactor,
            state_dir=folder,
            power=self.power,
            owner=read_owner(table),
        )
        self.modules = [kind(self.parts) for kind in (Device, Package, Rest, Reset)]
        self.run = {item.name: item.run for each in self.modules for item in each.procedures()}

    def order(self, name: str, **parameters: Any) -> Any:
        """Carry out an order, with its threads."""
        outcome = begin(self.run[name](an_order(name, parameters=parameters)))
        end = time.monotonic() + 20
        while not outcome.called:
            assert time.monotonic() < end, "no end within 20 s"
            self.reactor.turn()
            time.sleep(0.005)
        if hasattr(outcome, "broke"):
            raise outcome.broke
        return outcome.result


def wanted(manager: str, verb: str, package: str = "", **more: Any) -> PackageParameters:
    """Return checked parameters of a package operation."""
    made = PackageParameters(manager=manager, command=verb, package=package, **more)
    made.check()
    return made


class TestOwner:
    """The owner's word: defaults, the file, refusals with a cure."""

    def test_default_allows_what_ends_with_the_agent(self) -> None:
        """Neither reboots nor software unless the owner says so."""
        owner = read_owner({})

        for ability in ("network", "restart", "rest", "reset"):
            owner.check(ability)
        for ability in ("reboot", "upgrade", "package"):
            with pytest.raises(NotAllowed, match=rf'allow = \[.*"{ability}".*\] into \[device\]'):
                owner.check(ability)

    def test_a_manager_is_allowed_by_name(self) -> None:
        """Allowing packages allows no manager yet; the refusal says what to write."""
        owner = read_owner({"allow": ["package"], "package_managers": ["pip"]})

        owner.check_manager("pip")
        with pytest.raises(NotAllowed, match=r'package_managers = \["apt", "pip"\]'):
            owner.check_manager("apt")

    @pytest.mark.parametrize(
        ("table", "said"),
        [
            ({"permit": []}, "knows no permit"),
            ({"allow": ["all"]}, "allow: 'all' is not known"),
            ({"allow": "reboot"}, "allow must be a list"),
            ({"package_managers": ["brew"]}, "package_managers: 'brew'"),
            ({"reboot_command": "reboot"}, "reboot_command must be a list"),
            ({"reboot_command": []}, "reboot_command must name a program"),
            ({"upgrade_command": [""]}, "upgrade_command must name a program"),
            ({"upgrade_command": ["a\0"]}, "character 0"),
            ({"work_limit_s": True}, "work_limit_s must be a number"),
            ({"work_limit_s": 0}, "1 to 3600"),
            ({"rest_networks": ["10.0.0.1/8"]}, "rest_networks"),
            ({"rest_insecure": 1}, "rest_insecure must be true or false"),
        ],
    )
    def test_mistakes_are_named(self, table: dict[str, Any], said: str) -> None:
        """A wrong setting is told with its key."""
        with pytest.raises(ValueError, match=said.replace("[", r"\[")):
            read_owner(table)


class TestDelays:
    """Effects on the agent and the machine come after the answer."""

    @pytest.mark.parametrize("name", ["device.restart", "device.reboot"])
    @pytest.mark.parametrize("delay_s", [0.0, 2.9, 3601.0, -1.0])
    def test_too_short_and_too_long(self, tmp_path: Path, name: str, delay_s: float) -> None:
        """At least three seconds, so that the answer is there first."""
        bench = Bench(tmp_path, allow=["restart", "reboot"])

        with pytest.raises(BadParameters, match="delay_s"):
            bench.order(name, delay_s=delay_s)
        assert bench.reactor.getDelayedCalls() == []

    def test_the_agent_restarts_later(self, tmp_path: Path) -> None:
        """First the answer, then all ends on the disk, then the restart."""
        bench = Bench(tmp_path)

        said = bench.order("device.restart", delay_s=5.0)
        bench.reactor.advance(4.9)
        before = list(bench.power.done)
        bench.reactor.advance(0.2)

        assert said == "the agent restarts in 5 s"
        assert (before, bench.power.done) == ([], ["flush", "restart"])

    def test_the_machine_reboots_by_the_owners_command(
        self, tmp_path: Path, eventually: Eventually
    ) -> None:
        """The owner's list of arguments runs, and not before its time."""
        mark = tmp_path / "rebooted"
        bench = Bench(tmp_path, allow=["reboot"], reboot_command=["touch", str(mark)])

        assert bench.order("device.reboot") == "the board reboots in 3 s"
        bench.reactor.advance(2.9)
        assert bench.reactor.getDelayedCalls() and not mark.exists()
        bench.reactor.advance(0.2)

        eventually(mark.exists)
        assert bench.power.done == ["flush"]

    def test_reboot_is_refused_by_default(self, tmp_path: Path) -> None:
        """Nothing is planned when it is not allowed."""
        bench = Bench(tmp_path)

        with pytest.raises(NotAllowed):
            bench.order("device.reboot")
        assert bench.reactor.getDelayedCalls() == []

    def test_a_restarted_agent_has_restarted(self, tmp_path: Path) -> None:
        """An order whose end was not written down is ended by the restart itself."""
        module = Bench(tmp_path).modules[0]

        assert result_of(module.recover("device.restart", an_order())) == "the agent has restarted"
        assert result_of(module.recover("device.reboot", an_order())) is None


def test_network_lists_the_loopback(tmp_path: Path) -> None:
    """The kernel's word: interfaces, addresses, routes, name servers."""
    told = Bench(tmp_path).order("device.network")

    [loopback] = [each for each in told["interfaces"] if each["name"] == "lo"]
    assert {"address": "127.0.0.1", "prefix": 8, "family": "ipv4"} in loopback["addresses"]
    assert loopback["mtu"] > 0
    assert isinstance(told["nameservers"], list)


@given(st.binary(max_size=200))
def test_any_message_of_the_kernel_is_read(message: bytes) -> None:
    """Odd bytes give addresses or nothing, never an error, once the header is there."""
    found: dict[int, Any] = {}

    interfaces.read_address(bytes(8) + message, found)

    assert all(isinstance(row["address"], str) for rows in found.values() for row in rows)


def test_routes_and_name_servers_are_read() -> None:
    """As the files of a Linux machine say them."""
    table = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
    table += "eth0\t00000000\t010012AC\t0003\t0\t0\t0\t00000000\n"
    table += "eth0\t000012AC\t00000000\t0001\t0\t0\t0\t0000FFFF\n"

    assert interfaces.default_routes(table) == [{"interface": "eth0", "gateway": "172.18.0.1"}]
    assert interfaces.name_servers("# x\nnameserver 192.0.2.1\nsearch a\n") == ["192.0.2.1"]


class TestPackages:
    """Argument lists from a table; hostile words never get that far."""

    @pytest.mark.parametrize(
        ("parameters", "argv"),
        [
            (("apt", "update", ""), "apt-get -q -y update"),
            (("apt-get", "upgrade", ""), "apt-get -q -y upgrade"),
            (("apt", "install", "vim", "2:9.0-1"), "apt-get -q -y install -- vim=2:9.0-1"),
            (("apt", "upgrade", "vim"), "apt-get -q -y install --only-upgrade -- vim"),
            (("apt", "uninstall", "vim"), "apt-get -q -y remove -- vim"),
            (("pip", "install", "six", "1.0"), "pip3 install -- six==1.0"),
            (("pip3", "upgrade", "six", "latest"), "pip3 install --upgrade -- six"),
            (("pip3", "update", "six"), "pip3 install --upgrade -- six"),
            (("pip", "remove", "six"), "pip3 uninstall --yes -- six"),
            (("apt", "install", "g++", "4:12.2.0-3"), "apt-get -q -y install -- g++=4:12.2.0-3"),
            (("npm", "install", "@a/b", "1.2"), "npm install --global -- @a/b@1.2"),
            (("npm", "install", "tar", "7.0.0-rc.1"), "npm install --global -- tar@7.0.0-rc.1"),
            (("npm", "upgrade", "left-pad"), "npm update --global -- left-pad"),
            (("npm", "remove", "left-pad"), "npm uninstall --global -- left-pad"),
        ],
    )
    def test_the_table(self, parameters: tuple[str, ...], argv: str) -> None:
        """Manager and command give one argument list each."""
        manager, verb, package, *version = parameters
        made = wanted(manager, verb, package, version=version[0] if version else "")

        assert package_command(made) == argv.split()

    @pytest.mark.parametrize(
        ("fields", "said"),
        [
            ({"manager": "sh"}, "manager"),
            ({"command": "download"}, "command"),
            ({"package": "six; reboot"}, "package"),
            ({"package": "-r/etc/passwd"}, "package"),
            ({"package": "./evil"}, "package"),
            ({"package": "git+https://evil.example/x"}, "package"),
            ({"package": "six @ file:///tmp/x"}, "package"),
            ({"package": "$(reboot)"}, "package"),
            ({"package": ""}, "needs the name"),
            ({"version": "1 --index-url=http://evil"}, "version"),
            ({"version": "-1"}, "version"),
            ({"manager": "apt", "package": "ssh-"}, "package"),
            ({"manager": "apt", "package": "ssh", "version": "1-"}, "version"),
            ({"manager": "npm", "version": "file:tmp"}, "version"),
            ({"manager": "npm", "version": "npm:evil"}, "version"),
            ({"manager": "npm", "package": "evil.tgz"}, "package"),
            ({"options": ["--index-url=http://evil.example"]}, "options"),
            ({"options": ["-o", "APT::Update::Pre-Invoke::=id"]}, "options"),
            ({"options": ["--target=/etc"]}, "options"),
            ({"command": "remove", "version": "1"}, "version"),
            ({"manager": "apt", "command": "update"}, "takes none"),
            ({"limit_s": 3601.0}, "limit_s"),
        ],
    )
    def test_hostile_words(self, fields: dict[str, Any], said: str) -> None:
        """Each is refused by the name of its field."""
        given = {"manager": "pip", "command": "install", "package": "six", **fields}

        with pytest.raises(BadMessage, match=said):
            PackageParameters(**given).check()

    @given(
        st.sampled_from(sorted(device.FAMILIES)),
        st.sampled_from(device.PACKAGE_COMMANDS),
        st.text(max_size=30),
        st.text(max_size=20),
        st.lists(st.text(max_size=20), max_size=2),
    )
    def test_no_word_becomes_an_option(
        self, manager: str, verb: str, package: str, version: str, options: list[str]
    ) -> None:
        """Whatever passes the checks, the package stands behind the double dash, whole."""
        made = PackageParameters(
            manager=manager, command=verb, package=package, version=version, options=options
        )
        try:
            made.check()
        except BadMessage:
            return

        argv = package_command(made)

        assert set(options) <= device.OPTIONS[device.FAMILIES[manager]]
        if package:
            assert argv[-2] == "--"
            assert argv[-1].startswith(package)
            assert not argv[-1].startswith("-")

    def test_not_allowed_by_default(self, tmp_path: Path) -> None:
        """The refusal says how to allow it."""
        with pytest.raises(NotAllowed, match=r"agent\.toml"):
            Bench(tmp_path).order("package.run", manager="pip", command="install", package="six")

    def test_an_allowed_operation_runs(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The program gets its arguments one by one; its output comes back."""
        tool = tmp_path / "pip3"
        tool.write_text('#!/bin/sh\nfor word in "$@"; do echo "<$word>"; done\n')
        tool.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        bench = Bench(tmp_path, allow=["package"], package_managers=["pip3"])

        told = bench.order("package.run", manager="pip3", command="install", package="six")

        assert told["output"] == "<install>\n<-->\n<six>\n"

    def test_a_failing_operation_tells_its_output(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Exit code and last words are in the cause."""
        tool = tmp_path / "npm"
        tool.write_text("#!/bin/sh\necho no such package >&2\nexit 3\n")
        tool.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        bench = Bench(tmp_path, allow=["package"], package_managers=["npm"])

        with pytest.raises(CommandFailed) as failed:
            bench.order("package.run", manager="npm", command="install", package="x")

        assert failed.value.details == {"exit_code": 3, "output": "no such package\n"}

    def test_an_upgrade_restarts_afterwards(self, tmp_path: Path) -> None:
        """The owner's command gets the version; the restart comes after the answer."""
        bench = Bench(tmp_path, allow=["upgrade"], upgrade_command=["echo", "{requirement}"])

        told = bench.order("package.upgrade", version="1.2.3")
        before = list(bench.power.done)
        bench.reactor.advance(3.1)

        assert told["output"] == "iotronic-mec[agent]==1.2.3\n"
        assert (before, bench.power.done) == ([], ["flush", "restart"])

    def test_a_failed_upgrade_restarts_nothing(self, tmp_path: Path) -> None:
        """The agent that runs goes on."""
        bench = Bench(tmp_path, allow=["upgrade"], upgrade_command=["false"])

        with pytest.raises(CommandFailed):
            bench.order("package.upgrade")
        assert bench.reactor.getDelayedCalls() == []

    def test_latest_is_without_a_version(self) -> None:
        """As upstream's word means."""
        assert upgrade_command(("x", "{requirement}"), "latest") == ["x", "iotronic-mec[agent]"]
        with pytest.raises(BadMessage, match="version"):
            device.UpgradeParameters(version="1.0; reboot").check()


class TestCommand:
    """One program: bounded in time, output and environment."""

    def test_output_is_the_last_words(self) -> None:
        """A talkative program fills no memory."""
        outcome = run_command(["seq", "1", "200000"], 20)

        assert len(outcome.output) <= command.MAX_OUTPUT
        assert outcome.output.endswith("200000\n")

    def test_children_end_with_it(self, tmp_path: Path, eventually: Eventually) -> None:
        """At the limit everything it started is killed."""
        note = tmp_path / "pid"
        script = f"sleep 60 & echo $! > {note}; wait"

        with pytest.raises(CommandTimeout, match=r"not done within 0\.5 s"):
            run_command(["sh", "-c", script], 0.5)

        pid = int(note.read_text())
        eventually(lambda: not Path(f"/proc/{pid}").exists() or _is_zombie(pid))

    def test_what_is_left_behind_is_not_waited_for(self) -> None:
        """A child that holds the output does not hold the agent."""
        began = time.monotonic()

        outcome = run_command(["sh", "-c", "sleep 5 & echo done"], 20)

        assert outcome.output == "done\n"
        assert time.monotonic() - began < 4

    def test_no_such_program(self) -> None:
        """It is told by name."""
        with pytest.raises(CommandFailed, match="/no/such"):
            run_command(["/no/such"], 1)

    def test_nothing_of_the_agent_is_handed_on(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The environment is small, and there is no input."""
        monkeypatch.setenv("SECRET", "of the agent")

        told = run_command(["sh", "-c", "env; cat"], 5).output

        assert "SECRET" not in told
        assert "LANG=C.UTF-8" in told


class TestRest:
    """REST submit: the wall is the cloud's, the door is the owner's."""

    def test_loopback_is_refused_and_can_be_allowed(self, tmp_path: Path) -> None:
        """By default no service of the board itself is reached; the owner opens it."""
        with serving(hello=says(b'{"a": 1}', Content_Type="application/json")) as web:
            ask = {"url": f"http://127.0.0.1:{web.port}/hello", "method": "GET"}
            with pytest.raises(RestRefused, match="loopback; the board's owner can allow"):
                Bench(tmp_path).order("rest.submit", **ask)
            assert web.asked == []

            told = Bench(tmp_path, rest_networks=["127.0.0.1/32"]).order("rest.submit", **ask)

        assert (told["status"], told["json"]) == (200, {"a": 1})
        assert told["headers"]["Content-Type"] == "application/json"

    @pytest.mark.parametrize("host", ["10.0.0.1", "192.168.1.1", "169.254.169.254", "[fd00::1]"])
    def test_private_addresses_are_refused(self, tmp_path: Path, host: str) -> None:
        """The board's network is the owner's."""
        with pytest.raises(RestRefused):
            Bench(tmp_path).order("rest.submit", url=f"http://{host}/", method="GET")

    def test_a_body_is_sent(self, tmp_path: Path) -> None:
        """Method, headers and body arrive; an error status is an answer."""
        with serving(x=says(b"no\xff", 403)) as web:
            told = Bench(tmp_path, rest_networks=["127.0.0.0/8"]).order(
                "rest.submit",
                url=f"http://127.0.0.1:{web.port}/x",
                method="POST",
                headers={"X-A": "b"},
                body="\u00e9",
            )

        assert (told["status"], told["text"]) == (403, "no\ufffd")
        [(method, _, headers, body)] = web.asked
        assert (method, headers["X-A"], body) == ("POST", "b", "\u00e9".encode())

    def test_a_slow_answer_ends(self, tmp_path: Path) -> None:
        """The time is over, whatever the peer does."""
        with dripping() as port, pytest.raises(RestTimeout):
            Bench(tmp_path, rest_networks=["127.0.0.0/8"]).order(
                "rest.submit", url=f"http://127.0.0.1:{port}/", method="GET", timeout_s=0.3
            )

    def test_a_large_answer_is_refused(self, tmp_path: Path) -> None:
        """What cannot be told to the cloud is no answer."""
        with serving(x=says(b"x" * 262_145)) as web, pytest.raises(RestFailed, match="262144"):
            Bench(tmp_path, rest_networks=["127.0.0.0/8"]).order(
                "rest.submit", url=f"http://127.0.0.1:{web.port}/x", method="GET"
            )

    def test_certificates_are_the_owners_to_waive(self, tmp_path: Path) -> None:
        """verify = false is refused unless the owner obeys it."""
        with pytest.raises(NotAllowed, match="rest_insecure = true"):
            Bench(tmp_path).order(
                "rest.submit", url="https://a.example/", method="GET", verify=False
            )

    @pytest.mark.parametrize(
        ("fields", "said"),
        [
            ({"url": "file:///etc/passwd"}, "url"),
            ({"url": "http://a b/"}, "url"),
            ({"method": "TRACE"}, "method"),
            ({"headers": {"Host": "x"}}, "headers"),
            ({"headers": {"A": "b\r\nc: d"}}, "headers"),
            ({"headers": {"A": 1}}, "headers"),
            ({"timeout_s": 41.0}, "timeout_s"),
            ({"redirects": 6}, "redirects"),
            ({"body": "x" * 262_145}, "body"),
        ],
    )
    def test_bad_parameters_are_named(
        self, tmp_path: Path, fields: dict[str, Any], said: str
    ) -> None:
        """The board checks again what the cloud has checked."""
        given = {"url": "http://a.example/", "method": "GET", **fields}

        with pytest.raises((BadParameters, BadMessage), match=said):
            Bench(tmp_path).order("rest.submit", **given)


class TestReset:
    """Factory reset: nothing of the tenants stays, and it may be cut off anywhere."""

    def board(self, folder: Path) -> Bench:
        """Return a board with two plugins, one of them no longer wanted."""
        bench = Bench(folder)
        kept = a_plugin()
        bench.link.installed = {kept.plugin: {kept.digest}, a_plugin().plugin: {"d" * 64}}
        result_of(bench.store.set_desired(kept))
        (folder / "fetch").mkdir(exist_ok=True)
        (folder / "fetch" / "half").write_bytes(b"x")
        (folder / "logs").mkdir(exist_ok=True)
        (folder / "logs" / "p.log").write_bytes(b"x")
        for name in ("identity.json", "agent.key", "agent.toml", "journal.sqlite"):
            (folder / name).write_text("x")
        return bench

    def test_plugins_and_data_are_gone(self, tmp_path: Path) -> None:
        """The identity stays unless it is to go; the owner's file always does."""
        bench = self.board(tmp_path)

        assert bench.order("reset.factory") == "Device reset completed"

        assert (bench.link.installed, bench.store.desired) == ({}, {})
        assert not (tmp_path / "fetch").exists()
        assert not (tmp_path / "logs" / "p.log").exists()
        assert (tmp_path / "identity.json").exists() and (tmp_path / "agent.toml").exists()
        assert bench.reactor.getDelayedCalls() == []

    def test_the_identity_goes_after_the_answer(self, tmp_path: Path) -> None:
        """First it is promised on the disk, then answered, then done."""
        bench = self.board(tmp_path)

        bench.order("reset.factory", identity="drop")
        promised = leftovers.is_dropping(tmp_path)
        before = list(bench.power.done)
        bench.reactor.advance(3.1)
        leftovers.drop_identity(tmp_path)

        assert (promised, before, bench.power.done) == (True, [], ["drop_identity"])
        assert {path.name for path in tmp_path.glob("*") if path.is_file()} <= {
            "agent.toml",
            "plugins.json",
        }
        assert not leftovers.is_dropping(tmp_path)

    def test_a_reset_that_was_cut_off_is_carried_on(self, tmp_path: Path) -> None:
        """The next agent ends it: what is gone is gone, the rest goes."""
        bench = self.board(tmp_path)
        bench.link.failing["uninstall"] = Error("the power failed")
        with pytest.raises(Error):
            bench.order("reset.factory")
        del bench.link.failing["uninstall"]
        module = bench.modules[3]

        order = an_order("reset.factory", parameters={"identity": "drop"})
        assert result_of(module.recover("reset.factory", order)) == "Device reset completed"

        assert bench.link.installed == {}
        assert [call.getTime() for call in bench.reactor.getDelayedCalls()] == [15.0]

    def test_a_promised_drop_is_kept_by_the_next_agent(self, tmp_path: Path) -> None:
        """The agent died after the answer: the identity goes all the same."""
        leftovers.mark_drop(tmp_path)
        bench = Bench(tmp_path)

        bench.modules[3].resume()
        bench.reactor.advance(15.1)

        assert bench.power.done == ["drop_identity"]

    def test_dropping_twice_is_dropping(self, tmp_path: Path) -> None:
        """A crash in the middle is repaired by doing it again; the note goes last."""
        self.board(tmp_path)
        leftovers.mark_drop(tmp_path)
        (tmp_path / "agent.key").unlink()

        leftovers.drop_identity(tmp_path)

        assert not (tmp_path / "identity.json").exists()
        assert not leftovers.is_dropping(tmp_path)


def _is_zombie(pid: int) -> bool:
    return ") Z " in Path(f"/proc/{pid}/stat").read_text()
