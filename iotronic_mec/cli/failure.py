"""Errors as text: what is wrong, its code, what to do, and the request's id."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from iotronic_mec.sdk.errors import Error

CURES = {
    "iot.client.cannot_connect": (
        "check that the cloud runs ('iotronic-mec standalone --state-dir DIR') and that the "
        "address is right ('source DIR/openrc')"
    ),
    "iot.client.no_answer": (
        "the cloud may have carried it out all the same: see 'iot request list'; "
        "give more time with --os-timeout"
    ),
    "iot.client.certificate_refused": (
        "name the authority's certificate with --os-cacert FILE or OS_CACERT"
    ),
    "iot.client.no_endpoint": (
        "set IOTRONIC_URL, or have an endpoint of type 'iot' in the identity service's catalog"
    ),
    "iot.client.unexpected_answer": "check the address: it is the root of the API, without a path",
    "iot.identity.unauthenticated": (
        "check the token or password; OS_AUTH_TOKEN comes before OS_CLOUD, so unset it to use "
        "the cloud's own; 'iot token create NAME' makes a token"
    ),
    "iot.identity.throttled": "wait a minute; then check the password",
    "iot.identity.last_administrator": "make another administrator first: 'iot user create'",
    "iot.policy.forbidden": "ask an administrator for the role this needs, or use another project",
    "iot.board.offline": "'iot board explain BOARD' says why it is not online",
    "iot.board.timeout": "see 'iot board explain BOARD'; for long work use --wait with --timeout",
    "iot.board.lost": "'iot request show REQUEST' tells the end once the board is back",
    "iot.board.exists": "choose another name, or change the board with 'iot board set'",
    "iot.board.code_exists": "choose another code, or leave --code out",
    "iot.board.not_found": "'iot board list' shows the boards of your project",
    "iot.plugin.not_found": "'iot plugin list --with-public' shows the plugins you may use",
    "iot.injection.not_found": "inject it first: 'iot plugin inject BOARD PLUGIN'",
    "iot.injection.not_callable": (
        "use 'iot plugin start', or make it callable: 'iot plugin set PLUGIN --callable'"
    ),
    "iot.injection.only_callable": (
        "use 'iot plugin call', or have it started: 'iot plugin set PLUGIN --no-callable'"
    ),
    "iot.injection.already_running": "stop it first, or use 'iot plugin reboot BOARD PLUGIN'",
    "iot.injection.not_running": "start it: 'iot plugin start BOARD PLUGIN'",
    "iot.injection.wrong_kind": "inject the plugin again: 'iot plugin inject BOARD PLUGIN'",
    "iot.plugin.exists": "choose another name, or change the plugin with 'iot plugin set'",
    "iot.plugin.in_use": "remove it from the boards first: 'iot plugin remove BOARD PLUGIN'",
    "iot.plugin.ambiguous": "use the uuid: 'iot plugin list'",
    "iot.plugin.parameters_missing": "give them with --param KEY=VALUE or --params JSON",
    "iot.blob.quota_exceeded": "delete plugins that are not used, or ask for a larger quota",
    "iot.project.in_use": "delete or move what it owns first: boards, plugins, users",
    "iot.token.too_many": "delete some: 'iot token list', 'iot token delete TOKEN'",
    "iot.token.ambiguous": "use the uuid: 'iot token list'",
    "iot.version.not_acceptable": "use an 'iot' of the cloud's release",
    "iot.client.wait_timeout": "'iot request wait REQUEST' goes on waiting",
    "iot.idempotency.mismatch": "use a new key for another body",
    "iot.deadline_exceeded": "for long work use --no-wait, then 'iot request wait REQUEST'",
    "iot.busy": "try again in a moment",
    "iot.unavailable": "try again in a moment",
    "iot.router.unavailable": "try again in a moment; the cloud starts its router again by itself",
    "plugin_failed": "the plugin's own error; 'iot plugin logs BOARD PLUGIN' shows what it wrote",
    "plugin_timeout": "the plugin took too long; start it with 'iot plugin start' for long work",
    "plugin_unknown": "inject it first: 'iot plugin inject BOARD PLUGIN'",
    "result_too_large": "have the plugin return at most 1 MiB of JSON",
    "sandbox_refused": "run 'lightning-agent doctor' on the board; it says what is missing",
    "busy": "the board has as much work as it accepts; try again in a moment",
    "already_running": "stop it first: 'iot plugin stop BOARD PLUGIN', or 'iot plugin reboot'",
    "not_running": "start it first: 'iot plugin start BOARD PLUGIN'",
    "fetch_failed": "check that the board reaches the cloud's content port",
    "camera_unavailable": (
        "name a camera in the board's agent.toml: 'lightning-agent doctor' says where"
    ),
    "engine_missing": "install the agent with its extra 'inference'",
    "no_space": "make room on the board",
}
"""Code to what a user can do; codes of causes stand without a prefix."""


def describe(error: Error) -> Iterator[str]:
    """Yield the lines that tell a user of an error."""
    cause = _cause(error)
    own = cause.get("code")
    traceback = cause.get("traceback")
    if isinstance(traceback, str) and traceback:
        yield traceback.rstrip()
    yield f"error: {error.message}"
    yield f"  code: {error.code}" + (f" ({own})" if own and own != error.code else "")
    cure, order = _cure(error, str(own or "")), error.details.get("request")
    if cure:
        yield f"  cure: {cure.replace('REQUEST', order) if isinstance(order, str) else cure}"
    if order:
        yield f"  request: {order}"
    if error.request_id:
        yield f"  request id: {error.request_id}"


def _cause(error: Error) -> dict[str, Any]:
    cause = error.details.get("cause")
    return cause if isinstance(cause, dict) else {}


def _cure(error: Error, own: str) -> str | None:
    stated = error.details.get("cure") or _cause(error).get("cure")
    if isinstance(stated, str):
        return stated
    return CURES.get(own) or CURES.get(error.code)
