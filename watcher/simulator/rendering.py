"""How a server reads what it shows: not in one instant, and not what is not committed yet.

Rules: no wall clock; the only waiting is between the parts of a page, in the event loop's time. A page's rows
are chosen first, with the columns that they have then; afterwards each row's counts are read, and then
its lines. What happens in between shows in the part that is read later, so that a conversation that goes
stands there without its messages (seen on real servers). What a step of a deletion has taken from a row
(`State.torn`) is not shown either.

A change is stamped when it is made and seen when it is committed, up to `lag` seconds later; how much
later is drawn from the conversation and the time.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import anyio

from watcher.simulator.state import Account, Conversation, Message, Part, State
from watcher.simulator.waiting import ANSWERS

__all__ = ["committed", "fill", "filled_in"]


def committed(conversation: Conversation, now: datetime, lag: float) -> State | None:
    """Return the state that others see at a time, None where not even the beginning is committed."""
    longest = timedelta(seconds=lag)
    for at, state in reversed(conversation.history):
        since = now - at
        if since >= longest or since >= longest * _luck(conversation, at):
            return state
    return None


def _luck(conversation: Conversation, at: datetime) -> float:
    return zlib.crc32(f"{conversation.id} {at.timestamp()}".encode()) / 2**32


async def fill(
    account: Account,
    page: Sequence[State],
    seconds: float,
    read: Callable[[Conversation], State | None],
) -> list[State]:
    """Return what the rows of a page show, which takes `seconds`; `read` returns what is committed.

    The server pauses before the first row and in its midst, and again in the middle of the page.
    """
    if not seconds:
        return [filled_in(state, state, state) for state in page]
    filled = []
    pauses = {0, len(page) // 2}
    for number, columns in enumerate(page):
        conversation = account.conversations[columns.id]
        if number in pauses:
            await anyio.sleep(seconds / 2 / len(pauses))
        counts = read(conversation)
        if number in pauses:
            await anyio.sleep(seconds / 2 / len(pauses))
        filled.append(filled_in(columns, counts, read(conversation)))
    return filled


def filled_in(columns: State, counts: State | None, lines: State | None) -> State:
    """Return what a row shows whose columns, counts and lines are of these times (None: gone)."""
    if columns is counts is lines and not columns.torn:
        return columns
    # What is torn is torn as a whole: counts go with the messages that they count.
    torn = columns.torn if lines is None else lines.torn
    shown: dict[str, Any] = {**_counts(counts, torn), **_lines(lines)}
    if lines is not None:
        shown["orphan"] = lines.orphan
    if "contact" in torn:
        shown["contact"] = replace(columns.contact, name=None, email=None, phone=None)
    return replace(columns, **shown)


def _counts(state: State | None, torn: frozenset[Part]) -> dict[str, Any]:
    """Return what is counted of a conversation of which a part may not be shown."""
    if state is None or state.gone_at is not None or "messages" in torn:
        return {"unread": 0, "inbound": ()}
    unread, inbound = state.unread, state.inbound
    if "newest" in torn and inbound and state.message and inbound[-1][1] == state.message.id:
        unread, inbound = max(0, unread - 1), inbound[:-1]
    return {"unread": unread, "inbound": inbound}


def _lines(state: State | None) -> dict[str, Any]:
    """Return what is read of the messages of a conversation, and what is derived from them."""
    if state is None or state.gone_at is not None or "messages" in state.torn:
        return {"message": None, "recent": (), "activities": ()}
    recent, activities = state.recent, state.activities
    outbound_by, manual_at = state.outbound_by, state.manual_at
    if "newest" in state.torn and recent:
        # Who does not read the newest message reads no line that was written after it, nor who wrote it.
        activities = tuple(line for line in activities if line.id < recent[-1].id)
        *others, newest = recent
        recent = tuple(others)
        if newest.direction == "outbound":
            outbound = [line.sender for line in recent if line.direction == "outbound"]
            outbound_by = outbound[-1] if outbound else None
        if _is_manual(newest):
            manual_at = max((line.at for line in recent if _is_manual(line)), default=None)
    return {
        "message": recent[-1] if recent else None,
        "recent": recent,
        "activities": activities,
        "outbound_by": outbound_by,
        "manual_at": manual_at,
    }


def _is_manual(message: Message) -> bool:
    """Return whether a person wrote a message, on either side."""
    return message.direction != "outbound" or message.sender in ANSWERS
