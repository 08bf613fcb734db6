"""What is wrong with a persona's variants, and with the rollout of one."""

import re
from collections.abc import Collection, Iterator

from app.catalog.document import Node
from app.catalog.persona_file import ReadPersona
from app.catalog.wording import choices, unknown
from app.domain.errors import Problem
from app.domain.persona import Gate, Persona, Rollout

_VARIANT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_ALL = 100


def check_variants(read: ReadPersona, metrics: Collection[str]) -> Iterator[Problem]:
    """What is wrong with them.

    Args:
        read: The persona.
        metrics: What gates may name. One that ends in ``:`` takes the id of a behaviour.
    """
    persona, node = read.persona, read.tree.nearest("variants")
    for index, variant in enumerate(persona.variants):
        if not _VARIANT_ID.fullmatch(variant.id):
            what = "may hold letters, digits, '.', '_' and '-'; requests say persona:variant"
            yield node.nearest(index, "id").problem(what)
        if variant.shadow and "policy" in variant.set:
            what = (
                "cannot be set by a shadow, which is given what the persona's policy lets through;"
                " try a policy with 'mode: observe'"
            )
            yield node.nearest(index, "set").entries["policy"].key_problem(what)
    if persona.rollout is not None:
        yield from _check_rollout(persona.rollout, read, read.tree.nearest("rollout"), metrics)
    most = max(persona.rollout.steps) if persona.rollout else 0
    total = most + sum(each.percent for each in persona.variants if not each.shadow)
    if round(total, 6) > _ALL:
        counted = "; the rollout's last step counts" if most else ""
        yield node.problem(f"have {total:g} percent together, more than 100{counted}; lower some")


def _check_rollout(
    rollout: Rollout, read: ReadPersona, node: Node, metrics: Collection[str]
) -> Iterator[Problem]:
    variants = {each.id: each for each in read.persona.variants}
    variant = variants.get(rollout.variant)
    if variant is None:
        yield node.nearest("variant").problem(unknown("variant", rollout.variant, list(variants)))
    elif variant.shadow:
        what = f"'{variant.id}' is a shadow, which answers nobody; take 'shadow' away"
        yield node.nearest("variant").problem(what)
    elif variant.percent:
        own = f"'{variant.id}' has a share of its own; leave out its 'percent'"
        yield node.nearest("variant").problem(f"{own}, which 'steps' say here")
    if any(now <= before for before, now in zip(rollout.steps, rollout.steps[1:], strict=False)):
        yield node.nearest("steps").problem("must grow from one to the next")
    versions = [
        read.persona,
        *(v.persona for n, v in read.variants.items() if variant and n == variant.id),
    ]
    seen: set[str] = set()
    for index, gate in enumerate(rollout.gates):
        at = node.nearest("gates", index, "metric")
        if gate.metric in seen:
            yield at.problem(f"is '{gate.metric}' again; a metric has one gate")
        seen.add(gate.metric)
        yield from _check_metric(gate, versions, at, metrics)


def _check_metric(
    gate: Gate, versions: Collection[Persona], at: Node, metrics: Collection[str]
) -> Iterator[Problem]:
    kind, colon, name = gate.metric.partition(":")
    if not colon or f"{kind}:" not in metrics:
        if gate.metric not in metrics or gate.metric.endswith(":"):
            yield at.problem(unknown("metric for a gate", gate.metric, sorted(metrics)))
        return
    for persona in versions:
        behaviours = {each.id: each for each in persona.behaviours}
        behaviour = behaviours.get(name)
        if behaviour is None:
            measured = [each.id for each in persona.behaviours if each.verify]
            what = f"is of the behaviour '{name}', and there is none{choices(name, measured)}"
        elif behaviour.verify is None:
            what = (
                f"is of the behaviour '{name}', which has no 'verify', so nothing measures it; "
                "add it, or take the gate out"
            )
        else:
            continue
        yield at.problem(what)
        return
