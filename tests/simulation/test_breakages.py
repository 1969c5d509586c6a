"""The simulation notices the ways in which the watcher is broken on purpose."""

from __future__ import annotations

import pytest

from .breakages import BREAKAGES, broken, noticed
from .trial import try_seed

WITHIN = 40
"""Seeds, from 1 on, among which each breakage is found."""


def test_every_breakage_is_found_within_forty_seeds() -> None:
    assert len(BREAKAGES) >= 25
    assert all(1 <= breakage.seed <= WITHIN for breakage in BREAKAGES.values())


@pytest.mark.parametrize("name", BREAKAGES)
def test_it_is_noticed(name: str) -> None:
    breakage = BREAKAGES[name]
    with broken(name):
        assert noticed(try_seed(breakage.seed, breakage.days))


@pytest.mark.parametrize(("seed", "days"), sorted({(b.seed, b.days) for b in BREAKAGES.values()}))
def test_unbroken_the_same_seed_is_right(seed: int, days: float) -> None:
    assert not try_seed(seed, days).wrong
