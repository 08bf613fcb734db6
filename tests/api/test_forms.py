"""Forms with files: what is read of them, however they are written, and what is not."""

import base64
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.api.forms import form_fields
from app.api.openai_images_fields import EDIT
from app.domain.errors import RequestError
from tests.servers.images import PIXEL

Json = Any
PNG = base64.b64decode(PIXEL)
TYPE = "multipart/form-data; boundary=x"


def written(*parts: tuple[str, str | None, bytes], boundary: bytes = b"x") -> bytes:
    """A form: the name, the file's name and the content of each part."""
    made = b""
    for name, file, content in parts:
        head = f'form-data; name="{name}"' + (f'; filename="{file}"' if file is not None else "")
        made += b"--%b\r\nContent-Disposition: %b\r\n\r\n" % (boundary, head.encode())
        made += content + b"\r\n"
    return made + b"--%b--\r\n" % boundary


def read(*parts: tuple[str, str | None, bytes]) -> Json:
    """What is read of a form."""
    return form_fields(written(*parts), TYPE, EDIT)


def test_a_form_is_what_the_same_request_is_in_json() -> None:
    """A number stays text, a picture is lost, or the caller's own wishes are."""
    url = f"data:image/png;base64,{PIXEL}"
    made = read(
        ("model", None, b"painter"),
        ("prompt", None, "Blau — 蓝".encode()),
        ("n", None, b"2"),
        ("stream", None, b"false"),
        ("partial_images", None, b"0"),
        ("image[]", "a.png", PNG),
        ("image[]", "b.png", PNG),
        ("mask", "m.png", PNG),
        ("banneton[session]", None, b"s"),
        ("banneton[audience]", None, b"public"),
    )
    assert made == {
        "model": "painter",
        "prompt": "Blau — 蓝",
        "n": 2,
        "stream": False,
        "partial_images": 0,
        "image": [url, url],
        "mask": url,
        "banneton": {"session": "s", "audience": "public"},
    }


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("n", "2x", "2x"),
        ("n", "-1", "-1"),
        ("n", "٣", "٣"),
        ("n", "9" * 30, "9" * 30),
        ("stream", "yes", "yes"),
        ("prompt", "2", "2"),
        ("unheard_of", "2", "2"),
        ("prompt[x]", "2", "2"),
    ],
)
def test_what_is_no_number_stays_text(name: str, text: str, value: str) -> None:
    """A field that the table refuses gets in as another value than was sent."""
    assert read((name, None, text.encode())) == {name: value}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(written(("prompt", None, b"a"), ("prompt", None, b"b")), id="a field twice"),
        pytest.param(written(("mask", "a", PNG), ("mask", "b", PNG)), id="two masks"),
        pytest.param(written(("image", "a.svg", b"<svg/>")), id="no picture"),
        pytest.param(written(("prompt", None, b"\xff")), id="not UTF-8"),
        pytest.param(written(("prompt", None, b"a" * 300_000)), id="a long field"),
        pytest.param(written(*[(f"f{n}", None, b"a") for n in range(70)]), id="many parts"),
        pytest.param(written(("prompt", None, b"a"))[:-4], id="cut off"),
        pytest.param(written(("prompt", None, b"a")).replace(b"\r\n", b"\n"), id="other line ends"),
        pytest.param(b"--x\r\n\r\na\r\n--x--\r\n", id="a part without a name"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_forms_that_are_refused(body: bytes) -> None:
    """What two readers could read differently gets in, or the error quotes it."""
    with pytest.raises(RequestError) as refused:
        form_fields(body, TYPE, EDIT)
    assert "svg" not in refused.value.message


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=", TYPE])
@settings(deadline=None, max_examples=200)
@given(
    st.one_of(
        st.binary(max_size=60),
        st.lists(
            st.sampled_from(
                [
                    *(b"--x", b"--x--", b"\r\n", b"\n", b"\r\n\r\n", b"a", b"\xff", PNG[:8]),
                    *(b"Content-Disposition: form-data; ", b'; filename="a"'),
                    *(b'name="n"', b'name="image"'),
                ]
            ),
            max_size=14,
        ).map(b"".join),
    )
)
def test_any_bytes_are_a_form_or_an_error(kind: str, body: bytes) -> None:
    """What a client sends fails as a fault of the gateway."""
    try:
        made = form_fields(body, kind, EDIT)
    except RequestError:
        return
    assert isinstance(made, dict)


@settings(deadline=None, max_examples=200)
@given(
    st.dictionaries(
        st.sampled_from(["prompt", "user", "size", "quality"]),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
        max_size=4,
    ),
    st.lists(st.binary(max_size=40), max_size=3),
)
def test_a_form_of_another_writer_is_read_as_it_was_written(
    fields: dict[str, str], tails: list[bytes]
) -> None:
    """A boundary inside a picture, or the words of a prompt, are read as something else."""
    parts: list[tuple[str, str | None, bytes]] = [
        (name, None, text.encode()) for name, text in fields.items()
    ]
    parts += [("image", "a.png", PNG + tail) for tail in tails]
    boundary = b"a-boundary-that-no-text-holds"
    body = written(*parts, boundary=boundary)
    made = form_fields(body, f"multipart/form-data; boundary={boundary.decode()}", EDIT)
    pictures = [base64.b64decode(url.partition(",")[2]) for url in made.pop("image", [])]
    assert made == fields
    assert pictures == [PNG + tail for tail in tails]
