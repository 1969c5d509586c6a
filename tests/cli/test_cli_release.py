"""`release`: the evidence of a held sweep, and the decision, with a daemon and without."""

from __future__ import annotations

import dataclasses
import getpass
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cli.harness import NOW, Harness, remembered
from watcher.config.model import Config
from watcher.daemon.offline import OfflineControl
from watcher.model import Contact, Conversation, Snapshot
from watcher.records import Commit, EventQuery, Hold
from watcher.store.address import StoreAddress
from watcher.store.memory import MemoryStore

HOLD = Hold(
    "absences", NOW, tuple(f"c{number:02}" for number in range(30)), 40,
    "a complete sweep lacks 30 of 40", "the next complete sweep decides",
)  # fmt: skip
HELD = Commit(
    "support",
    remembered(hold=HOLD),
    snapshots=(
        Snapshot(Conversation("c00", contact=Contact(name="Ann Smith")), 1, frozenset(), {}, NOW),
    ),
)


def test_release_shows_the_evidence(harness: Harness) -> None:
    harness.fill(HELD)
    result = harness.run("release", "support", secrets=False)
    assert result.exit_code == 0, result.output
    assert "a complete sweep lacks 30 of 40" in result.stdout
    assert "c00           Ann Smith" in result.stdout
    assert "c19" in result.stdout
    assert "c20" not in result.stdout
    assert "and 10 more" in result.stdout
    assert harness.ask(lambda store: store.source("support")).hold == HOLD


def test_release_of_nothing_says_so(harness: Harness) -> None:
    harness.fill(Commit("support", remembered()))
    assert harness.run("release", "support").exit_code == 0
    result = harness.run("release", "support", "--accept")
    assert result.exit_code == 1
    assert "nothing is held for support" in result.stderr


@pytest.mark.parametrize("option", ["--accept", "--discard"])
def test_release_without_a_daemon_decides_and_lets_a_sweep_follow(
    harness: Harness, option: str
) -> None:
    harness.fill(HELD)
    result = harness.run("release", "support", option, secrets=False)
    assert result.exit_code == 0, result.output
    state = harness.ask(lambda store: store.source("support"))
    assert state.hold is None
    assert state.swept is None
    assert state.suspects == (HOLD.ids if option == "--accept" else ())
    (event,) = harness.ask(lambda store: store.events(EventQuery(types=("source.released",))))
    assert event.event.data["source"] == "support"
    (done,) = harness.ask(lambda store: store.actions())
    assert done.action.what == ("accept hold" if option == "--accept" else "discard hold")
    assert (done.action.target, done.action.by.via) == ("support", "command")
    assert done.action.by.who == getpass.getuser()


async def test_without_a_daemon_too_another_hold_than_the_one_seen_is_not_decided() -> None:
    store = MemoryStore()
    await store.commit(HELD)
    control = OfflineControl(Config.unread(StoreAddress(Path("none.db"))), store)
    for other in (HOLD.since - timedelta(hours=1), HOLD.since + timedelta(milliseconds=1)):
        assert not await control.release("support", accept=True, since=other)
    state = await store.source("support")
    assert state is not None
    assert state.hold == HOLD
    assert await control.release("support", accept=True, since=HOLD.since)
    assert not await control.release("support", accept=True, since=HOLD.since)


def test_release_is_carried_out_by_the_running_daemon(harness: Harness, running: Any) -> None:
    assert harness.run("run", "--once").exit_code == 0
    state = harness.ask(lambda store: store.source("support"))
    held = Commit("support", dataclasses.replace(state, hold=HOLD))
    harness.fill(held)
    with running("run") as daemon:
        daemon.wait_for("watching")
        result = harness.run("release", "support", "--discard")
        assert result.exit_code == 0, result.output
        assert harness.run("release", "support").stderr == "nothing is held for support\n"
        assert daemon.stop(signal.SIGTERM) == 0
