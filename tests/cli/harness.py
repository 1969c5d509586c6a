"""A harness for the command line: a simulated Chatwoot and a webhook receiver on real sockets, and a
configuration that names both.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
from anyio.from_thread import BlockingPortal
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from typer.testing import CliRunner, Result

from watcher.cli import app
from watcher.clock import wall_clock
from watcher.daemon.sample import sample
from watcher.model import Delivery
from watcher.records import Commit, SourceState
from watcher.simulator import World, chatwoot
from watcher.store.sqlite import SqliteStore
from watcher.web import bind, serve

TOKEN = "token-of-the-simulated-agent"
NOW = wall_clock()
PATIENT = 90.0
"""Seconds after which something is taken never to come; the machine may have much else to do."""

SECRET_PATH = "/hooks/a-path-that-nobody-may-see"


class Receiver:
    """A webhook receiver that remembers what it got and answers with `status` and what it `says`."""

    def __init__(self) -> None:
        self.status = 200
        self.says = ""
        self.got: list[dict[str, Any]] = []
        self.bodies: list[bytes] = []
        self.app = Starlette(routes=[Route("/{path:path}", self._take, methods=["POST"])])

    async def _take(self, request: Request) -> Response:
        self.bodies.append(await request.body())
        self.got.append(await request.json())
        words = "thanks" if self.status == 200 else "no"
        return Response(self.says or words, self.status)


class Harness:
    """A folder with a configuration, a world behind a socket, and ways to run the program."""

    def __init__(self, folder: Path, portal: BlockingPortal) -> None:
        self.folder = folder
        self.portal = portal
        self.world = World(wall_clock, seed=5)
        self.account = self.world.open_account("chatwoot", "3", conversations=4, token=TOKEN)
        self.receiver = Receiver()
        self.store = folder / "watcher.db"
        self.environ = {"CHAT_TOKEN": TOKEN}
        self.chat = f"http://127.0.0.1:{self._serve(chatwoot.app(self.world))}"
        self.hook = f"http://127.0.0.1:{self._serve(self.receiver.app)}{SECRET_PATH}"
        self.config = folder / "watcher.yaml"
        self.write()

    def serve(self, application: Any) -> str:
        """Serve an application on a socket; gives its origin."""
        return f"http://127.0.0.1:{self._serve(application)}"

    def _serve(self, application: Any) -> int:
        listener = bind("127.0.0.1", 0)
        self.portal.start_task_soon(serve, application, listener)
        return int(listener.getsockname()[1])

    def write(self, *, server: str = "false", more: str = "", receivers: str = "") -> None:
        """Write the configuration anew."""
        self.config.write_text(
            f"store: {self.store}\n"
            f"server: {server}\n"
            "sources:\n"
            "  support:\n"
            "    provider: chatwoot\n"
            f"    base_url: {self.chat}\n"
            "    account_id: 3\n"
            "    token: ${CHAT_TOKEN}\n"
            "    poll_every: 1s\n"
            f"receivers:\n  crm: {{type: webhook, url: '{self.hook}'}}\n{receivers}"
            "rules:\n"
            "  - name: Everything to the CRM\n"
            "    when: conversation.*\n"
            "    notify: crm\n"
            f"{more}"
        )

    def write_sources(self, text: str) -> None:
        """Write the configuration anew, with other sources."""
        self.config.write_text(
            f"store: {self.store}\nserver: false\nsources:\n{text}"
            f"receivers:\n  crm: {{type: webhook, url: '{self.hook}'}}\n"
            "rules:\n  - {name: Everything, when: conversation.*, notify: crm}\n"
        )

    def run(self, *arguments: str, secrets: bool = True) -> Result:
        """Run a command in this process."""
        environ = {"CHAT_TOKEN": self.environ["CHAT_TOKEN"] if secrets else None}
        runner = CliRunner()
        return runner.invoke(
            app, [*arguments], env={**environ, "INBOX_WATCHER_CONFIG": str(self.config)}
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the real program."""
        return subprocess.Popen(
            [sys.executable, "-m", "watcher", *arguments],
            env={**os.environ, **self.environ, "INBOX_WATCHER_CONFIG": str(self.config)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def fill(self, *commits: Commit) -> None:
        """Write into the store, as its owner, while nothing else runs."""

        async def write() -> None:
            store = await SqliteStore.open(self.store, owner="test")
            try:
                for commit in commits:
                    await store.commit(commit)
            finally:
                await store.close()

        anyio.run(write)

    def ask(self, question: Callable[[SqliteStore], Any]) -> Any:
        """Read from the store."""

        async def read() -> Any:
            store = await SqliteStore.open_reader(self.store)
            try:
                return await question(store)
            finally:
                await store.close()

        return anyio.run(read)


class Running:
    """A real process whose log lines (stderr) and results (stdout) are collected as they come."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.out: list[str] = []
        self.err: list[str] = []
        self.changed = threading.Condition()
        self._threads = [
            threading.Thread(target=self._collect, args=pair)
            for pair in ((process.stdout, self.out), (process.stderr, self.err))
        ]
        for thread in self._threads:
            thread.start()

    def _collect(self, stream: Any, into: list[str]) -> None:
        for line in stream:
            with self.changed:
                into.append(line)
                self.changed.notify_all()

    def wait_for(self, text: str) -> None:
        """Wait until a line holds the text."""
        with self.changed:
            found = self.changed.wait_for(
                lambda: any(text in line for line in (*self.out, *self.err)), timeout=PATIENT
            )
        assert found, f"{text!r} was not said:\n{''.join(self.out)}{''.join(self.err)}"

    def stop(self, number: int) -> int:
        """Send a signal and wait for the end; gives the exit status."""
        self.process.send_signal(number)
        return self.end()

    def end(self) -> int:
        """Wait for the end by itself."""
        status = self.process.wait(timeout=PATIENT)
        for thread in self._threads:
            thread.join()
        return status


@contextmanager
def keep_running(harness: Harness, *arguments: str) -> Iterator[Running]:
    running = Running(harness.start(*arguments))
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.kill()
        running.end()
        for stream in (running.process.stdout, running.process.stderr):
            assert stream is not None
            stream.close()


def wait_until(holds: Callable[[], Any], seconds: float = PATIENT) -> Any:
    """Look again and again until something holds; the other side is another process."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, "it did not come to hold"
        time.sleep(0.05)
    return found


def json_lines(text: str) -> list[dict[str, Any]]:
    """Read JSON Lines."""
    lines = text.splitlines()
    assert all(line[:1] in tuple("{[") for line in lines), lines
    return [json.loads(line) for line in lines]


def dead(mark: str, receiver: str = "crm", **changed: Any) -> Commit:
    """Make a commit with a delivery that was given up."""
    event = sample("support", "chatwoot", NOW, mark)
    given_up: dict[str, Any] = {
        "rule": "Everything",
        "due": NOW,
        "created": NOW,
        "state": "dead",
        "attempt": 10,
        "note": "HTTP 500: no",
        "settled": NOW,
    }
    owed = Delivery(event.id, event, receiver, **given_up | changed)
    return Commit("support", events=(event,), deliveries=(owed,))


def remembered(**changed: Any) -> SourceState:
    """Make what is remembered of a source that has its baseline."""
    baselined = {"baselined": NOW, "swept": NOW}
    return SourceState("support", "chatwoot", "some account", **baselined | changed)
