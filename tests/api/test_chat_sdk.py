"""Chat Completions over a real socket with the vendor's own client."""

from typing import Any

import httpx2
import openai
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai import OpenAI
from pydantic import BaseModel

from app.api.openai_chat_answer import ChatStream, ChatWhole
from app.api.openai_chat_fields import CHUNK
from app.api.shapes import admit
from app.domain.conversation import ToolCallPart
from app.domain.decision import Outcome
from app.domain.errors import (
    AccessError,
    AccessProblem,
)
from app.domain.events import (
    Annotation,
    Finish,
    FinishReason,
    ImageDelta,
    ReasoningDelta,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
)
from app.domain.protocols import Caller
from tests.api.asking import HELLO, ask, ask_stream
from tests.api.scripted import (
    CATALOG,
    Served,
    Step,
    closed,
    opened,
    stopped_script,
)

TOOL: Any = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}


def test_answer(client: OpenAI) -> None:
    """An ordinary answer cannot be read by the vendor's client, or lacks a part."""
    answer = ask(client)
    assert answer.id == "chatcmpl-req_1"
    assert answer.model == "tutor"
    assert answer.choices[0].message.content == "Hello, “you”\n"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 13
    assert answer.usage.prompt_tokens_details is not None
    assert answer.usage.prompt_tokens_details.cached_tokens == 2
    assert answer.usage.prompt_tokens_details.cache_write_tokens == 1
    extra = answer.model_extra
    assert extra is not None
    assert extra["banneton"]["request_id"] == "req_1"
    assert extra["banneton"]["outcome"] == "allow"


def test_headers(served: Served, client: OpenAI) -> None:
    """A caller cannot tell which persona and catalog answered, or what the input decision was."""
    served.gateway.script = stopped_script(Outcome.BLOCK)
    for stream in (False, True):
        raw = client.chat.completions.with_raw_response.create(
            model="tutor", messages=HELLO, stream=stream
        )
        assert raw.status_code == 200
        assert raw.headers["x-request-id"] == "req_1"
        assert raw.headers["x-banneton-persona"] == "tutor"
        assert raw.headers["x-banneton-catalog"] == CATALOG
        assert raw.headers["x-banneton-input"] == "block"


def test_stream(client: OpenAI) -> None:
    """A stream lacks the role, the end or what the exchange says about itself."""
    chunks = list(ask_stream(client))
    assert {(one.id, one.created, one.model) for one in chunks} == {
        ("chatcmpl-req_1", 1795348800, "tutor")
    }
    assert [one.choices[0].delta.role for one in chunks] == ["assistant", None, None]
    assert [one.choices[0].delta.content for one in chunks] == ["Hel", "lo, “you”\n", None]
    assert [one.choices[0].finish_reason for one in chunks] == [None, None, "stop"]
    assert [one.usage for one in chunks] == [None, None, None]
    assert ["banneton" in (one.model_extra or {}) for one in chunks] == [False, False, True]


def test_stream_with_usage(client: OpenAI) -> None:
    """Usage comes unasked, or not last, or not at all."""
    *_, ended, last = ask_stream(client, stream_options={"include_usage": True})
    assert ended.choices[0].finish_reason == "stop"
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.completion_tokens == 3
    assert "banneton" in (last.model_extra or {})


def test_done_comes_after_the_summary(served: Served) -> None:
    """A client that reads bytes sees no end, or sees it too early."""
    body = {"model": "tutor", "messages": HELLO, "stream": True}
    answer = httpx2.post(f"{served.url}/v1/chat/completions", json=body)
    *_, last, done, rest = answer.text.split("\n\n")
    assert '"banneton"' in last
    assert (done, rest) == ("data: [DONE]", "")


def test_an_answer_without_text(served: Served, client: OpenAI) -> None:
    """An empty answer is no valid turn."""
    served.gateway.script = [opened(), Finish(FinishReason.LENGTH), closed()]
    assert ask(client).choices[0].message.content == ""
    (only,) = ask_stream(client)
    assert only.choices[0].delta.role == "assistant"
    assert only.choices[0].finish_reason == "length"


def drawing_script() -> list[Step]:
    """An answer with two pictures, one before its words."""
    return [
        opened(),
        ImageDelta("image/png", "aaaa"),
        TextDelta("Here."),
        ImageDelta("image/webp", "bbbb"),
        Finish(FinishReason.STOP),
        closed(),
    ]


PICTURES = [
    {"type": "image_url", "image_url": {"url": url}}
    for url in ("data:image/png;base64,aaaa", "data:image/webp;base64,bbbb")
]


def test_pictures(served: Served, client: OpenAI) -> None:
    """A picture is lost, or stands where clients of image models do not look for it."""
    served.gateway.script = drawing_script()
    answer = ask(client)
    message = answer.choices[0].message
    assert message.content == "Here."
    assert (message.model_extra or {})["images"] == PICTURES
    chunks = list(ask_stream(client))
    extras = [(one.choices[0].delta.model_extra or {}).get("images", []) for one in chunks]
    assert extras == [PICTURES[:1], [], PICTURES[1:], []]
    assert chunks[0].choices[0].delta.role == "assistant"


def test_pictures_before_a_block(served: Served, client: OpenAI) -> None:
    """A client that does not stream is shown a picture of an answer that was stopped."""
    served.gateway.script = stopped_script(Outcome.BLOCK, ImageDelta("image/png", "aaaa"))
    message = ask(client).choices[0].message
    assert message.content == "I'd rather not."
    assert "images" not in (message.model_extra or {})


def tool_script() -> list[Step]:
    """An answer with reasoning and two tool calls, their arguments in pieces."""
    return [
        opened(),
        ReasoningDelta("Let me "),
        ReasoningDelta("look."),
        ReasoningDelta("", signed="opaque"),
        ToolCallDelta(0, '{"a"', call_id="call_1", name="look"),
        ToolCallDelta(1, "", call_id="call_2", name="look", signed="other.call:Y2FsbA=="),
        ToolCallDelta(0, ":1}"),
        ToolCallDelta(1, "{}"),
        Finish(FinishReason.TOOL_CALLS),
        closed(),
    ]


def test_tool_calls(served: Served, client: OpenAI) -> None:
    """Tool calls are mixed up, or leave in pieces that do not fit."""
    served.gateway.script = tool_script()
    answer = ask(client, tools=[TOOL])
    message = answer.choices[0].message
    assert message.content is None
    assert message.tool_calls is not None
    calls = [call.model_dump() for call in message.tool_calls]
    assert [(one["id"], one["function"]["arguments"]) for one in calls] == [
        ("call_1", '{"a":1}'),
        ("call_2", "{}"),
    ]
    assert (message.model_extra or {})["reasoning_content"] == "Let me look."
    assert answer.choices[0].finish_reason == "tool_calls"


def test_tool_calls_in_a_stream(served: Served, client: OpenAI) -> None:
    """The SDK's own collector of streams cannot put tool calls together."""
    served.gateway.script = tool_script()
    with client.chat.completions.stream(model="tutor", messages=HELLO, tools=[TOOL]) as stream:
        final = stream.get_final_completion()
    calls = final.choices[0].message.tool_calls or []
    assert [(one.id, one.function.name, one.function.arguments) for one in calls] == [
        ("call_1", "look", '{"a":1}'),
        ("call_2", "look", "{}"),
    ]
    deltas = [(one.choices[0].delta.model_extra or {}) for one in ask_stream(client)]
    assert "".join(one.get("reasoning_content", "") for one in deltas) == "Let me look."


@pytest.mark.parametrize("is_stream", [True, False])
def test_what_is_signed_of_a_call_can_be_sent_back(
    served: Served,
    client: OpenAI,
    is_stream: bool,  # noqa: FBT001  # a parameter of the test
) -> None:
    """Gemini refuses the turn after a call: the signature was lost on the way."""
    served.gateway.script = tool_script()
    message: Any = ask(client, tools=[TOOL]).choices[0].message
    if is_stream:
        with client.chat.completions.stream(model="tutor", messages=HELLO, tools=[TOOL]) as stream:
            message = stream.get_final_completion().choices[0].message.to_dict()
        del message["parsed"]  # the helper's own
        for call in message["tool_calls"]:
            del call["index"], call["function"]["parsed_arguments"]
    results: Any = [
        {"role": "tool", "tool_call_id": one, "content": "1"} for one in ("call_1", "call_2")
    ]
    client.chat.completions.create(model="tutor", messages=[*HELLO, message, *results])
    parts = served.gateway.seen[-1].messages[1].parts
    calls = [part for part in parts if isinstance(part, ToolCallPart)]
    assert [call.signed for call in calls] == [None, "other.call:Y2FsbA=="]


def test_an_answer_can_be_sent_back(served: Served, client: OpenAI) -> None:
    """Appending the SDK's own message to the history is refused."""
    served.gateway.script = tool_script()
    message: Any = ask(client, tools=[TOOL]).choices[0].message
    served.gateway.script = [
        opened(),
        TextDelta("a"),
        Annotation("https://a", "A", 0, 1),
        Finish(FinishReason.STOP),
        closed(),
    ]
    result: Any = {"role": "tool", "tool_call_id": "call_1", "content": "1"}
    other: Any = {"role": "tool", "tool_call_id": "call_2", "content": "1"}
    said: Any = client.chat.completions.create(
        model="tutor", messages=[*HELLO, message, result, other]
    )
    noted: Any = said.choices[0].message
    assert noted.annotations[0].url_citation.url == "https://a"
    client.chat.completions.create(model="tutor", messages=[*HELLO, noted, *HELLO])
    assert len(served.gateway.seen) == 3


class Place(BaseModel):
    """What the model should answer."""

    city: str


def test_json_schema(served: Served, client: OpenAI) -> None:
    """The SDK's structured answers do not come through."""
    served.gateway.script = [
        opened(),
        TextDelta('{"city"'),
        TextDelta(':"Ulm"}'),
        Finish(FinishReason.STOP),
        closed(),
    ]
    answer = client.chat.completions.parse(model="tutor", messages=HELLO, response_format=Place)
    assert answer.choices[0].message.parsed == Place(city="Ulm")
    wanted = served.gateway.seen[0].response_format
    assert wanted is not None
    assert wanted.name == "Place"
    assert wanted.is_strict is True


def test_refusal(served: Served, client: OpenAI) -> None:
    """The model's own refusal comes as if it were its answer."""
    served.gateway.script = [
        opened(),
        RefusalDelta("I "),
        RefusalDelta("cannot."),
        Finish(FinishReason.STOP),
        closed(),
    ]
    assert ask(client).choices[0].message.refusal == "I cannot."
    refusals = [one.choices[0].delta.refusal for one in ask_stream(client)]
    assert refusals == ["I ", "cannot.", None]


@pytest.mark.parametrize("outcome", [Outcome.BLOCK, Outcome.ESCALATE, Outcome.UNCHECKED])
def test_stopped_before_the_first_byte(served: Served, client: OpenAI, outcome: Outcome) -> None:
    """A block is no ordinary turn in the persona's voice."""
    served.gateway.script = stopped_script(outcome)
    answer = ask(client)
    assert answer.choices[0].message.content == "I'd rather not."
    assert answer.choices[0].finish_reason == "content_filter"
    said, ended = ask_stream(client)
    assert said.choices[0].delta.content == "I'd rather not."
    assert said.choices[0].delta.role == "assistant"
    assert ended.choices[0].finish_reason == "content_filter"
    summary = (ended.model_extra or {})["banneton"]
    assert summary == (answer.model_extra or {})["banneton"]
    assert summary["outcome"] == outcome
    assert summary["applied"][0]["rule"] == "jailbreak"
    assert summary["applied"][1] == {
        "rule": "trial",
        "action": summary["applied"][0]["action"],
        "findings": [],
        "observed": True,
        "unchecked": True,
    }
    assert summary["findings"] == [
        {
            "detector": "injection",
            "category": "jailbreak",
            "score": 0.97,
            "path": "messages[0].content",
            "start": 0,
            "end": 4,
        }
    ]


def test_stopped_in_mid_stream(served: Served, client: OpenAI) -> None:
    """A stream loses what it had, or a whole answer keeps what policy stopped."""
    before = TextDelta("The first half. "), ToolCallDelta(0, "{}", call_id="c", name="look")
    served.gateway.script = stopped_script(Outcome.BLOCK, *before)
    chunks = list(ask_stream(client))
    text = "".join(one.choices[0].delta.content or "" for one in chunks)
    assert text == "The first half. I'd rather not."
    assert chunks[-1].choices[0].finish_reason == "content_filter"
    message = ask(client).choices[0].message
    assert message.content == "I'd rather not."
    assert message.tool_calls is None


def test_stopped_as_an_error(served: Served, client: OpenAI) -> None:
    """A persona that wants error objects gets replies, or an outage looks like a decision."""
    served.gateway.script = stopped_script(Outcome.BLOCK, is_error=True)
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError) as blocked:
            client.chat.completions.create(model="tutor", messages=HELLO, stream=stream)
        assert blocked.value.code == "content_filter"
        assert blocked.value.response.headers["x-request-id"] == "req_1"
        assert blocked.value.response.json()["banneton"]["outcome"] == "block"
    served.gateway.script = stopped_script(Outcome.UNCHECKED, is_error=True)
    with pytest.raises(openai.InternalServerError) as outage:
        ask(client)
    assert outage.value.status_code == 503
    assert outage.value.code == "unchecked"


def test_stopped_as_an_error_in_mid_stream(served: Served, client: OpenAI) -> None:
    """An error object in mid-stream looks like a good end."""
    served.gateway.script = stopped_script(Outcome.BLOCK, TextDelta("Half"), is_error=True)
    stream = ask_stream(client)
    assert next(stream).choices[0].delta.content == "Half"
    with pytest.raises(openai.APIError) as blocked:
        list(stream)
    assert blocked.value.code == "content_filter"
    with pytest.raises(openai.BadRequestError):
        ask(client)


def test_keys(served: Served, client: OpenAI) -> None:
    """The key does not reach the gateway, or a request is read before the key is known."""

    def auth(authorization: str | None) -> Caller:
        if authorization != "Bearer key":
            raise AccessError(AccessProblem.INVALID, "This key is not known.")
        return Caller("acme", "key_1", None, None)

    served.gateway.auth = auth
    assert ask(client).choices
    with pytest.raises(openai.AuthenticationError) as failed:
        ask(client.with_options(api_key="other"))
    assert failed.value.response.headers["www-authenticate"] == "Bearer"
    wrong = httpx2.post(f"{served.url}/v1/chat/completions", content=b"{")
    assert wrong.status_code == 401


def test_signed_claims(served: Served, client: OpenAI) -> None:
    """A signed claim does not reach whoever checks it, or one of two is chosen."""
    ask(client)
    ask(client, extra_headers={"X-Banneton-Claims": "a.b.c"})
    assert served.gateway.claims[-2:] == [None, "a.b.c"]
    both = [("x-banneton-claims", "a.b.c"), ("X-Banneton-Claims", "d.e.f")]
    twice = httpx2.post(f"{served.url}/v1/chat/completions", headers=both, json={})
    assert (twice.status_code, twice.json()["error"]["code"]) == (401, "invalid_claim")


def test_unknown_persona(client: OpenAI) -> None:
    """A model that is no persona, or not this key's, is not told apart."""
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="nobody", messages=HELLO)
    with pytest.raises(openai.PermissionDeniedError):
        client.chat.completions.create(model="secret", messages=HELLO)


def test_refused_field(client: OpenAI) -> None:
    """A refused field gets in, or the SDK cannot say which it was."""
    with pytest.raises(openai.BadRequestError) as failed:
        ask(client, extra_body={"banneton": {"audiense": "minor"}})
    assert failed.value.param == "banneton.audiense"
    assert failed.value.code == "field_refused"
    assert "audience" in failed.value.message


_DELTAS: st.SearchStrategy[StreamEvent] = st.one_of(
    st.builds(TextDelta, st.text(max_size=5)),
    st.builds(ReasoningDelta, st.text(max_size=5)),
    st.builds(RefusalDelta, st.text(max_size=5)),
    st.builds(ToolCallDelta, st.integers(0, 1), st.text(max_size=5)),
)


def _collected(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    """The message that a stream adds up to."""
    made: dict[str, Any] = {}
    calls: dict[int, str] = {}
    for chunk in chunks:
        delta = chunk["choices"][0]["delta"]
        for key in ("content", "refusal", "reasoning_content"):
            if key in delta:
                made[key] = made.get(key, "") + delta[key]
        for call in delta.get("tool_calls", ()):
            calls[call["index"]] = calls.get(call["index"], "") + call["function"]["arguments"]
    made = {key: text for key, text in made.items() if text}
    return made | ({"calls": [calls[key] for key in sorted(calls)]} if calls else {})


@given(deltas=st.lists(_DELTAS, max_size=8))
@settings(deadline=None, max_examples=300)
def test_a_stream_and_a_whole_answer_say_the_same(deltas: list[StreamEvent]) -> None:
    """A client that streams gets another answer than one that does not."""
    script: list[Any] = [opened(), *deltas, Finish(FinishReason.STOP), closed()]
    stream, whole = ChatStream(0, wants_usage=False), ChatWhole(0)
    sent = b"".join(stream.add(event) for event in script)
    *events, done, _ = sent.split(b"\n\n")
    assert done == b"data: [DONE]"
    chunks = [orjson.loads(event.removeprefix(b"data: ")) for event in events]
    for chunk in chunks:
        admit(CHUNK, chunk)
    answer = orjson.loads(b"".join(whole.add(event) for event in script))
    message = answer["choices"][0]["message"]
    calls = [one["function"]["arguments"] for one in message.pop("tool_calls", ())]
    plain = {key: text for key, text in message.items() if text and key != "role"}
    assert _collected(chunks) == plain | ({"calls": calls} if calls else {})
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert all("role" not in chunk["choices"][0]["delta"] for chunk in chunks[1:])
