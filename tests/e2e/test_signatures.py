"""What a provider signs comes back to it as it was, and to nobody else, through each dialect."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState
from typing_extensions import override

from tests.backends import test_anthropic, test_gemini
from tests.backends.provider_contract import (
    SCHEMA,
    SIGNED,
    Content,
    ProviderContract,
    Text,
    Thought,
)
from tests.e2e.gateway import Gateway, gateway, make_keys
from tests.servers import gemini_server as gemini
from tests.servers.anthropic_server import anthropic_server
from tests.servers.gemini_server import call_part, gemini_server
from tests.servers.openai_server import OpenAIServer, in_thread

Json = Any

PROTOCOLS: dict[str, ProviderContract] = {
    "anthropic": test_anthropic.TestContract(),
    "gemini": test_gemini.TestContract(),
}
_BANNETON = """
backends:
  anthropic: {type: anthropic, base_url: "%s", api_key: "${MODEL_KEY}"}
  gemini: {type: gemini, base_url: "%s", api_key: "${MODEL_KEY}"}
routes:
  anthropic: {backend: anthropic, model: some-model}
  gemini: {backend: gemini, model: some-model}
"""
_POLICY = "audiences: {strictest_first: [public], default: public}\nrules: []\n"
_PERSONA = """
name: Lexi
prompt: plain
policy: plain
route: %s
identity: {role: helper}
replies:
  block: {en: I cannot help with that.}
  escalate: {en: I will ask.}
  unchecked: {en: Not now.}
"""
CALLS: list[Json] = [
    call_part("call_1", "find", {"city": "Bern"}, SIGNED),
    call_part("call_2", "find", {"city": "Ulm"}),
]


class Talk(ABC):
    """A conversation by an official client, which sends back what it got."""

    def __init__(self, at: Gateway, *, streams: bool) -> None:
        self.at = at
        self.streams = streams
        self.said: list[Json] = []

    def tell(self, text: str) -> None:
        """The user says something."""
        self.said.append({"role": "user", "content": text})

    @abstractmethod
    def ask(self, persona: str) -> None:
        """Ask, and keep the answer."""

    @abstractmethod
    def give(self, *results: tuple[str, str]) -> None:
        """What tools answered, by the ids of their calls."""


class Chat(Talk):
    """Chat Completions."""

    @override
    def ask(self, persona: str) -> None:
        function = {"name": "find", "parameters": SCHEMA}
        more: Json = {"model": persona, "messages": self.said}
        more["tools"] = [{"type": "function", "function": function}]
        with self.at.client() as client:
            if not self.streams:
                message: Json = client.chat.completions.create(**more).choices[0].message.to_dict()
            else:
                state = ChatCompletionStreamState()
                for chunk in client.chat.completions.create(**more, stream=True):
                    state.handle_chunk(chunk)
                message = state.current_completion_snapshot.choices[0].message.to_dict()
        for call in message.get("tool_calls") or ():
            call.pop("index", None)
            call["function"].pop("parsed_arguments", None)
        self.said.append({key: value for key, value in message.items() if key != "parsed"})

    @override
    def give(self, *results: tuple[str, str]) -> None:
        self.said += [
            {"role": "tool", "tool_call_id": call_id, "content": text} for call_id, text in results
        ]


class Responses(Talk):
    """Responses."""

    @override
    def ask(self, persona: str) -> None:
        tool: Json = {"type": "function", "name": "find", "parameters": SCHEMA, "strict": False}
        more: Json = {"model": persona, "input": self.said, "tools": [tool]}
        with self.at.client() as client:
            if not self.streams:
                answer = client.responses.create(**more)
            else:
                with client.responses.stream(**more) as stream:
                    answer = stream.get_final_response()
        self.said += answer.output

    @override
    def give(self, *results: tuple[str, str]) -> None:
        self.said += [
            {"type": "function_call_output", "call_id": call_id, "output": text}
            for call_id, text in results
        ]


class Messages(Talk):
    """Anthropic Messages."""

    @override
    def ask(self, persona: str) -> None:
        tool = {"name": "find", "input_schema": SCHEMA}
        more: Json = {"model": persona, "max_tokens": 500, "messages": self.said, "tools": [tool]}
        with self.at.anthropic() as client:
            if not self.streams:
                answer = client.messages.create(**more)
            else:
                with client.messages.stream(**more) as stream:
                    answer = stream.get_final_message()
        self.said.append(answer.to_param())

    @override
    def give(self, *results: tuple[str, str]) -> None:
        content = [
            {"type": "tool_result", "tool_use_id": call_id, "content": text}
            for call_id, text in results
        ]
        self.said.append({"role": "user", "content": content})


@dataclass(frozen=True)
class Kitchen:
    """The gateway with two providers behind it."""

    at: Gateway
    providers: dict[str, OpenAIServer]

    def sent(self, provider: str) -> Json:
        """The last request that a provider got."""
        return self.providers[provider].requests[-1].body


@pytest.fixture(scope="module")
def kitchen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kitchen]:
    """One gateway, a persona for each provider."""
    root: Path = tmp_path_factory.mktemp("signed") / "project"
    with ExitStack() as stack:
        providers: dict[str, OpenAIServer] = {
            "anthropic": stack.enter_context(in_thread(anthropic_server)),
            "gemini": stack.enter_context(in_thread(gemini_server)),
        }
        urls = tuple(each.base_url for each in providers.values())
        files = {
            "banneton.yaml": _BANNETON % urls,
            "policies/plain.yaml": _POLICY,
            "prompts/plain.md.j2": "You are {{ persona.name }}.",
            **{f"personas/{name}.yaml": _PERSONA % name for name in providers},
        }
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, "utf-8")
        keys = make_keys(root, {"t": ()})
        yield Kitchen(stack.enter_context(gateway(root, keys=keys)), providers)


every_dialect = pytest.mark.parametrize("dialect", [Chat, Responses, Messages])
both_ways = pytest.mark.parametrize("streams", [False, True])


@every_dialect
@both_ways
def test_what_is_signed_of_a_call(
    kitchen: Kitchen,
    dialect: type[Talk],
    streams: bool,  # noqa: FBT001  # a parameter of the test
) -> None:
    """Gemini 3 refuses the turn after a call, so that no tool works with it."""
    play = gemini.streamed if streams else gemini.whole
    kitchen.providers["gemini"].play(play(CALLS), play([{"text": "Both there."}]))
    talk = dialect(kitchen.at, streams=streams)
    talk.tell("Where are they?")
    talk.ask("gemini")
    talk.give(("call_1", "Here."), ("call_2", "There."))
    talk.ask("gemini")
    assert kitchen.sent("gemini")["contents"][1]["parts"] == CALLS


@pytest.mark.parametrize("dialect", [Responses, Messages])
@pytest.mark.parametrize("provider", PROTOCOLS)
@both_ways
def test_what_is_signed_of_reasoning(
    kitchen: Kitchen,
    dialect: type[Talk],
    provider: str,
    streams: bool,  # noqa: FBT001  # a parameter of the test
) -> None:
    """A provider refuses what it signed itself, or is sent what another signed."""
    other = next(each for each in PROTOCOLS if each != provider)
    content: list[Content] = [Thought("Hm, 🙂.", SIGNED), Text("Yes.")]
    kitchen.providers[provider].play(
        PROTOCOLS[provider].played(content, is_stream=streams),
        PROTOCOLS[provider].played([Text("No.")], is_stream=streams),
    )
    kitchen.providers[other].play(PROTOCOLS[other].played([Text("No.")], is_stream=streams))
    talk = dialect(kitchen.at, streams=streams)
    talk.tell("Is it?")
    talk.ask(provider)
    talk.tell("Really?")
    history = list(talk.said)
    for persona in (provider, other):
        talk.said = list(history)
        talk.ask(persona)
    own, foreign = (orjson.dumps(kitchen.sent(each)).decode() for each in (provider, other))
    assert f'"{SIGNED}"' in own
    assert "Hm, 🙂." in own
    assert SIGNED not in foreign
    assert "Hm, 🙂." not in foreign
    assert "Yes." in foreign


def test_anthropics_own_is_left_as_it_is(kitchen: Kitchen) -> None:
    """A client of Anthropic's that leaves the gateway cannot go on with its history."""
    content: list[Content] = [Thought("Hm.", SIGNED), Text("Yes.")]
    kitchen.providers["anthropic"].play(PROTOCOLS["anthropic"].played(content, is_stream=False))
    talk = Messages(kitchen.at, streams=False)
    talk.tell("Is it?")
    talk.ask("anthropic")
    thought = talk.said[1]["content"][0]
    assert (thought.thinking, thought.signature) == ("Hm.", SIGNED)
