"""Approvals of what is weaker: a file each, in ``approvals/``, by an owner or with a signature.

See decision 0246.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, assert_never

import orjson
from pydantic import Field

from app.catalog.approvals import Owners
from app.catalog.files import find_yaml
from app.catalog.ssh_signature import SignatureError, public_key, verify
from app.catalog.wording import choices, read_as
from app.catalog.yaml_source import read_document
from app.domain.catalog import Source
from app.domain.errors import ContentError, Problem
from app.domain.persona import FileModel
from app.domain.policy import Approval

FOLDER = "approvals"
NAMESPACE = "banneton-approval"
"""What approvers sign for: ``ssh-keygen -Y sign -n banneton-approval``."""
NonEmpty = Annotated[str, Field(min_length=1)]


class WeakeningApproval(FileModel):
    """Somebody has seen what a change makes weaker, and answers for it."""

    what: NonEmpty
    """What is weaker, word for word as ``banneton plan`` says it."""
    reason: NonEmpty
    """Why being weaker is right."""
    approved_by: NonEmpty
    """Who answers for it."""
    approved_on: date
    """The day (UTC) on which it was approved."""
    expires: date | None = None
    """The last day (UTC) on which it counts. Left out, it counts only in the change that adds this
    file, so that nobody can use it again later."""
    signature: str = ""
    """The approver's SSH signature, where ``waivers.approval`` of the deployment wants one."""


@dataclass(frozen=True, slots=True)
class Approved:
    """An approval, and the file that holds it."""

    id: str
    """Of what is weaker; the file's stem."""
    said: WeakeningApproval
    source: Source

    @property
    def text_to_sign(self) -> bytes:
        """What an approver signs: all that the file says but for the signature."""
        made = {"id": self.id, **self.said.model_dump(mode="json", exclude={"signature"})}
        return orjson.dumps(made, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def read_approvals(root: Path) -> dict[str, Approved]:
    """Every approval of a project, by the id of what it approves.

    Raises:
        ContentError: Every mistake of every file.
    """
    paths, problems = find_yaml(root, FOLDER)
    found: dict[str, Approved] = {}
    for name, path in paths.items():
        try:
            tree = read_document(path, root)
            found[name] = Approved(name, read_as(WeakeningApproval, tree), tree.source)
        except ContentError as exc:
            problems += exc.problems
    if problems:
        raise ContentError(problems)
    return found


@dataclass(frozen=True, slots=True)
class Approvers:
    """Who may approve, and how that is verified: as it was before a change."""

    how: Approval
    keys: Mapping[str, str]
    """For signatures: public keys as SSH writes them, by name."""
    owners: Callable[[], Owners]
    """Asked only where owners count."""

    def refusal(self, approval: Approved, files: Sequence[str]) -> str:
        """Why an approval does not count; empty where it does.

        Args:
            approval: The approval.
            files: Those that make something weaker. The approver has to own each, and the
                approval's own file, where owners count.
        """
        match self.how:
            case Approval.NAMED:
                return ""
            case Approval.CODEOWNERS:
                said = (
                    self._unowned(approval.said.approved_by, file)
                    for file in (approval.source.file, *files)
                )
                return next(filter(None, said), "")
            case Approval.SIGNATURE:
                return self._unsigned(approval)
            case _:
                assert_never(self.how)

    def _unowned(self, name: str, file: str) -> str:
        path, names = self.owners().of(file)
        if name.casefold() in {each.casefold() for each in names}:
            return ""
        if not names:
            return f"CODEOWNERS named no owner of {path} before this change"
        return f"'{name}' did not own {path} before this change{choices(name, names)}"

    def _unsigned(self, approval: Approved) -> str:
        said = approval.said
        if (line := self.keys.get(said.approved_by)) is None:
            who = f"'{said.approved_by}' was no approver in banneton.yaml before this change"
            return who + choices(said.approved_by, self.keys)
        if not said.signature:
            return f"it is not signed; sign what 'banneton approvals --sign {approval.id}' prints"
        try:
            key = public_key(line)
            verify(said.signature, approval.text_to_sign, key=key, namespace=NAMESPACE)
        except SignatureError as exc:
            return f"the signature {exc}"
        return ""


def refused(approvals: Mapping[str, Approved], approvers: Approvers) -> tuple[Problem, ...]:
    """Approvals that could not count for anything, whatever they are about."""
    return tuple(
        Problem(each.source.file, each.source.line, each.source.column, "approved_by", why)
        for each in approvals.values()
        if (why := approvers.refusal(each, ()))
    )


def text_of(approval: WeakeningApproval) -> str:
    """A file that says this, as its author would write it."""
    said = {
        key: value
        for key, value in approval.model_dump(mode="json").items()
        if value not in (None, "")
    }
    lines = [f"{key}: {_scalar(key, value)}\n" for key, value in said.items()]
    head = "# yaml-language-server: $schema=../schemas/approval.schema.json\n"
    return head + "".join(lines)


def _scalar(key: str, value: str) -> str:
    if key in {"approved_on", "expires"}:
        return value
    # A string of JSON is one of YAML, but for characters that YAML wants escaped.
    said = json.dumps(value, ensure_ascii=False)
    return "".join(each if each.isprintable() else f"\\U{ord(each):08x}" for each in said)
