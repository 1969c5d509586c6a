"""`status`, `deliveries`, `release` and `send-test`: with a running daemon and without one."""

from __future__ import annotations

import dataclasses
import signal
from datetime import UTC, datetime
from typing import Any

import pytest
from conftest import SECRET_PATH, Workshop, json_lines, wait_until
from watcher.cli.send_test import sample
from watcher.model import Contact, Conversation, Delivery, Snapshot, rfc3339
from watcher.records import Commit, DeliveryQuery, EventQuery, Hold, SourceState, Trouble

NOW = datetime.now(UTC)


def dead(mark: str, receiver: str = "crm", **changed: Any) -> Commit:
    """Make a commit with a delivery that was given up."""
    event = sample("support", "chatwoot", NOW, mark)
    given_up: dict[str, Any] = {
        "state": "dead",
        "attempt": 10,
        "note": "HTTP 500: no",
        "settled": NOW,
    }
    owed = Delivery(event.id, event, receiver, "Everything", NOW, NOW, **given_up | changed)
    return Commit("support", events=(event,), deliveries=(owed,))


def remembered(**changed: Any) -> SourceState:
    """Make what is remembered of the source; its account is the simulated one."""
    return SourceState(
        "support", "chatwoot", "some account", **{"baselined": NOW, "swept": NOW} | changed
    )


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


# -- status ---------------------------------------------------------------------------------------


def test_status_without_store_or_daemon_says_what_to_start(shop: Workshop) -> None:
    result = shop.run("status", secrets=False)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "there is no store at" in result.stderr


def test_status_without_a_daemon_tells_what_is_remembered(shop: Workshop) -> None:
    failing = Trouble(NOW, "the token is refused", "make a new one")
    shop.fill(Commit("support", remembered(failing=failing)), dead("a"), dead("b", state="pending"))
    result = shop.run("status", secrets=False)
    assert result.exit_code == 0, result.output
    assert "no daemon runs" in result.stdout
    assert "the token is refused (make a new one)" in result.stdout
    watcher, source, receiver = json_lines(shop.run("status", "--json").stdout)
    assert (watcher["daemon"], watcher["answers"]) == (None, False)
    assert source["failing"]["since"] == rfc3339(NOW)
    assert receiver == {"receiver": "crm", "off": None, "failing": None, "pending": 1}


def test_status_of_a_running_daemon_is_its_own(shop: Workshop, running: Any) -> None:
    with running("run") as daemon:
        daemon.wait_for("baseline done")
        wait_until(lambda: "ok" in shop.run("status", secrets=False).stdout)
        watcher, source, receiver = json_lines(shop.run("status", "--json").stdout)
        assert f"pid {daemon.process.pid}" in watcher["daemon"]
        assert (source["source"], source["conversations"], source["stale"]) == ("support", 4, False)
        assert receiver["pending"] == 0
        assert daemon.stop(signal.SIGTERM) == 0
    assert "no daemon runs" in shop.run("status").stdout


def test_status_tells_a_refused_token_with_its_remedy(shop: Workshop, running: Any) -> None:
    shop.environ["CHAT_TOKEN"] = "some-other-token"
    with running("run") as daemon:
        daemon.wait_for("the source fails")
        result = shop.run("status")
        assert "failing since" in result.stdout
        assert "no baseline yet" in result.stdout
        assert "some-other-token" not in result.output
        assert daemon.stop(signal.SIGTERM) == 0


# -- deliveries -----------------------------------------------------------------------------------


def test_deliveries_are_listed_for_people_and_programs(shop: Workshop) -> None:
    shop.fill()
    assert "no deliveries" in shop.run("deliveries").stderr
    shop.fill(dead("a"), dead("b", receiver="team"), dead("c", state="pending"))
    table = shop.run("deliveries", "--state", "dead").stdout.splitlines()
    assert len(table) == 3
    assert "HTTP 500: no" in table[1]
    lines = json_lines(shop.run("deliveries", "--json", "--receiver", "crm").stdout)
    assert [line["state"] for line in lines] == ["dead", "pending"]
    assert lines[0]["attempts"] == 10
    assert len(json_lines(shop.run("deliveries", "--json", "--limit", "1").stdout)) == 1


@pytest.mark.parametrize("by", ["id", "key", "all"])
def test_retry_without_a_daemon_makes_dead_deliveries_pending(shop: Workshop, by: str) -> None:
    first, second = dead("a"), dead("b")
    shop.fill(first, second)
    (owed,) = first.deliveries
    wanted = {"id": owed.id, "key": owed.key, "all": "--all-dead"}[by]
    result = shop.run("deliveries", "retry", wanted, secrets=False)
    assert result.exit_code == 0, result.output
    pending = shop.ask(lambda store: store.deliveries(DeliveryQuery(state="pending")))
    assert [one.id for one in pending][0] == owed.id
    assert len(pending) == (2 if by == "all" else 1)
    assert result.stdout.startswith(f"{len(pending)} deliver")


def test_retry_of_what_is_not_dead_fails_and_says_where_to_look(shop: Workshop) -> None:
    shop.fill(dead("a", state="pending"))
    result = shop.run("deliveries", "retry", "no-such-id")
    assert result.exit_code == 1
    assert "no dead delivery has the id no-such-id" in result.stderr
    assert "--state dead" in result.stderr


def test_the_configuration_may_stand_before_or_after_retry(shop: Workshop) -> None:
    shop.fill(dead("a"))
    shop.config.rename(shop.folder / "other.yaml")
    shop.config = shop.folder / "elsewhere.yaml"
    other = ("--config", str(shop.folder / "other.yaml"))
    assert shop.run("deliveries", *other, "retry", "--all-dead").exit_code == 0
    assert shop.run("deliveries", "retry", "--all-dead", *other).exit_code == 0


def test_retry_asks_the_running_daemon_which_sends_at_once(shop: Workshop, running: Any) -> None:
    shop.fill(dead("a"))
    with running("run") as daemon:
        daemon.wait_for("watching")
        result = shop.run("deliveries", "retry", "--all-dead")
        assert (result.exit_code, result.stdout) == (0, "1 delivery is pending again\n")
        assert wait_until(lambda: shop.receiver.got)[0]["data"]["test"] is True
        assert daemon.stop(signal.SIGTERM) == 0


# -- release --------------------------------------------------------------------------------------


def test_release_shows_the_evidence(shop: Workshop) -> None:
    shop.fill(HELD)
    result = shop.run("release", "support", secrets=False)
    assert result.exit_code == 0, result.output
    assert "a complete sweep lacks 30 of 40" in result.stdout
    assert "c00           Ann Smith" in result.stdout
    assert "c19" in result.stdout
    assert "c20" not in result.stdout
    assert "and 10 more" in result.stdout
    assert shop.ask(lambda store: store.source("support")).hold == HOLD


def test_release_of_nothing_says_so(shop: Workshop) -> None:
    shop.fill(Commit("support", remembered()))
    assert shop.run("release", "support").exit_code == 0
    result = shop.run("release", "support", "--accept")
    assert result.exit_code == 1
    assert "nothing is held for support" in result.stderr


@pytest.mark.parametrize("option", ["--accept", "--discard"])
def test_release_without_a_daemon_decides_and_lets_a_sweep_follow(
    shop: Workshop, option: str
) -> None:
    shop.fill(HELD)
    result = shop.run("release", "support", option, secrets=False)
    assert result.exit_code == 0, result.output
    state = shop.ask(lambda store: store.source("support"))
    assert state.hold is None
    assert state.swept is None
    assert state.suspects == (HOLD.ids if option == "--accept" else ())
    (event,) = shop.ask(lambda store: store.events(EventQuery(type="source.released")))
    assert event.event.data["source"] == "support"


def test_release_is_carried_out_by_the_running_daemon(shop: Workshop, running: Any) -> None:
    assert shop.run("run", "--once").exit_code == 0
    state = shop.ask(lambda store: store.source("support"))
    held = Commit("support", dataclasses.replace(state, hold=HOLD))
    shop.fill(held)
    with running("run") as daemon:
        daemon.wait_for("watching")
        result = shop.run("release", "support", "--discard")
        assert result.exit_code == 0, result.output
        assert shop.run("release", "support").stderr == "nothing is held for support\n"
        assert daemon.stop(signal.SIGTERM) == 0


# -- send-test ------------------------------------------------------------------------------------


def test_send_test_sends_a_marked_sample_and_shows_the_answer(shop: Workshop) -> None:
    results = [shop.run("send-test", "crm") for _ in range(2)]
    assert [result.exit_code for result in results] == [0, 0]
    assert results[0].stdout.startswith("crm: ok after ")
    assert "HTTP 204" in results[0].stdout
    assert [event["data"]["test"] for event in shop.receiver.got] == [True, True]
    assert len({event["id"] for event in shop.receiver.got}) == 2
    assert not shop.store.exists()


def test_send_test_fails_with_what_the_other_side_said(shop: Workshop) -> None:
    shop.receiver.status = 500
    result = shop.run("send-test", "crm")
    assert result.exit_code == 1
    assert "crm: failed after" in result.stdout
    assert "HTTP 500: no" in result.stdout
    assert SECRET_PATH not in result.output


def test_send_test_reaches_apprise_receivers_through_apprise(shop: Workshop) -> None:
    target = shop.hook.replace("http://", "json://")
    shop.write(receivers=f"  team: {{type: apprise, url: '{target}'}}\n")
    result = shop.run("send-test", "team")
    assert result.exit_code == 0, result.output
    assert shop.receiver.got[0]["title"].startswith("Test: ")


def test_send_test_turns_a_receiver_on_again(shop: Workshop, running: Any) -> None:
    assert shop.run("run", "--once").exit_code == 0
    shop.receiver.status = 410
    shop.world.message(shop.account.conversations["1"], "Hello?")
    assert shop.run("run", "--once").exit_code == 1
    assert "off: " in shop.run("status").stdout
    assert shop.run("send-test", "crm").exit_code == 1
    assert "off: " in shop.run("status").stdout
    with running("run") as daemon:
        daemon.wait_for("watching")
        shop.receiver.status = 204
        shop.receiver.got.clear()
        result = shop.run("send-test", "crm")
        assert "turned on again" in result.stdout, result.output
        wait_until(lambda: any("test" not in event["data"] for event in shop.receiver.got))
        assert daemon.stop(signal.SIGTERM) == 0
    assert "off: " not in shop.run("status").stdout


def test_send_test_turns_on_in_the_store_when_no_daemon_runs(shop: Workshop) -> None:
    assert shop.run("run", "--once").exit_code == 0
    shop.receiver.status = 410
    shop.world.message(shop.account.conversations["1"], "Hello?")
    shop.run("run", "--once")
    shop.receiver.status = 204
    assert "turned on again" in shop.run("send-test", "crm").stdout
    assert shop.ask(lambda store: store.receivers())["crm"].off == ""
