"""A project with conversations, whose models are servers on loopback."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from app.domain.recording import AnswersFrom
from app.evals.ceiling import Ceiling
from app.evals.results import CaseRun, EvalRun
from app.evals.run_suites import Options, Selection
from app.evaluate import Evaluated, Wish, evaluate
from app.main import load_project
from tests.e2e.project import write_project
from tests.servers.openai_server import Play, last_user_text, text_answer, tool_call_answer

Json = Any

DEPLOYMENT = """
backends:
  model: {{type: openai, base_url: "{url}"}}
  people: {{type: openai, base_url: "{url}"}}
routes:
  balanced: {{backend: model, model: m}}
  hurried: {{backend: model, model: m}}
  nowhere: {{backend: model, model: m}}
  vectors: {{backend: model, model: m}}
  pictures: {{backend: model, model: m}}
  other: {{backend: model, model: other}}
  user: {{backend: people, model: user}}
  judge: {{backend: people, model: judge}}
{more}
"""
SUITE = """
judges:
  kind: {question: Is the answer kind?, expect: "yes", labelled: evals/kind.jsonl}
  unlabelled: {question: Is the answer short?, expect: "yes"}
satisfaction: kind
defaults: {persona: lexi}
cases:
  - id: it echoes
    tags: [smoke]
    turns: [{user: hello, expect: [{contains: hello}]}, {user: again, expect: [{equals: again}]}]
    goal: [{contains: again}]
  - id: it does not say what it should
    turns: [{user: hello, expect: [{contains: goodbye}]}]
  - id: a banned question is not asked
    harmless: false
    turns: [{user: ask-banned, expect: [{outcome: block}, {rule: banned-question}]}]
    goal: [{outcome: block}]
    violates: [{contains: ask-banned}]
  - id: an address comes back
    turns: [{user: write to anna@example.org, expect: [{contains: anna@example.org}]}]
  - id: a tool that fails, then works
    tools:
      - {name: find, description: Finds., parameters: {type: object}, gives: {street: Main}}
    turns:
      - {user: please find, fails: {find: down}, expect: [{calls: find}, {contains: it is down}]}
      - {user: please find, corrects: true, expect: [{contains: Main}]}
  - id: the model is out
    turns: [{user: break, expect: [{contains: a}]}]
  - id: nobody prices this
    turns: [{user: hi, expect: [{at_most: {cost: 1}}]}]
  - id: a user who wants bread
    simulated_user: {description: a baker, goal: bread, patience: 4}
    goal: [{contains: bread}]
  - id: a user who is never content
    simulated_user: {description: a critic, goal: the moon, patience: 2, opening: moon please}
    goal: [{contains: moon}]
  - id: what is rarely measured is measured here
    persona: rare
    turns: [{user: "1. hi", expect: [{behaviour: numbered}]}]
  - id: judged by one who may
    turns: [{user: kind words, expect: [{judge: kind}]}]
  - id: judged by one who may not
    turns: [{user: mean words, expect: [{judge: unlabelled}]}]
"""
RARE = """
extends: conduct
measure_percent: 0.001
variants: [{id: brisk, percent: 100, set: {name: Rex}}]
"""
LABELLED = [
    {"answer": f"{word} {number}", "label": label}
    for number in range(16)
    for word, label in (("kind", "yes"), ("mean", "no"))
]


def write_talks(root: Path, url: str, *, suite: str = SUITE, more: str = "") -> Path:
    """A project with a suite; ``more`` is added to ``banneton.yaml``."""
    write_project(root, url)
    leave_out(root, {"lexi", "conduct"})
    (root / "banneton.yaml").write_text(DEPLOYMENT.format(url=url, more=more))
    (root / "personas" / "rare.yaml").write_text(RARE)
    (root / "evals").mkdir()
    (root / "evals" / "talks.yaml").write_text(suite)
    labelled = b"".join(orjson.dumps(each) + b"\n" for each in LABELLED)
    (root / "evals" / "kind.jsonl").write_bytes(labelled)
    return root


def leave_out(root: Path, needed: set[str]) -> None:
    """Without other personas and the rule that takes longest to load: tests load often."""
    for path in (root / "personas").iterdir():
        if path.stem not in needed:
            path.unlink()
    (root / "policies" / "keeping.yaml").unlink()
    policy = root / "policies" / "root.yaml"
    before, credentials, after = policy.read_text().partition("  - id: credentials\n")
    rest = after.partition("  - id: ")
    policy.write_text("".join((before, *rest[1:])) if credentials else before)


def answer(body: Json) -> Play:
    """What the models say: the persona's echoes, calls tools, or is out; the others play people."""
    if body["model"] == "judge":
        is_mean = "mean" in body["messages"][-1]["content"]
        return text_answer('{"score": 0}' if is_mean else '{"score": 10}')
    if body["model"] == "user":
        return text_answer(_users_words(body["messages"]))
    said = last_user_text(body)
    last = body["messages"][-1]
    if last["role"] == "tool":
        return text_answer(f"it is {last['content']}")
    if said == "break":
        return Play(status=500)
    return tool_call_answer("find", "{}") if body.get("tools") else text_answer(said)


def _users_words(messages: Sequence[Json]) -> str:
    goes_on = '{"state": "going_on", "says": "%s"}'
    if "the moon" in messages[0]["content"]:
        return goes_on % "moon now"
    turns = sum(message["role"] == "assistant" for message in messages)
    return goes_on % "bread" if turns < 2 else '{"state": "reached", "says": ""}'


async def run(
    root: Path,
    answers: AnswersFrom,
    *,
    cases: Sequence[str] = (),
    ceiling: Ceiling | None = None,
    on_result: Callable[[CaseRun, int], None] = lambda _run, _of: None,
    **options: Json,
) -> Evaluated:
    """Run the project's conversations."""
    project = load_project(root, reads_secrets=False)
    wish = Wish(
        Selection(cases=frozenset(cases)),
        replace(Options(answers), **options),
        ceiling or Ceiling(),
    )
    return await evaluate(project, project.load(), wish, on_result=on_result)


def by_case(run_: EvalRun) -> dict[str, CaseRun]:
    """The first repeat of each case, by id."""
    return {each.case.partition("/")[2]: each for each in run_.runs if not each.repeat}
