"""Addresses that lead somewhere they should not, or carry something away."""

import hashlib
import re
from collections.abc import Iterator
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, Field

from app.domain.finding import CLEAN, FLOOR, Detection, Finding, Found
from app.domain.persona import FileModel
from app.guardrails.detector import DetectorKind, Scope
from app.guardrails.fold import fold
from app.guardrails.hosts import is_within, listed_host, readable, resembles
from app.guardrails.passage import Layer, Passage
from app.guardrails.regex import longest

_NAME = "links"
_REVISION = "2"

Kind = Literal[
    "link",
    "host",
    "look_alike",
    "ip_host",
    "user_info",
    "scheme",
    "image",
    "payload",
    "other_host",
]

_LONG_QUERY = 120
_LONG_VALUE = 40

_WEB = (
    r"(?i)(?:(?:https?|ftps?|wss?):[\\/]{2,4}|\bwww\.|\]\( ?<?//)"
    r"(?:[^\s<>\"'`(){}|^\[\]/?#，。；：！？、（）《》「」【】]+|\[[0-9a-f:.]+\][0-9:]*)"
    r"(?:[/?#][!#-&(-;=?-Z\\_a-z~]*)?"
)
_SCHEME = (
    r"(?i)\b(?:javascript:[!-&(-;=?-~]+|vbscript:[!-&(-;=?-~]+|file:///?[!-&(-;=?-~]+"
    r"|(?:blob|view-source|jar|intent|ms-[a-z]{3,12}|search-ms):[!-&(-;=?-~]*[:/=][!-&(-;=?-~]+"
    r"|(?:smb|ldap|telnet|gopher|dict)://[!-&(-;=?-~]+"
    r"|data:[a-z]+/[a-z0-9.+\-]+[;,][!-&(-;=?-~]+)"
)
_IMAGE = (
    r"(?i)(?:!\[[^\]\n]{0,300}\]\([ ]{0,3}<?(?:https?:)?//[^\s()<>]+"
    r"|<(?:img|iframe|video|audio|source|embed|script|object|track|image|input|link|body)[ \t]"
    r"[^<>\n]{0,300}\b(?:src|srcset|poster|data|href|background)[ ]?=[ ]?[\"']?"
    r"(?:https?:)?//[^\s\"'<>]+"
    r"|\burl\([ ]?[\"']?(?:https?:)?//[^\s\"'()<>]+)"
)
_REFERENCE = r"(?im)^[ ]{0,3}\[[^\]\[\n]{1,60}\]:[ \t]{0,3}<?(?:https?:)?//[^\s<>]+"
_NAMED = r"(?:https?://)?[a-z0-9\-]{1,63}(?:\.[a-z0-9\-]{1,63}){1,5}"
_TEXT = (
    rf"(?i)(?:\[[ <*_`\"']{{0,3}}{_NAMED}[^\]\[\n]{{0,80}}\]\([ ]{{0,3}}<?(?:https?:)?//[^\s()<>]+"
    r"|<a[ \t][^<>\n]{0,200}\bhref[ ]?=[ ]?[\"']?(?:https?:)?//[^\s\"'<>]+[\"']?[^<>\n]{0,100}>"
    rf"[\s]{{0,3}}{_NAMED})"
)
_SHAPES = (_WEB, _SCHEME, _IMAGE, _REFERENCE, _TEXT)

_TRAILING = ".,;:!?*_~\\"

_AUTHORITY = re.compile(r"(?:[a-z]+:[\\/]{2,4}|//)?([^/?#]*)", re.IGNORECASE)
_NUMBER = r"(?:0x[0-9a-f]+|[0-9]+)"
_IP_HOST = re.compile(rf"{_NUMBER}(?:\.{_NUMBER}){{0,3}}|\[.*\]", re.IGNORECASE)
_PORT = re.compile(r":[0-9]*\Z")
_QUERY = re.compile(r"[?#](.*)", re.DOTALL)
_PACKED = re.compile(rf"[A-Za-z0-9+_\-]{{{_LONG_VALUE},}}=*|(?:%[0-9A-Fa-f]{{2}}){{12,}}")
_LONG_LABEL = 40
_LONG_PATH = re.compile(r"/[A-Za-z0-9+_\-]{100,}=*")
# What is somebody's: an address of mail, a pseudonym that was never restored, JSON.
_PERSONAL = re.compile(
    r"[=/][\w.+\-]{1,64}(?:@|%40)[\w\-]+(?:\.|%2[eE])\w|%7[bB]%22|\{\""
    r"|(?<![A-Za-z0-9])[A-Z][A-Z0-9_]{2,40}_[0-9A-HJKMNP-TV-Z]{10}(?![A-Za-z0-9_])"
)
_IMAGE_DATA = re.compile(r"data:image/(?:png|jpeg|gif|webp)\b", re.IGNORECASE)


class LinksSettings(FileModel):
    """Which addresses are allowed, and which kinds of trick a rule is about."""

    allow: tuple[Annotated[str, AfterValidator(listed_host)], ...] = ()
    """Hosts that may be linked to, with their subdomains. Where given, every other host is found
    as ``host``; empty means that any host may."""
    kinds: tuple[Kind, ...] = (
        "host",
        "look_alike",
        "ip_host",
        "user_info",
        "scheme",
        "image",
        "payload",
        "other_host",
    )
    """Which kinds; ``link`` is any address at all."""
    min_score: Annotated[float, Field(ge=FLOOR, le=1)] = 0.5
    """Findings that score lower are not for this rule."""


def _spec(settings: LinksSettings) -> str:
    allowed = ",".join(sorted(set(settings.allow)))
    return hashlib.sha256(allowed.encode()).hexdigest()[:16] if allowed else ""


class _Sign(NamedTuple):
    kind: Kind
    score: float
    what: str


class LinksDetector:
    """Finds addresses and says what is wrong with them."""

    name = _NAME
    revision = _REVISION
    scope = Scope.SPAN
    left_context = 1

    def __init__(self, settings: LinksSettings) -> None:
        self.spec = _spec(settings)
        self.shapes: tuple[str, ...] | None = _SHAPES
        self._allowed = settings.allow
        self._web, self._scheme, self._image, self._reference, self._text = map(longest, _SHAPES)

    def inspect(self, passage: Passage) -> Detection:
        """Every address, in every layer."""
        best: dict[tuple[int, int, str], Finding] = {}
        for layer in passage.layers:
            for start, end, sign in self._in_layer(layer):
                where = layer.span(start, end)
                key = (*where, sign.kind)
                if key not in best or best[key].score < sign.score:
                    best[key] = Finding(
                        _NAME, sign.kind, sign.score, "", *where, _REVISION, sign.what, self.spec
                    )
        return Found(tuple(best[key] for key in sorted(best))) if best else CLEAN

    def _in_layer(self, layer: Layer) -> Iterator[tuple[int, int, _Sign]]:
        text = layer.text
        for match in self._web.finditer(text):
            address = match.group().lstrip("](< ")
            start = match.end() - len(address)
            address = _without_end(address)
            yield from ((start, start + len(address), sign) for sign in self._signs(address))
        for match in self._scheme.finditer(text):
            is_image = _IMAGE_DATA.match(match.group()) is not None
            sign = _Sign("scheme", 0.2 if is_image else 0.9, "address that runs or holds content")
            yield match.start(), match.end(), sign
        for match in self._image.finditer(text):
            yield match.start(), match.end(), _image_sign(match.group())
        for match in self._reference.finditer(text):
            if _carries(match.group()):
                sign = _Sign("image", 0.5, "reference that an image may be fetched by")
                yield match.start(), match.end(), sign
        for match in self._text.finditer(text):
            if _goes_elsewhere(match.group()):
                sign = _Sign("other_host", 0.85, "link whose text names another host")
                yield match.start(), match.end(), sign

    def _signs(self, address: str) -> Iterator[_Sign]:
        found = _AUTHORITY.match(address)
        if found is None or not found[1]:
            return
        authority = found[1]
        yield _Sign("link", 1.0, "address")
        user, _, place = authority.rpartition("@")
        host = _PORT.sub("", place).rstrip(".\\").lower()
        if user or "\\" in host:
            yield _Sign("user_info", 0.9, "something before the host that may be taken for it")
        if _IP_HOST.fullmatch(host):
            yield _Sign("ip_host", 0.7, "host that is a number")
        elif not host.isascii() or "xn--" in host:
            shown = readable(host)
            is_disguise = fold(shown).isascii() and not shown.isascii()
            yield _Sign("look_alike", 0.9 if is_disguise else 0.5, "host in other letters")
        if self._allowed and not self._is_allowed(host):
            yield _Sign("host", 1.0, "host that is not on the list")
            if any(resembles(host, allowed) for allowed in self._allowed):
                yield _Sign("look_alike", 0.8, "host that may be taken for one on the list")
        yield from _payload_signs(address, host)

    def _is_allowed(self, host: str) -> bool:
        return any(is_within(host, allowed) for allowed in self._allowed)


def _without_end(address: str) -> str:
    """Without the punctuation of the sentence, and brackets that were not opened inside."""
    unopened = address.count(")") - address.count("(")
    end = len(address)
    while end and (address[end - 1] in _TRAILING or (address[end - 1] == ")" and unopened > 0)):
        unopened -= address[end - 1] == ")"
        end -= 1
    return address[:end]


def _payload_signs(address: str, host: str) -> Iterator[_Sign]:
    query = _QUERY.search(address)
    said = query[1] if query else ""
    if len(said) >= _LONG_QUERY or _PACKED.search(said) or _LONG_PATH.search(address):
        yield _Sign("payload", 0.6, "address that carries much or packed text")
    elif _PERSONAL.search(said):
        yield _Sign("payload", 0.6, "address that carries what may be personal")
    elif max(map(len, host.split("."))) >= _LONG_LABEL:
        yield _Sign("payload", 0.6, "host that carries much text")


def _carries(address: str) -> bool:
    return _QUERY.search(address) is not None or _PACKED.search(address) is not None


def _image_sign(image: str) -> _Sign:
    """An image is fetched as soon as it is shown, with all that its address carries."""
    score = 0.9 if _carries(image[image.index("//") :]) else 0.3
    return _Sign("image", score, "content that is fetched from another host")


def _goes_elsewhere(link: str) -> bool:
    """Whether the text of a link names a host and the link goes to another."""
    is_markdown = link.startswith("[")
    before, _, after = link.rpartition("](") if is_markdown else link.rpartition(">")
    text, target = (before, after) if is_markdown else (after, before)
    named = _NAMED_HOST.search(text)
    goes_to = _TARGET.search(target)
    if named is None or goes_to is None:
        return False
    if not named[1] and named[2].rpartition(".")[2].lower() in _FILE_ENDINGS:
        return False
    said, host = _bare(named[2]), _bare(goes_to[1])
    return not (is_within(host, said) or is_within(said, host))


_NAMED_HOST = re.compile(
    r"(?:^|[\[\s<*_`\"'])(https?://|www\.)?([A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)*\.[A-Za-z]{2,24})"
    r"(?![\w@(])",
    re.IGNORECASE,
)
_TARGET = re.compile(r"//(?:[^/?#\s]*@)?([^/?#:\s\"'<>]+)")
# A name such as setup.py or ASP.NET is no host, though some endings are those of countries.
_FILE_ENDINGS = frozenset(
    {
        "c",
        "cfg",
        "cpp",
        "css",
        "csv",
        "go",
        "h",
        "html",
        "ini",
        "ipynb",
        "java",
        "js",
        "json",
        "jpg",
    }
    | {"log", "md", "net", "pdf", "php", "png", "py", "rb", "rs", "sh", "so", "sql", "svg", "toml"}
    | {"ts", "txt", "xml", "yaml", "yml", "zip"}
)


def _bare(host: str) -> str:
    return fold(host).lower().rstrip(".").removeprefix("www.")


def _selects(settings: LinksSettings, finding: Finding) -> bool:
    return (
        finding.spec == _spec(settings)
        and finding.category in settings.kinds
        and finding.score >= settings.min_score
    )


def _is_as_strict(settings: LinksSettings, other: LinksSettings) -> bool:
    if not (set(settings.kinds) >= set(other.kinds) and settings.min_score <= other.min_score):
        return False
    if not other.allow or "host" not in other.kinds:
        return True
    return bool(settings.allow) and all(
        any(is_within(host, wider) for wider in other.allow) for host in settings.allow
    )


KIND = DetectorKind(
    name=_NAME,
    summary="Addresses with disguised or disallowed hosts, or that carry data away.",
    settings=LinksSettings,
    build=LinksDetector,
    selects=_selects,
    is_as_strict=_is_as_strict,
    is_by_text=lambda _settings: True,
    looks_at_restored=True,
)
