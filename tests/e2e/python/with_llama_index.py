"""LlamaIndex's models and its agent, as their documentation shows them."""

from dataclasses import dataclass
from typing import Any

from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms import ChatMessage
from llama_index.llms.anthropic import Anthropic
from llama_index.llms.openai import OpenAIResponses
from llama_index.llms.openai_like import OpenAILike
from typing_extensions import override

from tests.e2e.python.answering import LOOKED, Asker, Given, Reading, answer

Json = Any


@dataclass
class LlamaIndex(Asker):
    """A model of LlamaIndex."""

    model: Any
    text: str

    @property
    def _messages(self) -> list[ChatMessage]:
        return [ChatMessage(role="user", content=self.text)]

    @override
    async def ask(self) -> Json:
        made = await self.model.achat(self._messages)
        return {"text": made.message.content, **_about(made)}

    @override
    async def stream(self) -> Json:
        pieces = []
        about: Json = {}
        async for made in await self.model.astream_chat(self._messages):
            pieces.append(made.delta)
            about.update({name: value for name, value in _about(made).items() if value})
        text = made.message.content
        return {"text": text, **about, "pieces": [piece for piece in pieces if piece]}

    @override
    async def tools(self) -> Json:
        calls = []

        def look(at: str) -> str:
            """Look it up."""
            calls.append({"at": at})
            return LOOKED

        agent = FunctionAgent(tools=[look], llm=self.model)
        return {"text": str(await agent.run(self.text)), "calls": calls}

    @override
    async def structured(self) -> Json:
        made = await self.model.as_structured_llm(Reading).achat(self._messages)
        return {"parsed": made.raw.model_dump()}

    @override
    async def leave(self) -> None:
        stream = await self.model.astream_chat(self._messages)
        async for _ in stream:
            break
        await stream.aclose()


def _about(made: Any) -> Json:  # noqa: ANN401  # not installed where types are checked
    raw = made.raw if isinstance(made.raw, dict) else made.raw.model_dump()
    usage = raw.get("usage") or {}
    choices = raw.get("choices") or [{}]
    return {
        "finish": choices[0].get("finish_reason") or raw.get("stop_reason"),
        "about": raw.get("banneton"),
        "tokens": usage.get("total_tokens")
        or usage.get("input_tokens", 0) + usage.get("output_tokens", 0),
    }


def _openai(given: Given) -> LlamaIndex:
    model = OpenAILike(
        model=given.model,
        api_base=f"{given.url}/v1",
        api_key=given.key,
        is_chat_model=True,
        is_function_calling_model=True,
        max_retries=given.retries,
        additional_kwargs={
            "stream_options": {"include_usage": True},
            "extra_body": given.wishes,
        },
    )
    return LlamaIndex(model, given.text)


def _responses(given: Given) -> LlamaIndex:
    model = OpenAIResponses(
        model=given.model,
        api_base=f"{given.url}/v1",
        api_key=given.key,
        context_window=100_000,
        max_retries=given.retries,
        additional_kwargs={"extra_body": given.wishes},
    )
    return LlamaIndex(model, given.text)


def _anthropic(given: Given) -> LlamaIndex:
    model = Anthropic(
        model=given.model,
        base_url=given.url,
        api_key=given.key,
        max_retries=given.retries,
        additional_kwargs={"extra_body": given.wishes},
    )
    return LlamaIndex(model, given.text)


if __name__ == "__main__":
    answer(
        {
            "llama-index-openai": _openai,
            "llama-index-responses": _responses,
            "llama-index-anthropic": _anthropic,
        }
    )
