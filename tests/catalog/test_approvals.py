"""Who approved a waiver: owners of the file, and signatures."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.catalog.approvals import (
    owners_in_checkout,
    text_to_sign,
    unowned_waivers,
    unsigned_waivers,
)
from app.catalog.yaml_source import read_document
from app.domain.catalog import Catalog
from app.domain.errors import ContentError
from app.domain.policy import Waiver
from app.main import load_project
from tests.catalog.test_ssh_signature import signed
from tests.cli.running import run
from tests.review.projects import BASE, TODAY, changed

ROWS = read_document(BASE.parent / "owners.yaml", BASE.parent).plain()["rows"]
ANN = Ed25519PrivateKey.generate()
APPROVER = "@org/safety"


def public(key: Ed25519PrivateKey) -> str:
    """A public key as SSH writes it."""
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The project of the reviews, whose shop has a waiver."""
    made = tmp_path / "repository"
    shutil.copytree(BASE, made)
    return made


def catalog(root: Path) -> Catalog:
    """What the files mean."""
    return load_project(root, reads_secrets=False).read()


def owned(root: Path, text: str, *, place: str = "CODEOWNERS") -> list[str]:
    """What is wrong with the waivers under these owners."""
    path = root / place
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, "utf-8")
    return [
        str(problem)
        for problem in unowned_waivers(catalog(root), partial(owners_in_checkout, root), TODAY)
    ]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_who_owns_a_file(project: Path, row: dict[str, object]) -> None:
    """A waiver would count that nobody who answers for the file has approved, or not count."""
    found = owned(project, str(row["text"]))
    assert (found == []) == row["owns"], found
    for problem in found:
        assert problem.startswith("policies/shop.yaml:12:18: waivers[0].approved_by: ")


def test_the_remedy_names_the_owners(project: Path) -> None:
    """An author would not know who can approve."""
    (said,) = owned(project, "* @org/safely @ann")
    assert said.endswith(
        "is '@org/safety', who does not own policies/shop.yaml; did you mean '@org/safely'? "
        "(@org/safely, @ann)"
    )
    (said,) = owned(project, "/personas/ @org/safety")
    assert said.endswith("cannot approve: CODEOWNERS names no owner of policies/shop.yaml")


def test_codeowners_is_looked_for_where_github_does(project: Path) -> None:
    """A file that GitHub does not look at would say who may approve."""
    assert owned(project, "* @org/legal", place="docs/CODEOWNERS") != []
    assert owned(project, "* @org/safety", place="CODEOWNERS") == []
    assert owned(project, "* @org/legal", place=".github/CODEOWNERS") != []


def test_a_project_in_a_folder_of_its_repository(project: Path) -> None:
    """The owners of another folder of the same name would approve."""
    inner = project / "deploy" / "eu"
    inner.mkdir(parents=True)
    for path in [path for path in project.iterdir() if path.name != "deploy"]:
        path.rename(inner / path.name)
    (project / ".git").mkdir()
    text = "/policies/ @org/safety\n"
    (project / "CODEOWNERS").write_text(text)
    assert unowned_waivers(catalog(inner), partial(owners_in_checkout, inner), TODAY) != ()
    (project / "CODEOWNERS").write_text("/deploy/eu/policies/ @org/safety\n")
    assert unowned_waivers(catalog(inner), partial(owners_in_checkout, inner), TODAY) == ()


@pytest.mark.parametrize("text", [None, "policies/[a @org/safety"])
def test_owners_that_cannot_be_had_are_a_problem(project: Path, text: str | None) -> None:
    """A waiver would count because nobody could tell."""
    if text is not None:
        (project / "CODEOWNERS").write_text(text)
    made = catalog(project)
    with pytest.raises(ContentError, match="CODEOWNERS"):
        unowned_waivers(made, partial(owners_in_checkout, project), TODAY)


def test_a_project_without_waivers_needs_no_owners(project: Path) -> None:
    """Somebody who waives nothing would have to name owners all the same."""
    after = date(2090, 4, 1)
    assert unowned_waivers(catalog(project), partial(owners_in_checkout, project), after) == ()
    assert unsigned_waivers(catalog(project), {}, after) == ()


WAIVER = Waiver.__dataclass_fields__


def with_signature(root: Path, signature: str) -> Catalog:
    """The catalog with this signature in its waiver."""
    lines = "".join(f"      {line}\n" for line in signature.splitlines())
    changed(
        root, {"policies/shop.yaml": [["    expires:", f"    signature: |\n{lines}    expires:"]]}
    )
    return catalog(root)


def test_a_signature_counts(project: Path) -> None:
    """Nobody could approve by signature."""
    (waiver,) = catalog(project).policies["shop"].waivers
    signature = signed(ANN, text_to_sign(waiver, "shop"))
    made = with_signature(project, signature)
    assert unsigned_waivers(made, {APPROVER: public(ANN)}, TODAY) == ()
    other = Ed25519PrivateKey.generate()
    (problem,) = unsigned_waivers(made, {APPROVER: public(other)}, TODAY)
    assert problem.path == "waivers[0].signature"
    assert "is of another key than the approver's" in problem.what


CHANGES: dict[str, Callable[[Waiver], Waiver]] = {
    "rule": lambda waiver: replace(waiver, rule="advice"),
    "audience": lambda waiver: replace(waiver, audience="minor"),
    "to": lambda waiver: replace(waiver, to=type(waiver.to).ALLOW),
    "reason": lambda waiver: replace(waiver, reason=waiver.reason + " "),
    "expires": lambda waiver: replace(waiver, expires=date(2091, 1, 1)),
    "approved_by": lambda waiver: replace(waiver, approved_by="bob"),
}


@pytest.mark.parametrize("part", sorted(set(WAIVER) - {"signature"}))
def test_a_signature_is_of_all_that_a_waiver_says(project: Path, part: str) -> None:
    """An approval could be stretched to another rule, audience or day."""
    (waiver,) = catalog(project).policies["shop"].waivers
    text = text_to_sign(waiver, "shop")
    assert text_to_sign(CHANGES[part](waiver), "shop") != text
    assert text_to_sign(waiver, "house") != text
    assert text_to_sign(replace(waiver, signature="x"), "shop") == text


def test_what_is_missing_comes_with_what_to_do(project: Path) -> None:
    """An author would not know what has to be signed, or by whom."""
    made = catalog(project)
    (problem,) = unsigned_waivers(made, {APPROVER: public(ANN)}, TODAY)
    assert str(problem) == (
        "policies/shop.yaml:8:5: waivers[0].signature: is missing; sign what this prints: "
        "banneton waivers --sign shop/slurs/public"
    )
    (problem,) = unsigned_waivers(made, {"@org/safely": public(ANN)}, TODAY)
    assert "is '@org/safety', who is no approver in banneton.yaml; did you mean" in str(problem)


def test_check_and_waivers_as_commands(project: Path) -> None:
    """The command that CI runs would not ask who approved, or nobody could see what to sign."""
    assert run("check", "--root", project).status == 0
    with (project / "banneton.yaml").open("a") as settings:
        settings.write("waivers: {approval: codeowners}\n")
    ended = run("check", "--root", project)
    assert (ended.status, ".github/CODEOWNERS: is missing" in ended.out) == (1, True)
    (project / "CODEOWNERS").write_text("* @org/legal\n")
    assert "who does not own policies/shop.yaml" in run("check", "--root", project).out
    (project / "CODEOWNERS").write_text("* @org/safety\n")
    assert run("check", "--root", project).status == 0
    text = (project / "banneton.yaml").read_text()
    by_signature = f'approval: signature, approvers: {{"{APPROVER}": "{public(ANN)}"}}'
    (project / "banneton.yaml").write_text(text.replace("approval: codeowners", by_signature))
    assert "banneton waivers --sign shop/slurs/public" in run("check", "--root", project).out
    told = run("waivers", "--root", project, "--sign", "shop/slurs/public")
    with_signature(project, signed(ANN, told.out.encode()))
    assert run("check", "--root", project).status == 0
    listed = run("waivers", "--root", project)
    assert listed.out.startswith("2090-03-31  shop: slurs for public to 'flag', holds, ")
    assert listed.out.endswith("approved by @org/safety: The comedians test it.\n1 waiver\n")
    assert '"holds": true' in run("waivers", "--root", project, "--format", "json").out
    assert run("waivers", "--root", project, "--sign", "shop/slurs/minor").status == 2
