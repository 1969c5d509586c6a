"""Chatwoot's versions: rows that lack keys, what stands in for them, and what a quiet poll costs.

The table of keys is the tests' own, from the tags of Chatwoot's source and from servers of v2.16.0,
v3.16.0 and v4.15.1.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from tests.providers.chatwoot_harness import (
    NOW,
    account,
    chatwoot,
    envelope,
    ids,
    one,
    parse,
    shape,
    walk,
)
from watcher.model import Event, Snapshot
from watcher.pipeline import Sighting, SourcePolicy, decide, sanitize
from watcher.providers import Check, Poll
from watcher.records import SourceState

KEYS: Mapping[str, tuple[int, int, int]] = {
    "last_activity_at": (2, 17, 0),
    "priority": (2, 17, 0),
    "uuid": (2, 18, 0),
    "waiting_since": (3, 0, 0),
    "sla_policy_id": (3, 7, 0),
    "updated_at": (4, 0, 2),
    "applied_sla": (4, 1, 0),
}
"""Since when a row has each of these keys."""

VERSIONS = ((2, 16, 0), (2, 17, 0), (2, 18, 0), (3, 0, 0), (3, 16, 0), (4, 0, 2), (4, 15, 1))
MESSAGE_KEYS = (
    "content_type", "content_attributes", "additional_attributes", "sender_type", "private",
    "processed_message_content", "sentiment", "updated_at", "source_id",
)  # fmt: skip
POLL = Poll(timedelta(seconds=30), NOW - timedelta(seconds=40))
BASELINE = NOW - timedelta(days=1)
STATE = SourceState("s", "chatwoot", "a", baselined=BASELINE, baseline_started=BASELINE)


def row(version: tuple[int, int, int], **over: Any) -> dict[str, Any]:
    """Return a row as a server of this version shows it."""
    full = {**copy.deepcopy(shape("show_v4_15")), "applied_sla": {"sla_status": "active"}}
    active = {"timestamp": full["last_activity_at"]}
    lacks = [key for key, since in KEYS.items() if version < since]
    return {key: value for key, value in {**full, **active, **over}.items() if key not in lacks}


def told(*rows: Mapping[str, Any]) -> list[Event]:
    """Return what is told while a conversation is looked at again and again."""
    known: dict[str, Snapshot] = {}
    events: list[Event] = []
    for number, plain in enumerate(rows):
        page = sanitize(parse(envelope([copy.deepcopy(dict(plain))])))
        assert page.complaints == ()
        assert page.missing == ()
        sent = NOW + timedelta(seconds=30 * number)
        sighting = Sighting(sent, sent + timedelta(milliseconds=80), {}, BASELINE)
        state = STATE if number else SourceState("s", "chatwoot", "a")
        policy = SourcePolicy("s", "chatwoot", "a", ())
        commit = decide(policy, state, known, page.rows, sighting).commit
        for snapshot in commit.snapshots if commit else ():
            known[snapshot.conversation.id] = snapshot
        events += commit.events if commit else ()
    return events


def test_the_older_key_stands_in_for_the_last_activity() -> None:
    newest = row((4, 15, 1))
    (seen,) = parse(envelope([row((2, 16, 0))])).rows
    assert seen.fields["last_activity_at"] == one().fields["last_activity_at"]
    (both,) = parse(envelope([{**newest, "timestamp": 5}])).rows
    assert both.fields["last_activity_at"] == one().fields["last_activity_at"]


@pytest.mark.parametrize(("old", "new"), list(pairwise(VERSIONS)))
def test_neither_an_upgrade_nor_a_downgrade_is_a_change(old: Any, new: Any) -> None:
    assert told(row(old), row(new), row(old), row(new)) == []


def test_from_the_oldest_to_the_newest_version_and_back_only_real_changes_are_told() -> None:
    oldest, newest = VERSIONS[0], VERSIONS[-1]
    quiet = [row(version) for version in (oldest, newest, oldest)]
    assert told(*quiet) == []
    renamed = [{**one_row, "labels": ["vip"]} for one_row in (row(newest), row(oldest))]
    assert [e.type for e in told(quiet[0], *renamed)] == ["conversation.labels_changed"]
    urgent = row(newest, priority="urgent")
    assert [e.type for e in told(quiet[0], row(newest), urgent, quiet[0], urgent)] == [
        "conversation.priority_changed"
    ]


@pytest.mark.parametrize("key", sorted({*KEYS, "first_reply_created_at", "muted"}))
def test_a_key_that_appears_or_vanishes_is_never_a_change(key: str) -> None:
    full = row((4, 15, 1))
    bare = {name: value for name, value in full.items() if name != key}
    assert key in full
    assert told(full, bare, full) == []
    assert told(bare, full, bare) == []


@pytest.mark.parametrize("message_type", [0, 1])
@pytest.mark.parametrize("key", MESSAGE_KEYS)
def test_a_key_of_a_message_that_appears_or_vanishes_is_never_a_change(
    key: str, message_type: int
) -> None:
    full = row((4, 15, 1))
    message = {
        **full["last_non_activity_message"],
        "message_type": message_type,
        "attachments": [{"file_type": "image"}],
        "additional_attributes": {"campaign_id": 1},
        "content_attributes": {"email": {"subject": "Invoice"}},
        "sentiment": {},
        "source_id": None,
        "processed_message_content": "x",
    }
    assert key in message
    less = {name: value for name, value in message.items() if name != key}
    full, bare = ({**full, "last_non_activity_message": one} for one in (message, less))
    assert told(full, bare, full) == []
    assert told(bare, full, bare) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_a_poll_of_a_quiet_account_costs_one_request(version: tuple[int, int, int]) -> None:
    quiet = account(300, size=25, version=version)
    provider = chatwoot()
    walk(provider, quiet, Check())
    for _ in range(3):
        quiet.asked.clear()
        walk(provider, quiet, POLL)
        assert len(quiet.asked) == 1


@pytest.mark.parametrize("version", VERSIONS)
def test_a_poll_sees_what_is_new_on_every_version(version: tuple[int, int, int]) -> None:
    busy = account(300, size=25, version=version)
    provider = chatwoot()
    walk(provider, busy, Check())
    for number in range(1, 40):
        busy.bump(number)
    assert set(walk(provider, busy, POLL).ids) >= set(ids(*range(1, 40)))
