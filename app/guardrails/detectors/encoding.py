"""Text that is hidden, disguised or encoded."""

import re
from collections.abc import Callable, Iterator
from typing import Annotated, Literal, NamedTuple

import re2
from pydantic import Field

from app.domain.finding import CLEAN, FLOOR, Detection, Finding, Found
from app.domain.persona import FileModel
from app.guardrails.decode import decoded_readings
from app.guardrails.detector import DetectorKind, Scope
from app.guardrails.fold import fold
from app.guardrails.passage import Layer, Passage
from app.guardrails.regex import longest
from app.guardrails.strictness import chooses_all_of

_NAME = "encoding"
_REVISION = "1"

Kind = Literal["invisible", "tags", "selectors", "bidi", "mixed_script", "payload"]

_FLAG = "\U0001f3f4"
_END_OF_FLAG = "\U000e007f"
_LONGEST_FLAG = 8
"""Of tag characters in an emoji flag such as Scotland's, with its end."""
_MANY_INVISIBLE = 8
"""Invisible characters in a row that are no slip but a message."""
_SHORTEST_WORD = 4
"""Letters from which a word of two scripts is no symbol such as a Greek letter beside a unit."""


def _invisible(run: str) -> float:
    """Some in a row happen when text is pasted; many, or one after each letter, do not."""
    return 0.95 if len(run) >= _MANY_INVISIBLE else 0.6


def _tags(run: str) -> float:
    is_flag = run[0] == _FLAG and run[-1] == _END_OF_FLAG and len(run) <= _LONGEST_FLAG
    return 0.0 if is_flag or run == _FLAG else 0.98


def _selectors(run: str) -> float:
    return 0.95 if len(run) >= _MANY_INVISIBLE else 0.6


def _bidi(run: str) -> float:
    """Overrides show text in another order than it is read. The others serve Arabic and Hebrew."""
    return 0.9 if re.search("[\u202d\u202e]", run) else 0.2


def _mixed(run: str) -> float:
    """Disguise, where every foreign letter looks like a Latin one."""
    is_disguise = fold(run).isascii() and len(run) >= _SHORTEST_WORD
    return 0.8 if is_disguise else 0.2


def _payload(run: str) -> float:
    """Surely text where it decodes to some. Else it may be a digest, a key or a picture."""
    return 0.7 if decoded_readings(run) else 0.2


class _Form(NamedTuple):
    kind: Kind
    what: str
    pattern: str
    score: Callable[[str], float]


_INVISIBLE = (
    r"\x{00AD}\x{034F}\x{061C}\x{115F}\x{1160}\x{17B4}\x{17B5}\x{180E}\x{200B}-\x{200F}"
    r"\x{2060}-\x{2065}\x{206A}-\x{206F}\x{3164}\x{FEFF}\x{FFA0}\x{FFF9}-\x{FFFB}"
)
_FOREIGN = r"\x{0370}-\x{03FF}\x{0400}-\x{052F}\x{0531}-\x{0586}"

_FORMS = (
    _Form("invisible", "invisible characters in a row", f"[{_INVISIBLE}]{{2,}}", _invisible),
    _Form(
        "invisible",
        "invisible characters between letters",
        f"[A-Za-z](?:[{_INVISIBLE}][A-Za-z]){{3,}}",
        lambda _: 0.9,
    ),
    _Form(
        "tags",
        "invisible copies of ASCII",
        r"\x{1F3F4}?[\x{E0000}-\x{E007F}]+",
        _tags,
    ),
    _Form(
        "selectors",
        "variation selectors in a row",
        r"[\x{FE00}-\x{FE0F}\x{E0100}-\x{E01EF}]{2,}",
        _selectors,
    ),
    _Form("bidi", "change of direction", r"[\x{202A}-\x{202E}\x{2066}-\x{2069}]+", _bidi),
    _Form(
        "mixed_script",
        "word of two scripts",
        f"(?:[A-Za-z][{_FOREIGN}]|[{_FOREIGN}][A-Za-z])[A-Za-z{_FOREIGN}]*",
        _mixed,
    ),
    _Form("payload", "long base64 or hexadecimal run", r"[A-Za-z0-9+/_\-]{40,}={0,2}", _payload),
    _Form("payload", "long run of percent escapes", r"(?:%[0-9A-Fa-f]{2}){12,}", _payload),
    _Form("payload", "long run of byte escapes", r"(?:\\x[0-9A-Fa-f]{2}){12,}", _payload),
)


class EncodingSettings(FileModel):
    """Which kinds of hidden text a rule is about."""

    kinds: tuple[Kind, ...] = ()
    """Only these kinds; empty means all."""
    min_score: Annotated[float, Field(ge=FLOOR, le=1)] = 0.5
    """Findings that score lower are not for this rule."""


class EncodingDetector:
    """Finds text that a person does not see as a model reads it."""

    name = _NAME
    revision = _REVISION
    spec = ""
    scope = Scope.SPAN
    left_context = 0

    def __init__(self) -> None:
        self.shapes: tuple[str, ...] | None = tuple(form.pattern for form in _FORMS)
        self._patterns = [longest(form.pattern) for form in _FORMS]
        self._screen = re2.Set.SearchSet()
        for form in _FORMS:
            self._screen.Add(form.pattern)
        self._screen.Compile()

    def inspect(self, passage: Passage) -> Detection:
        """Every place, in the text as it is and with JSON escapes undone."""
        found = {
            (finding.start, finding.end, finding.category): finding
            for layer in passage.layers
            if layer.name in {"original", "json"}
            for finding in self._in_layer(layer)
        }
        return Found(tuple(found[key] for key in sorted(found))) if found else CLEAN

    def _in_layer(self, layer: Layer) -> Iterator[Finding]:
        for index in self._screen.Match(layer.text) or ():
            form = _FORMS[index]
            for match in self._patterns[index].finditer(layer.text):
                score = form.score(match.group())
                if score >= FLOOR:
                    start, end = layer.span(*match.span())
                    yield Finding(_NAME, form.kind, score, "", start, end, _REVISION, form.what)


def _selects(settings: EncodingSettings, finding: Finding) -> bool:
    return finding.score >= settings.min_score and (
        not settings.kinds or finding.category in settings.kinds
    )


def _is_as_strict(settings: EncodingSettings, other: EncodingSettings) -> bool:
    covers = chooses_all_of(settings.kinds, other.kinds)
    return covers and settings.min_score <= other.min_score


KIND = DetectorKind(
    name=_NAME,
    summary="Text that is hidden, disguised or encoded, so that a person does not see it.",
    settings=EncodingSettings,
    build=lambda _settings: EncodingDetector(),
    selects=_selects,
    is_as_strict=_is_as_strict,
    is_by_text=lambda _settings: True,
)
