"""`deliveries`: what is owed and was given up, and sending it again."""

from __future__ import annotations

import signal
from typing import Any

import pytest
from workshop import Workshop, dead, json_lines, wait_until

from watcher.records import DeliveryQuery


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
    assert owed.id in {one.id for one in pending}
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
