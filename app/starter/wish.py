"""What somebody wants to begin with."""

import re
import unicodedata
from dataclasses import dataclass

from app.catalog.files import is_id

_MOST_CHARS = 200


@dataclass(frozen=True, slots=True)
class Wish:
    """A persona as its first answers describe it."""

    id: str
    name: str
    role: str
    """What it is, in a few words."""
    description: str
    """What it is for, in a sentence."""
    readers: str
    language: str
    """A tag such as ``en``, or ``match-user``."""


def id_for(name: str) -> str:
    """An id that a name suggests; empty where it has no letter or digit of ASCII."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60].strip("-")


def wrong_line(text: str, *, may_be_empty: bool = False) -> str:
    """Why a text cannot be an answer; empty where it can."""
    if not text.strip():
        return "" if may_be_empty else "is empty"
    if not text.isprintable():
        return "holds a line break or another character that does not print"
    if "{{" in text or "{%" in text:
        return "holds '{{' or '{%', which only templates may"
    return f"is longer than {_MOST_CHARS} characters" if len(text) > _MOST_CHARS else ""


def wrong_id(text: str) -> str:
    """Why a text can be no persona's id; empty where it can."""
    if not is_id(text) or len(text) > _MOST_CHARS:
        return "is no id: letters, digits, '.', '_' and '-', and a letter or digit first"
    is_reserved = text.endswith((".cases", ".yaml"))
    return "ends as other files' names do" if is_reserved else ""


def wrong_language(text: str) -> str:
    """Why a text is no language to answer in; empty where it is one."""
    is_tag = re.fullmatch(r"match-user|[a-z]{2,3}(-[A-Za-z0-9]{2,8})*", text)
    return "" if is_tag else "is neither 'match-user' nor a tag such as en, zh or pt-BR"
