"""Whatever is done to both, SQLite and the specification answer alike and hold the same."""

from __future__ import annotations

import json
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
from hypothesis import given
from hypothesis import strategies as st

from tests.support.make import T0, at, delivery, digested, event, settlement, snapshot
from watcher.errors import WatcherError
from watcher.model import Contact, Delivery, Doubt, Event
from watcher.records import (
    Action,
    Actor,
    Commit,
    ConversationQuery,
    DeliveryQuery,
    End,
    Entered,
    EventQuery,
    HistoryEntry,
    ReceiverState,
    Recorded,
    RuleResult,
    SourceState,
    StoredSilence,
    TallyQuery,
    ThrottleMark,
    place_of,
)
from watcher.store import Store
from watcher.store.memory import MemoryStore
from watcher.store.sqlite import SqliteStore, copy_into, queries, rows

names = st.sampled_from(["sales", "sales-2"])
subjects = st.sampled_from(["c1", "c2", None])
receivers = st.sampled_from(["team", "crm"])
rules = st.sampled_from(["A", "B"])
seconds = st.integers(-5, 5)
ids = st.integers(0, 15).map(str)


def happened(number: int) -> Event:
    """Make the event of this number: an id always means the same event."""
    return event(
        str(number),
        source=("sales", "sales-2")[number % 2],
        subject=("c1", "c2", None)[number % 3],
        seconds=number % 5 - 2,
    )


events = st.integers(0, 15).map(happened)
batches = st.sampled_from(["Rule/1", "Rule/2"])
deliveries = st.one_of(
    st.builds(
        delivery, events, receiver=receivers, timer=st.none() | rules, due=st.none() | seconds
    ),
    st.builds(digested, events, batches, receiver=receivers, due=st.none() | seconds, rule=rules),
)
kinds = st.sampled_from(["attempt", "throttled", "held", "silenced"])
snapshots = st.builds(
    snapshot,
    st.sampled_from(["c1", "c2"]),
    st.integers(1, 3),
    present=st.booleans(),
    unread=st.booleans(),
    contact=st.builds(Contact, name=st.sampled_from([None, "Ann", "Änne"])),
    waiting_since=st.none() | seconds.map(at),
    assignee=st.none() | st.just("u1"),
    seen=st.frozensets(st.sampled_from(["unread", "status", "labels"])),
    doubt=st.none() | st.just(Doubt(T0, ("last_message",), "shown")),
)
ends = st.builds(End, names, subjects, st.none() | rules, st.just("over"))


@st.composite
def commits(draw: st.DrawFn) -> Commit:
    """Draw a commit of which most would be taken."""
    owed = draw(st.lists(deliveries, max_size=3))
    extra = draw(st.lists(events, max_size=1))
    fresh = {one.event.id: one.event for one in owed} | {one.id: one for one in extra}
    name = draw(names)
    return Commit(
        source=name,
        state=draw(st.none() | st.just(SourceState(name, "chatwoot", "1"))),
        snapshots=tuple(draw(st.lists(snapshots, max_size=2))),
        events=() if draw(st.integers(0, 5)) == 0 else tuple(fresh.values()),
        deliveries=tuple(owed),
        ends=tuple(draw(st.lists(ends, max_size=1))),
        forget=draw(st.integers(0, 9)) == 0,
        forget_fields=draw(st.sampled_from([frozenset(), frozenset(), frozenset({"status"})])),
        verdicts={id_: (RuleResult("A", True, "`when` matches"),) for id_ in list(fresh)[:2]},
        at=draw(st.none() | st.just(T0)),
    )


async def listed(each: AsyncIterator[Any]) -> list[Any]:
    """Return all that an iterator yields."""
    return [one async for one in each]


def plain(answer: Any) -> Any:
    """Leave aside what stores may do as they like: the kind of sequence, gaps in the log."""
    if isinstance(answer, Sequence):
        shown = {Recorded: lambda one: one.event, Entered: lambda one: one.delivery}
        return [shown.get(type(one), lambda same: same)(one) for one in answer]
    return answer


@dataclass
class Pair:
    """Both stores, the time that passes for them and what is out."""

    stores: tuple[MemoryStore, SqliteStore]
    now: datetime = T0
    out: list[Delivery] = field(default_factory=list)

    async def both(self, act: Callable[[Store], Awaitable[Any]]) -> Any:
        """Do the same to both stores and give what both answer."""
        answers = []
        for store in self.stores:
            try:
                answers.append(await act(store))
            except WatcherError as error:
                answers.append((type(error), str(error)))
        specified, given_ = answers
        assert plain(given_) == plain(specified)
        return specified


Step = Callable[[Pair], Awaitable[None]]


def step(act: Callable[..., Awaitable[None]], **arguments: st.SearchStrategy[Any]) -> Any:
    """Draw the arguments of an act; the pair of stores comes later."""
    drawn = st.fixed_dictionaries(arguments)
    return drawn.map(lambda chosen: lambda pair: act(pair, **chosen))


async def write(pair: Pair, commit: Commit) -> None:
    await pair.both(lambda store: store.commit(commit))


async def claim(pair: Pair, receiver: str, limit: int, together: bool, lease: int) -> None:
    seconds = timedelta(seconds=lease)
    taken = await pair.both(
        lambda store: store.claim(receiver, pair.now, lease=seconds, limit=limit, together=together)
    )
    pair.out += taken


async def collect(pair: Pair, receiver: str, lease: int) -> None:
    seconds = timedelta(seconds=lease)
    pair.out += await pair.both(lambda store: store.collect(receiver, pair.now, lease=seconds))


async def settle(
    pair: Pair,
    which: int,
    state: str,
    commit: Commit | None,
    changed: dict[str, Any],
    kind: Any,
    follows: bool,
) -> None:
    if pair.out:
        one = pair.out[which % len(pair.out)]
        elapsed = (pair.now - T0).total_seconds()
        entry = HistoryEntry(one.key, pair.now, kind, "said", one.attempt, 200, "ok", 0.25)
        after = replace(
            one, id=f"{one.id}.{which}", kind="repeat", number=one.number + 1, attempt=0
        )
        outcome = replace(
            settlement(one, state, seconds=elapsed, **changed),
            due=pair.now,
            entry=entry,
            then=(after,) if follows else (),
        )
        receiver = ReceiverState(one.receiver, failures=which)
        mark = ThrottleMark(one.rule, one.receiver, "c1", pair.now, pair.now, one.key)
        await pair.both(
            lambda store: store.settle([outcome], receiver=receiver, commit=commit, marks=[mark])
        )


def act_at(now: datetime) -> Action:
    return Action(now, Actor(f"at {now.second % 3}"), "acknowledge", "sales/c1")


async def acknowledge(pair: Pair, conversation: str, source: str) -> None:
    await pair.both(lambda store: store.acknowledge(source, conversation, "seen", act_at(pair.now)))


async def take_back(pair: Pair, conversation: str, source: str) -> None:
    await pair.both(lambda store: store.take_back(source, conversation, act_at(pair.now)))


async def silence(pair: Pair, which: str, lasts: int) -> None:
    ends = pair.now + timedelta(seconds=lasts)
    one = StoredSilence(which, "true", "noise", pair.now, ends, "Ana")
    await pair.both(lambda store: store.add_silence(one, act_at(pair.now)))


async def expire(pair: Pair, which: str) -> None:
    await pair.both(lambda store: store.expire_silence(which, pair.now, act_at(pair.now)))


async def wait(pair: Pair, seconds: int) -> None:
    pair.now += timedelta(seconds=seconds)


async def retry(pair: Pair, chosen: frozenset[str] | None) -> None:
    await pair.both(lambda store: store.retry(chosen, pair.now))


async def retire(
    pair: Pair, receivers: frozenset[str], rules: frozenset[str], sources: frozenset[str]
) -> None:
    await pair.both(lambda store: store.retire_unconfigured(receivers, rules, sources, pair.now))


async def prune(pair: Pair, events: int, deliveries: int) -> None:
    await pair.both(lambda store: store.prune(at(events), at(deliveries)))


async def unclaim(pair: Pair) -> None:
    await pair.both(lambda store: store.unclaim())


async def renew(pair: Pair, receiver: str, lease: int) -> None:
    await pair.both(lambda store: store.renew(receiver, pair.now + timedelta(seconds=lease)))


acts = st.one_of(
    step(write, commit=commits()),
    step(write, commit=commits()),
    step(
        claim,
        receiver=receivers,
        limit=st.integers(0, 4),
        together=st.booleans(),
        lease=st.integers(1, 4),
    ),
    step(
        settle,
        which=st.integers(0, 9),
        state=st.sampled_from(["pending", "pending", "delivered", "dead", "cancelled"]),
        commit=st.none() | commits(),
        changed=st.fixed_dictionaries(
            {},
            optional={
                "untried": st.booleans(),
                "held": st.booleans(),
                "aside": st.booleans(),
                "refused": st.integers(0, 2),
                "rule": rules,
                "batch": batches,
                "message": st.just("m1"),
                "silence": st.sampled_from(["s1", "s2"]),
            },
        ),
        kind=kinds,
        follows=st.booleans(),
    ),
    step(collect, receiver=receivers, lease=st.integers(1, 4)),
    step(collect, receiver=receivers, lease=st.integers(1, 4)),
    step(
        acknowledge,
        conversation=st.sampled_from(["c1", "c2", "sales"]),
        source=names,
    ),
    step(take_back, conversation=st.sampled_from(["c1", "c2"]), source=names),
    step(silence, which=st.sampled_from(["s1", "s2"]), lasts=st.integers(0, 3)),
    step(expire, which=st.sampled_from(["s1", "s2"])),
    step(wait, seconds=st.integers(0, 4)),
    step(retry, chosen=st.none() | st.frozensets(ids, max_size=4)),
    step(
        retire,
        receivers=st.sampled_from([frozenset({"team", "crm"}), frozenset({"crm"})]),
        rules=st.sampled_from([frozenset({"A", "B"}), frozenset({"A"})]),
        sources=st.sampled_from([frozenset({"sales", "sales-2"}), frozenset({"sales-2"})]),
    ),
    step(prune, events=seconds, deliveries=seconds),
    step(unclaim),
    step(renew, receiver=receivers, lease=st.integers(1, 4)),
)


MARKED = [(rule, "c1") for rule in ("A", "B", "Rule")]


async def compare(pair: Pair) -> None:
    """Ask both stores everything that they can be asked."""
    await pair.both(lambda store: store.events(EventQuery()))
    await pair.both(lambda store: store.deliveries(DeliveryQuery()))
    for most in (2, 999):
        await pair.both(lambda store, most=most: listed(store.each_event(EventQuery(limit=most))))
        await pair.both(
            lambda store, most=most: listed(store.each_delivery(DeliveryQuery(limit=most)))
        )
    await pair.both(
        lambda store: listed(store.each_key(DeliveryQuery(state="pending", tried=True)))
    )
    await pair.both(lambda store: listed(store.each_delivery(DeliveryQuery(batch="Rule/1"))))
    await pair.both(lambda store: store.sources())
    await pair.both(lambda store: store.receivers())
    await pair.both(lambda store: store.pending())
    await pair.both(lambda store: store.queues(pair.now))
    await pair.both(lambda store: store.dead())
    await pair.both(lambda store: store.dead(since=at(1)))
    await pair.both(lambda store: store.silences())
    await pair.both(lambda store: store.suppressed())
    for asked in (
        ConversationQuery(),
        ConversationQuery(words="nn"),
        ConversationQuery(waiting=True),
    ):
        found = await pair.both(lambda store, asked=asked: listed(store.each_conversation(asked)))
        for source, one in found:
            after = place_of(source, one.conversation)
            later = replace(asked, after=after)
            await pair.both(lambda store, asked=later: listed(store.each_conversation(asked)))
    await pair.both(lambda store: store.acknowledgements())
    done = await pair.both(lambda store: store.actions(limit=3))
    if done:
        await pair.both(lambda store: store.actions(before=done[-1].seq))
    await pair.both(lambda store: store.entered(DeliveryQuery(rule="A")))
    for kind in ("types", "sources", "rules", "receivers"):
        for step in ("hour", "day", "whole"):
            asked = TallyQuery(kind, T0 - timedelta(days=1), T0 + timedelta(days=1), step=step)
            await pair.both(lambda store, asked=asked: store.tallies(asked))
    for kind in ("event", "delivery", "conversation"):
        await pair.both(lambda store, kind=kind: store.ids(kind, "", 50))
    everything = [owed.key for owed in await pair.stores[0].deliveries(DeliveryQuery())]
    await pair.both(lambda store: store.history(everything))
    await pair.both(lambda store: store.verdicts([str(number) for number in range(16)]))
    await pair.both(lambda store: store.deliveries(DeliveryQuery(id="m1")))
    await pair.both(lambda store: store.deliveries(DeliveryQuery(conversations=("c2",))))
    for name in ("sales", "sales-2"):
        await pair.both(lambda store, name=name: store.known(name, ["c1", "c2"]))
        await pair.both(lambda store, name=name: store.present_ids(name))
        await pair.both(lambda store, name=name: store.doubts(name))
        await pair.both(lambda store, name=name: store.ids_in_set(name, "unread"))
        await pair.both(lambda store, name=name: store.ids_in_set(name, "unassigned"))
    for name in ("team", "crm"):
        await pair.both(lambda store, name=name: store.next_due(name))
        await pair.both(lambda store, name=name: store.ready(name, pair.now))
        await pair.both(lambda store, name=name: store.marks(name, MARKED))
        await pair.both(lambda store, name=name: store.sent_since(name, T0))


@given(st.lists(acts, min_size=5, max_size=40))
def test_sqlite_does_what_the_specification_does(script: list[Step]) -> None:
    async def main() -> None:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory, "watcher.db")
            pair = Pair((MemoryStore(), await SqliteStore.open(path)))
            try:
                for act in script:
                    await act(pair)
                await compare(pair)
                # Leases and ended timers too.
                reader = pair.stores[1]._reader
                chosen = [seq for (seq,) in await reader.fetch("SELECT seq FROM deliveries")]
                found = await reader.fetch(queries.TAKEN, (json.dumps(chosen),))
                taken = [rows.read_row(columns) for _, *columns in found]
                assert {row.delivery.key: row for row in taken} == pair.stores[0]._outbox
                (folder := Path(directory, "copy")).mkdir()
                copy = await copy_into(path, folder)
                try:
                    await compare(Pair((pair.stores[0], copy), pair.now))
                finally:
                    await copy.close()
            finally:
                await pair.stores[1].close()

    anyio.run(main)
