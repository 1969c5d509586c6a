"""Every law of the provider suite can fail: small wrong providers, each caught by its law.

The right one is the example of docs/writing-a-provider.md, which obeys all of them.
"""

from __future__ import annotations

import itertools
import random
import time
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from tests.docs.examples import acme
from watcher.errors import SourceChanged, SourceRefused, SourceUnavailable
from watcher.model import Message
from watcher.providers import (
    Budget,
    Check,
    Members,
    Page,
    Parts,
    Poll,
    Provider,
    ProviderSettings,
    Quota,
    Request,
)
from watcher.providers.answers import json_body
from watcher.testing import BrokenLaw, ProviderSuite

module, suite_module = acme()
Acme, At, AcmeSuite = module.Acme, module.At, suite_module.TestAcme
LAWS = sorted(name for name in dir(ProviderSuite) if name.startswith("test_"))
WRONG: dict[str, list[type[Provider]]] = {}


def breaks(law: str) -> Any:
    """Register a wrong provider under the law that must catch it."""

    def register(wrong: type[Provider]) -> type[Provider]:
        WRONG.setdefault(f"test_{law}", []).append(wrong)
        return wrong

    return register


@breaks("a_request_depends_on_its_position_alone")
class Counts(Acme):
    """Numbers its requests."""

    numbers = itertools.count()

    def request(self, position: Any) -> Request:
        return replace(super().request(position), headers=(("n", str(next(self.numbers))),))


@breaks("a_request_depends_on_its_position_alone")
class Shows(Acme):
    """Puts the token into the query."""

    def request(self, position: Any) -> Request:
        request = super().request(position)
        return replace(request, params=(*request.params, ("token", self.settings.token)))


@breaks("a_torn_row_shows_less_only_of_parts_that_are_named")
class NamesNothing(Acme):
    """Says that a part can be torn which no observation has."""

    torn: ClassVar[Parts] = {"messages": frozenset()}


@breaks("a_torn_row_shows_less_only_of_parts_that_are_named")
class Forgets(Acme):
    """Reads the topic with the customer, and does not say so."""

    def parse(self, position: Any, response: Any) -> Page:
        page = super().parse(position, response)
        rows = []
        for row in page.rows:
            words = "vip" if row.fields.get("contact.name") else "walk-in"
            rows.append(replace(row, fields={**row.fields, "priority": words}))
        return replace(page, rows=tuple(rows))


@breaks("the_same_answer_gives_the_same_page")
class Remembers(Acme):
    """Leaves out what it has shown before."""

    def __init__(self, settings: ProviderSettings, *, raw: bool = False) -> None:
        super().__init__(settings, raw=raw)
        self.shown: set[str] = set()

    def parse(self, position: Any, response: Any) -> Page:
        page = super().parse(position, response)
        new = tuple(row for row in page.rows if row.id not in self.shown)
        self.shown.update(row.id for row in page.rows)
        return replace(page, rows=new)


@breaks("no_clock_of_ours_decides")
class LooksAtItsWatch(Acme):
    """Shows nothing at some times of our clock."""

    def parse(self, position: Any, response: Any) -> Page:
        page = super().parse(position, response)
        late = response.received.hour >= 12 or response.received.minute % 10 != 0
        return replace(page, rows=()) if late else page


@breaks("no_clock_of_ours_decides")
class BelievesTheDate(Acme):
    """Ends a walk that a proxy dates."""

    def parse(self, position: Any, response: Any) -> Page:
        page = super().parse(position, response)
        return page if response.date is None else replace(page, next=None, complete=False)


@breaks("numbers_follow_the_order_of_creation")
class CountsBackwards(Acme):
    """Numbers its rows by their age."""

    def parse(self, position: Any, response: Any) -> Page:
        page = super().parse(position, response)
        rows = (
            replace(row, number=int(2e10 - row.fields["created_at"].timestamp()), fields=row.fields)
            for row in page.rows
        )
        return replace(page, rows=tuple(rows))


@breaks("every_row_is_shown_wherever_pages_are_cut")
class Hurries(Acme):
    """Takes a page of one row for the last one."""

    def parse(self, position: Any, response: Any) -> Page:
        page = super().parse(position, response)
        return replace(page, next=None) if len(page.rows) < 2 else page


@breaks("every_row_is_shown_wherever_pages_are_cut")
class Doubts(Acme):
    """Is never sure."""

    def parse(self, position: Any, response: Any) -> Page:
        return replace(super().parse(position, response), complete=False)


@breaks("a_poll_shows_what_is_newer")
class Backwards(Acme):
    """Polls in the order in which the newest row comes last."""

    def start(self, motion: Any) -> Any:
        position = super().start(motion)
        return replace(position, order="oldest") if isinstance(motion, Poll) else position


@breaks("a_list_that_repeats_itself_ends")
class Trusts(Acme):
    """Follows any cursor."""

    def parse(self, position: Any, response: Any) -> Page:
        return super().parse(replace(position, seen=frozenset()), response)


@breaks("a_list_that_repeats_itself_ends")
class Restarts(Acme):
    """Starts again whenever there are rows."""

    def parse(self, position: Any, response: Any) -> Page:
        page = super().parse(position, response)
        return replace(page, fallback=bool(page.rows) and position.after is None, next=None)


class AtOnce(Acme):
    """Reads all rows of a page at once, as few pages would suggest."""

    def _read(self, threads: list[Any]) -> Page:
        page = super()._read(threads)
        if page.complaints:
            raise SourceChanged("Acme's answer is not a list of threads")
        return page


breaks("an_odd_row_costs_itself_alone")(AtOnce)


@breaks("an_odd_row_costs_itself_alone")
class Skips(Acme):
    """Does not count what it cannot read."""

    def parse(self, position: Any, response: Any) -> Page:
        return replace(super().parse(position, response), unusable=0)


@breaks("an_odd_row_costs_itself_alone")
class Breaks(Acme):
    """Raises what is not declared."""

    def _read(self, threads: list[Any]) -> Page:
        return Page(super()._read([{**thread} for thread in threads]).rows)


@breaks("an_odd_value_costs_itself_alone")
class Strict(Acme):
    """Reads a row as a whole: one odd value costs all of it."""

    def _read(self, threads: list[Any]) -> Page:
        pages = [super(Strict, self)._read([thread]) for thread in threads]
        rows = tuple(row for page in pages if not page.complaints for row in page.rows)
        complaints = tuple(line for page in pages for line in page.complaints)
        return Page(rows, unusable=len(threads) - len(rows), complaints=complaints)


@breaks("an_odd_value_costs_itself_alone")
class Couples(Acme):
    """Leaves out the customer's name where anything else cannot be read."""

    def _read(self, threads: list[Any]) -> Page:
        page = super()._read(threads)
        if not page.complaints:
            return page
        rows = [
            replace(row, fields={k: v for k, v in row.fields.items() if k != "contact.name"})
            for row in page.rows
        ]
        return replace(page, rows=tuple(rows))


@breaks("an_odd_value_costs_itself_alone")
class Empties(Acme):
    """Takes a value that cannot be read for nothing."""

    def _read(self, threads: list[Any]) -> Page:
        page = super()._read(threads)
        rows = [replace(row, fields={"contact.name": None, **row.fields}) for row in page.rows]
        return replace(page, rows=tuple(rows))


@breaks("an_odd_value_costs_itself_alone")
class Mumbles(Acme):
    """Does not name what cannot be read."""

    def _read(self, threads: list[Any]) -> Page:
        page = super()._read(threads)
        return replace(page, complaints=tuple("something is odd" for _ in page.complaints))


@breaks("an_absent_key_is_not_a_value")
class Fills(Acme):
    """Takes an absent owner for none."""

    def _read(self, threads: list[Any]) -> Page:
        filled = [{"owner": None, **row} if isinstance(row, dict) else row for row in threads]
        return super()._read(filled)


@breaks("every_status_has_its_error")
class Forgives(Acme):
    """Takes a 404 for an empty list."""

    def parse(self, position: Any, response: Any) -> Page:
        return Page() if response.status == 404 else super().parse(position, response)


@breaks("every_status_has_its_error")
class Hopes(Acme):
    """Tries again when the token is refused."""

    def parse(self, position: Any, response: Any) -> Page:
        try:
            return super().parse(position, response)
        except SourceRefused as error:
            raise SourceUnavailable(error.reason) from None


@breaks("every_status_has_its_error")
class Deletes(Acme):
    """Takes trouble at the server for a deletion."""

    def parse(self, position: Any, response: Any) -> Page:
        if position.only is not None and response.status >= 400:
            return Page(verdict="deleted")
        return super().parse(position, response)


@breaks("a_server_is_left_alone_for_as_long_as_it_asks")
class Pushes(Acme):
    """Does not read Retry-After."""

    def quota(self, response: Any) -> Quota | None:
        return Quota(0, 1.0) if response.status == 429 else None


@breaks("a_server_is_left_alone_for_as_long_as_it_asks")
class Sleeps(Acme):
    """Believes any Retry-After."""

    def quota(self, response: Any) -> Quota | None:
        asked = response.headers.get("retry-after", "")
        return Quota(0, float(asked)) if asked.isdecimal() else super().quota(response)


@breaks("an_answer_without_the_promised_shape_is_refused")
class Shrugs(Acme):
    """Takes whatever has no list of threads for an empty one."""

    def parse(self, position: Any, response: Any) -> Page:
        try:
            return super().parse(position, response)
        except SourceChanged:
            return Page()


@breaks("messages_are_for_people_and_hold_no_secret")
class Tattles(Acme):
    """Names the token in an error."""

    def parse(self, position: Any, response: Any) -> Page:
        if response.status == 401:
            raise SourceRefused(f"Acme refuses {self.settings.token}")
        return super().parse(position, response)


@breaks("messages_are_for_people_and_hold_no_secret")
class Quotes(Acme):
    """Puts the row into its complaint."""

    def _read(self, threads: list[Any]) -> Page:
        page = super()._read(threads)
        told = tuple(f"cannot read {str(threads)[:500]}" for _ in page.complaints)
        return replace(page, complaints=told)


@breaks("messages_are_for_people_and_hold_no_secret")
class Recites(Acme):
    """Puts the whole answer into an error."""

    def parse(self, position: Any, response: Any) -> Page:
        if response.status >= 500:
            raise SourceUnavailable(response.body.decode())
        return super().parse(position, response)


@breaks("a_look_up_finds_what_is_there_and_nothing_else")
class Believes(Acme):
    """Takes a missing thread for a found one."""

    def parse(self, position: Any, response: Any) -> Page:
        page = super().parse(position, response)
        return replace(page, verdict="found") if page.verdict == "deleted" else page


@breaks("a_look_up_finds_what_is_there_and_nothing_else")
class Confuses(Acme):
    """Shows a thread by itself otherwise than in the list."""

    def parse(self, position: Any, response: Any) -> Page:
        page = super().parse(position, response)
        if position.only is None:
            return page
        rows = [
            replace(row, fields={**row.fields, "last_message": Message("x")}) for row in page.rows
        ]
        return replace(page, rows=tuple(rows))


@breaks("capabilities_survive_the_store")
class Learns(Acme):
    """Learns something that is not JSON."""

    def parse(self, position: Any, response: Any) -> Page:
        return replace(super().parse(position, response), capabilities={"orders": {"newest"}})


@breaks("capabilities_survive_the_store")
class Insists(Acme):
    """Fails on facts that it does not know."""

    def set_capabilities(self, capabilities: Any) -> None:
        int(capabilities.get("unknown", 1))


@breaks("id_sets_can_be_walked")
class Promises(Acme):
    """Names a set that it cannot list."""

    sets = ("unread",)

    def parse(self, position: Any, response: Any) -> Page:
        if position.order == "unread":
            raise SourceChanged("Acme does not know this order")
        return super().parse(position, response)

    def start(self, motion: Any) -> Any:
        return At("unread") if isinstance(motion, Members) else super().start(motion)


@breaks("id_sets_can_be_walked")
class Stars(Acme):
    """Names a set that the store does not know."""

    sets = ("starred",)  # type: ignore[assignment]


@breaks("a_version_is_told_or_not")
class Echoes(Acme):
    """Takes whatever stands there for a version."""

    @property
    def about(self) -> Any:
        return self.start(Check())

    def parse(self, position: Any, response: Any) -> Page:
        body = json_body(response)
        told = body.get("version", "1.0") if isinstance(body, dict) else "none"
        return Page(capabilities={"version": told})


@breaks("a_version_is_told_or_not")
class Boasts(Acme):
    """Lists what its customers lack in words that it was told."""

    def set_capabilities(self, capabilities: Any) -> None:
        self.version = capabilities.get("version")

    @property
    def limits(self) -> tuple[str, ...]:
        return (f"{getattr(self, 'version', '1')} cannot show labels",)


@breaks("an_account_is_known_without_its_token")
class Renews(Acme):
    """Is another account with each token."""

    @property
    def account(self) -> str:
        return f"acme/{hash(self.settings.token)}"


@breaks("an_account_is_known_without_its_token")
class Shares(Acme):
    """Shares a limit under the token's name."""

    @property
    def budget(self) -> Budget:
        return Budget(self.settings.token, 60, 60)


@breaks("an_account_is_known_without_its_token")
class Anonymous(Acme):
    """Sends no credentials."""

    def authorization(self, token: str) -> dict[str, str]:
        return {"accept": "application/json"}


@breaks("raw_rows_are_carried_when_asked_for")
class Drops(Acme):
    """Carries no rows."""

    def __init__(self, settings: ProviderSettings, *, raw: bool = False) -> None:
        super().__init__(settings)


@breaks("raw_rows_are_carried_when_asked_for")
class Bends(Acme):
    """Carries changed rows."""

    def parse(self, position: Any, response: Any) -> Page:
        page = super().parse(position, response)
        rows = [replace(row, raw=row.raw and {**row.raw, "desk": "7"}) for row in page.rows]
        return replace(page, rows=tuple(rows))


@breaks("costs_are_whole_requests")
class Free(Acme):
    """Costs nothing when there is nothing."""

    def cost(self, rows: int) -> int | None:
        return rows // 50


@breaks("nothing_but_computing_happens")
class Watches(Acme):
    """Looks at the clock."""

    def start(self, motion: Any) -> Any:
        time.monotonic()
        return super().start(motion)


@breaks("nothing_but_computing_happens")
class Rolls(Acme):
    """Throws dice."""

    def cost(self, rows: int) -> int | None:
        return random.randrange(1, 2)


@breaks("nothing_but_computing_happens")
class Reads(Acme):
    """Reads a file."""

    def parse(self, position: Any, response: Any) -> Page:
        with open("/dev/null") as file:  # noqa: PTH123 - the plainest way
            file.read()
        return super().parse(position, response)


@pytest.mark.parametrize("law", LAWS)
def test_the_example_of_the_page_obeys(law: str) -> None:
    getattr(AcmeSuite(), law)()


@pytest.mark.parametrize(
    ("law", "wrong"),
    [(law, wrong) for law, many in WRONG.items() for wrong in many],
    ids=lambda one: one if isinstance(one, str) else one.__name__,
)
def test_a_wrong_provider_is_caught(law: str, wrong: type[Provider]) -> None:
    class Suite(AcmeSuite):  # type: ignore[misc, valid-type]
        def provider(self, *, raw: bool = False) -> Provider:
            return wrong(module.AcmeSettings(token="secret-token", desk="7"), raw=raw)

    with pytest.raises(BrokenLaw):
        getattr(Suite(), law)()


def test_each_law_has_a_provider_that_breaks_it() -> None:
    assert sorted(WRONG) == LAWS
