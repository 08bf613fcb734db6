"""A persona that begins with nothing but a few answers, with a policy and cases of its own."""

from app.catalog.yaml_writer import scalar_text
from app.starter.filled import filled_in
from app.starter.shipped import Files
from app.starter.wish import Wish


def plain_files(wish: Wish, *, policy: str | None, extends: str, route: str) -> Files:
    """Its files.

    Args:
        wish: Who it is.
        policy: The id of a policy that is there; without one, it gets one of its own.
        extends: What its own policy builds on.
        route: Its way to a model.
    """
    files: Files = {}
    if policy is None:
        files[f"policies/{wish.id}.yaml"] = filled_in(
            "policy.yaml", extends=extends, parent=scalar_text(extends)
        )
        files[f"policies/{wish.id}.cases.yaml"] = filled_in("policy.cases.yaml")
    files[f"personas/{wish.id}.cases.yaml"] = filled_in(
        "persona.cases.yaml", says=scalar_text(f"You are {wish.name}")
    )
    files[f"personas/{wish.id}.yaml"] = filled_in(
        "persona.yaml",
        id=wish.id,
        name=scalar_text(wish.name),
        described=_line("description", wish.description),
        policy=scalar_text(policy or wish.id),
        route=scalar_text(route),
        role=scalar_text(wish.role),
        readers=_line("  readers", wish.readers),
        language=scalar_text(wish.language),
    )
    return files


def _line(key: str, value: str) -> str:
    return f"{key}: {scalar_text(value)}\n" if value else ""
