"""What a change of a route means for the data that its providers are sent."""

from collections.abc import Iterator

from app.domain.catalog import Route
from app.domain.data_use import DataUse
from app.review.change import Change, Effect

_WORDS = {
    DataUse.TRAIN: "train on what they are sent",
    DataUse.STORE: "keep what they are sent",
}


def changes_of_data_use(before: Route | None, after: Route) -> Iterator[Change]:
    """What its providers may do now, and what no longer; of a new route, what they may do."""
    was = before.provider_may if before is not None else frozenset()
    for use in DataUse:
        if (use in was) is not (use in after.provider_may):
            may = use in after.provider_may
            what = (
                f"the providers of the route '{after.id}' {'may now' if may else 'may no longer'}"
            )
            effect = Effect.WEAKER if may else Effect.STRICTER
            yield Change(effect, "routes", f"{what} {_WORDS[use]}")
