"""The entrance over TCP: who asks, by a token, a session, or what a proxy in front says.

Rules: a token that is shown counts, and nothing beside it; then a session; then the proxy's header, which
whoever is not the proxy cannot send. Secrets are compared in constant time, and stand in no answer and no
log. Whoever guesses is soon not answered for a minute.
"""

from __future__ import annotations

import hmac
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from watcher.access import TrustedHeader
from watcher.addresses import AddressFilter
from watcher.api.access import ANYBODY, ENTRY, Principal
from watcher.api.problems import Refusal, answer
from watcher.api.sessions import Session, read_session, session_key, write_session
from watcher.config.model import Server

__all__ = ["ENTRANCE", "SIGNED_IN", "Entrance"]

ENTRANCE = "watcher.entrance"
"""Where the scope of a request has the entrance that it came by."""

SIGNED_IN = "watcher.signed-in"
"""Where it has whether there is a session that can be left."""

COOKIE = "inbox-watcher"

FAILURES, WITHIN = 10, timedelta(minutes=1)
"""How many wrong secrets an address may show in a time."""

MOST_ADDRESSES = 1000

LONGEST_NAME = 100
"""Characters of a name that a proxy says."""


@dataclass(slots=True)
class _Failures:
    """Who has shown wrong secrets lately."""

    times: OrderedDict[str, deque[datetime]] = field(default_factory=OrderedDict)

    def check(self, address: str, now: datetime) -> None:
        """Refuse an address from which as many came as may come."""
        found = self.times.get(address)
        if found and len(found) == FAILURES and now < (until := found[0] + WITHIN):
            wait = int((until - now).total_seconds()) + 1
            raise Refusal(
                "too-many",
                f"{FAILURES} wrong tokens came from here within a minute",
                f"try again in {wait} s",
                headers={"retry-after": str(wait)},
            )

    def add(self, address: str, now: datetime) -> None:
        """Count a wrong secret; tell once that an address is not answered any more."""
        found = self.times.setdefault(address, deque(maxlen=FAILURES))
        found.append(now)
        self.times.move_to_end(address)
        while len(self.times) > MOST_ADDRESSES:
            self.times.popitem(last=False)
        if len(found) == FAILURES and now < found[0] + WITHIN:
            log = structlog.get_logger()
            log.warning("wrong tokens: the address is refused for a minute", address=address)


class Entrance:
    """Finds out who asks. `server` returns the settings of the moment, `key` the store's own key, `redeem`
    whose a key for one use is (None: it is none).
    """

    def __init__(
        self,
        server: Callable[[], Server | None],
        key: Callable[[], Awaitable[bytes]],
        redeem: Callable[[str], str | None],
        clock: Callable[[], datetime],
    ) -> None:
        self._server = server
        self._key = key
        self._redeem = redeem
        self._clock = clock
        self._failures = _Failures()

    def guard(self, app: ASGIApp) -> ASGIApp:
        """Return an application that knows who asks."""

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                who, session, scope = await self._look(scope)
            except Refusal as refusal:
                await answer(refusal, scope["path"])(scope, receive, send)
                return
            if session is not None and (cookie := self._renewed(scope, *session)):
                send = _with(cookie, send)
            entered = {ENTRY: who, ENTRANCE: self, SIGNED_IN: session is not None}
            await app({**scope, **entered}, receive, send)

        return serve

    async def enter(self, scope: Mapping[str, Any], secret: str) -> str:
        """Return the cookie of a session for whoever shows a token or a key for one use; raise Refusal."""
        address, now = _address(scope), self._clock()
        self._failures.check(address, now)
        name = self._redeem(secret)
        if name is None and self._by_token(secret) is None:
            self._failures.add(address, now)
            raise Refusal(
                "not-signed-in",
                "this is no token, and no key that still works",
                "a key of `inbox-watcher open` works once, for two minutes",
            )
        key = session_key(await self._key(), secret if name is None else "")
        return self._cookie(scope, Session(name or "", now, now), key)

    def leave(self, scope: Mapping[str, Any]) -> str:
        """Return the cookie that ends a session."""
        return f"{self._name(scope)}=; Max-Age=0{self._attributes(scope)}"

    # Who asks

    async def _look(self, scope: Scope) -> tuple[Principal, tuple[Session, bytes] | None, Scope]:
        server = self._server()
        said = ""
        if server is not None and (trusted := server.trusted_header) is not None:
            said, scope = _taken_out(scope, trusted)
        headers = Headers(scope=scope)
        kind, _, shown = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return self._bearer(scope, shown.strip()), None, scope
        if (cookie := _cookie_of(headers, self._name(scope))) and (
            found := await self._session(cookie)
        ):
            return *found, scope
        if server is not None and server.trusted_header is not None and said:
            return _as_said(said, server.trusted_header), None, scope
        if server is not None and server.reading == "open":
            return Principal(role="viewer"), None, scope
        return ANYBODY, None, scope

    def _bearer(self, scope: Scope, shown: str) -> Principal:
        address, now = _address(scope), self._clock()
        self._failures.check(address, now)
        who = self._by_token(shown)
        if who is None:
            self._failures.add(address, now)
            raise Refusal("not-signed-in", "the token is not known")
        return who

    def _by_token(self, shown: str) -> Principal | None:
        """Return whose token it is: all are compared, in the same time whichever it is."""
        given = shown.encode(errors="replace")
        found = None
        for token, who in self._tokens():
            if hmac.compare_digest(token.encode(), given):
                found = who
        return found

    def _tokens(self) -> list[tuple[str, Principal]]:
        server = self._server()
        if server is None:
            return []
        alone = [(server.token.read(), Principal(role="operator"))] if server.token else []
        named = [
            (one.token.read(), Principal(one.name, one.role, one.sources, one.redact))
            for one in server.tokens
        ]
        return [*alone, *named]

    async def _session(self, cookie: str) -> tuple[Principal, tuple[Session, bytes]] | None:
        own, tokens = await self._key(), self._tokens()
        keys = [session_key(own, ""), *(session_key(own, token) for token, _ in tokens)]
        if (found := read_session(cookie, keys, self._clock())) is None:
            return None
        session, number = found
        who = tokens[number - 1][1] if number else Principal(session.name, "operator")
        return who, (session, keys[number])

    # Cookies

    def _renewed(self, scope: Scope, session: Session, key: bytes) -> str:
        renewed = session.renewed(self._clock())
        return self._cookie(scope, renewed, key) if renewed is not None else ""

    def _cookie(self, scope: Mapping[str, Any], session: Session, key: bytes) -> str:
        lasts = int((session.ends() - self._clock()).total_seconds())
        value = write_session(session, key)
        return f"{self._name(scope)}={value}; Max-Age={lasts}{self._attributes(scope)}"

    def _name(self, scope: Mapping[str, Any]) -> str:
        return f"__Host-{COOKIE}" if self._encrypted(scope) else COOKIE

    def _attributes(self, scope: Mapping[str, Any]) -> str:
        # Lax: whoever follows a link in a message is signed in.
        secure = "; Secure" if self._encrypted(scope) else ""
        return f"; Path=/; HttpOnly; SameSite=Lax{secure}"

    def _encrypted(self, scope: Mapping[str, Any]) -> bool:
        """Return whether the browser speaks TLS, to a proxy in front: what it asks for is the public host."""
        server = self._server()
        url = urlsplit(server.public_url or "") if server is not None else urlsplit("")
        host = Headers(scope=dict(scope)).get("host", "").lower()
        return url.scheme == "https" and host == url.netloc.lower()


def _taken_out(scope: Scope, trusted: TrustedHeader) -> tuple[str, Scope]:
    """Return what a proxy says of whom it has signed in (empty: it says nothing, or it is none of ours),
    and the request without that.
    """
    name = trusted.name.encode()
    values = [value for key, value in scope["headers"] if key.lower() == name]
    peer = scope["client"][0] if scope.get("client") else ""
    ours = bool(AddressFilter(trusted.peers).refusal(peer))
    # Two of them: one is perhaps the browser's own.
    said = values[0].decode("latin-1").strip() if ours and len(values) == 1 else ""
    rest = [(key, value) for key, value in scope["headers"] if key.lower() != name]
    return said, {**scope, "headers": rest}


def _as_said(said: str, trusted: TrustedHeader) -> Principal:
    plain = said.casefold()
    for role, globs in (("operator", trusted.operators), ("viewer", trusted.viewers)):
        if any(fnmatchcase(plain, one.casefold()) for one in globs):
            return Principal(said[:LONGEST_NAME], "operator" if role == "operator" else "viewer")
    return ANYBODY


def _address(scope: Mapping[str, Any]) -> str:
    return str(scope["client"][0]) if scope.get("client") else ""


def _cookie_of(headers: Headers, name: str) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return found.value if found is not None else ""


def _with(cookie: str, send: Send) -> Send:
    """Return what sends an answer with a cookie, unless it sets the same one itself."""
    value = cookie.encode()
    name = value.partition(b"=")[0] + b"="

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = message["headers"]
            if not any(key == b"set-cookie" and one.startswith(name) for key, one in headers):
                message["headers"] = [*headers, (b"set-cookie", value)]
        await send(message)

    return sent
