"""Scores of the texts that budgets name, measured once for each revision."""

import asyncio
from functools import partial
from pathlib import Path

from app.domain.clock import Clock
from app.domain.policy import Budget, Policy
from app.evals.budget import named_texts
from app.evals.scores import Scored, scored
from app.guardrails.plan import PolicyPlan
from app.pipeline.loaded import Loaded


class Measured:
    """What policies' detectors give to the texts of their budgets."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._revision = ""
        self._scores: dict[str, tuple[Scored, ...]] = {}
        self._lock = asyncio.Lock()

    async def of(
        self, root: Path, loaded: Loaded, policy: Policy, clock: Clock
    ) -> tuple[Scored, ...]:
        """The scores of a policy's texts; none where it has no budget.

        Raises:
            ContentError: A file that the budget names cannot be read.
        """
        if policy.budget is None:
            return ()
        async with self._lock:
            if self._revision != loaded.catalog.digest:
                self._revision, self._scores = loaded.catalog.digest, {}
            if policy.id not in self._scores:
                plan = loaded.plans[policy.id]
                # Some hundred looks one after another have no place on the loop.
                measure = partial(_measured, root, policy.budget, plan, clock)
                self._scores[policy.id] = await asyncio.to_thread(measure)
            return self._scores[policy.id]


def _measured(root: Path, budget: Budget, plan: PolicyPlan, clock: Clock) -> tuple[Scored, ...]:
    texts = named_texts(root, budget.harmless, is_harmful=False)
    texts += named_texts(root, budget.harmful, is_harmful=True)
    return asyncio.run(scored(plan, texts, clock))
