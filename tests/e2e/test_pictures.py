"""Pictures through the whole gateway with the official client."""

import base64
import hashlib
import io
from typing import Any

import openai
import pytest
from openai import OpenAI

from app.api.openai_images_fields import ANSWER
from app.api.shapes import admit
from tests.e2e.asking import wishes
from tests.e2e.gateway import Gateway
from tests.e2e.provider import Provider
from tests.servers.images import PIXEL
from tests.servers.openai_server import (
    SECRET_IN_ERRORS,
    error_answer,
    pictures_answer,
)

Json = Any
MAIL = "anna.keller@example.org"
PNG = base64.b64decode(PIXEL)
GIF = "R0lGODlh"


def draw(client: OpenAI, prompt: str, **more: Json) -> Json:
    """Pictures of a text, held against the coverage table."""
    made = client.images.generate(**{"model": "painter", "prompt": prompt, **more})
    admit(ANSWER, made.model_dump(mode="json", exclude_unset=True))
    return made


def test_pictures_come_as_the_client_knows_them(
    served: Gateway, client: OpenAI, provider: Provider
) -> None:
    """A product that swapped base_url and key would get no picture, or its record not say so."""
    made = draw(client, "A fox", n=2, size="1024x1024", quality="low", background="opaque")
    assert [one.b64_json for one in made.data] == [PIXEL, PIXEL]
    assert (made.usage.input_tokens, made.usage.output_tokens, made.usage.total_tokens) == (
        7,
        3,
        10,
    )
    assert made.model_extra["banneton"]["outcome"] == "allow"
    assert provider.requests[0].path == "/v1/images/generations"
    assert provider.body == {
        "model": "served-painter",
        "prompt": "A fox",
        "n": 2,
        "size": "1024x1024",
        "quality": "low",
        "background": "opaque",
    }
    record = served.record(made.model_extra["banneton"]["request_id"])
    assert (record["status"], record["outcome"]) == ("completed", "allow")
    opening = record["opening"]
    assert (opening["dialect"], opening["route"]) == ("openai_images", "pictures")
    assert (opening["prompt"], opening["model"]) == ("", "served-painter")
    assert record["closing"]["usage"]["output_tokens"] == 3


def test_what_the_client_leaves_to_the_model(client: OpenAI, provider: Provider) -> None:
    """A field is sent that the client did not ask for, and that some models refuse."""
    draw(client, "A fox", n=1, size="auto", quality="auto", response_format="b64_json")
    assert provider.body == {"model": "served-painter", "prompt": "A fox"}
    draw(client, "A fox", output_format="jpeg", output_compression=50)
    assert provider.body["output_format"] == "jpeg"
    assert provider.body["output_compression"] == 50


def test_the_personas_words_stand_first(
    served: Gateway, client: OpenAI, provider: Provider
) -> None:
    """A persona's style is lost, or reaches the record as if the client had said it."""
    made = draw(client, "A fox", model="styled")
    assert provider.body["prompt"] == "Watercolour, soft light.\n\nA fox"
    opening = served.record(made.model_extra["banneton"]["request_id"])["opening"]
    digest = hashlib.sha256(b"Watercolour, soft light.").hexdigest()
    assert opening["prompt"] == f"sha256:{digest}"


def test_personal_data_is_not_drawn(client: OpenAI, provider: Provider) -> None:
    """A provider of pictures gets an address that policy keeps from it."""
    made = draw(client, f"A card for {MAIL}")
    assert MAIL not in provider.body["prompt"]
    assert provider.body["prompt"].startswith("A card for EMAIL_ADDRESS_")
    assert made.model_extra["banneton"]["outcome"] == "pseudonymize"


@pytest.mark.parametrize("endpoint", ["generate", "edit"])
def test_what_policy_stops_is_an_error(
    served: Gateway, client: OpenAI, provider: Provider, endpoint: str
) -> None:
    """A banned prompt is drawn, the error quotes it, or nothing is kept of it."""
    more: Json = {"image": ("fox.png", PNG)} if endpoint == "edit" else {}
    with pytest.raises(openai.BadRequestError) as caught:
        getattr(client.images, endpoint)(model="painter", prompt="please ask-banned", **more)
    assert caught.value.code == "content_filter"
    answer = caught.value.response
    assert "ask-banned" not in answer.text
    assert answer.headers["x-should-retry"] == "false"
    assert provider.requests == []
    record = served.record(answer.headers["x-request-id"])
    assert (record["status"], record["outcome"]) == ("completed", "block")


def test_an_edit_as_a_form(served: Gateway, client: OpenAI, provider: Provider) -> None:
    """The official client's form cannot be read, or the provider gets other pictures than it."""
    made = client.images.edit(
        model="painter",
        prompt="Make it blue — 蓝",
        image=[("a.png", PNG), io.BytesIO(b"\xff\xd8\xff of mine\r\n--")],
        mask=("mask.png", PNG),
        n=2,
        input_fidelity="high",
        extra_body=wishes(session="pictures"),
    )
    admit(ANSWER, made.model_dump(mode="json", exclude_unset=True))
    assert [one.b64_json for one in made.data or ()] == [PIXEL, PIXEL]
    assert provider.requests[0].path == "/v1/images/edits"
    assert provider.body == {
        "model": "served-painter",
        "prompt": "Make it blue — 蓝",
        "n": "2",
        "input_fidelity": "high",
        "image[]": [("image/png", PNG), ("image/jpeg", b"\xff\xd8\xff of mine\r\n--")],
        "mask": [("image/png", PNG)],
    }
    summary = (made.model_extra or {})["banneton"]
    opening = served.record(summary["request_id"])["opening"]
    assert opening["dialect"] == "openai_image_edits"


def test_an_edit_of_one_picture(client: OpenAI, provider: Provider) -> None:
    """One picture, which the client sends under another name than several, is not found."""
    client.images.edit(model="painter", prompt="Blue", image=("a.png", PNG))
    assert provider.body["image[]"] == [("image/png", PNG)]
    assert "mask" not in provider.body


@pytest.mark.parametrize("name", ["image", "images"])
def test_an_edit_as_json(served: Gateway, provider: Provider, name: str) -> None:
    """Clients that send no form cannot change a picture."""
    url = f"data:image/png;base64,{PIXEL}"
    body = {"model": "painter", "prompt": "Blue", name: [{"image_url": url}], "mask": url}
    answer = served.post("/v1/images/edits", body)
    admit(ANSWER, answer.json())
    assert provider.body["image[]"] == [("image/png", PNG)]
    assert provider.body["mask"] == [("image/png", PNG)]


@pytest.mark.parametrize(
    ("changes", "param", "word"),
    [
        ({"response_format": "url"}, "response_format", "keeps no pictures"),
        ({"stream": True}, "stream", "when it is whole"),
        ({"partial_images": 2}, "partial_images", "when it is whole"),
        ({"moderation": "low"}, "moderation", "policy's to say"),
        ({"style": "vivid"}, "style", "prompt"),
        ({"output_format": "svg"}, "output_format", "png, jpeg, webp"),
        ({"size": "large"}, "size", "1024x1024"),
        ({"n": 11}, "n", "from 1 to 10"),
        ({"n": 5}, "n", "at most 4"),
        ({"prompt": ""}, "prompt", "1 to 32000"),
        ({"model": "lexi"}, "model", "images: {route"),
        ({"banneton": {"audience": "minor"}}, "model", "for this audience"),
    ],
)
def test_what_is_refused_before_any_call(
    served: Gateway, provider: Provider, changes: Json, param: str, word: str
) -> None:
    """A request is drawn that nobody may make, or the client cannot tell why it was not."""
    body = {"model": "painter", "prompt": "A fox", **changes}
    answer = served.post("/v1/images/generations", body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    assert word in answer.json()["error"]["message"]
    assert provider.requests == []


def _form(*parts: tuple[str, bytes], boundary: bytes = b"x") -> bytes:
    pieces = b"".join(
        b"--%b\r\nContent-Disposition: form-data; %b\r\n\r\n%b\r\n"
        % (boundary, head.encode(), body)
        for head, body in parts
    )
    return pieces + b"--%b--\r\n" % boundary


_PROMPT = ('name="prompt"', b"Blue")
_MODEL = ('name="model"', b"painter")
_FILE = ('name="image"; filename="a.png"', PNG)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param(_form(_MODEL, _PROMPT), "invalid_value", id="no picture"),
        pytest.param(_form(_MODEL, _PROMPT, _FILE, _PROMPT), "invalid_form", id="a field twice"),
        pytest.param(_form(_MODEL, _PROMPT, _FILE)[:-4], "invalid_form", id="cut off"),
        pytest.param(b"", "invalid_form", id="nothing"),
        pytest.param(
            _form(_MODEL, _PROMPT, ('name="image"; filename="a.png"', b"<svg>")),
            "invalid_value",
            id="no picture inside",
        ),
        pytest.param(
            _form(_MODEL, _PROMPT, ('name="image"; filename="a"', base64.b64decode(GIF))),
            "field_refused",
            id="a type that policy does not let in",
        ),
        pytest.param(
            _form(_MODEL, _PROMPT, ('name="image"; filename="a"', PNG + bytes(2000))),
            "field_refused",
            id="larger than policy lets in",
        ),
        pytest.param(
            _form(_MODEL, _PROMPT, *[_FILE] * 4), "field_refused", id="more than policy lets in"
        ),
        pytest.param(
            _form(_MODEL, ('name="prompt"', b"\xff"), _FILE), "invalid_form", id="not UTF-8"
        ),
        pytest.param(
            _form(_MODEL, _PROMPT, _FILE, ('name="unheard_of"', b"x")),
            "field_refused",
            id="an unknown field",
        ),
        pytest.param(
            _form(_MODEL, _PROMPT, _FILE, ('name="n"', b"two")), "invalid_value", id="no number"
        ),
    ],
)
def test_forms_that_are_none(served: Gateway, provider: Provider, body: bytes, code: str) -> None:
    """A form that is not what it should be is drawn from, or the error quotes it."""
    headers = {"content-type": "multipart/form-data; boundary=x"}
    with served.http() as http:
        answer = http.post("/v1/images/edits", content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    assert provider.requests == []


def test_a_form_of_a_web_page_is_refused(served: Gateway, provider: Provider) -> None:
    """Any web page can have a browser draw at a gateway on its user's machine."""
    headers = {"content-type": "multipart/form-data; boundary=x", "origin": "https://evil.example"}
    body = _form(_MODEL, _PROMPT, _FILE)
    with served.http() as http:
        refused = http.post("/v1/images/edits", content=body, headers=headers)
        assert (refused.status_code, provider.requests) == (415, [])
        del headers["origin"]
        assert http.post("/v1/images/edits", content=body, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("answer", "status", "error"),
    [
        (pictures_answer(GIF), 502, "image_type"),
        (pictures_answer(base64.b64encode(PNG + bytes(3000)).decode()), 502, "image_too_large"),
        (pictures_answer(PIXEL, PIXEL), 502, "broken"),
        (pictures_answer(), 502, "broken"),
        (pictures_answer("PHN2Zz4="), 502, "broken"),
        (pictures_answer(PIXEL, unheard_of="secret"), 502, "broken"),
        (error_answer(400), 400, "rejected"),
        (error_answer(429), 429, "rate_limited"),
    ],
)
def test_what_a_provider_may_not_send(
    served: Gateway, provider: Provider, answer: Json, status: int, error: str
) -> None:
    """A picture that policy does not let out leaves, or the record does not say why it did not."""
    provider.play(answer)
    told = served.post("/v1/images/generations", {"model": "painter", "prompt": "A fox"})
    assert told.status_code == status
    assert "b64_json" not in told.text
    assert SECRET_IN_ERRORS not in told.text
    record = served.newest()
    assert (record["status"], record["closing"]["error"]) == ("failed", error)


def test_words_of_the_model_are_left_out(client: OpenAI, provider: Provider) -> None:
    """A prompt as the model rewrote it reaches the user, and no guard has looked at it."""
    data = [{"b64_json": PIXEL, "revised_prompt": "say-banned"}]
    provider.play(pictures_answer(data=data))
    made = draw(client, "A fox")
    assert made.data[0].revised_prompt is None
    assert "say-banned" not in made.model_dump_json()


def test_who_may_ask_for_pictures_in_a_chat(client: OpenAI, provider: Provider) -> None:
    """An audience that may get no pictures is answered by a model that was asked for some."""
    made = client.chat.completions.create(
        model="lexi",
        messages=[{"role": "user", "content": "hi"}],
        extra_body={"modalities": ["text", "image"]},
    )
    assert made.choices[0].message.content == "hi"
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(
            model="lexi",
            messages=[{"role": "user", "content": "hi"}],
            extra_body={"modalities": ["text", "image"], **wishes(audience="minor")},
        )
    assert refused.value.param == "modalities"
    assert len(provider.requests) == 1
