"""What is remembered of rows: a table that does what a dictionary would, in a quarter of the memory."""

from __future__ import annotations

import sys
from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from tests.support.make import at
from watcher.poller.row_cache import RowCache, key_of
from watcher.providers import Observation

IDS = st.integers(0, 60).map(str)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(("look", "again", "forget", "all")),
        st.lists(IDS, max_size=9),
        st.booleans(),
    ),
    max_size=40,
)


def row(key: str, unread: bool = False) -> Observation:
    return Observation(key, {"unread": unread})


@given(STEPS)
def test_it_remembers_what_a_dictionary_would(steps: list[tuple[str, list[str], bool]]) -> None:
    cache, model = RowCache(), dict[str, tuple[bool, datetime]]()
    for number, (what, ids, unread) in enumerate(steps):
        now, ids = at(number + 0.123456), list(dict.fromkeys(ids))
        match what:
            case "look":
                fresh = cache.fresh([row(key, unread) for key in ids], now)
                alike = [key for key in ids if key in model and model[key][0] == unread]
                assert [one.id for one in fresh] == [key for key in ids if key not in alike]
                cache.keep(fresh, now)
                model |= dict.fromkeys(ids, (unread, now))
            case "again":
                known = [key for key in ids if key in model]
                cache.see_again(map(key_of, known), now)
                model |= {key: (model[key][0], now) for key in known}
            case "forget":
                cache.forget(ids)
                for key in ids:
                    model.pop(key, None)
            case _:
                cache.forget()
                model.clear()
    assert cache.seen(map(str, range(61))) == {
        key: seen for key, (_, seen) in sorted(model.items(), key=lambda one: int(one[0]))
    }


def test_a_conversation_takes_few_bytes_however_many_come_and_go() -> None:
    cache = RowCache()
    for begun in range(0, 20_000, 500):
        rows = [row(f"conversation-{number}") for number in range(begun, begun + 500)]
        cache.fresh(rows, at(0))
        cache.keep(rows, at(0))
        if begun >= 10_000:
            cache.forget(
                f"conversation-{number}" for number in range(begun - 10_000, begun - 9_500)
            )
    columns = (cache._keys, cache._prints, cache._times)
    assert sum(map(sys.getsizeof, columns)) <= 80 * 10_500
