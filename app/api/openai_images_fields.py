"""Every field of OpenAI's images, and how policy treats it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from typing_extensions import override

from app.api.compound import Items, Object
from app.api.fields import DRAWN, MODEL, UNASKED
from app.api.media_fields import FILE_ID, DataUrl
from app.api.shapes import NAME, Id, Number, Only, Opaque, Refused, Row, Shape, Text, Word
from app.api.summaries import COUNT, SUMMARY
from app.domain.conversation import Json

_MOST_PICTURES = 16
"""That one request may show. Source: OpenAI's reference of image edits."""
_MOVES = Refused("pictures that move are not made here")
_LINES = Refused("drawings of lines may hold scripts; ask for png, jpeg or webp")


@dataclass(frozen=True, slots=True)
class Shown(Shape):
    """A picture: a file of a form; in JSON a data URL, or an object that holds one."""

    most: int = 1
    """Where it is more than one, a list of them may stand there, too."""

    @override
    def admit(self, value: Json) -> None:
        if type(value) is list and self.most > 1:
            Items(Shown(), least=1, most=self.most).admit(value)
        else:
            (_REFERENCE if type(value) is dict else _BYTES).admit(value)

    @override
    def rows(self, path: str) -> Iterator[Row]:
        yield from _BYTES.rows(path)
        if self.most > 1:
            yield from _BYTES.rows(f"{path}[]")

    @override
    def schema(self) -> dict[str, Json]:
        one = [_BYTES.schema(), _REFERENCE.schema()]
        if self.most == 1:
            return {"anyOf": one}
        several = {"type": "array", "items": {"anyOf": one}, "minItems": 1, "maxItems": self.most}
        return {"anyOf": [*one, several]}


_BYTES = DataUrl()
_REFERENCE = Object({"image_url": _BYTES, "file_id": FILE_ID}, frozenset({"image_url"}))
_SHARED: dict[str, Shape] = {
    "prompt": Text(
        max_chars=32_000, pattern=re.compile(r"(?s).+"), form="text, 1 to 32000 characters"
    ),
    "model": MODEL,
    "n": Number(1, 10, is_whole=True),
    "size": Id(re.compile(r"auto|[1-9][0-9]{1,4}x[1-9][0-9]{1,4}"), "auto, or such as 1024x1024"),
    "background": Word(("transparent", "opaque", "auto")),
    "output_format": Word(("png", "jpeg", "webp")),
    "output_compression": Number(0, 100, is_whole=True),
    "response_format": Only("b64_json", reason="the gateway keeps no pictures to link to"),
    "stream": Only(value=False, reason="a picture is shown when it is whole"),
    "partial_images": Only(0, reason="a picture is shown when it is whole"),
    "user": Opaque("names the end user; kept under a key, never sent to a model"),
    "banneton": Object(
        {
            "audience": NAME,
            "session": Opaque("names the conversation; kept under a key, never sent to a model"),
            "consent": Id(
                re.compile(r"[\w.:/-]{1,120}"),
                "at most 120 letters, digits and '_', '.', ':', '/', '-'",
            ),
        }
    ),
    "complexity": Refused("how long a model plans is the route's to say"),
    "frame_count": _MOVES,
    "frame_duration_ms": _MOVES,
    "safety_identifier": Refused("name the end user in 'user'"),
    "svg": _LINES,
}
GENERATE = Object(
    _SHARED
    | {
        "quality": Word(("low", "medium", "high", "xhigh", "max", "auto", "standard", "hd")),
        "moderation": Refused("what is moderated is the policy's to say"),
        "style": Refused("say it in the prompt"),
    },
    frozenset({"prompt", "model"}),
    extensions=frozenset({"banneton"}),
)
_PICTURES = Shown(_MOST_PICTURES)
EDIT = Object(
    _SHARED
    | {
        "image": _PICTURES,
        "images": _PICTURES,
        "mask": Shown(),
        "quality": Word(("low", "medium", "high", "xhigh", "max", "auto", "standard")),
        "input_fidelity": Word(("high", "low")),
        "markup": Refused("say in the prompt what is to change"),
        "moderation": Refused("what is moderated is the policy's to say"),
    },
    frozenset({"prompt", "model"}),
    extensions=frozenset({"banneton", "images", "moderation"}),
)
_SEVERAL = Refused("not told: pictures of one answer may differ")
ANSWER = Object(
    {
        "created": COUNT,
        "data": Items(
            Object(
                {
                    "b64_json": DRAWN,
                    "revised_prompt": Refused("words of the model, which nobody asked for"),
                    "url": UNASKED,
                },
                frozenset({"b64_json"}),
            )
        ),
        "usage": Object(
            {
                "input_tokens": COUNT,
                "output_tokens": COUNT,
                "total_tokens": COUNT,
                "input_tokens_details": Refused("not counted apart"),
                "output_tokens_details": Refused("not counted apart"),
            }
        ),
        "banneton": SUMMARY,
        "background": _SEVERAL,
        "output_format": _SEVERAL,
        "quality": _SEVERAL,
        "safety_identifier": Refused("not given back"),
        "size": _SEVERAL,
        "svg_usage": UNASKED,
    },
    frozenset({"created", "data", "banneton"}),
    extensions=frozenset({"banneton"}),
)
