"""The state machines, drawn from the code."""

from __future__ import annotations

from html import escape

from iotronic_mec import operation
from iotronic_mec.features.injection import model as injection
from iotronic_mec.states import Machine
from pages.markdown import code, table

MACHINES = (operation.MACHINE, injection.MACHINE)

BOX = (108, 34)
"""Width and height of a state, pixels."""

STEP = (168, 54)
"""Distance of columns and of rows, pixels."""

MARGIN = 64
"""Room above and below, for bent arrows, pixels."""

ANY_END = "(any end)"
"""What an arrow points to when every terminal state may follow."""


def page() -> str:
    """Return the page of all state machines."""
    parts = [
        "# States",
        "What is ordered from a board moves through the states of an *operation*; a plugin on a"
        " board through those of an *injection*. Terminal states, drawn with a double border,"
        " never change; an arrow to the dashed frame leads to any"
        " state in it. IoTronic's own words stand in the old fields, ours in `state`.",
    ]
    for machine in MACHINES:
        rows = [
            (code(state), meaning, followers(machine, state))
            for state, meaning in machine.meaning.items()
        ]
        parts += [
            f"## {machine.name}",
            drawing(machine),
            table(["state", "meaning", "may be followed by"], rows),
        ]
    rows = [
        (
            code(state),
            code(operation.upstream_status(state)),
            code(operation.upstream_result(state)),
        )
        for state in operation.MACHINE.meaning
    ]
    parts += [
        "## Words of others",
        table(["our state", "IoTronic's request", "IoTronic's result"], rows),
    ]
    return "\n\n".join(parts)


def followers(machine: Machine, state: str) -> str:
    """Return the states that may follow, in the machine's order."""
    after = machine.moves.get(state, frozenset())
    return ", ".join(code(other) for other in machine.meaning if other in after) or "nothing"


def drawing(machine: Machine) -> str:
    """Return the machine as an SVG picture inside HTML."""
    places = place(machine)
    ends = [state for state in machine.meaning if machine.is_terminal(state)]
    width = max(x for x, _ in places.values()) + BOX[0] + 30
    height = max(y for _, y in places.values()) + BOX[1] + MARGIN
    lines = [
        f'<svg viewBox="0 0 {width} {height}" width="{width}" role="img"'
        f' aria-label="states of an {escape(machine.name)}" font-family="sans-serif"'
        ' font-size="13" fill="none" stroke="currentColor">',
        '<defs><marker id="tip" markerWidth="8" markerHeight="8" refX="7" refY="4" orient="auto">'
        '<path d="M0,0 L8,4 L0,8 z" fill="currentColor" stroke="none"/></marker></defs>',
    ]
    if len(ends) > 1:
        x, top = places[ends[0]]
        bottom = places[ends[-1]][1] + BOX[1]
        places[ANY_END] = (x - 14, (top + bottom - BOX[1]) // 2)
        frame = box(x - 14, top - 14, BOX[0] + 28, bottom - top + 28, 'stroke-dasharray="4"')
        lines.append(frame)
    for state in machine.meaning:
        after = set(machine.moves.get(state, ()))
        if len(ends) > 1 and after >= set(ends):
            after = after - set(ends) | {ANY_END}
        lines += [arrow(places[state], places[other]) for other in sorted(after)]
    for state, (x, y) in places.items():
        if state == ANY_END:
            continue
        if machine.is_terminal(state):
            lines.append(box(x - 3, y - 3, BOX[0] + 6, BOX[1] + 6))
        lines.append(box(x, y, *BOX, 'fill="#fff"'))
        lines.append(
            f'<text x="{x + BOX[0] / 2}" y="{y + 22}" text-anchor="middle" fill="#222"'
            f' stroke="none">{escape(state)}</text>'
        )
    return "\n".join([*lines, "</svg>"])


def place(machine: Machine) -> dict[str, tuple[int, int]]:
    """Return each state's corner: a column for each state, the last for all ends."""
    ends = [state for state in machine.meaning if machine.is_terminal(state)]
    columns = [[state] for state in machine.meaning if state not in ends]
    if ends:
        columns.append(ends)
    tallest = max(len(column) for column in columns)
    places = {}
    for number, column in enumerate(columns):
        top = MARGIN + (tallest - len(column)) * STEP[1] // 2
        for row, state in enumerate(column):
            places[state] = (12 + number * STEP[0], top + row * STEP[1])
    return places


def box(x: float, y: float, width: float, height: float, more: str = "") -> str:
    """Return a rounded rectangle."""
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" {more}/>'


def arrow(start: tuple[int, int], end: tuple[int, int]) -> str:
    """Return an arrow between two states; one over a neighbour is bent."""
    (x1, y1), (x2, y2) = start, end
    middle = BOX[1] // 2
    if x2 > x1 and x2 - x1 <= STEP[0]:
        path = f"M{x1 + BOX[0]},{y1 + middle} L{x2 - 2},{y2 + middle}"
    elif x2 > x1:
        bend = f"{(x1 + x2) / 2},{max(y1, y2) + BOX[1] + (x2 - x1) / 6}"
        path = f"M{x1 + BOX[0] / 2},{y1 + BOX[1]} Q{bend} {x2 - 2},{y2 + middle + 8}"
    else:
        bend = f"{(x1 + x2 + BOX[0]) / 2},{min(y1, y2) - (x1 - x2) / 6}"
        path = f"M{x1 + BOX[0] / 2},{y1} Q{bend} {x2 + BOX[0] / 2 + 6},{y2 - 2}"
    return f'<path d="{path}" marker-end="url(#tip)"/>'
