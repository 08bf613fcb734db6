"""Thresholds within a budget: chosen right, said with intervals, and written as a diff."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.domain.finding import FLOOR
from app.domain.policy import Action, DetectSpec, Rule, Stage, Step
from app.evals.calibrate import Calibration, Point, moved, stopping_step, threshold
from app.metrics.intervals import Share
from tests.cli.running import run

SCORES = st.lists(
    st.one_of(st.just(0.0), st.floats(FLOOR, 1.0), st.sampled_from([0.5, 0.9, 0.99995, 1.0])),
    min_size=1,
    max_size=40,
)
TEXTS = [
    ("see 10.0.0.1", 0, ""),
    ("ping 10.0.0.2", 0, ""),
    ("good morning", 0, ""),
    ("see you", 0, ""),
    ("write to ann@corp.example.org", 1, "address"),
    ("bob@corp.example.org at 10.0.0.3", 1, "address"),
]


@settings(deadline=None, max_examples=500)
@given(SCORES, st.floats(0, 1))
@example([1.0], 0.0)
@example([0.99995], 0.0)
@example([0.0, 0.0], 0.5)
def test_a_threshold_is_the_lowest_that_keeps_the_budget(
    scores: list[float], budget: float
) -> None:
    """A threshold breaks the budget it was chosen for, or catches less than it could."""
    found = threshold(sorted(scores), budget)

    def reaching(at: float) -> float:
        return sum(score >= at for score in scores) / len(scores)

    if found is None:
        assert reaching(1.0) > budget - 1e-9 or max(scores) > 1 - 1e-4
        return
    assert reaching(found) <= budget + 1e-9
    assert FLOOR <= found <= 1
    if found > FLOOR:
        assert reaching(found - 2e-4) > budget


def test_intervals_are_wilsons() -> None:
    """A sample is said to tell more than it does."""
    low, high = Share(2, 107).interval
    assert (round(low, 4), round(high, 4)) == (0.0051, 0.0656)
    assert Share(0, 0).interval == (0.0, 1.0)
    assert Share(0, 10).interval[0] == 0.0
    assert Share(10, 10).interval[1] == 1.0
    assert str(Share(1, 4)) == "25.00 % (4.56 to 69.94, 1 of 4)"


def test_only_what_stops_texts_by_score_has_a_threshold() -> None:
    """A rule that only flags, or stops whatever is found, is given a threshold."""
    flag, block = Step(0.5, Action.FLAG), Step(0.9, Action.BLOCK)
    assert stopping_step((flag, block)) == 1
    assert stopping_step((flag,)) is None
    assert stopping_step((Step(0.0, Action.BLOCK),)) is None
    assert stopping_step(()) is None


@pytest.fixture
def project(root: Path) -> Path:
    """A project with one scored rule that refuses every third harmless text."""
    (root / "policies" / "shop.yaml").write_text(
        "extends: root\n"
        "budget: {false_alarms: 25%, harmless: [evals/fine.jsonl], harmful: [evals/spam.jsonl]}\n"
        "rules:\n"
        "  - id: contact\n"
        "    stages: [input]\n"
        "    detect: pii\n"
        "    then: [{at: 0.3, do: block}]  # found by hand\n"
    )
    (root / "evals").mkdir(exist_ok=True)
    for name, wanted in (("fine", 0), ("spam", 1)):
        lines = [
            json.dumps({"text": text, "category": category})
            for text, label, category in TEXTS
            if label == wanted
        ]
        (root / "evals" / f"{name}.jsonl").write_text("\n".join(lines))
    labelled = [json.dumps({"text": text, "label": label}) for text, label, _ in TEXTS]
    (root / "labelled.jsonl").write_text("\n".join(labelled))
    return root


def test_check_fails_where_a_rule_breaks_its_budget(project: Path) -> None:
    """A rule that refuses half of what is harmless is merged."""
    ended = run("check", "--root", project)
    assert ended.status == 1
    line = next(each for each in ended.out.splitlines() if "public" in each)
    assert line.startswith("policies/shop.yaml:7:11: rules[")
    assert (
        "(contact): stops 2 of 4 harmless texts for 'public' (50.00 %); the budget is 25 %" in line
    )
    assert "good morning" not in ended.out


def test_the_diff_moves_the_threshold_and_keeps_the_budget(project: Path) -> None:
    """The command proposes a change that does not apply, or that does not help."""
    patch = project / "new.patch"
    ended = run("calibrate", "--policy", "shop", "--root", project, "--diff", patch)
    assert ended.status == 0
    assert "contact for public: 0.3 -> 0.6001" in ended.out
    assert "caught        100.00 %" in ended.out
    assert "    address " in ended.out
    assert "too small to prove" in ended.out
    subprocess.run(["git", "apply", patch.name], cwd=project, check=True)  # noqa: S603, S607  # git
    text = (project / "policies" / "shop.yaml").read_text()
    assert "    then: [{at: 0.6001, do: block}]  # found by hand\n" in text
    assert run("check", "--root", project).status == 0


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(lambda text: text.replace("\n", "\r\n"), id="line ends of Windows"),
        pytest.param(lambda text: text.rstrip("\n"), id="no line end at the end"),
    ],
)
def test_the_diff_fits_files_as_people_have_them(project: Path, edit: Callable[[str], str]) -> None:
    """The patch does not apply, or changes every line of the file."""
    policy, patch = project / "policies" / "shop.yaml", project / "new.patch"
    old = edit(policy.read_text())
    policy.write_bytes(old.encode())
    assert run("calibrate", "--policy", "shop", "--root", project, "--diff", patch).status == 0
    subprocess.run(["git", "apply", patch.name], cwd=project, check=True)  # noqa: S603, S607  # git
    assert policy.read_bytes().decode() == old.replace("at: 0.3", "at: 0.6001")
    ended = run("calibrate", "--policy", "shop", "--root", project, "--diff", patch)
    assert "no threshold has to change" in ended.out


def test_what_cannot_be_written_is_said_without_a_traceback(project: Path) -> None:
    """Somebody who mistypes a folder would be shown the insides of the program."""
    common = ("calibrate", "--policy", "shop", "--root", project)
    for option in ("--diff", "--charts"):
        ended = run(*common, option, project / "labelled.jsonl" / "there")
        assert (ended.status, ended.err) == (
            2,
            f"{project / 'labelled.jsonl' / 'there'}: Not a directory\n",
        )


def test_other_texts_and_another_budget(project: Path) -> None:
    """Data that the policy does not name, or a budget that is only tried, is not taken."""
    data = project / "labelled.jsonl"
    common = ("calibrate", "--policy", "shop", "--root", project, "--data", data)
    ended = run(*common, "--false-alarms", "50%")
    assert ended.status == 0
    assert "6 texts" in ended.out
    assert "contact for public: 0.3 -> 0.1" in ended.out
    assert "-    then: [{at: 0.3, do: block}]  # found by hand" in ended.out
    ended = run(*common, "--false-alarms", "a lot")
    assert ended.status == 2
    assert "must be a share such as 0.5%" in ended.err


def test_curves_are_drawn(project: Path) -> None:
    """The page of curves is empty, or shows a picture that is not there."""
    folder = project / "charts"
    assert run("calibrate", "--policy", "shop", "--root", project, "--charts", folder).status == 0
    page = (folder / "index.html").read_text()
    assert "<img src='contact.png'" in page
    assert (folder / "contact.png").read_bytes().startswith(b"\x89PNG")
    assert "good morning" not in page


def test_a_step_that_would_never_be_reached_goes() -> None:
    """The proposed steps are out of order, and the file with them does not load."""
    steps = (Step(0.3, Action.FLAG), Step(0.5, Action.MASK), Step(0.9, Action.BLOCK))
    rule = Rule("r", frozenset({Stage.INPUT}), DetectSpec("words"), {"public": steps})
    none = Share(0, 1)

    def to(at: float) -> tuple[Step, ...]:
        point = Point(at, none, none)
        return moved(rule, Calibration("r", "public", 0.1, 2, point, point, {}, ()))

    assert to(0.8) == (*steps[:2], Step(0.8, Action.BLOCK))
    assert to(0.5) == (steps[0], Step(0.5, Action.BLOCK))
    assert to(0.2) == (Step(0.2, Action.BLOCK),)
