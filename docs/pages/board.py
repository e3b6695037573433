"""What cloud, agent and supervisor say to one another."""

from __future__ import annotations

import dataclasses
import inspect
import re

from lightning_agent.protocol import messages, names, version
from lightning_agent.supervisor import server
from pages.markdown import code, first_sentence, table


def page() -> str:
    """Return the page of procedures and messages."""
    reports = sorted(names.REPORTS | {names.ENROL})
    return "\n\n".join(
        [
            "# Protocol of boards",
            "For authors of agents and for people who read logs; users need none of it. Version"
            f" {version.PROTOCOL_VERSION}. Every payload is one dictionary, the only positional"
            f" argument of a WAMP call, of at most {messages.MAX_MESSAGE_BYTES:,} bytes encoded.",
            "## Procedures of a board",
            f"Registered once, as the prefix `{names.BOARD_PREFIX}<uuid>.`:",
            table(["procedure"], [(code(name),) for name in sorted(names.PROCEDURES)]),
            "## Procedures of the cloud",
            table(["procedure"], [(code(name),) for name in reports]),
            "## Messages",
            *map(section, message_classes()),
            "## Methods of the supervisor",
            "On the Unix socket `supervisor.sock` of the agent's state directory; frames of four"
            " bytes of length and a MessagePack map.",
            table(["method"], [(code(name),) for name in supervisor_methods()]),
        ]
    )


def message_classes() -> list[type[messages.Message]]:
    """Return all messages, in the order of their definition."""
    found = [
        kind
        for _, kind in inspect.getmembers(messages, inspect.isclass)
        if issubclass(kind, messages.Message) and kind is not messages.Message
    ]
    return sorted(found, key=lambda kind: inspect.getsourcelines(kind)[1])


def section(kind: type[messages.Message]) -> str:
    """Return one message's section."""
    rows = []
    for item in dataclasses.fields(kind):
        needed = (
            item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
        )
        rows.append((code(item.name), code(item.type), "needed" if needed else "optional"))
    return f"### {kind.__name__}\n\n{first_sentence(kind)}\n\n" + table(
        ["field", "type", ""], rows
    )


def supervisor_methods() -> list[str]:
    """Return the names of the supervisor's methods, as its table has them."""
    return sorted(set(re.findall(r'"(\w+)": self\._\w+,', inspect.getsource(server))))
