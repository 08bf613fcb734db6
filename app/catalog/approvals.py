"""Who approved a waiver, verified: an owner of the file, or somebody who signed it.

See ``docs/decisions/0129-who-approved-a-waiver.md``.
"""

import re
from collections.abc import Iterator, Mapping
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


def unowned_waivers(catalog: Catalog, root: Path, today: date) -> tuple[Problem, ...]:
    """Waivers whose approver owns no line of CODEOWNERS for the file that holds them.

    Raises:
        ContentError: There is no CODEOWNERS, or it cannot be read.
    """
    waivers = list(_waivers(catalog, today))
    if not waivers:
        return ()
    top, file = _code_owners(root)
    owners = _read(top / file, file)
    return tuple(
        _problem(catalog, key, "approved_by", what)
        for waiver, written, key in waivers
        if (what := _unowned(waiver, written.file, owners, root.relative_to(top)))
    )


def _unowned(waiver: Waiver, written: str, owners: CodeOwners, prefix: Path) -> str:
    """Why the approver does not own the file; empty where they do."""
    file = (PurePosixPath(prefix.as_posix()) / written).as_posix()
    names = [name for _, name in owners.of(file)]
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


def _code_owners(root: Path) -> tuple[Path, str]:
    """The top of the repository, and where its CODEOWNERS is."""
    top = next((each for each in (root, *root.parents) if (each / ".git").exists()), root)
    for place in _PLACES:
        if (top / place).is_file():
            return top, place
    what = (
        f"is missing (also {' and '.join(_PLACES[1:])}), and 'waivers.approval' in banneton.yaml "
        "is 'codeowners'; name the owners of policies/ there"
    )
    raise ContentError([file_problem(_PLACES[0], what)])


def _read(path: Path, file: str) -> CodeOwners:
    # A name in a comment owns nothing.
    text = _COMMENT.sub("", decode_text(read_bytes(path, file), file))
    try:
        return CodeOwners(text)
    except (ValueError, re.error):
        what = "holds a pattern that cannot be read; GitHub takes no character classes either"
        raise ContentError([file_problem(file, what)]) from None


def unsigned_waivers(
    catalog: Catalog, approvers: Mapping[str, str], today: date
) -> tuple[Problem, ...]:
    """Waivers without the signature of the one who approved them.

    Args:
        catalog: Holds the waivers.
        approvers: Public keys as SSH writes them, by the name that ``approved_by`` has.
        today: Waivers that have expired lower nothing, and need no signature.
    """
    return tuple(
        _problem(catalog, at, key, what)
        for waiver, written, at in _waivers(catalog, today)
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


def _waivers(catalog: Catalog, today: date) -> Iterator[tuple[Waiver, Source, tuple[str, str]]]:
    """Waivers that hold or will, each once, where it is written, and its key in the sources."""
    seen: set[Source] = set()
    for policy in catalog.policies.values():
        for index, waiver in enumerate(policy.waivers):
            key = (f"policies/{policy.id}.yaml", f"waivers[{index}]")
            written = catalog.sources[key]
            if written not in seen and waiver.expires >= today:
                seen.add(written)
                yield waiver, written, key
