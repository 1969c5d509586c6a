"""`status`: from the running daemon, or as last saved."""

from __future__ import annotations

import signal
from typing import Any

import anyio

from tests.cli.harness import NOW, Harness, dead, json_lines, remembered, wait_until
from watcher.model import rfc3339
from watcher.records import Commit, Hold, ReceiverState, Trouble
from watcher.store.sqlite import SqliteStore


def test_status_without_store_or_daemon_says_what_to_start(harness: Harness) -> None:
    result = harness.run("status", secrets=False)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "there is no store at" in result.stderr


def test_status_without_a_daemon_tells_what_is_remembered(harness: Harness) -> None:
    failing = Trouble(NOW, "the token is refused", "make a new one")
    harness.fill(
        Commit("support", remembered(failing=failing)), dead("a"), dead("b", state="pending")
    )
    result = harness.run("status", secrets=False)
    assert result.exit_code == 0, result.output
    assert "The daemon is not running; showing the last saved state." in result.stdout
    assert "the token is refused (make a new one)" in result.stdout
    watcher, source, receiver = json_lines(harness.run("status", "--json").stdout)
    assert (watcher["daemon"], watcher["answers"]) == (None, False)
    assert source["failing"]["since"] == rfc3339(NOW)
    assert receiver == {
        "receiver": "crm",
        "off": None,
        "failing": None,
        "paused_until": None,
        "pending": 1,
    }


def test_status_tells_why_a_sweep_is_held_and_what_to_do(harness: Harness) -> None:
    ids = tuple(f"c{number:02}" for number in range(30))
    remedy = "decide now: inbox-watcher release support"
    hold = Hold("absences", NOW, ids, 40, "a complete sweep lacks 30 of 40", remedy)
    harness.fill(Commit("support", remembered(hold=hold)))
    said = "".join(harness.run("status", secrets=False).stdout.split())
    assert "acompletesweeplacks30of40" in said  # the table may break the line anywhere
    assert "inbox-watcherreleasesupport" in said
    _, source, _ = json_lines(harness.run("status", "--json").stdout)
    assert (source["hold"]["kind"], source["hold"]["known"]) == ("absences", 40)
    assert source["hold"]["ids"] == list(ids)


def test_status_tells_a_pause(harness: Harness) -> None:
    async def pause() -> None:
        store = await SqliteStore.open(harness.store)
        await store.save_receiver(ReceiverState("crm", failures=5, paused=NOW))
        await store.close()

    anyio.run(pause)
    assert "paused until" in " ".join(harness.run("status").stdout.split())


def test_status_of_a_running_daemon_is_its_own(harness: Harness, running: Any) -> None:
    with running("run") as daemon:
        daemon.wait_for("baseline done")
        wait_until(lambda: "ok" in harness.run("status", secrets=False).stdout)
        watcher, source, receiver = json_lines(harness.run("status", "--json").stdout)
        assert f"process {daemon.process.pid}" in watcher["daemon"]
        assert (source["source"], source["conversations"], source["stale"]) == ("support", 4, False)
        assert source["plan"] == {
            "conversations": 4,
            "polls_per_hour": 3600.0,
            "requests_per_poll": 1,
            "sweeps_per_hour": 4.0,
            "requests_per_sweep": 1,
            "requests_per_hour": 3604,
            "budget_per_hour": 180000,
            "asked_together": 3604,
            "shared_with": [],
            "fits": True,
        }
        assert receiver["pending"] == 0
        assert daemon.stop(signal.SIGTERM) == 0
    assert "The daemon is not running" in harness.run("status").stdout


def test_status_tells_a_refused_token_with_its_remedy(harness: Harness, running: Any) -> None:
    harness.environ["CHAT_TOKEN"] = "some-other-token"
    with running("run") as daemon:
        daemon.wait_for("the source fails")
        result = harness.run("status")
        assert "failing since" in result.stdout
        assert "no baseline yet" in result.stdout
        assert "some-other-token" not in result.output
        assert daemon.stop(signal.SIGTERM) == 0


def test_tls_that_is_not_verified_is_said_by_check_run_and_status(harness: Harness) -> None:
    harness.write(receivers=f"  web: {{type: webhook, url: '{harness.hook}', tls_verify: false}}\n")
    warning = "TLS IS NOT VERIFIED for the receiver `web`"
    assert warning in " ".join(harness.run("check").stderr.split())
    assert warning in " ".join(harness.run("run", "--once").stderr.split())
    assert warning in harness.run("status").stdout
    first = json_lines(harness.run("status", "--json").stdout)[0]
    assert first["tls_not_verified"] == ["the receiver `web`"]
