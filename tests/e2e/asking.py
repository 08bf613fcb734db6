"""Asking through the official client, and what its answers hold."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from openai import OpenAI
from openai.types.chat import ChatCompletion, ChatCompletionChunk

Json = Any


def ask(client: OpenAI, *texts: str, model: str = "lexi", **more: Json) -> ChatCompletion:
    """One answer; texts are turns of user and assistant."""
    answer: ChatCompletion = client.chat.completions.create(
        model=model, **{"messages": turns(*texts), **more}
    )
    return answer


def turns(*texts: str) -> list[Json]:
    """Turns of user and assistant, the user's first."""
    roles = ("user", "assistant")
    return [{"role": roles[at % 2], "content": text} for at, text in enumerate(texts)]


def text_of(answer: ChatCompletion) -> str:
    """What it says."""
    return answer.choices[0].message.content or ""


def about(answer: ChatCompletion | ChatCompletionChunk) -> Json:
    """The ``banneton`` key."""
    return (answer.model_extra or {})["banneton"]


def wishes(**settings: Json) -> Json:
    """Persona settings, where every SDK can put them."""
    return {"banneton": settings}


@dataclass
class Streamed:
    """A stream, read to its end."""

    chunks: list[ChatCompletionChunk] = field(default_factory=list)

    @property
    def text(self) -> str:
        """What it said."""
        return "".join(
            choice.delta.content or "" for chunk in self.chunks for choice in chunk.choices
        )

    @property
    def finish(self) -> str | None:
        """Why it ended."""
        reasons = [choice.finish_reason for chunk in self.chunks for choice in chunk.choices]
        return next((reason for reason in reversed(reasons) if reason), None)

    @property
    def about(self) -> Json:
        """The ``banneton`` key of the last event."""
        return about(self.chunks[-1])

    def calls(self) -> Sequence[tuple[str, str, str]]:
        """Id, name and arguments of each tool call."""
        made: dict[int, list[str]] = {}
        for chunk in self.chunks:
            for choice in chunk.choices:
                for call in choice.delta.tool_calls or ():
                    one = made.setdefault(call.index, ["", "", ""])
                    one[0] += call.id or ""
                    if call.function is not None:
                        one[1] += call.function.name or ""
                        one[2] += call.function.arguments or ""
        return [(one[0], one[1], one[2]) for _, one in sorted(made.items())]


def stream(client: OpenAI, *texts: str, model: str = "lexi", **more: Json) -> Streamed:
    """A stream, read to its end."""
    chunks: Iterable[ChatCompletionChunk] = client.chat.completions.create(
        model=model, stream=True, **{"messages": turns(*texts), **more}
    )
    return Streamed(list(chunks))


def either(
    client: OpenAI, *texts: str, streams: bool, **more: Json
) -> tuple[str, str | None, Json]:
    """Text, finish reason and the ``banneton`` key, whichever way the answer comes."""
    if streams:
        made = stream(client, *texts, **more)
        return made.text, made.finish, made.about
    answer = ask(client, *texts, **more)
    return text_of(answer), answer.choices[0].finish_reason, about(answer)
