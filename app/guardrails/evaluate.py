"""Look at the texts of a request: what was found, what policy does about it, what is passed on."""

import asyncio
import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from app.domain.conversation import Segment
from app.domain.decision import (
    Decision,
    DetectorRef,
    Outcome,
    StageTrace,
    Trace,
    UncheckedRun,
)
from app.domain.finding import Clean, Detection, Finding, Found, Unchecked
from app.domain.policy import Action, Stage
from app.guardrails.decide import Ruling, decision, outcome_of, rulings
from app.guardrails.detector import Scope
from app.guardrails.matches import in_order
from app.guardrails.passage import Passage
from app.guardrails.plan import PolicyPlan
from app.guardrails.pseudonyms import Minter
from app.guardrails.rewrite import JsonStrings, Rewrite, Rewritten, merged, rewritten
from app.guardrails.stage_plan import ANSWER_STAGES, LocalRun, RemoteRun, StagePlan

LONG = 20_000
"""From this many code points on, local detectors run in a thread so that others are not kept."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Why an exchange ends here."""

    rule: str
    outcome: Outcome
    """``block``, ``escalate``, or ``unchecked`` where an outage decided."""
    stage: Stage
    path: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What detectors said about one text."""

    ran: tuple[DetectorRef, ...] = ()
    findings: tuple[Finding, ...] = ()
    unchecked: tuple[UncheckedRun, ...] = ()

    def __add__(self, other: "Seen") -> "Seen":
        return Seen(
            self.ran + other.ran,
            self.findings + other.findings,
            self.unchecked + other.unchecked,
        )


@dataclass(frozen=True, slots=True)
class Inspection:
    """What came of looking at some texts."""

    trace: Trace
    decisions: tuple[Decision, ...]
    outcome: Outcome
    texts: Mapping[str, str]
    """By path: what is passed on, for every text that was looked at."""
    stop: Stop | None
    steers: tuple[str, ...]
    """What to add at the end of the answer."""
    scores: Mapping[str, float]
    """The highest score of each detector that looked; 0 where it saw nothing."""


class History:
    """Remembers what local detectors said of texts that clients send again with every turn.

    Bounded; the least recently used is forgotten. Holds no text: the key is an HMAC.
    """

    def __init__(self, key: bytes, capacity: int = 4096) -> None:
        self._key = key
        self._capacity = capacity
        self._seen: OrderedDict[bytes, Seen] = OrderedDict()

    def key(self, tenant: str, plan: StagePlan, text: str) -> bytes:
        """Under which the findings of a text are kept: equal for equal tenant, detectors, text."""
        mac = hmac.new(self._key, digestmod=hashlib.sha256)
        for ref in plan.ran_here:
            mac.update(f"{ref.detector}\0{ref.revision}\0{ref.spec}\0".encode())
        mac.update(f"{plan.stage}\0{len(tenant)}\0{tenant}\0".encode("utf-8", "replace"))
        mac.update(text.encode("utf-8", "surrogatepass"))
        return mac.digest()

    def get(self, key: bytes) -> Seen | None:
        """What was said, if it is still known."""
        seen = self._seen.get(key)
        if seen is not None:
            self._seen.move_to_end(key)
        return seen

    def put(self, key: bytes, seen: Seen) -> None:
        """Remember; an outage is not worth remembering."""
        if not seen.unchecked:
            self._seen[key] = seen
            if len(self._seen) > self._capacity:
                self._seen.popitem(last=False)


async def inspect_segments(
    plan: PolicyPlan,
    audience: str,
    segments: Sequence[Segment],
    *,
    minter: Minter,
    now: datetime,
    history: History | None = None,
) -> Inspection:
    """Look at texts that have arrived whole: what a client sends, and what tools gave.

    Local detectors look first, and what they make policy rewrite is rewritten; then detectors
    outside see the rewritten texts, all at once, unless the exchange has been stopped.

    Args:
        plan: Of the persona's policy.
        audience: Under which the request is served.
        segments: Paths are unique.
        minter: Gives pseudonyms, and says whose texts these are.
        now: Decides which waivers hold.
        history: Where findings of texts from earlier turns are kept.
    """
    stages = dict.fromkeys(segment.stage for segment in segments)
    looks = [
        _StageLook(
            plan.at(stage, audience, now),
            [segment for segment in segments if segment.stage is stage],
            minter,
        )
        for stage in stages
    ]
    for look in looks:
        await look.look_here(history)
    if not any(look.stop() for look in looks):
        for look in looks:
            await look.ask()
    return _inspection(looks)


def _inspection(looks: Sequence["_StageLook"]) -> Inspection:
    decisions = tuple(decision(look.trace, look.rulings) for look in looks)
    steers = dict.fromkeys(
        ruling.rule.append
        for look in looks
        for ruling in look.rulings
        if ruling.action is Action.STEER and ruling.rule.is_enforced
    )
    return Inspection(
        trace=tuple(look.trace for look in looks),
        decisions=decisions,
        outcome=outcome_of(decisions),
        texts={path: text.text for look in looks for path, text in look.passed_on().items()},
        stop=first_stop(stop for look in looks if (stop := look.stop())),
        steers=tuple(steers),
        scores=_scores(looks),
    )


def _scores(looks: Iterable["_StageLook"]) -> dict[str, float]:
    scores: dict[str, float] = {}
    for look in looks:
        scores |= {ref.detector: scores.get(ref.detector, 0.0) for ref in look.ran}
        for finding in look.trace.findings:
            scores[finding.detector] = max(scores.get(finding.detector, 0.0), finding.score)
    return scores


_URGENCY = {Outcome.BLOCK: 0, Outcome.ESCALATE: 1, Outcome.UNCHECKED: 2}


def first_stop(stops: Iterable[Stop]) -> Stop | None:
    """The one that names the exchange's end: what policy decided comes before outages."""
    return min(stops, key=lambda stop: _URGENCY[stop.outcome], default=None)


class _StageLook:
    """The texts of one stage while they are looked at."""

    def __init__(self, plan: StagePlan, segments: Sequence[Segment], minter: Minter) -> None:
        self.plan = plan
        self.ran: tuple[DetectorRef, ...] = plan.ran_here
        self.trace = StageTrace(plan.stage, ())
        """What was said."""
        self.rulings: list[Ruling] = []
        """What policy makes of it."""
        self._segments = segments
        self._minter = minter
        self._seen: dict[str, Seen] = {}

    async def look_here(self, history: History | None) -> None:
        """Run the local detectors."""
        for segment in self._segments:
            key = None
            if history is not None and segment.is_earlier:
                key = history.key(self._minter.scope.tenant, self.plan, segment.text)
                known = history.get(key)
                if known is not None:
                    self._seen[segment.path] = _at_path(known, segment.path)
                    continue
            is_json = is_json_text(segment)
            if len(segment.text) > LONG:
                seen = await asyncio.to_thread(
                    inspect_here, self.plan, segment.text, is_json=is_json
                )
            else:
                seen = inspect_here(self.plan, segment.text, is_json=is_json)
            self._seen[segment.path] = _at_path(seen, segment.path)
            if history is not None and key is not None:
                history.put(key, seen)
        self._rule()

    async def ask(self) -> None:
        """Run the detectors outside, over what would be passed on."""
        if not self.plan.remote:
            return
        self.ran = self.plan.ran
        texts = self.passed_on()
        said = await ask_all(self.plan.remote, {path: text.text for path, text in texts.items()})
        for path, seen in said.items():
            self._seen[path] += in_original(seen, texts[path])
        self._rule()

    def _rule(self) -> None:
        """Put together what was said so far, and what policy makes of it."""
        seen = [self._seen[segment.path] for segment in self._segments]
        self.trace = StageTrace(
            stage=self.plan.stage,
            ran=self.ran,
            findings=tuple(finding for each in seen for finding in in_order(each.findings)),
            unchecked=tuple(run for each in seen for run in each.unchecked),
            earlier=frozenset(s.path for s in self._segments if s.is_earlier),
        )
        self.rulings = rulings(self.plan, self.trace)

    def stop(self) -> Stop | None:
        """Why the exchange ends, where it does."""
        return first_stop(
            Stop(ruling.rule.id, ruling.outcome, self.plan.stage, ruling.about.path)
            for ruling in self.rulings
            if ruling.stops
        )

    def passed_on(self) -> dict[str, Rewritten]:
        """The texts after their rewrites."""
        rewrites: dict[str, list[Rewrite]] = {segment.path: [] for segment in self._segments}
        lengths = {segment.path: len(segment.text) for segment in self._segments}
        for ruling in self.rulings:
            if ruling.rewrites:
                path = ruling.about.path
                rewrites[path].append(rewrite_of(ruling, lengths[path]))
        return {
            segment.path: rewritten(
                segment.text,
                merged(rewrites[segment.path]),
                self._minter.mint,
                JsonStrings() if is_json_text(segment) else None,
            )
            for segment in self._segments
        }


def rewrite_of(ruling: Ruling, length: int) -> Rewrite:
    """The place that a ruling changes; ``length`` is that of the whole text."""
    if ruling.withholds or isinstance(ruling.about, UncheckedRun):
        return Rewrite(0, length, Action.MASK, "")
    finding = ruling.about
    return Rewrite(finding.start, finding.end, ruling.action, finding.category, finding.score)


def is_json_text(segment: Segment) -> bool:
    """Whether a text is read as JSON: the arguments of a tool call, not its name."""
    return segment.stage is Stage.TOOL_CALL and segment.text.lstrip()[:1] in {"{", "[", '"'}


def _at_path(seen: Seen, path: str) -> Seen:
    if not seen.findings and not seen.unchecked:
        return seen
    return Seen(
        seen.ran,
        tuple(replace(finding, path=path) for finding in seen.findings),
        tuple(replace(run, path=path) for run in seen.unchecked),
    )


def inspect_here(plan: StagePlan, text: str, *, is_json: bool = False) -> Seen:
    """What the local detectors of a stage say about a whole text, with an empty path.

    A scan over all shapes in all layers decides which detectors need to look.
    """
    return inspect_with(plan.local, plan, text, is_json=is_json)


def inspect_with(
    runs: Sequence[LocalRun], plan: StagePlan, text: str, *, is_json: bool = False
) -> Seen:
    """As ``inspect_here``, with some of the stage's local detectors."""
    whole = Passage(text, is_json=is_json)
    # In a stream payloads are not decoded for detectors that judge a span at a time; an answer
    # that is checked whole is read the same way, so that it gives the same findings.
    streamed = Passage(text, is_json=is_json, is_whole=False)
    wanted = _wanted(plan, whole)
    findings: list[Finding] = []
    unchecked: list[UncheckedRun] = []
    for run in runs:
        if run.shapes is not None and run.ref not in wanted:
            continue
        is_streamed = plan.stage in ANSWER_STAGES and run.detector.scope is Scope.SPAN
        match detection := inspect_run(run, streamed if is_streamed else whole):
            case Found():
                findings += detection.findings
            case Unchecked():
                unchecked.append(outage(run.ref, detection))
            case Clean():
                pass
            case _:
                assert_never(detection)
    return Seen(tuple(run.ref for run in runs), tuple(findings), tuple(unchecked))


def _wanted(plan: StagePlan, passage: Passage) -> set[DetectorRef]:
    hits = {
        plan.screened[pattern]
        for layer in passage.layers
        for pattern in plan.screen.hits(layer.text.encode("utf-8", "replace"))
    }
    return {plan.local[index].ref for index in hits}


def inspect_run(run: LocalRun, passage: Passage) -> Detection:
    """What one detector says; whatever goes wrong inside it is an outage, never clean."""
    try:
        return run.detector.inspect(passage)
    except Exception as exc:  # noqa: BLE001  # any failure of a detector means: not checked
        return Unchecked(f"{type(exc).__name__} while looking")


def outage(ref: DetectorRef, unchecked: Unchecked) -> UncheckedRun:
    """An outage as it is recorded, with an empty path."""
    return UncheckedRun(ref.detector, ref.spec, "", unchecked.reason)


async def ask_all(runs: Sequence[RemoteRun], texts: Mapping[str, str]) -> dict[str, Seen]:
    """What detectors outside say about each text, all asked at once, each within its deadline."""
    async with asyncio.TaskGroup() as group:
        tasks = {
            path: [group.create_task(_ask(run, path, text)) for run in runs]
            for path, text in texts.items()
            if text
        }
    return {path: sum((task.result() for task in asked), Seen()) for path, asked in tasks.items()}


async def _ask(run: RemoteRun, path: str, text: str) -> Seen:
    try:
        async with asyncio.timeout(run.timeout_ms / 1000):
            detection = await run.detector.inspect_remotely(text)
    except TimeoutError:
        detection = Unchecked(f"no answer within {run.timeout_ms} ms")
    except Exception as exc:  # noqa: BLE001  # any failure of a detector means: not checked
        detection = Unchecked(f"{type(exc).__name__} while asking")
    match detection:
        case Found(findings):
            return _at_path(Seen(findings=findings), path)
        case Unchecked():
            return _at_path(Seen(unchecked=(outage(run.ref, detection),)), path)
        case Clean():
            return Seen()
        case _:
            assert_never(detection)


def in_original(seen: Seen, text: Rewritten) -> Seen:
    """Findings about a rewritten text, with the offsets of the text before that."""
    return replace(seen, findings=tuple(_moved(seen.findings, text)))


def _moved(findings: Sequence[Finding], text: Rewritten) -> Iterator[Finding]:
    for finding in findings:
        start, end = text.to_original(finding.start, finding.end)
        yield replace(finding, start=start, end=end)
