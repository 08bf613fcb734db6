"""The policy matrix: what each rule does for each audience, how well, and to a text."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from starlette.responses import Response

from app.console.curves import HEIGHT, WIDTH, Curve, curves
from app.console.matrix import matrix
from app.console.visit import Page, Visit
from app.domain.catalog import Catalog
from app.domain.conversation import Segment
from app.domain.errors import RequestError
from app.domain.finding import Finding
from app.domain.policy import Policy, Stage
from app.evals.calibrate import calibrations
from app.pipeline.gateway import CheckRequest, CheckResult

_MAX_SENTENCE = 20_000


async def show(visit: Visit) -> Response:
    """The table of one policy."""
    catalog = visit.behind.loaded().catalog
    seen = _policies(visit, catalog)
    policy = _chosen(seen, visit.query.get("policy"))
    return visit.page(
        "policies.html.j2",
        matrix=matrix(catalog, policy, _today(visit)),
        policies=seen,
        stages=[stage.value for stage in Stage],
        catalog=catalog.digest,
    )


async def show_curves(visit: Visit) -> Response:
    """What thresholds catch and stop, by the texts that the policy's budget names."""
    loaded = visit.behind.loaded()
    policy = _chosen(_policies(visit, loaded.catalog), visit.query.get("policy"))
    found: tuple[Curve, ...] = ()
    count = 0
    if policy.budget is not None:
        seen = await visit.behind.measured.of(visit.behind.root, loaded, policy, visit.behind.clock)
        count = len(seen)
        found = curves(calibrations(policy, policy.budget.false_alarms, seen))
    return visit.page(
        "policies_curves.html.j2",
        policy=policy,
        curves=found,
        count=count,
        width=WIDTH,
        height=HEIGHT,
    )


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of a sentence for one audience."""

    audience: str
    result: CheckResult
    passed_on: str | None
    """The text as it would go on; none where it stops here."""
    marks: tuple[tuple[str, Finding | None], ...]
    """The sentence in pieces, with what was found there."""


async def try_sentence(visit: Visit) -> Response:
    """Run one text through the policy for every audience at once; no model is called."""
    loaded = visit.behind.loaded()
    form = await visit.form()
    policy = _chosen(_policies(visit, loaded.catalog), form.get("policy"))
    text, stage = form.get("text", ""), form.get("stage", "")
    if not text.strip() or len(text) > _MAX_SENTENCE:
        raise RequestError(visit.words("policies.no_text", most=_MAX_SENTENCE), param="text")
    if stage not in set(Stage):
        raise RequestError("There is no such stage.", param="stage")
    segment = Segment("text", text, Stage(stage))
    rows = matrix(loaded.catalog, policy, _today(visit)).rows
    return visit.page(
        "policies_tried.html.j2",
        tried=[await _tried(visit, policy, each, segment) for each in policy.audiences],
        places={row.rule.id: f"{row.source.file}:{row.source.line}" for row in rows},
    )


def _today(visit: Visit) -> date:
    return visit.behind.clock.now().date()


async def _tried(visit: Visit, policy: Policy, audience: str, segment: Segment) -> Tried:
    request = CheckRequest((segment,), policy=policy.id, audience=audience, asks_anyway=True)
    # A look at what a policy does for an audience serves nobody as that audience.
    anybody = replace(visit.caller, loosest_audience=policy.audiences[-1])
    result = await visit.behind.gateway.check(request, anybody)
    marks = pieces(segment.text, result.findings)
    return Tried(audience, result, result.texts.get(segment.path), marks)


def pieces(text: str, findings: Sequence[Finding]) -> tuple[tuple[str, Finding | None], ...]:
    """The text cut where findings begin and end; of two that overlap, the surer one is shown."""
    made: list[tuple[str, Finding | None]] = []
    owners: list[Finding | None] = [None] * len(text)
    for finding in sorted(findings, key=lambda each: each.score):
        owners[finding.start : finding.end] = [finding] * (finding.end - finding.start)
    at = 0
    for place in range(1, len(text) + 1):
        if place == len(text) or owners[place] is not owners[at]:
            made.append((text[at:place], owners[at]))
            at = place
    return tuple(made)


def _policies(visit: Visit, catalog: Catalog) -> tuple[Policy, ...]:
    """The policies of the personas that this key may use, and those that they extend."""
    caller = visit.caller
    if caller.personas is None:
        return tuple(policy for _, policy in sorted(catalog.policies.items()))
    names: set[str] = set()
    for persona in visit.behind.gateway.personas(caller):
        at: str | None = persona.policy
        while at is not None and at in catalog.policies:
            names.add(at)
            at = catalog.policies[at].extends
    return tuple(catalog.policies[name] for name in sorted(names))


def _chosen(policies: Sequence[Policy], name: str | None) -> Policy:
    if name is None:
        return policies[0]
    for policy in policies:
        if policy.id == name:
            return policy
    raise RequestError(
        "There is no such policy, or this key's personas are not under it.",
        code="not_found",
        param="policy",
    )


PAGES = (
    Page("/policies", show, nav="policies"),
    Page("/policies/curves", show_curves, nav="policies"),
    Page("/policies/try", try_sentence, "POST", nav="policies"),
)
