"""Which files belong to a catalog, and the text of those that are not YAML."""

import re
from pathlib import Path, PurePosixPath

from app.catalog.document import Node, file_problem
from app.catalog.yaml_source import decode_text, parse_document, read_bytes
from app.domain.catalog import Prompt
from app.domain.errors import ContentError, Problem

DEPLOYMENT_FILE = "banneton.yaml"
CONTENT_FOLDERS = ("personas", "policies", "prompts", "knowledge")
CASES_SUFFIX = ".cases.yaml"
SCRIPT_SUFFIX = ".script.yaml"
"""Of what the scripted backend says; lies in ``evals/``, too."""
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_KNOWLEDGE_SUFFIXES = (".md", ".txt")


def is_id(text: str) -> bool:
    """Whether something can be named so."""
    return _ID.fullmatch(text) is not None


def find_yaml(root: Path, folder: str) -> tuple[dict[str, Path], list[Problem]]:
    """The YAML files of a folder by id, without cases, and those that nobody would read."""
    found: dict[str, Path] = {}
    problems: list[Problem] = []
    for path in visible_files(root, folder):
        file = path.relative_to(root).as_posix()
        if path.suffix == ".yml":
            problems.append(file_problem(file, "is not read; its name must end in .yaml"))
        elif path.suffix != ".yaml" or path.name.endswith(CASES_SUFFIX):
            continue
        elif path.parent != root / folder:
            problems.append(file_problem(file, f"is not read; move it to {folder}/ itself"))
        elif not is_id(path.stem):
            what = "is no id; name it with letters, digits, '.', '_' and '-'"
            problems.append(file_problem(file, what))
        else:
            found[path.stem] = path
    return found, problems


def find_suites(root: Path) -> tuple[dict[str, Path], list[Problem]]:
    """The suites of ``evals/`` by id, and files that only look like one.

    Scripts of the scripted backend end in ``.script.yaml``; what stands in folders of its own,
    such as recordings, is not looked at.
    """
    found: dict[str, Path] = {}
    problems: list[Problem] = []
    for path in sorted((root / "evals").glob("*")):
        file = path.relative_to(root).as_posix()
        if path.name.startswith(".") or path.name.endswith(SCRIPT_SUFFIX):
            continue
        if path.suffix == ".yml":
            problems.append(file_problem(file, "is not read; its name must end in .yaml"))
        elif path.suffix == ".yaml" and "." in path.stem:
            what = "is no suite, whose name has no '.'; a script's name ends in .script.yaml"
            problems.append(file_problem(file, what))
        elif path.suffix == ".yaml" and not is_id(path.stem):
            what = "is no id; name it with letters, digits, '_' and '-'"
            problems.append(file_problem(file, what))
        elif path.suffix == ".yaml":
            found[path.stem] = path
    return found, problems


def find_prompts(root: Path) -> list[Path]:
    """Every template under ``prompts/``, those that others include among them."""
    return [path for path in visible_files(root, "prompts") if path.suffix == ".j2"]


def find_cases(root: Path, folder: str) -> list[Path]:
    """Every file of cases in a folder and below."""
    return [path for path in visible_files(root, folder) if path.name.endswith(CASES_SUFFIX)]


def content_files(root: Path) -> list[Path]:
    """Every file on which a catalog may depend."""
    found = [path for folder in CONTENT_FOLDERS for path in visible_files(root, folder)]
    return [*found, root / DEPLOYMENT_FILE]


def changed_files(root: Path, other: Path) -> dict[str, bool]:
    """Content files, and those of evals, whose bytes differ or that only one project has.

    Returns:
        By path, whether the file holds the same values in another form, such as with a comment.
    """
    ours, theirs = _contents(root), _contents(other)
    names = sorted({*ours, *theirs})
    return {
        name: _holds_the_same(name, ours.get(name), theirs.get(name))
        for name in names
        if ours.get(name) != theirs.get(name)
    }


def _contents(root: Path) -> dict[str, bytes]:
    found = [*content_files(root), *visible_files(root, "evals")]
    paths = (path for path in found if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


def _holds_the_same(name: str, ours: bytes | None, theirs: bytes | None) -> bool:
    if ours is None or theirs is None or not name.endswith(".yaml"):
        return False
    try:
        is_same: bool = parse_document(ours, name).plain() == parse_document(theirs, name).plain()
    except ContentError:  # such as a file of cases, which no catalog reads
        return False
    return is_same


def visible_files(root: Path, folder: str) -> list[Path]:
    """Files in a folder and below, without hidden ones such as an editor's, in a fixed order.

    A link that leads to nothing is one, too: whoever reads it says so.
    """
    found = (root / folder).rglob("*")
    paths = (path for path in found if path.is_file() or not path.exists())
    return sorted(
        path
        for path in paths
        if not any(part.startswith(".") for part in path.relative_to(root).parts)
    )


def read_prompt(path: Path, root: Path) -> Prompt:
    """A template. Its id is its path under ``prompts/``, without ``.md.j2``.

    A template that others include, such as ``parts/voice.j2``, keeps its ending, and no persona
    can name it.

    Raises:
        ContentError: It is not UTF-8 text.
    """
    file = path.relative_to(root).as_posix()
    prompt_id = path.relative_to(root / "prompts").as_posix().removesuffix(".md.j2")
    return Prompt(prompt_id, file, _text(path, file))


def read_knowledge(root: Path, node: Node) -> str:
    """The text of a file that a persona names.

    Raises:
        ContentError: There is none, it is outside the project, or it is not text.
    """
    file = node.text or ""
    path = root / file
    is_inside = file.startswith("knowledge/") and ".." not in PurePosixPath(file).parts
    if not is_inside or PurePosixPath(file).suffix not in _KNOWLEDGE_SUFFIXES:
        # A persona cannot name any file of the machine, such as one that holds a secret.
        raise ContentError([node.problem("must be a .md or .txt file under knowledge/")])
    if not path.resolve().is_relative_to(root.resolve()):
        raise ContentError(
            [node.problem("is a link that leads out of the project; put the file itself there")]
        )
    if not path.is_file():
        raise ContentError(
            [
                node.problem(
                    f"is '{file}', and there is no such file; write its path from the project"
                )
            ]
        )
    return _text(path, file)


def _text(path: Path, file: str) -> str:
    text = decode_text(read_bytes(path, file), file)
    return text.replace("\r\n", "\n").replace("\r", "\n")
