"""Behaviours of personas: what is idle, what may not be overridden, what contradicts itself."""

from collections.abc import Collection, Iterator
from itertools import combinations

from app.catalog.document import Node
from app.catalog.persona_file import ReadPersona
from app.catalog.wording import unknown
from app.domain.authority import Instruction
from app.domain.catalog import Catalog, Source
from app.domain.errors import Problem
from app.domain.persona import Authority, Behaviour, Persona, Verify

_ABOVE_PERSONAS = frozenset({Authority.PLATFORM, Authority.POLICY})


def check_behaviour(
    behaviour: Behaviour, node: Node, scenarios: Collection[str]
) -> Iterator[Problem]:
    """What one behaviour says in vain, or cannot do."""
    for index, scenario in enumerate(behaviour.scenarios):
        if scenario not in scenarios:
            what = unknown("scenario", scenario, scenarios)
            yield node.nearest("scenarios", index).problem(what)
    if behaviour.verify is None:
        yield from _idle(node, ("on_fail", "percent", "timeout_ms"), "verify")
        return
    acts = {behaviour.on_fail}
    if behaviour.on_fail == "retry":
        acts.add(behaviour.then)
    else:
        yield from _idle(node, ("retries", "then"), "on_fail: retry")
    if "steer" not in acts:
        yield from _idle(node, ("append",), "steer")
    elif not behaviour.append:
        what = "is 'steer', which needs 'append': the text to end the answer with"
        yield node.nearest("then" if behaviour.on_fail == "retry" else "on_fail").problem(what)
    if behaviour.authority is Authority.USER and behaviour.on_fail != "flag":
        what = (
            f"is '{behaviour.on_fail}', but users may override it, so it can only be flagged; "
            "write 'on_fail: flag', or another 'authority'"
        )
        yield node.nearest("on_fail").problem(what)


def _idle(node: Node, keys: Collection[str], without: str) -> Iterator[Problem]:
    for key in keys:
        if (said := node.child(key)) is not None:
            yield said.problem(f"does nothing without '{without}'")


def check_authority(child: ReadPersona, parent: Persona) -> Iterator[Problem]:
    """Behaviours above personas that one persona changes of another, or a variant of its own."""
    ours = {each.id: (index, each) for index, each in enumerate(child.persona.behaviours)}
    for theirs in parent.behaviours:
        if theirs.authority not in _ABOVE_PERSONAS or theirs.id not in ours:
            continue
        index, changed = ours[theirs.id]
        keys = [
            key for key in Behaviour.model_fields if getattr(changed, key) != getattr(theirs, key)
        ]
        if keys:
            node = child.tree.nearest("behaviours", index)
            what = (
                f"changes a behaviour that '{theirs.authority}' sets; a persona stands below that"
            )
            yield node.nearest(keys[0]).problem(what)


def contradictions(catalog: Catalog) -> tuple[Problem, ...]:
    """Behaviours and scenarios that cannot both be followed, as far as a rule can see it.

    They are warnings: an author may know better than a rule that sees words.
    """
    found: dict[Source, Problem] = {}
    for name, persona in catalog.personas.items():
        for path, what in _contradictions(persona):
            source = _source(catalog, f"personas/{name}.yaml", path)
            problem = Problem(source.file, source.line, source.column, path, what)
            found.setdefault(source, problem)
    return tuple(sorted(found.values()))


def _contradictions(persona: Persona) -> Iterator[tuple[str, str]]:
    numbered = list(enumerate(persona.behaviours))
    for (_, one), (index, other) in combinations(numbered, 2):
        if _meet(one, other) and _exclude(one.verify, other.verify):
            yield (
                f"behaviours[{index}].verify",
                f"cannot hold where '{one.id}' holds: they ask for the opposite",
            )
    told = {one.id: Instruction(one.instruct) for one in persona.behaviours}
    for name, scenario in persona.scenarios.items():
        said = Instruction(scenario.instruct)
        for one in persona.behaviours:
            applies = not one.scenarios or name in one.scenarios
            is_above = one.authority is not Authority.USER
            if applies and is_above and said.goes_against(told[one.id]):
                yield (
                    f"scenarios.{name}.instruct",
                    f"seems to go against the behaviour '{one.id}', which stands above it",
                )


def _meet(one: Behaviour, other: Behaviour) -> bool:
    """Whether both hold in some situation."""
    return not (one.scenarios and other.scenarios) or bool({*one.scenarios} & {*other.scenarios})


def _exclude(one: Verify | None, other: Verify | None) -> bool:
    """Whether no answer can keep to both."""
    if one is None or other is None or one.detector != other.detector:
        return False
    if one.expect == other.expect:
        return False
    if one.settings == other.settings:
        return True
    wanted, unwanted = (one, other) if one.expect == "present" else (other, one)
    some, none = _words(wanted), _words(unwanted)
    return bool(some) and some <= none


def _words(verify: Verify) -> set[str]:
    """The words that a detector of words looks for; none for another detector."""
    listed = verify.settings.get("words") if verify.detector == "words" else None
    return {str(word).lower() for word in listed} if isinstance(listed, list) else set()


def _source(catalog: Catalog, file: str, path: str) -> Source:
    while path and (file, path) not in catalog.sources:
        path = path.rpartition(".")[0]
    return catalog.sources.get((file, path), Source(file, 0, 0))
