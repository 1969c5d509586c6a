"""`deliveries show`: one delivery in full: the request, the answers, each attempt and decision.

Rules: what is shown as sent is made by the code that sends it, from the stored event and today's
configuration. No secrets: of a receiver's address only the host is shown.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import anyio
import structlog
import typer

from watcher.cli.completion import complete_deliveries
from watcher.cli.console import Console, NotOne
from watcher.cli.daemon_client import load, reading
from watcher.cli.ids import find_deliveries
from watcher.cli.options import AsJson
from watcher.clock import wall_clock
from watcher.config.model import Config
from watcher.daemon.link_keys import links_with
from watcher.dispatcher.render import Renderer
from watcher.explain.deliveries import format_entry, plain_delivery, plain_entry
from watcher.explain.values import format_times, format_who
from watcher.explain.waits import Wait, what_it_waits_for
from watcher.metrics import Metrics
from watcher.model import Delivery
from watcher.notify.receivers import Receiver
from watcher.records import DeliveryQuery, HistoryEntry
from watcher.store.outbox import DIGEST_LIMIT
from watcher.stories import first_in_order, what_decides

__all__ = ["show"]


def show(
    ctx: typer.Context,
    id_: Annotated[
        str,
        typer.Argument(
            metavar="ID[/RECEIVER]",
            show_default=False,
            autocompletion=complete_deliveries,
            help="Of a delivery, or of the event that it carries; the beginning is enough.",
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Show the request, the answers, and each attempt and decision."""
    console: Console = ctx.obj
    loaded = load(console)
    now = wall_clock()
    found, history, waits = anyio.run(_find, loaded, id_, now)
    if not found:
        raise NotOne(
            f"no delivery has the id {id_}, and none carries an event with it",
            "`inbox-watcher deliveries` lists them",
        )
    receivers = {receiver.name: receiver for receiver in loaded.receivers}
    for number, message in enumerate(_messages(found)):
        receiver = receivers.get(message[0].receiver)
        sent = None if receiver is None else _sent(message, receiver, loaded)
        lines = [entry for entry in history if entry.key == message[0].key]
        if as_json:
            entries = [plain_entry(entry) for entry in lines]
            console.json(
                {
                    **plain_delivery(message[0], now, waits.get(message[0].key)),
                    "sent": sent,
                    "history": entries,
                }
            )
        else:
            console.write("" if number == 0 else "\n", "")
            _print(console, message, waits.get(message[0].key), sent, lines)


async def _find(
    loaded: Config, id_: str, now: datetime
) -> tuple[list[Delivery], list[HistoryEntry], dict[str, Wait]]:
    """Find what a person may mean, with what goes out, or went out, together with it; and what it waits
    for.
    """
    async with reading(loaded.store) as store:
        found = {one.key: one for one in await find_deliveries(store, id_)}
        for one in tuple(found.values()):
            if one.message:  # the others that went out with it are part of what was sent
                query = DeliveryQuery(id=one.message, receiver=one.receiver)
                found |= {other.key: other for other in await store.deliveries(query)}
            elif one.batch and one.state == "pending":  # so are those that wait for the same digest
                query = DeliveryQuery(
                    state="pending", receiver=one.receiver, batch=one.batch, limit=DIGEST_LIMIT
                )
                found |= {other.key: other for other in await store.deliveries(query)}
        known = await what_decides(store, loaded.rules, loaded.silences, loaded.timezone)
        waits = {}
        for one in found.values():
            first = await first_in_order(store, one)
            if (wait := what_it_waits_for(one, known, now, first=first)) is not None:
                waits[one.key] = wait
        return list(found.values()), list(await store.history(found.keys())), waits


def _messages(found: Sequence[Delivery]) -> list[list[Delivery]]:
    """Put together what went out, or is to go out, as one."""
    messages: dict[tuple[str, str], list[Delivery]] = {}
    for one in found:
        together = one.message or (one.batch if one.state == "pending" else "") or one.id
        messages.setdefault((together, one.receiver), []).append(one)
    return list(messages.values())


def _sent(message: list[Delivery], receiver: Receiver, loaded: Config) -> Mapping[str, Any]:
    """Return what goes out: a request, or a text."""
    log = structlog.get_logger()
    words = Renderer(
        lambda: loaded.rules,
        Metrics(),
        log,
        receiver.text,
        receiver.visibility,
        lambda: receiver.zone or loaded.timezone or UTC,
        # Signed with another key: what is shown here acts on nothing.
        links=lambda: links_with(loaded, (b"shown",)) if receiver.links else None,
    )
    notice = words.notice(message, wall_clock())
    several = message[0].kind == "digest" or len(message) > 1
    unsent = several and not message[0].message
    id_ = "(given when the digest goes out)" if unsent else notice.event.id
    return receiver.preview(notice, id_)


def _print(
    console: Console,
    message: Sequence[Delivery],
    wait: Wait | None,
    sent: Mapping[str, Any] | None,
    history: Sequence[HistoryEntry],
) -> None:
    first = message[0]
    console.write(f"delivery {first.id} to {first.receiver}", "bold")
    when = (
        f"since {console.time(first.settled)}"
        if first.settled
        else f"due {console.time(first.due)}"
    )
    tries = f"{first.attempt} attempt{'' if first.attempt == 1 else 's'}"
    note = format_times(first.note, console.zone)
    said = f": {note}" if note else ""
    if tries in note:  # given up after that many
        tries, said = note, ""
    rows = [
        ("state", f"{first.stands(wall_clock())} {when}, {tries}{said}"),
        (
            "rule",
            first.rule
            + ("" if first.kind == "event" else f" ({first.kind}, message {first.number})"),
        ),
    ]
    if wait is not None:
        rows.append(("waits", format_times(wait.text, console.zone)))
    rows += [("event", f"{_about(console, one)}") for one in message]
    for name, value in rows:
        console.write(f"  {name:<7}{value}")
    console.write("")
    if sent is None:
        console.write("the receiver is no longer configured, so the request cannot be shown")
    elif "url" in sent:
        console.write("request (with today's settings of the receiver)", "bold")
        lines = [f"{sent['method']} {sent['url']}"]
        lines += [f"{name}: {value}" for name, value in sent["headers"].items()]
        body = json.dumps(json.loads(sent["body"]), indent=2, ensure_ascii=False)
        _indent(console, [*lines, "", *body.splitlines()])
    else:
        console.write("message (with today's templates)", "bold")
        _indent(console, [sent["title"], "", *sent["body"].splitlines()])
    console.write("")
    nothing = "no history was kept" if first.attempt else "nothing has been tried or decided yet"
    console.write("history" if history else nothing, "bold")
    for entry in history:
        _indent(console, format_entry(entry, console.zone))


def _about(console: Console, delivery: Delivery) -> str:
    event = delivery.event
    about = " ".join(word for word in (event.type, event.source, format_who(event)) if word)
    return f"{about} at {console.time(event.time)} (id {event.id})"


def _indent(console: Console, lines: Sequence[str]) -> None:
    console.write("\n".join(f"  {line}".rstrip() for line in lines))
