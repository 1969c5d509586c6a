"""What pages all sources hold together is bounded, whoever is slow and whoever gives up."""

from __future__ import annotations

from random import Random
from typing import Any

import anyio
import pytest

from tests.support.virtual_time import JumpLoop
from watcher.clock import loop_time
from watcher.page_gate import EXPECTED, PATIENCE, PageGate

pytestmark = pytest.mark.anyio

MOST = 10 * EXPECTED


@pytest.fixture
def anyio_backend() -> Any:
    return "asyncio", {"loop_factory": JumpLoop}


async def test_no_more_is_held_than_there_is_room_for_and_each_has_its_turn() -> None:
    gate, order, most = PageGate(MOST), list[int](), 0

    async def look(number: int) -> None:
        nonlocal most
        share = gate.share()
        await share.ask()
        order.append(number)
        await anyio.sleep(PATIENCE / 4)
        await share.hold(EXPECTED)
        most = max(most, gate.held)
        await anyio.sleep(PATIENCE / 4)
        share.leave()

    async with anyio.create_task_group() as tasks:
        for number in range(100):
            tasks.start_soon(look, number)
    assert order == list(range(100))
    assert most == MOST
    assert gate.held == 0


async def test_hosts_that_do_not_answer_hold_up_nobody() -> None:
    gate = PageGate(MOST)
    slow = [gate.share() for _ in range(10)]
    for share in slow:
        await share.ask()
    began, quick = loop_time(), gate.share()
    await quick.ask()
    assert loop_time() - began == pytest.approx(PATIENCE)
    await quick.hold(EXPECTED)
    assert gate.held <= MOST


async def test_an_answer_that_came_late_waits_before_it_is_read_ahead_of_who_has_not_asked() -> (
    None
):
    gate, order = PageGate(MOST), list[str]()
    late, full, waits = gate.share(), gate.share(), gate.share()
    await late.ask()
    await anyio.sleep(2 * PATIENCE)
    await full.ask()
    await full.hold(MOST)

    async def ask() -> None:
        await waits.ask()
        order.append("asks")

    async def come() -> None:
        await late.hold(MOST)
        order.append("late")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(come)
        await anyio.sleep(10 * PATIENCE)
        assert order == []
        full.leave()
        await anyio.wait_all_tasks_blocked()
        assert order == ["late"]
        assert gate.held == MOST
        late.leave()
    assert order == ["late", "asks"]


async def test_a_page_that_is_larger_than_all_room_is_read() -> None:
    gate = PageGate(MOST)
    share = gate.share()
    with anyio.fail_after(PATIENCE):
        await share.ask()
        await share.hold(100 * MOST)


async def test_a_source_with_large_pages_is_expected_to_send_another() -> None:
    gate = PageGate(MOST)
    large = [gate.share() for _ in range(10)]
    for share in large:
        await share.ask()
        await share.hold(MOST // 2)
        share.leave()
    with anyio.move_on_after(PATIENCE / 2):
        for share in large:
            await share.ask()
    assert gate.held == MOST


@pytest.mark.parametrize("seed", range(20))
async def test_nothing_counts_of_those_who_are_gone(seed: int) -> None:
    dice, gate, over = Random(seed), PageGate(MOST), 0

    async def look() -> None:
        nonlocal over
        share = gate.share()
        try:
            for _ in range(dice.randrange(1, 6)):
                with anyio.move_on_after(dice.choice((1e-4, 0.05, 100.0))):
                    await share.ask()
                    await anyio.sleep(dice.choice((0.0, PATIENCE / 2, 3 * PATIENCE)))
                    await share.hold(dice.randrange(1, 3 * EXPECTED))
                    over = max(over, gate.held - MOST)
                    await anyio.sleep(dice.choice((0.0, 0.01, 1.0)))
        finally:
            share.leave()

    async with anyio.create_task_group() as tasks:
        for _ in range(150):
            tasks.start_soon(look)
    assert (gate.held, gate.waiting) == (0, 0)
    assert over < 25 * EXPECTED  # what was under way at once, and came in time
    await gate.share().ask()
    assert gate.held == EXPECTED
