"""Texts that people send about an exchange: rewritten by policy before they are kept."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.domain.clock import Clock
from app.domain.conversation import Segment
from app.domain.errors import DetectorError
from app.domain.policy import Stage
from app.domain.protocols import Outside, PseudonymScope
from app.guardrails.evaluate import Inspection, inspect_segments
from app.guardrails.plan import PolicyPlan
from app.guardrails.pseudonyms import Minter


@dataclass(frozen=True, slots=True)
class Reading:
    """How texts about one exchange are looked at."""

    plan: PolicyPlan
    """Of the policy that rewrites what is kept."""
    audience: str
    """As the exchange was served."""
    scope: PseudonymScope
    """Of pseudonyms, which nobody resolves."""
    clock: Clock
    key: bytes
    """For pseudonyms."""
    outside: Outside
    """What the policy's detectors ask through."""

    async def look(self, texts: Mapping[str, str], stage: Stage) -> Inspection:
        """What policy makes of texts, by path; rewritten also where it stops them.

        Raises:
            DetectorError: A detector could not look, so what it would have hidden is not known.
        """
        policy = self.plan.policy
        is_known = self.audience in policy.audiences
        inspection = await inspect_segments(
            self.plan,
            self.audience if is_known else policy.audiences[0],
            [Segment(path, text, stage) for path, text in texts.items()],
            minter=Minter(self.key, self.scope),
            now=self.clock.now(),
            outside=self.outside,
            asks_anyway=True,
        )
        if any(trace.unchecked for trace in inspection.trace):
            raise DetectorError("a detector could not look at what was said")
        return inspection
