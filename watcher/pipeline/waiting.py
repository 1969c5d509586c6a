"""Who waits for an answer: a conversation's `waiting_since`, carried on from row to row.

Rules: pure. A row shows the last message alone, so a wait that has begun goes on until a row shows its
end: a person's message, or the archive. What a machine sends, notes, and rows that show no last message
end nothing; a row that shows an older message than the one known ends nothing, and begins a wait only
where a note or a machine's text stood above it, which no answer can have been below. Where a wait
began or ended between two looks, what the row shows besides (`Observation.evidence`) counts, as far as
it proves something.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from watcher.diff import WaitEnd, is_older, message_change
from watcher.merge import Known
from watcher.model import Conversation, Evidence, Message, Observation

__all__ = ["Wait", "first_wait", "follow", "remember_answer", "waits"]

Author = Literal["customer", "person", "other"]
"""`person` is one of ours; `other` is a machine, a note, nobody, or whom the row does not tell."""


AT_ONCE = timedelta(seconds=5)
"""A conversation that is made by a message is this much older at most, by the provider's clocks."""


@dataclass(frozen=True, slots=True)
class Wait:
    """What a row comes to."""

    since: datetime | None
    """Since when the customer waits, None where nobody does."""

    ended: WaitEnd | None = None
    """How the wait that was known ended; another one may have begun since."""


def waits(known: Known, since: datetime | None) -> Known:
    """Return what is known with this time as the conversation's `waiting_since`."""
    if known.conversation.waiting_since == since:
        return known
    conversation = dataclasses.replace(known.conversation, waiting_since=since)
    return dataclasses.replace(known, conversation=conversation)


def remember_answer(old: Known | None, new: Known, row: Observation) -> Known:
    """Return what is known after a row, with the latest answer that was shown while nobody waited: a later
    line may hide it, a survey for instance.
    """
    # What was answered before a wait began says nothing of its end.
    if new.conversation.waiting_since is not None:
        return new
    message = new.conversation.last_message
    said = message.at if message is not None and _author(message, row) == "person" else None
    before = old.evidence.answered_at if old is not None else None
    times = [at for at in (said, before, row.evidence.answered_at) if at is not None]
    answered = max(times, default=None)
    if answered == new.evidence.answered_at:
        return new
    return dataclasses.replace(
        new, evidence=dataclasses.replace(new.evidence, answered_at=answered)
    )


def follow(
    old: Known | None, new: Known, row: Observation, *, seen: datetime, returned: bool = False
) -> Wait:
    """Return who waits after a row.

    `old` is what was known before it, None for a conversation that is seen for the first time; `new`
    is what is known after it; `seen` is the present by the provider's clock, which
    stands for times that it does not show. One that has
    `returned` waits on if it waited, and is looked at as a new one otherwise.
    """
    if old is None:
        return Wait(first_wait(new, row))
    was = old.conversation.waiting_since
    if was is None:
        return Wait(first_wait(new, row) if returned else _begun(old, new, row))
    answered = _answered(was, old, new, row, seen)
    if answered is not None:
        return Wait(_begun(old, new, row, answered), WaitEnd("answered", answered))
    if new.conversation.archived:
        return Wait(None, WaitEnd("closed", _closed_at(old, new, seen)))
    return Wait(was)


def first_wait(new: Known, row: Observation) -> datetime | None:
    """Return since when the customer of a conversation waits that was not known before."""
    clues, now = row.evidence, new.conversation
    # What is archived waits for nobody: a message that wants an answer brings it back.
    if now.archived:
        return None
    match _author(now.last_message, row):
        case "customer":
            at = now.last_message.at if now.last_message else None
            return _unanswered(clues, clues.waits_since, at)
        case "other":
            asked = clues.asked_at if clues.unanswered else None
            return _unanswered(clues, clues.waits_since or asked)
    return None


def _begun(
    old: Known, new: Known, row: Observation, answered: datetime | None = None
) -> datetime | None:
    """Return since when the customer waits, where nobody waited before or until `answered`."""
    was, now, clues = old.conversation, new.conversation, row.evidence
    if now.archived:
        return None
    author, message = _author(now.last_message, row), now.last_message
    change, shown = message_change(old, new), "last_message" in row.fields
    if author == "person" and shown:
        return None
    at = message.at if message is not None else None
    # An end of the archive leaves the customer waiting whose message was never answered.
    if was.archived and change != "new":
        asked = at if author == "customer" else None
        # Below an activity line, what was answered meanwhile shows by what went out alone.
        if asked is not None and not shown and clues.by_person:
            asked = None if _nobody_wrote_before(asked, old, new) else asked
        # Both may be older than an answer that is known and that this look hides.
        spoke = at if author == "person" else old.evidence.answered_at
        open_ = (one for one in (clues.waits_since, asked) if _unanswered_by(one, spoke))
        return _unanswered(clues, *open_)
    # The provider's own time may be that of a wait which is over: so is what the last look showed, too.
    own = clues.waits_since
    known_before = own == old.evidence.waits_since or not _is_later(own, _known_until(was))
    if known_before or not _unanswered_by(own, answered):
        own = None
    # A row may tell later what it left out at first: who wrote the message.
    told = change == "new" or (_same(old, new) and _author(was.last_message, row) != author)
    told = told or _uncovered(old, new)
    if author == "customer" and told:
        return _unanswered(clues, own, at)
    if own is not None:
        return _unanswered(clues, own)
    # Something became unread below a line of ours, or below one that is not shown.
    if clues.asked_at is None or not _rose(was, now) or (shown and change != "new"):
        return None
    # Which came first, the answer or these words, is not shown: what is doubtful ends no wait.
    if _is_later(clues.asked_at, _known_until(was)) and _unanswered_by(clues.asked_at, answered):
        return _unanswered(clues, clues.asked_at)
    came = at if change == "new" and at is not None else now.last_activity_at
    # What nobody had seen came no sooner than our answer that was known.
    if author == "person" and at is not None and came is not None:
        came = max(came, at)
    return _unanswered(clues, came)


def _answered(
    was: datetime, old: Known, new: Known, row: Observation, seen: datetime
) -> datetime | None:
    """Return when the customer who has waited since `was` was answered, None where that is not shown."""
    clues, message = row.evidence, new.conversation.last_message
    if message is not None and _author(message, row) == "person":
        later = message.at is not None and message.at > was
        # Of the same second, or without a time, only another message than the one known is an answer.
        same_time = message.at is None or message.at == was
        if later or (same_time and message_change(old, new) == "new"):
            return message.at or seen
    if clues.answered_at is not None and clues.answered_at > was:
        return clues.answered_at
    if clues.by_person and _nobody_wrote_before(was, old, new):
        # It is no newer than what was written last, which a note or an activity line stands above.
        shown = message.at if message is not None and "last_message" in row.fields else None
        return max(was, clues.asked_at or shown or new.conversation.last_activity_at or seen)
    # The provider's own stamp may have moved on, but a bot's text between two looks moves it, too.
    return None


def _nobody_wrote_before(was: datetime, old: Known, new: Known) -> bool:
    """Return whether no message of a person had gone out when the wait began, or at the last look.

    Only then does one that has gone out answer it: a row shows that there is one, not when it was.
    """
    created = new.conversation.created_at
    first = created is not None and was - created <= AT_ONCE
    return old.evidence.by_person is False or (first and old.evidence.by_person is None)


def _author(message: Message | None, row: Observation) -> Author:
    """Return who wrote a message, as far as it is known."""
    if message is None:
        return "other"
    if message.direction == "inbound":
        return "customer"
    # Where a provider does not tell machines from people, what goes out is a person's.
    if message.direction == "outbound" and not message.automated and not row.evidence.unclear:
        return "person"
    return "other"


def _same(old: Known, new: Known) -> bool:
    """Return whether the last message is the one that was known, perhaps told in more detail."""
    a, b = old.conversation.last_message, new.conversation.last_message
    if a is None or b is None or a.at != b.at:
        return False
    return None in (old.message_id, new.message_id) or old.message_id == new.message_id


def _uncovered(old: Known, new: Known) -> bool:
    """Return whether the last message stood below one that is gone and was nobody's answer.

    An answer to it would have stood between the two, and would be the last message now. Where the answer
    itself is gone, the customer had it all the same.
    """
    was, now = old.conversation.last_message, new.conversation.last_message
    if was is None or now is None or not is_older(now, was, new.message_id, old.message_id):
        return False
    # Who wrote a line that could not be read is not known: it may have been an answer.
    return was.direction == "internal" or (was.direction == "outbound" and was.automated is True)


def _known_until(was: Conversation) -> datetime | None:
    """Return the time of the last that was known: what is not later is no news."""
    if was.last_message is not None and was.last_message.at is not None:
        return was.last_message.at
    return was.last_activity_at


def _closed_at(old: Known, new: Known, seen: datetime) -> datetime:
    """Return when a conversation was archived: its last activity, if that moved."""
    active = new.conversation.last_activity_at
    return seen if active is None or active == old.conversation.last_activity_at else active


def _rose(was: Conversation, now: Conversation) -> bool:
    """Return whether more is unread than was."""
    if was.unread_count is not None and now.unread_count is not None:
        return now.unread_count > was.unread_count
    return now.unread and not was.unread


def _unanswered(clues: Evidence, *times: datetime | None) -> datetime | None:
    """Return the first of the times after which no person has written."""
    open_ = (at for at in times if at is not None and _unanswered_by(at, clues.answered_at))
    return min(open_, default=None)


def _unanswered_by(at: datetime | None, answered: datetime | None) -> bool:
    """Return whether a message of this time came no sooner than the answer."""
    return at is not None and (answered is None or at >= answered)


def _is_later(at: datetime | None, than: datetime | None) -> bool:
    return at is not None and (than is None or at > than)
