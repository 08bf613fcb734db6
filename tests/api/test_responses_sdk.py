"""Responses over a real socket with the vendor's own client."""

from collections.abc import Iterator, Sequence
from typing import Any

import httpx2
import openai
import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from openai import OpenAI
from openai._models import construct_type
from openai._streaming import SSEDecoder
from openai._types import omit
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter

from app.api.openai_responses_answer import ResponsesStream, ResponsesWhole
from app.api.openai_responses_events import ANSWER, EVENT
from app.api.shapes import admit
from app.domain.conversation import (
    Conversation,
    ReasoningPart,
    TextPart,
    Tool,
    ToolCallPart,
    ToolChoice,
    ToolChoiceMode,
)
from app.domain.decision import Outcome
from app.domain.errors import BackendError, BackendProblem
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
    Usage,
)
from app.pipeline.answer import Stopped
from tests.api.scripted import Served, Step, closed, opened, stopped_script

Json = Any
TOOL: Json = {
    "type": "function",
    "name": "look",
    "parameters": {"type": "object"},
    "strict": False,
}
_EVENTS: TypeAdapter[object] = TypeAdapter(ResponseStreamEvent)


def ask(client: OpenAI, **more: Json) -> Response:
    """One response, held against the coverage table."""
    made: Response = client.responses.create(**{"model": "tutor", "input": "Hello?", **more})
    admit(ANSWER, made.model_dump(mode="json", exclude_unset=True))
    return made


def ask_stream(client: OpenAI, **more: Json) -> Iterator[Json]:
    """Events, each held against the coverage table."""
    for event in client.responses.create(model="tutor", input="Hello?", stream=True, **more):
        admit(EVENT, event.model_dump(mode="json", exclude_unset=True))
        yield event


def test_answer(client: OpenAI) -> None:
    """An ordinary answer cannot be read by the vendor's client, or lacks a part."""
    made = ask(client)
    assert made.id == "resp_req_1"
    assert (made.object, made.status, made.model) == ("response", "completed", "tutor")
    assert made.output_text == "Hello, “you”\n"
    assert made.usage is not None
    assert (made.usage.total_tokens, made.usage.input_tokens_details.cached_tokens) == (13, 2)
    assert made.usage.input_tokens_details.cache_write_tokens == 1
    assert (made.tools, made.tool_choice, made.parallel_tool_calls) == ([], "auto", True)
    assert (made.model_extra or {})["banneton"]["request_id"] == "req_1"


def test_stream(client: OpenAI) -> None:
    """The events of a stream come in another order than the vendor's, or are not numbered."""
    events = list(ask_stream(client))
    assert [event.type.removeprefix("response.") for event in events] == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[0].response.output == []
    assert events[0].response.status == "in_progress"
    assert events[6].text == "Hello, “you”\n"
    last = events[-1].response
    assert last.output_text == "Hello, “you”\n"
    assert last.usage.total_tokens == 13
    assert (last.model_extra or {})["banneton"]["outcome"] == "allow"


def test_the_bytes_of_a_stream(served: Served) -> None:
    """A client that reads bytes finds no event names, or an end that this format does not have."""
    body = {"model": "tutor", "input": "Hello?", "stream": True}
    answer = httpx2.post(f"{served.url}/v1/responses", json=body)
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    *events, rest = answer.text.split("\n\n")
    assert rest == ""
    for event in events:
        name, data = event.split("\n")
        assert name == f"event: {orjson.loads(data.removeprefix('data: '))['type']}"


def test_what_was_asked_is_repeated(served: Served, client: OpenAI) -> None:
    """A typed client misses what the vendor repeats of a request."""
    made = ask(
        client,
        tools=[TOOL],
        tool_choice={"type": "function", "name": "look"},
        parallel_tool_calls=False,
        max_output_tokens=9,
        temperature=0.5,
        previous_response_id="resp_r0",
    )
    assert [tool.to_dict() for tool in made.tools] == [TOOL]
    assert made.to_dict()["tool_choice"] == {"type": "function", "name": "look"}
    assert made.parallel_tool_calls is False
    assert (made.max_output_tokens, made.temperature) == (9, 0.5)
    assert made.previous_response_id == "resp_r0"
    asked = served.gateway.seen[0]
    assert asked.continues == "r0"
    assert asked.tools == (Tool("look", "", {"type": "object"}, is_strict=False, path="tools[0]"),)
    assert asked.tool_choice == ToolChoice(ToolChoiceMode.NAMED, "look")


def tool_script() -> list[Step]:
    """An answer with signed reasoning and two tool calls, their arguments in pieces."""
    return [
        opened(),
        ReasoningDelta("Let me "),
        ReasoningDelta("look."),
        ReasoningDelta("", signed="openai:b3BhcXVl"),
        ReasoningDelta("", signed="other.redacted:aGlkZGVu", is_redacted=True),
        TextDelta("One mo"),
        ToolCallDelta(0, '{"a"', call_id="call_1", name="look"),
        ToolCallDelta(1, "", call_id="call_2", name="look", signed="other.call:Y2FsbA=="),
        TextDelta("ment."),
        ToolCallDelta(0, ":1}"),
        ToolCallDelta(1, "{}"),
        Finish(FinishReason.TOOL_CALLS),
        closed(),
    ]


def test_tool_calls_and_reasoning(served: Served, client: OpenAI) -> None:
    """Items are mixed up, in a whole answer or in the SDK's own collector of streams."""
    served.gateway.script = tool_script()
    made = ask(client, tools=[TOOL])
    with client.responses.stream(model="tutor", input="Hello?", tools=[TOOL]) as stream:
        streamed = stream.get_final_response()
    for answer in (made, streamed):
        assert [item.type for item in answer.output] == [
            "reasoning",
            "reasoning",
            "message",
            "function_call",
            "reasoning",
            "function_call",
        ]
        first, second, _, one, of_call, two = [item.to_dict() for item in answer.output]
        assert first["summary"] == [{"type": "summary_text", "text": "Let me look."}]
        assert (first["encrypted_content"], second["encrypted_content"]) == (
            "b3BhcXVl",
            "other.redacted:aGlkZGVu",
        )
        assert second["summary"] == of_call["summary"] == []
        assert of_call["encrypted_content"] == "other.call:Y2FsbA=="
        assert answer.output_text == "One moment."
        assert [(each["call_id"], each["arguments"]) for each in (one, two)] == [
            ("call_1", '{"a":1}'),
            ("call_2", "{}"),
        ]


def test_an_answer_can_be_sent_back(served: Served, client: OpenAI) -> None:
    """Appending the SDK's own items to the input is refused, or loses what a provider signed."""
    served.gateway.script = tool_script()
    with client.responses.stream(model="tutor", input="Hello?", tools=[TOOL]) as stream:
        parsed = stream.get_final_response()
    for items in (ask(client, tools=[TOOL]).output, parsed.output):
        results = [
            {"type": "function_call_output", "call_id": f"call_{at}", "output": "1"}
            for at in (1, 2)
        ]
        ask(client, input=[{"role": "user", "content": "Hello?"}, *items, *results])
        (_, said, one, two) = served.gateway.seen[-1].messages
        assert said.parts == (
            ReasoningPart("Let me look.", "input[1].summary[0].text", "openai:b3BhcXVl"),
            ReasoningPart("", "input[2].summary", "other.redacted:aGlkZGVu", is_redacted=True),
            TextPart("One moment.", "input[3].content[0].text"),
            ToolCallPart("call_1", "look", '{"a":1}', "input[4]"),
            ToolCallPart("call_2", "look", "{}", "input[6]", signed="other.call:Y2FsbA=="),
        )
        assert [len(one.parts), len(two.parts)] == [1, 1]


class Place(BaseModel):
    """What the model should answer."""

    city: str


def test_json_schema(served: Served, client: OpenAI) -> None:
    """The SDK's structured answers do not come through, or cannot be sent back."""
    served.gateway.script = [
        opened(),
        TextDelta('{"city"'),
        TextDelta(':"Ulm"}'),
        Finish(FinishReason.STOP),
        closed(),
    ]
    made = client.responses.parse(model="tutor", input="Hello?", text_format=Place)
    assert made.output_parsed == Place(city="Ulm")
    wanted = served.gateway.seen[0].response_format
    assert wanted is not None
    assert (wanted.name, wanted.is_strict, wanted.path) == ("Place", True, "text.format")
    with client.responses.stream(model="tutor", input="Hello?", text_format=Place) as stream:
        assert stream.get_final_response().output_parsed == Place(city="Ulm")
    again: Json = [*made.output, {"role": "user", "content": "And?"}]
    assert ask(client, input=again).status == "completed"


def test_refusals_and_citations(served: Served, client: OpenAI) -> None:
    """The model's own refusal comes as if it were its answer, or a citation is lost."""
    served.gateway.script = [
        opened(),
        TextDelta("See."),
        RefusalDelta("I "),
        RefusalDelta("cannot."),
        Annotation("https://a", "A", 0, 3),
        Finish(FinishReason.STOP),
        closed(),
    ]
    note = {
        "type": "url_citation",
        "url": "https://a",
        "title": "A",
        "start_index": 0,
        "end_index": 3,
    }
    made: Json = ask(client).output[0].to_dict()
    events = list(ask_stream(client))
    assert events[-1].response.output[0].to_dict() == made
    text, refusal = made["content"]
    assert (text["text"], text["annotations"]) == ("See.", [note])
    assert refusal == {"type": "refusal", "refusal": "I cannot."}
    refusals = [one.delta for one in events if one.type == "response.refusal.delta"]
    assert refusals == ["I ", "cannot."]
    (noted,) = [one for one in events if one.type == "response.output_text.annotation.added"]
    assert noted.annotation.to_dict() == note


@pytest.mark.parametrize(
    ("reason", "why"),
    [
        (FinishReason.LENGTH, "max_output_tokens"),
        (FinishReason.CONTENT_FILTER, "content_filter"),
    ],
)
def test_answers_that_did_not_end(
    served: Served, client: OpenAI, reason: FinishReason, why: str
) -> None:
    """An answer that was cut off looks whole, or one that a filter cut off has calls to run."""
    call = ToolCallDelta(0, '{"a"', call_id="call_1", name="look")
    served.gateway.script = [opened(), TextDelta("Half"), call, Finish(reason), closed()]
    made, last = ask(client), list(ask_stream(client))[-1]
    assert last.type == "response.incomplete"
    assert last.response.to_dict() == made.to_dict()
    assert (made.status, made.incomplete_details and made.incomplete_details.reason) == (
        "incomplete",
        why,
    )
    kinds = [item.type for item in made.output]
    statuses = {getattr(item, "status", None) for item in made.output}
    assert statuses == {"incomplete"}
    filtered = reason is FinishReason.CONTENT_FILTER
    assert kinds == (["message"] if filtered else ["message", "function_call"])


def test_an_answer_without_text(served: Served, client: OpenAI) -> None:
    """An empty answer is no valid response."""
    served.gateway.script = [opened(), Finish(FinishReason.STOP), closed()]
    assert ask(client).output == []
    kinds = [event.type for event in ask_stream(client)]
    assert kinds == ["response.created", "response.in_progress", "response.completed"]


@pytest.mark.parametrize("outcome", [Outcome.BLOCK, Outcome.ESCALATE, Outcome.UNCHECKED])
def test_stopped_before_the_first_byte(served: Served, client: OpenAI, outcome: Outcome) -> None:
    """A block is no ordinary turn in the persona's voice."""
    served.gateway.script = stopped_script(outcome)
    made, last = ask(client), list(ask_stream(client))[-1]
    assert last.type == "response.incomplete"
    assert last.response.to_dict() == made.to_dict()
    assert made.output_text == "I'd rather not."
    assert made.incomplete_details is not None
    assert made.incomplete_details.reason == "content_filter"
    assert made.output[0].to_dict()["status"] == "completed"
    assert (made.model_extra or {})["banneton"]["outcome"] == outcome


def test_stopped_in_mid_stream(served: Served, client: OpenAI) -> None:
    """A stream loses what it had, runs half a call, or a whole answer keeps what was stopped."""
    before = (
        ReasoningDelta("Hm."),
        TextDelta("The first half. "),
        ToolCallDelta(0, "{}", call_id="c", name="look"),
    )
    served.gateway.script = stopped_script(Outcome.BLOCK, *before)
    events = list(ask_stream(client))
    ended = [one.item.to_dict() for one in events if one.type == "response.output_item.done"]
    assert [(one["type"], one["status"]) for one in ended] == [
        ("reasoning", "completed"),
        ("message", "incomplete"),
        ("message", "completed"),
    ]
    assert all(one.type != "response.function_call_arguments.done" for one in events)
    last = events[-1].response
    assert [item.to_dict() for item in last.output] == ended
    assert last.output_text == "The first half. I'd rather not."
    made = ask(client)
    assert made.output_text == "I'd rather not."
    assert len(made.output) == 1


def test_stopped_as_an_error(served: Served, client: OpenAI) -> None:
    """A persona that wants error objects gets replies, or an error in mid-stream a good end."""
    served.gateway.script = stopped_script(Outcome.BLOCK, is_error=True)
    for streams in (False, True):
        with pytest.raises(openai.BadRequestError) as blocked:
            client.responses.create(model="tutor", input="Hello?", stream=streams)
        assert blocked.value.code == "content_filter"
        assert blocked.value.response.json()["banneton"]["outcome"] == "block"
    served.gateway.script = stopped_script(Outcome.BLOCK, TextDelta("Half"), is_error=True)
    stream = ask_stream(client)
    last = next(event for event in stream if event.type == "response.failed")
    with pytest.raises(openai.APIError) as broken:
        next(stream)
    assert broken.value.code == "content_filter"
    assert last.response.error.code == "invalid_prompt"
    assert last.response.output[0].status == "incomplete"
    assert (last.response.model_extra or {})["banneton"]["outcome"] == "block"


@pytest.mark.parametrize(
    ("problem", "status", "code", "word"),
    [
        (BackendProblem.RATE_LIMITED, openai.RateLimitError, "rate_limit_exceeded", None),
        (BackendProblem.BROKEN, openai.InternalServerError, "backend_broken", "server_error"),
    ],
)
def test_failures(
    served: Served,
    client: OpenAI,
    problem: BackendProblem,
    status: type[openai.APIStatusError],
    code: str,
    word: str | None,
) -> None:
    """A failure has the wrong class in the SDK, or an error in mid-stream hides as an event."""
    error = BackendError(problem, "x")
    served.gateway.script = [opened(), error]
    for stream in (False, True):
        with pytest.raises(status) as failed:
            client.responses.create(model="tutor", input="Hello?", stream=stream)
        assert failed.value.code == code
    served.gateway.script = [opened(), TextDelta("Half"), error]
    body = {"model": "tutor", "input": "Hello?", "stream": True}
    told = httpx2.post(f"{served.url}/v1/responses", json=body).text.split("\n\n")[:-1]
    events = [orjson.loads(one.split("\ndata: ")[1]) for one in told]
    for event in events:
        admit(EVENT, event)
        _EVENTS.validate_python(event)
    assert [one["type"] for one in events[-3:]] == [
        "response.output_item.done",
        "response.failed",
        "error",
    ]
    assert events[-2]["response"]["error"]["code"] == (word or code)
    assert events[-1]["code"] == events[-1]["error"]["code"] == code
    assert [one["sequence_number"] for one in events] == list(range(len(events)))


def drawing_script() -> list[Step]:
    """An answer with two pictures, one before its words."""
    return [
        opened(),
        ImageDelta("image/png", "aaaa"),
        TextDelta("Here"),
        ImageDelta("image/webp", "bbbb"),
        TextDelta(" they are."),
        Finish(FinishReason.STOP),
        closed(),
    ]


def test_pictures(served: Served, client: OpenAI) -> None:
    """A picture is lost, or its client cannot tell which kind it is."""
    served.gateway.script = drawing_script()
    made = ask(client)
    assert [item.type for item in made.output] == [
        "image_generation_call",
        "message",
        "image_generation_call",
    ]
    drawn = [item for item in made.output if item.type == "image_generation_call"]
    assert [(one.result, one.output_format) for one in drawn] == [("aaaa", "png"), ("bbbb", "webp")]
    assert {one.status for one in drawn} == {"completed"}
    assert made.output_text == "Here they are."


def test_pictures_in_a_stream(served: Served, client: OpenAI) -> None:
    """The events of a picture come in another order than the vendor's, or it comes too late."""
    served.gateway.script = drawing_script()
    events = list(ask_stream(client))
    told = [one.type.removeprefix("response.") for one in events]
    steps = [
        "output_item.added",
        "image_generation_call.in_progress",
        "image_generation_call.generating",
        "image_generation_call.completed",
        "output_item.done",
    ]
    assert told[2:7] == steps
    second = told.index(steps[1], 7)
    assert told[second - 1 : second + 4] == steps
    assert told.index("output_text.delta", second) > second
    assert [one.sequence_number for one in events] == list(range(len(events)))
    begun, done = events[2], events[6]
    assert begun.type == "response.output_item.added"
    assert begun.item.type == "image_generation_call"
    assert (begun.item.status, begun.item.result) == ("in_progress", None)
    assert done.type == "response.output_item.done"
    assert done.item.type == "image_generation_call"
    assert (done.item.status, done.item.result) == ("completed", "aaaa")


def test_pictures_before_a_block(served: Served, client: OpenAI) -> None:
    """A client that does not stream is shown a picture of an answer that was stopped."""
    served.gateway.script = stopped_script(Outcome.BLOCK, ImageDelta("image/png", "aaaa"))
    assert [item.type for item in ask(client).output] == ["message"]
    last = list(ask_stream(client))[-1]
    assert last.type == "response.incomplete"
    assert [item.type for item in last.response.output] == ["image_generation_call", "message"]


def test_unknown_persona_and_refused_field(client: OpenAI) -> None:
    """A model that is no persona, or a field that is refused, cannot be told in the SDK."""
    with pytest.raises(openai.NotFoundError):
        ask(client, model="nobody")
    with pytest.raises(openai.BadRequestError) as failed:
        ask(client, tools=[{"type": "web_search"}])
    assert (failed.value.param, failed.value.code) == ("tools[0]", "field_refused")


_TEXT = st.text(max_size=6)
_DELTAS: st.SearchStrategy[StreamEvent] = st.one_of(
    st.builds(TextDelta, _TEXT),
    st.builds(ReasoningDelta, _TEXT, signed=st.none() | st.just("c2ln")),
    st.builds(RefusalDelta, _TEXT),
    st.builds(ToolCallDelta, st.integers(0, 2), _TEXT),
    st.builds(Annotation, _TEXT, _TEXT, st.integers(0, 9), st.integers(0, 9)),
)
_ENDS = st.sampled_from(list(FinishReason))


def _named(deltas: Sequence[StreamEvent]) -> list[StreamEvent]:
    """With the name and id of each call on its first delta."""
    made: list[StreamEvent] = []
    known: set[int] = set()
    for delta in deltas:
        if isinstance(delta, ToolCallDelta) and delta.index not in known:
            known.add(delta.index)
            made.append(ToolCallDelta(delta.index, "", f"call_{delta.index}", "look"))
        made.append(delta)
    return made


def _cut(deltas: Sequence[StreamEvent], at: int) -> Iterator[StreamEvent]:
    """The same in smaller pieces."""
    for delta in deltas:
        match delta:
            case TextDelta() | RefusalDelta():
                yield type(delta)(delta.text[:at])
                yield type(delta)(delta.text[at:])
            case ReasoningDelta():
                yield ReasoningDelta(delta.text[:at])
                yield ReasoningDelta(delta.text[at:], signed=delta.signed)
            case ToolCallDelta():
                head = delta.arguments[:at]
                yield ToolCallDelta(delta.index, head, delta.call_id, delta.name)
                yield ToolCallDelta(delta.index, delta.arguments[at:])
            case _:
                yield delta


def _read(sent: bytes) -> list[Json]:
    """The events of a stream, as the SDK decodes them."""
    return [event.json() for event in SSEDecoder().iter_bytes(iter([sent]))]


class Reader:
    """Puts a stream together from its small events, as a client without the last one has to."""

    def __init__(self) -> None:
        self.items: dict[int, Json] = {}

    def read(self, events: Sequence[Json]) -> list[Json]:
        """The items that have come, each held against what is told at its end."""
        for event in events:
            take = getattr(self, event["type"].removeprefix("response.").replace(".", "_"), None)
            if take is not None:
                take(event, self.items.get(event["output_index"]))
        return [item for _, item in sorted(self.items.items())]

    def output_item_added(self, event: Json, _item: Json) -> None:
        """Begin an item."""
        assert event["output_index"] not in self.items
        self.items[event["output_index"]] = {**event["item"]}

    def output_item_done(self, event: Json, item: Json) -> None:
        """End an item; only now is it known whether it is whole and what was signed."""
        late = {"status", "encrypted_content"} & event["item"].keys()
        item.update({key: event["item"][key] for key in late})
        assert item == event["item"]

    def content_part_added(self, event: Json, item: Json) -> None:
        """Begin a part."""
        assert len(item["content"]) == event["content_index"]
        item["content"].append({**event["part"]})

    def content_part_done(self, event: Json, item: Json) -> None:
        """End a part."""
        assert item["content"][event["content_index"]] == event["part"]

    def output_text_delta(self, event: Json, item: Json) -> None:
        """More text."""
        item["content"][event["content_index"]]["text"] += event["delta"]

    def output_text_done(self, event: Json, item: Json) -> None:
        """End a text."""
        assert item["content"][event["content_index"]]["text"] == event["text"]

    def output_text_annotation_added(self, event: Json, item: Json) -> None:
        """A citation."""
        notes = item["content"][event["content_index"]]["annotations"]
        assert len(notes) == event["annotation_index"]
        notes.append(event["annotation"])

    def refusal_delta(self, event: Json, item: Json) -> None:
        """More of a refusal."""
        item["content"][event["content_index"]]["refusal"] += event["delta"]

    def refusal_done(self, event: Json, item: Json) -> None:
        """End a refusal."""
        assert item["content"][event["content_index"]]["refusal"] == event["refusal"]

    def reasoning_summary_part_added(self, event: Json, item: Json) -> None:
        """Begin reasoning that is shown."""
        item["summary"].append({**event["part"]})

    def reasoning_summary_text_delta(self, event: Json, item: Json) -> None:
        """More reasoning."""
        item["summary"][event["summary_index"]]["text"] += event["delta"]

    def reasoning_summary_part_done(self, event: Json, item: Json) -> None:
        """End reasoning that is shown."""
        assert item["summary"][event["summary_index"]] == event["part"]

    def function_call_arguments_delta(self, event: Json, item: Json) -> None:
        """More arguments."""
        item["arguments"] += event["delta"]

    def function_call_arguments_done(self, event: Json, item: Json) -> None:
        """End arguments."""
        assert item["arguments"] == event["arguments"]


def _sdk_reads(events: Sequence[Json]) -> Json:
    """What the SDK's own collector makes of events; none where the response is not complete."""
    state: ResponseStreamState[Any] = ResponseStreamState(input_tools=omit, text_format=omit)
    for event in events:
        admit(EVENT, event)
        _EVENTS.validate_python(event)
        state.handle_event(construct_type(type_=ResponseStreamEvent, value=event))  # type: ignore[arg-type]  # what the SDK itself does
    final = state._completed_response  # noqa: SLF001  # what get_final_response gives
    return None if final is None else _unparsed(final.to_dict())


def _unparsed(value: Json) -> Json:
    """Without what the SDK's parser adds."""
    if isinstance(value, dict):
        return {key: _unparsed(one) for key, one in value.items() if not key.startswith("parsed")}
    return [_unparsed(one) for one in value] if isinstance(value, list) else value


@given(deltas=st.lists(_DELTAS, max_size=9).map(_named), end=_ENDS, at=st.integers(0, 6))
@example([TextDelta("a"), ReasoningDelta("b")] * 3, FinishReason.STOP, 0)
@settings(deadline=None, max_examples=400)
def test_a_stream_and_a_whole_answer_say_the_same(
    deltas: list[StreamEvent], end: FinishReason, at: int
) -> None:
    """A client that streams gets another answer than one that does not."""
    asked = Conversation("tutor", ())
    stream, whole = ResponsesStream(asked, 0), ResponsesWhole(asked, 0)
    ends: list[Json] = [Usage(1, 2), Finish(end), closed()]
    sent = b"".join(stream.add(event) for event in [opened(), *_cut(deltas, at), *ends])
    answer = orjson.loads(b"".join(whole.add(event) for event in [opened(), *deltas, *ends]))
    admit(ANSWER, answer)
    Response.model_validate(answer)
    events = _read(sent)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert events[-1]["response"] == answer
    assert _sdk_reads(events) == (answer if answer["status"] == "completed" else None)
    told = Reader().read(events)
    if end is FinishReason.CONTENT_FILTER:
        told = [item for item in told if item["type"] != "function_call"]
    assert told == answer["output"]


@given(deltas=st.lists(_DELTAS, max_size=6).map(_named))
@settings(deadline=None, max_examples=200)
def test_a_stream_that_is_stopped_is_still_one(deltas: list[StreamEvent]) -> None:
    """A block in the middle of whatever leaves a stream that no client can read to its end."""
    stream = ResponsesStream(Conversation("tutor", ()), 0)
    stop = Stopped(Outcome.BLOCK, "No.", is_error=False)
    ends: list[Json] = [stop, Finish(FinishReason.CONTENT_FILTER), closed(Outcome.BLOCK)]
    events = _read(b"".join(stream.add(event) for event in [opened(), *deltas, *ends]))
    assert _sdk_reads(events) is None
    last = events[-1]
    assert last["type"] == "response.incomplete"
    assert last["response"]["output"][-1]["content"][0]["text"] == "No."
    said = [item for item in Reader().read(events) if item["type"] != "function_call"]
    assert said == last["response"]["output"]
