"""HighLevel's two shapes of a conversation: the row of the search index, and GET by id.

Rules: pure. Facts are from HighLevel's published spec (eleven fields of the row) and from captured
real answers (the other twenty: numbers in epoch milliseconds, `sort` equal to `lastMessageDate`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from watcher.simulator.contract import newest_event
from watcher.simulator.state import Activity, Message, State
from watcher.simulator.waiting import ANSWERS

__all__ = ["by_id", "last_message_date", "manual_message_date", "millis", "row"]

MESSAGE_TYPES = {
    "sms": "TYPE_SMS",
    "email": "TYPE_EMAIL",
    "whatsapp": "TYPE_WHATSAPP",
    "webchat": "TYPE_LIVE_CHAT",
    "facebook": "TYPE_FACEBOOK",
    "instagram": "TYPE_INSTAGRAM",
    "call": "TYPE_CALL",
}
CALLS = {"call": "TYPE_CALL", "voicemail": "TYPE_CAMPAIGN_VOICEMAIL"}
"""What is no message of words; a picture or a file shows by nothing but an empty body."""
CAMPAIGNS = {
    "sms": "TYPE_CAMPAIGN_SMS",
    "email": "TYPE_CAMPAIGN_EMAIL",
    "facebook": "TYPE_CAMPAIGN_FACEBOOK",
}
TYPES = {"email": ("TYPE_EMAIL", 2), "facebook": ("TYPE_FB_MESSENGER", 3)}
"""The conversation's own type: text in the list, a number in GET by id; else the phone's."""
PHONE = ("TYPE_PHONE", 1)
STAMP_APART = 250
"""HighLevel stamps one message a few hundred milliseconds apart in its fields (observed)."""


def millis(at: datetime) -> int:
    """Return epoch milliseconds."""
    return int(at.timestamp()) * 1000 + at.microsecond // 1000


def last_message_date(state: State) -> int:
    """Return the sort value: the newest line's time, activity included, or the creation's."""
    event = newest_event(state)
    return millis(state.created_at if event is None else event.at)


def manual_message_date(state: State) -> int:
    """Return when a person last wrote, in either direction; 0 without any such line."""
    return 0 if state.manual_at is None else millis(state.manual_at) - STAMP_APART


def row(
    state: State, location: str, columns: State | None = None, *, as_strings: bool = False
) -> dict[str, Any]:
    """Return a row of the search; keys without a value are absent, as observed. `columns` is the state by
    which it was sorted, where its messages and counts were read later.
    """
    contact, place = state.contact, last_message_date(columns or state)
    date = place if newest_event(state) is None else last_message_date(state)

    def number(value: int) -> int | str:
        return str(value) if as_strings else value

    shown: dict[str, Any] = {
        "id": state.id,
        "contactId": contact.id,
        "locationId": location,
        "type": TYPES.get(state.inbox.channel, PHONE)[0],
        "unreadCount": number(state.unread),
        "lastMessageDate": number(date),
        "dateAdded": number(millis(state.created_at)),
        "dateUpdated": number(millis(state.updated_at)),
        "contactName": contact.name or contact.phone,
        "email": contact.email,
        "phone": contact.phone,
        "companyName": state.attributes.get("companyName"),
        "starred": state.starred,
        "deleted": _trashed(state),
        "inbox": _in_inbox(state),
        "tags": list(state.labels),
        "followers": list(state.followers),
        "mentions": [],
        "scoring": [],
        "attributed": None,
        "sort": [place],
    }
    shown |= _last_line(state)
    if contact.name is not None:
        shown["fullName"] = contact.name
    if state.assignee is not None:
        shown |= {"assignedTo": state.assignee.id, "userId": state.assignee.id}
    if state.manual_at is not None:
        shown["lastManualMessageDate"] = number(manual_message_date(state))
    if state.outbound_by is not None:  # of the last outbound one, whatever came after it
        manual = state.outbound_by in ANSWERS
        shown["lastOutboundMessageAction"] = "manual" if manual else "automated"
    if "opportunity_status" in state.attributes:
        shown["opportunities"] = [{"status": state.attributes["opportunity_status"]}]
    return shown


def by_id(state: State, location: str) -> dict[str, Any]:
    """Return GET by id: flat, no last message, no dates, and the type a number."""
    shown: dict[str, Any] = {
        "id": state.id,
        "contactId": state.contact.id,
        "locationId": location,
        "deleted": _trashed(state) or state.gone_at is not None,
        "inbox": _in_inbox(state),
        "type": TYPES.get(state.inbox.channel, PHONE)[1],
        "unreadCount": state.unread,
        "starred": state.starred,
    }
    if state.assignee is not None:
        shown["assignedTo"] = state.assignee.id
    return shown


def _last_line(state: State) -> dict[str, Any]:
    """Return what the row shows of the newest line, which may be the system's own."""
    line = newest_event(state)
    if line is None:  # an empty conversation, as a CSV import makes them
        return {"lastMessageType": "TYPE_NO_SHOW", "lastMessageBody": ""}
    if isinstance(line, Activity):
        return {"lastMessageType": line.type, "lastMessageBody": line.text}
    assert isinstance(line, Message)  # noqa: S101 - the union's other half
    note = line.direction == "internal"
    return {
        "lastMessageType": message_type(state.inbox.channel, line),
        "lastMessageBody": line.text or "",
        "lastMessageDirection": "inbound" if line.direction == "inbound" else "outbound",
        "isLastMessageInternalComment": note,
    }


def message_type(channel: str, line: Message) -> str:
    """Return the word for a message, the one thing that a row tells of what it is besides words."""
    if line.direction == "internal":
        return "TYPE_INTERNAL_COMMENT"
    if line.sender == "campaign" and channel in CAMPAIGNS:
        return CAMPAIGNS[channel]
    return next((CALLS[kind] for kind in line.attachments if kind in CALLS), MESSAGE_TYPES[channel])


def _trashed(state: State) -> bool:
    return state.archived and state.archive_reason == "trash"


def _in_inbox(state: State) -> bool:
    return not state.archived
