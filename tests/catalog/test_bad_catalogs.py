"""Every mistake in ``tests/cases/bad_catalogs`` gives exactly the message that stands beside it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from app.catalog.cases import Cases
from app.catalog.read import read_deployment
from app.catalog.ssh_signature import public_key
from app.domain.errors import ContentError
from app.settings import settings_from

CASES = Path(__file__).parent.parent / "cases" / "bad_catalogs"
MISTAKES = sorted(path.parent.name for path in CASES.glob("*/expected.txt"))
ENVIRON = {"MODEL_KEY": "sk-from-the-environment", "SIGNING_KEY": "c2lnbmVk" * 4}
SECRET = "sk-live-1234567890"  # noqa: S105  # stands in some of the files, and must not come out


def _problems(root: Path, cases_of: Callable[[Path], Cases]) -> str:
    """What a person sees who starts the gateway and runs the cases."""

    def everything() -> None:
        cases_of(root)

    def settings() -> None:
        settings_from(read_deployment(root), ENVIRON, root, check_key=public_key)

    lines: set[str] = set()
    for work in (everything, settings):
        try:
            work()
        except ContentError as exc:
            lines |= {str(problem) for problem in exc.problems}
    return "".join(f"{line}\n" for line in sorted(lines))


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_with_its_place_and_remedy(
    mistake: str, root: Path, cases_of: Callable[[Path], Cases]
) -> None:
    """An author who makes this mistake would be told something else, or nothing."""
    shutil.copytree(CASES / mistake, root, dirs_exist_ok=True)
    expected = (CASES / mistake / "expected.txt").read_text("utf-8")
    assert _problems(root, cases_of) == expected


def test_the_good_catalog_has_no_mistake(root: Path, cases_of: Callable[[Path], Cases]) -> None:
    """The other tests would prove nothing: their base would be wrong already."""
    assert _problems(root, cases_of) == ""


def test_no_message_holds_a_secret_or_words_of_the_machinery() -> None:
    """A key that someone put into YAML would be printed, or pydantic would speak to authors."""
    for mistake in MISTAKES:
        text = (CASES / mistake / "expected.txt").read_text("utf-8")
        assert SECRET not in text
        for jargon in ("Input should", "pydantic", "valid dictionary", "instance of", "Field "):
            assert jargon not in text, mistake


def test_every_folder_is_a_mistake() -> None:
    """A mistake without its message would be skipped in silence."""
    folders = {path.name for path in CASES.iterdir() if path.is_dir()} - {"_good"}
    assert folders == set(MISTAKES)
    assert len(folders) >= 30
