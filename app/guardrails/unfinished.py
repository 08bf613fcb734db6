r"""Which text could still become, extend or cancel a match: what a stream has to hold, exactly.

Of a pattern whose matches are leftmost-longest, one after the other, none overlapping, three things
can be said of a place in a stream where a match may begin:

- *open*: some continuation makes a match of what begins there, or makes it longer, or decides an
  assertion at the end of the text (``\b \B $ \z``) on which a match depends;
- *settled*: no continuation changes whether and how far a match begins there;
- *taken*: it lies inside a match that is settled, so that no other match of the shape begins there.

For a pattern P let U(P) be the strings that are open. It is regular, and built from P's tree:

    U(c) = ε                              U(e f) = U(e) | e U(f)
    U(e|f) = U(e) | U(f)                  U(e{m,n}) = e{0,n-1} U(e),  U(e*) = e* U(e)
    U(^) = ∅                              U(\b) = U(\B) = U($) = ε

``begun`` is U without the empty string, which is always open and never held. An unanchored search
for ``(?:begun)\z`` finds the earliest open place. RE2 runs it backwards from the end, so that it
costs as much as the open text is long, however long the text.

Counted repeats make U large, and an automaton for it slow to build: it has to keep every count in
mind at once. So there is a loose form of a pattern, which does not count further than ``REACH``:
repeats that might go further go on without end. A text that is open to the loose form and not to
the pattern is longer than ``REACH``; shorter ones need only the loose form.
"""

from collections.abc import Iterator, Sequence

from app.guardrails.syntax import Char, Choice, Look, Node, Repeat, Seq

REACH = 16
"""Of an open text that is no longer than this, in code points, the loose form is exact."""


def loosened(node: Node) -> Node:
    """The loose form: it matches wherever the pattern does, and is quicker to look for."""
    match node:
        case Char() | Look():
            return node
        case Seq(items):
            return Seq(tuple(map(loosened, items)))
        case Choice(options):
            return Choice(tuple(map(loosened, options)))
        case Repeat(item, low, high):
            if high is None or high > REACH:
                return Repeat(loosened(item), min(low, REACH + 1), None)
            return Repeat(loosened(item), low, high)


def written(node: Node) -> str:
    """The tree as a pattern."""
    match node:
        case Char(text) | Look(text, _):
            return text
        case Seq(items):
            return "".join(map(written, items))
        case Choice(options):
            return f"(?:{'|'.join(map(written, options))})"
        case Repeat(item, low, high):
            return _times(written(item), low, high)


def unfinished(node: Node, *, takes_more: bool = False) -> str | None:
    """U(node) as a pattern; none where it is empty.

    With ``takes_more`` only what could take in another code point, not what waits for an assertion.
    """
    match node:
        case Char():
            return ""
        case Look(_, is_settled):
            return None if is_settled or takes_more else ""
        case Seq(items):
            rest: str | None = None
            for item in reversed(items):
                within = unfinished(item, takes_more=takes_more)
                done = None if rest is None else written(item) + rest
                rest = within if rest == "" and _goes_on(item) else _either([within, done])
            return rest
        case Choice(options):
            return _either([unfinished(each, takes_more=takes_more) for each in options])
        case Repeat(item, _, high):
            within = unfinished(item, takes_more=takes_more)
            if within is None or high == 0:
                return None
            return _times(written(item), 0, None if high is None else high - 1) + within


def begun(node: Node) -> str | None:
    """U(node) without the empty string; none where nothing is left."""
    match node:
        case Char() | Look():
            return None
        case Seq(items):
            return _either(list(_begun_row(items)))
        case Choice(options):
            return _either(list(map(begun, options)))
        case Repeat(item, _, high):
            first, within = _some(item), unfinished(item)
            if high == 0 or first is None or within is None:
                return None
            if high == 1:
                return begun(item)
            more = _times(written(item), 0, None if high is None else high - 2)
            return _either([begun(item), first + more + within])


def _begun_row(items: Sequence[Node]) -> Iterator[str]:
    """For each item that may take the first code point: not done with it, or in what follows."""
    before = ""
    for number, item in enumerate(items):
        within, first, rest = begun(item), _some(item), unfinished(Seq(tuple(items[number + 1 :])))
        if within is not None:
            yield before + within
        if first is not None and rest is not None:
            yield before + first + rest
        nothing = _nothing(item)
        if nothing is None:
            return
        before += nothing


def _some(node: Node) -> str | None:
    """What the node matches, but for the empty string; none where nothing is left."""
    match node:
        case Char(text):
            return text
        case Look():
            return None
        case Seq(items):
            return _either(list(_some_row(items)))
        case Choice(options):
            return _either(list(map(_some, options)))
        case Repeat(item, low, high):
            first = _some(item)
            if first is None or high == 0:
                return None
            return first + _times(
                written(item), max(low - 1, 0), None if high is None else high - 1
            )


def _some_row(items: Sequence[Node]) -> Iterator[str]:
    before = ""
    for number, item in enumerate(items):
        if (first := _some(item)) is not None:
            yield before + first + "".join(map(written, items[number + 1 :]))
        nothing = _nothing(item)
        if nothing is None:
            return
        before += nothing


def _nothing(node: Node) -> str | None:
    """Under which assertions the node matches the empty string; none where it never does."""
    match node:
        case Char():
            return None
        case Look(text, _):
            return text
        case Seq(items):
            parts = [part for item in items if (part := _nothing(item)) is not None]
            return "".join(parts) if len(parts) == len(items) else None
        case Choice(options):
            return _either(list(map(_nothing, options)))
        case Repeat(item, low, _):
            return "" if low == 0 else _nothing(item)


def _goes_on(node: Node) -> bool:
    """Whether any number of the node's characters is unfinished, so that it takes in being done."""
    return isinstance(node, Repeat) and node.high is None and isinstance(node.item, Char)


def _times(pattern: str, low: int, high: int | None) -> str:
    if high is None and low <= 1:
        return f"(?:{pattern}){'+' if low else '*'}"
    if (low, high) == (1, 1):
        return f"(?:{pattern})"
    return "" if high == 0 else f"(?:{pattern}){{{low},{'' if high is None else high}}}"


def _either(patterns: Sequence[str | None]) -> str | None:
    """Any of these; an empty pattern among them makes the others optional."""
    kept = list(dict.fromkeys(pattern for pattern in patterns if pattern is not None))
    some = [pattern for pattern in kept if pattern]
    if not kept:
        return None
    if not some:
        return ""
    group = f"(?:{'|'.join(some)})"
    return group if len(some) == len(kept) else f"{group}?"
