"""A data set on disk: whole or not at all, and told when somebody changed it."""

import json
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.datasets.card import card_of
from app.datasets.folder import MANIFEST, export_key, read, read_key, read_manifest, write
from app.datasets.make import Made
from app.datasets.wanted import Form
from app.domain.errors import DatasetError
from tests.datasets.kept import KEY, Case, ledger_of, made, made_of, wanted

CASES = [
    Case("r1", asked="What is a crumb?", session="s1"),
    Case("r2", asked="Who bakes at night?", session="s2", demonstration="Bakers do."),
    Case("r3", asked="Why does rye turn sour?", session="s3"),
]


async def written(to: Path, form: Form = Form.TRL) -> Made:
    """A data set in a folder."""
    data = await made_of(CASES, form, validation=0.5)
    write(to, data.lines, card_of(data, wanted(form), "CC0-1.0"))
    return data


@pytest.mark.parametrize("form", list(Form))
async def test_what_is_written_is_read(tmp_path: Path, form: Form) -> None:
    """Rows that must go cannot be found later, or others are taken for them."""
    data = await written(tmp_path / "made", form)
    back = read(tmp_path / "made")
    assert orjson.loads(orjson.dumps([each.line for each in data.lines])) == [
        each.line for each in back.lines
    ]
    assert [each.file for each in back.lines] == [each.file for each in data.lines]
    assert sum(back.card["rows"].values()) == len(data.lines)
    text = (tmp_path / "made" / "README.md").read_text("utf-8")
    assert text.startswith("---\nlicense: CC0-1.0\nconfigs:\n- config_name: ")
    assert f"{len(CASES)} exchanges were looked at" in text


async def test_the_same_again_is_the_same_bytes(tmp_path: Path) -> None:
    """Nobody can check that a data set was made as its card says."""
    for name in ("one", "two"):
        await written(tmp_path / name)
    files = {path.name: path.read_bytes() for path in (tmp_path / "one").iterdir()}
    assert files == {path.name: path.read_bytes() for path in (tmp_path / "two").iterdir()}


async def test_nothing_is_overwritten_or_left_half(tmp_path: Path) -> None:
    """A data set that somebody trained on is gone, or a broken one is taken for whole."""
    await written(tmp_path / "made")
    before = {path: path.read_bytes() for path in (tmp_path / "made").iterdir()}
    data = await made_of(CASES)
    with pytest.raises(DatasetError, match="exists already"):
        write(tmp_path / "made", data.lines, {})
    assert {path: path.read_bytes() for path in (tmp_path / "made").iterdir()} == before
    with pytest.raises(KeyError):
        write(tmp_path / "broken", data.lines, {"rows": {}})
    assert list(map(str, tmp_path.glob("*"))) == [str(tmp_path / "made")]  # noqa: ASYNC240  # a test may wait


async def test_a_changed_file_is_told(tmp_path: Path) -> None:
    """Rows are slipped into a data set, or taken out of it, under an honest card."""
    await written(tmp_path / "made")
    for path in sorted((tmp_path / "made").iterdir()):
        body = path.read_bytes()
        for changed in (body[:-1], body + b" ", bytes([body[0] ^ 1]) + body[1:]):
            path.write_bytes(changed)
            if path.name == MANIFEST and changed.strip() == body.strip():
                continue  # blanks say nothing
            with pytest.raises(DatasetError):
                read(tmp_path / "made")
        path.unlink()
        with pytest.raises(DatasetError, match=r"missing|is no export"):
            read(tmp_path / "made")
        path.write_bytes(body)
    read(tmp_path / "made")


@given(
    st.one_of(
        st.binary(max_size=80),
        st.dictionaries(
            st.sampled_from(["version", "files", "x"]),
            st.one_of(
                st.integers(0, 2),
                st.dictionaries(
                    st.sampled_from(["sft.train.jsonl", "../../etc/passwd", "card.json", "/a"]),
                    st.dictionaries(
                        st.sampled_from(["sha256", "bytes", "rows"]),
                        st.one_of(st.integers(), st.text(max_size=3)),
                    ),
                ),
            ),
        ).map(lambda told: json.dumps(told).encode()),
    )
)
@settings(deadline=None)
def test_a_manifest_of_a_stranger(raw: bytes) -> None:
    """A file makes the command fail with a traceback, or read outside its folder."""
    try:
        manifest = read_manifest(raw)
    except DatasetError:
        return
    assert manifest.version == 1
    assert all("/" not in name for name in manifest.files)


def test_a_key_is_made_once_and_nobody_else_reads_it(tmp_path: Path) -> None:
    """Everybody on the machine could trace rows to people, or each run has other pseudonyms."""
    path = tmp_path / "made.key"
    key = export_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert export_key(path) == read_key(path) == key
    path.chmod(0o640)
    with pytest.raises(DatasetError, match="chmod 600"):
        read_key(path)
    for text in ("", "00", "zz" * 32, "é"):
        path.write_text(text, "utf-8")
        with pytest.raises(DatasetError, match="no key of an export"):
            read_key(path)
    with pytest.raises(DatasetError, match="no such key"):
        read_key(tmp_path / "none.key")


async def test_what_a_policy_keeps_no_longer_is_destroyed_first() -> None:
    """The gateway's hourly cleaning decides what is in a data set."""
    async with ledger_of(Case("r1", days_old=2.9)) as (ledger, clock):
        assert len((await made(ledger, wanted())).lines) == 1
        clock.go(days=0.2)
        assert (await made(ledger, wanted(), key=KEY)).lines == ()
        assert await ledger.content("r1") == ()
