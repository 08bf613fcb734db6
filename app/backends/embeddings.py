"""Vectors of texts, as OpenAI's and Gemini's protocols have them.

Of an answer only numbers and a count are taken, so a field that is not read here goes nowhere.
"""

import binascii
from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import quote

from app.backends.http import Request
from app.backends.strict import broken, count_at, decoded, list_at, wrong
from app.backends.turns import encoded, refuse_foreign_passthrough
from app.domain.conversation import Conversation, Json, TextPart
from app.domain.data_use import over
from app.domain.errors import BackendError, BackendProblem, RequestError
from app.domain.events import Embedding, Finish, FinishReason, StreamEvent, Usage
from app.domain.vectors import checked, length, packed
from app.domain.wanted import Embeddings

_MOST_OF_GEMINI: Final = 100
"""Texts in one batch."""


def openai_embedding_request(
    conversation: Conversation, wanted: Embeddings, model: str, switches: Mapping[str, Json]
) -> Request:
    """A request for vectors, by OpenAI's protocol.

    The form of the numbers is left to the server: not every one knows the field that says it.

    Args:
        conversation: Holds the texts.
        wanted: What of them.
        model: The model's name.
        switches: Fields that forbid the provider uses of them.

    Raises:
        RequestError: The conversation holds what this protocol cannot carry.
    """
    refuse_foreign_passthrough(conversation, "openai_embeddings")
    body: dict[str, Json] = {"model": model, "input": texts_of(conversation)}
    if wanted.dimensions is not None:
        body["dimensions"] = wanted.dimensions
    return Request("/embeddings", encoded(over(conversation.passthrough, {**body, **switches})))


def openai_embedding_answer(
    conversation: Conversation, wanted: Embeddings, body: bytes
) -> list[StreamEvent]:
    """The events of an answer with vectors.

    Raises:
        BackendError: It is no such answer, or it reports an error.
    """
    answer = _answer(body)
    vectors: dict[int, bytes] = {}
    for item in _objects(answer, "data"):
        index = item.get("index")
        if type(index) is not int or index in vectors:
            raise wrong("data", "index", "an index of its own")
        vectors[index] = _vector(item.get("embedding"), "embedding")
    in_order = [vectors[index] for index in sorted(vectors)]
    if set(vectors) != set(range(len(in_order))):
        raise broken("data: the provider left out an index")
    events = [*_events(conversation, wanted, in_order)]
    if (told := answer.get("usage")) is not None:
        usage = _object(told, "usage")
        events.append(Usage(count_at(usage, "prompt_tokens", "usage"), 0))
    return events


def gemini_embedding_request(conversation: Conversation, wanted: Embeddings, model: str) -> Request:
    """A request for vectors, by Gemini's protocol.

    Raises:
        RequestError: The conversation holds what this protocol cannot carry.
    """
    refuse_foreign_passthrough(conversation, "gemini")
    texts = texts_of(conversation)
    if len(texts) > _MOST_OF_GEMINI:
        what = f"this persona's provider takes at most {_MOST_OF_GEMINI} texts at once"
        raise RequestError(f"input: {what}", param="input")
    shared: dict[str, Json] = {"model": f"models/{model}"}
    if wanted.dimensions is not None:
        shared["outputDimensionality"] = wanted.dimensions
    made = [{**shared, "content": {"parts": [{"text": text}]}} for text in texts]
    path = f"/models/{quote(model, safe='')}:batchEmbedContents"
    return Request(path, encoded({"requests": made}))


def gemini_embedding_answer(
    conversation: Conversation, wanted: Embeddings, body: bytes
) -> list[StreamEvent]:
    """The events of an answer with vectors.

    Raises:
        BackendError: It is no such answer, or it reports an error.
    """
    answer = _answer(body)
    vectors = [_vector(each.get("values"), "values") for each in _objects(answer, "embeddings")]
    events = [*_events(conversation, wanted, vectors)]
    if (told := answer.get("usageMetadata")) is not None:
        usage = _object(told, "usageMetadata")
        events.append(Usage(count_at(usage, "promptTokenCount", "usageMetadata"), 0))
    return events


def texts_of(conversation: Conversation) -> list[str]:
    """The texts of which vectors are wanted."""
    *earlier, said = conversation.messages
    texts = [part.text for part in said.parts if isinstance(part, TextPart)]
    if earlier or len(texts) < len(said.parts):
        raise RequestError("input: vectors are made of texts alone", param="input")
    return texts


def _answer(body: bytes) -> dict[str, Json]:
    answer = decoded(body)
    if answer.get("error"):
        raise BackendError(BackendProblem.FAILED, "the provider reports an error in its answer")
    return answer


def _objects(answer: Mapping[str, Json], name: str) -> Iterator[Mapping[str, Json]]:
    for item in list_at(answer, name, ""):
        yield _object(item, name)


def _object(value: Json, where: str) -> Mapping[str, Json]:
    if type(value) is not dict:
        raise wrong("", where, "an object")
    return value


def _vector(value: Json, name: str) -> bytes:
    """A vector as a list of numbers, or as their bytes in base64."""
    try:
        if type(value) is str:
            return checked(binascii.a2b_base64(value, strict_mode=True))
        if type(value) is list:
            return packed(value)
    except ValueError:
        pass
    raise wrong("", name, "a vector of finite numbers") from None


def _events(
    conversation: Conversation, wanted: Embeddings, vectors: Iterable[bytes]
) -> Iterator[StreamEvent]:
    made = [Embedding(index, vector) for index, vector in enumerate(vectors)]
    count = len(texts_of(conversation))
    if len(made) != count:
        raise broken(f"the provider gave {len(made)} vectors for {count} texts")
    lengths = {length(each.vector) for each in made}
    if wanted.dimensions is not None:
        lengths.add(wanted.dimensions)
    if len(lengths) != 1:
        raise broken("the provider's vectors are not all as long as they must be")
    yield from made
    yield Finish(FinishReason.STOP)
