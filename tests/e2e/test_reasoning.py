"""What a model thought goes to clients and back to its provider, as the provider encrypted it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from anthropic.types import Message
from openai.types.responses import Response

from tests.e2e.gateway import Gateway, gateway, make_keys
from tests.e2e.project import write_project
from tests.servers.openai_server import in_thread
from tests.servers.responses_server import (
    ResponsesServer,
    call_item,
    reasoning_item,
    responses_server,
    streamed,
    text_item,
    whole,
)

Json = Any
SHOWN = "gAAAAABwhatWasThoughtAndSummarized-1_w=="
HIDDEN = "gAAAAABwhatWasThoughtAndNotShown-2_Q=="
ITEMS = [
    reasoning_item("**Two cities**", signed=SHOWN),
    call_item("call_1", "find", '{"city":"Zürich"}'),
    reasoning_item(signed=HIDDEN),
    call_item("call_2", "find", '{"city":"Bern"}'),
]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
BACKENDS = """
backends:
  model: {type: responses, base_url: "%s", api_key: "${MODEL_KEY}", summary: auto}
routes:
  balanced: {backend: model, model: some-model}
  hurried: {backend: model, model: some-model}
  nowhere: {backend: model, model: some-model}
  vectors: {backend: model, model: some-model}
  pictures: {backend: model, model: some-model}
"""


@pytest.fixture(scope="module")
def provider() -> Iterator[ResponsesServer]:
    """A provider that reasons."""
    with in_thread(responses_server) as server:
        yield server


@pytest.fixture(scope="module")
def served(
    provider: ResponsesServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """A gateway in front of it."""
    root: Path = write_project(tmp_path_factory.mktemp("reasoning") / "project", provider.base_url)
    (root / "banneton.yaml").write_text(BACKENDS % provider.base_url, "utf-8")
    with gateway(root, keys=make_keys(root, {"t": ()})) as running:
        yield running


def responses(at: Gateway, *, streams: bool) -> str:
    """A turn with tools by Responses; gives what was shown of the reasoning."""
    tool: Json = {"type": "function", "name": "find", "parameters": SCHEMA, "strict": False}
    said: Json = [{"role": "user", "content": "Where are both?"}]
    more: Json = {"model": "lexi", "tools": [tool]}
    with at.client() as client:
        if streams:
            with client.responses.stream(input=said, **more) as events:
                answer: Response = events.get_final_response()
        else:
            answer = client.responses.create(input=said, **more)
        said += [item.model_dump(exclude_none=True) for item in answer.output]
        said += [
            {"type": "function_call_output", "call_id": call_id, "output": "north"}
            for call_id in ("call_1", "call_2")
        ]
        assert client.responses.create(input=said, **more).output_text == "Both."
    shown = [item for item in answer.output if item.type == "reasoning"]
    return "".join(part.text for item in shown for part in item.summary)


def messages(at: Gateway, *, streams: bool) -> str:
    """The same by Messages."""
    tool: Json = {"name": "find", "input_schema": SCHEMA}
    said: Json = [{"role": "user", "content": "Where are both?"}]
    more: Json = {"model": "lexi", "tools": [tool], "max_tokens": 500}
    with at.anthropic() as client:
        if streams:
            with client.messages.stream(messages=said, **more) as events:
                answer: Message = events.get_final_message()
        else:
            answer = client.messages.create(messages=said, **more)
        said.append(
            {"role": "assistant", "content": [each.model_dump() for each in answer.content]}
        )
        results = [
            {"type": "tool_result", "tool_use_id": call_id, "content": "north"}
            for call_id in ("call_1", "call_2")
        ]
        said.append({"role": "user", "content": results})
        again = client.messages.create(messages=said, **more)
    assert [each.text for each in again.content if each.type == "text"] == ["Both."]
    return "".join(each.thinking for each in answer.content if each.type == "thinking")


@pytest.mark.parametrize("streams", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("ask", [responses, messages])
def test_what_is_encrypted_comes_back_as_it_was(
    served: Gateway, provider: ResponsesServer, ask: Callable[..., str], *, streams: bool
) -> None:
    """The provider refuses the next turn, or the model has forgotten what it thought."""
    provider.requests.clear()
    provider.play((streamed if streams else whole)(ITEMS), whole([text_item("Both.")]))
    assert ask(served, streams=streams) == "**Two cities**"
    second = provider.requests[1].body["input"]
    kinds = ["message", "reasoning", "function_call", "reasoning", "function_call"]
    assert [item["type"] for item in second] == [*kinds, *["function_call_output"] * 2]
    assert [item["encrypted_content"] for item in (second[1], second[3])] == [SHOWN, HIDDEN]
    assert second[1]["summary"] == [{"type": "summary_text", "text": "**Two cities**"}]
    assert second[3]["summary"] == []


@pytest.mark.parametrize("streams", [False, True], ids=["whole", "stream"])
def test_a_dialect_without_a_place_for_it(
    served: Gateway, provider: ResponsesServer, *, streams: bool
) -> None:
    """A client of chat completions could have no second turn, or show nothing of the first."""
    provider.requests.clear()
    content = [reasoning_item("**Easy**", signed=SHOWN), text_item("Bern.")]
    provider.play((streamed if streams else whole)(content), whole([text_item("Yes.")]))
    said: Json = [{"role": "user", "content": "Where?"}]
    with served.client() as client:
        if streams:
            deltas = [
                each.choices[0].delta
                for each in client.chat.completions.create(model="lexi", messages=said, stream=True)
                if each.choices
            ]
            text = "".join(each.content or "" for each in deltas)
            found = [(each.model_extra or {}).get("reasoning_content") for each in deltas]
            thought = "".join(each for each in found if each)
        else:
            answer = client.chat.completions.create(model="lexi", messages=said).choices[0].message
            text, thought = answer.content or "", (answer.model_extra or {})["reasoning_content"]
        assert (text, thought) == ("Bern.", "**Easy**")
        said.append({"role": "assistant", "content": text, "reasoning_content": thought})
        said.append({"role": "user", "content": "Sure?"})
        client.chat.completions.create(model="lexi", messages=said)
    second = provider.requests[1].body["input"]
    assert [item.get("role") for item in second] == ["user", "assistant", "user"]
