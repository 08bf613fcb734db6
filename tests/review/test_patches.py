"""Patches that the console makes and takes."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.domain.errors import BannetonError
from app.review.diffs import patch_of
from app.review.drafts import Drafts, _with_ends
from app.review.names import editable
from app.review.patches import PatchError, apply
from tests.review.projects import BASE

REFUSED = Path(__file__).parent.parent / "cases" / "review" / "patches.yaml"
NAMES = st.sampled_from(
    [
        "personas/a.yaml",
        "prompts/parts/b.j2",
        "knowledge/a b.md",
        "knowledge/日本 ü.md",
        'knowledge/"x".txt',
    ]
)
LINES = st.lists(
    st.sampled_from(
        [b"one", b"two", b"", b"- x", b"+y", b"\\ z", b"--- a", b"@@ -1 +1 @@", "ü日".encode()]
    ),
    max_size=12,
)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


@st.composite
def contents(draw: st.DrawFn) -> bytes:
    """A file: lines with any ends, the last one perhaps with none."""
    made = b"".join(line + draw(ENDS) for line in draw(LINES))
    return made.rstrip(b"\r\n") if draw(st.booleans()) else made


FILES = st.dictionaries(NAMES, st.none() | contents(), max_size=4)


@settings(deadline=None)
@given(before=FILES, after=FILES, prefix=st.sampled_from(["", "deploy/my project/"]))
@example(before={"personas/a.yaml": b""}, after={"personas/a.yaml": None}, prefix="")
@example(before={}, after={"personas/a.yaml": b""}, prefix="")
@example(before={"personas/a.yaml": b"x"}, after={"personas/a.yaml": b"x\n"}, prefix="")
def test_any_edit_comes_back_from_its_patch(
    before: dict[str, bytes | None], after: dict[str, bytes | None], prefix: str
) -> None:
    """A patch that somebody downloads would say something else than what they wrote."""
    after = {name: content for name, content in after.items() if content != before.get(name)}
    patch = patch_of(before, after, prefix=prefix)
    assert bool(patch) == bool(after)
    if patch:
        assert apply(patch, before.get, prefix=prefix) == after


@settings(deadline=None, max_examples=12)
@given(before=FILES, after=FILES)
def test_git_takes_every_patch(
    tmp_path_factory: pytest.TempPathFactory,
    before: dict[str, bytes | None],
    after: dict[str, bytes | None],
) -> None:
    """The command that the console names would fail, or do something else."""
    patch = patch_of(before, after)
    if not patch:
        return
    root = tmp_path_factory.mktemp("git")
    for name, content in before.items():
        if content is not None:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    subprocess.run(
        ["git", "-c", "core.autocrlf=false", "apply", "--whitespace=nowarn"],  # noqa: S607  # whichever git there is
        input=patch,
        cwd=root,
        check=True,
        env={**os.environ, "GIT_CEILING_DIRECTORIES": str(root.parent)},  # noqa: TID251  # passed on, not read
    )
    for name in {**before, **after}:
        expected = after[name] if name in after else before[name]
        path = root / name
        assert (path.read_bytes() if path.exists() else None) == expected
    shutil.rmtree(root)


@settings(deadline=None, max_examples=300)
@given(
    patch=st.one_of(
        st.binary(max_size=200),
        st.lists(
            st.sampled_from(
                [
                    b"diff --git a/personas/a.yaml b/personas/a.yaml\n",
                    b'diff --git "a/personas/\\303\\274.yaml" "b/personas/\\303\\274.yaml"\n',
                    b"--- a/personas/a.yaml\n",
                    b"+++ b/personas/a.yaml\n",
                    b"--- /dev/null\n",
                    b"+++ /dev/null\n",
                    b"new file mode 100644\n",
                    b"deleted file mode 100644\n",
                    b"rename from personas/a.yaml\n",
                    b"rename to personas/b.yaml\n",
                    b"index 1..2 100644\n",
                    b"index\n",
                    b"@@ -1 +1 @@\n",
                    b"@@ -0,0 +1 @@\n",
                    b"@@ -1,2 +0,0 @@\n",
                    b"-one\n",
                    b"+two\n",
                    b" one\n",
                    b"\\ No newline at end of file\n",
                    b"\n",
                    b"\xff\n",
                ]
            ),
            max_size=10,
        ).map(b"".join),
    )
)
def test_a_strange_patch_is_an_error_of_ours(patch: bytes) -> None:
    """Whoever sends bytes would make the gateway fail, or change a file by a guess."""
    files = {"personas/a.yaml": b"one\n"}
    try:
        made = apply(patch, files.get)
    except PatchError:
        return
    assert made
    assert not any(map(editable, made))


CASES = yaml.load(REFUSED.read_text("utf-8"), Loader=yaml.CSafeLoader)


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_patches_that_are_refused_and_near_misses(case: dict[str, str]) -> None:
    """A patch would reach a file outside the content, or one that is no longer what it was."""
    drafts = Drafts(BASE, lambda _folder: pytest.fail("nothing is compiled"))
    patch = case["patch"].encode()
    if "refused" not in case:
        assert sorted(drafts.patched(patch)) == case["changes"].split()
        return
    with pytest.raises(BannetonError) as caught:
        drafts.patched(patch)
    assert case["refused"] in str(caught.value)


def test_a_patch_that_is_huge_is_refused() -> None:
    """One upload would take the gateway's memory."""
    with pytest.raises(PatchError, match="larger than"):
        apply(b"+" * 2_000_001, lambda _name: None)


@settings(deadline=None)
@given(before=contents(), typed=contents())
def test_a_browser_changes_no_end_of_a_line(before: bytes, typed: bytes) -> None:
    """A file with Windows line ends would differ in every line after one word was changed."""
    before, typed = before.replace(b"\r\n", b"\n").replace(b"\r", b""), typed.replace(b"\r", b"")
    windows = before.replace(b"\n", b"\r\n")
    made = _with_ends(windows, typed)
    assert made.replace(b"\r\n", b"\n") == typed
    assert _with_ends(windows, before) == windows
    if windows:
        assert made.count(b"\r\n") == typed.count(b"\n") or b"\r\n" not in windows
