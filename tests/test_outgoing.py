"""What leaves the process is started where a detector needs it, and counted."""

from pathlib import Path

import orjson
import pytest

from app.catalog.read import read_deployment
from app.domain.conversation import Role
from app.domain.errors import ContentError, DetectorError
from app.domain.protocols import Question
from app.domain.signatures import ANTHROPIC, OPENAI
from app.guardrails.kinds import KINDS
from app.main import load_project
from app.outgoing import refuse_stopped_backends, used_backends
from app.providers import signers
from app.settings import settings_from
from tests.e2e.project import write_project
from tests.guardrails.building import Says
from tests.guardrails.reaching import far
from tests.servers.openai_server import whole_answer

JUDGED = """
extends: lexi
behaviours:
  - {id: fair, instruct: Be fair., verify: {judge: Is it fair?, expect: "yes"}}
"""


def test_a_backend_that_only_a_judge_uses_is_started(tmp_path: Path) -> None:
    """A judge would find its model not started, and every answer would stay unmeasured."""
    root = write_project(tmp_path / "project", "http://127.0.0.1:9/v1")
    before = load_project(root, reads_secrets=False).load()
    with (root / "banneton.yaml").open("a", encoding="utf-8") as deployment:
        deployment.write("  judge: {backend: spare, model: m}\n")
    text = (root / "banneton.yaml").read_text("utf-8")
    spare = '  spare: {type: openai, base_url: "http://127.0.0.1:9/v1"}\nroutes:'
    (root / "banneton.yaml").write_text(text.replace("routes:", spare, 1), "utf-8")
    (root / "personas/judged.yaml").write_text(JUDGED, "utf-8")
    after = load_project(root, reads_secrets=False).load()
    running = {name: object() for name in used_backends(before, KINDS)}
    assert used_backends(after, KINDS) - set(running) == {"spare"}
    refuse_stopped_backends(before, KINDS, running)  # type: ignore[arg-type]  # only names count
    with pytest.raises(ContentError, match=r"restart the gateway to start it \(spare\)"):
        refuse_stopped_backends(after, KINDS, running)  # type: ignore[arg-type]  # as above


async def test_an_answer_that_cannot_be_read_is_counted_all_the_same() -> None:
    """Tokens would be paid for that no record shows."""

    def refuse(_said: str) -> None:
        raise DetectorError("no")

    async with far() as there:
        there.models.answer = lambda _body: whole_answer("words")
        outside = there.outside()
        for _ in range(2):
            with pytest.raises(DetectorError):
                await outside.complete("judge", Question(((Role.USER, "?"),)), refuse)
        assert outside.usage is not None
        assert outside.usage.input_tokens == 14
    assert Says("").usage is None


def signing(root: Path, **backends: dict[str, str]) -> dict[str, str]:
    """Who signs what each of these gives."""
    routes = {"r": {"backend": "house", "model": "m"}}
    (root / "banneton.yaml").write_bytes(
        orjson.dumps({"backends": {"house": {"type": "anthropic"}, **backends}, "routes": routes})
    )
    return signers(settings_from(read_deployment(root), {}, root))


@pytest.mark.parametrize(
    ("other", "own"),
    [
        ({"type": "anthropic"}, {"house", "spare"}),
        ({"type": "anthropic", "base_url": "https://api.deepseek.com/anthropic"}, {"house"}),
        ({"type": "gemini"}, {"house"}),
    ],
)
def test_who_signs_as_anthropic(tmp_path: Path, other: dict[str, str], own: set[str]) -> None:
    """What a compatible server signed would be taken for Anthropic's, and sent there."""
    made = signing(tmp_path, spare=other)
    assert {name for name, signer in made.items() if signer == ANTHROPIC} == own
    assert len(set(made.values())) == len(made) - len(own) + 1


def test_who_signs_behind_a_proxy(tmp_path: Path) -> None:
    """Clients would get a mark before what nobody but Anthropic can have signed."""
    proxy = {"type": "anthropic", "base_url": "https://llm.house.example/v1"}
    assert signing(tmp_path, house=proxy, spare={"type": "gemini"})["house"] == ANTHROPIC


def test_who_signs_as_openai(tmp_path: Path) -> None:
    """What Azure encrypted would be taken for OpenAI's own, which cannot read it."""
    azure = {"type": "responses", "base_url": "https://bread.openai.azure.com/openai/v1"}
    made = signing(tmp_path, own={"type": "responses"}, elsewhere=azure)
    assert (made["own"], made["house"]) == (OPENAI, ANTHROPIC)
    assert made["elsewhere"] not in {OPENAI, ANTHROPIC}
