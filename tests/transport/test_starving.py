"""A hundred sources that ask one host for twice what it allows: nobody starves, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.virtual_time import JumpLoop
from watcher.errors import SourceUnavailable
from watcher.providers import Budget, Quota
from watcher.transport.budget import Budgets
from watcher.transport.pace import Pace

HOURS = 2 * 3600.0


@dataclass
class Host:
    """Allows 60 requests in each minute of its clock (rack-attack), and answers 429 to the others."""

    budgets: Budgets = field(default_factory=Budgets)
    published: int = 60
    answered: list[float] = field(default_factory=list)
    refused: int = 0
    counts: dict[int, int] = field(default_factory=dict)

    async def ask(self, *, urgent: bool) -> bool:
        """Send one request; return whether it was answered."""
        budget = Budget("host", self.published, 60.0)
        try:
            async with self.budgets.admitted(budget, urgent=urgent) as admission:
                now = anyio.current_time()
                minute = int(now // 60)
                self.counts[minute] = self.counts.get(minute, 0) + 1
                late = self.counts[minute] > 60
                await anyio.sleep(0.05)
                # Chatwoot names no time: the provider waits until the next minute.
                quota = Quota(0, (minute + 1) * 60 - now) if late else None
                admission.report(quota, refused=late)
        except SourceUnavailable:
            return False
        if late:
            self.refused += 1
        else:
            self.answered.append(now)
        return not late

    def longest_silence(self, since: float) -> float:
        """Return the longest time for which nobody was answered."""
        return longest(self.answered, since, HOURS)


@dataclass
class Source:
    """Polls every 50 s, and reads `pages` of a sweep one after the other between the polls."""

    host: Host
    offset: float
    pages: int = 0
    polled: list[float] = field(default_factory=list)
    swept: int = 0

    async def run(self) -> None:
        """Poll and sweep, one request at a time."""
        await anyio.sleep(self.offset)
        due = anyio.current_time()
        while True:
            if anyio.current_time() >= due:
                due = anyio.current_time() + 50
                if await self.host.ask(urgent=True):
                    self.polled.append(anyio.current_time())
            if self.swept < self.pages:
                self.swept += await self.host.ask(urgent=False)
            else:
                await anyio.sleep(max(0.0, due - anyio.current_time()))


def longest(times: Sequence[float], since: float, until: float) -> float:
    """Return the longest gap between times, the ends included."""
    marks = [since, *(at for at in times if since < at < until), until]
    return max(after - before for before, after in pairwise(marks))


def play(host: Host, sources: Sequence[Source], seconds: float = HOURS) -> None:
    """Let all run for some hours of virtual time."""

    async def scene() -> None:
        with anyio.move_on_after(seconds):
            async with anyio.create_task_group() as group:
                for source in sources:
                    group.start_soon(source.run)

    with asyncio.Runner(loop_factory=JumpLoop) as runner:
        runner.run(scene())


@pytest.mark.parametrize(
    ("published", "silence", "refusals"),
    # Before, with the window used up at once: 54 and 60 s of silence for all, 0 and 4,761 refusals.
    [(60, 2, 0), (3000, 25, 20)],
    ids=["the limit is published", "the operator has set a lower one"],
)
def test_a_hundred_sources_that_ask_for_twice_the_limit_are_polled_in_turn(
    published: int, silence: float, refusals: int
) -> None:
    host = Host(published=published)
    sources = [Source(host, number / 10) for number in range(100)]
    play(host, sources)
    settled = 1200.0
    gaps = sorted(longest(source.polled, settled, HOURS) for source in sources)
    assert gaps[90] < 125  # a turn of all takes 107 s; before, 118 and 180
    assert gaps[-1] < 230  # one that was refused waits for its next turn
    assert host.longest_silence(settled) < silence
    assert host.refused <= refusals
    assert len(host.answered) > 0.9 * 60 * HOURS / 60


def test_a_big_sweep_delays_no_poll_of_the_others() -> None:
    host = Host()
    big = Source(host, 0.0, pages=10_000)
    # 38 polls in a minute, of 56 that the limit lets through.
    others = [Source(host, number / 10) for number in range(1, 32)]
    play(host, [big, *others], 3600.0)
    assert max(longest(source.polled, 60.0, 3600.0) for source in others) < 55
    # Its own polls wait for the page that is under way, which lets all the other polls pass.
    assert longest(big.polled, 60.0, 3600.0) < 50 + 31 * 1.08 + 2
    assert big.swept > 15 * 60


def test_sweeps_of_all_sources_end_though_polls_ask_for_twice_the_limit() -> None:
    host = Host()
    sources = [Source(host, number / 10, pages=5) for number in range(100)]
    play(host, sources)
    assert min(source.swept for source in sources) == 5
    # A page of its own comes between two polls of a source: two turns, and a minute until it counts.
    assert max(longest(source.polled, 0.0, HOURS) for source in sources) < 2 * 107.2 + 65


budgets = st.builds(Budget, st.just("host"), st.integers(1, 500), st.floats(0.1, 3600))


@given(budgets, st.lists(st.tuples(st.floats(0, 2), st.booleans()), min_size=1, max_size=300))
def test_a_pace_never_lets_more_than_the_limit_into_a_window(
    budget: Budget, steps: list[tuple[float, bool]]
) -> None:
    pace, now, times = Pace(), 0.0, []
    for pause, urgent in steps:
        now = pace.opens(budget, now + pause * budget.interval, urgent=urgent)
        pace.admit(budget, now)
        times.append(now)
    most = max(1, int(budget.requests * Budget.SAFETY))
    for earlier, later in zip(times, times[most:], strict=False):
        assert later - earlier >= budget.per * (1 - 1e-6)
    for earlier, later in zip(times, times[budget.burst :], strict=False):
        assert later - earlier >= budget.interval * (1 - 1e-6), "a small burst, the rest spread"


@given(budgets, st.integers(1, 300), st.booleans())
def test_a_pace_holds_nothing_back_without_need(budget: Budget, count: int, urgent: bool) -> None:
    pace, now = Pace(), 0.0
    for _ in range(count):
        now = pace.opens(budget, now, urgent=urgent)
        pace.admit(budget, now)
    assert now <= count * budget.interval * (1 + 1e-6)


@given(st.integers(2, 200), st.lists(st.sampled_from(["answer", "refuse", "window"]), max_size=200))
def test_what_a_server_seems_to_allow_stays_in_bounds(requests: int, answers: list[str]) -> None:
    budget, pace, now = Budget("host", requests, 60.0), Pace(), 0.0
    for what in answers:
        now += 60.0 if what == "window" else 0.1
        if what == "answer":
            pace.answer(budget, now)
        elif what == "refuse":
            pace.refuse(budget, now)
        pace.admit(budget, now)
        assert now <= pace.opens(budget, now, urgent=True) <= now + 60.0 * len(answers)
        assert pace.found is None or 1 <= pace.found <= requests
    # Refusals that end are forgotten within hours.
    for _ in range(240):
        now += 60.0
        pace.opens(budget, now, urgent=True)
    assert pace.found is None


def test_a_refusal_among_few_answers_says_nothing_of_how_many_are_allowed() -> None:
    budget, pace = Budget("chatwoot:a", requests=3000, per=60.0), Pace()
    for second in (0.0, 30.0):
        pace.answer(budget, second)
    pace.refuse(budget, 40.0)
    assert pace.found is None
