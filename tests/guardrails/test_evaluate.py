"""Texts of a request: two phases, outages, earlier turns, and what is remembered."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from app.domain.conversation import Segment
from app.domain.decision import Outcome
from app.domain.errors import BackendError, BackendProblem
from app.domain.finding import CLEAN, Detection, Finding, Found, Unchecked
from app.domain.policy import Action, Stage
from app.domain.protocols import PseudonymScope
from app.guardrails.context import Context
from app.guardrails.decide import Stop
from app.guardrails.evaluate import History, Inspection, inspect_segments
from app.guardrails.plan import PolicyPlan
from app.guardrails.pseudonyms import Minter
from tests.guardrails.building import (
    KEY,
    NOW,
    OUTSIDE,
    SCOPE,
    Local,
    Remote,
    kind,
    observed,
    patterns,
    plan,
    rule,
    words,
)

INPUT = Stage.INPUT


async def inspect(
    compiled: PolicyPlan,
    *texts: str,
    history: History | None = None,
    minter: Minter | None = None,
    asks_anyway: bool = False,
) -> Inspection:
    """The texts as one conversation, in which all but the last are of earlier turns."""
    segments = [
        Segment(f"m[{n}]", text, INPUT, is_earlier=n < len(texts) - 1)
        for n, text in enumerate(texts)
    ]
    minter = minter or Minter(KEY, SCOPE)
    return await inspect_segments(
        compiled,
        "public",
        segments,
        minter=minter,
        now=NOW,
        history=history,
        outside=OUTSIDE,
        asks_anyway=asks_anyway,
    )


def said(detection: Detection) -> Remote:
    """A detector outside that always says this."""

    async def answer(_text: str) -> Detection:
        return detection

    return Remote(answer)


async def test_a_clean_text_is_passed_on_with_scores_of_zero() -> None:
    """Thresholds cannot be calibrated, because a clean text has no score."""
    seen = await inspect(plan(rule("r", words("bad"), Action.BLOCK, INPUT)), "good")
    assert (seen.outcome, seen.texts, seen.scores) == (
        Outcome.ALLOW,
        {"m[0]": "good"},
        {"words": 0.0},
    )
    assert seen.trace[0].ran
    assert seen.stop is None


async def test_outside_detectors_see_rewritten_texts_and_their_spans_come_back() -> None:
    """Personal data goes to a judge, or a finding points to the wrong words."""
    text = "write to a@b.c now please"

    async def judge(seen: str) -> Detection:
        at = seen.index("now")
        return Found((Finding("remote", "c", 0.8, "", at, at + 3, "1"),))

    remote = Remote(judge)
    compiled = plan(
        rule("mail", patterns(r"[a-z]@[a-z]\.[a-z]"), Action.PSEUDONYMIZE, INPUT),
        rule("judge", {"remote": {}}, Action.MASK, INPUT),
        extra=[kind(remote)],
    )
    minter = Minter(KEY, SCOPE)
    seen = await inspect(compiled, text, minter=minter)
    token = minter.name("p0", "a@b.c")
    assert remote.asked == [f"write to {token} now please"]
    assert seen.texts["m[0]"] == f"write to {token} [removed] please"
    (finding,) = [f for f in seen.trace[0].findings if f.detector == "remote"]
    assert text[finding.start : finding.end] == "now"
    assert seen.scores == {"patterns": 1.0, "remote": 0.8}


async def test_a_local_block_asks_nobody_outside() -> None:
    """A text that is refused anyway is sent to a judge."""
    remote = said(CLEAN)
    compiled = plan(
        rule("local", words("bad"), Action.BLOCK, INPUT),
        rule("judge", {"remote": {}}, Action.BLOCK, INPUT),
        extra=[kind(remote)],
    )
    seen = await inspect(compiled, "bad")
    assert remote.asked == []
    assert seen.stop == Stop("local", Outcome.BLOCK, INPUT, "m[0]")
    assert [ref.detector for ref in seen.trace[0].ran] == ["words", "pseudonym"]


async def test_those_outside_are_told_nothing_of_the_prompt() -> None:
    """Variables that a client gave stand in the prompt, and would reach a judge as they are."""
    remote = said(CLEAN)
    compiled = plan(rule("judge", {"remote": {}}, Action.FLAG, INPUT), extra=[kind(remote)])
    context = Context(system="Ann, a@b.c", question="q", documents=("d",))
    await inspect_segments(
        compiled,
        "public",
        [Segment("m[0]", "hello", INPUT)],
        minter=Minter(KEY, SCOPE),
        now=NOW,
        context=context,
        outside=OUTSIDE,
    )
    assert remote.contexts == [Context(stage=INPUT)]


async def test_nobody_outside_is_asked_about_nothing() -> None:
    """A message without text costs a call, or is refused by a service that wants some."""
    remote = said(CLEAN)
    compiled = plan(rule("judge", {"remote": {}}, Action.FLAG, INPUT), extra=[kind(remote)])
    await inspect(compiled, "", "hello", "")
    assert remote.asked == ["hello"]


async def test_what_is_kept_is_looked_at_outside_also_where_it_was_stopped() -> None:
    """What only a detector outside would hide would stand in an appeal."""
    remote = said(Found((Finding("remote", "c", 1.0, "", 4, 8, "1"),)))
    compiled = plan(
        rule("local", words("bad"), Action.BLOCK, INPUT),
        rule("names", {"remote": {}}, Action.MASK, INPUT),
        extra=[kind(remote)],
    )
    seen = await inspect(compiled, "bad Rosa", asks_anyway=True)
    assert seen.texts["m[0]"] == "bad [removed]"
    assert seen.stop == Stop("local", Outcome.BLOCK, INPUT, "m[0]")


async def _raise(error: Exception) -> Detection:
    raise error


async def _hang() -> Detection:
    await asyncio.sleep(60)
    raise AssertionError


@pytest.mark.parametrize(
    ("remote", "reason"),
    [
        pytest.param(Remote(lambda _text: _hang()), "no answer within 5 ms", id="too late"),
        pytest.param(
            Remote(lambda text: _raise(BackendError(BackendProblem.CONNECT, text))),
            "the model it asks: connect",
            id="an error that quotes the text",
        ),
        pytest.param(
            Remote(lambda text: _raise(KeyError(text))), "KeyError while asking", id="a mistake"
        ),
        pytest.param(said(Unchecked("cannot read this")), "cannot read this", id="says so itself"),
    ],
)
async def test_an_outage_outside_is_not_clean(remote: Remote, reason: str) -> None:
    """A judge that is down lets everything through, or an error quotes the user."""
    compiled = plan(
        rule("judge", {"remote": {}}, Action.FLAG, INPUT, timeout_ms=5), extra=[kind(remote)]
    )
    seen = await inspect(compiled, "secret words")
    assert seen.stop == Stop("judge", Outcome.UNCHECKED, INPUT, "m[0]")
    assert seen.outcome is Outcome.UNCHECKED
    assert [run.reason for run in seen.trace[0].unchecked] == [reason]
    assert seen.scores == {}


async def test_outside_detectors_are_asked_all_at_once() -> None:
    """Deadlines add up: two judges, or two messages, take twice the time of one."""
    together = asyncio.Barrier(4)

    async def answer(_text: str) -> Detection:
        await together.wait()
        return CLEAN

    remotes = [Remote(answer, name=name) for name in ("one", "two")]
    compiled = plan(
        *(rule(remote.name, {remote.name: {}}, Action.BLOCK, INPUT) for remote in remotes),
        extra=map(kind, remotes),
    )
    seen = await inspect(compiled, "a", "b")
    assert seen.outcome is Outcome.ALLOW


async def test_a_local_detector_that_fails_is_not_clean() -> None:
    """A mistake in a detector lets everything through."""

    def find(text: str) -> Sequence[tuple[int, int]]:
        raise ValueError(text)

    compiled = plan(rule("r", {"local": {}}, Action.MASK, INPUT), extra=[kind(Local(find))])
    seen = await inspect(compiled, "secret words")
    assert seen.stop == Stop("r", Outcome.UNCHECKED, INPUT, "m[0]")
    assert [run.reason for run in seen.trace[0].unchecked] == ["ValueError while looking"]


async def test_a_flagged_message_of_an_earlier_turn_is_withheld_and_the_talk_goes_on() -> None:
    """One message that was blocked once blocks every later turn of the conversation."""
    compiled = plan(rule("r", words("bad"), Action.BLOCK, INPUT))
    seen = await inspect(compiled, "fine", "very bad words", "good again")
    assert seen.stop is None
    assert seen.outcome is Outcome.MASK
    assert list(seen.texts.values()) == ["fine", "[removed]", "good again"]
    assert (await inspect(compiled, "fine", "bad")).stop is not None


async def test_pseudonyms_of_earlier_turns_are_not_looked_into() -> None:
    """A pseudonym that was not restored, as in a link, is taken for a secret and masked."""
    compiled = plan(rule("r", words("NAME", "hidden"), Action.MASK, INPUT))
    vault = Minter(KEY, SCOPE)
    text = f"see https://e.example/{vault.mint('NAME', 'Ada')} hidden"
    seen = await inspect(compiled, text, minter=Minter(KEY, SCOPE, vault.minted))
    assert seen.texts["m[0]"] == text.replace("hidden", "[removed]")


async def test_observing_changes_nothing() -> None:
    """A rule that is only tried out acts."""
    compiled = plan(
        observed(rule("a", words("bad"), Action.BLOCK, INPUT)),
        observed(rule("b", words("bad"), Action.MASK, INPUT)),
    )
    seen = await inspect(compiled, "bad", "bad")
    assert (seen.outcome, seen.stop) == (Outcome.ALLOW, None)
    assert set(seen.texts.values()) == {"bad"}
    assert all(each.is_observed for each in seen.decisions[0].applied)
    assert {each.rule for each in seen.decisions[0].applied} == {"a", "b"}


async def test_policy_decides_before_an_outage() -> None:
    """A user is told to try again what policy will never allow."""
    compiled = plan(
        rule("out", {"local": {}}, Action.BLOCK, INPUT),
        rule("ask", words("ask"), Action.ESCALATE, INPUT),
        rule("bad", words("bad"), Action.BLOCK, INPUT),
        extra=[kind(Local(lambda _text: [(0, 1 // 0)]))],
    )
    outcomes = [
        seen.stop.outcome
        for text in ("x", "x ask", "x ask bad")
        if (seen := await inspect(compiled, text)).stop is not None
    ]
    assert outcomes == [Outcome.UNCHECKED, Outcome.ESCALATE, Outcome.BLOCK]


async def test_steers_are_told_once_each() -> None:
    """What a rule adds to the answer is lost, or added for every message."""
    compiled = plan(
        rule("a", words("x"), Action.STEER, INPUT, append="one"),
        rule("b", words("y"), Action.STEER, INPUT, append="two"),
        observed(rule("c", words("x"), Action.STEER, INPUT, append="three")),
    )
    assert (await inspect(compiled, "x", "y x", "x")).steers == ("one", "two")


async def test_findings_are_reused_within_a_tenant() -> None:
    """A long conversation is read anew with every turn, or one tenant learns of another's."""
    detector = Local(lambda text: [(0, 3)] if text.startswith("bad") else [])
    compiled = plan(rule("r", {"local": {}}, Action.FLAG, INPUT), extra=[kind(detector)])
    history = History(b"a key")
    first = await inspect(compiled, "bad one", "two", history=history)
    again = await inspect(compiled, "bad one", "two", history=history)
    assert (again.trace, again.outcome) == (first.trace, Outcome.FLAG)
    assert detector.asked == ["bad one", "two"]
    other = Minter(KEY, type(SCOPE)("other", SCOPE.key_id, SCOPE.session))
    await inspect(compiled, "bad one", "two", history=history, minter=other)
    assert detector.asked[2:] == ["bad one", "two"]
    moved = await inspect(compiled, "zero", "bad one", "two", history=history)
    assert [f.path for f in moved.trace[0].findings] == ["m[1]"]


async def test_history_forgets_what_is_least_used_and_never_keeps_an_outage() -> None:
    """Memory grows with every conversation, or an outage is remembered as if it were a finding."""
    asked: list[str] = []

    def find(text: str) -> Sequence[tuple[int, int]]:
        asked.append(text)
        if text == "fails":
            raise ValueError
        return []

    compiled = plan(
        rule("r", {"local": {}}, Action.FLAG, INPUT, on_unchecked=Action.FLAG),
        extra=[kind(Local(find))],
    )
    history = History(b"a key", capacity=2)
    for text in ("a", "b", "a", "c", "a", "b", "fails", "fails"):
        await inspect(compiled, text, history=history)
    assert asked == ["a", "b", "c", "b", "fails", "fails"]


async def test_a_long_text_does_not_keep_the_others() -> None:
    """One long message stops every other request while it is read."""
    import threading  # noqa: PLC0415  # only here

    where: list[threading.Thread] = []

    def find(_text: str) -> Sequence[tuple[int, int]]:
        where.append(threading.current_thread())
        return []

    compiled = plan(rule("r", {"local": {}}, Action.FLAG, INPUT), extra=[kind(Local(find))])
    await inspect(compiled, "short")
    await inspect(compiled, "long " * 5000)
    assert [thread is threading.main_thread() for thread in where] == [True, False]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param('{"to":"a@b.c"}', {"to": "[removed]"}, id="plain"),
        pytest.param(
            r'{"to":"a\u0040b.c"}', {"to": r"a@b.c"}, id="an escape hides it from the text"
        ),
        pytest.param('{"to":"x a@b.c y"}', {"to": "x [removed] y"}, id="in a longer string"),
    ],
)
async def test_arguments_of_earlier_tool_calls_stay_json(arguments: str, expected: Any) -> None:  # noqa: ANN401
    """A rewrite breaks the arguments of a tool call that the client replays."""
    import orjson  # noqa: PLC0415  # only here

    compiled = plan(rule("r", patterns(r"[a-z]@[a-z]\.[a-z]"), Action.MASK, Stage.TOOL_CALL))
    segments = [Segment("m[0]", arguments, Stage.TOOL_CALL)]
    seen = await inspect_segments(compiled, "public", segments, minter=Minter(KEY, SCOPE), now=NOW)
    got = orjson.loads(seen.texts["m[0]"])
    assert got in (expected, {"to": "[removed]"})  # where escapes are read, they hide nothing


async def test_a_finding_without_a_place_is_about_the_whole_text() -> None:
    """A judge says that a text is bad, without saying where, and nothing is masked."""
    remote = said(Found((Finding("remote", "c", 1.0, "", 0, 0, "1"),)))
    compiled = plan(rule("r", {"remote": {}}, Action.MASK, INPUT), extra=[kind(remote)])
    assert (await inspect(compiled, "all of it")).texts == {"m[0]": "[removed]"}


async def test_pseudonyms_in_what_a_client_sends() -> None:
    """A token of another session is guessed at or overlooked, or one of ours is reported."""
    compiled = plan(rule("shouts", patterns("[A-Z]{5,}"), Action.PSEUDONYMIZE, INPUT))
    minter = Minter(KEY, SCOPE)
    mine = minter.mint("EMAIL_ADDRESS", "a@b.example")
    foreign = Minter(b"another key", SCOPE).mint("PHONE", "+1")
    history = History(b"key")
    for _ in range(2):
        text = f"{mine} or {mine.lower()} and {foreign}, {foreign[:-1]}?"
        seen = await inspect(compiled, text, history=history, minter=minter)
        (trace,) = seen.trace
        at = text.index(foreign)
        said_of_it = [f for f in trace.findings if f.detector == "pseudonym"]
        assert [(f.category, f.path, f.start) for f in said_of_it] == [
            ("unknown_token", "m[0]", at)
        ]
        assert seen.texts["m[0]"].startswith(f"{mine} or {mine.lower()} and ")
        assert "pseudonym" not in seen.scores
    other = Minter(KEY, PseudonymScope("tenant", "key", "another"))
    seen = await inspect(compiled, mine, history=history, minter=other)
    assert "unknown_token" in {finding.category for finding in seen.trace[0].findings}
