"""Pictures in answers: how each provider sends them, and how each client gets them."""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from tests.e2e.gateway import Gateway
from tests.servers import bedrock_server, gemini_server, openai_server, responses_server
from tests.servers.azure_server import filtered
from tests.servers.bedrock_server import text_block
from tests.servers.images import PIXEL
from tests.servers.openai_server import DONE, Play, chunk, usage_chunk

Json = Any
URL = f"data:image/png;base64,{PIXEL}"
"""What the provider draws."""
_IMAGES = [{"type": "image_url", "image_url": {"url": URL}}]


def _openai(*, is_stream: bool) -> Play:
    if is_stream:
        deltas = [chunk({"content": "Here:"}), chunk({"images": _IMAGES})]
        return Play([*deltas, chunk(finish="stop"), usage_chunk(), DONE])
    (step,) = openai_server.whole_answer("Here:").steps
    assert isinstance(step, bytes)
    answer = orjson.loads(step)
    answer["choices"][0]["message"]["images"] = _IMAGES
    return Play([orjson.dumps(answer)], content_type="application/json")


def _azure(*, is_stream: bool) -> Play:
    return filtered(_openai(is_stream=is_stream))


def _gemini(*, is_stream: bool) -> Play:
    play = gemini_server.streamed if is_stream else gemini_server.whole
    return play([{"text": "Here:"}, {"inlineData": {"mimeType": "image/png", "data": PIXEL}}])


def _bedrock(*, is_stream: bool) -> Play:
    play = bedrock_server.streamed if is_stream else bedrock_server.whole
    return play([text_block("Here:"), {"image": {"format": "png", "source": {"bytes": PIXEL}}}])


def _responses(*, is_stream: bool) -> Play:
    play = responses_server.streamed if is_stream else responses_server.whole
    return play([responses_server.text_item("Here:"), responses_server.picture_item(PIXEL)])


DRAWS: Mapping[str, Callable[..., Play]] = {
    "openai": _openai,
    "azure": _azure,
    "gemini": _gemini,
    "bedrock": _bedrock,
    "responses": _responses,
}
"""How a provider sends a picture after a word, by its protocol; others cannot."""
CAN_BE_ASKED = {
    "openai": "modalities",
    "gemini": "responsemodalities",
    "responses": "image_generation",
}
"""The protocols that have a word for wanting pictures; of OpenAI's, servers that extend it."""


def chat(at: Gateway, persona: str, *, streams: bool, asks: bool) -> tuple[str, list[str]]:
    """Text and pictures, as data URLs, by Chat Completions."""
    more: Json = {"extra_body": {"modalities": ["text", "image"]}} if asks else {}
    messages: Json = [{"role": "user", "content": "Draw it."}]
    said: list[Json]
    with at.client() as client:
        if not streams:
            whole = client.chat.completions.create(model=persona, messages=messages, **more)
            said = [whole.choices[0].message]
        else:
            stream = client.chat.completions.create(
                model=persona, messages=messages, stream=True, **more
            )
            said = [one.choices[0].delta for one in stream if one.choices]
    extras = [one.model_extra or {} for one in said]
    images = [image for extra in extras for image in extra.get("images", ())]
    return "".join(one.content or "" for one in said), [one["image_url"]["url"] for one in images]


def responses(at: Gateway, persona: str, *, streams: bool, asks: bool) -> tuple[str, list[str]]:
    """The same by Responses."""
    more: Json = {"tools": [{"type": "image_generation"}]} if asks else {}
    with at.client() as client:
        if not streams:
            made = client.responses.create(model=persona, input="Draw it.", **more)
        else:
            with client.responses.stream(model=persona, input="Draw it.", **more) as stream:
                *_, last = stream
            assert last.type == "response.completed"
            made = last.response
    drawn = [item for item in made.output if item.type == "image_generation_call"]
    urls = [f"data:image/{item.output_format};base64,{item.result}" for item in drawn]
    return made.output_text, urls


DRAWN_FOR = {"chat": chat, "responses": responses}
"""By dialect; Anthropic's has no pictures in answers."""
