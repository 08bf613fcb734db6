"""Which reply the persona gives where policy stops an answer, and in which language."""

import re
from collections.abc import Mapping, Sequence

from app.domain.conversation import Conversation, Message, Origin, Role, TextPart
from app.domain.decision import Outcome
from app.domain.persona import Persona
from app.pipeline.answer import Stopped

# Scripts that name a language well enough to choose a reply; the first that occurs decides.
_SCRIPTS = (
    ("ja", re.compile("[\u3040-\u30ff]")),
    ("ko", re.compile("[\uac00-\ud7af]")),
    ("zh", re.compile("[\u4e00-\u9fff]")),
    ("ru", re.compile("[\u0400-\u04ff]")),
    ("ar", re.compile("[\u0600-\u06ff]")),
)


def stopped_by(persona: Persona, outcome: Outcome, asked: Conversation, choice: int) -> Stopped:
    """How a choice ends that policy stopped.

    Where no turn is wanted, the persona has nothing to say: the outcome is told as an error.
    """
    if not asked.wanted.is_turn:
        return Stopped(
            outcome, f"policy stopped this request: {outcome}", is_error=True, choice=choice
        )
    reply = reply_to(persona, outcome, asked.messages)
    return Stopped(outcome, reply, is_error=persona.on_block == "error", choice=choice)


def reply_to(persona: Persona, outcome: Outcome, messages: Sequence[Message]) -> str:
    """The persona's words for this outcome, in the language of the user's last message.

    Where the persona has no reply in that language, its own language decides, then English.
    """
    replies = _replies(persona, outcome)
    for language in (_language(messages), persona.voice.language, "en"):
        if language in replies:
            return replies[language]
    return next(iter(replies.values()))


def _replies(persona: Persona, outcome: Outcome) -> Mapping[str, str]:
    if outcome is Outcome.ESCALATE:
        return persona.replies.escalate
    if outcome is Outcome.UNCHECKED:
        return persona.replies.unchecked
    return persona.replies.block


def _language(messages: Sequence[Message]) -> str:
    for message in reversed(messages):
        if message.role is Role.USER and message.origin is Origin.CLIENT:
            text = "".join(part.text for part in message.parts if isinstance(part, TextPart))
            return next((tag for tag, script in _SCRIPTS if script.search(text)), "en")
    return "en"
