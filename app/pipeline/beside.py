"""Which variants run beside an exchange that has ended, and what they are asked."""

from collections.abc import Iterator
from dataclasses import replace

from app.domain.record import Assigned
from app.pipeline.media import seen_of
from app.pipeline.ready import Ready
from app.pipeline.shadows import Dropped, Shadows
from app.pipeline.split import drawn, unit_of
from app.pipeline.steps import Ask, Steps


def asks_beside(steps: Steps, shadows: Shadows, ask: Ask, ready: Ready) -> Iterator[Ask]:
    """What each shadow of an exchange is asked, for those that its session is drawn for.

    Only turns have shadows, and only those of which policy has let the input through.
    """
    if ready.inspection.stop is not None or not ask.conversation.wanted.is_turn:
        return
    unit = unit_of(ask.conversation, ask.request_id)
    holds_media = any(seen.bytes for seen in seen_of(ready.asked))
    for shadow in ask.shadows:
        served = shadow.served
        experiment = f"shadow\0{served.persona.id}\0{served.variant}"
        if drawn(steps.pseudonym_key, ask.caller.tenant, experiment, unit) >= shadow.percent:
            continue
        if holds_media:
            shadows.drop(served, Dropped.MEDIA)
            continue
        yield replace(
            ask,
            conversation=ready.said,  # what waits is what policy let through
            served=served,
            request_id=steps.new_id(),
            assigned=Assigned.SHADOW,
            shadows=(),
            shadow_of=ask.request_id,
        )
