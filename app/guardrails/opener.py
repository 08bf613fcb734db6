"""Opens the texts of an answer: which rules look at each, and on which side of its values."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from app.domain.events import ToolCallDelta
from app.domain.policy import Categories, Restore, Stage
from app.guardrails.answer import Choice, Delta, Text
from app.guardrails.channel import Channel
from app.guardrails.context import Context
from app.guardrails.known import KnownPseudonyms
from app.guardrails.restore import Restorer
from app.guardrails.rewrite import Name
from app.guardrails.stage_plan import StagePlan

_NOTHING = KnownPseudonyms({})


class Opener:
    """Makes the texts of one answer."""

    def __init__(
        self,
        plans: Mapping[Stage, StagePlan],
        restore: Restore,
        known: KnownPseudonyms,
        name: Name,
        context: Context,
    ) -> None:
        """Begin an answer.

        Args:
            plans: Of the stages of an answer.
            restore: Which values come back where.
            known: The pseudonyms of the scope.
            name: Gives pseudonyms to what the model brings up.
            context: What the answer belongs to.
        """
        self._plans = plans
        self._restore = restore
        self._known = known
        self._name = name
        self._context = context
        self._shown: dict[Categories, Context] = {}

    def text(self, choice: Choice, of: str, like: Delta | None, *, is_held: bool) -> Text:
        """A text of a choice, which nothing has come of yet.

        Args:
            choice: To which it belongs.
            of: What it is called there.
            like: What leaves becomes events like this; none for a part of another event.
            is_held: Nothing of it leaves before its end.
        """
        is_call = isinstance(like, ToolCallDelta)
        is_json = isinstance(like, ToolCallDelta) and like.name is None
        context = self._context_of(choice, of, is_call=is_call)
        plan = self._plans[Stage.TOOL_CALL if is_call else Stage.OUTPUT]
        make = partial(Channel, path=choice.path(of), name=self._name, is_json=is_json)
        if not self._known or like is None or (is_call and not is_json):
            return Text(make(plan, known=self._known, is_held=is_held, context=context), like)
        sees = self._restore.for_tool(context.tool) if is_call else self._restore.user
        restorer = Restorer(self._known, sees, is_json=is_json)
        at_exit = plan.after_restoring
        if at_exit is None:
            channel = make(plan, known=self._known, is_held=is_held, context=context)
            return Text(channel, like, restorer)
        channel = make(plan.before_restoring, known=self._known, is_held=is_held, context=context)
        if is_call:
            context = replace(
                self._as_seen(sees), stage=context.stage, tool=context.tool, of=context.of
            )
        return Text(channel, like, restorer, make(at_exit, known=_NOTHING, context=context))

    def _context_of(self, choice: Choice, of: str, *, is_call: bool) -> Context:
        call, _, part = of.rpartition(".")
        part = part.partition("[")[0]
        if not is_call:
            return replace(self._context, stage=Stage.OUTPUT, of=part)
        name = choice.texts.get(f"{call}.name") if part == "arguments" else None
        tool = None if name is None else name.channel.text
        return replace(self._context, stage=Stage.TOOL_CALL, tool=tool, of=part)

    def _as_seen(self, sees: Categories) -> Context:
        """What calls are compared with, as their sink would see it: so that copies are copies."""
        if sees not in self._shown:
            self._shown[sees] = replace(
                self._context,
                system=self._restored(self._context.system, sees),
                question=self._restored(self._context.question, sees),
                documents=tuple(self._restored(text, sees) for text in self._context.documents),
            )
        return self._shown[sees]

    def _restored(self, text: str, sees: Categories) -> str:
        return Restorer(self._known, sees).feed(text, is_end=True)
