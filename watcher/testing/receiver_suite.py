"""The conformance suite for receivers: what `watcher.notify.Notifier` promises, as tests.

Rules: no pytest; each law is one method that raises BrokenLaw. A notifier is judged by its results
and by what arrives at a server on loopback, which each law starts and ends.
"""

from __future__ import annotations

import html
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import ClassVar, NoReturn, TypeVar
from urllib.parse import quote, unquote

import anyio
from anyio.abc import SocketAttribute, SocketStream

from watcher.clock import wall_clock
from watcher.model import Event, Result
from watcher.notify import Notice, Notifier, Post
from watcher.notify.receivers import Network
from watcher.secrets import Redactor
from watcher.settings.link import Link
from watcher.testing.laws import BrokenLaw
from watcher.transport import Transport

__all__ = ["ReceiverSuite", "SeenRequest", "real_network"]

T = TypeVar("T")

TITLE = "Maria Lopez: is the blue one in stock?"
BODY = "First line\nSecond line"

OUTCOMES: Mapping[int, frozenset[str]] = {
    **dict.fromkeys((200, 201, 202, 204), frozenset({"ok"})),
    **dict.fromkeys((301, 302, 307, 308), frozenset({"failed", "rejected"})),
    **dict.fromkeys((400, 404, 405, 413, 422), frozenset({"failed", "refused", "rejected"})),
    **dict.fromkeys((401, 403, 409), frozenset({"failed", "rejected"})),
    410: frozenset({"failed", "rejected", "gone"}),
    **dict.fromkeys((408, 425, 429, 500, 502, 503, 504), frozenset({"failed"})),
}
"""What a status may mean: success only for 2xx, and another attempt wherever it may help."""

ODD_TEXTS = (
    "", " ", "\r\nX-Injected: yes", "\x00\x1b[2J", "\u202egnp.exe", "<script>alert(1)</script>",
    "x" * 20_000, "{{ 7 * 7 }} ${HOME} %s", "🙂" * 50,
)  # fmt: skip

LONGEST_NOTE, LONGEST_EXCERPT = 600, 500


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """A request as the server got it."""

    head: bytes
    """The request line and the headers."""

    body: bytes
    """The body."""


Script = Callable[[SeenRequest], bytes | None]
"""Returns the answer to a request, byte for byte; None never answers."""


@dataclass
class _Server:
    url: str
    requests: list[SeenRequest] = field(default_factory=list)
    open: int = 0
    """Connections that the notifier has not closed."""


def real_network(*secrets: str) -> Network:
    """Return what a receiver's plan gets: real connections, and `secrets` struck out of answers.

    Call it inside the event loop, in `ReceiverSuite.notifier` for example.
    """
    transport, redactor = Transport(wall_clock), Redactor()
    for secret in secrets:
        redactor.add(secret)

    def post_over(link: Link, connect_timeout: timedelta) -> Post:
        return transport.webhook(link, connect_timeout.total_seconds())

    return Network(post_over, redactor.scrub)


class ReceiverSuite:
    """The laws of receivers. Subclass it as a test class and write `notifier`."""

    secrets: ClassVar[tuple[str, ...]] = ()
    """The secrets in the notifier's settings and address; none of them may be in a result."""

    path: ClassVar[str] = ""
    """The path and query at which the notifier listens; use one that holds a secret if yours does."""

    reads_retry_after: ClassVar[bool] = True
    """Whether the answer's `Retry-After` reaches the result."""

    follows_redirects: ClassVar[bool] = False
    """Whether the service's library follows redirects by itself."""

    patience: ClassVar[float] = 10.0
    """Seconds within which an attempt must end, whatever the other side does."""

    now: ClassVar[datetime] = datetime(2026, 11, 20, 10, tzinfo=UTC)
    """The time at which notices are sent."""

    def notifier(self, url: str) -> Notifier:
        """Return a new notifier that sends to a server at `url` and gives up well within `patience`."""
        raise NotImplementedError

    # The laws

    def test_every_status_has_its_outcome(self) -> None:
        """2xx is success, all else is not; what may pass by itself is tried again."""

        async def law() -> None:
            for status, outcomes in OUTCOMES.items():
                async with self._serving(_always(status)) as (server, notifier):
                    result = await self._send(notifier)
                    _check(result)
                    if result.outcome not in outcomes:
                        _break(f"HTTP {status} is {result.outcome}, not {' or '.join(outcomes)}")
                    if len(server.requests) != 1 and not self.follows_redirects:
                        _break(f"HTTP {status} makes {len(server.requests)} requests, not one")

        _run(law)

    def test_a_message_arrives_whole_in_one_request(self) -> None:
        """One attempt is one request with the event, or with title and body; it repeats nothing."""

        async def law() -> None:
            for status in (200, 500):
                async with self._serving(_always(status)) as (server, notifier):
                    await self._send(notifier)
                    if len(server.requests) != 1:
                        _break(f"HTTP {status}: one attempt makes {len(server.requests)} requests")
                    body = server.requests[0].body
                    if notifier.text:
                        missing = [
                            w for w in (TITLE, "First line", "Second line") if not _in(w, body)
                        ]
                    else:
                        missing = [] if self._notice().event.body() in body else ["the event"]
                    if missing:
                        _break(f"{', '.join(missing)} did not arrive: {body[:300]!r}")

        _run(law)

    def test_a_repeat_is_known_as_one(self) -> None:
        """The same notice again has the same content, and an event the id to drop repeats by."""

        async def law() -> None:
            async with self._serving(_always(500)) as (server, notifier):
                await self._send(notifier)
                await self._send(notifier, at=self.now + timedelta(hours=1))
                first, second = server.requests[:2]
                if first.body != second.body:
                    _break(
                        f"a repeat has another body: {first.body[:200]!r}, {second.body[:200]!r}"
                    )
                name = self._notice().event.id.encode()
                if not notifier.text and not (name in first.head and name in second.head):
                    _break("the event's id is not in the headers of each attempt")

        _run(law)

    def test_retry_after_reaches_the_result(self) -> None:
        """429 and 503 may say how long to wait, a date by the `Date` beside it; nonsense is ignored."""

        async def law() -> None:
            date = format_datetime(self.now + timedelta(seconds=30), usegmt=True)
            for value, wanted in (("30", 30.0), (date, 30.0), ("soon", None), ("-1", 0.0)):
                told = {"Date": format_datetime(self.now, usegmt=True)}
                script = _always(429, {"Retry-After": value, **told})
                async with self._serving(script) as (_server, notifier):
                    result = await self._send(notifier)
                    _check(result)
                    if result.outcome != "failed" or result.retry_after != wanted:
                        _break(f"Retry-After: {value} becomes {result}")

        if self.reads_retry_after:
            _run(law)

    def test_no_answer_is_no_success(self) -> None:
        """Silence, a refused connection, a cut or senseless answer end as failed or unknown."""
        cases: dict[str, Script | None] = {
            "a server that never answers": lambda _seen: None,
            "a server that closes at once": lambda _seen: b"",
            "an answer cut in its head": lambda _seen: b"HTTP/1.1 2",
            "an answer that is not HTTP": lambda _seen: b"\x16\x03\x01\x00\x02\x02(" * 20,
            "a server that is not there": None,
        }

        async def law() -> None:
            for what, script in cases.items():
                async with self._serving(script) as (_server, notifier):
                    result = await self._send(notifier)
                    _check(result)
                    if result.outcome not in ("failed", "unknown"):
                        _break(f"{what} is {result.outcome}: {result.note}")

        _run(law)

    def test_results_hold_no_secret(self) -> None:
        """What the other side quotes of a request is in no result, however it is written."""

        async def law() -> None:
            for form, write in FORMS.items():

                def echo(seen: SeenRequest, write: Callable[[str], str] = write) -> bytes:
                    known = " ".join(write(secret) for secret in self.secrets)
                    said = f"{write(seen.head.decode(errors='replace'))} {known}"
                    return _answer(500, said.encode(errors="replace"))

                async with self._serving(echo) as (_server, notifier):
                    result = await self._send(notifier)
                    shown = f"{result.note} {result.excerpt} {result!r} {notifier!r}"
                    for number, secret in enumerate(self.secrets, 1):
                        if any(variant(secret) in shown for variant in FORMS.values()):
                            _break(f"secret {number}, quoted {form}, is in the result")
                    _check(result)
            async with self._serving(None) as (_server, notifier):
                result = await self._send(notifier)
                if any(secret in f"{result!r}" for secret in self.secrets):
                    _break("a secret is in the result where there is no server")

        _run(law)

    def test_odd_texts_are_sent_as_they_are(self) -> None:
        """No text breaks an attempt or writes a header of its own."""

        async def law() -> None:
            for text in ODD_TEXTS:
                async with self._serving(_always(200)) as (server, notifier):
                    result = await self._send(notifier, title=text, body=text)
                    _check(result)
                    if result.outcome != "ok":
                        _break(f"the text {text[:40]!r} is {result.outcome}: {result.note}")
                    if any(b"\nx-injected" in seen.head.lower() for seen in server.requests):
                        _break("a text writes a header of its own")

        _run(law)

    def test_an_attempt_can_be_cancelled(self) -> None:
        """A cancelled attempt ends at once; the notifier can send again, and closes what it opened."""

        async def law() -> None:
            answers = {"hang": True}
            script: Script = lambda _seen: None if answers["hang"] else _answer(200)  # noqa: E731
            async with self._serving(script) as (server, notifier):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(notifier.send, self._notice())
                    with anyio.move_on_after(self.patience):
                        await _until(lambda: bool(server.requests))
                    began = anyio.current_time()
                    tasks.cancel_scope.cancel()
                if (took := anyio.current_time() - began) > self.patience:
                    _break(f"a cancelled attempt goes on for {took:.1f} s")
                if not server.requests:
                    _break("no request arrives")
                answers["hang"] = False
                result = await self._send(notifier)
                if result.outcome != "ok":
                    _break(f"after a cancelled attempt the next one is {result.outcome}")
                await notifier.close()
                with anyio.move_on_after(2):
                    await _until(lambda: not server.open)
                if server.open:
                    _break(f"{server.open} connections are open after `close`")

        _run(law)

    # How they are checked

    def _notice(self, title: str = TITLE, body: str = BODY, at: datetime | None = None) -> Notice:
        data = {"source": "sales", "conversation": {"id": "c1", "last_message": {"text": "Grüße"}}}
        event = Event("0123456789abcdef", "conversation.unread", "sales", "c1", self.now, data)
        return Notice(event, title, body, at or self.now)

    async def _send(
        self, notifier: Notifier, title: str = TITLE, body: str = BODY, at: datetime | None = None
    ) -> Result:
        began, result = anyio.current_time(), None
        try:
            with anyio.move_on_after(self.patience):
                result = await notifier.send(self._notice(title, body, at))
        except Exception as error:
            raise BrokenLaw(f"`send` raises {type(error).__name__}: {error}") from error
        if result is None or anyio.current_time() - began > self.patience:
            _break(f"an attempt takes longer than {self.patience:g} s")
        return result

    @asynccontextmanager
    async def _serving(self, script: Script | None) -> AsyncIterator[tuple[_Server, Notifier]]:
        """Serve on loopback (nothing listens without a script), with a notifier that sends there."""
        listeners = await anyio.create_tcp_listener(local_host="127.0.0.1")
        port = listeners.listeners[0].extra(SocketAttribute.local_port)  # noqa: S610 - anyio, not Django
        server = _Server(f"http://127.0.0.1:{port}{self.path}")

        async def connection(stream: SocketStream) -> None:
            server.open += 1
            try:
                with suppress(anyio.BrokenResourceError, anyio.EndOfStream):
                    await _serve(stream, server, script)
            finally:
                server.open -= 1
                await anyio.aclose_forcefully(stream)

        async with listeners, anyio.create_task_group() as tasks:
            if script is None:
                await listeners.aclose()
            else:
                tasks.start_soon(listeners.serve, connection)
            notifier = self.notifier(server.url)
            try:
                yield server, notifier
            finally:
                await notifier.close()
                tasks.cancel_scope.cancel()


FORMS: Mapping[str, Callable[[str], str]] = {
    "as it is": str,
    "without percent signs": unquote,
    "with percent signs": lambda text: quote(text, safe=""),
    "in JSON": lambda text: json.dumps(text)[1:-1],
    "in HTML": html.escape,
}
"""How servers quote what they were sent."""


async def _serve(stream: SocketStream, server: _Server, script: Script | None) -> None:
    """Serve one connection: each request is kept, then answered."""
    received = b""
    while script is not None:
        while b"\r\n\r\n" not in received:
            received += await stream.receive()
        head, _, received = received.partition(b"\r\n\r\n")
        length = _length(head)
        while len(received) < length:
            received += await stream.receive()
        seen = SeenRequest(head, received[:length])
        received = received[length:]
        server.requests.append(seen)
        answer = script(seen)
        if answer is None:
            while True:  # until the other side gives up
                await stream.receive()
        if answer:
            await stream.send(answer)
        return  # every answer ends its connection


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"content-length":
            return int(value)
    return 0


def _answer(status: int, body: bytes = b"words", headers: Mapping[str, str] | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status} Said", "Connection: close"]
    if status != 204:
        lines.append(f"Content-Length: {len(body)}")
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode() + (b"" if status == 204 else body)


def _always(status: int, headers: Mapping[str, str] | None = None) -> Script:
    return lambda _seen: _answer(status, headers=headers)


def _run(law: Callable[[], Awaitable[T]]) -> T:
    try:
        return anyio.run(law)
    except ExceptionGroup as group:
        # A law fails inside a task group, which hides its words.
        broken = group.subgroup(BrokenLaw)
        raise (_first(broken) if broken is not None else group) from None


def _first(group: ExceptionGroup[BrokenLaw]) -> BrokenLaw:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error if isinstance(error, BrokenLaw) else BrokenLaw(str(error))


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - what the other side sees wakes nothing here
        await anyio.sleep(0.01)


def _break(what: str) -> NoReturn:
    raise BrokenLaw(what)


def _check(result: Result) -> None:
    """Check what every result promises."""
    if not result.note.isprintable() or len(result.note) > LONGEST_NOTE:
        _break(f"a note that is not one short printable line: {result.note[:200]!r}")
    if len(result.excerpt) > LONGEST_EXCERPT:
        _break(f"an excerpt of {len(result.excerpt)} characters")
    if result.outcome != "ok" and not result.note:
        _break(f"{result.outcome} without a note")
    wait = result.retry_after
    if wait is not None and not 0 <= wait < float("inf"):
        _break(f"a pause of {wait} s")


def _in(text: str, body: bytes) -> bool:
    """Return whether a body holds a text in one of the usual encodings."""
    written: Sequence[str] = [write(text) for write in FORMS.values()]
    return any(one.encode() in body for one in written) or text.replace(" ", "+").encode() in body
