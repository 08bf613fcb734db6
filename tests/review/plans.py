"""Plans of which every name was written by somebody who means no good."""

from datetime import UTC, date, datetime

from hypothesis import strategies as st

from app.catalog.weakenings import Approved, WeakeningApproval
from app.domain.catalog import Source, Target
from app.domain.decision import Outcome
from app.domain.policy import Stage
from app.domain.prices import Price
from app.domain.prompt import LineSource
from app.metrics.compare import Movement, Verdict
from app.metrics.definitions import METRICS, Measurement
from app.metrics.intervals import Share
from app.review.change import Change, Effect, Located
from app.review.compare import Review
from app.review.concerns.prompts import CacheChange, PromptChange
from app.review.plan import Base, Evaluated, Plan, weakenings_of, with_approvals
from app.review.replayed import (
    Baseline,
    Cause,
    Count,
    Flip,
    Need,
    Replayed,
    State,
)

NOW = datetime(2027, 1, 2, 12, tzinfo=UTC)
HOSTILE = [
    "<script>alert(1)</script>",
    "</details></summary><img src=x onerror=alert(1)>",
    "`code` ``more`` |cell| \\| a\\",
    "[link](https://evil.example) ![](http://evil.example/x.png)",
    "@everyone #1 GH-1 org/repo#2 www.evil.example https://evil.example",
    "*a* _b_ ~~c~~ $x$ &amp; &#64; <!-- --> # x",
    "\x1b[31mred\x1b[0m \u202eabc \x00 \x85 \u2028 \r\n\n- item\n> quote",
    "]]>&lt;&quot;'\"{0} {{x}} 你好 🎉",
    "--- \n===\n1. a\n+ b",
]
names = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=30))
effects = st.sampled_from(Effect)


@st.composite
def located(draw: st.DrawFn) -> Located:
    """A change somewhere."""
    change = Change(
        draw(effects),
        draw(names),
        draw(names),
        draw(names),
        tuple(draw(st.lists(names, max_size=2))),
        (Stage.INPUT,),
    )
    source = Source(draw(names) or "policies/a.yaml", draw(st.integers(0, 900)), 1)
    whom = tuple(draw(st.lists(names, max_size=2)))
    return Located(change, whom, whom, draw(st.sampled_from([source, None])))


@st.composite
def prompts(draw: st.DrawFn) -> PromptChange:
    """A prompt that reads differently."""
    before, after = draw(names), draw(names)
    return PromptChange(
        persona=draw(names),
        scenarios=("", draw(names)),
        before=f"{before}\n{draw(names)}",
        after=f"{after}\n{draw(names)}",
        tokens_before=10,
        tokens_after=12,
        cache=CacheChange(1, 8, draw(st.integers(0, 9)), 3, LineSource(draw(names), 3, "x")),
        target=Target("vendor", "large"),
    )


def flip(cause: str, before: Outcome, after: Outcome, count: int) -> Flip:
    """Decisions that end otherwise."""
    causes = (Cause(cause, "then", "'block' becomes 'allow'", cause, "policies/a.yaml", 3),)
    some = (Count(cause, count),)
    return Flip(
        before, after, State.EXACT, causes, count, 99, 0.1, (0.05, 0.2), some, some, (cause,)
    )


def replayed(*flips: Flip, cause: str = "injection") -> Replayed:
    """What becomes of some records."""
    counts = {State.EXACT: 90, State.NEEDS_DETECTOR: 5, State.COUNTERFACTUAL: 3}
    return Replayed(
        before="sha256:1",
        after="sha256:2",
        total=99,
        states=tuple(Count(state, counts.get(state, 1)) for state in State),
        reasons=(Count("open", 1),),
        outcomes=(),
        flips=flips,
        needs=(Need("words", "", cause, (cause,), 5, ()),),
        baseline=Baseline(98, 1, (), 0, ()),
        revisions=(),
        moved=(),
        left_out=((cause, cause),),
        oldest=datetime(2026, 12, 1, tzinfo=UTC),
        newest=datetime(2027, 1, 1, tzinfo=UTC),
    )


def movement(verdict: Verdict, difference: float = -0.1) -> Movement:
    """How task completion moved."""
    metric = METRICS["task_completion"]
    was, now = (
        Measurement(metric, Share(hits, 100), 100, 0) for hits in (80, 80 + round(100 * difference))
    )
    low, high = difference - 0.05, difference + 0.05
    return Movement(metric, was, now, difference, (low, high), 0.01, 0.02, 100, 0.1, verdict)


def plan_of(
    *changes: Located,
    prompts: tuple[PromptChange, ...] = (),
    replayed: Replayed | None = None,
    evaluated: Evaluated | None = None,
    base: str = "origin/main",
) -> Plan:
    """A plan of these, that nobody has approved anything of."""
    review = Review("sha256:1", "sha256:2", changes, prompts)
    return Plan(
        review=review,
        base=Base(base, "0" * 40, datetime(2027, 1, 1, tzinfo=UTC), 1),
        made_at=NOW,
        replayed=replayed,
        evaluated=evaluated,
        prices={("vendor", "large"): Price(2.0, 8.0, 0.5)},
        weakenings=weakenings_of(review, replayed, evaluated),
    )


def approval(plan: Plan, name: str, by: str = "ann", reason: str = "A trial.") -> Approved:
    """Somebody's approval of something in a plan; of nothing in it where it has no such id."""
    found = plan.weakening(name)
    said = WeakeningApproval(
        what=found.what if found else "something else",
        reason=reason,
        approved_by=by,
        approved_on=date(2027, 1, 2),
    )
    return Approved(name, said, Source(f"approvals/{name}.yaml", 1, 1))


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """A plan with everything in it."""
    cause = draw(names)
    flips = (flip(cause, Outcome.BLOCK, Outcome.ALLOW, 7), flip("b", Outcome.FLAG, Outcome.MASK, 2))
    verdicts = draw(st.lists(st.sampled_from(Verdict), min_size=1, max_size=3))
    measured = Evaluated(
        (draw(names),), 100, tuple(movement(each) for each in verdicts), {}, (draw(names),)
    )
    plan = plan_of(
        *draw(st.lists(located(), max_size=4)),
        prompts=tuple(draw(st.lists(prompts(), max_size=2))),
        replayed=draw(st.sampled_from([replayed(*flips, cause=cause), None])),
        evaluated=draw(st.sampled_from([measured, None])),
        base=draw(names),
    )
    given = (*[each.id for each in plan.weakenings][: draw(st.integers(0, 2))], "w-gone")
    approvals = {
        each: approval(plan, each, draw(names) or "x", draw(names) or "x") for each in given
    }
    return with_approvals(plan, approvals, lambda *_: "", at_base={})
