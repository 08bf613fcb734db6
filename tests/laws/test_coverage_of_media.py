"""The Coverage law for what no detector reads: no picture or file gets in unless policy says so.

The oracle reads policy by itself: it decodes all bytes, and asks Python for the host of a link.
"""

import asyncio
import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from app.api.compound import Either, Items, Kinds, Object
from app.api.media_fields import Bytes, DataUrl, Link, LinkOrData
from app.api.openai_images_fields import Shown
from app.api.shapes import Shape
from app.domain.conversation import (
    Conversation,
    FilePart,
    ImagePart,
    Inline,
    PersonaWishes,
)
from app.domain.errors import FieldRefusedError, RequestError
from app.domain.policy import Media, MediaBounds, Policy
from app.domain.wanted import TEXT_ANSWER
from app.pipeline.exchange import Exchange
from app.pipeline.media import check_media
from tests.api.bodies import DOCUMENT, PICTURE, values
from tests.api.scripted import persona
from tests.api.wires import WIRES, Wire
from tests.e2e.project import write_project
from tests.pipeline.exchanging import Kitchen, PlayedBackend, kitchen

AUDIENCES = ("minor", "public", "professional")
OPEN = persona(system_messages="below")
BEGINS = {"image/png": b"\x89PNG\r\n\x1a\n", "application/pdf": b"%PDF-"}
SIZES = [len(base64.b64decode(each)) for each in (PICTURE, DOCUMENT)]


def bounds(*types: str) -> st.SearchStrategy[MediaBounds | None]:
    """Bounds on both sides of what bodies hold; for half of them, none stands in the way."""
    wide = MediaBounds(
        frozenset(types), 10**6, 100, "minor", frozenset({"*.example.org", "example.com"})
    )
    narrow = st.builds(
        MediaBounds,
        types=st.frozensets(st.sampled_from(types), min_size=1),
        max_bytes=st.sampled_from([*SIZES, *(size - 1 for size in SIZES)]),
        max_count=st.integers(1, 3),
        strictest_audience=st.sampled_from(AUDIENCES),
        hosts=st.frozensets(
            st.sampled_from(["*.example.org", "example.com", "images.example.org"])
        ),
    )
    return st.one_of(st.just(wide), narrow, st.none())


def with_media(shape: Shape) -> Shape | None:
    """What is left of a shape where everything goes that can hold no picture or file."""
    match shape:
        case Bytes() | DataUrl() | Link() | LinkOrData() | Shown():
            return shape
        case Object():
            held = {key: with_media(one) for key, one in shape.fields.items()}
            left = {key: one for key, one in held.items() if one is not None}
            needed = {key: shape.fields[key] for key in shape.required}
            return Object({**needed, **left}, shape.required) if left else None
        case Kinds():
            kinds = {word: with_media(one) for word, one in shape.kinds.items()}
            objects = {word: one for word, one in kinds.items() if isinstance(one, Object)}
            return Kinds(shape.key, objects, shape.default) if objects else None
        case Items():
            item = with_media(shape.item)
            return None if item is None else Items(item, least=1)
        case Either():
            return with_media(shape.other)
        case _:
            return None


SHAPES = {wire.name: shape for wire in WIRES if (shape := with_media(wire.request)) is not None}
"""Of bodies that hold pictures and files, and little else, by wire format."""
every_wire = pytest.mark.parametrize(
    "wire", [wire for wire in WIRES if wire.name in SHAPES], ids=lambda wire: wire.name
)


def holding(data: st.DataObject, wire: Wire) -> Conversation:
    """A request for turns that holds some of them."""
    body = data.draw(values(SHAPES[wire.name]).map(wire.consistent))
    return replace(wire.dialect.conversation(body, OPEN), wanted=TEXT_ANSWER)


MEDIA = st.builds(
    Media,
    images=bounds("image/png", "image/jpeg"),
    files=bounds("application/pdf"),
)


def parts_of(asked: Conversation) -> list[ImagePart | FilePart]:
    """Every picture and file."""
    return [
        part
        for message in asked.messages
        for part in message.parts
        if isinstance(part, ImagePart | FilePart)
    ]


def lets_in(media: Media, audience: str, parts: Sequence[ImagePart | FilePart]) -> bool:
    """Whether policy lets all of them in, by brute force."""
    images = [part for part in parts if isinstance(part, ImagePart)]
    files = [part for part in parts if isinstance(part, FilePart)]
    return all(
        not mine
        or (
            bounds is not None
            and len(mine) <= bounds.max_count
            and audience in AUDIENCES[AUDIENCES.index(bounds.strictest_audience) :]
            and all(is_within(part, bounds) for part in mine)
        )
        for mine, bounds in ((images, media.images), (files, media.files))
    )


def is_within(part: ImagePart | FilePart, bounds: MediaBounds) -> bool:
    """Whether one of them is as the bounds say."""
    source = part.source
    if not isinstance(source, Inline):
        host = urlsplit(source.url).hostname or ""
        names = [name.removeprefix("*") for name in bounds.hosts if host != name]
        return host in bounds.hosts or any(
            name.startswith(".") and host.endswith(name) for name in names
        )
    try:
        raw = base64.b64decode(source.data, validate=True)
    except ValueError:
        return False
    return (
        source.media_type in bounds.types
        and base64.b64encode(raw).decode() == source.data
        and len(raw) <= bounds.max_bytes
        and raw.startswith({**BEGINS, "image/jpeg": b"\xff\xd8\xff"}[source.media_type])
    )


def is_let_in(media: Media, audience: str, asked: Conversation) -> bool:
    """What the gateway says; where it refuses, it names one of the fields."""
    policy = Policy("p", AUDIENCES, "public", (), media=media)
    try:
        check_media(asked, policy, audience)
    except FieldRefusedError as refused:
        return refused.param not in {part.path for part in parts_of(asked)}
    return True


@every_wire
@given(data=st.data(), media=MEDIA, audience=st.sampled_from(AUDIENCES))
@settings(deadline=None, max_examples=300)
def test_media_gets_in_where_policy_says_so_and_nowhere_else(
    wire: Wire, data: st.DataObject, media: Media, audience: str
) -> None:
    """A picture reaches a model that policy keeps it from, or one is refused that may pass."""
    asked = holding(data, wire)
    parts = parts_of(asked)
    wanted = lets_in(media, audience, parts)
    event(f"holds any: {bool(parts)}, let in: {wanted}")
    assert is_let_in(media, audience, asked) == wanted


@given(
    media=MEDIA,
    type_=st.sampled_from([*BEGINS, "image/jpeg", "image/svg+xml"]),
    data=st.one_of(
        st.sampled_from([PICTURE, DOCUMENT, PICTURE[:-4], PICTURE + "====", PICTURE[:-1], ""]),
        st.binary(max_size=40).map(lambda raw: base64.b64encode(raw).decode()),
        st.builds(
            lambda at, put: PICTURE[:at] + put + PICTURE[at + 1 :],
            st.integers(0, 95),
            st.text(max_size=2),
        ),
        st.text(max_size=12),
    ),
)
@settings(deadline=None, max_examples=500)
def test_any_bytes_are_judged_without_decoding_them_all(
    media: Media, type_: str, data: str
) -> None:
    """Bytes of another type, or none at all, pass for what they are said to be."""
    asked = with_part(ImagePart(Inline(type_, data), "here"))
    assert is_let_in(media, "public", asked) == lets_in(media, "public", parts_of(asked))


def with_part(part: ImagePart) -> Conversation:
    """A request that holds it."""
    (wire, *_) = WIRES
    asked = wire.dialect.conversation(
        {"model": "tutor", "messages": [{"role": "user", "content": "hi"}]}, OPEN
    )
    (message,) = asked.messages
    return replace(asked, messages=(replace(message, parts=(*message.parts, part)),))


@dataclass
class Line:
    """A gateway without its HTTP side, for many exchanges."""

    at: Kitchen
    loop: asyncio.Runner

    def send(self, asked: Conversation, media: Media, audience: str) -> str | None:
        """Run an exchange under this policy; gives the code of a refusal, if it was refused."""
        self.at.backend.calls.clear()
        ask = self.at.ask(replace(asked, persona="lexi", variant=None))
        plan = ask.served.plan
        served = replace(ask.served, plan=replace(plan, policy=replace(plan.policy, media=media)))
        exchange = Exchange(self.at.steps, replace(ask, served=served, audience=audience))

        async def run() -> str | None:
            try:
                async for _ in exchange.run():
                    pass
            except RequestError as refused:
                return refused.code
            return None

        return self.loop.run(run())


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    """One for all examples."""
    root = write_project(tmp_path_factory.mktemp("media") / "project", "http://127.0.0.1:9/v1")
    with asyncio.Runner() as loop:
        opened = kitchen(root, PlayedBackend())
        at = loop.run(opened.__aenter__())
        at = replace(at, steps=replace(at.steps, max_messages=1000, max_text_chars=10**6))
        yield Line(at, loop)
        loop.run(opened.__aexit__(None, None, None))


@every_wire
@given(data=st.data(), media=MEDIA, audience=st.sampled_from(AUDIENCES))
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_no_byte_reaches_a_backend_that_policy_keeps_out(
    line: Line, wire: Wire, data: st.DataObject, media: Media, audience: str
) -> None:
    """The check is there, and an exchange goes on without it, or loses what was let in."""
    asked = replace(holding(data, wire), wishes=PersonaWishes(), continues=None)
    parts = parts_of(asked)
    code = line.send(asked, media, audience)
    called = line.at.backend.calls
    if not lets_in(media, audience, parts):
        assert (code, called) == ("field_refused", []) or code == "invalid_value"
    elif code is None:
        for each in called:
            assert parts_of(each) == parts
