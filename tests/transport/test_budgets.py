"""Request budgets, in virtual time: laws first, then who goes before whom."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.virtual_time import JumpLoop
from watcher.errors import SourceUnavailable
from watcher.providers import Budget, Quota
from watcher.transport.budget import AGED, Budgets

Journal = list[tuple[float, str]]
"""When who was let through."""


def run(scene: Callable[[], Awaitable[None]]) -> None:
    """Play a scene in virtual time."""
    with asyncio.Runner(loop_factory=JumpLoop) as runner:
        runner.run(scene())  # type: ignore[arg-type]


async def ask(
    budgets: Budgets,
    budget: Budget,
    journal: Journal,
    who: str,
    *,
    urgent: bool,
    after: float = 0.0,
    takes: float = 0.0,
    quota: Quota | None = None,
) -> None:
    """Send one pretended request and write down when it was let through."""
    await anyio.sleep(after)
    async with budgets.admitted(budget, urgent=urgent) as admission:
        journal.append((anyio.current_time(), who))
        await anyio.sleep(takes)
        admission.report(quota)


told = st.none() | st.builds(Quota, st.integers(-1, 30), st.floats(-1, 50))
arrivals = st.lists(
    st.tuples(st.floats(0, 30), st.booleans(), st.floats(0, 3), told), min_size=1, max_size=60
)


@given(arrivals, st.integers(1, 30), st.floats(0.5, 20))
def test_no_window_ever_sees_more_than_the_limit_and_everybody_gets_through(
    callers: list[tuple[float, bool, float, Quota | None]], requests: int, per: float
) -> None:
    journal: Journal = []

    async def scene() -> None:
        budgets = Budgets()
        budget = Budget("host", requests, per)
        async with anyio.create_task_group() as group:
            for number, (after, urgent, takes, quota) in enumerate(callers):

                async def one(
                    number: int = number,
                    after: float = after,
                    urgent: bool = urgent,
                    takes: float = takes,
                    quota: Quota | None = quota,
                ) -> None:
                    await ask(
                        budgets, budget, journal, str(number),
                        urgent=urgent, after=after, takes=takes, quota=quota,
                    )  # fmt: skip

                group.start_soon(one)

    run(scene)
    assert len(journal) == len(callers)
    times = [at for at, _ in journal]
    assert times == sorted(times)
    allowed = max(1, math.floor(requests * Budget.SAFETY))
    for index in range(len(times) - allowed):
        assert times[index + allowed] - times[index] >= per * (1 - 1e-9)


@given(st.lists(st.booleans(), min_size=2, max_size=30))
def test_within_a_class_the_order_of_arrival_is_kept_and_polls_go_first(
    classes: list[bool],
) -> None:
    journal: Journal = []

    async def scene() -> None:
        budgets = Budgets()
        budget = Budget("host", 1, 0.5)
        async with anyio.create_task_group() as group:

            async def one(number: int, urgent: bool) -> None:
                await ask(budgets, budget, journal, f"{urgent}-{number:02}", urgent=urgent)

            group.start_soon(one, 99, True)  # takes the only place
            for number, urgent in enumerate(classes):
                await anyio.sleep(0.001)
                group.start_soon(one, number, urgent)

    run(scene)
    names = [who for _, who in journal[1:]]
    polls = sum(classes)
    assert names[:polls] == sorted(names[:polls])
    assert names[polls:] == sorted(names[polls:])
    assert all(name.startswith("True") for name in names[:polls])


def test_sweeps_leave_half_of_a_burst_to_polls() -> None:
    journal: Journal = []

    async def scene() -> None:
        budgets = Budgets()
        budget = Budget("host", 100, 100.0)  # 95 used, 4 of them at once
        async with anyio.create_task_group() as group:
            for _ in range(30):
                group.start_soon(lambda: ask(budgets, budget, journal, "sweep", urgent=False))
            for _ in range(3):
                group.start_soon(
                    lambda: ask(budgets, budget, journal, "poll", urgent=True, after=0.5)
                )

    run(scene)
    assert [who for at, who in journal if at < 0.1] == ["sweep"] * 2
    assert [who for at, who in journal if 0.1 < at < 0.6] == ["poll"] * 2
    assert [who for at, who in journal if at > 0.6][:2] == ["poll", "sweep"]


def test_a_sweep_is_not_starved_by_polls_that_use_up_the_budget() -> None:
    journal: Journal = []

    async def scene() -> None:
        budgets = Budgets()
        budget = Budget("host", 1, 1.0)
        async with anyio.create_task_group() as group:
            for number in range(300):
                group.start_soon(
                    lambda number=number: ask(
                        budgets, budget, journal, "poll", urgent=True, after=number * 0.5
                    )
                )
            group.start_soon(
                lambda: ask(budgets, budget, journal, "sweep", urgent=False, after=2.0)
            )

    run(scene)
    (swept,) = (at for at, who in journal if who == "sweep")
    assert swept == pytest.approx(2.0 + AGED, abs=2.0)


def test_one_budget_does_not_hold_up_another() -> None:
    journal: Journal = []

    async def scene() -> None:
        budgets = Budgets()
        async with anyio.create_task_group() as group:
            for key in ("a", "a", "b"):
                group.start_soon(
                    lambda key=key: ask(budgets, Budget(key, 1, 60.0), journal, key, urgent=True)
                )
        waited = budgets.waited
        assert waited["a"] == pytest.approx(60.0)
        assert waited["b"] == 0.0

    run(scene)
    assert [(round(at), who) for at, who in journal] == [(0, "a"), (0, "b"), (60, "a")]


def test_who_gives_up_waiting_makes_room_for_the_next() -> None:
    journal: Journal = []

    async def scene() -> None:
        budgets = Budgets()
        budget = Budget("host", 1, 10.0)

        async def impatient() -> None:
            with anyio.move_on_after(3.0):
                await ask(budgets, budget, journal, "impatient", urgent=True)

        async with anyio.create_task_group() as group:
            await ask(budgets, budget, journal, "first", urgent=True)
            group.start_soon(impatient)
            await anyio.sleep(1.0)
            group.start_soon(lambda: ask(budgets, budget, journal, "sweep", urgent=False))

    run(scene)
    assert [(round(at), who) for at, who in journal] == [(0, "first"), (10, "sweep")]


def test_a_used_up_quota_is_waited_for() -> None:
    journal: Journal = []

    async def scene() -> None:
        budgets = Budgets()
        budget = Budget("host", 100, 10.0)
        await ask(budgets, budget, journal, "a", urgent=True, quota=Quota(0, 30.0))
        await ask(budgets, budget, journal, "b", urgent=True)

    run(scene)
    assert [(round(at), who) for at, who in journal] == [(0, "a"), (30, "b")]


def test_requests_under_way_count_against_the_quota() -> None:
    journal: Journal = []

    async def scene() -> None:
        budgets = Budgets()
        budget = Budget("host", 100, 10.0)
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: ask(budgets, budget, journal, "slow", urgent=True, takes=5.0))
            await ask(
                budgets, budget, journal, "tells", urgent=True, takes=1.0, quota=Quota(2, 30.0)
            )
            await ask(budgets, budget, journal, "goes", urgent=True)
            await ask(budgets, budget, journal, "waits", urgent=True)

    run(scene)
    assert [(round(at), who) for at, who in journal][2:] == [(1, "goes"), (31, "waits")]


def test_a_low_quota_holds_back_sweeps_but_not_polls() -> None:
    journal: Journal = []

    async def scene() -> None:
        budgets = Budgets()
        budget = Budget("host", 100, 10.0)
        await ask(budgets, budget, journal, "a", urgent=True, quota=Quota(20, 30.0))
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: ask(budgets, budget, journal, "sweep", urgent=False))
            group.start_soon(lambda: ask(budgets, budget, journal, "poll", urgent=True, after=1.0))

    run(scene)
    assert [(round(at), who) for at, who in journal][1:] == [(1, "poll"), (30, "sweep")]


def test_a_quota_that_is_used_up_for_long_is_told_rather_than_waited_for() -> None:
    async def scene() -> None:
        budgets = Budgets()
        budget = Budget("host", 100, 10.0)
        await ask(budgets, budget, [], "a", urgent=True, quota=Quota(0, 3600.0))
        with pytest.raises(SourceUnavailable, match="another 3600 s") as caught:
            await ask(budgets, budget, [], "b", urgent=True)
        assert caught.value.retry_after == 3600.0
        assert not caught.value.connect

    run(scene)
