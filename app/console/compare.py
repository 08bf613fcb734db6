"""Side by side: the same turn through several columns, and where their answers differ."""

import asyncio
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

import orjson
from starlette.responses import Response

from app.console.playground import form_values
from app.console.visit import Page, Visit
from app.console.wish import DRAFT, Wish
from app.domain.conversation import Json
from app.domain.errors import RequestError

MOST_COLUMNS = 4
_PLACES = tuple("abcdefgh")[:MOST_COLUMNS]
_MOST_WORDS = 4_000
"""Of both texts together; comparing takes longer than their length."""
_WORD = re.compile(
    r"[\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"  # each sign is a word
    r"|[^\W\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+|\s+|[^\w\s]"
)


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of one text compared with another: in both, or in one of them."""

    text: str
    side: str
    """``same``, ``del`` for the first alone, ``ins`` for the second alone."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a turn in one column, as the page has it."""

    name: str
    outcome: str
    text: str


@dataclass(frozen=True, slots=True)
class Compared:
    """One column's answer beside the first one's."""

    answer: Answer
    parts: tuple[Part, ...]
    is_too_long: bool = False

    @property
    def is_same(self) -> bool:
        """Whether the texts are the same."""
        return not self.is_too_long and all(part.side == "same" for part in self.parts)


async def show(visit: Visit) -> Response:
    """The page: two columns, to begin with."""
    wish = replace(Wish.of(visit.query), session="")
    personas = visit.behind.gateway.personas(visit.caller)
    other = next((each.id for each in personas if each.id != wish.persona), wish.persona)
    second = wish if wish.persona and len(personas) == 1 else replace(Wish(), persona=other)
    if visit.query.get("draft"):
        second = replace(wish, revision=DRAFT)
    columns = [
        await form_values(visit, each, place, "compare")
        for each, place in zip((wish, second), _PLACES, strict=False)
    ]
    return visit.page(
        "compare.html.j2",
        columns=columns,
        most=MOST_COLUMNS,
        commits=await visit.behind.past.commits(),
        session=f"trial-{secrets.token_hex(3)}",
        text=visit.query.get("text", ""),
    )


async def column(visit: Visit) -> Response:
    """One more column, as the last one is set."""
    place = visit.query.get("place", "")
    if place not in _PLACES:
        raise RequestError("place: there is no such column", param="place")
    values = await form_values(visit, Wish.of(visit.query), place, "compare")
    return visit.page("compare_column.html.j2", form=values)


async def differences(visit: Visit) -> Response:
    """Where the answers of a turn differ from the first one."""
    answers = _answers((await visit.form()).get("answers", ""))
    found = await asyncio.to_thread(lambda: list(compared(answers)))
    return visit.page("compare_differences.html.j2", first=answers[0], others=found)


def _answers(text: str) -> Sequence[Answer]:
    """The answers that the page sends.

    Raises:
        RequestError: It sends something else.
    """
    try:
        said: Json = orjson.loads(text)
    except orjson.JSONDecodeError:
        said = None
    answers = []
    for each in said if isinstance(said, list) else ():
        match each:
            case [str(name), str(outcome), str(answer)]:
                answers.append(Answer(name, outcome, answer))
            case _:
                break
    if not isinstance(said, list) or len(answers) != len(said) or not said:
        raise RequestError("answers: must be JSON, a list of answers", param="answers")
    return answers[:MOST_COLUMNS]


def compared(answers: Sequence[Answer]) -> Iterator[Compared]:
    """Each answer but the first beside it, word by word."""
    first = words(answers[0].text)
    for answer in answers[1:]:
        second = words(answer.text)
        if len(first) + len(second) > _MOST_WORDS:
            yield Compared(answer, (), is_too_long=True)
        else:
            yield Compared(answer, tuple(_parts(first, second)))


def words(text: str) -> list[str]:
    """A text as words, signs and blanks; together they are the text."""
    return _WORD.findall(text)


def _parts(first: Sequence[str], second: Sequence[str]) -> Iterator[Part]:
    for kind, a, b, c, d in SequenceMatcher(None, first, second, autojunk=False).get_opcodes():
        if kind == "equal":
            yield Part("".join(first[a:b]), "same")
            continue
        if a < b:
            yield Part("".join(first[a:b]), "del")
        if c < d:
            yield Part("".join(second[c:d]), "ins")


PAGES = (
    Page("/compare", show, nav="compare"),
    Page("/compare/column", column),
    Page("/compare/differences", differences, method="POST"),
)
