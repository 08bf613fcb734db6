"""Hosts that may be taken for others."""

import re

from app.guardrails.fold import fold

_FOLDED_DIGITS = str.maketrans("013457", "oleast")
_LEAST_NAME = 5
"""Letters of a name from which one typing error still leaves it recognisable."""
_PUNYCODE = "xn--"
_LONGEST_LABEL = 63
"""Of a name (RFC 1035): what is longer leads nowhere, and takes long to decode."""


def listed_host(entry: str) -> str:
    """A host as settings name it, in small letters.

    Raises:
        ValueError: It is none.
    """
    name = entry.lower().rstrip(".")
    if not re.fullmatch(r"[a-z0-9\-]+(?:\.[a-z0-9\-]+)*", name):
        raise ValueError("write a host such as example.com, without scheme, port or path")
    return name


def readable(host: str) -> str:
    """The host as a browser may show it: with the letters that punycode stands for."""
    return ".".join(map(_shown, host.split(".")))


def _shown(label: str) -> str:
    if not label.startswith(_PUNYCODE) or len(label) > _LONGEST_LABEL:
        return label
    try:
        return label.removeprefix(_PUNYCODE).encode("ascii").decode("punycode") or label
    except UnicodeError:
        return label


def is_within(host: str, domain: str) -> bool:
    """Whether a host is the domain or lies in it."""
    return host == domain or host.endswith("." + domain)


def resembles(host: str, domain: str) -> bool:
    """Whether a host that is not in a domain may be taken for one that is.

    That is one which reads the same (other letters, digits for letters, ``rn`` for ``m``), is one
    typing error away, has the domain's name under another ending, or holds it as a part
    (``example-login.test``, ``example.com.evil.test``).
    """
    if is_within(host, domain):
        return False
    seen, known = _skeleton(host), _skeleton(domain)
    if is_within(seen, known):
        return True
    name = _name(known)
    if len(name) < _LEAST_NAME:
        return (known + ".") in (seen + ".")
    labels = [part for label in seen.split(".") for part in (label, *label.split("-"))]
    return any(label == name or _is_one_error(label, name) for label in labels)


def _skeleton(host: str) -> str:
    folded = fold(readable(host)).lower().translate(_FOLDED_DIGITS)
    return folded.replace("rn", "m").replace("vv", "w")


def _name(domain: str) -> str:
    """What a domain is known by: the longest label before its ending."""
    labels = domain.split(".")
    return max(labels[:-1] or labels, key=len)


def _is_one_error(label: str, name: str) -> bool:
    """Whether one letter more, less, other or swapped makes one of the other."""
    if abs(len(label) - len(name)) > 1:
        return False
    start = 0
    while start < min(len(label), len(name)) and label[start] == name[start]:
        start += 1
    rest, wanted = label[start:], name[start:]
    swapped = rest[1:2] + rest[:1] + rest[2:] if len(rest) > 1 else rest
    return wanted in (rest[1:], swapped) or rest == wanted[1:] or rest[1:] == wanted[1:]
