"""Who approved a waiver, verified: an owner of the file, or somebody who signed it.

See decisions 0129 and 0158.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path, PurePosixPath

import orjson
from codeowners import CodeOwners

from app.catalog.document import file_problem
from app.catalog.ssh_signature import SignatureError, public_key, verify
from app.catalog.wording import choices
from app.catalog.yaml_source import decode_text, read_bytes
from app.domain.catalog import Catalog, Source
from app.domain.errors import ContentError, Problem
from app.domain.policy import Waiver

NAMESPACE = "banneton-waiver"
"""What approvers sign for: ``ssh-keygen -Y sign -n banneton-waiver``."""
_PLACES = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")
"""Where GitHub looks, in its order; the first that is there counts."""
_COMMENT = re.compile(r"(?:^|(?<=\s))#.*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Owners:
    """Who owns the files of a project, by the CODEOWNERS of its repository."""

    lines: CodeOwners
    folder: PurePosixPath
    """The project's, from the top of the repository."""

    def of(self, file: str) -> tuple[str, list[str]]:
        """A file of the project as the repository names it, and its owners."""
        path = (self.folder / file).as_posix()
        return path, [name for _, name in self.lines.of(path)]


def read_owners(read: Callable[[str], bytes | None], folder: PurePosixPath) -> Owners:
    """The owners that a repository names.

    Args:
        read: Gives a file of the repository by its path from the top; none where there is none.
        folder: The project's, from the top of the repository.

    Raises:
        ContentError: There is no CODEOWNERS, or it cannot be read.
    """
    for place in _PLACES:
        if (data := read(place)) is not None:
            return Owners(_parsed(data, place), folder)
    what = (
        f"is missing (also {' and '.join(_PLACES[1:])}), and 'waivers.approval' in banneton.yaml "
        "is 'codeowners'; name the owners of policies/ there"
    )
    raise ContentError([file_problem(_PLACES[0], what)])


def owners_in_checkout(root: Path) -> Owners:
    """The owners that the files around a project name as they are now.

    Raises:
        ContentError: There is no CODEOWNERS, or it cannot be read.
    """
    top = next((each for each in (root, *root.parents) if (each / ".git").exists()), root)

    def read(place: str) -> bytes | None:
        return read_bytes(top / place, place) if (top / place).is_file() else None

    return read_owners(read, PurePosixPath(root.relative_to(top).as_posix()))


def unowned_waivers(
    catalog: Catalog, owners: Callable[[], Owners], today: date, *, since: Catalog | None = None
) -> tuple[Problem, ...]:
    """Waivers whose approver owns no line of CODEOWNERS for the file that holds them.

    Args:
        catalog: Holds the waivers.
        owners: Asked only where there are waivers.
        today: Waivers that have expired lower nothing, and need nobody.
        since: Waivers that stand there word for word need nobody again.

    Raises:
        ContentError: Raised by ``owners``.
    """
    waivers = list(_waivers(catalog, today, since))
    if not waivers:
        return ()
    known = owners()
    return tuple(
        _problem(catalog, key, "approved_by", what)
        for waiver, written, key in waivers
        if (what := _unowned(waiver, written.file, known))
    )


def _unowned(waiver: Waiver, written: str, owners: Owners) -> str:
    """Why the approver does not own the file; empty where they do."""
    file, names = owners.of(written)
    if waiver.approved_by.casefold() in {name.casefold() for name in names}:
        return ""
    if not names:
        return f"cannot approve: CODEOWNERS names no owner of {file}"
    who = f"is '{waiver.approved_by}', who does not own {file}"
    return who + choices(waiver.approved_by, names)


def _problem(catalog: Catalog, waiver: tuple[str, str], key: str, what: str) -> Problem:
    file, path = waiver
    here = catalog.sources.get((file, f"{path}.{key}"), catalog.sources[waiver])
    return Problem(here.file, here.line, here.column, f"{path}.{key}", what)


def _parsed(data: bytes, file: str) -> CodeOwners:
    # A name in a comment owns nothing.
    text = _COMMENT.sub("", decode_text(data, file))
    try:
        return CodeOwners(text)
    except (ValueError, re.error):
        what = "holds a pattern that cannot be read; GitHub takes no character classes either"
        raise ContentError([file_problem(file, what)]) from None


def unsigned_waivers(
    catalog: Catalog,
    approvers: Mapping[str, str],
    today: date,
    *,
    since: Catalog | None = None,
) -> tuple[Problem, ...]:
    """Waivers without the signature of the one who approved them.

    Args:
        catalog: Holds the waivers.
        approvers: Public keys as SSH writes them, by the name that ``approved_by`` has.
        today: Waivers that have expired lower nothing, and need no signature.
        since: Waivers that stand there word for word need none again.
    """
    return tuple(
        _problem(catalog, at, key, what)
        for waiver, written, at in _waivers(catalog, today, since)
        for key, what in _unsigned(waiver, written, approvers)
    )


def _unsigned(
    waiver: Waiver, written: Source, approvers: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    line = approvers.get(waiver.approved_by)
    if line is None:
        what = f"is '{waiver.approved_by}', who is no approver in banneton.yaml"
        yield "approved_by", what + choices(waiver.approved_by, approvers)
    elif not waiver.signature:
        name = f"{policy_of(written)}/{waiver.rule}/{waiver.audience}"
        yield "signature", f"is missing; sign what this prints: banneton waivers --sign {name}"
    else:
        text = text_to_sign(waiver, policy_of(written))
        try:
            verify(waiver.signature, text, key=public_key(line), namespace=NAMESPACE)
        except SignatureError as exc:
            yield "signature", str(exc)


def text_to_sign(waiver: Waiver, policy: str) -> bytes:
    """What an approver signs: all that the waiver says, and the policy whose file holds it."""
    said = {
        "policy": policy,
        "rule": waiver.rule,
        "audience": waiver.audience,
        "to": waiver.to,
        "reason": waiver.reason,
        "approved_by": waiver.approved_by,
        "expires": waiver.expires,
    }
    return orjson.dumps(said, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def policy_of(written: Source) -> str:
    """The id of the policy whose file this is."""
    return PurePosixPath(written.file).stem


def _waivers(
    catalog: Catalog, today: date, since: Catalog | None
) -> Iterator[tuple[Waiver, Source, tuple[str, str]]]:
    """Waivers that hold or will, each once, where it is written, and its key in the sources."""
    known: set[tuple[str, Waiver]] = set()
    if since is not None:
        known = {(policy_of(at), waiver) for waiver, at, _ in _waivers(since, today, None)}
    seen: set[Source] = set()
    for policy in catalog.policies.values():
        for index, waiver in enumerate(policy.waivers):
            key = (f"policies/{policy.id}.yaml", f"waivers[{index}]")
            written = catalog.sources[key]
            if written not in seen and waiver.expires >= today:
                seen.add(written)
                if (policy_of(written), waiver) not in known:
                    yield waiver, written, key
