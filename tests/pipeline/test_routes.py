"""An exchange over a route that leads to more than one model."""

from pathlib import Path

import pytest

from app.domain.errors import BackendError, BackendProblem, RequestError
from app.domain.record import Status
from tests.pipeline.exchanging import Kitchen, PlayedBackend, conversation, kitchen

ROUTE = """
    targets: [{backend: model, model: large, when: {max_context_tokens: 100}}]
    fallbacks: [{backend: nowhere, model: small, when: {max_context_tokens: 250}}]
"""
SHORT = "Hello"
LONG = "word " * 100


@pytest.fixture
def root(root: Path) -> Path:
    """A project whose personas have a spare model for long requests and for outages."""
    file = root / "banneton.yaml"
    short = "{backend: model, model: served-model}\n"
    assert short in file.read_text("utf-8")
    file.write_text(file.read_text("utf-8").replace(short, ROUTE, 1), "utf-8")
    return root


async def _attempts(at: Kitchen, text: str) -> list[tuple[str, str | None]]:
    """Who was asked, as the record says."""
    async for _ in at.exchange(conversation(text)).run():
        pass
    record = (await at.records())[0]
    assert record.status is Status.COMPLETED
    return [(each["model"], each["problem"]) for each in record.closing["attempts"]]


async def test_every_model_that_was_asked_is_in_the_record(root: Path) -> None:
    """Nobody could tell which model an answer came from, or that the first one is down."""
    async with kitchen(root, PlayedBackend()) as at:
        at.backends["model"] = PlayedBackend((BackendError(BackendProblem.FAILED, "down"),))
        assert await _attempts(at, SHORT) == [("large", "failed"), ("small", None)]
        metrics = at.steps.metrics.render().decode()
        assert 'banneton_backend_errors_total{backend="model",error_type="failed"} 1.0' in metrics


async def test_long_requests_go_where_they_fit(root: Path) -> None:
    """A request is sent to a model that can only refuse it."""
    async with kitchen(root, PlayedBackend()) as at:
        assert await _attempts(at, SHORT) == [("large", None)]
        assert await _attempts(at, LONG) == [("small", None)]


async def test_what_no_model_takes_is_refused_before_anything_is_recorded(root: Path) -> None:
    """The caller gets a provider's error, after a call that was paid for."""
    async with kitchen(root, PlayedBackend()) as at:
        with pytest.raises(RequestError, match="longer") as refused:
            await _attempts(at, "word " * 190)
        assert refused.value.code == "context_length_exceeded"
        assert at.backend.calls == []
        assert await at.records() == ()
