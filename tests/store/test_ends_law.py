"""Laws about the ends of states: who was told hears once, nobody else does, whatever the rows."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from tests.support.make import T0, at, delivery, event
from watcher.records import End
from watcher.store.outbox import OutboxRow, end_timers

RULES, RECEIVERS = ("A", "B"), ("team", "crm")


@st.composite
def timers(draw: st.DrawFn) -> OutboxRow:
    """Draw a timer of one conversation, in any state."""
    of = event(draw(st.sampled_from(["e1", "e2"])))
    rule = draw(st.sampled_from(RULES))
    number = draw(st.integers(1, 4))
    owed = delivery(
        of,
        timer=rule,
        receiver=draw(st.sampled_from(RECEIVERS)),
        id=f"{of.id}.{rule}.{number}",
        kind="for" if number == 1 else "repeat",
        number=number,
        state=draw(st.sampled_from(["pending", "delivered", "dead", "cancelled"])),
        uncertain=draw(st.booleans()),
    )
    lease = draw(st.sampled_from([None, at(60)])) if owed.state == "pending" else None
    return OutboxRow(owed, lease, ended=draw(st.booleans()))


@given(
    rows=st.lists(timers(), max_size=8, unique_by=lambda row: row.delivery.key),
    resolved=st.frozensets(st.sampled_from(RULES)),
)
def test_each_receiver_that_was_told_by_a_rule_hears_once_and_nobody_else(
    rows: Sequence[OutboxRow], resolved: frozenset[str]
) -> None:
    end = End("sales", "c1", None, "over", None, resolved)
    changes = end_timers(end, rows, (), T0)
    after = [row.after(change) for row, change in changes]
    said = [(one.rule, one.receiver) for _, change in changes for one in change.then]
    told = {
        (row.delivery.timer, row.delivery.receiver)
        for row in rows
        if row.delivery.timer in resolved and row.told
    }
    assert len(said) == len(set(said))
    assert set(said) == told
    assert {row.delivery.key for row in after} == {row.delivery.key for row in rows}
    assert all(row.over and not row.waits for row in after)
    # Those whose message is under way hear as soon as it has arrived, unless they were told before.
    owed = {(row.delivery.timer, row.delivery.receiver) for row in after if row.delivery.ending}
    assert not owed & told
    # Nothing is left to end a second time.
    assert not any(row.is_ended_by(end) for row in after)
