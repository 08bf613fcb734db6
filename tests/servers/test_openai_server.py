"""The fake provider is strict, and does to its clients what real ones do."""

import asyncio
import urllib.request
from typing import Any

import openai
import orjson
import pytest

from tests.servers.openai_server import (
    Drop,
    Play,
    chunk,
    cut,
    error_answer,
    openai_server,
    openai_server_in_thread,
    request_problems,
    text_answer,
    tool_call_answer,
    whole_answer,
)

Json = Any
ASKED: Json = [{"role": "user", "content": "Hello"}]
GOOD: Json = {"model": "m", "messages": ASKED, "stream": True}


async def test_vendor_client_reads_what_it_plays() -> None:
    """Tests would pass against answers that no vendor would send."""
    async with (
        openai_server() as server,
        openai.AsyncOpenAI(base_url=server.base_url, api_key="k", max_retries=0) as client,
    ):
        server.play(text_answer("Hi 🙂"), tool_call_answer("f", "{}"))
        streams = [
            await client.chat.completions.create(model="m", messages=ASKED, stream=True)
            for _ in range(3)
        ]
        answers = [[each async for each in stream] for stream in streams]
        server.play(whole_answer("whole"))
        whole = await client.chat.completions.create(model="m", messages=ASKED)
    texts = ["".join(c.choices[0].delta.content or "" for c in a if c.choices) for a in answers]
    assert texts == ["Hi 🙂", "", "Hello"]
    calls = [c.choices[0].delta.tool_calls for c in answers[1] if c.choices]
    assert "".join(f.arguments or "" for c in calls if c for t in c if (f := t.function)) == "{}"
    assert answers[0][-1].usage is not None
    assert whole.choices[0].message.content == "whole"
    assert server.disconnects == 0


@pytest.mark.parametrize(
    ("more", "says"),
    [
        pytest.param({"model": None}, "body.model", id="no model"),
        pytest.param({"messages": "Hi"}, "body.messages must be a list", id="messages as text"),
        pytest.param({"banneton": {}}, "body.banneton is no field", id="a field of ours"),
        pytest.param({"temperature": "hot"}, "body.temperature", id="temperature as text"),
        pytest.param({"seed": True}, "body.seed", id="a truth value for a number"),
        pytest.param({"stream": 1}, "body.stream", id="a number for a truth value"),
        pytest.param({"tool_choice": "any"}, "body.tool_choice", id="an unknown choice"),
        pytest.param(
            {"messages": [{"role": "user"}]}, "body.messages[0].content is missing", id="no content"
        ),
        pytest.param(
            {"messages": [{"role": "user", "content": "x", "origin": "client"}]},
            "body.messages[0].origin is no field",
            id="an unknown field of a message",
        ),
        pytest.param(
            {"tools": [{"type": "function", "function": {"parameters": {}}}]},
            "name is missing",
            id="a tool without a name",
        ),
    ],
)
def test_requests_that_are_refused(more: Json, says: str) -> None:
    """A backend could send what real providers refuse, and every test would pass."""
    assert request_problems(GOOD) == []
    assert says in " ".join(request_problems({**GOOD, **more}))


async def test_refused_request_gets_a_400() -> None:
    """A test would go on with an answer to a request that is wrong."""
    async with (
        openai_server() as server,
        openai.AsyncOpenAI(base_url=server.base_url, api_key="k", max_retries=0) as client,
    ):
        with pytest.raises(openai.BadRequestError):
            await client.chat.completions.create(
                model="m", messages=ASKED, extra_body={"banneton": {}}
            )
    assert server.requests[0].body["banneton"] == {}


async def test_dropped_connection_is_seen_by_the_client() -> None:
    """A test of a lost connection would test an answer that ended."""
    async with (
        openai_server() as server,
        openai.AsyncOpenAI(base_url=server.base_url, api_key="k", max_retries=0) as client,
    ):
        server.play(Play([chunk({"content": "a"}), Drop()]), error_answer(503))
        stream = await client.chat.completions.create(model="m", messages=ASKED, stream=True)
        with pytest.raises(Exception, match=r".") as caught:
            [each async for each in stream]
        assert "Protocol" in type(caught.value).__name__ or isinstance(
            caught.value, openai.APIConnectionError
        )
        with pytest.raises(openai.InternalServerError):
            await client.chat.completions.create(model="m", messages=ASKED)


def test_cut_keeps_every_byte() -> None:
    """A test of cut chunks would lose what it wants to find again."""
    assert cut(b"abcdef", [4, 0, 2, 2, 99]) == [b"ab", b"cd", b"ef"]


def test_server_in_a_thread() -> None:
    """Tests that are not async could not use it."""
    with openai_server_in_thread() as server:
        server.play(whole_answer("x"))
        request = urllib.request.Request(  # noqa: S310  # our own server on loopback
            f"{server.base_url}/chat/completions",
            data=orjson.dumps(GOOD),
            headers={"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310  # as above
            assert orjson.loads(response.read())["choices"][0]["message"]["content"] == "x"


async def test_waits_end() -> None:
    """A test that waits for what never happens would hang."""
    async with openai_server() as server:
        waiting = asyncio.ensure_future(server.wait_for_disconnects())
        await asyncio.sleep(0)
        assert not waiting.done()
        waiting.cancel()
