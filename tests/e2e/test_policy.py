"""What policy does, as a client sees it."""

from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.e2e.asking import about, ask, either, stream, text_of, turns, wishes
from tests.e2e.gateway import Gateway
from tests.e2e.provider import Provider
from tests.servers.openai_server import Hang, Play, chunk, text_answer

Json = Any
BLOCK = "Lexi cannot help with that."
both_ways = pytest.mark.parametrize("streams", [True, False], ids=["stream", "whole"])


@both_ways
def test_a_blocked_question_never_reaches_the_model(
    served: Gateway, client: OpenAI, provider: Provider, *, streams: bool
) -> None:
    """What policy blocks would be sent and billed all the same, or leave no record."""
    text, finish, summary = either(client, "Please ask-banned now", streams=streams)
    assert (text, finish, summary["outcome"]) == (BLOCK, "content_filter", "block")
    assert [one["rule"] for one in summary["applied"]] == ["banned-question"]
    assert provider.requests == []
    record = served.record(summary["request_id"])
    assert (record["status"], record["outcome"]) == ("completed", "block")


def test_the_reply_is_in_the_users_language(client: OpenAI) -> None:
    """Somebody who writes Chinese would be turned away in English."""
    assert text_of(ask(client, "请问 ask-banned 怎么办")) == "这个我帮不上忙。"


def test_an_answer_is_blocked_in_mid_stream(
    served: Gateway, client: OpenAI, provider: Provider
) -> None:
    """Text before the block would be lost, the blocked word would leave, or the model run on."""
    pieces = ["It goes like this: say", "-ban", "ned and more"]
    provider.play(Play([*(chunk({"content": piece}) for piece in pieces), Hang()]))
    made = stream(client, "How?")
    assert made.text == f"It goes like this: {BLOCK}"
    assert made.finish == "content_filter"
    assert made.about["outcome"] == "block"
    assert served.record(made.about["request_id"])["closing"]["finish"] == "content_filter"


def test_an_answer_that_is_blocked_and_not_streamed_is_the_reply_alone(
    client: OpenAI, provider: Provider
) -> None:
    """A client that does not stream would get half of a blocked answer."""
    provider.say("It goes like this: say-banned and more")
    answer = ask(client, "How?")
    assert text_of(answer) == BLOCK
    assert answer.choices[0].finish_reason == "content_filter"


def test_a_blocked_tool_call_does_not_leave(client: OpenAI, provider: Provider) -> None:
    """A tool would run with arguments that policy blocks."""
    begin = {
        "index": 0,
        "id": "c",
        "type": "function",
        "function": {"name": "run", "arguments": ""},
    }
    arguments = {"index": 0, "function": {"arguments": '{"do": "say-banned"}'}}
    provider.play(
        Play([chunk({"tool_calls": [begin]}), chunk({"tool_calls": [arguments]}), Hang()])
    )
    tool = {"type": "function", "function": {"name": "run"}}
    answer = ask(client, "Do it", tools=[tool])
    assert not answer.choices[0].message.tool_calls
    assert answer.choices[0].finish_reason == "content_filter"


@both_ways
@pytest.mark.parametrize("where", ["question", "answer"])
def test_escalate(client: OpenAI, provider: Provider, where: str, *, streams: bool) -> None:
    """Somebody who needs a person would get a model."""
    provider.say("needs-person, I think")
    asked = "I am a needs-person" if where == "question" else "Hello"
    text, finish, summary = either(client, asked, streams=streams)
    assert (text, finish) == ("Lexi asks a colleague.", "content_filter")
    assert summary["outcome"] == "escalate"
    assert len(provider.requests) == (where == "answer")


@both_ways
def test_steer_appends(client: OpenAI, provider: Provider, *, streams: bool) -> None:
    """The sentence that the law wants below such an answer would be missing."""
    provider.say("Well, you-should-buy gold.")
    text, finish, summary = either(client, "What now?", streams=streams)
    assert text == "Well, you-should-buy gold. This is not advice."
    assert (finish, summary["outcome"]) == ("stop", "steer")


@both_ways
def test_mask(client: OpenAI, provider: Provider, *, streams: bool) -> None:
    """A masked word would leave, whole or in part."""
    provider.play(text_answer("That darn cat.", chunk_chars=1))
    text, finish, summary = either(client, "Which cat?", streams=streams)
    assert "darn" not in text
    assert text.startswith("That ")
    assert text.endswith(" cat.")
    assert (finish, summary["outcome"]) == ("stop", "mask")


def test_a_secret_is_masked_on_its_way_in(client: OpenAI, provider: Provider) -> None:
    """A key that a user pastes would stand in a provider's logs."""
    secret = "ghp_" + "Zb4kQ9xW2nL7vR1tY6mC3pH8sD5fJ0aGeU2i"  # made up
    ask(client, f"Why does {secret} fail?")
    assert secret not in provider.user_text
    assert provider.user_text.startswith("Why does ")


@pytest.mark.parametrize("asked", ["Please ask-banned now", "Hello"])
def test_on_block_error(client: OpenAI, provider: Provider, asked: str) -> None:
    """A product that wants an error would get a turn that it shows to its user."""
    provider.say("say-banned")
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, asked, model="curt")
    assert caught.value.code == "content_filter"
    assert caught.value.response.json()["banneton"]["outcome"] == "block"
    assert len(provider.requests) == (asked == "Hello")


def test_on_block_error_in_mid_stream(client: OpenAI, provider: Provider) -> None:
    """A stream that is blocked would end as if it were whole."""
    provider.say("It goes like this: say-banned and more")
    seen: list[str] = []
    with pytest.raises(openai.APIError) as caught:
        seen.extend(
            one.choices[0].delta.content or ""
            for one in client.chat.completions.create(
                model="curt", messages=turns("How?"), stream=True
            )
        )
    assert "".join(seen) == "It goes like this: "
    assert caught.value.code == "content_filter"


def test_a_stricter_audience(served: Gateway, provider: Provider) -> None:
    """A minor would be served as a grown-up, or a grown-up as a professional."""
    with served.client() as client:
        assert about(ask(client, "grown-up things"))["outcome"] == "flag"
        minor = ask(client, "grown-up things", extra_body=wishes(audience="minor"))
        assert text_of(minor) == BLOCK
        before = len(provider.requests)
        with pytest.raises(openai.PermissionDeniedError):
            ask(client, "grown-up things", extra_body=wishes(audience="professional"))
        assert len(provider.requests) == before
    with served.client("professional") as client:
        answer = ask(client, "grown-up things", extra_body=wishes(audience="professional"))
        assert about(answer)["outcome"] == "allow"
        assert about(ask(client, "grown-up things"))["outcome"] == "flag"


def test_system_messages_stand_below_the_persona(client: OpenAI, provider: Provider) -> None:
    """A client's system message would come before the persona's prompt, or unguarded."""
    messages = [{"role": "system", "content": "Write to a@example.org."}, *turns("Hello")]
    ask(client, model="layered", messages=messages)
    first, second, third = provider.body["messages"]
    assert first["content"].startswith("You are Lay")
    assert second["role"] in {"system", "developer"}
    assert "EMAIL_ADDRESS_" in second["content"]
    assert "a@example.org" not in second["content"]
    assert third["role"] == "user"


def test_a_blocked_turn_of_the_past_is_withheld(client: OpenAI, provider: Provider) -> None:
    """One blocked turn would end a conversation for ever, or reach the model when replayed."""
    answer = ask(client, "Please ask-banned now", BLOCK, "Then something else?")
    assert text_of(answer) == "Then something else?"
    assert "ask-banned" not in str(provider.body)


def test_a_tool_result_is_guarded(client: OpenAI, provider: Provider) -> None:
    """What a tool brings from outside would reach the model unseen."""
    call = {"id": "c", "type": "function", "function": {"name": "read", "arguments": "{}"}}
    messages: list[Json] = [
        *turns("Read it"),
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "now ask-banned"},
    ]
    answer = ask(
        client, messages=messages, tools=[{"type": "function", "function": {"name": "read"}}]
    )
    assert text_of(answer) == BLOCK
    assert provider.requests == []
