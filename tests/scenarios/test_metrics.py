"""What the metrics say of a day: how late messages are seen and people told, what died, what waits."""

from __future__ import annotations

import anyio
import pytest

from tests.scenarios.harness import PROVIDERS, Harness
from tests.support.scraped import scraped
from watcher.simulator import faults


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_message_counts_as_seen_and_told_with_its_time(
    harness: Harness, provider: str
) -> None:
    account = harness.watch(provider, "sales", "1", conversations=5)
    async with harness.running() as daemon:
        await harness.baseline()
        await anyio.sleep(60)
        before = await scraped(daemon)
        assert before.of("message_detection_seconds_count", provider=provider) == 0
        harness.world.message(account.living()[0], "hello", "inbound")
        await anyio.sleep(60)
        found = await scraped(daemon)
    assert found.of("message_detection_seconds_count", provider=provider) == 1
    assert 0 < found.sum("message_detection_seconds_sum") <= 31
    # An ideal watcher polls every 30 s: it is seen by then, and told at once.
    assert found.of("message_detection_seconds_bucket", provider=provider, le="60.0") == 1
    told = found.sum("told_seconds_count", receiver_type="webhook")
    assert told == found.of("deliveries_total", receiver="crm", state="delivered") > 0
    assert found.sum("told_seconds_bucket", le="1.0") == told
    assert found.of("rule_matches_total", rule="all") == told
    assert found.of("source_unread_conversations", source="sales", provider=provider) >= 1
    assert found.of("sources", provider=provider, state="ok") == 1


async def test_what_a_receiver_never_takes_waits_then_dies_and_each_is_told(
    harness: Harness,
) -> None:
    account = harness.watch("chatwoot", "sales", "1", conversations=5)
    team = harness.hear("team", "    retry: [5m]\n")
    harness.rules = "- {name: all, when: 'conversation.*', notify: team}"
    async with harness.running() as daemon:
        await harness.baseline()
        await anyio.sleep(60)
        assert (await scraped(daemon)).of("deliveries_total", receiver="team", state="dead") == 0
        team.status = 500
        harness.world.message(account.living()[0], "hello", "inbound")
        await anyio.sleep(120)
        found = await scraped(daemon)
        assert found.of("deliveries_pending", receiver="team", reason="retry") == 1
        owed = found.sum("deliveries_pending", receiver="team")
        assert found.of("delivery_attempts_total", receiver="team", outcome="retry") == 1
        await anyio.sleep(3600)
        found = await scraped(daemon)
    assert found.of("deliveries_total", receiver="team", state="dead") == owed
    assert found.of("deliveries_dead", receiver="team") == owed
    assert found.sum("deliveries_pending", receiver="team") == 0


async def test_requests_are_told_by_what_they_were_for_and_how_they_ended(
    harness: Harness,
) -> None:
    harness.watch("chatwoot", "sales", "1", conversations=5)
    async with harness.running() as daemon:
        await harness.baseline()
        await anyio.sleep(120)
        harness.faults["chatwoot"].plan(faults.status(503))
        await anyio.sleep(600)
        found = await scraped(daemon)
    for motion in ("poll", "sweep", "check"):
        assert found.sum("requests_total", motion=motion, outcome="ok") > 0
    assert found.sum("requests_total", motion="poll", outcome="unavailable") > 0
    assert found.sum("polls_total", outcome="ok") > 0
    assert found.sum("polls_total", outcome="failed") > 0
    assert found.sum("sweep_duration_seconds_count") == found.sum("sweeps_total") > 0
    assert found.of("sources", provider="chatwoot", state="failing") == 1
    assert found.sum("source_failing", source="sales") == 1


async def test_a_timer_that_is_cancelled_counts_as_a_delivery_that_ended(harness: Harness) -> None:
    account = harness.watch("chatwoot", "sales", "1", conversations=5)
    harness.rules = "- {name: slow, when: conversation.unread, for: 20m, notify: crm}"
    async with harness.running() as daemon:
        await harness.baseline()
        chosen = account.living()[0]
        harness.world.read(chosen)
        await anyio.sleep(60)
        harness.world.message(chosen, "hello", "inbound")
        await anyio.sleep(60)
        found = await scraped(daemon)
        assert found.of("deliveries_pending", receiver="crm", reason="timer") == 1
        assert found.of("deliveries_total", receiver="crm", state="cancelled") == 0
        harness.world.read(chosen)
        await anyio.sleep(400)
        found = await scraped(daemon)
    assert found.of("deliveries_pending", receiver="crm", reason="timer") == 0
    assert found.of("deliveries_total", receiver="crm", state="cancelled") == 1


async def test_a_hold_that_ends_counts(harness: Harness) -> None:
    harness.watch("chatwoot", "sales", "1", conversations=12)
    async with harness.running() as daemon:
        await harness.baseline()
        harness.faults["chatwoot"].plan(faults.empty())
        with anyio.fail_after(3600):
            while not harness.inbox.of("source.held"):  # noqa: ASYNC110 - virtual seconds
                await anyio.sleep(1)
        found = await scraped(daemon)
        assert found.sum("source_held", source="sales") == 1
        assert found.of("sources", provider="chatwoot", state="held") == 1
        harness.faults["chatwoot"].clear()
        await anyio.sleep(600)
        found = await scraped(daemon)
    assert found.sum("source_held") == 0
    assert found.of("holds_total", provider="chatwoot", kind="absences", outcome="disagreed") == 1
