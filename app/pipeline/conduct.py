"""The behaviours of one exchange: which are measured, what came of it, what is done."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from app.domain.authority import Instruction
from app.domain.conduct import Conduct, Measured
from app.domain.conversation import Conversation, Role, TextPart
from app.domain.decision import Outcome
from app.domain.errors import RequestError
from app.domain.persona import Authority, Behaviour
from app.domain.protocols import Outside
from app.guardrails.behaviours import (
    PlannedBehaviour,
    Resolved,
    look,
    measured_outcome,
    resolve,
)
from app.guardrails.context import Context

_AGAIN = """\
Your last answer was not shown, because it did not keep to this:
{listed}
Answer again, and keep to it. Do not mention this note."""


class Measuring:
    """Measures the attempts at one answer."""

    def __init__(
        self, planned: Sequence[PlannedBehaviour], scenario: str | None, draw: float
    ) -> None:
        """Choose what is measured.

        Args:
            planned: The persona's behaviours.
            scenario: Of the request.
            draw: From 0 to 100, the same for the whole exchange: what is measured on a small share
                of answers is measured on answers on which all that has a larger share is, too.
        """
        here = [
            each
            for each in planned
            if not each.behaviour.scenarios or scenario in each.behaviour.scenarios
        ]
        self._drawn = [each for each in here if draw < each.percent]
        self._measured = [
            Measured(each.behaviour.id, Conduct.NOT_DRAWN)
            for each in here
            if each not in self._drawn
        ]
        self._attempts = 0
        self._is_done = not self._drawn

    @property
    def measures(self) -> bool:
        """Whether anything is measured."""
        return bool(self._drawn)

    @property
    def holds(self) -> bool:
        """Whether the answer has to wait until it has been measured."""
        return any(each.holds for each in self._drawn)

    async def measure(
        self, texts: Mapping[int, str], context: Context, outside: Outside
    ) -> Resolved:
        """Measure an attempt: the text of each choice that has one."""
        self._attempts += 1
        said = {choice: text for choice, text in texts.items() if text}
        seen = await look(self._drawn, said, context, outside)
        resolved = resolve(self._drawn, seen, self._attempts)
        self._measured += resolved.measured
        self._is_done = not resolved.retries
        return resolved

    def results(self, why_not: str) -> tuple[Measured, ...]:
        """All that was measured; ``why_not`` is said of an attempt that could not be."""
        if self._is_done:
            return tuple(self._measured)
        missing = (
            Measured(each.behaviour.id, Conduct.NOT_SCORED, self._attempts + 1, reason=why_not)
            for each in self._drawn
        )
        return (*self._measured, *missing)

    @property
    def outcome(self) -> Outcome:
        """The severest thing that was done."""
        return measured_outcome((each.action, each.is_outage) for each in self._measured)


def refuse_overriding(conversation: Conversation, behaviours: Sequence[Behaviour]) -> None:
    """Refuse system messages of the client that go against what stands above them.

    Raises:
        RequestError: One does, in words that a rule can see.
    """
    above = [
        (each, Instruction(each.instruct))
        for each in behaviours
        if each.authority is not Authority.USER
        and (not each.scenarios or conversation.wishes.scenario in each.scenarios)
    ]
    for message in conversation.messages:
        if message.role is not Role.SYSTEM:
            continue
        for part in message.parts:
            said = Instruction(part.text if isinstance(part, TextPart) else "")
            for each, told in above:
                if said.goes_against(told):
                    what = (
                        f"goes against '{each.id}', a behaviour of the persona that stands above it"
                    )
                    raise RequestError(f"{part.path}: {what}", param=part.path, code="overrides")


def asked_again(asked: Conversation, behaviours: Sequence[Behaviour]) -> Conversation:
    """The conversation with a note below the persona's prompt that says what to keep to.

    The note is made of the persona's own words alone. It stands in the same message as the prompt:
    not every model's template knows a second one.
    """
    note = _AGAIN.format(listed="\n".join(f"- {each.instruct.strip()}" for each in behaviours))
    prompt, *rest = asked.messages
    text = "".join(part.text for part in prompt.parts if isinstance(part, TextPart))
    if prompt.role is not Role.SYSTEM:
        raise TypeError("the first message is the persona's prompt")
    told = replace(prompt, parts=(TextPart(f"{text}\n\n{note}"),))
    return replace(asked, messages=(told, *rest))
