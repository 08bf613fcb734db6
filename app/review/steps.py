"""What rules do about findings, by score: found once for each kind of finding, then looked up."""

import struct
from dataclasses import dataclass

import numpy as np

from app.domain.finding import Finding
from app.domain.policy import Action
from app.guardrails.kinds import KINDS
from app.guardrails.ruled import Asked, StageRules
from app.guardrails.stage_plan import PlannedRule
from app.ledger.columns import Floats, Ints

_BELOW = -1.0
"""Lower than any score."""
_NEVER = 2.0
"""Higher than any score."""

Both = tuple[StageRules, StageRules]
"""Before a change and after it."""
_Acts = tuple[tuple[int, Action, bool], ...]
"""What rules do about a finding: number, action, and whether it is acted on."""


@dataclass(frozen=True, slots=True)
class _Steps:
    """What is done about one kind of finding, by score."""

    breaks: Floats
    effects: Ints
    """By how many of the breaks are reached; 0 where nothing is done."""


class Effects:
    """Numbers what rules do about findings: equal numbers, the same done by the same rules."""

    def __init__(self) -> None:
        self._cuts: dict[tuple[int, Asked, str], float] = {}
        self._steps: dict[tuple[int, int, Asked, str], _Steps] = {}
        self._numbers: dict[tuple[_Acts, _Acts], int] = {((), ()): 0}

    def of(self, both: Both, asked: Asked, category: str, scores: Floats) -> Ints:
        """What is done about findings of one kind; 0 where that is nothing.

        Args:
            both: Rules of one stage; they have to live as long as this does.
            asked: Who found it.
            category: What it is.
            scores: Of each.
        """
        is_stepped = asked[0] in KINDS
        key = (id(both[0]), id(both[1]), asked, category)
        steps = self._steps.get(key) if is_stepped else None
        if steps is None:
            steps = self._new_steps(both, asked, category, None if is_stepped else scores)
            if is_stepped:
                self._steps[key] = steps
        return steps.effects[np.searchsorted(steps.breaks, scores, "right")]

    def _new_steps(
        self,
        both: Both,
        asked: Asked,
        category: str,
        scores: Floats | None,
    ) -> _Steps:
        """Where rules begin to do something else, and what they do from there on.

        Args:
            both: Before the change and after it.
            asked: Who said it.
            category: What it is.
            scores: Those that there are, where a detector's kind may choose among scores in any
                way: then each of them is a step.
        """
        rules = [rule for side in both for _, rule in side.by_asked.get(asked, ())]
        breaks = {step.at for rule in rules for step in rule.steps}
        if scores is None:
            breaks |= {self._cut(rule, asked, category) for rule in rules}
        else:
            breaks |= {float(score) for score in scores}
        ordered = sorted(each for each in breaks if each <= 1)
        effects = []
        for score in (_BELOW, *ordered):
            finding = _finding(asked, category, score)
            before, after = (_acts(side, asked, finding) for side in both)
            effects.append(self._numbers.setdefault((before, after), len(self._numbers)))
        return _Steps(np.array(ordered, dtype=np.float64), np.array(effects, dtype=np.int64))

    def _cut(self, rule: PlannedRule, asked: Asked, category: str) -> float:
        """The lowest score that a rule is about."""
        key = (id(rule.selects), asked, category)
        if key not in self._cuts:
            self._cuts[key] = _lowest(rule, asked, category)
        return self._cuts[key]


def _acts(rules: StageRules, asked: Asked, finding: Finding) -> _Acts:
    return tuple(
        (number, action, rule.is_enforced)
        for number, rule in rules.by_asked.get(asked, ())
        if (action := rule.action(finding)) is not Action.ALLOW
    )


def _finding(asked: Asked, category: str, score: float) -> Finding:
    detector, spec = asked
    return Finding(detector, category, score, "", 0, 0, "", spec=spec)


def _lowest(rule: PlannedRule, asked: Asked, category: str) -> float:
    """The lowest score, by halves over the numbers between 0 and 1; ``_NEVER`` for no score.

    What a kind of this program selects at one score it selects at every higher one, which its
    tests hold.
    """
    if not rule.selects(_finding(asked, category, 1.0)):
        return _NEVER
    low, high = 0, _bits(1.0)  # positive numbers are ordered as their bits are
    while low < high:
        middle = (low + high) // 2
        if rule.selects(_finding(asked, category, _number(middle))):
            high = middle
        else:
            low = middle + 1
    return _number(high)


def _bits(number: float) -> int:
    return int.from_bytes(struct.pack(">d", number), "big")


def _number(bits: int) -> float:
    return float(struct.unpack(">d", bits.to_bytes(8, "big"))[0])
