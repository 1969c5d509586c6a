"""What one row lost: is it gone, or only missing from this look?

Rules: pure. An answer is not one instant: a server reads the rows first, then each row's messages,
counts and contact, and it deletes in steps. So a value that is lost without something newer in its place
is not believed from one look: the row counts as if it had not shown it. It is believed when an answer
that was asked for a minute later, by our clock, shows the same; a removal takes its place at any time. What
else the row shows is believed at once, and a row that is whole again ends the doubt silently. A row may
hide what is in doubt, below an activity line for good: what else it lost is believed like any loss.

The neighbour is `watcher.pipeline.schema_drift`: what *all* rows lose together with its key is a changed
API, which only other rows can settle; what one row loses, only time can. A row is stripped of the former
first, and what is stripped neither confirms nor ends a doubt.

Nobody can tell what a row lost that is seen for the first time: it is told as it is shown. A conversation
in which nobody wrote has no message, so one that is new is told as created even if it is on its way out.
Where it was there before the baseline, nothing is told of it by that, nor when its old message
shows (`never_shown`), unless it was told as created: Leadping shows no creation time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from watcher.catalogue.fields import CONTACT
from watcher.diff import is_older, shows_time_alone
from watcher.merge import Known
from watcher.model import Doubt, Message, Observation, Snapshot, derive_id
from watcher.pipeline.baseline import older
from watcher.pipeline.schema_drift import value_at, without
from watcher.providers import Parts

__all__ = ["STANDS", "believe", "look_again", "never_shown", "without_lost_message"]

STANDS = timedelta(minutes=1)
"""How long a loss must have stood, from the answer that first showed it to the request that does again."""

LOOKS_A_POLL = 3
"""Rows in doubt that one poll asks for; the longest wait goes first, so none starves."""

LONGEST_PAUSE = timedelta(hours=1)
"""How long a row in doubt is left alone whose look-ups settle nothing; until then the pauses double."""

_CONTACT = tuple(f"contact.{leaf}" for leaf in CONTACT)

_TOLD = ("conversation.created", "conversation.message", "conversation.updated")
"""The events by which somebody may know that a conversation had no message."""


def believe(
    old: Known,
    doubt: Doubt | None,
    row: Observation,
    parts: Parts,
    *,
    sent: datetime,
    received: datetime,
    vanished: frozenset[str] = frozenset(),
) -> tuple[Observation, Doubt | None]:
    """Return what of a row is believed, and the doubt about the rest.

    `old` is what was known before it, `doubt` what was doubted then, and `parts` what the provider may
    show torn; `sent` and `received` are the times of the answer. `vanished` are the paths that the row was
    stripped of because all rows of the page lost them.
    """
    lost = {part: _lost(old, row, part) for part in parts}
    # A look that does not show what is in doubt proves nothing either way.
    unshown = _hidden(old, doubt, row, parts)
    hidden = unshown | (vanished & parts.keys())
    fell = {part: {path for path in parts[part] if _fell(old, row, path)} for part in parts}
    held = set[str]().union(*lost.values())
    held |= set[str]().union(*(fell[part] for part in parts if lost[part] or part in hidden))
    # What goes with a part that one row hides has to stand like a loss: none need show that part again.
    # Where all rows lost its key, time proves nothing.
    if not any(lost.values()) and not any(fell[part] for part in unshown - vanished):
        return _strip(old, row, held), doubt if hidden else None
    # What was in doubt and does not show stays in doubt beside what is lost besides.
    doubted = tuple(sorted(held | _doubted(doubt, hidden, parts)))
    shown = derive_id(repr([(path, _mark(row, path)) for path in doubted]))
    same = doubt is not None and (doubt.lost, doubt.shown) == (doubted, shown)
    # A time in the future is from before our clock was set back: the minute begins again.
    if doubt is None or not same or doubt.since > received:
        doubt = Doubt(received, doubted, shown)
    elif sent - doubt.since >= STANDS:
        return row, None
    return _strip(old, row, held), doubt


def without_lost_message(old: Known, row: Observation, parts: Parts) -> Known:
    """Return what was known before a row that is believed, without the message that it lost: where nothing
    but a time stands in its place, its words are not that one's.
    """
    message = row.fields.get("last_message")
    bare = row.no_words and message is not None and shows_time_alone(message)
    if not bare or "last_message" not in parts or not _message_lost(old, row):
        return old
    conversation = dataclasses.replace(old.conversation, last_message=None)
    return dataclasses.replace(old, conversation=conversation, message_id=None)


def never_shown(
    snapshot: Snapshot, row: Observation, parts: Parts, baseline_started: datetime | None
) -> frozenset[str]:
    """Return the paths that count as shown for the first time by a row, though earlier ones had them.

    A message older than the baseline, in a conversation that was first seen without one, was there
    all along: with what belongs to it, it is no news. Where somebody was told that there was none, it is.
    """
    message = row.fields.get("last_message")
    if message is None or snapshot.conversation.last_message is not None:
        return frozenset()
    if not older(message.at, baseline_started) or any(one in snapshot.counts for one in _TOLD):
        return frozenset()
    return frozenset({"last_message"}) | parts.get("last_message", frozenset())


def look_again(
    doubts: Mapping[str, datetime], asked: Mapping[str, datetime], now: datetime
) -> tuple[str, ...]:
    """Return the rows to ask for now, because no poll may ever show them again.

    `doubts` are the rows in doubt with when that began, `asked` when they were asked for last.
    """
    due = {key: _due(since, asked.get(key), now) for key, since in doubts.items()}
    ready = sorted((at, key) for key, at in due.items() if at <= now)
    return tuple(key for _, key in ready[:LOOKS_A_POLL])


def _due(since: datetime, asked: datetime | None, now: datetime) -> datetime:
    # What lies in the future was noted before our clock was set back.
    if since > now or (asked is not None and asked > now):
        return now
    if asked is None or asked < since:
        return since + STANDS
    return asked + min(max(asked - since, STANDS), LONGEST_PAUSE)


def _lost(old: Known, row: Observation, part: str) -> frozenset[str]:
    """Return the paths of a part that the row lost, none where it has not lost the part."""
    if part == "last_message":
        return frozenset({part}) if _message_lost(old, row) else frozenset()
    if part != "contact":
        return frozenset({part}) if _is_gone(old, row, part) else frozenset()
    had = [path for path in _CONTACT if value_at(old.conversation, path)]
    gone = frozenset(path for path in had if _is_gone(old, row, path))
    # One detail may be taken out of a contact at any time; all of them at once are the contact itself.
    details = [path for path in _CONTACT if path != "contact.id"]
    bare = not any(row.fields.get(path) for path in details)
    whole = "contact.id" in gone or (bare and gone and gone >= set(had) - {"contact.id"})
    return gone if whole else frozenset()


def _message_lost(old: Known, row: Observation) -> bool:
    known = old.conversation.last_message
    if known is None:
        return False
    if "last_message" not in row.fields:
        # An activity line is the newest of all lines: what was later is gone.
        at = row.activity_at
        return at is not None and known.at is not None and at < known.at
    message = row.fields["last_message"]
    if message is None:
        return True
    if None not in (row.message_id, old.message_id):
        other = row.message_id != old.message_id
        return other and is_older(message, known, row.message_id, old.message_id)
    # Without ids, other words at the very same time are no newer message, nor is a message without any.
    same_time = message.at is not None and message.at == known.at
    words = bool(known.text) and message.text != known.text
    no_words = words and not message.text and message.at is None and known.at is not None
    return is_older(message, known) or (words and same_time) or no_words


def _is_gone(old: Known, row: Observation, path: str) -> bool:
    return path in row.fields and bool(value_at(old.conversation, path)) and not row.fields[path]


def _fell(old: Known, row: Observation, path: str) -> bool:
    """Return whether what goes with a lost part is empty or changed, other than by growing: that something
    came is no loss.
    """
    if path not in row.fields:
        return False
    was, now = value_at(old.conversation, path), row.fields[path]
    if was is None:
        return not now
    if was == now:
        return False
    grows = isinstance(was, int | datetime) and isinstance(now, int | datetime)
    return not (grows and now > was)


def _hidden(old: Known, doubt: Doubt | None, row: Observation, parts: Parts) -> frozenset[str]:
    """Return the parts in doubt that the row does not show."""
    # An activity line above the known message is something newer: a row that shows it lacks no lines.
    unsure = parts.keys() - ({"last_message"} if _stands_above(old, row) else set[str]())
    return frozenset(
        part
        for part in unsure
        if (mine := _of_part(doubt, part)) and not any(path in row.fields for path in mine)
    )


def _stands_above(old: Known, row: Observation) -> bool:
    """Return whether the newest line is an activity line that is later than the known message."""
    known = old.conversation.last_message
    if "last_message" in row.fields or row.activity_at is None or known is None:
        return False
    return known.at is not None and row.activity_at > known.at


def _of_part(doubt: Doubt | None, part: str) -> frozenset[str]:
    lost = doubt.lost if doubt is not None else ()
    return frozenset(path for path in lost if path == part or path.startswith(f"{part}."))


def _doubted(doubt: Doubt | None, hidden: frozenset[str], parts: Parts) -> frozenset[str]:
    """Return the paths that are in doubt because of parts that do not show now."""
    lost = frozenset(doubt.lost) if doubt is not None else frozenset()
    mine = [_of_part(doubt, part) | (lost & parts[part]) for part in hidden & parts.keys()]
    return frozenset[str]().union(*mine)


def _strip(old: Known, row: Observation, held: set[str]) -> Observation:
    stripped = without(row, frozenset(held)) if held else row
    if "last_message" not in held:
        return stripped
    # What a row tells of who waits for whom, it tells by its messages.
    return dataclasses.replace(stripped, message_id=None, evidence=old.evidence)


def _mark(row: Observation, path: str) -> Any:
    """Return what tells whether two looks show the same in place of what was lost."""
    value = row.fields.get(path, row.activity_at)
    # Two kinds of look may tell the same message in more or less detail.
    return (row.message_id, value.at) if isinstance(value, Message) else value
