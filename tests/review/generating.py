"""Records of all kinds, for policies that are generated with them."""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from app.domain.conduct import Conduct, Measured
from app.domain.decision import Applied, Decision, DetectorRef, Outcome, StageTrace, UncheckedRun
from app.domain.finding import Finding
from app.domain.persona import Behaviour, Verify
from app.domain.policy import Action, Mode, Policy, Rule, Stage, Step, Steps, Waiver
from app.domain.record import Status
from app.ledger.recorded import LAST, Recorded
from app.pipeline.loaded import Loaded
from tests.guardrails.building import AUDIENCES, NOW, patterns, policy, rule, words
from tests.review.living import PERSONA, revision

DRAWS = (0.0, 9.99, 10.0, 49.99, 50.0, 99.99)
ACTS = [action for action in Action if action is not Action.RETRY]
Detect = Mapping[str, Mapping[str, object]]
DETECTS: Mapping[str, Detect] = {
    "letters": words("ab"),
    "runs": patterns("a+b?", max_match=9),
    "half": {"half": {}},
    "shout": {"local": {}},
    "asks": {"remote": {}},
    "more": words("zz"),
}
CHOOSING: Mapping[str, Sequence[Detect]] = {
    "keys": [
        {"secrets": {"min_score": 0.5}},
        {"secrets": {"kinds": ["aws_access_key"], "min_score": 0.7}},
        {"secrets": {}},
    ],
    "codes": [
        {"encoding": {"min_score": 0.3}},
        {"encoding": {"kinds": ["payload"], "min_score": 0.6}},
    ],
}
"""Detectors whose settings choose among findings: the record answers for all of them."""


def steps(dice: random.Random) -> Steps:
    """One or two steps."""
    return tuple(Step(n / 3 + 0.2, dice.choice(ACTS)) for n in range(dice.randint(1, 2)))


def new_rule(dice: random.Random, name: str) -> Rule:
    """A rule that looks for what its name says."""
    stages = [Stage.INPUT, Stage.OUTPUT, Stage.TOOL_CALL, Stage.TOOL_RESULT]
    detect = DETECTS[name] if name in DETECTS else dice.choice(CHOOSING[name])
    return rule(
        name,
        detect,
        {audience: steps(dice) for audience in AUDIENCES},
        *dice.sample(stages, dice.randint(1, 3)),
        mode=dice.choice([Mode.ENFORCE, Mode.ENFORCE, Mode.OBSERVE]),
        enforce_percent=dice.choice([10.0, 50.0, 100.0, 100.0]),
        on_unchecked=dice.choice([Action.BLOCK, Action.ESCALATE, Action.FLAG, Action.ALLOW]),
        append=" +",
    )


def _behaviour(dice: random.Random, name: str, letter: str) -> Behaviour:
    return Behaviour(
        id=name,
        instruct="Be good.",
        verify=Verify(
            detector="words",
            settings={"words": [letter], "whole_words": False},
            expect=dice.choice(["present", "absent"]),
        ),
        on_fail=dice.choice(["flag", "steer", "retry", "block"]),
        retries=dice.randint(1, 2),
        then=dice.choice(["flag", "steer", "block"]),
        append=" so",
        percent=dice.choice([None, None, 50.0]),
    )


def _policy(dice: random.Random, rules: Sequence[Rule]) -> Policy:
    day = NOW.date() + timedelta(days=dice.randint(-1, 1))
    waiver = Waiver(dice.choice(rules).id, "public", Action.FLAG, "for a test", "me", day)
    return policy(*rules, waivers=[waiver] if dice.random() < 0.5 else ())


def _changed(dice: random.Random, old: Sequence[Rule]) -> list[Rule]:
    """Some of the rules otherwise, or gone; sometimes one more."""
    made = [new_rule(dice, each.id) if dice.random() < 0.5 else each for each in old]
    if dice.random() < 0.3 and len(made) > 1:
        made.remove(dice.choice(made))
    if dice.random() < 0.2:
        made.append(new_rule(dice, "more"))
    return made


def _otherwise(dice: random.Random, old: Behaviour) -> Behaviour:
    """The same measure, and something else that follows."""
    return _behaviour(dice, old.id, "x").model_copy(update={"verify": old.verify})


def revisions(
    dice: random.Random, names: Sequence[str] = tuple(DETECTS)[:-1]
) -> tuple[Loaded, Loaded]:
    """A project and a change of it."""
    rules = [new_rule(dice, name) for name in dice.sample(names, dice.randint(2, len(names)))]
    letters = {"xs": "x", "ys": "y", "qs": "q"}
    behaviours = [
        _behaviour(dice, name, letter) for name, letter in letters.items() if dice.random() < 0.3
    ]
    others = [_otherwise(dice, each) if dice.random() < 0.5 else each for each in behaviours]
    old = revision(_policy(dice, rules), behaviours, "sha256:old")
    return old, revision(_policy(dice, _changed(dice, rules)), others, "sha256:new")


def nearly_alike(dice: random.Random, rows: Sequence[Recorded], times: int) -> list[Recorded]:
    """Each of these so many times, with other scores, times and draws: most replay alike."""
    return [
        _nearly(dice, row, number * times + again)
        for number, row in enumerate(rows)
        for again in range(times)
    ]


def _nearly(dice: random.Random, row: Recorded, number: int) -> Recorded:
    draw = dice.choice(DRAWS)

    def other(part: StageTrace) -> StageTrace:
        paths = [each.path for each in part.findings]
        findings = tuple(
            replace(
                each,
                score=_near(dice, each.score),
                path=dice.choice([each.path, each.path, *paths]),
                start=dice.randint(0, 3),
            )
            for each in part.findings
        )
        return replace(part, findings=findings, draw=draw)

    return replace(
        row,
        request_id=f"request-{number:05}",
        at=row.at + timedelta(days=dice.choice([0, 0, 1]), seconds=dice.randint(0, 3)),
        input=row.input and tuple(map(other, row.input)),
        answer=row.answer and tuple(map(other, row.answer)),
    )


def _near(dice: random.Random, score: float) -> float:
    chosen = [score, score, math.nextafter(score, 0), math.nextafter(score, 2), _score(dice)]
    return min(max(dice.choice(chosen), 0.1), 1.0)


def records(dice: random.Random, both: Sequence[Loaded], count: int) -> list[Recorded]:
    """Records of all kinds, also of such as no gateway leaves."""
    refs = {
        rule.ref
        for each in both
        for at in each.find(PERSONA, None).plan.rules().stages.values()
        for rule in at.rules
    }
    known = sorted(refs, key=lambda ref: (ref.detector, ref.spec))
    return [_record(dice, both, known, number) for number in range(count)]


def _record(
    dice: random.Random, both: Sequence[Loaded], refs: Sequence[DetectorRef], number: int
) -> Recorded:
    draw = dice.choice(DRAWS)
    request = _trace(dice, refs, [Stage.INPUT, Stage.TOOL_RESULT], draw, is_answer=False)
    answer = _trace(dice, refs, [Stage.OUTPUT, Stage.TOOL_CALL], draw, is_answer=True)
    stops = dice.random() < 0.2
    behaviours = [
        measured
        for planned in both[0].find(PERSONA, None).behaviours
        for measured in _measured(dice, planned.behaviour.id, planned.run.ref)
    ]
    recorded = Recorded(
        request_id=f"request-{number:05}",
        at=NOW + timedelta(days=dice.randint(-1, 1), seconds=dice.randint(0, 3)),
        persona=PERSONA if dice.random() < 0.97 else "gone",
        variant=None if dice.random() < 0.97 else "gone",
        audience=dice.choice([*AUDIENCES, *AUDIENCES, "gone"]),
        policy=dice.choice(["test", "older"]),
        catalog=dice.choice(["sha256:old", "sha256:old", "sha256:new", "sha256:other"]),
        status=dice.choice([*Status, None, Status.COMPLETED, Status.COMPLETED]),
        input_outcome=dice.choice(list(Outcome)) if stops else Outcome.ALLOW,
        outcome=dice.choice(list(Outcome)),
        input=None if dice.random() < 0.03 else request,
        answer=() if stops else answer,
        decisions=tuple(
            Decision(
                part.stage,
                tuple(
                    Applied(name, dice.choice(ACTS), (), dice.random() < 0.2, dice.random() < 0.2)
                    for name in ("letters", "runs")
                    if dice.random() < 0.3
                ),
            )
            for part in (*request, *answer)
        ),
        stopped=frozenset({(LAST, dice.randint(0, 1))}) if dice.random() < 0.2 else frozenset(),
        behaviours=tuple(behaviours),
    )
    return recorded if dice.random() < 0.9 else replace(recorded, behaviours=())


def _trace(
    dice: random.Random,
    refs: Sequence[DetectorRef],
    stages: Sequence[Stage],
    draw: float,
    *,
    is_answer: bool,
) -> tuple[StageTrace, ...]:
    paths = (
        ["choices[0].text", "choices[1].text", "attempts[0].choices[0].text"]
        if is_answer
        else ["messages[0].content", "messages[2].content"]
    )
    made = []
    for stage in stages[: dice.randint(1, 2)]:
        ran = [ref for ref in refs if dice.random() < 0.9]
        findings = [
            Finding(
                ref.detector,
                dice.choice(["aws_access_key", "payload", "c"]),
                _score(dice),
                dice.choice(paths),
                dice.randint(0, 3),
                9,
                ref.revision,
                spec=ref.spec,
            )
            for ref in ran
            for _ in range(dice.randint(0, 2))
            if dice.random() < 0.4
        ]
        out = [
            UncheckedRun(ref.detector, ref.spec, dice.choice(paths), "out")
            for ref in ran
            if dice.random() < 0.1
        ]
        earlier = frozenset() if is_answer else frozenset({"messages[0].content"})
        made.append(StageTrace(stage, tuple(ran), tuple(findings), tuple(out), earlier, draw))
    return tuple(made)


def _score(dice: random.Random) -> float:
    """Often at a step, or as near to one as a number can be."""
    at = dice.choice([0.2, 1 / 3 + 0.2, 0.3, 0.5, 0.6, 0.7, 1.0, dice.random()])
    return min(max(dice.choice([at, math.nextafter(at, 0), math.nextafter(at, 2)]), 0.1), 1.0)


def _measured(dice: random.Random, name: str, ref: DetectorRef) -> list[Measured]:
    if dice.random() < 0.1:
        return [Measured(name, Conduct.NOT_DRAWN)]
    made = []
    for attempt in range(1, dice.randint(1, 2) + 1):
        conduct = dice.choice([Conduct.HELD, Conduct.FAILED, Conduct.NOT_SCORED])
        is_outage = conduct is Conduct.NOT_SCORED and dice.random() < 0.5
        said = Measured(name, conduct, attempt, dice.choice(ACTS), "", is_outage)
        made.append(replace(said, detector=ref.detector, spec=ref.spec, score=dice.random()))
    return made
