"""What the metrics say of an exchange."""

from collections.abc import Iterable

from app.domain.decision import UncheckedRun
from app.domain.record import Closing
from app.pipeline.answer import Opened
from app.telemetry.metrics import Metrics


def count(
    metrics: Metrics,
    opened: Opened,
    closed: Closing,
    unchecked: Iterable[UncheckedRun],
    *,
    is_stream: bool,
) -> None:
    """Count an exchange that has ended.

    Args:
        metrics: Of the process.
        opened: Of whom, and under which catalog.
        closed: What was recorded of the end.
        unchecked: Detectors that could not look, at any stage.
        is_stream: Whether the client reads as the model writes.
    """
    persona, variant, times = opened.persona, opened.variant, closed.timings
    metrics.request_ended(persona, variant, closed.outcome, closed.status, times.total_ms / 1000)
    # An answer that came whole has no first token to time.
    if times.first_token_ms is not None and is_stream:
        metrics.first_token_came(persona, variant, times.first_token_ms / 1000)
    if closed.usage is not None:
        metrics.tokens_used(closed.usage)
    if closed.detector_usage is not None:
        metrics.detectors_used(closed.detector_usage)
    for attempt in closed.attempts:
        if attempt.problem is not None:
            metrics.backend_failed(attempt.backend, attempt.problem)
    for measured in closed.behaviours:
        metrics.behaviour_measured(persona, variant, opened.catalog, measured)
    for run in unchecked:
        metrics.detector_unchecked(run.detector)


def count_shadow(metrics: Metrics, opened: Opened, closed: Closing, tokens: int) -> None:
    """Count a shadow that has ended, apart from what users asked for and what it cost."""
    metrics.shadow_ended(opened.persona, opened.variant, closed.outcome, closed.status, tokens)
