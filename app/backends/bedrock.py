"""AWS Bedrock's Converse over HTTP. Needs the extra ``banneton[bedrock]``."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import quote

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials, RefreshableCredentials
from botocore.exceptions import BotoCoreError
from botocore.session import Session
from typing_extensions import override

from app.backends.bedrock_chunks import ConverseReader
from app.backends.bedrock_request import Thinking, bedrock_request
from app.backends.eventstream import FrameCutter
from app.backends.http import Authorize, Connection, HttpBackend, Reader, Request
from app.backends.pieces import PieceReader
from app.backends.turns import without
from app.domain.conversation import Conversation, SamplingField
from app.domain.errors import BackendError, BackendProblem
from app.domain.events import StreamEvent

_SERVICE = "bedrock"


class BedrockBackend(HttpBackend):
    """AWS Bedrock Converse and ConverseStream."""

    stream_type: ClassVar[str] = "application/vnd.amazon.eventstream"

    def __init__(
        self,
        connection: Connection,
        *,
        thinking: Thinking = "effort",
        leaves_out: Collection[SamplingField] = (),
    ) -> None:
        """Hold what every request needs.

        Args:
            connection: To where ``/model`` is.
            thinking: How the models behind it are told to reason.
            leaves_out: Wishes that are not sent, where they would otherwise be refused.
        """
        super().__init__(connection)
        self._thinking = thinking
        self._leaves_out = leaves_out

    @override
    def request(self, conversation: Conversation, model: str) -> Request:
        wanted = without(conversation, self._leaves_out)
        call = "converse-stream" if conversation.is_stream else "converse"
        # A model may be an ARN, with colons and slashes.
        path = f"/model/{quote(model, safe='')}/{call}"
        return Request(path, bedrock_request(wanted, thinking=self._thinking))

    @override
    def reader(self, conversation: Conversation) -> Reader:
        return PieceReader(FrameCutter(), ConverseReader())

    @override
    def whole(self, body: bytes) -> Sequence[StreamEvent]:
        answer = ConverseReader()
        answer.read_whole(body)
        return [*answer.take(), *answer.end()]


@dataclass(frozen=True, slots=True)
class Keys:
    """A pair of AWS keys, with the token of a session where they are temporary."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None


def endpoint_of(region: str) -> str:
    """Where a region's models are."""
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"https://bedrock-runtime.{region}.{domain}"


def signed_by_keys(keys: Keys, region: str) -> Authorize:
    """Requests are signed with these keys."""
    credentials = Credentials(keys.access_key_id, keys.secret_access_key, keys.session_token)
    return _signed(credentials, region)


def signed_by_chain(profile: str | None, region: str) -> Authorize:
    """Requests are signed with what AWS's own chain finds: environment, profile, role.

    Raises:
        ValueError: It finds nothing.
    """
    try:
        credentials = Session(profile=profile).get_credentials()
    except BotoCoreError:
        credentials = None
    if credentials is None:
        raise ValueError(
            "no AWS credentials were found: set api_key, or access_key_id and secret_access_key, "
            "or give the process a profile or a role"
        )
    return _signed(credentials, region)


def _signed(credentials: Credentials, region: str) -> Authorize:
    async def authorize(url: str, body: bytes) -> Mapping[str, str]:
        signer = SigV4Auth(await _frozen(credentials), _SERVICE, region)
        request = AWSRequest("POST", url, data=body)
        signer.add_auth(request)
        return {name.lower(): value for name, value in request.headers.items()}

    return authorize


async def _frozen(credentials: Credentials) -> object:
    if not isinstance(credentials, RefreshableCredentials):
        return credentials.get_frozen_credentials()
    try:
        # It may ask the network, and blocks while it does.
        return await asyncio.to_thread(credentials.get_frozen_credentials)
    except (BotoCoreError, OSError):
        raise BackendError(
            BackendProblem.UNAUTHORIZED, "the gateway's AWS credentials could not be renewed"
        ) from None
