"""Who waits for an answer, look by look, in the rows that each service really shows.

A look is a row; `minute` is when its last message was written. Expected are the events about waiting:
`waiting 3` (since minute 3), `answered 4` (after four minutes), `closed 4`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from watcher.model import Event, Snapshot
from watcher.pipeline import Sighting, SourcePolicy, decide, sanitize
from watcher.providers import Provider, Response, Sweep
from watcher.providers.chatwoot import Chatwoot, ChatwootSettings
from watcher.providers.leadconnector import HighLevel, HighLevelSettings, Leadway, LeadwaySettings
from watcher.providers.leadping import Leadping, LeadpingSettings
from watcher.records import SourceState

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
SECONDS = int(NOON.timestamp())
PROVIDERS: Mapping[str, Provider] = {
    "chatwoot": Chatwoot(ChatwootSettings(account_id=3, token="t")),
    "highlevel": HighLevel(HighLevelSettings(location_id="loc1", token="t")),
    "leadway": Leadway(LeadwaySettings(location_id="loc1", token="t")),
    "leadping": Leadping(LeadpingSettings(token="t")),
}
Look = dict[str, Any] | None
"""A row, or None where the conversation is not listed yet."""


def seconds(minute: float) -> int:
    return SECONDS + int(60 * minute)


# What writes a line at Chatwoot: keys of the message, as real servers show them.
LINES: Mapping[str, dict[str, Any]] = {
    "customer": {"message_type": 0, "sender_type": "Contact"},
    "person": {"message_type": 1, "sender_type": "User"},
    "note": {"message_type": 1, "sender_type": "User", "private": True},
    "greeting": {"message_type": 3, "sender_type": None},
    "survey": {"message_type": 3, "sender_type": None, "content_type": "input_csat"},
    "rule": {
        "message_type": 1, "sender_type": None, "content_attributes": {"automation_rule_id": 4},
    },
    "campaign": {
        "message_type": 1, "sender_type": "User", "additional_attributes": {"campaign_id": 2},
    },
    "script": {"message_type": 1, "sender_type": None},
    "bot": {"message_type": 1, "sender_type": "AgentBot"},
    "assistant": {"message_type": 1, "sender_type": "Captain::Assistant"},
    "phone": {
        "message_type": 1, "sender_type": None, "content_attributes": {"external_echo": True},
    },
}  # fmt: skip


def cw(
    who: str | None,
    minute: float = 0,
    *,
    native: float | None = None,
    replied: float | None = None,
    unread: int = 0,
    status: str = "open",
    **keys: Any,
) -> dict[str, Any]:
    """Chatwoot's row of a conversation that was made at minute 0; `native` is its own stamp."""
    line = {
        "id": 100 + int(minute * 10), "content": f"words of {who}", "content_type": "text",
        "private": False, "created_at": seconds(minute), "content_attributes": {},
        "additional_attributes": {},
    }  # fmt: skip
    return {
        "id": 12, "status": status, "unread_count": unread, "labels": [], "created_at": SECONDS,
        "last_activity_at": seconds(minute), "meta": {"channel": "Channel::Api", "sender": {"id": 9}},
        "last_non_activity_message": None if who is None else line | LINES[who],
        "waiting_since": 0 if native is None else seconds(native),
        "first_reply_created_at": 0 if replied is None else seconds(replied),
    } | keys  # fmt: skip


def hl(
    direction: str | None,
    minute: float = 0,
    *,
    action: str | None = None,
    manual: float | None = None,
    unread: int = 0,
    created: float = -9000,
    **keys: Any,
) -> dict[str, Any]:
    """HighLevel's row; `action` is that of the newest outbound message."""
    told = {
        "lastMessageDirection": direction, "lastOutboundMessageAction": action,
        "lastManualMessageDate": None if manual is None else seconds(manual) * 1000,
    }  # fmt: skip
    return {
        "id": "12", "contactId": "9", "unreadCount": unread, "type": "TYPE_PHONE",
        "dateAdded": seconds(created) * 1000, "lastMessageDate": seconds(minute) * 1000,
        "lastMessageType": "TYPE_SMS", "lastMessageBody": f"words of {minute}",
        "deleted": False, "inbox": True,
    } | {key: value for key, value in told.items() if value is not None} | keys  # fmt: skip


def lp(minute: float, *, note: bool = False, unread: bool = True) -> dict[str, Any]:
    return {
        "id": "12", "leadId": "9", "isUnread": unread, "isArchived": False,
        "lastSnippet": f"words of {minute}", "lastEventIsInternalNote": note,
        "lastEventAt": (NOON + timedelta(minutes=minute)).isoformat(),
    }  # fmt: skip


def answer(name: str, row: Look) -> Response:
    rows = [] if row is None else [row]
    bodies = {
        "chatwoot": {"data": {"meta": {"all_count": len(rows)}, "payload": rows}},
        "leadping": {"items": rows, "continuationToken": None},
    }
    body = bodies.get(name, {"conversations": rows, "total": len(rows)})
    return Response(200, json.dumps(body).encode(), {}, NOON, NOON)


def play(name: str, looks: Sequence[Look]) -> tuple[list[list[Event]], Snapshot | None]:
    """Return the events of each look, of which the first is the baseline, and what is known then."""
    provider = PROVIDERS[name]
    policy = SourcePolicy("s", name, "account", (), unread_cap=provider.unread_cap)
    state = SourceState("s", name, "account")
    known: dict[str, Snapshot] = {}
    events: list[list[Event]] = []
    for number, row in enumerate(looks):
        page = sanitize(provider.parse(provider.start(Sweep()), answer(name, row)))
        sent = NOON + timedelta(hours=number)
        sighting = Sighting(sent, sent, {}, NOON, admit=True)
        decision = decide(policy, state, known, page.rows, sighting)
        if decision.commit is not None:
            known |= {one.conversation.id: one for one in decision.commit.snapshots}
        events.append(list(decision.commit.events) if decision.commit else [])
        began = NOON - timedelta(minutes=1)
        state = SourceState("s", name, "account", baselined=began, baseline_started=began)
    return events, known.get("12")


def minute_of(told: str) -> float:
    return round((datetime.fromisoformat(told) - NOON).total_seconds() / 60, 1)


def words(event: Event) -> str:
    kind = event.type.removeprefix("conversation.")
    sides = event.data["changes"].get("waiting_since")
    if kind == "waiting":
        assert sides["before"] is None
        assert event.data["conversation"]["waiting_since"] == sides["after"]
        return f"waiting {minute_of(sides['after']):g}"
    assert sides["after"] is None
    assert event.data["conversation"]["waiting_since"] is None
    return f"{event.data['outcome']} {round(event.data['waited'] / 60, 1):g}"


def waits(name: str, looks: Sequence[Look]) -> list[str]:
    """Return what is told about waiting after the baseline; the two types come in turn."""
    events, known = play(name, looks)
    mine = [one for look in events[1:] for one in look if "waiting_since" in one.data["changes"]]
    told = [words(one) for one in mine]
    waiting = play(name, looks[:1])[1]
    now = waiting is not None and waiting.conversation.waiting_since is not None
    for one in told:
        assert one.startswith("waiting") != now, f"waiting and answered alternate: {told}"
        now = not now
    assert (known is not None and known.conversation.waiting_since is not None) == now
    return told


CHATWOOT: Mapping[str, tuple[Sequence[Look], list[str]]] = {
    "a first contact waits beside created": (
        [None, cw("customer", 0.1, native=0, unread=1)], ["waiting 0"],
    ),
    "in a conversation that nobody wrote in nobody waits": (
        [None, cw(None, native=0)], [],
    ),
    "nor when a note or a campaign is its first line": (
        [None, cw("note", 1, native=0), cw("campaign", 2, native=0)], [],
    ),
    "a wait begins with the customer's words, not with the conversation": (
        [None, cw(None, native=0), cw("customer", 5, native=0, unread=1)], ["waiting 5"],
    ),
    "more messages while waiting keep the first time": (
        [None, cw("customer", 1, native=0, unread=1), cw("customer", 3, native=0, unread=2)],
        ["waiting 0"],
    ),
    "a person answers": (
        [None, cw("customer", 0, native=0, unread=1), cw("person", 4, replied=4, unread=1)],
        ["waiting 0", "answered 4"],
    ),
    "a note, an assignment and a snooze end nothing": (
        [
            cw("customer", 1, native=1, unread=1), cw("note", 2, native=1, unread=1),
            cw("note", 2, native=1, status="snoozed"),
        ],
        [],
    ),
    "a greeting stands before anybody has seen the customer's words": (
        [None, cw("greeting", 0, native=0, unread=1)], ["waiting 0"],
    ),
    "also where the customer's words were read at once": (
        [None, cw("greeting", 0, native=0)], ["waiting 0"],
    ),
    "an out-of-office text between two looks": (
        [cw("person", 1, replied=1), cw("greeting", 3.1, native=3, replied=1, unread=1)],
        ["waiting 3"],
    ),
    "a greeting, an automation, a campaign and a script are no answer": (
        [
            None, cw("customer", 0, native=0, unread=1), cw("greeting", 1, native=0, unread=1),
            cw("rule", 2, native=0, unread=1), cw("campaign", 3, native=0, unread=1),
            cw("script", 4, native=0, unread=1), cw("person", 6, replied=6),
        ],
        ["waiting 0", "answered 6"],
    ),
    "a bot answers and clears the stamp, and then hands over to a person": (
        [
            None, cw("customer", 0, native=0, unread=1), cw("bot", 1, unread=1),
            cw("customer", 2, native=2, unread=2), cw("assistant", 3, unread=2),
            cw("person", 9, replied=9, unread=2),
        ],
        ["waiting 0", "answered 9"],
    ),
    "a bot's answer that is seen first": (
        [None, cw("bot", 0.5, unread=1)], ["waiting 0"],
    ),
    "a bot that writes to nobody": (
        [None, cw("bot", 0.5)], [],
    ),
    "a message and a bot's answer between two looks": (
        [
            cw("person", 1, replied=1), cw("bot", 5, replied=1, unread=1),
            cw("bot", 6, replied=1, unread=1),
        ],
        ["waiting 5"],
    ),
    "a bot's text to somebody who does not wait": (
        [cw("person", 1, replied=1, unread=2), cw("bot", 5, replied=1, unread=2)], [],
    ),
    "an answer from the phone's own app": (
        [
            None, cw("customer", 0, native=0, unread=1), cw("phone", 7, unread=1),
            cw("customer", 9, native=9, unread=2),
        ],
        ["waiting 0", "answered 7", "waiting 9"],
    ),
    "an answer from the phone on an old server, which leaves its stamp": (
        [
            None, cw("customer", 0, native=0, unread=1), cw("phone", 7, native=0, unread=1),
            cw("customer", 9, native=0, unread=2),
        ],
        ["waiting 0", "answered 7", "waiting 9"],
    ),
    "resolved without an answer, on a new server": (
        [
            cw("customer", 1, native=1, unread=1),
            cw("customer", 1, unread=1, status="resolved", last_activity_at=seconds(5)),
        ],
        ["closed 4"],
    ),
    "resolved without an answer, on an old server": (
        [
            cw("customer", 1, native=1, unread=1),
            cw("customer", 1, native=1, unread=1, status="resolved", last_activity_at=seconds(5)),
        ],
        ["closed 4"],
    ),
    "the survey after it is nothing": (
        [
            cw("customer", 1, native=1, unread=1),
            cw("survey", 5, unread=1, status="resolved"), cw("survey", 5, unread=1),
        ],
        ["closed 4"],
    ),
    "answered and resolved between two looks is answered": (
        [cw("customer", 1, native=1, unread=1), cw("person", 5, replied=5, status="resolved")],
        ["answered 4"],
    ),
    "the customer writes on a resolved one": (
        [
            cw("customer", 1, unread=1, status="resolved"),
            cw("customer", 8, native=8, unread=2),
        ],
        ["waiting 8"],
    ),
    "opened again by hand, the unanswered one waits": (
        [
            cw("customer", 1, native=1, unread=1),
            cw("customer", 1, unread=1, status="resolved", last_activity_at=seconds(3)),
            cw("customer", 1, unread=1, last_activity_at=seconds(6)),
            cw("customer", 9, native=9, replied=0, unread=2),
        ],
        ["closed 2", "waiting 1"],
    ),
    "opened again by hand after an answer, nobody waits": (
        [cw("person", 1, replied=1, status="resolved"), cw("person", 1, replied=1)], [],
    ),
    "a person writes first, the customer answers": (
        [None, cw("person", 0, replied=0), cw("customer", 3, native=3, replied=0, unread=1)],
        ["waiting 3"],
    ),
    "the first answer and the customer's next words between two looks": (
        [
            None, cw("customer", 0, native=0, unread=1),
            cw("customer", 6, native=6, replied=2, unread=1),
        ],
        ["waiting 0", "answered 2", "waiting 6"],
    ),
    "a later answer, perhaps a bot's, and the customer's next words between two looks": (
        [
            cw("customer", 10, native=10, replied=2, unread=1),
            cw("customer", 16, native=16, replied=2, unread=1),
            cw("person", 20, replied=2, unread=1),
        ],
        ["answered 10"],
    ),
    "a bot hands over between two looks": (
        [
            cw("customer", 10, native=10, replied=2, unread=1, status="pending"),
            cw("customer", 16, native=16, replied=2, unread=2),
        ],
        [],
    ),
    "the same where a bot has the conversation": (
        [
            cw("customer", 10, native=10, replied=2, unread=1, status="pending"),
            cw("customer", 16, native=16, replied=2, unread=2, status="pending"),
        ],
        [],
    ),
    "the same after an automatic text": (
        [
            cw("customer", 10, native=10, replied=2, unread=1), cw("bot", 11, replied=2, unread=1),
            cw("customer", 16, native=16, replied=2, unread=2),
        ],
        [],
    ),
    "the last message is deleted": (
        [
            cw("customer", 1, native=1, unread=1),
            cw("customer", 1, native=1, unread=1, last_non_activity_message={
                **cw("customer", 1)["last_non_activity_message"],
                "content": "This message was deleted", "content_attributes": {"deleted": True},
            }),
        ],
        [],
    ),
    "a torn row begins and ends nothing": (
        [
            cw("customer", 1, native=1, unread=1), cw(None, 1, native=1),
            cw("customer", 1, native=1, unread=1), cw("person", 2, replied=2),
            cw(None, 2, replied=2), cw("person", 2, replied=2),
        ],
        ["answered 1"],
    ),
    "a stale row begins and ends nothing": (
        [
            cw("person", 1, replied=1), cw("customer", 2, native=2, replied=1, unread=1),
            cw("person", 1, replied=1), cw("customer", 2, native=2, replied=1, unread=1),
            cw("person", 5, replied=1), cw("customer", 2, native=2, replied=1, unread=1),
        ],
        ["waiting 2", "answered 3"],
    ),
    "a sender that cannot be read ends nothing until it can": (
        [
            cw("customer", 1, native=1, unread=1),
            cw("person", 3, native=1, last_non_activity_message={
                **cw("person", 3)["last_non_activity_message"], "sender_type": ["User"],
            }),
            cw("person", 3, replied=3),
        ],
        ["answered 2"],
    ),
    "a direction that cannot be read begins nothing until it can": (
        [
            cw("person", 1, replied=1),
            cw("customer", 3, native=3, replied=1, unread=1, last_non_activity_message={
                **cw("customer", 3)["last_non_activity_message"], "private": ["no"],
            }),
            cw("customer", 3, native=3, replied=1, unread=1),
        ],
        ["waiting 3"],
    ),
    "an old server has no stamps": (
        [
            None,
            {key: value for key, value in cw("customer", 2, unread=1).items()
             if key not in ("waiting_since", "first_reply_created_at")},
            {key: value for key, value in cw("person", 4).items()
             if key not in ("waiting_since", "first_reply_created_at")},
        ],
        ["waiting 2", "answered 2"],
    ),
    "a conversation that waits at the baseline is known to wait": (
        [cw("customer", 1, native=1, unread=1), cw("person", 31, replied=31)], ["answered 30"],
    ),
    # Resolving leaves an old server's stamp as it was, and so does an answer from the phone.
    "what was answered in the archive below a survey does not wait when it is opened again": (
        [
            None, cw("customer", 1, native=1, unread=1),
            cw("customer", 1, native=1, unread=1, status="resolved", last_activity_at=seconds(2)),
            cw("phone", 3, native=1, status="resolved"), cw("survey", 4, native=1, status="resolved"),
            cw("survey", 4, native=1),
        ],
        ["waiting 1", "closed 1"],
    ),
    "what nobody answered in the archive waits on when it is opened again": (
        [
            None, cw("customer", 1, native=1, unread=1),
            cw("customer", 1, native=1, unread=1, status="resolved", last_activity_at=seconds(2)),
            cw("survey", 4, native=1, status="resolved"), cw("survey", 4, native=1),
        ],
        ["waiting 1", "closed 1", "waiting 1"],
    ),
    "a mail that greets by a rule and is resolved by the customer": (
        [
            None, cw("rule", 0, native=0, unread=1),
            cw("rule", 0, unread=1, status="resolved", last_activity_at=seconds(2)),
        ],
        ["waiting 0", "closed 2"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CHATWOOT)
def test_who_waits_at_chatwoot(case: str) -> None:
    looks, expected = CHATWOOT[case]
    assert waits("chatwoot", looks) == expected


HIGHLEVEL: Mapping[str, tuple[Sequence[Look], list[str]]] = {
    "a first contact waits beside created": (
        [None, hl("inbound", 1, unread=1, created=1)], ["waiting 1"],
    ),
    "more messages while waiting keep the first time": (
        [hl("outbound", 0), hl("inbound", 1, unread=1), hl("inbound", 4, unread=2)],
        ["waiting 1"],
    ),
    "a person answers": (
        [hl("inbound", 1), hl("outbound", 4, action="manual", manual=4)], ["answered 3"],
    ),
    "an automation answers": (
        [
            hl("inbound", 1), hl("outbound", 4, action="automated", manual=1),
            hl("outbound", 9, action="manual", manual=9),
        ],
        ["answered 8"],
    ),
    "a campaign goes out, which no key calls one": (
        [hl("inbound", 1), hl("outbound", 4, lastMessageType="TYPE_CAMPAIGN_EMAIL")], [],
    ),
    "a person sends a campaign's message by hand": (
        [hl("inbound", 1), hl("outbound", 4, lastMessageType="TYPE_CAMPAIGN_MANUAL_SMS")],
        ["answered 3"],
    ),
    "where only the time of the last manual message tells": (
        [hl("inbound", 1), hl("outbound", 4, manual=1), hl("outbound", 5, manual=5)],
        ["answered 4"],
    ),
    "where nothing tells machines from people": (
        [hl("inbound", 1), hl("outbound", 4)], ["answered 3"],
    ),
    "an action that cannot be read ends nothing until it can": (
        [
            hl("inbound", 1), hl("outbound", 4, lastOutboundMessageAction=["manual"]),
            hl("outbound", 4, action="manual"),
        ],
        ["answered 3"],
    ),
    "a comment among colleagues ends nothing": (
        [hl("inbound", 1), hl("outbound", 4, lastMessageType="TYPE_INTERNAL_COMMENT")], [],
    ),
    "an activity line ends nothing": (
        [
            hl("inbound", 1), hl("outbound", 4, lastMessageType="TYPE_ACTIVITY_OPPORTUNITY"),
            hl("outbound", 6, action="manual"),
        ],
        ["answered 5"],
    ),
    "a message below an activity line": (
        [
            hl("outbound", 1, action="manual"),
            hl("outbound", 5, lastMessageType="TYPE_ACTIVITY_OPPORTUNITY", unread=1, manual=4),
        ],
        ["waiting 4"],
    ),
    "marked unread by hand beside an activity line: also waiting, the row is the same": (
        [
            hl("outbound", 1, action="manual"),
            hl("outbound", 5, lastMessageType="TYPE_ACTIVITY_OPPORTUNITY", unread=1),
        ],
        ["waiting 5"],
    ),
    "marked unread by hand": (
        [hl("outbound", 1, action="manual"), hl("outbound", 1, action="manual", unread=1)], [],
    ),
    "a message and an automatic answer between two looks": (
        [
            hl("outbound", 1, action="manual"),
            hl("outbound", 5, action="automated", manual=4.5, unread=1),
        ],
        ["waiting 4.5"],
    ),
    "an automatic message to somebody who does not wait": (
        [
            hl("outbound", 1, action="manual", unread=1),
            hl("outbound", 5, action="automated", unread=1),
        ],
        [],
    ),
    "a first contact that was answered by a workflow before the first look": (
        [None, hl("outbound", 1.1, action="automated", manual=1, unread=1, created=1)],
        ["waiting 1"],
    ),
    "an automation's first message to a new lead": (
        [None, hl("outbound", 1, action="automated", created=1)], [],
    ),
    "after an automatic answer, a person's and the customer's next words between two looks": (
        [
            hl("inbound", 1, unread=1), hl("outbound", 2, action="automated", manual=1, unread=1),
            hl("inbound", 8, action="manual", manual=8, unread=1),
        ],
        ["answered 7", "waiting 8"],
    ),
    "the first answer ever and the customer's next words between two looks": (
        [
            None, hl("inbound", 1, unread=1, created=1),
            hl("inbound", 8, action="manual", manual=8, unread=1, created=1),
        ],
        ["waiting 1", "answered 7", "waiting 8"],
    ),
    "an answer below an activity line is no newer than what people wrote last": (
        [
            hl("inbound", 1, unread=1), hl("outbound", 2, action="automated", manual=1, unread=1),
            hl("outbound", 9, action="manual", manual=6, lastMessageType="TYPE_ACTIVITY_CONTACT"),
        ],
        ["answered 5"],
    ),
    "nor are the customer's words beside it, perhaps answered": (
        [
            hl("inbound", 1, unread=1), hl("outbound", 2, action="automated", manual=1, unread=1),
            hl(
                "outbound", 9, action="manual", manual=6, unread=2,
                lastMessageType="TYPE_ACTIVITY_CONTACT",
            ),
            hl("outbound", 11, action="manual", manual=11, unread=2),
        ],
        ["answered 5", "waiting 6", "answered 5"],
    ),
    "a later answer and the customer's next words: the row shows nothing of it": (
        [hl("inbound", 1, action="manual"), hl("inbound", 8, action="manual", manual=8)], [],
    ),
    "put away below an activity line: answered, or asked again and read, the row is the same": (
        [
            hl("inbound", 1, action="manual", manual=1, unread=1),
            hl(None, 9, action="manual", manual=6, lastMessageType="TYPE_ACTIVITY_CONTACT"),
            hl(
                None, 9, action="manual", manual=6, inbox=False,
                lastMessageType="TYPE_ACTIVITY_CONTACT",
            ),
        ],
        ["closed 119"],
    ),
    "put away without an answer": (
        [hl("inbound", 1), hl("inbound", 1, inbox=False)], ["closed 59"],
    ),
    "put back into the inbox": (
        [hl("inbound", 1, inbox=False), hl("inbound", 1)], ["waiting 1"],
    ),
    "without a direction nobody is said to wait until it is told": (
        [hl("outbound", 0), hl(None, 3), hl("inbound", 3)], ["waiting 3"],
    ),
    "a row that lacks a key once": (
        [
            hl("inbound", 1), hl("outbound", 2, action="automated"), hl("outbound", 2),
            hl("outbound", 2, action="automated"),
        ],
        [],
    ),
    "a stale row": (
        [
            hl("inbound", 1), hl("outbound", 3, action="manual"), hl("inbound", 1),
            hl("outbound", 3, action="manual"),
        ],
        ["answered 2"],
    ),
    "an empty conversation that an import made": (
        [None, hl(None, 1, lastMessageType="TYPE_NO_SHOW", created=1)], [],
    ),
    "a call that came in": (
        [hl("outbound", 0), hl("inbound", 2, lastMessageType="TYPE_CALL", lastMessageBody="")],
        ["waiting 2"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ["highlevel", "leadway"])
@pytest.mark.parametrize("case", HIGHLEVEL)
def test_who_waits_at_highlevel(name: str, case: str) -> None:
    looks, expected = HIGHLEVEL[case]
    assert waits(name, looks) == expected


def test_leadping_tells_nothing_of_who_waits() -> None:
    looks = [lp(0, unread=False), lp(1), lp(2, note=True), lp(3, unread=False), lp(4)]
    assert waits("leadping", [None, *looks]) == []


def test_a_first_contact_is_told_in_the_order_of_events() -> None:
    events, _ = play("chatwoot", [None, cw("greeting", 0, native=0, unread=1)])
    types = [one.type.removeprefix("conversation.") for one in events[1]]
    assert types == ["created", "unread", "waiting"]


def test_an_answer_and_the_next_words_are_told_in_turn_with_ids_of_their_own() -> None:
    looks = [
        None, cw("customer", 0, native=0, unread=1), cw("customer", 6, native=6, replied=2, unread=2),
    ]  # fmt: skip
    events, _ = play("chatwoot", looks)
    types = [one.type.removeprefix("conversation.") for one in events[2]]
    assert types == ["message", "unread", "answered", "waiting"]
    again, _ = play("chatwoot", looks)
    ids = [one.id for look in events for one in look]
    assert ids == [one.id for look in again for one in look], "ids do not depend on the moment"
    assert len({*ids}) == len(ids)
