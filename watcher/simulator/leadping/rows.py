"""Leadping's rows in the shape of each month; the drift is dated from its SDKs' history.

Rules: pure.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from watcher.simulator.contract import newest_event
from watcher.simulator.state import Message, State

__all__ = ["Era", "lead", "row"]

Era = Literal["seed", "june", "august", "september"]
"""`seed`: the oldest page. `june`: + phone number, status, category, source. `august`: + e-mail,
note flag, avatar, and `currentDisposition` is `currentLeadStatus`. `september`: + fuller errors."""


def iso(at: datetime | None, digits: int) -> str | None:
    """Format a time with this many fraction digits, as .NET does with up to seven."""
    if at is None:
        return None
    utc = at.astimezone(UTC)
    fraction = f"{utc.microsecond:06d}0"[:digits]
    return utc.strftime("%Y-%m-%dT%H:%M:%S") + (f".{fraction}" if digits else "") + "Z"


def row(state: State, unread: bool, era: Era, digits: int = 3) -> dict[str, Any]:
    """Return a `ConversationResponse`."""
    contact, event = state.contact, newest_event(state)
    first, _, last = (contact.name or "").partition(" ")
    number = {"id": f"number-{state.inbox.id}", "name": "Main line", "value": "+15550100100"}
    shown: dict[str, Any] = {
        "id": state.id,
        "leadId": contact.id,
        "firstName": first or None,
        "lastName": last or None,
        "lastSnippet": _snippet(state.message),
        "lastEventAt": None if event is None else iso(event.at, digits),
        "statusReason": state.attributes.get("statusReason"),
        "isArchived": state.archived,
        "archivedAt": iso(state.archived_at, digits),
        "archiveReason": state.archive_reason,
        "nextStep": state.attributes.get("nextStep"),
        "isUnread": unread,
        "phoneNumber": number,
        "outboundPhoneNumberOverrideId": None,
        "activeOutboundPhoneNumberId": state.attributes.get("activeOutboundPhoneNumberId"),
    }
    late = era in ("august", "september")
    shown["currentLeadStatus" if late else "currentDisposition"] = _outcome(state, era, digits)
    if era != "seed":
        shown |= {"leadPhoneNumber": contact.phone, "status": state.status}
    if late:
        note = isinstance(event, Message) and event.direction == "internal"
        shown |= {"email": contact.email, "avatarUrl": None, "lastEventIsInternalNote": note}
    return shown


def _snippet(message: Message | None) -> str | None:
    """Return the preview; a call or a picture without words has none."""
    return None if message is None or message.text is None else message.text[:120]


def lead(state: State, digits: int = 3) -> dict[str, Any]:
    """Return the answer of `GET /leads/{id}`, as far as a watcher looks at it."""
    first, _, last = (state.contact.name or "").partition(" ")
    return {
        "id": state.contact.id,
        "firstName": first or None,
        "lastName": last or None,
        "email": state.contact.email,
        "phoneNumber": state.contact.phone,
        "deletedAt": iso(state.gone_at, digits),
        "deletedByUserId": None,
    }


def _outcome(state: State, era: Era, digits: int) -> dict[str, Any] | None:
    outcome = state.disposition
    if outcome is None:
        return None
    shown: dict[str, Any] = {
        "id": outcome.id,
        "outcome": outcome.outcome,
        "displayName": outcome.label,
        "changedAt": iso(outcome.changed_at, digits),
        "changedByUserId": outcome.changed_by,
        "changedByAutomationId": None,
    }
    if era != "seed":
        source = "User" if outcome.changed_by else "System"
        shown |= {"category": outcome.category, "source": source}
    return shown
