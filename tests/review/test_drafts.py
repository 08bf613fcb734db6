"""Drafts, and the plans of changes that are in no file of the project."""

import shutil
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.domain.errors import BannetonError, ContentError
from app.main import load_project
from app.plan_change import plan_change
from app.review.drafts import DraftError, Drafts
from app.review.plan import Plan
from app.review.report.contents import page_of
from app.review.revisions import RevisionError, known_revision, named_revisions
from app.review.runs import Doing, Made, PlanRuns, PlanWish, Say, TooMuchError
from tests.cli.running import run
from tests.cli.test_plan import git
from tests.review.projects import BASE

NOW = datetime(2027, 1, 1, tzinfo=UTC)
HOUSE = "policies/house.yaml"
PROJECT = "shops/my shop"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The base project in a folder of a repository, committed."""
    root = tmp_path / "repository" / PROJECT
    shutil.copytree(BASE, root)
    git(root, "init", "--quiet", str(tmp_path / "repository"))
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "begin")
    return root


def drafts_of(root: Path) -> Drafts:
    """Drafts of a project, compiled as it is."""
    project = load_project(root, reads_secrets=False)
    return Drafts(root, lambda folder: replace(project, root=folder).load())


def state(root: Path) -> dict[str, tuple[bytes, int]]:
    """Every file of the project, with its time."""
    return {
        path.relative_to(root).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def weaker(root: Path) -> dict[str, str]:
    """A draft that weakens a rule and changes how personas speak."""
    house = (root / HOUSE).read_text("utf-8")
    prompt = (root / "prompts/assistant.md.j2").read_text("utf-8")
    return {
        HOUSE: house.replace("at: 0.9, do: block", "at: 0.95, do: block"),
        "prompts/assistant.md.j2": prompt + "Be kind.\n",
    }


def test_a_plan_of_a_draft_is_that_of_the_patch_applied(root: Path) -> None:
    """The page would say something else than the command line about the same change."""
    was = state(root)
    drafts = drafts_of(root)
    edits = drafts.edits(weaker(root))
    patch = drafts.patch(edits)
    project = load_project(root, reads_secrets=False)
    said: list[Doing] = []
    of_draft = plan_change(project, PlanWish(NOW, "HEAD", edits), said.append).plan
    of_patch = plan_change(project, PlanWish(NOW, "HEAD", drafts.patched(patch)), said.append).plan
    uncommitted = plan_change(project, PlanWish(NOW, "", edits), said.append).plan
    assert state(root) == was, "the project was written to"
    assert said == [Doing.CASES, Doing.REPORT] * 3
    assert of_draft.is_weaker

    git(root, "switch", "--quiet", "--create", "warmer")
    path = root.parent / "change.patch"
    path.write_bytes(patch)
    git(root, "apply", str(path))
    ended = run("plan", "--base", "HEAD", "--root", root, "--format", "markdown")
    assert ended.status == 1
    assert _without_age(ended.out) == _without_age(_markdown(of_draft))
    assert _markdown(of_patch) == _markdown(of_draft)
    assert uncommitted.weakenings == of_draft.weakenings
    git(root, "commit", "--quiet", "--all", "--message", "warmer")
    git(root, "switch", "--quiet", "main")
    of_branch = plan_change(
        load_project(root, reads_secrets=False),
        PlanWish(NOW, "HEAD", head=known_revision(root, "warmer")),
        said.append,
    ).plan
    assert _without_age(_markdown(of_branch)) == _without_age(_markdown(of_draft))


def _markdown(plan: Plan) -> str:
    from app.review.report.markdown import markdown  # noqa: PLC0415  # beside what it prints

    return markdown(page_of(plan))


def _without_age(said: str) -> str:
    return "\n".join(line for line in said.splitlines() if not line.startswith("Compared with"))


def test_mistakes_of_a_draft_are_those_that_check_tells(root: Path) -> None:
    """Somebody would be told of a mistake only after they had applied the patch."""
    drafts = drafts_of(root)
    house = (root / HOUSE).read_text("utf-8").replace("do: block", "do: blok", 1)
    edits = drafts.edits({HOUSE: house, "personas/ann.yaml": None})
    with pytest.raises(ContentError) as caught:
        drafts.loaded(edits)
    (root / HOUSE).write_text(house, "utf-8")
    (root / "personas/ann.yaml").unlink()
    ended = run("check", "--no-cases", "--root", root)
    assert ended.out.splitlines()[:-1] == [str(each) for each in caught.value.problems]
    (problem,) = (each for each in caught.value.problems if each.file == HOUSE)
    assert problem.line == house[: house.index("blok")].count("\n") + 1


def test_a_draft_without_a_change_is_the_project(root: Path) -> None:
    """A look at the page would already be a change, or the same draft would be compiled again."""
    drafts = drafts_of(root)
    same = {name: drafts.text(name) for name in drafts.names()}
    assert drafts.edits(same) == {}
    loaded = drafts.loaded({})
    assert loaded.catalog.digest == load_project(root, reads_secrets=False).read().digest
    assert drafts.loaded({}) is loaded


def test_no_draft_reads_or_writes_outside(root: Path) -> None:
    """The editor would show any file of the machine."""
    outside = root.parent / "secret.md"
    outside.write_text("token", "utf-8")
    (root / "knowledge" / "out.md").symlink_to(outside)
    (root / "knowledge" / "in.md").symlink_to("terms.md")
    drafts = drafts_of(root)
    for name in ("../secret.md", "knowledge/../../secret.md", "banneton.yaml", str(outside)):
        with pytest.raises(BannetonError):
            drafts.text(name)
        with pytest.raises(BannetonError):
            drafts.edits({name: "x"})
    with pytest.raises(DraftError, match="leads out of the project"):
        drafts.text("knowledge/out.md")
    assert drafts.text("knowledge/in.md") == drafts.text("knowledge/terms.md")
    drafts.loaded(drafts.edits({"knowledge/in.md": "Returns within 14 days.\n"}))
    assert outside.read_text("utf-8") == "token"


def test_only_names_that_git_listed_reach_it(root: Path) -> None:
    """A visitor would hand options or expressions of their own to Git."""
    git(root, "branch", "other")
    git(root, "commit", "--quiet", "--allow-empty", "--message", "more")
    assert set(named_revisions(root)) == {"main", "other"}
    for name in ("main", "other", "HEAD", git(root, "rev-parse", "HEAD").strip()):
        assert known_revision(root, name) == name
    for name in ("--help", "main:banneton.yaml", "HEAD~1", "@{-1}", "", "none", "0" * 40):
        with pytest.raises(RevisionError):
            known_revision(root, name)


def test_plans_are_made_one_after_the_other_and_for_their_owner() -> None:
    """A visitor would read another's draft, or take the whole machine."""
    held: list[PlanWish] = []

    go_on = threading.Event()

    def plan(wish: PlanWish, _say: Say) -> Made:
        held.append(wish)
        go_on.wait(30)
        raise BannetonError("no plan")

    runs = PlanRuns(plan, go_on.is_set)
    run_ = runs.start(PlanWish(NOW, "", {}), owner="ann")
    assert runs.find(run_.id, owner="bob") is None
    assert runs.find(run_.id, owner="ann") is run_
    others = [runs.start(PlanWish(NOW, ""), owner="ann") for _ in range(3)]
    with pytest.raises(TooMuchError):
        runs.start(PlanWish(NOW, ""), owner="ann")
    go_on.set()
    while not all(each.is_over for each in others):
        go_on.wait(0.01)
    assert len(held) == 1, "a gateway that stops began with another plan"


def test_a_defect_ends_a_plan_and_is_logged_without_its_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A page would wait for ever, or send its reader to a log that says nothing."""

    def plan(wish: PlanWish, _say: Say) -> Made:
        raise ValueError(wish.base)

    run_ = PlanRuns(plan).start(PlanWish(NOW, "what a user wrote"), owner="ann")
    pause = threading.Event()
    while not run_.is_over:
        pause.wait(0.01)
    assert "log says why" in str(run_.error)
    assert "ValueError in a plan" in caplog.text
    assert "what a user wrote" not in caplog.text
