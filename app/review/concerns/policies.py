"""What a policy says besides its rules: audiences, waivers, and what may be kept."""

from collections.abc import Iterator
from dataclasses import asdict, fields, is_dataclass

from app.catalog.tier import wider_media, wider_sinks
from app.domain.policy import Categories, KeepContent, MediaKind, Policy, Restore, Waiver
from app.review.change import Change, Effect, listed
from app.review.concerns.rules import Pair, changes_of_rules, does_less
from app.review.concerns.values import in_words

_COMPARED = frozenset(
    {
        "id",
        "audiences",
        "default_audience",
        "rules",
        "waivers",
        "keep",
        "restore",
        "media",
        "extends",
    }
)


def changes_of_policy(pair: Pair) -> Iterator[Change]:
    """All that is different about a policy, whoever is served under it."""
    yield from changes_of_rules(pair)
    yield from _changes_of_audiences(pair)
    yield from _changes_of_waivers(pair)
    yield from _changes_of_keep(pair.before, pair.after)
    yield from _changes_of_restore(pair.before, pair.after)
    yield from _changes_of_media(pair.before, pair.after)
    if pair.after.id == pair.before.id and pair.after.extends != pair.before.extends:
        parents = [policy.extends or "nothing" for policy in (pair.after, pair.before)]
        what = f"extends {parents[0]} instead of {parents[1]}"
        yield Change(Effect.CHANGED, "extends", what, keys=("extends",))
    for each in fields(pair.after):
        key = each.name
        if key not in _COMPARED and getattr(pair.after, key) != getattr(pair.before, key):
            parts = in_words(_plain(pair.before, key), _plain(pair.after, key))
            what = f"says another '{key}'" + (f": {parts}" if parts else "")
            yield Change(Effect.CHANGED, key, what, keys=(key,))
    ours, theirs = ([rule.id for rule in policy.rules] for policy in (pair.after, pair.before))
    if ours != theirs and sorted(ours) == sorted(theirs):
        yield Change(Effect.CHANGED, "rules", "the rules stand in another order", keys=("rules",))


def _plain(policy: Policy, key: str) -> object:
    said = getattr(policy, key)
    return asdict(said) if is_dataclass(said) and not isinstance(said, type) else said


def _changes_of_audiences(pair: Pair) -> Iterator[Change]:
    before, after = pair.before, pair.after
    keys = ("audiences", "strictest_first")
    if gone := [name for name in before.audiences if name not in after.audiences]:
        what = f"the audience {listed(gone)} is gone; requests for it are refused"
        yield Change(Effect.CHANGED, "audiences", what, keys=keys)
    if new := [name for name in after.audiences if name not in before.audiences]:
        yield Change(Effect.CHANGED, "audiences", f"the audience {listed(new)} is new", keys=keys)
    shared = [name for name in after.audiences if name in before.audiences]
    for limit in shared:
        was = {name for name in shared if before.is_stricter_or_same(name, limit)}
        now = {name for name in shared if after.is_stricter_or_same(name, limit)}
        if more := sorted(now - was):
            what = f"a key for {limit} may now be served as {listed(more)}"
            yield Change(Effect.WEAKER, "audiences", what, audiences=(limit,), keys=keys)
        if less := sorted(was - now):
            what = f"a key for {limit} may no longer be served as {listed(less)}"
            yield Change(Effect.STRICTER, "audiences", what, audiences=(limit,), keys=keys)
    ours, theirs = after.default_audience, before.default_audience
    if ours != theirs:
        if theirs in after.audiences:
            stricter = after.is_stricter_or_same(ours, theirs)
            effect = Effect.STRICTER if stricter else Effect.WEAKER
        else:  # under another name, rules may do less for whom they are
            is_weaker = does_less(pair, ours, theirs)
            effect = Effect.WEAKER if is_weaker else Effect.CHANGED
        what = f"who names no audience is served as {ours} instead of {theirs}"
        yield Change(effect, "audiences", what, keys=("audiences", "default"))


def _changes_of_waivers(pair: Pair) -> Iterator[Change]:
    """What people agreed on. What it does to decisions is told with the rule's actions."""
    ours, theirs = ({(w.rule, w.audience): w for w in p.waivers} for p in (pair.after, pair.before))
    for key, waiver in ours.items():
        was = theirs.get(key)
        if was is None:
            yield _about(waiver, f"a waiver is new: {_in_words(waiver)}")
        elif was != waiver:
            yield _about(waiver, f"the waiver is another one: {_in_words(waiver)}")
        if was != waiver and waiver.expires < pair.today:
            yield _about(waiver, "the waiver has expired already and lowers nothing")
    for key, waiver in theirs.items():
        if key not in ours:
            yield _about(waiver, f"a waiver is gone: {_in_words(waiver)}")


def _about(waiver: Waiver, what: str) -> Change:
    return Change(Effect.CHANGED, "waivers", what, waiver.rule, (waiver.audience,))


def _in_words(waiver: Waiver) -> str:
    return (
        f"to '{waiver.to}' until {waiver.expires}, approved by {waiver.approved_by}: "
        f"{waiver.reason}"
    )


def _changes_of_keep(before: Policy, after: Policy) -> Iterator[Change]:
    ours, theirs = after.keep, before.keep
    keys = ("keep",)
    if ours.content is not theirs.content:
        keeps_more = ours.content is not KeepContent.NONE
        effect = Effect.WEAKER if keeps_more else Effect.STRICTER
        what = f"the ledger may keep text: '{ours.content}' instead of '{theirs.content}'"
        yield Change(effect, "keep", what, keys=(*keys, "content"))
    if ours.content_days != theirs.content_days:
        keeps_text = KeepContent.NONE not in (ours.content, theirs.content)
        longer = Effect.WEAKER if ours.content_days > theirs.content_days else Effect.STRICTER
        what = f"text may be kept for {ours.content_days} days instead of {theirs.content_days}"
        effect = longer if keeps_text else Effect.CHANGED
        yield Change(effect, "keep", what, keys=(*keys, "content_for"))
    if ours.findings_days != theirs.findings_days:
        # Longer is more about a person, shorter is less evidence: neither is the stricter one.
        what = f"findings are kept for {ours.findings_days} days instead of {theirs.findings_days}"
        yield Change(Effect.CHANGED, "keep", what, keys=(*keys, "findings"))


def _changes_of_restore(before: Policy, after: Policy) -> Iterator[Change]:
    wider, narrower = ([path for path, _ in wider_sinks(*pair)] for pair in _both(after, before))
    for path in dict.fromkeys((*wider, *narrower)):
        sink = "the user" if path == ("user",) else f"the tool '{path[-1]}'"
        ours, theirs = (_kinds_in_words(_sees(each.restore, path)) for each in (after, before))
        effect = Effect.WEAKER if path in wider else Effect.STRICTER
        what = f"{sink} gets {ours} in place of pseudonyms, not {theirs}"
        yield Change(effect, "restore", what, keys=("restore", *path))


def _changes_of_media(before: Policy, after: Policy) -> Iterator[Change]:
    wider, narrower = ([path for path, _ in wider_media(*pair)] for pair in _both(after, before))
    for path in dict.fromkeys((*wider, *narrower)):
        kind = next(each for each in MediaKind if path[: len(each.place)] == each.place)
        key = path[len(kind.place) :]
        ours, theirs = (_media_in_words(each, kind, key) for each in (after, before))
        effect = Effect.WEAKER if path in wider else Effect.STRICTER
        where = "answers" if kind is MediaKind.ANSWER_IMAGES else "requests"
        holds = f"{where} may hold {kind.place[-1]}"
        what = f"{holds}: {ours} instead of {theirs}; no detector looks inside"
        yield Change(effect, "media", what, keys=("media", *path))
    if after.media != before.media and not wider and not narrower:
        what = "says otherwise which pictures and files it lets in or out"
        yield Change(Effect.CHANGED, "media", what, keys=("media",))


def _media_in_words(policy: Policy, kind: MediaKind, key: tuple[str, ...]) -> str:
    """What a key of a kind lets in or out; all of the kind where there is none."""
    bounds = policy.media.of(kind)
    if bounds is None:
        return "none"
    said = {
        "types": listed(sorted(bounds.types)),
        "max_bytes": f"up to {bounds.max_bytes} bytes each",
        "max_count": f"{bounds.max_count} at most",
        "strictest_audience": "from "
        + listed([name for name in policy.audiences if policy.takes_media(kind, name)]),
    }
    if kind is not MediaKind.ANSWER_IMAGES:
        hosts = listed(sorted(bounds.hosts)) if bounds.hosts else "no host"
        said["hosts"] = f"linked at {hosts}"
    return said[key[0]] if key else ", ".join(said.values())


def _both(one: Policy, other: Policy) -> tuple[tuple[Policy, Policy], tuple[Policy, Policy]]:
    return (one, other), (other, one)


def _sees(restore: Restore, path: tuple[str, ...]) -> Categories:
    return restore.user if path == ("user",) else restore.for_tool(path[-1])


def _kinds_in_words(kinds: Categories) -> str:
    if kinds is None:
        return "all values"
    return listed(sorted(kinds)) if kinds else "nothing"
