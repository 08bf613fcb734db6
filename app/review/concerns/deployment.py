"""What ``banneton.yaml`` says besides routes, before and after."""

from collections.abc import Iterator, Mapping
from itertools import takewhile

from app.domain.conversation import Json
from app.domain.policy import Approval
from app.review.change import Change, Effect, listed
from app.review.concerns.values import differences, paths_in_words

Sections = Mapping[str, Json]
"""By name, as written, with references to secrets as they stand."""

_CHECKS = {
    "required": "a request must carry a signed claim",
    "tenant_claim": "a claim must name the key's tenant",
    "subject_claim": "a claim must name the subject",
}
"""What ``access.claims`` may demand, and need not."""


_TOLD_APART = ("access.claims", "waivers.approval", "waivers.approvers")
"""Parts of which more is said than that they changed."""


def changes_of_deployment(before: Sections, after: Sections) -> Iterator[Change]:
    """Sections that read differently, without their values: some refer to secrets."""
    for name in sorted({*before, *after}):
        if before.get(name) == after.get(name):
            continue
        special = {"access": _changes_of_access, "waivers": _changes_of_waivers}.get(name)
        told = list(special(before, after)) if special else []
        yield from told
        found = list(differences({name: before.get(name, {})}, {name: after.get(name, {})}))
        rest = [each for each in found if not (told and each[0].startswith(_TOLD_APART))]
        if rest:
            parts = paths_in_words([(path.partition(".")[2], was, now) for path, was, now in rest])
            what = f"the section '{name}' changes" + (f": {parts}" if parts else "")
            keys = (name, *_shared([path.split(".")[1:] for path, _, _ in rest]))
            yield Change(Effect.CHANGED, name, what, keys=keys)


def _shared(paths: list[list[str]]) -> list[str]:
    """What all paths begin with."""
    alike = takewhile(lambda steps: len(set(steps)) == 1, zip(*paths, strict=False))
    return [steps[0] for steps in alike]


def _changes_of_access(before: Sections, after: Sections) -> Iterator[Change]:
    theirs, ours = (_inside(each, "access", "claims") for each in (before, after))
    for key, what in _CHECKS.items():
        was, now = bool(theirs.get(key)), bool(ours.get(key))
        if was is not now:
            effect = Effect.STRICTER if now else Effect.WEAKER
            said = f"{'demanded now' if now else 'no longer demanded'}: {what}"
            yield Change(effect, "access", said, keys=("access", "claims", key))
    if {**theirs, **dict.fromkeys(_CHECKS)} != {**ours, **dict.fromkeys(_CHECKS)}:
        what = "claims are taken from somebody else, or read otherwise"
        yield Change(Effect.CHANGED, "access", what, keys=("access", "claims"))


def _changes_of_waivers(before: Sections, after: Sections) -> Iterator[Change]:
    was, now = (approval_of(each) for each in (before, after))
    if was is not now:
        ranks = list(Approval)
        effect = Effect.WEAKER if ranks.index(now) < ranks.index(was) else Effect.STRICTER
        what = f"waivers are approved by '{now}' instead of '{was}'"
        yield Change(effect, "waivers", what, keys=("waivers", "approval"))
    theirs, ours = (_inside(each, "waivers", "approvers") for each in (before, after))
    for how, names in (
        ("may approve waivers now", [name for name in ours if name not in theirs]),
        ("may approve waivers no longer", [name for name in theirs if name not in ours]),
        ("signs with another key", [n for n in ours if n in theirs and ours[n] != theirs[n]]),
    ):
        if names:
            keys = ("waivers", "approvers")
            yield Change(Effect.CHANGED, "waivers", f"{listed(names)} {how}", keys=keys)


def approval_of(sections: Sections) -> Approval:
    """How waivers are approved; the weakest way where the file does not say."""
    section = sections.get("waivers")
    said = section.get("approval") if isinstance(section, Mapping) else None
    return Approval(said) if said in set(Approval) else Approval.NAMED


def _inside(sections: Sections, name: str, key: str) -> Mapping[str, Json]:
    section = sections.get(name)
    inside = section.get(key) if isinstance(section, Mapping) else None
    return inside if isinstance(inside, Mapping) else {}
