"""The master key and what is derived from it."""

import base64
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.errors import LedgerError
from app.ledger.keyring import Keyring, read_or_create, seal, unseal

NAMES = st.text(st.characters(), max_size=8)


def test_a_new_key_file_is_private_and_stays(tmp_path: Path) -> None:
    """Others can read the master key, or each start makes another one."""
    path = tmp_path / "keys" / "ledger.key"
    made = read_or_create(path, may_create=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(base64.b64decode(path.read_text())) == 32
    assert read_or_create(path, may_create=True).proof == made.proof
    assert [file.name for file in path.parent.iterdir()] == ["ledger.key"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602])
def test_a_key_file_for_others_is_refused(tmp_path: Path, mode: int) -> None:
    """A master key that others can read is used all the same."""
    path = tmp_path / "ledger.key"
    read_or_create(path, may_create=True)
    path.chmod(mode)
    with pytest.raises(LedgerError, match="chmod 600"):
        read_or_create(path, may_create=True)


@pytest.mark.parametrize(
    "held", [b"", b"short", base64.b64encode(b"x" * 31), b"\xff" * 44, b"x" * 32]
)
def test_another_file_is_refused_without_quoting_it(tmp_path: Path, held: bytes) -> None:
    """A wrong file becomes a weak key, or its bytes reach a log."""
    path = tmp_path / "ledger.key"
    path.write_bytes(held)
    path.chmod(0o600)
    with pytest.raises(LedgerError) as caught:
        read_or_create(path, may_create=True)
    assert "32 bytes" in str(caught.value)
    assert not held or repr(held) not in repr(caught.value)


def test_no_key_shows_itself() -> None:
    """A key reaches a log by way of a repr."""
    keyring = Keyring(b"k" * 32)
    owner, _ = keyring.new_owner(b"lookup")
    for shown in (repr(keyring), str(keyring), repr(owner), str(owner)):
        assert "kkkk" not in shown
        assert repr(owner.key)[2:-1] not in shown


@settings(deadline=None)
@given(first=st.tuples(NAMES, NAMES), second=st.tuples(NAMES, NAMES))
def test_lookups_agree_only_for_the_same_names(
    first: tuple[str, str], second: tuple[str, str]
) -> None:
    """Two people share a key, or one person has two."""
    keyring, again = Keyring(b"k" * 32), Keyring(b"k" * 32)
    (tenant, name), (other_tenant, other) = first, second
    one = keyring.lookup(tenant, "subject", name)
    assert (one == again.lookup(other_tenant, "subject", other)) == (first == second)
    assert one != keyring.lookup(tenant, "session", name)
    assert one != keyring.owner_lookup(tenant, None)
    scope = keyring.scope(tenant, name, "s")
    assert (scope == again.scope(other_tenant, other, "s")) == (first == second)


@settings(deadline=None)
@given(st.binary(max_size=64), st.binary(max_size=8), st.data())
def test_sealed_bytes_open_only_unchanged(
    plain: bytes, context: bytes, data: st.DataObject
) -> None:
    """A sealed value can be changed, or moved to another place, without notice."""
    key = b"s" * 32
    sealed = seal(key, plain, context)
    assert unseal(key, sealed, context) == plain
    at = data.draw(st.integers(0, len(sealed) - 1))
    changed = bytearray(sealed)
    changed[at] ^= data.draw(st.integers(1, 255))
    for other_key, other_sealed, other_context in (
        (key, bytes(changed), context),
        (key, sealed, context + b"x"),
        (b"t" * 32, sealed, context),
        (key, sealed[:at], context),
    ):
        with pytest.raises(LedgerError):
            unseal(other_key, other_sealed, other_context)


def test_names_that_run_together_are_not_mixed_up() -> None:
    """A session of one key would be found under another key, where both read alike in a row."""
    keyring = Keyring(bytes(32))
    assert keyring.scope("t", "a", "bc") != keyring.scope("t", "ab", "c")
    assert keyring.lookup("t", "subject", "x") != keyring.lookup("t", "subjectx", "")
