"""The memory store's outbox finds what a look through all of its rows would find."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.support.make import T0, delivery, event
from watcher.store.memory import OutboxTable
from watcher.store.outbox import OutboxRow

MINUTES = st.none() | st.integers(0, 5).map(lambda minute: T0 + timedelta(minutes=minute))
ROWS = st.builds(
    lambda id_, receiver, about, timer, state, settled, message, ended: OutboxRow(
        replace(
            delivery(event(subject=about), receiver=receiver),
            id=id_,
            timer=timer,
            state=state,
            settled=settled,
            message=message,
        ),
        ended=ended,
    ),
    st.sampled_from("abcdef"),
    st.sampled_from(["crm", "team"]),
    st.sampled_from("12"),
    st.sampled_from([None, "Unread"]),
    st.sampled_from(["pending", "delivered", "dead", "cancelled"]),
    MINUTES,
    st.sampled_from(["", "a", "digest"]),
    st.booleans(),
)


@given(st.lists(st.tuples(ROWS, st.booleans()), max_size=30))
def test_every_answer_is_that_of_a_look_through_all_rows(
    steps: list[tuple[OutboxRow, bool]],
) -> None:
    outbox, plain = OutboxTable(), dict[str, OutboxRow]()
    for row, away in steps:
        key = row.delivery.key
        if away and key in plain:
            outbox.remove([key])
            del plain[key]
        else:
            outbox.put(row)
            plain[key] = row
    rows = list(plain.values())
    assert dict(outbox) == plain
    assert list(outbox) == list(plain)
    for topic in {row.topic for row in rows}:
        assert list(outbox.timers(topic)) == [o for o in rows if o.lasts and o.topic == topic]
    for name in ("a", "b", "digest"):
        assert list(outbox.named(name)) == [
            o for o in rows if name in (o.delivery.id, o.delivery.message or o.delivery.id)
        ]
    for receiver in ("crm", "team"):
        mine = [o for o in rows if o.delivery.receiver == receiver]
        assert list(outbox.waiting(receiver)) == [o for o in mine if o.waits]
        assert outbox.pending().get(receiver, 0) == sum(o.waits for o in mine)
        since = T0 + timedelta(minutes=2)
        found = {o.delivery.key for o in outbox.sent_since(receiver, since)}
        assert found == {
            o.delivery.key
            for o in mine
            if o.delivery.state == "delivered"
            and o.delivery.settled
            and o.delivery.settled >= since
        }
