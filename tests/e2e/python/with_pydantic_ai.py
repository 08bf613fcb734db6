"""Pydantic AI's agents, as their documentation shows them."""

from dataclasses import dataclass
from typing import Any

from anthropic import AsyncAnthropic
from openai import AsyncOpenAI
from pydantic_ai import Agent, ModelSettings
from pydantic_ai.messages import ModelResponse
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider
from typing_extensions import override

from tests.e2e.python.answering import LOOKED, Asker, Given, Reading, answer

Json = Any


@dataclass
class PydanticAI(Asker):
    """An agent of Pydantic AI."""

    model: Model
    given: Given

    @property
    def settings(self) -> ModelSettings:
        """What the caller sets for all requests."""
        return ModelSettings(extra_body=self.given.wishes, max_tokens=100)

    @override
    async def ask(self) -> Json:
        made = await Agent(self.model, model_settings=self.settings).run(self.given.text)
        return {"text": made.output, **_about(made.response)}

    @override
    async def stream(self) -> Json:
        agent = Agent(self.model, model_settings=self.settings)
        async with agent.run_stream(self.given.text) as made:
            pieces = [piece async for piece in made.stream_text(delta=True, debounce_by=None)]
            return {"text": await made.get_output(), **_about(made.response), "pieces": pieces}

    @override
    async def tools(self) -> Json:
        calls = []

        def look(at: str) -> str:
            """Look it up."""
            calls.append({"at": at})
            return LOOKED

        agent = Agent(self.model, tools=[look], model_settings=self.settings)
        return {"text": (await agent.run(self.given.text)).output, "calls": calls}

    @override
    async def structured(self) -> Json:
        agent = Agent(self.model, output_type=Reading, model_settings=self.settings)
        return {"parsed": (await agent.run(self.given.text)).output.model_dump()}

    @override
    async def leave(self) -> None:
        agent = Agent(self.model, model_settings=self.settings)
        async with agent.run_stream(self.given.text) as made:
            async for _ in made.stream_text(delta=True, debounce_by=None):
                break


def _about(made: ModelResponse) -> Json:
    details = made.provider_details or {}
    return {
        "finish": made.finish_reason,
        "about": details.get("banneton"),
        "tokens": made.usage.total_tokens,
    }


def _openai(given: Given) -> PydanticAI:
    client = AsyncOpenAI(base_url=f"{given.url}/v1", api_key=given.key, max_retries=given.retries)
    return PydanticAI(
        OpenAIChatModel(given.model, provider=OpenAIProvider(openai_client=client)), given
    )


def _anthropic(given: Given) -> PydanticAI:
    client = AsyncAnthropic(base_url=given.url, api_key=given.key, max_retries=given.retries)
    return PydanticAI(
        AnthropicModel(given.model, provider=AnthropicProvider(anthropic_client=client)), given
    )


if __name__ == "__main__":
    answer({"pydantic-ai-openai": _openai, "pydantic-ai-anthropic": _anthropic})
