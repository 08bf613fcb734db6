"""The figures of the page on the base prompt are those of the prompts that ship."""

import re
from collections.abc import Sequence

import pytest

from app.compose.compose import ComposedPrompt
from app.domain.prompt import SystemPrompt
from app.domain.tokens import estimate_tokens
from app.main import load_project
from tests.docs.pages import DOCS, REPOSITORY

PAGE = (DOCS / "explanation" / "base-prompt.md").read_text("utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if re.match(r"\| `[a-z-]+` \| \d", line)
]
PARTS = ("Values", "Voice", "Conduct", "Examples", "Reference", "About this request")


@pytest.fixture(scope="module")
def prompts() -> dict[str, ComposedPrompt]:
    """What each persona that ships sends, by its id."""
    loaded = load_project(REPOSITORY, reads_secrets=False).load()
    return {name: each.prompt for (name, variant), each in loaded.served.items() if variant is None}


@pytest.mark.parametrize("row", ROWS, ids=[row[0].strip("`") for row in ROWS])
def test_a_row_of_figures_is_true(row: list[str], prompts: dict[str, ComposedPrompt]) -> None:
    """The page argues with tokens that the prompts do not have."""
    assert row[1:] == _figures(prompts[row[0].strip("`")])


def test_there_are_rows() -> None:
    """A table in another form would be held against nothing."""
    assert len(ROWS) >= 3


def test_every_part_of_the_template_is_explained() -> None:
    """A part is added, and nobody says why it is there."""
    parts = {path.name for path in (REPOSITORY / "prompts" / "parts").iterdir()}
    assert {part for part in parts if f"`{part}`" not in PAGE} == set()


def _figures(prompt: ComposedPrompt) -> list[str]:
    texts = {
        scenario: prompt.compose(scenario, _values(prompt))
        for scenario in (None, *prompt.persona.scenarios)
    }
    plain = texts[None]
    parts = _parts(plain)
    shared = _common([each.text[: each.cacheable_chars] for each in texts.values()])
    before = shared.partition("\n## Examples\n")[0].partition("\n## Reference\n")[0]
    own = "".join(
        line + "\n"
        for line, source in zip(plain.text.split("\n"), plain.provenance, strict=True)
        if source.file.startswith("prompts/")
    )
    figures = [
        *[estimate_tokens(parts.get(name, "")) for name in ("", *PARTS)],
        plain.tokens,
        estimate_tokens(own),
    ]
    return [
        *map(str, figures),
        _share(plain.text[: plain.cacheable_chars], plain),
        _share(before, plain),
        _share(shared, plain),
    ]


def _values(prompt: ComposedPrompt) -> dict[str, str | int]:
    """A plausible value for each variable that needs one."""
    return {name: "x" for name, each in prompt.persona.variables.items() if each.default is None}


def _parts(prompt: SystemPrompt) -> dict[str, str]:
    """The prompt by the template's headings; what stands before the first one is the opening."""
    parts = {"": ""}
    name = ""
    for line, source in zip(prompt.text.split("\n"), prompt.provenance, strict=True):
        if line.startswith("## ") and source.file.startswith("prompts/"):
            name = line.removeprefix("## ")
        parts[name] = parts.get(name, "") + line + "\n"
    return parts


def _common(texts: Sequence[str]) -> str:
    """The start that all of them have."""
    first, last = min(texts), max(texts)
    same = (one == other for one, other in zip(first, last, strict=False))
    return first[: next((at for at, is_same in enumerate(same) if not is_same), len(first))]


def _share(start: str, prompt: SystemPrompt) -> str:
    return f"{100 * estimate_tokens(start) / prompt.tokens:.0f} %"
