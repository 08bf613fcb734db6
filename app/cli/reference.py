"""Write the reference pages from the code that they describe."""

from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.case_pages import UNKNOWN_KEYS, cases, checks, suites
from app.cli.messages_page import messages_page
from app.cli.providers_page import providers_page
from app.cli.reference_kept import docs_of, metrics, records
from app.cli.tables import Keys, code, table

if TYPE_CHECKING:
    from app.api.shapes import Shape

Json = Any
_REQUEST_CODES = {
    "invalid_request": "The request makes no sense; `param` names the field.",
    "invalid_json": "The body is not JSON, or no object.",
    "invalid_form": "The body is no form with files as RFC 7578 has it, or says a field twice.",
    "invalid_value": "A field holds what it cannot; `param` names it.",
    "invalid_query": "The query string makes no sense.",
    "previous_response_not_found": "There is nothing kept to go on from: see `param`.",
    "field_refused": "The coverage table does not let the field in; `param` names it.",
    "thread_unsupported_request": "The field `thread`; Anthropic's clients then go on without it.",
    "overrides": "A system message goes against a behaviour of the persona that stands above it.",
    "out_of_bounds": "The persona does not let this be chosen so.",
    "unknown_audience": "The policy has no such audience.",
    "unsupported": "The backend of this persona cannot do it.",
    "context_length_exceeded": "The conversation is longer than the model can see.",
    "no_route": "No model of the route takes such a request: its audience, or what it needs.",
    "model_not_found": "There is no such persona or variant.",
    "not_found": "There is no such endpoint or record.",
    "method_not_allowed": "The endpoint has another method.",
    "conflict": "This id of feedback was used for something else.",
    "refused_by_policy": "Policy would not let a demonstration out as an answer.",
    "timeout": "The body came too slowly.",
    "too_large": "The body is larger than `limits.max_body_bytes`.",
    "unsupported_media_type": "The body is not said to be JSON, or what else the endpoint takes.",
}
"""Of ``RequestError``; a test compares them with the code that raises them."""
_ACCESS = {
    "MISSING": "The request has no key.",
    "INVALID": "The key is wrong, revoked or expired.",
    "FORBIDDEN": "The key, or the signed claim, may not do this.",
    "CLAIM": "The signed claim is missing where there must be one, or does not count.",
    "UNAVAILABLE": "The keys that signed claims are checked with cannot be had.",
}
_MADE = "<!-- Made by `make docs` from the code. Do not edit. -->"


def reference(
    context: typer.Context,
    *,
    to: Annotated[Path, typer.Option(help="The folder.")] = Path("docs/reference"),
) -> None:
    """Write the reference pages that are made from the code, and the gallery of personas.

    Example: banneton reference --to docs/reference
    """
    from app.cli.gallery_page import FILE, gallery_page
    from app.main import load_project

    to.mkdir(parents=True, exist_ok=True)
    project = load_project(None, reads_secrets=False)
    written = pages(context.find_root().command)
    for name, text in {**written, FILE: gallery_page(project, project.load())}.items():
        (to / name).write_text(text, "utf-8")
        typer.echo(str(to / name))


def pages(cli: Any) -> Mapping[str, str]:  # noqa: ANN401  # Typer's parser has no public types
    """Every page by file name, the same on every machine.

    Args:
        cli: The whole command line.
    """
    made: dict[str, tuple[str, Callable[[], Iterator[str]]]] = {
        "commands.md": ("Commands", lambda: _commands(cli)),
        "http.md": ("HTTP endpoints", _http),
        "coverage.md": ("Coverage of the wire formats", _coverage),
        "settings.md": ("banneton.yaml", lambda: _file("banneton")),
        "persona.md": ("Persona files", lambda: _file("persona")),
        "policy.md": ("Policy files", _policy),
        "cases.md": ("Files of cases", lambda: cases(_schemas()["cases"])),
        "checks.md": ("Checks", lambda: checks(_schemas()["cases"])),
        "suites.md": ("Suites", lambda: suites(_schemas()["suite"])),
        "detectors.md": ("Detectors", _detectors),
        "errors.md": ("Errors", _errors),
        "messages.md": ("Messages", messages_page),
        "records.md": ("Records", records),
        "providers.md": ("Providers and what they are sent", providers_page),
        "metrics.md": ("Metrics", metrics),
    }
    return {
        name: "\n".join([f"# {title}", "", _MADE, "", *lines()]).rstrip() + "\n"
        for name, (title, lines) in made.items()
    }


# Commands


def _commands(cli: Any) -> Iterator[str]:  # noqa: ANN401  # as above
    yield "Commands end with 0 where all is well, 1 where something was found, 2 where they"
    yield "could not run."
    yield ""
    yield from _group(cli, "banneton")


def _group(group: Any, name: str) -> Iterator[str]:  # noqa: ANN401  # as above
    for key, command in group.commands.items():
        if command.hidden:
            continue
        whole = f"{name} {key}"
        if hasattr(command, "commands"):
            yield from _group(command, whole)
            continue
        what, _, example = command.help.partition("Example: ")
        yield f"## {whole}"
        yield ""
        yield what.replace("``", "`").strip()
        yield ""
        yield from ("```console", f"$ {example.strip()}", "```", "")
        yield from table("option", "default", "meaning", rows=map(_option, command.params))


def _option(param: Any) -> tuple[str, str, str]:  # noqa: ANN401  # as above
    names = ", ".join(code(name) for name in (*param.opts, *param.secondary_opts))
    if param.param_type_name == "argument":
        names = code(param.name.upper())
    kind = param.type_descriptor.annotation
    choices = [f"{each}" for each in kind] if isinstance(kind, type(Enum)) else []
    meaning = param.help + (f" One of {', '.join(map(code, choices))}." if choices else "")
    if getattr(param, "envvar", None):
        meaning += f" Environment variable: `{param.envvar}`."
    default = "required" if param.required else _default(param.default)
    return names, default, meaning


def _default(value: object) -> str:
    if value is None or value == "" or value is False:
        return ""
    return code("yes" if value is True else value)


# HTTP


def _http() -> Iterator[str]:
    from app.api.asgi import SERVED
    from app.api.coverage import TABLES

    covered = {id(shape) for shapes in TABLES.values() for shape in shapes.values()}
    yield "Send a key as `Authorization: Bearer bn_…` or `x-api-key`. `GET /openapi.json` says the"
    yield "same for machines. What can go wrong is in [errors](errors.md)."
    yield ""
    for one in SERVED:
        yield f"## {one.method} {one.path}"
        yield ""
        yield f"{one.summary}"
        yield ""
        if id(one.body) in covered:
            yield "Its fields are in [coverage](coverage.md)."
            yield ""
            continue
        if one.body is not None:
            yield from ("Request:", "")
            yield from _rows(one.body)
        for kind, shape in (one.answers or {}).items():
            if shape is not None:
                yield from (f"Answer (`{kind}`):", "")
                yield from _rows(shape)


def _rows(shape: "Shape") -> Iterator[str]:
    lines = ((code(row.path), row.treatment.value, row.holds, row.reason) for row in shape.rows(""))
    yield from table("field", "treatment", "holds", "why", rows=lines)


def _coverage() -> Iterator[str]:
    from app.api.coverage import TABLES
    from app.api.shapes import Treatment

    yield "What stands here drives the parser; `GET /v1/coverage` serves the same table."
    yield ""
    docs = docs_of(Treatment)
    yield from table(
        "treatment", "meaning", rows=((code(each.value), docs[each.name]) for each in Treatment)
    )
    for dialect, shapes in TABLES.items():
        for name, shape in shapes.items():
            yield from (f"## {dialect}: {name}", "")
            yield from _rows(shape)


# Files


def _schemas() -> Mapping[str, Json]:
    import json

    from app.catalog.schemas import generate_schemas
    from app.guardrails.kinds import KINDS
    from app.settings import Settings

    texts = generate_schemas(KINDS.values(), Settings)
    return {
        name.removesuffix(".schema.json"): json.loads(text)
        for name, text in texts.items()
        if name.endswith(".schema.json")
    }


def _file(name: str) -> Iterator[str]:
    yield from UNKNOWN_KEYS
    schema = _schemas()[name]
    yield from Keys(schema).tables()


def _policy() -> Iterator[str]:
    yield "What may stand under `detect` is in [detectors](detectors.md)."
    yield ""
    yield from _file("policy")


def _detectors() -> Iterator[str]:
    from app.guardrails.kinds import KINDS

    yield "None of them uses the network. Each has a page that says what it catches and what not."
    yield ""
    for name, kind in sorted(KINDS.items()):
        yield from (f"## [{name}](detectors/{name}.md)", "", kind.summary, "")
        schema = kind.settings.model_json_schema()
        yield from Keys(schema).tables()


# Errors


def _errors() -> Iterator[str]:
    from app.api.errors import failure
    from app.domain.errors import (
        AccessError,
        AccessProblem,
        BackendError,
        BackendProblem,
        DetectorError,
        ImageProblem,
        ImageRefusedError,
        LedgerError,
        RequestError,
    )

    yield 'An error is `{"error": {"message", "type", "param", "code"}}`. A block is none: it is an'
    yield "answer of the persona, unless the persona says `on_block: error`. Messages never hold"
    yield "what a user wrote. Where `retry` says no, the answer has `x-should-retry: false`."
    yield ""
    yield 'Under `/v1/messages` it is as Anthropic writes it: `{"type": "error", "error": {"type",'
    yield '"message", "details": {"error_code", "param"}}, "request_id"}`, with the code below in'
    yield "`error_code`. There the type follows the status: `invalid_request_error`,"
    yield "`authentication_error` (401), `permission_error` (403), `not_found_error` (404),"
    yield "`request_too_large` (413), `rate_limit_error` (429), `timeout_error` (504), `api_error`."
    yield ""
    backend, image = docs_of(BackendProblem), docs_of(ImageProblem)
    raised: list[tuple[Exception, str]] = [
        *((RequestError("", code=code), what) for code, what in _REQUEST_CODES.items()),
        *((AccessError(each, _ACCESS[each.name]), "") for each in AccessProblem),
        *((BackendError(each, ""), backend.get(each.name, "")) for each in BackendProblem),
        *((ImageRefusedError(each), image.get(each.name, "")) for each in ImageProblem),
        (LedgerError(), "The record cannot be kept, so nothing is served."),
        (DetectorError(""), "A check cannot run, so nothing is served."),
        (Exception(), "A defect; the log has it under the request's id."),
    ]
    made = ((failure(error, "…"), what) for error, what in raised)
    rows = (
        (
            str(one.status),
            code(one.code),
            one.type,
            "yes" if one.may_retry else "no",
            what or one.message,
        )
        for one, what in made
    )
    yield from table("status", "code", "type", "retry", "meaning", rows=rows)
    yield "With `on_block: error`, a block is 400 `content_filter`, and a check that could not run"
    yield "is 503 `unchecked`; both carry the `banneton` summary."
    yield ""
