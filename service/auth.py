"""Who asks? Said to the rest of the service before anything of the body is read.

Without a good key every address but the open ones answers the same 401, whether there is anything or not.
"""

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from service.access import SESSION_PATH, is_open
from service.errors import NO_KEY
from service.keys import KeyStore
from service.limits import RateLimit
from service.problems import ASK_FOR_KEY, problem
from service.scopes import ANYONE, LOCAL, Caller
from service.sessions import COOKIE, Sessions
from service.settings import Settings

BAD_KEYS_PER_MINUTE = 10
TOO_MANY = "Too many requests from here; wait as long as Retry-After says."


@dataclass(frozen=True)
class Asking:
    """What tells who asks; the app's state holds it too, for those who sign in.

    `keys` gives the keys once they are open; None while the service runs without. `bad_keys` counts those
    that are good for nothing, by address.
    """

    keys: Callable[[], KeyStore | None]
    sessions: Sessions
    bad_keys: RateLimit


class Authentication:
    """ASGI middleware that puts the caller, its case and its purpose into the request's state."""

    def __init__(self, app: ASGIApp, asking: Asking, settings: Settings) -> None:
        self.app, self._asking, self._loopback = app, asking, settings.loopback
        self._proxies = tuple(ip_network(one, strict=False) for one in settings.trusted_proxies)
        self._by_key = RateLimit(settings.requests_per_minute)
        self._by_address = RateLimit(settings.requests_per_minute_address)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on with the caller named, or answer 401 or 429."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        address = self._address(scope, headers)
        state = scope.setdefault("state", {})
        state["address"] = address
        state["https"] = self._is_https(scope, headers)
        state["case"], state["purpose"] = headers.get("cskt-case", ""), headers.get("cskt-purpose", "")
        caller = self._caller(headers, address, scope)
        refusal = self._refusal(caller, address, scope)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        state["caller"] = caller or ANYONE
        await self.app(scope, receive, send)

    def _caller(self, headers: Headers, address: str, scope: Scope) -> Caller | None:
        """Who shows a key; LOCAL where no keys are in force; None for a bad or missing one."""
        keys = self._asking.keys()
        if keys is None or not keys.any():
            return LOCAL if self._loopback or keys is None else None
        given = _given(headers)
        if given is None:
            return self._signed_in(keys, headers, scope)
        caller = keys.caller(given)
        if caller is None:  # only who shows bad keys has to wait: others may share the address
            scope["state"]["wait"] = self._asking.bad_keys.take(address)
        return caller

    def _signed_in(self, keys: KeyStore, headers: Headers, scope: Scope) -> Caller | None:
        """Who signed in with a browser. Another site's pages cannot use its cookie to change anything."""
        cookies = cookie_parser(headers.get("cookie", ""))
        session = self._asking.sessions.find(cookies[COOKIE]) if COOKIE in cookies else None
        if session is None or (scope["method"] not in ("GET", "HEAD") and not _same_site(headers)):
            return None
        state = scope["state"]  # what headers say does not count: pictures are asked for without them
        state["case"], state["purpose"] = session.case, session.purpose
        return keys.caller_of(session.key)

    def _refusal(self, caller: Caller | None, address: str, scope: Scope) -> Response | None:
        path = scope["path"]
        wait = self._by_address.take(address)
        if caller is None and not wait:
            wait = scope["state"].get("wait", 0)
        if caller is not None and caller.key and not wait:
            wait = self._by_key.take(caller.key)
        if wait and (not is_open(path) or path == SESSION_PATH):
            return problem(429, TOO_MANY, path, headers={"Retry-After": str(wait)})
        if caller is None and not is_open(path):
            return problem(401, NO_KEY, "", headers=ASK_FOR_KEY)
        return None

    def _address(self, scope: Scope, headers: Headers) -> str:
        """The address of the client, as a trusted proxy says it, else as the connection does."""
        told = self._told(scope, headers, "x-forwarded-for")
        return told if _is_address(told) else _peer(scope)

    def _is_https(self, scope: Scope, headers: Headers) -> bool:
        """Whether the client came by TLS, as a trusted proxy says it, else as the connection was."""
        return (self._told(scope, headers, "x-forwarded-proto") or scope["scheme"]) == "https"

    def _told(self, scope: Scope, headers: Headers, name: str) -> str:
        """What a trusted proxy says in a header about the client, "" where none says it.

        It says it last, whether it adds to the client's own line or writes another one below.
        """
        told = (headers.getlist(name) or [""])[-1].rpartition(",")[2].strip()
        return told if told and self._trusted(_peer(scope)) else ""

    def _trusted(self, peer: str) -> bool:
        return _is_address(peer) and any(ip_address(peer) in network for network in self._proxies)


def _peer(scope: Scope) -> str:
    return scope["client"][0] if scope.get("client") else ""


def _given(headers: Headers) -> str | None:
    scheme, _, key = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and key:
        return key.strip()
    return headers.get("api-key")


def _same_site(headers: Headers) -> bool:
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is None or origin.rpartition("//")[2] == headers.get("host")


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
