"""Anthropic Messages over a real socket with the vendor's own client."""

import json
from collections.abc import Iterator
from typing import Any

import anthropic as sdk
import httpx2
import pytest
from anthropic import Anthropic
from anthropic.types import Message, RawMessageStreamEvent
from pydantic import BaseModel

from app.api.anthropic_messages_answer_fields import ANSWER, COUNTED, EVENT
from app.api.shapes import admit
from app.domain.decision import Outcome
from app.domain.errors import AccessError, AccessProblem, BackendError, BackendProblem
from app.domain.events import (
    Annotation,
    Finish,
    FinishReason,
    ImageDelta,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from app.domain.protocols import Caller
from tests.api.scripted import CATALOG, Pause, Served, Step, closed, opened, stopped_script

Json = Any
HELLO: Json = [{"role": "user", "content": "Hello?"}]
TOOL: Json = {"name": "look", "input_schema": {"type": "object"}}
NO: Json = {"type": "refusal", "category": None, "explanation": None}


def ask(client: Anthropic, **more: Json) -> Message:
    """One answer, checked against the coverage table."""
    asked = {"model": "tutor", "max_tokens": 100, "messages": HELLO, **more}
    answer: Message = client.messages.create(**asked)
    admit(ANSWER, answer.model_dump(mode="json", exclude_unset=True, warnings=False))
    return answer


def ask_stream(client: Anthropic, **more: Json) -> Iterator[RawMessageStreamEvent]:
    """The events of a stream, each checked against the coverage table."""
    asked = {"model": "tutor", "max_tokens": 100, "messages": HELLO, **more}
    for event in client.messages.create(stream=True, **asked):
        admit(EVENT, event.model_dump(mode="json", exclude_unset=True, warnings=False))
        yield event


def streamed(client: Anthropic, **more: Json) -> Message:
    """What the SDK's own collector makes of a stream."""
    asked = {"model": "tutor", "max_tokens": 100, "messages": HELLO, **more}
    with client.messages.stream(**asked) as stream:
        return stream.get_final_message()


def blocks(answer: Message) -> list[Json]:
    """Its content, without what the SDK adds."""
    return [block.model_dump(mode="json", exclude_unset=True) for block in answer.content]


def about(answer: Json) -> Json:
    """What it says about itself."""
    return (answer.model_extra or {})["banneton"]


def test_answer(anthropic: Anthropic) -> None:
    """An ordinary answer cannot be read by the vendor's client, or lacks a part."""
    answer = ask(anthropic)
    assert (answer.id, answer.model, answer.role) == ("msg_req_1", "tutor", "assistant")
    assert blocks(answer) == [{"type": "text", "text": "Hello, “you”\n"}]
    assert (answer.stop_reason, answer.stop_sequence, answer.stop_details) == (
        "end_turn", None, None,
    )  # fmt: skip
    assert (answer.usage.input_tokens, answer.usage.cache_read_input_tokens) == (7, 2)
    assert answer.usage.output_tokens == 3
    assert answer.usage.output_tokens_details is not None
    assert answer._request_id == "req_1"  # noqa: SLF001  # documented, in spite of its name
    assert about(answer)["outcome"] == "allow"


def test_headers(served: Served, anthropic: Anthropic) -> None:
    """A caller cannot tell which persona and catalog answered, or what the input decision was."""
    served.gateway.script = stopped_script(Outcome.BLOCK)
    for stream in (False, True):
        raw = anthropic.messages.with_raw_response.create(
            model="tutor", max_tokens=9, messages=HELLO, stream=stream
        )
        assert raw.status_code == 200
        assert raw.headers["x-request-id"] == raw.headers["request-id"] == "req_1"
        assert raw.headers["x-banneton-persona"] == "tutor"
        assert raw.headers["x-banneton-catalog"] == CATALOG
        assert raw.headers["x-banneton-input"] == "block"


def test_stream(anthropic: Anthropic) -> None:
    """A stream lacks its beginning, its end or what the exchange says about itself."""
    events = list(ask_stream(anthropic))
    assert [event.type for event in events] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    start, *_, delta, _ = events
    assert start.type == "message_start"
    assert (start.message.id, start.message.content) == ("msg_req_1", [])
    assert delta.type == "message_delta"
    assert delta.delta.stop_reason == "end_turn"
    assert delta.usage.input_tokens == 7
    assert about(delta)["request_id"] == "req_1"


def test_a_stream_as_the_sdk_collects_it(anthropic: Anthropic) -> None:
    """The SDK's own ways of reading a stream give another answer."""
    with anthropic.messages.stream(model="tutor", max_tokens=9, messages=HELLO) as stream:
        assert list(stream.text_stream) == ["Hel", "lo, “you”\n"]
        final = stream.get_final_message()
    whole = ask(anthropic)
    assert final.content[0].model_dump(exclude_unset=True) == blocks(whole)[0]
    assert (final.stop_reason, final.usage.output_tokens) == ("end_turn", 3)
    assert final.usage.input_tokens == whole.usage.input_tokens


def test_an_answer_without_text(served: Served, anthropic: Anthropic) -> None:
    """An empty answer is no valid turn."""
    served.gateway.script = [opened(), Finish(FinishReason.LENGTH), closed()]
    for answer in (ask(anthropic), streamed(anthropic)):
        assert (answer.content, answer.stop_reason) == ([], "max_tokens")
        assert (answer.usage.input_tokens, answer.usage.output_tokens) == (0, 0)


@pytest.mark.parametrize(
    ("stopped_by", "asked", "told"),
    [
        pytest.param("END", ["STOP", "END"], "END", id="one of the client's"),
        pytest.param("planted", ["END"], None, id="none of the client's"),
        pytest.param("", ["END"], "END", id="the only one, where the provider does not say which"),
        pytest.param("", ["STOP", "END"], None, id="one of several, and nobody knows which"),
        pytest.param(None, ["END"], None, id="none"),
    ],
)
def test_what_the_answer_stopped_at(
    served: Served, anthropic: Anthropic, stopped_by: str | None, asked: list[str], told: str | None
) -> None:
    """A client waits for a text of its own in vain, or reads what nobody looked at."""
    finish = Finish(FinishReason.STOP, stopped_by=stopped_by)
    served.gateway.script = [opened(), TextDelta("a"), finish, closed()]
    reason = "end_turn" if told is None else "stop_sequence"
    for answer in (ask(anthropic, stop_sequences=asked), streamed(anthropic, stop_sequences=asked)):
        assert (answer.stop_reason, answer.stop_sequence) == (reason, told)


def test_counts_of_the_cache(served: Served, anthropic: Anthropic) -> None:
    """Tokens are billed that no count shows, or shown twice."""
    usage = Usage(321, 9, cached_tokens=300, cache_write_tokens=20)
    served.gateway.script = [opened(), usage, Finish(FinishReason.STOP), closed()]
    for answer in (ask(anthropic), streamed(anthropic)):
        counted = answer.usage
        assert (counted.input_tokens, counted.cache_read_input_tokens) == (1, 300)
        assert counted.cache_creation_input_tokens == 20


def tool_script() -> list[Step]:
    """An answer with reasoning, the end of a text that was held, and two calls in turns."""
    return [
        opened(),
        ReasoningDelta("Let me "),
        ReasoningDelta("look."),
        ReasoningDelta("", signed="anthropic:c2ln"),
        ReasoningDelta("", signed="other.redacted:ZGF0YQ==", is_redacted=True),
        TextDelta("I lo"),
        ToolCallDelta(0, " ", call_id="call_1", name="look"),
        ToolCallDelta(1, "", call_id="call_2", name="look", signed="other.call:Y2FsbA=="),
        ToolCallDelta(0, '{"a":1}'),
        TextDelta("ok."),
        Usage(10, 5, reasoning_tokens=2),
        Finish(FinishReason.TOOL_CALLS),
        closed(),
    ]


TOOL_BLOCKS: list[Json] = [
    {"type": "thinking", "thinking": "Let me look.", "signature": "c2ln"},
    {"type": "redacted_thinking", "data": "other.redacted:ZGF0YQ=="},
    {"type": "text", "text": "I look."},
    {"type": "tool_use", "id": "call_1", "name": "look", "input": {"a": 1}},
    {"type": "redacted_thinking", "data": "other.call:Y2FsbA=="},
    {"type": "tool_use", "id": "call_2", "name": "look", "input": {}},
]


def test_reasoning_and_parallel_calls(served: Served, anthropic: Anthropic) -> None:
    """Calls are mixed up, a text is cut in two, or a signature is lost."""
    served.gateway.script = tool_script()
    for answer in (ask(anthropic, tools=[TOOL]), streamed(anthropic, tools=[TOOL])):
        assert blocks(answer) == TOOL_BLOCKS
        assert answer.stop_reason == "tool_use"
        assert answer.usage.output_tokens_details is not None
        assert answer.usage.output_tokens_details.thinking_tokens == 2


def test_blocks_come_one_after_the_other(served: Served, anthropic: Anthropic) -> None:
    """A client that knows one open block at a time puts a delta into another."""
    served.gateway.script = tool_script()
    current, count = None, 0
    for event in ask_stream(anthropic, tools=[TOOL]):
        match event.type:
            case "content_block_start":
                assert current is None
                assert event.index == count
                current, count = event.index, count + 1
            case "content_block_delta":
                assert event.index == current
            case "content_block_stop":
                assert event.index == current
                current = None
            case _:
                assert current is None
    assert count == 6


def test_what_waits_is_announced(served: Served, anthropic: Anthropic) -> None:
    """A proxy takes a stream for dead while arguments wait for the end of a text."""
    call = ToolCallDelta(0, "{", call_id="c", name="look")
    rest: list[Step] = [ToolCallDelta(0, "}"), Finish(FinishReason.TOOL_CALLS), closed()]
    served.gateway.script = [opened(), TextDelta("a"), call, *rest]
    raw = anthropic.messages.with_raw_response.create(
        model="tutor", max_tokens=9, messages=HELLO, stream=True
    )
    text = raw.http_response.read().decode()
    assert text.count("event: ping") == 2
    assert text.index("event: ping") < text.index("tool_use")


def test_an_answer_can_be_sent_back(served: Served, anthropic: Anthropic) -> None:
    """Appending the SDK's own content to the history is refused or changes it."""
    served.gateway.script = tool_script()
    for answer in (ask(anthropic, tools=[TOOL]), streamed(anthropic, tools=[TOOL])):
        results: Json = [
            {"type": "tool_result", "tool_use_id": one, "content": "1"}
            for one in ("call_1", "call_2")
        ]
        messages = [*HELLO, answer.to_param(), {"role": "user", "content": results}]
        ask(anthropic, messages=messages, tools=[TOOL])
        said = served.gateway.seen[-1].messages
        assert [getattr(part, "signed", None) for part in said[1].parts] == [
            "anthropic:c2ln",
            "other.redacted:ZGF0YQ==",
            None,
            None,
            "other.call:Y2FsbA==",
        ]
        assert [message.role for message in said] == ["user", "assistant", "tool", "tool"]


def test_reasoning_that_nobody_signed(served: Served, anthropic: Anthropic) -> None:
    """A provider without signatures makes answers that cannot be read or sent back."""
    served.gateway.script = [
        opened(),
        ReasoningDelta("Hm."),
        TextDelta("a"),
        Finish(FinishReason.STOP),
        closed(),
    ]
    for answer in (ask(anthropic), streamed(anthropic)):
        assert blocks(answer)[0] == {"type": "thinking", "thinking": "Hm.", "signature": ""}
        ask(anthropic, messages=[*HELLO, answer.to_param(), *HELLO])


def test_reasoning_between_texts(served: Served, anthropic: Anthropic) -> None:
    """Reasoning moves, and its provider takes it for changed."""
    served.gateway.script = [
        opened(),
        TextDelta("a"),
        ReasoningDelta("b", signed="c2ln"),
        ReasoningDelta("", signed="bGF0ZQ=="),
        TextDelta("c"),
        Finish(FinishReason.STOP),
        closed(),
    ]
    for answer in (ask(anthropic), streamed(anthropic)):
        assert blocks(answer) == [
            {"type": "text", "text": "a"},
            {"type": "thinking", "thinking": "b", "signature": "c2ln"},
            {"type": "thinking", "thinking": "", "signature": "bGF0ZQ=="},
            {"type": "text", "text": "c"},
        ]


def test_citations(served: Served, anthropic: Anthropic) -> None:
    """A link that the provider attached is lost, or its answer cannot be sent back."""
    served.gateway.script = [
        opened(),
        TextDelta("a"),
        Annotation("https://a", "A", 0, 1),
        Finish(FinishReason.STOP),
        closed(),
    ]
    for answer in (ask(anthropic), streamed(anthropic)):
        (block,) = answer.content
        assert block.type == "text"
        (citation,) = block.citations or []
        assert citation.type == "web_search_result_location"
        assert (citation.url, citation.title) == ("https://a", "A")
        ask(anthropic, messages=[*HELLO, answer.to_param(), *HELLO])


def _called(arguments: str, reason: FinishReason = FinishReason.STOP) -> list[Step]:
    call = ToolCallDelta(0, arguments, call_id="c", name="look")
    return [opened(), call, Finish(reason), closed()]


def test_arguments_that_begin_with_a_space(served: Served, anthropic: Anthropic) -> None:
    """The SDK's own collector stumbles over white space that a model writes first."""
    begun = ToolCallDelta(0, " ", call_id="c", name="look")
    rest: list[Step] = [ToolCallDelta(0, "\n{}"), Finish(FinishReason.TOOL_CALLS), closed()]
    served.gateway.script = [opened(), begun, *rest]
    assert blocks(streamed(anthropic))[0]["input"] == {}


def test_a_call_that_just_stopped(served: Served, anthropic: Anthropic) -> None:
    """An agent whose tool was forced takes the call for the end of the turn."""
    served.gateway.script = _called("{}")
    assert ask(anthropic).stop_reason == streamed(anthropic).stop_reason == "tool_use"


def test_a_call_that_was_cut_off(served: Served, anthropic: Anthropic) -> None:
    """What there is of a call is lost where the answer was too long, or passes for all of it."""
    served.gateway.script = _called('{"a": 1, "b": "x', FinishReason.LENGTH)
    for answer in (ask(anthropic), streamed(anthropic)):
        assert blocks(answer)[0]["input"] == {"a": 1}
        assert answer.stop_reason == "max_tokens"


@pytest.mark.parametrize("arguments", ['{"a": 1', "[1]", "null", '{"a": NaN}'])
def test_a_call_that_is_no_object(served: Served, anthropic: Anthropic, arguments: str) -> None:
    """An agent runs a tool with half its arguments, or with something else."""
    served.gateway.script = _called(arguments, FinishReason.TOOL_CALLS)
    with pytest.raises(sdk.InternalServerError) as broken:
        ask(anthropic)
    assert (broken.value.status_code, broken.value.error_code) == (502, "backend_broken")
    assert served.gateway.ended.wait(5)
    assert served.gateway.ended_by == "GeneratorExit"
    with pytest.raises((sdk.APIStatusError, ValueError)):
        streamed(anthropic)


@pytest.mark.parametrize(
    "event",
    [
        TextDelta("a", choice=1),
        Finish(FinishReason.STOP, choice=1),
        ImageDelta("image/png", "aaaa"),
        ToolCallDelta(0, "{}"),
    ],
    ids=["choice", "end-of-choice", "image", "nameless"],
)
def test_what_this_format_cannot_carry(served: Served, anthropic: Anthropic, event: Json) -> None:
    """Part of an answer is dropped without a word."""
    served.gateway.script = [opened(), event, Finish(FinishReason.STOP), closed()]
    for stream in (False, True):
        with pytest.raises(sdk.InternalServerError) as broken:
            anthropic.messages.create(model="tutor", max_tokens=9, messages=HELLO, stream=stream)
        assert broken.value.error_code == "backend_broken"


class Place(BaseModel):
    """What the model should answer."""

    city: str


def test_structured_answers(served: Served, anthropic: Anthropic) -> None:
    """The SDK's structured answers do not come through."""
    served.gateway.script = [
        opened(),
        TextDelta('{"city"'),
        TextDelta(':"Ulm"}'),
        Finish(FinishReason.STOP),
        closed(),
    ]
    answer = anthropic.messages.parse(
        model="tutor", max_tokens=9, messages=HELLO, output_format=Place
    )
    assert answer.parsed_output == Place(city="Ulm")
    wanted = served.gateway.seen[0].response_format
    assert wanted is not None
    assert wanted.schema is not None
    assert set(wanted.schema["properties"]) == {"city"}
    assert wanted.is_strict is True


def test_refusal(served: Served, anthropic: Anthropic) -> None:
    """The model's own refusal comes as if it were its answer, or not at all."""
    served.gateway.script = [
        opened(),
        RefusalDelta("I "),
        RefusalDelta("cannot."),
        Finish(FinishReason.STOP),
        closed(),
    ]
    for answer in (ask(anthropic), streamed(anthropic)):
        assert blocks(answer) == [{"type": "text", "text": "I cannot."}]
        assert answer.stop_reason == "refusal"


@pytest.mark.parametrize("outcome", [Outcome.BLOCK, Outcome.ESCALATE, Outcome.UNCHECKED])
def test_stopped_before_the_first_byte(
    served: Served, anthropic: Anthropic, outcome: Outcome
) -> None:
    """A block is no ordinary turn in the persona's voice."""
    served.gateway.script = stopped_script(outcome)
    answer, events = ask(anthropic), list(ask_stream(anthropic))
    assert blocks(answer) == blocks(streamed(anthropic))
    assert blocks(answer) == [{"type": "text", "text": "I'd rather not."}]
    assert answer.stop_reason == "refusal"
    assert answer.stop_details is not None
    assert answer.stop_details.model_dump() == NO
    delta = events[-2]
    assert about(delta) == about(answer)
    assert about(answer)["outcome"] == outcome
    assert about(answer)["applied"][0]["rule"] == "jailbreak"


def test_stopped_in_mid_stream(served: Served, anthropic: Anthropic) -> None:
    """A stream loses what it had, or gives a call in a turn that policy ended before it."""
    before = TextDelta("The first half."), ToolCallDelta(0, "{}", call_id="c", name="look")
    served.gateway.script = stopped_script(Outcome.BLOCK, *before)
    assert blocks(streamed(anthropic)) == [
        {"type": "text", "text": "The first half."},
        {"type": "text", "text": "I'd rather not."},
    ]
    assert streamed(anthropic).stop_reason == "refusal"
    assert blocks(ask(anthropic)) == [{"type": "text", "text": "I'd rather not."}]


def test_stopped_in_the_middle_of_a_call(served: Served, anthropic: Anthropic) -> None:
    """The turn that ends in a refusal cannot be read where a call was on its way."""
    begun = ToolCallDelta(0, '{"a": 1, "b', call_id="c", name="look")
    served.gateway.script = stopped_script(Outcome.BLOCK, begun)
    answer = streamed(anthropic)
    assert [block.type for block in answer.content] == ["tool_use", "text"]
    assert answer.stop_reason == "refusal"


def test_stopped_as_an_error(served: Served, anthropic: Anthropic) -> None:
    """A persona that wants error objects gets replies, or an outage looks like a decision."""
    served.gateway.script = stopped_script(Outcome.BLOCK, is_error=True)
    for stream in (False, True):
        with pytest.raises(sdk.BadRequestError) as blocked:
            anthropic.messages.create(model="tutor", max_tokens=9, messages=HELLO, stream=stream)
        assert blocked.value.error_code == "content_filter"
        assert blocked.value.request_id == "req_1"
        assert blocked.value.response.json()["banneton"]["outcome"] == "block"
    served.gateway.script = stopped_script(Outcome.UNCHECKED, is_error=True)
    with pytest.raises(sdk.ServiceUnavailableError) as outage:
        ask(anthropic)
    assert (outage.value.error_code, outage.value.type) == ("unchecked", "api_error")


def test_stopped_as_an_error_in_mid_stream(served: Served, anthropic: Anthropic) -> None:
    """An error object in mid-stream looks like a good end."""
    served.gateway.script = stopped_script(Outcome.BLOCK, TextDelta("Half"), is_error=True)
    with pytest.raises(sdk.APIStatusError) as blocked:
        list(ask_stream(anthropic))
    body: Json = blocked.value.body
    assert body["request_id"] == "req_1"
    assert body["banneton"]["outcome"] == "block"
    assert (blocked.value.type, blocked.value.error_code) == (
        "invalid_request_error", "content_filter",
    )  # fmt: skip


def test_a_failure_in_mid_stream(served: Served, anthropic: Anthropic) -> None:
    """Half an answer passes for a whole one."""
    served.gateway.script = [
        opened(),
        TextDelta("Half"),
        Pause(),
        BackendError(BackendProblem.BROKEN, "x"),
    ]
    seen: list[str] = []
    with pytest.raises(sdk.APIStatusError) as failed:
        seen.extend(event.type for event in ask_stream(anthropic))
    assert "content_block_delta" in seen
    assert not {"message_delta", "message_stop"} & set(seen)
    assert failed.value.type == "api_error"


def test_keys(served: Served, anthropic: Anthropic) -> None:
    """The key does not reach the gateway in the header of this vendor, or not as a token."""

    def auth(authorization: str | None) -> Caller:
        if authorization != "Bearer key":
            raise AccessError(AccessProblem.INVALID, "This key is not known.")
        return Caller("acme", "key_1", None, None)

    served.gateway.auth = auth
    assert ask(anthropic).content
    with Anthropic(base_url=served.url, auth_token="key", max_retries=0) as bearer:  # noqa: S106  # the test's own
        assert ask(bearer).content
    with pytest.raises(sdk.AuthenticationError) as failed:
        ask(anthropic.with_options(api_key="other"))
    assert failed.value.type == "authentication_error"


@pytest.mark.parametrize(
    ("changes", "error", "kind"),
    [
        ({"model": "nobody"}, sdk.NotFoundError, "not_found_error"),
        ({"model": "secret"}, sdk.PermissionDeniedError, "permission_error"),
        ({"extra_body": {"temperature": 2}}, sdk.BadRequestError, "invalid_request_error"),
        ({"system": "x" * 200_000}, sdk.RequestTooLargeError, "request_too_large"),
    ],
)
def test_errors_have_the_vendors_classes(
    anthropic: Anthropic, changes: Json, error: type[sdk.APIStatusError], kind: str
) -> None:
    """A client takes one mistake for another."""
    for stream in (False, True):
        with pytest.raises(error) as failed:
            list(ask_stream(anthropic, **changes)) if stream else ask(anthropic, **changes)
        body: Json = failed.value.body
        assert (body["type"], body["error"]["type"]) == ("error", kind)
        assert body["request_id"] == failed.value.request_id


def test_the_models_side(served: Served, anthropic: Anthropic) -> None:
    """A client that waits before it asks again is not told for how long."""
    served.gateway.script = [BackendError(BackendProblem.RATE_LIMITED, "x", retry_after_s=7)]
    with pytest.raises(sdk.RateLimitError) as limited:
        ask(anthropic)
    assert limited.value.type == "rate_limit_error"
    assert limited.value.response.headers["retry-after"] == "7"
    served.gateway.script = [BackendError(BackendProblem.TIMEOUT, "x")]
    with pytest.raises(sdk.GatewayTimeoutError) as late:
        ask(anthropic)
    assert late.value.type == "timeout_error"


def test_refused_field(anthropic: Anthropic) -> None:
    """A refused field gets in, or the caller cannot say which it was."""
    with pytest.raises(sdk.BadRequestError) as failed:
        ask(anthropic, extra_body={"banneton": {"audiense": "minor"}})
    body: Json = failed.value.body
    assert body["error"]["details"] == {
        "error_code": "field_refused",
        "param": "banneton.audiense",
    }
    assert "audience" in str(failed.value.api_message)


def test_a_client_that_leaves(served: Served, anthropic: Anthropic) -> None:
    """A model goes on being paid for nobody."""
    served.gateway.script = [opened(), TextDelta("Once"), Pause(30), TextDelta("upon")]
    with anthropic.messages.stream(model="tutor", max_tokens=9, messages=HELLO) as stream:
        next(iter(stream.text_stream))
    assert served.gateway.ended.wait(5)
    assert served.gateway.ended_by in {"CancelledError", "GeneratorExit"}


def test_count_tokens(served: Served, anthropic: Anthropic) -> None:
    """A client that counts first gets no number, or a model is asked."""
    counted = anthropic.messages.count_tokens(
        model="tutor", messages=HELLO, tools=[TOOL], thinking={"type": "adaptive"}
    )
    admit(COUNTED, counted.model_dump(mode="json", exclude_unset=True))
    assert counted.input_tokens == 17
    assert served.gateway.seen == []
    (asked,) = served.gateway.counted
    assert asked.messages[0].parts[0].path == "messages[0].content"
    assert asked.sampling.max_tokens is None
    with pytest.raises(sdk.BadRequestError) as failed:
        anthropic.messages.count_tokens(model="tutor", messages=HELLO, system="You are free.")
    assert failed.value.error_code == "field_refused"


def test_models(anthropic: Anthropic) -> None:
    """A client that lists models gets what it cannot read."""
    listed = list(anthropic.models.list())
    assert [one.id for one in listed] == ["layered", "loose", "tutor"]
    assert {(one.type, one.display_name, one.lifecycle) for one in listed} == {
        ("model", "Tess", "active")
    }
    assert listed[0].created_at.year == 1970
    assert anthropic.models.retrieve("tutor:warmer").id == "tutor:warmer"
    with pytest.raises(sdk.NotFoundError):
        anthropic.models.retrieve("nobody")


def test_no_models(served: Served, anthropic: Anthropic) -> None:
    """A key without personas gets a page that has no first of them."""
    served.gateway.personas_by_id = {}
    assert list(anthropic.models.list()) == []


def test_done_comes_after_the_summary(served: Served) -> None:
    """A client that reads bytes sees no end, or sees it too early."""
    body = {"model": "tutor", "max_tokens": 9, "messages": HELLO, "stream": True}
    answer = httpx2.post(f"{served.url}/v1/messages?beta=true", json=body)
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    *_, summed, done, rest = answer.text.split("\n\n")
    assert summed.startswith("event: message_delta\n")
    assert '"banneton"' in summed
    name, _, data = done.partition("\ndata: ")
    assert (name, json.loads(data), rest) == (
        "event: message_stop", {"type": "message_stop"}, "",
    )  # fmt: skip
