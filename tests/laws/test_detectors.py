"""What every detector keeps to, whatever it looks for.

Detectors, settings and texts are discovered: the settings are those of the tables of cases, and so
are the texts, beside any others.
"""

import asyncio
import itertools
import json
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import re2
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.conversation import Tool
from app.domain.finding import FLOOR, Clean, Detection, Finding, Found, Unchecked
from app.domain.persona import FileModel
from app.guardrails.context import Context
from app.guardrails.detector import Detector, LocalDetector, RemoteDetector, Scope, SlowDetector
from app.guardrails.kinds import KINDS
from app.guardrails.passage import Passage
from app.guardrails.sentences import sentences

TABLES = Path(__file__).parents[1] / "cases" / "detectors"
MOST_SETTINGS = 30
LAW = settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


# What there is to try


@cache
def table(kind: str) -> Any:  # noqa: ANN401  # YAML
    """The cases of a detector."""
    files = sorted(TABLES.glob(f"{kind}*.yaml"))
    return [yaml.load(file.read_text("utf-8"), yaml.CSafeLoader) for file in files]


def named(value: Any, name: str) -> Iterator[Any]:  # noqa: ANN401  # YAML
    """Everything under a key of this name, however deep."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key == name:
                yield inner
            yield from named(inner, name)
    elif isinstance(value, list):
        for item in value:
            yield from named(item, name)


@cache
def settings_of(kind: str) -> tuple[FileModel, ...]:
    """Settings that the cases try, spread over the table, and the defaults where there are some."""
    told = [{}, *named(table(kind), "settings")]
    made: dict[str, FileModel] = {}
    for each in told:
        try:
            model = KINDS[kind].settings.model_validate(each)
        except ValueError:
            continue
        made.setdefault(model.model_dump_json(), model)
    found = list(made.values())
    return tuple(found[:: max(1, len(found) // MOST_SETTINGS)])


@cache
def detectors_of(kind: str) -> tuple[tuple[FileModel, Detector], ...]:
    """A detector for each of the settings."""
    return tuple((each, KINDS[kind].build(each)) for each in settings_of(kind))


@cache
def texts_of(kind: str) -> tuple[str, ...]:
    """The texts of the cases."""
    return tuple("".join(text) for text in named(table(kind), "text")) or ("",)


LOCAL = [
    kind
    for kind in sorted(KINDS)
    if not all(isinstance(detector, RemoteDetector) for _, detector in detectors_of(kind))
]

PIECES = st.one_of(
    st.text(max_size=40),
    st.text(st.characters(min_codepoint=0xD7F0, max_codepoint=0xE010), max_size=3),
    st.sampled_from(
        ["\ud800", "\u200b", "\r\n", "a" * 300, "中" * 50, "( " * 30, "\x00", "{", '"']
    ),
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=8)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)
        ),
        max_leaves=6,
    ).map(json.dumps),
)


def texts(kind: str) -> st.SearchStrategy[str]:
    """Texts of the cases, and any others, alone or one after the other."""
    known = st.sampled_from(texts_of(kind))
    return st.one_of(known, PIECES, st.lists(st.one_of(known, PIECES), max_size=3).map(" ".join))


@st.composite
def contexts(draw: st.DrawFn, kind: str) -> Context:
    """What a text may belong to, at a stage at which the detector looks."""
    said = texts(kind)
    return Context(
        stage=draw(st.sampled_from(sorted(KINDS[kind].stages))),
        system=draw(said),
        question=draw(said),
        documents=tuple(draw(st.lists(said, max_size=2))),
        tools=(Tool("send", parameters={"properties": {"to": {"type": "string"}}}),),
        tool=draw(st.sampled_from([None, "send", "pay"])),
        answer_schema=draw(st.sampled_from([None, {"type": "object"}, {"type": "bogus"}])),
        of=draw(st.sampled_from(["", "text", "name", "arguments", "reasoning"])),
    )


def ask(detector: Detector, passage: Passage) -> Detection:
    """What a detector says that looks in this process."""
    if isinstance(detector, SlowDetector):
        return asyncio.run(detector.inspect_slowly(passage))
    assert not isinstance(detector, RemoteDetector)
    return detector.inspect(passage)


def findings(detection: Detection) -> tuple[Finding, ...]:
    """What was found, if the detector could look."""
    return detection.findings if isinstance(detection, Found) else ()


MARKED = ["#", " # ", '{"#": 5}', '{"a": "#"}', "#@#.com", "https://#/"]


# The laws


@pytest.mark.parametrize("kind", LOCAL)
@LAW
@given(st.data())
def test_what_is_said_is_well_formed(kind: str, data: st.DataObject) -> None:
    """A detector fails on some text, or says what nobody can act on."""
    text, is_json = data.draw(texts(kind)), data.draw(st.booleans())
    context = data.draw(contexts(kind))
    for _, detector in detectors_of(kind):
        said = ask(detector, Passage(text, is_json=is_json, context=context))
        assert isinstance(said, Clean | Found | Unchecked)
        assert said == ask(detector, Passage(text, is_json=is_json, context=context))
        found = findings(said)
        assert found or not isinstance(said, Found)
        assert [each.start for each in found] == sorted(each.start for each in found)
        for each in found:
            assert 0 <= each.start <= each.end <= len(text)
            assert FLOOR <= each.score <= 1
            assert (each.detector, each.revision, each.spec, each.path) == (
                kind,
                detector.revision,
                detector.spec,
                "",
            )
            assert each.category
            assert each.explanation


@pytest.mark.parametrize("kind", LOCAL)
@LAW
@given(st.data())
def test_nothing_of_the_text_is_told(kind: str, data: st.DataObject) -> None:
    """A finding is recorded, logged and shown: what a user wrote would be there too."""
    marker = "zq" + data.draw(st.text("bcdfgjkvwxz", min_size=6, max_size=6))
    before, after = data.draw(texts(kind)), data.draw(texts(kind))
    context = data.draw(contexts(kind))
    marked = [each.replace("#", marker) for each in MARKED]
    marked.append(before + data.draw(st.sampled_from(marked)) + after)
    for (_, detector), text in itertools.product(detectors_of(kind), marked):
        said = ask(detector, Passage(text, is_json=text[:1] == "{", context=context))
        told = said.reason if isinstance(said, Unchecked) else ""
        told += " ".join(f"{each.category} {each.explanation}" for each in findings(said))
        assert marker not in told


@pytest.mark.parametrize("kind", LOCAL)
@LAW
@given(st.data())
def test_stricter_settings_find_no_less(kind: str, data: st.DataObject) -> None:
    """A child policy passes for as strict as its parent, and lets through what that finds."""
    text, context = data.draw(texts(kind)), data.draw(contexts(kind))
    found = [
        (each, _selected(kind, each, ask(detector, Passage(text, context=context))))
        for each, detector in detectors_of(kind)
    ]
    for ours, ours_found in found:
        assert KINDS[kind].is_as_strict(ours, ours)
        for theirs, theirs_found in found:
            if KINDS[kind].is_as_strict(ours, theirs):
                for finding in theirs_found:
                    assert any(_meet(finding, each) for each in ours_found)


def _selected(kind: str, chosen: FileModel, said: Detection) -> list[Finding]:
    return [each for each in findings(said) if KINDS[kind].selects(chosen, each)]


def _meet(one: Finding, other: Finding) -> bool:
    return (one.start, one.end) == (other.start, other.end) or (
        one.start < other.end and other.start < one.end
    )


def _local(scope: Scope) -> list[str]:
    return [
        kind
        for kind in LOCAL
        if any(getattr(each, "scope", None) is scope for _, each in detectors_of(kind))
    ]


def _of_scope(kind: str, scope: Scope) -> Iterator[LocalDetector]:
    for _, detector in detectors_of(kind):
        if not isinstance(detector, SlowDetector | RemoteDetector) and detector.scope is scope:
            yield detector


@pytest.mark.parametrize("kind", _local(Scope.SPAN))
@LAW
@given(st.data())
def test_every_finding_of_a_span_lies_in_a_match_of_a_shape(kind: str, data: st.DataObject) -> None:
    """In a stream, text that is part of a finding would not be held back."""
    passage = Passage(data.draw(texts(kind)), is_json=data.draw(st.booleans()), is_whole=False)
    for detector in _of_scope(kind, Scope.SPAN):
        held = [
            layer.span(*match.span())
            for layer in passage.layers
            for shape in detector.shapes or ()
            for match in _longest(shape).finditer(layer.text)
            if match.end() > match.start()
        ]
        for finding in findings(ask(detector, passage)):
            assert any(start <= finding.start and finding.end <= end for start, end in held)


@cache
def _longest(shape: str) -> Any:  # noqa: ANN401  # the binding has no types
    options = re2.Options()
    options.longest_match = True
    return re2.compile(shape, options)


@pytest.mark.parametrize("kind", _local(Scope.SENTENCE))
@LAW
@given(st.data())
def test_every_finding_of_a_sentence_depends_on_it_alone(kind: str, data: st.DataObject) -> None:
    """A streamed answer is judged otherwise than one that is looked at whole."""
    text = data.draw(texts(kind))
    for detector in _of_scope(kind, Scope.SENTENCE):
        apart = [
            (start + each.start, start + each.end, each.category, each.score)
            for start, end in sentences(text)
            for each in findings(ask(detector, Passage(text[start:end], is_whole=False)))
        ]
        whole = findings(ask(detector, Passage(text, is_whole=False)))
        assert sorted(apart) == sorted((e.start, e.end, e.category, e.score) for e in whole)


@pytest.mark.parametrize("kind", LOCAL)
def test_twice_the_text_is_about_twice_the_work(kind: str) -> None:
    """A long text keeps everybody waiting: the work grows with the square of the length."""
    local = [each for _, each in detectors_of(kind) if not isinstance(each, SlowDetector)]
    for detector, sample in itertools.product(local[:2], texts_of(kind)[:: _apart(kind)]):
        unit = (sample or "a") + " "
        times = max(1, 1500 // len(unit))
        _calls(kind, detector, unit * times)  # what is made once is made
        once = _calls(kind, detector, unit * times)
        assert _calls(kind, detector, unit * times * 2) <= 2.5 * once + 500


def _apart(kind: str) -> int:
    return max(1, len(texts_of(kind)) // 3)


def _calls(kind: str, detector: Detector, text: str) -> int:
    """How many functions a look calls: a measure that no other process can disturb."""
    calls = 0

    def count(_frame: object, event: str, _arg: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    passage = Passage(text, context=Context(stage=min(KINDS[kind].stages), documents=(text,)))
    before = sys.getprofile()
    sys.setprofile(count)
    try:
        ask(detector, passage)
    finally:
        sys.setprofile(before)
    return calls


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_setting_says_what_it_does(kind: str) -> None:
    """An author would have to guess, in the editor and on the reference page."""
    schema = KINDS[kind].settings.model_json_schema()
    for name, model in {"": schema, **schema.get("$defs", {})}.items():
        for key, value in model.get("properties", {}).items():
            assert value.get("description"), f"{name}.{key}"


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_cases_try_the_settings(kind: str) -> None:
    """The laws above would be tried on nothing."""
    assert settings_of(kind)
    assert len(texts_of(kind)) > 1
