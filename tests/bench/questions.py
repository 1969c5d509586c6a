"""What each question to the API costs a large store: figure `questions`.

A store in a file, made by the program's own commits, of a thousand sources with so many events, as many
deliveries and a fifth as many conversations. Each question is asked of the API as it is served, with the
bound that the daemon sets; CPU counts, of all threads.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import anyio

from tests.api.harness import Door
from tests.bench.figures import Figure, Measured, Scale
from tests.support.make import at, commit, delivery, event, snapshot
from watcher.catalogue.events import EVENT_TYPES
from watcher.daemon.front import READ_STEPS
from watcher.model import Contact, DeliveryState
from watcher.store import Store
from watcher.store.sqlite import SqliteStore

GOAL = 50.0
"""Milliseconds of CPU that a question may take."""

PART = 500
"""Events of one commit, all of one source."""

SOURCES = 1000
TYPES = tuple(one for one in EVENT_TYPES if one.startswith("conversation."))

QUESTIONS = (
    "/events",
    "/events?limit=200",
    "/events?type=conversation.waiting",
    "/events?source=s7",
    "/events?source=none",
    "/events?conversation=c7",
    "/events/e77",
    "/deliveries",
    "/deliveries?state=dead",
    "/deliveries?state=pending",
    "/deliveries?state=due",
    "/deliveries?state=held",
    "/deliveries?receiver=r3",
    "/deliveries?receiver=r3&state=dead",
    "/deliveries?rule=R5",
    "/deliveries?source=s7",
    "/deliveries/e77",
    "/conversations",
    "/conversations?waiting=true",
    "/conversations?unread=true",
    "/conversations?q=Name%2077",
    "/conversations?q=nobody",
    "/conversation?source=s0&conversation=c7",
    "/status",
    "/summary",
    "/sources",
    "/acknowledgements",
    "/actions",
    "/why?receiver=r3&event=e77",
    "/why?receiver=r3&source=s0&conversation=c7",
    "/stats?kind=types&since=2026-11-19T00:00:00Z&until=2026-11-26T00:00:00Z&step=day",
)


def measure(scale: Scale) -> Iterator[Measured]:
    """Ask each question some times."""
    count, rounds = scale.number("events", 1_000_000, 50_000), scale.number("rounds", 3)
    case = f"{count:,} events"
    for question, samples in anyio.run(_ask, count, rounds).items():
        yield Measured(case, question, samples, "ms CPU", most=GOAL)


async def _ask(count: int, rounds: int) -> dict[str, tuple[float, ...]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "watcher.db"
        store = await SqliteStore.open(path)
        await _fill(store, count)
        reader = await SqliteStore.open_reader(path, steps=READ_STEPS)
        door = Door(reader, at=at(count))
        found = {}
        for question in QUESTIONS:
            samples = []
            for _ in range(rounds):
                began = time.process_time()
                answer = await door.ask("GET", question)
                samples.append((time.process_time() - began) * 1000)
                assert answer.status == 200, (question, answer.body)
            found[question] = tuple(samples)
        await reader.close()
        await store.close()
    return found


async def _fill(store: Store, count: int) -> None:
    conversations = count // 5
    for first in range(0, count, PART):
        source = f"s{first // PART % SOURCES}"
        owed, known = [], []
        for n in range(first, min(first + PART, count)):
            about = f"c{n % conversations}"
            kind = TYPES[n % len(TYPES)]
            happened = event(f"e{n}", seconds=n, type=kind, source=source, subject=about)
            owed.append(
                delivery(happened, receiver=f"r{n % 10}", rule=f"R{n % 20}", state=_state(n))
            )
            if n < conversations:
                person = Contact(id=f"p{n}", name=f"Name {n}", phone=f"+49{n}")
                since = None if n % 4 else at(n)
                known.append(snapshot(about, contact=person, waiting_since=since))
        await store.commit(commit(*owed, source=source, snapshots=tuple(known)))


def _state(number: int) -> DeliveryState:
    if number % 50 == 0:
        return "dead"
    return "delivered" if number % 3 else "pending"


FIGURES = (
    Figure(
        "", "questions", "what each question to the API costs a large store", measure,
        {"events": "how many, and deliveries", "rounds": "of each question"},
    ),
)  # fmt: skip
