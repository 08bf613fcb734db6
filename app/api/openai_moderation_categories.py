"""OpenAI's categories of harm, and which of them the categories of our detectors are.

Why each is what it is: docs/how-to/moderations.md.
"""

from collections.abc import Iterable, Mapping
from typing import Final

CATEGORIES: Final = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)

_VIOLENT: Final = ("violence", "illicit", "illicit/violent")
_ARMED: Final = ("illicit", "illicit/violent")
_NONE: Final = ()

MEANT: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "harm": {
        "violent_crimes": _VIOLENT,
        "non_violent_crimes": ("illicit",),
        "sex_crimes": ("sexual", "illicit"),
        "child_exploitation": ("sexual", "sexual/minors"),
        "defamation": _NONE,
        "specialized_advice": _NONE,
        "privacy": _NONE,
        "intellectual_property": _NONE,
        "weapons": _ARMED,
        "hate": ("hate",),
        "self_harm": ("self-harm",),
        "sexual_content": ("sexual",),
        "disinformation": _NONE,
        "cyber_crimes": ("illicit",),
    },
    "llama_guard": {
        "violent_crimes": _VIOLENT,
        "non_violent_crimes": ("illicit",),
        "sex_related_crimes": ("sexual", "illicit"),
        "child_sexual_exploitation": ("sexual", "sexual/minors"),
        "defamation": _NONE,
        "specialized_advice": _NONE,
        "privacy": _NONE,
        "intellectual_property": _NONE,
        "indiscriminate_weapons": _ARMED,
        "hate": ("hate",),
        "suicide_and_self_harm": ("self-harm",),
        "sexual_content": ("sexual",),
        "elections": _NONE,
        "code_interpreter_abuse": ("illicit",),
    },
    "moderation": {name: (name,) for name in CATEGORIES},
}
"""By detector and its category; a category of another detector is OpenAI's where it has its name,
as a webhook's may."""


def meant_by(detector: str, category: str) -> tuple[str, ...]:
    """OpenAI's categories for one of ours; none for most."""
    if detector in MEANT:
        return MEANT[detector].get(category, ())
    return (category,) if category in CATEGORIES else ()


def looked_for(detectors: Iterable[str]) -> set[str]:
    """Every category of OpenAI's that one of these detectors may find."""
    found = (names for each in detectors for names in MEANT.get(each, {}).values())
    return {name for names in found for name in names}
