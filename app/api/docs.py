"""``/docs``: the description of the API as a page, from this server alone and without scripts."""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from html import escape

from app.domain.conversation import Json

_STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h2 { margin: 2.5rem 0 0; border-top: 1px solid #8886; padding-top: 1rem; font-size: 1.15rem }
h2, code { font-family: ui-monospace, monospace; overflow-wrap: anywhere }
h3 { margin: 1rem 0 0; font-size: 1rem }
ul { margin: 0; padding-left: 1.25rem; list-style: none; border-left: 1px solid #8883 }
nav ul { border: 0; padding: 0; columns: 2 20rem }
summary { cursor: pointer }
.is-needed::after { content: " *"; color: #c33 }
.says { color: #777 }
"""
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS: Mapping[str, str] = {
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
"""The page loads nothing, from here or elsewhere, and runs nothing."""


def page(described: Mapping[str, Json]) -> str:
    """The page of an OpenAPI description."""
    operations = [
        (method, path, operation)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    ]
    schemas = described["components"]["schemas"]
    name = escape(f"{described['info']['title']} {described['info']['version']}")
    return "".join(
        [
            "<!doctype html>\n<html lang='en'>\n<meta charset='utf-8'>\n",
            "<meta name='viewport' content='width=device-width'>\n",
            f"<title>{name}</title>\n<style>{_STYLE}</style>\n<h1>{name}</h1>\n",
            f"<p>{escape(described['info']['summary'])} As data: ",
            "<a href='/openapi.json'>openapi.json</a>. Fields with a * must be there.</p>\n",
            "<nav><ul>\n",
            *(
                f"<li><a href='#{operation['operationId']}'>{_title(method, path)}</a>\n"
                for method, path, operation in operations
            ),
            "</ul></nav>\n",
            *(
                part
                for method, path, operation in operations
                for part in _operation(method, path, operation, schemas)
            ),
            "</html>\n",
        ]
    )


def _title(method: str, path: str) -> str:
    return f"{method.upper()} {escape(path)}"


def _operation(
    method: str, path: str, operation: Mapping[str, Json], schemas: Mapping[str, Json]
) -> Iterator[str]:
    yield f"<h2 id='{operation['operationId']}'>{_title(method, path)}</h2>\n"
    key = (
        " Wants a key: <code>Authorization: Bearer bn_…</code>." if "security" in operation else ""
    )
    yield f"<p>{escape(operation['summary'])}{key}</p>\n"
    if (body := operation.get("requestBody")) is not None:
        yield from _content("Body", body["content"], schemas)
    for status, answer in operation["responses"].items():
        name = "Otherwise" if status == "default" else f"Answer {escape(status)}"
        yield from _content(name, answer["content"], schemas)


def _content(name: str, content: Mapping[str, Json], schemas: Mapping[str, Json]) -> Iterator[str]:
    for kind, said in content.items():
        schema = _resolved(said["schema"], schemas)
        yield f"<h3>{name} <code>{escape(kind)}</code></h3>\n"
        if schema:
            yield f"<ul><li>{''.join(_value(schema, '', is_open=True))}</ul>\n"


def _resolved(schema: Mapping[str, Json], schemas: Mapping[str, Json]) -> Mapping[str, Json]:
    """What a reference stands for: the description has them at the top of a body only."""
    if "$ref" not in schema:
        return schema
    found: Mapping[str, Json] = schemas[schema["$ref"].rsplit("/", 1)[-1]]
    return found


def _value(schema: Mapping[str, Json], label: str, *, is_open: bool = False) -> Iterator[str]:
    """A value, and below it what it holds; ``label`` is markup that stands before."""
    said = f"{label}<span class='says'>{_words(schema)}</span>\n"
    inner = list(_inner(schema))
    if not inner:
        yield said
    else:
        yield f"<details{' open' if is_open else ''}><summary>{said}</summary>\n<ul>"
        for part in inner:
            yield f"<li>{part}"
        yield "</ul></details>\n"


def _inner(schema: Mapping[str, Json]) -> Iterator[str]:
    needed = schema.get("required", ())
    for name, inner in schema.get("properties", {}).items():
        mark = " class='is-needed'" if name in needed else ""
        yield "".join(_value(inner, f"<code{mark}>{escape(name)}</code> "))
    for inner in schema.get("anyOf", ()):
        yield "".join(_value(inner, "or "))
    for key, label in (("items", "each "), ("additionalProperties", "any name: ")):
        if isinstance(inner := schema.get(key), Mapping):
            yield "".join(_value(inner, label))


_BOUNDS = {
    "minimum": "from {}",
    "maximum": "up to {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {}",
    "maxItems": "at most {}",
    "pattern": "like {}",
}
_NAMES = {"array": "list", "anyOf": "one of these"}


def _words(schema: Mapping[str, Json]) -> str:
    kind = schema.get("type", "anyOf" if "anyOf" in schema else "anything")
    said = [_NAMES.get(kind, kind) if isinstance(kind, str) else " or ".join(kind)]
    if "enum" in schema:
        said.append(", ".join(str(value) for value in schema["enum"]))
    said += [phrase.format(schema[key]) for key, phrase in _BOUNDS.items() if key in schema]
    if "description" in schema:
        said.append(schema["description"])
    return escape("; ".join(said))
