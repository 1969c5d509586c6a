"""Every store: what it forgets, and that texts which are not to be kept are nowhere."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.support.make import T0, at, commit, delivery, event, snapshot
from watcher.fingerprints import PRESENT, restored
from watcher.model import Contact, Conversation, Ending, Event, Message, Snapshot, to_plain
from watcher.pipeline.forgetting import nothing_but_numbers
from watcher.records import (
    Commit,
    DeliveryQuery,
    EventQuery,
    HistoryEntry,
    RuleResult,
    Settlement,
    SourceState,
)
from watcher.store import Store

SAID = Conversation(
    "c1",
    contact=Contact("p1", "Maria"),
    last_message=Message("Is it still for sale?", "inbound", "email", T0, subject="The house"),
    attributes={"said": "Is it", "score": 7},
)
BARE = replace(
    SAID,
    last_message=Message(None, "inbound", "email", T0),
    attributes={"said": None, "score": 7},
)


def known(conversation: Conversation, **more: Any) -> Snapshot:
    return replace(snapshot(), conversation=conversation, **more)


def told(id_: str) -> Event:
    plain = to_plain(SAID)
    changes = {
        "last_message": {"before": None, "after": plain["last_message"]},
        "attributes": {"before": {}, "after": plain["attributes"]},
    }
    return replace(event(id_), data={"conversation": plain, "changes": changes})


async def test_the_key_is_made_once(store: Store) -> None:
    key = await store.key()
    assert len(key) == 32
    assert await store.key() == key


async def test_stand_ins_are_kept(store: Store) -> None:
    hidden = known(SAID, prints={"last_message.text": f"{PRESENT}abc"})
    await store.commit(Commit("sales", snapshots=(hidden,)))
    assert await store.known("sales", ["c1"]) == {"c1": hidden}


async def test_of_what_is_long_gone_the_numbers_stay(store: Store) -> None:
    gone = known(
        SAID,
        present=False,
        prints={"contact.name": PRESENT},
        message_id="m1",
        counts={"conversation.removed": 1},
        observed=at(10),
    )
    there = replace(gone, present=True, conversation=replace(SAID, id="c2"))
    await store.commit(Commit("sales", snapshots=(gone, there)))
    await store.prune(at(10), at(10))
    assert await store.known("sales", ["c1", "c2"]) == {"c1": gone, "c2": there}
    assert await store.prune(at(11), at(11)) == 0
    bare = nothing_but_numbers(gone)
    assert await store.known("sales", ["c1", "c2"]) == {"c1": bare, "c2": there}
    # It comes back under the next revision.
    back = replace(there, conversation=SAID, revision=2)
    await store.commit(Commit("sales", snapshots=(back,)))
    assert (await store.known("sales", ["c1"]))["c1"] == back


async def test_what_is_long_gone_is_forgotten_however_many_there_are(store: Store) -> None:
    gone = [
        known(replace(SAID, id=f"c{number}"), present=False, observed=T0) for number in range(1200)
    ]
    await store.commit(Commit("sales", snapshots=tuple(gone)))
    await store.prune(at(1), at(1))
    found = await store.known("sales", [one.conversation.id for one in gone])
    assert len(found) == 1200
    assert all(one == nothing_but_numbers(one) for one in found.values())


async def test_texts_that_are_no_longer_kept_are_overwritten(store: Store) -> None:
    first, second = told("e1"), told("e2")
    ending = Ending(at(5), "over", ("Slow",), to_plain(SAID))
    verdicts = {
        "e1": (RuleResult("a", False, '`where` is false: conversation.last_message.text = "x"'),)
    }
    owed = delivery(first)
    await store.commit(
        Commit(
            "sales",
            SourceState("sales", "chatwoot", "3"),
            snapshots=(known(SAID),),
            events=(first, second),
            deliveries=(owed, replace(delivery(second), ending=ending)),
            verdicts=verdicts,
        )
    )
    said = HistoryEntry(
        owed.key, T0, "attempt", "HTTP 400", 1, 400, "bad text: Is it still for sale?"
    )
    (taken, *_) = await store.claim("team", at(1), lease=at(60) - T0, limit=1)
    settled = Settlement(owed.key, taken.attempt, "pending", at(90), "HTTP 400", None, entry=said)
    await store.settle([settled])

    assert await store.keep_texts(False, {"sales": {"said": True, "score": False}})

    found = (await store.known("sales", ["c1"]))["c1"]
    assert found.conversation == BARE
    # What is known is compared as before.
    whole = restored(found.conversation, found.prints)
    assert whole.last_message is not None
    assert whole.last_message.text not in (None, "Is it still for sale?")
    events = [one.event for one in await store.events(EventQuery())]
    for one in events:
        assert one.data["conversation"] == to_plain(BARE)
        assert one.data["changes"]["last_message"]["after"]["text"] is None
        assert one.data["changes"]["attributes"]["after"] == {"said": None, "score": 7}
        assert one.data["withheld"] == [
            "attributes.said", "last_message.subject", "last_message.text",
        ]  # fmt: skip
    deliveries = await store.deliveries(DeliveryQuery())
    assert [one.event for one in deliveries] == events
    assert deliveries[1].ending == replace(ending, conversation=to_plain(BARE))
    (line,) = await store.history([owed.key])
    assert (line.excerpt, line.status) == ("", 400)
    assert (await store.verdicts(["e1"]))["e1"] == (RuleResult("a", False, "`where` is false"),)
    # Once is enough, until they were kept again.
    assert not await store.keep_texts(False, {})
    assert not await store.keep_texts(True, {})
    assert await store.keep_texts(False, {})


async def test_a_store_without_texts_has_nothing_to_overwrite(store: Store) -> None:
    await store.commit(commit(delivery(event("e1"))))
    await store.keep_texts(False, {})
    (found,) = await store.events(EventQuery())
    assert found.event == event("e1")
