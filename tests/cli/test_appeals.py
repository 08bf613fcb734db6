"""Appeals, from the call that files one to the case that a person makes of it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from app.cli.running import running_gateway
from tests.cli.running import run

Json = Any
Talk = Callable[[str, Json], httpx2.Response]
ASKED = "Please ask-banned for ann@corp.example"


@pytest.fixture
def talk(root: Path) -> Iterator[Talk]:
    """Posts to a gateway that runs on the project."""
    with running_gateway(root, backend="scripted") as running:

        def post(path: str, body: Json) -> httpx2.Response:
            return httpx2.post(
                f"{running.url}{path}",
                json=body,
                headers={"authorization": f"Bearer {running.key}"},
                timeout=60,
                trust_env=False,
            )

        yield post


def blocked(talk: Talk, persona: str = "lexi", text: str = ASKED) -> str:
    """The id of an exchange that policy refused."""
    body = {"model": persona, "messages": [{"role": "user", "content": text}]}
    about = talk("/v1/chat/completions", body).json()["banneton"]
    assert about["outcome"] == "block"
    return str(about["request_id"])


def test_an_accepted_appeal_becomes_a_case(root: Path, talk: Talk) -> None:
    """A refusal that a person finds wrong is forgotten, or its words are kept as they were."""
    request_id = blocked(talk)
    appeal = {"text": ASKED, "comment": "I am bob@corp.example, and it is my own account"}
    for _ in range(2):
        filed = talk("/v1/feedback", {"request_id": request_id, "appeal": appeal})
        assert filed.json() == {"request_id": request_id, "appeal": {"state": "open"}}
    assert run("appeals", "list", "--root", root).out.startswith(request_id)
    shown = run("appeals", "show", request_id, "--root", root).out
    assert "open: lexi under root, public, outcome block" in shown
    assert "Please ask-banned for EMAIL_ADDRESS_" in shown
    assert "and it is my own account" in shown
    for address in ("ann@", "bob@"):
        assert address not in shown
    assert run("check", "--root", root).status == 0
    accepted = run("appeals", "accept", request_id, "--root", root)
    assert accepted.out == "a case was added to policies/root.cases.yaml: banneton check\n"
    checked = run("check", "--root", root)
    assert checked.status == 1
    assert f"(appeal {request_id}): for public the outcome is block" in checked.out
    assert run("appeals", "list", "--root", root).out == ""
    assert "accepted" in run("appeals", "list", "--all", "--root", root).out
    again = run("appeals", "accept", request_id, "--root", root)
    assert (again.status, again.err) == (
        1,
        "there is no open appeal about this exchange; 'banneton appeals list' shows them\n",
    )


def test_a_rejected_appeal_changes_nothing(root: Path, talk: Talk) -> None:
    """A case is made of an appeal that was turned down."""
    request_id = blocked(talk)
    talk("/v1/feedback", {"request_id": request_id, "appeal": {"text": ASKED}})
    assert run("appeals", "reject", request_id, "--root", root).out == "rejected\n"
    assert run("appeals", "reject", request_id, "--root", root).status == 1
    assert not (root / "policies" / "root.cases.yaml").exists()
    filed = talk("/v1/feedback", {"request_id": request_id, "appeal": {"text": "other"}})
    assert filed.json()["appeal"] == {"state": "rejected"}


def test_an_appeal_that_cannot_be_filed_says_why(talk: Talk) -> None:
    """Somebody appeals against nothing, and is told that it is filed."""
    request_id = blocked(talk)
    bodies = {
        "request_id": {"request_id": "none", "appeal": {"text": "x"}},
        "appeal.text": {"request_id": request_id, "appeal": {"comment": "wrong"}},
        "appeal": {"request_id": request_id, "appeal": {}},
        "appeal.texts": {"request_id": request_id, "appeal": {"texts": "x"}},
        "satisfaction": {"request_id": request_id, "appeal": {"text": "x"}, "satisfaction": 5},
    }
    for param, body in bodies.items():
        answer = talk("/v1/feedback", body)
        assert answer.status_code in {400, 404}, param
        assert answer.json()["error"]["param"] == param


@pytest.mark.parametrize(
    "text", ['a "quoted" \\ line\nnext: {x}', "zero\u200bwidth \u2028 😀 # no"]
)
def test_any_text_becomes_a_case_that_reads_the_same(
    root: Path,
    talk: Talk,
    text: str,
) -> None:
    """A text with quotes or line ends breaks the file of cases, or becomes another text."""
    from app.catalog.cases import read_policy_cases  # noqa: PLC0415  # only here
    from app.main import load_project  # noqa: PLC0415

    request_id = blocked(talk, text=f"ask-banned {text}")
    cases = root / "policies" / "root.cases.yaml"
    cases.write_text("cases:\n  - {id: one, text: Hello, expect: allow}")
    talk("/v1/feedback", {"request_id": request_id, "appeal": {"text": text}})
    assert run("appeals", "accept", request_id, "--root", root).status == 0
    made = read_policy_cases(root, load_project(root, reads_secrets=False).read())["root"]
    assert [case.text for case in made] == ["Hello", text]


@pytest.mark.parametrize(
    ("written", "status"),
    [
        ("cases:\r\n  - {id: one, text: Hello, expect: allow}\r\n", 0),
        ("cases:\n- id: one\n  text: Hello\n  expect: allow\n# the end\n", 0),
        ("cases: [{id: one, text: Hello, expect: allow}]\n", 2),
        ("cases:\n  - {id: \udcff}\n", 2),
    ],
)
def test_a_case_is_added_as_the_file_is_written(
    root: Path, talk: Talk, written: str, status: int
) -> None:
    """A file in another layout could not be added to, or would be written anew as a whole."""
    request_id = blocked(talk, text="ask-banned")
    cases = root / "policies" / "root.cases.yaml"
    old = written.encode("utf-8", "surrogateescape")
    cases.write_bytes(old)
    talk("/v1/feedback", {"request_id": request_id, "appeal": {"text": "Hi"}})
    ended = run("appeals", "accept", request_id, "--root", root)
    assert ended.status == status, ended.err
    assert cases.read_bytes().startswith(old)
    if status:
        assert cases.read_bytes() == old
        assert ended.err.startswith("policies/root.cases.yaml:")
    else:
        added = cases.read_bytes()[len(old) :]
        assert added.endswith(b"\r\n" if b"\r\n" in old else b"}\n")
