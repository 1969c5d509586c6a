"""Every store: what is counted, in which hour, and that a count is the sum of what it counts."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from tests.support.make import LEASE, T0, at, commit, delivery, event, settlement, snapshot
from watcher.errors import Conflict
from watcher.model import Contact
from watcher.records import (
    Commit,
    ConversationQuery,
    DeliveryQuery,
    End,
    EventQuery,
    HistoryEntry,
    RuleResult,
    TallyKind,
    TallyQuery,
    asked_words,
    place_of,
)
from watcher.store import Store

HOUR = 3600


async def counts(
    store: Store,
    kind: TallyKind,
    *,
    names: tuple[str, ...] = (),
    step: str = "whole",
    hours: int = 48,
) -> dict[tuple[int, str, str], int]:
    """Return the counts around T0, by the hour from it, name and what happened."""
    query = TallyQuery(kind, T0 - timedelta(hours=hours), T0 + timedelta(hours=hours), names, step)  # type: ignore[arg-type]
    return {
        (round((one.at - T0) / timedelta(hours=1)), one.name, one.what): one.count
        for one in await store.tallies(query)
    }


async def test_events_count_by_type_and_by_source_in_their_hour(store: Store) -> None:
    for id_, source, seconds in (("1", "sales", 0), ("2", "sales", HOUR), ("3", "leads", HOUR)):
        await store.commit(Commit(source, events=(event(id_, source=source, seconds=seconds),)))
    # What the log has already is not counted again.
    await store.commit(Commit("sales", events=(event("1", seconds=5 * HOUR),)))
    assert await counts(store, "types", step="hour") == {
        (0, "conversation.unread", ""): 1, (1, "conversation.unread", ""): 2,
    }  # fmt: skip
    assert await counts(store, "sources", step="hour") == {
        (0, "sales", ""): 1, (1, "leads", ""): 1, (1, "sales", ""): 1,
    }  # fmt: skip
    assert await counts(store, "sources", step="hour", names=("leads", "none")) == {
        (1, "leads", ""): 1
    }
    assert await counts(store, "sources") == {(-48, "leads", ""): 1, (-48, "sales", ""): 2}
    assert await counts(store, "sources", step="day") == {
        (-10, "leads", ""): 1, (-10, "sales", ""): 2,
    }  # fmt: skip
    assert await counts(store, "rules") == {}
    few = TallyQuery("sources", T0, T0 + timedelta(hours=2), limit=2)
    assert [one.name for one in await store.tallies(few)] == ["sales", "leads"]
    # An hour that has only begun counts; one that begins at the end does not.
    for minutes, found in ((1, [1]), (60, [1]), (61, [1, 2])):
        until = TallyQuery("types", T0, T0 + timedelta(minutes=minutes))
        assert [one.count for one in await store.tallies(until)] == found


async def test_rules_count_what_they_matched_and_what_came_of_it(store: Store) -> None:
    results = (RuleResult("Rule", True, "fits"), RuleResult("Other", False, "does not"))
    await store.commit(commit(delivery(), delivery(receiver="crm"), verdicts={"e1": results}))
    (team,) = await store.claim("team", T0, lease=LEASE, limit=1)
    (crm,) = await store.claim("crm", T0, lease=LEASE, limit=1)
    await store.settle([settlement(team, seconds=HOUR)])
    await store.settle([settlement(crm, "pending")])  # failed: it has not ended
    assert await counts(store, "receivers", step="hour") == {(1, "team", "delivered"): 1}
    await store.settle([settlement(crm, "dead", seconds=2 * HOUR)])
    assert await store.retry(["e1"], at(3 * HOUR)) == 1
    (again,) = await store.claim("crm", at(3 * HOUR), lease=LEASE, limit=1)
    await store.settle([settlement(again, seconds=3 * HOUR)])
    assert await counts(store, "receivers", step="hour") == {
        (1, "team", "delivered"): 1, (2, "crm", "dead"): 1, (3, "crm", "delivered"): 1,
    }  # fmt: skip
    assert await counts(store, "rules") == {
        (-48, "Rule", "matched"): 1, (-48, "Rule", "delivered"): 2, (-48, "Rule", "dead"): 1,
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["throttled", "silenced", "held", "dropped", "redirected"])
async def test_what_a_guard_stops_counts_for_the_rule_that_was_stopped(
    store: Store, kind: str
) -> None:
    await store.commit(commit(delivery(candidates=("Rule", "Next"))))
    (out,) = await store.claim("team", T0, lease=LEASE, limit=1)
    entry = HistoryEntry(out.key, at(HOUR), kind, "why")  # type: ignore[arg-type]
    state = "pending" if kind in ("held", "redirected") else "cancelled"
    await store.settle([settlement(out, state, seconds=HOUR, entry=entry, rule="Next")])
    assert await counts(store, "rules", step="hour") == {(1, "Rule", kind): 1}
    assert await counts(store, "receivers", step="hour") == {(1, "team", kind): 1}


async def test_an_ended_timer_counts_as_cancelled(store: Store) -> None:
    await store.commit(commit(delivery(timer="Slow", due=900)))
    await store.commit(Commit("sales", ends=(End("sales", "c1"),), at=at(HOUR)))
    assert await counts(store, "rules", step="hour") == {(1, "Slow", "cancelled"): 1}


async def test_what_is_not_written_is_not_counted(store: Store) -> None:
    await store.commit(Commit("sales", snapshots=(snapshot("c1"),)))
    with pytest.raises(Conflict):
        await store.commit(commit(delivery(), snapshots=(snapshot("c1"),)))
    assert await counts(store, "types") == {}


async def test_tallies_stay_as_long_as_events(store: Store) -> None:
    for hour in range(3):
        await store.commit(Commit("sales", events=(event(str(hour), seconds=hour * HOUR + 60),)))
    await store.prune(at(HOUR), at(0))
    assert await counts(store, "types", step="hour") == {
        (1, "conversation.unread", ""): 1, (2, "conversation.unread", ""): 1,
    }  # fmt: skip


async def test_the_counts_are_the_sums_of_the_log_and_the_outbox(store: Store) -> None:
    for number in range(30):
        happened = event(str(number), seconds=number * 900, source=("sales", "leads")[number % 2])
        await store.commit(commit(delivery(happened), source=happened.source))
    out = await store.claim("team", at(99_999), lease=LEASE, limit=20)
    for number, one in enumerate(out):
        state = ("delivered", "dead", "cancelled", "pending")[number % 4]
        await store.settle([settlement(one, state, seconds=number * 1000)])
    told = await store.events(EventQuery())
    by_source = Counter((-48, one.event.source, "") for one in told)
    assert await counts(store, "sources") == by_source
    ended = [one for one in await store.deliveries(DeliveryQuery()) if one.settled is not None]
    assert await counts(store, "receivers") == Counter((-48, "team", one.state) for one in ended)


PEOPLE = {
    "c1": Contact(name="Ann Söderberg", phone="+49 170 555-12"),
    "c2": Contact(name="Anna Lee", email="Lee@Example.com"),
    "c3": Contact(),
}


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("ann", "c1 c2"), ("  ANN s", "c1"), ("SÖDER", "c1"), ("soder", ""), ("example.com", "c2"),
        ("49 170 55512", "c1"), ("(170) 555", "c1"), ("%", ""), ("_", ""), ("lee", "c2"),
        ("", "c1 c2 c3"), (" ", "c1 c2 c3"),
    ],
)  # fmt: skip
async def test_people_are_found_by_a_part_of_what_they_are_called(
    store: Store, words: str, found: str
) -> None:
    rows = tuple(snapshot(id_, contact=contact) for id_, contact in PEOPLE.items())
    gone = snapshot("c9", contact=PEOPLE["c1"], present=False)
    await store.commit(Commit("sales", snapshots=(*rows, gone)))
    query = ConversationQuery(words=words)
    known = [one.conversation.id async for _, one in store.each_conversation(query)]
    assert " ".join(known) == found


async def test_a_list_of_conversations_goes_on_after_any_of_them(store: Store) -> None:
    rows = tuple(
        snapshot(
            f"c{n}", waiting_since=at(n % 3) if n % 2 else None, contact=Contact(name=f"A{n % 4}")
        )
        for n in range(12)
    )
    for name in ("sales", "leads"):
        await store.commit(Commit(name, snapshots=rows))
    for words in ("", "a"):
        query = ConversationQuery(words=words)
        every = [one async for one in store.each_conversation(query)]
        assert len(every) == 24
        for number, (source, one) in enumerate(every):
            later = ConversationQuery(words=words, after=place_of(source, one.conversation))
            assert [one async for one in store.each_conversation(later)] == every[number + 1 :]


async def test_deliveries_have_places_to_go_on_from(store: Store) -> None:
    for number in range(5):
        await store.commit(commit(delivery(event(str(number)))))
    every = await store.entered(DeliveryQuery())
    seqs = [one.seq for one in every]
    assert seqs == sorted(seqs)
    assert list(await store.entered(DeliveryQuery(before=seqs[3], limit=2))) == list(every[1:3])
    assert list(await store.entered(DeliveryQuery(after=seqs[3]))) == list(every[4:])
    log = await store.events(EventQuery())
    assert list(await store.events(EventQuery(before=log[3].seq, limit=2))) == list(log[1:3])


def test_words_are_asked_for_as_they_are_kept() -> None:
    assert asked_words("+49 (170) 5-5") == "4917055"
    assert asked_words("Ann  5") == "ann 5"
    assert asked_words("  ") == ""
