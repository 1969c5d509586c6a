"""Laws of the decision about a page, and the traps that prototypes fell into."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.core.strategies import T0, message, observations, row
from watcher.model import Disposition, Evidence, Observation, Reference, Snapshot
from watcher.pipeline import Decision, Sighting, SourcePolicy, decide, remove
from watcher.records import SourceState
from watcher.rules import Rule

EVERYTHING = Rule(name="all", when=("conversation.*",), notify=("crm",))
POLICY = SourcePolicy("sales", "highlevel", "acc", (EVERYTHING,), unread_cap=10)
STATE = SourceState("sales", "highlevel", "acc", baselined=T0, baseline_started=T0)
FIRST = dataclasses.replace(STATE, baselined=None, baseline_started=None)


def sighting(second: int = 0, **more: Any) -> Sighting:
    sent = T0 + timedelta(days=2, seconds=second)
    return Sighting(sent, sent + timedelta(milliseconds=80), {}, T0 + timedelta(days=1), **more)


def apply(known: Mapping[str, Snapshot], decision: Decision) -> dict[str, Snapshot]:
    snapshots = decision.commit.snapshots if decision.commit else ()
    return {**known, **{snapshot.conversation.id: snapshot for snapshot in snapshots}}


def old_row(key: str = "c1", message_id: str | None = None, **fields: Any) -> Observation:
    """A row that was there before the baseline."""
    return row(key, message_id, created_at=T0 - timedelta(days=1), **fields)


def play(
    pages: Sequence[Sequence[Observation]], state: SourceState = STATE, *, every: int = 1
) -> tuple[dict[str, Snapshot], list[Any]]:
    known: dict[str, Snapshot] = {}
    events: list[Any] = []
    for number, page in enumerate(pages):
        decision = decide(POLICY, state, known, page, sighting(every * number))
        known = apply(known, decision)
        events += decision.commit.events if decision.commit else []
    return known, events


pages = st.lists(st.lists(observations(), max_size=5), max_size=6)


def test_a_wait_that_is_taken_over_has_no_end_that_nobody_was_told_the_beginning_of() -> None:
    # A conversation whose rows showed no message first; then a note, a stamp, and a person's answer.
    bare = row("c1", created_at=T0 + timedelta(days=1))
    known, _ = play([[bare]])
    evidence = Evidence(waits_since=T0 + timedelta(seconds=1), by_person=True)
    note = dataclasses.replace(message("Called them", "internal"), automated=None)
    full = dataclasses.replace(
        bare, fields={**bare.fields, "last_message": note}, evidence=evidence
    )
    first = decide(POLICY, STATE, known, [full], sighting(100))
    assert not first.commit or not first.commit.events
    assert decide(POLICY, STATE, apply(known, first), [full], sighting(101)).commit is None


@given(pages, st.lists(observations(), max_size=5))
def test_the_same_page_again_changes_nothing(before: Any, page: Any) -> None:
    known, _ = play(before)
    known = apply(known, decide(POLICY, STATE, known, page, sighting(100)))
    assert decide(POLICY, STATE, known, page, sighting(101)).commit is None


@given(st.lists(observations(), unique_by=lambda o: o.id, max_size=6), st.integers(1, 6), pages)
def test_how_rows_are_cut_into_pages_does_not_change_the_events(
    rows: list[Observation], size: int, before: Any
) -> None:
    known, _ = play(before)
    whole = decide(POLICY, STATE, known, rows, sighting(100))
    cut: list[Any] = []
    for start in range(0, len(rows), size):
        decision = decide(POLICY, STATE, known, rows[start : start + size], sighting(100))
        cut += decision.commit.events if decision.commit else []
    assert cut == list(whole.commit.events if whole.commit else ())


@given(pages)
def test_a_replay_gives_the_same_ids_whenever_it_happens(history: Any) -> None:
    _, first = play(history)
    known: dict[str, Snapshot] = {}
    again: list[Any] = []
    for page in history:  # another day, another process
        decision = decide(POLICY, STATE, known, page, sighting(9999))
        if decision.commit is not None:
            known = apply(known, decision)
            again += decision.commit.events
    assert [event.id for event in first] == [event.id for event in again]


@given(pages)
def test_ids_are_unique_but_for_facts(history: Any) -> None:
    _, events = play(history)
    others = [e.id for e in events if e.type not in ("conversation.message", "conversation.unread")]
    assert len(others) == len(set(others))


@given(pages)
def test_the_baseline_makes_no_event(history: Any) -> None:
    known, events = play(history, FIRST)
    assert events == []
    assert known.keys() == {o.id for page in history for o in page}


@given(pages)
def test_each_before_is_the_value_last_observed(history: Any) -> None:
    known: dict[str, Snapshot] = {}
    for number, page in enumerate(history):
        decision = decide(POLICY, STATE, known, page, sighting(number))
        for event in decision.commit.events if decision.commit else ():
            for name, sides in event.data["changes"].items():
                assert sides["after"] == event.data["conversation"][name]
        known = apply(known, decision)


def test_the_second_archiving_has_another_id_than_the_first() -> None:
    _, events = play([[old_row(archived=on)] for on in (False, True, False, True)])
    archived = [event.id for event in events if event.type == "conversation.archived"]
    assert len(set(archived)) == 2


def test_a_message_that_drops_out_and_returns_is_the_same_fact() -> None:
    first, second = message("a", at=1), message("b", at=2)
    history = [
        [old_row(last_message=first, message_id="m1")],
        [old_row(last_message=second, message_id="m2")],
        [old_row(last_message=first, message_id="m1")],
        [old_row(last_message=first, message_id="m1")],  # a minute later it is believed
        [old_row(last_message=second, message_id="m2")],
    ]
    _, events = play(history, every=61)
    _, *messages = [event.id for event in events if event.type == "conversation.message"]
    assert len(messages) == 2
    assert len(set(messages)) == 1


def test_another_account_with_the_same_ids_gives_other_ids() -> None:
    known, _ = play([[old_row(archived=False)]])
    page = [row(archived=True)]
    one = decide(POLICY, STATE, known, page, sighting(5)).commit
    other = decide(dataclasses.replace(POLICY, account="b"), STATE, known, page, sighting(5)).commit
    assert one is not None
    assert other is not None
    assert one.events[0].id != other.events[0].id


def test_a_row_created_before_the_baseline_joins_silently() -> None:
    decision = decide(
        POLICY, STATE, {}, [row(unread=True, created_at=T0 - timedelta(seconds=1))], sighting()
    )
    assert decision.commit is not None
    assert decision.commit.events == ()
    assert len(decision.commit.snapshots) == 1


def test_a_row_of_the_second_in_which_the_baseline_began_is_new() -> None:
    started = T0 + timedelta(milliseconds=700)
    state = dataclasses.replace(STATE, baseline_started=started)
    decision = decide(POLICY, state, {}, [row(created_at=T0)], sighting())
    assert decision.commit is not None
    assert [event.type for event in decision.commit.events] == ["conversation.created"]


def test_new_rows_without_a_creation_time_are_withheld_until_admitted() -> None:
    decision = decide(POLICY, STATE, {}, [row("x", unread=True)], sighting())
    assert decision.commit is None
    assert [arrival.id for arrival in decision.arrivals] == ["x"]
    admitted = decide(POLICY, STATE, {}, [row("x", unread=True)], sighting(admit=True))
    assert admitted.commit is not None
    assert [event.type for event in admitted.commit.events] == [
        "conversation.created",
        "conversation.unread",
    ]


def test_an_answer_that_was_asked_for_earlier_is_dropped() -> None:
    known, _ = play([[row(archived=False, created_at=T0)]])
    stale = Sighting(T0, T0, {}, T0, decided=T0 + timedelta(days=3))
    assert decide(POLICY, STATE, known, [row(archived=True)], stale).commit is None


def test_a_clock_that_was_set_back_blinds_nobody() -> None:
    known, _ = play([[old_row(archived=False)]])
    earlier = T0 + timedelta(days=1)  # before the snapshot's own observation
    back = Sighting(earlier, earlier, {}, T0, decided=earlier)
    assert decide(POLICY, STATE, known, [old_row(archived=True)], back).commit is not None


def test_a_key_that_vanishes_from_every_row_is_no_change() -> None:
    ana = Reference("u1", "Ana")
    known, _ = play(
        [[row(key, assignee=ana, unread=False, created_at=T0) for key in ("a", "b", "c")]]
    )
    gone = [
        Observation(key, {"assignee": None, "unread": True}, frozenset({"assignee"}))
        for key in ("a", "b", "c")
    ]
    decision = decide(POLICY, STATE, known, gone, sighting(5))
    assert decision.vanished == {"assignee"}
    assert decision.agreed == frozenset()
    assert decision.commit is not None
    assert {event.type for event in decision.commit.events} == {"conversation.unread"}
    one_has_it = [*gone[:2], Observation("c", {"assignee": ana})]
    kinds = decide(POLICY, STATE, known, one_has_it, sighting(6)).commit
    assert kinds is not None
    assert [e.type for e in kinds.events].count("conversation.unassigned") == 2


def test_a_single_row_that_lost_its_assignee_is_unassigned() -> None:
    known, _ = play([[row("a", assignee=Reference("u1"), created_at=T0)]])
    gone = [Observation("a", {"assignee": None}, frozenset({"assignee"}))]
    commit = decide(POLICY, STATE, known, gone, sighting(5)).commit
    assert commit is not None
    assert [event.type for event in commit.events] == ["conversation.unassigned"]


def test_what_a_mapping_showed_that_is_gone_is_forgotten_without_an_event() -> None:
    shown = {"disposition": Disposition(label="won"), "attributes.plan": "gold"}
    known, _ = play([[row("a", status="open", created_at=T0, **shown)]])
    seen = known["a"].seen - shown.keys()
    known = {
        "a": dataclasses.replace(known["a"], seen=seen)
    }  # as the store does for `forget_fields`
    gone = remove(POLICY, STATE, known["a"], "deleted", sighting(5))
    assert gone.commit is not None
    told = gone.commit.events[0].data["conversation"]
    assert (told["disposition"], told["attributes"], told["status"]) == (None, {}, "open")
    silent = decide(POLICY, STATE, known, [row("a", status="open")], sighting(6)).commit
    assert silent is not None
    assert silent.events == ()
    (kept,) = silent.snapshots
    assert (kept.conversation.disposition, kept.conversation.attributes) == (None, {})
    known = apply(known, decide(POLICY, STATE, known, [row("a", status="open")], sighting(6)))
    assert decide(POLICY, STATE, known, [row("a", status="open")], sighting(7)).commit is None


def test_removed_and_returned() -> None:
    known, _ = play([[row("a", unread=True, created_at=T0)]])
    gone = remove(POLICY, STATE, known["a"], "deleted", sighting(5), held=True)
    assert gone.commit is not None
    event = gone.commit.events[0]
    assert (event.type, event.data["reason"], event.data["held"], event.data["changes"]) == (
        "conversation.removed", "deleted", True, {},
    )  # fmt: skip
    assert gone.commit.ends[0].subject == "a"
    known = apply(known, gone)
    back = decide(POLICY, STATE, known, [row("a", unread=True)], sighting(6))
    assert back.commit is not None
    assert [(e.type, e.data.get("returned")) for e in back.commit.events] == [
        ("conversation.created", True),
        ("conversation.unread", True),
    ]
    known = apply(known, back)
    assert known["a"].present
    assert known["a"].revision == 3


def test_an_event_says_between_which_observations_it_happened() -> None:
    known, _ = play([[row("a", archived=False, created_at=T0)]])
    at = T0 + timedelta(days=2, seconds=3)
    seen = dataclasses.replace(sighting(60), before={"a": at})
    commit = decide(POLICY, STATE, known, [row("a", archived=True)], seen).commit
    assert commit is not None
    assert commit.events[0].data["observed"] == {
        "after": "2026-11-22T10:00:03.000Z",
        "before": "2026-11-22T10:01:00.080Z",
    }


def test_routing_makes_one_delivery_a_receiver_and_a_timer_of_its_own() -> None:
    rules = (
        EVERYTHING,
        Rule(name="again", when=("conversation.unread",), notify=("crm", "team")),
        Rule(
            name="later",
            when=("conversation.unread",),
            notify=("boss",),
            hold_for=timedelta(minutes=15),
        ),
    )
    policy = dataclasses.replace(POLICY, rules=rules)
    known, _ = play([[row("a", unread=False, created_at=T0)]])
    commit = decide(policy, STATE, known, [row("a", unread=True)], sighting(5)).commit
    assert commit is not None
    sent: list[tuple[str, str, bool, datetime]] = [
        (d.receiver, d.rule, d.id == commit.events[0].id, d.due) for d in commit.deliveries
    ]
    now = commit.events[0].time
    assert sent == [
        ("crm", "all", True, now),
        ("team", "again", True, now),
        ("boss", "later", False, now + timedelta(minutes=15)),
    ]
    assert commit.deliveries[2].timer == "later"


def test_an_observed_end_cancels_timers() -> None:
    later = Rule(
        name="later",
        when=("conversation.unread",),
        notify=("boss",),
        hold_for=timedelta(minutes=15),
    )
    policy = dataclasses.replace(POLICY, rules=(later,))
    known, _ = play([[row("a", unread=True, unread_count=1, created_at=T0)]])
    more = decide(policy, STATE, known, [row("a", unread=True, unread_count=2)], sighting(5)).commit
    assert more is not None
    assert more.ends == ()
    read = decide(
        policy, STATE, known, [row("a", unread=False, unread_count=0)], sighting(6)
    ).commit
    assert read is not None
    assert [(end.subject, end.rule) for end in read.ends] == [("a", "later")]
