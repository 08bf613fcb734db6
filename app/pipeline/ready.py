"""A request after the input was looked at, before a model is asked."""

from dataclasses import dataclass

from app.domain.conversation import Conversation, Role, TextPart, ToolResultPart
from app.domain.prompt import SystemPrompt
from app.guardrails.context import Context
from app.guardrails.evaluate import Inspection
from app.guardrails.pseudonyms import Minter


@dataclass(frozen=True, slots=True)
class Given:
    """What came of guarding an input, for another exchange of the same."""

    inspection: Inspection
    minter: Minter


@dataclass(frozen=True, slots=True)
class Ready:
    """A request that was looked at."""

    inspection: Inspection
    minter: Minter
    prompt: SystemPrompt
    said: Conversation
    """The request as policy lets it through."""
    asked: Conversation
    """As the model gets it."""

    @property
    def context(self) -> Context:
        """What the answer belongs to, as the model gets it."""
        said = [(m.role, part) for m in self.asked.messages for part in m.parts]
        wanted = self.asked.response_format
        asked = (part for role, part in reversed(said) if role is Role.USER)
        questions = (part.text for part in asked if isinstance(part, TextPart))
        return Context(
            system=self.prompt.text,
            question=next(questions, ""),
            documents=tuple(part.text for _, part in said if isinstance(part, ToolResultPart)),
            tools=self.asked.tools,
            answer_schema=None if wanted is None else wanted.schema,
        )
