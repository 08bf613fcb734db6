"""Records in columns and in Parquet files."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.errors import LedgerError
from app.ledger.columnar import ColumnarWriter, Provenance, read_columnar, read_provenance
from app.ledger.columns import Columns, columns_of
from app.ledger.recorded import Recorded
from tests.review.generating import records, revisions

pa = pytest.importorskip("pyarrow", reason="PyArrow, the extra 'columnar', is not installed")
pq = pytest.importorskip("pyarrow.parquet")


def generated(seed: int, count: int) -> list[Recorded]:
    """Records of all kinds."""
    dice = random.Random(seed)  # noqa: S311  # the same records every time
    return records(dice, revisions(dice, ["letters", "runs"]), count)


def written(path: Path, rows: list[Recorded]) -> Provenance:
    """A file with these records."""
    with ColumnarWriter(path, by="0.0") as writer:
        for at in range(0, len(rows), 7):
            writer.add(rows[at : at + 7])
    return read_provenance(path)


def all_rows(parts: list[Columns]) -> list[Recorded]:
    """The records of columns."""
    return [columns.row(at) for columns in parts for at in range(len(columns))]


def test_a_file_gives_back_what_was_written(tmp_path: Path) -> None:
    """Replaying a file says something else than replaying the ledger that it was made of."""
    rows = generated(1, 60)
    path = tmp_path / "records.parquet"
    provenance = written(path, rows)
    (read,) = read_columnar(path)
    made = columns_of(rows)
    assert all_rows([read]) == all_rows([made])
    assert read.digest() == made.digest()
    assert provenance.records == 60
    assert provenance.oldest == min(row.at for row in rows).isoformat()
    assert [row.request_id for row in all_rows([read])] == [row.request_id for row in rows]
    again = tmp_path / "again.parquet"
    assert written(again, rows) == provenance
    assert next(read_columnar(path)).findings.first[-1] > 0


def test_nothing_of_a_person_is_in_a_file(tmp_path: Path) -> None:
    """A file that is handed around names tenants, subjects or sessions, or places in texts."""
    path = tmp_path / "records.parquet"
    written(path, generated(2, 20))
    schema = pq.read_schema(path)
    assert set(schema.names) & {"tenant", "key_id", "subject", "session", "content"} == set()
    inside = {field.name for field in schema.field("findings").type.value_type}
    assert inside & {"path", "start", "end", "explanation"} == set()


def test_no_records_make_a_file_too(tmp_path: Path) -> None:
    """An empty ledger cannot be exported."""
    path = tmp_path / "records.parquet"
    provenance = written(path, [])
    assert (provenance.records, provenance.oldest) == (0, None)
    assert list(read_columnar(path)) == []


def test_a_file_that_was_not_finished_is_refused(tmp_path: Path) -> None:
    """Half an export is replayed as if it were all of it."""
    path = tmp_path / "records.parquet"

    def write() -> None:
        with ColumnarWriter(path, by="0.0") as writer:
            writer.add(generated(3, 5))
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        write()
    with pytest.raises(LedgerError, match="records export"):
        list(read_columnar(path))


Table = Any


def _replaced(name: str, change: Callable[[list[Any]], list[Any]]) -> Callable[[Table], Table]:
    def replace(table: Table) -> Table:
        at = table.schema.get_field_index(name)
        field = table.schema.field(at)
        values = change(table.column(at).to_pylist())
        return table.set_column(at, field, [pa.array(values, field.type)])

    return replace


def _findings(**values: object) -> Callable[[Table], Table]:
    return _replaced("findings", lambda rows: [[{**f, **values} for f in row] for row in rows])


CHANGES: dict[str, Callable[[Table], Table]] = {
    "an outcome that there is not": _replaced("outcome", lambda rows: ["perhaps", *rows[1:]]),
    "a status that there is not": _replaced("status", lambda rows: ["gone", *rows[1:]]),
    "a score above one": _findings(score=1.5),
    "a score that is no number": _findings(score=float("nan")),
    "a part that is not there": _findings(look=99),
    "an attempt before the first": _findings(attempt=-7),
    "a draw of more than a hundred": _replaced("draw", lambda rows: [101.0 for _ in rows]),
    "looks that are no JSON": _replaced("looks", lambda rows: ["{" for _ in rows]),
    "a behaviour of another form": _replaced("behaviours", lambda rows: ["[[1]]" for _ in rows]),
    "a decision with a key too many": _replaced(
        "decided", lambda rows: [f'{row[:-1]},"more":1}}' for row in rows]
    ),
    "another persona": _replaced("persona", lambda rows: ["other" for _ in rows]),
    "a record less": lambda table: table.slice(1),
    "a record twice": lambda table: table.take([0, *range(len(table))]),
    "a column more": lambda table: table.append_column("more", table.column("draw")),
    "a column less": lambda table: table.drop_columns(["draw"]),
    "another version": lambda table: table.replace_schema_metadata(
        {
            key: value.replace(b'"version":1', b'"version":2')
            for key, value in table.schema.metadata.items()
        }
    ),
    "no provenance": lambda table: table.replace_schema_metadata(None),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_changed_file_is_refused(tmp_path: Path, what: str) -> None:
    """Somebody's changed baseline decides whether a change looks harmless."""
    path = tmp_path / "records.parquet"
    written(path, generated(4, 30))
    file = pq.ParquetFile(path)
    table = CHANGES[what](file.read().replace_schema_metadata(file.metadata.metadata))
    pq.write_table(table, path)
    with pytest.raises(LedgerError, match="records export"):
        list(read_columnar(path))


def test_a_file_written_again_as_it_was_is_taken(tmp_path: Path) -> None:
    """The changes above are refused for being written by another program, not for what they are."""
    path = tmp_path / "records.parquet"
    written(path, generated(4, 30))
    before = all_rows(list(read_columnar(path)))
    file = pq.ParquetFile(path)
    pq.write_table(
        file.read().replace_schema_metadata(file.metadata.metadata), path, compression="none"
    )
    assert all_rows(list(read_columnar(path))) == before


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes, list[Recorded]]:
    """A small file, its bytes, and what it holds."""
    path = tmp_path_factory.mktemp("columns") / "records.parquet"
    written(path, generated(5, 12))
    return path, path.read_bytes(), all_rows(list(read_columnar(path)))


@settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_damaged_bytes_are_refused_or_harmless(
    whole: tuple[Path, bytes, list[Recorded]], data: st.DataObject
) -> None:
    """Bytes of outsiders end in a traceback, or change what is replayed."""
    path, intact, rows = whole
    raw = bytearray(intact)
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    damaged = path.with_name("damaged.parquet")
    damaged.write_bytes(raw[: data.draw(st.sampled_from([len(raw), len(raw), len(raw) // 2]))])
    try:
        assert all_rows(list(read_columnar(damaged))) == rows
    except LedgerError:
        return
