"""The sample that `send-test` sends, from the running daemon or without one.

Rules: it is marked as a test in every form that it takes, and is not recorded.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from watcher import templates
from watcher.clock import Clock
from watcher.config.model import Config
from watcher.descriptors import ADVICE, REASON, spent
from watcher.model import (
    Contact,
    Conversation,
    Event,
    Message,
    Result,
    derive_id,
    rfc3339,
    to_plain,
)
from watcher.notify import Notice
from watcher.notify.receivers import ReceiverPlan
from watcher.redaction import redact

__all__ = ["sample", "send_sample"]


async def send_sample(plan: ReceiverPlan, config: Config, clock: Clock) -> Mapping[str, Any]:
    """Send a sample from the first source; return the answer as plain JSON, with its `outcome`."""
    now, started = clock(), time.monotonic()
    named = [(one.name, one.provider) for one in config.sources]
    source, provider = named[0] if named else ("example", "chatwoot")
    event = redact(sample(source, provider, now, uuid.uuid4().hex), plan.visibility)
    text = templates.render(None, None, event, plan.zone or config.timezone or UTC)
    try:
        result = await plan.notifier.send(Notice(event, f"Test: {text.title}", text.body, now))
    except OSError as error:
        if not spent(error):
            raise
        result = Result("failed", f"{REASON}; {ADVICE}")
    return {
        "outcome": result.outcome,
        "note": result.note,
        "excerpt": result.excerpt,
        "seconds": time.monotonic() - started,
    }


def sample(source: str, provider: str, now: datetime, mark: str) -> Event:
    """Return a valid `conversation.unread` about a fictitious contact; `mark` makes its id unique,
    since receivers drop repeats.
    """
    conversation = Conversation(
        id="inbox-watcher-test",
        contact=Contact(id="inbox-watcher-test", name="Inbox Watcher Test"),
        unread=True,
        unread_count=1,
        status="open",
        last_message=Message("This is a test message from inbox-watcher.", "inbound", None, now),
        last_activity_at=now,
        created_at=now,
    )
    return Event(
        id=derive_id("send-test", mark),
        type="conversation.unread",
        source=source,
        subject=conversation.id,
        time=now,
        data={
            "source": source,
            "provider": provider,
            "test": True,
            "conversation": to_plain(conversation),
            "changes": {
                "unread": {"before": False, "after": True},
                "unread_count": {"before": 0, "after": 1},
            },
            "observed": {"after": rfc3339(now - timedelta(seconds=30)), "before": rfc3339(now)},
        },
    )
