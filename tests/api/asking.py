"""Asking as the vendor's own client asks, with every answer held against the coverage table."""

from collections.abc import Iterator
from typing import Any

from openai import OpenAI
from openai.types.chat import ChatCompletion, ChatCompletionChunk, ChatCompletionMessageParam

from app.api.openai_chat_fields import ANSWER, CHUNK
from app.api.shapes import admit

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello?"}]


def ask(client: OpenAI, **more: Any) -> ChatCompletion:  # noqa: ANN401  # as the SDK takes them
    """One answer."""
    answer: ChatCompletion = client.chat.completions.create(model="tutor", messages=HELLO, **more)
    admit(ANSWER, answer.model_dump(mode="json", exclude_unset=True))
    return answer


def ask_stream(client: OpenAI, **more: Any) -> Iterator[ChatCompletionChunk]:  # noqa: ANN401  # as the SDK takes them
    """A stream of chunks, each checked against the coverage table."""
    stream = client.chat.completions.create(model="tutor", messages=HELLO, stream=True, **more)
    for chunk in stream:
        admit(CHUNK, chunk.model_dump(mode="json", exclude_unset=True))
        yield chunk
