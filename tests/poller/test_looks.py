"""The last looks at a source: as they were noted, and never more than are kept."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.support.make import T0
from watcher.looks import MOST_LOOKS, Looks
from watcher.model import rfc3339

NOTED = st.tuples(
    st.sampled_from(["poll", "sweep"]), st.sampled_from(["ok", "incomplete", "failed"])
)


@given(st.lists(NOTED, max_size=3 * MOST_LOOKS))
def test_the_last_looks_are_kept_as_they_were(noted: list[tuple[str, str]]) -> None:
    looks = Looks()
    for number, (kind, ended) in enumerate(noted):
        looks.note(T0 + timedelta(seconds=number), kind, ended)  # type: ignore[arg-type]
    assert looks.to_plain() == [
        {"at": rfc3339(T0 + timedelta(seconds=number)), "kind": kind, "ended": ended}
        for number, (kind, ended) in [*enumerate(noted)][-MOST_LOOKS:]
    ]
