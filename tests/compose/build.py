"""Builds small catalogs, and reads the tables under ``tests/cases/compose``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.compose.compose import ComposedPrompt, compile_prompt
from app.domain.catalog import Catalog, Prompt, Source
from app.domain.persona import Persona

ROOT = Path(__file__).parent.parent.parent
_CASES = ROOT / "tests" / "cases" / "compose"


def rows(table: str) -> list[Any]:
    """The rows of a table as parameters, named by their ids."""
    content = yaml.load((_CASES / f"{table}.yaml").read_text("utf-8"), Loader=yaml.CSafeLoader)
    return [pytest.param(row, id=row["id"]) for row in content]


def persona(**fields: Any) -> Persona:  # noqa: ANN401  # whatever a persona file may say
    """A plain persona with these fields changed."""
    plain = {
        "id": "pat",
        "name": "Pat",
        "prompt": "main",
        "policy": "baseline",
        "route": "any",
        "identity": {"role": "baker"},
    }
    return Persona.model_validate({**plain, **fields})


def prompts(templates: Mapping[str, str]) -> dict[str, Prompt]:
    """Prompts by id, as the catalog reads them from files."""
    return {name: Prompt(name, f"prompts/{name}.md.j2", text) for name, text in templates.items()}


def shipped_prompts() -> dict[str, Prompt]:
    """The prompts that the product ships."""
    folder = ROOT / "prompts"
    return prompts(
        {
            path.relative_to(folder).as_posix().removesuffix(".md.j2"): path.read_text("utf-8")
            for path in sorted(folder.rglob("*.md.j2"))
        }
    )


def catalog(
    of: Persona,
    prompts: Mapping[str, Prompt],
    *,
    knowledge: Mapping[str, str] | None = None,
    sources: Mapping[tuple[str, str], Source] | None = None,
    variants: Mapping[tuple[str, str], Persona] | None = None,
) -> Catalog:
    """A catalog of one persona."""
    return Catalog(
        digest="sha256:" + "0" * 64,
        personas={of.id: of},
        policies={},
        prompts=prompts,
        routes={},
        knowledge=knowledge or {},
        sources=sources or {},
        variants=variants or {},
    )


def compiled(template: str, **fields: Any) -> ComposedPrompt:  # noqa: ANN401  # as for persona
    """A prompt of one template, for a plain persona with these fields changed."""
    of = persona(**fields)
    return compile_prompt(of, catalog(of, prompts({"main": template})))
