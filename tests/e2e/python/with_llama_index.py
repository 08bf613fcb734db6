"""LlamaIndex's models and its agent, as their documentation shows them."""

import asyncio
from dataclasses import dataclass
from typing import Any

from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms import ChatMessage
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
            pieces.append(made.delta or "")
            about.update({name: value for name, value in _about(made).items() if value})
        # A response that policy cut short ends in a chunk without the text so far.
        text = made.message.content or "".join(pieces)
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
        begun = asyncio.Event()

        async def read() -> None:
            async for _ in await self.model.astream_chat(self._messages):
                begun.set()

        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(read())
            await begun.wait()
            reading.cancel()


def _about(made: Any) -> Json:  # noqa: ANN401  # not installed where types are checked
    raw = made.raw.model_dump()
    response = raw.get("response") or raw  # of the last event of Responses
    usage = response.get("usage") or {}
    choices = response.get("choices") or [{}]
    incomplete = response.get("incomplete_details") or {}
    return {
        "finish": choices[0].get("finish_reason")
        or incomplete.get("reason")
        or response.get("status"),
        "about": response.get("banneton"),
        "tokens": usage.get("total_tokens"),
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


if __name__ == "__main__":
    answer({"llama-index-openai": _openai, "llama-index-responses": _responses})
