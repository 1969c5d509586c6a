"""`status`: from the running daemon, or as last saved."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import urllib.error
import urllib.request
from datetime import timedelta
from typing import Any

import anyio
import pytest

from tests.cli.harness import NOW, Harness, dead, json_lines, remembered, wait_until
from watcher import __version__
from watcher.cli.health import over_budget, source_health, unread_troubles, unwell
from watcher.model import rfc3339
from watcher.records import Commit, Hold, ReceiverState, Skew, Trouble
from watcher.store.sqlite import SqliteStore
from watcher.web import bind


def asked(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - our own, on loopback
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()


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
        "state": "not served",
        "pending": 1,
        "due": 1,
        "waiting": 0,
        "held": 0,
        "dead": 1,
        "died": 1,
    }
    assert source["state"] == "not watched"
    assert (watcher["ok"], watcher["reasons"]) == (False, ["no daemon is running"])
    assert (watcher["version"], watcher["dead"]) == (None, 1)


@pytest.mark.parametrize(
    ("skew", "words"),
    [
        (
            Skew(-599.0, "rows"),
            "10m behind this machine's (the times of its conversations show it)",
        ),
        (Skew(86_400.0, "date"), "1d ahead of this machine's (its answers' Date header says so)"),
        (Skew(59.0, "server"), ""),
    ],
)
def test_status_tells_a_clock_that_is_off_by_more_than_a_minute(
    harness: Harness, skew: Skew, words: str
) -> None:
    harness.fill(Commit("support", remembered(skew=skew)))
    shown = harness.run("status").stdout
    assert ("provider's clock" in shown) == bool(words)
    assert words in shown
    _watcher, source, *_ = json_lines(harness.run("status", "--json").stdout)
    assert source["skew"] == {"seconds": round(skew.seconds), "told_by": skew.told_by}


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


def test_status_shows_the_servers_version_and_what_it_cannot_tell(harness: Harness) -> None:
    harness.world.install(harness.account, (2, 16, 0))
    assert harness.run("run", "--once").exit_code == 0
    shown = harness.run("status").stdout.splitlines()
    assert any("chatwoot 2.16.0" in line for line in shown)
    start = shown.index("What chatwoot 2.16.0 (support) cannot tell:")
    assert shown[start + 1] == "  priorities are not shown"
    _, source, _ = json_lines(harness.run("status", "--json").stdout)
    assert source["version"] == "2.16.0"
    assert source["limits"][0] == "priorities are not shown"
    (event, *_) = json_lines(harness.run("events", "--json", "--type", "source.baselined").stdout)
    assert event["data"]["version"] == "2.16.0"
    assert event["data"]["limits"] == source["limits"]


def test_status_tells_a_pause(harness: Harness) -> None:
    async def pause() -> None:
        store = await SqliteStore.open(harness.store)
        await store.save_receiver(ReceiverState("crm", failures=5, paused=NOW))
        await store.close()

    anyio.run(pause)
    row = harness.run("status").stdout.splitlines()[-1]
    assert re.match(r"crm +paused .* until 20.*, then probed$", row)


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
            "requests_per_sweep": 2,
            "requests_per_hour": 3608,
            "budget_per_hour": 180000,
            "asked_together": 3608,
            "sharing": 1,
            "shared_with": [],
            "fits": True,
        }
        assert (receiver["pending"], receiver["dead"], receiver["state"]) == (0, 0, "ok")
        assert (watcher["version"], watcher["process"]) == (__version__, daemon.process.pid)
        assert watcher["uptime"] >= 0
        assert watcher["refused"] is None
        said = harness.run("status").stdout
        assert f"inbox-watcher {__version__}, process {daemon.process.pid}, up " in said
        well = harness.run("status", "--check")
        assert (well.exit_code, well.stdout) == (0, "ok: 1 source, 1 receiver\n")
        assert daemon.stop(signal.SIGTERM) == 0
    assert "The daemon is not running" in harness.run("status").stdout
    ended = harness.run("status", "--check")
    assert (ended.exit_code, ended.stdout) == (1, "not ok: no daemon is running\n")
    assert "error" not in ended.stderr


def test_a_store_that_is_removed_under_the_daemon_is_told(harness: Harness, running: Any) -> None:
    with contextlib.closing(bind("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    harness.write(server=f"{{listen: '127.0.0.1:{port}'}}")
    with running("run") as daemon:
        daemon.wait_for("baseline done")
        assert asked(f"http://127.0.0.1:{port}/healthz") == (200, "ok\n")
        harness.store.rename(harness.folder / "elsewhere.db")
        daemon.wait_for("the store is gone")
        assert asked(f"http://127.0.0.1:{port}/healthz") == (503, "the store is gone\n")
        status, body = asked(f"http://127.0.0.1:{port}/readyz")
        assert (status, json.loads(body)["store"]["lost"]) == (503, True)
        assert "The store is gone since " in harness.run("status").stdout
        (harness.folder / "elsewhere.db").rename(harness.store)
        daemon.wait_for("the store is in its place again")
        assert asked(f"http://127.0.0.1:{port}/healthz") == (200, "ok\n")
        assert daemon.stop(signal.SIGTERM) == 0


def test_status_tells_a_refused_token_with_its_remedy(harness: Harness, running: Any) -> None:
    harness.environ["CHAT_TOKEN"] = "some-other-token"
    with running("run") as daemon:
        daemon.wait_for("the source fails")
        result = harness.run("status")
        row = next(line for line in result.stdout.splitlines() if line.startswith("support"))
        assert re.match(r"support +failing .* no baseline; since 20", row)
        checked = harness.run("status", "--check")
        assert checked.exit_code == 1
        assert "not ok: source support is failing: no baseline; since" in checked.stdout
        assert "some-other-token" not in result.output
        assert daemon.stop(signal.SIGTERM) == 0


def test_tls_that_is_not_verified_is_said_by_check_run_and_status(harness: Harness) -> None:
    harness.write(receivers=f"  web: {{type: webhook, url: '{harness.hook}', tls_verify: false}}\n")
    warning = "TLS IS NOT VERIFIED for the receiver `web`"
    assert warning in " ".join(harness.run("check").stderr.split())
    assert warning in " ".join(harness.run("run", "--once").stderr.split())
    assert warning in harness.run("status").stdout
    first = json_lines(harness.run("status", "--json").stdout)[0]
    assert [warning in one for one in first["weak"]] == [True]


def test_what_is_weak_is_said_by_check_run_and_status_until_it_is_accepted(
    harness: Harness,
) -> None:
    hook = "type: webhook, url: 'http://crm.example.com/h'"
    for accepted in (False, True):
        more = ", insecure: true" if accepted else ""
        harness.write(receivers=f"  web: {{{hook}{more}}}\n")
        harness.config.chmod(0o644 if accepted else 0o666)
        said = (
            " ".join(harness.run("check").stderr.split()),
            " ".join(harness.run("run", "--once").stderr.split()),
            " ".join(harness.run("status").stdout.split()),
        )
        for warning in ("NO TLS for the receiver `web`", "this file can be changed by every user"):
            assert [warning in one for one in said] == [not accepted] * 3
        first = json_lines(harness.run("status", "--json").stdout)[0]
        assert len(first["weak"]) == (0 if accepted else 2)


def test_what_exceeded_its_budget_is_said_by_rule() -> None:
    rules = [
        {"rule": "A", "condition": 0, "template": 1},
        {"rule": "B", "condition": 1_200, "template": 2},
    ]
    check = "(`inbox-watcher check` says where)"
    assert over_budget(rules) == [
        f"over budget since the start: 1,200 conditions and 2 templates of the rule `B` {check}",
        f"over budget since the start: 1 template of the rule `A` {check}",
    ]


WELL: dict[str, Any] = {
    "daemon": {"refused": None},
    "sources": [],
    "receivers": [],
    "network_failing": False,
    "store_failing": None,
    "disk": None,
    "stuck": [],
}
TROUBLE = {"since": "2026-11-30T09:00:00.000Z", "reason": "no space", "remedy": "make room"}
SOURCE: dict[str, Any] = {
    "source": "sales",
    "failing": None,
    "hold": None,
    "baselined": "2026-11-30T08:00:00.000Z",
    "sweeping": None,
    "stale": False,
    "last_look": "2026-11-30T09:00:00.000Z",
    "plan": None,
}
RECEIVER: dict[str, Any] = {
    "receiver": "crm", "off": None, "failing": None, "paused_until": None, "died": 0,
}  # fmt: skip


def judged(**changed: Any) -> list[str]:
    """Return what `--check` says, with the sources and receivers changed so."""
    parts = {
        kind: [usual | changed.pop(kind)] if kind in changed else [usual]
        for kind, usual in (("sources", SOURCE), ("receivers", RECEIVER))
    }
    return list(unwell(WELL | parts | changed, str, running=True))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, ""),
        ({"store_failing": {**TROUBLE, "lost": True}},
         "the store is gone since 2026-11-30T09:00:00.000Z: no space (make room)"),
        ({"store_failing": {**TROUBLE, "lost": False}},
         "everything waits for the store since 2026-11-30T09:00:00.000Z: no space (make room)"),
        ({"stuck": [{"what": "the poller", "seconds": 400, "where": "x.py:1"}]},
         "stuck: the poller has not moved for 6m40s (restart the daemon, and report x.py:1)"),
        ({"network_failing": True}, "no source can be reached: this machine's network is down"),
        ({"disk": TROUBLE},
         "the disk is nearly full since 2026-11-30T09:00:00.000Z: no space (make room)"),
        ({"daemon": {"refused": TROUBLE}},
         "the configuration is refused since 2026-11-30T09:00:00.000Z: no space (make room);"
         " the old one is in force"),
        ({"sources": {"failing": TROUBLE, "stale": True}},
         "source sales is failing: since 2026-11-30T09:00:00.000Z: no space (make room)"),
        ({"sources": {"hold": TROUBLE}},
         "source sales is held: since 2026-11-30T09:00:00.000Z: no space (make room)"),
        ({"sources": {"stale": True}}, "source sales is stale"),
        ({"sources": {"stale": True, "last_look": None}}, "source sales is starting"),
        ({"sources": {"baselined": None, "sweeping": {"seen": 7, "of": 40}}},
         "source sales has no baseline: reading: 7 of 40"),
        ({"sources": {"plan": {"fits": False}}}, ""),
        ({"receivers": {"off": "HTTP 410"}},
         "receiver crm is off: HTTP 410 (`inbox-watcher send-test crm` turns it on again if it works)"),
        ({"receivers": {"paused_until": "noon"}}, "receiver crm is paused: until noon, then probed"),
        ({"receivers": {"died": 2}},
         "2 deliveries to crm died within a day (`inbox-watcher deliveries --state dead`)"),
    ],
)  # fmt: skip
def test_check_says_what_keeps_all_from_being_well(changed: dict[str, Any], said: str) -> None:
    assert judged(**changed) == ([said] if said else [])


@pytest.mark.parametrize(
    ("shown", "standing", "running", "more"),
    [
        ([{"failing": TROUBLE}] * 20, {"failing": 30, "stale": 5, "ok": 9_965}, True, 15),
        ([{"failing": TROUBLE}] * 3 + [{}] * 17, {"failing": 3, "ok": 9_997}, True, 0),
        ([{}], {"ok": 1}, True, 0),
        ([{"failing": TROUBLE}] * 20, {"failing": 30}, False, 0),
    ],
)
def test_sources_that_are_not_well_count_where_they_are_not_shown(
    shown: list[dict[str, Any]], standing: dict[str, int], running: bool, more: int
) -> None:
    state = {"sources": [SOURCE | one for one in shown], "standing": standing}
    if not running:  # as the store alone tells of them
        state["sources"] = [
            {key: value for key, value in one.items() if key != "stale"} for one in state["sources"]
        ]
    assert unread_troubles(state, running=running) == more


def test_of_many_sources_the_worst_are_shown_and_all_are_counted(harness: Harness) -> None:
    text = harness.config.read_text()
    block = text.partition("sources:\n")[2].partition("receivers:")[0]
    others = "".join(
        block.replace("  support:", f"  more-{number:02}:").replace(
            "account_id: ", f"account_id: {number}0"
        )
        for number in range(30)
    )
    harness.config.write_text(text.replace("sources:\n", f"sources:\n{others}"))
    failing = Trouble(NOW, "the token is refused", "make a new one")
    harness.fill(Commit("support", remembered(failing=failing)))
    said = harness.run("status", secrets=False)
    assert said.exit_code == 0, said.output
    lines = said.stdout.splitlines()
    assert any(
        line.startswith("31 sources: at last 1 failing, 30 no baseline; the worst")
        for line in lines
    )
    rows = [line for line in lines if line.startswith(("more-", "support"))]
    assert len(rows) == 20
    assert rows[0].startswith("support")
    assert "and 11 more sources (--all shows them" in said.stdout
    every = harness.run("status", "--all", secrets=False).stdout
    assert sum(line.startswith(("more-", "support")) for line in every.splitlines()) == 31
    one = harness.run("status", "--source", "more-29", "--source", "support").stdout
    assert [line.split()[0] for line in one.splitlines() if line.startswith(("more-", "support"))] == [
        "more-29", "support",
    ]  # fmt: skip


def test_without_a_daemon_nothing_is_watched_and_the_last_state_is_said() -> None:
    assert source_health(SOURCE, str, running=False) == ("not watched", "")
    failing = SOURCE | {"failing": TROUBLE}
    word, why = source_health(failing, str, running=False)
    assert word == "not watched"
    assert why.startswith("at last failing; since")


def test_a_dead_letter_counts_for_a_day(harness: Harness, running: Any) -> None:
    old = dead("a", settled=NOW - timedelta(days=1, minutes=1))
    harness.fill(Commit("support", remembered()), old)
    with running("run") as daemon:
        daemon.wait_for("watching")
        wait_until(lambda: harness.run("status", "--check").exit_code == 0)
        said = harness.run("status").stdout
        assert "1 delivery is dead (`inbox-watcher deliveries --state dead`)" in said
        assert daemon.stop(signal.SIGTERM) == 0
    harness.fill(dead("b"))
    with running("run") as daemon:
        daemon.wait_for("watching")
        wait_until(lambda: "died within a day" in harness.run("status", "--check").stdout)
        receiver = json_lines(harness.run("status", "--json").stdout)[-1]
        assert (receiver["dead"], receiver["died"]) == (2, 1)
        assert daemon.stop(signal.SIGTERM) == 0


def test_a_refused_configuration_is_said_until_one_is_taken_up(
    harness: Harness, running: Any
) -> None:
    good = harness.config.read_text()
    with running("run") as daemon:
        daemon.wait_for("baseline done")  # listens to signals by then
        harness.config.write_text(good + "surprise: 1\n")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_for("the new configuration is refused")
        assert "The configuration is refused since" in harness.run("status").stdout
        assert harness.run("status", "--check").exit_code == 1
        harness.config.write_text(good)
        assert harness.run("reload").exit_code == 0
        assert "is refused" not in harness.run("status").stdout
        watcher = json_lines(harness.run("status", "--json").stdout)[0]
        assert watcher["configured"] > watcher["started"]
        assert daemon.stop(signal.SIGTERM) == 0
