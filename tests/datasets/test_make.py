"""What a data set is made of, and what it never holds."""

import asyncio
import tempfile
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.datasets.card import card_of
from app.datasets.cleaning import Cleaner, export_plan
from app.datasets.folder import write
from app.datasets.make import digest_of
from app.datasets.wanted import Form, Reason
from app.domain.conversation import Segment
from app.domain.decision import Outcome
from app.domain.feedback import TaskOutcome
from app.domain.finding import Detection, Unchecked
from app.domain.policy import Stage
from app.domain.protocols import PseudonymScope
from app.domain.record import Status
from app.guardrails.detector import Scope
from app.guardrails.kinds import KINDS
from app.guardrails.passage import Passage
from app.guardrails.plan import Builds
from app.guardrails.pseudonyms import Minter
from tests.datasets.kept import DOWN, KEY, NO, UP, YES, Case, ledger_of, made, made_of, wanted
from tests.ledger.exchanges import NOON

Json = Any
LIVE = Minter(b"live" * 8, PseudonymScope("acme", "key-1", "s"))
TOKEN = LIVE.mint("EMAIL_ADDRESS", "ada@corp.example")
SURROGATE = "Rowena Amberdale"
MAIL = "bob.miller@firm-of-bob.com"
PHONE = "+49 30 901820"


def bytes_of(lines: object) -> bytes:
    """All that stands in lines."""
    return orjson.dumps(lines, default=str)


_CONSENT = st.sampled_from([None, YES, NO])
_CASES = st.lists(
    st.builds(
        Case,
        id=st.just(""),
        asked=st.sampled_from(
            [
                f"Write to {MAIL}, please: how do I feed a starter of rye?",
                f"{TOKEN} told {SURROGATE} to keep the dough warm. Why?",
                f"Call {PHONE} when the loaf is ready.",
                "How long may a dough rest?",
            ]
        ),
        answered=st.sampled_from([f"I wrote to {TOKEN}.", f"Ask {MAIL}.", "A night in the cold."]),
        subject=st.sampled_from([None, "ann", "ben"]),
        session=st.sampled_from([None, "s1", "s2"]),
        consent=_CONSENT,
        subject_consent=_CONSENT,
        satisfaction=st.sampled_from([None, UP, DOWN]),
        task=st.sampled_from([None, *TaskOutcome]),
        demonstration=st.sampled_from([None, f"Better: ask {MAIL} at {PHONE}."]),
        status=st.sampled_from([Status.COMPLETED, Status.COMPLETED, Status.FAILED]),
        outcome=st.sampled_from([Outcome.ALLOW, Outcome.MASK, Outcome.BLOCK]),
        is_kept=st.booleans(),
        days_old=st.sampled_from([0, 2.9, 3, 10]),
        surrogates=st.just(((SURROGATE, "PERSON"),)),
        tool=st.sampled_from([None, ('{"mail": "' + MAIL + '"}', f'{{"phone": "{PHONE}"}}')]),
    ),
    max_size=7,
).map(lambda cases: [_numbered(case, at) for at, case in enumerate(cases)])


def _numbered(case: Case, at: int) -> Case:
    is_named = case.subject is not None
    return replace(case, id=f"r{at}", subject_consent=case.subject_consent if is_named else None)


def may_be_learned_from(case: Case, cases: list[Case]) -> bool:
    """By the words of the rule, not by the code that keeps it."""
    of_subject = [
        each.subject_consent
        for each in cases
        if each.subject == case.subject and case.subject and each.subject_consent is not None
    ]
    said = [case.consent, *of_subject[-1:]]
    is_allowed = YES in said and NO not in said
    is_there = case.is_kept and case.days_old < 3
    ended_well = case.status is Status.COMPLETED and case.outcome is not Outcome.BLOCK
    return is_allowed and is_there and ended_well


@given(cases=_CASES, form=st.sampled_from(list(Form)))
@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow])
def test_nothing_leaves_that_may_not(cases: list[Case], form: Form) -> None:
    """A row holds personal data, has no consent, has outlived its time, or splits a session."""

    async def check() -> None:
        async with ledger_of(*cases) as (ledger, _):
            asked = wanted(form, validation=0.5)
            data = await made(ledger, asked)
            again = await made(ledger, asked)
        assert again.lines == data.lines
        allowed = {digest_of(c.id, KEY): c for c in cases if may_be_learned_from(c, cases)}
        parts: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        for line in data.lines:
            for told in line.provenance["exchanges"]:
                case = allowed[told["id"]]
                for kind, name in (("session", case.session), ("subject", case.subject)):
                    # Of different people, one name of a session is not one session.
                    if name is not None:
                        parts[kind, name].add(line.provenance["split"])
        assert all(len(splits) == 1 for splits in parts.values())
        with tempfile.TemporaryDirectory() as folder:
            to = Path(folder) / "made"
            write(to, data.lines, card_of(data, asked, ""))
            written = b"".join(path.read_bytes() for path in to.iterdir())
        for secret in (MAIL, PHONE, "901820", TOKEN, SURROGATE, "firm-of-bob", "call_9xZ"):
            assert secret.encode() not in written
        for name in ("ann", "ben", *(case.id for case in cases)):
            assert f'"{name}"'.encode() not in written

    asyncio.run(check())


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        (Case("r"), None),
        (Case("r", status=Status.CANCELLED), Reason.NOT_COMPLETED),
        (Case("r", outcome=Outcome.ESCALATE), Reason.STOPPED),
        (Case("r", is_kept=False), Reason.NOT_KEPT),
        (Case("r", days_old=3), Reason.NOT_KEPT),
        (Case("r", days_old=2.99), None),
        (Case("r", consent=None), Reason.NO_CONSENT),
        (Case("r", consent=NO), Reason.WITHDRAWN),
        (Case("r", subject="ann", subject_consent=NO), Reason.WITHDRAWN),
        (Case("r", consent=None, subject="ann", subject_consent=YES), None),
        (Case("r", session="s", session_consent=NO), Reason.WITHDRAWN),
        (Case("r", satisfaction=None), Reason.NO_FEEDBACK),
        (Case("r", satisfaction=DOWN), Reason.NO_FEEDBACK),
        (Case("r", satisfaction=DOWN, demonstration="Two weeks."), None),
        (Case("r", answered=""), None),
        (Case("r", tenant="other"), "not looked at"),
    ],
    ids=str,
)
async def test_why_an_exchange_is_left_out(case: Case, reason: Reason | str | None) -> None:
    """Whoever wonders where their rows are is told something else, or nothing."""
    data = await made_of([case])
    if reason is None:
        assert (len(data.lines), data.left_out) == (1, {})
    elif isinstance(reason, Reason):
        assert (len(data.lines), data.left_out) == (0, {reason: 1})
    else:
        assert (len(data.lines), data.looked_at) == (0, 0)


async def test_pseudonyms_are_new_and_one_value_has_one() -> None:
    """Rows can be joined with a session, or a conversation about two people reads as about one."""
    cases = [
        Case("r1", asked=f"{TOKEN} wrote to {MAIL}.", answered=f"{TOKEN.lower()} did."),
        Case("r2", asked=f"Is {MAIL} the one of {SURROGATE}?", surrogates=((SURROGATE, "PERSON"),)),
    ]
    async with ledger_of(*cases) as (ledger, _):
        one = await made(ledger, wanted())
        other = await made(ledger, wanted(), key=b"o" * 32)
    told, asked = sorted(line.line["messages"][0]["content"] for line in one.lines)
    mail = told.rpartition(" wrote to ")[2]
    named, _, whom = asked.removeprefix("Is ").partition(" the one of ")
    assert mail == f"{named}."
    assert whom not in (f"{SURROGATE}?", "")
    said = next(each for each in one.lines if "wrote" in str(each.line)).line["messages"]
    assert said[1]["content"].split()[0] == said[0]["content"].split()[0]
    words = {word for each in other.lines for word in str(each.line).split()}
    assert mail[:-1] not in words
    assert not {each.provenance["exchanges"][0]["id"] for each in one.lines} & {
        each.provenance["exchanges"][0]["id"] for each in other.lines
    }


@dataclass
class Blind:
    """A detector that is out."""

    name: str = "secrets"
    revision: str = "1"
    spec: str = ""
    scope: Scope = Scope.RESPONSE
    shapes: tuple[str, ...] | None = None
    left_context: int = 0

    def inspect(self, passage: Passage) -> Detection:
        """Nothing can be said."""
        del passage
        return Unchecked("out")


async def test_what_a_detector_could_not_look_at_is_left_out() -> None:
    """A text leaves that nobody looked at."""
    blind = replace(KINDS["secrets"], build=lambda _: Blind())
    kinds = {**KINDS, "secrets": blind}
    plan = export_plan(None, kinds, Builds(kinds))
    told = await Cleaner(KEY, NOON).clean(plan, [Segment("p", "Hello", Stage.INPUT)], {})
    assert told is Reason.UNCHECKED


NO_NAMES = {**KINDS, "names": replace(KINDS["names"], runs_here=lambda _: False)}
"""As where the extra for names is not installed, so that nothing else hides a pseudonym."""
CARD = "4539 1488 0343 6468"
"""A surrogate whose check digit does not fit, so that no detector takes it for a card."""


async def test_pseudonyms_are_renamed_also_where_no_detector_sees_them() -> None:
    """What stands in a provider's logs, or in the vault, stands in a row."""
    plan = export_plan(None, NO_NAMES, Builds(NO_NAMES))
    texts = [
        Segment("a", f"{TOKEN} and {SURROGATE} paid with {CARD}.", Stage.INPUT),
        Segment("b", TOKEN.lower().replace("_", r"\_") + f", **{SURROGATE}**", Stage.INPUT),
        Segment("t.arguments", f'{{"card": "{CARD}", "to": "{TOKEN}"}}', Stage.INPUT),
        Segment("r", f'{{"who": "{SURROGATE}"}}', Stage.TOOL_RESULT),
    ]
    old = {SURROGATE: "PERSON", CARD: "CREDIT_CARD"}
    told = await Cleaner(KEY, NOON).clean(plan, texts, old)
    assert isinstance(told, dict)
    assert not any(each in str(told) for each in (TOKEN, TOKEN.lower(), SURROGATE, CARD))
    token, _, rest = told["a"].partition(" and ")
    person, _, card = rest.removesuffix(".").partition(" paid with ")
    assert token.startswith("EMAIL_ADDRESS_")
    assert told["b"] == f"{token}, **{person}**"
    assert orjson.loads(told["t.arguments"]) == {"card": card, "to": token}
    assert orjson.loads(told["r"]) == {"who": person}
    again = await Cleaner(KEY, NOON).clean(plan, texts[3:], old)
    assert again == {"r": told["r"]}


async def test_a_preference_has_the_better_answer_first() -> None:
    """A model would learn the answer that people complained about."""
    cases = [
        Case("r1", satisfaction=DOWN, answered="Never.", demonstration="A week."),
        Case("r2", asked="And in the warm?", answered="A day.", satisfaction=UP),
        Case("r3", asked="And in the warm?", answered="A month.", satisfaction=DOWN),
        Case("r4", asked="And in the sun?", answered="An hour.", satisfaction=UP),
    ]
    data = await made_of(cases, Form.DPO)
    pairs = {(x.line["chosen"][0]["content"], x.line["rejected"][0]["content"]) for x in data.lines}
    assert pairs == {("A week.", "Never."), ("A day.", "A month.")}
    assert {len(each.provenance["exchanges"]) for each in data.lines} == {1, 2}


@pytest.mark.parametrize(
    ("case", "reward"),
    [
        (Case("r"), 1.0),
        (Case("r", satisfaction=DOWN), 0.0),
        (Case("r", task=TaskOutcome.FAILED), 0.5),
        (Case("r", satisfaction=None, task=TaskOutcome.COMPLETED), 1.0),
        (Case("r", correction="No."), 0.5),
        (Case("r", task=TaskOutcome.COMPLETED, correction="No."), 0.666667),
    ],
    ids=str,
)
async def test_rewards_are_as_declared(case: Case, reward: float) -> None:
    """A model would be paid for something else than the card says."""
    [line] = (await made_of([case], Form.RL)).lines
    assert line.line["reward"] == reward
    assert line.line["completion"] == [{"role": "assistant", "content": case.answered}]


async def test_rows_that_say_the_same_are_one() -> None:
    """A model learns by heart what many asked, or the same row is in both parts."""
    long = (
        "How long may I keep a starter of rye in the cold before it has to be fed again, and how?"
    )
    cases = [
        Case("r1", asked=long),
        Case("r2", asked=long),
        Case("r3", asked=long.replace("how?", "How!")),
        Case("r4", asked="What is a banneton?"),
        Case("r5", asked=long, answered="Two days, or it turns sour and grey at its edges."),
    ]
    data = await made_of(cases)
    assert len(data.lines) == 3
    assert data.left_out == {Reason.DUPLICATE: 1, Reason.NEAR_DUPLICATE: 1}


CALL = ('{"loaf": 3}', "rye")


async def test_each_form_is_as_its_readers_want_it() -> None:
    """A trainer refuses the file, or reads a result as what somebody said."""
    case = Case("r", tool=CALL, satisfaction=DOWN, demonstration="It is rye.", answered="Wheat.")
    plain = Case("q", asked="Is it rye?", satisfaction=DOWN, demonstration="Yes.", answered="No.")
    trl = {x.file.partition(".")[0]: x.line for x in (await made_of([case], Form.TRL)).lines}
    assert set(trl) == {"prompt-completion", "preference", "unpaired-preference", "prompt-only"}
    call = trl["prompt-only"]["prompt"][1]["tool_calls"][0]
    assert call == {
        "id": "call_1",
        "type": "function",
        "function": {"name": "look_up", "arguments": {"loaf": 3}},
    }
    result = {"role": "tool", "tool_call_id": "call_1", "content": "rye", "name": "look_up"}
    assert trl["prompt-only"]["prompt"][2] == result
    assert trl["preference"]["chosen"] == [{"role": "assistant", "content": "It is rye."}]
    assert trl["unpaired-preference"]["label"] is False
    assert all(isinstance(each["prompt"], list) for each in trl.values())
    data = await made_of([case, plain], Form.OPENAI)
    assert data.left_out == {Reason.TOOLS: 2}
    openai = {x.file.partition(".")[0]: x.line for x in data.lines}
    asked = {"role": "user", "content": "Is it rye?"}
    assert openai == {
        "sft": {"messages": [asked, {"role": "assistant", "content": "Yes."}]},
        "preference": {
            "input": {"messages": [asked], "tools": [], "parallel_tool_calls": True},
            "preferred_output": [{"role": "assistant", "content": "Yes."}],
            "non_preferred_output": [{"role": "assistant", "content": "No."}],
        },
    }
    [own] = (await made_of([case])).lines
    assert own.line["messages"][1]["tool_calls"][0]["function"]["arguments"] == '{"loaf": 3}'
    assert own.line["provenance"]["feedback"] == ["satisfaction 0", "demonstration"]
