"""The simulation notices every way in which the watcher is broken on purpose."""

from __future__ import annotations

import pytest

from .breakages import BREAKAGES, broken
from .trial import try_seed

WITHIN = 40
"""Seeds, from 1 on, among which each breakage is found."""


@pytest.mark.parametrize("name", BREAKAGES)
def test_it_is_noticed(name: str) -> None:
    breakage = BREAKAGES[name]
    assert 1 <= breakage.seed <= WITHIN
    with broken(name):
        assert try_seed(breakage.seed, breakage.days).wrong
