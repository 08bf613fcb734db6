"""What a conversation calls harmless is held against policy before any model is asked."""

from pathlib import Path

from tests.cli.running import run

_CASES = """cases:
  - id: refused
    harmless: true
    turns: [{user: hello}, {user: ask-banned}]
    goal: [{contains: x}]
  - {id: not harmless, harmless: false, turns: [{user: ask-banned}], goal: [{contains: x}]}
  - {id: not labelled, turns: [{user: ask-banned}], goal: [{contains: x}]}
  - {id: answered, harmless: true, turns: [{user: ask-a-question}], goal: [{contains: x}]}
"""


def test_a_harmless_turn_that_policy_refuses_is_said(root: Path) -> None:
    """An over-refusal would be found only where a model is at hand."""
    (persona, *_) = sorted((root / "personas").glob("*.yaml"))
    file = f"personas/{persona.stem}.cases.yaml"
    (root / file).write_text(_CASES)
    ended = run("check", "--root", root)
    assert ended.status == 1
    what = "is harmless, and for public it is refused: block by banned-question"
    assert ended.out == f"{file}:2:5: (refused) turns[1].user: {what}\n1 problem\n"
