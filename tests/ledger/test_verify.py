"""The verifier: which damage it names, and that no bytes make it fall."""

import asyncio
import hashlib
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import app.ledger.verify
from app.ledger.ledger import Ledger
from app.ledger.verify import Broken, Damage, Intact, verify
from tests.ledger.exchanges import NOON, StandingClock, closing, counting, opening

LATER = NOON + timedelta(days=1000)


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Two chains: ``a-000001`` with 4 entries and 3 findings, ``b-000001`` with 2 and 1."""
    folder = tmp_path_factory.mktemp("export")

    async def record() -> list[bytes]:
        url, key, clock = f"sqlite:///{folder / 'ledger.db'}", folder / "key", StandingClock()
        first = await Ledger.start(url, key, clock, counting("a"))
        second = await Ledger.start(url, key, clock, counting("b"))
        for ledger, requests in ((first, ["r1", "r2"]), (second, ["r3"])):
            for request_id in requests:
                await ledger.open(opening(request_id))
                await ledger.close(closing(request_id))
        lines = [line async for line in first.export()]
        await first.stop()
        await second.stop()
        return lines

    return asyncio.run(record())


def signed(part: str, body: bytes) -> bytes:
    """A line whose hash fits, as whoever can write the export can make it."""
    return b'{"hash":"%b","%b":%b}' % (
        hashlib.sha256(body).hexdigest().encode(),
        part.encode(),
        body,
    )


def body(line: bytes) -> bytes:
    """The bytes that a line's hash is of."""
    return line[line.index(b":{") + 1 : -1]


def forged(line: bytes, old: bytes, new: bytes) -> bytes:
    """A line with something replaced and its hash made anew."""
    assert old in line
    part = "findings" if b'"findings":{"salt"' in line else "entry"
    return signed(part, body(line).replace(old, new))


def damage(lines: list[bytes], *, checkpoints: list[bytes] | None = None) -> tuple[object, ...]:
    """What is wrong, at which entry."""
    found = verify(lines, at=NOON, checkpoints=checkpoints or [])
    assert isinstance(found, Broken), found
    return found.damage, found.writer, found.seq


def test_what_was_exported_is_intact(export: list[bytes]) -> None:
    """A sound export is called broken."""
    found = verify([line + b"\n" for line in export], at=NOON)
    assert isinstance(found, Intact)
    assert found.entries == 6
    assert [(head.writer, head.seq) for head in found.heads] == [("a-000001", 4), ("b-000001", 2)]


def test_each_damage_is_named_where_it_is(export: list[bytes]) -> None:
    """The verifier finds damage and sends people to the wrong entry."""
    o1, f1, c1, o2, f2, c2, o3, f3, c3 = export
    a, b = "a-000001", "b-000001"
    changed = o2.replace(b"tutor", b"rotut")
    assert damage([o1, f1, c1, changed, f2, c2, o3, f3, c3]) == (Damage.CHANGED, a, 3)
    assert damage([o1, f1, o2, f2, c2, o3, f3, c3]) == (Damage.REMOVED, a, 2)
    assert damage([c1, o2, f2, c2, o3, f3, c3]) == (Damage.REMOVED, a, 1)
    assert damage([o1, f1, o2, f2, c1, c2, o3, f3, c3]) == (Damage.REORDERED, a, 2)
    assert damage([o1, f1, c1, c1, o2, f2, c2]) == (Damage.REORDERED, a, 2)
    assert damage([o3, f3, c3, o1, f1, c1]) == (Damage.REORDERED, a, 1)
    link = forged(o2, b"tutor", b"rotut")
    assert damage([o1, f1, c1, link, f2, c2, o3, f3, c3]) == (Damage.FORGED_LINK, a, 4)
    assert damage([o1, f1, c1, o2, c2]) == (Damage.REMOVED, a, 3)
    other = forged(f2, b"0.9", b"0.8")
    assert damage([o1, f1, c1, o2, other, c2]) == (Damage.FORGED_LINK, a, 3)
    assert damage([o1, f1, f1]) == (Damage.REORDERED, "", 0)
    first = forged(o3, b"0" * 64, b"1" * 64)
    assert damage([first, f3]) == (Damage.FORGED_LINK, b, 1)
    assert damage([b"{}"]) == (Damage.MALFORMED, "", 0)
    assert damage([o1[:-1] + b',"signature":null}']) == (Damage.MALFORMED, "", 0)
    assert damage([forged(o1, b'"v":1', b'"v":2')]) == (Damage.MALFORMED, "", 0)
    assert damage([forged(o1, b'"v":1', b'"seq":1,"v":1')]) == (Damage.MALFORMED, "", 0)


def test_findings_may_be_missing_only_when_their_time_is_up(export: list[bytes]) -> None:
    """Findings can be removed early, or an export is broken once they have expired."""
    without = [line for line in export if b'"findings":{"salt"' not in line]
    assert isinstance(verify(without, at=NOON + timedelta(days=400)), Intact)
    early = verify(without, at=NOON + timedelta(days=400, microseconds=-1))
    assert isinstance(early, Broken)
    assert (early.damage, early.seq) == (Damage.REMOVED, 1)
    assert isinstance(verify(export, at=LATER), Intact)


def test_a_checkpoint_shows_what_was_cut_off_or_made_anew(export: list[bytes]) -> None:
    """The end of a chain can be cut off, or a chain made anew, in spite of a checkpoint."""
    o1, f1, c1, o2, f2, c2, o3, f3, c3 = export
    a, b = "a-000001", "b-000001"
    heads = [
        signed("checkpoint", b'{"v":1,"writer":"%b","seq":%d,"head":"%b"}' % (writer, seq, head))
        for writer, seq, head in ((b"a-000001", 4, c2[9:73]), (b"b-000001", 2, c3[9:73]))
    ]
    whole = verify(export, at=NOON, checkpoints=heads)
    assert isinstance(whole, Intact)
    assert whole.checkpoints == 2
    cut = [o1, f1, c1, o2, f2, o3, f3, c3]
    assert isinstance(verify(cut, at=NOON), Intact)
    assert damage(cut, checkpoints=heads) == (Damage.TRUNCATED, a, 4)
    assert damage([o1, f1, c1, o2, f2, c2], checkpoints=heads) == (Damage.TRUNCATED, b, 1)
    assert damage([], checkpoints=heads) == (Damage.TRUNCATED, a, 1)
    anew = [o1, f1, c1, o2, f2, forged(c2, b"stop", b"pots"), o3, f3, c3]
    assert isinstance(verify(anew, at=NOON), Intact)
    assert damage(anew, checkpoints=heads) == (Damage.FORGED_LINK, a, 4)
    assert damage([*heads, *cut]) == (Damage.TRUNCATED, a, 4)
    assert damage([o1, f1, heads[0]]) == (Damage.REORDERED, "", 0)
    assert damage(export, checkpoints=[o1]) == (Damage.MALFORMED, "", 0)
    other = forged_head(heads[0])
    assert damage(export, checkpoints=[heads[0], other]) == (Damage.FORGED_LINK, a, 4)
    room = heads[0][:-1] + b',"signature":"base64=="}'
    assert isinstance(verify(export, at=NOON, checkpoints=[room]), Intact)


def forged_head(line: bytes) -> bytes:
    """A checkpoint of the same entry with another head."""
    return signed("checkpoint", body(line).replace(b'"head":"', b'"head":"f'))


LINES = st.lists(
    st.one_of(
        st.binary(max_size=60),
        st.builds(
            signed,
            st.sampled_from(["entry", "findings", "checkpoint"]),
            st.one_of(
                st.binary(max_size=40).map(lambda inner: b"{" + inner + b"}"),
                st.fixed_dictionaries(
                    {},
                    optional={
                        "v": st.sampled_from([b"1", b"2", b"true", b"1.0"]),
                        "writer": st.sampled_from([b'"a"', b'"b"', b"1", b"null"]),
                        "seq": st.sampled_from([b"1", b"2", b"0", b"-1", b"1e9", b"9" * 5000]),
                        "previous": st.sampled_from([b'"%b"' % (b"0" * 64), b"{}"]),
                        "head": st.sampled_from([b'"x"', b"[]"]),
                        "findings": st.sampled_from(
                            [
                                b"null",
                                b"[" * 3000 + b"]" * 3000,
                                b'{"hash":"x","until":"0001-01-01T00:00:00+23:59"}',
                                b'{"hash":"x","until":"9999-12-31T23:59:59-23:59"}',
                                b'{"hash":"x","until":"2026-01-01"}',
                                b'{"hash":"x","until":7}',
                            ]
                        ),
                    },
                ).map(
                    lambda parts: (
                        b"{%b}"
                        % b",".join(
                            b'"%b":%b' % (key.encode(), value) for key, value in parts.items()
                        )
                    )
                ),
            ),
        ),
    ),
    max_size=5,
)


@settings(deadline=None, max_examples=400)
@given(lines=LINES, checkpoints=LINES)
def test_no_bytes_make_it_fall(lines: list[bytes], checkpoints: list[bytes]) -> None:
    """A crafted export ends the verifier with an error instead of an answer."""
    found = verify(lines, at=NOON, checkpoints=checkpoints)
    assert isinstance(found, Intact | Broken)


def test_it_needs_nothing_of_ours(tmp_path: Path) -> None:
    """The verifier cannot be used outside the gateway."""
    copied = tmp_path / "verify.py"
    copied.write_bytes(Path(app.ledger.verify.__file__).read_bytes())
    script = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
from datetime import datetime, timezone
from verify import verify
print(verify([], at=datetime.now(timezone.utc)))
assert not {{"app", "sqlalchemy", "orjson"}} & set(sys.modules)
"""
    ran = subprocess.run(  # noqa: S603  # this interpreter, and the script above
        [sys.executable, "-I", "-c", script], capture_output=True, check=True, text=True
    )
    assert ran.stdout.startswith("Intact(entries=0")
