"""Addresses that a provider is asked to fetch from, and the hosts that a policy names for it."""

import re
from urllib.parse import urlsplit

_MAX_CHARS = 2_048
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}\.)+[a-z][a-z0-9-]{{0,61}}[a-z0-9]")
"""Two labels at least. The last one begins with a letter: readers of URLs take a host whose last
label is a number, in whatever base, for an IPv4 address (WHATWG URL, "ends in a number")."""
_NOT_PLAIN = re.compile(r"[^!-~]|\\")
"""Readers of URLs disagree about blanks, controls, backslashes and what is not ASCII."""
_MAX_HOST_CHARS = 253
_NOT_PUBLIC = (
    "alt",
    "arpa",
    "corp",
    "example",
    "home",
    "internal",
    "intranet",
    "invalid",
    "lan",
    "local",
    "localdomain",
    "localhost",
    "mail",
    "onion",
    "private",
    "test",
)
"""Endings that lead nowhere, or to a network of one's own: the special names of RFC 6761, 6762,
7686, 8375, 8244 and 9476, ``internal`` (ICANN, 2024), and what ICANN and RFC 6762 (appendix G)
found in use inside networks."""
_ANY_BELOW = "*."


def host_of_link(url: str) -> str:
    """The host of an address on the public web, in small letters.

    Only the way it is written is looked at: nothing is asked of a name server.

    Raises:
        ValueError: It is no ``https`` address with a host by name alone; says what is wrong.
    """
    if len(url) > _MAX_CHARS or _NOT_PLAIN.search(url):
        raise ValueError(f"must be plain ASCII without blanks, at most {_MAX_CHARS} characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("must be an address such as https://example.com/a.png") from None
    if parts.scheme != "https" or not parts.netloc:
        raise ValueError("must begin with https://")
    if "@" in parts.netloc:
        raise ValueError("must not hold a name or password")
    if port not in (None, 443) or parts.netloc.endswith(":"):
        raise ValueError("must not name a port but 443")
    host = parts.netloc.lower().removesuffix(":443")
    if not _is_public(host):
        raise ValueError("must name a host on the public web, such as example.com, by its name")
    return host


def host_pattern(entry: str) -> str:
    """A host as policies name it, in small letters: ``example.com``, or ``*.example.com``.

    Raises:
        ValueError: It is neither.
    """
    pattern = entry.lower()
    if not _is_public(pattern.removeprefix(_ANY_BELOW)):
        raise ValueError(
            "must be a host on the public web such as images.example.com, or *.example.com for all"
            " hosts below it, without scheme, port or path"
        )
    return pattern


def is_covered(host: str, pattern: str) -> bool:
    """Whether a pattern takes a host, or everything that another pattern takes."""
    if host == pattern:
        return True
    below = pattern.removeprefix(_ANY_BELOW)
    return below != pattern and host.removeprefix(_ANY_BELOW).endswith(f".{below}")


def _is_public(host: str) -> bool:
    is_name = len(host) <= _MAX_HOST_CHARS and _HOST.fullmatch(host) is not None
    return is_name and host.rpartition(".")[2] not in _NOT_PUBLIC
