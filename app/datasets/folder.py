"""A data set on disk: written once, whole or not at all, and read again with every hash checked."""

import hashlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import orjson
from pydantic import ValidationError

from app.datasets.card import card_text
from app.datasets.make import Placed
from app.domain.conversation import Json
from app.domain.errors import DatasetError
from app.domain.persona import FileModel

MANIFEST = "manifest.json"
CARD, CARD_TEXT, PROVENANCE = "card.json", "README.md", "provenance.jsonl"
KEY_BYTES = 32
_MOST_BYTES = 4 * 2**30
_NAME = re.compile(r"[a-z][a-z-]{0,40}(\.(train|validation))?\.(jsonl|json)|README\.md")
_INDENT = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE


class Told(FileModel):
    """What a manifest says of one file."""

    sha256: str
    bytes: int
    rows: int


class Manifest(FileModel):
    """Which files a data set has."""

    version: Literal[1]
    files: Mapping[str, Told]


@dataclass(frozen=True, slots=True)
class Written:
    """A data set on disk."""

    card: Json
    lines: tuple[Placed, ...]
    digest: str
    """SHA-256 of the manifest."""


def export_key(path: Path) -> bytes:
    """The key of an export; made where there is none yet, for nobody else to read.

    Raises:
        DatasetError: It is no such key, or others may read it.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return read_key(path)
    with os.fdopen(handle, "w") as file:
        file.write(os.urandom(KEY_BYTES).hex() + "\n")
    return read_key(path)


def read_key(path: Path) -> bytes:
    """The key of an export that was made.

    Raises:
        DatasetError: There is none, it is no such key, or others may read it.
    """
    try:
        key = bytes.fromhex(path.read_text("ascii").strip())
        is_shared = path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    except FileNotFoundError:
        raise DatasetError(
            f"{path}: there is no such key; name the file that the export wrote beside its folder"
        ) from None
    except ValueError:
        key, is_shared = b"", 0
    if len(key) != KEY_BYTES:
        raise DatasetError(
            f"{path}: is no key of an export, which is {KEY_BYTES} bytes in hexadecimal"
        )
    if is_shared:
        raise DatasetError(f"{path}: others may read it; run: chmod 600 {path}")
    return key


def write(to: Path, lines: Iterable[Placed], card: Json) -> str:
    """Write a data set, whole or not at all.

    Returns:
        SHA-256 of its manifest.

    Raises:
        DatasetError: There is something at that place already.
    """
    if to.exists():
        raise DatasetError(
            f"{to}: exists already, and an export never overwrites; choose another folder"
        )
    to.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{to.name}-", dir=to.parent))
    try:
        digest = _fill(partial, lines, card)
        partial.chmod(0o755)
        partial.rename(to)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return digest


def _fill(folder: Path, lines: Iterable[Placed], card: Json) -> str:
    made: dict[str, list[bytes]] = {}
    for each in lines:
        made.setdefault(each.file, []).append(orjson.dumps(each.line))
        here = {"file": each.file, "line": len(made[each.file]), **each.provenance}
        made.setdefault(PROVENANCE, []).append(orjson.dumps(here))
    bodies = {name: b"".join(line + b"\n" for line in each) for name, each in made.items()}
    bodies[CARD] = orjson.dumps(card, option=_INDENT)
    bodies[CARD_TEXT] = card_text(card).encode()
    files = {
        name: {
            "sha256": hashlib.sha256(body).hexdigest(),
            "bytes": len(body),
            "rows": len(made.get(name, ())),
        }
        for name, body in sorted(bodies.items())
    }
    manifest = orjson.dumps({"version": 1, "files": files}, option=_INDENT)
    for name, body in {**bodies, MANIFEST: manifest}.items():
        (folder / name).write_bytes(body)
    return hashlib.sha256(manifest).hexdigest()


def read(folder: Path) -> Written:
    """A data set that was written, every byte as it was then.

    Raises:
        DatasetError: It is none, or it was changed.
    """
    try:
        raw = (folder / MANIFEST).read_bytes()
        manifest = read_manifest(raw)
        bodies = {name: _body(folder / name, told) for name, told in manifest.files.items()}
        card = orjson.loads(bodies[CARD])
        told = [orjson.loads(line) for line in bodies.get(PROVENANCE, b"").splitlines()]
        rows = {name: body.splitlines() for name, body in bodies.items()}
        lines = tuple(
            Placed(
                each.pop("file"),
                orjson.loads(rows[each_file][each.pop("line") - 1]),
                each,
            )
            for each in told
            if (each_file := each["file"])
        )
    except FileNotFoundError as exc:
        raise DatasetError(f"{exc.filename}: is missing; is {folder} an export?") from None
    except (orjson.JSONDecodeError, KeyError, IndexError, TypeError, AttributeError) as exc:
        raise DatasetError(f"{folder}: is no export that can be read; was it changed?") from exc
    return Written(card, lines, hashlib.sha256(raw).hexdigest())


def read_manifest(raw: bytes) -> Manifest:
    """A manifest.

    Raises:
        DatasetError: It is none.
    """
    try:
        manifest = Manifest.model_validate_json(raw)
    except ValidationError:
        raise DatasetError(
            f"{MANIFEST}: is no manifest of an export; name the folder that the export wrote"
        ) from None
    if not all(_NAME.fullmatch(name) for name in manifest.files):
        raise DatasetError(f"{MANIFEST}: names a file that no export has; was it changed?")
    return manifest


def _body(path: Path, told: Told) -> bytes:
    if path.stat().st_size != told.bytes or told.bytes > _MOST_BYTES:
        raise DatasetError(f"{path}: was changed: it has another size than the manifest says")
    body = path.read_bytes()
    if hashlib.sha256(body).hexdigest() != told.sha256:
        raise DatasetError(f"{path}: was changed: its hash is another one than the manifest's")
    return body
