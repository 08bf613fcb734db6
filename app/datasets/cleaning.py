"""Texts looked at again, with pseudonyms that no other export and no session has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from app.datasets.wanted import Reason
from app.domain.conversation import Segment
from app.domain.decision import Outcome
from app.domain.policy import (
    REWRITES,
    Action,
    DetectSpec,
    Mode,
    Policy,
    PseudonymForm,
    Rule,
    Stage,
    Step,
)
from app.domain.protocols import Original, PseudonymScope
from app.guardrails.evaluate import inspect_segments
from app.guardrails.known import KnownPseudonyms
from app.guardrails.passage import is_json_text
from app.guardrails.plan import Builds, Kinds, PolicyPlan, compile_policy
from app.guardrails.pseudonyms import Minter, is_token, token_like

_AUDIENCE = "export"
_STAGES = frozenset({Stage.INPUT, Stage.TOOL_RESULT})
_ALWAYS: tuple[tuple[str, Mapping[str, object], Action], ...] = (
    ("pii", {}, Action.PSEUDONYMIZE),
    ("names", {"where_installed": True}, Action.PSEUDONYMIZE),
    ("secrets", {}, Action.MASK),
)
"""What every text is looked at for, whatever its policy says."""
_PATIENCE_MS = 60_000
"""Nobody waits for an answer."""


def export_plan(policy: Policy | None, kinds: Kinds, builds: Builds) -> PolicyPlan:
    """What texts of a policy are looked at for: always the same, and what the policy rewrites now.

    Args:
        policy: As it stands now; none where it is gone.
        kinds: Every kind of detector.
        builds: What was built already.
    """
    rules = [_rule(f"always-{name}", name, settings, act) for name, settings, act in _ALWAYS]
    for rule in policy.rules if policy is not None else ():
        steps = rule.then[policy.audiences[0]] if policy is not None else ()
        kind = kinds[rule.detect.detector]
        settings = kind.settings.model_validate(rule.detect.settings)
        rewrites = any(step.do in REWRITES for step in steps)
        if rewrites and not kind.needs(settings) and Stage.INPUT in kind.stages:
            own = _rule(rule.id, rule.detect.detector, rule.detect.settings, Action.PSEUDONYMIZE)
            first = next(step.at for step in steps if step.do in REWRITES)
            acts = (Step(first, _lasting(steps[-1].do)),)
            rules.append(replace(own, then={_AUDIENCE: acts}))
    made = Policy(_AUDIENCE, (_AUDIENCE,), _AUDIENCE, tuple(rules))
    return compile_policy(made, kinds, builds)


def _rule(rule_id: str, detector: str, settings: Mapping[str, object], action: Action) -> Rule:
    return Rule(
        rule_id,
        _STAGES,
        DetectSpec(detector, settings),
        {_AUDIENCE: (Step(0.0, action),)},
        mode=Mode.ENFORCE,
        timeout_ms=_PATIENCE_MS,
        on_unchecked=Action.BLOCK,
    )


def _lasting(action: Action) -> Action:
    return Action.MASK if action is Action.MASK else Action.PSEUDONYMIZE


@dataclass(frozen=True, slots=True)
class Cleaner:
    """Rewrites texts under the key of one export."""

    key: bytes
    now: datetime

    async def clean(
        self, plan: PolicyPlan, texts: Sequence[Segment], surrogates: Mapping[str, str]
    ) -> Mapping[str, str] | Reason:
        """The texts by path as they may leave, or why they may not.

        Args:
            plan: What they are looked at for.
            texts: Of one exchange, as they were kept.
            surrogates: Invented values in them, each with the kind of value it stands for.
        """
        # The same for all exchanges, so that one value has one name in the whole export.
        minter = Minter(self.key, PseudonymScope("", "", None, _AUDIENCE))
        minter.avoid(each.text for each in texts)
        renamed = [
            replace(each, stage=_stage(each)) for each in _renamed(texts, surrogates, minter)
        ]
        looked = await inspect_segments(plan, _AUDIENCE, renamed, minter=minter, now=self.now)
        if looked.stop is not None:
            is_outage = looked.stop.outcome is Outcome.UNCHECKED
            return Reason.UNCHECKED if is_outage else Reason.NOT_CLEAN
        again = [replace(each, text=looked.texts[each.path]) for each in renamed]
        checked = await inspect_segments(plan, _AUDIENCE, again, minter=minter, now=self.now)
        if checked.stop is not None or checked.is_rewritten:
            return Reason.NOT_CLEAN
        return dict(looked.texts)


def _stage(segment: Segment) -> Stage:
    return Stage.TOOL_RESULT if segment.stage is Stage.TOOL_RESULT else Stage.INPUT


def _renamed(
    texts: Sequence[Segment], surrogates: Mapping[str, str], minter: Minter
) -> list[Segment]:
    """The texts with new pseudonyms in place of those of sessions, however a model wrote them."""
    old = dict(surrogates)
    for each in texts:
        for start, end in token_like(each.text):
            token = each.text[start:end].replace("\\", "").upper()
            old[token] = token.rpartition("_")[0]
    known = KnownPseudonyms({name: Original(category, name) for name, category in old.items()})
    return [
        replace(each, text=_with_new_names(each, known, old, minter)) if old else each
        for each in texts
    ]


def _with_new_names(
    segment: Segment, known: KnownPseudonyms, old: Mapping[str, str], minter: Minter
) -> str:
    text = segment.text
    standing, _ = known.scan(text, 0, is_end=True, is_json=is_json_text(segment))
    parts: list[str] = []
    at = 0
    for start, end, name in standing:
        form = PseudonymForm.TOKEN if is_token(name) else PseudonymForm.SURROGATE
        parts += text[at:start], minter.mint(old[name], name, form)
        at = end
    return "".join((*parts, text[at:]))
