"""Reads character cards, V1, V2 and V3, as JSON or in a PNG picture.

Sources: https://github.com/malfoyslastname/character-card-spec-v2 (``spec_v1.md``, ``spec_v2.md``),
https://github.com/kwaroran/character-card-spec-v3 (``SPEC_V3.md``), as of 2026.
"""

import base64
import binascii
import json
from collections.abc import Iterable
from pathlib import Path

from app.catalog.document import Node, file_problem
from app.catalog.yaml_source import decode_text
from app.domain.conversation import Json
from app.domain.errors import ContentError, Problem
from app.imports.card_text import CardText, example_turns
from app.imports.persona_writer import FoundPersona, Tree
from app.imports.png_text import SIGNATURE, PngError, read_texts
from app.imports.taking import Taking, below, node_of

MAX_BYTES = 64_000_000
_MAX_JSON_BYTES = 8_000_000
_MAX_DEPTH = 60
_ZIP = b"PK\x03\x04"
_MAX_TRAITS, _MAX_TRAIT_CHARS = 8, 30
_HELLO = "Hello."
_SPECS = {"chara_card_v2": "V2", "chara_card_v3": "V3"}
_VERSIONS = {"2.0", "3.0"}
_NOT_SHOWN = "is for people who choose a card, and not for prompts; keep it where they look"
_PICTURE = "is a picture or another file, which no persona has; keep it in your product"
_ORIGIN = "says where the card comes from; version control says that of a persona"
_WHY_NOT = {
    "creator_notes": _NOT_SHOWN,
    "creator_notes_multilingual": _NOT_SHOWN,
    "tags": "is for sorting cards, and not for prompts",
    "creator": "says who made the card; 'owner' is for the team that answers for the persona",
    "character_version": _ORIGIN,
    "source": _ORIGIN,
    "creation_date": _ORIGIN,
    "modification_date": _ORIGIN,
    "assets": _PICTURE,
    "avatar": _PICTURE,
    "extensions": "belongs to one chat program; say in 'behaviours' what of it is conduct",
    "group_only_greetings": "is for talks of several characters, which there are none of here",
    "spec_version": "is no version that is known here; what is new in it is listed, too",
    "id": "is a number for programs; nothing asks for an entry by it",
    "comment": "is a second title of an entry",
    "keys": "says when an entry is shown; knowledge is always shown, so mind its length",
    "secondary_keys": "says when an entry is shown; knowledge is always shown",
    "selective": "says when an entry is shown; knowledge is always shown",
    "case_sensitive": "says when an entry is shown; knowledge is always shown",
    "use_regex": "says when an entry is shown; knowledge is always shown",
    "constant": "says when an entry is shown; knowledge is always shown",
    "position": "says where an entry is shown; the prompt's template says it of knowledge",
    "priority": "says which entry goes when there is no room; knowledge goes as a whole",
    "scan_depth": "says how far back keys are looked for; knowledge has no keys",
    "token_budget": "limits what entries may take; shorten the file of knowledge instead",
    "recursive_scanning": "says whether entries bring others; knowledge is always shown",
}
_OTHERWISE = "is no key of the specification; nothing here knows it"


def read_character_card(path: Path, prompt: str) -> FoundPersona:
    """The persona of a card.

    Args:
        path: A file of JSON, or a PNG picture that has one inside.
        prompt: The id of the prompt that it is to use.

    Raises:
        ContentError: It holds no character card.
    """
    taking = Taking()
    tree = node_of(_card(path, taking), path.name)
    version = _SPECS.get(below(tree, "spec").text or "", "")
    if tree.child("spec") is not None and not version:
        what = "is not the name of a character card's version: chara_card_v2, chara_card_v3"
        raise ContentError([tree.nearest("spec").problem(what)])
    data = below(tree, "data") if version else tree
    if version:
        taking.take(tree.child("spec"))
        if below(tree, "spec_version").text in _VERSIONS:
            taking.take(tree.child("spec_version"))
        for key, node in tree.entries.items():
            if key not in {"spec", "spec_version", "data"}:
                taking.leave(node, "is for older programs; what stands under 'data' counts")
    name = taking.text(data.child("name"))
    called = taking.text(data.child("nickname")) or name
    if not name.strip():
        raise ContentError([data.nearest("name").problem("is missing: a card names its character")])
    reading = _Reading(data, CardText(" ".join(called.split()), taking), taking)
    found = reading.persona(" ".join(name.split()), prompt)
    taking.rest(tree, _WHY_NOT, _OTHERWISE)
    found.left_out = tuple(taking.left_out)
    return found


def _card(path: Path, taking: Taking) -> Json:
    """The JSON of a file.

    Raises:
        ContentError: There is none, or it is no card's.
    """
    data = _bytes(path)
    if data.startswith(_ZIP):
        what = "is a CHARX file, a zip; take card.json out of it, and import that"
        raise _wrong(path, what)
    if data.startswith(SIGNATURE):
        return _loaded(path, _in_picture(path, data, taking))
    return _loaded(path, data)


def _bytes(path: Path) -> bytes:
    with path.open("rb") as opened:
        data = opened.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise _wrong(path, f"is larger than {MAX_BYTES:,} bytes")
    return data


def _in_picture(path: Path, data: bytes, taking: Taking) -> bytes:
    try:
        texts = read_texts(data)
    except PngError as exc:
        raise _wrong(path, str(exc)) from None
    found = [keyword for keyword in ("ccv3", "chara") if keyword in texts]
    if not found:
        raise _wrong(path, "is a picture without a character card in it")
    file = path.name
    taking.left_out.append(Problem(file, 0, 0, "", f"the picture itself {_PICTURE}"))
    if len(found) > 1:
        what = "holds the card a second time for older programs, which is not looked at"
        taking.left_out.append(Problem(file, 0, 0, "chara", what))
    assets = [keyword for keyword in texts if keyword.startswith("chara-ext-asset_")]
    if assets:
        what = f"holds {len(assets)} more files of the card, which no persona has"
        taking.left_out.append(Problem(file, 0, 0, "chara-ext-asset_", what))
    try:
        return base64.b64decode(texts[found[0]].strip(), validate=True)
    except binascii.Error:
        raise _wrong(path, f"has a text '{found[0]}' that is not base64") from None


def _loaded(path: Path, data: bytes) -> Json:
    if len(data) > _MAX_JSON_BYTES:
        raise _wrong(path, f"holds a card of more than {_MAX_JSON_BYTES:,} bytes")
    text = decode_text(data.removeprefix(b"\xef\xbb\xbf"), path.name)
    try:
        value: Json = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    except json.JSONDecodeError as exc:
        problem = Problem(path.name, exc.lineno, exc.colno, "", f"is no JSON: {exc.msg}")
        raise ContentError([problem]) from None
    except (ValueError, RecursionError) as exc:
        raise _wrong(path, f"is no JSON that can be read: {exc}") from None
    if not isinstance(value, dict) or _depth(value) > _MAX_DEPTH:
        raise _wrong(path, "holds no card, which is one object of JSON")
    return value


def _once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a key is written twice")
    return made


def _no_number(_name: str) -> Json:
    raise ValueError("a number is not finite")


def _depth(value: Json) -> int:
    """How deep it is, without recursion: what is read may be deeper than the stack."""
    deep, level = 0, [value]
    while level and deep <= _MAX_DEPTH:
        level = [inner for each in level for inner in _inside(each)]
        deep += 1
    return deep


def _inside(value: Json) -> Iterable[Json]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _wrong(path: Path, what: str) -> ContentError:
    return ContentError([file_problem(path.name, what)])


class _Reading:
    """One card on its way."""

    def __init__(self, data: Node, texts: CardText, taking: Taking) -> None:
        self.data = data
        self.texts = texts
        self.taking = taking

    def persona(self, name: str, prompt: str) -> FoundPersona:
        name = self.texts.plain(name, below(self.data, "name")) or "card"
        tree: Tree = {"name": name}
        if description := self._text("description"):
            tree["description"] = description
        tree["prompt"] = prompt
        tree["identity"] = {"role": "character in a conversation"}
        behaviours = self._behaviours(tree)
        if behaviours:
            tree["behaviours"] = behaviours
        if examples := [*self._greetings(), *self._examples()]:
            tree["examples"] = examples
        cases: list[Json] = [
            {
                "id": "it says who it is, and no macro is left over",
                "renders": {"contains": [f"You are {name}"], "lacks": ["{{", "{%", "<START>"]},
            }
        ]
        return FoundPersona(tree, cases, knowledge=self._knowledge())

    def _text(self, key: str) -> str:
        return self.texts.of(self.data.child(key))

    def _behaviours(self, tree: Tree) -> list[Json]:
        """What the card instructs, line by line; a stranger wrote it, so that it is told of."""
        made: list[Json] = []
        personality = self._text("personality")
        traits = [each.strip() for each in personality.rstrip(".").split(",")]
        is_list = 1 < len(traits) <= _MAX_TRAITS and all(
            0 < len(each) <= _MAX_TRAIT_CHARS and "\n" not in each for each in traits
        )
        if personality and is_list:
            tree["voice"] = {"tone": list[Json](traits)}
        elif personality:
            made += _behaviour_lines("personality", f"Your personality: {personality}")
        if scenario := self._text("scenario"):
            made += _behaviour_lines("circumstances", f"The circumstances: {scenario}")
        for key in ("system_prompt", "post_history_instructions"):
            if text := self._text(key):
                made += _behaviour_lines(key.replace("_", "-"), text)
                what = "stands under 'behaviours' now, below the prompt's own rules; read it, as "
                self.taking.note(below(self.data, key), what + "whoever made the card wrote it")
        return made

    def _greetings(self) -> list[Json]:
        greetings = [self.data.child("first_mes")]
        greetings += below(self.data, "alternate_greetings").items
        made: list[Json] = []
        for node in greetings:
            if node is None or not (text := self.texts.of(node)):
                continue
            made.append({"user": _HELLO, "assistant": text})
            what = f"is an example of an answer to '{_HELLO}' now: the gateway does not speak first"
            self.taking.note(node, what)
        return made

    def _examples(self) -> list[Json]:
        node = self.data.child("mes_example")
        raw = self.taking.text(node).replace("\r\n", "\n")
        if node is None or not raw.strip():
            return []
        names = (self.texts.char, below(self.data, "name").text or "")
        turns, is_whole = example_turns(raw, names)
        if not is_whole:
            what = "is carried over as far as it goes user, character, user, character; "
            self.taking.note(node, what + "write the other examples as 'user' and 'assistant'")
        plain = self.texts.plain
        pairs = ((plain(each.user, node), plain(each.assistant, node)) for each in turns)
        return [{"user": user, "assistant": answer} for user, answer in pairs if user and answer]

    def _knowledge(self) -> str | None:
        book = self.data.child("character_book")
        if book is None:
            return None
        entries: list[tuple[float, str]] = []
        for entry in below(book, "entries").items:
            enabled = entry.child("enabled")
            if enabled is not None and enabled.content is False:
                self.taking.leave(entry, "is an entry that is turned off")
                continue
            self.taking.take(enabled)
            text = self.texts.of(entry.child("content"))
            order = self.taking.number(entry.child("insertion_order")) or 0
            title = self._title(entry)
            if text:
                entries.append((order, f"## {title}\n\n{text}\n" if title else f"{text}\n"))
        title = self.texts.of(book.child("name"))
        about = self.texts.of(book.child("description"))
        parts = [f"# {' '.join(title.split())}\n" if title else "", f"{about}\n" if about else ""]
        parts += [text for _, text in sorted(entries, key=lambda each: each[0])]
        return "\n".join(part for part in parts if part) or None

    def _title(self, entry: Node) -> str:
        """Its name; else the comment, where programs that know no names write one."""
        named = self.texts.of(entry.child("name")) or self.texts.of(entry.child("comment"))
        return " ".join(named.split())


def _behaviour_lines(name: str, text: str) -> list[Json]:
    lines = [line.strip().removeprefix("- ").strip() for line in text.split("\n")]
    lines = [line for line in lines if line]
    if len(lines) == 1:
        return [{"id": name, "instruct": lines[0]}]
    return [{"id": f"{name}-{number}", "instruct": line} for number, line in enumerate(lines, 1)]
