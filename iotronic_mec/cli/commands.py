"""All commands by name. The entry points of ``openstack`` say the same; a test compares."""

from __future__ import annotations

from typing import Final

_V1 = "iotronic_mec.cli.v1"

COMMANDS: Final = {
    "status": f"{_V1}.status:ShowStatus",
    "board create": f"{_V1}.board:CreateBoard",
    "board list": f"{_V1}.board:ListBoards",
    "board show": f"{_V1}.board:ShowBoard",
    "board set": f"{_V1}.board:SetBoard",
    "board delete": f"{_V1}.board:DeleteBoard",
    "board ping": f"{_V1}.board:PingBoard",
    "board echo": f"{_V1}.board:EchoBoard",
    "board explain": f"{_V1}.board:ExplainBoard",
    "board enrolment-code create": f"{_V1}.board:CreateEnrolmentCode",
    "board plugin list": f"{_V1}.injection:ListInjections",
    "board service list": f"{_V1}.service:ListBoardServices",
    "fleet create": f"{_V1}.fleet:CreateFleet",
    "fleet list": f"{_V1}.fleet:ListFleets",
    "fleet show": f"{_V1}.fleet:ShowFleet",
    "fleet set": f"{_V1}.fleet:SetFleet",
    "fleet delete": f"{_V1}.fleet:DeleteFleet",
    "fleet board add": f"{_V1}.fleet:AddBoards",
    "fleet board remove": f"{_V1}.fleet:RemoveBoards",
    "fleet board list": f"{_V1}.fleet:ListFleetBoards",
    "plugin create": f"{_V1}.plugin:CreatePlugin",
    "plugin list": f"{_V1}.plugin:ListPlugins",
    "plugin show": f"{_V1}.plugin:ShowPlugin",
    "plugin set": f"{_V1}.plugin:SetPlugin",
    "plugin delete": f"{_V1}.plugin:DeletePlugin",
    "plugin save": f"{_V1}.plugin:SavePlugin",
    "plugin inject": f"{_V1}.injection:InjectPlugin",
    "plugin call": f"{_V1}.injection:CallPlugin",
    "plugin start": f"{_V1}.injection:StartPlugin",
    "plugin stop": f"{_V1}.injection:StopPlugin",
    "plugin status": f"{_V1}.injection:PluginStatus",
    "plugin reboot": f"{_V1}.injection:RebootPlugin",
    "plugin logs": f"{_V1}.injection:PluginLogs",
    "plugin remove": f"{_V1}.injection:RemovePlugin",
    "service create": f"{_V1}.service:CreateService",
    "service list": f"{_V1}.service:ListServices",
    "service show": f"{_V1}.service:ShowService",
    "service set": f"{_V1}.service:SetService",
    "service delete": f"{_V1}.service:DeleteService",
    "service enable": f"{_V1}.service:EnableService",
    "service disable": f"{_V1}.service:DisableService",
    "service restore": f"{_V1}.service:RestoreServices",
    "service status": f"{_V1}.service:ServiceStatus",
    "webservice enable": f"{_V1}.webservice:EnableWebservices",
    "webservice disable": f"{_V1}.webservice:DisableWebservices",
    "webservice renew": f"{_V1}.webservice:RenewWebservices",
    "webservice enabled list": f"{_V1}.webservice:ListEnabled",
    "webservice expose": f"{_V1}.webservice:ExposeWebservice",
    "webservice unexpose": f"{_V1}.webservice:UnexposeWebservice",
    "webservice show": f"{_V1}.webservice:ShowWebservice",
    "webservice list": f"{_V1}.webservice:ListWebservices",
    "port attach": f"{_V1}.port:AttachPort",
    "port detach": f"{_V1}.port:DetachPort",
    "port show": f"{_V1}.port:ShowPort",
    "port list": f"{_V1}.port:ListPorts",
    "request list": f"{_V1}.request:ListRequests",
    "request show": f"{_V1}.request:ShowRequest",
    "request wait": f"{_V1}.request:WaitRequest",
    "request cancel": f"{_V1}.request:CancelRequest",
    "audit list": f"{_V1}.audit:ListAudit",
    "audit head": f"{_V1}.audit:ShowAuditHead",
    "audit verify": f"{_V1}.audit:VerifyAudit",
    "grant create": f"{_V1}.grant:CreateGrant",
    "grant list": f"{_V1}.grant:ListGrants",
    "grant show": f"{_V1}.grant:ShowGrant",
    "grant revoke": f"{_V1}.grant:RevokeGrants",
    "grant explain": f"{_V1}.grant:ExplainGrant",
    "grant use list": f"{_V1}.grant:ListGrantUses",
    "user create": f"{_V1}.identity:CreateUser",
    "user list": f"{_V1}.identity:ListUsers",
    "user set": f"{_V1}.identity:SetUser",
    "user password set": f"{_V1}.identity:SetOwnPassword",
    "user delete": f"{_V1}.identity:DeleteUser",
    "project create": f"{_V1}.identity:CreateProject",
    "project list": f"{_V1}.identity:ListProjects",
    "project delete": f"{_V1}.identity:DeleteProject",
    "quota show": f"{_V1}.quota:ShowQuota",
    "quota set": f"{_V1}.quota:SetQuota",
    "quota reset": f"{_V1}.quota:ResetQuota",
    "token create": f"{_V1}.identity:CreateToken",
    "token list": f"{_V1}.identity:ListTokens",
    "token delete": f"{_V1}.identity:DeleteToken",
}
"""Name to class; in ``openstack`` the names begin with ``iot``."""


def entry_point(name: str) -> str:
    """Return a command's name in the entry points of ``openstack``.

    >>> entry_point("board enrolment-code create")
    'iot_board_enrolment-code_create'
    """
    return f"iot_{name.replace(' ', '_')}"
