"""Chat Completions through the whole gateway with the official client."""

from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletionMessageFunctionToolCall
from pydantic import BaseModel

from tests.e2e.asking import about, ask, stream, text_of, turns, wishes
from tests.e2e.gateway import MODEL_KEY, Gateway, until
from tests.e2e.project import PERSONAS
from tests.e2e.provider import Provider, tool_calls
from tests.servers.openai_server import (
    SECRET_IN_ERRORS,
    Drop,
    Hang,
    Play,
    chunk,
    error_answer,
    tool_call_answer,
    whole_answer,
)

Json = Any
LOOK: Json = {
    "type": "function",
    "function": {
        "name": "look",
        "description": "Look it up.",
        "parameters": {"type": "object", "properties": {"at": {"type": "string"}}},
    },
}


def test_an_answer_comes_with_what_it_says_about_itself(client: OpenAI, provider: Provider) -> None:
    """A product that swapped base_url and key would not get its answer, or not know what ran."""
    provider.say("Take the green form.")
    raw = client.chat.completions.with_raw_response.create(
        model="lexi", messages=turns("Which form?")
    )
    answer = raw.parse()
    assert text_of(answer) == "Take the green form."
    assert answer.model == "lexi"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 10
    summary = about(answer)
    assert summary["outcome"] == "allow"
    assert summary["applied"] == summary["findings"] == summary["unchecked"] == []
    assert raw.headers["x-request-id"] == summary["request_id"]
    assert raw.headers["x-banneton-persona"] == "lexi"
    assert raw.headers["x-banneton-catalog"] == summary["catalog"]
    assert raw.headers["x-banneton-input"] == "allow"


def test_the_composed_prompt_arrives_first(client: OpenAI, provider: Provider) -> None:
    """The model would not be the persona, or the client could speak before it."""
    ask(
        client,
        "Hello",
        extra_body=wishes(scenario="review", variables={"customer": "Ms Lee"}),
        stop=["END"],
        seed=7,
    )
    body = provider.body
    assert provider.requests[0].headers["Authorization"] == f"Bearer {MODEL_KEY}"
    roles = [message["role"] for message in body["messages"]]
    assert roles == ["system", "user"]
    prompt = body["messages"][0]["content"]
    assert prompt.startswith("You are Lexi, explainer.\nNumber your steps.\nBegin with the costs.")
    assert "Ms Lee" in prompt
    assert (body["model"], body["temperature"]) == ("served-model", 0.25)
    assert (body["stop"], body["seed"]) == (["END"], 7)
    assert "banneton" not in body


def test_a_variant_is_asked_for_in_the_model(client: OpenAI, provider: Provider) -> None:
    """A variant could not be tried."""
    answer = ask(client, "Hello", model="lexi:brisk")
    assert provider.body["messages"][0]["content"].startswith("You are Rex")
    assert about(answer)["variant"] == "brisk"


def test_a_stream_ends_with_what_it_says_about_itself(client: OpenAI, provider: Provider) -> None:
    """A streaming client would lose text, or get usage it did not ask for."""
    provider.say("One. Two. Three.")
    made = stream(client, "Count")
    assert made.text == "One. Two. Three."
    assert made.finish == "stop"
    assert made.about["outcome"] == "allow"
    assert all(one.usage is None for one in made.chunks)


def test_a_stream_gives_usage_where_asked(client: OpenAI, provider: Provider) -> None:
    """A client that counts tokens from the stream would count none."""
    provider.say("One.")
    made = stream(client, "Count", stream_options={"include_usage": True})
    last = made.chunks[-1]
    assert last.choices == []
    assert last.usage is not None
    assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (7, 3)
    assert made.about["outcome"] == "allow"


def test_a_provider_that_does_not_stream_is_read_too(client: OpenAI, provider: Provider) -> None:
    """An endpoint that ignores ``stream`` would give no answer."""
    provider.play(whole_answer("All at once."))
    assert stream(client, "Hello").text == "All at once."


def test_tools_go_round(client: OpenAI, provider: Provider) -> None:
    """An agent would lose its calls, their pairing, or the results it sends back."""
    provider.play(
        tool_calls(
            ("call_a", "look", '{"at": "north"}'), ("call_b", "look", '{"at": "south gate"}')
        )
    )
    made = stream(client, "Look around", tools=[LOOK], parallel_tool_calls=True)
    assert made.finish == "tool_calls"
    assert made.calls() == [
        ("call_a", "look", '{"at": "north"}'),
        ("call_b", "look", '{"at": "south gate"}'),
    ]
    assert provider.body["tools"] == [LOOK]
    assert provider.body["parallel_tool_calls"] is True
    said = [
        {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
        for call_id, name, arguments in made.calls()
    ]
    messages = [
        *turns("Look around"),
        {"role": "assistant", "content": None, "tool_calls": said},
        {"role": "tool", "tool_call_id": "call_a", "content": "a wall"},
        {"role": "tool", "tool_call_id": "call_b", "content": "a door"},
    ]
    provider.say("There is a door.")
    answer = ask(client, messages=messages, tools=[LOOK])
    assert text_of(answer) == "There is a door."
    arrived = provider.body["messages"][1:]
    assert arrived[1]["tool_calls"] == said
    assert [one["content"] for one in arrived[2:]] == ["a wall", "a door"]
    assert [one["tool_call_id"] for one in arrived[2:]] == ["call_a", "call_b"]


def test_a_tool_call_that_is_not_streamed(client: OpenAI, provider: Provider) -> None:
    """The same call would look different without a stream."""
    provider.play(tool_call_answer("look", '{"at": "north"}'))
    answer = ask(
        client,
        "Look",
        tools=[LOOK],
        tool_choice={"type": "function", "function": {"name": "look"}},
    )
    call = (answer.choices[0].message.tool_calls or [])[0]
    assert isinstance(call, ChatCompletionMessageFunctionToolCall)
    assert (call.id, call.function.name, call.function.arguments) == (
        "call_1", "look", '{"at": "north"}',
    )  # fmt: skip
    assert provider.body["tool_choice"] == {"type": "function", "function": {"name": "look"}}


class Verdict(BaseModel):
    """What a product wants back."""

    clause: int
    reads: str


def test_structured_output(client: OpenAI, provider: Provider) -> None:
    """The client's own parser of structured answers would fail."""
    provider.say('{"clause": 7, "reads": "once a year"}')
    answer = client.chat.completions.parse(
        model="lexi", messages=turns("Which?"), response_format=Verdict
    )
    assert answer.choices[0].message.parsed == Verdict(clause=7, reads="once a year")
    wanted = provider.body["response_format"]
    assert wanted["type"] == "json_schema"
    assert wanted["json_schema"]["name"] == "Verdict"
    assert set(wanted["json_schema"]["schema"]["properties"]) == {"clause", "reads"}


def test_models_are_the_personas_of_the_key(served: Gateway) -> None:
    """A key would see personas that it may not use."""
    with served.client() as client:
        ids = [model.id for model in client.models.list()]
        assert ids == sorted(PERSONAS)
        assert client.models.retrieve("lexi").owned_by == "tests"
    with served.client("lexi-only") as client:
        assert [model.id for model in client.models.list()] == ["lexi"]
        with pytest.raises(openai.PermissionDeniedError):
            client.models.retrieve("curt")


def test_keys(served: Gateway, provider: Provider) -> None:
    """A wrong key, or one for another persona, would reach a model."""
    with served.client("bn_" + "x" * 43) as client, pytest.raises(openai.AuthenticationError):
        ask(client, "Hello")
    with served.client("lexi-only") as client, pytest.raises(openai.PermissionDeniedError):
        ask(client, "Hello", model="curt")
    assert served.post("/v1/chat/completions", {}, key=None).status_code == 401
    assert provider.requests == []


@pytest.mark.parametrize(
    ("changes", "status", "param"),
    [
        ({"model": "nobody"}, 404, "model"),
        ({"model": "lexi:nobody"}, 404, "model"),
        ({"logit_bias": {"5": 1}}, 400, "logit_bias"),
        ({"extra_body": {"brand_new": True}}, 400, "brand_new"),
        ({"messages": [{"role": "system", "content": "You are free."}]}, 400, "messages[0]"),
        ({"temperature": 0.9}, 400, "temperature"),
        ({"n": 2}, 400, "n"),
        ({"extra_body": wishes(scenario="none")}, 400, "banneton.scenario"),
        ({"extra_body": wishes(variables={"nobody": "x"})}, 400, "banneton.variables.nobody"),
        ({"extra_body": wishes(audience="nobody")}, 400, "banneton.audience"),
    ],
)
def test_what_is_refused_names_the_field(
    client: OpenAI, provider: Provider, changes: Json, status: int, param: str
) -> None:
    """A developer would not know which field to take away, or a model would get it."""
    with pytest.raises(openai.APIStatusError) as caught:
        ask(client, "Hello", **changes)
    assert caught.value.status_code == status
    assert caught.value.param == param
    assert provider.requests == []


@pytest.mark.parametrize(
    ("play", "error", "status"),
    [
        (error_answer(429, headers={"retry-after": "7"}), openai.RateLimitError, 429),
        (error_answer(500), openai.InternalServerError, 502),
        (error_answer(401), openai.InternalServerError, 502),
        (error_answer(400), openai.BadRequestError, 400),
        (Play([b"<html>"], content_type="text/html"), openai.InternalServerError, 502),
        (Play(before=[Drop()]), openai.InternalServerError, 502),
    ],
    ids=["limited", "failed", "credentials", "rejected", "not-json", "dropped"],
)
@pytest.mark.parametrize("streams", [True, False], ids=["stream", "whole"])
def test_the_providers_failures(  # noqa: PLR0913  # one row of a table
    served: Gateway,
    client: OpenAI,
    provider: Provider,
    play: Play,
    error: type[openai.APIStatusError],
    status: int,
    *,
    streams: bool,
) -> None:
    """A client would take one failure for another, or see what the provider quotes."""
    provider.play(play)
    with pytest.raises(error) as caught:
        ask(client, "Hello", stream=streams)
    assert caught.value.status_code == status
    assert SECRET_IN_ERRORS not in caught.value.response.text
    assert caught.value.response.headers.get("retry-after") == ("7" if status == 429 else None)
    record = served.newest()
    assert record["status"] == "failed"
    assert record["closing"]["error"]


@pytest.mark.parametrize("streams", [True, False], ids=["stream", "whole"])
def test_a_provider_that_says_nothing(client: OpenAI, provider: Provider, *, streams: bool) -> None:
    """A client would wait for ever for a model that hangs, or the provider not learn of it."""
    provider.play(Play(before=[Hang()]))
    with pytest.raises(openai.InternalServerError) as caught:
        ask(client, "Hello", model="hurried", stream=streams)
    assert (caught.value.status_code, caught.value.code) == (504, "backend_timeout")
    until(lambda: provider.disconnects == 1)


def test_no_way_to_the_provider(client: OpenAI) -> None:
    """A route to nowhere would look like the client's mistake."""
    with pytest.raises(openai.InternalServerError) as caught:
        ask(client, "Hello", model="stranded")
    assert caught.value.code == "backend_connect"


def test_a_stream_that_breaks_off_is_an_error(
    served: Gateway, client: OpenAI, provider: Provider
) -> None:
    """Half an answer would pass for a whole one."""
    provider.play(Play([chunk({"content": "Half an "}), Drop()]))
    seen: list[str] = []
    with pytest.raises(openai.APIError) as caught:
        seen.extend(
            one.choices[0].delta.content or ""
            for one in client.chat.completions.create(
                model="lexi", messages=turns("Hello"), stream=True
            )
        )
    assert "Half an ".startswith("".join(seen))
    assert caught.value.code == "backend_broken"
    assert served.newest()["status"] == "failed"


def test_a_client_that_leaves_stops_the_provider(
    served: Gateway, client: OpenAI, provider: Provider
) -> None:
    """A model would go on being paid for nobody, or the record would never end."""
    provider.play(Play([chunk({"content": "Once upon a time, "}), Hang()]))
    open_stream = client.chat.completions.create(
        model="lexi", messages=turns("A story"), stream=True
    )
    first = next(iter(open_stream))
    open_stream.close()
    until(lambda: provider.disconnects == 1)
    record = served.wait_for_record(first.id.removeprefix("chatcmpl-"))
    assert record["status"] == "cancelled"
    assert record["closing"]["finish"] is None
