"""A patch that somebody brings, applied in memory, strictly: all of it fits, or none of it counts.

What Git would try (another line, less context, whitespace that is not the same) is not tried here:
a plan of something else than what was sent would be worse than none.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from app.catalog.yaml_source import MAX_BYTES
from app.domain.errors import RequestError
from app.review.diffs import Edits, lines_of
from app.review.names import editable

MOST_BYTES = 2_000_000
"""Of a patch."""
MOST_FILES = 200
_RANGE = re.compile(
    rb"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@(?: .*)?\Z", re.DOTALL
)
_NULL = "/dev/null"
_OCTAL = 3
_NAMED = {
    0x61: 0x07, 0x62: 0x08, 0x74: 0x09, 0x6E: 0x0A, 0x76: 0x0B, 0x66: 0x0C, 0x72: 0x0D,
    0x22: 0x22, 0x5C: 0x5C,
}  # fmt: skip
_FILE_MODES = (b"100644", b"100755")
_KINDS = {b"120000": "a symbolic link", b"160000": "a submodule"}


class PatchError(RequestError):
    """A patch that cannot be looked at, or does not fit."""


@dataclass(slots=True)
class _Hunk:
    number: int
    """Of the line in the patch, from 1."""
    start: int
    """The first line of the file that it is about, from 0."""
    old: list[bytes] = field(default_factory=list)
    new: list[bytes] = field(default_factory=list)


@dataclass(slots=True)
class _File:
    number: int
    old: str | None = None
    """None for a file that is new."""
    new: str | None = None
    """None for a file that is removed."""
    is_rename: bool = False
    hunks: list[_Hunk] = field(default_factory=list)


def apply(patch: bytes, read: Callable[[str], bytes | None], *, prefix: str = "") -> Edits:
    """The files that a patch changes, as they become.

    Args:
        patch: A unified diff, as ``git diff`` and ``git format-patch`` write them.
        read: Gives a file of the project as it is; none where there is none.
        prefix: The project's folder in its repository, with a slash at its end.

    Raises:
        PatchError: It is none, is too large, does not fit, or changes what no patch may here.
    """
    if len(patch) > MOST_BYTES:
        raise PatchError(f"the patch is larger than {MOST_BYTES:,} bytes; send what belongs here")
    files = _Reader(patch, prefix).files()
    if not files:
        raise PatchError("this is no patch: it names no file; make one with 'git diff'")
    if len(files) > MOST_FILES:
        raise PatchError(f"the patch changes more than {MOST_FILES} files; send it in parts")
    edits: dict[str, bytes | None] = {}
    for each in files:
        names = {name for name in (each.old, each.new) if name is not None}
        if again := sorted(names & set(edits)):
            raise PatchError(f"{again[0]}: the patch changes this file twice; put it into one part")
        edits |= _applied(each, read)
    return edits


def _applied(each: _File, read: Callable[[str], bytes | None]) -> Edits:
    content = b""
    if each.old is not None:
        found = read(each.old)
        if found is None:
            raise PatchError(f"{each.old}: the patch changes this file, and there is none")
        content = found
    if each.new is not None and each.new != each.old and read(each.new) is not None:
        raise PatchError(f"{each.new}: the patch adds this file, and there is one already")
    made = _patched(each, lines_of(content))
    if each.new is None:
        if made:
            raise PatchError(f"{each.old}: the patch removes this file, but not all of its lines")
        return {each.old or "": None}
    whole = b"".join(made)
    if len(whole) > MAX_BYTES:
        raise PatchError(f"{each.new}: would be larger than {MAX_BYTES:,} bytes")
    if each.is_rename and each.old is not None:
        return {each.old: None, each.new: whole}
    return {each.new: whole}


def _patched(each: _File, lines: list[bytes]) -> list[bytes]:
    made: list[bytes] = []
    at = 0
    for hunk in each.hunks:
        end = hunk.start + len(hunk.old)
        if hunk.start < at:
            raise PatchError(f"line {hunk.number} of the patch goes back in the file; sort it")
        if lines[hunk.start : end] != hunk.old:
            first = next(
                (
                    index
                    for index, line in enumerate(hunk.old)
                    if lines[hunk.start + index : hunk.start + index + 1] != [line]
                ),
                0,
            )
            raise PatchError(
                f"{each.old or each.new}: the patch does not fit: line {hunk.start + first + 1} is "
                "not as the patch has it; make the patch again from the files as they are here"
            )
        made += lines[at : hunk.start]
        made += hunk.new
        at = end
    made += lines[at:]
    if any(not line.endswith(b"\n") for line in made[:-1]):
        name = each.new or each.old
        raise PatchError(f"{name}: the patch puts a line without an end into the middle of it")
    return made


class _Reader:
    """Reads a patch line by line."""

    def __init__(self, patch: bytes, prefix: str) -> None:
        self._lines = lines_of(patch)
        self._prefix = prefix
        self._at = 0

    def files(self) -> list[_File]:
        """Every file that it changes."""
        found: list[_File] = []
        while (line := self._peek()) is not None:
            if line.startswith(b"diff --git "):
                found.append(self._git())
            elif line.startswith(b"--- ") and self._is_header():
                found.append(self._plain())
            elif line.startswith((b"@@ -", b"diff --cc ", b"diff --combined ")):
                raise self._wrong("belongs to no file that could be read here")
            else:  # a letter's text, such as what 'git format-patch' writes
                self._at += 1
        return found

    def _is_header(self) -> bool:
        after = self._lines[self._at + 1 : self._at + 2]
        return bool(after) and after[0].startswith(b"+++ ")

    def _plain(self) -> _File:
        """A file without ``diff --git``."""
        made = _File(self._at + 1)
        self._sides(made)
        if made.old is None and made.new is None:
            raise self._wrong("names no file")
        if made.old is not None and made.new is not None and made.old != made.new:
            raise PatchError(f"{made.new}: has another name before the change; rename it with Git")
        self._hunks(made)
        return made

    def _git(self) -> _File:
        head = self._next()
        made = _File(self._at)
        old, new = self._both(head)
        said: set[str] = set()
        while (line := self._peek()) is not None and (word := _header(line)):
            said.add(word)
            self._header(word, line, new or old)
            if word in {"rename from", "rename to"}:
                name = self._name(line.removeprefix(word.encode() + b" "), side="")
                old, new = (name, new) if word == "rename from" else (old, name)
        made.old = None if "new file mode" in said else old
        made.new = None if "deleted file mode" in said else new
        made.is_rename = "rename from" in said
        if (line := self._peek()) is not None and line.startswith(b"--- ") and self._is_header():
            self._sides(made)
            self._hunks(made)
        if made.old != made.new and None not in (made.old, made.new) and not made.is_rename:
            raise PatchError(f"{made.new}: has another name before the change; rename it with Git")
        if made.old is None and made.new is None:
            raise self._wrong("names no file that could be read here")
        return made

    def _header(self, word: str, line: bytes, name: str | None) -> None:
        """Refuse what a patch may not do here, and go on."""
        self._at += 1
        mode = line.split()[-1] if line.split() else b""
        if word.endswith("mode") or word == "index":
            if word == "index":
                mode = line.split()[2] if len(line.split()) > 2 else _FILE_MODES[0]  # noqa: PLR2004  # index a..b mode
            if mode in _KINDS:
                raise PatchError(f"{name}: is {_KINDS[mode]} in the patch, which no plan can read")
            if mode not in _FILE_MODES:
                raise self._wrong("has a mode that no file here has")
        elif word in {"copy from", "copy to"}:
            raise PatchError(
                f"{name}: is copied by the patch; make it with 'git diff --no-renames'"
            )
        elif word == "GIT binary patch":
            raise PatchError(f"{name}: is no text in the patch")

    def _both(self, head: bytes) -> tuple[str | None, str | None]:
        """Both names of a ``diff --git`` line, which are the same but for a rename."""
        said = head.removeprefix(b"diff --git ").rstrip(b"\n").rstrip(b"\r")
        if said.startswith(b'"'):
            raw, rest = _unquoted(said) or (None, b"")
            if raw is None:
                raise self._wrong("has a name that cannot be read", back=1)
            return self._renamed(self._checked(raw, "a/"), rest.lstrip(b" "))
        middle = len(said) // 2
        if len(said) % 2 and said[middle : middle + 1] == b" ":
            old, new = said[:middle], said[middle + 1 :]
            if old[:2] == b"a/" and new[:2] == b"b/" and old[2:] == new[2:]:
                name = self._checked(old, "a/")
                return name, name
        return None, None  # a rename, which says its names itself

    def _renamed(self, old: str, rest: bytes) -> tuple[str, str]:
        return old, self._name(rest, side="b/")

    def _sides(self, made: _File) -> None:
        old, new = self._next()[4:], self._next()[4:]
        made.old = self._agreed(made.old, self._side(old, "a/"), made)
        made.new = self._agreed(made.new, self._side(new, "b/"), made)

    def _agreed(self, known: str | None, said: str | None, made: _File) -> str | None:
        if known is not None and said is not None and known != said:
            raise PatchError(
                f"line {made.number} of the patch names another file than what follows"
            )
        return said

    def _side(self, said: bytes, side: str) -> str | None:
        name = said.rstrip(b"\n").rstrip(b"\r")
        if name.split(b"\t")[0] == _NULL.encode():
            return None
        return self._name(name, side=side)

    def _name(self, said: bytes, *, side: str) -> str:
        said = said.rstrip(b"\n").rstrip(b"\r")
        if said.startswith(b'"'):
            found = _unquoted(said)
            if found is None:
                raise self._wrong("has a name that cannot be read", back=1)
            return self._checked(found[0], side)
        return self._checked(said.split(b"\t")[0], side)  # what follows a tab is a date

    def _checked(self, raw: bytes, side: str) -> str:
        try:
            name = raw.decode()
        except UnicodeDecodeError:
            raise self._wrong("has a name that is not UTF-8", back=1) from None
        name = name.removeprefix(side)
        if self._prefix and name.startswith(self._prefix):
            name = name.removeprefix(self._prefix)
        if why := editable(name):
            raise PatchError(why)
        return name

    def _hunks(self, made: _File) -> None:
        while (line := self._peek()) is not None and line.startswith(b"@@ -"):
            made.hunks.append(self._hunk())
        if not made.hunks:
            raise PatchError(f"{made.new or made.old}: the patch names this file and no line of it")

    def _hunk(self) -> _Hunk:
        found = _RANGE.fullmatch(self._next().rstrip(b"\n"))
        if found is None:
            raise self._wrong("is no line that begins a part of a patch", back=1)
        start, olds, _, news = (None if each is None else int(each) for each in found.groups())
        old_count = 1 if olds is None else olds
        new_count = 1 if news is None else news
        first = (start or 0) - 1 if old_count else start or 0
        if first < 0:
            raise self._wrong("begins before the file does", back=1)
        hunk = _Hunk(self._at, first)
        while len(hunk.old) < old_count or len(hunk.new) < new_count:
            self._line(hunk)
        self._no_end(hunk)
        if (len(hunk.old), len(hunk.new)) != (old_count, new_count):
            raise PatchError(f"line {hunk.number} of the patch counts its lines wrong")
        return hunk

    def _line(self, hunk: _Hunk) -> None:
        line = self._next()
        match line[:1]:
            case b" " | b"\n":  # some mailers take the space of an empty line away
                kept = line[1:] if line[:1] == b" " else line
                hunk.old.append(kept)
                hunk.new.append(kept)
            case b"-":
                hunk.old.append(line[1:])
            case b"+":
                hunk.new.append(line[1:])
            case b"\\":
                self._at -= 1
                self._no_end(hunk)
            case _:
                raise self._wrong("is no line of a patch", back=1)

    def _no_end(self, hunk: _Hunk) -> None:
        r"""``\ No newline at end of file``: of the line before it."""
        line = self._peek()
        if line is None or not line.startswith(b"\\"):
            return
        mark = self._lines[self._at - 1][:1]
        self._at += 1
        for lines, marks in ((hunk.old, b"- \n"), (hunk.new, b"+ \n")):
            if mark in marks and lines:
                lines[-1] = lines[-1].removesuffix(b"\n")

    def _peek(self) -> bytes | None:
        return self._lines[self._at] if self._at < len(self._lines) else None

    def _next(self) -> bytes:
        line = self._peek()
        if line is None:
            raise PatchError("the patch ends in the middle; send all of it")
        self._at += 1
        return line

    def _wrong(self, what: str, *, back: int = 0) -> PatchError:
        return PatchError(f"line {self._at + 1 - back} of the patch {what}")


_HEADERS = (
    "old mode",
    "new mode",
    "deleted file mode",
    "new file mode",
    "copy from",
    "copy to",
    "rename from",
    "rename to",
    "similarity index",
    "dissimilarity index",
    "index",
    "GIT binary patch",
    "Binary files",
)


def _header(line: bytes) -> str:
    """Which of the lines after ``diff --git`` it is; empty for none of them."""
    found = next((each for each in _HEADERS if line.startswith(each.encode())), "")
    return "GIT binary patch" if found == "Binary files" else found


def _unquoted(said: bytes) -> tuple[bytes, bytes] | None:
    """A name in quotes as Git writes it, and what follows; none where it is none."""
    made = bytearray()
    at = 1
    while at < len(said):
        byte = said[at]
        at += 1
        if byte == 0x22:  # noqa: PLR2004  # a quotation mark
            return bytes(made), said[at:]
        if byte != 0x5C:  # noqa: PLR2004  # a backslash
            made.append(byte)
            continue
        digits = said[at : at + _OCTAL]
        if re.fullmatch(rb"[0-3][0-7]{2}", digits):
            made.append(int(digits, 8))
            at += _OCTAL
        elif said[at : at + 1] and said[at] in _NAMED:
            made.append(_NAMED[said[at]])
            at += 1
        else:
            return None
    return None
