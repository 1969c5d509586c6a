"""What a long backlog does to the real daemon: figure `backlog`.

A store with many pending deliveries to the receiver `crm` is opened by `inbox-watcher run`, beside a
source at which something happens and a receiver `other` that hears of it.
Read the cases beside each other.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.bench.figures import Figure, Measured, Scale
from tests.bench.processes import cpu_of, free_port
from tests.support.backlog import make_backlog
from watcher.clock import wall_clock
from watcher.store.sqlite import SqliteStore

TEXT = "A customer has written this. " * 20
BODY = {
    "source": "sales",
    "provider": "chatwoot",
    "conversation": {
        "id": "c1", "url": None, "contact": {"id": "7", "name": "Maria Lopez", "email": None, "phone": None},
        "channel": "sms", "unread": True, "unread_count": 2, "assignee": None, "team": None,
        "archived": False, "status": "open", "disposition": None, "labels": [], "priority": None,
        "last_message": {"text": TEXT, "direction": "inbound", "type": "sms", "at": None,
                         "automated": False, "subject": None, "attachments": []},
        "waiting_since": None, "last_activity_at": None, "created_at": None, "attributes": {},
    },
    "changes": {"last_message": {"before": None, "after": {"text": TEXT}}},
    "observed": {"after": None, "before": "2026-11-20T10:00:05.123Z"},
}  # fmt: skip


class Sink:
    """Takes requests at `/crm` and `/other` and notes when they came."""

    def __init__(self) -> None:
        self.crm: list[float] = []
        self.late: list[float] = []

    async def serve(self) -> int:
        """Listen; return the port."""
        server = await asyncio.start_server(self._talk, "127.0.0.1", 0, limit=2**24)
        return int(server.sockets[0].getsockname()[1])

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                fields = head.decode("latin-1").lower()
                length = int(fields.partition("content-length:")[2].split("\r\n")[0] or 0)
                body = await reader.readexactly(length)
                if " /other" in fields.split("\r\n")[0]:
                    detected = datetime.fromisoformat(json.loads(body)["time"])
                    self.late.append((wall_clock() - detected).total_seconds())
                else:
                    self.crm.append(time.monotonic())
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def _configuration(folder: Path, kind: str, sink: int, inbox: int, server: int) -> Path:
    crm: dict[str, Any] = (
        {"type": "webhook", "url": f"http://127.0.0.1:{sink}/crm"}
        if kind == "webhook"
        else {"type": "apprise", "url": f"json://127.0.0.1:{sink}/crm"}
    )
    config = {
        "store": str(folder / "watcher.db"),
        "server": {"listen": f"127.0.0.1:{server}"},
        "sources": {
            "support": {
                "provider": "chatwoot",
                "base_url": f"http://127.0.0.1:{inbox}",
                "account_id": 1,
                "token": "token",
                "poll_every": "1s",
            }
        },
        "receivers": {
            "crm": crm,
            "other": {"type": "webhook", "url": f"http://127.0.0.1:{sink}/other"},
        },
        "rules": [
            {"name": "Rule", "when": "source.failing", "notify": ["crm"]},
            {"name": "Other", "when": "conversation.*", "notify": ["other"]},
        ],
    }
    path = folder / "config.yaml"
    path.write_text(json.dumps(config), encoding="utf-8")
    return path


async def measure(kind: str, pending: int, conversations: int, seconds: float) -> list[Measured]:
    """Run one case; return its figures."""
    sink = Sink()
    port = await sink.serve()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        backlog = make_backlog(folder / "watcher.db")
        if pending:
            backlog.add("crm", pending, conversations, body=json.dumps(BODY))
        backlog.close()
        (folder / "watcher.db").chmod(0o600)
        await (await SqliteStore.open(folder / "watcher.db")).close()  # brings it up to date
        inbox, server = free_port(), free_port()
        config = _configuration(folder, kind, port, inbox, server)
        fake = subprocess.Popen(  # noqa: ASYNC220 - begins at once
            [sys.executable, "-m", "watcher.simulator", "chatwoot", "--port", str(inbox),
             "--account", "1", "--token", "token", "--conversations", "20", "--events-every", "200ms"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        await asyncio.sleep(1.5)
        began = time.monotonic()
        with (folder / "log").open("wb") as log:
            daemon = subprocess.Popen(  # noqa: ASYNC220 - begins at once
                [sys.executable, "-m", "watcher", "run", "--config", str(config)],
                stdout=log, stderr=log,
            )  # fmt: skip
        sick = 0
        slowest = computed = 0.0
        try:
            while time.monotonic() - began < seconds:
                await asyncio.sleep(0.5)
                if not sink.crm:
                    computed = cpu_of(daemon.pid)
                asked = time.monotonic()
                healthy = await asyncio.to_thread(_healthy, server)
                if asked - began > 5:
                    sick += not healthy
                    slowest = max(slowest, time.monotonic() - asked)
            computed = cpu_of(daemon.pid) - computed
            stopping = time.monotonic()
            daemon.send_signal(signal.SIGTERM)
            await asyncio.to_thread(daemon.wait, 60)
            stopped = time.monotonic() - stopping
        finally:
            daemon.kill()
            fake.kill()
            if os.environ.get("SHOW"):
                print((folder / "log").read_text()[-3000:])  # noqa: T201 - a command's output
        delivered = _delivered(folder / "watcher.db")
    first = sink.crm[0] - began if sink.crm else float("nan")
    lasted = max(0.001, sink.crm[-1] - sink.crm[0]) if sink.crm else 1
    late = statistics.median(sink.late) if sink.late else float("nan")
    case = f"{kind}, {pending:,} of {conversations:,} conversations"
    return [
        Measured(case, "the first of the backlog", (first,), "s", clock=True),
        Measured(case, "delivered", (delivered / lasted,), "/s", clock=True),
        Measured(case, "requests", (float(len(sink.crm)),)),
        Measured(case, "CPU each", (1000 * computed / max(1, delivered),), "ms"),
        Measured(case, "another receiver waits", (late * 1000,), "ms", clock=True),
        Measured(case, "looks at its health that failed", (float(sick),)),
        Measured(case, "the slowest look", (slowest,), "s", clock=True),
        Measured(case, "SIGTERM", (stopped,), "s", clock=True),
    ]


def _healthy(server: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server}/healthz", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def _delivered(path: Path) -> int:
    connection = sqlite3.connect(path)
    ((count,),) = connection.execute(
        "SELECT count(*) FROM deliveries WHERE receiver = 'crm' AND state = 'delivered'"
    ).fetchall()
    connection.close()
    return int(count)


def measured(scale: Scale) -> Iterator[Measured]:
    """Measure each kind of receiver, with nothing pending and with so many."""
    pending = scale.number("pending", 200_000, 20_000)
    for kind in scale.words("kinds", ("webhook", "apprise"), ("webhook",)):
        spread = scale.numbers("conversations", (1, 10, 2000), (10,))
        for owed, conversations in [(0, 1), *((pending, number) for number in spread)]:
            seconds = scale.number("seconds", 30, 15)
            yield from asyncio.run(measure(kind, owed, conversations, seconds))


FIGURES = (
    Figure(
        "", "backlog", "what a long backlog does to the real daemon", measured,
        {
            "pending": "deliveries", "conversations": "that they are of", "kinds": "webhook, apprise",
            "seconds": "of each case",
        },
    ),
)  # fmt: skip
