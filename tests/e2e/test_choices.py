"""Several answers to one question, and log-probabilities, with the official client."""

from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types.responses import ResponseOutputMessage, ResponseOutputText

from tests.e2e.asking import about, ask, stream, turns, wishes
from tests.e2e.gateway import Gateway, until
from tests.e2e.provider import Provider
from tests.servers.openai_server import (
    DONE,
    SECRET_IN_ERRORS,
    Hang,
    Play,
    chunk,
    tokens_told,
    usage_chunk,
    whole_choices,
)

Json = Any
BLOCKED = "Lexi cannot help with that."
THREE = Play(
    [
        *(chunk({"role": "assistant", "content": ""}, index=at) for at in range(3)),
        chunk({"content": "Take the "}, index=0),
        chunk({"content": "One say-"}, index=1),
        chunk({"content": "Ask "}, index=2),
        chunk({"content": "banned two"}, index=1),
        chunk({"content": "green form."}, index=0),
        chunk(finish="stop", index=0),
        chunk({"content": "a friend."}, index=2),
        chunk({"content": "three"}, index=1),
        chunk(finish="length", index=2),
        chunk(finish="stop", index=1),
        usage_chunk(),
        DONE,
    ]
)


def test_one_of_three_is_blocked_in_mid_stream(
    served: Gateway, client: OpenAI, provider: Provider
) -> None:
    """Two good answers end because of a third, or that one goes on."""
    provider.play(THREE)
    made = stream(client, "Which form?", model="several", n=3)
    assert provider.body["n"] == 3
    text, finish = ["", "", ""], ["", "", ""]
    for one in made.chunks:
        for choice in one.choices:
            text[choice.index] += choice.delta.content or ""
            finish[choice.index] = choice.finish_reason or ""
    assert text == ["Take the green form.", f"One {BLOCKED}", "Ask a friend."]
    assert finish == ["stop", "content_filter", "length"]
    assert made.about["outcome"] == "block"
    assert [each["path"] for each in made.about["findings"]] == ["choices[1].text"]
    record = served.newest()
    assert (record["status"], record["closing"]["finish"]) == ("completed", "content_filter")


def test_one_of_two_is_blocked_in_an_answer_that_comes_whole(
    client: OpenAI, provider: Provider
) -> None:
    """What came of a blocked answer before the block is shown, or the other is lost."""
    provider.play(whole_choices("Yes. say-banned", "Take the green form."))
    answer = ask(client, "Which form?", model="several", n=2)
    assert [(each.message.content, each.finish_reason) for each in answer.choices] == [
        (BLOCKED, "content_filter"),
        ("Take the green form.", "stop"),
    ]
    assert about(answer)["outcome"] == "block"


def test_a_question_that_is_blocked_has_as_many_replies(client: OpenAI, provider: Provider) -> None:
    """A client that reads its second answer finds none."""
    answer = ask(client, "ask-banned", model="several", n=2)
    assert [each.message.content for each in answer.choices] == [BLOCKED, BLOCKED]
    assert {each.finish_reason for each in answer.choices} == {"content_filter"}
    assert provider.requests == []


@pytest.mark.parametrize("streams", [True, False], ids=["stream", "whole"])
def test_an_error_stands_for_all_choices(
    client: OpenAI, provider: Provider, *, streams: bool
) -> None:
    """A persona that answers blocks with an error gives half an answer instead."""
    says = [chunk({"content": "say-banned it "}, index=1), chunk({"content": "fine"}, index=0)]
    provider.play(Play([*says, Hang()]) if streams else whole_choices("fine", "say-banned"))
    with pytest.raises(openai.APIError) as caught:
        (stream if streams else ask)(client, "Hello", model="severe", n=2)
    assert caught.value.code == "content_filter"
    if streams:
        until(lambda: provider.disconnects == 1)


@pytest.mark.parametrize("texts", [["one"], ["one", "two", "three"]], ids=["fewer", "more"])
@pytest.mark.parametrize("streams", [True, False], ids=["stream", "whole"])
def test_a_provider_that_cannot_count(
    served: Gateway, client: OpenAI, provider: Provider, texts: list[str], *, streams: bool
) -> None:
    """An answer that is not whole looks whole, or a choice leaves that nobody asked for."""
    parts = [
        part
        for at, text in enumerate(texts)
        for part in (chunk({"content": text}, index=at), chunk(finish="stop", index=at))
    ]
    provider.play(Play([*parts, usage_chunk(), DONE]) if streams else whole_choices(*texts))
    with pytest.raises(openai.APIError) as caught:
        (stream if streams else ask)(client, "Hello", model="several", n=2)
    assert caught.value.code == "backend_broken"
    record = served.newest()
    assert record["status"] == "failed"
    assert record["closing"]["attempts"][-1]["problem"] == "broken"


def test_a_persona_says_how_many(client: OpenAI, provider: Provider) -> None:
    """Whoever has a key can multiply what an answer costs."""
    for model, wanted in (("lexi", 2), ("several", 4)):
        with pytest.raises(openai.BadRequestError) as caught:
            ask(client, "Hello", model=model, n=wanted)
        assert (caught.value.param, caught.value.code) == ("n", "out_of_bounds")
    assert provider.requests == []
    assert len(ask(client, "Hello", n=1).choices) == 1
    assert "n" not in provider.body


TOLD = (
    (("Write", " to "), -0.5),
    (("{token}",), -1.0),
    ((" now.",), -2.0),
    ((" d", "arn"), -3.0),
    ((" \u00e9",), -4.0),
    ((b"\xf0\x9f", b"\x98\x80"), -0.25),
)


def _play(token: str, *, streams: bool) -> Play:
    """A text with a pseudonym, a word that is masked, and a letter of two tokens."""
    told = [
        ([each.replace("{token}", token) if isinstance(each, str) else each for each in some], lp)
        for some, lp in TOLD
    ]
    texts = [
        b"".join(each if isinstance(each, bytes) else each.encode() for each in some).decode()
        for some, _ in told
    ]
    entries = [tokens_told(*some, logprob=logprob) for some, logprob in told]
    if not streams:
        content = [each for entry in entries for each in entry["content"]]
        return whole_choices("".join(texts), logprobs=[{"content": content, "refusal": None}])
    parts = [
        chunk({"content": text}, logprobs=entry) for text, entry in zip(texts, entries, strict=True)
    ]
    return Play([*parts, chunk(finish="stop"), usage_chunk(), DONE])


@pytest.mark.parametrize("streams", [True, False], ids=["stream", "whole"])
def test_tokens_are_told_of_what_left(client: OpenAI, provider: Provider, *, streams: bool) -> None:
    """A token shows a pseudonym or a masked word, or what the model might have said instead."""
    ask(client, "I am ada@here.example", extra_body=wishes(session="tokens"))
    token = provider.user_text.removeprefix("I am ")
    provider.play(_play(token, streams=streams))
    wanted: Json = {
        "model": "lexi",
        "messages": turns("Which form?"),
        "logprobs": True,
        "extra_body": wishes(session="tokens"),
    }
    if streams:
        chunks = list(client.chat.completions.create(stream=True, **wanted))
        told = [
            each
            for one in chunks
            for choice in one.choices
            for each in (choice.logprobs.content or () if choice.logprobs else ())
        ]
        text = "".join(choice.delta.content or "" for one in chunks for choice in one.choices)
    else:
        answer = client.chat.completions.create(**wanted)
        assert answer.choices[0].logprobs is not None
        told = answer.choices[0].logprobs.content or []
        text = answer.choices[0].message.content or ""
    assert provider.body["logprobs"] is True
    assert text == "Write to ada@here.example now. [removed] \u00e9😀"
    assert [(each.token, each.logprob) for each in told] == [
        ("Write", -0.5),
        (" to ", -0.5),
        ("ada@here.example", -9999.0),
        (" now.", -2.0),
        (" [removed]", -9999.0),
        (" \u00e9", -4.0),
        ("😀", -0.5),
    ]
    assert all(bytes(each.bytes or []).decode() == each.token for each in told)
    assert SECRET_IN_ERRORS not in str(told)


def test_a_reply_is_a_token_of_which_nothing_is_known(client: OpenAI, provider: Provider) -> None:
    """A client that reads text and tokens side by side loses its place at a block."""
    provider.play(
        Play(
            [
                chunk(
                    {"content": "Yes say-banned"}, logprobs=tokens_told("Yes", " say", "-banned")
                ),
                chunk({"content": " it"}, logprobs=tokens_told(" it")),
            ]
        )
    )
    chunks = list(
        client.chat.completions.create(
            model="lexi", messages=turns("Which?"), logprobs=True, stream=True
        )
    )
    told = [
        (each.token, each.logprob)
        for one in chunks
        for choice in one.choices
        for each in (choice.logprobs.content or () if choice.logprobs else ())
    ]
    assert told == [("Yes", -0.5), (" ", -9999.0), (BLOCKED, -9999.0)]


def test_tokens_of_a_response(client: OpenAI, provider: Provider) -> None:
    """The same answer in the newer format has no tokens, or others in its events."""
    play = Play(
        [
            chunk({"content": "Take it."}, logprobs=tokens_told("Take", " it", ".")),
            chunk(finish="stop"),
            usage_chunk(),
            DONE,
        ]
    )
    provider.play(play, play)
    wanted: Json = {
        "model": "lexi",
        "input": "Which?",
        "include": ["message.output_text.logprobs"],
    }
    said = ["Take", " it", "."]
    with client.responses.stream(**wanted) as events:
        seen = list(events)
        final = events.get_final_response()
    deltas = [one for one in seen if one.type == "response.output_text.delta"]
    assert [each.token for one in deltas for each in one.logprobs] == said
    (done,) = [one for one in seen if one.type == "response.output_text.done"]
    assert [each.token for each in done.logprobs or ()] == said
    whole = client.responses.create(**wanted)
    for response in (final, whole):
        (message,) = response.output
        assert isinstance(message, ResponseOutputMessage)
        (part,) = message.content
        assert isinstance(part, ResponseOutputText)
        assert [each.token for each in part.logprobs or ()] == said
        assert {each.logprob for each in part.logprobs or ()} == {-0.5}
