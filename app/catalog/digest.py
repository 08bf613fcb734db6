"""One name for the meaning of all files: equal content has equal digests on every machine.

What counts is what was understood, not how it was written: comments, order of keys, line endings,
shorthands and what is inherited or repeated make no difference
(``docs/decisions/0013-digest-of-meaning.md``).
"""

import hashlib
from collections.abc import Mapping

import orjson
from pydantic import BaseModel

from app.domain.catalog import Prompt, Route
from app.domain.conversation import Json
from app.domain.persona import Persona
from app.domain.policy import Policy

_FORMAT = 2
"""Raised when the same content is to have another digest."""


def digest_of(
    *,
    personas: Mapping[str, Persona],
    policies: Mapping[str, Policy],
    prompts: Mapping[str, Prompt],
    routes: Mapping[str, Route],
    knowledge: Mapping[str, str],
) -> str:
    """``sha256:`` and 64 hexadecimal digits."""
    content = {
        "format": _FORMAT,
        "personas": dict(personas),
        "policies": dict(policies),
        "prompts": dict(prompts),
        "routes": dict(routes),
        "knowledge": dict(knowledge),
    }
    return f"sha256:{hashlib.sha256(canonical(content)).hexdigest()}"


def canonical(content: Mapping[str, object]) -> bytes:
    """The bytes that a digest is of."""
    return orjson.dumps(content, default=_as_json, option=orjson.OPT_SORT_KEYS)


def _as_json(value: object) -> Json:
    match value:
        case BaseModel():
            return value.model_dump(mode="json")
        case frozenset():
            return sorted(value)
        case Mapping():
            return dict(value)
        case _:
            raise TypeError(type(value).__name__)
