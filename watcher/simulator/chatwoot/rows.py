"""Chatwoot's row of a conversation, as the jbuilder templates of its version write it.

Rules: pure; `moment` is the server's time. What the versions differ in is asked of
`watcher.simulator.versions`. Two clocks: `last_activity_at` moves when any message is
created, the activity lines of background jobs included, `updated_at` with every normal save. The
jobs run `delay` seconds after the change that asked for them: until then neither line nor bump is
there.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from watcher.simulator.contract import unread_count
from watcher.simulator.state import Account, Activity, Message, State, Viewer
from watcher.simulator.versions import KEYS, can
from watcher.simulator.waiting import set_in

__all__ = ["last_activity_at", "row", "updated_at"]

CHANNELS = {
    "sms": "Channel::TwilioSms",
    "email": "Channel::Email",
    "whatsapp": "Channel::Whatsapp",
    "webchat": "Channel::WebWidget",
    "facebook": "Channel::FacebookPage",
    "instagram": "Channel::Instagram",
    "call": "Channel::Voice",
}
DIRECTIONS = {"inbound": 0, "outbound": 1, "internal": 1}
ACTIVITY = 2
TEMPLATE = 3
MACHINES: dict[str, tuple[str, int, str | None]] = {
    "bot": ("AgentBot", 1, "Bot"),
    "assistant": ("Captain::Assistant", 1, "Captain"),
}
"""Machines that Chatwoot names as senders; rules, the phone's echo and templates have none."""
FILES = {"voicemail": "audio", "call": "audio", "sticker": "image"}
"""Chatwoot's word where it is not ours."""


def _seconds(at: datetime | None) -> int:
    return 0 if at is None else int(at.timestamp())


def _written(state: State, moment: datetime, delay: float) -> list[tuple[datetime, Activity]]:
    """Return the activity lines whose job has run, with the time at which it did, oldest first."""
    due = [(line.at + timedelta(seconds=delay), line) for line in state.activities]
    return [pair for pair in due if pair[0] <= moment]


def last_activity_at(state: State, moment: datetime, delay: float) -> datetime:
    """Return the creation time of the newest line, or of the conversation."""
    times = [at for at, _ in _written(state, moment, delay)]
    if state.message is not None:
        times.append(state.message.at)
    return max(times, default=state.created_at)


def updated_at(state: State, moment: datetime, delay: float) -> datetime:
    """Return the row's second clock; the creation of an activity line moves it as well."""
    return max([state.updated_at, *(at for at, _ in _written(state, moment, delay))])


def row(
    account: Account,
    viewer: Viewer,
    state: State,
    moment: datetime,
    delay: float,
    columns: State | None = None,
) -> dict[str, Any]:
    """Return the row of list and show. `columns` is the state when the row was chosen, where its messages
    and counts were read later.
    """
    version, columns = account.version, columns or state
    active = _seconds(last_activity_at(columns, moment, delay))
    until = state.snoozed_until
    shown: dict[str, Any] = {
        "meta": _meta(account, viewer, state),
        "id": int(state.id),
        "messages": _lines(account, state, moment, delay),
        "account_id": int(account.id),
        "uuid": f"00000000-0000-4000-8000-{int(account.id):04d}{int(state.id):08d}",
        "additional_attributes": {"initiated_at": {"timestamp": state.created_at.ctime()}},
        "agent_last_seen_at": _seconds(state.seen_at),
        "assignee_last_seen_at": _seconds(state.seen_at) if state.assignee else 0,
        "can_reply": moment - state.created_at < timedelta(hours=24),
        "contact_last_seen_at": 0,
        "custom_attributes": dict(state.attributes),
        "inbox_id": state.inbox.id,
        "labels": list(state.labels),
        "muted": False,
        "snoozed_until": None if until is None else _iso(until),
        "status": state.status,
        "created_at": _seconds(state.created_at),
        "updated_at": updated_at(columns, moment, delay).timestamp(),
        "timestamp": active,
        "first_reply_created_at": _seconds(state.first_reply_at),
        "unread_count": unread_count("chatwoot", state, version),
        "last_non_activity_message": _last_message(account, state, active),
        "last_activity_at": active,
        "priority": state.priority,
        "waiting_since": _seconds(set_in(state.stamps, version)),
        "sla_policy_id": None,
    }
    if state.mail_subject is not None:
        shown["additional_attributes"]["mail_subject"] = state.mail_subject
    return {key: value for key, value in shown.items() if version >= KEYS.get(key, version)}


def _meta(account: Account, viewer: Viewer, state: State) -> dict[str, Any]:
    """Return `meta`; assignee, its type and team are absent when there is none."""
    contact, version = state.contact, account.version
    meta: dict[str, Any] = {
        "sender": {
            "additional_attributes": {},
            "availability_status": "offline",
            "email": contact.email,
            "id": int(contact.id),
            "name": contact.name,
            "phone_number": contact.phone,
            "blocked": False,
            "identifier": None,
            "thumbnail": "",
            "custom_attributes": {},
            "last_activity_at": _seconds(state.updated_at),
            "created_at": _seconds(state.created_at),
        },
        "channel": CHANNELS[state.inbox.channel],
        "hmac_verified": False,
    }
    if not can(version, "blocked contacts"):
        del meta["sender"]["blocked"]
    agent, team = state.assignee, state.team
    if agent is not None and agent.bot:
        meta["assignee"] = {
            "id": int(agent.id),
            "name": agent.name,
            "description": None,
            "thumbnail": "",
            "bot_type": "webhook",
        }
    elif agent is not None:
        meta["assignee"] = {
            "id": int(agent.id),
            "account_id": int(account.id),
            "availability_status": "online",
            "auto_offline": True,
            "confirmed": True,
            "email": f"agent{agent.id}@example.com",
            "provider": "email",
            "available_name": agent.name,
            "name": agent.name,
            "role": "agent",
            "thumbnail": "",
        }
    if agent is not None and can(version, "assignee types"):
        meta["assignee_type"] = "AgentBot" if agent.bot else "User"
    if team is not None:
        meta["team"] = {
            "id": int(team.id),
            "name": team.name,
            "description": None,
            "allow_auto_assign": True,
            "account_id": int(account.id),
            "is_member": team.id in viewer.teams,
        }
    return meta


def _lines(account: Account, state: State, moment: datetime, delay: float) -> list[dict[str, Any]]:
    """Return the newest line, an activity line included: none or one. Old versions show up to ten that
    are unread, oldest first, where a customer's is among them.
    """
    lines: list[tuple[datetime, Message | Activity]] = [*_written(state, moment, delay)]
    lines += [(message.at, message) for message in state.recent]
    lines.sort(key=lambda pair: (pair[0], pair[1].id))
    unread = any(line > state.seen_line for _, line in state.inbound)
    if unread and not can(account.version, "shows the last line alone"):
        shown = [(at, line) for at, line in lines if line.id > state.seen_line][-10:]
    else:
        shown = lines[-1:]
    return [_message(account, state, line, at, _seconds(at)) for at, line in shown]


def _last_message(account: Account, state: State, active: int) -> dict[str, Any] | None:
    """Return the newest line that is not an activity: private notes are among them."""
    if state.message is None:
        return None
    return _message(account, state, state.message, state.message.at, active)


def _message(
    account: Account, state: State, line: Message | Activity, at: datetime, active: int
) -> dict[str, Any]:
    author = None if isinstance(line, Activity) else _author(account, state, line)
    content = line.text if isinstance(line, Activity) else _content(state, line)
    shown: dict[str, Any] = {
        "id": line.id,
        "content": content,
        "account_id": int(account.id),
        "inbox_id": state.inbox.id,
        "conversation_id": int(state.id),
        "message_type": ACTIVITY if isinstance(line, Activity) else _type(line),
        "created_at": _seconds(at),
        "updated_at": _iso(at),
        "private": isinstance(line, Message) and line.direction == "internal",
        "status": "sent",
        "source_id": None,
        "content_type": "text",
        "content_attributes": {},
        "sender_type": None if author is None else author[0],
        "sender_id": None if author is None else author[1],
        "external_source_ids": {},
        "additional_attributes": {},
        "processed_message_content": content,
        "sentiment": {},
        "conversation": {
            "assignee_id": int(state.assignee.id) if state.assignee else None,
            "unread_count": unread_count("chatwoot", state, account.version),
            "last_activity_at": active,
            "contact_inbox": {"source_id": f"source-{state.contact.id}"},
        },
    }
    if isinstance(line, Message):
        shown |= _extras(state, line)
    if author is not None:
        shown["sender"] = {"id": author[1], "name": author[2], "thumbnail": ""}
    return shown


def _type(line: Message) -> int:
    """Return the message's type; the inbox's own messages are templates."""
    templated = line.direction == "outbound" and line.sender in ("greeting", "survey")
    return TEMPLATE if templated else DIRECTIONS[line.direction]


def _author(account: Account, state: State, line: Message) -> tuple[str, int, str | None] | None:
    """Return the sender's type, id and name; None where Chatwoot names nobody."""
    if line.direction == "inbound":
        return "Contact", int(state.contact.id), state.contact.name
    user = account.agents[0].name if account.agents else None
    if line.direction == "internal" or line.sender in ("person", "campaign"):
        return "User", 2, user
    return MACHINES.get(line.sender)


def _content(state: State, line: Message) -> str | None:
    """Return the words; a customer's mail comes with all that was quoted below them."""
    if line.subject is None or line.direction != "inbound":
        return line.text
    return f"{line.text or ''}\n\nOn {state.created_at:%d %B %Y} somebody wrote:\n> Hello"


def _extras(state: State, line: Message) -> dict[str, Any]:
    """Return what marks a message as a machine's, a mail's, or one with more than words."""
    extras: dict[str, Any] = {}
    if line.deleted:
        extras["content_attributes"] = {"deleted": True}
    elif line.direction == "outbound" and line.sender == "phone":
        extras["content_attributes"] = {"external_echo": True}
    elif line.direction == "outbound" and line.sender == "rule":
        extras["content_attributes"] = {"automation_rule_id": 1}
    elif line.direction == "outbound" and line.sender == "campaign":
        extras["additional_attributes"] = {"campaign_id": 1}
    elif line.direction == "outbound" and line.sender == "survey":
        extras["content_type"] = "input_csat"
    elif line.direction == "inbound" and line.subject is not None:
        extras["content_type"] = "incoming_email"
        extras["content_attributes"] = {"email": _mail(state, line)}
    if line.attachments:
        extras["attachments"] = [
            {
                "id": 100 * line.id + number,
                "message_id": line.id,
                "file_type": FILES.get(kind, kind),
            }
            for number, kind in enumerate(line.attachments)
        ]
    return extras


def _mail(state: State, line: Message) -> dict[str, Any]:
    """Return the parsed mail: `reply` is what is new in it."""
    whole = _content(state, line)
    return {
        "subject": line.subject,
        "from": [state.contact.email],
        "to": ["support@example.com"],
        "cc": None,
        "message_id": f"{line.id}@mail.example.com",
        "text_content": {"full": whole, "reply": line.text, "quoted": whole},
    }


def _iso(at: datetime) -> str:
    utc = at.astimezone(UTC)
    return utc.strftime("%Y-%m-%dT%H:%M:%S.") + f"{utc.microsecond // 1000:03d}Z"
