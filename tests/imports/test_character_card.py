"""Character cards become personas: what they say is data, and never a template."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.errors import ContentError
from app.imports.card_text import CardText, Turn, example_turns
from app.imports.character_card import read_character_card
from app.imports.persona_writer import FoundPersona
from app.imports.taking import Taking, node_of
from tests.imports.importing import FILES
from tests.imports.pictures import card, packed, picture, plain

CARD = FILES / "character_card" / "v2.json"


def read(folder: Path, data: bytes | object) -> FoundPersona:
    """What a card becomes."""
    path = folder / "card"
    path.write_bytes(data if isinstance(data, bytes) else json.dumps(data).encode())
    return read_character_card(path, "assistant")


def v3(**data: object) -> dict[str, object]:
    """A card of version 3."""
    return {"spec": "chara_card_v3", "spec_version": "3.0", "data": {"name": "Ida", **data}}


def told(found: FoundPersona) -> set[str]:
    """Where something was left out."""
    return {each.path for each in found.left_out}


def test_all_versions_say_the_same(tmp_path: Path) -> None:
    """A card would become another persona for the way in which it is kept."""
    tree = json.loads(CARD.read_text())
    second = read(tmp_path, tree)
    data = {k: v for k, v in tree["data"].items() if k != "character_book"}
    first = {
        k: data[k]
        for k in ("name", "description", "personality", "scenario", "first_mes", "mes_example")
    }
    third = read(tmp_path, {"spec": "chara_card_v3", "spec_version": "3.0", "data": tree["data"]})
    assert third.persona == second.persona
    assert third.knowledge == second.knowledge
    old = read(tmp_path, first).persona
    assert {key: old[key] for key in ("name", "description", "voice")} == {
        key: second.persona[key] for key in ("name", "description", "voice")
    }
    for made in (
        picture(card("chara", tree)),
        picture(packed("chara", base64.b64encode(json.dumps(tree).encode()))),
        picture(card("chara", {"name": "Old"}), card("ccv3", tree)),
    ):
        assert read(tmp_path, made).persona == second.persona


def test_what_a_version_3_adds(tmp_path: Path) -> None:
    """A nickname would not be used, or what is lost not be told."""
    found = read(
        tmp_path,
        v3(
            nickname="Idchen",
            description="<BOT> and {{CHAR}} are one. {{// hidden}}",
            group_only_greetings=["Hi all"],
            assets=[{"type": "icon", "uri": "ccdefault:", "name": "main", "ext": "png"}],
            source=["https://example.org/1"],
            creation_date=1,
        ),
    )
    assert found.persona["name"] == "Ida"
    assert found.persona["description"] == "Idchen and Idchen are one."
    assert {"data.group_only_greetings", "data.assets", "data.source"} <= told(found)
    newer = {**v3(), "spec_version": "3.1"}
    assert "spec_version" in told(read(tmp_path, newer))


HOSTILE = st.text(st.sampled_from("{}%#xUuser:char \n<>BOT"), max_size=40) | st.sampled_from(
    [
        "{{ 7*7 }}",
        "{% for x in y %}",
        "{{{{char}}}}",
        "{{{",
        "{ {%",
        "{{user",
        "{#",
        "{{%}}",
        "{{{%",
    ]
)


@given(HOSTILE, HOSTILE)
@settings(deadline=None, max_examples=120)
def test_no_text_of_a_card_stays_a_template(text: str, name: str) -> None:
    """A stranger's text would be run, or be taken for a template by whatever reads it next."""
    taking = Taking()
    texts = CardText("Ida", taking)
    made = texts.plain(text + name, node_of("", "x"))
    for sign in ("{{", "}}", "{%", "%}", "{#", "#}"):
        assert sign not in made


@given(
    st.lists(
        st.tuples(*[st.text("abc ?.", min_size=1, max_size=9).map(str.strip).filter(bool)] * 2),
        max_size=4,
    ),
    st.sampled_from(["{{char}}", "<BOT>", "Ida"]),
)
@settings(deadline=None, max_examples=40)
def test_examples_are_told_apart(turns: list[tuple[str, str]], char: str) -> None:
    """What a user says would be put into the character's mouth."""
    text = "".join(f"<START>\n{{{{user}}}}: {user}\n{char}: {answer}\n" for user, answer in turns)
    assert example_turns(text, ("Ida",)) == ([Turn(*turn) for turn in turns], True)


@pytest.mark.parametrize(
    "text",
    ["Ida: alone", "{{user}}: a\n{{user}}: b", "prose", "<START>\nIda: hi\n{{user}}: hello"],
)
def test_examples_that_are_no_turns_are_told(text: str, tmp_path: Path) -> None:
    """Half of an example would be taken for all of it."""
    assert example_turns(text, ("Ida",)) == ([], False)
    assert "data.mes_example" in told(read(tmp_path, v3(mes_example=text)))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"PK\x03\x04rest", "CHARX"),
        (b"{", "is no JSON"),
        (b"[]", "holds no card"),
        (b'{"name": "a", "name": "b"}', "a key is written twice"),
        (b'{"name": NaN}', "not finite"),
        (b"[" * 100_000, "is no JSON"),
        (b'{"a":' * 80 + b"1" + b"}" * 80, "holds no card"),
        (b'{"spec": "chara_card_v9", "data": {"name": "x"}}', "chara_card_v2, chara_card_v3"),
        (b'{"data": {"name": "x"}}', "is missing"),
        (b'{"name": " "}', "is missing"),
        (b"\xff\xfe{", "byte order mark"),
        (picture(), "without a character card"),
        (picture(plain("chara", b"!!!")), "not base64"),
        (picture(plain("chara", base64.b64encode(b"{")))[:-20], "ends in the middle"),
        (picture(plain("chara", base64.b64encode(b"nope"))), "is no JSON"),
    ],
)
def test_what_is_no_card_is_refused(data: bytes, message: str, tmp_path: Path) -> None:
    """Somebody would get an empty persona, or a traceback."""
    with pytest.raises(ContentError, match=message):
        read(tmp_path, data)


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "keys", "content", "entries", "enabled", "zz"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
FIELDS = ["description", "personality", "first_mes", "alternate_greetings", "mes_example"]


@given(st.dictionaries(st.sampled_from([*FIELDS, "character_book", "system_prompt"]), JSON))
@settings(
    deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_values_of_any_kind_are_read_or_told(tmp_path: Path, data: dict[str, object]) -> None:
    """A card with a number where a text belongs would end in a traceback."""
    found = read(tmp_path, v3(**data))
    for key, value in data.items():
        is_text = isinstance(value, str)
        if value not in (None, "", [], {}) and key in FIELDS and not is_text and key != FIELDS[3]:
            assert any(place.startswith(f"data.{key}") for place in told(found)), key
