"""A plan as JSON, with every field."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import orjson

from app.metrics.compare import Movement
from app.metrics.definitions import Measurement
from app.review.change import Effect, Located
from app.review.concerns.prompts import PromptChange
from app.review.plan import Evaluated, Judged, Plan, Weakening, weakening_of
from app.review.replayed import Replayed


def document(plan: Plan) -> str:
    """JSON with every field."""
    review = plan.review
    made = {
        "before": review.before,
        "after": review.after,
        "made_at": plan.made_at,
        "base": asdict(plan.base),
        "is_weaker": plan.is_weaker,
        "counts": {effect.value: review.count(effect) for effect in Effect},
        "weakenings": [_weakening(each) for each in plan.weakenings],
        "approvals": [_approval(each) for each in plan.approvals],
        "changes": [_change(each) for each in review.changes],
        "prompts": [_prompt(plan, each) for each in review.prompts],
        "replayed": plan.replayed and _replayed(plan.replayed),
        "evaluated": plan.evaluated and _evaluated(plan.evaluated),
    }
    return orjson.dumps(made, option=orjson.OPT_INDENT_2).decode() + "\n"


def _change(located: Located) -> Mapping[str, Any]:
    change, source = located.change, located.source
    return {
        "effect": change.effect,
        "concern": change.concern,
        "what": change.what,
        "rule": change.rule or None,
        "audiences": change.audiences,
        "stages": change.stages,
        "policies": located.policies,
        "personas": located.personas,
        "file": source and source.file,
        "line": source and source.line,
        "id": weakening_of(located).id if change.effect is Effect.WEAKER else None,
    }


def _weakening(each: Weakening) -> Mapping[str, Any]:
    return {
        "id": each.id,
        "evidence": each.evidence,
        "what": each.what,
        "files": each.files,
        "follows": each.follows,
        "approved_by": each.approved and each.approved.said.approved_by,
        "approval": each.approved and each.approved.source.file,
    }


def _approval(each: Judged) -> Mapping[str, Any]:
    said = each.approval.said.model_dump(mode="json", exclude={"signature"})
    file = each.approval.source.file
    return {
        "id": each.approval.id,
        **said,
        "file": file,
        "standing": each.standing,
        "why": each.why,
    }


def _prompt(plan: Plan, prompt: PromptChange) -> Mapping[str, Any]:
    cost = plan.cost(prompt)
    cache = prompt.cache
    return {
        "persona": prompt.persona,
        "scenarios": [scenario or None for scenario in prompt.scenarios],
        "tokens": {"before": prompt.tokens_before, "after": prompt.tokens_after},
        "usd_per_1000_requests": cost and asdict(cost),
        "cache": {**asdict(cache), "lost": cache.lost, "shrinks_by": cache.shrinks_by},
        "diff": prompt.diff,
        "before": prompt.before,
        "after": prompt.after,
    }


def _replayed(replayed: Replayed) -> Mapping[str, Any]:
    made = asdict(replayed)
    for flip, said in zip(replayed.flips, made["flips"], strict=True):
        said["is_weaker"] = flip.is_weaker
    return made


def _evaluated(evaluated: Evaluated) -> Mapping[str, Any]:
    return {
        "suites": evaluated.suites,
        "cases": evaluated.cases,
        "recorded_at": evaluated.recorded_at,
        "may_not_gate": evaluated.may_not_gate,
        "notes": evaluated.notes,
        "movements": [_movement(each) for each in evaluated.movements],
    }


def _movement(each: Movement) -> Mapping[str, Any]:
    return {
        "metric": each.metric.id,
        "title": each.metric.title,
        "unit": each.metric.unit,
        "better": each.metric.better,
        "before": _measurement(each.before),
        "after": _measurement(each.after),
        "difference": each.difference,
        "interval": each.interval,
        "p": each.p,
        "p_adjusted": each.p_adjusted,
        "of": each.of,
        "detectable": each.detectable,
        "verdict": each.verdict,
    }


def _measurement(each: Measurement) -> Mapping[str, Any]:
    estimate = each.estimate
    return {
        "point": estimate and estimate.point,
        "interval": estimate and estimate.interval,
        "cases": each.cases,
        "missed": each.missed,
    }
