"""Answers that were given once and are kept, so that the same question gets the same answer."""

import hashlib
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from datetime import date
from enum import StrEnum
from typing import Protocol

import orjson

from app.domain.conversation import Conversation, Json
from app.domain.errors import BannetonError
from app.domain.events import StreamEvent, Usage


class AnswersFrom(StrEnum):
    """Where the answers of a run come from."""

    RECORDED = "recorded"
    """From recordings alone; nobody is asked."""
    RECORD = "record"
    """From recordings; where there is none, the model is asked and its answer is kept."""
    LIVE = "live"
    """Every model is asked. Recordings are neither read nor written."""


class Purpose(StrEnum):
    """What a question is for."""

    ANSWER = "answer"
    """The persona's answer."""
    DETECTOR = "detector"
    """What a detector of a policy or behaviour asks."""
    USER = "user"
    """What a simulated user says next."""
    JUDGE = "judge"
    """What a check of a case asks."""


class GivenBy(StrEnum):
    """Who gave a recorded answer."""

    MODEL = "model"
    """A model, when it was asked."""
    SCRIPT = "script"
    """People, in a script: the answer says nothing of any model."""
    ENDPOINT = "endpoint"
    """A detector's webhook or service."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One answer, and of what."""

    key: str
    """The digest of all that was asked, ``sha256:`` and 64 hexadecimal digits."""
    suite: str
    """For which suite it was asked first; its file is named so."""
    case: str
    """For which case it was asked first."""
    repeat: int
    """In which repeat of the case, counted from 0."""
    step: int
    """Which answer of the repeat it was, counted from 0."""
    purpose: Purpose
    backend: str
    """The id of the backend, or of the endpoint."""
    model: str
    """Empty for an endpoint."""
    given_by: GivenBy
    on: date
    """In UTC."""
    events: tuple[StreamEvent, ...]
    """Whole: neighbouring pieces of one text are one event."""
    usage: Usage | None = None
    first_ms: int | None = None
    """From the question to the first event; none where that says nothing of a model."""
    total_ms: int | None = None
    """From the question to the end of the answer."""


class Recordings(Protocol):
    """Where recorded answers are kept."""

    def find(self, key: str) -> Recording | None:
        """The answer to what has this digest."""
        ...

    async def keep(self, recording: Recording) -> None:
        """Keep an answer. Durable when it returns.

        Raises:
            RecordingError: It may not be kept.
        """
        ...


class RecordingError(BannetonError):
    """An answer may not be recorded, such as one that holds a credential."""


_NOT_ASKED = frozenset(
    {
        "arguments_field",
        "cache",
        "is_stream",
        "name_path",
        "origin",
        "parameters_field",
        "path",
        "persona",
        "stop_path",
        "provider_may",
        "subject",
        "variant",
        "wants_usage",
        "wishes",
        "yields",
        "continues",
        "keeps_turns",
    }
)
"""Where things stand in a client's request, and what backends are not told or do not pass on."""


def digest_of_question(backend: str, model: str, asked: Conversation, nth: int) -> str:
    """The digest of exactly what a backend is asked.

    A field that has its default is left out, so that a field that is new changes no digest.

    Args:
        backend: Its id.
        model: Of the backend.
        asked: As the backend gets it, after pseudonymisation.
        nth: Which time this is that the same is asked in one run of a case, counted from 0: an
            answer that was made again must not be the same one again.
    """
    return _digest({"backend": backend, "model": model, "asked": _told(asked), "nth": nth})


def digest_of_post(endpoint: str, body: bytes, nth: int) -> str:
    """The digest of what an endpoint is sent, which time of that."""
    sent = hashlib.sha256(body).hexdigest()
    return _digest({"endpoint": endpoint, "body": sent, "nth": nth})


def _digest(content: Json) -> str:
    canonical = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    return f"sha256:{hashlib.sha256(canonical).hexdigest()}"


def _told(value: object) -> Json:
    """As JSON, each dataclass with its name: parts of different kinds have equal fields."""
    if is_dataclass(value) and not isinstance(value, type):
        asked = [each for each in fields(value) if each.name not in _NOT_ASKED]
        told = {each.name: _told(getattr(value, each.name)) for each in asked}
        usual = {each.name: _usual(each) for each in asked}
        changed = {name: item for name, item in told.items() if item != usual[name]}
        return {type(value).__name__: changed}
    match value:
        case Mapping():
            return {str(key): _told(item) for key, item in value.items()}
        case list() | tuple():
            return [_told(item) for item in value]
        case None | bool() | int() | float() | str():
            return value
        case _:
            raise TypeError(f"no question holds this: {type(value).__name__}")


def _usual(field: Field[object]) -> Json:
    """The default of a field, as it would be told; nothing that is told where it has none."""
    if field.default_factory is not MISSING:
        return _told(field.default_factory())
    return MISSING if field.default is MISSING else _told(field.default)
