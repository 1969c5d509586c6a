"""The accounts of a few hundred events, settled; and that settling finds what is wrong."""

from __future__ import annotations

import dataclasses

import pytest

from tests.scenarios.accounts import settle_accounts, verdict
from watcher.records import DeliveryQuery
from watcher.store.outbox import OutboxRow


async def test_all_is_delivered_or_dead_in_order_and_repeated_only_after_a_death() -> None:
    books, store = await settle_accounts(300, seed=7)
    figures = await verdict(books, store)
    assert figures["deliveries"] == 600
    assert min(figures[one] for one in ("delivered", "dead", "deaths", "failed", "429", "bug")) > 0
    assert 0 < figures["repeats"] <= figures["excused"]


async def test_the_verdict_finds_what_is_lost_repeated_or_out_of_order() -> None:
    books, store = await settle_accounts(60, seed=3)
    await verdict(books, store)
    accepted = books.accepted["crm"]
    books.accepted["crm"] = accepted[1:]
    with pytest.raises(AssertionError, match="said to be delivered"):
        await verdict(books, store)
    books.accepted["crm"] = [*accepted, accepted[-1], accepted[-1], accepted[-1]]
    with pytest.raises(AssertionError, match="came 4 times"):
        await verdict(books, store)
    books.accepted["crm"] = accepted[::-1]
    with pytest.raises(AssertionError, match="out of order"):
        await verdict(books, store)
    books.accepted["crm"] = accepted
    (first, *_) = await store.deliveries(DeliveryQuery(state="delivered"))
    store._outbox.put(OutboxRow(dataclasses.replace(first, state="pending")))
    with pytest.raises(AssertionError):
        await verdict(books, store)
