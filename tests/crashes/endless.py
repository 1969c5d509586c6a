"""Three services whose lists may have no end, a fourth that is well, and the real program between kills.

Rules: knows nothing of the watcher's insides but the columns of its store that count.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any

from anyio.from_thread import BlockingPortal
from starlette.types import ASGIApp

from watcher.clock import wall_clock
from watcher.simulator import (
    Account,
    Conversation,
    Faults,
    TruthEntry,
    World,
    chatwoot,
    faults,
    leadconnector,
    leadping,
)
from watcher.web import bind, serve

from .harness import SETTING, wait_until
from .verdict import examine

SERVICES: Mapping[str, Any] = {
    "chatwoot": chatwoot.app,
    "highlevel": leadconnector.app,
    "leadping": leadping.app,
}
HEALTHY = "healthy"

CONFIGURATION = """\
store: {folder}/watcher.db
server: false
sources:
{sources}receivers:
  nobody: {{type: webhook, url: 'http://127.0.0.1:9/hook'}}
rules:
  - {{name: none, when: receiver.failing, notify: nobody}}
"""


class Endless:
    """World, services and the program's lives."""

    def __init__(
        self, folder: Path, portal: BlockingPortal, *, most: int, store: Path | None = None
    ) -> None:
        self.folder = store or folder
        self.chance = Random(1)
        self.world = World(wall_clock, seed=1)
        self.sources: dict[str, Account] = {}
        self.doors: dict[str, Faults] = {}
        self.log = folder / "log.txt"
        self.most = most
        self._portal = portal
        self._quiet: dict[str, list[Conversation]] = {}
        blocks = ""
        for number, (name, make) in enumerate([*SERVICES.items(), (HEALTHY, leadping.app)], 1):
            kind: Any = "leadping" if name == HEALTHY else name
            account = self.world.open_account(kind, str(number), conversations=30)
            self.sources[name] = account
            self._quiet[name] = self.chance.sample(account.living(), 30)
            self.doors[name] = Faults(make(self.world, accounts=[account]), wall_clock)
            blocks += (
                f"  {name}:\n    provider: {kind}\n    token: {account.token}\n"
                f"    base_url: http://127.0.0.1:{self._serve(self.doors[name])}\n"
                f"    poll_every: 1s\n    sweep_every: 2s\n    most_conversations: {most}\n"
                f"    {SETTING[kind].format(account.id)}\n"
            )
        self.config = folder / "watcher.yaml"
        self.config.write_text(CONFIGURATION.format(folder=self.folder, sources=blocks))

    def source_of(self, entry: TruthEntry) -> str:
        return next(name for name, one in self.sources.items() if one.key == entry.account)

    def _serve(self, application: ASGIApp) -> int:
        listener = bind("127.0.0.1", 0)
        self._portal.start_task_soon(serve, application, listener)
        return int(listener.getsockname()[1])

    def never_end(self, text: int = 500) -> None:
        """Let the lists go on for ever, from now on, with so long a last message in each row."""
        for name in SERVICES:
            self.doors[name].plan(faults.endless(100, text=text))

    def end_again(self) -> None:
        for name in SERVICES:
            self.doors[name].clear()

    def write(self, text: str) -> dict[str, str]:
        """Have a customer of each account write, in a conversation of which nothing was told yet; return
        what was written, by source.
        """
        for name in self.sources:
            self._portal.call(self.world.message, self._quiet[name].pop(), f"{text}, {name}?")
        return {name: f"{text}, {name}?" for name in self.sources}

    @contextlib.contextmanager
    def alive(self) -> Iterator[subprocess.Popen[bytes]]:
        """Let the program run, and kill it."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "watcher", "run"],
                stderr=log,
                env={**os.environ, "INBOX_WATCHER_CONFIG": str(self.config)},
            )
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0

    def killed_while_it_reads(self, pages: int) -> None:
        """Kill it when the endless lists have answered so many requests more."""
        asked = self.asked()
        with self.alive() as process:
            assert wait_until(lambda: self.asked() - asked >= pages, 120, 0.002)
            assert process.poll() is None, "it ended by itself"
        assert examine(self.folder) == ""
        assert all(count <= self.most for count in self.known().values())

    def asked(self) -> int:
        return sum(len(self.doors[name].log) for name in SERVICES)

    def known(self) -> dict[str, int]:
        """Return how many conversations are known of each source."""
        rows = self._rows("SELECT source, count(*) FROM snapshots WHERE present GROUP BY source")
        return dict(rows)

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command beside the program."""
        return subprocess.run(
            [sys.executable, "-m", "watcher", *words, "--config", str(self.config)],
            capture_output=True,
            text=True,
        )

    def known_of_real(self) -> dict[str, int]:
        """Return how many of those are known that are there."""
        rows = self._rows("SELECT source, id FROM snapshots WHERE present")
        return dict(Counter(name for name, id_ in rows if id_ in self.sources[name].conversations))

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for (body,) in self._rows("SELECT body FROM events ORDER BY seq")]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return the events of a type."""
        return [one for one in self.events() if one["type"] == kind]

    def told(self, kind: str) -> Counter[str]:
        """Return how often a type of event was told of each source."""
        return Counter(one["data"]["source"] for one in self.of(kind))

    def conversations(self) -> list[dict[str, Any]]:
        return [one for one in self.events() if one["type"].startswith("conversation.")]

    def about_real(self) -> list[dict[str, Any]]:
        """Return what was told of conversations that are there, and of the sources."""
        real = {f"inbox-watcher/{name}": {*one.conversations} for name, one in self.sources.items()}
        return [
            one
            for one in self.events()
            if one["type"] == "source.baselined"
            or one.get("subject") in real.get(one["source"], ())
        ]

    def messages(self) -> set[str]:
        """Return the last words of all conversations of which a message was told."""
        told = self.of("conversation.message")
        return {str(one["data"]["conversation"]["last_message"]["text"]) for one in told}

    def _rows(self, statement: str) -> list[tuple[Any, ...]]:
        file = self.folder / "watcher.db"
        if not file.exists():
            return []
        connection = sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)
        try:
            return connection.execute(statement).fetchall()
        except sqlite3.OperationalError:  # its tables are being made
            return []
        finally:
            connection.close()
