"""LangChain's chat models, as their documentation shows them."""

import asyncio
from dataclasses import dataclass
from typing import Any

from langchain_anthropic import ChatAnthropic
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import SecretStr
from typing_extensions import override

from tests.e2e.python.answering import LOOKED, Asker, Given, Reading, answer

Json = Any


@tool
def look(at: str) -> str:
    """Look it up."""
    return f"{LOOKED} in the {at}"


@dataclass
class LangChain(Asker):
    """A chat model of LangChain."""

    model: BaseChatModel
    text: str

    @override
    async def ask(self) -> Json:
        return _told(await self.model.ainvoke(self.text))

    @override
    async def stream(self) -> Json:
        whole: AIMessageChunk | None = None
        pieces = []
        async for chunk in self.model.astream(self.text):
            pieces.append(chunk.text)
            whole = chunk if whole is None else whole + chunk
        if whole is None:
            raise RuntimeError("nothing came")
        return {**_told(whole), "pieces": [piece for piece in pieces if piece]}

    @override
    async def tools(self) -> Json:
        model = self.model.bind_tools([look])
        messages: list[BaseMessage] = [HumanMessage(self.text)]
        called = await model.ainvoke(messages)
        results = [await look.ainvoke(call) for call in called.tool_calls]
        made = await model.ainvoke([*messages, called, *results])
        return {"text": made.text, "calls": [call["args"] for call in called.tool_calls]}

    @override
    async def structured(self) -> Json:
        made = await self.model.with_structured_output(Reading).ainvoke(self.text)
        return {"parsed": made.model_dump() if isinstance(made, Reading) else made}

    @override
    async def leave(self) -> None:
        begun = asyncio.Event()

        async def read() -> None:
            async for _ in self.model.astream(self.text):
                begun.set()

        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(read())
            await begun.wait()
            reading.cancel()


def _told(made: AIMessage) -> Json:
    about = made.response_metadata
    return {
        "text": made.text,
        "finish": about.get("finish_reason") or about.get("stop_reason"),
        "about": about.get("banneton"),
        "tokens": made.usage_metadata["total_tokens"] if made.usage_metadata else None,
    }


def _openai(given: Given) -> LangChain:
    model = ChatOpenAI(
        base_url=f"{given.url}/v1",
        api_key=SecretStr(given.key),
        model=given.model,
        max_retries=given.retries,
        extra_body=given.wishes,
        stream_usage=True,
    )
    return LangChain(model, given.text)


def _anthropic(given: Given) -> LangChain:
    model = ChatAnthropic(
        base_url=given.url,
        api_key=SecretStr(given.key),
        model=given.model,
        max_retries=given.retries,
        model_kwargs={"extra_body": given.wishes},
    )
    return LangChain(model, given.text)


if __name__ == "__main__":
    answer({"langchain-openai": _openai, "langchain-anthropic": _anthropic})
