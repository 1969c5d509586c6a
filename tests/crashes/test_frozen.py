"""The real program, stopped (SIGSTOP) for longer than its deadlines while an answer is on its way."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from anyio.from_thread import BlockingPortal, start_blocking_portal
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from watcher.clock import wall_clock
from watcher.simulator import World, chatwoot
from watcher.web import bind, serve

from .harness import wait_until

STOPPED = 3.0
"""Seconds; every deadline in the configuration is one second."""

CONFIGURATION = """\
store: {folder}/watcher.db
server: false
sources:
  support:
    provider: chatwoot
    token: {token}
    base_url: http://127.0.0.1:{inbox}
    account_id: 1
    poll_every: 1s
    timeout: 1s
receivers:
  crm: {{type: webhook, url: 'http://127.0.0.1:{crm}/crm', timeout: 1s, retry: [100ms, 100ms]}}
rules:
  - {{name: all, when: '*', notify: crm}}
"""


class Gate:
    """Holds one answer back, once it is shut."""

    def __init__(self) -> None:
        self.shut = False
        self.held = False
        self._open = asyncio.Event()

    async def passed(self) -> None:
        if self.shut:
            self.shut, self.held = False, True
            await self._open.wait()

    async def open(self) -> None:
        self._open.set()


class Outside:
    """An inbox and a receiver, each with a gate, and the program between them."""

    def __init__(self, folder: Path, portal: BlockingPortal) -> None:
        self.folder = folder
        self.portal = portal
        self.world = World(wall_clock, seed=1)
        self.account = self.world.open_account("chatwoot", "1", conversations=5)
        self.came = Counter[str]()
        self.types: list[str] = []
        self.inbox, self.crm = Gate(), Gate()
        self.log = folder / "log.txt"
        config = folder / "watcher.yaml"
        config.write_text(
            CONFIGURATION.format(
                folder=folder,
                token=self.account.token,
                inbox=self._serve(self._gated(chatwoot.app(self.world))),
                crm=self._serve(Starlette(routes=[Route("/crm", self._take, methods=["POST"])])),
            )
        )
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "watcher", "--log-level", "debug", "run"],
                stderr=log,
                env={**os.environ, "INBOX_WATCHER_CONFIG": str(config)},
            )

    def _serve(self, application: ASGIApp) -> int:
        listener = bind("127.0.0.1", 0)
        self.portal.start_task_soon(serve, application, listener)
        return int(listener.getsockname()[1])

    def _gated(self, app: ASGIApp) -> ASGIApp:
        async def gated(scope: Scope, receive: Receive, send: Send) -> None:
            await self.inbox.passed()
            await app(scope, receive, send)

        return gated

    async def _take(self, request: Request) -> Response:
        event = await request.json()
        self.came[event["id"]] += 1
        self.types.append(event["type"])
        await self.crm.passed()
        return Response(status_code=204)

    def waits_for(self, gate: Gate) -> None:
        """Wait until the program waits behind a gate that is shut."""
        assert wait_until(lambda: gate.held, 30)

    def stop_while_answered(self, gate: Gate) -> None:
        """Stop the program; have it answered meanwhile; let it go on."""
        os.kill(self.process.pid, signal.SIGSTOP)
        self.portal.call(gate.open)
        wait_until(lambda: False, STOPPED, 0.1)
        os.kill(self.process.pid, signal.SIGCONT)

    def hears_of(self, text: str) -> None:
        """Have a customer write, and wait until the receiver has taken that, and all before it."""
        before = self.types.count("conversation.message")
        self.say(text)
        assert wait_until(lambda: self.types.count("conversation.message") > before, 30, 0.01)

    def say(self, text: str) -> None:
        first = next(iter(self.account.living()))
        self.portal.call(self.world.message, first, text)

    def deliveries(self) -> list[tuple[str, int]]:
        """Return the state and the attempts of each delivery."""
        connection = sqlite3.connect(f"{(self.folder / 'watcher.db').as_uri()}?mode=ro", uri=True)
        try:
            return connection.execute("SELECT state, attempt FROM deliveries").fetchall()
        finally:
            connection.close()


@contextmanager
def outside(folder: Path) -> Iterator[Outside]:
    with start_blocking_portal() as portal:
        there = Outside(folder, portal)
        try:
            assert wait_until(lambda: "source.baselined" in there.types, 60, 0.01)
            yield there
            there.process.send_signal(signal.SIGTERM)
            assert there.process.wait(15) == 0
        finally:
            there.process.kill()
            there.process.wait()
            portal.start_task_soon(portal.stop, True)


def test_a_delivery_that_was_answered_meanwhile_is_not_repeated(tmp_path: Path) -> None:
    with outside(tmp_path) as there:
        there.crm.shut = True
        there.say("is anybody there?")
        there.waits_for(there.crm)
        there.stop_while_answered(there.crm)
        there.hears_of("and now?")
        assert set(there.came.values()) == {1}
        assert wait_until(lambda: {one[0] for one in there.deliveries()} == {"delivered"}, 30, 0.1)
        assert {attempts for _, attempts in there.deliveries()} == {1}


def test_a_polls_answer_that_came_meanwhile_is_read(tmp_path: Path) -> None:
    with outside(tmp_path) as there:
        there.inbox.shut = True
        there.waits_for(there.inbox)
        there.stop_while_answered(there.inbox)
        there.hears_of("is anybody there?")
        said = [json.loads(line) for line in there.log.read_text().splitlines() if line[:1] == "{"]
        assert [one for one in said if one.get("event") == "an attempt failed"] == []
