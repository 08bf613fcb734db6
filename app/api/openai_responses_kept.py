"""Responses that were kept: read again, with the items that they answer, or deleted."""

import orjson

from app.api.openai_responses_answer import PREFIX, kept_items, kept_response
from app.api.transport import Call
from app.domain.conversation import (
    FilePart,
    ImagePart,
    Inline,
    Json,
    Linked,
    Message,
    Part,
    Role,
    TextPart,
    ToolResultPart,
)
from app.domain.errors import RequestError
from app.pipeline.gateway import Answered

_MOST = 100
_PREFIXES = {
    "message": "msg",
    "reasoning": "rs",
    "function_call": "fc",
    "function_call_output": "fco",
}
_ORDERS = ("asc", "desc")
_QUERY = frozenset({"after", "limit", "order"})


async def read_response(call: Call) -> None:
    """Answer with a response that was kept."""
    kept = await _kept(call)
    await call.answer(orjson.dumps(kept_response(kept)))


async def delete_response(call: Call) -> None:
    """Destroy what was kept of a response."""
    caller = await call.authenticate()
    _refuse_query(call)
    wanted = call.path_params["response_id"]
    request_id = _request_id(wanted)
    if request_id is None or not await call.parts.gateway.delete_answered(request_id, caller):
        raise _not_found()
    await call.answer(orjson.dumps({"id": wanted, "object": "response", "deleted": True}))


async def list_input_items(call: Call) -> None:
    """Answer with a page of the items that a response answers."""
    query = call.query_fields()
    unknown = query.keys() - _QUERY
    order, limit = query.get("order", "desc"), query.get("limit", "20")
    if unknown or order not in _ORDERS or not limit.isdecimal() or not 1 <= int(limit) <= _MOST:
        what = f"There are after, order ({', '.join(_ORDERS)}) and limit (1 to {_MOST})."
        raise RequestError(what, code="invalid_query")
    items = input_items(await _kept(call, takes_query=True))
    if order == "desc":
        items.reverse()
    if "after" in query:
        ids = [item["id"] for item in items]
        if query["after"] not in ids:
            raise RequestError(
                "after: there is no such item; name the last one of the page before.",
                code="invalid_query",
            )
        items = items[ids.index(query["after"]) + 1 :]
    page = items[: int(limit)]
    made = {
        "object": "list",
        "data": page,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
        "has_more": len(page) < len(items),
    }
    await call.answer(orjson.dumps(made))


def input_items(kept: Answered) -> list[dict[str, Json]]:
    """What a response answers, as items: as the model saw it, with its pseudonyms."""
    items = [item for turn in kept.asked for item in _items(turn)]
    return [
        item | {"id": f"{_PREFIXES[item['type']]}_{kept.request_id}_in{at}"}
        for at, item in enumerate(items)
    ]


def _items(turn: Message) -> list[dict[str, Json]]:
    if turn.role is Role.ASSISTANT:
        return kept_items("", turn.parts)
    content = [_content(part) for part in turn.parts]
    if turn.role is not Role.TOOL:
        made = {"type": "message", "role": turn.role.value, "content": content}
        return [made | {"status": "completed"}]
    # The parts of one message are all what a tool answered to one call.
    call_id = next(part.call_id for part in turn.parts if isinstance(part, ToolResultPart))
    is_text = len(turn.parts) == 1 and isinstance(turn.parts[0], ToolResultPart)
    output = content[0]["text"] if is_text else content
    made = {"type": "function_call_output", "call_id": call_id, "output": output}
    return [made | {"status": "completed"}]


def _content(part: Part) -> dict[str, Json]:
    match part:
        case TextPart() | ToolResultPart():
            return {"type": "input_text", "text": part.text}
        case ImagePart():
            made = {"type": "input_image", "detail": part.detail or "auto"}
            return made | {"image_url": _address(part.source)}
        case FilePart():
            named = {} if part.name is None else {"filename": part.name}
            where = "file_data" if isinstance(part.source, Inline) else "file_url"
            return {"type": "input_file", where: _address(part.source), **named}
        case _:
            raise RuntimeError("a turn was kept with a part that it cannot have")


def _address(source: Inline | Linked) -> str:
    if isinstance(source, Inline):
        return f"data:{source.media_type};base64,{source.data}"
    return source.url


async def _kept(call: Call, *, takes_query: bool = False) -> Answered:
    """What was kept of the response that the path names."""
    caller = await call.authenticate()
    if not takes_query:
        _refuse_query(call)
    request_id = _request_id(call.path_params["response_id"])
    kept = await call.parts.gateway.answered(request_id, caller) if request_id else None
    if kept is None:
        raise _not_found()
    return kept


def _request_id(response_id: str) -> str | None:
    prefix, request_id = response_id.partition(PREFIX)[1:]
    return request_id if prefix and request_id else None


def _refuse_query(call: Call) -> None:
    if call.query:
        what = "A response is read as it was kept: there is nothing to choose."
        raise RequestError(what, code="invalid_query")


def _not_found() -> RequestError:
    what = "There is no such response, it was not kept, or this key may not read it."
    return RequestError(what, code="not_found", param="response_id")
