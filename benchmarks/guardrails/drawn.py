"""Texts drawn from what was written for training: the same ones every time."""

import importlib
import importlib.util
import random
import re
import string
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.guardrails.rows import Row
from benchmarks.guardrails.words import Words, lines_of, written

_ORDINARY = range(60, 1500)
"""How long texts are that a sentence is put before or after."""
_ASKED = range(15, 300)
"""How long requests are that a frame is put around."""

SPACY_NAMES = {"no": "nb", "zh-TW": "zh"}
UNSPACED = frozenset({"th", "zh", "zh-TW", "ja"})

PHRASES = 30
ATTACKS = 60
HARMLESS = 45
LANGUAGE = 14
KNOWLEDGE = 45
HARM = 80
DOCUMENTS = 40
ORDERS = 60
TASKS = 25
FRAMED = 1600
SUFFIXED = 1800


def authored(rows: Sequence[Row]) -> list[Row]:
    """All that is drawn, partly around or inside these rows; no text twice."""
    made = [
        *_phrases(rows),
        *_english(),
        *_languages(),
        *_knowledge(),
        *_function_words(),
        *_in_documents(rows),
        *_framed(rows),
        *_suffixed(rows),
    ]
    return list({each.text: each for each in made}.values())


def _phrases(rows: Sequence[Row]) -> Iterator[Row]:
    """Attacks and harmless texts with their words, a third of them beside an ordinary text."""
    words = Words({}, 7)
    chance = words.chance
    ordinary = [row.text for row in rows if row.task == "benign" and len(row.text) in _ORDINARY]
    lines = lines_of("phrases")
    for part, sign in (("attack", 1.0), ("harmless", -1.0)):
        for line in lines[part]:
            for _ in range(ATTACKS if sign > 0 else PHRASES):
                text = sentence = words.say(line)
                if chance.random() < 1 / 3:
                    around = chance.choice(ordinary)
                    text = chance.choice((f"{sentence} {around}", f"{around} {sentence}"))
                is_bad = sign > 0
                yield written(
                    text,
                    "phrases",
                    "",
                    injection=3.0 if sign > 0 else -1.0,
                    document=0.7 if is_bad else 0.0,
                    harm=-0.3 if is_bad else -1.0,
                    inserted=sentence if is_bad else "",
                )


def _english() -> Iterator[Row]:
    lines = lines_of("english")
    words = Words(lines["slots"], 11)
    for line in lines["harmless"]["lines"]:
        for _ in range(HARMLESS):
            yield written(words.say(line), "harmless", injection=-1.0, harm=-1.0)
    for line in lines["documents"]["lines"]:
        for _ in range(DOCUMENTS):
            yield written(words.say(line), "documents", injection=-1.0, document=-1.0, harm=-0.5)
    for category, asks in lines["harm"].items():
        for ask in asks if category != "how" else ():
            for _ in range(HARM):
                text = f"{words.one(lines['harm']['how'])} {words.say(ask)}"
                text = text + "?" if text.startswith(("How", "What", "Is")) else text
                yield written(text, "harm", harm=1.5, injection=-0.2, category=category)
    codes = Words(lines["codes"]["slots"], 12)
    for line in lines["codes"]["lines"]:
        for _ in range(PHRASES):
            yield written(codes.say(line), "codes", injection=0.5)


def _languages() -> Iterator[Row]:
    words = Words({}, 13)
    for lang, lines in lines_of("languages").items():
        for name, frame, draws in (("do", "how", 2), ("safe", "how", 3), ("thing", "what", 3)):
            for _ in range(draws * LANGUAGE):
                text = words.one(lines[frame]).replace("*", words.one(lines[name]))
                yield written(
                    text, name, lang, injection=-1.0, harm=-1.2 if name == "safe" else -1.0
                )
        asked = [(name, ask) for name, asks in lines["harm"].items() for ask in asks.split("|")]
        for category, ask in asked * LANGUAGE:
            text = words.one(lines["how"]).replace("*", ask)
            yield written(text, "harm", lang, harm=2.0, injection=-0.2, category=category)
        for line in lines["plain"] * LANGUAGE:
            yield written(words.say(line), "plain", lang, injection=-1.0, harm=-1.0)
        for line in lines["attack"] * (2 * LANGUAGE):
            text = words.say(line)
            yield written(text, "attack", lang, injection=2.0, document=0.7, inserted=text)


def _knowledge() -> Iterator[Row]:
    words = Words({}, 15)
    for lang, lines in lines_of("knowledge").items():
        for line in lines * KNOWLEDGE:
            yield written(words.say(line), "knowledge", lang, injection=-1.0, harm=-1.0)


def _function_words() -> Iterator[Row]:
    """Function words in any order, and example sentences, of languages: neither is harm.

    From spaCy (MIT), which Presidio brings. Content words decide then, not the language.
    """
    chance = random.Random(16)  # noqa: S311  # the same texts every time
    for lang in sorted(lines_of("languages")):
        package = f"spacy.lang.{SPACY_NAMES.get(lang, lang)}"
        is_known = importlib.util.find_spec(package) is not None
        for name, attribute in (("stop_words", "STOP_WORDS"), ("examples", "sentences")):
            if not is_known or importlib.util.find_spec(f"{package}.{name}") is None:
                continue
            listed = sorted(getattr(importlib.import_module(f"{package}.{name}"), attribute))
            gap = "" if lang in UNSPACED else " "
            drawn = [gap.join(chance.choices(listed, k=chance.randint(8, 16))) for _ in range(70)]
            for text in drawn if name == "stop_words" else listed:
                yield written(text, "function words", lang, injection=-0.5, harm=-1.0)


def _in_documents(rows: Sequence[Row]) -> Iterator[Row]:
    """Orders to a model, alone and inside clean documents."""
    lines = lines_of("english")
    words = Words(lines["attacks"]["slots"], 17)
    chance = words.chance
    kinds = {"benign", "indirect"}
    clean = [row for row in rows if row.document < 0 and row.task in kinds]
    texts = [row.text for row in clean if len(row.text) in _ORDINARY]
    texts += [words.say(line) for line in lines["documents"]["lines"] for _ in range(8)]
    for part, draws, weight in (("attacks", ORDERS, 1.0), ("tasks", TASKS, 0.6)):
        for line in lines[part]["lines"]:
            for number in range(draws):
                order = words.say(line)
                text = order if number % 3 == 0 else _inside(chance.choice(texts), order, chance)
                yield written(text, part, document=weight, inserted=order)


def _inside(document: str, order: str, chance: random.Random) -> str:
    """A document with an order at its start, its end, or between two of its sentences."""
    places = [found.end() for found in re.finditer(r"[.!?。！？]\s|\n", document)]
    at = chance.choice([0, len(document), *places])
    if document.lstrip().startswith(("{", "[")):
        found = list(re.finditer(r'": "', document))
        at = chance.choice(found).end() if found else at
        return f"{document[:at]}{order} {document[at:]}"
    gap = chance.choice((" ", "\n", "\n\n"))
    return f"{document[:at].rstrip()}{gap}{order}{gap}{document[at:].lstrip()}".strip()


def _framed(rows: Sequence[Row]) -> Iterator[Row]:
    """Requests inside frames: what makes a jailbreak is a lawless frame, or a harmful request."""
    frames = lines_of("english")["frames"]
    words = Words(frames["slots"], 19)
    chance = words.chance
    short = [row for row in rows if len(row.text) in _ASKED]
    harmful = [row.text for row in short if row.task == "harm" and row.harm == 1]
    harmless = [row.text for row in short if row.task in {"benign", "overrefusal"}]
    kinds: tuple[tuple[str, list[str], dict[str, Any]], ...] = (
        ("lawless", harmful, {"injection": 1.0, "harm": 0.5}),
        ("lawless", harmless, {"injection": 0.8}),
        ("mild", harmful, {"harm": 0.7}),
        ("mild", harmless, {"injection": -1.0, "harm": -1.0}),
    )
    for frame, asks, teaches in kinds:
        for _ in range(FRAMED if frame == "mild" else FRAMED // 2):
            text = words.say(chance.choice(frames[frame])).replace("*", chance.choice(asks))
            yield written(text, f"{frame} frame", **teaches)


_CODE = [
    "\\", "](", "!--", '{"', ");", "^{", "}}", "}(", ".\\", "+", "<!", "/**", "**", "@{", "::",
    '="', "$$", "``", "[*", "…", "||", "#>", "?>", "\\n", "_{", "~", '""', ".*", "--", "=>",
]  # fmt: skip


def _suffixed(rows: Sequence[Row]) -> Iterator[Row]:
    """Requests with a suffix as a search over a model's vocabulary finds: pieces, not words."""
    chance = random.Random(23)  # noqa: S311  # the same texts every time
    texts = [row.text for row in rows if row.task in {"benign", "harm", "overrefusal"}]
    vocabulary = sorted(
        {word for text in texts[::3] for word in re.findall(r"[^\W\d_]{2,12}", text)}
    )
    short = [row for row in rows if len(row.text) in _ASKED]
    harmful = [row.text for row in short if row.task == "harm" and row.harm == 1]
    harmless = [row.text for row in short if row.task == "benign"]
    for number in range(SUFFIXED):
        asks = harmful if number % 3 else harmless
        suffix = _noise(chance) if number % 4 == 0 else _pieces(vocabulary, chance)
        text = f"{chance.choice(asks)} {suffix}"
        yield written(text, "suffix", injection=0.6, harm=0.1 if number % 3 else 0.0)


def _noise(chance: random.Random) -> str:
    signs = string.ascii_letters + string.digits + string.punctuation
    if chance.random() < 1 / 4:
        return chance.choice(("! ", "x ", "? ", ". ", "* ")) * chance.randint(8, 20)
    return "".join(chance.choices(signs + " ", k=chance.randint(15, 60)))


def _pieces(vocabulary: Sequence[str], chance: random.Random) -> str:
    pieces = []
    for _ in range(chance.randint(8, 22)):
        word = chance.choice(vocabulary)
        if chance.random() < 1 / 2:
            word = word[chance.randrange(len(word) // 2 + 1) :]
        if chance.random() < 1 / 6:
            word += chance.choice(vocabulary).capitalize()
        word = chance.choice((word, word, word.lower(), word.capitalize(), word.upper()))
        sign = chance.choice(_CODE) if chance.random() < 1 / 3 else ""
        pieces.append(chance.choice(("", " ", " ")) + chance.choice((sign + word, word + sign)))
    if chance.random() < 1 / 4:
        pieces.insert(
            chance.randrange(len(pieces)), chance.choice((" !", " =", ".")) * chance.randint(2, 9)
        )
    return "".join(pieces).strip()
