"""Numbers for Prometheus; the only place that knows its client.

Names follow OpenTelemetry's GenAI conventions where these have one
(``gen_ai.server.request.duration`` becomes ``gen_ai_server_request_duration_seconds``), and begin
with ``banneton_`` elsewhere. Labels hold ids from the catalog and words of ours, never anything
that a user sent.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from app.domain.conduct import Measured
from app.domain.decision import Outcome
from app.domain.events import Usage
from app.domain.feedback import Feedback
from app.domain.record import Status
from app.domain.rollout import Phase

CONTENT_TYPE = CONTENT_TYPE_LATEST
"""Of what ``render`` gives."""

# As the conventions advise: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/
_DURATION_S = tuple(0.01 * 2**step for step in range(14))
_FIRST_TOKEN_S = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 10)
_TOKENS = tuple(4.0**step for step in range(14))
_COMMIT_S = tuple(0.0005 * 2**step for step in range(12))

_MOST_CATALOGS = 3


@dataclass(frozen=True, slots=True)
class RolloutSeen:
    """How it stands with a rollout."""

    persona: str
    variant: str
    phase: Phase
    percent: float


class Metrics:
    """What this process counted, in a registry of its own."""

    def __init__(self) -> None:
        """Begin at nothing."""
        registry = self._registry = CollectorRegistry()
        # A label's child is looked up once; later counts cost one dictionary access.
        self._requests = cache(
            Counter(
                "banneton_requests",
                "Exchanges that ended.",
                ["persona", "variant", "outcome", "status"],
                registry=registry,
            ).labels
        )
        self._durations = cache(
            Histogram(
                "gen_ai_server_request_duration_seconds",
                "From reading a request to the end of its answer.",
                ["persona", "variant"],
                buckets=_DURATION_S,
                registry=registry,
            ).labels
        )
        self._first_tokens = cache(
            Histogram(
                "gen_ai_server_time_to_first_token_seconds",
                "From reading a request to the backend's first event.",
                ["persona", "variant"],
                buckets=_FIRST_TOKEN_S,
                registry=registry,
            ).labels
        )
        self._tokens = cache(
            Histogram(
                "gen_ai_client_token_usage",
                "Tokens of one exchange, as the provider counted them.",
                ["gen_ai_token_type"],
                buckets=_TOKENS,
                registry=registry,
            ).labels
        )
        self._cached_tokens = cache(
            Counter(
                "banneton_cached_tokens",
                "Tokens of inputs that a provider read from its cache, or wrote to it.",
                ["way"],
                registry=registry,
            ).labels
        )
        self._detector_tokens = cache(
            Counter(
                "banneton_detector_tokens",
                "Tokens that models counted for answering detectors.",
                ["gen_ai_token_type"],
                registry=registry,
            ).labels
        )
        self._all_behaviours = Counter(
            "banneton_behaviours",
            "Behaviours that were or were not measured on an attempt at an answer.",
            ["persona", "variant", "catalog", "behaviour", "conduct", "action"],
            registry=registry,
        )
        self._behaviours = cache(self._all_behaviours.labels)
        self._catalogs: list[str] = []
        self._feedback = cache(
            Counter(
                "banneton_feedback",
                "Things that people said of answers and sessions, by what they said.",
                ["persona", "variant", "kind", "value"],
                registry=registry,
            ).labels
        )
        self._unchecked = cache(
            Counter(
                "banneton_detector_unchecked",
                "Texts that a detector did not check to the end.",
                ["detector"],
                registry=registry,
            ).labels
        )
        self._backend_errors = cache(
            Counter(
                "banneton_backend_errors",
                "Failures of the model's side.",
                ["backend", "error_type"],
                registry=registry,
            ).labels
        )
        self._shadows = cache(
            Counter(
                "banneton_shadows",
                "Variants that ran beside an exchange, for nobody to see.",
                ["persona", "variant", "outcome", "status"],
                registry=registry,
            ).labels
        )
        self._shadow_tokens = cache(
            Counter(
                "banneton_shadow_tokens",
                "Tokens that models counted for shadows and their detectors.",
                ["persona", "variant"],
                registry=registry,
            ).labels
        )
        self._shadows_dropped = cache(
            Counter(
                "banneton_shadows_dropped",
                "Shadows that were not run.",
                ["persona", "variant", "reason"],
                registry=registry,
            ).labels
        )
        self._rollout_shares = Gauge(
            "banneton_rollout_share_percent",
            "The share of sessions that a variant answers which is being rolled out.",
            ["persona", "variant"],
            registry=registry,
        )
        self._rollout_phases = Gauge(
            "banneton_rollout_phase",
            "1 for the phase that a rollout is in.",
            ["persona", "variant", "phase"],
            registry=registry,
        )
        self._look_failures = Counter(
            "banneton_look_failures",
            "Looks at live traffic, for product metrics, that failed.",
            registry=registry,
        )
        self._looked = b""
        self._commits = Histogram(
            "banneton_ledger_commit_seconds",
            "How long an exchange waited for an entry of its record to be durable.",
            buckets=_COMMIT_S,
            registry=registry,
        )
        self._catalog = Gauge(
            "banneton_catalog_info",
            "The catalog that new requests get.",
            ["catalog"],
            registry=registry,
        )
        self._catalog_loaded = Gauge(
            "banneton_catalog_loaded_timestamp_seconds",
            "When that catalog was loaded.",
            registry=registry,
        )
        self._catalog_is_current = Gauge(
            "banneton_catalog_is_current",
            "1 where the files say what is served; 0 where they changed and were refused.",
            registry=registry,
        )

    def request_ended(
        self,
        persona: str,
        variant: str | None,
        outcome: Outcome,
        status: Status,
        duration_s: float,
    ) -> None:
        """Count an exchange. Persona and variant are of the catalog, never what a request said.

        The persona as it is has an empty variant, which Prometheus takes for no label.
        """
        self._requests(persona, variant or "", outcome.value, status.value).inc()
        self._durations(persona, variant or "").observe(duration_s)

    def first_token_came(self, persona: str, variant: str | None, after_s: float) -> None:
        """Note how long the backend's first event took."""
        self._first_tokens(persona, variant or "").observe(after_s)

    def tokens_used(self, usage: Usage) -> None:
        """Note what a provider counted."""
        self._tokens("input").observe(usage.input_tokens)
        self._tokens("output").observe(usage.output_tokens)
        if usage.cached_tokens:
            self._cached_tokens("read").inc(usage.cached_tokens)
        if usage.cache_write_tokens:
            self._cached_tokens("written").inc(usage.cache_write_tokens)

    def detectors_used(self, usage: Usage) -> None:
        """Count what answering the detectors of one exchange took."""
        self._detector_tokens("input").inc(usage.input_tokens)
        self._detector_tokens("output").inc(usage.output_tokens)

    def behaviour_measured(
        self, persona: str, variant: str | None, catalog: str, measured: Measured
    ) -> None:
        """Count what became of a behaviour of a persona in one attempt at an answer."""
        conduct, action = measured.conduct.value, measured.action.value
        self._behaviours(persona, variant or "", catalog, measured.behaviour, conduct, action).inc()

    def feedback_given(self, feedback: Feedback) -> None:
        """Count each thing that was said, also where it takes back something said before."""
        said, variant = feedback.said, feedback.variant or ""
        kinds = {path.partition(".")[0]: "" for path in feedback.given}
        if said.correction is not None:
            kinds["correction"] = ""
        if said.satisfaction is not None:
            kinds["satisfaction"] = f"{said.satisfaction.scale}:{said.satisfaction.value}"
        if said.task is not None:
            kinds["task"] = said.task.value
        if said.consent is not None:
            kinds["consent"] = "given" if said.consent.purposes else "withdrawn"
        for kind, value in kinds.items():
            self._feedback(feedback.persona, variant, kind, value).inc()

    def looked(self, text: bytes) -> None:
        """Take what a look at live traffic found, as ``written``, for what was there."""
        self._looked = text

    def look_failed(self) -> None:
        """Count a look at live traffic that failed."""
        self._look_failures.inc()

    def detector_unchecked(self, detector: str) -> None:
        """Count a text that a detector did not check to the end."""
        self._unchecked(detector).inc()

    def backend_failed(self, backend: str, problem: str) -> None:
        """Count a failure of a backend, by its id in ``banneton.yaml``."""
        self._backend_errors(backend, problem).inc()

    def shadow_ended(
        self,
        persona: str,
        variant: str | None,
        outcome: Outcome,
        status: Status,
        tokens: int,
    ) -> None:
        """Count a shadow, and what models counted for it."""
        self._shadows(persona, variant or "", outcome.value, status.value).inc()
        self._shadow_tokens(persona, variant or "").inc(tokens)

    def shadow_dropped(self, persona: str, variant: str, reason: str) -> None:
        """Count a shadow that was not run."""
        self._shadows_dropped(persona, variant, reason).inc()

    def rollouts_seen(self, seen: Iterable[RolloutSeen]) -> None:
        """Note how it stands with every rollout that there is."""
        self._rollout_shares.clear()
        self._rollout_phases.clear()
        for each in seen:
            self._rollout_shares.labels(each.persona, each.variant).set(each.percent)
            for phase in Phase:
                is_in = float(phase is each.phase)
                self._rollout_phases.labels(each.persona, each.variant, phase.value).set(is_in)

    def ledger_committed(self, after_s: float) -> None:
        """Note how long an entry took to be durable."""
        self._commits.observe(after_s)

    def catalog_loaded(self, digest: str, at: datetime) -> None:
        """Note which catalog new requests get.

        What is counted by catalog is forgotten of all but the newest few: Prometheus keeps every
        label for as long as it is told of it.
        """
        self._catalogs = [*(each for each in self._catalogs if each != digest), digest]
        while len(self._catalogs) > _MOST_CATALOGS:
            self._all_behaviours.remove_by_labels({"catalog": self._catalogs.pop(0)})
            self._behaviours.cache_clear()
        self._catalog.clear()
        self._catalog.labels(digest).set(1)
        self._catalog_loaded.set(at.timestamp())
        self._catalog_is_current.set(1)

    def catalog_refused(self) -> None:
        """Note that the files changed and are wrong; the catalog before them is still served."""
        self._catalog_is_current.set(0)

    def render(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self._registry) + self._looked
