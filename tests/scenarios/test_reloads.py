"""A configuration that is taken up while everything runs: what stays goes on, what is new begins,
what is gone ends visibly.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.scenarios.harness import Harness
from watcher.config.load import load
from watcher.daemon.reload import Reloading
from watcher.records import DeliveryQuery

LASTING = """- {name: all, when: '*', notify: crm}
- {name: late, when: conversation.unread, for: 10m, notify: crm}"""


def reloading(harness: Harness) -> Reloading:
    """Make what `inbox-watcher run` makes: the configuration's file is read again."""
    file = harness.folder / "watcher.yaml"
    return Reloading(harness.daemon, lambda: load([file], environ=os.environ))


async def take_up(harness: Harness) -> dict[str, Any]:
    """Write the harness's present configuration and have it taken up."""
    (harness.folder / "watcher.yaml").write_text(harness.configure())
    return await reloading(harness).reload()


async def test_what_did_not_change_goes_on_without_a_break(harness: Harness) -> None:
    account = harness.watch("chatwoot", "support", "3")
    async with harness.running() as daemon:
        await harness.baseline()
        poller, dispatcher = daemon.pollers["support"], daemon.dispatchers["crm"]
        asked = len(harness.faults["chatwoot"].log)
        told = await take_up(harness)
        assert told == {
            "sources": "as before",
            "receivers": "as before",
            "rules": "as before",
            "silences": "as before",
            "warnings": [],
        }
        assert daemon.pollers["support"] is poller
        assert daemon.dispatchers["crm"] is dispatcher
        assert len(harness.faults["chatwoot"].log) == asked
        harness.world.message(account.conversations["1"], "Still there?")
        await anyio.sleep(60)
    assert len(harness.inbox.of("conversation.message")) == 1


async def test_a_new_rule_counts_from_now_on(harness: Harness) -> None:
    account = harness.watch("chatwoot", "support", "3")
    harness.rules = "- {name: archived only, when: conversation.archived, notify: crm}"
    async with harness.running():
        await harness.baseline()
        harness.world.message(account.conversations["1"], "Nobody asked for this one")
        await anyio.sleep(60)
        assert harness.inbox.bodies == []
        harness.rules = "- {name: all, when: 'conversation.*', notify: crm}"
        told = await take_up(harness)
        assert told["rules"] == "added all; removed archived only"
        harness.world.message(account.conversations["2"], "This one they did")
        await anyio.sleep(60)
    assert {event["subject"] for event in harness.inbox.conversations} == {"2"}


async def test_a_source_and_a_receiver_are_added_and_removed(harness: Harness) -> None:
    first = harness.watch("chatwoot", "support", "3")
    async with harness.running() as daemon:
        await harness.baseline()
        second = harness.watch("leadping", "leads", "org-1")
        told = await take_up(harness)
        assert told["sources"] == "added leads"
        await harness.baseline()
        harness.world.message(next(iter(second.conversations.values())), "Hello from the other one")
        await anyio.sleep(60)
        assert {event["source"] for event in harness.inbox.conversations} == {"inbox-watcher/leads"}
        harness.restart_with()
        harness.watch_again("leadping", "leads", second)
        told = await take_up(harness)
        assert told["sources"] == "removed support"
        assert list(daemon.pollers) == ["leads"]
        asked = len(harness.faults["chatwoot"].log)
        harness.world.message(first.conversations["1"], "Nobody watches me any more")
        await anyio.sleep(600)
        assert len(harness.faults["chatwoot"].log) == asked
    assert "inbox-watcher/support" not in {e["source"] for e in harness.inbox.conversations}


async def test_another_interval_restarts_one_source_and_loses_nothing(harness: Harness) -> None:
    account = harness.watch("highlevel", "sales", "loc", conversations=30)
    async with harness.running() as daemon:
        await harness.baseline()
        before = daemon.pollers["sales"]
        harness.world.message(account.conversations[min(account.conversations)], "Before")
        harness.restart_with()
        harness.poll_every = "10s"
        harness.watch_again("highlevel", "sales", account)
        told = await take_up(harness)
        assert told["sources"] == "changed sales"
        assert daemon.pollers["sales"] is not before
        harness.world.message(account.conversations[max(account.conversations)], "After")
        await anyio.sleep(400)
    assert harness.got() == harness.expect()


async def test_a_removed_rules_timer_is_cancelled_visibly_and_others_go_on(
    harness: Harness,
) -> None:
    account = harness.watch("chatwoot", "support", "3")
    harness.rules = LASTING
    async with harness.running() as daemon:
        await harness.baseline()
        harness.world.message(account.conversations["1"], "Please call me")
        await anyio.sleep(60)
        await take_up(harness)  # nothing changed: the timer goes on
        waiting = [d for d in await daemon.store.deliveries(DeliveryQuery()) if d.timer]
        assert [d.state for d in waiting] == ["pending"]
        harness.rules = "- {name: all, when: '*', notify: crm}"
        await take_up(harness)
        (owed,) = [d for d in await daemon.store.deliveries(DeliveryQuery()) if d.timer]
        assert owed.state == "cancelled"
        assert owed.note == "the rule is no longer configured"
        await anyio.sleep(1200)
    assert not any("delivery" in event["data"] for event in harness.inbox.bodies)


async def test_a_removed_receivers_deliveries_are_dead_with_the_reason(harness: Harness) -> None:
    account = harness.watch("chatwoot", "support", "3")
    harness.receivers = "  other:\n    type: webhook\n    url: http://crm.example/hook\n"
    harness.rules = "- {name: all, when: '*', notify: [crm, other]}"
    async with harness.running() as daemon:
        await harness.baseline()
        harness.inbox.status = 500
        harness.world.message(account.conversations["1"], "Into the void")
        await anyio.sleep(40)
        harness.receivers, harness.rules = "", "- {name: all, when: '*', notify: crm}"
        told = await take_up(harness)
        assert told["receivers"] == "removed other"
        dead = await daemon.store.deliveries(DeliveryQuery(receiver="other", state="dead"))
        kinds = {d.event.type for d in dead}
        assert {"conversation.unread", "conversation.message"} <= kinds
        # What crm is owed itself, and what tells it of the dead ones.
        assert await daemon.store.pending() == {"crm": 2 * len(dead)}
        assert {d.note for d in dead} == {"the receiver is no longer configured"}
        harness.inbox.status = 200
        await anyio.sleep(7200)
        assert await daemon.store.pending() == {}
    told_of = [body["data"] for body in harness.inbox.of("delivery.dead")]
    assert {one["reason"] for one in told_of} == {"the receiver is no longer configured"}
    assert {one["event"]["id"] for one in told_of} == {one.event.id for one in dead}
    assert [one["receiver"] for one in told_of] == ["other"] * len(dead)


@pytest.mark.parametrize("broken", ["sources: 7\n", "rules: [{name: x}]\n", "\tno yaml"])
async def test_a_broken_configuration_is_refused_and_the_old_one_goes_on(
    harness: Harness, broken: str
) -> None:
    account = harness.watch("chatwoot", "support", "3")
    async with harness.running() as daemon:
        await harness.baseline()
        old = daemon.config
        (harness.folder / "watcher.yaml").write_text(broken)
        told = await reloading(harness).reload()
        assert str(harness.folder / "watcher.yaml") in told["problems"][0]
        assert daemon.config is old
        harness.world.message(account.conversations["1"], "Anybody there?")
        await anyio.sleep(60)
    assert len(harness.inbox.of("conversation.message")) == 1


async def test_another_store_or_server_is_taken_up_by_a_restart_only(
    harness: Harness, tmp_path: Path
) -> None:
    harness.watch("chatwoot", "support", "3")
    async with harness.running():
        await harness.baseline()
        text = harness.configure().replace("watcher.db", "another.db")
        (harness.folder / "watcher.yaml").write_text(text.replace("server: false", "server: {}"))
        told = await reloading(harness).reload()
    assert told["warnings"] == [
        "`store` changed; that is taken up when the daemon starts again",
        "`server` changed; that is taken up when the daemon starts again",
    ]
    assert not (tmp_path / "another.db").exists()
