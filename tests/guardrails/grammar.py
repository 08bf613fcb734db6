"""Patterns as trees with a matcher of their own, to check what the engine says against.

``ends`` says where a match may end, straight from the definition of a regular language; nothing
here knows of RE2, automata or streams.
"""

from dataclasses import dataclass

from hypothesis import strategies as st


@dataclass(frozen=True)
class One:
    """One code point out of these."""

    chars: str


@dataclass(frozen=True)
class At:
    r"""An assertion: ``\b``, ``\B``, ``^``, ``$``."""

    what: str


@dataclass(frozen=True)
class Row:
    """One after the other."""

    items: tuple["Tree", ...]


@dataclass(frozen=True)
class OneOf:
    """One of these."""

    options: tuple["Tree", ...]


@dataclass(frozen=True)
class Times:
    """From ``low`` to ``high`` times."""

    item: "Tree"
    low: int
    high: int


Tree = One | At | Row | OneOf | Times


def regex(tree: Tree) -> str:
    """The tree in RE2 syntax."""
    match tree:
        case One(chars):
            return chars if len(chars) == 1 else f"[{chars}]"
        case At(what):
            return what
        case Row(items):
            return "".join(map(regex, items))
        case OneOf(options):
            return f"(?:{'|'.join(map(regex, options))})"
        case Times(item, low, high):
            return f"(?:{regex(item)}){{{low},{high}}}"


def ends(tree: Tree, text: str, at: int) -> set[int]:
    """Where a match that begins at ``at`` may end."""
    match tree:
        case One(chars):
            return {at + 1} if at < len(text) and text[at] in chars else set()
        case At(what):
            return {at} if _holds(what, text, at) else set()
        case Row(items):
            reached = {at}
            for item in items:
                reached = {end for place in reached for end in ends(item, text, place)}
            return reached
        case OneOf(options):
            return {end for option in options for end in ends(option, text, at)}
        case Times(item, low, high):
            reached, found = {at}, {at} if low == 0 else set()
            for count in range(1, high + 1):
                reached = {end for place in reached for end in ends(item, text, place)}
                found |= reached if count >= low else set()
            return found


def _holds(what: str, text: str, at: int) -> bool:
    is_edge = _is_word(text, at - 1) != _is_word(text, at)
    return {r"\b": is_edge, r"\B": not is_edge, "^": at == 0, "$": at == len(text)}[what]


def _is_word(text: str, at: int) -> bool:
    return 0 <= at < len(text) and text[at].isascii() and (text[at].isalnum() or text[at] == "_")


def matches(tree: Tree, text: str) -> list[tuple[int, int]]:
    """Leftmost-longest, one after the other."""
    found, at = [], 0
    while at < len(text):
        end = max(ends(tree, text, at), default=at)
        if end > at:
            found.append((at, end))
        at = max(end, at + 1)
    return found


def takes_something(tree: Tree) -> bool:
    """Whether every match has at least one code point."""
    match tree:
        case One():
            return True
        case At():
            return False
        case Row(items):
            return any(map(takes_something, items))
        case OneOf(options):
            return all(map(takes_something, options))
        case Times(item, low, _):
            return low > 0 and takes_something(item)


def trees(
    alphabet: str, assertions: tuple[str, ...] = (r"\b", r"\B", "^", "$")
) -> st.SearchStrategy[Tree]:
    """Small bounded patterns over an alphabet, each of which takes something."""
    one = st.one_of(
        st.sampled_from([One(char) for char in alphabet]),
        st.sampled_from([One(a + b) for a in alphabet for b in alphabet if a < b]),
    )
    leaf: st.SearchStrategy[Tree] = one
    if assertions:
        leaf = st.one_of(one, one, one, st.sampled_from([At(what) for what in assertions]))
    grown = st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.lists(inner, min_size=2, max_size=3).map(lambda items: Row(tuple(items))),
            st.lists(inner, min_size=2, max_size=3).map(lambda items: OneOf(tuple(items))),
            st.tuples(inner, st.integers(0, 2), st.integers(0, 2)).map(
                lambda drawn: Times(drawn[0], drawn[1], max(drawn[1] + drawn[2], 1))
            ),
        ),
        max_leaves=6,
    )
    return grown.filter(takes_something)


EDGED = st.tuples(
    st.sampled_from(["", r"\b", r"\B", "^"]),
    trees("ab ", assertions=()),
    st.sampled_from(["", r"\b", "$"]),
).map(lambda drawn: Row((*_edge(drawn[0]), drawn[1], *_edge(drawn[2]))))
"""Patterns with assertions where people put them. Where one is redundant, as in ``a|a\\b``, its
truth is waited for though nothing depends on it."""


def _edge(what: str) -> tuple[Tree, ...]:
    return (At(what),) if what else ()
