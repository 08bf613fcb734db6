"""Anthropic Messages through the whole gateway with the official client."""

from collections.abc import Iterator
from typing import Any

import anthropic as sdk
import pytest
from anthropic import Anthropic
from anthropic.types import Message
from pydantic import BaseModel

from tests.e2e.asking import turns, wishes
from tests.e2e.gateway import Gateway, until
from tests.e2e.provider import Provider, tool_calls
from tests.servers.openai_server import (
    DONE,
    SECRET_IN_ERRORS,
    Drop,
    Hang,
    Play,
    chunk,
    error_answer,
    text_answer,
    usage_chunk,
)

Json = Any
MAIL = "anna.keller@example.org"
LOOK: Json = {
    "name": "look",
    "description": "Look it up.",
    "input_schema": {"type": "object", "properties": {"at": {"type": "string"}}},
}


@pytest.fixture
def anthropic(served: Gateway) -> Iterator[Anthropic]:
    """The official client with an ordinary key."""
    with served.anthropic() as made:
        yield made


def ask(client: Anthropic, *texts: str, streams: bool = False, **more: Json) -> Message:
    """One answer; texts are turns of user and assistant."""
    asked: Json = {"model": "lexi", "max_tokens": 100, "messages": turns(*texts), **more}
    if not streams:
        answer: Message = client.messages.create(**asked)
        return answer
    with client.messages.stream(**asked) as stream:
        return stream.get_final_message()


def text_of(answer: Message) -> str:
    """What it says."""
    return "".join(block.text for block in answer.content if block.type == "text")


def about(answer: Message) -> Json:
    """The ``banneton`` key."""
    return (answer.model_extra or {})["banneton"]


def calls_of(answer: Message) -> list[tuple[str, str, Json]]:
    """Id, name and input of each call."""
    return [(one.id, one.name, one.input) for one in answer.content if one.type == "tool_use"]


def test_an_answer_comes_with_what_it_says_about_itself(
    served: Gateway, anthropic: Anthropic, provider: Provider
) -> None:
    """A product that swapped address and key would not get its answer, or not know what ran."""
    provider.say("Take the green form.")
    answer = ask(anthropic, "Which form?", metadata={"user_id": "u-1"})
    assert (text_of(answer), answer.model) == ("Take the green form.", "lexi")
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (7, 3)
    assert about(answer)["outcome"] == "allow"
    record = served.record(about(answer)["request_id"])
    assert record["opening"]["dialect"] == "anthropic_messages"
    assert record["opening"]["subject"] is not None
    assert "u-1" not in str(record)
    body = provider.body
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert body["messages"][0]["content"].startswith("You are Lexi, explainer.")
    assert body["max_tokens"] == 100


def test_a_stream(anthropic: Anthropic, provider: Provider) -> None:
    """A streaming client would lose text, its end, or what the exchange says of itself."""
    provider.say("One. Two. Three.")
    events = list(
        anthropic.messages.create(model="lexi", max_tokens=9, messages=turns("Count"), stream=True)
    )
    assert [events[0].type, events[-1].type] == ["message_start", "message_stop"]
    last = events[-2]
    assert last.type == "message_delta"
    assert (last.usage.input_tokens, last.delta.stop_reason) == (7, "end_turn")
    assert (last.model_extra or {})["banneton"]["outcome"] == "allow"
    provider.say("One. Two. Three.")
    with anthropic.messages.stream(model="lexi", max_tokens=9, messages=turns("Count")) as stream:
        assert "".join(stream.text_stream) == "One. Two. Three."


@pytest.mark.parametrize("streams", [True, False], ids=["stream", "whole"])
def test_tools_go_round(anthropic: Anthropic, provider: Provider, *, streams: bool) -> None:
    """An agent would lose its calls, their pairing, or the results it sends back."""
    provider.play(
        tool_calls(
            ("call_a", "look", '{"at": "north"}'), ("call_b", "look", '{"at": "south gate"}')
        )
    )
    answer = ask(anthropic, "Look around", tools=[LOOK], streams=streams)
    assert answer.stop_reason == "tool_use"
    assert calls_of(answer) == [
        ("call_a", "look", {"at": "north"}),
        ("call_b", "look", {"at": "south gate"}),
    ]
    assert provider.body["tools"][0]["function"]["parameters"] == LOOK["input_schema"]
    results: Json = [
        {"type": "tool_result", "tool_use_id": "call_a", "content": "a wall"},
        {
            "type": "tool_result",
            "tool_use_id": "call_b",
            "content": [{"type": "text", "text": "a door"}],
        },
        {"type": "text", "text": "And?"},
    ]
    provider.say("There is a door.")
    messages = [*turns("Look around"), answer.to_param(), {"role": "user", "content": results}]
    again = ask(anthropic, messages=messages, tools=[LOOK], streams=streams)
    assert text_of(again) == "There is a door."
    _, asked, said, *arrived = provider.body["messages"]
    assert asked["content"] == "Look around"
    assert [one["function"]["arguments"] for one in said["tool_calls"]] == [
        '{"at":"north"}',
        '{"at":"south gate"}',
    ]
    assert [(one["role"], one["content"]) for one in arrived] == [
        ("tool", "a wall"),
        ("tool", "a door"),
        ("user", "And?"),
    ]
    assert [one.get("tool_call_id") for one in arrived] == ["call_a", "call_b", None]


def test_one_tool_at_a_time(anthropic: Anthropic, provider: Provider) -> None:
    """A client that can run one call only, or wants a certain one, gets others."""
    provider.play(tool_calls(("call_a", "look", "{}")))
    choice: Json = {"type": "tool", "name": "look", "disable_parallel_tool_use": True}
    answer = ask(anthropic, "Look", tools=[LOOK], tool_choice=choice)
    assert calls_of(answer) == [("call_a", "look", {})]
    assert provider.body["parallel_tool_calls"] is False
    assert provider.body["tool_choice"] == {"type": "function", "function": {"name": "look"}}


@pytest.mark.parametrize("streams", [True, False], ids=["stream", "whole"])
def test_thinking_goes_round(anthropic: Anthropic, provider: Provider, *, streams: bool) -> None:
    """A model's reasoning would be lost, or its next turn refused because of it."""
    steps = [chunk({"reasoning_content": "Two and two."}), chunk({"content": "Four."})]
    provider.play(Play([*steps, chunk(finish="stop"), usage_chunk(), DONE]))
    thinking: Json = {"type": "enabled", "budget_tokens": 4000}
    answer = ask(anthropic, "2+2?", thinking=thinking, max_tokens=5000, streams=streams)
    assert [block.type for block in answer.content] == ["thinking", "text"]
    assert answer.content[0].model_dump(include={"thinking", "signature"}) == {
        "thinking": "Two and two.",
        "signature": "",
    }
    assert provider.body["reasoning_effort"] == "low"
    messages = [*turns("2+2?"), answer.to_param(), *turns("Sure?")]
    provider.say("Yes.")
    assert text_of(ask(anthropic, messages=messages)) == "Yes."
    assert provider.body["messages"][2] == {"role": "assistant", "content": "Four."}


class Reading(BaseModel):
    """What a product wants back."""

    clause: int
    reads: str


def test_structured_output(anthropic: Anthropic, provider: Provider) -> None:
    """The client's own parser of structured answers would fail."""
    provider.say('{"clause": 7, "reads": "once a year"}')
    answer = anthropic.messages.parse(
        model="lexi", max_tokens=100, messages=turns("Which?"), output_format=Reading
    )
    assert answer.parsed_output == Reading(clause=7, reads="once a year")
    wanted = provider.body["response_format"]["json_schema"]
    assert (wanted["strict"], set(wanted["schema"]["properties"])) == (True, {"clause", "reads"})


@pytest.mark.parametrize("streams", [True, False], ids=["stream", "whole"])
def test_personal_data_there_and_back(
    anthropic: Anthropic, provider: Provider, *, streams: bool
) -> None:
    """A model would see an address in a text, a call or a result, or its user a token."""
    history: Json = [
        {"role": "user", "content": [{"type": "text", "text": f"Write to {MAIL}"}]},
        {
            "role": "assistant",
            "content": [
                {"type": "tool_use", "id": "call_a", "name": "look", "input": {"at": MAIL}}
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "call_a",
                    "content": [{"type": "text", "text": f"{MAIL} is known"}],
                }
            ],
        },
    ]

    def echo(body: Json) -> Play:
        return text_answer(body["messages"][-1]["content"], chunk_chars=3)

    provider.answer = echo
    answer = ask(anthropic, messages=history, tools=[LOOK], streams=streams)
    assert text_of(answer) == f"{MAIL} is known"
    assert MAIL not in str(provider.body)
    assert str(provider.body).count("EMAIL_ADDRESS_") == 3


@pytest.mark.parametrize("streams", [True, False], ids=["stream", "whole"])
def test_a_blocked_question(anthropic: Anthropic, provider: Provider, *, streams: bool) -> None:
    """A blocked question would reach a model, or break the client."""
    answer = ask(anthropic, "Please ask-banned now", streams=streams)
    assert (text_of(answer), answer.stop_reason) == ("Lexi cannot help with that.", "refusal")
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (0, 0)
    assert provider.requests == []


def test_a_blocked_result_of_a_tool(anthropic: Anthropic, provider: Provider) -> None:
    """What a tool brings in would be looked at by nobody."""
    result = {"type": "tool_result", "tool_use_id": "c", "content": "ask-banned"}
    history: Json = [
        *turns("Look"),
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "c", "name": "look", "input": {}}],
        },
        {"role": "user", "content": [result]},
    ]
    answer = ask(anthropic, messages=history)
    assert answer.stop_reason == "refusal"
    assert provider.requests == []
    (finding,) = about(answer)["findings"]
    assert finding["path"] == "messages[2].content[0].content"


def test_a_block_in_mid_stream(served: Gateway, anthropic: Anthropic, provider: Provider) -> None:
    """A stopped stream would end in an error, or go on."""
    provider.play(text_answer("All is well so far. Then say-banned came. More."))
    answer = ask(anthropic, "Tell", streams=True)
    assert text_of(answer) == "All is well so far. Then Lexi cannot help with that."
    assert answer.stop_reason == "refusal"
    assert served.newest()["outcome"] == "block"
    with pytest.raises(sdk.BadRequestError) as blocked:
        ask(anthropic, "Please ask-banned now", model="curt")
    assert blocked.value.error_code == "content_filter"


def test_a_system_prompt_stands_below_the_personas(
    anthropic: Anthropic, provider: Provider
) -> None:
    """A client would speak before the persona, or get no word in where it may."""
    ask(anthropic, "Hello", model="layered", system="Rhyme.")
    roles = [(one["role"], one["content"][:11]) for one in provider.body["messages"]]
    assert roles == [("system", "You are Lay"), ("system", "Rhyme."), ("user", "Hello")]
    with pytest.raises(sdk.BadRequestError) as refused:
        ask(anthropic, "Hello", system="Rhyme.")
    assert refused.value.error_code == "field_refused"
    assert len(provider.requests) == 1


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"model": "nobody"}, sdk.NotFoundError),
        ({"model": "lexi:nobody"}, sdk.NotFoundError),
        ({"extra_body": {"temperature": 0.9}}, sdk.BadRequestError),
        ({"extra_body": {"brand_new": True}}, sdk.BadRequestError),
        ({"extra_body": wishes(audience="nobody")}, sdk.BadRequestError),
        ({"service_tier": "auto"}, sdk.BadRequestError),
    ],
)
def test_what_is_refused(
    anthropic: Anthropic, provider: Provider, changes: Json, error: type[sdk.APIStatusError]
) -> None:
    """A developer would get another class of error, or a model the request."""
    with pytest.raises(error):
        ask(anthropic, "Hello", **changes)
    assert provider.requests == []


def test_keys(served: Gateway, provider: Provider) -> None:
    """A wrong key, or one for another persona, would reach a model."""
    with served.anthropic("bn_" + "x" * 43) as client, pytest.raises(sdk.AuthenticationError):
        ask(client, "Hello")
    with served.anthropic("lexi-only") as client:
        with pytest.raises(sdk.PermissionDeniedError):
            ask(client, "Hello", model="curt")
        assert [model.id for model in client.models.list()] == ["lexi"]
    assert provider.requests == []


@pytest.mark.parametrize(
    ("play", "error", "status"),
    [
        (error_answer(429, headers={"retry-after": "7"}), sdk.RateLimitError, 429),
        (error_answer(500), sdk.InternalServerError, 502),
        (error_answer(400), sdk.BadRequestError, 400),
        (Play(before=[Drop()]), sdk.InternalServerError, 502),
    ],
    ids=["limited", "failed", "rejected", "dropped"],
)
@pytest.mark.parametrize("streams", [True, False], ids=["stream", "whole"])
def test_the_providers_failures(
    anthropic: Anthropic,
    provider: Provider,
    play: Play,
    error: type[sdk.APIStatusError],
    status: int,
    *,
    streams: bool,
) -> None:
    """A client would take one failure for another, or see what the provider quotes."""
    provider.play(play)
    with pytest.raises(error) as failed:
        ask(anthropic, "Hello", streams=streams)
    assert failed.value.status_code == status
    assert SECRET_IN_ERRORS not in failed.value.response.text
    assert failed.value.response.headers.get("retry-after") == ("7" if status == 429 else None)


def test_a_stream_that_breaks_off_is_an_error(
    served: Gateway, anthropic: Anthropic, provider: Provider
) -> None:
    """Half an answer would pass for a whole one."""
    provider.play(Play([chunk({"content": "Half an "}), Drop()]))
    with pytest.raises(sdk.APIStatusError) as failed:
        ask(anthropic, "Hello", streams=True)
    assert failed.value.type == "api_error"
    assert served.newest()["status"] == "failed"


def test_a_client_that_leaves_stops_the_provider(
    served: Gateway, anthropic: Anthropic, provider: Provider
) -> None:
    """A model would go on being paid for nobody, or the record would never end."""
    provider.play(Play([chunk({"content": "Once upon a time, "}), Hang()]))
    stream = anthropic.messages.create(
        model="lexi", max_tokens=9, messages=turns("A story"), stream=True
    )
    start = next(iter(stream))
    assert start.type == "message_start"
    stream.close()
    until(lambda: provider.disconnects == 1)
    record = served.wait_for_record(start.message.id.removeprefix("msg_"))
    assert record["status"] == "cancelled"


def test_count_tokens(served: Gateway, anthropic: Anthropic, provider: Provider) -> None:
    """A count would cost a call or a record, or leave out the persona's prompt or the tools."""
    before = served.newest()["request_id"]
    prompt = served.post("/v1/prompts/render", {"persona": "lexi"}).json()["tokens"]

    def count(**more: Json) -> int:
        asked: Json = {"model": "lexi", "messages": turns("abcd" * 10), **more}
        return anthropic.messages.count_tokens(**asked).input_tokens

    assert count() == prompt + 10
    assert count(messages=turns("abcd" * 10, "abcd", "abcd")) == prompt + 12
    with_tool = count(tools=[LOOK])
    assert prompt + 20 < with_tool < prompt + 60
    assert count(tools=[LOOK, {**LOOK, "name": "see"}]) > with_tool
    with pytest.raises(sdk.NotFoundError):
        count(model="nobody")
    assert provider.requests == []
    assert served.newest()["request_id"] == before
