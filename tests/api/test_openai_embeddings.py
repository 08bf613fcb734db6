"""What may stand in an answer of vectors, and that vectors stand nowhere else."""

import openai
import pytest
from openai import OpenAI

from app.domain.decision import Outcome
from app.domain.events import Embedding, Finish, FinishReason, RefusalDelta, TextDelta
from app.domain.vectors import packed
from tests.api.asking import ask
from tests.api.scripted import Served, closed, opened, stopped_script

VECTOR = Embedding(0, packed([0.5, 0.25]))
END = Finish(FinishReason.STOP)


@pytest.mark.parametrize("stray", [TextDelta("Hello"), RefusalDelta("No")])
def test_words_are_no_part_of_an_answer_of_vectors(
    served: Served, client: OpenAI, stray: TextDelta | RefusalDelta
) -> None:
    """What a model says in place of numbers leaves by a door that no reader watches."""
    served.gateway.script = [opened(), VECTOR, stray, END, closed()]
    with pytest.raises(openai.InternalServerError) as caught:
        client.embeddings.create(model="tutor", input="one")
    assert caught.value.code == "internal_error"
    assert "Hello" not in caught.value.response.text


@pytest.mark.parametrize("streams", [True, False], ids=["stream", "whole"])
def test_vectors_are_no_part_of_a_turn(served: Served, client: OpenAI, *, streams: bool) -> None:
    """A chat client gets an answer that is empty, and takes it for one."""
    served.gateway.script = [opened(), VECTOR, END, closed()]
    with pytest.raises(openai.APIError) as caught:
        list(ask(client, stream=streams))
    assert caught.value.code == "internal_error"


def test_a_stop_is_an_error_even_after_numbers(served: Served, client: OpenAI) -> None:
    """Vectors of a request that policy stopped are sent on."""
    served.gateway.script = stopped_script(Outcome.ESCALATE, VECTOR, is_error=True)
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model="tutor", input="one")
    assert caught.value.code == "content_filter"
    assert caught.value.response.json()["banneton"]["outcome"] == "escalate"


def test_an_outage_is_told_from_a_decision(served: Served, client: OpenAI) -> None:
    """A text counts as refused for good because a detector was out for a moment."""
    served.gateway.script = stopped_script(Outcome.UNCHECKED, is_error=True)
    with pytest.raises(openai.InternalServerError) as caught:
        client.embeddings.create(model="tutor", input="one")
    assert (caught.value.status_code, caught.value.code) == (503, "unchecked")
