"""What each rule of a policy sees in labelled texts: the scores that thresholds are about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.catalog.labelled import LabelledText
from app.domain.clock import Clock
from app.domain.conversation import Segment
from app.domain.policy import Rule
from app.domain.protocols import PseudonymScope
from app.guardrails.context import Context
from app.guardrails.evaluate import inspect_segments
from app.guardrails.plan import PolicyPlan
from app.guardrails.pseudonyms import Minter

_SCOPE = PseudonymScope("scores", "scores", "scores")


@dataclass(frozen=True, slots=True)
class Scored:
    """A text with the highest score that each rule saw in it."""

    text: LabelledText
    scores: Mapping[str, float]
    """By rule; 0 where it saw nothing, and no entry where it did not look or could not."""


def is_about(rule: Rule, text: LabelledText) -> bool:
    """Whether the text says anything of the rule: it looks at the stage, and should see it."""
    is_named = not text.detector or text.detector == rule.detect.detector
    return text.stage in rule.stages and (is_named or not text.is_harmful)


async def scored(
    plan: PolicyPlan, texts: Sequence[LabelledText], clock: Clock
) -> tuple[Scored, ...]:
    """Let the policy look at each text, as it would for its strictest audience.

    The strictest audience's rules act at least as those of the others, so that every detector
    that any audience needs looks.
    """
    return tuple([await _scored(plan, text, clock) for text in texts])


async def _scored(plan: PolicyPlan, text: LabelledText, clock: Clock) -> Scored:
    audience = plan.policy.audiences[0]
    now = clock.now()
    inspection = await inspect_segments(
        plan,
        audience,
        [Segment("text", text.text, text.stage)],
        minter=Minter(bytes(32), _SCOPE),
        now=now,
        context=Context(system=text.system),
    )
    (trace,) = inspection.trace
    looked = {(ref.detector, ref.spec) for ref in trace.ran}
    looked -= {(run.detector, run.spec) for run in trace.unchecked}
    scores: dict[str, float] = {}
    for rule in plan.at(text.stage, audience, now).rules:
        key = (rule.ref.detector, rule.ref.spec)
        seen = [each for each in trace.findings if (each.detector, each.spec) == key]
        if key in looked:
            scores[rule.id] = max((each.score for each in seen if rule.selects(each)), default=0.0)
    return Scored(text, scores)
