"""What the API writes to logs: routes, statuses and ids; never what a user wrote."""

import logging
import time

import httpx2
import pytest

from tests.api.scripted import Served


def test_one_line_for_each_request(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    """The log lacks a request, or holds what stood in its path."""
    with caplog.at_level(logging.INFO, logger="banneton.access"):
        httpx2.get(f"{served.url}/v1/models/my-own-words")
        httpx2.get(f"{served.url}/healthz?my-own-words")
        body = {"model": "tutor", "messages": [{"role": "user", "content": "my-own-words"}]}
        httpx2.post(f"{served.url}/v1/chat/completions", json=body)
        # A line is written when its answer has left, so the last one may come after it.
        for _ in range(500):
            lines = [one.getMessage() for one in caplog.records if one.name == "banneton.access"]
            if len(lines) == 3:
                break
            time.sleep(0.01)
        else:
            raise AssertionError("the access log lacks a line")
    assert [line.split()[:2] for line in lines] == [
        ["/v1/models/{model}", "404"],
        ["/healthz", "200"],
        ["/v1/chat/completions", "200"],
    ]
    assert lines[2].endswith(" req_1")
    assert "own-words" not in caplog.text


def test_unexpected_errors_are_logged_without_their_words(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    """A bug leaves no trace for operators, or leaves the user's text in it."""
    served.gateway.surprise = KeyError("my-own-words")
    answer = httpx2.get(f"{served.url}/v1/models")
    (line,) = [one.getMessage() for one in caplog.records if one.name == "banneton.api"]
    assert f"KeyError in request {answer.headers['x-request-id']}" in line
    assert "in list_models" in line
    assert "own-words" not in caplog.text
