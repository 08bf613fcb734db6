"""The Coverage law: no byte gets in but in a field that the table declares, treated as it says."""

import re
import types
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from functools import partial
from typing import Annotated, Literal, NotRequired, Required, Union, get_args, get_origin

import orjson
import pytest
import typing_extensions
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from app.api.coverage import table
from app.api.shapes import Shape, Treatment, printable
from app.backends.embeddings import gemini_embedding_request, openai_embedding_request
from app.backends.http import Request
from app.domain.conversation import Conversation, Json
from app.domain.errors import FieldRefusedError
from app.domain.wanted import Embeddings
from app.pipeline.segments import SCHEMA_WORDS, segments, with_texts
from tests.api.bodies import JSON, OPAQUE_MARK, guarded, objects, strings
from tests.api.scripted import persona
from tests.api.wires import CHAT, EMBEDDINGS, VENDOR_TABLES, WIRES, Wire

OPEN = persona(system_messages="below")
LOOSE = persona(system_messages="below", passthrough="allow")

every_wire = pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)

_WRAPPERS = {
    Required,
    NotRequired,
    Annotated,
    typing_extensions.Required,
    typing_extensions.NotRequired,
}


def _bare(annotation: object) -> object:
    while get_origin(annotation) in _WRAPPERS:
        annotation = get_args(annotation)[0]
    return annotation


def _members(annotation: object) -> list[object]:
    """The members of a union, unions in it resolved; the annotation itself where it is none."""
    annotation = _bare(annotation)
    if get_origin(annotation) in (Union, types.UnionType):
        return [one for arg in get_args(annotation) for one in _members(arg)]
    return [annotation]


def _own_fields(annotation: object) -> dict[str, object] | None:
    """The fields of an object type; none where it is no object type with fixed fields."""
    if typing_extensions.is_typeddict(annotation):
        return dict(typing_extensions.get_type_hints(annotation, include_extras=True))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {one.alias or name: one.annotation for name, one in annotation.model_fields.items()}
    return None


def _kinds(own: dict[str, object]) -> list[str]:
    """How a member of a union of objects is told from the others; some go by several names."""
    for key in ("type", "role"):
        literals = [one for one in _members(own.get(key)) if get_origin(one) is Literal]
        if literals:
            return [f"({key}={word})" for one in literals for word in get_args(one)]
    raise AssertionError(f"a union whose members nothing tells apart: {sorted(own)}")


def _vendor_paths(annotation: object, path: str = "") -> Iterator[str]:
    """Every leaf of the vendor's types, in the notation of the table."""
    members = _members(annotation)
    many = sum(_own_fields(member) is not None for member in members) > 1
    for member in members:
        own = _own_fields(member)
        origin = get_origin(member)
        if member is type(None):
            continue
        if own is not None:
            for kind in _kinds(own) if many else [""]:
                for key, inner in own.items():
                    yield from _vendor_paths(inner, f"{path}{kind}.{key}".lstrip("."))
        elif isinstance(origin, type) and issubclass(origin, Iterable):
            if issubclass(origin, Mapping):
                yield path
            else:
                yield from _vendor_paths(get_args(member)[0], f"{path}[]")
        else:
            yield path


def _undeclared_and_stale(
    shape: Shape, free: tuple[str, ...], *vendor: object
) -> tuple[set[str], set[str]]:
    theirs = {path for one in vendor for path in _vendor_paths(one)}
    rows = list(shape.rows(""))
    ours = {row.path for row in rows if not row.is_extension}
    # A field that is refused, whose value nobody looks at, or that is free JSON, stands for all
    # that is below it, so the vendor may have no leaf of that name.
    whole = (Treatment.REFUSED, Treatment.OPAQUE)
    tops = [row.path for row in rows if row.treatment in whole or row.path.endswith(free)]
    below = {
        path
        for path in theirs - ours
        if any(path.startswith(top) and path[len(top) :][:1] in ".[(" for top in tops)
    }
    stale = {
        path
        for path in ours - theirs
        if path not in tops or not any(one.startswith(path) for one in theirs)
    }
    return theirs - ours - below, stale


@pytest.mark.parametrize(
    ("shape", "free", "vendor"),
    [
        pytest.param(shape, free, vendor, id=f"{name}-{at}")
        for at, (name, shape, free, vendor) in enumerate(VENDOR_TABLES)
    ],
)
def test_table_declares_what_the_vendor_has(
    shape: Shape, free: tuple[str, ...], vendor: tuple[object, ...]
) -> None:
    """A field of the vendor's schema is unclassified, or the table speaks of one that is gone."""
    undeclared, stale = _undeclared_and_stale(shape, free, *vendor)
    assert undeclared == set()
    assert stale == set()


def _plain(path: str) -> str:
    """A segment's path without the place inside free JSON, and as the body writes it."""
    return re.sub(r"#\d+$", "", path)


def _seen(asked: Conversation) -> Counter[tuple[str, str]]:
    return Counter((_plain(one.path), one.text) for one in segments(asked) if one.text)


@every_wire
@given(data=st.data())
@settings(deadline=None, max_examples=1000)
def test_every_guarded_text_becomes_a_segment(wire: Wire, data: st.DataObject) -> None:
    """A text that the table calls guarded reaches the conversation without a guard seeing it."""
    body = data.draw(wire.bodies)
    wanted = Counter(
        (wire.said(path), text)
        for path, text in guarded(wire.request, body)
        if text and not (path.endswith(wire.free) and text in SCHEMA_WORDS)
    )
    assert _seen(wire.dialect.conversation(body, OPEN)) == wanted


def _leaves(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif is_dataclass(value):
        for one in fields(value):
            yield from _leaves(getattr(value, one.name))
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _leaves(key)
            yield from _leaves(one)
    elif isinstance(value, (tuple, list)):
        for one in value:
            yield from _leaves(one)


@every_wire
@given(data=st.data())
@settings(deadline=None, max_examples=300)
def test_opaque_texts_stay_out_of_what_a_model_reads(wire: Wire, data: st.DataObject) -> None:
    """What nobody looks at (the end user's name, the session) reaches a part, tool or schema."""
    asked = wire.dialect.conversation(data.draw(wire.bodies), OPEN)
    rest = replace(asked, subject=None, wishes=replace(asked.wishes, session=None))
    assert not [text for text in _leaves(rest) if text.startswith(OPAQUE_MARK)]


@given(data=st.data())
@settings(deadline=None, max_examples=300)
@pytest.mark.parametrize(
    "request_of",
    [partial(openai_embedding_request, switches={}), gemini_embedding_request],
    ids=["openai", "gemini"],
)
def test_only_what_policy_passes_on_is_embedded(
    request_of: Callable[[Conversation, Embeddings, str], Request], data: st.DataObject
) -> None:
    """A text reaches a provider of vectors as the client wrote it, after policy rewrote it."""
    asked = EMBEDDINGS.dialect.conversation(data.draw(EMBEDDINGS.bodies), OPEN)
    texts = {one.path: f"<{at}>" for at, one in enumerate(segments(asked))}
    passed = with_texts(asked, texts)
    assert isinstance(passed.wanted, Embeddings)
    sent = orjson.loads(request_of(passed, passed.wanted, "m").body)
    said = [
        each for each in _values(sent) if isinstance(each, str) and each not in ("m", "models/m")
    ]
    assert said == list(texts.values())


def _values(body: Json) -> Iterator[Json]:
    """What stands in a body, without the names of its fields."""
    if isinstance(body, dict):
        for one in body.values():
            yield from _values(one)
    elif isinstance(body, list):
        for one in body:
            yield from _values(one)
    else:
        yield body


_KEYS = st.one_of(
    st.sampled_from(["foo", "Content", "text ", "cache_control", "__proto__", "role.", ""]),
    st.text(max_size=60),
)


@every_wire
@given(data=st.data(), key=_KEYS, value=JSON, at=st.integers(0, 60))
@settings(deadline=None, max_examples=1000)
def test_unknown_fields_are_refused_by_name(
    wire: Wire, data: st.DataObject, key: str, value: Json, at: int
) -> None:
    """A field that the table does not know gets in somewhere, or the error does not say which."""
    body = data.draw(wire.bodies)
    places = [one for one in objects(wire.request, body) if key not in one[1].fields]
    path, _, place = places[at % len(places)]
    place[key] = value
    with pytest.raises(FieldRefusedError) as refused:
        wire.dialect.conversation(body, OPEN)
    assert refused.value.param == f"{path}.{printable(key)}".removeprefix(".")


@every_wire
@given(data=st.data(), extra=st.dictionaries(st.text(max_size=9), JSON, max_size=3))
@settings(deadline=None, max_examples=300)
def test_fields_passed_through_are_guarded_all_the_same(
    wire: Wire, data: st.DataObject, extra: dict[str, Json]
) -> None:
    """A persona that lets unknown fields pass lets text pass that no guard has seen."""
    body = data.draw(wire.bodies)
    extra = {key: one for key, one in extra.items() if key not in wire.request.fields}
    asked = wire.dialect.conversation({**body, **extra}, LOOSE)
    assert asked.passthrough == extra
    wanted = Counter(text for text in strings(extra) if text and text not in SCHEMA_WORDS)
    seen = _seen(asked)
    assert Counter({text: n for (path, text), n in seen.items() if path == "passthrough"}) == wanted


@pytest.mark.parametrize("field", ["service_tier", "metadata", "logit_bias"])
def test_refused_fields_stay_refused_where_unknown_ones_pass(field: str) -> None:
    """``passthrough: allow`` opens more than the fields that the table does not know."""
    body = {"model": "tutor", "messages": [{"role": "user", "content": "hi"}], field: "x"}
    with pytest.raises(FieldRefusedError, match=field):
        CHAT.dialect.conversation(body, LOOSE)


@every_wire
def test_served_table_is_the_parsers_table(wire: Wire) -> None:
    """``GET /v1/coverage`` shows reviewers another table than the one that decides."""
    lines = table()[wire.name]["request"]
    assert [line["path"] for line in lines] == [row.path for row in wire.request.rows("")]
    assert all(line.get("reason") for line in lines if line["treatment"] in ("refused", "opaque"))
