"""The long tail of providers, through LiteLLM inside. Needs the extra ``banneton[litellm]``.

LiteLLM turns chat completions into each provider's protocol, and its answers into chunks of chat
completions, which the one reader of that format reads. All else that it can do stays off.
"""

import logging
import os
from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from typing import Any, Final

import orjson
from typing_extensions import override

from app.backends.chat_answer import whole_answer
from app.backends.chat_chunks import ChunkReader
from app.backends.chat_request import Differences, chat_request
from app.backends.http import retry_after_s, status_error
from app.backends.timeouts import Patience, Timeouts
from app.backends.turns import without
from app.domain.conversation import (
    Conversation,
    FilePart,
    ImagePart,
    Json,
    Linked,
    SamplingField,
)
from app.domain.errors import BackendError, BackendProblem, RequestError
from app.domain.events import StreamEvent
from app.domain.protocols import Backend

_SWITCHES: Final = {
    # Otherwise it asks the network for prices, and reads .env into the environment.
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_MODE": "PRODUCTION",
}
_LOGGERS: Final = ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy")
_DIFFERENCES: Final = Differences(
    # Of several choices it streams the first.
    lacks=frozenset({"n", "logprobs", "top_logprobs"})
)
_NOT_READ: Final = frozenset(
    {"provider_specific_fields", "thinking_blocks", "reasoning_items", "citations", "caller"}
)
"""Fields of LiteLLM's own. They repeat the answer or stand beside it, and reach nobody."""


@dataclass(frozen=True, slots=True)
class Through:
    """Which provider LiteLLM asks, and as whom."""

    provider: str
    """By LiteLLM's name, such as ``cohere``."""
    api_key: str = field(repr=False)
    base_url: str | None = None
    """Left out, LiteLLM's own for the provider."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeouts: Timeouts = field(default_factory=Timeouts)


class LiteLLMBackend(Backend):
    """One provider that LiteLLM knows."""

    def __init__(self, through: Through, *, leaves_out: Collection[SamplingField] = ()) -> None:
        """Load LiteLLM, which takes seconds for the first.

        Args:
            through: Which provider is asked, and as whom.
            leaves_out: Wishes that are not sent, where they would otherwise be refused.

        Raises:
            ModuleNotFoundError: It is not installed.
            ValueError: It knows no such provider.
        """
        self._engine = _engine()
        known = [str(getattr(each, "value", each)) for each in self._engine.provider_list]
        if through.provider not in known:
            close = get_close_matches(through.provider, known, n=1)
            hint = f"; did you mean '{close[0]}'?" if close else ""
            raise ValueError(f"LiteLLM knows no provider '{through.provider}'{hint}")
        self._through = through
        self._leaves_out = leaves_out
        self._own: dict[str, Json] = {
            "api_key": through.api_key,
            "api_base": through.base_url,
            "extra_headers": dict(through.headers),
            "timeout": through.timeouts.total_s,
            "num_retries": 0,
            "drop_params": False,
            # Looks for tools of LiteLLM's proxy, of which it loads a large part to do so.
            "_skip_mcp_handler": True,
        }

    @override
    async def stream(
        self, conversation: Conversation, model: str
    ) -> AsyncGenerator[StreamEvent, None]:
        """The model's answer as events; closing it early closes the connection.

        Raises:
            BackendError: Also in mid-stream.
            RequestError: The provider cannot be asked this, as far as LiteLLM knows.
        """
        asked = self._asked(conversation, model)
        patience = Patience(self._through.timeouts, has_tokens=conversation.is_stream)
        has_begun = False
        try:
            answer = await patience.wait_for(self._engine.acompletion(**asked, **self._own))
            if not conversation.is_stream:
                for event in whole_answer(_encoded(answer)):
                    yield event
                return
            reader = ChunkReader()
            async with aclosing(answer):
                while (chunk := await patience.wait_for(anext(answer, None))) is not None:
                    _refuse_made_up_end(chunk, answer)
                    reader.read(_encoded(chunk))
                    for event in reader.take():
                        has_begun = True
                        yield event
                        patience.saw_token()
            for event in reader.end():
                yield event
        except (BackendError, RequestError):
            raise
        except Exception as exc:  # noqa: BLE001  # LiteLLM raises errors of every kind
            # `from None`: its errors quote the request and what the provider sent.
            raise self._failure(exc, asked, has_begun=has_begun) from None
        finally:
            patience.stop()

    @override
    async def close(self) -> None:
        """Close the connections that LiteLLM keeps, which all backends of this kind share."""
        await self._engine.close_litellm_async_clients()

    def _asked(self, conversation: Conversation, model: str) -> dict[str, Json]:
        """The request, without what is the same in all."""
        if conversation.passthrough:
            # LiteLLM would take them for its own: an address, a key, an answer.
            what = "fields that pass through cannot be sent by this persona's backend"
            raise RequestError(what, param=next(iter(conversation.passthrough)))
        _refuse_links(conversation)
        body = chat_request(without(conversation, self._leaves_out), model, _DIFFERENCES)
        return {**orjson.loads(body), "model": f"{self._through.provider}/{model}"}

    def _failure(
        self, exc: Exception, asked: Mapping[str, Json], *, has_begun: bool
    ) -> BackendError | RequestError:
        errors = self._engine.exceptions
        if isinstance(exc, errors.MidStreamFallbackError) and exc.original_exception is not None:
            exc = exc.original_exception
        if isinstance(exc, errors.UnsupportedParamsError):
            return self._refused(asked)
        if isinstance(exc, errors.Timeout):
            return BackendError(BackendProblem.TIMEOUT, "the provider took too long")
        headers = getattr(exc, "litellm_response_headers", None)
        # For some providers it tells a lost connection as a status that nobody sent.
        has_no_answer = isinstance(exc, errors.InternalServerError) and headers is None
        if isinstance(exc, errors.APIConnectionError) or (has_no_answer and not has_begun):
            if has_begun:
                what = "the connection to the provider broke off in its answer"
                return BackendError(BackendProblem.BROKEN, what)
            what = "LiteLLM could not reach the provider, or could not read what it said"
            return BackendError(BackendProblem.CONNECT, what)
        status = getattr(exc, "status_code", None)
        if isinstance(status, int):
            return status_error(status, retry_after_s(headers or {}))
        return BackendError(BackendProblem.FAILED, f"LiteLLM failed ({type(exc).__name__})")

    def _refused(self, asked: Mapping[str, Json]) -> RequestError:
        """Which wishes the provider does not have."""
        model = str(asked["model"]).partition("/")[2]
        known = self._engine.get_supported_openai_params(model, self._through.provider) or ()
        wishes = self._engine.OPENAI_CHAT_COMPLETION_PARAMS
        fields = [name for name in asked if name in wishes and name not in known]
        what = f"{', '.join(fields) or 'a field'}: this persona's provider has no such field"
        return RequestError(
            f"{what}; leave it out",
            param=fields[0] if fields else None,
            code="unsupported",
        )


@cache
def _engine() -> Any:  # noqa: ANN401  # the tests' own environment has no types of it
    """LiteLLM, with everything off that is not one request and its answer."""
    for name in [each for each in os.environ if each.startswith("LITELLM_")]:  # noqa: TID251  # it reads its switches nowhere else
        del os.environ[name]  # noqa: TID251  # banneton.yaml decides, not what lies about
    os.environ.update(_SWITCHES)  # noqa: TID251  # as above
    import litellm  # noqa: PLC0415  # an optional extra, of seconds and 170 MB of memory

    for name in _LOGGERS:
        logging.getLogger(name).disabled = True
    litellm.suppress_debug_info = True
    litellm.turn_off_message_logging = True
    litellm.disable_streaming_logging = True
    litellm.disable_hf_tokenizer_download = True
    litellm.disable_aiohttp_trust_env = True
    litellm.drop_params = litellm.modify_params = False
    return litellm


def _refuse_links(conversation: Conversation) -> None:
    for message in conversation.messages:
        for part in message.parts:
            if isinstance(part, ImagePart | FilePart) and isinstance(part.source, Linked):
                what = "this persona's backend takes no links: LiteLLM would fetch some itself"
                raise RequestError(what, param=part.path or None, code="unsupported")


def _refuse_made_up_end(chunk: Any, answer: Any) -> None:  # noqa: ANN401  # as above
    """Refuse the ``stop`` that LiteLLM adds where a provider's answer broke off."""
    ends = any(choice.finish_reason for choice in chunk.choices)
    if ends and not (answer.received_finish_reason or answer.intermittent_finish_reason):
        what = "the provider's answer broke off before its end"
        raise BackendError(BackendProblem.BROKEN, what)


def _encoded(answer: Any) -> bytes:  # noqa: ANN401  # as above
    # Without warnings: they would show pieces of the answer on standard error.
    return orjson.dumps(_read(answer.model_dump(exclude_none=True, warnings=False)))


def _read(value: Json) -> Json:
    """The fields that are read, at any depth."""
    if isinstance(value, dict):
        return {name: _read(each) for name, each in value.items() if name not in _NOT_READ}
    if isinstance(value, list):
        return [_read(each) for each in value]
    return value
