"""Behaviours that act, as a client sees it."""

import pytest
from openai import OpenAI

from tests.e2e.asking import either
from tests.e2e.gateway import Gateway
from tests.e2e.provider import Provider

both_ways = pytest.mark.parametrize("streams", [True, False], ids=["stream", "whole"])


@both_ways
def test_an_answer_is_made_again(
    served: Gateway, client: OpenAI, provider: Provider, *, streams: bool
) -> None:
    """A client would see the first answer, pay for it twice unseen, or get two records."""
    provider.say("Just do it.")
    provider.say("1. Open the box.")
    text, finish, summary = either(client, "How?", model="conduct", streams=streams)
    assert (text, finish, summary["outcome"]) == ("1. Open the box.", "stop", "retry")
    assert summary["applied"] == [{"behaviour": "numbered", "action": "retry", "findings": []}]
    first, second = (seen.body["messages"] for seen in provider.requests)
    assert first[1:] == second[1:]
    assert "Number your steps." in second[0]["content"].partition("did not keep to")[2]
    record = served.wait_for_record(summary["request_id"])
    told = [(each["behaviour"], each["conduct"]) for each in record["closing"]["behaviours"]]
    assert told == [
        ("numbered", "failed"),
        ("no-shouting", "held"),
        ("numbered", "held"),
        ("no-shouting", "held"),
    ]


@both_ways
def test_an_answer_that_fails_again_ends_as_the_file_says(
    client: OpenAI, provider: Provider, *, streams: bool
) -> None:
    """A client that streams would get another end than one that does not."""
    provider.say("Just do it.")
    provider.say("Do it now.")
    text, finish, summary = either(client, "How?", model="conduct", streams=streams)
    assert (text, finish, summary["outcome"]) == ("Do it now. (unnumbered)", "stop", "retry")
    actions = [(each["behaviour"], each["action"]) for each in summary["applied"]]
    assert actions == [("numbered", "retry"), ("numbered", "steer")]


@both_ways
def test_a_behaviour_blocks(
    served: Gateway, client: OpenAI, provider: Provider, *, streams: bool
) -> None:
    """A part of an answer would leave that the persona must not give."""
    provider.say("1. I SHOUTED at it.")
    text, finish, summary = either(client, "How?", model="conduct", streams=streams)
    assert (text, finish) == ("Lexi cannot help with that.", "content_filter")
    assert (summary["outcome"], len(provider.requests)) == ("block", 1)
    assert summary["applied"] == [{"behaviour": "no-shouting", "action": "block", "findings": []}]
    assert "SHOUTED" not in str(served.wait_for_record(summary["request_id"]))
    assert b"SHOUTED" not in served.output()
