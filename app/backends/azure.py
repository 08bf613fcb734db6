"""OpenAI's chat completions on Azure."""

from dataclasses import replace
from urllib.parse import quote

from typing_extensions import override

from app.backends.chat_request import COMMON, Differences
from app.backends.http import Connection, Request
from app.backends.openai import OpenAIBackend
from app.domain.conversation import Conversation, Json
from app.domain.data_use import Call

_STORES_SINCE = "2025-02-01"


class AzureBackend(OpenAIBackend):
    """Azure OpenAI: the same protocol at other addresses.

    What its filters say beside an answer is read by nobody; that they stopped one is its finish.
    """

    def __init__(
        self,
        connection: Connection,
        differences: Differences = COMMON,
        *,
        api_version: str | None = None,
    ) -> None:
        """Hold what every request needs.

        Args:
            connection: To the resource, without ``/openai``.
            differences: Of the server from others that speak the protocol.
            api_version: Of the API whose address names the deployment; ``None`` for the v1 API,
                which takes it from the body.
        """
        super().__init__(connection, differences)
        self._api_version = api_version

    @override
    def switched(self, call: Call, conversation: Conversation) -> dict[str, Json]:
        # Older versions store nothing, and refuse the field.
        if self._api_version is not None and self._api_version < _STORES_SINCE:
            return {}
        return super().switched(call, conversation)

    @override
    def request(self, conversation: Conversation, model: str) -> Request:
        sent = super().request(conversation, model)
        if self._api_version is None:
            return replace(sent, path=f"/openai/v1{sent.path}")
        deployment = f"/openai/deployments/{quote(model, safe='')}"
        return replace(sent, path=f"{deployment}{sent.path}?api-version={self._api_version}")


def azure_key(api_key: str | None) -> dict[str, str]:
    """The header that a key of the resource stands in."""
    return {} if api_key is None else {"api-key": api_key}
