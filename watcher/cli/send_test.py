"""`send-test`: send a sample event through a receiver's own notifier, and print the answer.

Rules: the sample is marked as a test in every form that it takes, and is not recorded.
"""

from __future__ import annotations

import time
import uuid
from datetime import datetime, timedelta
from typing import Annotated

import anyio
import typer

from watcher import templates
from watcher.cli.console import FAILED, Console, ReportingCommand
from watcher.cli.daemon_client import load, perform, reading
from watcher.cli.options import ConfigPaths, choose
from watcher.clock import wall_clock
from watcher.config import Config
from watcher.daemon.plans import plan_receivers
from watcher.errors import StoreError
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
from watcher.redaction import redact
from watcher.transport import Transport, prepare_loop

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("send-test", cls=ReportingCommand, epilog="Example: inbox-watcher send-test team")(
        send_test
    )


def send_test(
    ctx: typer.Context,
    receiver: Annotated[str, typer.Argument(metavar="RECEIVER", show_default=False)],
    config: ConfigPaths = None,
) -> None:
    """Send a sample event and show the answer; if it works, turn on a receiver that was off."""
    console: Console = ctx.obj
    loaded = load(console, config, secrets=True)
    choose("receiver", receiver, (one.name for one in loaded.receivers))
    started = time.monotonic()
    result = anyio.run(_send, loaded, receiver)
    took = time.monotonic() - started
    answer = f": {result.note}" if result.note else ""
    console.write(f"{receiver}: {result.outcome} after {took:.1f} s{answer}")
    if result.excerpt and not result.note.endswith(f": {result.excerpt}"):
        console.write("\n".join(f"    {line}" for line in result.excerpt.splitlines()))
    if result.outcome != "ok":
        raise typer.Exit(FAILED)
    if anyio.run(_turn_on, loaded, receiver):
        console.write(f"{receiver} was off and is turned on again")


async def _send(loaded: Config, receiver: str) -> Result:
    prepare_loop()
    now = wall_clock()
    source = loaded.sources[0]
    whole = sample(source.name, source.provider, now, uuid.uuid4().hex)
    configured = [one for one in loaded.receivers if one.name == receiver]
    async with Transport(wall_clock) as transport:
        (plan,) = plan_receivers(configured, transport, loaded.redactor.scrub)
        event = redact(whole, plan.visibility)
        text = templates.render(None, None, event)
        try:
            return await plan.notifier.send(Notice(event, f"Test: {text.title}", text.body, now))
        finally:
            await plan.notifier.close()


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


async def _turn_on(loaded: Config, receiver: str) -> bool:
    """Turn a receiver on that once answered 410; return False if it was not off."""
    try:
        async with reading(loaded.store) as store:
            state = (await store.receivers()).get(receiver)
    except StoreError:
        return False  # without a store, no receiver was turned off
    if state is None or not state.off:
        return False
    await perform(loaded, "send-test", lambda control: control.turn_on(receiver))
    return True
