"""The matrix once more, where LiteLLM stands between the gateway and two of its protocols."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests import elsewhere
from tests.backends.provider_contract import Text
from tests.e2e import test_matrix as matrix
from tests.e2e.gateway import gateway, make_keys, until
from tests.e2e.test_matrix import Asked, Kitchen, Way
from tests.servers.anthropic_server import anthropic_server
from tests.servers.openai_server import Hang, Play, in_thread, openai_server

_SETTINGS = """
backends:
  openai:
    {type: litellm, provider: openai, base_url: "%s", api_key: "${MODEL_KEY}"}
  anthropic:
    {type: litellm, provider: anthropic, base_url: "%s", api_key: "${MODEL_KEY}"}
routes:
  openai: {backend: openai, model: some-model}
  anthropic: {backend: anthropic, model: some-model}
"""
_PROTOCOLS = ("openai", "anthropic")
_WAYS = [
    pytest.param(Way(client, protocol, streams), id=f"{dialect}-{protocol}{'-stream' * streams}")
    for dialect, client in matrix.CLIENTS.items()
    for protocol in _PROTOCOLS
    for streams in (False, True)
]


@pytest.fixture(scope="module")
def kitchen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kitchen]:
    """A gateway in the environment that has LiteLLM."""
    python = elsewhere.python()
    root = tmp_path_factory.mktemp("litellm") / "project"
    with ExitStack() as stack:
        openai = stack.enter_context(in_thread(openai_server))
        anthropic = stack.enter_context(in_thread(anthropic_server))
        settings = _SETTINGS % (openai.base_url, anthropic.base_url.removesuffix("/v1"))
        matrix.write(root, settings, _PROTOCOLS, {})
        keys = make_keys(root, {"t": ("--records",)})
        running = stack.enter_context(gateway(root, keys=keys, python=python))
        yield Kitchen(running, {"openai": openai, "anthropic": anthropic})


@pytest.mark.parametrize(
    "check",
    [
        matrix.test_text,
        matrix.test_parallel_tools,
        matrix.test_json_of_a_schema,
        matrix.test_a_picture_and_a_file,
        matrix.test_a_provider_that_refuses,
        matrix.test_a_block_in_mid_answer,
        matrix.test_an_error_before_the_answer,
    ],
)
@pytest.mark.parametrize("way", _WAYS)
def test_every_way(kitchen: Kitchen, way: Way, check: Callable[[Kitchen, Way], None]) -> None:
    """Something of an answer, a policy or an error is lost where LiteLLM translates."""
    check(kitchen, way)


@pytest.mark.parametrize("way", _WAYS[1::2])
def test_an_error_in_mid_stream(kitchen: Kitchen, way: Way) -> None:
    """A client takes half an answer for a whole one, or the record does."""
    matrix.test_an_error_in_mid_stream(kitchen, way)


@pytest.mark.parametrize("protocol", _PROTOCOLS)
def test_a_client_that_leaves(kitchen: Kitchen, protocol: str) -> None:
    """A model goes on being paid for nobody."""
    begun = matrix.PROTOCOLS[protocol].begun([Text("Once upon a time, ")])
    provider = kitchen.providers[protocol]
    before = provider.disconnects
    provider.play(Play([*begun.steps, Hang()], content_type=begun.content_type))
    with kitchen.at.client() as client:
        stream = client.chat.completions.create(
            model=protocol, messages=[{"role": "user", "content": "A story"}], stream=True
        )
        next(iter(stream))
        stream.close()
    until(lambda: provider.disconnects == before + 1)
    until(lambda: kitchen.at.newest()["status"] == "cancelled")


def test_nothing_is_said_aside(kitchen: Kitchen) -> None:
    """What users and models say stands in the gateway's log."""
    matrix.play(kitchen, Way(matrix.CLIENTS["chat"], "openai", streams=True), [Text("aside")])
    matrix.CLIENTS["chat"].ask(kitchen.at, Asked("openai", "whispered", streams=True))
    assert not any(word in kitchen.at.output() for word in (b"aside", b"whispered", b"LiteLLM"))
