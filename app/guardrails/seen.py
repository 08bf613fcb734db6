"""Let detectors look at one text: what they saw, and which of them could not look."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from app.domain.decision import DetectorRef, UncheckedRun
from app.domain.errors import BackendError, DetectorError
from app.domain.finding import Clean, Detection, Finding, Found, Unchecked
from app.domain.protocols import Outside
from app.guardrails.context import NO_CONTEXT, Context
from app.guardrails.detector import Scope, SlowDetector
from app.guardrails.passage import Passage
from app.guardrails.rewrite import Rewritten
from app.guardrails.stage_plan import ANSWER_STAGES, AwaitedRun, LocalRun, StagePlan


@dataclass(frozen=True, slots=True)
class Seen:
    """What detectors said about one text."""

    findings: tuple[Finding, ...] = ()
    unchecked: tuple[UncheckedRun, ...] = ()

    def __add__(self, other: "Seen") -> "Seen":
        return Seen(self.findings + other.findings, self.unchecked + other.unchecked)


def said_by(ref: DetectorRef, detection: Detection) -> Seen:
    """What one detector said, with an empty path."""
    match detection:
        case Found(findings):
            return Seen(findings)
        case Unchecked():
            return Seen(unchecked=(outage(ref, detection),))
        case Clean():
            return Seen()
        case _:
            assert_never(detection)


def at_path(seen: Seen, path: str) -> Seen:
    """The same, said of the text at this path."""
    if not (seen.findings or seen.unchecked):
        return seen
    return Seen(
        tuple(replace(finding, path=path) for finding in seen.findings),
        tuple(replace(run, path=path) for run in seen.unchecked),
    )


def inspect_here(
    plan: StagePlan, text: str, *, is_json: bool = False, context: Context = NO_CONTEXT
) -> Seen:
    """What the local detectors of a stage say about a whole text, with an empty path.

    A scan over all shapes in all layers decides which detectors need to look.
    """
    return inspect_with(plan.local, plan, text, is_json=is_json, context=context)


def inspect_with(
    runs: Sequence[LocalRun],
    plan: StagePlan,
    text: str,
    *,
    is_json: bool = False,
    context: Context = NO_CONTEXT,
) -> Seen:
    """As ``inspect_here``, with some of the stage's local detectors."""
    if not runs:
        return Seen()
    whole = Passage(text, is_json=is_json, context=context)
    # In a stream payloads are not decoded for detectors that judge a span at a time; an answer
    # that is checked whole is read the same way, so that it gives the same findings.
    streamed = Passage(text, is_json=is_json, is_whole=False, context=context)
    wanted = _wanted(plan, whole)
    findings: list[Finding] = []
    unchecked: list[UncheckedRun] = []
    for run in runs:
        if run.shapes is not None and run.ref not in wanted:
            continue
        is_streamed = plan.stage in ANSWER_STAGES and run.detector.scope is Scope.SPAN
        seen = said_by(run.ref, inspect_run(run, streamed if is_streamed else whole))
        findings += seen.findings
        unchecked += seen.unchecked
    return Seen(tuple(findings), tuple(unchecked))


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


async def ask_all(
    runs: Sequence[AwaitedRun], passages: Mapping[str, Passage], outside: Outside | None = None
) -> dict[str, Seen]:
    """What awaited detectors say about each text, all asked at once, each within its deadline.

    Those that ask outside are unchecked where nothing outside is at hand.
    """
    if not runs:
        return {}
    async with asyncio.TaskGroup() as group:
        tasks = {
            path: [group.create_task(_ask(run, path, passage, outside)) for run in runs]
            for path, passage in passages.items()
            if passage.original
        }
    return {path: sum((task.result() for task in asked), Seen()) for path, asked in tasks.items()}


async def _ask(run: AwaitedRun, path: str, passage: Passage, outside: Outside | None) -> Seen:
    try:
        async with asyncio.timeout(run.timeout_ms / 1000):
            detection = await _awaited(run, passage, outside)
    except TimeoutError:
        detection = Unchecked(f"no answer within {run.timeout_ms} ms")
    except BackendError as exc:
        detection = Unchecked(f"the model it asks: {exc.problem}")
    except DetectorError as exc:
        detection = Unchecked(str(exc))
    except Exception as exc:  # noqa: BLE001  # any failure of a detector means: not checked
        detection = Unchecked(f"{type(exc).__name__} while asking")
    return at_path(said_by(run.ref, detection), path)


async def _awaited(run: AwaitedRun, passage: Passage, outside: Outside | None) -> Detection:
    if isinstance(run.detector, SlowDetector):
        return await run.detector.inspect_slowly(passage)
    if outside is None:
        return Unchecked("nothing outside can be asked here")
    return await run.detector.inspect_remotely(passage, outside)


def in_original(seen: Seen, text: Rewritten) -> Seen:
    """Findings about a rewritten text, with the offsets of the text before that."""
    return replace(seen, findings=tuple(_moved(seen.findings, text)))


def _moved(findings: Sequence[Finding], text: Rewritten) -> Iterator[Finding]:
    for finding in findings:
        start, end = text.to_original(finding.start, finding.end)
        yield replace(finding, start=start, end=end)


def place_of(finding: Finding, length: int) -> tuple[int, int]:
    """Where in a text of this length; all of it where the finding says nothing of where."""
    start, end = finding.start, min(finding.end, length)
    return (start, end) if start < end else (0, length)
