"""Commands that go through the whole store need no more memory than for some of it at a time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from tests.support.make import T0, at, delivery, snapshot
from watcher.model import Event, Message
from watcher.records import Commit
from watcher.store.sqlite import SqliteStore

EVENTS, TEXT = 300, 100_000
"""How many events with a pending delivery the store holds, and how long the text of each is."""

MOST = 120
"""MiB that a command may take: the program itself takes 75 to 100, all events of the store 50 to 80 more."""

CONFIGURATION = """
store: watcher.db
server: false
sources:
  support: {provider: chatwoot, base_url: "http://127.0.0.1:9", account_id: 3, token: none}
receivers:
  crm: {type: webhook, url: "http://127.0.0.1:9/"}
rules:
  - {name: All, when: "conversation.*", notify: crm}
"""

MEASURED = """
import pathlib, sys
from watcher.cli import main
try:
    main()
except SystemExit:
    pass
# `ru_maxrss` would begin with what the process that started this one had taken.
peak = pathlib.Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
sys.stderr.write(str(int(peak) // 1024))
"""

SCORED = f"""
{MEASURED}
sys.stderr.write(chr(10) + pathlib.Path("/proc/self/oom_score_adj").read_text())
"""


async def fill(path: Path) -> None:
    """Make a store of events that have waited for their receiver."""
    store = await SqliteStore.open(path)
    large = Message(text="x" * TEXT, direction="inbound")
    for start in range(0, EVENTS, 100):
        events = [
            Event(
                f"e{number}",
                "conversation.message",
                "support",
                f"c{number}",
                at(number),
                {"conversation": {"id": f"c{number}", "last_message": {"text": "x" * TEXT}}},
            )
            for number in range(start, start + 100)
        ]
        owed = tuple(delivery(one, receiver="crm", rule="All", attempt=1) for one in events)
        await store.commit(Commit("support", events=tuple(events), deliveries=owed))
        known = [snapshot(f"c{number}", last_message=large) for number in range(start, start + 100)]
        await store.commit(Commit("support", snapshots=tuple(known)))
    await store.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a configuration and a store that is larger than `MOST`."""
    made = tmp_path_factory.mktemp("large")
    (made / "watcher.yaml").write_text(CONFIGURATION)
    anyio.run(fill, made / "watcher.db")
    return made


@pytest.mark.parametrize(
    "command",
    [
        "deliveries --limit 1000000",
        f"backtest --json --since {T0:%Y-%m-%d}",
        "run --once --dry-run",
        "deliveries retry --state pending",
        "conversations --limit 1000000",
        "conversations --json --limit 1000000",
        "events --json --limit 1000000",
    ],
)
def test_a_command_about_everything_takes_little_memory(folder: Path, command: str) -> None:
    done = run(MEASURED, folder, command)
    assert "error: internal" not in done.stderr
    assert int(done.stderr.split("\n")[-1]) < MOST, done.stderr[-500:]
    assert len(done.stdout.splitlines()) >= (1 if "retry" in command else EVENTS)


@pytest.mark.parametrize(
    ("command", "rises"),
    [
        ("status", True),
        ("conversations --limit 1", True),
        ("run --once --dry-run", True),
        ("run --once", False),
    ],
)
def test_where_memory_runs_out_a_command_is_ended_before_the_daemon(
    folder: Path, command: str, rises: bool
) -> None:
    own = int(Path("/proc/self/oom_score_adj").read_text())
    score = int(run(SCORED, folder, command).stderr.split("\n")[-2])
    assert score == (min(own + 500, 1000) if rises else own)


def run(program: str, folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command on the large store, and then say what the process came to."""
    return subprocess.run(
        [sys.executable, "-c", program, *command.split()],
        env={**os.environ, "INBOX_WATCHER_CONFIG": str(folder / "watcher.yaml")},
        capture_output=True,
        text=True,
        check=False,
    )
