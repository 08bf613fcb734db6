"""Embeddings through the whole gateway with the official client."""

import base64
import re
import struct
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types import CreateEmbeddingResponse

from app.api.openai_embeddings_fields import ANSWER
from app.api.shapes import admit
from tests.e2e.asking import wishes
from tests.e2e.gateway import Gateway
from tests.e2e.provider import Provider
from tests.servers.openai_server import (
    SECRET_IN_ERRORS,
    Play,
    error_answer,
    text_answer,
    vector_of,
    vectors_answer,
)

Json = Any
MAIL = "anna.keller@example.org"


def embed(client: OpenAI, texts: Json, **more: Json) -> CreateEmbeddingResponse:
    """Vectors of texts."""
    return client.embeddings.create(**{"model": "seeker", "input": texts, **more})


def vectors(answer: CreateEmbeddingResponse) -> list[list[float]]:
    """The numbers in order."""
    assert [one.index for one in answer.data] == list(range(len(answer.data)))
    return [one.embedding for one in answer.data]


def test_vectors_come_as_the_client_knows_them(
    served: Gateway, client: OpenAI, provider: Provider
) -> None:
    """A search that swapped base_url and key would find nothing, or other documents."""
    raw = client.embeddings.with_raw_response.create(model="seeker", input=["one", "two"])
    answer = raw.parse()
    assert [list(one) for one in vectors(answer)] == [vector_of("one"), vector_of("two")]
    assert (answer.object, answer.model) == ("list", "seeker")
    assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (5, 5)
    assert provider.requests[0].path == "/v1/embeddings"
    assert provider.body == {"model": "served-embedder", "input": ["one", "two"]}
    summary = (answer.model_extra or {})["banneton"]
    assert summary["outcome"] == "allow"
    record = served.record(raw.headers["x-request-id"])
    assert (record["status"], record["outcome"]) == ("completed", "allow")
    opening = record["opening"]
    assert (opening["dialect"], opening["route"]) == ("openai_embeddings", "vectors")
    assert (opening["prompt"], opening["model"]) == ("", "served-embedder")


def test_both_forms_hold_the_same_numbers(served: Gateway, provider: Provider) -> None:
    """The client's own default, base64, gives other vectors than a list of numbers."""
    made: dict[str, Json] = {}
    for form in ("float", "base64"):
        body = {"model": "seeker", "input": "one", "encoding_format": form, "dimensions": 6}
        answer = served.post("/v1/embeddings", body).json()
        admit(ANSWER, answer)
        made[form] = answer["data"][0]["embedding"]
    assert list(struct.unpack("<6f", base64.b64decode(made["base64"]))) == made["float"]
    assert made["float"] == vector_of("one", 6)
    assert provider.body["dimensions"] == 6


def test_a_provider_that_counts_nothing(served: Gateway, provider: Provider) -> None:
    """What nobody counted is billed as nothing."""
    provider.play(vectors_answer([0.5], tokens=None))
    answer = served.post("/v1/embeddings", {"model": "seeker", "input": "one"}).json()
    assert answer["usage"] is None


def test_personal_data_is_embedded_as_its_pseudonym(client: OpenAI, provider: Provider) -> None:
    """A provider's index knows an address, or the same one under two names in one session."""
    index = wishes(session="the-index")
    first = embed(client, [f"Write to {MAIL}", f"Write to {MAIL}"], extra_body=index)
    sent = provider.body["input"]
    assert re.fullmatch(r"Write to EMAIL_ADDRESS_[0-9A-Z]{10}", sent[0])
    assert (first.model_extra or {})["banneton"]["outcome"] == "pseudonymize"
    again = embed(client, f"Write to {MAIL}", extra_body=index)
    assert provider.body["input"] == [sent[0]]
    assert vectors(first)[0] == vectors(first)[1] == vectors(again)[0]
    embed(client, f"Write to {MAIL}", extra_body=wishes(session="another"))
    assert provider.body["input"] != [sent[0]]


@pytest.mark.parametrize(
    ("text", "key", "outcome"),
    [("please ask-banned", "t", "block"), ("needs-person", "t", "escalate")],
)
def test_what_policy_stops_is_an_error(
    served: Gateway, provider: Provider, text: str, key: str, outcome: str
) -> None:
    """A banned text is embedded, the error quotes it, or nothing is kept of it."""
    with served.client(key) as client, pytest.raises(openai.BadRequestError) as caught:
        embed(client, ["fine", text])
    assert caught.value.code == "content_filter"
    assert outcome in str(caught.value.message)
    answer = caught.value.response
    assert text not in answer.text
    assert answer.json()["banneton"]["outcome"] == outcome
    assert answer.headers["x-should-retry"] == "false"
    assert provider.requests == []
    record = served.record(answer.headers["x-request-id"])
    assert (record["status"], record["outcome"]) == ("completed", outcome)


@pytest.mark.parametrize(
    ("changes", "status", "param"),
    [
        ({"input": ""}, 400, "input"),
        ({"input": []}, 400, "input"),
        ({"input": ["one", ""]}, 400, "input[1]"),
        ({"input": ["a"] * 2049}, 400, "input"),
        ({"input": [1, 2, 3]}, 400, "input[0]"),
        ({"input": [[1, 2], [3]]}, 400, "input[0]"),
        ({"input": ["one", [3]]}, 400, "input[1]"),
        ({"input": {"text": "one"}}, 400, "input"),
        ({"input": 7}, 400, "input"),
        ({"input": "word " * 90_000}, 400, "input"),
        ({"dimensions": 0}, 400, "dimensions"),
        ({"encoding_format": "int8"}, 400, "encoding_format"),
        ({"extra_body": {"task": "query"}}, 400, "task"),
        ({"extra_body": wishes(variables={"customer": "Ann"})}, 400, "banneton.variables"),
        ({"model": "nobody"}, 404, "model"),
        ({"model": "lexi"}, 400, "model"),
    ],
)
def test_what_is_refused_names_the_field(
    served: Gateway, provider: Provider, changes: Json, status: int, param: str
) -> None:
    """A developer would not know which field to take away, or a provider would get it."""
    body = {"model": "seeker", "input": "one", **changes}
    body |= body.pop("extra_body", {})
    answer = served.post("/v1/embeddings", body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (status, param)
    assert provider.requests == []


def test_refusals_say_what_to_do(client: OpenAI) -> None:
    """Somebody has to read the source to learn why token numbers or a persona do not work."""
    with pytest.raises(openai.BadRequestError, match="send the text itself"):
        embed(client, [[1, 2]])
    with pytest.raises(openai.BadRequestError, match=r"embeddings: \{route: \.\.\.\}"):
        embed(client, "one", model="lexi")


@pytest.mark.parametrize(
    ("play", "error", "status"),
    [
        (error_answer(429, headers={"retry-after": "7"}), openai.RateLimitError, 429),
        (error_answer(500), openai.InternalServerError, 502),
        (error_answer(400), openai.BadRequestError, 400),
        (text_answer("Hello"), openai.InternalServerError, 502),
        (vectors_answer([0.5], [0.5]), openai.InternalServerError, 502),
    ],
    ids=["limited", "failed", "rejected", "words", "too-many"],
)
def test_the_providers_failures(  # one row of a table
    served: Gateway,
    client: OpenAI,
    provider: Provider,
    play: Play,
    error: type[openai.APIStatusError],
    status: int,
) -> None:
    """A client would take one failure for another, or an index be filled with nonsense."""
    provider.play(play)
    with pytest.raises(error) as caught:
        embed(client, "one")
    assert caught.value.status_code == status
    assert SECRET_IN_ERRORS not in caught.value.response.text
    record = served.newest()
    assert record["status"] == "failed"
    assert record["closing"]["error"]


def test_keys(served: Gateway, provider: Provider) -> None:
    """A key for one persona reaches the embeddings of another."""
    with served.client("lexi-only") as client, pytest.raises(openai.PermissionDeniedError):
        embed(client, "one")
    assert served.post("/v1/embeddings", {}, key=None).status_code == 401
    assert provider.requests == []
