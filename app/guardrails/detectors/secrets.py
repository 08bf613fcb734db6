"""Credentials: keys, tokens, passwords, private keys."""

import tomllib
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from typing import Annotated, NamedTuple

import re2
from pydantic import AfterValidator, Field, WithJsonSchema

from app.domain.finding import CLEAN, FLOOR, Detection, Finding, Found
from app.domain.persona import FileModel
from app.guardrails.certainty import CHECKS, WHOLE, password_certainty, token_certainty
from app.guardrails.detector import DetectorKind, Scope
from app.guardrails.fillers import is_code
from app.guardrails.passage import Layer, Passage

_NAME = "secrets"
_REVISION = "2026-11-22.2"
_PASSWORD = "password"  # noqa: S105  # the name of a kind
_GENERIC = "generic_secret"

_LEFT_CONTEXT = 24
"""Code points before an assignment's name that can say it is something else: ``csrf_token``."""


class _Form(NamedTuple):
    kind: str
    what: str
    pattern: str
    score: float
    check: str = "token"
    assigned: str = ""
    """For a value assigned to a name: what the name promises, ``password`` or ``token``."""


@cache
def _forms() -> tuple[_Form, ...]:
    content = tomllib.loads(files(__package__).joinpath("secrets.toml").read_text("utf-8"))
    named = content["assignment"]
    return (
        *(_Form(**entry) for entry in content["credentials"]),
        _Form(_PASSWORD, "password assigned to a name", named["password"], 0.8, "", "password"),
        _Form(_GENERIC, "secret assigned to a name", named["token"], 0.8, "", "token"),
    )


def _kinds() -> list[str]:
    return sorted({form.kind for form in _forms()})


def _known(kind: str) -> str:
    if kind not in _kinds():
        raise ValueError(f"no such kind; there are {', '.join(_kinds())}")
    return kind


class SecretsSettings(FileModel):
    """Which credentials a rule is about."""

    kinds: tuple[
        Annotated[
            str,
            AfterValidator(_known),
            WithJsonSchema({"type": "string", "description": "A kind of credential."}),
        ],
        ...,
    ] = ()
    """Only these kinds, such as ``private_key``; empty means all."""
    min_score: Annotated[float, Field(ge=FLOOR, le=1)] = 0.5
    """Findings that score lower are not for this rule."""


_NOT_SECRET = re2.compile(
    r"(?i)(?:csrf|xsrf|authenticity|verification|antiforgery|idempotency|public|publishable|page|next|continuation|cancel(?:lation)?|sync|cursor|"
    r"input|output|prompt|special|invite|forgot|reset|change|confirm|verify|wrong|invalid|incorrect|"
    r"(?:^|[^a-z])(?:max|min|num|stop|pad|eos|bos|unk|sep|mask|no|any))[_\-. ]{0,2}\z"
)


class SecretsDetector:
    """Finds credentials by their issuer's form, or by the name they are assigned to."""

    name = _NAME
    revision = _REVISION
    spec = ""
    scope = Scope.SPAN
    left_context = _LEFT_CONTEXT

    def __init__(self) -> None:
        self._forms = _forms()
        self.shapes: tuple[str, ...] | None = tuple(form.pattern for form in self._forms)
        longest = re2.Options()
        longest.longest_match = True
        self._patterns = [re2.compile(form.pattern, longest) for form in self._forms]
        options = re2.Options()
        options.max_mem = 64 << 20
        self._screen = re2.Set.SearchSet(options)
        for form in self._forms:
            self._screen.Add(form.pattern)
        self._screen.Compile()

    def inspect(self, passage: Passage) -> Detection:
        """Every credential, in every layer."""
        best: dict[tuple[int, int], Finding] = {}
        for layer in passage.layers:
            for finding in self._in_layer(layer):
                span = finding.start, finding.end
                known = best.get(span)
                if known is None or _rank(known) < _rank(finding):
                    best[span] = finding
        found = sorted(best.values(), key=lambda finding: (finding.start, finding.end))
        return Found(_without_shadows(found)) if found else CLEAN

    def _in_layer(self, layer: Layer) -> Iterator[Finding]:
        for index in self._screen.Match(layer.text) or ():
            form = self._forms[index]
            for match in self._patterns[index].finditer(layer.text):
                group = match.lastindex or 0
                if form.assigned:
                    score = _assigned(form, match, layer.text)
                else:
                    seen = match[0] if form.check in WHOLE else match[group]
                    score = CHECKS[form.check](seen, form.score)
                if score < FLOOR:
                    continue
                start, end = layer.span(*match.span(group))
                yield Finding(_NAME, form.kind, score, "", start, end, _REVISION, form.what)


def _assigned(form: _Form, match: "re2._Match", text: str) -> float:
    """Score of a value that is assigned to a name."""
    name, quoted, bare = match[1], match[2], match[3]
    start = match.start()
    before = text[max(0, start - _LEFT_CONTEXT) : start]
    is_inside_word = before[-1:].islower() and name[0].islower() and name.lower() in _SHORT_NAMES
    if is_inside_word or _NOT_SECRET.search(before):
        return 0.0
    if bare is not None:
        bare = bare.rstrip(".!?:")
        is_compared = match[0][len(name) :].lstrip("\"'] \t").startswith("==")
        is_code_here = bare.isidentifier() if is_compared else is_code(bare)
        is_form_of_address = before.endswith("<") and bare.startswith("@")
        if is_code_here or is_form_of_address:
            return 0.0
    value = quoted if quoted is not None else bare
    certainty = password_certainty if form.assigned == "password" else token_certainty
    score = certainty(value.rstrip("\\"), form.score)
    return score if quoted is not None or form.assigned == "token" else score * 0.9


_SHORT_NAMES = frozenset({"pass", "pwd", "pw", "token", "secret", "credential", "credentials"})
"""Names that are also the end of other words: ``compass``."""

_NAMED = frozenset({_PASSWORD, _GENERIC, "service_key"})


def _rank(finding: Finding) -> tuple[bool, float]:
    """An issuer's form says more than the name that a value is assigned to."""
    return finding.category not in _NAMED, finding.score


def _without_shadows(found: Sequence[Finding]) -> tuple[Finding, ...]:
    """Without the values of assignments in which an issuer's form was recognised, or around it."""
    issued = [finding for finding in found if finding.category not in _NAMED]
    kept = list(issued)
    at = 0
    for finding in found:
        if finding.category not in _NAMED:
            continue
        while at < len(issued) and issued[at].end <= finding.start:
            at += 1
        if at == len(issued) or issued[at].start >= finding.end:
            kept.append(finding)
    return tuple(sorted(kept, key=lambda finding: (finding.start, finding.end)))


def _selects(settings: SecretsSettings, finding: Finding) -> bool:
    return finding.score >= settings.min_score and (
        not settings.kinds or finding.category in settings.kinds
    )


def _is_as_strict(settings: SecretsSettings, other: SecretsSettings) -> bool:
    covers = not settings.kinds or (bool(other.kinds) and set(settings.kinds) >= set(other.kinds))
    return covers and settings.min_score <= other.min_score


KIND = DetectorKind(
    name=_NAME,
    summary="Credentials: keys, tokens, passwords and private keys of some 160 kinds.",
    settings=SecretsSettings,
    build=lambda _settings: SecretsDetector(),
    selects=_selects,
    is_as_strict=_is_as_strict,
    is_by_text=lambda _settings: True,
)
