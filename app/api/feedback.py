"""What people say of an exchange: ``/v1/feedback``."""

import re

import orjson

from app.api.compound import Object
from app.api.shapes import Id, Text, Word, admit
from app.api.transport import Call
from app.domain.errors import RequestError
from app.ledger.appeals import AppealState
from app.pipeline.appeals import Feedback

_REQUEST_ID = Id(re.compile(r"[0-9a-zA-Z._-]{1,80}"), "the x-request-id of an answer")
_MAX_CHARS = 20_000

FEEDBACK = Object(
    {
        "request_id": _REQUEST_ID,
        "appeal": Object({"text": Text(max_chars=_MAX_CHARS), "comment": Text(max_chars=2000)}),
    },
    frozenset({"request_id", "appeal"}),
)
FILED = Object(
    {"request_id": _REQUEST_ID, "appeal": Object({"state": Word(tuple(AppealState))})},
    frozenset({"request_id", "appeal"}),
)


async def give(call: Call) -> None:
    """File an appeal against what policy did in an exchange."""
    caller = await call.authenticate()
    body = await call.json_object()
    admit(FEEDBACK, body)
    texts = {name: text for name, text in body["appeal"].items() if text}
    if not texts:
        what = "appeal: say what was asked (text), why policy was wrong (comment), or both"
        raise RequestError(what, param="appeal", code="invalid_value")
    state = await call.parts.gateway.feedback(Feedback(body["request_id"], texts), caller)
    made = {"request_id": body["request_id"], "appeal": {"state": state}}
    await call.answer(orjson.dumps(made))
