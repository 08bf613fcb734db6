"""The JSON Schemas: that they know every key, every shorthand and every detector's settings."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from app.catalog.contracts import DetectorKind
from app.catalog.schemas import generate_schemas
from app.catalog.yaml_source import read_document
from app.domain.conversation import Json
from app.settings import Settings

REPOSITORY = Path(__file__).parent.parent.parent
GOOD = Path(__file__).parent.parent / "cases" / "bad_catalogs" / "_good"
Schema = dict[str, Any]


@pytest.fixture
def schemas(kinds: tuple[DetectorKind, ...]) -> dict[str, Schema]:
    """Every schema by its file's name."""
    return {name: json.loads(text) for name, text in generate_schemas(kinds, Settings).items()}


KINDS: dict[str, type | tuple[type, ...]] = {
    "object": dict, "array": list, "string": str, "boolean": bool, "null": type(None),
    "integer": int, "number": (int, float),
}  # fmt: skip


def misfits(value: Json, part: Schema, root: Schema, path: str = "") -> Iterator[str]:
    """Where a value does not fit a schema, for the keywords that our schemas use."""
    if "$ref" in part:
        part = {**root["$defs"][part["$ref"].rsplit("/", 1)[-1]], **part}
    alternatives = part.get("anyOf", part.get("oneOf"))
    if alternatives and all(list(misfits(value, other, root, path)) for other in alternatives):
        yield f"{path}: fits none of {len(alternatives)}"
    if value not in part.get("enum", [value]) or value != part.get("const", value):
        yield f"{path}: is another value"
    if "type" in part and not isinstance(value, KINDS[part["type"]]):
        yield f"{path}: is not {part['type']}"
    if isinstance(value, dict) and not alternatives:
        yield from misfits_inside(value, part, root, path)
    for index, inner in enumerate(value if isinstance(value, list) else ()):
        yield from misfits(inner, part.get("items", {}), root, f"{path}[{index}]")


def misfits_inside(value: dict[str, Json], part: Schema, root: Schema, path: str) -> Iterator[str]:
    """Where a mapping's keys and their values do not fit."""
    yield from (f"{path}: lacks {key}" for key in part.get("required", ()) if key not in value)
    for key, inner in value.items():
        below = part.get("properties", {}).get(key, part.get("additionalProperties", {}))
        if below is False:
            yield f"{path}: knows no {key}"
        elif below is not True:
            yield from misfits(inner, below, root, f"{path}.{key}")


FILES = {
    "banneton.yaml": "banneton",
    "personas/house.yaml": "persona",
    "personas/lexi.yaml": "persona",
    "policies/baseline.yaml": "policy",
    "policies/legal.yaml": "policy",
    "policies/legal.cases.yaml": "cases",
    "personas/lexi.cases.yaml": "cases",
}


@pytest.mark.parametrize("file", FILES)
def test_the_good_files_fit_their_schemas(file: str, schemas: dict[str, Schema]) -> None:
    """An editor would underline a shorthand, ``extends`` or an inherited key as a mistake."""
    schema = schemas[f"{FILES[file]}.schema.json"]
    assert not list(misfits(read_document(GOOD / file, GOOD).plain(), schema, schema))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("policy", {"rules": [{"id": "a", "then": "blok"}]}),
        ("policy", {"rules": [{"id": "a", "detect": "wrods"}]}),
        ("policy", {"rules": [{"id": "a", "detect": {"words": {"word": ["x"]}}}]}),
        ("policy", {"rules": [{"then": "block"}]}),
        ("policy", {"rule": []}),
        ("persona", {"id": "tutor"}),
        ("persona", {"voice": {"warmth": "hot"}}),
        ("banneton", {"backends": {"x": {"type": "local", "api_key": "${KEY}"}}, "routes": {}}),
        ("banneton", {"backends": {"x": {"type": "local"}}}),
        ("cases", {"cases": [{"id": "a", "text": "b", "expect": "allowed"}]}),
        ("cases", {"cases": [{"id": "a", "turns": [], "goal": [{"contain": "x"}]}]}),
        ("cases", {"cases": [{"id": "a", "turns": [{"user": "x", "expects": []}]}]}),
        ("cases", {"cases": [{"id": "a", "goal": [{"similar": {"to": "x", "by": "bleu"}}]}]}),
        ("suite", {"cases": [{"turns": [{"user": "x"}]}]}),
        ("suite", {"judges": {"kind": {"question": "Kind?"}}}),
    ],
)
def test_a_mistake_does_not_fit(name: str, value: Json, schemas: dict[str, Schema]) -> None:
    """An editor would say that a file is in order which the gateway refuses."""
    schema = schemas[f"{name}.schema.json"]
    assert list(misfits(value, schema, schema))


def _shipped() -> Iterator[tuple[str, Path]]:
    for root in (REPOSITORY, REPOSITORY / "docs" / "reference" / "examples"):
        for path in root.glob("*/*.cases.yaml"):
            yield "cases", path
        for path in root.glob("evals/*.yaml"):
            if not path.name.endswith(".script.yaml"):
                yield "suite", path


@pytest.mark.parametrize(("name", "path"), list(_shipped()), ids=lambda each: Path(each).name)
def test_what_ships_fits_its_schema(name: str, path: Path) -> None:
    """An editor would underline what the shipped cases and the annotated ones say."""
    schema = json.loads((REPOSITORY / "schemas" / f"{name}.schema.json").read_text("utf-8"))
    validator = Draft202012Validator(schema)
    value = read_document(path, path.parent.parent).plain()
    assert [error.json_path for error in validator.iter_errors(value)] == []


def test_every_key_is_explained(schemas: dict[str, Schema]) -> None:
    """An author would see a key in the editor and not what it does."""

    def unexplained(part: Json, path: str) -> Iterator[str]:
        if isinstance(part, dict):
            properties = part.get("properties")
            for key, inner in properties.items() if isinstance(properties, dict) else ():
                if "description" not in inner and "$ref" not in inner:
                    yield f"{path}.{key}"
            for key, inner in part.items():
                yield from unexplained(inner, f"{path}/{key}")

    policy = list(unexplained(schemas["policy.schema.json"], "policy"))
    banneton = list(unexplained(schemas["banneton.schema.json"], "banneton"))
    suite = list(unexplained(schemas["suite.schema.json"], "suite"))
    cases = list(unexplained(schemas["cases.schema.json"], "cases"))
    assert policy + banneton + suite + cases == []


def test_schemas_are_the_same_each_time(kinds: tuple[DetectorKind, ...]) -> None:
    """The check that the files in ``schemas/`` are fresh would fail by chance."""
    assert generate_schemas(kinds, Settings) == generate_schemas(kinds, Settings)
    assert all(text.endswith("}\n") for text in generate_schemas(kinds, Settings).values())
