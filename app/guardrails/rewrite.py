"""Change a text where policy says so, and know where everything went."""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from app.domain.policy import Action, PseudonymForm
from app.guardrails.places import Places

MARK = "[removed]"
"""What stands where something was masked."""

Name = Callable[[str, str, PseudonymForm], str]
"""Gives the pseudonym of a value: category, value and form wanted → pseudonym."""

_TOKEN = PseudonymForm.TOKEN
_STRING_PARTS = re.compile(r'\\.?|"', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A place to change: mask it, or put a pseudonym there."""

    start: int
    end: int
    action: Action
    category: str
    score: float = 1.0
    form: PseudonymForm = PseudonymForm.TOKEN

    def moved(self, by: int) -> "Rewrite":
        """The same, so many code points further on."""
        return replace(self, start=self.start + by, end=self.end + by)


@dataclass(frozen=True, slots=True)
class Edit:
    """A place that was changed: where it was, and where it is now."""

    start: int
    end: int
    new_start: int
    new_end: int


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A text after its rewrites."""

    text: str
    edits: tuple[Edit, ...] = ()

    def to_original(self, start: int, end: int) -> tuple[int, int]:
        """The part of the original that a part of the rewritten text comes from.

        What touches a changed place takes in all that stood there.
        """
        return self._origin(start, is_end=False), self._origin(end, is_end=True)

    def _origin(self, point: int, *, is_end: bool) -> int:
        after = bisect_left(self.edits, point + (not is_end), key=_new_end)
        if after < len(self.edits) and self.edits[after].new_start < point + (not is_end):
            edit = self.edits[after]
            return edit.end if is_end else edit.start
        shift = self.edits[after - 1].end - self.edits[after - 1].new_end if after else 0
        return point + shift


def _new_end(edit: Edit) -> int:
    return edit.new_end


def merged(rewrites: Iterable[Rewrite]) -> list[Rewrite]:
    """Rewrites that overlap made one, over all they cover; masking wins over a pseudonym.

    A pseudonym takes the category of the widest of them, then of the surest, then the first by
    name; it is a token unless all want a surrogate, and one of them covers all. Rewrites that only
    touch stay two.
    """
    groups: list[list[Rewrite]] = []
    end = 0
    for rewrite in sorted(rewrites, key=lambda each: (each.start, each.end)):
        if groups and rewrite.start < end:
            groups[-1].append(rewrite)
        else:
            groups.append([rewrite])
            end = 0
        end = max(end, rewrite.end)
    return [_union(group) for group in groups]


def _union(group: Sequence[Rewrite]) -> Rewrite:
    start, end = min(each.start for each in group), max(each.end for each in group)
    main = min(group, key=lambda each: (each.start - each.end, -each.score, each.category))
    return replace(
        main,
        start=start,
        end=end,
        action=Action.MASK
        if any(each.action is Action.MASK for each in group)
        else Action.PSEUDONYMIZE,
        form=main.form
        if (main.start, main.end) == (start, end) and all(each.form is main.form for each in group)
        else PseudonymForm.TOKEN,
    )


# An escape that the end of the text cuts off, or else a whole one. Half of a surrogate pair is cut
# off until what follows it cannot become the other half.
_ESCAPE = re.compile(
    r"\\(?:(?P<unfinished>(?:"
    r"u[dD][89abAB][0-9a-fA-F]{2}(?:\\(?:u(?:[dD](?:[c-fC-F][0-9a-fA-F]?)?)?)?)?"
    r"|u[0-9a-fA-F]{0,3}"
    r")?\Z)"
    r"|u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|u[0-9a-fA-F]{4}"
    r"|.)",
    re.DOTALL,
)


def escapes(text: str, base: int = 0, *, is_end: bool = True) -> Places:
    """The escapes of JSON text that does not begin inside one.

    Args:
        text: JSON, or a part of it.
        base: Where it begins in the text that places are counted in.
        is_end: Nothing follows. Otherwise an escape that the end cuts off goes on behind it.
    """
    if "\\" not in text:
        return Places(())
    return Places(
        (m.start() + base, m.end() + base + (m["unfinished"] is not None and not is_end))
        for m in _ESCAPE.finditer(text)
    )


@dataclass(slots=True)
class JsonStrings:
    """Whether a place in JSON text is inside a string, so that what is put there stays JSON."""

    is_inside: bool = False

    def move(self, text: str) -> None:
        """Go past this text, which does not begin inside an escape."""
        for part in _STRING_PARTS.finditer(text):
            if part.group() == '"':
                self.is_inside = not self.is_inside


def rewritten(
    text: str, rewrites: Sequence[Rewrite], name: Name, json: JsonStrings | None = None
) -> Rewritten:
    """The text with its rewrites done.

    Args:
        text: As it was.
        rewrites: Merged: ordered, none overlapping.
        name: Gives pseudonyms.
        json: For JSON text: where ``text`` begins; moved to where it ends.
    """
    parts: list[str] = []
    edits: list[Edit] = []
    at = length = 0
    for number, rewrite in enumerate(rewrites):
        kept = text[at : rewrite.start]
        old = text[rewrite.start : rewrite.end]
        if json is not None:
            json.move(kept)
        if rewrite.action is Action.MASK:
            new = MARK
        else:
            value = old if json is None else json_unescaped(old)
            form = rewrite.form if _stands_alone(text, rewrites, number, json) else _TOKEN
            new = name(rewrite.category, value, form)
        if json is not None:
            new = new if json.is_inside else f'"{new}"'
            json.move(old)
        parts += kept, new
        begin = length + len(kept)
        length = begin + len(new)
        edits.append(Edit(rewrite.start, rewrite.end, begin, length))
        at = rewrite.end
    parts.append(text[at:])
    if json is not None:
        json.move(text[at:])
    return Rewritten("".join(parts), tuple(edits))


def _stands_alone(
    text: str, rewrites: Sequence[Rewrite], number: int, json: JsonStrings | None
) -> bool:
    """Whether a surrogate could be told from what stands around it when it comes back."""
    here = rewrites[number]
    last = rewrites[number - 1].end if number else 0
    before, after = text[last : here.start], text[here.end : here.end + 8]
    if json is not None:
        before, after = json_unescaped(before), json_unescaped(after)
    touches = (number > 0 and not before) or any(
        each.start == here.end for each in rewrites[number + 1 : number + 2]
    )
    return not (touches or joins(before[-1:]) or joins(after[:1]))


def joins(sign: str) -> bool:
    """Whether a code point beside a word would be a part of it. Chinese puts no blanks there."""
    return sign.isalnum() and not (
        "\u2e80" <= sign <= "\u9fff" or "\uf900" <= sign <= "\ufaff" or sign >= "\U00020000"
    )


_JSON_ESCAPE = re.compile(r'\\(?:u([0-9a-fA-F]{4})|(["\\/bfnrt]))')
_SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def json_unescaped(text: str) -> str:
    """What a part of a JSON string stands for."""
    if "\\" not in text:
        return text
    plain = _JSON_ESCAPE.sub(lambda m: chr(int(m[1], 16)) if m[1] else _SHORT.get(m[2], m[2]), text)
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


_LONGEST_ESCAPE = 12
"""Code points of an escape: both halves of a surrogate pair."""


def last_unescaped(text: str, at: int) -> str:
    """What the code point before ``at`` stands for in a part of a JSON string."""
    first = max(at - _LONGEST_ESCAPE, 0)
    while first and text[first - 1] == "\\":  # no escape begins in the middle of another
        first -= 1
    return json_unescaped(text[first:at])[-1:]
