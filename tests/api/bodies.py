"""Bodies made from the coverage table itself, so that a field added to it is tested at once."""

from collections.abc import Iterator

import orjson
from hypothesis import strategies as st

from app.api.compound import Either, Items, Kinds, Object, TextOr
from app.api.media_fields import Bytes, DataUrl, Link, LinkOrData
from app.api.openai_images_fields import Shown
from app.api.shapes import (
    Flag,
    FreeJson,
    Id,
    Number,
    Only,
    Opaque,
    Refused,
    Shape,
    Text,
    Variables,
    Word,
)
from app.domain.conversation import Json

OPAQUE_MARK = "opaque-"

PICTURE = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E"
    "rkJggg=="
)
DOCUMENT = "JVBERi0xLjcKJeLjz9MK"
"""The first bytes of a PDF."""
_DATA = st.sampled_from(
    [f"data:image/png;base64,{PICTURE}", f"data:application/pdf;base64,{DOCUMENT}"]
)
_LINKS = st.sampled_from(["https://images.example.org/a.png", "https://example.com/b.pdf?c=d"])
_NAMES = st.text("abXY09_", min_size=1, max_size=6)
_SCALARS = st.one_of(st.text(max_size=8), st.integers(-9, 9), st.booleans(), st.floats(0, 1))
_FREE = st.recursive(
    st.one_of(_SCALARS, st.none(), st.sampled_from(["type", "string", "properties"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=5,
)
JSON = _FREE
"""Any JSON, small."""


def values(shape: Shape) -> st.SearchStrategy[Json]:
    """Values that a shape admits."""
    match shape:
        case Object():
            open_ = {key: one for key, one in shape.fields.items() if not isinstance(one, Refused)}
            return st.fixed_dictionaries(
                {key: values(one) for key, one in open_.items() if key in shape.required},
                optional={
                    key: values(one) for key, one in open_.items() if key not in shape.required
                },
            )
        case Items():
            return st.lists(values(shape.item), min_size=shape.least, max_size=shape.least + 2)
        case Kinds():
            kinds = [values(one) for one in shape.kinds.values() if isinstance(one, Object)]
            return st.one_of(kinds)
        case TextOr():
            return values(shape.text)
        case Either():
            return st.one_of(values(shape.text), values(shape.other))
        case _:
            return _leaves(shape)


def _leaves(shape: Shape) -> st.SearchStrategy[Json]:
    made: st.SearchStrategy[Json]
    match shape:
        case Text():
            made = st.text(max_size=12) if shape.pattern is None else _NAMES
        case FreeJson():
            made = st.dictionaries(st.text(max_size=6), _FREE, max_size=3)
        case Variables():
            made = st.dictionaries(st.sampled_from(["name", "age", "_x"]), _SCALARS, max_size=2)
        case Word():
            made = st.sampled_from(shape.words)
        case Only():
            made = st.just(shape.value)
        case Number():
            low = int(max(shape.low, -9))
            high = int(min(shape.high, low + 18))
            made = st.integers(low, high) if shape.is_whole else st.floats(low, high)
        case Flag():
            made = st.booleans()
        case Id():
            made = _NAMES
        case Opaque():
            marked = st.text(max_size=6).map(lambda text: OPAQUE_MARK + text)
            made = marked if shape.max_chars else st.lists(marked, max_size=2)
        case _:
            made = _media(shape)
    return made


def _media(shape: Shape) -> st.SearchStrategy[Json]:
    match shape:
        case Bytes():
            return st.sampled_from([PICTURE, DOCUMENT])
        case DataUrl() | Shown(most=1):
            return _DATA
        case Shown():
            wrapped = _DATA.map(lambda url: {"image_url": url})
            return st.one_of(_DATA, st.lists(st.one_of(_DATA, wrapped), min_size=1, max_size=2))
        case Link():
            return _LINKS
        case LinkOrData():
            return st.one_of(_DATA, _LINKS)
        case _:
            raise AssertionError(f"no values for {type(shape).__name__}")


def _kind(shape: Kinds, value: Json) -> Shape:
    made = shape.of(value)
    assert made is not None
    return made


def guarded(shape: Shape, value: Json, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text of an admitted value that the table calls guarded, with its path."""
    match shape:
        case Text() | TextOr() | Link() | LinkOrData():
            yield from _text(shape, value, path)
        case FreeJson():
            texts = [orjson.dumps(value).decode()] if shape.is_one_text else strings(value)
            yield from ((path, text) for text in texts)
        case Variables():
            yield from (
                (f"{path}.{key}", one) for key, one in value.items() if isinstance(one, str)
            )
        case Object():
            for key, one in value.items():
                yield from guarded(shape.fields[key], one, f"{path}.{key}".lstrip("."))
        case Items():
            for index, one in enumerate(value):
                yield from guarded(shape.item, one, f"{path}[{index}]")
        case Kinds():
            yield from guarded(_kind(shape, value), value, path)
        case Either():
            yield from guarded(shape.text if isinstance(value, str) else shape.other, value, path)
        case _:
            return


def _text(shape: Shape, value: str, path: str) -> list[tuple[str, str]]:
    is_bytes = isinstance(shape, LinkOrData) and value.startswith("data:")
    return [] if is_bytes else [(path, value)]


def objects(shape: Shape, value: Json, path: str = "") -> Iterator[tuple[str, Object, Json]]:
    """Every object of an admitted value whose fields the table lists, with its path."""
    match shape:
        case Object():
            yield path, shape, value
            for key, one in value.items():
                yield from objects(shape.fields[key], one, f"{path}.{key}".lstrip("."))
        case Items():
            for index, one in enumerate(value):
                yield from objects(shape.item, one, f"{path}[{index}]")
        case Kinds():
            yield from objects(_kind(shape, value), value, path)
        case Either():
            if not isinstance(value, str):
                yield from objects(shape.other, value, path)
        case _:
            return


def strings(value: Json) -> Iterator[str]:
    """Every string and key in some JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from strings(one)
    elif isinstance(value, dict):
        for key, one in value.items():
            yield key
            yield from strings(one)


def leaves(value: Json) -> Iterator[tuple[Json, Json]]:
    """Every place in some JSON that holds no other value: its holder, and its key or index."""
    for key, one in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(one, (dict, list)) and one:
            yield from leaves(one)
        else:
            yield value, key
