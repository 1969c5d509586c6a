"""Every store: who has taken which conversation, who did what; each in the transaction that does it."""

from __future__ import annotations

import pytest

from tests.support.make import LEASE, acted, at, commit, delivery, event, settlement, snapshot
from watcher.errors import Conflict
from watcher.records import (
    OVER,
    Acknowledgement,
    Actor,
    Commit,
    DeliveryQuery,
    ReceiverState,
    StoredSilence,
)
from watcher.store import Store

ANAS = Acknowledgement("sales", "c1", at(5), Actor("Ana"))
BO = acted(7, who="Bo")


async def told(store: Store, id_: str, type_: str = "conversation.unread", **about: str) -> None:
    happened = event(id_, type=type_, **about)  # type: ignore[arg-type]
    await store.commit(Commit(happened.source, events=(happened,)))


async def test_who_was_first_has_it_until_something_new_happens(store: Store) -> None:
    await told(store, "1")
    await store.commit(commit(delivery(event("2"), timer="Slow", due=900)))
    assert await store.acknowledge("sales", "c1", "seen", acted(5)) == 1
    assert await store.acknowledge("sales", "c1", "seen", BO) == 0
    assert list(await store.acknowledgements()) == [ANAS]
    # Of others, of another source's conversation of this id, and what is no news to whoever has it.
    await told(store, "3", subject="c2")
    await told(store, "4", source="leads")
    await told(store, "5", "conversation.assigned")
    await told(store, "6", "conversation.read")
    assert list(await store.acknowledgements()) == [ANAS]
    await told(store, "7")
    assert list(await store.acknowledgements()) == []
    await store.acknowledge("sales", "c1", "seen", BO)
    assert [one.by.who for one in await store.acknowledgements()] == ["Bo"]
    assert [one.action.by.who for one in await store.actions()] == ["Bo", "Bo", "Ana"]


@pytest.mark.parametrize("type_", OVER)
async def test_each_of_these_ends_it(store: Store, type_: str) -> None:
    await store.acknowledge("sales", "c1", "seen", acted(5))
    await told(store, "1", type_)
    assert list(await store.acknowledgements()) == []
    assert await store.take_back("sales", "c1", acted(6, "take back")) is False


async def test_it_can_be_taken_back_once(store: Store) -> None:
    await store.commit(commit(delivery(timer="Slow", due=900)))
    await store.acknowledge("sales", "c1", "seen by Ana", acted(5))
    assert await store.take_back("leads", "c1", acted(6, "take back")) is False
    assert await store.take_back("sales", "c1", acted(6, "take back")) is True
    assert await store.take_back("sales", "c1", acted(7, "take back")) is False
    assert list(await store.acknowledgements()) == []
    assert [one.action.what for one in await store.actions()] == ["take back", "acknowledge"]
    # What it cancelled stays so, with the reason.
    (owed,) = await store.deliveries(DeliveryQuery())
    assert (owed.state, owed.note) == ("cancelled", "seen by Ana")


async def test_what_is_done_leaves_one_line_and_what_is_not_none(store: Store) -> None:
    silence = StoredSilence("s1", "true", "noise", at(0), at(60))
    await store.add_silence(silence, acted(1, "silence"))
    assert await store.expire_silence("s9", at(2), acted(2, "end silence")) is False
    assert await store.expire_silence("s1", at(3), acted(3, "end silence")) is True
    assert await store.expire_silence("s1", at(4), acted(4, "end silence")) is False
    await store.save_receiver(ReceiverState("crm"), acted(5, "turn on"))
    await store.commit(Commit("sales", events=(event("1"),), action=acted(6, "accept hold")))
    with pytest.raises(Conflict):
        await store.commit(
            commit(
                delivery(event("2")),
                snapshots=(snapshot(revision=5),),
                action=acted(7, "accept hold"),
            )
        )
    assert await store.retry(["none"], at(8), acted(8, "send again")) == 0
    await store.commit(commit(delivery(event("3"))))
    (out,) = await store.claim("team", at(8), lease=LEASE, limit=1)
    await store.settle([settlement(out, "dead", seconds=8)])
    assert await store.retry(["3"], at(9), acted(9, "send again")) == 1
    assert await store.retry(["3"], at(10), acted(10, "send again")) == 0
    assert await store.retry(None, at(11), acted(11, "send again")) == 0
    done = await store.actions()
    assert [(one.action.what, one.action.at) for one in reversed(done)] == [
        ("silence", at(1)), ("end silence", at(3)), ("turn on", at(5)), ("accept hold", at(6)),
        ("send again", at(9)),
    ]  # fmt: skip
    assert list(await store.actions(limit=2)) == list(done[:2])
    assert list(await store.actions(before=done[1].seq, limit=2)) == list(done[2:4])
    assert list(await store.actions(limit=0)) == []
    await store.prune(at(6), at(0))
    assert [one.action.what for one in await store.actions()] == ["send again", "accept hold"]


async def test_acknowledgements_stay_as_long_as_events(store: Store) -> None:
    await store.acknowledge("sales", "c1", "seen", acted(5))
    await store.acknowledge("sales", "c2", "seen", acted(6))
    await store.prune(at(6), at(0))
    assert [one.conversation for one in await store.acknowledgements()] == ["c2"]
