"""What a sweep has seen: a set that keeps no ids, and answers what a set would."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.poller.seen_ids import SeenIds

IDS = st.lists(st.text(max_size=4) | st.integers(0, 400).map(str), max_size=300)


@given(st.lists(IDS, max_size=5), IDS)
def test_it_answers_what_a_set_would(pages: list[list[str]], others: list[str]) -> None:
    seen, model = SeenIds(), set[str]()
    for page in pages:
        seen.update(page)
        model.update(page)
        assert len(seen) == len(model)
        assert bool(seen) == bool(model)
        assert seen == model
        assert seen != model | {"another"}
        present = frozenset(others)
        assert present - seen == present - model
        assert isinstance(present - seen, frozenset)
        assert all((one in seen) == (one in model) for one in others)
    seen.clear()
    assert (len(seen), frozenset(others) - seen) == (0, frozenset(others))


def test_an_id_takes_24_bytes_at_most() -> None:
    seen = SeenIds()
    seen.update(map(str, range(100_000)))
    assert sys.getsizeof(seen._keys) <= 24 * 100_000
    with pytest.raises(TypeError):
        list(seen)
