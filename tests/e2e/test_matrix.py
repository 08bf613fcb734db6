"""Every dialect over every provider's protocol: the same answer, the same policy, the same errors.

The official clients on one side, fakes that refuse what the provider would refuse on the other.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anthropic
import openai
import orjson
import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState
from typing_extensions import override

from app.domain.events import FinishReason
from tests.backends import (
    test_anthropic,
    test_azure,
    test_bedrock,
    test_gemini,
    test_openai,
    test_responses,
)
from tests.backends.provider_contract import (
    DOCUMENT,
    PIXEL,
    SCHEMA,
    Call,
    Content,
    ProviderContract,
    Text,
)
from tests.e2e.drawing import CAN_BE_ASKED, DRAWN_FOR, DRAWS, URL
from tests.e2e.gateway import Gateway, gateway, make_keys
from tests.servers.anthropic_server import anthropic_server
from tests.servers.azure_server import KEY as AZURE_KEY
from tests.servers.azure_server import azure_server
from tests.servers.bedrock_server import API_KEY, REGION, bedrock_server
from tests.servers.gemini_server import gemini_server
from tests.servers.openai_server import (
    OpenAIServer,
    Play,
    in_thread,
    openai_server,
    tokens_told,
    whole_choices,
)
from tests.servers.responses_server import responses_server

Json = Any

PROTOCOLS: dict[str, ProviderContract] = {
    "openai": test_openai.TestContract(),
    "anthropic": test_anthropic.TestContract(),
    "bedrock": test_bedrock.TestContract(),
    "gemini": test_gemini.TestContract(),
    "azure": test_azure.TestContract(),
    "responses": test_responses.TestContract(),
}
_BACKENDS = """
  openai: {type: openai, base_url: "%(openai)s", api_key: "${MODEL_KEY}"}
  anthropic: {type: anthropic, base_url: "%(anthropic)s", api_key: "${MODEL_KEY}"}
  bedrock: {type: bedrock, region: %(region)s, base_url: "%(bedrock)s", api_key: "file:key"}
  gemini: {type: gemini, base_url: "%(gemini)s", api_key: "${MODEL_KEY}"}
  azure: {type: azure, base_url: "%(azure)s", api_key: "file:azure-key"}
  responses: {type: responses, base_url: "%(responses)s", api_key: "${MODEL_KEY}"}
"""
_POLICY = """
audiences: {strictest_first: [public], default: public}
rules:
  - id: personal-data
    stages: [input, tool_result]
    detect: {patterns: {patterns: [{id: EMAIL_ADDRESS, regex: '[a-z.]{1,30}@[a-z]{1,30}[.]org'}]}}
    then: pseudonymize
  - id: banned-answer
    stages: [output, tool_call]
    detect: {words: {words: [say-banned]}}
    then: block
"""
_MEDIA = """
media:
  images: {types: [image/png], max_bytes: 500, max_count: 2, strictest_audience: public}
  files: {types: [application/pdf], max_bytes: 500, max_count: 2, strictest_audience: public}
  answers:
    images: {types: [image/png], max_bytes: 1000, max_count: 1, strictest_audience: public}
"""
_PERSONA = """
name: %s
prompt: plain
policy: %s
route: %s
identity: {role: helper}
sampling: {choices: {max: 2}}
replies:
  block: {en: I cannot help with that.}
  escalate: {en: I will ask.}
  unchecked: {en: Not now.}
"""
MAIL = "anna.keller@example.org"
CALLS: Sequence[Call] = (
    Call("call_1", "find", {"city": "Zürich 🙂"}),
    Call("call_2", "find", {"city": "Bern"}),
)


@dataclass(frozen=True)
class Got:
    """An answer, in the same words for every dialect."""

    text: str
    calls: tuple[tuple[str, str, Json], ...]
    finish: FinishReason
    counted: tuple[int, int]


@dataclass(frozen=True)
class Asked:
    """A question, in the same words for every dialect."""

    persona: str
    text: str = "Where is it?"
    streams: bool = False
    tools: bool = False
    schema: bool = False
    media: bool = False
    """With a picture and a file."""
    results: Sequence[tuple[Call, str]] = ()
    """Calls that the model made before, with what the tools said."""


_PICTURE_URL = f"data:image/png;base64,{PIXEL}"
_FILE_URL = f"data:application/pdf;base64,{DOCUMENT}"
FILE_NAME = "lease.pdf"


class Client(ABC):
    """An official client, and how it is asked."""

    errors: tuple[type[Exception], ...]

    @abstractmethod
    def ask(self, at: Gateway, asked: Asked) -> Got:
        """One answer."""


class ChatClient(Client):
    """Chat Completions."""

    errors = (openai.APIError,)

    @override
    def ask(self, at: Gateway, asked: Asked) -> Got:
        messages: list[Json] = [{"role": "user", "content": self._content(asked)}]
        if asked.results:
            calls = [
                {
                    "id": call.call_id,
                    "type": "function",
                    "function": {
                        "name": call.name,
                        "arguments": orjson.dumps(call.arguments).decode(),
                    },
                }
                for call, _ in asked.results
            ]
            messages.append({"role": "assistant", "content": None, "tool_calls": calls})
            messages += [
                {"role": "tool", "tool_call_id": call.call_id, "content": said}
                for call, said in asked.results
            ]
        more: Json = {}
        if asked.tools:
            function = {"name": "find", "description": "Finds.", "parameters": SCHEMA}
            more["tools"] = [{"type": "function", "function": function}]
        if asked.schema:
            schema = {"name": "place", "schema": SCHEMA, "strict": True}
            more["response_format"] = {"type": "json_schema", "json_schema": schema}
        with at.client() as client:
            if not asked.streams:
                answer = client.chat.completions.create(
                    model=asked.persona, messages=messages, **more
                )
            else:
                more["stream_options"] = {"include_usage": True}
                # The helper that collects a stream takes the end by a filter for an error.
                state = ChatCompletionStreamState()
                for chunk in client.chat.completions.create(
                    model=asked.persona, messages=messages, stream=True, **more
                ):
                    state.handle_chunk(chunk)
                answer = state.current_completion_snapshot
        choice = answer.choices[0]
        calls_made = tuple(
            (one.id, one.function.name, orjson.loads(one.function.arguments))
            for one in choice.message.tool_calls or ()
            if one.type == "function"
        )
        usage = answer.usage
        return Got(
            choice.message.content or "",
            calls_made,
            FinishReason(choice.finish_reason),
            (usage.prompt_tokens, usage.completion_tokens) if usage else (0, 0),
        )

    def _content(self, asked: Asked) -> Json:
        if not asked.media:
            return asked.text
        return [
            {"type": "text", "text": asked.text},
            {"type": "image_url", "image_url": {"url": _PICTURE_URL}},
            {"type": "file", "file": {"filename": FILE_NAME, "file_data": _FILE_URL}},
        ]


class ResponsesClient(Client):
    """Responses."""

    errors = (openai.APIError,)

    @override
    def ask(self, at: Gateway, asked: Asked) -> Got:
        items: list[Json] = [{"role": "user", "content": self._content(asked)}]
        for call, _ in asked.results:
            items.append(
                {
                    "type": "function_call",
                    "call_id": call.call_id,
                    "name": call.name,
                    "arguments": orjson.dumps(call.arguments).decode(),
                }
            )
        items += [
            {"type": "function_call_output", "call_id": call.call_id, "output": said}
            for call, said in asked.results
        ]
        more: Json = {}
        if asked.tools:
            tool = {"type": "function", "name": "find", "description": "Finds.", "strict": False}
            more["tools"] = [{**tool, "parameters": SCHEMA}]
        if asked.schema:
            form = {"type": "json_schema", "name": "place", "schema": SCHEMA, "strict": True}
            more["text"] = {"format": form}
        with at.client() as client:
            if not asked.streams:
                answer = client.responses.create(model=asked.persona, input=items, **more)
            else:
                with client.responses.stream(model=asked.persona, input=items, **more) as stream:
                    *_, last = stream
                assert last.type in {"response.completed", "response.incomplete"}
                answer = last.response
        calls = tuple(
            (one.call_id, one.name, orjson.loads(one.arguments))
            for one in answer.output
            if one.type == "function_call"
        )
        finish = FinishReason.TOOL_CALLS if calls else FinishReason.STOP
        if answer.incomplete_details is not None:
            finish = FinishReason(answer.incomplete_details.reason or "")
        usage = answer.usage
        counted = (usage.input_tokens, usage.output_tokens) if usage else (0, 0)
        return Got(answer.output_text, calls, finish, counted)

    def _content(self, asked: Asked) -> Json:
        if not asked.media:
            return asked.text
        return [
            {"type": "input_text", "text": asked.text},
            {"type": "input_image", "image_url": _PICTURE_URL, "detail": "auto"},
            {"type": "input_file", "filename": FILE_NAME, "file_data": _FILE_URL},
        ]


_STOPS = {
    "end_turn": FinishReason.STOP,
    "tool_use": FinishReason.TOOL_CALLS,
    "refusal": FinishReason.CONTENT_FILTER,
}


class MessagesClient(Client):
    """Anthropic Messages."""

    errors = (anthropic.APIError,)

    @override
    def ask(self, at: Gateway, asked: Asked) -> Got:
        messages: list[Json] = [{"role": "user", "content": self._content(asked)}]
        if asked.results:
            calls = [
                {"type": "tool_use", "id": call.call_id, "name": call.name, "input": call.arguments}
                for call, _ in asked.results
            ]
            results = [
                {"type": "tool_result", "tool_use_id": call.call_id, "content": said}
                for call, said in asked.results
            ]
            messages += [
                {"role": "assistant", "content": calls},
                {"role": "user", "content": results},
            ]
        more: Json = {"model": asked.persona, "max_tokens": 500, "messages": messages}
        if asked.tools:
            more["tools"] = [{"name": "find", "description": "Finds.", "input_schema": SCHEMA}]
        if asked.schema:
            more["output_config"] = {"format": {"type": "json_schema", "schema": SCHEMA}}
        with at.anthropic() as client:
            if not asked.streams:
                answer = client.messages.create(**more)
            else:
                with client.messages.stream(**more) as stream:
                    answer = stream.get_final_message()
        blocks = answer.content
        return Got(
            "".join(block.text for block in blocks if block.type == "text"),
            tuple((one.id, one.name, one.input) for one in blocks if one.type == "tool_use"),
            _STOPS[answer.stop_reason or ""],
            (answer.usage.input_tokens, answer.usage.output_tokens),
        )

    def _content(self, asked: Asked) -> Json:
        if not asked.media:
            return asked.text
        picture = {"type": "base64", "media_type": "image/png", "data": PIXEL}
        file = {"type": "base64", "media_type": "application/pdf", "data": DOCUMENT}
        return [
            {"type": "text", "text": asked.text},
            {"type": "image", "source": picture},
            {"type": "document", "title": FILE_NAME, "source": file},
        ]


CLIENTS: dict[str, Client] = {
    "chat": ChatClient(),
    "responses": ResponsesClient(),
    "messages": MessagesClient(),
}


@dataclass(frozen=True)
class Kitchen:
    """The gateway with every provider behind it."""

    at: Gateway
    providers: dict[str, OpenAIServer]


@pytest.fixture(scope="module")
def kitchen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kitchen]:
    """One gateway, a persona for each provider."""
    root: Path = tmp_path_factory.mktemp("matrix") / "project"
    opened: dict[str, Callable[[], AbstractAsyncContextManager[OpenAIServer]]] = {
        "openai": openai_server,
        "anthropic": anthropic_server,
        "bedrock": bedrock_server,
        "gemini": gemini_server,
        "azure": azure_server,
        "responses": responses_server,
    }
    with ExitStack() as stack:
        providers: dict[str, OpenAIServer] = {
            name: stack.enter_context(in_thread(each)) for name, each in opened.items()
        }
        urls = {name: each.base_url for name, each in providers.items()}
        routes = "".join(f"  {name}: {{backend: {name}, model: some-model}}\n" for name in opened)
        backends = _BACKENDS % {**urls, "region": REGION}
        closed = {
            "policies/closed.yaml": "extends: plain\nmedia: {images: null, files: null}\n",
            "personas/closed.yaml": _PERSONA % ("closed", "closed", "openai"),
        }
        secrets = {"key": API_KEY, "azure-key": AZURE_KEY}
        settings = f"backends:{backends}routes:\n{routes}"
        write(root, settings, opened, {**secrets, **closed})
        keys = make_keys(root, {"t": ("--records",)})
        yield Kitchen(stack.enter_context(gateway(root, keys=keys)), providers)


def write(root: Path, settings: str, personas: Iterable[str], more: Mapping[str, str]) -> None:
    """A project with a persona for each of the routes."""
    files = {
        "banneton.yaml": settings,
        "policies/plain.yaml": _POLICY + _MEDIA,
        "prompts/plain.md.j2": "You are {{ persona.name }}.",
        **{f"personas/{name}.yaml": _PERSONA % (name, "plain", name) for name in personas},
        **more,
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")


@dataclass(frozen=True)
class Way:
    """From which client to which provider, whole or as a stream."""

    client: Client
    protocol: str
    streams: bool


_BOTH = [
    pytest.param(Way(client, protocol, streams), id=f"{dialect}-{protocol}{'-stream' * streams}")
    for dialect, client in CLIENTS.items()
    for protocol in PROTOCOLS
    for streams in (False, True)
]
every_way = pytest.mark.parametrize("way", _BOTH)
every_stream = pytest.mark.parametrize("way", _BOTH[1::2])


def play(
    at: Kitchen, way: Way, content: Sequence[Content], finish: FinishReason = FinishReason.STOP
) -> None:
    """What the provider says next."""
    provider = at.providers[way.protocol]
    provider.requests.clear()
    provider.play(PROTOCOLS[way.protocol].played(content, finish=finish, is_stream=way.streams))


def sent(at: Kitchen, way: Way) -> str:
    """The one request that the provider got."""
    (request,) = at.providers[way.protocol].requests
    return orjson.dumps(request.body).decode()


@every_way
def test_text(kitchen: Kitchen, way: Way) -> None:
    """A product that changes its model or its SDK gets another answer, or policy is left out."""
    play(kitchen, way, [Text("It is naïve — 你好 🙂.")])
    got = way.client.ask(kitchen.at, Asked(way.protocol, f"Mail {MAIL}?", streams=way.streams))
    assert got.text == "It is naïve — 你好 🙂."
    assert (got.finish, kitchen.at.newest()["outcome"]) == (FinishReason.STOP, "pseudonymize")
    assert got.counted == (7, 3)
    assert MAIL not in sent(kitchen, way)


@every_way
def test_parallel_tools(kitchen: Kitchen, way: Way) -> None:
    """Calls mix or lose letters between two formats, or their results do not find them."""
    play(kitchen, way, CALLS, FinishReason.TOOL_CALLS)
    got = way.client.ask(kitchen.at, Asked(way.protocol, streams=way.streams, tools=True))
    assert got.calls == tuple((each.call_id, each.name, each.arguments) for each in CALLS)
    assert got.finish is FinishReason.TOOL_CALLS
    play(kitchen, way, [Text("Both there.")])
    results = [(CALLS[0], "In the north."), (CALLS[1], f"Ask {MAIL}.")]
    asked = Asked(way.protocol, streams=way.streams, tools=True, results=results)
    assert way.client.ask(kitchen.at, asked).text == "Both there."
    assert "In the north." in sent(kitchen, way)
    assert MAIL not in sent(kitchen, way)


@every_way
def test_json_of_a_schema(kitchen: Kitchen, way: Way) -> None:
    """The schema is lost on the way, and the answer has another shape."""
    play(kitchen, way, [Text('{"city":"Bern"}')])
    got = way.client.ask(kitchen.at, Asked(way.protocol, streams=way.streams, schema=True))
    assert orjson.loads(got.text) == {"city": "Bern"}
    assert (
        "additionalProperties"
        in orjson.dumps(kitchen.providers[way.protocol].requests[0].body).decode()
    )


@every_way
def test_a_picture_and_a_file(kitchen: Kitchen, way: Way) -> None:
    """A model answers about something that it never saw, or the record does not say what it saw."""
    play(kitchen, way, [Text("A dot, and a lease.")])
    asked = Asked(way.protocol, "What are these?", streams=way.streams, media=True)
    assert way.client.ask(kitchen.at, asked).text == "A dot, and a lease."
    wire = sent(kitchen, way)
    assert wire.index("What are these?") < wire.index(PIXEL) < wire.index(DOCUMENT)
    seen = kitchen.at.newest()["opening"]["media"]
    assert [(each["type"], each["count"], each["bytes"]) for each in seen] == [
        ("image/png", 1, 70),
        ("application/pdf", 1, 15),
    ]


@pytest.mark.parametrize("client", CLIENTS.values(), ids=list(CLIENTS))
def test_media_that_policy_keeps_out(kitchen: Kitchen, client: Client) -> None:
    """A client cannot tell which of its fields was refused, by what, and what to do."""
    provider = kitchen.providers["openai"]
    provider.requests.clear()
    with pytest.raises((openai.BadRequestError, anthropic.BadRequestError)) as refused:
        client.ask(kitchen.at, Asked("closed", media=True))
    assert re.search(r"content\[1\].*media\.images.*say it in text", str(refused.value))
    assert PIXEL not in str(refused.value)
    assert provider.requests == []


@every_way
def test_a_provider_that_refuses(kitchen: Kitchen, way: Way) -> None:
    """A refusal looks like an answer that came to its end."""
    content = [Text("I would rather")]
    play(kitchen, way, content, FinishReason.CONTENT_FILTER)
    got = way.client.ask(kitchen.at, Asked(way.protocol, streams=way.streams))
    assert (got.text, got.finish) == ("I would rather", FinishReason.CONTENT_FILTER)


@every_way
def test_a_block_in_mid_answer(kitchen: Kitchen, way: Way) -> None:
    """What policy stops goes on, or the client cannot read the end."""
    play(kitchen, way, [Text("Fine so far, then say-banned and more.")])
    got = way.client.ask(kitchen.at, Asked(way.protocol, streams=way.streams))
    begun = "Fine so far, then " if way.streams else ""
    assert got.text == f"{begun}I cannot help with that."
    assert (got.finish, kitchen.at.newest()["outcome"]) == (FinishReason.CONTENT_FILTER, "block")


@every_stream
def test_an_error_in_mid_stream(kitchen: Kitchen, way: Way) -> None:
    """A client takes half an answer for a whole one, or the record does."""
    contract = PROTOCOLS[way.protocol]
    begun = contract.begun([Text("Half an ")])
    error, _ = contract.error_event()
    broken = Play([*begun.steps, error], content_type=begun.content_type)
    kitchen.providers[way.protocol].play(broken)
    with pytest.raises(way.client.errors):
        way.client.ask(kitchen.at, Asked(way.protocol, streams=True))
    assert kitchen.at.newest()["status"] == "failed"


@every_way
def test_an_error_before_the_answer(kitchen: Kitchen, way: Way) -> None:
    """Clients cannot tell an outage from a mistake of theirs."""
    kitchen.providers[way.protocol].play(PROTOCOLS[way.protocol].error_status(429))
    with pytest.raises((openai.RateLimitError, anthropic.RateLimitError)):
        way.client.ask(kitchen.at, Asked(way.protocol, streams=way.streams))


@pytest.mark.parametrize("streams", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("protocol", DRAWS)
@pytest.mark.parametrize("dialect", DRAWN_FOR)
def test_a_picture_out(kitchen: Kitchen, dialect: str, protocol: str, *, streams: bool) -> None:
    """A picture is lost between two formats, or its record does not say that it left."""
    provider = kitchen.providers[protocol]
    provider.requests.clear()
    provider.play(DRAWS[protocol](is_stream=streams))
    asks = protocol in CAN_BE_ASKED
    drawn = DRAWN_FOR[dialect](kitchen.at, protocol, streams=streams, asks=asks)
    assert drawn == ("Here:", [URL])
    (request,) = provider.requests
    body = orjson.dumps(request.body).decode().lower()
    assert (CAN_BE_ASKED.get(protocol, "modalities") in body) == asks
    assert kitchen.at.newest()["status"] == "completed"


@pytest.mark.parametrize("dialect", DRAWN_FOR)
@pytest.mark.parametrize("protocol", sorted(PROTOCOLS.keys() - CAN_BE_ASKED.keys()))
def test_a_picture_that_no_word_asks_for(kitchen: Kitchen, dialect: str, protocol: str) -> None:
    """A client that asks for pictures is answered without, and nobody says why."""
    kitchen.providers[protocol].requests.clear()
    with pytest.raises(openai.BadRequestError) as refused:
        DRAWN_FOR[dialect](kitchen.at, protocol, streams=False, asks=True)
    assert refused.value.code == ("unsupported" if protocol == "azure" else "no_route")
    assert not kitchen.providers[protocol].requests


@pytest.mark.parametrize("streams", [False, True], ids=["whole", "stream"])
def test_a_picture_for_a_client_that_takes_none(kitchen: Kitchen, *, streams: bool) -> None:
    """A picture vanishes from an answer as if the model had not drawn one."""
    kitchen.providers["gemini"].play(DRAWS["gemini"](is_stream=streams))
    with pytest.raises(anthropic.APIError):
        CLIENTS["messages"].ask(kitchen.at, Asked("gemini", streams=streams))


_GIVE_SEVERAL = {"openai", "azure"}
"""Protocols that know several choices, and log-probabilities."""


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("wanted", "feature"), [({"n": 2}, "choices"), ({"logprobs": True}, "logprobs")]
)
def test_what_few_protocols_know(
    kitchen: Kitchen, protocol: str, wanted: Json, feature: str
) -> None:
    """A provider is asked for what it does not know, and answers as if it had not been."""
    provider = kitchen.providers[protocol]
    provider.requests.clear()
    question: Json = [{"role": "user", "content": "Where?"}]
    with kitchen.at.client() as client:
        if protocol not in _GIVE_SEVERAL:
            with pytest.raises(openai.BadRequestError, match=feature):
                client.chat.completions.create(model=protocol, messages=question, **wanted)
            assert provider.requests == []
            return
        told = [tokens_told("Here"), tokens_told("There")] if feature == "logprobs" else []
        texts = ("Here", "There")[: wanted.get("n", 1)]
        provider.play(whole_choices(*texts, logprobs=told))
        answer = client.chat.completions.create(model=protocol, messages=question, **wanted)
    assert [choice.message.content for choice in answer.choices] == list(texts)
    assert wanted.items() <= provider.requests[0].body.items()
    if told:
        assert answer.choices[0].logprobs is not None
        assert [each.token for each in answer.choices[0].logprobs.content or ()] == ["Here"]
