"""What the person in front of the demonstration reads: a line for each thing, then the sum.

Law: words and colours only, nothing is decided here. Without a terminal: plain text, one line
each.
"""

from __future__ import annotations

import shlex
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from watcher.demo.receiver import Arrival, Inbound
from watcher.demo.reckoning import Change, Reckoning
from watcher.demo.scenes import Scene
from watcher.model import Event

__all__ = ["Terminal"]

PIPED_WIDTH = 400
LONGEST_VALUE = 48
SHOWN = 5

STYLES = {
    "world": "cyan",
    "event": "bold yellow",
    "webhook": "green",
    "message": "magenta",
}


class Terminal:
    """Prints as things happen; times are seconds since the start."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        width = None if sys.stdout.isatty() else PIPED_WIDTH
        self._console = Console(highlight=False, width=width, emoji=False, markup=False)
        self._clock = clock
        self._started = clock()

    def introduce(
        self, scenes: Sequence[Scene], ports: Sequence[int], file: Path, store: str, health: int
    ) -> None:
        """Say what runs and where it can be looked at."""
        self._say("Simulated inboxes on this machine; the watcher, its database and the signed")
        self._say("webhooks are real. Nothing leaves loopback. Ctrl-C ends it.")
        self._say("")
        for scene, port in zip(scenes, ports[:-1], strict=True):
            self._say(
                f"  {scene.name:<10} {scene.brand:<10} http://127.0.0.1:{port}"
                f"  {len(scene.account.conversations)} conversations"
            )
        quoted = shlex.quote(str(file))
        rows = (
            ("configuration", str(file)),
            ("database", store),
            ("receiver", f"http://127.0.0.1:{ports[-1]}/crm"),
            ("health", f"http://127.0.0.1:{health}/healthz, /readyz and /metrics"),
            ("look inside", f"inbox-watcher status --config {quoted}"),
            ("", f"inbox-watcher events --follow --config {quoted}"),
        )
        self._say("")
        for name, value in rows:
            self._say(f"  {name:<14} {value}")
        self._say("")

    def happens(self, scene: Scene, told: str) -> None:
        """Tell what happened at a provider."""
        self._line("world", f"{scene.provider} {scene.name}", Text(told))

    def detected(self, event: Event) -> None:
        """Tell an event as the daemon records it, from what to what."""
        words = Text.assemble((event.type, "bold"), f"  {describe(event)}")
        self._line("event", _where(event.data), words)

    def arrived(self, arrival: Arrival) -> None:
        """Tell that an event reached the webhook receiver, and how long after its detection."""
        event = arrival.event
        late = (arrival.at - datetime.fromisoformat(event["time"])).total_seconds()
        words = f"{event['type']}  signature verified, {late * 1000:.0f} ms"
        self._line("webhook", _where(event["data"]), Text(words))

    def read(self, title: str, body: str) -> None:
        """Show the beginning of a text that came through Apprise."""
        self._line("message", "Apprise → team", Text(f"{title} | {body.partition(chr(10))[0]}"))

    def sum_up(
        self,
        reckoning: Reckoning,
        *,
        happened: int,
        detected: int,
        inbound: Inbound,
        folder: Path,
    ) -> None:
        """Say what it all came to, and what did not arrive."""
        delays = reckoning.delays
        changes = len(delays) + len(reckoning.under_way) + len(reckoning.missed)
        self._say("")
        self._say(
            f"{_count(happened, 'thing')} happened, {_count(changes, 'change')} in all:"
            f" {_count(detected, 'event')} detected, {len(delays)} delivered with the right"
            f" content and a verified signature, {len(reckoning.missed)} missed."
        )
        if delays:
            self._say(
                f"From change to receiver: median {statistics.median(delays):.1f} s,"
                f" at most {max(delays):.1f} s."
                f" {_count(inbound.texts, 'message')} for people went through Apprise."
            )
        self._list("Still under way when it ended", reckoning.under_way)
        self._list("MISSED", reckoning.missed)
        if reckoning.invented:
            self._say(f"REPORTED WRONGLY: {len(reckoning.invented)}")
        if inbound.refused:
            self._say(f"REFUSED, the signature was wrong: {inbound.refused}")
        if inbound.repeats:
            self._say(f"Sent again, and recognized by webhook-id: {inbound.repeats}")
        self._say(f"Configuration and database are kept in {folder}; remove it when you like.")

    def _list(self, title: str, changes: Sequence[Change]) -> None:
        if not changes:
            return
        names = [f"{one.source} {one.entry.type}" for one in changes[:SHOWN]]
        more = f" and {len(changes) - SHOWN} more" if len(changes) > SHOWN else ""
        self._say(f"{title}: {', '.join(names)}{more}.")

    def _line(self, kind: str, where: str, words: Text) -> None:
        seconds = (self._clock() - self._started).total_seconds()
        table = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
        for width in (6, 7, 18):
            table.add_column(width=width, no_wrap=True)
        table.add_column()
        style = STYLES[kind]
        table.add_row(Text(f"{seconds:5.1f}s", "dim"), Text(kind, style), Text(where), words)
        self._console.print(table)

    def _say(self, words: str) -> None:
        self._console.print(Text(words), soft_wrap=True)


def _where(data: Mapping[str, Any]) -> str:
    return f"{data.get('provider', '')} {data.get('source', '')}".strip()


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def describe(event: Event) -> str:
    """Say who an event is about and what changed from what to what, on one line."""
    conversation = event.data.get("conversation")
    if not isinstance(conversation, Mapping):
        return str(event.data.get("reason") or "")
    contact = conversation.get("contact") or {}
    who = contact.get("name") or contact.get("phone") or str(event.subject)
    changes: Mapping[str, Any] = event.data.get("changes") or {}
    told = [part for name, sides in changes.items() for part in _sides(name, sides)]
    if event.data.get("reason"):
        told.append(str(event.data["reason"]))
    return f"{who}: {', '.join(told)}" if told else str(who)


def _sides(name: str, sides: Mapping[str, Any]) -> list[str]:
    """Tell a changed field; of an open object, only what differs in it."""
    before, after = sides.get("before"), sides.get("after")
    if name in ("contact", "attributes"):
        old, new = before or {}, after or {}
        keys = [key for key in {**old, **new} if old.get(key) != new.get(key)]
        return [f"{key} {_say(old.get(key))} → {_say(new.get(key))}" for key in keys]
    return [f"{name} {_say(before)} → {_say(after)}"]


def _say(value: Any) -> str:
    """Spell a value shortly."""
    if value is None or value in ([], {}):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        text = value.get("text")
        if text:
            return f"“{_cut(str(text))}”"
        named = value.get("name") or value.get("label") or value.get("id")
        return _cut(str(named or ", ".join(f"{key} {one}" for key, one in value.items())))
    if isinstance(value, list):
        return _cut("+".join(map(str, value)))
    return _cut(str(value))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"
