"""Lists that never end, and the real program killed again and again while it reads them.

Three services answer each page of their lists with other new conversations and one more page behind it; a
fourth is well. Whenever it was killed: what is known stays within its bound, which is told once; what happens
to conversations that are really there is told, and nothing else is told of them.
"""

from __future__ import annotations

from pathlib import Path

from anyio.from_thread import start_blocking_portal

from .endless import HEALTHY, SERVICES, Endless
from .harness import wait_until
from .verdict import judge_log

MOST = 400
"""How many conversations a source may have."""

KILLS = 4


def test_killed_while_it_reads_a_baseline_without_an_end(tmp_path: Path) -> None:
    with start_blocking_portal() as portal:
        there = Endless(tmp_path, portal, most=MOST)
        there.never_end()
        for _ in range(KILLS):
            there.killed_while_it_reads(there.chance.randrange(3, 12))
        with there.alive() as process:
            every, endless = dict.fromkeys(there.sources, 1), dict.fromkeys(SERVICES, 1)
            assert wait_until(lambda: there.told("source.baselined") == every, 120, 0.1)
            assert wait_until(lambda: there.told("source.held") == endless, 60, 0.1)
            assert there.known() == {**dict.fromkeys(SERVICES, MOST), HEALTHY: 30}
            said = there.write("Does anybody hear me")[HEALTHY]
            assert wait_until(lambda: said in there.messages(), 60, 0.1)
            there.stop(process)
        # Nobody wrote before, so of all that the lists made up nothing is told as it is read.
        assert {one["data"]["source"] for one in there.conversations()} == {HEALTHY}
        assert there.told("source.baselined") == every
        assert there.told("source.held") == endless
        portal.start_task_soon(portal.stop, True)


def test_killed_while_lists_have_become_endless_nothing_real_is_lost_or_invented(
    tmp_path: Path,
) -> None:
    with start_blocking_portal() as portal:
        there = Endless(tmp_path, portal, most=MOST)
        with there.alive() as process:
            every = dict.fromkeys(there.sources, 1)
            assert wait_until(lambda: there.told("source.baselined") == every, 120, 0.1)
            there.stop(process)
        there.never_end()
        said: set[str] = set()
        for number in range(KILLS):
            said |= {*there.write(f"Question {number}").values()}
            there.killed_while_it_reads(there.chance.randrange(3, 12))
        there.end_again()
        with there.alive() as process:
            said |= {*there.write("And now").values()}
            assert wait_until(lambda: said <= there.messages(), 120, 0.1)
            there.stop(process)
        assert judge_log(there, there.about_real()) == []
        # What the lists made up goes away bit by bit, as it came; what is real stays.
        assert there.known_of_real() == dict.fromkeys(there.sources, 30)
        portal.start_task_soon(portal.stop, True)
