"""The conformance suite for providers: what `watcher.providers.Provider` promises, as tests.

Rules: no pytest and no I/O; each law is one method that raises BrokenLaw. A provider is judged by
what it returns and raises alone.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Literal, NoReturn, TypeAlias, get_args

from watcher.catalogue.fields import PATHS
from watcher.errors import SourceChanged, SourceError, SourceRefused, SourceUnavailable
from watcher.merge import merge
from watcher.model import Conversation, Observation
from watcher.pipeline import sanitize
from watcher.pipeline.capabilities import told_version
from watcher.providers import (
    VERSION,
    Check,
    Coverage,
    IdSet,
    LookUp,
    Members,
    Motion,
    Page,
    Parts,
    Poll,
    Position,
    Provider,
    Quota,
    Request,
    Response,
    Sweep,
)
from watcher.testing.laws import BrokenLaw
from watcher.testing.purity import watch_purity

__all__ = ["ProviderSuite"]

PRIVATE = "private-words-of-a-customer"
"""Stands in hostile rows, and must stand in no complaint."""

HOSTILE: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 10**30, 1e300, "", " ", "0", "-1", "nan", "x" * 100_000,
    "\u202egnp.exe", "\x00\x1b[2J", "\ud800", "2026-11-20", "2026-11-20T09:59:00", "yesterday",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "../../..", [], {}, [None], [PRIVATE],
    {PRIVATE: PRIVATE}, [[[[[[]]]]]], {"id": {}},
)  # fmt: skip
"""Values that no key of a row should have, or that are unusual where a text is right."""

WRONG_CLOCKS = tuple(timedelta(seconds=off) for off in (-86_400, -600, -37, 37, 600, 86_400))

EMPTY: tuple[Any, ...] = (None, "", [], {})

GAP = '"@gap@"'

PROBES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    1,
    1_700_000_000,
    "x",
    "2026-01-02T03:04:05Z",
    [],
    {},
)
"""Values that show which paths of an observation follow from a key."""

_Path: TypeAlias = tuple[str | int, ...]
"""Keys, and 0 for the first of a list, from a row down to a value."""

TOKENS = ("NaN", "-Infinity", "1e999", "9" * 5_000, "[" * 300 + "]" * 300, "tru", '"\\ud83d"', "")
"""Pieces of text that are not JSON, or hardly, in the place of a value."""

NOT_JSON = (
    b"", b"<!doctype html><title>Sign in</title>", b"Retry later\n", b"{", b"\xff\xfe\x00", b"null",
    b"7", b'"text"', b"[]", b"{}", b"[" * 100_000, b"[" + b"{}," * 1_100_000 + b"{}]",
)  # fmt: skip
"""Bodies with status 200 that are not a list of conversations."""

UNAVAILABLE = (429, 500, 502, 503, 504)
REFUSED = (401, 403)
UNKNOWN = (404, 410)
ODD = (0, 100, 301, 302, 400, 405, 409, 418, 422, 451, 499, 999)

SUSPICIONS: tuple[Literal["absent", "suspect"], ...] = ("absent", "suspect")

FEWEST = 3
"""Rows of a page in which one is spoiled: it has a neighbour on each side."""

LONGEST_MESSAGE = 600
FALLBACKS = 3
"""How often a walk may ask to be started again: each time the provider has learned something."""


class ProviderSuite:
    """The laws of providers. Subclass it as a test class and write the four members below.

    The other attributes have defaults, which suit most APIs.
    """

    rows_path: ClassVar[tuple[str, ...]]
    """The keys under which a list's JSON has its rows."""

    page_sizes: ClassVar[tuple[int, ...]] = (1, 2, 3, 7)
    """Page sizes that the API may use; list only those that it can."""

    empty_when_absent: ClassVar[frozenset[str]] = frozenset()
    """Paths of observations for which the API is documented to leave out the key when there is nothing."""

    free_objects: ClassVar[frozenset[str]] = frozenset()
    """Keys of a row (`meta.custom`) whose value is an object with keys that users choose."""

    read_with: ClassVar[Mapping[str, frozenset[str]]] = {}
    """Paths of observations that a key (`meta.assignee_type`) has a say in with some values alone, so
    that they are not shown where it cannot be read.
    """

    now: ClassVar[datetime] = datetime(2026, 11, 20, 10, tzinfo=UTC)
    """The time at which everything here happens."""

    def provider(self, *, raw: bool = False) -> Provider:
        """Return a new provider."""
        raise NotImplementedError

    def rows(self) -> Sequence[Any]:
        """Return five rows or more as the API writes them, with ids and times that differ."""
        raise NotImplementedError

    def answer(self, request: Request, rows: Sequence[Any], size: int) -> Response:
        """Return what the API answers when `rows` are all that it has and pages have `size` rows.

        This is a small server without state: it reads the request's cursor, order and filter. For a
        look-up it answers as the API does for a conversation that is in `rows`, or is not.
        """
        raise NotImplementedError

    def respond(
        self, body: Any, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> Response:
        """Return an answer with this body: bytes as they are, anything else as JSON."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return Response(status, raw, headers or {}, self.now, self.now, self.now)

    # The laws

    def test_a_request_depends_on_its_position_alone(self) -> None:
        """The same position asks for the same thing, in a shape that can be sent, without the token."""
        provider = self.provider()
        for position in self._positions(provider):
            before = repr(position)
            request = provider.request(position)
            for other in (provider, self.provider()):
                if other.request(position) != request:
                    _break(f"two requests for one position differ: {request}")
            if repr(position) != before:
                _break(f"`request` changed the position {before}")
            _check_request(request, provider.settings.token)

    def test_the_same_answer_gives_the_same_page(self) -> None:
        """Parsing keeps nothing: not in the provider, not in the position."""
        provider = self.provider()
        for position in self._positions(provider):
            before = repr(position)
            response = self.answer(provider.request(position), self.rows(), max(self.page_sizes))
            pages = [self._parse(each, position, response) for each in (provider, provider)]
            fresh = self._parse(self.provider(), position, response)
            if repr(position) != before:
                _break(f"`parse` changed the position {before}")
            if not isinstance(fresh, SourceError) and not pages[0] == pages[1] == fresh:
                _break(f"one answer gives two pages: {pages[0]} and {pages[1]} and {fresh}")

    def test_no_clock_of_ours_decides(self) -> None:
        """A page is the same whatever our clock showed, and whatever `Date` the answer has, or none: a
        clock may be a day off, and a proxy may write the date.
        """
        provider = self.provider()
        for position in self._positions(provider):
            response = self.answer(provider.request(position), self.rows(), min(self.page_sizes))
            page = self._parse(provider, position, replace(response, date=None))
            for off in WRONG_CLOCKS:
                ours = replace(response, sent=response.sent + off, received=response.received + off)
                for date in (None, response.received, ours.received, response.received - off):
                    other = self._parse(provider, position, replace(ours, date=date))
                    if repr(other) != repr(page):
                        _break(
                            f"a clock that is {off} off, with the date {date}, makes {other} of {page}"
                        )

    def test_numbers_follow_the_order_of_creation(self) -> None:
        """Where rows show their place in the order of creation, no two have the same, and one that was
        created later has a higher one.
        """
        shown = self._shown(self._walk(Sweep(), self.rows(), len(self.rows()) + 1)).values()
        numbers = [row.number for row in shown if row.number is not None]
        if len(set(numbers)) < len(numbers):
            _break(f"two conversations have the same number: {sorted(numbers)}")
        made = [
            (row.fields["created_at"], row.number)
            for row in shown
            if row.number is not None and row.fields.get("created_at") is not None
        ]
        for (one, first), (other, second) in itertools.product(made, made):
            if one < other and first > second:
                _break(f"{first} was created at {one}, before {second} at {other}")

    def test_every_row_is_shown_wherever_pages_are_cut(self) -> None:
        """A sweep shows each row, the same at any page size, and says that it was complete."""
        whole = self._shown(self._walk(Sweep(), self.rows(), len(self.rows()) + 1))
        if len(whole) != len(self.rows()):
            _break(f"of {len(self.rows())} rows a sweep shows {len(whole)}")
        for size in (*self.page_sizes, len(self.rows())):
            pages = self._walk(Sweep(), self.rows(), size)
            shown = self._shown(pages)
            if shown != whole:
                lost = sorted(set(whole) - set(shown)) or "some of them otherwise"
                _break(f"in pages of {size}, a sweep shows rows not at all or differently: {lost}")
            if not pages[-1].complete:
                _break(f"in pages of {size}, a sweep of rows that do not move is not complete")
        empty = self._walk(Sweep(), (), max(self.page_sizes))
        if any(page.rows for page in empty) or not empty[-1].complete:
            _break("a sweep of an empty list shows rows, or is not complete")

    def test_a_poll_shows_what_is_newer(self) -> None:
        """Every row with activity since the last poll is on some page of the next one."""
        whole = self._shown(self._walk(Sweep(), self.rows(), len(self.rows()) + 1))
        times = {id_: row.fields.get("last_activity_at") for id_, row in whole.items()}
        known = sorted(at for at in times.values() if at is not None)
        for since in known[:: max(1, len(known) // 5)]:
            wanted = {id_ for id_, at in times.items() if at is not None and at >= since}
            for newest in (None, since):
                motion = Poll(max(self.now - since, timedelta(0)), newest)
                for size in self.page_sizes:
                    shown = self._shown(self._walk(motion, self.rows(), size))
                    if lost := sorted(wanted - set(shown)):
                        _break(f"a poll since {since} in pages of {size} does not show {lost}")
                    if any(whole[id_].fields != row.fields for id_, row in shown.items()):
                        _break("a poll shows a row otherwise than a sweep does")

    def test_a_list_that_repeats_itself_ends(self) -> None:
        """A server that answers a walk with the same pages over and over does not keep it for ever."""
        for motion in self._lists():
            for length in (1, 2, 3):
                provider = self.provider()
                pages = self._answers(provider, motion, length)
                position, most, restarts = provider.start(motion), 100 + 20 * len(self.rows()), 0
                for number in range(most):
                    page = self._parse(provider, position, pages[number % len(pages)])
                    if isinstance(page, SourceError) or (page.next is None and not page.fallback):
                        break
                    restarts += page.fallback
                    if restarts > FALLBACKS:
                        _break(f"a {_name(motion)} starts again and again")
                    provider.set_capabilities(page.capabilities)
                    position = provider.start(motion) if page.fallback else page.next
                else:
                    _break(f"a {_name(motion)} over {length} repeating pages goes on after {most}")

    def test_an_odd_row_costs_itself_alone(self) -> None:
        """Whatever is in one row, its neighbours are shown, and it is shown or counted."""
        for motion, raw in ((Sweep(), False), (self._poll(), False), (self._poll(), True)):
            provider = self.provider(raw=raw)
            position = provider.start(motion)
            body = self._first_page(provider, position)
            sound = self._sound(provider, position, body)
            del sound[list(sound)[1]]
            for what, spoiled in self._spoiled(body):
                page = self._parse(provider, position, self.respond(spoiled))
                if isinstance(page, SourceError):
                    _break(f"{what} in one row costs the whole page: {page}")
                # A row may make the list look unordered: then the walk is made another way.
                if page.fallback:
                    continue
                if len(page.rows) + page.unusable < FEWEST:
                    _break(f"{what}: the row is neither shown nor counted as unusable")
                shown = self._shown([page])
                if lost := [id_ for id_, row in sound.items() if shown.get(id_) != row]:
                    _break(f"{what} in one row changes or loses its neighbours {lost}")
            for text in self._torn(body):
                self._parse(provider, position, self.respond(text))

    def test_an_odd_value_costs_itself_alone(self) -> None:
        """A value that cannot be read is not shown, and a complaint names it; all else of its row is
        read as before. Only a row without a usable id is unusable.
        """
        provider = self.provider()
        position = provider.start(Sweep())
        for body in self._shapes(provider, position):
            vital = self._vital_keys(provider, position, body)
            if len(vital) > 1:
                _break(f"a row is lost without {' or '.join(map(_dotted, vital))}; an id is enough")
            sound = self._sound(provider, position, body)
            for path in _value_paths(self._list(body)[1]):
                if path not in vital:
                    self._check_odd_values(provider, position, body, sound, path)

    def test_an_absent_key_is_not_a_value(self) -> None:
        """A key that vanishes from all rows leaves its paths out; it does not make them empty."""
        provider = self.provider()
        position = provider.start(Sweep())
        body = self._first_page(provider, position)
        sound = self._sound(provider, position, body)
        for path in dict.fromkeys(path for row in self._list(body) for path in _key_paths(row)):
            if ".".join(path[:-1]) in self.free_objects:
                continue
            lacking = deepcopy(body)
            for row in self._list(lacking):
                _remove(row, path)
            page = self._parse(provider, position, self.respond(lacking))
            if isinstance(page, SourceError) or page.fallback:
                continue
            for row in page.rows:
                self._check_absence(sound[row.id], row, ".".join(path))

    def test_a_torn_row_shows_less_only_of_parts_that_are_named(self) -> None:
        """Where a row shows a part of `torn` as empty, nothing else changes but what goes with it."""
        provider = self.provider()
        for part, others in provider.torn.items():
            _check_part(part, others, provider.coverage)
        position = provider.start(Sweep())
        for body in self._shapes(provider, position):
            before = list(self._sound(provider, position, body).values())[1]
            for path in _value_paths(self._list(body)[1]):
                for empty in EMPTY:
                    torn = deepcopy(body)
                    _put(self._list(torn)[1], path, empty)
                    page = self._parse(provider, position, self.respond(torn))
                    shown = {} if isinstance(page, SourceError) else self._shown([page])
                    if before.id in shown:
                        _check_torn(before, shown[before.id], provider.torn, _dotted(path))

    def test_every_status_has_its_error(self) -> None:
        """401 and 403 are for a person, 429 and 5xx for later; nothing but 2xx shows a row."""
        provider = self.provider()
        for motion, position in self._moving(provider):
            for status in (*REFUSED, *UNKNOWN, *UNAVAILABLE, *ODD):
                for body in (b"", b"<html>Error</html>", {"message": "No", "error": "No"}):
                    response = self.respond(body, status)
                    found = self._parse(provider, position, response)
                    about_one = isinstance(motion, LookUp)
                    if fault := _wrong_outcome(status, found, about_one=about_one):
                        _break(f"HTTP {status} to a {_name(motion)} {fault}: {found!r}")
                    _check_quota(provider.quota(response))

    def test_a_server_is_left_alone_for_as_long_as_it_asks(self) -> None:
        """`Retry-After` reaches the error and the quota of a 429; an hour at most is believed, and a date is
        reckoned from the `Date` of the same answer.
        """
        provider = self.provider()
        position = provider.start(Sweep())
        for value in ("7", "0", "-5", "soon", "1e999", "9" * 400, "Fri, 20 Nov 2026 10:00:07 GMT"):
            told = {"date": "Fri, 20 Nov 2026 10:00:00 GMT"} if "GMT" in value else {}
            response = self.respond({"error": "slow down"}, 429, {"retry-after": value, **told})
            error = self._parse(provider, position, response)
            if not isinstance(error, SourceUnavailable):
                _break(f"a 429 with Retry-After: {value[:40]} is {error!r}")
            wait, quota = error.retry_after, provider.quota(response)
            if wait is not None and not 0 <= wait <= 3_600:
                _break(f"Retry-After: {value[:40]} becomes a pause of {wait} s")
            _check_quota(quota)
            if "7" in value and (wait, quota) != (7.0, Quota(0, 7.0)):
                _break(f"Retry-After: {value} becomes a pause of {wait} s and {quota}")

    def test_an_answer_without_the_promised_shape_is_refused(self) -> None:
        """HTML, a cut answer, or JSON of another shape is SourceChanged, never an empty list."""
        provider = self.provider()
        for motion, position in self._moving(provider):
            response = self.answer(provider.request(position), self.rows(), max(self.page_sizes))
            cut = response.body[: len(response.body) * 2 // 3]
            # A look-up may ask an address whose answers have no shape but being JSON.
            about_one = isinstance(motion, LookUp)
            for body in (*NOT_JSON[:5], cut) if about_one else (*NOT_JSON, cut):
                found = self._parse(provider, position, self.respond(body))
                if not isinstance(found, SourceError):
                    _break(f"{body[:40]!r} passes for the answer to a {_name(motion)}: {found}")
                if not about_one and not isinstance(found, SourceChanged):
                    _break(f"{body[:40]!r} is {type(found).__name__}, not SourceChanged")

    def test_messages_are_for_people_and_hold_no_secret(self) -> None:
        """Errors and complaints are one printable line without the token or a customer's words."""
        provider = self.provider()
        token = provider.settings.token
        for _motion, position in self._moving(provider):
            for status in (200, *REFUSED, *UNKNOWN, *UNAVAILABLE, *ODD):
                for body in (b"", b"<html>\n\x1b[2J", {"message": "No\n\x1b[2J" * 500}):
                    found = self._parse(provider, position, self.respond(body, status))
                    if isinstance(found, SourceError):
                        _check_words(found.reason, token)
                        _check_words(found.remedy, token)
        position = provider.start(Sweep())
        for _what, spoiled in self._spoiled(self._first_page(provider, position)):
            page = self._parse(provider, position, self.respond(spoiled))
            complaints = () if isinstance(page, SourceError) else page.complaints
            for line in complaints:
                _check_words(line, token)
                if PRIVATE in line:
                    _break(f"a complaint quotes what the row says: {line}")

    def test_a_look_up_finds_what_is_there_and_nothing_else(self) -> None:
        """A look-up of a listed row is `found`; of a missing one it is not."""
        rows = self.rows()
        size = max(self.page_sizes)
        known = self._shown(self._walk(Sweep(), rows, len(rows) + 1))
        for number, row in enumerate(rows):
            others = [one for one in rows if one is not row]
            lost = set(known) - set(self._shown(self._walk(Sweep(), others, size)))
            if len(lost) != 1:
                _break(f"row {number} has the id of another one")
            (id_,) = lost
            for why in SUSPICIONS:
                motion = LookUp(_known(known[id_]), why)
                there, _ = self._end_of(motion, rows, size)
                if there.verdict != "found" or any(one.id != id_ for one in there.rows):
                    _break(f"a listed conversation is {there.verdict}: {there}")
                if any(one.fields != known[id_].fields for one in there.rows):
                    _break("a look-up shows a row otherwise than the list does")
                gone, shown = self._end_of(motion, others, size)
                if gone.verdict in (None, "found") or id_ in shown:
                    _break(f"a missing conversation is {gone.verdict}: {gone}")

    def test_capabilities_survive_the_store(self) -> None:
        """Facts about the server are plain JSON; unknown or spoiled ones change nothing."""
        learned: dict[str, Any] = {"unknown": 1}
        for motion in self._lists():
            for page in self._walk(motion, self.rows(), max(self.page_sizes)):
                learned |= page.capabilities
        try:
            kept = json.loads(json.dumps(learned, allow_nan=False))
        except (TypeError, ValueError):
            kept = None
        if kept != learned:
            _break(f"capabilities are not plain JSON: {learned}")
        for name in learned:
            for value in HOSTILE:
                provider = self.provider()
                try:
                    provider.set_capabilities({name: value})
                    for motion in self._lists():
                        provider.request(provider.start(motion))
                except Exception as error:  # noqa: BLE001 - judged here
                    _break(f"{name} = {value!r} in the store fails with {type(error).__name__}")

    def test_a_version_is_told_or_not(self) -> None:
        """An answer to `about` tells the version or nothing, whatever it is; `limits` are for people."""
        provider = self.provider()
        if (position := provider.about) is not None:
            request = provider.request(position)
            _check_request(request, provider.settings.token)
            page = self._parse(provider, position, self.answer(request, self.rows(), 1))
            if isinstance(page, SourceError) or told_version(page.capabilities) is None:
                _break(f"the server is asked for its version and tells none: {page}")
            provider.set_capabilities(page.capabilities)
            versions = [json.dumps({"version": value}).encode() for value in HOSTILE]
            for body in (*NOT_JSON, b"<html>Error</html>", *versions):
                for status in (200, *REFUSED, *UNKNOWN, *UNAVAILABLE, *ODD):
                    self._check_version(provider, position, self.respond(body, status))
        for line in provider.limits:
            _check_words(line, provider.settings.token)
        for value in HOSTILE:
            provider = self.provider()
            provider.set_capabilities({VERSION: value})
            for line in provider.limits:
                _check_words(line, provider.settings.token)

    def test_id_sets_can_be_walked(self) -> None:
        """Each of `sets` has a name that the store knows, and a walk."""
        for name in self.provider().sets:
            if name not in get_args(IdSet):
                _break(f"no id set is called {name}")
            self._walk(Members(name), self.rows(), max(self.page_sizes))

    def test_an_account_is_known_without_its_token(self) -> None:
        """Account and budget hold no secret, and a new token is the same account."""
        provider = self.provider()
        token = provider.settings.token
        settings = provider.settings.model_copy(update={"token": "another-token"})
        renewed = type(provider)(settings)
        if renewed.account != provider.account:
            _break("a renewed token is another account")
        if token in provider.account or token in provider.budget.key:
            _break("the account or the budget's key holds the token")
        if not (provider.budget.requests > 0 and provider.budget.per > 0):
            _break(f"a budget that allows nothing: {provider.budget}")
        if not any(token in value for value in provider.authorization(token).values()):
            _break("no header carries the token")

    def test_raw_rows_are_carried_when_asked_for(self) -> None:
        """With `raw` each observation has its decoded row, without it none; all else is equal."""
        motion = Sweep()
        position = self.provider().start(motion)
        body = self._first_page(self.provider(), position)
        plain = self._sound(self.provider(), position, body)
        carried = self._sound(self.provider(raw=True), position, body)
        rows = self._list(json.loads(json.dumps(body)))
        for id_, row in carried.items():
            if row.raw not in rows:
                _break(f"{id_} does not carry its row")
            if plain.get(id_) != replace(row, raw=None):
                _break(f"{id_} is read otherwise when rows are carried")

    def test_costs_are_whole_requests(self) -> None:
        """A walk costs a request or more, and never less for more rows."""
        provider = self.provider()
        costs = [provider.cost(rows) for rows in (0, 1, 10, 100, 1_000, 100_000)]
        known = [cost for cost in costs if cost is not None]
        if len(known) not in (0, len(costs)) or known != sorted(known) or min(known, default=1) < 1:
            _break(f"walks over more and more rows cost {costs}")

    def test_nothing_but_computing_happens(self) -> None:
        """No clock is read, no random number drawn, no file or socket opened."""
        provider, motion = self.provider(), self._poll()
        responses = [self.respond(body) for body in (b"", b"{}")]
        position = provider.start(motion)
        responses.append(self.answer(provider.request(position), self.rows(), 100))

        def exercise() -> None:
            for motion in (*self._lists(), LookUp(Conversation("c1"), "absent")):
                position = provider.start(motion)
                provider.request(position)
                provider.skip(position)
                provider.cost(100)
                for response in responses:
                    provider.quota(response)
                    with suppress(SourceError):
                        provider.parse(position, response)

        exercise()  # what is imported and compiled once is not the provider's doing
        with watch_purity() as impure:
            exercise()
        if impure:
            _break(f"a provider called {', '.join(dict.fromkeys(impure))}")

    # How they are checked

    def _lists(self) -> tuple[Motion, ...]:
        sets = self.provider().sets
        return (Sweep(), self._poll(), Check(), *(Members(name) for name in sets))

    def _poll(self) -> Poll:
        return Poll(timedelta(days=60))

    def _positions(self, provider: Provider) -> Iterator[Position]:
        """Yield the positions of all walks over our rows."""
        for motion in (*self._lists(), *self._look_ups()):
            position: Position | None = provider.start(motion)
            for _ in range(3):
                if position is None:
                    break
                yield position
                response = self.answer(
                    provider.request(position), self.rows(), min(self.page_sizes)
                )
                page = self._parse(provider, position, response)
                position = None if isinstance(page, SourceError) else page.next

    def _moving(self, provider: Provider) -> Iterator[tuple[Motion, Position]]:
        """Yield each motion with its first position, and a sweep with a later one."""
        for motion in (*self._lists(), *self._look_ups()):
            yield motion, provider.start(motion)
        motion = Sweep()
        position = provider.start(motion)
        response = self.answer(provider.request(position), self.rows(), min(self.page_sizes))
        page = self._parse(provider, position, response)
        if isinstance(page, Page) and page.next is not None:
            yield motion, page.next

    def _look_ups(self) -> tuple[LookUp, LookUp]:
        whole = self._shown(self._walk(Sweep(), self.rows(), len(self.rows()) + 1))
        known = _known(next(iter(whole.values())))
        return LookUp(known, "absent"), LookUp(known, "suspect")

    def _parse(
        self, provider: Provider, position: Position, response: Response
    ) -> Page | SourceError:
        """Return the page as the watcher takes it, or the declared error.

        Anything else is broken, whatever law asks.
        """
        try:
            return sanitize(provider.parse(position, response))
        except SourceError as error:
            return error
        except Exception as error:
            raise BrokenLaw(
                f"`parse` fails with {type(error).__name__}: {error} on HTTP {response.status},"
                f" {response.body[:200]!r}"
            ) from error

    def _check_version(self, provider: Provider, position: Position, response: Response) -> None:
        page = self._parse(provider, position, response)
        if isinstance(page, SourceError):
            return
        if page.rows or page.next is not None or page.verdict is not None or page.fallback:
            _break(f"the answer to `about` is more than a version: {page}")
        if VERSION in page.capabilities and told_version(page.capabilities) is None:
            _break(f"{response.body[:40]!r} tells a version that cannot be shown: {page}")

    def _walk(self, motion: Motion, rows: Sequence[Any], size: int) -> list[Page]:
        """Walk to the end as the poller does; return the pages since the last fresh start."""
        provider = self.provider()
        pages: list[Page] = []
        capabilities: dict[str, Any] = {}
        position, restarts = provider.start(motion), 0
        for _ in range(100 + 20 * len(self.rows())):
            page = self._parse(
                provider, position, self.answer(provider.request(position), rows, size)
            )
            if isinstance(page, SourceError):
                raise BrokenLaw(f"a {_name(motion)} over sound pages fails: {page}") from page
            capabilities |= page.capabilities
            provider.set_capabilities(capabilities)
            if page.fallback:
                pages, position, restarts = [], provider.start(motion), restarts + 1
                if restarts > FALLBACKS:
                    break
                continue
            pages.append(page)
            if page.next is None:
                return pages
            position = page.next
        raise BrokenLaw(f"a {_name(motion)} in pages of {size} does not come to an end")

    def _end_of(self, motion: LookUp, rows: Sequence[Any], size: int) -> tuple[Page, set[str]]:
        """Return the last page of a look-up, and the ids that its pages showed."""
        pages = self._walk(motion, rows, size)
        return pages[-1], set(self._shown(pages))

    def _shown(self, pages: Iterable[Page]) -> dict[str, Observation]:
        return {row.id: row for page in pages for row in page.rows}

    def _sound(self, provider: Provider, position: Position, body: Any) -> dict[str, Observation]:
        page = self._parse(provider, position, self.respond(body))
        if isinstance(page, SourceError):
            raise BrokenLaw(f"a sound page is refused: {page}") from page
        return self._shown([page])

    def _answers(self, provider: Provider, motion: Motion, length: int) -> list[Response]:
        """Return the first answers of a walk."""
        position: Position | None = provider.start(motion)
        answers: list[Response] = []
        while position is not None and len(answers) < length:
            response = self.answer(provider.request(position), self.rows(), min(self.page_sizes))
            answers.append(response)
            page = self._parse(provider, position, response)
            position = None if isinstance(page, SourceError) else page.next
        return answers

    def _first_page(self, provider: Provider, position: Position) -> Any:
        """Return the decoded first page of a walk, cut to three rows."""
        response = self.answer(provider.request(position), self.rows(), len(self.rows()))
        body = json.loads(response.body)
        rows = self._list(body)
        if len(rows) < FEWEST:
            _break(f"the first page of a walk over all rows has {len(rows)}")
        del rows[FEWEST:]
        return body

    def _list(self, body: Any) -> list[Any]:
        for key in self.rows_path:
            body = body[key]
        found: list[Any] = body
        return found

    def _spoiled(self, body: Any) -> Iterator[tuple[str, bytes]]:
        """Yield pages whose middle row is odd, with what is odd about it."""
        for path in ((), *_key_paths(self._list(body)[1])):
            name = ".".join(path) or "the row itself"
            text = self._with_gap(body, path)
            for value in HOSTILE:
                yield f"{name} = {value!r:.40}", text.replace(GAP, json.dumps(value), 1).encode()
        for path in _key_paths(self._list(body)[1]):
            lacking = deepcopy(body)
            _remove(self._list(lacking)[1], path)
            yield f"a missing {'.'.join(path)}", json.dumps(lacking).encode()

    def _shapes(self, provider: Provider, position: Position) -> Iterator[Any]:
        """Yield pages of three rows; each row whose keys are like no other's is once in the middle."""
        response = self.answer(provider.request(position), self.rows(), len(self.rows()))
        rows = self._list(json.loads(response.body))
        seen: set[frozenset[tuple[str | int, ...]]] = set()
        for number in range(1, len(rows) - 1):
            shape = frozenset(_value_paths(rows[number]))
            if shape in seen:
                continue
            seen.add(shape)
            body = json.loads(response.body)
            self._list(body)[:] = rows[number - 1 : number + 2]
            yield body

    def _vital_keys(self, provider: Provider, position: Position, body: Any) -> list[_Path]:
        """Return the keys without which a row is not shown."""
        vital: list[_Path] = []
        for path in _value_paths(self._list(body)[1]):
            lacking = deepcopy(body)
            _remove(self._list(lacking)[1], path)
            page = self._parse(provider, position, self.respond(lacking))
            if isinstance(page, SourceError):
                _break(f"a missing {_dotted(path)} in one row costs the whole page: {page}")
            if not page.fallback and len(page.rows) < FEWEST:
                vital.append(path)
        return vital

    def _check_odd_values(
        self,
        provider: Provider,
        position: Position,
        body: Any,
        sound: Mapping[str, Observation],
        path: _Path,
    ) -> None:
        """Check what odd values of one key of the middle row cost; `sound` is how the page is read."""
        id_ = list(sound)[1]
        before, known = sound[id_], merge(None, sound[id_])
        usual = _value_at(self._list(body)[1], path)
        name = _dotted(path)
        free = any(_dotted(path[:end]) in self.free_objects for end in range(1, len(path) + 1))
        own = set(self.read_with.get(name, ()))
        for changed in self._probes(body, path):
            page = self._parse(provider, position, self.respond(changed))
            # Only what can be read shows which paths follow from the key.
            if not isinstance(page, SourceError) and not page.complaints:
                own |= _differing(before, self._shown([page]).get(id_, before))
        if "last_message" in own:
            own |= {"message_id", "evidence"}
        template = self._with_gap(body, path)
        for value in HOSTILE:
            what = f"{name} = {value!r:.40}"
            text = template.replace(GAP, json.dumps(value), 1)
            page = self._parse(provider, position, self.respond(text.encode()))
            if isinstance(page, SourceError):
                _break(f"{what} in one row costs the whole page: {page}")
            if page.fallback:
                continue
            after = self._shown([page]).get(id_)
            if after is None:
                _break(f"{what} costs the whole row {id_}")
            if lost := sorted(_differing(before, after) - own):
                _break(f"{what} changes or loses {', '.join(lost)} as well")
            if free or not _of_another_kind(value, usual):
                continue
            for one, read in after.fields.items():
                alone = replace(after, fields={one: read})
                if merge(known, alone).conversation != known.conversation:
                    _break(
                        f"{what} turns {one} into {read!r:.40}; what cannot be read is not shown"
                    )
            gone = sorted((before.fields.keys() - after.fields.keys()) & own)
            key = next(part for part in reversed(path) if isinstance(part, str))
            if gone and not any(id_ in line and key in line for line in page.complaints):
                _break(f"no complaint names {id_} and {name} where {what}: {page.complaints}")

    def _probes(self, body: Any, path: _Path) -> Iterator[Any]:
        """Yield pages in which a key has other values, to see which paths follow from it."""
        lacking = deepcopy(body)
        _remove(self._list(lacking)[1], path)
        yield lacking
        for value in PROBES:
            changed = deepcopy(body)
            _put(self._list(changed)[1], path, value)
            yield changed

    def _torn(self, body: Any) -> Iterator[bytes]:
        """Yield bodies in which one value is not JSON, or hardly."""
        for path in _key_paths(self._list(body)[1]):
            text = self._with_gap(body, path)
            for token in TOKENS:
                yield text.replace(GAP, token, 1).encode()

    def _with_gap(self, body: Any, path: _Path) -> str:
        """Return the page's text with a gap in the place of a value of the middle row."""
        changed = deepcopy(body)
        if path:
            _put(self._list(changed)[1], path, json.loads(GAP))
        else:
            self._list(changed)[1] = json.loads(GAP)
        return json.dumps(changed)

    def _check_absence(self, before: Observation, after: Observation, key: str) -> None:
        known = merge(None, before)
        for path, value in after.fields.items():
            if path in after.absent or path in self.empty_when_absent:
                continue
            # What is left out of a message or a disposition keeps what was known, as in the watcher.
            alone = replace(after, fields={path: value})
            if merge(known, alone).conversation != known.conversation:
                old = before.fields.get(path)
                _break(f"without the key {key}, {path} turns from {old!r} into {value!r}")


def _break(what: str) -> NoReturn:
    raise BrokenLaw(what)


def _name(motion: Motion) -> str:
    return type(motion).__name__.lower()


def _known(row: Observation) -> Conversation:
    return merge(None, row).conversation


def _wrong_outcome(status: int, found: Page | SourceError, *, about_one: bool) -> str:
    """Return how an outcome is wrong for a status, empty if it is right."""
    if status in UNAVAILABLE:
        return "" if isinstance(found, SourceUnavailable) else "is not SourceUnavailable"
    if isinstance(found, SourceError):
        refused = isinstance(found, SourceRefused)
        return "" if refused or about_one or status not in REFUSED else "is not SourceRefused"
    if found.rows or found.verdict == "found":
        return "shows a row"
    # A refusal may concern one conversation or one parameter, and the next request decides.
    decided = found.next is not None or found.fallback or (about_one and found.verdict is not None)
    if decided and (about_one or status not in (*REFUSED, *UNKNOWN)):
        return ""
    return "passes for a page"


def _check_request(request: Request, token: str) -> None:
    sent = json.dumps([request.path, request.params, request.json, request.headers])
    if not request.path.startswith("/") or request.method not in ("GET", "POST"):
        _break(f"a request that cannot be sent: {request.method} {request.path}")
    if not all(isinstance(text, str) for pair in request.params for text in pair):
        _break(f"parameters are texts: {request.params}")
    if token in sent:
        _break("a request holds the token; only `authorization` may")


def _check_quota(quota: Quota | None) -> None:
    if quota is not None and not (quota.remaining >= 0 and 0 <= quota.resets <= 3_600):
        _break(f"a quota that cannot be kept: {quota}")


def _check_part(part: str, others: frozenset[str], coverage: Coverage) -> None:
    """Check that a part of `Provider.torn` and what goes with it are paths that rows can show."""
    for path in (part, *others):
        head, _, leaf = path.partition(".")
        if path != "contact" and path not in PATHS and not (head == "attributes" and leaf):
            _break(f"`torn` names {path!r}, which no observation has")
        known = coverage.attributes
        if head == "attributes" and known is not None and leaf not in known:
            _break(f"`torn` names {path}, which `coverage` does not know")


def _check_torn(before: Observation, after: Observation, parts: Parts, key: str) -> None:
    """Check that what a row shows otherwise than before, where it lost a part, is named in `torn`."""
    changed = _differing(before, after) - {"message_id", "evidence"}
    lost = [part for part in parts if _is_lost(before, after, part)]
    named = {path for part in parts for path in changed if _belongs(path, part)}
    named |= {path for part in lost for path in parts[part]}
    if lost and (extra := sorted(changed - named)):
        _break(
            f"without {key}, a row loses {lost[0]} and shows {', '.join(extra)} otherwise: name it"
            f" in `torn`"
        )


def _belongs(path: str, part: str) -> bool:
    return path == part or path.startswith(f"{part}.")


def _is_lost(before: Observation, after: Observation, part: str) -> bool:
    mine = [path for path, value in before.fields.items() if value and _belongs(path, part)]
    return bool(mine) and all(path in after.fields and not after.fields[path] for path in mine)


def _check_words(text: str, token: str) -> None:
    if not text.isprintable() or len(text) > LONGEST_MESSAGE:
        _break(f"a message that is not one short printable line: {text[:200]!r}")
    if token in text:
        _break("a message holds the token")


def _key_paths(value: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the keys of an object and of the objects in it, three deep."""
    if isinstance(value, dict) and len(above) < 3:
        for key, inner in value.items():
            yield (*above, key)
            yield from _key_paths(inner, (*above, key))


def _value_paths(value: Any, above: _Path = ()) -> Iterator[_Path]:
    """Yield the paths of the values in an object, three deep; of a list of objects, in its first."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        yield from _value_paths(value[0], (*above, 0))
    elif isinstance(value, dict) and len(above) < 4:
        for key, inner in value.items():
            yield (*above, key)
            yield from _value_paths(inner, (*above, key))


def _value_at(row: Any, path: _Path) -> Any:
    for key in path:
        row = row[key]
    return row


def _dotted(path: _Path) -> str:
    return ".".join(map(str, path))


def _differing(before: Observation, after: Observation) -> set[str]:
    """Return the paths (and the message's id, the evidence) that two observations show differently."""
    nothing = object()
    paths = before.fields.keys() | after.fields.keys()
    found = {
        path
        for path in paths
        if before.fields.get(path, nothing) != after.fields.get(path, nothing)
    }
    found |= {"message_id"} if before.message_id != after.message_id else set()
    # That something is unreadable is part of the evidence.
    one, other = (replace(row.evidence, unclear=False) for row in (before, after))
    return found | ({"evidence"} if one != other else set())


def _of_another_kind(value: Any, usual: Any) -> bool:
    """Return whether a value cannot be a way to write something like the usual one."""
    if isinstance(usual, dict):
        return value is not None and value != "" and not isinstance(value, dict)
    if isinstance(usual, list):
        return value == [None] or isinstance(value, bool | int | float | dict)
    return usual is not None and isinstance(value, list | dict)


def _put(row: Any, path: _Path, value: Any) -> None:
    for key in path[:-1]:
        row = row[key]
    row[path[-1]] = value


def _remove(row: Any, path: _Path) -> None:
    for key in path[:-1]:
        if isinstance(row, list) and isinstance(key, int):
            row = row[key] if key < len(row) else None
        else:
            row = row.get(key) if isinstance(row, dict) else None
    if isinstance(row, dict):
        row.pop(path[-1], None)
