"""A key that rows gain or lose is no change, at any provider: an API grows, and an old server has less.

Chatwoot's keys, by version, are in `test_chatwoot_versions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.providers.test_waiting import hl, lp, play

ROWS: Mapping[str, dict[str, Any]] = {
    "highlevel": hl(
        "inbound", 0, tags=["vip"], starred=True, followers=["u2"], assignedTo="u1", unread=1,
        fullName="Ada", email="ada@example.com", phone="+15550100",
    ),
    "leadping": lp(0),
}  # fmt: skip
LEFT_OUT_WHEN_EMPTY = {"assignedTo", "email", "fullName", "phone"}
"""HighLevel's rows have no key for what is empty; that *all* rows lose one is another matter."""

THE_MESSAGE = {"lastMessageBody", "lastMessageDate", "lastMessageDirection"}
"""What HighLevel's last message, which has no id, is known by; and who wrote it says who waits."""

CASES = [
    (name, key)
    for name, row in ROWS.items()
    for key in sorted(row.keys() - {"id"} - LEFT_OUT_WHEN_EMPTY - THE_MESSAGE)
]


@pytest.mark.parametrize(("provider", "key"), CASES)
def test_a_key_that_appears_or_vanishes_is_no_change(provider: str, key: str) -> None:
    full = ROWS[provider]
    bare = {name: value for name, value in full.items() if name != key}
    for looks in ([full, bare, full], [bare, full, bare]):
        events, _ = play(provider, looks)
        assert [event for told in events for event in told] == []
