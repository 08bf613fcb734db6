"""Pictures from providers that make them, against real servers on loopback."""

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types import ImagesResponse

from app.backends.azure import AzureBackend
from app.backends.images import openai_image_answer
from app.backends.pictures import picture
from app.domain.catalog import Feature
from app.domain.conversation import (
    Conversation,
    ImagePart,
    Inline,
    Linked,
    Message,
    Origin,
    Part,
    Role,
    Sampling,
    TextPart,
)
from app.domain.errors import BackendError, BackendProblem, RequestError
from app.domain.events import Finish, FinishReason, ImageDelta, StreamEvent, Usage
from app.domain.protocols import Backend
from app.domain.wanted import Pictures
from tests.backends import provider, test_azure, test_gemini
from tests.servers.gemini_server import whole
from tests.servers.images import PIXEL, pictures
from tests.servers.openai_server import Play, pictures_answer

Json = Any
IMAGE = ImageDelta("image/png", PIXEL)
SHOWN = ImagePart(Inline("image/png", PIXEL), "image[0]")


def asking(*parts: Part, instruct: str = "", wanted: Pictures | None = None) -> Conversation:
    """A request for pictures, as the pipeline gives it to a backend."""
    said = Message(Role.USER, Origin.CLIENT, (TextPart("A fox", "prompt"), *parts), path="prompt")
    before = (Message(Role.SYSTEM, Origin.PERSONA, (TextPart(instruct),)),) if instruct else ()
    return Conversation(
        "painter",
        (*before, said),
        wanted=wanted or Pictures(),
        dialect="openai_images",
        sampling=Sampling(max_tokens=80, temperature=0.2),
    )


async def drawn(backend: Backend, asked: Conversation) -> list[StreamEvent]:
    """All that comes."""
    return [event async for event in backend.stream(asked, "painter/1")]


async def test_openai_draws() -> None:
    """A wish is lost, or what a persona says of words is said of pictures."""
    async with provider.connected() as (server, backend):
        assert Feature.PICTURES in backend.gives
        wanted = Pictures(2, "640x480", "high", "opaque", "image/webp", 30)
        events = await drawn(backend, asking(instruct="In oil.", wanted=wanted))
    assert server.requests[0].body == {
        "model": "painter/1",
        "prompt": "In oil.\n\nA fox",
        "n": 2,
        "size": "640x480",
        "quality": "high",
        "background": "opaque",
        "output_format": "webp",
        "output_compression": 30,
    }
    assert events == [IMAGE, IMAGE, Finish(FinishReason.STOP), Usage(7, 3)]


@pytest.mark.parametrize(
    ("version", "head"),
    [(None, "/openai/v1"), ("2025-04-01-preview", "/openai/deployments/painter%2F1")],
)
@pytest.mark.parametrize("edits", [False, True])
async def test_azure_draws(version: str | None, head: str, *, edits: bool) -> None:
    """The deployment is not found, or a form is sent as if it were JSON."""
    async with test_azure.connected(api_version=version) as (server, backend):
        assert isinstance(backend, AzureBackend)
        events = await drawn(backend, asking(*[SHOWN] * edits))
    path = server.requests[0].raw_path.partition("?")[0]
    assert path == f"{head}/images/{'edits' if edits else 'generations'}"
    assert IMAGE in events


@pytest.mark.parametrize("name", ["TestContract", "TestVertexContract"])
async def test_gemini_draws(name: str) -> None:
    """A drawing comes with words that nobody asked for, or is cut off where an answer would be."""
    contract = getattr(test_gemini, name)()
    parts = [
        {"text": "Here it is:"},
        {"inlineData": {"mimeType": "image/png", "data": PIXEL}, "thoughtSignature": "c2ln"},
    ]
    async with contract.connected() as (server, backend):
        assert Feature.PICTURES in backend.gives
        server.play(whole(parts))
        events = await drawn(backend, asking(SHOWN, instruct="In oil."))
        (request,) = server.requests
    assert request.raw_path.endswith("/models/painter%2F1:generateContent")
    assert request.body["systemInstruction"] == {"parts": [{"text": "In oil."}]}
    assert request.body["generationConfig"] == {"responseModalities": ["TEXT", "IMAGE"]}
    assert [*request.body["contents"][0]["parts"][1]] == ["inlineData"]
    assert events == [IMAGE, Finish(FinishReason.STOP), Usage(7, 3)]


@pytest.mark.parametrize(
    ("finish", "problem"), [("STOP", BackendProblem.FAILED), ("IMAGE_SAFETY", None)]
)
async def test_gemini_that_does_not_draw(finish: str, problem: BackendProblem | None) -> None:
    """Words in the place of a picture look like success, or a filter's decision like an outage."""
    async with test_gemini.connected() as (server, backend):
        server.play(whole([{"text": "I would rather not."}], finish=finish))
        if problem is None:
            events = await drawn(backend, asking())
            assert events == [Finish(FinishReason.CONTENT_FILTER), Usage(7, 3)]
        else:
            with pytest.raises(BackendError) as failed:
                await drawn(backend, asking())
            assert failed.value.problem is problem


@pytest.mark.parametrize(
    ("wanted", "param"),
    [
        (Pictures(count=2), "n"),
        (Pictures(size="640x480"), "size"),
        (Pictures(quality="high"), "quality"),
        (Pictures(background="opaque"), "background"),
        (Pictures(media_type="image/png"), "output_format"),
        (Pictures(compression=1), "output_compression"),
        (Pictures(fidelity="high"), "input_fidelity"),
        (Pictures(has_mask=True), "mask"),
    ],
)
async def test_wishes_that_gemini_has_no_word_for(wanted: Pictures, param: str) -> None:
    """A picture of another size, or none of several, comes as if it were what was asked for."""
    async with test_gemini.connected() as (server, backend):
        with pytest.raises(RequestError) as refused:
            await drawn(backend, asking(wanted=wanted))
        assert server.requests == []
    assert (refused.value.param, refused.value.code) == (param, "unsupported")


@pytest.mark.parametrize(
    "part",
    [ImagePart(Linked("https://example.org/a.png"), "image[0]"), TextPart("\ud800", "prompt")],
    ids=["a picture at an address", "half a character"],
)
async def test_what_no_form_can_carry(part: Part) -> None:
    """A provider is sent what it cannot read, or fetches what nobody has seen."""
    async with provider.connected() as (server, backend):
        with pytest.raises(RequestError):
            await drawn(backend, asking(SHOWN, part))
        assert server.requests == []


@pytest.mark.parametrize(
    "data",
    [
        [],
        [{"b64_json": PIXEL}] * 3,
        [{"b64_json": None, "url": "https://example.org/a.png"}],
        [{"b64_json": "UklGRgAAAABXQVZF"}],
        [{"b64_json": PIXEL, "caption": "secret"}],
        ["secret"],
        "secret",
    ],
)
def test_answers_that_are_none(data: Json) -> None:
    """A picture is made up, fetched from somewhere, or one too many."""
    with pytest.raises(BackendError) as failed:
        openai_image_answer(Pictures(2), orjson.dumps({"created": 1, "data": data}))
    assert failed.value.problem is BackendProblem.BROKEN
    assert "secret" not in failed.value.message


async def test_a_provider_that_counts_nothing() -> None:
    """A picture that is there fails for want of a count."""
    async with provider.connected() as (server, backend):
        server.play(pictures_answer(PIXEL, counts=None))
        assert await drawn(backend, asking()) == [IMAGE, Finish(FinishReason.STOP)]
        server.play(Play([b"data: x\n\n"]))
        with pytest.raises(BackendError):
            await drawn(backend, asking())


json_values = st.recursive(
    st.one_of(st.none(), st.integers(-1, 3), st.text(max_size=3), st.just(PIXEL)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(
            st.sampled_from(["created", "data", "b64_json", "url", "usage", "input_tokens", "x"]),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=8,
)


@settings(deadline=None, max_examples=300)
@given(st.one_of(json_values.map(orjson.dumps), st.binary(max_size=30)))
def test_any_bytes_are_an_answer_or_an_error(body: bytes) -> None:
    """What a provider sends fails as a fault of the gateway, or gives what is no picture."""
    try:
        events = openai_image_answer(Pictures(2), body)
    except BackendError:
        return
    assert IMAGE in events


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=30), st.sampled_from([None, "image/png", "image/gif", "IMAGE/JPG"]))
def test_any_text_is_a_picture_or_an_error(data: str, kind: str | None) -> None:
    """What is no picture passes for one."""
    try:
        made = picture(data, kind, "here")
    except BackendError:
        return
    assert made.media_type in {"image/png", "image/jpeg", "image/gif", "image/webp"}


def test_the_fake_says_what_the_vendor_types() -> None:
    """The tests above prove something about a provider that there is not."""
    ImagesResponse.model_validate_json(pictures(PIXEL), strict=True)
