"""URLs as this program accepts them, read strictly, and what of them may be shown.

Only the forms below are opened: no chains (`zip://...::https://...`), no `file://`, no host that two parsers
could read differently. User name, password and query of a URL are used to open it and are never part of a
key, a name or a sentence: a query may be a signature.
"""

import posixpath
import re
from dataclasses import dataclass, field

PROTOCOLS = ("https", "http", "s3", "gs", "memory")
WEB = ("https", "http")
USUAL_PORTS = {"https": ":443", "http": ":80"}
_BEGINNING = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_URL = re.compile(
    r"(?P<protocol>[A-Za-z][A-Za-z0-9+.-]*)://"
    r"(?:(?P<secret>[^/?#@\[\]]*)@)?"
    r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?P<port>:[0-9]{1,5})?"
    r"(?P<path>/[^?#]*)?(?P<query>\?[^#]*)?(?:#.*)?"
)
_OBJECT = re.compile(
    r"(?P<protocol>[A-Za-z][A-Za-z0-9]*)://(?:(?P<secret>[^/@]*)@)?(?P<host>[A-Za-z0-9._-]+)(?P<path>/.*)?"
)
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\]")


class UrlError(Exception):
    """Why a text is no URL that is opened, as one sentence."""


@dataclass(frozen=True)
class Url:
    """One URL in its parts; `path` is empty or begins with a slash."""

    protocol: str
    host: str
    path: str
    secret: str = field(default="", repr=False)
    query: str = field(default="", repr=False)

    @property
    def origin(self) -> str:
        """Protocol and host or bucket: who answers."""
        return f"{self.protocol}://{self.host}"

    @property
    def shown(self) -> str:
        """Without user name, password and query: fit for keys, names and sentences."""
        return self.origin + self.path

    @property
    def full(self) -> str:
        """With everything, to open it and for nothing else."""
        return f"{self.protocol}://{self.secret}{self.host}{self.path}{self.query}"

    @property
    def folder(self) -> str:
        """The path up to its last slash, which is included."""
        return self.path[: self.path.rfind("/") + 1] or "/"

    def at(self, path: str) -> "Url":
        """Another path at the same origin, opened with the same name and password."""
        return Url(self.protocol, self.host, path, self.secret)

    def beside(self, named: str) -> "Url":
        """The file a manifest at this URL names by a path: relative to it, or from the root of its origin."""
        path = posixpath.normpath(posixpath.join(self.folder, named))
        if _FORBIDDEN.search(path.replace(" ", "")) or "::" in path:
            raise UrlError(f"{named!r} is no path.")
        if self.protocol in WEB:
            path = path.replace(" ", "%20").replace("?", "%3F").replace("#", "%23")
        return self.at("/" + path.lstrip("/"))


def is_url(text: str) -> bool:
    """Whether a text is meant as a URL rather than as a path."""
    return _BEGINNING.match(text) is not None


def read_url(text: str) -> Url:
    """The parts of a URL; raises UrlError, whose sentence does not repeat what may be secret."""
    beginning = _BEGINNING.match(text)
    protocol = beginning[1].lower() if beginning else ""
    if protocol not in PROTOCOLS:
        known = ", ".join(f"{name}://" for name in PROTOCOLS)
        raise UrlError(f"{protocol}:// addresses are not opened; known are {known}.")
    match = (_URL if protocol in WEB else _OBJECT).fullmatch(text)
    signs = text if protocol in WEB else text.replace(" ", "")
    if match is None or _FORBIDDEN.search(signs) or "::" in text[match.end("host") :]:
        raise UrlError(f"a {protocol}:// address is not well formed; write {protocol}://place/path.")
    parts = match.groupdict()
    port = parts.get("port") or ""
    host = parts["host"].lower() + ("" if port == USUAL_PORTS.get(protocol) else port)
    secret = f"{parts['secret']}@" if parts["secret"] else ""
    return Url(protocol, host, parts["path"] or "", secret, parts.get("query") or "")


def read_origin(text: str) -> str:
    """`https://host` or `s3://bucket`; raises UrlError where a text is more or less than that."""
    url = read_url(text)
    if url.path.strip("/") or url.query or url.secret:
        raise UrlError(f"an allowed place is only a host or bucket; write {url.origin}.")
    return url.origin
