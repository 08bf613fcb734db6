"""Answers that give away the system prompt, as it is or in another spelling."""

import hashlib
import math
import re
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Annotated, Literal

import re2
from pydantic import AfterValidator, Field

from app.domain.finding import CLEAN, FLOOR, Detection, Finding, Found
from app.domain.persona import FileModel
from app.guardrails.context import Context
from app.guardrails.decode import without_surrogates
from app.guardrails.detector import DetectorKind, Scope
from app.guardrails.fold import fold
from app.guardrails.passage import Layer, Passage
from app.guardrails.sentences import sentences
from app.guardrails.spelled import rot47, spelled_readings

if TYPE_CHECKING:
    from app.guardrails.copying import Original

_NAME = "prompt_leak"
_REVISION = "2026-11-23"

Kind = Literal["prompt", "canary", "reasoning"]

_BYTES_KEPT = 32 << 20
"""Of prompts that are kept. One of ten kilobytes takes half a megabyte."""
_KEY_BYTES = 200
_SHORTEST_CANARY = 8

_MIDDLE = 50.0
"""Letters beyond what any two texts share, at which the score is 0.5: about twelve words in a row.
Answers given under a prompt repeat up to half of that: names, a role, the subject."""
_LEAST_MIDDLE = 20.0
_SHARE = 0.6
"""Of the letters of a short prompt or a short answer, that much is the middle."""
_SLOPE = 0.24
"""Of the middle: how fast the score grows there."""

# What a prompt holds to be known or said: documents, examples, the request's own values, and lines
# that it tells the model to use. An answer may repeat those.
_KNOWN = re2.compile(
    r"(?s)<document\b[^>]*>.*?</document>|<example>.*?</example>|<data\b[^>]*>.*?</data>"
)
_QUOTED = re.compile(r"\"[^\"\n]{8,}\"|“[^”\n]{8,}”")
_TO_SAY = re.compile(
    r"(?i)\b(?:say|says|reply|replies|answer|respond|write|tell|ask|use|greet|begin|start|end|close|"
    r"add|words|phrase|sentence|message|with)\b[^.\n]*\Z"
)
_BEFORE = 48
"""Code points before a quotation that can say that it is to be said."""

_LEET = re.compile(r"[A-Za-z][0-9@$!|+][A-Za-z]")
_FEWEST_LETTERS = 0.65
"""The share of letters below which a text may be rot47. Code has more."""

_WORD = re.compile(r"[A-Za-z]+")
_HEAD = re.compile(r"[^aeiouAEIOU]*")
_VOWELS = re.compile(r"[aeiouAEIOU]")
_ATBASH = {
    ord(a): b
    for a, b in zip("abcdefghijklmnopqrstuvwxyz", "zyxwvutsrqponmlkjihgfedcba", strict=True)
}


def _canary(canary: str) -> str:
    if canary and len(_marks(canary)) < _SHORTEST_CANARY:
        raise ValueError(
            f"write at least {_SHORTEST_CANARY} letters and digits that stand nowhere else"
        )
    return canary


class PromptLeakSettings(FileModel):
    """What counts as giving the system prompt away."""

    canary: Annotated[str, AfterValidator(_canary)] = ""
    """A line that stands in the prompt and nowhere else. An answer that holds it is found, also
    where the rest was translated. Case, blanks and punctuation do not count."""
    scope: Literal["response", "sentence"] = "response"
    """What is looked at together. ``sentence`` finds less and lets an answer stream under a rule
    that can change or stop it."""
    kinds: tuple[Kind, ...] = ("prompt", "canary")
    """Which findings the rule is about. ``reasoning`` is the prompt in what the model thinks,
    which quotes it in honest work too."""
    min_score: Annotated[float, Field(ge=FLOOR, le=1)] = 0.5
    """Findings that score lower are not for this rule."""


def _spec(settings: PromptLeakSettings) -> str:
    told = f"{settings.scope}\0{_marks(settings.canary)}"
    is_default = told == "response\0"
    return "" if is_default else hashlib.sha256(told.encode()).hexdigest()[:16]


def _marks(text: str) -> str:
    """Its letters and digits, in small letters."""
    return "".join(char for char in fold(text).lower() if char.isalnum())


def _forms(text: str) -> Iterator[str]:
    """The ways to write a prompt that keep its letters, or most of them."""
    words = text.split()
    yield text
    yield text[::-1]
    yield " ".join(words[::-1])
    yield " ".join(word[::-1] for word in words)
    yield _WORD.sub(_pig_latin, text)
    yield _VOWELS.sub("", text)
    yield text.lower().translate(_ATBASH)


def _pig_latin(word: re.Match[str]) -> str:
    head = _HEAD.match(word[0])
    cut = 0 if head is None else head.end()
    return word[0][cut:] + word[0][:cut] + ("ay" if cut else "way")


class Prompts:
    """Prompts as they are compared with, by digest. The least recently used are forgotten."""

    def __init__(self, capacity: int = _BYTES_KEPT) -> None:
        self._capacity = capacity
        self._size = 0
        self._known: OrderedDict[bytes, Original] = OrderedDict()
        self._lock = Lock()

    def get(self, system: str) -> "Original":
        """The prompt without what it holds to be known or said.

        Made once for all requests whose prompts differ in that alone.
        """
        key = _digest(system)
        known = self._look_up(key)
        if known is None:
            told = _without_what_may_be_said(system)
            rest = _digest(told)
            known = self._look_up(rest) or _prepared(told)
            self._keep(rest, known)
            self._keep(key, known)
        return known

    def __len__(self) -> int:
        return len(self._known)

    def _look_up(self, key: bytes) -> "Original | None":
        with self._lock:
            known = self._known.get(key)
            if known is not None:
                self._known.move_to_end(key)
            return known

    def _keep(self, key: bytes, prompt: "Original") -> None:
        with self._lock:
            if key not in self._known:
                self._size += prompt.size + _KEY_BYTES
            self._known[key] = prompt
            while self._size > self._capacity and len(self._known) > 1:
                self._size -= self._known.popitem(last=False)[1].size + _KEY_BYTES


def _without_what_may_be_said(system: str) -> str:
    text = _KNOWN.sub(" \n", without_surrogates(system))

    def rest(quotation: re.Match[str]) -> str:
        before = text[max(0, quotation.start() - _BEFORE) : quotation.start()]
        return " \n" if _TO_SAY.search(before) else quotation[0]

    return _QUOTED.sub(rest, text)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _prepared(told: str) -> "Original":
    from app.guardrails.copying import original  # noqa: PLC0415  # NumPy only where it is used

    text = fold(told)
    return original(text, list(_forms(text)))


@cache
def _prompts() -> Prompts:
    return Prompts()


class PromptLeakDetector:
    """Compares an answer's letters with those of the prompt it was given under."""

    name = _NAME
    revision = _REVISION
    shapes: tuple[str, ...] | None = None
    left_context = 0

    def __init__(self, settings: PromptLeakSettings) -> None:
        self.spec = _spec(settings)
        self.scope = Scope(settings.scope)
        self._prompts = _prompts()
        self._canaries = _turned(_marks(settings.canary)) if settings.canary else ()

    def inspect(self, passage: Passage) -> Detection:
        """The parts that repeat the prompt, and the canary."""
        if not (passage.context.system or self._canaries):
            return CLEAN
        if self.scope is Scope.RESPONSE:
            found = list(self._found(passage))
        else:
            found = [
                replace(finding, start=finding.start + start, end=finding.end + start)
                for start, end in sentences(passage.original)
                for finding in self._found(_part(passage, start, end))
            ]
        return Found(_surest(found)) if found else CLEAN

    def _found(self, passage: Passage) -> Iterator[Finding]:
        system = passage.context.system
        prompt = self._prompts.get(system) if system else None
        kind: Kind = "reasoning" if passage.context.of == "reasoning" else "prompt"
        for layer in _readings(passage):
            for start, end in self._canaries_in(layer):
                where = layer.span(start, end)
                yield self._finding("canary", 1.0, *where, "holds the line that marks the prompt")
            if prompt is not None and prompt.length:
                yield from self._repeated(prompt, layer, kind)

    def _repeated(self, prompt: "Original", layer: Layer, kind: Kind) -> Iterator[Finding]:
        from app.guardrails.copying import initials, letters  # noqa: PLC0415  # as above

        plain = letters(layer.text)
        compared = [(layer, plain, False), (layer, initials(plain), False)]
        if _LEET.search(layer.text):
            compared.append((layer, letters(layer.text, is_leet=True), True))
        if len(plain.values) < _FEWEST_LETTERS * (len(layer.text) - layer.text.count(" ")):
            turned = replace(layer, text=rot47(layer.text))
            compared.append((turned, letters(turned.text), False))
        for read, found, is_leet in compared:
            for stretch in prompt.repeated(found, is_leet=is_leet):
                score = _score(stretch.weight, min(prompt.length, len(found.values)))
                if score >= FLOOR:
                    where = read.span(stretch.start, stretch.end)
                    yield self._finding(kind, score, *where, "repeats the system prompt")

    def _canaries_in(self, layer: Layer) -> Iterator[tuple[int, int]]:
        if not self._canaries:
            return
        text = layer.text.lower() if len(layer.text.lower()) == len(layer.text) else layer.text
        marked = [at for at, char in enumerate(text) if char.isalnum()]
        marks = "".join(text[at] for at in marked)
        for canary in self._canaries:
            at = marks.find(canary)
            if at >= 0:
                yield marked[at], marked[at + len(canary) - 1] + 1

    def _finding(self, kind: Kind, score: float, start: int, end: int, why: str) -> Finding:
        return Finding(_NAME, kind, score, "", start, end, _REVISION, why, self.spec)


def _score(weight: float, length: int) -> float:
    """The score, given the letters of the prompt or of the text, whichever has fewer."""
    middle = min(_MIDDLE, max(_SHARE * length, _LEAST_MIDDLE))
    return round(1 / (1 + math.exp((middle - weight) / (_SLOPE * middle))), 6)


def _turned(canary: str) -> tuple[str, ...]:
    """The canary with its alphabet shifted by every number, forwards and backwards."""
    shifted = [
        "".join(_shifted(char, by) if "a" <= char <= "z" else char for char in canary)
        for by in range(26)
    ]
    return tuple(dict.fromkeys(shifted + [each[::-1] for each in shifted]))


def _shifted(letter: str, by: int) -> str:
    return chr((ord(letter) - ord("a") + by) % 26 + ord("a"))


def _part(passage: Passage, start: int, end: int) -> Passage:
    text = passage.original[start:end]
    return Passage(text, is_json=passage.is_json, context=passage.context)


def _readings(passage: Passage) -> Iterator[Layer]:
    """The layers, each in its folded form only, and what the text spells out."""
    layers = passage.layers
    for layer, following in zip(layers, (*layers[1:], None), strict=True):
        if following is None or following.name != "folded":
            yield layer
    for name, reading in spelled_readings(layers[0].text):
        yield Layer(name, reading.text, reading.starts, reading.ends)


def _surest(found: list[Finding]) -> tuple[Finding, ...]:
    """Of findings of a kind that overlap the surest, ordered by start."""
    kept: list[Finding] = []
    for finding in sorted(found, key=lambda finding: (-finding.score, finding.start)):
        if not any(
            finding.category == other.category
            and finding.start < other.end
            and other.start < finding.end
            for other in kept
        ):
            kept.append(finding)
    return tuple(sorted(kept, key=lambda finding: (finding.start, finding.end)))


def _build(settings: PromptLeakSettings) -> PromptLeakDetector:
    detector = PromptLeakDetector(settings)
    warm = Passage("warm", context=Context(system="warm"))
    detector.inspect(warm)
    return detector


def _selects(settings: PromptLeakSettings, finding: Finding) -> bool:
    return (
        finding.spec == _spec(settings)
        and finding.category in settings.kinds
        and finding.score >= settings.min_score
    )


def _is_as_strict(settings: PromptLeakSettings, other: PromptLeakSettings) -> bool:
    return (
        set(settings.kinds) >= set(other.kinds)
        and settings.min_score <= other.min_score
        and settings.scope == other.scope
        and (not other.canary or _marks(settings.canary) == _marks(other.canary))
    )


KIND = DetectorKind(
    name=_NAME,
    summary="Answers that give away the system prompt, as it is or in another spelling.",
    settings=PromptLeakSettings,
    build=_build,
    selects=_selects,
    is_as_strict=_is_as_strict,
)
