"""Responses that were kept, over a real socket with the vendor's own client."""

from datetime import UTC, datetime

import httpx2
import openai
import orjson
import pytest
from openai import OpenAI

from app.api.openai_responses_events import ANSWER
from app.api.shapes import admit
from app.domain.conversation import (
    FilePart,
    ImagePart,
    Inline,
    Linked,
    Message,
    Origin,
    ReasoningPart,
    RefusalPart,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from app.domain.events import FinishReason, Usage
from app.pipeline.gateway import Answered
from tests.api.scripted import Served


def test_a_kept_response_is_read_again(served: Served, client: OpenAI) -> None:
    """What was kept cannot be read, looks like something else, or a wrong id says too much."""
    parts = (
        ReasoningPart("Hm.", signed="c2ln"),
        TextPart("Half"),
        RefusalPart("No."),
        ToolCallPart("c", "look", "{}"),
    )
    at = datetime(2026, 1, 1, tzinfo=UTC)
    kept = Answered("r1", "tutor", at, FinishReason.STOP, (), parts, Usage(1, 2), "r0")
    served.gateway.kept = {"r1": kept}
    made = client.responses.retrieve("resp_r1")
    admit(ANSWER, made.model_dump(mode="json", exclude_unset=True))
    assert (made.id, made.created_at, made.status) == ("resp_r1", 1767225600, "completed")
    assert [item.type for item in made.output] == ["reasoning", "message", "function_call"]
    assert made.previous_response_id == "resp_r0"
    assert made.usage is not None
    assert made.usage.total_tokens == 3
    for wrong in ("resp_r2", "r1", "msg_r1"):
        with pytest.raises(openai.NotFoundError) as missing:
            client.responses.retrieve(wrong)
        assert missing.value.code == "not_found"
    assert httpx2.get(f"{served.url}/v1/responses/resp_r1?stream=true").status_code == 400


def test_a_kept_response_can_be_deleted(served: Served, client: OpenAI) -> None:
    """What was kept stays after the client was told that it is gone."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    served.gateway.kept["r1"] = Answered("r1", "tutor", at, FinishReason.STOP, (), (), None, None)
    wrong = ("resp_r2", "r1", "msg_r1", "resp_")
    for each in wrong:
        with pytest.raises(openai.NotFoundError):
            client.responses.delete(each)
    made = client.responses.with_raw_response.delete("resp_r1")
    assert orjson.loads(made.content) == {"id": "resp_r1", "object": "response", "deleted": True}
    for call in (client.responses.retrieve, client.responses.delete):
        with pytest.raises(openai.NotFoundError):
            call("resp_r1")


_ASKED = (
    Message(Role.SYSTEM, Origin.CLIENT, (TextPart("Be kind."),)),
    Message(
        Role.USER,
        Origin.CLIENT,
        (
            TextPart("What is it?"),
            ImagePart(Inline("image/png", "AA=="), detail="low"),
            ImagePart(Linked("https://a.example/b.png")),
            FilePart(Inline("application/pdf", "AA=="), name="a.pdf"),
            FilePart(Linked("https://a.example/c.pdf")),
        ),
    ),
    Message(
        Role.ASSISTANT,
        Origin.CLIENT,
        (
            ReasoningPart("Hm.", signed="other:c2ln"),
            TextPart("Let me look."),
            ToolCallPart("c", "look", "{}", signed="other.call:c2ln"),
        ),
    ),
    Message(Role.TOOL, Origin.TOOL, (ToolResultPart("c", "A dot."),)),
    Message(Role.TOOL, Origin.TOOL, (ToolResultPart("d", "A"), ToolResultPart("d", "dot."))),
)


def test_the_items_that_a_response_answers(served: Served, client: OpenAI) -> None:
    """A client cannot show a conversation again, or pages of it overlap or lose an item."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    made = Answered("r1", "tutor", at, FinishReason.STOP, _ASKED, (), None, None)
    served.gateway.kept["r1"] = made
    items = list(client.responses.input_items.list("resp_r1", order="asc", limit=3))
    assert [item.type for item in items] == [
        "message",
        "message",
        "reasoning",
        "message",
        "reasoning",
        "function_call",
        "function_call_output",
        "function_call_output",
    ]
    _, said, _, _, _, call, told, listed = (item.to_dict() for item in items)
    assert said["content"] == [
        {"type": "input_text", "text": "What is it?"},
        {"type": "input_image", "detail": "low", "image_url": "data:image/png;base64,AA=="},
        {"type": "input_image", "detail": "auto", "image_url": "https://a.example/b.png"},
        {
            "type": "input_file",
            "file_data": "data:application/pdf;base64,AA==",
            "filename": "a.pdf",
        },
        {"type": "input_file", "file_url": "https://a.example/c.pdf"},
    ]
    assert (call["call_id"], told["call_id"], told["output"]) == ("c", "c", "A dot.")
    assert listed["output"] == [
        {"type": "input_text", "text": "A"},
        {"type": "input_text", "text": "dot."},
    ]
    for item in items:
        assert type(item).model_validate(item.to_dict(), strict=True)
    newest_first = list(client.responses.input_items.list("resp_r1"))
    assert [item.to_dict() for item in reversed(newest_first)] == [one.to_dict() for one in items]
    with pytest.raises(openai.NotFoundError):
        client.responses.input_items.list("resp_r2")
    for wrong in ({"limit": 0}, {"limit": 101}, {"order": "up"}, {"after": "x"}, {"page": 2}):
        with pytest.raises(openai.BadRequestError):
            client.responses.input_items.list("resp_r1", extra_query=wrong)
