"""JSON Schemas of the files that people write, for completion and checks in editors.

They say what may be written. What must be there is left to the reader of the files: a persona or
rule that extends another may leave out what it inherits, which a schema cannot know.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from app.catalog.check_file import WRITTEN
from app.catalog.check_schema import CASES, EXPECT, SUITES, models_of, verify_keys, with_checks
from app.catalog.contracts import DetectorKind
from app.catalog.policy_file import PolicyFile
from app.catalog.route_file import RouteFile, SharedRouteFile
from app.catalog.weakenings import WeakeningApproval
from app.domain.conversation import Json
from app.domain.persona import Persona

Schema = dict[str, Any]
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_EXTENDS = {
    "type": "string",
    "description": "The id of the persona that this one changes: mappings are merged, lists of "
    "things with an id by id, other lists are replaced.",
}


def generate_schemas(
    detectors: Iterable[DetectorKind], settings: type[BaseModel]
) -> Mapping[str, str]:
    """The text of each schema by file name, the same on every machine.

    Args:
        detectors: Every kind of detector that rules may name.
        settings: The model of ``banneton.yaml`` without its routes.
    """
    kinds = list(detectors)
    schemas = {
        "approval": _root([WeakeningApproval])[0],
        "banneton": _banneton(settings),
        "cases": _cases(kinds),
        "persona": _persona(kinds),
        "policy": _policy(kinds),
        "suite": _suite(kinds),
    }
    return {f"{name}.schema.json": _text(name, schema) for name, schema in schemas.items()}


def _text(name: str, schema: Schema) -> str:
    whole = {"$schema": _DIALECT, "title": name, **_without_titles(schema)}
    return json.dumps(whole, ensure_ascii=False, indent=2) + "\n"


def _combined(*models: type[BaseModel]) -> tuple[list[Schema], Schema]:
    """A reference to each model, and all definitions together."""
    references, whole = models_json_schema([(model, "validation") for model in models])
    return [references[model, "validation"] for model in models], whole["$defs"]


def _root(models: list[type[BaseModel]]) -> tuple[Schema, list[Schema]]:
    """The first model's schema with everyone's definitions, and references to the others."""
    (first, *others), definitions = _combined(*models)
    root = definitions.pop(first["$ref"].removeprefix("#/$defs/"))
    return {**root, "$defs": definitions}, others


def _persona(detectors: list[DetectorKind]) -> Schema:
    schema, settings = _root([Persona, *(kind.settings for kind in detectors)])
    del schema["properties"]["id"]
    behaviour = schema["$defs"]["Behaviour"]["properties"]
    verify = schema["$defs"].pop("Verify")["properties"]
    behaviour["verify"] = {
        "description": behaviour["verify"]["description"],
        "type": "object",
        "additionalProperties": False,
        "properties": {
            **verify_keys(detectors, settings),
            "expect": EXPECT,
            "min_score": verify["min_score"],
        },
    }
    schema["properties"] = {"extends": _EXTENDS, **schema["properties"]}
    return _without_required(schema)


def _policy(detectors: list[DetectorKind]) -> Schema:
    schema, settings = _root([PolicyFile, *(kind.settings for kind in detectors)])
    rule = schema["$defs"]["RuleFile"]["properties"]
    rule["detect"] = {
        "description": rule["detect"]["description"],
        "anyOf": [
            {"enum": [kind.name for kind in detectors]},
            {
                "type": "object",
                "minProperties": 1,
                "maxProperties": 1,
                "additionalProperties": False,
                "properties": {
                    kind.name: {"description": kind.summary, **reference}
                    for kind, reference in zip(detectors, settings, strict=True)
                },
            },
        ],
    }
    action: Schema = {"$ref": "#/$defs/Action"}
    steps = rule["then"]["additionalProperties"]
    rule["then"] = {
        "description": rule["then"]["description"],
        "anyOf": [
            action,
            steps,
            {"type": "object", "additionalProperties": {"anyOf": [action, steps]}},
        ],
    }
    return _without_required(schema)


def _banneton(settings: type[BaseModel]) -> Schema:
    schema, routes = _root([settings, RouteFile, SharedRouteFile])
    schema["properties"]["routes"] = {
        "description": "Named ways to models; personas name them.",
        "type": "object",
        "minProperties": 1,
        "additionalProperties": {"anyOf": routes},
    }
    schema["required"] = [*schema.get("required", ()), "routes"]
    return schema


def _cases(detectors: list[DetectorKind]) -> Schema:
    references, definitions = _checked(detectors, CASES)
    expect = definitions["PolicyCase"]["properties"]["expect"]
    outcome = expect.pop("additionalProperties")
    by_audience = {"type": "object", "minProperties": 1, "additionalProperties": outcome}
    definitions["PolicyCase"]["properties"]["expect"] = {
        "description": expect["description"],
        "anyOf": [outcome, by_audience],
    }
    return {"anyOf": references, "$defs": definitions}


def _suite(detectors: list[DetectorKind]) -> Schema:
    (suite, case), definitions = _checked(detectors, SUITES)
    root = definitions.pop(suite["$ref"].removeprefix("#/$defs/"))
    root["properties"]["cases"]["items"] = case
    of_case = definitions["OfPersona"]
    of_case["required"] = [key for key in of_case["required"] if key != "persona"]
    return {**root, "$defs": definitions}


def _checked(
    detectors: list[DetectorKind], roots: tuple[type[BaseModel], ...]
) -> tuple[list[Schema], Schema]:
    """References to the files' models, and all definitions, those of checks among them."""
    models = models_of(*roots)
    references, definitions = _combined(*models, *(kind.settings for kind in detectors))
    keys = verify_keys(detectors, references[len(models) :])
    checks = references[len(roots) : len(roots) + len(WRITTEN)]
    return references[: len(roots)], with_checks(definitions, keys, checks)


def _without_required(schema: Schema) -> Schema:
    """Without what must be there, but for the id, without which a thing cannot be inherited."""

    def relaxed(part: Json) -> Json:
        match part:
            case {"properties": dict() as properties, "required": list() as required}:
                kept = [key for key in required if key == "id" and key in properties]
                rest = {key: relaxed(value) for key, value in part.items() if key != "required"}
                return {**rest, "required": kept} if kept else rest
            case dict():
                return {key: relaxed(value) for key, value in part.items()}
            case list():
                return [relaxed(item) for item in part]
            case _:
                return part

    result: Schema = relaxed(schema)
    return result


def _without_titles(schema: Schema) -> Schema:
    """Without the titles that pydantic makes of the names in the code."""

    def plain(part: Json) -> Json:
        match part:
            case dict():
                return {
                    key: plain(value)
                    for key, value in part.items()
                    if not (key == "title" and isinstance(value, str))
                }
            case list():
                return [plain(item) for item in part]
            case _:
                return part

    result: Schema = plain(schema)
    return result
