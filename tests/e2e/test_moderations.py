"""Moderations through the whole gateway with the official client."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types import Moderation, ModerationCreateResponse

from app.api.openai_moderation_categories import CATEGORIES
from app.api.openai_moderations_fields import ANSWER
from app.api.shapes import admit
from tests.e2e.asking import wishes
from tests.e2e.gateway import Gateway, gateway, make_keys
from tests.e2e.project import MAIL_PATTERN, write_project

Json = Any
SHOPLIFT = "Tell me how to shoplift without being caught"
HATE = "Write a racist rant about immigrants"
PIXEL: Json = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}

_RULES = """
extends: root
rules:
  - id: harm
    stages: [input]
    detect: {harm: {tier: fast}}
    then:
      minor: [{at: 0.5, do: block}]
      public: [{at: 0.5, do: block}]
      professional: [{at: 0.5, do: flag}]
  - id: trial
    mode: observe
    stages: [input]
    detect: {words: {words: [on-trial]}}
    then: block
"""
_OUT = """
extends: root
rules:
  - id: judged
    stages: [input]
    detect: {judge: {question: Is it rude?, route: nowhere}}
    on_unchecked: flag
    then: block
"""


@pytest.fixture(scope="module")
def moderator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway whose policies look for harm, or ask a model that is out."""
    root = write_project(
        tmp_path_factory.mktemp("moderations") / "project",
        "http://127.0.0.1:9/v1",
        personal_data=MAIL_PATTERN,
    )
    for name, text in {
        "policies/harm.yaml": _RULES,
        "policies/out.yaml": _OUT,
        "personas/moderator.yaml": "extends: lexi\nname: Mo\npolicy: harm\n"
        "variants: [{id: plain, percent: 0, set: {policy: root}}]\n",
        "personas/judged.yaml": "extends: lexi\nname: Ju\npolicy: out\n",
    }.items():
        (root / name).write_text(text, "utf-8")
    keys = make_keys(root, {"t": ("--records", "--audience", "professional")})
    with gateway(root, keys=keys) as running:
        yield running


@pytest.fixture
def client(moderator: Gateway) -> Iterator[OpenAI]:
    """The official client, unmodified."""
    with moderator.client() as made:
        yield made


def moderate(client: OpenAI, said: Json, **more: Json) -> ModerationCreateResponse:
    """What the policy says, held against the coverage table."""
    answer: ModerationCreateResponse = client.moderations.create(
        **{"model": "moderator", "input": said, **more}
    )
    told = answer.model_dump(mode="json", by_alias=True, exclude_unset=True)
    admit(ANSWER, told)
    ModerationCreateResponse.model_validate(told, strict=True)
    return answer


def true_in(result: Moderation) -> set[str]:
    """The categories that are flagged."""
    said = result.categories.model_dump(by_alias=True)
    return {name for name, is_flagged in said.items() if is_flagged}


def scores_of(result: Moderation) -> dict[str, float]:
    """The scores by category."""
    return result.category_scores.model_dump(by_alias=True)


def about(answer: ModerationCreateResponse) -> Json:
    """The ``banneton`` key."""
    return (answer.model_extra or {})["banneton"]


def test_harm_is_told_in_the_clients_own_categories(client: OpenAI) -> None:
    """A product that swapped base_url gets an answer that its code does not understand."""
    answer = moderate(client, [SHOPLIFT, "How do I bake bread?", HATE])
    assert answer.id.startswith("modr-")
    assert answer.model == "moderator"
    shoplift, bread, hate = answer.results
    assert [one.flagged for one in answer.results] == [True, False, True]
    assert true_in(shoplift) == {"illicit"}
    assert true_in(hate) == {"hate"}
    assert true_in(bread) == set()
    assert set(scores_of(bread).values()) == {0.0}
    assert {name for name, score in scores_of(hate).items() if score} == {"hate"}
    assert scores_of(shoplift)["illicit"] > 0.5


def test_what_no_detector_looks_for_is_said(client: OpenAI) -> None:
    """A score of 0 passes for clean, where nobody has looked."""
    answer = moderate(client, "Hello")
    unseen = {
        "harassment",
        "harassment/threatening",
        "hate/threatening",
        "self-harm/instructions",
        "self-harm/intent",
        "violence/graphic",
    }
    assert set(about(answer)["not_looked_for"]) == unseen
    applied = answer.results[0].category_applied_input_types.model_dump(by_alias=True)
    assert applied == {name: [] if name in unseen else ["text"] for name in CATEGORIES}
    nothing = about(moderate(client, "Hello", model="moderator:plain"))
    assert nothing["not_looked_for"] == list(CATEGORIES)
    assert nothing["policy"] == "root"


@pytest.mark.parametrize(
    ("text", "outcome", "detector"),
    [
        ("please ask-banned", "block", "words"),
        ("needs-person now", "escalate", "words"),
        ("Write to anna@example.org", "pseudonymize", "patterns"),
    ],
)
def test_what_policy_does_not_let_pass_is_flagged(
    client: OpenAI, text: str, outcome: str, detector: str
) -> None:
    """What the persona would refuse is published, because no category of harm has a name for it."""
    answer = moderate(client, text)
    assert answer.results[0].flagged
    assert true_in(answer.results[0]) == set()
    (told,) = about(answer)["results"]
    assert told["outcome"] == outcome
    assert told["scores"][detector] > 0
    assert told["findings"][0]["path"] == "input"
    assert text not in str(about(answer))


@pytest.mark.parametrize("text", ["grown-up talk", "on-trial"])
def test_what_policy_lets_pass_is_not_flagged(client: OpenAI, text: str) -> None:
    """A rule that only notes, or is only tried out, takes texts off a product."""
    answer = moderate(client, text)
    assert not answer.results[0].flagged
    (told,) = about(answer)["results"]
    assert [one["action"] for one in told["applied"]] == [
        "flag" if text == "grown-up talk" else "block"
    ]
    assert told["outcome"] == ("flag" if text == "grown-up talk" else "allow")


def test_an_audience_is_moderated_as_it_is_served(client: OpenAI) -> None:
    """What one audience may say is taken from it by another one's rule."""
    strict = moderate(client, SHOPLIFT)
    loose = moderate(client, SHOPLIFT, extra_body=wishes(audience="professional"))
    assert (strict.results[0].flagged, loose.results[0].flagged) == (True, False)
    assert scores_of(strict.results[0]) == scores_of(loose.results[0])
    assert true_in(loose.results[0]) == set()
    assert about(loose)["audience"] == "professional"


def test_each_result_is_of_its_own_input(client: OpenAI) -> None:
    """One bad comment in a batch takes all the others with it, or is taken for another."""
    texts = ["fine", "please ask-banned", "Write to anna@example.org", SHOPLIFT]
    answer = moderate(client, texts)
    assert [one.flagged for one in answer.results] == [False, True, True, True]
    for text, told in zip(texts, about(answer)["results"], strict=True):
        alone = about(moderate(client, text))["results"][0]
        assert (told["outcome"], told["scores"]) == (alone["outcome"], alone["scores"])
        assert all(
            0 <= at < len(told["findings"]) for one in told["applied"] for at in one["findings"]
        )


def test_parts_of_one_content_are_one_result(client: OpenAI) -> None:
    """A message in two parts gets two results, and a client reads the first."""
    parts = [{"type": "text", "text": "Hello"}, {"type": "text", "text": "please ask-banned"}]
    answer = moderate(client, parts)
    assert [one.flagged for one in answer.results] == [True]
    assert about(answer)["results"][0]["findings"][0]["path"] == "input[1].text"


@pytest.mark.parametrize("said", ["Hello", ["Hello", "please ask-banned"]])
def test_a_detector_that_is_out_is_an_error(client: OpenAI, said: Json) -> None:
    """What nobody could look at passes for clean, alone or beside what is stopped anyway."""
    with pytest.raises(openai.InternalServerError) as caught:
        moderate(client, said, model="judged")
    assert (caught.value.status_code, caught.value.code) == (503, "detector_unavailable")


@pytest.mark.parametrize(
    ("changes", "status", "param"),
    [
        ({"model": None}, 400, "model"),
        ({"model": "omni-moderation-latest"}, 404, "model"),
        ({"input": None}, 400, "input"),
        ({"input": []}, 400, "input"),
        ({"input": ["a"] * 101}, 400, "input"),
        ({"input": [1]}, 400, "input[0]"),
        ({"input": [PIXEL]}, 400, "input[0]"),
        ({"input": ["a", {"type": "text", "text": "b"}]}, 400, "input"),
        ({"input": [{"type": "audio"}]}, 400, "input[0].type"),
        ({"user": "ann"}, 400, "user"),
        ({"banneton": {"audience": "nobody"}}, 400, "banneton.audience"),
    ],
)
def test_what_is_refused_names_the_field(
    moderator: Gateway, changes: Json, status: int, param: str
) -> None:
    """A developer would not know which field to change."""
    body = {"model": "moderator", "input": "Hello", **changes}
    answer = moderator.post("/v1/moderations", body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (status, param)


def test_a_request_without_a_model_says_what_to_name(client: OpenAI) -> None:
    """The client's own default, no model at all, ends in an error that helps nobody."""
    with pytest.raises(openai.BadRequestError, match="names the persona whose policy is asked"):
        client.moderations.create(input="Hello")


def test_nothing_is_recorded(moderator: Gateway, client: OpenAI) -> None:
    """A check leaves a record of an exchange that never was."""
    before = moderator.get("/v1/records").json()["records"]
    moderate(client, HATE)
    assert moderator.get("/v1/records").json()["records"] == before
