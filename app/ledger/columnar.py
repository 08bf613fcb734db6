"""Records in a Parquet file: what replaying needs of them, in columns, without text or names.

The format is described in ``docs/reference/columnar.md``. Tenants, keys, subjects and sessions are
left out. A file is written and read a group of rows at a time, so its size does not matter.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import orjson
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as validated

from app.domain.decision import Outcome
from app.domain.errors import LedgerError
from app.domain.record import Status
from app.ledger.columns import (
    READ_BEHAVIOURS,
    READ_DECIDED,
    READ_LOOKS,
    Coded,
    Columns,
    Ints,
    Places,
    columns_of,
)
from app.ledger.recorded import LAST, Recorded
from app.ledger.schema import from_micros, to_micros

FORMAT = "banneton records"
VERSION = 1
ROWS = 65_536
"""In a group, at most."""
_KEY = b"banneton"
_MOST_BYTES = 1 << 30
"""Of a group, once it is decompressed."""
_MOST_THINGS = 1 << 24
"""Findings, or outages, of a group."""
_WORDS = (
    "persona",
    "variant",
    "audience",
    "policy",
    "catalog",
    "status",
    "input_outcome",
    "outcome",
    "looks",
    "decided",
    "behaviours",
)
_MAY_BE_NONE = frozenset({"variant", "status"})
_LAST_MICROS = to_micros(datetime.max.replace(tzinfo=UTC))
_PLACES = ("look", "detector", "spec", "earlier", "attempt", "choice")


@validated(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class Provenance:
    """What a file says of itself."""

    format: str
    version: int
    by: str
    """The version of the program that wrote it."""
    records: int
    oldest: str | None
    """When the first of them opened, ISO 8601; none where there are none."""
    newest: str | None
    digest: str
    """SHA-256 over the digests of its groups, in hexadecimal."""


_READ_PROVENANCE = TypeAdapter(Provenance)


class ColumnarWriter:
    """Writes records to a file, as a context; what is not finished is no file that can be read."""

    def __init__(self, path: Path, *, by: str) -> None:
        """Begin.

        Args:
            path: Of the file; one that is there is replaced.
            by: The version of this program.

        Raises:
            LedgerError: What it takes is not installed.
        """
        self._arrow = _arrow()
        self._by = by
        self._rows: list[Recorded] = []
        self._sha = hashlib.sha256()
        self._count = 0
        self._oldest: int | None = None
        self._newest: int | None = None
        self._writer = self._arrow.parquet.ParquetWriter(
            path, self._arrow.schema, compression="zstd", use_dictionary=self._arrow.repeating
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._write(all_of_it=True)
            header = orjson.dumps(self._provenance())
            self._writer.add_key_value_metadata({_KEY: header})
        self._writer.close()

    def add(self, rows: Sequence[Recorded]) -> None:
        """More records."""
        self._rows += rows
        self._write(all_of_it=False)

    def _write(self, *, all_of_it: bool) -> None:
        while len(self._rows) >= ROWS or (all_of_it and self._rows):
            some, self._rows = self._rows[:ROWS], self._rows[ROWS:]
            self.add_columns(columns_of(some))

    def add_columns(self, columns: Columns) -> None:
        """A whole group of records, at most ``ROWS``."""
        self._sha.update(columns.digest())
        self._count += len(columns)
        oldest, newest = int(columns.at.min()), int(columns.at.max())
        self._oldest = oldest if self._oldest is None else min(oldest, self._oldest)
        self._newest = newest if self._newest is None else max(newest, self._newest)
        self._writer.write_batch(self._arrow.batch(columns), row_group_size=ROWS)

    def _provenance(self) -> Provenance:
        oldest, newest = (
            None if at is None else from_micros(at).isoformat()
            for at in (self._oldest, self._newest)
        )
        digest = self._sha.hexdigest()
        return Provenance(FORMAT, VERSION, self._by, self._count, oldest, newest, digest)


def read_provenance(path: Path) -> Provenance:
    """What a file says of itself.

    Raises:
        LedgerError: It is no such file.
    """
    return _Reader(path).provenance


def read_columnar(path: Path) -> Iterator[Columns]:
    """The records of a file, a group at a time.

    Raises:
        LedgerError: It is no such file, or was changed; also after some of the groups.
    """
    return _Reader(path).groups()


class _Reader:
    def __init__(self, path: Path) -> None:
        self._arrow = _arrow()
        self._name = path.name
        try:
            self._file = self._arrow.parquet.ParquetFile(path, memory_map=True)
            metadata = self._file.metadata
            header = (metadata.metadata or {}).get(_KEY, b"")
            is_ours = self._file.schema_arrow.equals(self._arrow.schema)
        except self._arrow.errors as exc:
            raise self._wrong(
                f"is no Parquet file that can be read ({type(exc).__name__})"
            ) from None
        try:
            self.provenance = _READ_PROVENANCE.validate_json(header)
        except ValidationError:
            raise self._wrong("does not say that it holds records of this program") from None
        said = (self.provenance.format, self.provenance.version)
        if said != (FORMAT, VERSION):
            raise self._wrong(f"holds '{FORMAT}' of a version that is not {VERSION}")
        if not is_ours:
            raise self._wrong("has other columns than records have")

    def groups(self) -> Iterator[Columns]:
        sha, count = hashlib.sha256(), 0
        for number in range(self._file.metadata.num_row_groups):
            group = self._file.metadata.row_group(number)
            if group.num_rows > ROWS or group.total_byte_size > _MOST_BYTES:
                raise self._wrong(f"has a group of more than {ROWS} records")
            try:
                table = self._file.read_row_group(number, use_threads=False)
                table.validate(full=True)
                columns = self._arrow.columns(table)
            except self._arrow.errors as exc:
                what = f"has a group that cannot be read ({type(exc).__name__})"
                raise self._wrong(what) from None
            if (wrong := _wrong(columns)) is not None:
                raise self._wrong(f"has a group in which {wrong}")
            sha.update(columns.digest())
            count += len(columns)
            yield columns
        if (sha.hexdigest(), count) != (self.provenance.digest, self.provenance.records):
            raise self._wrong("was changed: what it holds does not have the digest that it says")

    def _wrong(self, what: str) -> LedgerError:
        return LedgerError(f"{self._name} {what}; make it with 'records export --format parquet'.")


class _Arrow:
    """What is used of PyArrow, which is an extra."""

    def __init__(self) -> None:
        import pyarrow as pa  # noqa: PLC0415  # an extra, and slow to import
        import pyarrow.compute  # noqa: PLC0415
        import pyarrow.parquet  # noqa: PLC0415

        self._pa = pa
        self.parquet = pyarrow.parquet
        self.errors: tuple[type[Exception], ...] = (pa.ArrowException, OSError, ValueError)
        self._encode = pyarrow.compute.dictionary_encode
        word = pa.string()
        kinds = {
            "look": pa.uint16(),
            "detector": word,
            "spec": word,
            "earlier": pa.bool_(),
            "attempt": pa.int32(),
            "choice": pa.int32(),
        }
        places = [pa.field(name, kinds[name], nullable=False) for name in _PLACES]
        self._outage = pa.struct(places)
        more = [
            pa.field("category", word, nullable=False),
            pa.field("score", pa.float64(), nullable=False),
        ]
        self._finding = pa.struct([*places, *more])
        self.schema = pa.schema(
            [
                pa.field("request_id", word, nullable=False),
                pa.field("at", pa.timestamp("us", tz="UTC"), nullable=False),
                *(pa.field(name, word, nullable=name in _MAY_BE_NONE) for name in _WORDS),
                pa.field("draw", pa.float64(), nullable=False),
                pa.field("findings", self._list_of(self._finding), nullable=False),
                pa.field("outages", self._list_of(self._outage), nullable=False),
            ]
        )
        self.repeating = [
            *_WORDS,
            *(f"findings.list.element.{name}" for name in ("detector", "spec", "category")),
            *(f"outages.list.element.{name}" for name in ("detector", "spec")),
        ]

    def batch(self, columns: Columns) -> Any:  # noqa: ANN401  # PyArrow has no types
        """Columns as PyArrow has them."""
        pa = self._pa
        more = {"category": self._words(columns.category), "score": pa.array(columns.score)}
        made = {
            "request_id": pa.array(columns.request_id, pa.string()),
            "at": pa.array(columns.at).cast(pa.timestamp("us", tz="UTC")),
            **{name: self._words(getattr(columns, name)) for name in _WORDS},
            "draw": pa.array(columns.draw),
            "findings": self._things(columns.findings, self._finding, more),
            "outages": self._things(columns.outages, self._outage, {}),
        }
        return pa.record_batch([made[name] for name in self.schema.names], schema=self.schema)

    def columns(self, table: Any) -> Columns:  # noqa: ANN401  # PyArrow has no types
        """What a table of the schema holds."""
        column = {name: table.column(name).combine_chunks() for name in self.schema.names}
        if any(column[name].null_count for name in column.keys() - _MAY_BE_NONE):
            raise ValueError("a value is missing")
        words = {name: self._coded(column[name]) for name in _WORDS}
        found = column["findings"].flatten()
        score = found.field("score")
        if found.null_count or score.null_count:
            raise ValueError("a value is missing")
        return Columns(
            request_id=column["request_id"].to_pylist(),
            at=column["at"].cast(self._pa.int64()).to_numpy(),
            **words,
            draw=column["draw"].to_numpy(),
            findings=self._places(column["findings"]),
            category=self._coded(found.field("category")),
            score=score.to_numpy(),
            outages=self._places(column["outages"]),
        )

    def _list_of(self, kind: Any) -> Any:  # noqa: ANN401  # PyArrow has no types
        return self._pa.list_(self._pa.field("element", kind, nullable=False))

    def _words(self, coded: Coded) -> Any:  # noqa: ANN401  # PyArrow has no types
        pa = self._pa
        codes, words = pa.array(coded.codes.astype(np.int32)), pa.array(coded.words, pa.string())
        return pa.DictionaryArray.from_arrays(codes, words).cast(pa.string())

    def _coded(self, array: Any) -> Coded:  # noqa: ANN401  # PyArrow has no types
        encoded = self._encode(array, null_encoding="encode")
        codes = encoded.indices.to_numpy().astype(np.int64)
        return Coded(codes, tuple(encoded.dictionary.to_pylist()))

    def _things(self, places: Places, kind: Any, more: Mapping[str, Any]) -> Any:  # noqa: ANN401  # PyArrow has no types
        pa = self._pa
        made = {
            "look": pa.array(places.look.astype(np.uint16)),
            "detector": self._words(places.detector),
            "spec": self._words(places.spec),
            "earlier": pa.array(places.earlier),
            "attempt": pa.array(places.attempt.astype(np.int32)),
            "choice": pa.array(places.choice.astype(np.int32)),
            **more,
        }
        names = [field.name for field in kind]
        struct = pa.StructArray.from_arrays([made[name] for name in names], fields=list(kind))
        offsets = pa.array(places.first.astype(np.int32))
        return pa.ListArray.from_arrays(offsets, struct, type=self._list_of(kind))

    def _places(self, column: Any) -> Places:  # noqa: ANN401  # PyArrow has no types
        things = column.flatten()
        if len(things) > _MOST_THINGS:
            raise ValueError("too many things in a group")
        fields = {name: things.field(name) for name in _PLACES}
        if things.null_count or any(each.null_count for each in fields.values()):
            raise ValueError("a value is missing")
        lengths = np.diff(column.offsets.to_numpy())
        whole = {
            name: fields[name].to_numpy().astype(np.int64) for name in ("look", "attempt", "choice")
        }
        return Places(
            first=np.concatenate(([0], np.cumsum(lengths))).astype(np.int64),
            detector=self._coded(fields["detector"]),
            spec=self._coded(fields["spec"]),
            earlier=fields["earlier"].to_numpy(zero_copy_only=False),
            **whole,
        )


def _arrow() -> _Arrow:
    try:
        return _Arrow()
    except ImportError:
        what = "Columns need the extra 'columnar': pip install 'banneton[columnar]'."
        raise LedgerError(what) from None


def _wrong(columns: Columns) -> str | None:
    """What of some columns cannot be of records; none where nothing is."""
    for name, known in (
        ("status", {*Status, None}),
        ("outcome", {*Outcome}),
        ("input_outcome", {*Outcome}),
    ):
        if not set(getattr(columns, name).words) <= known:
            return f"'{name}' has a value that it cannot have"
    for name, numbers, most in (
        ("at", columns.at, _LAST_MICROS),
        ("draw", columns.draw, 100),
        ("score", columns.score, 1),
    ):
        if not _lies_within(numbers, 0, most):
            return f"'{name}' lies outside of what it can be"
    try:
        parts = [_parts(word or "") for word in columns.looks.words]
        for word in columns.decided.words:
            READ_DECIDED.validate_json(word or "")
        for word in columns.behaviours.words:
            READ_BEHAVIOURS.validate_json(word or "")
    except ValidationError:
        return "'looks', 'decided' or 'behaviours' is not of the form"
    bounds = np.array(parts, dtype=np.int64)[columns.looks.codes]
    if not all(_are_within(places, bounds) for places in (columns.findings, columns.outages)):
        return "something was seen in a part that is not there"
    return None


def _parts(word: str) -> int:
    looks = READ_LOOKS.validate_json(word)
    return len(looks.input or ()) + len(looks.answer or ())


def _are_within(places: Places, parts: Ints) -> bool:
    """Whether things were seen in so many parts of each record."""
    most = np.repeat(parts, np.diff(places.first))
    return bool(
        (places.look < most).all() and (places.attempt >= LAST).all() and (places.choice >= 0).all()
    )


def _lies_within(numbers: Any, low: float, high: float) -> bool:  # noqa: ANN401  # an array
    return bool(np.isfinite(numbers).all()) and (
        not len(numbers) or (low <= float(numbers.min()) and float(numbers.max()) <= high)
    )
