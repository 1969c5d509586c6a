"""What a row of LeadConnector shows of its last line: the message, its channel, and who waits for whom.

Rules: pure. A row tells the last line alone, and of a message that went out before it only whether a
person or an automation sent it (`lastOutboundMessageAction`).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from watcher.model import NO_EVIDENCE, Direction, Evidence, Message
from watcher.providers.leadconnector.values import time
from watcher.providers.rows import Row, flag, known, text

__all__ = ["hides", "observe_message"]

CHANNELS = {
    "GROUP_SMS": "sms", "SMS_NO_SHOW_REQUEST": "sms", "SMS_REACTION": "sms",
    "SMS_REVIEW_REQUEST": "sms", "LIVE_CHAT": "webchat", "FB_MESSENGER": "facebook",
    "FACEBOOK_COMMENT": "facebook", "INSTAGRAM_COMMENT": "instagram", "TIKTOK_COMMENT": "tiktok",
    "IVR_CALL": "call", "VOICEMAIL": "call", "FORM_SUBMISSION": "form",
}  # fmt: skip
CAMPAIGNS = ("CAMPAIGN_MANUAL_", "CAMPAIGN_", "CUSTOM_PROVIDER_", "CUSTOM_")
KINDS = {
    "TYPE_PHONE": "sms", "TYPE_EMAIL": "email", "TYPE_FB_MESSENGER": "facebook",
    "TYPE_REVIEW": "review", "TYPE_GROUP_SMS": "sms",
    "1": "sms", "2": "email", "3": "facebook", "4": "review", "5": "sms",
}  # fmt: skip
"""A conversation's own `type`: text in the list, a number in GET by id (documented)."""

ACTIONS = {"automated": True, "manual": False}
"""Whether a machine sent the newest message that went out (observed)."""

MACHINES = ("TYPE_CAMPAIGN_", "TYPE_SMS_REVIEW_REQUEST", "TYPE_SMS_NO_SHOW_REQUEST")
"""Beginnings of the message types that only automations send."""

SAME = timedelta(seconds=5)
"""One message has several times that differ by less (observed)."""

DIRECTIONS: dict[str, Direction] = {"inbound": "inbound", "outbound": "outbound"}


def observe_message(row: Row, fields: dict[str, Any]) -> tuple[set[str], Evidence]:
    """Add `last_message` and `channel`; return which of them the row shows without their own key, and
    what it shows of who waits.
    """
    hidden = hides(row)
    gone = set() if hidden else _last_line(row, fields)
    message = fields.get("last_message")
    action = ACTIONS.get(known(row.text("lastOutboundMessageAction")) or "")
    direction = message.direction if message is not None else None
    asked = None
    # A line that is no answer stands above what people wrote; what nobody has read is the customer's.
    if direction == "internal" or hidden or _is_machine(message):
        asked = known(row.read("lastManualMessageDate", time)) or fields.get("last_activity_at")
    evidence = Evidence(
        asked_at=asked,
        unanswered=asked is not None and fields.get("unread") is True,
        by_person=None if action is None else not action,
        unclear=row.failed("lastOutboundMessageAction"),
    )
    return gone, NO_EVIDENCE if evidence == NO_EVIDENCE else evidence


def hides(row: Row) -> bool:
    """Return whether the last line is an activity line, which says nothing of the messages."""
    kind = known(row.text("lastMessageType")) or ""
    return kind.startswith("TYPE_ACTIVITY") or kind == "TYPE_LIVE_CHAT_INFO_MESSAGE"


def _is_machine(message: Message | None) -> bool:
    return message is not None and message.direction == "outbound" and message.automated is True


def _last_line(row: Row, fields: dict[str, Any]) -> set[str]:
    """Add the `last_message` and `channel` of a last line that hides nothing; return which have no key of
    their own.

    Activity lines (`TYPE_ACTIVITY_OPPORTUNITY`, …) become a row's last message too; they say
    nothing of the last real one, nor, like internal comments, of the channel.
    """
    kind = known(row.text("lastMessageType"))
    # A type that cannot be read may be an activity line's.
    if row.failed("lastMessageType"):
        return set()
    content = known(row.text("lastMessageBody"))
    at = known(row.read("lastMessageDate", time))
    # Nothing that could be read tells it from the one before.
    lost = content is None and at is None and row.failed("lastMessageBody", "lastMessageDate")
    if lost and kind != "TYPE_NO_SHOW":
        return _observe_channel(row, fields, kind)
    half = row.has("lastMessageBody") != row.has("lastMessageDate")  # a key vanished, no message
    if kind == "TYPE_NO_SHOW" or (content is None and at is None and not (kind and half)):
        # Observed on empty conversations that an import made.
        fields["last_message"] = None
        gone = not row.has("lastMessageType", "lastMessageBody", "lastMessageDate")
        return _observe_channel(row, fields, None) | ({"last_message"} if gone else set())
    comment = row.read("isLastMessageInternalComment", flag)
    internal = kind == "TYPE_INTERNAL_COMMENT" or comment is True
    direction = DIRECTIONS.get(known(row.text("lastMessageDirection")) or "")
    if internal:
        direction = "internal"
    elif row.failed("isLastMessageInternalComment"):
        direction = None  # it may be a comment
    fields["last_message"] = Message(
        text=content,
        direction=direction,
        type=_channel(kind),
        at=at,
        automated=_automated(row, kind, direction, at),
        attachments=_attachments(kind),
    )
    return set() if internal else _observe_channel(row, fields, kind)


def _automated(
    row: Row, kind: str | None, direction: Direction | None, at: datetime | None
) -> bool | None:
    """Return whether a machine sent the last message, None where the row does not show it."""
    if direction != "outbound":
        return False if direction == "inbound" else None
    action = ACTIONS.get(known(row.text("lastOutboundMessageAction")) or "")
    if action is not None:
        return action
    if (
        kind is not None
        and kind.startswith(MACHINES)
        and not kind.startswith("TYPE_CAMPAIGN_MANUAL")
    ):
        return True
    written = known(row.read("lastManualMessageDate", time))
    return None if written is None or at is None else at - written > SAME


def _attachments(kind: str | None) -> tuple[str, ...]:
    """Return what the last line is, where it is no text: a call or a voicemail."""
    word = _channel(kind)
    if word != "call":
        return ()
    return ("voicemail",) if "VOICEMAIL" in (kind or "") else ("call",)


def _observe_channel(row: Row, fields: dict[str, Any], kind: str | None) -> set[str]:
    """Add `channel`, by the message's type or else by the conversation's own.

    Return it where the row has no `lastMessageType`. Without that key, TYPE_PHONE proves nothing: it
    stands on conversations of any channel.
    """
    own = known(row.read("type", text))
    named = KINDS.get(own or "")
    if kind:
        fields["channel"] = _channel(kind) or named
    elif row.has("lastMessageType"):
        if row.has("type") and not row.failed("type"):
            fields["channel"] = named
    elif named is not None and own not in ("TYPE_PHONE", "1"):
        fields["channel"] = named
        return {"channel"}
    return set()


@lru_cache(maxsize=256)
def _channel(kind: str | None) -> str | None:
    """Return the channel that a message type stands for; an unknown `TYPE_*` is its own name."""
    if not kind or not kind.startswith("TYPE_"):
        return None
    name = kind.removeprefix("TYPE_")
    for prefix in CAMPAIGNS:
        if name.startswith(prefix):
            name = name.removeprefix(prefix)
            break
    return CHANNELS.get(name, name.lower()) or None
