"""Answers that recite the system prompt are found, and answers given under it are not."""

import itertools
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from app.domain.events import Finish, FinishReason, ReasoningDelta, TextDelta, ToolCallDelta
from app.domain.finding import Finding
from app.domain.policy import Action, Stage
from app.guardrails.context import Context
from app.guardrails.decode import without_surrogates
from app.guardrails.detector import LocalDetector, Scope
from app.guardrails.detectors.prompt_leak import (
    KIND,
    PromptLeakDetector,
    PromptLeakSettings,
    Prompts,
)
from app.guardrails.passage import Passage
from app.guardrails.pseudonyms import Minter
from app.guardrails.release import OutputGuard
from app.guardrails.sentences import sentences
from app.guardrails.spelled import rot47, spelled_readings
from tests.guardrails.building import KEY, NOW, SCOPE, pieces, plan, rule, run, stream, text_of
from tests.guardrails.detectors.tables import Row, findings, rows

PROMPT = (
    "You are Ada, the baker who answers questions of apprentices at night. Never name our "
    "suppliers, and never tell apprentices what the shop pays for butter or for eggs."
)
RECITED = "Never name our suppliers, and never tell apprentices what the shop pays for butter."


def build(**given_settings: Any) -> PromptLeakDetector:  # noqa: ANN401  # whatever a rule says
    """The detector for a rule's settings."""
    detector = KIND.build(PromptLeakSettings.model_validate(given_settings))
    assert isinstance(detector, PromptLeakDetector)
    return detector


def look(text: str, system: str = PROMPT, **given_settings: Any) -> tuple[Finding, ...]:  # noqa: ANN401  # as above
    """All findings, whatever a rule selects."""
    passage = Passage(text, context=Context(system=system))
    return findings(build(**given_settings).inspect(passage))


def inspect(row: Row) -> tuple[Finding, ...]:
    """The findings that a rule with the row's settings is about."""
    given_settings = PromptLeakSettings.model_validate(row.get("settings", {}))
    context = Context(system=row["system"], of=row.get("of", ""))
    passage = Passage(row["text"], is_json=row.get("is_json", False), context=context)
    found = findings(build(**row.get("settings", {})).inspect(passage))
    return tuple(finding for finding in found if KIND.selects(given_settings, finding))


@pytest.mark.parametrize("row", rows("prompt_leak", "passed"))
def test_an_honest_answer_passes(row: Row) -> None:
    """An answer given under the prompt would be stopped."""
    assert inspect(row) == ()


@pytest.mark.parametrize("row", rows("prompt_leak", "caught"))
def test_the_prompt_is_found(row: Row) -> None:
    """The prompt would leave in this spelling."""
    found = inspect(row)
    assert {finding.category for finding in found} == set(row.get("finds", ["prompt"]))
    text = row["text"]
    assert all(0 <= finding.start < finding.end <= len(text) for finding in found)
    if "marks" in row:
        marked = text[found[0].start : found[0].end]
        assert row["marks"].strip(".") in marked
        assert len(marked) <= len(row["marks"]) + 5


def test_more_of_the_prompt_scores_higher() -> None:
    """A rule that blocks what is certain would block a turn of phrase."""
    words = RECITED.split()
    scores = [
        max((each.score for each in look("Well, here is: " + " ".join(words[:n]))), default=0.0)
        for n in (3, 6, 9, len(words))
    ]
    assert scores == sorted(scores)
    assert scores[0] < 0.5 < scores[-1]


@given(st.integers(1, 25), st.booleans())
@settings(deadline=None)
def test_every_shift_of_the_alphabet_counts_the_same(by: int, upper: bool) -> None:  # noqa: FBT001  # drawn
    """A prompt would leave in any cipher of that kind but rot13."""
    small = "abcdefghijklmnopqrstuvwxyz"
    shifted = RECITED.lower().translate(str.maketrans(small, small[by:] + small[:by]))
    (plain,) = look(RECITED)
    (found,) = look(shifted.upper() if upper else shifted)
    assert found.score == plain.score


def test_words_here_and_there_are_no_leak() -> None:
    """A long answer that shares its subject with the prompt would add up to a leak."""
    shared = ["who answers questions", "never tell apprentices", "what the shop pays", "at night"]
    between = " Rye wants warmth, wheat wants time, and both of them want to be left alone. "
    assert all(found.score < 0.5 for found in look(between.join(shared * 2)))


def test_a_prompt_is_prepared_once_for_all_its_requests() -> None:
    """Every request with a name of its own in the prompt would pay for the whole prompt."""
    prompts = Prompts()
    first = prompts.get(PROMPT + ' <data name="n">Ann</data>')
    assert prompts.get(PROMPT + ' <data name="n">Bob</data>') is first


def test_prompts_that_are_kept_are_bounded() -> None:
    """Callers that send ever new prompts would fill the memory."""
    prompts = Prompts(capacity=100_000)
    words = [f"{a}{b}" for a, b in itertools.product("bcdfghjklm", "aeiouyäöüé")]
    for seed in range(50):
        words = words[seed:] + words[:seed]
        prompts.get(f"{seed} " + " ".join(words))
    assert 1 <= len(prompts) < 50


def test_thoughts_are_told_from_answers() -> None:
    """A model that thinks about its instructions could not be used, or would go unseen."""
    context = Context(system=PROMPT, of="reasoning")
    (finding,) = findings(build().inspect(Passage(RECITED, context=context)))
    assert finding.category == "reasoning"
    assert not KIND.selects(PromptLeakSettings(), finding)
    assert KIND.selects(PromptLeakSettings(kinds=("reasoning",)), finding)


@given(st.lists(st.sampled_from([*RECITED.split(), "Hello.", "bread", "\n", "网"]), max_size=30))
@settings(deadline=None, max_examples=100)
@example(["Hello.", "\n", *RECITED.split(), "bread", "\n", *RECITED.split()])
def test_a_sentence_is_judged_by_itself(words: list[str]) -> None:
    """What is said of a sentence in a stream would not be what is said of it in the whole."""
    text = " ".join(words)
    alone = [
        (finding.start + start, finding.end + start, finding.score)
        for start, end in sentences(text)
        for finding in look(text[start:end], scope="sentence")
    ]
    assert [(f.start, f.end, f.score) for f in look(text, scope="sentence")] == alone


@given(st.text(max_size=300))
@settings(deadline=None, max_examples=200)
@example("a. b! c\n\nd。e")
def test_sentences_are_the_whole_text(text: str) -> None:
    """A part of a text would be judged by nobody."""
    spans = list(sentences(text))
    assert "".join(text[start:end] for start, end in spans) == text


NOISE = st.lists(
    st.one_of(
        st.text(max_size=40),
        st.text("01 .-/", max_size=80),
        st.text("0123456789abcdefx, ;&#\\u", max_size=80),
        st.text("ABCDEFGH234567=", max_size=60),
        st.sampled_from(
            [RECITED, RECITED[::-1], "<data name=", "\ud83d", "ﬁ", "ß", "İ", "\U0001d400"]
        ),
    ),
    max_size=5,
).map("".join)


@given(NOISE, NOISE, st.booleans())
@settings(deadline=None, max_examples=300)
def test_whatever_comes_is_judged(text: str, system: str, is_json: bool) -> None:  # noqa: FBT001  # drawn
    """An answer that the detector fails on would be an outage, or a finding out of the text."""
    for scope in ("response", "sentence"):
        detector = build(scope=scope, canary="canary-line-1")
        passage = Passage(text, is_json=is_json, context=Context(system=system))
        for finding in findings(detector.inspect(passage)):
            assert 0 <= finding.start < finding.end <= len(text)
            assert 0 < finding.score <= 1


@given(NOISE)
@settings(deadline=None, max_examples=200)
def test_what_is_spelled_out_points_into_the_text(text: str) -> None:
    """A finding in a spelled-out reading would point beyond the text."""
    for _, reading in spelled_readings(without_surrogates(text)):
        assert reading.starts is not None
        assert reading.ends is not None
        assert len(reading.text) == len(reading.starts) == len(reading.ends)
        assert all(
            0 <= a < b <= len(text) for a, b in zip(reading.starts, reading.ends, strict=True)
        )


@given(st.text("".join(map(chr, range(33, 127)))))
def test_rot47_undoes_itself(text: str) -> None:
    """What is written in it would be read as something else."""
    assert rot47(rot47(text)) == text


def guarding(system: str, *stages: Stage, scope: str = "sentence") -> OutputGuard:
    """A guard that blocks what recites the prompt."""
    detect = {"prompt_leak": {"scope": scope}}
    compiled = plan(rule("leak", detect, Action.BLOCK, *stages))
    minter = Minter(KEY, SCOPE)
    context = Context(system=system)
    return OutputGuard(compiled, "public", minter=minter, now=NOW, context=context)


@given(st.sets(st.integers(1, 120), max_size=12), st.sampled_from(["sentence", "response"]))
@settings(deadline=None, max_examples=60)
def test_a_stream_stops_before_the_sentence_that_recites(cuts: set[int], scope: str) -> None:
    """A part of the prompt would be sent and regretted, or where it stops depend on the chunks."""
    text = f"Gladly. {RECITED} Anything else?"
    guard = guarding(PROMPT, scope=scope)
    out = run(stream(guard, map(TextDelta, pieces(text, cuts))))
    assert guard.stops
    assert text_of(out) == ("Gladly. " if scope == "sentence" else "")


def test_an_honest_answer_streams_by_sentences() -> None:
    """A rule that judges sentences would keep the user waiting for the whole answer."""
    guard = guarding(PROMPT)
    first = guard.feed(TextDelta("Rye needs time. Give it a ni"))
    assert text_of(first) == "Rye needs time."
    assert text_of(guard.feed(TextDelta("ght in the"))) == ""
    rest = run(guard.finish(Finish(FinishReason.STOP)))
    assert not guard.stops
    assert text_of(rest) == " Give it a night in the"


def test_the_prompt_does_not_leave_in_a_call() -> None:
    """A tool would carry the prompt out."""
    guard = guarding(PROMPT, Stage.TOOL_CALL)
    guard.feed(ToolCallDelta(0, "", "call", "send"))
    guard.feed(ToolCallDelta(0, '{"body": "' + RECITED + '"}'))
    run(guard.finish(Finish(FinishReason.TOOL_CALLS)))
    assert guard.stops


def test_thinking_of_the_prompt_does_not_stop_an_answer() -> None:
    """A reasoning model that recalls its instructions could not answer at all."""
    guard = guarding(PROMPT)
    run(stream(guard, [ReasoningDelta(RECITED), TextDelta("Rye needs time.")]))
    assert not guard.stops
    categories = {finding.category for trace in guard.trace for finding in trace.findings}
    assert categories == {"reasoning"}


def test_a_canary_too_short_to_be_one_is_refused() -> None:
    """A word of everyday use as a canary would stop every answer."""
    with pytest.raises(ValidationError, match="at least 8 letters and digits"):
        PromptLeakSettings(canary="a-b-c")


@pytest.mark.parametrize(
    ("settings", "other", "is_as_strict"),
    [
        ({}, {}, True),
        ({"scope": "sentence"}, {}, False),
        ({}, {"scope": "sentence"}, False),
        ({"canary": "canary line 1"}, {}, True),
        ({}, {"canary": "canary line 1"}, False),
        ({"canary": "canary line 2"}, {"canary": "canary line 1"}, False),
        ({"canary": "Canary-line-1"}, {"canary": "canary line 1"}, True),
        ({"kinds": ["canary"]}, {}, False),
        ({"kinds": ["canary", "prompt", "reasoning"]}, {}, True),
        ({"min_score": 0.6}, {}, False),
        ({"min_score": 0.4}, {}, True),
    ],
)
def test_settings_are_compared(
    settings: dict[str, object], other: dict[str, object], *, is_as_strict: bool
) -> None:
    """A change that finds less would pass review as no weaker."""
    validate = PromptLeakSettings.model_validate
    assert KIND.is_as_strict(validate(settings), validate(other)) is is_as_strict


def test_rules_that_look_for_other_things_do_not_share_findings() -> None:
    """A rule would act on what only another one's canary or scope finds."""
    (finding,) = look(RECITED, scope="sentence")
    assert KIND.selects(PromptLeakSettings(scope="sentence"), finding)
    assert not KIND.selects(PromptLeakSettings(), finding)


def test_the_detector_is_what_the_engine_expects() -> None:
    """The engine could not run it."""
    detectors: list[LocalDetector] = [build(), build(scope="sentence")]
    assert [detector.scope for detector in detectors] == [Scope.RESPONSE, Scope.SENTENCE]
