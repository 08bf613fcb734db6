"""The JSON Schema of cases and suites, in which a check is written in one of many ways."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from app.catalog.cases import PersonaCasesFile, PolicyCasesFile, PromptCasesFile
from app.catalog.check_file import WRITTEN, CheckFile, JudgeFile
from app.catalog.contracts import DetectorKind
from app.catalog.conversation_case import OfPersona
from app.catalog.suite import SuiteFile
from app.domain.persona import Verify

Schema = dict[str, Any]
_CHECK = {"$ref": "#/$defs/Check"}
_LISTS = {
    "ConversationFile": ("every_turn", "goal", "violates"),
    "OfPersona": ("every_turn", "goal", "violates"),
    "TurnFile": ("expect",),
    "Defaults": ("every_turn",),
}
"""Where lists of checks stand, by definition."""


def verify_keys(detectors: Sequence[DetectorKind], settings: Sequence[Schema]) -> Schema:
    """What a behaviour's ``verify`` may hold, but for what stands beside it.

    Args:
        detectors: Every kind of detector.
        settings: A reference to the settings of each.
    """
    ways: Schema = {
        kind.name: {"description": kind.summary, **reference}
        for kind, reference in zip(detectors, settings, strict=True)
    }
    shorthands: dict[str, tuple[str, Schema]] = {
        "words": (
            "Words of which the answer must hold one; or the detector's settings.",
            {"type": "array", "items": {"type": "string"}, "minItems": 1},
        ),
        "judge": (
            "A question about the answer, for a model; or the detector's settings.",
            {"type": "string"},
        ),
    }
    for name, (what, short) in shorthands.items():
        if name in ways:
            ways[name] = {"description": what, "anyOf": [short, ways[name]]}
    pattern = {"type": "string", "description": "What the answer must match, in RE2 syntax."}
    return {"pattern": pattern, **ways}


EXPECT = {
    "enum": ["present", "absent", "yes", "no"],
    "description": "Whether the detector should find something: a pattern and a list of words "
    "should be present, all else absent, unless this says otherwise. For a judge's question, "
    "its right answer.",
}


def models_of(*roots: type[BaseModel]) -> tuple[type[BaseModel], ...]:
    """The models that a schema of cases is made of: the files, then the checks."""
    return (*roots, *WRITTEN.values(), JudgeFile, CheckFile, Verify)


CASES = (PolicyCasesFile, PersonaCasesFile, PromptCasesFile)
SUITES = (SuiteFile, OfPersona)


def with_checks(
    definitions: Mapping[str, Schema], keys: Schema, references: Iterable[Schema]
) -> Schema:
    """The definitions, where every list of checks says what a check is.

    Args:
        definitions: Of the models.
        keys: What a behaviour's ``verify`` may hold.
        references: To the models of checks that are no ``verify``.
    """
    made = {name: dict(definition) for name, definition in definitions.items()}
    beside = made.pop("CheckFile")["properties"]
    verify = made.pop("Verify")["properties"]
    judge = {
        "description": "A question about the answer, which ends with a question mark; the name of "
        "one of the suite's judges; or who is asked what.",
        "anyOf": [{"type": "string"}, {"$ref": "#/$defs/JudgeFile"}],
    }
    made["Verified"] = {
        "description": "What a detector or a judge says of the answer.",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            **keys,
            "judge": judge,
            "expect": EXPECT,
            "min_score": verify["min_score"],
            **beside,
        },
    }
    made["Check"] = {
        "description": "One thing that must hold.",
        "anyOf": [*references, {"$ref": "#/$defs/Verified"}],
    }
    for name, lists in _LISTS.items():
        for key in lists if name in made else ():
            properties = made[name]["properties"]
            made[name]["properties"] = {**properties, key: {**properties[key], "items": _CHECK}}
    return made
