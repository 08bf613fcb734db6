"""Responses through the whole gateway with the official client."""

from typing import Any

import openai
import orjson
import pytest
from openai import OpenAI
from openai.types.responses import Response
from pydantic import BaseModel

from tests.backends.provider_contract import PIXEL
from tests.e2e.asking import wishes
from tests.e2e.gateway import Gateway, banneton, until
from tests.e2e.provider import Provider, tool_calls
from tests.e2e.test_pseudonyms import MAIL, token_in
from tests.servers.openai_server import (
    Drop,
    Hang,
    Play,
    chunk,
    error_answer,
    text_answer,
    text_stream,
)

Json = Any
LOOK: Json = {
    "type": "function",
    "name": "look",
    "description": "Look it up.",
    "parameters": {"type": "object", "properties": {"at": {"type": "string"}}},
    "strict": False,
}
NORTH_AND_SOUTH = (
    ("call_a", "look", '{"at": "north"}'),
    ("call_b", "look", '{"at": "south gate"}'),
)


def ask(client: OpenAI, said: Json, *, model: str = "lexi", **more: Json) -> Response:
    """One response."""
    made: Response = client.responses.create(model=model, input=said, **more)
    return made


def about(made: Response) -> Json:
    """The ``banneton`` key."""
    return (made.model_extra or {})["banneton"]


def turns_of(provider: Provider) -> list[tuple[str, str]]:
    """Role and text of what the provider got last, after the persona's prompt."""
    return [(one["role"], one.get("content") or "") for one in provider.body["messages"][1:]]


def results(made: Response, *texts: str) -> list[Json]:
    """What tools said to the calls of a response."""
    calls = [item for item in made.output if item.type == "function_call"]
    return [
        {"type": "function_call_output", "call_id": call.call_id, "output": text}
        for call, text in zip(calls, texts, strict=True)
    ]


def streamed(client: OpenAI, said: Json, **more: Json) -> Response:
    """The response that the client's own helper puts together from a stream."""
    with client.responses.stream(model="lexi", input=said, **more) as events:
        made: Response = events.get_final_response()
        return made


@pytest.mark.parametrize("streams", [True, False], ids=["stream", "whole"])
def test_an_answer(client: OpenAI, provider: Provider, *, streams: bool) -> None:
    """A product that swapped base_url and key would not get its answer."""
    provider.say("Take the green form.")
    made = (streamed if streams else ask)(client, "Which form?")
    assert made.output_text == "Take the green form."
    assert (made.status, made.model) == ("completed", "lexi")
    assert made.usage is not None
    assert made.usage.total_tokens == 10
    assert about(made)["outcome"] == "allow"
    assert made.id == f"resp_{about(made)['request_id']}"
    assert turns_of(provider) == [("user", "Which form?")]


def test_the_record_says_what_was_asked(served: Gateway, client: OpenAI) -> None:
    """A record would not tell one format from another, or not find the end user."""
    made = ask(client, "Hello", safety_identifier="responses-person")
    record = served.record(about(made)["request_id"])
    assert record["opening"]["dialect"] == "openai_responses"
    assert record["opening"]["continues"] is None
    page = served.get("/v1/records?subject=responses-person").json()
    assert [one["request_id"] for one in page["records"]] == [record["request_id"]]


@pytest.mark.parametrize("streams", [True, False], ids=["stream", "whole"])
def test_tools_go_round(client: OpenAI, provider: Provider, *, streams: bool) -> None:
    """An agent would lose its calls, their pairing, or the results it sends back."""
    provider.play(tool_calls(*NORTH_AND_SOUTH))
    made = (streamed if streams else ask)(
        client, "Look around", tools=[LOOK], parallel_tool_calls=True
    )
    calls = [item for item in made.output if item.type == "function_call"]
    assert [(one.call_id, one.name, one.arguments) for one in calls] == list(NORTH_AND_SOUTH)
    sent = provider.body["tools"][0]["function"]
    assert sent == {key: LOOK[key] for key in ("name", "description", "parameters", "strict")}
    assert provider.body["parallel_tool_calls"] is True
    provider.say("There is a door.")
    asked = {"role": "user", "content": "Look around"}
    again = ask(client, [asked, *made.output, *results(made, "a wall", "a door")], tools=[LOOK])
    assert again.output_text == "There is a door."
    said, one, two = provider.body["messages"][2:]
    assert [call["id"] for call in said["tool_calls"]] == ["call_a", "call_b"]
    assert [(each["tool_call_id"], each["content"]) for each in (one, two)] == [
        ("call_a", "a wall"),
        ("call_b", "a door"),
    ]


class Verdict(BaseModel):
    """What a product wants back."""

    clause: int
    reads: str


def test_structured_output(client: OpenAI, provider: Provider) -> None:
    """The client's own parser of structured answers would fail."""
    provider.say('{"clause": 7, "reads": "once a year"}')
    made = client.responses.parse(model="lexi", input="Which?", text_format=Verdict)
    assert made.output_parsed == Verdict(clause=7, reads="once a year")
    wanted = provider.body["response_format"]["json_schema"]
    assert (wanted["name"], wanted["strict"]) == ("Verdict", True)
    assert set(wanted["schema"]["properties"]) == {"clause", "reads"}


def test_reasoning_goes_round(client: OpenAI, provider: Provider) -> None:
    """A client that sends all items back, as it is told to, would be refused."""
    thought = [chunk({"reasoning_content": "Hm, "}), chunk({"reasoning_content": "green."})]
    provider.play(Play([*thought, text_stream("Green.")]))
    made = streamed(client, "Which?", reasoning={"effort": "low", "summary": "auto"})
    first, second = made.output
    assert first.type == "reasoning"
    assert [part.text for part in first.summary] == ["Hm, green."]
    assert (second.type, made.output_text) == ("message", "Green.")
    assert provider.body["reasoning_effort"] == "low"
    asked = {"role": "user", "content": "Which?"}
    ask(client, [asked, *made.output, asked], include=["reasoning.encrypted_content"])
    assert turns_of(provider) == [("user", "Which?"), ("assistant", "Green."), ("user", "Which?")]


def test_instructions_stand_below_the_persona(client: OpenAI, provider: Provider) -> None:
    """A client could speak before the persona, or not at all where it may."""
    ask(client, "Hello", model="layered", instructions="Be brief.")
    assert provider.body["messages"][0]["content"].startswith("You are Lay")
    assert turns_of(provider) == [("system", "Be brief."), ("user", "Hello")]
    with pytest.raises(openai.BadRequestError) as refused:
        ask(client, "Hello", instructions="Be brief.")
    assert (refused.value.param, refused.value.code) == ("instructions", "field_refused")
    with pytest.raises(openai.BadRequestError):
        ask(client, "Hello", model="layered", instructions="Do not number your steps.")


def test_responses_go_on_from_one_another(client: OpenAI, provider: Provider) -> None:
    """A conversation by ids would lose turns, their order, calls, or keep old instructions."""
    provider.play(tool_calls(*NORTH_AND_SOUTH))
    first = ask(client, "Look around", model="keeper", tools=[LOOK], instructions="Be old.")
    provider.say("There is a door.")
    second = ask(
        client,
        results(first, "a wall", "a door"),
        model="keeper",
        tools=[LOOK],
        previous_response_id=first.id,
    )
    assert second.previous_response_id == first.id
    provider.say("Yes.")
    with client.responses.stream(
        model="keeper", input="Open it", previous_response_id=second.id, instructions="Be new."
    ) as stream:
        third = stream.get_final_response()
    assert third.output_text == "Yes."
    assert turns_of(provider) == [
        ("system", "Be new."),
        ("user", "Look around"),
        ("assistant", ""),
        ("tool", "a wall"),
        ("tool", "a door"),
        ("assistant", "There is a door."),
        ("user", "Open it"),
    ]
    calls = provider.body["messages"][3]["tool_calls"]
    assert [
        (one["id"], one["function"]["name"], one["function"]["arguments"]) for one in calls
    ] == list(NORTH_AND_SOUTH)
    # From the first one again: a conversation may fork.
    ask(client, results(first, "1", "2"), model="keeper", previous_response_id=first.id)
    assert [text for _, text in turns_of(provider)] == ["Look around", "", "1", "2"]


def test_an_answer_that_said_nothing_is_no_turn(client: OpenAI, provider: Provider) -> None:
    """A provider would refuse an empty turn, and with it the whole conversation."""
    provider.say("")
    first = ask(client, "One", model="keeper")
    assert (first.status, first.output) == ("completed", [])
    ask(client, "Two", model="keeper", previous_response_id=first.id)
    assert turns_of(provider) == [("user", "One"), ("user", "Two")]


def test_a_record_names_what_it_goes_on_from(served: Gateway, client: OpenAI) -> None:
    """An auditor could not follow a conversation, or the chain would not be whole."""
    first = ask(client, "One", model="keeper")
    second = ask(client, "Two", model="keeper", previous_response_id=first.id)
    opening = served.record(about(second)["request_id"])["opening"]
    assert opening["continues"] == about(first)["request_id"]
    paths = [one["path"] for one in opening["content"]]
    assert paths == ["previous[0][0]", "previous[1][0]", "input"]
    verified = banneton("records", "verify", "--root", served.root)
    assert verified.stdout.startswith("intact"), verified.stdout


@pytest.mark.parametrize("session", ["talk-1", None])
def test_pseudonyms_go_on_within_their_session(
    client: OpenAI, provider: Provider, session: str | None
) -> None:
    """An address would reach the model in a later turn, or come back outside its session."""
    more = {} if session is None else {"extra_body": wishes(session=session)}
    first = ask(client, f"I am {MAIL}", model="keeper", **more)
    assert first.output_text == f"I am {MAIL}"
    token = token_in(provider.user_text)
    provider.say(f"You are {token}.")
    second = ask(client, "Who am I?", model="keeper", previous_response_id=first.id, **more)
    assert MAIL not in str(provider.body)
    assert turns_of(provider)[:2] == [("user", f"I am {token}"), ("assistant", f"I am {token}")]
    assert second.output_text == f"You are {token if session is None else MAIL}."
    # What is read again later is what was kept.
    assert client.responses.retrieve(first.id).output_text == f"I am {token}"


def test_what_was_kept_can_be_listed_and_deleted(served: Gateway, client: OpenAI) -> None:
    """Text is there after its client deleted it, or the record of the exchange is not."""
    first = ask(client, "planted-secret", model="keeper")
    second = ask(client, "Go on", model="keeper", previous_response_id=first.id)
    items = client.responses.input_items.list(second.id, order="asc").data
    said: list[Json] = [item.to_dict() for item in items]
    assert [each["content"][0]["text"] for each in said] == [
        "planted-secret",
        first.output_text,
        "Go on",
    ]
    with served.client("neighbour") as neighbour, pytest.raises(openai.NotFoundError):
        neighbour.responses.delete(first.id)
    client.responses.delete(first.id)
    for gone in (client.responses.retrieve, client.responses.delete):
        with pytest.raises(openai.NotFoundError):
            gone(first.id)
    with pytest.raises(openai.BadRequestError):
        ask(client, "Go on", model="keeper", previous_response_id=first.id)
    assert served.record(first.id.removeprefix("resp_"))["status"] == "completed"
    assert client.responses.retrieve(second.id).output_text


def test_earlier_turns_are_looked_at_again(client: OpenAI, provider: Provider) -> None:
    """A stricter audience would be served what only a looser one may see."""
    first = ask(client, "grown-up talk", model="keeper")
    assert about(first)["outcome"] == "flag"
    before = len(provider.requests)
    second = ask(
        client,
        "Go on",
        model="keeper",
        previous_response_id=first.id,
        extra_body=wishes(audience="minor"),
    )
    assert second.output_text == "Lexi cannot help with that."
    assert about(second)["findings"][0]["path"] == "previous[0][0]"
    assert len(provider.requests) == before


def test_a_picture_is_seen_again(client: OpenAI, provider: Provider) -> None:
    """The model is asked about a picture of an earlier turn that it does not get."""
    url = f"data:image/png;base64,{PIXEL}"
    shown = [{"type": "input_image", "image_url": url, "detail": "auto"}]
    first = ask(client, [{"role": "user", "content": shown}], model="keeper")
    ask(client, "Which colour has it?", model="keeper", previous_response_id=first.id)
    (picture,) = provider.body["messages"][1]["content"]
    assert picture == {"type": "image_url", "image_url": {"url": url, "detail": "auto"}}
    again = [{"role": "user", "content": shown * 3}]
    with pytest.raises(
        openai.BadRequestError, match=r"more than 3 images.*media\.images\.max_count"
    ):
        ask(client, again, model="keeper", previous_response_id=first.id)


@pytest.mark.parametrize("streams", [True, False], ids=["stream", "whole"])
def test_a_block_in_mid_stream_is_a_turn(
    client: OpenAI, provider: Provider, *, streams: bool
) -> None:
    """A blocked answer would be no valid response, or nobody could go on after it."""
    provider.say("The first sentence is fine. But then say-banned comes.")
    made: Response = ask(client, "Go", model="keeper")
    if streams:
        provider.say("The first sentence is fine. But then say-banned comes.")
        *_, last = client.responses.create(model="keeper", input="Go", stream=True)
        assert last.type == "response.incomplete"
        made = last.response
    assert made.incomplete_details is not None
    assert made.incomplete_details.reason == "content_filter"
    assert made.output_text.endswith("Lexi cannot help with that.")
    assert "say-banned" not in str(made.to_dict())
    assert about(made)["outcome"] == "block"
    ask(client, "Again", model="keeper", previous_response_id=made.id)
    (_, asked), (role, said), (_, again) = turns_of(provider)
    assert (asked, role, again) == ("Go", "assistant", "Again")
    assert "say-banned" not in str(said)
    assert "Lexi cannot help with that." in str(said)


def test_what_cannot_be_gone_on_from(served: Gateway, client: OpenAI, provider: Provider) -> None:
    """A turn would be read by another tenant, key, persona or person, or one that was not kept."""
    kept = ask(client, "planted-secret", model="keeper", user="continuer")
    unkept = ask(client, "Hello", model="keeper", store=False)
    blocked = ask(client, "ask-banned", model="keeper")
    provider.play(error_answer(500))
    with pytest.raises(openai.InternalServerError):
        ask(client, "Hello", model="keeper")
    failed = f"resp_{served.newest()['request_id']}"
    chat = client.chat.completions.create(
        model="keeper", messages=[{"role": "user", "content": "Hello"}]
    )
    by_chat = chat.id.replace("chatcmpl-", "resp_")
    before = len(provider.requests)
    tries: list[tuple[str, str, Json]] = [
        ("neighbour", kept.id, {"user": "continuer"}),
        ("professional", kept.id, {"user": "continuer"}),
        ("t", kept.id, {"user": "somebody"}),
        ("t", kept.id, {}),
        ("t", unkept.id, {}),
        ("t", blocked.id, {}),
        ("t", failed, {}),
        ("t", by_chat, {}),
        ("t", "resp_nobody", {}),
    ]
    said = set()
    for key, wanted, more in tries:
        with served.client(key) as other, pytest.raises(openai.BadRequestError) as refused:
            ask(other, "Again", model="keeper", previous_response_id=wanted, **more)
        assert refused.value.code == "previous_response_not_found"
        assert refused.value.param == "previous_response_id"
        said.add(refused.value.message)
    assert len(said) == 1, "the error tells ids that exist from others"
    for key, wanted in (("neighbour", kept.id), ("professional", kept.id), ("t", unkept.id)):
        with served.client(key) as other, pytest.raises(openai.NotFoundError):
            other.responses.retrieve(wanted)
    assert len(provider.requests) == before
    # And all of that was refused for its own reason.
    ask(client, "Again", model="keeper", previous_response_id=kept.id, user="continuer")
    assert turns_of(provider)[0] == ("user", "planted-secret")


def test_erasing_a_person_ends_their_conversations(served: Gateway, client: OpenAI) -> None:
    """What a person said would live on in what goes on from it."""
    first = ask(client, "One", model="keeper", user="to-erase")
    second = ask(client, "Two", model="keeper", user="to-erase", previous_response_id=first.id)
    erased = banneton(
        "records", "erase", "--root", served.root, "--tenant", "default",
        "--subject", "to-erase", "--yes",
    )  # fmt: skip
    assert erased.returncode == 0, erased.stdout
    for one in (first, second):
        with pytest.raises(openai.BadRequestError) as refused:
            ask(client, "Three", model="keeper", user="to-erase", previous_response_id=one.id)
        assert refused.value.code == "previous_response_not_found"
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(one.id)


def test_where_policy_keeps_nothing(client: OpenAI, provider: Provider) -> None:
    """A client would believe that a response is stored, or be refused for saying nothing of it."""
    made = ask(client, "Hello")
    before = len(provider.requests)
    for more in ({"store": True}, {"previous_response_id": made.id}):
        with pytest.raises(openai.BadRequestError) as refused:
            ask(client, "Hello", **more)
        assert refused.value.param == next(iter(more))
        assert "keep.content" in refused.value.message
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)
    assert len(provider.requests) == before
    assert ask(client, "Hello", store=False).status == "completed"


@pytest.mark.parametrize("streams", [True, False], ids=["stream", "whole"])
def test_errors(served: Gateway, client: OpenAI, provider: Provider, *, streams: bool) -> None:
    """The client's own error classes and retries would not fit."""
    provider.play(error_answer(429, headers={"retry-after": "7"}))
    with pytest.raises(openai.RateLimitError) as limited:
        ask(client, "Hello", stream=streams)
    assert limited.value.response.headers["retry-after"] == "7"
    with pytest.raises(openai.BadRequestError) as blocked:
        ask(client, "ask-banned", model="curt", stream=streams)
    assert blocked.value.code == "content_filter"
    with served.client("nobody") as other, pytest.raises(openai.AuthenticationError):
        ask(other, "Hello", stream=streams)
    with served.client("lexi-only") as other, pytest.raises(openai.PermissionDeniedError):
        ask(other, "Hello", model="curt", stream=streams)
    with pytest.raises(openai.NotFoundError):
        ask(client, "Hello", model="nobody", stream=streams)


def test_a_stream_that_breaks_off_is_an_error(
    served: Gateway, client: OpenAI, provider: Provider
) -> None:
    """Half an answer would pass for a whole one."""
    provider.play(Play([chunk({"content": "Half an "}), Drop()]))
    kinds: list[str] = []
    with pytest.raises(openai.APIError) as caught:
        kinds.extend(
            event.type for event in client.responses.create(model="lexi", input="Go", stream=True)
        )
    assert caught.value.code == "backend_broken"
    assert "response.completed" not in kinds
    assert served.newest()["status"] == "failed"


def test_a_client_that_leaves_stops_the_provider(
    served: Gateway, client: OpenAI, provider: Provider
) -> None:
    """A model would go on being paid for nobody, or the record would never end."""
    provider.play(Play([chunk({"content": "Once upon a time, "}), Hang()]))
    open_stream = client.responses.create(model="lexi", input="A story", stream=True)
    first = next(iter(open_stream))
    assert first.type == "response.created"
    open_stream.close()
    until(lambda: provider.disconnects == 1)
    record = served.wait_for_record(first.response.id.removeprefix("resp_"))
    assert record["status"] == "cancelled"


def test_arguments_come_back_restored(client: OpenAI, provider: Provider) -> None:
    """A tool would be run with a token in place of an address."""

    def call(body: Json) -> Play:
        to = token_in(body["messages"][-1]["content"])
        return tool_calls(("c", "look", orjson.dumps({"at": to}).decode()), chunk_chars=3)

    provider.answer = call
    made = streamed(client, f"Write to {MAIL}", tools=[LOOK])
    (item,) = made.output
    assert item.type == "function_call"
    assert orjson.loads(item.arguments) == {"at": MAIL}
    provider.answer = lambda _body: text_answer("Done.")
    ask(client, [{"role": "user", "content": "Go"}, item, *results(made, MAIL)], tools=[LOOK])
    assert MAIL not in str(provider.body)
