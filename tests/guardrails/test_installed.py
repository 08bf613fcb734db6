"""Detectors of other packages: loaded where the operator lists them, and only then."""

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.domain.errors import ContentError
from app.domain.policy import Stage
from app.guardrails.installed import GROUP, installed_kinds
from app.main import check_text, load_project
from tests.e2e.project import write_project

PACKAGE = Path(__file__).parents[1] / "packages/acme-codenames"
PAGE = Path(__file__).parents[2] / "docs/how-to/write-a-detector.md"


def install(where: Path, module: str, points: str, *, name: str = "acme_codenames") -> None:
    """Install a package as an installer does: the module, and beside it what it is."""
    where.mkdir(exist_ok=True)
    (where / f"{name}.py").write_text(module, "utf-8")
    about = where / f"{name}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[{GROUP}]\n{points}\n", "utf-8")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that Python imports from, forgotten after the test with what came from it."""
    where = tmp_path / "site"
    where.mkdir()
    monkeypatch.syspath_prepend(where)
    yield where
    for name in ("acme_codenames", "mine", "yours"):
        sys.modules.pop(name, None)


@pytest.fixture
def package(site: Path) -> Path:
    """The package that the page shows, installed."""
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text("utf-8"))["project"]
    points = project["entry-points"][GROUP]
    listed = "\n".join(f"{name} = {target}" for name, target in points.items())
    install(site, (PACKAGE / "acme_codenames.py").read_text("utf-8"), listed)
    return site


@pytest.mark.usefixtures("package")
async def test_the_package_of_the_page_is_a_detector(tmp_path: Path) -> None:
    """Whoever follows the page would have a detector that is never run."""
    root = write_project(tmp_path / "project", "http://127.0.0.1:9/v1")
    deployment = root / "banneton.yaml"
    deployment.write_text(deployment.read_text("utf-8") + "\ndetectors: [codenames]\n", "utf-8")
    policy = root / "policies/root.yaml"
    rule = (
        "  - id: no-codenames\n"
        "    stages: [input]\n"
        "    detect: {codenames: {names: [bluebird]}}\n"
        "    then: mask\n"
    )
    policy.write_text(policy.read_text("utf-8") + rule, "utf-8")
    loaded = load_project(root, reads_secrets=False).load()
    made = await check_text(loaded, "root", "public", Stage.INPUT, "What is Blue\u200bbird?")
    assert made.texts == {"text": "What is [removed]?"}
    assert [each.detector for each in made.findings] == ["codenames"]


@pytest.mark.usefixtures("package")
def test_what_is_not_listed_is_not_imported() -> None:
    """Installing a package would be enough to run its code inside the gateway."""
    assert installed_kinds(()) == {}
    assert "acme_codenames" not in sys.modules


@pytest.mark.parametrize(
    ("module", "points", "name", "said"),
    [
        ("KIND = 1", "mine = mine:KIND", "mine", "is no DetectorKind"),
        ("1 / 0", "mine = mine:KIND", "mine", "cannot be imported: ZeroDivisionError"),
        ("", "mine = mine:KIND", "mine", "cannot be imported: AttributeError"),
        ("", "other = mine:KIND", "mine", "no installed package gives; there are (other)"),
        ("", "words = mine:KIND", "words", "is built in"),
        (
            "from app.guardrails.detectors.words import KIND",
            "mine = mine:KIND",
            "mine",
            "calls the detector by another name",
        ),
    ],
    ids=["no kind", "fails", "not there", "another name", "built in", "renamed"],
)
def test_what_is_no_detector_is_refused(
    site: Path, module: str, points: str, name: str, said: str
) -> None:
    """A gateway would start without a detector that its policies count on."""
    install(site, module, points, name="mine")
    with pytest.raises(ContentError) as caught:
        installed_kinds([name])
    assert str(caught.value).startswith("banneton.yaml: detectors[0]: is ")
    assert said in str(caught.value)


def test_two_packages_cannot_give_one_detector(site: Path) -> None:
    """Which of two detectors runs would depend on the order of folders."""
    for package in ("mine", "yours"):
        install(site, "", f"codenames = {package}:KIND", name=package)
    with pytest.raises(ContentError, match="more than one"):
        installed_kinds(["codenames"])


def test_the_page_shows_the_package() -> None:
    """The page would show code that nobody has run."""
    page = PAGE.read_text("utf-8")
    for file in ("pyproject.toml", "acme_codenames.py"):
        assert f"\n{(PACKAGE / file).read_text('utf-8')}```" in page
