"""Detectors that did not look when a record was made, and look now at the text that was kept.

Kept text is the text after rewrites, so what they say is of that: the state is ``rerun``, never
``exact``. What was observed when the record was made stays as it is.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from app.domain.conversation import Origin, Segment
from app.domain.decision import DetectorRef, StageTrace, Trace
from app.domain.policy import KeepContent, Stage
from app.domain.protocols import Outside
from app.guardrails.context import Context
from app.guardrails.passage import Passage, is_json_text
from app.guardrails.plan import Builds
from app.guardrails.ruled import Asked, asked
from app.guardrails.seen import Seen, ask_all, at_path, inspect_run, said_by
from app.guardrails.stage_plan import Run, StagePlan
from app.ledger.entries import Kind
from app.ledger.ledger import Ledger
from app.ledger.recorded import Recorded
from app.ledger.records import KeptText
from app.pipeline.loaded import Loaded, Served
from app.review.again import Again

_IMAGES = ".images["


@dataclass(frozen=True, slots=True)
class Rerun:
    """What running detectors on kept text takes."""

    ledger: Ledger
    builds: Builds
    """Of the project after the change."""
    outside: Callable[[str], Outside] | None = None
    """What detectors ask outside through, for a tenant; without it only those here run."""


async def looked_again(
    rerun: Rerun, recorded: Recorded, said: Again, after: Loaded, tenant: str
) -> Recorded | None:
    """The exchange with what detectors say now that did not look then; none where none can.

    None can where no text was kept, or not all of it, or the policy after the change lets none be
    kept; and those cannot that depend on what is not kept, such as the system prompt.

    Args:
        rerun: What it takes.
        recorded: The exchange.
        said: What replaying says of it.
        after: The project after the change.
        tenant: Whose exchange it is.
    """
    served = after.find(recorded.persona, recorded.variant)
    wanted = _wanted(served, said, rerun.builds)
    attempts = {measured.attempt for measured in recorded.behaviours}
    if served.plan.policy.keep.content is not KeepContent.REWRITTEN or not wanted:
        return None
    if recorded.input is None or recorded.answer is None or len(attempts) > 1:
        return None
    texts = await _segments(rerun.ledger, recorded)
    if texts is None:
        return None
    outside = None if rerun.outside is None else rerun.outside(tenant)
    made = recorded
    for number, part in enumerate((*recorded.input, *recorded.answer)):
        plan = served.plan.at(part.stage, recorded.audience, recorded.at, part.draw)
        here = [text for text in texts if text.stage is part.stage]
        added = await _looked(plan, part, here, wanted, outside)
        made = _with(made, number, added)
    return None if made is recorded else made


def _wanted(served: Served, said: Again, builds: Builds) -> frozenset[Asked]:
    """Those that are needed and can look at text alone."""
    rules = {rule.id: rule for rule in served.plan.policy.rules}
    wanted = set()
    for who, names in said.needs:
        for rule in (rules[name] for name in names if name in rules):
            kind = builds.kinds[rule.detect.detector]
            if kind.is_by_text(kind.settings.model_validate(rule.detect.settings)):
                wanted.add(who)
    return frozenset(wanted)


async def _segments(ledger: Ledger, recorded: Recorded) -> list[Segment] | None:
    """All texts of the exchange, each with its stage; none where that cannot be told."""
    kept = await ledger.content(recorded.request_id)
    stages = {part.stage for part in recorded.input or ()}
    results: Collection[str] = ()
    if Stage.TOOL_RESULT in stages:
        turns = await ledger.turns(recorded.request_id)
        if turns is None:
            return None
        results = {each.path for each in turns.asked if each.origin is Origin.TOOL and each.path}
    made = [
        Segment(each.path, each.text, _stage_of(each, results))
        for each in kept
        if _IMAGES not in each.path
    ]
    there = {each.stage for each in made}
    needed = stages | {part.stage for part in recorded.answer or ()}
    return made if needed <= there else None


def _stage_of(kept: KeptText, results: Collection[str]) -> Stage:
    if kept.kind is Kind.CLOSING:
        return Stage.TOOL_CALL if ".tool_calls[" in kept.path else Stage.OUTPUT
    is_result = any(kept.path.startswith((f"{path}.", f"{path}[")) for path in results)
    return Stage.TOOL_RESULT if is_result else Stage.INPUT


async def _looked(
    plan: StagePlan,
    part: StageTrace,
    texts: Sequence[Segment],
    wanted: Collection[Asked],
    outside: Outside | None,
) -> Mapping[DetectorRef, Seen]:
    """What those say that are wanted and did not look then."""
    then = {asked(ref) for ref in part.ran}
    local = [run for run in plan.local if asked(run.ref) in wanted and asked(run.ref) not in then]
    runs = plan.awaited if outside is not None else plan.slow
    awaited = [run for run in runs if asked(run.ref) in wanted and asked(run.ref) not in then]
    looking: list[Run] = [*local, *awaited]
    made = {run.ref: Seen() for run in looking}
    for text in texts:
        passage = _passage(text)
        for run in local:
            made[run.ref] += at_path(said_by(run.ref, inspect_run(run, passage)), text.path)
        for each in awaited:
            found = await ask_all([each], {text.path: passage}, outside)
            made[each.ref] += found.get(text.path, Seen())
    return made


def _passage(text: Segment) -> Passage:
    of = ""
    if text.stage in {Stage.OUTPUT, Stage.TOOL_CALL}:
        of = text.path.rpartition(".")[2].partition("[")[0]
    is_json = of == "arguments" if text.stage is Stage.TOOL_CALL else is_json_text(text)
    return Passage(text.text, is_json=is_json, context=Context(stage=text.stage, of=of))


def _with(recorded: Recorded, number: int, added: Mapping[DetectorRef, Seen]) -> Recorded:
    """The record, where one part of it was looked at by more."""
    if not added:
        return recorded

    def more(trace: Trace, at: int) -> Trace:
        return tuple(_joined(part, added) if n == at else part for n, part in enumerate(trace))

    request, answer = recorded.input or (), recorded.answer or ()
    return replace(
        recorded,
        input=more(request, number),
        answer=more(answer, number - len(request)),
    )


def _joined(part: StageTrace, added: Mapping[DetectorRef, Seen]) -> StageTrace:
    seen = sum(added.values(), Seen())
    return replace(
        part,
        ran=(*part.ran, *added),
        findings=part.findings + seen.findings,
        unchecked=part.unchecked + seen.unchecked,
    )
