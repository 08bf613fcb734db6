"""Feedback, from the call that gives it to the record that shows it."""

from itertools import count
from typing import Any

import httpx2
import pytest
from openai import OpenAI

from tests.e2e.asking import about, ask, wishes
from tests.e2e.gateway import Gateway, banneton
from tests.e2e.provider import Provider

Json = Any
NUMBERS = count()
WORDS = "Ask bob@corp.example, it is clause 7"


def asked(client: OpenAI, model: str = "keeper", **more: Json) -> str:
    """The id of an exchange."""
    return str(about(ask(client, "Hello", model=model, **more))["request_id"])


def give(served: Gateway, body: Json, *, key: str = "t", wish: str | None = None) -> Json:
    """The answer to feedback."""
    headers = {} if wish is None else {"Idempotency-Key": wish}
    with served.http(key) as http:
        return http.post("/v1/feedback", json=body, headers=headers)


def refusal(answer: httpx2.Response) -> tuple[int, str, str]:
    """Status, code and field of an error."""
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["param"]


def fresh(word: str) -> str:
    """A name that no other test has used."""
    return f"{word}-{next(NUMBERS)}"


def test_all_that_can_be_said_is_in_the_record(served: Gateway, client: OpenAI) -> None:
    """Something that a user said is lost, or their words stand in the record."""
    request_id = asked(client)
    body = {
        "request_id": request_id,
        "satisfaction": {"scale": "stars", "value": 4},
        "task": "completed",
        "correction": {"text": WORDS},
        "comment": WORDS,
        "demonstration": WORDS,
        "consent": {"purposes": ["train", "improve"], "reference": "terms-3"},
        "version": 2,
    }
    made = give(served, body)
    assert made.status_code == 200, made.text
    assert made.json().keys() == {"id", "request_id", "at", "version"}
    record = served.record(request_id)
    [said] = record["feedback"]
    assert said | {"at": "", "key_id": ""} == {
        "id": made.json()["id"],
        "at": "",
        "key_id": "",
        "about": "request",
        "version": 2,
        "satisfaction": {"scale": "stars", "value": 4, "score": 0.75},
        "task": "completed",
        "correction": {"turn": None},
        "consent": {"purposes": ["improve", "train"], "reference": "terms-3"},
        "given": ["correction.text", "comment", "demonstration"],
    }
    assert record["permits"] == ["improve", "train"]
    assert "clause 7" not in str(record)
    shown = banneton("records", "show", request_id, "--texts", "--root", served.root).stdout
    assert shown.count("it is clause 7") == 3
    assert "bob@corp" not in shown


def test_the_same_call_again_is_the_same_feedback(served: Gateway, client: OpenAI) -> None:
    """A retry after a timeout is counted as another opinion, or overwrites one."""
    request_id, wish = asked(client), fresh("wish")
    down = {"request_id": request_id, "satisfaction": {"scale": "thumb", "value": "down"}}
    first = give(served, down, wish=wish)
    assert give(served, down, wish=f'"{wish}"').json() == first.json()
    assert give(served, {**down, "id": wish}).json() == first.json()
    assert len(served.record(request_id)["feedback"]) == 1
    up = {**down, "satisfaction": {"scale": "thumb", "value": "up"}}
    assert refusal(give(served, up, wish=wish)) == (409, "conflict", "id")
    assert refusal(give(served, {**up, "id": "other"}, wish=wish)) == (400, "invalid_value", "id")
    assert refusal(give(served, up, wish="not an id")) == (400, "invalid_value", "idempotency-key")
    assert give(served, {**up, "version": 2}).status_code == 200
    assert len(served.record(request_id)["feedback"]) == 2


def test_a_session_and_a_person_can_be_spoken_of(served: Gateway, client: OpenAI) -> None:
    """A rating of a conversation reaches none of its answers, or a withdrawal only one."""
    session, user = fresh("s"), fresh("u")
    ids = [asked(client, user=user, extra_body=wishes(session=session)) for _ in range(2)]
    yes = {"purposes": ["train"]}
    rating = {"session": session, "task": "escalated", "correction": {"turn": 2}, "consent": yes}
    assert give(served, rating).json().keys() == {"id", "at", "version"}
    for request_id in ids:
        record = served.record(request_id)
        assert [each["about"] for each in record["feedback"]] == ["session"]
        assert record["permits"] == ["train"]
    no = {"user": user, "consent": {"purposes": []}}
    assert give(served, no).status_code == 200
    assert [served.record(request_id)["permits"] for request_id in ids] == [[], []]
    assert give(served, {**no, "consent": yes}).status_code == 200
    assert served.record(ids[0])["permits"] == ["train"]


def test_nobody_speaks_about_what_is_not_theirs(served: Gateway, client: OpenAI) -> None:
    """Another tenant's answers can be rated, or it can be found out that they exist."""
    session, user = fresh("s"), fresh("u")
    request_id = asked(client, user=user, extra_body=wishes(session=session))
    said = {"task": "failed"}
    for field, name in (("request_id", request_id), ("session", session), ("user", user)):
        body: Json = {field: name, **({"consent": {"purposes": []}} if field == "user" else said)}
        assert refusal(give(served, body, key="neighbour")) == (404, "not_found", field)
        unknown = {**body, field: fresh("unknown")}
        assert refusal(give(served, unknown)) == (404, "not_found", field)
    for body in ({"request_id": request_id, **said}, {"session": session, **said}):
        answer = give(served, body, key="lexi-only")
        assert answer.status_code == 403
    assert served.record(request_id)["feedback"] == []


REFUSED = [
    ({"satisfactions": 5}, "satisfactions"),
    ({"satisfaction": 5}, "satisfaction"),
    ({"satisfaction": {"scale": "thumb", "value": 1}}, "satisfaction.value"),
    ({"satisfaction": {"scale": "stars", "value": 6}}, "satisfaction.value"),
    ({"satisfaction": {"scale": "stars", "value": True}}, "satisfaction.value"),
    ({"satisfaction": {"scale": "stars"}}, "satisfaction.value"),
    ({"task": "done"}, "task"),
    ({"correction": {"turn": 1}}, "correction.turn"),
    ({"session": "s", "request_id": "r", "task": "failed"}, "request_id"),
    ({"comment": "x" * 4001}, "comment"),
    ({"demonstration": "x" * 100_001}, "demonstration"),
    ({"consent": {"purposes": ["sell"]}}, "consent.purposes[0]"),
    ({"consent": {}}, "consent.purposes"),
    ({"version": 0, "task": "failed"}, "version"),
    ({"id": "a b", "task": "failed"}, "id"),
    ({}, None),
    ({"request_id": None, "task": "failed"}, "request_id"),
    ({"request_id": None, "session": "s", "correction": {}}, "correction.turn"),
    ({"request_id": None, "user": "u", "task": "failed"}, "user"),
    ({"appeal": {"text": "x"}, "task": "failed"}, "task"),
    ({"appeal": {"text": ""}}, "appeal"),
    ({"request_id": None, "appeal": {"text": "x"}}, "request_id"),
]


@pytest.mark.parametrize(("body", "param"), REFUSED, ids=[str(row)[:60] for row in REFUSED])
def test_what_makes_no_sense_is_refused_by_name(
    served: Gateway, body: Json, param: str | None
) -> None:
    """A mistyped rating is taken for none, and nobody learns of it."""
    answer = give(served, {"request_id": "r", **body})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["param"] == param
    assert "xxx" not in answer.text


def test_texts_are_kept_only_where_policy_keeps_texts(served: Gateway, client: OpenAI) -> None:
    """A comment is kept though policy keeps nothing, or dropped while its author thinks it is."""
    request_id = asked(client, model="lexi")
    said = {"request_id": request_id, "task": "failed"}
    for field, value in (("comment", "no"), ("demonstration", "x"), ("correction", {"text": "x"})):
        param = "correction.text" if field == "correction" else field
        assert refusal(give(served, {**said, field: value})) == (400, "field_refused", param)
    assert give(served, {**said, "correction": {}}).status_code == 200


def test_what_could_not_be_an_answer_is_no_demonstration(served: Gateway, client: OpenAI) -> None:
    """A model is trained on what policy would never have let it say."""
    said = {"request_id": asked(client), "demonstration": "say-banned"}
    assert refusal(give(served, said)) == (400, "refused_by_policy", "demonstration")
    assert "say-banned" not in give(served, said).text
    assert give(served, {"request_id": said["request_id"], "comment": "say-banned"}).is_success


def test_erasing_a_person_takes_what_they_said(
    served: Gateway, client: OpenAI, provider: Provider
) -> None:
    """Somebody's comments outlive them, or the numbers that say nothing of whom go too."""
    assert provider.requests == []
    user = fresh("u")
    request_id = asked(client, user=user)
    said = {"request_id": request_id, "task": "failed", "comment": WORDS}
    assert give(served, said).is_success
    erase = ("records", "erase", "--root", served.root, "--tenant", "default", "--yes")
    assert banneton(*erase, "--subject", user).returncode == 0
    [left] = served.record(request_id)["feedback"]
    assert (left["task"], left["given"]) == ("failed", ["comment"])
    assert refusal(give(served, said)) == (404, "not_found", "request_id")


def test_what_is_said_is_counted(served: Gateway, client: OpenAI) -> None:
    """A dashboard shows no feedback, or a retry as a second opinion."""
    request_id = asked(client, model="keeper:brisk")
    said = {"request_id": request_id, "task": "abandoned", "comment": "no", "id": fresh("w")}
    line = 'banneton_feedback_total{kind="task",persona="keeper",value="abandoned",variant="brisk"}'
    for _ in range(2):
        assert give(served, said).is_success
    assert f"{line} 1.0" in served.get("/metrics").text


def test_reports_are_for_those_who_may_read_records(served: Gateway, client: OpenAI) -> None:
    """Anybody with a key, or another tenant, reads how a product does."""
    request_id = asked(client)
    assert give(served, {"request_id": request_id, "task": "completed"}).is_success
    query = "/v1/records/metrics?metric=task_completion_reported&by=persona&persona=keeper"
    made = served.get(query).json()
    [row] = made["metrics"]
    assert row["persona"] == "keeper"
    assert 0 <= row["lower"] <= row["value"] <= row["upper"] <= 1
    assert row["of"] == row["sessions"] >= 1
    assert served.get(query, key="lexi-only").status_code == 403
    assert served.get(query, key=None).status_code == 401
    assert served.get(query, key="neighbour").json()["exchanges"] == 0
    assert served.get(f"{query}&period=hour").status_code == 400
    assert "banneton_look_timestamp_seconds" in served.get("/metrics").text
