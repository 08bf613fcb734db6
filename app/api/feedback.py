"""What people say of answers and sessions: ``/v1/feedback``."""

import re

import orjson

from app.api.compound import Items, Kinds, Object
from app.api.fields import BANNETON
from app.api.shapes import Id, Number, Opaque, Text, Word, admit
from app.api.transport import Call
from app.domain.conversation import Json
from app.domain.errors import RequestError
from app.domain.feedback import (
    Consent,
    Correction,
    Purpose,
    Said,
    Satisfaction,
    Scale,
    Target,
    TargetKind,
    TaskOutcome,
)
from app.domain.protocols import Caller
from app.ledger.appeals import AppealState
from app.pipeline.appeals import AppealRequest
from app.pipeline.feedback import PARAMS, FeedbackRequest

_REQUEST_ID = Id(re.compile(r"[0-9a-zA-Z._-]{1,80}"), "the x-request-id of an answer")
_ID = Id(re.compile(r"[0-9a-zA-Z._:-]{1,80}"), "an id of at most 80 letters, digits and _.:-")
_SAID = frozenset({"satisfaction", "task", "correction", "comment", "demonstration", "consent"})
_THUMBS = {"down": 0, "up": 1}
_KEY = "idempotency-key"

FEEDBACK = Object(
    {
        "id": _ID,
        "request_id": _REQUEST_ID,
        "session": Opaque("names the conversation; kept under a key, never sent to a model"),
        "user": Opaque("names whom exchanges are about; kept under a key, never sent to a model"),
        "version": Number(1, 2**53 - 1, is_whole=True),
        "satisfaction": Kinds(
            "scale",
            {
                "thumb": Object(
                    {"scale": Word(("thumb",)), "value": Word(tuple(_THUMBS))},
                    frozenset({"scale", "value"}),
                ),
                "stars": Object(
                    {"scale": Word(("stars",)), "value": Number(1, 5, is_whole=True)},
                    frozenset({"scale", "value"}),
                ),
            },
        ),
        "task": Word(tuple(TaskOutcome)),
        "correction": Object(
            {"turn": Number(1, 10_000, is_whole=True), "text": Text(max_chars=20_000)}
        ),
        "comment": Text(max_chars=4000),
        "demonstration": Text(max_chars=100_000),
        "consent": Object(
            {
                "purposes": Items(Word(tuple(Purpose)), most=len(Purpose)),
                "reference": BANNETON.fields["consent"],
            },
            frozenset({"purposes"}),
        ),
        "appeal": Object({"text": Text(max_chars=20_000), "comment": Text(max_chars=2000)}),
    }
)
KEPT = Object(
    {
        "id": _ID,
        "request_id": _REQUEST_ID,
        "at": Text(form="when it was first said, ISO 8601"),
        "version": Number(1, 2**53 - 1, is_whole=True),
        "appeal": Object({"state": Word(tuple(AppealState))}),
    }
)


async def give(call: Call) -> None:
    """Keep what somebody says, or file an appeal against what policy did."""
    caller = await call.authenticate()
    body = {key: value for key, value in (await call.json_object()).items() if value is not None}
    admit(FEEDBACK, body)
    if "appeal" in body:
        await call.answer(orjson.dumps(await _appeal(call, body, caller)))
        return
    request = read(body, call.header(_KEY.encode()))
    kept = await call.parts.gateway.feedback(request, caller)
    made: dict[str, Json] = {"id": kept.id, "at": kept.at, "version": kept.version}
    if kept.about.kind is TargetKind.REQUEST:
        made["request_id"] = kept.request_id
    await call.answer(orjson.dumps(made, option=orjson.OPT_UTC_Z))


def read(body: dict[str, Json], key: str | None) -> FeedbackRequest:
    """What an admitted body says, and the client's id of it from there or from the header.

    Raises:
        RequestError: Fields that do not go together.
    """
    about = _target(body)
    if not _SAID & body.keys():
        what = f"say something: {', '.join(sorted(_SAID))}, or an appeal"
        raise RequestError(what, code="invalid_value")
    if about.kind is TargetKind.SUBJECT and _SAID & body.keys() != {"consent"}:
        raise _misfit("user", "of a person as a whole only consent can be said")
    correction = body.get("correction")
    if correction is not None:
        correction = _correction(correction, about)
    satisfaction, task, consent = (body.get(key) for key in ("satisfaction", "task", "consent"))
    said = Said(
        satisfaction=satisfaction and _satisfaction(satisfaction),
        task=task and TaskOutcome(task),
        correction=correction,
        comment=body.get("comment"),
        demonstration=body.get("demonstration"),
        consent=consent and _consent(consent),
    )
    rest = {name: value for name, value in body.items() if name != "id"}
    original = orjson.dumps(rest, option=orjson.OPT_SORT_KEYS)
    return FeedbackRequest(about, said, original, body.get("version", 1), _wish(body, key))


async def _appeal(call: Call, body: dict[str, Json], caller: Caller) -> dict[str, Json]:
    others = sorted(body.keys() - {"request_id", "appeal"})
    if others:
        raise _misfit(others[0], "an appeal is sent by itself, with its request_id")
    if "request_id" not in body:
        raise _misfit("request_id", "is required")
    texts = {name: text for name, text in body["appeal"].items() if text}
    if not texts:
        raise _misfit(
            "appeal", "say what was asked (text), why policy was wrong (comment), or both"
        )
    state = await call.parts.gateway.appeal(AppealRequest(body["request_id"], texts), caller)
    return {"request_id": body["request_id"], "appeal": {"state": state}}


def _target(body: dict[str, Json]) -> Target:
    named = [kind for kind, param in PARAMS.items() if param in body]
    if len(named) != 1:
        what = f"name one of {', '.join(PARAMS.values())}: what this is about"
        raise RequestError(what, param="request_id", code="invalid_value")
    return Target(named[0], body[PARAMS[named[0]]])


def _satisfaction(said: dict[str, Json]) -> Satisfaction:
    value = said["value"]
    return Satisfaction(Scale(said["scale"]), _THUMBS[value] if type(value) is str else value)


def _correction(said: dict[str, Json], about: Target) -> Correction:
    turn = said.get("turn")
    is_session = about.kind is TargetKind.SESSION
    if is_session and turn is None:
        raise _misfit("correction.turn", "say which answer of the session was wrong, from 1")
    if not is_session and turn is not None:
        raise _misfit("correction.turn", "only a session has turns; leave it out")
    return Correction(turn, said.get("text"))


def _consent(said: dict[str, Json]) -> Consent:
    purposes = tuple(each for each in Purpose if each in said["purposes"])
    return Consent(purposes, said.get("reference"))


def _wish(body: dict[str, Json], key: str | None) -> str | None:
    """The client's own id; the header's may stand in quotes, as its draft standard says."""
    named: str | None = body.get("id")
    if key is None:
        return named
    key = key.strip()
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    admit(_ID, key, _KEY)
    if named not in {None, key}:
        raise _misfit("id", f"differs from the header {_KEY}; send one of them")
    return key


def _misfit(param: str, what: str) -> RequestError:
    return RequestError(f"{param}: {what}", param=param, code="invalid_value")
