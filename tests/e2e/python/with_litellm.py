"""LiteLLM as a client, as its documentation shows it."""

import json
from dataclasses import dataclass
from typing import Any

import litellm
from typing_extensions import override

from tests.e2e.python.answering import LOOKED, Asker, Given, Reading, answer

Json = Any
litellm.suppress_debug_info = True  # it prints advice on standard output
# For a name that it does not know it asks for a whole response, and plays it as a stream.
litellm.register_model(
    {
        "openai/lexi": {
            "litellm_provider": "openai",
            "mode": "chat",
            "supports_native_streaming": True,
        }
    }
)
_LOOK = {
    "name": "look",
    "description": "Look it up.",
    "parameters": {"type": "object", "properties": {"at": {"type": "string"}}},
}


@dataclass
class LiteLLM(Asker):
    """``litellm.acompletion``."""

    provider: str
    base_url: str
    given: Given
    retries: str
    """What they are called where they help: OpenAI's client has its own."""

    async def _made(self, *more: Json, **options: Json) -> Any:  # noqa: ANN401  # not installed where types are checked
        return await litellm.acompletion(
            model=f"{self.provider}/{self.given.model}",
            api_base=self.base_url,
            api_key=self.given.key,
            messages=[{"role": "user", "content": self.given.text}, *more],
            **{self.retries: self.given.retries},
            **self.given.wishes,
            **options,
        )

    @override
    async def ask(self) -> Json:
        return _told(await self._made())

    @override
    async def stream(self) -> Json:
        stream = await self._made(stream=True, stream_options={"include_usage": True})
        chunks = [chunk async for chunk in stream]
        pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]
        made = _told(litellm.stream_chunk_builder(chunks))
        return {**made, "pieces": [piece for piece in pieces if piece]}

    @override
    async def tools(self) -> Json:
        called = (
            (await self._made(tools=[{"type": "function", "function": _LOOK}])).choices[0].message
        )
        results = [
            {"role": "tool", "tool_call_id": call.id, "content": LOOKED}
            for call in called.tool_calls
        ]
        made = await self._made(
            called.model_dump(), *results, tools=[{"type": "function", "function": _LOOK}]
        )
        calls = [json.loads(call.function.arguments) for call in called.tool_calls]
        return {"text": made.choices[0].message.content, "calls": calls}

    @override
    async def structured(self) -> Json:
        made = await self._made(response_format=Reading)
        return {"parsed": Reading.model_validate_json(made.choices[0].message.content).model_dump()}

    @override
    async def leave(self) -> None:
        stream = await self._made(stream=True)
        async for _ in stream:
            break
        await stream.aclose()


def _told(made: Any) -> Json:  # noqa: ANN401  # as above
    return {
        "text": made.choices[0].message.content,
        "finish": made.choices[0].finish_reason,
        "about": made.model_dump().get("banneton"),
        "tokens": made.usage.total_tokens,
    }


@dataclass
class LiteLLMResponses(Asker):
    """``litellm.aresponses``."""

    given: Given

    async def _made(self, *more: Json, **options: Json) -> Any:  # noqa: ANN401  # as above
        return await litellm.aresponses(
            model=f"openai/{self.given.model}",
            api_base=f"{self.given.url}/v1",
            api_key=self.given.key,
            input=[{"role": "user", "content": self.given.text}, *more],
            num_retries=self.given.retries,
            extra_body=self.given.wishes,
            **options,
        )

    @override
    async def ask(self) -> Json:
        return _responded(await self._made())

    @override
    async def stream(self) -> Json:
        pieces = []
        last: Any = None
        async for event in await self._made(stream=True):
            if event.type == "response.output_text.delta":
                pieces.append(event.delta)
            last = event
        return {**_responded(last.response), "pieces": pieces}

    @override
    async def tools(self) -> Json:
        tool = {"type": "function", **_LOOK}
        called = [
            item for item in (await self._made(tools=[tool])).output if item.type == "function_call"
        ]
        results = [
            {"type": "function_call_output", "call_id": call.call_id, "output": LOOKED}
            for call in called
        ]
        said = [call.model_dump(exclude_none=True) for call in called]
        made = await self._made(*said, *results, tools=[tool])
        calls = [json.loads(call.arguments) for call in called]
        return {"text": _responded(made)["text"], "calls": calls}

    @override
    async def structured(self) -> Json:
        made = await self._made(text_format=Reading)
        return {"parsed": Reading.model_validate_json(_responded(made)["text"]).model_dump()}

    @override
    async def leave(self) -> None:
        stream = await self._made(stream=True)
        async for event in stream:
            if event.type == "response.output_text.delta":
                break
        await stream.aclose()


def _responded(made: Any) -> Json:  # noqa: ANN401  # as above
    said = [part.text for item in made.output if item.type == "message" for part in item.content]
    reason = made.incomplete_details
    return {
        "text": "".join(said),
        "finish": made.status if reason is None else reason.reason,
        "about": made.model_dump(warnings=False).get("banneton"),
        "tokens": made.usage.total_tokens if made.usage else None,
    }


def _openai(given: Given) -> LiteLLM:
    return LiteLLM("openai", f"{given.url}/v1", given, "max_retries")


def _anthropic(given: Given) -> LiteLLM:
    return LiteLLM("anthropic", given.url, given, "num_retries")


if __name__ == "__main__":
    answer(
        {
            "litellm-openai": _openai,
            "litellm-anthropic": _anthropic,
            "litellm-responses": LiteLLMResponses,
        }
    )
