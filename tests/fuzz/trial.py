"""One hostile answer's way: through parse, mapping, border, decision, words and store.

Rules: one page is one function of (provider, seed, number). Whatever is not declared is a failure:
an exception, a page that costs too much, a value that reads back otherwise than it was written.
"""

from __future__ import annotations

import dataclasses
import json
import random
import resource
import sqlite3
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from watcher import mapping as fields
from watcher.config.load import load
from watcher.errors import SourceError, SourceUnavailable
from watcher.model import Event, Observation, Snapshot
from watcher.pipeline import Sighting, SourcePolicy, decide, sanitize
from watcher.providers import Page, Provider, Response
from watcher.records import Commit, SourceState
from watcher.rules import Rule
from watcher.store.sqlite import queries, rows, transactions
from watcher.store.sqlite.schema import migrate, migrations
from watcher.templates import render

from .answers import NOW, Maker
from .subjects import SUBJECTS, TOKEN, Subject

__all__ = ["MEGABYTE", "Failed", "Outcome", "Trial"]

MEGABYTE = 2**20
SECONDS, SECONDS_PER_MEGABYTE = 1.0, 2.0
"""Time of the process that reading one page may take."""

TRACING = 4.0
"""How much slower a program is while its memory is traced, at least."""

MEMORY, MEMORY_PER_BYTE = 16 * MEGABYTE, 60
"""Bytes that reading one page may take: decoded JSON is some thirty times its text at worst, and
what a row shows is held beside it."""

DECIDED = 1
"""Rows of a page that go all the way, through four decisions."""

LARGEST = 32 * MEGABYTE
"""Bytes of a body: the transport gives no larger one to a provider, unless it is told to."""

TITLE = "{{ conversation.contact.name or 'unknown' }}: {{ conversation.last_message.text | upper }}"
BODY = (
    "{{ conversation.labels | join(', ') }} {{ changes }} {{ conversation.attributes | tojson }}"
    " {% for key, value in conversation.attributes.items() %}{{ key }}={{ value }}{% endfor %}"
    " {{ conversation.unread_count + 1 }} {{ conversation.last_message.text[:50] }}"
)
CONFIGURATION = """
sources: {leads: {provider: leadping, token: t}}
receivers: {crm: {type: webhook, url: "http://crm.example"}}
rules:
- {name: all, when: "*", notify: crm}
- {name: unread, when: conversation.unread, for: 5m, notify: crm,
   where: 'conversation.unread_count > 2 || size(conversation.labels) > 0'}
- {name: words, when: "conversation.*", notify: crm,
   where: 'conversation.last_message.text.contains("x") && conversation.attributes.all.id == 7'}
- {name: names, when: "conversation.*", notify: crm,
   where: 'conversation.contact.name.startsWith("A") || conversation.labels.exists(l, l == "vip")'}
- {name: times, when: "conversation.*", notify: crm,
   where: 'timestamp(conversation.last_activity_at) < timestamp(observed.before)'}
- {name: numbers, when: "conversation.*", notify: crm,
   where: 'conversation.attributes.total + 1 > 3'}
"""


class Failed(Exception):
    """A page did what none may do."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a page; `memory` is bytes at the most, `size` those of its body."""

    motion: str
    spoiled: str
    result: str
    seconds: float
    memory: int
    size: int
    decided: int = 0
    events: int = 0


@cache
def _rules() -> tuple[Rule, ...]:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "watcher.yaml"
        file.write_text(CONFIGURATION)
        return load([file], environ={}).rules


class Trial:
    """Tries pages of one provider; the store is a SQLite file in memory, empty for each page."""

    def __init__(self, name: str, seed: int) -> None:
        self.subject: Subject = SUBJECTS[name]
        self.seed = seed
        self._store = sqlite3.connect(":memory:", isolation_level=None)
        migrate(self._store, migrations())
        self._plain = self._known_row()

    def _known_row(self) -> Observation:
        """Return what a real row of this provider shows: the state that hostile rows turn into."""
        provider = self.subject.make(False, {})
        for shape in self.subject.shapes:
            response = Response(200, shape.encode(), {}, NOW, NOW)
            try:
                page = provider.parse(provider.start(self.subject.motions["sweep"]), response)
            except SourceError:
                continue
            if page.rows:
                return page.rows[0]
        raise AssertionError("no shape of a page with rows")

    def run(
        self, number: int, *, measure: bool | None = None, onward: bool | None = None
    ) -> Outcome:
        """Try page `number`; raises Failed, or whatever came out of the program.

        `measure` says whether to trace memory, which makes reading several times slower, by
        default for one page in ten and one large one in three (the others must not add to what
        the process takes at most); `onward` whether a row goes on to decision and store, which
        takes ten times longer than to read it, by default for one page in four.
        """
        rng = random.Random(f"{self.subject.name} {self.seed} {number}")
        raw = rng.random() < 0.4
        provider = self.subject.make(raw, {})
        provider.set_capabilities(rng.choice(self.subject.capabilities))
        motion = rng.choice(list(self.subject.motions))
        position = self._advance(rng, provider, motion)
        maker = Maker(rng, self.subject.shapes)
        response = maker.response()
        if len(response.body) > LARGEST:
            response = dataclasses.replace(response, body=response.body[:LARGEST])
        size = len(response.body)
        if measure is None:
            measure = number % (3 if size > 65_536 else 10) == 0
        result, page, seconds, memory = self.read(
            provider, position, response, raw=raw, measure=measure
        )
        _check_cost(size, seconds, memory)
        self._check_asking(provider, position, page, response)
        decided = events = 0
        if page is not None:
            _check_page(page)
            if onward or (onward is None and number % 4 == 0):
                decided, events = self._follow(rng, page)
        return Outcome(motion, maker.done[0], result, seconds, memory, size, decided, events)

    def _advance(self, rng: random.Random, provider: Provider, motion: str) -> Any:
        """Walk some real pages on, so that positions in mid-walk are tried too."""
        position = start = provider.start(self.subject.motions[motion])
        for _ in range(rng.choice((0, 0, 0, 1, 2, 3, 5))):
            response = Maker(rng, self.subject.shapes).response(benign=True)
            try:
                position = provider.parse(position, response).next or start
            except SourceError:
                break
        return position

    def read(
        self, provider: Provider, position: Any, response: Response, *, raw: bool, measure: bool
    ) -> tuple[str, Page | None, float, int]:
        """Read an answer; gives the outcome in a word, the page, seconds and bytes that it took."""
        before = 0
        if measure:
            tracemalloc.start()
        else:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began = time.process_time()
        page: Page | None = None
        try:
            page = provider.parse(position, response)
            if raw:
                rows = (fields.apply(self.subject.fields, row)[0] for row in page.rows)
                page = dataclasses.replace(page, rows=tuple(rows))
            page = sanitize(page)
            result = "page" if page.rows else "page without rows"
        except SourceError as error:
            _check_words(error)
            result = type(error).__name__
        seconds = time.process_time() - began
        if measure:
            memory = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            seconds /= TRACING
        else:  # what the process itself took, beyond all it ever took before
            memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
        return result, page, seconds, memory

    def _check_asking(
        self, provider: Provider, position: Any, page: Page | None, response: Response
    ) -> None:
        """Whatever follows can be asked: the next page, the way round this one, the quota."""
        for after in (position, page.next if page else None, provider.skip(position)):
            if after is not None:
                request = provider.request(after)
                json.dumps(request.json, allow_nan=False).encode()
                "".join((request.path, *(k + v for k, v in request.params))).encode()
        quota = provider.quota(response)
        if quota is not None and not (quota.remaining >= 0 and 0 <= quota.resets <= 3_600):
            raise Failed(f"a quota that nobody can keep: {quota}")

    # -- onward --------------------------------------------------------------------------------

    def _follow(self, rng: random.Random, page: Page) -> tuple[int, int]:
        """Have some rows decided, routed, told and stored: as new ones, again, and as changes from
        and to what a real row shows.
        """
        rows = rng.sample(page.rows, min(DECIDED, len(page.rows)))
        if not rows:
            return 0, 0
        policy = SourcePolicy("leads", self.subject.name, "a", _rules(), unread_cap=10)
        state = SourceState("leads", self.subject.name, "a", baselined=NOW, baseline_started=NOW)
        usual = [dataclasses.replace(self._plain, id=row.id) for row in rows]
        known: dict[str, Snapshot] = {}
        events = 0
        with self._transaction():
            for minute, seen in enumerate((rows, rows, usual, rows)):
                at = NOW + timedelta(minutes=minute)
                sighting = Sighting(at, at, {}, at - timedelta(minutes=1), admit=True)
                decision = decide(policy, state, known, seen, sighting)
                if minute == 1 and decision.commit is not None:
                    raise Failed(f"the same page twice is a change: {decision.commit}")
                if decision.commit is not None:
                    events += self._write(decision.commit)
                    known = self._read_back(decision.commit, known)
        return len(rows), events

    def _write(self, commit: Commit) -> int:
        for event in commit.events:
            _check_event(event)
        transactions.commit(self._store, commit)
        return len(commit.events)

    def _read_back(self, commit: Commit, known: dict[str, Snapshot]) -> dict[str, Snapshot]:
        ids = {snapshot.conversation.id: snapshot for snapshot in commit.snapshots}
        asked = ("leads", rows.json_list(ids))
        read = [rows.read_snapshot(row) for row in self._store.execute(queries.KNOWN, asked)]
        stored = {snapshot.conversation.id: snapshot for snapshot in read}
        if stored != ids:
            raise Failed(f"the store gives back something else: {stored} instead of {ids}")
        return known | stored

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._store.execute("BEGIN")
        try:
            yield
        finally:
            self._store.execute("ROLLBACK")


def _check_cost(size: int, seconds: float, memory: int) -> None:
    allowed = SECONDS + SECONDS_PER_MEGABYTE * size / MEGABYTE
    if seconds > allowed:
        raise Failed(f"{seconds:.2f} s for {size} bytes, {allowed:.2f} are allowed")
    most = MEMORY + MEMORY_PER_BYTE * size
    if memory > most:
        raise Failed(f"{memory:,} bytes of memory for {size:,} bytes, {most:,} are allowed")


def _check_words(error: SourceError) -> None:
    """What people read is one line each, printable, short, and without the token."""
    for words in (error.reason, error.remedy):
        if not words.isprintable() or len(words) > 600 or TOKEN in words:
            raise Failed(f"words that nobody should read: {words[:300]!r}") from error
    if isinstance(error, SourceUnavailable):
        wish = error.retry_after
        if wish is not None and not 0 <= wish <= 3_600:
            raise Failed(f"a pause that nobody would make: {wish}") from error


def _check_page(page: Page) -> None:
    for words in page.complaints:
        if not words.isprintable() or len(words) > 600:
            raise Failed(f"a complaint that nobody should read: {words[:300]!r}")


def _no_constant(name: str) -> None:
    raise Failed(f"{name} in an event's JSON")


def _check_event(event: Event) -> None:
    """What is posted is JSON by the letter, and reads back as it was."""
    body = event.body()
    json.loads(body, parse_constant=_no_constant)
    if Event.from_body(body).body() != body:
        raise Failed("an event reads back otherwise")
    for title, text in ((None, None), (TITLE, BODY)):
        told = render(title, text, event)
        f"{told.title}\n{told.body}".encode()
        if "\n" in told.title:
            raise Failed("a title of several lines")
