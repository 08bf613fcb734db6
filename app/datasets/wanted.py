"""What a data set is to be made of, and why an exchange is not among it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Form(StrEnum):
    """What is made."""

    SFT = "sft"
    """Prompts with answers to learn."""
    DPO = "dpo"
    """Prompts with a better and a worse answer."""
    RL = "rl"
    """Prompts with the answer that was given, and a reward."""
    OPENAI = "openai"
    """Files for OpenAI's fine-tuning: answers to learn, and preferences."""
    TRL = "trl"
    """Files for Hugging Face's TRL: prompt-completion, preference, and prompts alone."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which exchanges, and how they are judged."""

    form: Form
    tenant: str
    persona: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    min_satisfaction: float = 0.75
    """From this score on, an answer is worth learning as it is; thumbs up is 1, four stars 0.75."""
    validation: float = 0.1
    """The share of units that are held back."""


WORSE_BELOW = 0.5
"""Below this score, an answer is worse than one that is worth learning."""


class Reason(StrEnum):
    """Why an exchange, or what could be made of it, is not in the data set; ``WHY`` says it."""

    NOT_COMPLETED = "not_completed"
    STOPPED = "stopped"
    SHADOW = "shadow"
    NOT_KEPT = "not_kept"
    NO_CONSENT = "no_consent"
    WITHDRAWN = "withdrawn"
    SEVERAL_ANSWERS = "several_answers"
    MEDIA = "media"
    NO_TEXT = "no_text"
    UNCHECKED = "unchecked"
    NOT_CLEAN = "not_clean"
    TOOLS = "tools"
    NO_FEEDBACK = "no_feedback"
    DUPLICATE = "duplicate"
    NEAR_DUPLICATE = "near_duplicate"


WHY: Mapping[Reason, str] = {
    Reason.NOT_COMPLETED: "failed, cancelled or cut off",
    Reason.STOPPED: "stopped by policy: nothing is kept of what was stopped",
    Reason.SHADOW: "nobody was shown the answer",
    Reason.NOT_KEPT: "no text is kept: the policy keeps none, its time is up, or it was deleted",
    Reason.NO_CONSENT: "nobody allowed training on it",
    Reason.WITHDRAWN: "consent was refused or withdrawn",
    Reason.SEVERAL_ANSWERS: "several answers, and feedback does not say which one is meant",
    Reason.MEDIA: "pictures or files, at which no detector looks",
    Reason.NO_TEXT: "no answer in words or calls",
    Reason.UNCHECKED: "a detector could not look at a text again",
    Reason.NOT_CLEAN: "detectors still saw something after a second rewriting",
    Reason.TOOLS: "tools are called, and the form wants their definitions, which are not kept",
    Reason.NO_FEEDBACK: "nobody said enough of the answer for this kind of row",
    Reason.DUPLICATE: "another row says the same",
    Reason.NEAR_DUPLICATE: "another row says nearly the same",
}
"""For people."""
