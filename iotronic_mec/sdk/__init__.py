"""Typed client of the IoT cloud, on keystoneauth.

    from iotronic_mec.sdk import Client, NewBoard, Target

    cloud = Client.with_token("http://127.0.0.1:1288", token)
    board = cloud.boards.create(NewBoard(name="kitchen"))
    print(board.code, board.enrol_url)              # shown this once
    for board in cloud.boards.iterate(status="online"):
        print(board.name, cloud.boards.ping(board.uuid).text)
    answer = cloud.injections.call(Target(board="kitchen", plugin="digits"), wait=False)
    print(cloud.requests.finish(answer, timeout_s=60).value)

With OpenStack's own configuration, ``Client(session)`` takes any session of
keystoneauth, e.g. ``openstack.connect(cloud="iotronic").session``. Errors are
in :mod:`iotronic_mec.sdk.errors`; all derive from :class:`Error`.
"""

from __future__ import annotations

from iotronic_mec.audit_chain import Finding, Head, Verdict, parse_heads, read_heads
from iotronic_mec.sdk.answer import Answer
from iotronic_mec.sdk.audit import AuditRow, AuditSegment
from iotronic_mec.sdk.board import (
    Board,
    EnrolmentCode,
    Explanation,
    NewBoard,
    Reason,
    RoundTrip,
)
from iotronic_mec.sdk.client import Client, Versions
from iotronic_mec.sdk.errors import Error
from iotronic_mec.sdk.fleet import Fleet
from iotronic_mec.sdk.grant import Grant, GrantExplanation, GrantUse
from iotronic_mec.sdk.identity import Project, Token, User, WhoAmI
from iotronic_mec.sdk.injection import Injection, LogLine, LogPart, Logs, Target
from iotronic_mec.sdk.plugin import NewPlugin, Plugin
from iotronic_mec.sdk.port import Port
from iotronic_mec.sdk.quota import Quota
from iotronic_mec.sdk.request import Request, Result
from iotronic_mec.sdk.service import Exposure, NewService, Service
from iotronic_mec.sdk.transport import Pace
from iotronic_mec.sdk.webservice import BoardName, EnabledWebservice, NewWebservice, Webservice

__all__ = [
    "Answer",
    "AuditRow",
    "AuditSegment",
    "Board",
    "BoardName",
    "Client",
    "EnabledWebservice",
    "EnrolmentCode",
    "Error",
    "Explanation",
    "Exposure",
    "Finding",
    "Fleet",
    "Grant",
    "GrantExplanation",
    "GrantUse",
    "Head",
    "Injection",
    "LogLine",
    "LogPart",
    "Logs",
    "NewBoard",
    "NewPlugin",
    "NewService",
    "NewWebservice",
    "Pace",
    "Plugin",
    "Port",
    "Project",
    "Quota",
    "Reason",
    "Request",
    "Result",
    "RoundTrip",
    "Service",
    "Target",
    "Token",
    "User",
    "Verdict",
    "Versions",
    "Webservice",
    "WhoAmI",
    "parse_heads",
    "read_heads",
]
