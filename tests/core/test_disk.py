"""How much of a disk is kept free, and who may write while little is left."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.pipeline.disk import Reserve, is_low, may_write
from watcher.records import Space

KIB, MIB, GIB = 2**10, 2**20, 2**30


@pytest.mark.parametrize(
    ("reserve", "total", "kept"),
    [
        (Reserve(), 100 * MIB, 5 * MIB),
        (Reserve(), 20 * GIB, GIB),
        (Reserve(), 10_000 * GIB, GIB),
        (Reserve(share=0.1, most=None), 100 * GIB, 10 * GIB),
        (Reserve(size=2 * GIB), 10 * GIB, 2 * GIB),
        (Reserve(size=0), 10 * GIB, 0),
    ],
)
def test_what_is_kept_free(reserve: Reserve, total: int, kept: int) -> None:
    assert reserve.of(total) == kept


@pytest.mark.parametrize(
    ("free", "was_low", "wanted", "low"),
    [
        (1024, False, 0, False),
        (1023, False, 0, True),
        (1200, True, 0, True),
        (1280, True, 0, False),
        (1280, True, 500, True),
        (2024, True, 500, False),
    ],
)
def test_little_begins_and_ends_apart(free: int, was_low: bool, wanted: int, low: bool) -> None:
    space = Space(free * MIB, 100 * GIB)
    assert is_low(space, Reserve(), was_low=was_low, wanted=wanted * MIB) is low


@pytest.mark.parametrize(
    ("free", "wrote", "size", "ahead", "may"),
    [
        (2_000, 0, 400, 0, True),
        (2_000, 0, 400, 100, False),
        (2_000, 0, 600, 0, False),
        (1_000, 0, 9, 0, True),
        (1_000, 9, 3, 0, False),
        (1_000, 0, 11, 0, False),
    ],
)
def test_while_little_is_left_only_who_writes_little_goes_on(
    free: int, wrote: int, size: int, ahead: int, may: bool
) -> None:
    space = Space(free * MIB, 100 * GIB)
    assert may_write(space, Reserve(), wrote * MIB, size * MIB, ahead=ahead * MIB) is may


@given(st.integers(1, 50), st.lists(st.integers(1, 32 * MIB), max_size=40))
def test_who_writes_much_never_takes_the_disk_below_the_reserve(
    size: int, answers: list[int]
) -> None:
    total = size * GIB
    least, free, wrote = Reserve().of(total), total // 10, 0
    for answer in answers:
        if may_write(Space(free, total), Reserve(), wrote, answer):
            free, wrote = free - 2 * answer, wrote + answer
    assert free >= least - 2 * max(least // 100, 256 * KIB)
