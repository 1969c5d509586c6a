"""What the oracle asks of a watcher, and what rows do not show it: small runs, each told look by look."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from tests.simulator.harness import Harness
from tests.support.virtual_time import START
from watcher.model import Event
from watcher.simulator import Conversation, canonical
from watcher.simulator.state import Part

from .chronicle import Chronicle
from .plan import SourcePlan, Window
from .reign import Look, Reign
from .run import Entry
from .truth import seen_as
from .waits import judge_waits

NAME = "sales"
SOURCE = SourcePlan(
    name=NAME, provider="chatwoot", rows=1, poll_every=600.0, sweep_every=10_800.0, page_size=25,
    latency=(0.0, 2.0), changes=0.0, errors=0.0, lies=0.0,
)  # fmt: skip
BASELINED = 120.0


class Told:
    """A Chatwoot in which one customer asked before the baseline, and what a watcher tells of it."""

    def __init__(self) -> None:
        self.harness = Harness("chatwoot")
        self.harness.clock.now = START
        self.conversation: Conversation = self.harness.create("Hello?")
        self.asked = canonical("chatwoot", self.conversation.state)
        self.windows: list[Window] = []
        self.looks: list[Look] = []

    def at(self, seconds: float) -> Told:
        self.harness.clock.now = START + timedelta(seconds=seconds)
        return self

    def look(self, at: float, *types: str, **told: Any) -> None:
        """Tell events of one commit; what is not `told` is as it is now."""
        plain = canonical("chatwoot", self.conversation.state) | told
        before = self.looks[-1].told["waiting_since"] if self.looks else None
        sides = {"waiting_since": {"before": before, "after": plain["waiting_since"]}}
        data = {"conversation": plain, "changes": sides, "outcome": "answered", "waited": 3600}
        events = [
            Event(
                id=kind, type=f"conversation.{kind}", source=NAME, subject=self.conversation.id,
                time=START + timedelta(seconds=at), data=data,
            )
            for kind in types
        ]  # fmt: skip
        seq = len(self.looks)
        entries = [Entry(seq, event, at, 1, seq) for event in events]
        self.looks.append(Look(at, at, seq, entries, plain))

    def chronicle(self, *, known: bool = True) -> Chronicle:
        run: Any = SimpleNamespace(
            weather={NAME: SimpleNamespace(unclean=[], met=[])}, down=[],
            plan=SimpleNamespace(windows=self.windows, jumps=()),
        )  # fmt: skip
        reign = Reign(run, SOURCE, self.harness.account, 0.0)
        reign.end = 7200.0
        reign.maps = [(0.0, False)]
        chronicle = Chronicle(reign, [])
        chronicle.since, chronicle.began, chronicle.baselined = 100.0, 100.0, BASELINED
        chronicle.known = frozenset({self.conversation.id} if known else ())
        chronicle.looks = {self.conversation.id: self.looks}
        return chronicle

    def wrong(self) -> list[str]:
        chronicle = self.chronicle()
        judge_waits(chronicle)
        return [one.text for one in chronicle.found]


@pytest.mark.parametrize(("key", "right"), [("status", True), ("labels", False)])
def test_what_was_put_away_is_not_known_to_be_open_where_no_row_has_a_status(
    key: str, right: bool
) -> None:
    told = Told()
    told.harness.world.archive(told.at(60).conversation)
    told.harness.world.message(told.at(6900).conversation, "Still there?")
    told.windows = [Window(6000.0, 7100.0, "keys", NAME, key)]
    told.look(7000, "message", archived=True, status="resolved", waiting_since=None)
    assert (told.wrong() == []) is right


@pytest.mark.parametrize("answered", [True, False])
def test_an_answer_that_a_torn_row_hides_ends_the_wait_that_was_told_of_it(answered: bool) -> None:
    told = Told()
    world = told.harness.world
    world.archive(told.at(60).conversation)
    if answered:
        world.answer(told.at(3600).conversation, by="phone")
    world.unarchive(told.at(3601).conversation)
    world.tear(told.at(3650).conversation)
    world.mend(told.at(3651).conversation)
    shown = {
        "last_message": told.asked["last_message"],
        "waiting_since": told.asked["waiting_since"],
    }
    told.look(3651, "waiting", "unarchived", **shown)
    told.look(4200, "answered", waiting_since=None)
    assert (told.wrong() == []) is answered


@pytest.mark.parametrize(
    ("passed", "part", "known", "again"),
    [
        (30, "newest", False, True),
        (30, "messages", False, True),
        (300, "newest", True, False),
        (300, "messages", False, False),
        (300, "messages", True, True),
    ],
)
def test_polls_read_a_minute_again_and_look_up_a_loss_that_shows(
    passed: int, part: Part, known: bool, again: bool
) -> None:
    told = Told()
    world = told.harness.world
    world.message(told.at(1000).conversation, "Still there?")
    world.tear(told.at(1000 + passed).conversation, (part,))
    whole = 1001.0 + passed
    world.mend(told.at(whole).conversation)
    assert told.chronicle(known=known).shows_again(told.conversation.id, whole) is again


@pytest.mark.parametrize(
    ("steps", "rendering", "unread", "right"),
    [
        ("read write", 1.5, 0, True),  # counted before the words were written that the row shows
        ("read write", 1.5, 1, True),
        ("read write", 1.5, 2, True),  # chosen before it was read: both count
        ("read write", 1.5, 3, False),  # so many were never there
        ("read write", 0.0, 0, False),  # this server answers in one instant
        ("read write write", 1.5, 0, True),
        ("read write wait write", 1.5, 0, False),  # no row takes so long
        ("write", 1.5, 0, False),  # nobody read it
    ],
)
def test_a_row_may_show_a_count_from_before_its_newest_message(
    steps: str, rendering: float, unread: int, right: bool
) -> None:
    told, now = Told(), 1000.0
    world = told.harness.world
    for step in steps.split():
        if step == "read":
            world.read(told.at(now).conversation)
        elif step == "write":
            world.message(told.at(now).conversation, f"Anybody there at {now}?")
        now += 2.0 if step == "wait" else 0.1
    told.look(now, "message", "read", unread=unread > 0, unread_count=unread)
    chronicle, (look,) = told.chronicle(), told.looks
    chronicle.reign.source = dataclasses.replace(SOURCE, rendering=rendering)
    past = chronicle.reign.past(told.conversation.id, mapped=False)
    assert past is not None
    seen = seen_as("chatwoot", look.told, told.asked)
    chronicle._stood(look, past, "it", past.at(500), told.asked, seen)
    assert (chronicle.found == []) is right


def test_a_mapping_that_comes_and_goes_between_two_looks_is_no_less_a_change() -> None:
    run: Any = SimpleNamespace()
    reign = Reign(run, SOURCE, Harness("chatwoot").account, 0.0)
    reign.maps = [(0.0, False), (10.0, True), (20.0, False)]
    spans = [(5.0, 30.0), (5.0, 15.0), (12.0, 18.0), (20.0, 30.0)]
    assert [reign.remapped(*span) for span in spans] == [True, True, False, False]
