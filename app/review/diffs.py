"""Changes of files as a patch that ``git apply`` takes, from bytes and to bytes.

Only a line feed ends a line, as in Git: a carriage return is part of its line.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping

Edits = Mapping[str, bytes | None]
"""Files by name under the project's folder, as they become; none removes one."""

NO_END = b"\\ No newline at end of file\n"
_MODE = b"100644"
_PLAIN = frozenset(range(0x20, 0x7F)) - frozenset(b'"\\')
_ESCAPES = {
    0x07: b"\\a", 0x08: b"\\b", 0x09: b"\\t", 0x0A: b"\\n", 0x0B: b"\\v", 0x0C: b"\\f",
    0x0D: b"\\r", 0x22: b'\\"', 0x5C: b"\\\\",
}  # fmt: skip


def patch_of(before: Edits, after: Edits, *, prefix: str = "") -> bytes:
    """All that is different, as one patch; empty where nothing is.

    Args:
        before: Files as they are; those that are not there are none or left out.
        after: The same names, as they become.
        prefix: The project's folder in its repository, with a slash at its end.
    """
    return b"".join(
        part
        for name in sorted(after)
        for part in _of_file(prefix + name, before.get(name), after[name])
    )


def lines_of(content: bytes) -> list[bytes]:
    """Lines with their line feeds."""
    parts = content.split(b"\n")
    lines = [part + b"\n" for part in parts[:-1]]
    return [*lines, parts[-1]] if parts[-1] else lines


def _of_file(name: str, before: bytes | None, after: bytes | None) -> Iterator[bytes]:
    if before == after:
        return
    old, new = _quoted("a/", name), _quoted("b/", name)
    yield b"diff --git %s %s\n" % (old, new)
    if before is None:
        yield b"new file mode %s\n" % _MODE
    if after is None:
        yield b"deleted file mode %s\n" % _MODE
    if not before and not after:  # a file without a line has no hunk
        return
    # Git ends a name that holds a space with a tab, so that nobody looks for a date behind it.
    tab = b"\t" if b" " in old and not old.startswith(b'"') else b""
    yield b"--- %s\n" % (b"/dev/null" if before is None else old + tab)
    yield b"+++ %s\n" % (b"/dev/null" if after is None else new + tab)
    yield from _hunks(lines_of(before or b""), lines_of(after or b""))


def _hunks(before: list[bytes], after: list[bytes]) -> Iterator[bytes]:
    matcher = difflib.SequenceMatcher(None, before, after)
    for group in matcher.get_grouped_opcodes(3):
        first, last = group[0], group[-1]
        old = _range(first[1], last[2])
        new = _range(first[3], last[4])
        yield b"@@ -%s +%s @@\n" % (old, new)
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                yield from _marked(b" ", before[i1:i2])
                continue
            yield from _marked(b"-", before[i1:i2])
            yield from _marked(b"+", after[j1:j2])


def _range(start: int, end: int) -> bytes:
    count = end - start
    first = start + 1 if count else start  # of no line, the one before counts
    return b"%d" % first if count == 1 else b"%d,%d" % (first, count)


def _marked(mark: bytes, lines: Iterable[bytes]) -> Iterator[bytes]:
    for line in lines:
        yield mark + line
        if not line.endswith(b"\n"):
            yield b"\n" + NO_END


def _quoted(side: str, name: str) -> bytes:
    """A name as Git writes it: in quotes, with escapes, where it is not plain."""
    raw = (side + name).encode()
    if all(byte in _PLAIN for byte in raw):
        return raw
    said = b"".join(
        bytes([byte]) if byte in _PLAIN else _ESCAPES.get(byte, b"\\%03o" % byte) for byte in raw
    )
    return b'"' + said + b'"'
