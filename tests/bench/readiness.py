"""How long the daemon takes to have read so many real sources: figure `readiness`.

`inbox-watcher run` watches the accounts of a server in a process of its own (`tests.bench.inbox`), first with
an empty store, then again with what that left.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.figures import Figure, Measured, Scale
from tests.bench.processes import IN_A_FILE, cpu_of, free_port, peak_of

LOOK_EVERY = 0.5
"""Seconds between two looks at `/readyz`."""


@dataclass(frozen=True, slots=True)
class Start:
    """What is started."""

    service: str
    sources: int
    hosts: int
    seconds: float
    profile: str


def configure(folder: Path, asked: Start, inbox: int, server: int) -> None:
    """Write a configuration of so many accounts, spread over the inbox's addresses."""
    (folder / "a.yaml").write_text(
        f"store: {folder}/watcher.db\nserver: {{listen: '127.0.0.1:{server}'}}\n"
        "receivers:\n  crm: {type: webhook, url: 'http://127.0.0.1:9/hook'}\n"
        "rules:\n- {name: all, when: [conversation.*], notify: [crm]}\n"
    )
    setting = "account_id: {}" if asked.service == "chatwoot" else "location_id: Loc{:06}"
    for first in range(0, asked.sources, IN_A_FILE):
        blocks = (
            f"  loc-{number}:\n    provider: {asked.service}\n    {setting.format(number + 1)}\n"
            f"    base_url: http://127.0.0.{number % asked.hosts + 1}:{inbox}\n"
            f"    token: pit-3f0c{number:08}-9b1e-4a57\n"
            for number in range(first, min(first + IN_A_FILE, asked.sources))
        )
        (folder / f"sources-{first:06}.yaml").write_text("sources:\n" + "".join(blocks))


def start(folder: Path, asked: Start, inbox: int, server: int, what: str) -> Iterator[Measured]:
    """Start the daemon, wait until it is ready, end it; yield the figures."""
    command = [sys.executable, "-m", "watcher", "run", "--config", str(folder)]
    if asked.profile:
        command[1:1] = ["-m", "cProfile", "-o", f"{asked.profile}-{what}"]
    before = _get(inbox, "/_count")[1]
    began = time.monotonic()
    with (folder / "log").open("wb") as log:
        daemon = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        half, ready, first = 0.0, False, 0.0
        while not ready and time.monotonic() - began < asked.seconds and daemon.poll() is None:
            time.sleep(LOOK_EVERY)
            status, told = _get(server, "/readyz")
            ready = status == 200
            waiting = _waiting(told)
            now = time.monotonic() - began
            first = first or (now if told else 0.0)
            if told and not half and waiting <= asked.sources / 2:
                half = now
        took, cpu, memory = time.monotonic() - began, cpu_of(daemon.pid), peak_of(daemon.pid)
        after = _get(inbox, "/_count")[1]
        stopping = time.monotonic()
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(60)
        stopped = time.monotonic() - stopping
    finally:
        daemon.kill()
    lines = len((folder / "log").read_bytes().splitlines())
    case = f"{asked.sources:,} {asked.service}, {what}"
    if not ready:
        yield Measured(case, "sources that still wait", (float(waiting),), most=0)
    for name, seconds in (
        ("ready", took),
        ("listening", first),
        ("half", half),
        ("SIGTERM", stopped),
    ):
        yield Measured(case, name, (seconds,), "s", clock=True)
    yield Measured(case, "CPU", (cpu,), "s")
    yield Measured(case, "CPU of the service", (after["cpu"] - before["cpu"],), "s")
    yield Measured(case, "requests", (float(after["requests"] - before["requests"]),))
    yield Measured(case, "memory at most", (memory,), "MiB")
    yield Measured(case, "lines of log", (float(lines),))


def _waiting(told: Any) -> int:
    return int(told.get("sources", {}).get("waiting", 0))


def _get(port: int, path: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as answer:
        return answer.code, json.load(answer)
    except OSError:
        return 0, {}


def measured(scale: Scale) -> Iterator[Measured]:
    """Start the daemon with an empty store, and again with what that left."""
    asked = Start(
        service=scale.words("service", ("highlevel",), ("highlevel",))[0],
        sources=scale.number("sources", 2000, 500),
        hosts=scale.number("hosts", 1),
        seconds=scale.number("seconds", 120),
        profile=scale.values.get("profile", ""),
    )
    serving = [sys.executable, "-m", "tests.bench.inbox", "--service", asked.service]
    serving += [
        "--conversations",
        str(scale.number("conversations", 25)),
        "--hosts",
        str(asked.hosts),
    ]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(serving, stdout=subprocess.PIPE, text=True) as inbox,
    ):
        try:
            assert inbox.stdout is not None
            port, server = int(inbox.stdout.readline()), free_port()
            configure(Path(folder), asked, port, server)
            for what in ("new", "again"):
                yield from start(Path(folder), asked, port, server, what)
        finally:
            inbox.kill()


FIGURES = (
    Figure(
        "", "readiness", "the real daemon's start with many sources, until it has read all of them", measured,
        {
            "sources": "how many", "service": "chatwoot or highlevel", "conversations": "of each",
            "hosts": "addresses that the accounts share", "seconds": "how long a start may take",
            "profile": "where cProfile writes what a start did: PATH-new and PATH-again",
        },
    ),
)  # fmt: skip
