"""The page ``/docs``: the OpenAPI document as HTML, made on the server.

No script of others and no other host: one style sheet and one small script of
our own, and a content security policy that lets nothing else in. The page
works without the script, which only adds the search field.
"""

from __future__ import annotations

import html
import json
from importlib import resources
from typing import TYPE_CHECKING, Any

from iotronic_mec.api.controller import Answer

if TYPE_CHECKING:
    from iotronic_mec.api.controller import Call

HTML = "text/html; charset=utf-8"
CSS = "text/css; charset=utf-8"
SCRIPT = "text/javascript; charset=utf-8"

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'none'; "
        "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
}

_ASSET = {"Cache-Control": "public, max-age=3600"}

_STATIC = resources.files("iotronic_mec.api") / "static"


def style(call: Call) -> Answer:
    """Return the style sheet."""
    del call
    return Answer(body=_read("docs.css"), media_type=CSS, headers=_ASSET)


def script(call: Call) -> Answer:
    """Return the script."""
    del call
    return Answer(body=_read("docs.js"), media_type=SCRIPT, headers=_ASSET)


def page(document: dict[str, Any]) -> bytes:
    """Return the page for an OpenAPI document."""
    tagged: dict[str, list[str]] = {tag["name"]: [] for tag in document["tags"]}
    menu: dict[str, list[str]] = {tag["name"]: [] for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            tag = operation["tags"][0]
            tagged[tag].append(_operation(method, path, operation, document))
            menu[tag].append(
                f'<li><a href="#{_e(operation["operationId"])}">'
                f'<span class="verb {_e(method)}">{_e(method.upper())}</span> '
                f"<code>{_e(path)}</code></a></li>"
            )
    sections = "".join(
        f'<section aria-labelledby="tag-{_e(tag)}"><h2 id="tag-{_e(tag)}">{_e(_title(tag))}</h2>'
        f"{''.join(parts)}</section>"
        for tag, parts in tagged.items()
    )
    contents = "".join(
        f'<h3><a href="#tag-{_e(tag)}">{_e(_title(tag))}</a></h3><ul>{"".join(parts)}</ul>'
        for tag, parts in menu.items()
    )
    schemas = "".join(
        f'<details id="schema-{_e(name)}"><summary><code>{_e(name)}</code></summary>'
        f"{_schema_body(schema)}</details>"
        for name, schema in sorted(document["components"]["schemas"].items())
    )
    text = _PAGE.format(
        title=_e(document["info"]["title"]),
        version=_e(document["info"]["version"]),
        description=_prose(document["info"]["description"]),
        contents=contents,
        sections=sections,
        schemas=schemas,
    )
    return text.encode()


def _operation(method: str, path: str, operation: dict[str, Any], document: dict[str, Any]) -> str:
    name = _e(operation["operationId"])
    search = _e(f"{method} {path} {operation['summary']}".lower())
    parts = [
        f'<article id="{name}" aria-labelledby="{name}-title" '
        f'data-search="{search}">'
        f'<h3 id="{name}-title"><span class="verb {_e(method)}">{_e(method.upper())}</span> '
        f'<code>{_e(path)}</code></h3><p class="summary">{_prose(operation["summary"])}</p>'
    ]
    if "description" in operation:
        parts.append(f"<p>{_prose(operation['description'])}</p>")
    right = operation.get("x-policy")
    told = f"Needs the right <code>{_e(right)}</code>." if right else "For anyone."
    parts.append(f'<p class="right">{told}</p>')
    parts.append(_parameters(operation["parameters"], document))
    if "requestBody" in operation:
        kinds = operation["requestBody"]["content"]
        rows = "".join(
            f"<li><code>{_e(kind)}</code> {_schema(entry['schema'])}</li>"
            for kind, entry in kinds.items()
        )
        parts.append(f"<h4>Body</h4><ul>{rows}</ul>")
    rows = "".join(
        f'<tr><th scope="row">{_e(status)}</th><td>{_prose(answer["description"])}</td>'
        f"<td>{_content(answer)}</td></tr>"
        for status, answer in operation["responses"].items()
    )
    parts.append(
        '<details class="answers"><summary>Answers</summary><table><thead><tr>'
        '<th scope="col">Status</th><th scope="col">Meaning</th><th scope="col">Body</th>'
        f"</tr></thead><tbody>{rows}</tbody></table></details></article>"
    )
    return "".join(parts)


def _parameters(parameters: list[dict[str, Any]], document: dict[str, Any]) -> str:
    rows = []
    for given in parameters:
        entry = given
        if "$ref" in given:
            name = given["$ref"].rpartition("/")[2]
            entry = document["components"]["parameters"][name]
        needed = " <em>required</em>" if entry.get("required") else ""
        rows.append(
            f'<tr><th scope="row"><code>{_e(entry["name"])}</code>{needed}</th>'
            f"<td>{_e(entry['in'])}</td><td>{_schema(entry['schema'])}</td>"
            f"<td>{_prose(entry.get('description', ''))}</td></tr>"
        )
    if not rows:
        return ""
    return (
        '<details><summary>Parameters</summary><table><thead><tr><th scope="col">Name</th>'
        '<th scope="col">In</th><th scope="col">Type</th><th scope="col">Meaning</th>'
        f"</tr></thead><tbody>{''.join(rows)}</tbody></table></details>"
    )


def _schema_body(schema: dict[str, Any]) -> str:
    told = f"<p>{_prose(str(schema.get('description', '')))}</p>"
    properties = schema.get("properties")
    if not properties:
        return f"{told}<pre><code>{_e(json.dumps(schema, indent=2))}</code></pre>"
    required = schema.get("required", ())
    rows = "".join(
        f'<tr><th scope="row"><code>{_e(name)}</code>'
        f"{' <em>required</em>' if name in required else ''}</th>"
        f"<td>{_schema(inner)}</td><td>{_prose(str(inner.get('description', '')))}</td></tr>"
        for name, inner in properties.items()
    )
    return (
        f'{told}<table><thead><tr><th scope="col">Field</th><th scope="col">Type</th>'
        f'<th scope="col">Meaning</th></tr></thead><tbody>{rows}</tbody></table>'
    )


def _content(answer: dict[str, Any]) -> str:
    return ", ".join(
        _schema(entry["schema"]) if "schema" in entry else f"<code>{_e(kind)}</code>"
        for kind, entry in answer.get("content", {}).items()
    )


def _schema(schema: dict[str, Any]) -> str:
    """Return a schema in a few words, with a link where it has a name."""
    if "$ref" in schema:
        name = _e(schema["$ref"].rpartition("/")[2])
        return f'<a href="#schema-{name}"><code>{name}</code></a>'
    if "anyOf" in schema:
        return " or ".join(_schema(form) for form in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"<code>{_e(str(value))}</code>" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_schema(schema.get('items', {}))}"
    words = str(schema.get("type", "any"))
    if "format" in schema:
        words += f" ({schema['format']})"
    return _e(words)


def _title(tag: str) -> str:
    return tag.replace("_", " ").capitalize()


def _prose(text: str) -> str:
    """Escape prose; what stands between back quotes becomes code."""
    pieces = html.escape(text).split("`")
    return "".join(
        f"<code>{piece}</code>" if place % 2 else piece for place, piece in enumerate(pieces)
    )


def _e(text: Any) -> str:
    return html.escape(str(text), quote=True)


def _read(name: str) -> bytes:
    return (_STATIC / name).read_bytes()


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title} API {version}</title>
<link rel="stylesheet" href="/docs/docs.css">
<script src="/docs/docs.js" defer></script>
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<header><h1>{title} <small>API {version}</small></h1>
<p>{description} <a href="/v1/openapi.json">The OpenAPI document</a>.</p></header>
<div class="columns">
<nav aria-label="Routes">
<label class="search" hidden>Search<input type="search" id="search" autocomplete="off"></label>
{contents}<h3><a href="#schemas">Schemas</a></h3></nav>
<main id="content" tabindex="-1">
<p id="none" role="status" hidden>Nothing matches.</p>
{sections}
<section aria-labelledby="schemas"><h2 id="schemas">Schemas</h2>{schemas}</section>
</main></div>
</body>
</html>
"""
