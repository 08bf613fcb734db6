"""What the tables of several wire formats have in common."""

import re

from app.api.compound import Items, Object
from app.api.shapes import NAME, Id, Number, Opaque, Refused, Shape, Text, Variables, Word
from app.domain.events import UNKNOWN

FUNCTION_NAME = Text(
    max_chars=64,
    pattern=re.compile(r"[A-Za-z0-9_-]+"),
    form="a name of at most 64 letters, digits, '_' and '-'",
)
CALL_ID = Id(
    re.compile(r"[A-Za-z0-9_.:|=+/-]{1,200}"), "an id of at most 200 letters, digits and _.:|=+/-"
)
SIGNED = Id(
    re.compile(r"([A-Za-z0-9_-]{1,40}(\.[a-z]{1,20})?:)?[A-Za-z0-9+/=_-]+"),
    "base64: what a provider signed, after a mark that says who; it goes back to that one as is",
)
MODEL = Id(re.compile(r"[\w.-]{1,80}(:[\w.-]{1,80})?"), "a persona's id, or 'persona:variant'")
MAX_INT = 2**63 - 1


CHOSEN = Id(re.compile(r"[A-Za-z0-9_-]{1,64}"), "the name of one of tools")
DRAWN = Opaque(
    "no detector looks at what a picture shows; policy bounds its type, size and number"
    " (media.answers)",
    max_chars=None,
)
UNASKED = Refused("not asked for, and dropped if it comes")
ALTERNATIVES = "alternatives spell out text that policy never saw"
_TOKEN: dict[str, Shape] = {
    "token": Text(form="a piece of the text that has left"),
    "logprob": Number(UNKNOWN, 0),
    "top_logprobs": Items(Refused(ALTERNATIVES)),
}
TOKEN = Object({**_TOKEN, "bytes": Items(Number(0, 255, is_whole=True))})
"""A token of the text, and how likely it was."""
TOKEN_IN_EVENT = Object(_TOKEN)
"""The same where the format has no bytes."""


def kind(word: str, **fields: Shape) -> Object:
    """An object whose ``type`` says this word, and which needs the field of that name, if any."""
    return Object({"type": Word((word,))} | fields, frozenset({"type"} | {word} & fields.keys()))


def with_fields(*required: str, **fields: Shape) -> Object:
    """An object with these fields, of which those named need to be there."""
    return Object(fields, frozenset(required))


VARIABLES = Variables()
BANNETON = Object(
    {
        "audience": NAME,
        "variables": VARIABLES,
        "session": Opaque("names the conversation; kept under a key, never sent to a model"),
        "scenario": NAME,
        "consent": Id(
            re.compile(r"[\w.:/-]{1,120}"),
            "at most 120 letters, digits and '_', '.', ':', '/', '-'",
        ),
    }
)
