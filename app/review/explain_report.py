"""An explanation as people and machines read it. Quotes nothing of the text."""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from app.catalog.origins import Written
from app.domain.finding import Finding
from app.domain.policy import Action
from app.review.explain import Explained, Explanation, Fate, Hit

_TITLES = {
    Fate.APPLIED: "Applied",
    Fate.OBSERVED: "Would have applied, and only observes",
    Fate.BELOW: "Saw too little to do anything",
    Fate.OTHERS: "Saw only what the rule leaves out",
    Fate.CLEAN: "Looked and saw nothing",
    Fate.NOT_ASKED: "Was not asked",
    Fate.ELSEWHERE: "Does not look at this stage",
}


def text(explanation: Explanation) -> Iterator[str]:
    """Lines for a terminal: what mattered first."""
    yield (
        f"{explanation.outcome}: policy {explanation.policy}, audience {explanation.audience}, "
        f"stage {explanation.stage}"
    )
    for fate in Fate:
        here = [each for each in explanation.rules if each.fate is fate]
        if here:
            yield ""
            yield f"{_TITLES[fate]}:"
            for each in here:
                yield from _rule(each)


def _rule(each: Explained) -> Iterator[str]:
    name = each.rule.id
    match each.fate:
        case Fate.APPLIED | Fate.OBSERVED:
            for hit in each.hits:
                yield f"  {name} → {hit.action}{_after_waivers(each, hit)}"
                yield f"    saw    {_seen(each, hit)}  {_at(each.detect)}"
                yield f"    then   {_step(each, hit)}  {_at(each.then)}"
            if share := _share(each):
                yield f"    acts   {share}  {_at(each.mode)}"
            yield from (f"    waiver {line}" for line in _waivers(each))
            if each.rule.why:
                yield f"    why    {each.rule.why}  {_at(each.written)}"
        case Fate.BELOW:
            yield f"  {name}: {each.rule.detect.detector} gave {_score(each.score)}; {_first(each)}"
            yield f"    then   {_at(each.then)}"
        case Fate.ELSEWHERE:
            stages = ", ".join(sorted(each.rule.stages))
            yield f"  {name}: {stages}  {_at(each.written)}"
        case _:
            yield f"  {name}: {each.rule.detect.detector}  {_at(each.detect)}"


def _first(each: Explained) -> str:
    if each.first is None:
        return "nothing follows for this audience"
    return f"'{each.first.do}' begins at {each.first.at:g}"


def _score(score: float | None) -> str:
    return "no score" if score is None else f"score {score:.2f}"


def _seen(each: Explained, hit: Hit) -> str:
    detector = each.rule.detect.detector
    if hit.score is None:
        return f"{detector} could not run: {hit.reason}"
    kinds = ", ".join(dict.fromkeys(finding.category for finding in hit.findings))
    places = ", ".join(f"{finding.start} to {finding.end}" for finding in hit.findings[:3])
    more = ", …" if len(hit.findings) > len(hit.findings[:3]) else ""
    reasons = ", ".join(dict.fromkeys(f.explanation for f in hit.findings if f.explanation))
    said = f"{detector} {kinds} at {places}{more}, {_score(hit.score)}"
    return f"{said} ({reasons})" if reasons else said


def _step(each: Explained, hit: Hit) -> str:
    if hit.step is None:
        return f"on_unchecked: '{each.rule.on_unchecked}'"
    return f"'{hit.step.do}' from score {hit.step.at:g}"


def _after_waivers(each: Explained, hit: Hit) -> str:
    was = each.rule.on_unchecked if hit.step is None else hit.step.do
    is_lowered = each.waivers and was is not hit.action and was is not Action.ALLOW
    return f" (a waiver lowers '{was}')" if is_lowered else ""


def _share(each: Explained) -> str:
    percent = each.rule.enforced_percent
    if percent == 100:  # noqa: PLR2004  # always
        return ""
    return f"in {percent:g} % of traffic" if percent else "never: it only observes"


def _waivers(each: Explained) -> Iterator[str]:
    for waiver, written in each.waivers:
        yield (
            f"to '{waiver.to}' until {waiver.expires}, approved by {waiver.approved_by}: "
            f"{waiver.reason}  {_at(written)}"
        )


def _at(written: Written) -> str:
    return f"[{written.source.file}:{written.source.line}]"


def document(explanation: Explanation) -> str:
    """JSON with every field."""
    made = {
        "outcome": explanation.outcome,
        "policy": explanation.policy,
        "audience": explanation.audience,
        "stage": explanation.stage,
        "catalog": explanation.catalog,
        "rules": [_rule_json(each) for each in explanation.rules],
    }
    return orjson.dumps(made, option=orjson.OPT_INDENT_2).decode() + "\n"


def _rule_json(each: Explained) -> Mapping[str, Any]:
    return {
        "rule": each.rule.id,
        "fate": each.fate,
        "detector": each.rule.detect.detector,
        "stages": sorted(each.rule.stages),
        "why": each.rule.why or None,
        "enforced_percent": each.rule.enforced_percent,
        "score": each.score,
        "first_step": each.first and {"at": each.first.at, "do": each.first.do},
        "hits": [_hit_json(hit) for hit in each.hits],
        "waivers": [
            {
                "to": waiver.to,
                "reason": waiver.reason,
                "approved_by": waiver.approved_by,
                "expires": waiver.expires,
                "at": _place_json(written),
            }
            for waiver, written in each.waivers
        ],
        "rule_at": _place_json(each.written),
        "detect_at": _place_json(each.detect),
        "then_at": _place_json(each.then),
        "mode_at": _place_json(each.mode),
    }


def _hit_json(hit: Hit) -> Mapping[str, Any]:
    return {
        "action": hit.action,
        "score": hit.score,
        "step": hit.step and {"at": hit.step.at, "do": hit.step.do},
        "unchecked": hit.reason or None,
        "findings": [_finding_json(finding) for finding in hit.findings],
    }


def _finding_json(finding: Finding) -> Mapping[str, Any]:
    return {
        "category": finding.category,
        "score": finding.score,
        "start": finding.start,
        "end": finding.end,
        "explanation": finding.explanation,
        "revision": finding.revision,
    }


def _place_json(written: Written) -> Mapping[str, Any]:
    return {"file": written.source.file, "line": written.source.line, "key": written.key}
