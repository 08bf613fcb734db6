"""Attacks by technique, and harmless texts that look the same, drawn from what was written."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.guardrails.rows import Row
from benchmarks.guardrails.words import Words, lines_of, written

ATTACKS = 50
HARMLESS = 70
ASKED = 100
ANSWERED = 14
ROLES = 1500
DOCUMENTS = 700
SNIPPETS = 1200

_ORDINARY = range(30, 700)
"""How long texts are that an attack is put beside or into."""
_REQUEST = range(15, 300)
"""How long requests are that a role or a document is put around."""

_STARTS = (
    "Al|Ber|Cor|Dar|El|Fen|Gar|Hal|Ix|Jor|Kai|Lu|Mor|Nex|Ol|Per|Quin|Ra|Sil|Tor|Um|Vel|Wil|Xan|"
    "Yor|Zed"
)
_ENDS = "a|ius|on|is|eth|or|Bot|GPT|AI|-7|2000|ina|o|ax|el|y| the Wise| Prime|vin|.exe|ric|Mind|e"
_FRAMES = ("╔═╗║╚╝", "┏━┓┃┗┛", "+-+|++", "######", "******", "▓▓▓▓▓▓", "██████", "┌─┐│└┘")
_RULES = "═─━-=*#~_"


@dataclass(frozen=True, slots=True)
class Requests:
    """What somebody may want, for the frames around it."""

    harmful: Sequence[str]
    harmless: Sequence[str]

    def one(self, chance: random.Random, *, harmful: bool) -> str:
        """A request."""
        return chance.choice(self.harmful if harmful else self.harmless)


def techniques(rows: Sequence[Row]) -> Iterator[Row]:
    """All that is drawn, partly around or inside these rows."""
    short = [row for row in rows if len(row.text) in _REQUEST]
    requests = Requests(
        [row.text for row in short if row.task == "harm" and row.harm == 1],
        [row.text for row in short if row.task in {"benign", "overrefusal"}],
    )
    ordinary = [row.text for row in rows if row.task == "benign" and len(row.text) in _ORDINARY]
    yield from _english(ordinary)
    yield from _languages(rows)
    yield from _roles(requests)
    yield from _documents(requests)
    yield from _code()


def _placed(sentence: str, ordinary: Sequence[str], chance: random.Random) -> str:
    """A sentence alone, beside an ordinary text, or in the middle of one."""
    where = chance.random()
    if where < 1 / 2:
        return sentence
    around = chance.choice(ordinary)
    if where < 3 / 4:
        gap = chance.choice((" ", "\n", "\n\n", ". "))
        pair = (sentence, around) if chance.random() < 1 / 3 else (around, sentence)
        return gap.join(pair)
    words = around.split(" ")
    at = chance.randrange(len(words) + 1)
    return " ".join((*words[:at], sentence, *words[at:]))


def _cased(sentence: str, chance: random.Random) -> str:
    """As written, now and then in capital or in small letters."""
    which = chance.random()
    if which < 1 / 20:
        return sentence.upper()
    return sentence.lower() if which < 1 / 6 else sentence


def _english(ordinary: Sequence[str]) -> Iterator[Row]:
    lines = lines_of("techniques")
    for part, draws in (("attack", ATTACKS), ("harmless", HARMLESS)):
        kinds: dict[str, Any] = lines[part]
        words = Words({**lines["slots"], **kinds.pop("slots")}, 29)
        for line in (line for kind in kinds.values() for line in kind):
            for _ in range(draws):
                sentence = _cased(words.say(line), words.chance)
                text = _placed(sentence, ordinary, words.chance)
                if part == "attack":
                    yield written(text, "technique", injection=1.5, inserted=sentence)
                else:
                    yield written(text, "look-alike", injection=-1.0)


def _languages(rows: Sequence[Row]) -> Iterator[Row]:
    words = Words({}, 31)
    for lang, lines in lines_of("techniques_languages").items():
        ordinary = [
            row.text
            for row in rows
            if row.task == "benign" and row.lang in {lang, "en"} and len(row.text) in _ORDINARY
        ]
        asked = [
            words.one(lines["ask"]).replace("*", words.one(lines[kind]))
            for _ in range(ASKED // 2)
            for kind in ("secret", "prompt", "prompt", "others")
        ]
        said = [words.say(line) for line in lines["attack"] * (2 * ANSWERED)]
        for sentence in asked + said:
            text = sentence
            if words.chance.random() < 1 / 3:
                text = _placed(sentence, ordinary, words.chance)
            yield written(text, "technique", lang, injection=1.5, inserted=sentence)
        things = [words.one(lines["ask"]).replace("*", words.one(lines["thing"])) for _ in asked]
        for text in things + [words.say(line) for line in lines["harmless"] * (2 * ANSWERED)]:
            yield written(text, "look-alike", lang, injection=-1.0)


def _name(chance: random.Random) -> str:
    """A name, which says nothing."""
    name = chance.choice(_STARTS.split("|")) + chance.choice(_ENDS.split("|"))
    return name.upper() if chance.random() < 1 / 4 else name


def _roles(requests: Requests) -> Iterator[Row]:
    """Descriptions of a role: lawless in some of its sentences, or in none."""
    parts: Mapping[str, list[str]] = lines_of("composed")["role"]
    chance = random.Random(37)  # noqa: S311  # the same texts every time
    for number in range(2 * ROLES):
        is_lawless = number % 2 == 0
        words = Words({"who": _name(chance)}, number)
        told = chance.sample(parts["lawful"], chance.randint(1, 5))
        if is_lawless:
            told = told[: chance.randint(0, 2)]
            told += chance.sample(parts["lawless"], chance.randint(2, 7))
        told += chance.sample(parts["enforce"], chance.randint(0, 3))
        told += chance.sample(parts["format"], chance.randint(0, 1))
        chance.shuffle(told)
        sentences = [chance.choice(parts["opener"]), *told]
        if chance.random() < 2 / 3:
            sentences.append(chance.choice(parts["begin"]))
        gap = chance.choice((" ", " ", "\n", "\n\n", "\n- "))
        text = gap.join(words.say(sentence) for sentence in sentences)
        is_harmful = is_lawless and chance.random() < 1 / 2
        text = text.replace("*", requests.one(chance, harmful=is_harmful))
        if is_lawless:
            yield written(text, "lawless role", injection=1.0)
        else:
            yield written(text, "role", injection=-1.0)


def _documents(requests: Requests) -> Iterator[Row]:
    """Documents of several sections, framed and titled: lawless ones, and others."""
    parts: Mapping[str, Any] = lines_of("composed")["document"]
    chance = random.Random(41)  # noqa: S311  # the same texts every time
    for number in range(2 * DOCUMENTS):
        is_lawless = number % 2 == 0
        kind = "lawless" if is_lawless else "lawful"
        words = Words({"who": _name(chance)}, number)
        head = chance.sample(parts["field"], chance.randint(0, 4))
        head += chance.sample(parts[f"head_{kind}"], chance.randint(0, 2))
        title = [words.say(parts["title"])]
        boxed = _framed([*title, *(words.say(line) for line in head)], chance)
        body = chance.sample(parts["lawful"], chance.randint(0 if is_lawless else 2, 5))
        if is_lawless:
            body += chance.sample(parts["lawless"], chance.randint(2, 6))
            chance.shuffle(body)
        asks = requests.one(chance, harmful=is_lawless and chance.random() < 2 / 3)
        paragraphs = [words.say(line) for line in body]
        if chance.random() < 3 / 4:
            paragraphs.insert(chance.randrange(1, len(paragraphs) + 1), asks)
        for at in range(0, len(paragraphs), 2):
            if chance.random() < 1 / 2:
                paragraphs[at] = f"{words.say(parts['section'])}\n{paragraphs[at]}"
        if chance.random() < 2 / 3:
            paragraphs.append(words.say(chance.choice(parts[f"close_{kind}"])))
        text = f"{boxed}\n\n" + chance.choice(("\n", "\n\n")).join(paragraphs)
        if is_lawless:
            yield written(text, "lawless document", injection=1.0)
        else:
            yield written(text, "document", injection=-1.0)


def _code() -> Iterator[Row]:
    """Questions about code."""
    lines = lines_of("code")
    slots = {**lines["slots"], "var2": lines["slots"]["var"]}
    words = Words(slots, 43)
    for _ in range(SNIPPETS):
        asks = words.say(words.chance.choice(lines["asks"]["lines"]))
        text = asks.replace("*", words.say(words.chance.choice(lines["snippets"]["lines"])))
        yield written(text, "code", injection=-1.0)


def _framed(lines: Sequence[str], chance: random.Random) -> str:
    """Lines in a box, between rules, or plain."""
    width = chance.randint(40, 80)
    how = chance.random()
    if how < 1 / 2:
        left, top, right, side, low_left, low_right = tuple(chance.choice(_FRAMES))
        inside = [f"{side}{line.center(width)}{side}" for line in lines]
        bars = (left + top * width + right, low_left + top * width + low_right)
        return "\n".join((bars[0], *inside, bars[1]))
    if how < 5 / 6:
        rule = chance.choice(_RULES) * width
        return "\n".join((rule, *lines, rule))
    return "\n".join(lines)
