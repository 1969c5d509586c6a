"""The simulation notices the ways in which the watcher is broken on purpose."""

from __future__ import annotations

import pytest

from .breakages import BREAKAGES, broken, noticed
from .trial import try_seed

WITHIN = 40
"""Seeds, from 1 on, among which each breakage is found."""

FOUND = {name: breakage for name, breakage in BREAKAGES.items() if breakage.seed}


def test_ten_breakages_and_more_are_found() -> None:
    assert len(FOUND) > 10
    assert max(breakage.seed for breakage in FOUND.values()) <= WITHIN


@pytest.mark.parametrize("name", FOUND)
def test_it_is_noticed(name: str) -> None:
    breakage = BREAKAGES[name]
    with broken(name):
        assert noticed(try_seed(breakage.seed, breakage.days))


@pytest.mark.parametrize("seed", sorted({breakage.seed for breakage in FOUND.values()}))
def test_unbroken_the_same_seed_is_right(seed: int) -> None:
    assert not try_seed(seed, 0.3).wrong
