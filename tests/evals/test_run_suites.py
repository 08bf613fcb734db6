"""Conversations played through the real pipeline, with models that are servers on loopback."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from app.domain.conduct import Conduct
from app.domain.decision import Outcome
from app.domain.errors import RequestError
from app.domain.recording import AnswersFrom
from app.evals.ceiling import Ceiling
from app.evals.results import CaseState, Ended, results_json
from app.metrics.definitions import METRICS, measure
from app.metrics.intervals import Share
from app.metrics.observed import Basis
from tests.evals.talking import answer, by_case, run, write_talks
from tests.servers.openai_server import Play, openai_server, text_answer

Json = Any
HELD, FAILED = CaseState.HELD, CaseState.FAILED
LIVE, RECORD, RECORDED = AnswersFrom.LIVE, AnswersFrom.RECORD, AnswersFrom.RECORDED


async def test_every_kind_of_case_ends_as_it_should(tmp_path: Path) -> None:
    """A result would be wrong, and a merge go through or be stopped on it."""
    async with openai_server() as server:
        server.answer = answer
        found = (await run(write_talks(tmp_path, server.base_url), LIVE)).run
        asked = [seen.body for seen in server.requests if seen.body["model"] == "m"]
    runs = by_case(found)
    assert {case: each.state for case, each in runs.items()} == {
        "it echoes": HELD,
        "it does not say what it should": FAILED,
        "a banned question is not asked": HELD,
        "an address comes back": HELD,
        "a tool that fails, then works": HELD,
        "the model is out": CaseState.ERROR,
        "nobody prices this": CaseState.NOT_SCORED,
        "a user who wants bread": HELD,
        "a user who is never content": HELD,
        "what is rarely measured is measured here": HELD,
        "judged by one who may": HELD,
        "judged by one who may not": FAILED,
    }
    assert {case for case, each in runs.items() if each.gates} == {
        "it does not say what it should",
        "the model is out",
        "nobody prices this",
    }
    blocked = runs["a banned question is not asked"]
    assert blocked.transcript.turns[0].outcome is Outcome.BLOCK
    assert blocked.task is not None
    assert blocked.task.is_violation is False
    assert not any("ask-banned" in orjson.dumps(body).decode() for body in asked)
    assert not any("anna@example.org" in orjson.dumps(body).decode() for body in asked)
    assert "the model failed" in runs["the model is out"].why
    assert runs["the model is out"].task is None
    drawn = runs["what is rarely measured is measured here"].task
    assert drawn is not None
    assert drawn.variant is None, "a case names its variant"
    assert runs["a user who wants bread"].ended is Ended.REACHED
    assert runs["a user who is never content"].ended is Ended.PATIENCE
    assert len(runs["a user who is never content"].transcript.turns) == 2
    assert [note.split(":")[1] for note in found.notes] == [
        " the judge 'kind' may gate",
        " the judge 'unlabelled' may not gate",
    ]


async def test_a_conversation_is_sent_as_a_client_would_send_it(tmp_path: Path) -> None:
    """A case would ask the model something else than its users do."""
    case = "a tool that fails, then works"
    async with openai_server() as server:
        server.answer = answer
        found = await run(write_talks(tmp_path, server.base_url), LIVE, cases=[case], seed=7)
        bodies = [seen.body for seen in server.requests if seen.body["model"] == "m"]
    assert [body["seed"] for body in bodies] == [7, 7, 7, 7]
    assert [[message["role"] for message in body["messages"]][1:] for body in bodies] == [
        ["user"],
        ["user", "assistant", "tool"],
        ["user", "assistant", "tool", "assistant", "user"],
        ["user", "assistant", "tool", "assistant", "user", "assistant", "tool"],
    ]
    last = bodies[-1]["messages"]
    assert last[2]["tool_calls"][0]["function"] == {"name": "find", "arguments": "{}"}
    assert [last[3]["content"], last[4]["content"], last[-1]["content"]] == [
        "down",
        "it is down",
        '{"street":"Main"}',
    ]
    task = by_case(found.run)[case].task
    assert task is not None
    assert [each.is_tool_failure for each in task.exchanges] == [False, True, False, False]
    assert [each.checks for each in task.exchanges] == [
        Conduct.NOT_SCORED,
        Conduct.HELD,
        Conduct.NOT_SCORED,
        Conduct.HELD,
    ]
    assert task.corrections == (2,)
    assert measure(METRICS["error_recovery"], [task]).estimate == Share(1, 1)
    assert (task.completed, task.completed_by) == (Conduct.HELD, Basis.CHECKS)


async def test_recorded_answers_give_the_same_bytes_and_ask_nobody(tmp_path: Path) -> None:
    """CI would need a key, and two runs of the same commit would not say the same."""
    root = write_talks(tmp_path, "")
    async with openai_server() as server:
        server.answer = answer
        settings = (root / "banneton.yaml").read_text()
        (root / "banneton.yaml").write_text(settings.replace('""', f'"{server.base_url}"'))
        first = await run(root, RECORD)
        count = len(server.requests)
        again = await run(root, RECORD)
        later = [seen.body["messages"][-1]["content"] for seen in server.requests[count:]]
        assert set(later) == {"break"}
    files = {path: path.read_bytes() for path in (root / "evals" / "recordings").rglob("*.jsonl")}
    assert [path.name for path in files] == ["talks.jsonl"]
    (lines,) = files.values()
    places = [(each["case"], each["repeat"], each["step"]) for each in _lines(lines)]
    assert places == sorted(places)
    assert b"anna@example.org" not in lines
    # Nobody listens there any more.
    once, twice = await run(root, RECORDED), await run(root, RECORDED)
    assert results_json(once.run) == results_json(twice.run)
    states = {each.id: each.state for each in first.run.runs}
    states["talks/lexi/the model is out"] = CaseState.NOT_SCORED
    assert {each.id: each.state for each in once.run.runs} == states
    assert [each.transcript for each in once.run.runs if each.state is HELD] == [
        each.transcript for each in again.run.runs if each.state is HELD
    ]
    missing = by_case(once.run)["the model is out"]
    assert "banneton eval --answers record --suite talks" in missing.why
    assert once.stale == ()
    assert files == {path: path.read_bytes() for path in files}


def _lines(content: bytes) -> list[dict[str, int]]:
    return [orjson.loads(line) for line in content.splitlines()]


async def test_another_prompt_asks_another_question(tmp_path: Path) -> None:
    """A change of a prompt would be judged by the answers to the old one."""
    async with openai_server() as server:
        server.answer = answer
        root = write_talks(tmp_path, server.base_url)
        await run(root, RECORD, cases=["it echoes"])
        prompt = root / "prompts" / "assistant.md.j2"
        prompt.write_text(prompt.read_text() + "Be brief.\n")
        changed = await run(root, RECORDED, cases=["it echoes"])
        assert [each.state for each in changed.run.runs] == [CaseState.NOT_SCORED]
        assert changed.stale == ()
        renewed = await run(root, RECORD, cases=["it echoes"])
        assert [each.state for each in renewed.run.runs] == [HELD]
        assert {each.case for each in renewed.stale} == {"lexi/it echoes"}


async def test_repeats_are_asked_with_seeds_of_their_own(tmp_path: Path) -> None:
    """A recording of one repeat would stand for all, and no repeat show any noise."""
    async with openai_server() as server:
        server.answer = lambda body: text_answer(f"hello again {body['seed']}")
        root = write_talks(tmp_path, server.base_url)
        case = "it does not say what it should"
        live = await run(root, RECORD, cases=[case], repeats=3, seed=5)
        recorded = await run(root, RECORDED, cases=[case], repeats=3, seed=5)
    for found in (live, recorded):
        said = [each.transcript.turns[0].answer for each in found.run.runs]
        assert said == ["hello again 5", "hello again 6", "hello again 7"]
        assert [each.repeat for each in found.run.runs] == [0, 1, 2]
        assert len({task.id for task in found.run.tasks}) == 1


async def test_so_many_cases_at_once_and_no_more(tmp_path: Path) -> None:
    """A provider would be asked more at once than it takes, or one by one."""
    done: list[str] = []
    most = asked = 0

    async with openai_server() as server:

        def said(body: Json) -> Play:
            nonlocal most, asked
            if body["model"] == "m":
                asked += 1
                most = max(most, asked - len(done))
            return answer(body)

        server.answer = said
        root = write_talks(tmp_path, server.base_url)
        found = await run(
            root,
            LIVE,
            cases=["it does not say what it should"],
            repeats=9,
            at_once=3,
            on_result=lambda each, _: done.append(each.id),
        )
    assert len(found.run.runs) == len(done) == 9
    assert most == 3


async def test_a_run_stops_before_it_costs_more(tmp_path: Path) -> None:
    """A run would cost more than somebody said it may."""
    case, more = "it echoes", "prices: {model: {m: {input: 1, output: 1000}}, people: {judge: %s}}"
    more %= "{input: 0, output: 0}"
    async with openai_server() as server:
        server.answer = answer
        root = write_talks(tmp_path, server.base_url, more=more)
        # An answer is taken to have 8,192 tokens at most, and has three: they cost 0.003 USD.
        ceiling = Ceiling(usd=8.2)
        found = await run(root, LIVE, cases=[case], repeats=9, at_once=1, ceiling=ceiling)
        asked = sum(seen.body["model"] == "m" for seen in server.requests)
    assert 2 <= asked < 18
    states = [each.state for each in found.run.runs]
    held = asked // 2
    assert states == [HELD] * held + [CaseState.NOT_SCORED] * (9 - held)
    assert "may not cost more" in found.run.runs[-1].why
    costs = [each.cost for task in found.run.tasks for each in task.exchanges]
    assert sum(cost for cost in costs if cost is not None) <= 8.2


async def test_a_ceiling_in_money_needs_prices(tmp_path: Path) -> None:
    """A run would be taken for one that cannot cost more, where nobody knows what it costs."""
    root = write_talks(tmp_path, "http://127.0.0.1:9/v1")
    with pytest.raises(RequestError, match=r"no price for model/m.*--max-tokens"):
        await run(root, LIVE, cases=["it echoes"], ceiling=Ceiling(usd=1))
    found = await run(root, LIVE, cases=["it echoes"], ceiling=Ceiling(tokens=0))
    assert [each.state for each in found.run.runs] == [CaseState.NOT_SCORED]


async def test_all_personas_can_take_one_route(tmp_path: Path) -> None:
    """Another model could not be tried without editing every persona."""
    async with openai_server() as server:
        server.answer = answer
        root = write_talks(tmp_path, server.base_url)
        await run(root, LIVE, cases=["it echoes"], route="other")
        models = {seen.body["model"] for seen in server.requests}
        assert models == {"other", "judge"}
        with pytest.raises(RequestError, match="there is no such route"):
            await run(root, LIVE, route="nowhere-else")


async def test_a_filter_that_fits_nothing_is_a_mistake(tmp_path: Path) -> None:
    """A misspelt filter would look like success."""
    root = write_talks(tmp_path, "http://127.0.0.1:9/v1")
    with pytest.raises(RequestError, match="no case fits the filters; there are 12 cases in talks"):
        await run(root, RECORDED, cases=["it ecoes"])


async def test_no_credential_is_recorded(tmp_path: Path) -> None:
    """A credential that a model says would go into version control."""
    token = "AKIAWF" + "O23O1ARVVENJPX"
    async with openai_server() as server:
        server.answer = lambda _: text_answer(f"hello {token}")
        root = write_talks(tmp_path, server.base_url)
        found = await run(root, RECORD, cases=["it does not say what it should"])
    (only,) = found.run.runs
    assert only.state is CaseState.ERROR
    assert "credential" in only.why
    recorded = (path.read_text() for path in (root / "evals").rglob("*.jsonl"))
    assert not any(token in text for text in recorded)
