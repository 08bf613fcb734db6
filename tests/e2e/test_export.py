"""From a chat with a real gateway to a data set, and to the rows of it that must go."""

from itertools import count
from pathlib import Path
from typing import Any

import pytest
from openai import BadRequestError, OpenAI

from app.datasets.folder import read
from tests.cli.running import run
from tests.e2e.asking import about, ask, text_of, wishes
from tests.e2e.gateway import Gateway

Json = Any
MAIL = "carla@crumb.example"
NUMBERS = count()


def talk(client: OpenAI, question: str, user: str, session: str) -> tuple[str, str]:
    """Id and text of an answer."""
    more = {"user": user, "extra_body": wishes(session=session)}
    answer = ask(client, question, model="keeper", **more)
    return str(about(answer)["request_id"]), text_of(answer)


def say(served: Gateway, **said: Json) -> None:
    """Give feedback."""
    with served.http() as http:
        answer = http.post("/v1/feedback", json=said)
    assert answer.status_code == 200, answer.text


def test_from_a_chat_to_a_data_set(served: Gateway, client: OpenAI, tmp_path: Path) -> None:
    """What users allowed cannot be learned from, or what they did not allow is."""
    tenant, user = "default", f"learner-{next(NUMBERS)}"
    yes = {"purposes": ["train"], "reference": "terms-3"}
    up = {"scale": "thumb", "value": "up"}
    good, said = talk(client, f"Write to {MAIL} about rye bread.", user, f"{user}-1")
    assert MAIL in said
    better, _ = talk(client, "Which flour makes the softest crumb?", user, f"{user}-2")
    other, _ = talk(client, "Nobody asked me about this one.", f"{user}-b", f"{user}-3")
    say(served, request_id=good, satisfaction=up, consent=yes)
    shown = f"Strong white flour, {MAIL} says."
    say(served, request_id=better, demonstration=shown, consent=yes)
    say(served, request_id=other, satisfaction=up)
    to = tmp_path / "data" / "keeper"
    export = ("export", "--root", served.root, "--tenant", tenant)
    ended = run(*export, "--persona", "keeper", "--to", to, "--licence", "CC-BY-4.0")
    assert (ended.status, ended.err) == (0, ""), ended.err
    assert "no_consent: nobody allowed training on it" in ended.out
    written = read(to)
    mine = [x.line for x in written.lines if "rye bread" in str(x.line) or "crumb" in str(x.line)]
    asked = [line["messages"] for line in mine]
    assert [each[-1]["role"] for each in asked] == ["assistant", "assistant"]
    assert any(each[-1]["content"].startswith("Strong white flour, EMAIL") for each in asked)
    everything = b"".join(path.read_bytes() for path in to.iterdir())
    for hidden in (MAIL, user, good, better, "Nobody asked me"):
        assert hidden.encode() not in everything
    told = mine[0]["provenance"]["exchanges"][0]
    assert (told["persona"], told["policy"], told["consent"]) == ("keeper", "keeping", ["terms-3"])
    assert written.card["rows"].keys() <= {"sft.train.jsonl", "sft.validation.jsonl"}
    assert written.card["licence"] == "CC-BY-4.0"
    key = to.with_name("keeper.key")
    assert key.stat().st_mode & 0o777 == 0o600
    lines = run("records", "export", "--root", served.root).out
    assert f'"manifest":"{written.digest}"' in lines
    assert run("records", "verify", "--root", served.root).status == 0

    assert run(*export, "--to", to).status == 2
    assert "never overwrites" in run(*export, "--to", to).err

    fine = run(*export, "--without-withdrawn", to)
    assert (fine.status, "0 must go" in fine.out) == (0, True), fine.out
    say(served, user=user, consent={"purposes": []})
    left = tmp_path / "data" / "left"
    ended = run(*export, "--without-withdrawn", to, "--to", left)
    assert ended.status == 1, ended.err
    assert "must go: 2 withdrawn" in ended.out
    rest = read(left)
    assert len(rest.lines) == len(written.lines) - 2
    assert rest.card["removed_later"] == 2
    assert not any("rye bread" in str(each.line) for each in rest.lines)


def test_one_of_several_tenants_has_to_be_named(
    served: Gateway, client: OpenAI, tmp_path: Path
) -> None:
    """Customers' conversations are mixed by accident."""
    talk(client, "Hello", "somebody", "any")
    ask(served.client("elsewhere"), "Hello")
    ended = run("export", "--root", served.root, "--to", tmp_path / "made")
    assert ended.status == 2
    assert "name one with --tenant; there are default, elsewhere" in ended.err


def test_nothing_is_kept_and_the_command_says_so(served: Gateway, tmp_path: Path) -> None:
    """An empty data set is written, or nobody learns which policy keeps no text."""
    to = tmp_path / "none"
    ended = run(
        "export", "--root", served.root, "--tenant", "default", "--persona", "lexi", "--to", to
    )
    assert ended.status == 1, ended.err
    assert "policies/root.yaml keeps no text: keep: {content: none}" in ended.out
    assert not to.exists()


def test_a_chat_is_not_left_open_for_others_to_go_on_from(client: OpenAI) -> None:
    """Since whole turns are kept of every dialect, any chat could be gone on with by its id."""
    request_id = about(ask(client, "Hello", model="keeper"))["request_id"]
    with pytest.raises(BadRequestError, match="nothing to go on from"):
        client.responses.create(
            model="keeper", input="Go on.", previous_response_id=f"resp_{request_id}"
        )
