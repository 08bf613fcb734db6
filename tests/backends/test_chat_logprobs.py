"""Tokens laid over their text, however both are cut and whatever a provider says of them."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.backends.chat_logprobs import TokenReader
from app.domain.errors import BackendError
from app.domain.events import UNKNOWN, Token

Json = Any
TEXTS = st.text("ab é中😀", max_size=10)


def cut(whole: bytes, places: set[int]) -> list[bytes]:
    """The bytes cut at these places."""
    edges = sorted({0, len(whole), *(place for place in places if place < len(whole))})
    return [whole[start:end] for start, end in pairwise(edges)]


def told(tokens: list[bytes]) -> Json:
    """Tokens as OpenAI tells of them: a part of a letter has no text that could be read."""
    content = [
        {"token": token.decode("utf-8", "replace"), "bytes": list(token), "logprob": -1.0}
        for token in tokens
    ]
    return {"content": content, "refusal": None}


@given(TEXTS, st.sets(st.integers(1, 40)))
@example("😀", {1, 2, 3})
@settings(deadline=None, max_examples=300)
def test_tokens_are_laid_over_a_whole_text(text: str, places: set[int]) -> None:
    """A token loses its probability, or a letter of several tokens is told in parts."""
    tokens = cut(text.encode(), places)
    reader = TokenReader()
    reader.read(told(tokens))
    made = reader.tile(text)
    assert "".join(token.text for token in made) == text
    assert sum(token.logprob for token in made) == -len(tokens)


@given(TEXTS, st.sets(st.integers(1, 40)), st.data())
@settings(deadline=None, max_examples=300)
def test_tokens_come_with_a_stream_of_texts(
    text: str, places: set[int], data: st.DataObject
) -> None:
    """A part of a letter at the end of a chunk is lost, or breaks what follows."""
    tokens, at = cut(text.encode(), places), 0
    reader, made = TokenReader(), list[Token]()
    shown = ""
    while at < len(tokens):
        many = data.draw(st.integers(1, len(tokens) - at))
        reader.read(told(tokens[at : at + many]))
        at += many
        # As a provider that shows whole letters only.
        whole = b"".join(tokens[:at]).decode("utf-8", "ignore")
        more = whole[len(shown) :]
        made += reader.tile(more)
        shown += more
    assert "".join(token.text for token in made) == text == shown
    assert sum(token.logprob for token in made) == -len(tokens)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 300) | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
NEAR = st.fixed_dictionaries(
    {"logprob": st.floats(-20000, 20000) | ANYTHING},
    optional={
        "token": TEXTS | st.sampled_from(["\ufffd", "\ufffd\ufffd"]) | ANYTHING,
        "bytes": st.lists(st.integers(0, 255), max_size=3) | ANYTHING,
    },
)


@given(st.lists(st.tuples(st.lists(NEAR, max_size=3) | ANYTHING, TEXTS), max_size=6))
@settings(deadline=None, max_examples=500)
def test_whatever_is_told_the_tokens_are_the_text(said: list[tuple[Json, str]]) -> None:
    """A provider puts words into tokens that are not in the text, and nobody has looked at them."""
    reader = TokenReader()
    left = ""
    for content, text in said:
        try:
            reader.read({"content": content})
        except BackendError:
            return
        left += text
        for token in reader.tile(text):
            assert token.text
            assert left.startswith(token.text)
            assert UNKNOWN <= token.logprob <= 0
            left = left.removeprefix(token.text)
    reader.read(told([b"\xff"]))
    assert "".join(token.text for token in reader.tile("!")) == left + "!"


def test_a_provider_that_quotes_is_not_quoted() -> None:
    """What a provider wrote stands in an error, and so in a log."""
    with pytest.raises(BackendError) as caught:
        TokenReader().read({"content": [{"token": "secret", "logprob": "secret"}]})
    assert "secret" not in caught.value.message
