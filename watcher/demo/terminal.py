"""What the demonstration prints: a line for each step, then a summary.

Rules: text and colours only, nothing is decided here. Without a terminal: plain text, one line each.
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
from watcher.demo.scenes import Scene
from watcher.demo.scorecard import Change, Scorecard
from watcher.explain.changes import what_changed
from watcher.explain.values import format_who
from watcher.model import Event

__all__ = ["Terminal"]

PIPED_WIDTH = 400
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
        """Print what is running and how to inspect it."""
        self._write(
            "The inboxes are simulated; the watcher, its database and the signed webhooks are"
        )
        self._write("real. Nothing leaves this machine. Press Ctrl-C to stop.")
        self._write("")
        for scene, port in zip(scenes, ports[:-1], strict=True):
            self._write(
                f"  {scene.name:<10} {scene.brand:<10} http://127.0.0.1:{port}"
                f"  {len(scene.account.conversations)} conversations"
            )
        quoted = shlex.quote(str(file))
        rows = (
            ("page", f"http://127.0.0.1:{health}/"),
            ("configuration", str(file)),
            ("database", store),
            ("receiver", f"http://127.0.0.1:{ports[-1]}/crm"),
            ("health", f"http://127.0.0.1:{health}/healthz, /readyz and /metrics"),
            ("act there", f"inbox-watcher open --config {quoted}"),
            ("look inside", f"inbox-watcher status --config {quoted}"),
            ("", f"inbox-watcher events --follow --config {quoted}"),
        )
        self._write("")
        for name, value in rows:
            self._write(f"  {name:<14} {value}")
        self._write("")

    def happens(self, scene: Scene, text: str) -> None:
        """Print what happened at a provider."""
        self._line("world", f"{scene.provider} {scene.name}", Text(text))

    def detected(self, event: Event) -> None:
        """Print an event that the daemon recorded, with its changes."""
        words = Text.assemble((event.type, "bold"), f"  {_about(event)}")
        self._line("event", _where(event.data), words)

    def arrived(self, arrival: Arrival) -> None:
        """Print that an event reached the webhook receiver, and how long after its detection."""
        event = arrival.event
        late = (arrival.at - datetime.fromisoformat(event["time"])).total_seconds()
        words = f"{event['type']}  signature verified, {late * 1000:.0f} ms"
        if about := event["data"].get("delivery"):
            words = f"{event['type']}  signature verified, {_later(about)}"
        self._line("webhook", _where(event["data"]), Text(words))

    def read(self, receiver: str, title: str, body: str) -> None:
        """Print the beginning of a text that arrived through Apprise."""
        words = Text(f"{title} | {body.partition(chr(10))[0]}")
        self._line("message", f"Apprise → {receiver}", words)

    def sum_up(
        self,
        scorecard: Scorecard,
        *,
        happened: int,
        detected: int,
        inbound: Inbound,
        kept: Path | None,
    ) -> None:
        """Print the totals, and what did not arrive."""
        delays = scorecard.delays
        changes = len(delays) + len(scorecard.under_way) + len(scorecard.missed)
        self._write("")
        self._write(
            f"{_count(happened, 'step')} at the providers made {_count(changes, 'change')}:"
            f" {_count(detected, 'event')} detected, {len(delays)} delivered with the right"
            f" content and a verified signature, {len(scorecard.missed)} missed."
        )
        if delays:
            self._write(
                f"From change to receiver: median {statistics.median(delays):.1f} s,"
                f" at most {max(delays):.1f} s."
                f" {_count(inbound.texts, 'message')} for people went through Apprise."
            )
        if scorecard.escalated:
            self._write(
                f"{_count(scorecard.escalated, 'customer')} waited too long and people were told:"
                f" {scorecard.resolved} of these waits ended, and people were told that too."
            )
        self._list("Not yet delivered at the end", scorecard.under_way)
        self._list("MISSED", scorecard.missed)
        if scorecard.invented:
            self._write(f"DELIVERED BUT NOT MADE: {len(scorecard.invented)}")
        if inbound.refused:
            self._write(f"REFUSED, invalid signature: {inbound.refused}")
        if inbound.repeats:
            self._write(f"Sent twice, recognized by webhook-id: {inbound.repeats}")
        if kept is not None:
            self._write(f"Configuration and database are kept in {kept}; you can delete it.")

    def _list(self, title: str, changes: Sequence[Change]) -> None:
        if not changes:
            return
        names = [f"{one.source} {one.entry.type}" for one in changes[:SHOWN]]
        more = f" and {len(changes) - SHOWN} more" if len(changes) > SHOWN else ""
        self._write(f"{title}: {', '.join(names)}{more}.")

    def _line(self, kind: str, where: str, words: Text) -> None:
        seconds = (self._clock() - self._started).total_seconds()
        table = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
        for width in (6, 7, 18):
            table.add_column(width=width, no_wrap=True)
        table.add_column()
        style = STYLES[kind]
        table.add_row(Text(f"{seconds:5.1f}s", "dim"), Text(kind, style), Text(where), words)
        self._console.print(table)

    def _write(self, words: str) -> None:
        self._console.print(Text(words), soft_wrap=True)


def _where(data: Mapping[str, Any]) -> str:
    return f"{data.get('provider', '')} {data.get('source', '')}".strip()


def _later(about: Mapping[str, Any]) -> str:
    """Format what a rule sends later: that a state lasts, or that it is over."""
    over = about.get("resolved")
    if over is None:
        return f"it lasts: {about['rule']}"
    return f"over after {over['seconds']} s: {over['reason']}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _about(event: Event) -> str:
    """Format who an event is about and what changed."""
    return ": ".join(words for words in (format_who(event), what_changed(event)) if words)
