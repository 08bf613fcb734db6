"""``/openapi.json``: made from the shapes that read and describe the bodies, so that it is true."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from app.api.compound import Object
from app.api.errors import ErrorBody, openai_error
from app.api.shapes import Shape, Text
from app.api.transport import Handle
from app.domain.conversation import Json

ERROR = Object(
    {
        "error": Object(
            {"message": Text(), "type": Text(), "param": Text(), "code": Text()},
            frozenset({"message", "type", "code"}),
        )
    },
    frozenset({"error"}),
)

_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Served:
    """One line of the API."""

    method: str
    path: str
    handle: Handle
    summary: str
    """What a good answer is."""
    body: Shape | None = None
    answers: Mapping[str, Shape | None] | None = None
    """By media type, the shape of a good answer where it is fixed here; else some JSON."""
    error_body: ErrorBody = openai_error
    """Writes its errors."""


def document(served: Iterable[Served], version: str) -> dict[str, Json]:
    """The OpenAPI description of these endpoints."""
    paths: dict[str, dict[str, Json]] = {}
    for one in served:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Banneton",
            "version": version,
            "summary": "Persona, prompt, behaviour and guardrails in front of any model.",
        },
        "paths": paths,
        "components": {
            "schemas": {"Error": ERROR.schema()},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(one: Served) -> dict[str, Json]:
    answers = one.answers or {_JSON: None}
    good = {kind: {"schema": shape.schema() if shape else {}} for kind, shape in answers.items()}
    wrong = {_JSON: {"schema": {"$ref": "#/components/schemas/Error"}}}
    made: dict[str, Json] = {
        "summary": one.summary,
        "operationId": re.sub(r"\W+", "_", f"{one.method.lower()}{one.path}").strip("_"),
        "responses": {
            "200": {"description": one.summary, "content": good},
            "default": {"description": "What went wrong, and what to do.", "content": wrong},
        },
    }
    names = re.findall(r"\{(\w+)\}", one.path)
    if names:
        made["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in names
        ]
    if one.body is not None:
        made["requestBody"] = {
            "required": True,
            "content": {_JSON: {"schema": one.body.schema()}},
        }
    if one.path.startswith("/v1/"):
        made["security"] = [{"key": []}]
    return made
