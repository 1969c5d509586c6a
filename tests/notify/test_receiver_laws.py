"""Every law of the receiver suite can fail: small wrong notifiers, each caught by its law."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterable
from typing import Any, ClassVar
from urllib.parse import urlsplit

import anyio
import pytest
from anyio.abc import ByteStream

from watcher.http import retry_after
from watcher.model import Result
from watcher.notify import Notice, Notifier
from watcher.secrets import Redactor
from watcher.testing import BrokenLaw, ReceiverSuite

SECRET = "not-to-be-seen/+&"
LAWS = sorted(name for name in dir(ReceiverSuite) if name.startswith("test_"))
WRONG: dict[str, list[type[Sound]]] = {}


class Sound:
    """A notifier that obeys: it posts title and body as JSON over a connection of its own."""

    text = True

    def __init__(self, url: str) -> None:
        self.url = url
        self.redactor = Redactor()
        self.redactor.add(SECRET)

    async def send(self, notice: Notice) -> Result:
        try:
            with anyio.fail_after(0.5):
                answer = await self.post(self.content(notice), self.headers(notice))
        except TimeoutError:
            return self.silence()
        except (OSError, anyio.EndOfStream, anyio.BrokenResourceError):
            return Result("failed", "no connection")
        head, _, body = answer.partition(b"\r\n\r\n")
        status = head.split(b"\r\n")[0].split(b" ")[1:2]
        if not (head.startswith(b"HTTP/1.1 ") and status and len(status[0]) == 3):
            return self.silence()
        return self.judge(int(status[0]), head.decode(), body.decode())

    def content(self, notice: Notice) -> bytes:
        return json.dumps({"title": notice.title, "body": notice.body}).encode()

    def headers(self, notice: Notice) -> list[str]:
        return [f"x-team: {SECRET}"]

    async def connect(self) -> ByteStream:
        parts = urlsplit(self.url)
        return await anyio.connect_tcp(parts.hostname or "", parts.port or 0)

    async def post(self, content: bytes, headers: Iterable[str]) -> bytes:
        lines = ["POST / HTTP/1.1", f"content-length: {len(content)}", *headers, "", ""]
        async with await self.connect() as stream:
            await stream.send("\r\n".join(lines).encode() + content)
            return await self.read(stream)

    async def read(self, stream: ByteStream) -> bytes:
        answer = b""
        while True:
            try:
                answer += await stream.receive()
            except anyio.EndOfStream:
                return answer

    def silence(self) -> Result:
        return Result("unknown", "no answer")

    def judge(self, status: int, head: str, body: str) -> Result:
        if 200 <= status < 300:
            return Result("ok", status=status)
        said = "".join(c for c in self.redactor.scrub(body) if c.isprintable())
        return Result("failed", f"HTTP {status}: {said}"[:200], self.wait(head), status, said[:500])

    def wait(self, head: str) -> float | None:
        pairs = (line.partition(": ") for line in head.splitlines())
        headers = {name.lower(): value for name, _, value in pairs}
        return retry_after(headers)

    async def close(self) -> None:
        pass


def breaks(law: str) -> Any:
    """Register a wrong notifier under the law that must catch it."""

    def register(wrong: type[Sound]) -> type[Sound]:
        WRONG.setdefault(f"test_{law}", []).append(wrong)
        return wrong

    return register


@breaks("every_status_has_its_outcome")
class Cheers(Sound):
    """Takes any answer for success."""

    def judge(self, status: int, head: str, body: str) -> Result:
        return Result("ok")


@breaks("every_status_has_its_outcome")
class Despairs(Sound):
    """Gives up when the server has trouble."""

    def judge(self, status: int, head: str, body: str) -> Result:
        return Result("rejected" if status >= 500 else "ok", "trouble")


@breaks("a_message_arrives_whole_in_one_request")
class Insists(Sound):
    """Repeats within one attempt."""

    async def send(self, notice: Notice) -> Result:
        result = await super().send(notice)
        return result if result.outcome == "ok" else await super().send(notice)


@breaks("a_message_arrives_whole_in_one_request")
class Shortens(Sound):
    """Sends the first line alone."""

    def content(self, notice: Notice) -> bytes:
        return json.dumps([notice.title, notice.body.splitlines()[:1]]).encode()


@breaks("a_message_arrives_whole_in_one_request")
class Empty(Sound):
    """Sends events without their content."""

    text = False

    def content(self, notice: Notice) -> bytes:
        return b"{}"


@breaks("a_repeat_is_known_as_one")
class Stamps(Sound):
    """Writes the present into the message."""

    def content(self, notice: Notice) -> bytes:
        return super().content(notice) + str(notice.at).encode()


@breaks("a_repeat_is_known_as_one")
class Nameless(Sound):
    """Sends events without their id in a header."""

    text = False

    def content(self, notice: Notice) -> bytes:
        return notice.event.body()


@breaks("retry_after_reaches_the_result")
class Pushes(Sound):
    """Does not read Retry-After."""

    def wait(self, head: str) -> float | None:
        return None


@breaks("no_answer_is_no_success")
class Hopes(Sound):
    """Takes silence for success."""

    def silence(self) -> Result:
        return Result("ok", "sent")


@breaks("no_answer_is_no_success")
class Raises(Sound):
    """Lets the network's errors out."""

    async def send(self, notice: Notice) -> Result:
        await self.post(self.content(notice), self.headers(notice))
        return Result("ok")


@breaks("no_answer_is_no_success")
class Waits(Sound):
    """Never gives up."""

    async def post(self, content: bytes, headers: Iterable[str]) -> bytes:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(2.2)
        return b""


@breaks("results_hold_no_secret")
class Quotes(Sound):
    """Shows what the server says as it is."""

    def judge(self, status: int, head: str, body: str) -> Result:
        return Result("failed", body[:200])


@breaks("results_hold_no_secret")
class Halves(Sound):
    """Strikes out one spelling of the secret."""

    def judge(self, status: int, head: str, body: str) -> Result:
        return Result("failed", body.replace(SECRET, "***")[:200])


@breaks("results_hold_no_secret")
class Shown(Sound):
    """Holds a secret that its repr shows."""

    def __repr__(self) -> str:
        return f"Shown({SECRET!r})"


@breaks("odd_texts_are_sent_as_they_are")
class Injects(Sound):
    """Puts the title into a header."""

    def headers(self, notice: Notice) -> list[str]:
        return [f"x-title: {notice.title}"]


@breaks("odd_texts_are_sent_as_they_are")
class Refuses(Sound):
    """Takes no text without letters."""

    async def send(self, notice: Notice) -> Result:
        if not notice.title.strip():
            return Result("rejected", "no title")
        return await super().send(notice)


@breaks("an_attempt_can_be_cancelled")
class Shields(Sound):
    """Cannot be cancelled."""

    async def send(self, notice: Notice) -> Result:
        with anyio.CancelScope(shield=True):
            await super().send(notice)
            await anyio.sleep(2.2)
        return Result("ok")


@breaks("an_attempt_can_be_cancelled")
class Leaks(Sound):
    """Leaves its connections open."""

    left: ClassVar[list[socket.socket]] = []

    async def post(self, content: bytes, headers: Iterable[str]) -> bytes:
        parts, loop = urlsplit(self.url), asyncio.get_running_loop()
        raw = socket.socket()
        raw.setblocking(False)
        self.left.append(raw)
        await loop.sock_connect(raw, (parts.hostname, parts.port))
        lines = ["POST / HTTP/1.1", f"content-length: {len(content)}", *headers, "", ""]
        await loop.sock_sendall(raw, "\r\n".join(lines).encode() + content)
        return await loop.sock_recv(raw, 65536)


class Suite(ReceiverSuite):
    secrets = (SECRET,)
    patience = 2.0
    kind: type[Sound] = Sound

    def notifier(self, url: str) -> Notifier:
        return self.kind(url)


@pytest.mark.parametrize("law", LAWS)
def test_a_sound_notifier_obeys(law: str) -> None:
    getattr(Suite(), law)()


@pytest.mark.parametrize(
    ("law", "wrong"),
    [(law, wrong) for law, many in WRONG.items() for wrong in many],
    ids=lambda one: one if isinstance(one, str) else one.__name__,
)
def test_a_wrong_notifier_is_caught(law: str, wrong: type[Sound]) -> None:
    class Wrong(Suite):
        kind = wrong

    with pytest.raises(BrokenLaw):
        getattr(Wrong(), law)()
    while Leaks.left:
        Leaks.left.pop().close()


def test_each_law_has_a_notifier_that_breaks_it() -> None:
    assert sorted(WRONG) == LAWS
