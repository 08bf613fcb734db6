"""Build and run the image's steps where there is no container engine.

    sudo python deploy/rehearse.py

Reads the Dockerfile and carries out each of its instructions in a root file system of its own: an
overlay over this machine's, in memory, which nobody else sees and which is gone at the end. Then it
runs what the image runs, as compose.yaml would: as the image's user, without capabilities, with a
root that cannot be written. Needs Linux, root, Python 3.11 or newer as ``python``, and an index of
packages. It is not an engine: the base image is this machine, and limits of memory are not set.
"""

import ctypes
import fcntl
import json
import os
import shlex
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent
_ENVIRON = os.environ  # noqa: TID251  # of the machine that stands in for the base image
_NEW_NETWORK = 0x40000000
_UP = struct.pack("16sh", b"lo", 1)
_SET_FLAGS = 0x8914
_PATIENCE_S = 120


@dataclass
class Stage:
    """A root file system, and what the Dockerfile said of it."""

    root: Path
    workdir: str = "/"
    env: dict[str, str] = field(default_factory=dict)
    user: str = "0"
    said: dict[str, str] = field(default_factory=dict)
    """The last of each instruction that is not carried out here."""


def main() -> None:
    """Rehearse all of it; ends with an error at the first step that fails."""
    if _ENVIRON.get("REHEARSING") != "yes":
        again = ["unshare", "--mount", "--propagation", "private", sys.executable, __file__]
        sys.exit(
            subprocess.run(again, env={**_ENVIRON, "REHEARSING": "yes"}, check=False).returncode
        )
    place = Path(tempfile.mkdtemp(prefix="rehearsal-"))
    try:
        _mount("-t", "tmpfs", "-o", "size=6g", "none", place)
        run(build(place))
    finally:
        subprocess.run(["umount", "--recursive", "--lazy", place], check=False)
        place.rmdir()


def build(place: Path) -> Stage:
    """Carry out the Dockerfile."""
    stages: dict[str, Stage] = {}
    stage: Stage | None = None
    for word, rest in instructions((REPOSITORY / "Dockerfile").read_text("utf-8")):
        print(f"{word} {rest[:100]}", flush=True)
        if word == "FROM":
            name = rest.partition(" AS ")[2] or "final"
            stage = stages[name] = Stage(_overlay(place / name))
            continue
        assert stage is not None
        if word == "WORKDIR":
            stage.workdir = rest
            _inside(stage, rest).mkdir(parents=True, exist_ok=True)
        elif word == "ENV":
            _set(stage, rest)
        elif word == "USER":
            stage.user = rest
        elif word == "RUN":
            _run(stage, ["sh", "-ec", rest])
        elif word == "COPY":
            _copy(stage, shlex.split(rest), stages)
        else:
            stage.said[word] = rest
    return stages["final"]


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Each instruction with what follows it, lines joined and comments left out."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        word, _, rest = line.partition(" ")
        yield word, rest.strip()


def run(stage: Stage) -> None:
    """Run the image as compose.yaml does, and look whether it is well."""
    volume = _inside(stage, "/srv/var")
    kept = Path(tempfile.mkdtemp(prefix="volume-", dir=stage.root.parent.parent))
    shutil.copystat(volume, kept)
    os.chown(kept, volume.stat().st_uid, volume.stat().st_gid)
    _mount("--bind", kept, volume)
    _mount(
        "-t", "tmpfs", "-o", "size=64m,mode=1777,noexec,nosuid,nodev", "none", stage.root / "tmp"
    )
    _mount("-o", "remount,ro", stage.root)
    _alone()
    banneton = json.loads(stage.said["ENTRYPOINT"])
    key = _run_as_user(stage, [*banneton, "keys", "create", "--name", "web", "--persona", "host"])
    secret = key.splitlines()[0]
    for place in ("/srv/personas/new.yaml", "/srv/new", "/venv/new", "/etc/new"):
        assert _exit(stage, ["touch", place]) != 0, f"{place} could be written"
    began = time.monotonic()
    command = _as_user(stage, [*banneton, *json.loads(stage.said["CMD"])])
    with subprocess.Popen(command, env=stage.env) as gateway:
        health = json.loads(stage.said["HEALTHCHECK"].partition(" CMD ")[2])
        while _exit(stage, health) != 0:
            assert gateway.poll() is None, "the gateway ended"
            assert time.monotonic() < began + _PATIENCE_S, "the gateway is not well"
            time.sleep(0.5)
        print(f"well after {time.monotonic() - began:.1f} s", flush=True)
        print(_ask(secret), flush=True)
        gateway.terminate()
        print(f"ended with {gateway.wait(30)}", flush=True)
        assert gateway.returncode == 0
    print(_run_as_user(stage, [*banneton, "records", "verify"]), flush=True)
    print(f"the environment has {_size(stage.root / 'venv') / 1e6:.0f} MB", flush=True)


def _overlay(place: Path) -> Path:
    for name in ("new", "work", "root"):
        (place / name).mkdir(parents=True)
    over = f"lowerdir=/,upperdir={place / 'new'},workdir={place / 'work'}"
    _mount("-t", "overlay", "-o", over, "overlay", place / "root")
    root = place / "root"
    for name in ("proc", "dev"):
        _mount("--rbind", f"/{name}", root / name)
    for folder in reversed(Path(sys.base_prefix).parents):  # this machine's Python, for every user
        inside = root / folder.relative_to("/")
        inside.chmod(inside.stat().st_mode | 0o011)
    return root


def _mount(*words: str | Path) -> None:
    subprocess.run(["mount", *words], check=True)


def _inside(stage: Stage, path: str) -> Path:
    return stage.root / (Path(stage.workdir) / path).relative_to("/")


def _set(stage: Stage, rest: str) -> None:
    known = {"PATH": _ENVIRON["PATH"], **stage.env}
    for each in shlex.split(rest):
        name, _, value = each.partition("=")
        stage.env[name] = value.replace("$PATH", known["PATH"])


def _copy(stage: Stage, words: list[str], stages: dict[str, Stage]) -> None:
    source = next((word for word in words if word.startswith("--from=")), None)
    *names, to = [word for word in words if not word.startswith("--")]
    root = stages[source.partition("=")[2]].root if source else REPOSITORY
    left_out = () if source else (REPOSITORY / ".dockerignore").read_text("utf-8").split()
    for name in names:
        there, here = root / name.lstrip("/"), _inside(stage, to)
        if there.is_dir():
            ignore = shutil.ignore_patterns(*(each.removeprefix("**/") for each in left_out))
            shutil.copytree(there, here, symlinks=True, ignore=ignore, dirs_exist_ok=True)
        else:
            shutil.copy(there, here)


def _run(stage: Stage, words: Sequence[str]) -> None:
    there = ["chroot", str(stage.root), "sh", "-c", 'cd "$0" && exec "$@"', stage.workdir]
    env = {**_ENVIRON, **stage.env, "PIP_ROOT_USER_ACTION": "ignore"}
    subprocess.run([*there, *words], env=env, check=True)


def _as_user(stage: Stage, words: Sequence[str]) -> list[str]:
    """Words as the image's user says them, without a right that the compose file takes away."""
    bare = ["setpriv", f"--reuid={stage.user}", f"--regid={stage.user}", "--clear-groups"]
    bare += ["--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]
    there = ["chroot", str(stage.root), "sh", "-c", 'cd "$0" && exec "$@"', stage.workdir]
    return [*there, *bare, *words]


def _run_as_user(stage: Stage, words: Sequence[str]) -> str:
    ended = subprocess.run(
        _as_user(stage, words), env=stage.env, check=True, stdout=subprocess.PIPE, text=True
    )
    return ended.stdout.strip()


def _exit(stage: Stage, words: Sequence[str]) -> int:
    ended = subprocess.run(
        _as_user(stage, words), env=stage.env, check=False, stderr=subprocess.DEVNULL
    )
    return ended.returncode


def _alone() -> None:
    """A network with nothing but loopback, so that the port is free and nobody is asked."""
    if ctypes.CDLL(None, use_errno=True).unshare(_NEW_NETWORK) != 0:
        raise OSError(ctypes.get_errno(), "no network of its own")
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, _SET_FLAGS, _UP)


def _ask(secret: str) -> str:
    body = {"model": "host", "messages": [{"role": "user", "content": "Hello!"}]}
    connection = HTTPConnection("127.0.0.1", 8000, timeout=_PATIENCE_S)
    connection.request(
        "POST",
        "/v1/chat/completions",
        json.dumps(body),
        {"content-type": "application/json", "authorization": f"Bearer {secret}"},
    )
    answer = connection.getresponse()
    said = json.loads(answer.read())
    assert answer.status == HTTPStatus.OK, said
    return f"host says: {said['choices'][0]['message']['content']}"


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


if __name__ == "__main__":
    main()
