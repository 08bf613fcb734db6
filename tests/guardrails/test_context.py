"""What detectors are told beside a text, and those that take long in this process."""

from dataclasses import dataclass, field

from app.domain.conversation import Segment, Tool
from app.domain.events import Finish, FinishReason, TextDelta, ToolCallDelta
from app.domain.finding import CLEAN, Detection, Finding, Found
from app.domain.policy import Action, Stage
from app.guardrails.context import Context
from app.guardrails.evaluate import History, inspect_segments
from app.guardrails.passage import Passage
from app.guardrails.pseudonyms import Minter
from app.guardrails.release import OutputGuard
from tests.guardrails.building import KEY, NOW, OUTSIDE, SCOPE, Remote, kind, plan, rule, words

INPUT = Stage.INPUT
TOOLS = (Tool("pay", parameters={"type": "object"}),)


@dataclass
class Slow:
    """Says that all of each text was found, and remembers what it was shown."""

    name: str = "slow"
    revision: str = "1"
    spec: str = ""
    shown: list[Passage] = field(default_factory=list)

    async def inspect_slowly(self, passage: Passage) -> Detection:
        """All of it."""
        self.shown.append(passage)
        size = len(passage.original)
        return Found((Finding(self.name, "c", 0.7, "", 0, size, self.revision),))


def clean() -> Remote:
    """A detector outside that finds nothing."""

    async def answer(_text: str) -> Detection:
        return CLEAN

    return Remote(answer)


async def test_slow_detectors_see_the_text_as_it_is_and_those_outside_what_is_left() -> None:
    """A name that a model on this machine finds leaves the machine all the same."""
    slow, remote = Slow(), clean()
    compiled = plan(
        rule("hide", words("secret"), Action.MASK, INPUT),
        rule("names", {"slow": {}}, Action.FLAG, INPUT),
        rule("judge", {"remote": {}}, Action.BLOCK, INPUT),
        extra=[kind(slow), kind(remote)],
    )
    segment = Segment("t", "my secret", INPUT)
    history = History(b"k")
    _, seen = [
        await inspect_segments(
            compiled,
            "public",
            [segment],
            minter=Minter(KEY, SCOPE),
            now=NOW,
            history=history,
            outside=OUTSIDE,
        )
        for _ in range(2)
    ]
    assert [each.original for each in slow.shown] == ["my secret"]
    assert remote.asked == ["my [removed]"] * 2
    assert seen.scores == {"words": 1.0, "slow": 0.7, "remote": 0.0}
    assert [applied.rule for applied in seen.decisions[0].applied] == ["hide", "names"]


async def test_those_outside_are_not_told_the_prompt_of_raw_variables() -> None:
    """A value that a rule would have hidden leaves inside the prompt it was composed into."""
    remote = clean()
    compiled = plan(rule("judge", {"remote": {}}, Action.BLOCK, INPUT), extra=[kind(remote)])
    await inspect_segments(
        compiled,
        "public",
        [Segment("t", "text", INPUT)],
        minter=Minter(KEY, SCOPE),
        now=NOW,
        context=Context(system="You talk to ann@corp.example", tools=TOOLS),
        outside=OUTSIDE,
    )
    assert remote.contexts == [Context(stage=INPUT)]


async def test_what_is_remembered_of_a_text_is_not_taken_for_another_context() -> None:
    """A text that was harmless beside one system prompt passes beside every other."""
    slow = Slow()
    compiled = plan(rule("r", {"slow": {}}, Action.FLAG, INPUT), extra=[kind(slow)])
    history = History(b"k")
    for system in ("one", "two", "one"):
        await inspect_segments(
            compiled,
            "public",
            [Segment("t", "text", INPUT)],
            minter=Minter(KEY, SCOPE),
            now=NOW,
            history=history,
            context=Context(system=system, tools=TOOLS),
        )
    assert [each.context.system for each in slow.shown] == ["one", "two"]
    assert all(each.context.stage is INPUT for each in slow.shown)


async def test_an_answer_is_looked_at_with_what_it_belongs_to() -> None:
    """A call is not compared with the schema of its tool, or a text with the system prompt."""
    slow = Slow()
    compiled = plan(
        rule("r", {"slow": {}}, Action.BLOCK, Stage.OUTPUT, Stage.TOOL_CALL), extra=[kind(slow)]
    )
    guarding = OutputGuard(
        compiled,
        "public",
        minter=Minter(KEY, SCOPE),
        now=NOW,
        context=Context(system="s", question="q", documents=("d",), tools=TOOLS),
    )
    assert guarding.feed(TextDelta("hello")) == []
    assert guarding.feed(ToolCallDelta(0, call_id="c", name="pay", arguments="{}")) == []
    out = await guarding.finish(Finish(FinishReason.STOP))
    assert guarding.stops
    assert out == []
    contexts = {each.original: each.context for each in slow.shown}
    assert contexts["hello"] == Context(Stage.OUTPUT, "s", "q", ("d",), TOOLS, of="text")
    assert contexts["{}"].stage is Stage.TOOL_CALL
    assert contexts["{}"].tool == "pay"
    assert contexts["{}"].parameters() == {"type": "object"}
    assert contexts["{}"].of == "arguments"
    assert contexts["pay"].tool is None
    assert contexts["pay"].of == "name"
