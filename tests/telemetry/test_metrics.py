"""The numbers for Prometheus."""

from datetime import UTC, datetime

from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from app.domain.decision import Outcome
from app.domain.events import Usage
from app.domain.record import Status
from app.telemetry.metrics import CONTENT_TYPE, Metrics


def samples(metrics: Metrics) -> dict[str, float]:
    """What Prometheus would read, buckets and creation times left out."""
    return {
        sample.name + "".join(f" {value}" for _, value in sorted(sample.labels.items())): (
            sample.value
        )
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
        if not sample.name.endswith(("_bucket", "_created"))
    }


def test_each_thing_is_counted_under_its_name() -> None:
    """A number is missing from the dashboards, or counts something else."""
    metrics = Metrics()
    for _ in range(2):
        metrics.request_ended("tutor", "", Outcome.BLOCK, Status.COMPLETED, 0.5)
    metrics.request_ended("tutor", "", Outcome.ALLOW, Status.FAILED, 1.5)
    metrics.first_token_came("tutor", "", 0.25)
    metrics.tokens_used(Usage(10, 20))
    metrics.tokens_used(Usage(1, 2, cached_tokens=5, cache_write_tokens=3))
    metrics.detector_unchecked("judge")
    metrics.backend_failed("local", "timeout")
    metrics.ledger_committed(0.004)
    metrics.catalog_loaded("sha256:old", datetime(2026, 5, 3, tzinfo=UTC))
    metrics.catalog_loaded("sha256:new", datetime(2026, 5, 4, tzinfo=UTC))
    assert samples(metrics) == {
        "banneton_requests_total block tutor completed ": 2,
        "banneton_requests_total allow tutor failed ": 1,
        "gen_ai_server_request_duration_seconds_count tutor ": 3,
        "gen_ai_server_request_duration_seconds_sum tutor ": 2.5,
        "gen_ai_server_time_to_first_token_seconds_count tutor ": 1,
        "gen_ai_server_time_to_first_token_seconds_sum tutor ": 0.25,
        "gen_ai_client_token_usage_count input": 2,
        "gen_ai_client_token_usage_sum input": 11,
        "gen_ai_client_token_usage_count output": 2,
        "gen_ai_client_token_usage_sum output": 22,
        "banneton_cached_tokens_total read": 5,
        "banneton_cached_tokens_total written": 3,
        "banneton_detector_unchecked_total judge": 1,
        "banneton_backend_errors_total local timeout": 1,
        "banneton_ledger_commit_seconds_count": 1,
        "banneton_ledger_commit_seconds_sum": 0.004,
        "banneton_look_failures_total": 0,
        "banneton_catalog_info sha256:new": 1,
        "banneton_catalog_loaded_timestamp_seconds": datetime(2026, 5, 4, tzinfo=UTC).timestamp(),
        "banneton_catalog_is_current": 1,
    }


def test_a_refused_reload_shows() -> None:
    """Files are wrong and nobody sees that an older catalog is served."""
    metrics = Metrics()
    metrics.catalog_loaded("sha256:a", datetime(2026, 5, 4, tzinfo=UTC))
    metrics.catalog_refused()
    assert samples(metrics)["banneton_catalog_is_current"] == 0
    metrics.catalog_loaded("sha256:b", datetime(2026, 5, 4, tzinfo=UTC))
    assert samples(metrics)["banneton_catalog_is_current"] == 1


def test_two_apps_in_one_process_do_not_share_numbers() -> None:
    """Numbers of one app show in another, or in the client's global registry."""
    one, other = Metrics(), Metrics()
    one.detector_unchecked("judge")
    assert "banneton_detector_unchecked_total judge" not in samples(other)
    assert not any(family.name.startswith("banneton") for family in REGISTRY.collect())
    assert CONTENT_TYPE.startswith("text/plain")
