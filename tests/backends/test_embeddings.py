"""Vectors from providers that give them, against real servers on loopback."""

import base64
from dataclasses import replace
from typing import Any

import aiohttp
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.backends.anthropic import AnthropicBackend
from app.backends.azure import AzureBackend
from app.backends.bedrock import BedrockBackend
from app.backends.embeddings import gemini_embedding_answer, openai_embedding_answer
from app.backends.gemini import GeminiBackend, VertexBackend, gemini_key
from app.backends.http import Connection
from app.backends.local import LocalBackend
from app.backends.openai import OpenAIBackend
from app.backends.scripted import Script, ScriptedBackend, ScriptRule
from app.backends.timeouts import Timeouts
from app.domain.catalog import Feature
from app.domain.conversation import Conversation, Message, Origin, Role, TextPart
from app.domain.errors import BackendError, BackendProblem, RequestError
from app.domain.events import Embedding, Finish, FinishReason, StreamEvent, Usage
from app.domain.protocols import Backend
from app.domain.vectors import numbers, packed
from app.domain.wanted import Embeddings
from tests.backends import provider, test_azure
from tests.backends.test_gemini import numbered
from tests.servers.gemini_server import gemini_server, vectors
from tests.servers.openai_server import (
    SECRET_IN_ERRORS,
    Play,
    error_answer,
    text_answer,
    vector_of,
    vectors_answer,
)

Json = Any

GOOD = [0.5, -0.25, 1.0, 0.0]


def asking(*texts: str, dimensions: int | None = None, **more: Json) -> Conversation:
    """A request for vectors, as the pipeline gives it to a backend."""
    parts = tuple(TextPart(text, f"input[{at}]") for at, text in enumerate(texts))
    said = Message(Role.USER, Origin.CLIENT, parts, path="input")
    wanted = Embeddings(dimensions)
    return Conversation("seeker", (said,), wanted=wanted, dialect="openai_embeddings", **more)


async def embedded(backend: Backend, asked: Conversation) -> list[StreamEvent]:
    """All that comes."""
    return [event async for event in backend.stream(asked, "embedder/1")]


def vectors_in(events: list[StreamEvent]) -> list[tuple[float, ...]]:
    """The numbers, in the order in which they came."""
    found = [event for event in events if isinstance(event, Embedding)]
    assert [each.index for each in found] == list(range(len(found)))
    return [numbers(each.vector) for each in found]


async def test_each_text_gets_its_own_vector() -> None:
    """A document is found under another one's words."""
    async with provider.connected() as (server, backend):
        events = await embedded(backend, asking("one", "two", "one", dimensions=3))
        assert server.requests[0].path == "/v1/embeddings"
        assert server.requests[0].body == {
            "model": "embedder/1",
            "input": ["one", "two", "one"],
            "dimensions": 3,
        }
    wanted = [tuple(vector_of(text, 3)) for text in ("one", "two", "one")]
    assert vectors_in(events) == wanted
    assert [event for event in events if isinstance(event, Usage)] == [Usage(5, 0)]
    assert [event for event in events if isinstance(event, Finish)] == [Finish(FinishReason.STOP)]


async def test_the_order_is_by_index_and_not_by_place() -> None:
    """A server that answers out of order mixes up all documents of a batch."""
    async with provider.connected() as (server, backend):
        data = [
            {"object": "embedding", "index": at, "embedding": [float(at), 1.0]} for at in (2, 0, 1)
        ]
        server.play(Play([orjson.dumps({"data": data})], content_type="application/json"))
        events = await embedded(backend, asking("a", "b", "c"))
    assert vectors_in(events) == [(0.0, 1.0), (1.0, 1.0), (2.0, 1.0)]
    assert not [event for event in events if isinstance(event, Usage)]


async def test_base64_is_read_as_numbers_are() -> None:
    """A server that answers in base64 whatever was asked cannot be used."""
    async with provider.connected() as (server, backend):
        server.play(vectors_answer(base64.b64encode(packed(GOOD)).decode(), GOOD))
        events = await embedded(backend, asking("a", "b"))
    assert vectors_in(events) == [tuple(GOOD), tuple(GOOD)]


NOT_VECTORS: dict[str, Json] = {
    "words": ["0.1", "0.2"],
    "null": None,
    "nothing": [],
    "a number": 0.5,
    "null in it": [0.5, None, 1.0, 0.0],
    "a list in it": [[0.5], 1.0],
    "too large for four bytes": [1e39, 0.0, 0.0, 0.0],
    "another length": [0.5, 0.5],
    "base64 of nothing": "",
    "base64 of half a number": base64.b64encode(b"abc").decode(),
    "base64 that is none": "****",
    "base64 with words behind it": base64.b64encode(packed(GOOD)).decode() + " and more",
    "base64 of infinity": base64.b64encode(bytes.fromhex("0000807f") * 4).decode(),
    "base64 of no number": base64.b64encode(bytes.fromhex("0000c07f") * 4).decode(),
    "letters of another script": "ÄÖÜ",
}


@pytest.mark.parametrize("vector", NOT_VECTORS.values(), ids=NOT_VECTORS)
async def test_what_is_no_vector_is_refused(vector: Json) -> None:
    """An index is filled with what no distance can be taken of."""
    async with provider.connected() as (server, backend):
        server.play(vectors_answer(GOOD, vector))
        with pytest.raises(BackendError) as failed:
            await embedded(backend, asking("a", "b"))
    assert failed.value.problem is BackendProblem.BROKEN


def item(index: Json, **more: Json) -> Json:
    """One entry of an answer."""
    return {"object": "embedding", "index": index, "embedding": GOOD, **more}


@pytest.mark.parametrize(
    "data",
    [
        pytest.param([item(0)], id="one too few"),
        pytest.param([item(0), item(1), item(2)], id="one too many"),
        pytest.param([item(0), item(0)], id="an index twice"),
        pytest.param([item(0), item(2)], id="an index left out"),
        pytest.param([item(0), item(None)], id="no index"),
        pytest.param([item(0), {**item(1), "index": True}], id="an index that is no number"),
        pytest.param([item(0), item(-1)], id="an index below zero"),
        pytest.param([item(0), "vector"], id="no object"),
        pytest.param({"0": item(0)}, id="no list"),
        pytest.param(None, id="nothing"),
    ],
)
async def test_counts_and_places_must_fit(data: Json) -> None:
    """A text is stored under the vector of another one."""
    async with provider.connected() as (server, backend):
        server.play(Play([orjson.dumps({"data": data})], content_type="application/json"))
        with pytest.raises(BackendError) as failed:
            await embedded(backend, asking("a", "b"))
    assert failed.value.problem is BackendProblem.BROKEN


async def test_the_dimensions_asked_for_must_come() -> None:
    """An index of 256 numbers gets vectors of 1,536."""
    async with provider.connected() as (server, backend):
        server.play(vectors_answer(GOOD))
        with pytest.raises(BackendError, match="as long"):
            await embedded(backend, asking("a", dimensions=3))


@pytest.mark.parametrize(
    ("play", "problem"),
    [
        (error_answer(429), BackendProblem.RATE_LIMITED),
        (error_answer(400), BackendProblem.REJECTED),
        (text_answer("Hello"), BackendProblem.BROKEN),
        (
            Play(
                [orjson.dumps({"error": {"message": SECRET_IN_ERRORS}})],
                content_type="application/json",
            ),
            BackendProblem.FAILED,
        ),
    ],
    ids=["limited", "rejected", "a stream of text", "an error that says 200"],
)
async def test_failures_are_told_apart(play: Play, problem: BackendProblem) -> None:
    """The gateway asks again where that is of no use, or quotes what a provider said."""
    async with provider.connected() as (server, backend):
        server.play(play)
        failed = await provider.failure_of(backend, asking("a"))
    assert failed.problem is problem


@pytest.mark.parametrize(
    ("version", "path"),
    [
        (None, "/openai/v1/embeddings"),
        ("2024-10-21", "/openai/deployments/embedder%2F1/embeddings?api-version=2024-10-21"),
    ],
)
async def test_azure_gives_them_at_its_own_addresses(version: str | None, path: str) -> None:
    """A deployment on Azure cannot be found."""
    async with test_azure.connected(api_version=version) as (server, backend):
        events = await embedded(backend, asking("one"))
        assert server.requests[0].raw_path == path
    assert vectors_in(events) == [tuple(vector_of("one"))]


async def test_gemini_gives_them_in_one_batch() -> None:
    """A persona whose route leads to Gemini has no search."""
    async with (
        gemini_server() as server,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
    ):
        to = Connection(session, server.base_url, gemini_key("key"), Timeouts())
        backend = GeminiBackend(to, numbered())
        server.play(vectors(GOOD, GOOD[::-1], usageMetadata={"promptTokenCount": 4}), vectors(GOOD))
        asked = asking("one", "two", dimensions=4)
        events = [event async for event in backend.stream(asked, "gemini-embedding-001")]
        assert server.requests[0].path == "/v1beta/models/gemini-embedding-001:batchEmbedContents"
        assert server.requests[0].body["requests"][1] == {
            "model": "models/gemini-embedding-001",
            "content": {"parts": [{"text": "two"}]},
            "outputDimensionality": 4,
        }
        assert vectors_in(events) == [tuple(GOOD), tuple(GOOD[::-1])]
        assert Usage(4, 0) in events
        failed = await provider.failure_of(backend, asking("one", "two"))
        assert failed.problem is BackendProblem.BROKEN
        with pytest.raises(RequestError, match="at most 100 texts") as refused:
            await embedded(backend, asking(*["a"] * 101))
        assert refused.value.param == "input"
        assert len(server.requests) == 2


def test_who_gives_vectors_and_who_does_not() -> None:
    """A model that only talks is asked for vectors, or one that gives them is never asked."""
    for kind in (OpenAIBackend, AzureBackend, GeminiBackend, ScriptedBackend):
        assert Feature.EMBEDDINGS in kind.gives
    for none in (AnthropicBackend, BedrockBackend, VertexBackend, LocalBackend):
        assert Feature.EMBEDDINGS not in none.gives


async def test_a_script_gives_vectors_by_the_words_of_a_text() -> None:
    """A search cannot be tried, or tested in CI, without a provider."""
    backend = ScriptedBackend(Script(rules=(ScriptRule(text="no"),)))
    bread = asking(
        "Rye bread rises slowly", "rye BREAD, rises slowly!", "Bread of rye", "Tides", "…"
    )
    made = vectors_in(await embedded(backend, bread))
    assert made == vectors_in(await embedded(backend, bread))
    near = [sum(a * b for a, b in zip(made[0], each, strict=True)) for each in made]
    assert near[0] == near[1] == pytest.approx(1, abs=1e-5)
    assert 1 > near[2] > near[3]
    short = vectors_in(await embedded(backend, asking("one", dimensions=1)))
    assert [abs(each) for (each,) in short] == [1.0]


async def test_unknown_fields_pass_only_to_their_own_protocol() -> None:
    """A field of one wire format means something else in another, or is lost in silence."""
    asked = asking("one", passthrough={"input_type": "query"})
    async with provider.connected() as (server, backend):
        with pytest.raises(BackendError):
            await embedded(backend, asked)  # the vendor's own types do not have it
        assert server.requests[0].body["input_type"] == "query"
        with pytest.raises(RequestError, match="not of the wire format"):
            await embedded(backend, replace(asked, dialect="openai_chat"))


ANYTHING: st.SearchStrategy[Json] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**63),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=8),
        st.binary(max_size=12).map(lambda data: base64.b64encode(data).decode()),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
ITEMS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "index": st.one_of(st.integers(-1, 3), ANYTHING),
            "embedding": st.one_of(st.lists(st.floats(-1, 1), max_size=3), ANYTHING),
            "values": st.one_of(st.lists(st.floats(-1, 1), max_size=3), ANYTHING),
        },
    ),
    max_size=4,
)
ANSWERS = st.one_of(
    ANYTHING,
    st.fixed_dictionaries(
        {},
        optional={
            "data": st.one_of(ITEMS, ANYTHING),
            "embeddings": st.one_of(ITEMS, ANYTHING),
            "usage": st.one_of(st.fixed_dictionaries({"prompt_tokens": ANYTHING}), ANYTHING),
            "usageMetadata": ANYTHING,
            "error": ANYTHING,
        },
    ),
)


@pytest.mark.parametrize("read", [openai_embedding_answer, gemini_embedding_answer])
@given(answer=ANSWERS, count=st.integers(1, 3), raw=st.binary(max_size=30))
@settings(deadline=None, max_examples=300)
def test_any_answer_is_vectors_or_an_error(
    read: Any,  # noqa: ANN401  # one of two functions
    answer: Json,
    count: int,
    raw: bytes,
) -> None:
    """Some answer of a provider ends the request in an error that nobody can name."""
    asked = asking(*["a"] * count)
    for body in (orjson.dumps(answer, option=orjson.OPT_NON_STR_KEYS), raw):
        try:
            events = read(asked, asked.wanted, body)
        except BackendError:
            continue
        assert len(vectors_in(events)) == count
