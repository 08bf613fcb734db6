"""What may stand as a value: references to secrets, paths, addresses and keys."""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationInfo

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_FILE = "file:"
_CREDENTIAL = re.compile(r"auth|key|token|secret|cookie|password", re.IGNORECASE)
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_SQLITE = "sqlite:///"
_NO_LITERAL = (
    "must not stand in the file; write ${NAME} for an environment variable, or file:path for a file"
)


_NOT_READ = "unset" * 8
"""Stands for a secret that is not read: of the length and letters of a signing key, too."""
_NOT_READ_URL = "https://unset.invalid"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What references in the file refer to."""

    environ: Mapping[str, str] | None
    """None reads nothing that is secret: every reference stands for something of its kind, so that
    files can be checked where no secret is at hand."""
    root: Path
    check_key: Callable[[str], object]
    """Called with an approver's key; raises ``ValueError`` where no signature could count."""

    def expand(self, text: str, *, is_url: bool = False) -> str:
        """The text with every reference replaced by what it refers to."""
        environ = self.environ
        if environ is None:
            if text.startswith(_FILE):
                return _NOT_READ_URL if is_url else _NOT_READ
            starts = bool(is_url and _VARIABLE.match(text))
            text = _VARIABLE.sub(_NOT_READ_URL, text, count=1) if starts else text
            return _VARIABLE.sub(_NOT_READ, text)
        if text.startswith(_FILE):
            try:
                return (self.root / text.removeprefix(_FILE)).read_text("utf-8").strip()
            except (OSError, ValueError):
                raise ValueError(
                    "names a file that cannot be read; write its path from the project's folder"
                ) from None
        for name in _VARIABLE.findall(text):
            if not environ.get(name):
                raise ValueError(
                    f"names the environment variable {name}, which is not set; set it first"
                )
        return _VARIABLE.sub(lambda found: environ[found[1]], text)


def _surroundings(info: ValidationInfo) -> Surroundings:
    if not isinstance(info.context, Surroundings):
        raise TypeError("settings are made by settings_from")
    return info.context


def _secret(value: object, info: ValidationInfo) -> object:
    if not isinstance(value, str):
        return value
    if not (_VARIABLE.fullmatch(value) or value.startswith(_FILE)):
        raise ValueError(_NO_LITERAL)
    secret = _surroundings(info).expand(value)
    if not secret or not secret.isascii() or not secret.isprintable():
        raise ValueError("refers to no key: what it holds is empty or not plain ASCII; look at it")
    return secret


def expanded_headers(value: object, info: ValidationInfo) -> object:
    """Headers with what their references refer to."""
    if not isinstance(value, dict):
        return value
    made: dict[str, object] = {}
    for name, text in value.items():
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(
                "has a name that no HTTP header can have; use letters, digits and dashes"
            )
        if not isinstance(text, str):
            made[name] = text
            continue
        is_reference = bool(_VARIABLE.search(text)) or text.startswith(_FILE)
        if _CREDENTIAL.search(name) and not is_reference:
            raise ValueError(f"{name}: {_NO_LITERAL}")
        made[name] = _surroundings(info).expand(text)
        if not str(made[name]).isprintable():
            raise ValueError(f"{name}: holds a line break or another control character; remove it")
    return made


def expanded(value: object, info: ValidationInfo) -> object:
    """A text with what its references refer to."""
    return _surroundings(info).expand(value) if isinstance(value, str) else value


def expanded_url(value: object, info: ValidationInfo) -> object:
    """A URL with what its references refer to."""
    return _surroundings(info).expand(value, is_url=True) if isinstance(value, str) else value


def http_url(url: str) -> str:
    """A URL without a slash at its end, and without anything secret."""
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        raise ValueError(
            "must be an http or https URL, such as https://api.example.com/v1"
        ) from None
    if not is_url:
        raise ValueError("must be an http or https URL, such as https://api.example.com/v1")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("must not hold a user, a password or a query; keys go into 'api_key'")
    return url.rstrip("/")


def endpoint_url(url: str) -> str:
    """As ``http_url``, but for the end: an endpoint's path is its own."""
    http_url(url)
    return url


_AWS_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-[0-9]+")


def aws_region(name: str) -> str:
    """The name of a region."""
    if not _AWS_REGION.fullmatch(name):
        raise ValueError("must be the name of an AWS region, such as eu-central-1")
    return name


_GOOGLE_NAME = re.compile(r"[a-z][a-z0-9.:-]*[a-z0-9]")
_AZURE_VERSION = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(-preview)?")


def google_name(name: str) -> str:
    """The id of a project or the name of a location, as it stands in an address."""
    if not _GOOGLE_NAME.fullmatch(name):
        raise ValueError("must be an id of small letters, digits and dashes")
    return name


def azure_version(version: str) -> str:
    """A version of Azure's API, as it stands in an address."""
    if not _AZURE_VERSION.fullmatch(version):
        raise ValueError("must be a version of Azure's API, such as 2024-10-21")
    return version


_PROVIDER_NAME = re.compile(r"[a-z][a-z0-9_-]*")


def provider_name(name: str) -> str:
    """The name of a provider, as LiteLLM has it before the slash of a model's name."""
    if not _PROVIDER_NAME.fullmatch(name):
        raise ValueError("must be a provider's name in LiteLLM, such as cohere, without a model")
    return name


SIGNING_PREFIX = "whsec_"
_SIGNING_BYTES = range(24, 65)


def as_signing_key(secret: SecretStr) -> SecretStr:
    """A secret that requests can be signed with."""
    try:
        text = secret.get_secret_value().removeprefix(SIGNING_PREFIX)
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        key = b""
    if len(key) not in _SIGNING_BYTES:
        raise ValueError("must be 24 to 64 random bytes in base64, with or without 'whsec_'")
    return secret


def sqlite_url(url: str, info: ValidationInfo) -> str:
    """The URL of a database, with its path under the root."""
    path = url.removeprefix(_SQLITE)
    if path == url or not path:
        raise ValueError("must be sqlite:/// and a path, such as sqlite:///var/banneton.db")
    return f"{_SQLITE}{_surroundings(info).root / path}"


def _under_root(path: Path, info: ValidationInfo) -> Path:
    return _surroundings(info).root / path


def _approver_key(line: str, info: ValidationInfo) -> str:
    _surroundings(info).check_key(line)
    return line


ApproverKey = Annotated[str, AfterValidator(_approver_key)]
Secret = Annotated[SecretStr, BeforeValidator(_secret)]
ProjectPath = Annotated[Path, AfterValidator(_under_root)]
Assurance = Annotated[str, Field(min_length=8, max_length=500)]
"""Names a contract or a setting, for people."""
Milliseconds = Annotated[int, Field(ge=1, le=3_600_000)]
