"""B4: grants over HTTP. Who may do what to another project's things, and when not."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from iotronic_mec.context import system_context
from iotronic_mec.features.enrolment_code import model as codes
from iotronic_mec.ids import new_uuid
from tests.fakes.site import Site, fault

AGENT = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
ECHO = {"action": "DeviceEcho", "parameters": {"say": "hello"}}


def bring_online(site: Site, name: str = "porch", token: str = "member", **more: Any) -> str:
    """Make a board that has joined; return its uuid."""
    made = site.ask("POST", "/v1/boards", {"name": name, **more}, token=token).json
    digest = codes.digest(site.parts.secret, made["code"])
    system = system_context()
    row = site.conductor.call(system, "board", "find_code", digest=digest)["row"]
    key = name.encode().hex().ljust(64, "0")
    site.conductor.call(system, "board", "enrolled", row=row, public_key=key)
    change = {"board": made["uuid"], "online": True, "session": 7}
    site.conductor.call(system, "board", "presence", agent=AGENT, changes=[change])
    return str(made["uuid"])


def whoami(site: Site, name: str) -> dict[str, Any]:
    """Return a person's ids."""
    return dict(site.ask("GET", "/v1/whoami", token=name).json)


def lend(site: Site, board: str, *actions: str, to: str = "stranger", **more: Any) -> Any:
    """Have the member lend a board; return the answer."""
    body = {
        "kind": "board",
        "target": board,
        "actions": list(actions or ("board.action",)),
        "to_user": whoami(site, to)["user"],
        **more,
    }
    return site.ask("POST", "/v1/grants", body, token="member")


def lent(site: Site, board: str, *actions: str, **more: Any) -> str:
    """Have the member lend a board; return the grant's uuid."""
    answer = lend(site, board, *actions, **more)
    assert answer.status_int == 201, answer.text
    return str(answer.json["uuid"])


def lend_on(site: Site, grant: str, *, token: str = "stranger", **terms: Any) -> Any:
    """Lend a grant on; return the answer."""
    body = {"to_user": whoami(site, "further")["user"], **terms}
    return site.ask("POST", f"/v1/grants/{grant}/grants", body, token=token)


def echo(site: Site, board: str, token: str = "stranger", **headers: str) -> Any:
    """Have a board echo."""
    path = f"/v1/boards/{board}/action"
    return site.ask("POST", path, ECHO, token=token, headers=headers)


def state(site: Site, grant: str, **query: str) -> str:
    """Return how a grant stands, by its lender's question."""
    words = "&".join(f"{name}={value}" for name, value in query.items())
    return str(
        site.ask("GET", f"/v1/grants/{grant}/explain?{words}", token="member").json["state"]
    )


def audited(site: Site, action: str) -> list[tuple[str, str, str]]:
    """Return target, outcome and reason of the audit's rows of an action."""
    rows = site.ask("GET", f"/v1/audit?action={action}").json["audit"]
    return [(row["target"], row["outcome"], row["reason"]) for row in rows]


@pytest.fixture
def board(site: Site) -> str:
    """Give the member's board, online; there is one more person elsewhere."""
    site.add_project("third")
    site.add("further", "member", project="third")
    return bring_online(site)


def test_01_what_is_lent_works_and_is_counted(site: Site, board: str) -> None:
    """A lent action is carried out; who, which grant and the how-manieth use are known."""
    grant = lent(site, board, "board.action:DeviceEcho", "board.get")

    done = echo(site, board)
    shown = site.ask("GET", f"/v1/boards/{board}", token="stranger")

    assert (done.status_int, shown.status_int) == (200, 200)
    uses = site.ask("GET", f"/v1/grants/{grant}/uses", token="member").json["uses"]
    assert [(use["number"], use["action"]) for use in uses] == [
        (1, "board.action:DeviceEcho"),
        (2, "board.get"),
    ]
    assert {use["user"] for use in uses} == {whoami(site, "stranger")["user"]}
    assert audited(site, "grant.use") == [(grant, "success", "")] * 2


def test_02_what_is_not_lent_is_not_there(site: Site, board: str) -> None:
    """Other actions, other people and other boards get the answer of a board there is not."""
    lent(site, board, "board.action:DeviceEcho")
    other, absent = bring_online(site, "cellar"), new_uuid()
    ping = {"action": "DevicePing"}
    nothing = fault(echo(site, absent)).replace(absent, "BOARD")

    refused = [
        site.ask("POST", f"/v1/boards/{board}/action", ping, token="stranger"),
        site.ask("GET", f"/v1/boards/{board}", token="stranger"),
        site.ask("GET", f"/v1/boards/{board}/plugins", token="stranger"),
        site.ask("GET", f"/v1/boards/{board}/explain", token="stranger"),
        site.ask("PATCH", f"/v1/boards/{board}", {"name": "mine"}, token="stranger"),
        site.ask("DELETE", f"/v1/boards/{board}", token="stranger"),
        site.ask("POST", f"/v1/boards/{board}/enrolment-code", {}, token="stranger"),
        echo(site, board, "further"),
        echo(site, other),
    ]

    assert [answer.status_int for answer in refused] == [404] * 9
    told = {fault(answer).replace(board, "BOARD").replace(other, "BOARD") for answer in refused}
    assert told == {nothing}
    assert site.ask("GET", "/v1/boards", token="stranger").json["boards"] == []


def test_03_before_its_beginning_and_after_its_end_it_gives_nothing(
    site: Site, board: str
) -> None:
    """The moments are those of the cloud's clock."""
    now = site.clock.now()
    grant = lent(
        site,
        board,
        not_before=(now + timedelta(hours=1)).isoformat(),
        expires_at=(now + timedelta(hours=2)).isoformat(),
    )
    seen = [(echo(site, board).status_int, state(site, grant))]

    for hours in (1, 1):
        site.clock.advance(hours * 3600)
        seen.append((echo(site, board).status_int, state(site, grant)))

    assert seen == [(404, "not_yet"), (200, "live"), (404, "expired")]
    assert audited(site, "grant.use") == [
        (grant, "refused", "not_yet"),
        (grant, "success", ""),
        (grant, "refused", "expired"),
    ]


def test_04_hours_of_the_day_are_those_of_their_zone(site: Site, board: str) -> None:
    """A window over midnight in another zone opens and closes there."""
    start = site.clock.now().replace(hour=12, minute=0, second=0, microsecond=0)
    site.clock.advance((start - site.clock.now()).total_seconds())
    hours = {"start": "23:00", "end": "01:00", "zone": "Asia/Tokyo"}  # 14:00 to 16:00 UTC
    grant = lent(site, board, hours=hours)
    seen = []

    for _ in range(5):
        seen.append((echo(site, board).status_int, state(site, grant)))
        site.clock.advance(3600)

    closed, open_ = (404, "out_of_hours"), (200, "live")
    assert seen == [closed, closed, open_, open_, closed]


def test_05_it_is_never_used_more_often_than_agreed(site: Site, board: str) -> None:
    """Of calls at the same time as many pass as there are uses; the others get 404."""
    lent(site, board, max_uses=5)
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda: answers.append(echo(site, board).status_int))
        for _ in range(12)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert Counter(answers) == {200: 5, 404: 7}
    assert echo(site, board).status_int == 404


def test_06_revoked_it_ends_at_once_with_all_made_from_it(site: Site, board: str) -> None:
    """The lender takes back a grant; the one made from it gives nothing any more either."""
    first = lent(site, board)
    second = lend_on(site, first).json["uuid"]
    assert echo(site, board, "further").status_int == 200

    revoked = site.ask("DELETE", f"/v1/grants/{first}", token="member")

    assert revoked.status_int == 204
    assert [echo(site, board, who).status_int for who in ("stranger", "further")] == [404, 404]
    assert site.ask("GET", f"/v1/grants/{second}", token="further").json["state"] == "revoked"
    assert [event for event, *_ in audited(site, "grant.revoke")] == [first]


WIDER: list[tuple[str, dict[str, Any]]] = [
    ("actions", {"actions": ["board.action"]}),
    ("actions", {"actions": ["board.action:DeviceEcho", "board.get"]}),
    ("not_before", {"not_before": "2020-01-01T00:00:00+00:00"}),
    ("expires_at", {"expires_at": "2035-01-01T00:00:00+00:00"}),
    ("hours", {"hours": {"start": "00:00", "end": "23:00", "zone": "Europe/Rome"}}),
    ("hours", {"hours": {"start": "09:00", "end": "10:00", "zone": "Europe/Paris"}}),
    ("max_uses", {"max_uses": 11}),
]


@pytest.mark.parametrize(("field", "terms"), WIDER)
def test_07_lent_on_wider_it_is_refused(
    site: Site, board: str, field: str, terms: dict[str, Any]
) -> None:
    """In no dimension may a grant give more than the one it is made from; the same may pass."""
    now = site.clock.now()
    grant = lent(
        site,
        board,
        "board.action:DeviceEcho",
        not_before=now.isoformat(),
        expires_at=(now + timedelta(days=30)).isoformat(),
        hours={"start": "08:00", "end": "18:00", "zone": "Europe/Rome"},
        max_uses=10,
    )

    refused, same = lend_on(site, grant, **terms), lend_on(site, grant)

    assert (refused.status_int, same.status_int) == (409, 201), refused.text + same.text
    assert fault(refused).startswith(f"{field}:")


def test_07_another_target_or_a_grant_not_to_be_lent_on_is_refused(site: Site, board: str) -> None:
    """Neither another board of the owner, nor all of them, nor what the lender keeps back."""
    other = bring_online(site, "cellar")
    grant, kept = lent(site, board), lent(site, board, relend=False)

    answers = [
        lend_on(site, grant, target=other),
        lend_on(site, grant, target="*"),
        lend_on(site, kept),
        lend_on(site, grant, token="member"),
    ]

    assert [answer.status_int for answer in answers] == [409, 409, 409, 403]


def test_07_uses_of_a_further_grant_count_in_the_first(site: Site, board: str) -> None:
    """Two made from one do not give together what that one does not."""
    grant = lent(site, board, max_uses=2)
    assert lend_on(site, grant, max_uses=2).status_int == 201

    seen = [echo(site, board, who).status_int for who in ("further", "stranger", "further")]

    assert seen == [200, 200, 404]


def test_08_it_never_gives_more_than_its_lender_has(site: Site, board: str) -> None:
    """A lender who lost the role gives nothing any more; nor does one in the middle."""
    grant = lent(site, board)
    assert lend_on(site, grant).status_int == 201
    assert echo(site, board, "further").status_int == 200

    site.call("identity", "update_user", user="stranger", values={"enabled": False})
    in_the_middle = echo(site, board, "further").status_int
    site.call("identity", "update_user", user="stranger", values={"enabled": True})
    again = echo(site, board, "further").status_int
    site.call("identity", "update_user", user="member", values={"roles": ["reader"]})
    at_the_top = echo(site, board, "stranger").status_int

    assert (in_the_middle, again, at_the_top) == (404, 200, 404)


def test_08_a_board_made_anew_is_another_one(site: Site, board: str) -> None:
    """A deleted board takes its grants with it, even if its uuid comes back."""
    grant = lent(site, board)
    assert site.ask("DELETE", f"/v1/boards/{board}", token="member").status_int == 204

    bring_online(site, "porch", uuid=board)

    assert echo(site, board).status_int == 404
    assert state(site, grant) == "revoked"


def test_09_a_fleet_lends_the_boards_that_are_in_it(site: Site, board: str) -> None:
    """A board enters and leaves; a grant lent on for one board of it is narrower."""
    fleet = site.ask("POST", "/v1/fleets", {"name": "yard"}, token="member").json["uuid"]
    grant = lent(site, fleet, kind="fleet")
    before = echo(site, board).status_int

    site.ask("PATCH", f"/v1/boards/{board}", {"fleet": fleet}, token="member")
    further = lend_on(site, grant, kind="board", target=board)
    inside = [echo(site, board, who).status_int for who in ("stranger", "further")]
    site.ask("PATCH", f"/v1/boards/{board}", {"fleet": None}, token="member")
    after = [echo(site, board, who).status_int for who in ("stranger", "further")]

    assert further.status_int == 201
    assert (before, inside, after) == (404, [200, 200], [404, 404])


def test_all_boards_of_a_project_can_be_lent_to_a_project(site: Site, board: str) -> None:
    """``*`` is every board of the lender's project, also a later one, and of no other."""
    target = {"kind": "board", "target": "*", "actions": ["board.action"]}
    project = whoami(site, "stranger")["project"]
    made = site.ask("POST", "/v1/grants", {**target, "to_project": project}, token="member")
    later = bring_online(site, "cellar")
    others = bring_online(site, "loft", token="further")

    assert made.status_int == 201
    assert [echo(site, each).status_int for each in (board, later, others)] == [200, 200, 404]


def test_a_request_under_a_grant_can_be_read_by_who_made_it(site: Site, board: str) -> None:
    """Its maker polls it; the board's owner sees it; nobody else does."""
    lent(site, board)
    body = {**ECHO, "wait": False}
    made = site.ask("POST", f"/v1/boards/{board}/action", body, token="stranger").json
    path = f"/v1/requests/{made['request']}"

    seen = {who: site.ask("GET", path, token=who).status_int for who in ("stranger", "member")}
    results = site.ask("GET", f"{path}/results", token="stranger").status_int
    unseen = site.ask("GET", path, token="further").status_int

    assert (seen, results, unseen) == ({"stranger": 200, "member": 200}, 200, 404)


def test_a_repeated_request_is_counted_once(site: Site, board: str) -> None:
    """An Idempotency-Key means one use, however often the client tries."""
    grant = lent(site, board, max_uses=1)
    key = {"Idempotency-Key": "the-same"}

    answers = [echo(site, board, **key).status_int for _ in range(3)]

    assert answers == [200, 200, 200]
    assert site.ask("GET", f"/v1/grants/{grant}", token="member").json["uses"] == 1


def test_grants_are_seen_by_those_who_have_a_part_in_them(site: Site, board: str) -> None:
    """A guessed uuid of others' grant is a 404 like one that is not there."""
    grant, absent = lent(site, board), new_uuid()

    def ask(method: str, uuid: str, token: str, rest: str = "") -> tuple[int, str]:
        sends = {"to_user": new_uuid()} if method == "POST" else None
        answer = site.ask(method, f"/v1/grants/{uuid}{rest}", sends, token=token)
        told = fault(answer).replace(uuid, "GRANT") if answer.status_int >= 400 else ""
        return answer.status_int, told

    tried = [
        ("GET", ""),
        ("GET", "/explain"),
        ("GET", "/uses"),
        ("DELETE", ""),
        ("POST", "/grants"),
    ]
    for method, rest in tried:
        found = ask(method, grant, "further", rest)
        assert found == ask(method, absent, "further", rest)
        assert found[0] == 404
    assert ask("GET", grant, "stranger")[0] == 200
    assert ask("DELETE", grant, "stranger")[0] == 403
    sides = {
        who: [
            len(site.ask("GET", f"/v1/grants?side={side}", token=who).json["grants"])
            for side in ("given", "received")
        ]
        for who in ("member", "stranger", "further")
    }
    assert sides == {"member": [1, 0], "stranger": [0, 1], "further": [0, 0]}


BAD: list[tuple[str, dict[str, Any]]] = [
    ("actions", {"actions": ["board.fly"]}),
    ("actions", {"actions": []}),
    ("kind", {"kind": "house"}),
    ("expires_at", {"expires_at": "2001-01-01T00:00:00+00:00"}),
    ("expires_at", {"expires_at": "tomorrow"}),
    ("expires_at", {"expires_at": "2031-01-01T00:00:00"}),
    ("hours.zone", {"hours": {"start": "08:00", "end": "18:00", "zone": "../../etc/passwd"}}),
    ("hours.end", {"hours": {"start": "08:00", "end": "08:00", "zone": "UTC"}}),
    ("hours", {"hours": {"start": "8", "end": "18:00", "zone": "UTC"}}),
    ("max_uses", {"max_uses": 0}),
    ("to_user", {"to_project": "p"}),
]


@pytest.mark.parametrize(("field", "terms"), BAD)
def test_terms_that_mean_nothing_are_refused(
    site: Site, board: str, field: str, terms: dict[str, Any]
) -> None:
    """400, with the field and the rule; nothing is lent."""
    answer = lend(site, board, **terms)

    assert answer.status_int == 400, answer.text
    assert field in fault(answer)
    assert site.ask("GET", "/v1/grants", token="member").json["grants"] == []


def test_nobody_lends_what_is_not_theirs(site: Site, board: str) -> None:
    """Another project's board, or one that was only lent, is not there to be lent anew."""
    lent(site, board)
    body = {"kind": "board", "target": board, "actions": ["board.get"], "to_user": new_uuid()}

    answers = [site.ask("POST", "/v1/grants", body, token=who) for who in ("stranger", "further")]

    assert [answer.status_int for answer in answers] == [404, 404]


def test_a_grant_tells_nothing_of_other_things_of_the_owner(site: Site, board: str) -> None:
    """Asked about a board of the owner that is not lent, it answers as for one there is not."""
    grant, other = lent(site, board), bring_online(site, "cellar")

    def ask(target: str) -> Any:
        path = f"/v1/grants/{grant}/explain?target={target}"
        return site.ask("GET", path, token="stranger").json["state"]

    assert (ask(board), ask(other), ask(new_uuid())) == ("live", "not_lent", "not_lent")
    refused = [fault(lend_on(site, grant, target=target)) for target in (other, new_uuid())]
    assert refused[0] == refused[1]


def test_a_public_plugin_is_its_owners_to_lend(site: Site, board: str) -> None:
    """What one may only see is not there to be lent."""
    body = {"name": "open", "code": "def main(context):\n    pass\n", "public": True}
    plugin = site.ask("POST", "/v1/plugins", body, token="further").json["uuid"]

    assert lend(site, plugin, "plugin.get", kind="plugin").status_int == 404
    assert site.ask("GET", f"/v1/plugins/{plugin}", token="member").status_int == 200


def test_a_lent_plugin_is_read_and_downloaded(site: Site, board: str) -> None:
    """A private plugin is seen by who was lent it, and by nobody else; never listed."""
    body = {"name": "secret", "code": "def main(context):\n    pass\n"}
    plugin = site.ask("POST", "/v1/plugins", body, token="member").json["uuid"]
    lent(site, plugin, "plugin.get", kind="plugin")
    paths = (f"/v1/plugins/{plugin}", f"/v1/plugins/{plugin}/bundle")

    seen = {
        who: [site.ask("GET", path, token=who).status_int for path in paths]
        for who in ("stranger", "further")
    }

    assert seen == {"stranger": [200, 200], "further": [404, 404]}
    assert site.ask("GET", "/v1/plugins", token="stranger").json["plugins"] == []
    assert site.ask("DELETE", paths[0], token="stranger").status_int == 404


def test_a_lent_board_shows_its_owners_plugins_only(site: Site, board: str) -> None:
    """A third project's plugin on the board is no business of the receiver."""
    code = {"code": "def main(context):\n    pass\n", "callable": True}
    plugins = {}
    for who in ("member", "further"):
        made = site.ask("POST", "/v1/plugins", {"name": who, **code}, token=who)
        plugins[who] = made.json["uuid"]
    lent(site, board, "plugin.inject", to="further")
    for who, plugin in plugins.items():
        path = f"/v1/boards/{board}/plugins"
        assert site.ask("PUT", path, {"plugin": plugin}, token=who).status_int == 200
    lent(site, board, "plugin.list", "plugin.call")

    def listed(who: str) -> set[str]:
        answer = site.ask("GET", f"/v1/boards/{board}/plugins", token=who)
        return {row["plugin"] for row in answer.json["injections"]}

    def called(who: str, plugin: str) -> int:
        path = f"/v1/boards/{board}/plugins/{plugin}"
        return int(site.ask("POST", path, {"action": "PluginCall"}, token=who).status_int)

    assert listed("member") == set(plugins.values())
    assert listed("stranger") == {plugins["member"]}
    assert called("stranger", plugins["member"]) == 200
    assert called("stranger", plugins["further"]) == 404
