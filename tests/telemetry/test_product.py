"""Counters of behaviours and feedback, and gauges of product metrics."""

from datetime import UTC, datetime

from app.domain.conduct import Conduct, Measured
from app.domain.feedback import (
    Consent,
    Correction,
    Feedback,
    Purpose,
    Said,
    Satisfaction,
    Scale,
    Target,
    TargetKind,
    TaskOutcome,
)
from app.telemetry.metrics import Metrics
from app.telemetry.product import Change, Estimate, Looked, written
from tests.telemetry.test_metrics import samples

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def test_behaviours_are_counted_by_the_newest_catalogs_alone() -> None:
    """A gateway whose files change daily tells Prometheus of more labels every day."""
    metrics = Metrics()
    held = Measured("cites", Conduct.HELD)
    for number in range(5):
        metrics.catalog_loaded(f"sha256:{number}", NOON)
        for _ in range(2):
            metrics.behaviour_measured("tutor", None, f"sha256:{number}", held)
    metrics.behaviour_measured("tutor", "warmer", "sha256:4", held)
    metrics.behaviour_measured("tutor", None, "sha256:1", held)  # was asked before the reload
    metrics.catalog_loaded("sha256:3", NOON)
    counted = {
        name: value
        for name, value in samples(metrics).items()
        if name.startswith("banneton_behaviours_total")
    }
    begins = "banneton_behaviours_total allow cites"
    assert counted == {
        f"{begins} sha256:1 held tutor ": 1,
        f"{begins} sha256:2 held tutor ": 2,
        f"{begins} sha256:3 held tutor ": 2,
        f"{begins} sha256:4 held tutor ": 2,
        f"{begins} sha256:4 held tutor warmer": 1,
    }


def test_each_thing_that_is_said_is_counted() -> None:
    """A comment is counted as a rating, or a withdrawal as a consent."""
    metrics = Metrics()
    about = Target(TargetKind.REQUEST, "r1")
    for said in (
        Said(Satisfaction(Scale.THUMB, 0), TaskOutcome.FAILED, Correction(), comment="no"),
        Said(consent=Consent()),
        Said(consent=Consent((Purpose.TRAIN,))),
    ):
        metrics.feedback_given(
            Feedback(
                "f", NOON, "acme", "k", about, "r1", "tutor", "warmer", "c", 1, said, (*said.texts,)
            )
        )
    counted = {
        name.removeprefix("banneton_feedback_total "): value
        for name, value in samples(metrics).items()
        if name.startswith("banneton_feedback_total")
    }
    assert counted == {
        "satisfaction tutor thumb:0 warmer": 1,
        "task tutor failed warmer": 1,
        "correction tutor  warmer": 1,
        "comment tutor  warmer": 1,
        "consent tutor withdrawn warmer": 1,
        "consent tutor given warmer": 1,
    }


def test_a_look_takes_the_place_of_the_one_before() -> None:
    """A metric of a persona that is gone is shown for ever, or a stale one as if it were new."""
    metrics = Metrics()
    for persona in ("old", "new"):
        look = Looked(
            NOON,
            5,
            is_whole=False,
            estimates=[Estimate(("cost", persona, "", "c"), 0.5, 0.25, 0.75, 4, 1)],
            changes=[Change(("cost", persona), NOON, 1.0, 2.0, 0.001, 9, is_worse=True)],
        )
        metrics.looked(written(look))
    metrics.look_failed()
    found = {
        name: value
        for name, value in samples(metrics).items()
        if name.startswith(("banneton_metric", "banneton_drift", "banneton_look"))
    }
    assert found == {
        "banneton_metric c cost new ": 0.5,
        "banneton_metric_lower c cost new ": 0.25,
        "banneton_metric_upper c cost new ": 0.75,
        "banneton_metric_scored c cost new ": 4,
        "banneton_metric_not_scored c cost new ": 1,
        "banneton_drift_p_value cost new": 0.001,
        "banneton_drift_timestamp_seconds cost new": NOON.timestamp(),
        "banneton_drift_before cost new": 1,
        "banneton_drift_after cost new": 2,
        "banneton_drift_is_worse cost new": 1,
        "banneton_drift_scored cost new": 9,
        "banneton_look_timestamp_seconds": NOON.timestamp(),
        "banneton_look_exchanges": 5,
        "banneton_look_is_whole": 0,
        "banneton_look_failures_total": 1,
    }
