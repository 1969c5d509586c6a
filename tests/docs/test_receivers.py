"""What receivers make of our requests: the official libraries for JavaScript, and the examples.

Needs Node 20 or later with npm; what is fetched is pinned, with hashes, in the example's lock.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.docs.pages import ROOT
from watcher.clock import wall_clock
from watcher.daemon.sample import sample
from watcher.model import Event
from watcher.notify import Notice
from watcher.notify.webhook import WebhookNotifier
from watcher.records import HttpReply
from watcher.transport import Transport

EXAMPLES = ROOT / "docs" / "examples" / "receivers"
NEEDED = "these tests need Node 20 or later with npm (see the README, the tests)"


pytestmark = pytest.mark.xdist_group("node")  # so that npm fetches once


def whsec(text: str) -> str:
    return "whsec_" + base64.b64encode(text.encode()).decode()


SECRET, NEXT, OTHER = (
    whsec(f"the {word} secret of these tests") for word in ("old", "new", "third")
)


def event(text: str = "Grüße 🙂 </script>") -> Event:
    made = sample("support", "chatwoot", wall_clock(), text)
    made.data["conversation"]["last_message"]["text"] = text  # type: ignore[index]  # plain JSON
    return made


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the Node example, with the libraries that it is tested with, in a folder of its own."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.fail(f"{NEEDED}: there is no npm or no node on the PATH")
    folder = tmp_path_factory.mktemp("node")
    for name in ("package.json", "package-lock.json", "receiver.mjs"):
        shutil.copy(EXAMPLES / "node" / name, folder)
    shutil.copy(ROOT / "tests" / "docs" / "verify.mjs", folder)
    install = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run(install, cwd=folder, capture_output=True, text=True, timeout=120)
    if done.returncode:
        pytest.fail(f"{NEEDED}: `npm ci` failed: {done.stderr.strip()[-500:]}")
    return folder


# The official libraries


class Taken:
    """A `Post` that keeps what goes out."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.body = ""

    async def __call__(
        self, _url: str, *, content: bytes, headers: Any, timeout: float
    ) -> HttpReply:
        self.headers, self.body = dict(headers), content.decode()
        return HttpReply(204, {}, b"")


async def sent(*secrets: str, ago: timedelta = timedelta(0)) -> dict[str, Any]:
    taken = Taken()
    notifier = WebhookNotifier(lambda: "https://crm.example.com", lambda: secrets, dict, 5.0, taken)
    await notifier.send(Notice(event(), "", "", wall_clock() - ago))
    return {"headers": taken.headers, "body": taken.body}


@pytest.mark.parametrize("library", ["standardwebhooks", "svix"])
async def test_the_official_libraries_take_what_is_signed_and_nothing_else(
    node: Path, library: str
) -> None:
    one, both = await sent(SECRET), await sent(SECRET, NEXT)
    cases = [
        (True, {**one, "secret": SECRET}),
        (True, {**both, "secret": SECRET}),
        (True, {**both, "secret": NEXT}),
        (False, {**one, "secret": OTHER}),
        (False, {**both, "secret": OTHER}),
        (False, {**one, "secret": SECRET, "body": one["body"].replace("unread", "read", 1)}),
        (False, {**one, "secret": SECRET, "headers": {**one["headers"], "webhook-id": "x"}}),
        (False, {**await sent(SECRET, ago=timedelta(minutes=6)), "secret": SECRET}),
        (False, {**await sent(), "secret": SECRET}),
    ]
    asked = json.dumps([{**case, "library": library} for _, case in cases])
    done = await anyio.run_process(["node", "verify.mjs"], cwd=node, input=asked.encode())
    assert json.loads(done.stdout) == [expected for expected, _ in cases]


# The examples


class Receiver:
    """An example that runs: its port, and the ids of what it worked on before it listened."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        self.port = 0
        self.before: list[str] = []
        while not self.port:
            line = process.stdout.readline()
            assert line, "it ended at once"
            words = line.split()
            if words[0] == "listening":
                self.port = int(words[-1])
            else:
                self.before.append(words[-1])

    def next(self) -> str:
        """Wait for the next event that it works on; return its id."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().split()[-1]


@contextmanager
def running(command: list[str], folder: Path, inbox: Path) -> Iterator[Receiver]:
    environ = {
        "PATH": os.environ["PATH"],
        "CRM_WEBHOOK_SECRET": SECRET,
        "PORT": "0",
        "INBOX": str(inbox),
    }
    process = subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.PIPE, text=True)
    try:
        yield Receiver(process)
    finally:
        process.kill()
        process.communicate()


Start = Callable[[], Any]


@pytest.fixture(params=["python", "node"])
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Start:
    """Return what starts an example; each start has the same inbox."""
    if request.param == "node":
        command, folder = ["node", "receiver.mjs"], request.getfixturevalue("node")
    else:
        command, folder = [sys.executable, str(EXAMPLES / "python" / "receiver.py")], tmp_path
    return lambda: running(command, folder, tmp_path / "inbox")


async def deliver(
    receiver: Receiver, one: Event, *secrets: str, largest: int = 2**18
) -> tuple[str, int | None]:
    async with Transport(wall_clock) as transport:
        url = f"http://127.0.0.1:{receiver.port}/hooks"
        notifier = WebhookNotifier(
            lambda: url, lambda: secrets, dict, 10.0, transport.webhook(), largest=largest
        )
        result = await notifier.send(Notice(one, "", "", wall_clock()))
    return result.outcome, result.status


async def test_an_example_takes_each_event_once_and_nothing_that_is_not_ours(start: Start) -> None:
    first, second = event("one"), event("two")
    with start() as receiver:
        assert await deliver(receiver, first, OTHER) == ("failed", 401)
        assert await deliver(receiver, first) == ("failed", 401)
        assert await deliver(receiver, first, NEXT, SECRET) == ("ok", 204)
        assert await anyio.to_thread.run_sync(receiver.next) == first.id
        assert await deliver(receiver, first, SECRET) == ("ok", 204), "a repeat is taken"
        assert await deliver(receiver, second, SECRET) == ("ok", 204)
        assert await anyio.to_thread.run_sync(receiver.next) == second.id, "and dropped"
    with start() as receiver:
        assert await deliver(receiver, first, SECRET) == ("ok", 204), "also after a restart"
        third = event("three")
        await deliver(receiver, third, SECRET)
        worked = list(receiver.before)
        while third.id not in worked:
            worked.append(await anyio.to_thread.run_sync(receiver.next))
        # The second may have been killed between the work and the mark; nobody can help that.
        assert [id_ for id_ in worked if id_ != second.id] == [third.id]


async def test_an_example_refuses_what_is_too_large(start: Start) -> None:
    with start() as receiver:
        large = event("x" * 1_100_000)
        came = await deliver(receiver, large, SECRET, largest=2**21)
        # None: the connection ended while the rest was on its way.
        assert came in (("refused", 413), ("failed", None))
        assert await deliver(receiver, large, SECRET) == ("ok", 204), "cut to what is usual"
        assert await deliver(receiver, event(), SECRET) == ("ok", 204)
