"""An exchange that wants something else than a turn of the conversation."""

from array import array
from dataclasses import replace
from pathlib import Path

import pytest

from app.domain.conversation import Conversation, Message, Origin, Role, TextPart
from app.domain.decision import Outcome
from app.domain.errors import BackendError, BackendProblem, RequestError
from app.domain.events import Embedding, Finish, FinishReason, Usage
from app.domain.record import Status
from app.domain.wanted import Embeddings, Pictures
from app.pipeline.answer import Closed, ExchangeEvent, Opened, Stopped
from tests.pipeline.exchanging import Kitchen, PlayedBackend, conversation, kitchen

VECTORS = tuple(Embedding(at, array("f", [at, 0.5]).tobytes()) for at in range(2))


def embedder(*events: Exception) -> PlayedBackend:
    """Gives two vectors, or fails."""
    return PlayedBackend(events or (*VECTORS, Usage(3, 0), Finish(FinishReason.STOP)))


def asking(*texts: str, persona: str = "seeker") -> Conversation:
    """A request for vectors."""
    parts = tuple(TextPart(text, f"input[{at}]") for at, text in enumerate(texts))
    said = Message(Role.USER, Origin.CLIENT, parts, path="input")
    return Conversation(
        persona, (said,), wanted=Embeddings(dimensions=2), dialect="openai_embeddings"
    )


async def play(at: Kitchen, asked: Conversation) -> list[ExchangeEvent]:
    """All events of an exchange."""
    return [event async for event in at.exchange(asked).run()]


async def test_vectors_come_by_their_own_route_without_prompt_and_behaviours(root: Path) -> None:
    """Texts are embedded with a prompt before them, by a model that talks, and asked twice."""
    async with kitchen(root, embedder()) as at:
        opened, *events, closed = await play(at, asking("one", "two"))
        assert isinstance(opened, Opened)
        assert events == [*VECTORS, Finish(FinishReason.STOP), Usage(3, 0)]
        assert isinstance(closed, Closed)
        assert closed.summary.behaviours == ()
        (asked,) = at.backend.calls
        assert [part.text for each in asked.messages for part in each.parts] == ["one", "two"]  # type: ignore[union-attr]  # all are texts
        assert asked.wanted == Embeddings(dimensions=2)
        (record,) = await at.records()
        assert (record.status, record.outcome) == (Status.COMPLETED, Outcome.ALLOW)
        told = {key: record.opening[key] for key in ("route", "model", "prompt", "dialect")}
        assert told == {
            "route": "vectors",
            "model": "served-embedder",
            "prompt": "",
            "dialect": "openai_embeddings",
        }
        assert record.closing["usage"]["input_tokens"] == 3


async def test_rewrites_apply_to_what_is_embedded(root: Path) -> None:
    """An address goes into an index that others search, or equal texts get unequal vectors."""
    async with kitchen(root, embedder()) as at:
        await play(at, asking("ask ann@example.org", "ask ann@example.org", "plain"))
        said = at.backend.calls[0].messages[0].parts
        texts = [part.text for part in said if isinstance(part, TextPart)]
        assert texts[0] == texts[1] != "ask ann@example.org"
        assert "ann@" not in texts[0]
        assert texts[2] == "plain"


async def test_a_text_that_policy_blocks_is_an_error_that_names_the_outcome(root: Path) -> None:
    """A banned text is embedded, or the persona's reply stands where a vector is expected."""
    async with kitchen(root, embedder()) as at:
        events = await play(at, asking("fine", "please ask-banned"))
        (stopped,) = [event for event in events if isinstance(event, Stopped)]
        assert (stopped.outcome, stopped.is_error) == (Outcome.BLOCK, True)
        assert "block" in stopped.reply
        assert "ask-banned" not in stopped.reply
        assert at.backend.calls == []
        (record,) = await at.records()
        assert (record.status, record.outcome) == (Status.COMPLETED, Outcome.BLOCK)


async def test_a_failure_is_one_record(root: Path) -> None:
    """What was sent to a provider in vain leaves no trace."""
    async with kitchen(root, embedder(BackendError(BackendProblem.FAILED, "down"))) as at:
        with pytest.raises(BackendError):
            await play(at, asking("one"))
        (record,) = await at.records()
        assert (record.status, record.closing["error"]) == (Status.FAILED, "failed")


@pytest.mark.parametrize("wanted", [Embeddings(), Pictures()])
async def test_a_persona_without_a_route_says_which_key_is_missing(
    root: Path, wanted: Embeddings | Pictures
) -> None:
    """A model that talks is asked for what it cannot give."""
    async with kitchen(root, embedder()) as at:
        with pytest.raises(RequestError, match=r"images|embeddings") as refused:
            await play(at, replace(asking("one", persona="lexi"), wanted=wanted))
        assert (refused.value.code, refused.value.param) == ("no_route", "model")
        assert await at.records() == ()


async def test_too_much_is_refused_under_the_name_of_the_field(root: Path) -> None:
    """The caller looks for a field 'messages' that was never sent."""
    async with kitchen(root, embedder()) as at:
        with pytest.raises(RequestError, match=r"^input: more than") as refused:
            await play(at, asking("word " * 300))
        assert refused.value.param == "input"
        with pytest.raises(RequestError, match=r"^messages: more than"):
            await play(at, conversation("word " * 300))
