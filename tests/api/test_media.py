"""What becomes of pictures, files and documents of a request, in each wire format."""

from collections.abc import Iterator
from typing import Any

import pytest

from app.domain.conversation import (
    CacheFor,
    Conversation,
    FilePart,
    ImagePart,
    Inline,
    Linked,
    Part,
    Role,
    TextPart,
    ToolResultPart,
)
from tests.api.bodies import DOCUMENT, PICTURE
from tests.api.scripted import persona
from tests.api.wires import CHAT, MESSAGES, RESPONSES, Wire

Json = Any
LINK = "https://example.com/a.png"
PNG = Inline("image/png", PICTURE)
PDF = Inline("application/pdf", DOCUMENT)
PNG_URL, PDF_URL = f"data:image/png;base64,{PICTURE}", f"data:application/pdf;base64,{DOCUMENT}"


def parts(wire: Wire, body: Json) -> tuple[Part, ...]:
    """The parts of the one message that a body has."""
    (message,) = asked(wire, body).messages
    return message.parts


def asked(wire: Wire, body: Json) -> Conversation:
    """A body as a conversation."""
    return wire.dialect.conversation({"model": "tutor", **body}, persona())


def test_chat() -> None:
    """A picture or file of Chat Completions is lost, or its errors name another field."""
    content = [
        {"type": "text", "text": "See"},
        {
            "type": "image_url",
            "image_url": {"url": PNG_URL.replace("image", "IMAGE"), "detail": "low"},
        },
        {"type": "image_url", "image_url": {"url": LINK}},
        {"type": "file", "file": {"file_data": PDF_URL, "filename": "lease.pdf"}},
        {"type": "file", "file": {"file_data": PDF_URL}},
    ]
    at = "messages[0].content"
    assert parts(CHAT, {"messages": [{"role": "user", "content": content}]}) == (
        TextPart("See", f"{at}[0].text"),
        ImagePart(PNG, f"{at}[1].image_url.url", "low"),
        ImagePart(Linked(LINK), f"{at}[2].image_url.url"),
        FilePart(PDF, f"{at}[3].file.file_data", "lease.pdf", f"{at}[3].file.filename"),
        FilePart(PDF, f"{at}[4].file.file_data", None, f"{at}[4].file.filename"),
    )


def test_responses() -> None:
    """The same of Responses, also of what a tool answered with."""
    content = [
        {"type": "input_image", "image_url": PNG_URL, "detail": "high"},
        {"type": "input_file", "file_url": "https://example.com/a.pdf", "filename": "a.pdf"},
        {"type": "input_text", "text": "See"},
    ]
    at = "input[0].content"
    said = (
        ImagePart(PNG, f"{at}[0].image_url", "high"),
        FilePart(
            Linked("https://example.com/a.pdf"), f"{at}[1].file_url", "a.pdf", f"{at}[1].filename"
        ),
        TextPart("See", f"{at}[2].text"),
    )
    assert parts(RESPONSES, {"input": [{"role": "user", "content": content}]}) == said
    shown = {"type": "function_call_output", "call_id": "i", "output": content}
    at = "input[0].output"
    assert parts(RESPONSES, {"input": [shown]}) == (
        ToolResultPart("i", "", at),
        ImagePart(PNG, f"{at}[0].image_url", "high"),
        FilePart(
            Linked("https://example.com/a.pdf"), f"{at}[1].file_url", "a.pdf", f"{at}[1].filename"
        ),
        ToolResultPart("i", "See", f"{at}[2].text"),
    )


def messages(*blocks: Json) -> Json:
    """A body of Anthropic Messages."""
    return {"max_tokens": 9, "messages": [{"role": "user", "content": [*blocks]}]}


_MARK = {"type": "ephemeral"}
_MINUTES = CacheFor.FIVE_MINUTES
_AT = "messages[0].content[0]"
_PDF_SOURCE = {"type": "base64", "media_type": "application/pdf", "data": DOCUMENT}
_PNG_SOURCE = {"type": "base64", "media_type": "image/png", "data": PICTURE}
_TEXTS = [{"type": "text", "text": "One"}, {"type": "text", "text": "Two"}]


def _blocks() -> Iterator[Any]:
    yield pytest.param(
        {"type": "image", "source": _PNG_SOURCE, "cache_control": _MARK},
        (ImagePart(PNG, f"{_AT}.source.data", cache=_MINUTES),),
        id="picture",
    )
    yield pytest.param(
        {"type": "image", "source": {"type": "url", "url": LINK}},
        (ImagePart(Linked(LINK), f"{_AT}.source.url"),),
        id="linked picture",
    )
    yield pytest.param(
        {"type": "document", "source": _PDF_SOURCE, "title": "Lease", "context": "Signed"},
        (
            TextPart("Signed", f"{_AT}.context"),
            FilePart(PDF, f"{_AT}.source.data", "Lease", f"{_AT}.title"),
        ),
        id="file with its title",
    )
    yield pytest.param(
        {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": "All"},
            "title": "Lease",
            "context": "Signed",
            "cache_control": _MARK,
        },
        (
            TextPart("Lease", f"{_AT}.title"),
            TextPart("Signed", f"{_AT}.context"),
            TextPart("All", f"{_AT}.source.data", _MINUTES),
        ),
        id="document of text",
    )
    yield pytest.param(
        {
            "type": "document",
            "source": {
                "type": "content",
                "content": [_TEXTS[0], {"type": "image", "source": _PNG_SOURCE}],
            },
            "cache_control": _MARK,
        },
        (
            TextPart("One", f"{_AT}.source.content[0].text"),
            ImagePart(PNG, f"{_AT}.source.content[1].source.data", cache=_MINUTES),
        ),
        id="document of blocks",
    )
    yield pytest.param(
        {"type": "document", "source": {"type": "content", "content": "All"}},
        (TextPart("All", f"{_AT}.source.content"),),
        id="document of one string",
    )
    yield pytest.param(
        {"type": "search_result", "source": "s", "title": "t", "content": _TEXTS},
        (
            TextPart("t", f"{_AT}.title"),
            TextPart("s", f"{_AT}.source"),
            TextPart("One", f"{_AT}.content[0].text"),
            TextPart("Two", f"{_AT}.content[1].text"),
        ),
        id="search result",
    )


@pytest.mark.parametrize(("block", "wanted"), [*_blocks()])
def test_messages(block: Json, wanted: tuple[Part, ...]) -> None:
    """A block of Anthropic Messages is lost, or its text goes by the guards."""
    assert parts(MESSAGES, messages(block)) == wanted


def test_what_a_tool_shows_is_of_its_result() -> None:
    """What a tool answered with is taken for the user's, and guarded as such, or not at all."""
    document = {"type": "text", "media_type": "text/plain", "data": "All"}
    content = [
        {"type": "image", "source": _PNG_SOURCE},
        {"type": "document", "source": document, "title": "Lease"},
    ]
    result = {
        "type": "tool_result",
        "tool_use_id": "i",
        "content": content,
        "is_error": True,
        "cache_control": _MARK,
    }
    first, second = asked(MESSAGES, messages(result, {"type": "text", "text": "So?"})).messages
    at = f"{_AT}.content"
    assert (first.role, second.role) == (Role.TOOL, Role.USER)
    assert first.parts == (
        ToolResultPart("i", "", at, is_error=True),
        ImagePart(PNG, f"{at}[0].source.data"),
        ToolResultPart("i", "Lease", f"{at}[1].title", is_error=True),
        ToolResultPart("i", "All", f"{at}[1].source.data", is_error=True, cache=_MINUTES),
    )
