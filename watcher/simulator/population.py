"""How accounts and conversations come into being: all drawn from the world's seed.

Rules: no truth is logged here. What is populated was there before any watcher.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from string import ascii_letters, digits
from typing import Any

from watcher.simulator import people
from watcher.simulator.state import (
    Account,
    Agent,
    Contact,
    Disposition,
    Inbox,
    Kind,
    Message,
    State,
    Team,
    Viewer,
)
from watcher.simulator.versions import Version
from watcher.simulator.waiting import NO_STAMPS, cleared, stamped

__all__ = ["FIRST_STATUS", "new_account", "new_contact", "opaque", "past_state"]

FIRST_STATUS: dict[Kind, str | None] = {
    "leadping": "open",
    "highlevel": None,
    "chatwoot": "open",
}

TOKENS: dict[Kind, str] = {
    "leadping": "sk_simulated_{}",
    "highlevel": "pit-simulated-{}",
    "chatwoot": "simulated-{}",
}
CHATWOOT_INBOXES = 4


def opaque(rng: Random) -> str:
    """Draw an id as HighLevel and Leadping write them: twenty letters and digits."""
    return "".join(rng.choices(ascii_letters + digits, k=20))


def new_account(
    rng: Random,
    kind: Kind,
    account_id: str,
    token: str | None,
    viewer: Viewer | None,
    now: datetime,
    version: Version,
) -> Account:
    """Make an empty account with agents, and with teams, labels and inboxes where there are any."""
    numbered = kind == "chatwoot"
    agents = [
        Agent(str(number) if numbered else opaque(rng), name)
        for number, name in enumerate(people.AGENTS, start=2)
    ]
    channels = people.CHANNELS[:CHATWOOT_INBOXES] if numbered else people.CHANNELS
    account = Account(
        kind=kind,
        id=account_id,
        token=token or TOKENS[kind].format(account_id),
        viewer=viewer or Viewer(),
        agents=agents,
        teams=[Team(str(n), name) for n, name in enumerate(people.TEAMS, start=1) if numbered],
        labels=[] if kind == "leadping" else list(people.LABELS),
        inboxes=[Inbox(number, channel) for number, channel in enumerate(channels, start=1)],
        opened_at=now,
        version=version,
    )
    account.tokens[account.token] = account.viewer
    return account


def new_contact(rng: Random, account: Account) -> Contact:
    """Draw a person, now and then one whose e-mail address is unknown."""
    first, last = rng.choice(people.FIRST_NAMES), rng.choice(people.LAST_NAMES)
    number = rng.randrange(1000, 9999)
    known = rng.random() < 0.8
    account.contacts += 1
    return Contact(
        id=str(account.contacts) if account.kind == "chatwoot" else opaque(rng),
        name=f"{first} {last}",
        email=f"{first}.{last}{number}@example.com".lower() if known else None,
        phone=f"+1555010{number}",
    )


def past_state(
    rng: Random, account: Account, conversation_id: str, message_id: int, now: datetime
) -> State:
    """Draw a conversation that has gone on for a while before `now`."""
    created = now - timedelta(milliseconds=rng.randrange(3_600_000, 30 * 86_400_000))
    at = created + (now - created) * rng.random()
    at = at.replace(microsecond=at.microsecond // 1000 * 1000)
    inbound = rng.random() < 0.6
    text = rng.choice(people.INBOUND if inbound else people.ANSWERS)
    written = Message(message_id, text, "inbound" if inbound else "outbound", at)
    unread = 1 if inbound and rng.random() < 0.5 else 0
    state = State(
        id=conversation_id,
        contact=new_contact(rng, account),
        inbox=rng.choice(account.inboxes),
        created_at=created,
        updated_at=at,
        message=written,
        recent=(written,),
        inbound=((at, message_id),) if inbound else (),
        unread=unread,
        seen_at=None if unread else at,
        seen_line=0 if unread else message_id,
        status=FIRST_STATUS[account.kind],
        asked_at=at if inbound else None,
        stamps=stamped(NO_STAMPS, at) if inbound else NO_STAMPS,
        first_reply_at=None if inbound else at,
        outbound_by=None if inbound else "person",
        manual_at=at,
    )
    return _furnished(rng, account, state, at)


def _furnished(rng: Random, account: Account, state: State, at: datetime) -> State:
    """Return the state with an owner, labels or a disposition, or put away, as chance decides."""
    done = rng.random() < 0.2
    if account.kind == "leadping":
        chosen = rng.choice(people.DISPOSITIONS) if rng.random() < 0.4 else None
        outcome = None if chosen is None else Disposition(*chosen, at, account.agents[0].id)
        reason = 1 if done else None
        archived: dict[str, Any] = {
            "archived": done,
            "archived_at": at if done else None,
            "archive_reason": reason,
        }
        return replace(state, disposition=outcome, **archived)
    labels = tuple(rng.sample(account.labels, k=rng.choice((0, 0, 1, 2))))
    assignee = rng.choice(account.agents) if rng.random() < 0.6 else None
    state = replace(state, labels=labels, assignee=assignee)
    if account.kind == "highlevel":
        return replace(state, starred=rng.random() < 0.1)
    return replace(
        state,
        archived=done,
        status="resolved" if done else "open",
        stamps=cleared(state.stamps, "resolved") if done else state.stamps,
        team=rng.choice(account.teams) if rng.random() < 0.4 else None,
        priority=rng.choice((None, None, "low", "medium", "high", "urgent")),
    )
