"""What a conversation calls harmless is held against policy before any model is asked."""

from pathlib import Path

from tests.cli.running import run

_CASE = """cases:
  - id: a
    harmless: {harmless}
    turns: [{{user: hello}}, {{user: {text}}}]
    goal: [{{contains: x}}]
"""


def test_a_harmless_turn_that_policy_refuses_is_said(root: Path) -> None:
    """An over-refusal would be found only where a model is at hand."""
    (persona, *_) = sorted((root / "personas").glob("*.yaml"))
    path = root / "personas" / f"{persona.stem}.cases.yaml"

    def check(harmless: str, text: str) -> tuple[int, str]:
        path.write_text(_CASE.format(harmless=harmless, text=text))
        ended = run("check", "--root", root)
        return ended.status, ended.out

    status, out = check("true", "ask-banned")
    assert status == 1
    assert "(a) turns[1].user: is harmless, and for public it is refused: block by banned-" in out
    assert check("false", "ask-banned")[0] == 0
    assert check("true", "ask-a-question")[0] == 0
