"""What a text belongs to, for detectors that compare it with something."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from app.domain.conversation import Json, Tool
from app.domain.policy import Stage


@dataclass(frozen=True, slots=True)
class Context:
    """What is known of a text beside the text itself. All of it is data, never template."""

    stage: Stage = Stage.INPUT
    system: str = ""
    """The composed system prompt; empty where there is none."""
    question: str = ""
    """What the user said last, as the model gets it; empty before it is known."""
    documents: tuple[str, ...] = ()
    """What an answer may rely on, as the model gets it: tool results, texts the client gave."""
    tools: tuple[Tool, ...] = ()
    """What the client offers to run."""
    tool: str | None = None
    """For the arguments of a tool call: the tool's name as the model gave it."""
    answer_schema: Mapping[str, Json] | None = None
    """The JSON Schema that the client wants the answer to fit; none where it wants none."""
    of: str = ""
    """Which text of an answer: ``text``, ``refusal``, ``reasoning``, the ``url`` or ``title`` of an
    annotation, the ``name`` or ``arguments`` of a tool call; empty where this is not told."""

    @property
    def is_said(self) -> bool:
        """Whether this is what is said to somebody, as far as is told, and not thought aside."""
        return self.of in {"", "text", "refusal"}

    def parameters(self) -> Mapping[str, Json] | None:
        """The JSON Schema of the arguments; none where no such tool is offered or it has none."""
        return next((tool.parameters for tool in self.tools if tool.name == self.tool), None)

    def digest(self) -> bytes:
        """Equal for what detectors could not tell apart, at stages before the model."""
        told = (self.system, self.question, self.tool or "", *self.documents, repr(self.tools))
        mac = hashlib.blake2b(digest_size=16)
        for text in told:
            data = text.encode("utf-8", "surrogatepass")
            mac.update(b"%d\0" % len(data) + data)
        return mac.digest()


NO_CONTEXT = Context()
