"""The house is complete: what belongs together is there together, and pages say what is true.

Everything is discovered; nothing is listed by hand.
"""

import re
import subprocess
import tomllib
from itertools import chain
from pathlib import Path

import pytest

from app import __version__
from app.cli.schemas import schema_texts
from app.guardrails.kinds import KINDS

ROOT = Path(__file__).parent.parent
MOST_LINES = 400


def tracked() -> list[Path]:
    """Every file that is kept in version control, or would be."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607  # whichever git there is
        cwd=ROOT,
        capture_output=True,
        check=True,
        timeout=60,
    )
    paths = (ROOT / name.decode() for name in listed.stdout.split(b"\0") if name)
    return [path for path in paths if path.is_file()]


def text_of(path: Path) -> str:
    """What a file says; nothing where it holds no text."""
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        return ""


FILES = tracked()
TEXTS = {path.relative_to(ROOT).as_posix(): text for path in FILES if (text := text_of(path))}
PAGES = sorted(name for name in TEXTS if name.endswith(".md"))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_detector_is_code_and_cases_and_a_page(kind: str) -> None:
    """A detector would be there that nobody has tried, or nobody can read about."""
    assert f"app/guardrails/detectors/{kind}.py" in TEXTS
    folders = ("detectors", "guardrails")
    cases = re.compile(rf"tests/cases/(?:{'|'.join(folders)})/{kind}[\w-]*\.yaml")
    assert any(cases.fullmatch(name) for name in TEXTS), "no cases"
    page = TEXTS.get(f"docs/reference/detectors/{kind}.md", "")
    assert KINDS[kind].summary in page or kind in page.partition("\n")[0].lower(), "no page"


def test_every_module_of_a_detector_is_a_kind() -> None:
    """A detector would be written and never run."""
    modules = (ROOT / "app/guardrails/detectors").glob("[a-z]*.py")
    assert {path.stem for path in modules} == set(KINDS)


def test_the_schemas_are_those_of_the_code() -> None:
    """An editor would complete what the gateway refuses; run ``make schemas``."""
    written = {path.name: path.read_text("utf-8") for path in (ROOT / "schemas").iterdir()}
    assert written == schema_texts()


def test_every_file_names_a_schema_that_is_there() -> None:
    """An editor would check a file against nothing, and its author take that for fine."""
    missing = [
        (name, reference)
        for name, text in TEXTS.items()
        if name.endswith(".yaml")
        for reference in re.findall(r"^# yaml-language-server: \$schema=(\S+)", text, re.MULTILINE)
        if not (ROOT / name).parent.joinpath(reference).is_file()
    ]
    assert missing == []


def test_no_file_names_a_machine_or_is_unfinished() -> None:
    """A stranger's checkout would look for a folder or host of the machine this was written on."""
    home = "/(?:root|home/[a-z]+|Users/[A-Za-z]+|opt/[a-z]{2}|work)/[a-z.]"
    index = r"--(?:extra-)?index-url (?!-)\S|https?://[^\s\"']+/simple\b"
    marks = "|".join(("TO" + "DO", "FIX" + "ME", "X" + "XX"))
    wrong = re.compile(rf"(?<![\w.:/-])(?:{home})|{index}|(?:#|//|<!--).*\b(?:{marks})\b")
    found = [
        f"{name}:{number}"
        for name, text in TEXTS.items()
        for number, line in enumerate(text.splitlines(), start=1)
        if wrong.search(line)
    ]
    assert found == []


def test_every_law_has_its_test() -> None:
    """A law would be a promise."""
    laws = re.findall(r"^\*\*([A-Z][a-z ]+)\.\*\*", TEXTS["docs/explanation/laws.md"], re.MULTILINE)
    assert len(laws) == 6
    for law in laws:
        name = f"tests/laws/test_{law.lower().replace(' ', '_')}.py"
        assert "@given" in TEXTS.get(name, ""), f"{name} has no property"


def test_no_module_is_too_long() -> None:
    """Modules grow until nobody reads them; split by what changes together."""
    long = {
        name: lines
        for name, text in TEXTS.items()
        if name.startswith("app/") and name.endswith(".py")
        if (lines := text.count("\n")) > MOST_LINES
    }
    assert long == {}


def test_the_version_is_the_changelogs() -> None:
    """A release would not say what is in it."""
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)
    told = re.findall(r"^## \[?(Unreleased|\d+\.\d+\.\d+)", TEXTS["CHANGELOG.md"], re.MULTILINE)
    assert told
    released = [version for version in told if version != "Unreleased"]
    assert released[:1] in ([], [__version__])
    assert "version" in tomllib.loads(TEXTS["pyproject.toml"])["project"]["dynamic"]


def test_decisions_are_numbered() -> None:
    """A decision could not be referred to, or two by one number."""
    names = [Path(name).name for name in PAGES if name.startswith("docs/decisions/")]
    numbered = [name for name in names if name not in {"README.md", "dependencies.md"}]
    numbers = [re.match(r"\d{4}(?=-[a-z0-9-]+\.md$)", name) for name in numbered]
    assert [name for name, number in zip(numbered, numbers, strict=True) if not number] == []
    said = [number[0] for number in numbers if number]
    assert len(set(said)) == len(said)


def test_every_number_of_a_decision_leads_to_one() -> None:
    """A comment would send its reader to a reason that was never written down."""
    known = {name.split("/")[-1][:4] for name in PAGES if name.startswith("docs/decisions/0")}
    lost = [
        (name, number)
        for name, text in TEXTS.items()
        if name.startswith(("app/", "docs/"))
        for number in re.findall(r"\b[Dd]ecision (\d{4})\b", text)
        if number not in known
    ]
    assert lost == []


def test_every_dependency_is_argued() -> None:
    """A package would be installed everywhere for no reason that anybody remembers."""
    project = tomllib.loads(TEXTS["pyproject.toml"])["project"]
    declared = chain(project["dependencies"], *project["optional-dependencies"].values())
    page = TEXTS["docs/decisions/dependencies.md"].lower()
    names = [re.split(r"[>=<;\[ ]", each)[0] for each in declared]
    assert [name for name in names if name.lower() not in page] == []


@pytest.mark.parametrize("page", PAGES)
def test_links_of_pages_lead_somewhere(page: str) -> None:
    """A reader would be sent to a page that is not there."""
    plain = re.sub(r"(?s)```.*?```|`[^`\n]*`", "", TEXTS[page])
    links = re.findall(r"\]\((?!https?:|mailto:|#)<?([^)#>\s]+)", plain)
    lost = [link for link in links if not (ROOT / page).parent.joinpath(link).exists()]
    assert lost == []


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
def test_the_readmes_commands_are_there(readme: str) -> None:
    """The first thing that a stranger types would fail."""
    targets = set(re.findall(r"^([a-z-]+):", TEXTS["Makefile"], re.MULTILINE))
    typed = set(re.findall(r"(?:\$ |`)make ([a-z-]+)", TEXTS[readme]))
    assert {"demo", "test"} <= typed <= targets


def test_the_chinese_readme_says_what_the_english_one_says() -> None:
    """A reader of one language would be shown another file, command or figure than of the other."""
    english, chinese = TEXTS["README.md"], TEXTS["README.zh-CN.md"]
    blocks = re.compile(r"^```(?:yaml|python|console)\n.*?^```$", re.MULTILINE | re.DOTALL)
    assert blocks.findall(chinese) == blocks.findall(english)
    shown = re.compile(r"(?:banneton|make) [a-z][^`…]*(?=[`…])")
    assert set(shown.findall(chinese)) <= set(shown.findall(english))
    figures = re.compile(r"\d+(?:\.\d+)? %")
    measured = chinese[chinese.index("| 提示词注入") : chinese.index("公开数据源彼此")]
    assert len(figures.findall(measured)) >= 10
    assert set(figures.findall(measured)) <= set(figures.findall(english))
    laws = [f"**{law}**" for law in re.findall(r"^\| \*\*(.+)\*\* \|", english, re.MULTILINE)]
    assert [law for law in laws if f"（{law.strip('*')}）" not in chinese] == []
