"""Every store: what waits for what, what nobody has read or answered, about how many rows there are."""

from __future__ import annotations

from tests.support.make import T0, at, commit, delivery, event, snapshot
from watcher.records import Attention, Backlog, Commit
from watcher.store import Store


async def test_what_waits_is_told_by_what_it_waits_for(store: Store) -> None:
    held = {"held": True, "due": 900}
    await store.commit(
        commit(
            delivery(event("e1", subject="c1")),
            delivery(event("e2", subject="c1")),
            delivery(event("e3", subject="c2"), due=60, attempt=2),
            delivery(event("e4", subject="c3"), id="t", kind="for", timer="Rule", due=1200),
            delivery(event("e5", subject="c4"), id="d", kind="digest", batch="b", due=1500),
            delivery(event("e6", subject="c5"), **held),
            delivery(event("e7", subject="c6"), receiver="other"),
        )
    )
    found = await store.backlog(at(10))
    assert {(one.receiver, one.reason): (one.number, one.oldest) for one in found} == {
        ("team", "due"): (1, T0),
        ("team", "order"): (1, T0),
        ("team", "retry"): (1, at(60)),
        ("team", "timer"): (1, at(1200)),
        ("team", "digest"): (1, at(1500)),
        ("team", "hours"): (1, at(900)),
        ("other", "due"): (1, T0),
    }
    later = await store.backlog(at(2000))
    assert Backlog("team", "due", 5, T0) in later
    assert len(later) == 3


async def test_what_nobody_has_read_or_answered_is_told_by_source(store: Store) -> None:
    assert await store.attention() == {}
    many = (
        snapshot("c1", unread=True, waiting_since=at(5)),
        snapshot("c2", unread=True, waiting_since=at(2)),
        snapshot("c3", unread=False, waiting_since=None),
    )
    await store.commit(Commit("sales", snapshots=many))
    await store.commit(
        Commit("leads", snapshots=(snapshot("c1", unread=True, waiting_since=None),))
    )
    await store.commit(
        Commit("quiet", snapshots=(snapshot("c1", unread=False, waiting_since=None),))
    )
    assert await store.attention() == {
        "sales": Attention(2, at(2)),
        "leads": Attention(1, None),
    }


async def test_rows_are_estimated(store: Store) -> None:
    assert await store.extent() == {"events": 0, "deliveries": 0}
    await store.commit(commit(delivery(event("e1")), delivery(event("e2"))))
    assert await store.extent() == {"events": 2, "deliveries": 2}
