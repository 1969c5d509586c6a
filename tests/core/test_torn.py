"""What one row lost is told after a minute and two looks, or never; everything else is told at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.strategies import T0, message, row
from watcher.model import Event, Evidence, Message, Observation, Reference, Snapshot
from watcher.pipeline import Decision, Sighting, SourcePolicy, decide, remove
from watcher.pipeline.torn import look_again
from watcher.providers import TORN
from watcher.records import SourceState
from watcher.rules import Rule

POLICY = SourcePolicy(
    "support",
    "chatwoot",
    "acc",
    (Rule(name="all", when=("conversation.*",), notify=("crm",)),),
    unread_cap=10,
)
STATE = SourceState("support", "chatwoot", "acc", baselined=T0, baseline_started=T0)
FIRST = dataclasses.replace(STATE, baselined=None, baseline_started=None)

BEFORE = T0 - timedelta(days=1)
"""When the conversations of these tests were created, so that they are part of the baseline."""

WHOLE = row(
    "c1",
    "7",
    Evidence(waits_since=T0 + timedelta(seconds=7)),
    created_at=BEFORE,
    last_activity_at=T0 + timedelta(seconds=7),
    channel="sms",
    unread=True,
    unread_count=2,
    assignee=None,
    last_message=message("Is it still for sale?", at=7),
    contact__id="p1",
    contact__name="Maria",
    contact__email="maria@example.com",
    contact__phone=None,
    attributes__vip=True,
)


def but(row_: Observation = WHOLE, message_id: str | None = None, **fields: Any) -> Observation:
    """Return a row that shows something else, without evidence."""
    shown = {name.replace("__", "."): value for name, value in fields.items()}
    return Observation(row_.id, {**row_.fields, **shown}, message_id=message_id)


def still(row_: Observation, **fields: Any) -> Observation:
    """Return a row with the same message and evidence that shows something else."""
    changed = but(row_, row_.message_id, **fields)
    return dataclasses.replace(changed, evidence=row_.evidence)


BARE = but(last_message=None, unread=False, unread_count=0)
"""What a server shows of a conversation whose messages went first."""

OLDER = but(message_id="6", last_message=message("Hello", at=1), unread=True, unread_count=1)
SAME_SECOND = but(message_id="6", last_message=message("Hello", at=7), unread_count=1)
NOBODY = still(
    WHOLE, contact__id=None, contact__name=None, contact__email=None, contact__phone=None
)
NAMELESS = still(WHOLE, contact__name=None, contact__email=None)


class Watched:
    """One source whose rows are looked at one after the other."""

    def __init__(self, state: SourceState = STATE, torn: Any = TORN) -> None:
        self.policy = dataclasses.replace(POLICY, torn=torn)
        self.state = state
        self.known: dict[str, Snapshot] = {}
        self.events: list[Event] = []

    def look(self, at: float, *rows: Observation, admit: bool = False) -> list[str]:
        """Look at rows `at` seconds after the first day; return the types of the events."""
        sent = T0 + timedelta(days=1, seconds=at)
        received = sent + timedelta(milliseconds=80)
        sighting = Sighting(sent, received, {}, T0, decided=sent, admit=admit)
        return self._take(decide(self.policy, self.state, self.known, rows, sighting))

    def remove(self, at: float) -> list[str]:
        """Remove the conversation."""
        sent = T0 + timedelta(days=1, seconds=at)
        sighting = Sighting(sent, sent + timedelta(milliseconds=80), {}, T0)
        return self._take(remove(self.policy, self.state, self.known["c1"], "deleted", sighting))

    def _take(self, decision: Decision) -> list[str]:
        self.decision = decision
        if decision.commit is None:
            return []
        for one in decision.commit.snapshots:
            self.known[one.conversation.id] = one
        self.events += decision.commit.events
        return [event.type.removeprefix("conversation.") for event in decision.commit.events]

    @property
    def now(self) -> Snapshot:
        return self.known["c1"]


def watched(whole: Observation = WHOLE, **more: Any) -> Watched:
    """Return a source that was baselined with this conversation."""
    made = Watched(FIRST, **more)
    made.look(-60, whole)
    made.state = STATE
    return made


LOSSES = {
    "the last message, and all unread with it": (BARE, ["read", "updated"]),
    "the last message, but not what is unread": (but(last_message=None), ["updated"]),
    "the last message for an older one": (OLDER, ["updated"]),
    "the last message for an older one, read": (
        but(OLDER, "6", unread=False, unread_count=0),
        ["read", "updated"],
    ),
    "the last message for one of the same second": (SAME_SECOND, ["updated"]),
    "the contact": (NOBODY, ["contact_changed"]),
    "all that is known of the contact": (NAMELESS, ["contact_changed"]),
    "the message's channel and time with it": (
        but(BARE, channel=None, last_activity_at=None),
        ["read", "updated"],
    ),
}


@pytest.mark.parametrize(("lost", "told"), LOSSES.values(), ids=LOSSES)
def test_what_a_row_lost_is_told_when_it_has_stood_for_a_minute_and_over_two_looks(
    lost: Observation, told: Sequence[str]
) -> None:
    source = watched()
    before = source.now
    for at in (0, 1, 30, 60):
        assert source.look(at, lost) == []
        assert source.decision.torn == {"c1"}
        assert source.decision.agreed == frozenset()
        assert source.now.conversation == before.conversation
        assert (source.now.message_id, source.now.evidence) == (before.message_id, before.evidence)
    assert sorted(source.look(60.2, lost)) == sorted(told)
    assert source.now.doubt is None
    assert source.decision.agreed == {"c1"}


@pytest.mark.parametrize(("lost", "told"), LOSSES.values(), ids=LOSSES)
def test_a_row_that_comes_back_whole_ends_the_doubt_silently(
    lost: Observation, told: Sequence[str]
) -> None:
    source = watched()
    source.look(0, lost)
    assert source.look(30, WHOLE) == []
    assert source.now.doubt is None
    # A minute after the first loss the second one is young.
    assert source.look(70, lost) == []
    assert source.now.doubt is not None
    assert source.look(100, WHOLE) == []


def test_a_row_that_only_lacks_the_words_of_its_message_never_tells_a_loss() -> None:
    whole = but(last_message=message("Hello", at=7))
    wordless = but(last_message=dataclasses.replace(whole.fields["last_message"], text=None))
    source = watched(whole)
    assert [source.look(at, wordless) for at in (0, 61, 122)] == [[], [], []]
    assert source.now.conversation.last_message == whole.fields["last_message"]


@pytest.mark.parametrize(("lost", "told"), LOSSES.values(), ids=LOSSES)
def test_removed_takes_the_place_of_a_loss_and_shows_the_last_whole_state(
    lost: Observation, told: Sequence[str]
) -> None:
    source = watched()
    before = source.now.conversation
    source.look(0, lost)
    assert source.remove(5) == ["removed"]
    assert source.events[-1].data["conversation"]["last_message"]["text"] == (
        before.last_message and before.last_message.text
    )
    assert source.now.doubt is None


NO_LOSS = {
    "read": (still(WHOLE, unread=False, unread_count=0), ["read"]),
    "an answer, read": (
        but(
            message_id="8",
            last_message=message("Yes", "outbound", at=9),
            unread=False,
            unread_count=0,
        ),
        ["message", "read", "answered"],
    ),
    "one detail of the contact": (still(WHOLE, contact__email=None), ["contact_changed"]),
    "other details of the contact": (
        still(WHOLE, contact__name="Eve", contact__email=None),
        ["contact_changed"],
    ),
    "the same message with other words": (
        still(WHOLE, last_message=message("This message was deleted", at=7)),
        ["updated"],
    ),
    "unassigned": (
        still(WHOLE, assignee=None),
        [],
    ),
    "attributes": (still(WHOLE, attributes__vip=None), ["updated"]),
}


@pytest.mark.parametrize(("shown", "told"), NO_LOSS.values(), ids=NO_LOSS)
def test_what_changed_is_told_at_once(shown: Observation, told: Sequence[str]) -> None:
    source = watched()
    assert sorted(source.look(0, shown)) == sorted(told)
    assert source.now.doubt is None


BESIDES = {
    "assigned": ({"assignee": Reference("u1")}, ["assigned"]),
    "archived": ({"archived": True}, ["archived", "answered"]),
    "labels": ({"labels": ("vip",)}, ["labels_changed"]),
    "more unread": ({"unread": True, "unread_count": 3}, ["unread"]),
}


@pytest.mark.parametrize(("fields", "told"), BESIDES.values(), ids=BESIDES)
def test_what_changed_besides_is_told_from_the_same_look(
    fields: Mapping[str, Any], told: Sequence[str]
) -> None:
    source = watched(but(WHOLE, "7", labels=(), archived=False))
    source.known["c1"] = dataclasses.replace(source.now, evidence=WHOLE.evidence)
    assert sorted(source.look(0, but(BARE, **fields))) == sorted(told)
    text = WHOLE.fields["last_message"].text
    assert all(one.data["conversation"]["last_message"]["text"] == text for one in source.events)
    assert all(one.data["conversation"]["unread"] for one in source.events)


def test_a_newer_message_after_a_loss_is_told_with_the_message_before_it() -> None:
    source = watched()
    source.look(0, BARE)
    newer = but(message_id="9", last_message=message("Hello?", at=90), unread_count=3)
    assert source.look(30, newer) == ["message", "unread"]
    sides = source.events[0].data["changes"]["last_message"]
    assert sides["before"]["text"] == "Is it still for sale?"
    assert sides["after"]["text"] == "Hello?"
    assert source.now.doubt is None


def test_a_loss_that_goes_on_begins_its_minute_anew() -> None:
    source = watched()
    assert source.look(0, OLDER) == []
    assert source.look(50, BARE) == []
    assert source.look(70, BARE) == []
    assert sorted(source.look(111, BARE)) == ["read", "updated"]


def test_one_answer_is_one_look_however_often_it_shows_a_row() -> None:
    source = watched()
    assert source.look(0, WHOLE, BARE) == []
    assert source.now.doubt is not None
    assert source.look(70, BARE, WHOLE) == []
    assert source.now.doubt is None
    assert source.look(140, BARE, BARE) == []
    assert source.now.doubt is not None


def test_a_clock_that_is_set_back_begins_the_minute_anew_and_forgets_nothing() -> None:
    source = watched()
    source.look(0, BARE)
    for at in (-3600, -3590, -3540):
        assert source.look(at, BARE) == []
    assert sorted(source.look(-3539, BARE)) == ["read", "updated"]


def test_a_look_that_hides_the_message_neither_confirms_nor_ends_the_doubt() -> None:
    # Below an activity line, some rows show no last message: then nobody knows.
    fields = {name: value for name, value in BARE.fields.items() if name != "last_message"}
    hiding = Observation("c1", fields)
    source = watched()
    source.look(0, BARE)
    doubt = source.now.doubt
    assert source.look(50, hiding) == []
    assert source.now.doubt == doubt
    assert sorted(source.look(100, BARE)) == ["read", "updated"]
    # A line that is older than the known message proves that the message is gone.
    source = watched()
    older = dataclasses.replace(hiding, activity_at=T0 + timedelta(seconds=6))
    assert source.look(0, older) == []
    assert source.look(50, older) == []
    assert source.look(61, older) == ["read"]
    assert source.now.conversation.last_message is not None
    source = watched()
    newer = dataclasses.replace(hiding, activity_at=T0 + timedelta(seconds=8))
    assert source.look(0, newer) == ["read"]
    # Without a doubt, it is what it was: read.
    source = watched()
    assert source.look(0, hiding) == ["read"]


def test_what_was_read_below_a_line_that_hides_a_message_in_doubt_is_told() -> None:
    """No row need ever show that message again, so its doubt may not outlive it."""
    fields = {name: value for name, value in WHOLE.fields.items() if name != "last_message"}
    hiding = Observation("c1", fields)
    read = still(hiding, unread=False, unread_count=0)
    # A line above the known message is something newer: the row lacks nothing.
    source = watched()
    source.look(0, BARE)
    newer = {"activity_at": T0 + timedelta(seconds=8)}
    assert source.look(10, dataclasses.replace(hiding, **newer)) == []
    assert source.now.doubt is None
    source.look(20, BARE)
    assert source.look(30, dataclasses.replace(read, **newer)) == ["read"]
    # A line whose time proves nothing: what is read below it has to stand for a minute.
    for same in ({}, {"activity_at": T0 + timedelta(seconds=7)}):
        source = watched()
        source.look(0, BARE)
        assert source.look(90, dataclasses.replace(hiding, **same)) == []
        assert source.now.doubt is not None
        looks = [source.look(at, dataclasses.replace(read, **same)) for at in (100, 130, 161, 162)]
        assert [told for told in looks if told] == [["read"]]


def test_what_goes_with_a_part_whose_key_all_rows_lost_is_not_told_either() -> None:
    # All rows of a page are torn: that looks like a changed API, which only other rows can settle.
    source = watched()
    source.state = FIRST
    source.look(-60, dataclasses.replace(WHOLE, id="c2"))
    source.state = STATE
    lost = dataclasses.replace(BARE, absent=frozenset({"last_message"}))
    both = lost, dataclasses.replace(lost, id="c2")
    assert source.look(0, *both) == []
    assert source.decision.vanished == {"last_message"}
    assert source.now.conversation.unread
    assert source.look(10, dataclasses.replace(both[0], absent=frozenset())) == []
    assert source.now.doubt is not None
    assert source.look(40, *both) == []
    assert source.now.doubt is not None
    assert source.look(75, both[0]) == ["read", "updated"]


def test_a_removed_conversation_does_not_return_by_a_torn_row() -> None:
    source = watched()
    source.remove(0)
    assert source.look(5, BARE) == []
    assert not source.now.present
    assert source.look(20, BARE) == []
    # It is back indeed, without its last messages.
    assert source.look(70, BARE) == ["created", "waiting"]
    assert source.now.present
    assert source.now.doubt is None
    # A whole row is believed at once.
    source.remove(80)
    assert source.look(85, BARE) == ["created", "waiting"]
    source.remove(90)
    assert source.look(95, WHOLE)[0] == "created"


@pytest.mark.parametrize("state", [FIRST, STATE], ids=["in the baseline", "seen late"])
def test_an_old_message_is_no_news_where_the_first_look_was_torn(state: SourceState) -> None:
    source = Watched(state)
    old = still(WHOLE, last_message=message("Is it still for sale?", at=-3600))
    old = dataclasses.replace(old, evidence=Evidence(waits_since=T0 - timedelta(hours=1)))
    assert source.look(0, still(old, last_message=None, unread=False, unread_count=0)) == []
    source.state = STATE
    assert source.look(10, old) == []
    assert source.now.conversation.unread
    assert source.now.conversation.waiting_since is not None
    # What is read then is told.
    assert source.look(20, still(old, unread=False, unread_count=0)) == ["read"]


def test_an_old_message_is_news_where_the_conversation_was_told_as_created_without_it() -> None:
    """Where rows show no creation time (Leadping), an old conversation that comes into view is created."""
    source = Watched()
    old = but(last_message=message("Is it still for sale?", at=-3600))
    undated = {path: value for path, value in old.fields.items() if path != "created_at"}
    old = Observation(old.id, undated, message_id="7")
    source.look(0, still(old, last_message=None), admit=True)
    assert source.events[0].type == "conversation.created"
    assert source.events[0].data["conversation"]["last_message"] is None
    assert source.look(10, old) == ["message", "waiting"]


def test_a_first_message_after_the_baseline_is_news() -> None:
    source = Watched(FIRST)
    source.look(0, BARE)
    source.state = STATE
    assert source.look(10, WHOLE) == ["message", "unread", "waiting"]


@pytest.mark.parametrize(
    ("above", "again"),
    [
        (message("Calls back on Monday.", "internal", at=9), ["waiting"]),
        (
            dataclasses.replace(message("We are closed.", "outbound", at=9), automated=True),
            ["waiting"],
        ),
        (message("Yes, it is.", "outbound", at=9), []),
        (Message("Yes, it is.", at=T0 + timedelta(seconds=9)), []),
    ],
    ids=["a note", "a machine's text", "an answer", "what cannot be read"],
)
@pytest.mark.parametrize("torn", [True, False], ids=["in doubt", "settled at once"])
def test_words_that_the_archive_closed_wait_again_when_what_hid_them_is_gone(
    above: Message, again: Sequence[str], torn: bool
) -> None:
    asked = but(message_id="7")  # the server has no stamp of who waits
    covered = but(message_id="8", last_message=above, archived=True)
    opened = but(covered, "8", archived=False)
    made = watched(asked, **({} if torn else {"torn": {}}))
    made.look(0, covered)
    assert made.now.conversation.waiting_since is None
    if torn:
        # The look that shows the end of the archive lacks the line above: its loss is doubted first.
        assert made.look(60, but(asked, "7", archived=False)) == ["unarchived"]
        assert made.now.conversation.waiting_since is None
    else:
        assert made.look(60, opened) == ["unarchived"]
    assert made.look(180, but(asked, "7", archived=False)) == [*again, "updated"]
    assert (made.now.conversation.waiting_since is not None) is bool(again)


def test_a_provider_that_answers_from_one_snapshot_is_believed_at_once() -> None:
    source = watched(torn={})
    assert sorted(source.look(0, BARE)) == ["read", "updated"]


def test_a_provider_may_name_any_part() -> None:
    source = watched(
        but(WHOLE, "7", assignee=Reference("u1"), team=Reference("t1")),
        torn={
            "assignee": frozenset({"team"}),
            "attributes.vip": frozenset(),
        },
    )
    gone = but(WHOLE, "7", assignee=None, team=None)
    assert source.look(0, gone) == []
    assert source.look(30, but(gone, "7", attributes__vip=False)) == []
    assert source.look(95, but(gone, "7", attributes__vip=False)) == [
        "unassigned",
        "team_changed",
        "updated",
    ]
    # What goes with it is believed where it goes alone.
    source = watched(
        but(WHOLE, "7", assignee=Reference("u1"), team=Reference("t1")),
        torn={
            "assignee": frozenset({"team"}),
        },
    )
    assert source.look(0, but(WHOLE, "7", assignee=Reference("u1"), team=None)) == ["team_changed"]


# -- laws -----------------------------------------------------------------------------------------

steps = st.lists(
    st.one_of(
        st.integers(1, 3).map(lambda n: ("write", n)),
        st.sampled_from([("answer", 0), ("read", 0), ("assign", 0), ("archive", 0), ("rename", 0)]),
    ),
    max_size=6,
)
torn_rows = st.sampled_from(["bare", "older", "nobody", "read and older"])
gaps = st.integers(1, 59)


def lives(made: Sequence[tuple[str, int]]) -> list[Observation]:
    """Return the rows of a conversation after each step, whole."""
    shown, clues, number = dict(WHOLE.fields), WHOLE.evidence, 7
    rows = [WHOLE]
    for kind, count in made:
        number += 1
        at = T0 + timedelta(seconds=10 * number)
        match kind:
            case "write":
                shown |= {"unread": True, "unread_count": shown["unread_count"] + count}
                shown["last_message"] = message(f"text {number}", at=10 * number)
                clues = clues if clues.waits_since else Evidence(waits_since=at)
            case "answer":
                shown["last_message"] = message(f"answer {number}", "outbound", at=10 * number)
                clues = Evidence()
            case "read":
                shown |= {"unread": False, "unread_count": 0}
            case "assign":
                shown["assignee"] = None if shown["assignee"] else Reference("u1")
            case "archive":
                shown["archived"] = not shown.get("archived", False)
            case "rename":
                shown["contact.name"] = f"Maria {number}"
        rows.append(Observation("c1", dict(shown), message_id=str(number), evidence=clues))
        if kind not in ("write", "answer"):
            rows[-1] = dataclasses.replace(rows[-1], message_id=rows[-2].message_id)
    return rows


def tear(whole: Observation, how: str) -> Observation:
    """Return what a server shows of a row in the middle of a deletion."""
    match how:
        case "bare":
            return but(whole, last_message=None, unread=False, unread_count=0)
        case "older":
            return but(whole, "1", last_message=message("first words", at=-5))
        case "nobody":
            gone = dict.fromkeys(("contact.id", "contact.name", "contact.email"))
            return dataclasses.replace(whole, fields={**whole.fields, **gone})
    return but(whole, "1", last_message=message("first words", at=-5), unread=False, unread_count=0)


def identity(events: Sequence[Event]) -> list[tuple[Any, ...]]:
    return [(one.id, one.type, one.data["changes"], one.data["conversation"]) for one in events]


@given(steps, st.data())
def test_torn_looks_between_whole_ones_change_nothing_that_is_told(made: Any, data: Any) -> None:
    rows = lives(made)
    plain, torn = watched(), watched()
    at = 0
    for number, whole in enumerate(rows):
        plain.look(at, whole)
        torn.look(at, whole)
        # At most a minute of looks that are torn, each as the row stands or as it is about to stand.
        spent = 0
        for how, gap in data.draw(st.lists(st.tuples(torn_rows, gaps), max_size=4)):
            spent += gap
            if spent >= 60:
                break
            torn.look(at + spent, tear(whole, how))
            told = identity(torn.events)
            torn.look(at + spent, tear(whole, how))
            assert identity(torn.events) == told
        at += 100
        assert identity(torn.events) == identity(plain.events), number
    assert torn.now.conversation == plain.now.conversation
    assert torn.now.counts == plain.now.counts
    assert torn.now.evidence == plain.now.evidence


@given(steps, torn_rows, gaps)
def test_a_real_loss_is_told_once_after_a_minute_and_a_whole_row_ends_it(
    made: Any, how: str, gap: int
) -> None:
    rows = lives(made)
    source, believing = watched(), watched(torn={})
    for number, whole in enumerate(rows):
        source.look(number, whole)
        believing.look(number, whole)
    lost = tear(rows[-1], how)
    assert source.look(100, lost) == []
    assert source.look(100 + gap, lost) == []
    assert source.look(161, lost) == believing.look(161, lost)
    assert identity(source.events) == identity(believing.events)
    assert source.look(162, lost) == []
    assert source.now.conversation == believing.now.conversation


# -- the second look --------------------------------------------------------------------------------


def test_rows_in_doubt_are_asked_for_after_a_minute_a_few_at_a_time_the_longest_wait_first() -> (
    None
):
    def at(seconds: float) -> Any:
        return T0 + timedelta(seconds=seconds)

    doubts = {f"c{number}": at(number) for number in range(9)}
    asked: dict[str, Any] = {}
    assert look_again(doubts, asked, at(59)) == ()
    assert look_again(doubts, asked, at(60)) == ("c0",)
    seen: list[str] = []
    for poll in range(3):
        keys = look_again(doubts, asked, at(100 + poll))
        assert len(keys) == 3
        asked |= dict.fromkeys(keys, at(100 + poll))
        seen += keys
    assert seen == sorted(doubts)
    assert look_again(doubts, asked, at(103)) == ()
    # What a look-up did not settle is asked for again after pauses that double, an hour at most.
    pauses, now = [], at(100)
    for _ in range(9):
        start = now
        while not look_again({"c0": at(0)}, {"c0": start}, now):
            now += timedelta(seconds=10)
        pauses.append((now - start).total_seconds())
    assert pauses[0] == 100
    assert pauses[-1] == 3600
    assert pauses == sorted(pauses)
    # Our clock was set back.
    assert look_again({"c0": at(5000)}, {}, at(0)) == ("c0",)
    assert look_again({"c0": at(0)}, {"c0": at(5000)}, at(100)) == ("c0",)


def test_a_part_that_does_not_show_stays_in_doubt_beside_one_that_is_lost_now() -> None:
    watched = Watched()
    watched.look(0, WHOLE)
    watched.look(10, BARE)
    hides = {name: value for name, value in NOBODY.fields.items() if name != "last_message"}
    nobody = Observation("c1", hides)
    watched.look(20, nobody)
    doubt = watched.now.doubt
    assert doubt is not None
    assert {"last_message", "contact.id"} <= set(doubt.lost)
    watched.look(21, nobody)
    assert (watched.decision.commit, watched.now.doubt) == (None, doubt)


def test_an_answer_that_is_hidden_leaves_nobody_waiting_as_the_archive_ends() -> None:
    watched = Watched()
    answered = still(
        WHOLE, last_message=message("It is", "outbound", at=9), unread=False, archived=True
    )
    watched.look(0, answered)
    torn = but(last_message=None, unread=False, unread_count=0, archived=False)
    assert watched.look(10, torn) == ["unarchived"]
    assert watched.look(11, torn) == []
