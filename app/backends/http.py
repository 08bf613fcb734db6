"""What all providers that are asked over HTTP have in common: the call, its waits, its failures."""

import asyncio
import re
from abc import abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import ClassVar, Protocol
from urllib.parse import SplitResult, urlsplit, urlunsplit

import aiohttp
from typing_extensions import override
from yarl import URL

from app.backends.timeouts import Patience, Timeouts
from app.domain.conversation import Conversation, Json
from app.domain.data_use import NO_SWITCHES, Call, Switches
from app.domain.errors import BackendError, BackendProblem
from app.domain.events import StreamEvent, TextDelta
from app.domain.protocols import Backend
from app.domain.signatures import addressed, marked

JSON = "application/json"
MAX_ANSWER_BYTES = 64 * 2**20
"""Of one answer on the wire: several times what the longest answers of today need."""

_MOST_AT_ONCE = 16 * 2**10
"""Bytes that are read before others on the event loop have their turn: about a millisecond's."""

_DRAIN_S = 0.25
"""How long a provider that has said ``[DONE]`` may take to end its body. A connection whose body
has not ended cannot be used again."""

_OK = 200
_REDIRECTS = range(300, 400)
_UNAUTHORIZED = frozenset({401, 403})
_RATE_LIMITED = frozenset({429, 529})
"""529: Anthropic is overloaded."""
_TIMED_OUT = 408
_REJECTED = range(400, 500)
_FAILED = frozenset({424, *range(500, 600)})
"""424: AWS Bedrock's model failed."""

_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")


class Reader(Protocol):
    """Reads one streamed answer, however its bytes are cut."""

    @property
    def is_done(self) -> bool:
        """The provider has said that the answer is over; what follows is not looked at."""
        ...

    def feed(self, data: bytes) -> Iterator[StreamEvent]:
        """Take the next bytes and give the events that they complete, also before it raises.

        What comes out has to be read to its end before the next call.

        Raises:
            BackendError: The bytes are no such answer, or it reports an error.
        """
        ...

    def end(self) -> Iterator[StreamEvent]:
        """Give what is left when the bytes have ended.

        Raises:
            BackendError: The answer has not ended.
        """
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent for one answer."""

    path: str
    """Below the backend's address, such as ``/chat/completions``; may have a query."""
    body: bytes
    content_type: str = JSON


Authorize = Callable[[str, bytes], Awaitable[Mapping[str, str]]]
"""Headers that prove who asks, for this URL and body: a token that expires, or a signature."""


@dataclass(frozen=True, slots=True)
class Connection:
    """How a provider is reached."""

    session: aiohttp.ClientSession
    """Shared by all backends, made and closed by the caller. It should keep no cookies, which would
    tie the requests of different tenants together."""
    base_url: str
    """Such as ``https://api.openai.com/v1``. Query parameters are kept."""
    headers: Mapping[str, str]
    """Sent with every request."""
    timeouts: Timeouts
    authorize: Authorize | None = None
    switches: Switches = NO_SWITCHES
    """What is sent to forbid the provider what a route does not allow it."""


class HttpBackend(Backend):
    """One endpoint. Asks for a stream where the client wants one, else for a whole answer.

    What comes decides how it is read, whatever was asked for.

    A whole answer costs both sides a fraction of a stream, and gives the same events.
    """

    stream_type: ClassVar[str] = "text/event-stream"
    """The media type of a streamed answer."""
    signer: str = ""
    """Who signs what it gives; set before it is asked, by what the operator calls it."""

    def __init__(self, connection: Connection) -> None:
        """Hold what every request needs.

        Raises:
            ValueError: The address or a header cannot be used. Neither is quoted.
        """
        url = urlsplit(connection.base_url)
        if url.scheme not in {"http", "https"} or not url.hostname:
            raise ValueError("base_url must begin with http:// or https:// and name a host")
        if url.username is not None or url.password is not None:
            raise ValueError("base_url must not hold a password: use api_key or headers")
        self._url = url
        self._session = connection.session
        self._headers = {"accept-encoding": "identity", **connection.headers}
        self._headers["content-type"] = JSON
        if any(_UNPRINTABLE.search(part) for header in self._headers.items() for part in header):
            raise ValueError("api_key and headers must be printable ASCII on one line")
        self._authorize = connection.authorize
        self._switches = connection.switches
        self._timeouts = connection.timeouts
        self._http_timeout = aiohttp.ClientTimeout(
            total=None, connect=self._timeouts.connect_s, sock_connect=self._timeouts.connect_s
        )

    def switched(self, call: Call, conversation: Conversation) -> dict[str, Json]:
        """The fields that forbid the provider what this request's route does not allow it."""
        return self._switches.forbidding(call, conversation.provider_may)

    @abstractmethod
    def request(self, conversation: Conversation, model: str) -> Request:
        """The request for an answer.

        Raises:
            RequestError: The conversation cannot be put into this protocol.
        """

    @abstractmethod
    def reader(self, conversation: Conversation) -> Reader:
        """Reads a streamed answer to this request."""

    @abstractmethod
    def whole(self, body: bytes) -> Sequence[StreamEvent]:
        """The events of an answer that came as one JSON object.

        Raises:
            BackendError: It is no such answer, or it reports an error.
        """

    def answer(self, conversation: Conversation, body: bytes) -> Sequence[StreamEvent]:
        """The events of what came as one JSON object, whatever is wanted.

        Raises:
            BackendError: It is no such answer, or it reports an error.
        """
        del conversation
        return self.whole(body)

    @override
    async def stream(
        self, conversation: Conversation, model: str
    ) -> AsyncGenerator[StreamEvent, None]:
        """The model's answer as events; closing it early closes the connection.

        Raises:
            BackendError: Also in mid-stream.
            RequestError: The conversation cannot be put into this protocol.
        """
        request = self.request(addressed(conversation, self.signer), model)
        patience = Patience(self._timeouts, has_tokens=conversation.is_stream)
        response: aiohttp.ClientResponse | None = None
        try:
            response = await self._post(request, patience)
            _check_status(response)
            if response.content_type == self.stream_type and conversation.wanted.is_turn:
                answer = self.reader(conversation)
                read_bytes = 0
                while not answer.is_done and (data := await _read(response, patience)):
                    read_bytes += len(data)
                    _check_size(read_bytes)
                    for event in answer.feed(data):
                        yield event if type(event) is TextDelta else marked(event, self.signer)
                        patience.saw_token()
                    if len(data) == _MOST_AT_ONCE:  # more has come already
                        await asyncio.sleep(0)
                for event in answer.end():
                    yield marked(event, self.signer)
                await _drain(response)
            elif response.content_type == JSON:
                for event in self.answer(conversation, await _read_whole(response, patience)):
                    yield marked(event, self.signer)
            else:
                raise BackendError(
                    BackendProblem.BROKEN,
                    "the provider answered with neither a stream nor JSON; check that the "
                    f"backend's base_url ends where {request.path.partition('?')[0]} begins",
                    status=response.status,
                )
        finally:
            patience.stop()
            if response is not None:
                # Of no effect where the body has ended: then its connection is back in the pool.
                response.close()

    @override
    async def close(self) -> None:
        """Nothing to give back: the session belongs to the caller."""

    async def _post(self, request: Request, patience: Patience) -> aiohttp.ClientResponse:
        (written, url), headers = _place(self._url, request.path), self._headers
        if request.content_type != JSON:
            headers = {**headers, "content-type": request.content_type}
        if self._authorize is not None:
            proof = await patience.wait_for(self._authorize(written, request.body))
            headers = {**headers, **proof}
        # `from None`: what aiohttp raises can show the request's headers and the provider's bytes.
        try:
            return await patience.wait_for(
                self._session.post(
                    url,
                    data=request.body,
                    headers=headers,
                    timeout=self._http_timeout,
                    allow_redirects=False,
                )
            )
        except aiohttp.ConnectionTimeoutError:
            raise BackendError(
                BackendProblem.CONNECT, f"no connection within {self._timeouts.connect_s:g} s"
            ) from None
        except aiohttp.ClientSSLError:
            raise BackendError(
                BackendProblem.CONNECT, "the provider's TLS certificate or handshake was refused"
            ) from None
        except aiohttp.ClientConnectorError:
            raise BackendError(
                BackendProblem.CONNECT, "no connection: the provider's address does not answer"
            ) from None
        except aiohttp.ClientConnectionError:
            raise BackendError(
                BackendProblem.CONNECT, "the connection was lost before the provider answered"
            ) from None
        except aiohttp.ClientError:
            raise BackendError(
                BackendProblem.BROKEN, "the provider's answer is not HTTP that can be read"
            ) from None


@lru_cache(maxsize=256)
def _place(url: SplitResult, path: str) -> tuple[str, URL]:
    """Where a path below an address is; there are as many as backends have models."""
    path, _, query = path.partition("?")
    query = "&".join(part for part in (query, url.query) if part)
    path = url.path.rstrip("/") + path
    written = urlunsplit((url.scheme, url.netloc, path, query, ""))
    # As it stands: what is signed must not be quoted again.
    return written, URL(written, encoded=True)


async def _read(response: aiohttp.ClientResponse, patience: Patience) -> bytes:
    """The next bytes of the body; none at its end."""
    try:
        return await patience.wait_for(response.content.read(_MOST_AT_ONCE))
    except (aiohttp.ClientError, ConnectionError):
        raise BackendError(
            BackendProblem.BROKEN, "the connection to the provider broke off in its answer"
        ) from None


async def _read_whole(response: aiohttp.ClientResponse, patience: Patience) -> bytes:
    body = bytearray()
    while data := await _read(response, patience):
        body += data
        _check_size(len(body))
        if response.content.at_eof():
            break
    return bytes(body)


def _check_size(read_bytes: int) -> None:
    if read_bytes > MAX_ANSWER_BYTES:
        raise BackendError(
            BackendProblem.BROKEN, f"the provider's answer is longer than {MAX_ANSWER_BYTES} bytes"
        )


async def _drain(response: aiohttp.ClientResponse) -> None:
    """Wait a moment for the end of the body, so that its connection can be used again."""
    if response.content.at_eof():
        return
    try:
        async with asyncio.timeout(_DRAIN_S):
            while not response.content.at_eof():
                await response.content.readany()
    except (TimeoutError, aiohttp.ClientError, ConnectionError):
        # The answer is whole; only the connection is lost.
        return


def _check_status(response: aiohttp.ClientResponse) -> None:
    if response.status != _OK:
        raise status_error(response.status, retry_after_s(response.headers))


def status_error(status: int, after_s: float | None = None) -> BackendError:
    """What a status other than 200 means.

    Args:
        status: The provider's.
        after_s: When it may be asked again, where it says so.
    """
    if status in _REDIRECTS:
        problem, what = BackendProblem.BROKEN, "redirects; set base_url to its final address"
    elif status in _UNAUTHORIZED:
        problem, what = BackendProblem.UNAUTHORIZED, "refuses the gateway's key; check api_key"
    elif status in _RATE_LIMITED:
        problem, what = BackendProblem.RATE_LIMITED, "limits the rate of requests"
    elif status == _TIMED_OUT:
        problem, what = BackendProblem.TIMEOUT, "took too long by its own clock"
    elif status in _FAILED:
        problem, what = BackendProblem.FAILED, "failed"
    elif status in _REJECTED:
        problem, what = BackendProblem.REJECTED, "refuses the request"
    else:
        problem, what = BackendProblem.BROKEN, "answered with a status that has no meaning here"
    return BackendError(
        problem, f"the provider {what} (HTTP {status})", status=status, retry_after_s=after_s
    )


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from a number or from a date by the provider's own clock."""
    value = headers.get("retry-after", "")
    if _SECONDS.fullmatch(value):
        return float(value)
    try:
        until = parsedate_to_datetime(value)
        now = parsedate_to_datetime(headers.get("date", ""))
        return max(0.0, (until - now).total_seconds())
    except (ValueError, TypeError):
        # No date, or one with and one without a zone.
        return None
