"""Every field of OpenAI's embeddings, and how policy treats it."""

import re

from app.api.compound import Either, Items, Object, TextOr
from app.api.fields import MODEL
from app.api.shapes import NAME, Id, Number, Opaque, Refused, Text, Word
from app.api.summaries import COUNT, SUMMARY

MOST_TEXTS = 2048
_MOST_DIMENSIONS = 65_536
_TOKENS = Refused("nothing can look at token numbers; send the text itself")
_INPUT = Text(pattern=re.compile(r"(?s).+"), form="text that is not empty")
_NUMBERS = Opaque("numbers that a model made of a text; there is nothing to read", max_chars=None)

REQUEST = Object(
    {
        "input": Either(_INPUT, Items(TextOr(_INPUT, _TOKENS), least=1, most=MOST_TEXTS)),
        "model": MODEL,
        "dimensions": Number(1, _MOST_DIMENSIONS, is_whole=True),
        "encoding_format": Word(("float", "base64")),
        "user": Opaque("names the end user; kept under a key, never sent to a model"),
        "banneton": Object(
            {
                "audience": NAME,
                "session": Opaque("names the index; kept under a key, never sent to a model"),
                "consent": Id(
                    re.compile(r"[\w.:/-]{1,120}"),
                    "at most 120 letters, digits and '_', '.', ':', '/', '-'",
                ),
            }
        ),
    },
    frozenset({"input", "model"}),
    extensions=frozenset({"banneton"}),
)

ANSWER = Object(
    {
        "object": Word(("list",)),
        "data": Items(
            Object(
                {"object": Word(("embedding",)), "index": COUNT, "embedding": _NUMBERS},
                frozenset({"object", "index", "embedding"}),
            )
        ),
        "model": MODEL,
        "usage": Object({"prompt_tokens": COUNT, "total_tokens": COUNT}),
        "banneton": SUMMARY,
    },
    frozenset({"object", "data", "model", "banneton"}),
    extensions=frozenset({"banneton"}),
)
