"""Apprise: the text, written for the service of each URL and sent from a worker process.

Rules: Apprise is never imported here. Its own thread pool starves when a few servers drip, and a
thread that hangs keeps a process from exiting; a worker process can be killed. Workers are few,
shared by all Apprise receivers, and ended with the daemon.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, Self
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

import anyio
import anyio.to_process
from pydantic import ConfigDict, Field

from watcher.addresses import EVERYWHERE, AddressFilter
from watcher.descriptors import spent
from watcher.errors import ConfigError
from watcher.markup import Draft, Format, Part, Text, brief, parts_of
from watcher.model import Event, Result, derive_id
from watcher.notify import Notice, _apprise_worker
from watcher.notify._apprise_worker import Verdict
from watcher.notify.receivers import Network, Receiver, ReceiverPlan, fingerprint
from watcher.pipeline import Policy
from watcher.secrets import SecretText
from watcher.settings.base import Context, Mistake, not_both, wrong
from watcher.settings.calendar_values import Zone
from watcher.settings.link import in_the_clear, link_local, unverified
from watcher.settings.values import Limit, is_bare_address, secret

__all__ = ["AppriseNotifier", "AppriseReceiver", "validate"]

WORKERS = 2
"""Worker processes of one receiver."""

LEASE = timedelta(hours=1)
"""Many URLs, one after the other, can take as long."""

DEADLINE = 60.0
"""Seconds for one send; also the longest wait for a free worker."""

START = 30.0
"""Seconds that a worker may take to start, at the very most."""


EXCERPT_LENGTH = 500
"""Characters that are kept of what services answered."""

LONGEST = 2_000
"""Characters of one inserted value: as much of a long mail as people read in a chat."""

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S")


_ADDRESSES = frozenset({"form", "forms", "json", "jsons", "xml", "xmls"})
"""Schemes after which the address of a server of one's own stands."""


def _check_url(value: str) -> None:
    if not _SCHEME.match(value):
        raise wrong(
            "is not an Apprise URL",
            "write one such as slack://…, mailto://…, tgram://… or json://…",
        )


def _unverified(url: str) -> bool:
    """Return whether an Apprise URL has `verify=no`, in one of the words that Apprise takes for it."""
    asked = parse_qs(url.partition("?")[2]).get("verify", [""])[-1].strip().casefold()
    return asked[:2] in ("de", "di", "ne", "f", "n", "no", "of", "0", "fa")


def _is_bare(url: str) -> bool:
    """Return whether an Apprise URL is an address and no secret: those of services hold their tokens."""
    return url.partition("://")[0].lower() in _ADDRESSES and is_bare_address(url)


_WEAK: Mapping[str, Callable[..., Mistake]] = {
    "unverified": functools.partial(unverified, "`verify=no`"),
    "clear": functools.partial(
        in_the_clear,
        "its service speaks no TLS to another machine",
        "the service's form with TLS (jsons://, mailtos://, …)",
    ),
    "link-local": link_local,
}

_Url = Annotated[SecretText, secret(_check_url, url=True, bare=_is_bare)]
_OneUrl = Annotated[SecretText | None, secret(_check_url, url=True, bare=_is_bare)]


class AppriseReceiver(Receiver):
    """A receiver of texts for people: anything that Apprise can reach."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["url"]}, {"required": ["urls"]}]}
    )

    url: _OneUrl = Field(default=None, description="One Apprise URL.")
    urls: tuple[_Url, ...] = Field(
        default=(),
        min_length=1,
        max_length=100,
        description="Several, all sent to; instead of url.",
    )
    limit: Limit = Field(
        default=(30, timedelta(minutes=1)),
        description="How many messages in how long; what exceeds it becomes one digest.",
        json_schema_extra={"default": "30/1m"},
    )
    format: Format = Field(
        default="text",
        description="What templates are written in, where the message itself does not say.",
    )

    longest: int = Field(
        default=LONGEST,
        ge=100,
        le=100_000,
        description="Characters of a customer's message in chats and pushes; mail has it whole.",
    )

    timezone: Zone | None = Field(
        default=None,
        description="Time zone of the times in its texts; the configuration's where left out.",
    )

    insecure: bool = Field(
        default=False,
        description="Accepts `verify=no`, a service without TLS, and a link-local address: nothing warns"
        " of them any more.",
    )

    def warnings(self, context: Context) -> Iterator[Mistake]:
        """Yield the URLs that turn the verification of certificates off."""
        yield from super().warnings(context)
        for number, address in enumerate(self.addresses):
            if not self.insecure and _unverified(address.read()):
                yield _WEAK["unverified"](*self._loc(number))

    def _loc(self, number: int) -> tuple[str | int, ...]:
        return ("url",) if self.url is not None else ("urls", number)

    @classmethod
    def key_clashes(cls, given: Mapping[str, Any]) -> Iterator[Mistake]:
        """Yield that neither `url` nor `urls` is given, or both."""
        if "url" not in given and "urls" not in given:
            yield Mistake("lacks `url`", "add `url: …`, or `urls: [...]`", whole=True)
        yield from not_both(given, "url", "urls")

    def plan(self, network: Network) -> ReceiverPlan:
        """Return the plan, with workers of its own: one that hangs does not hold up others."""
        notifier = AppriseNotifier(
            urls=lambda: [url.read() for url in self.addresses],
            name=self.name,
            limiter=anyio.CapacityLimiter(WORKERS),
            format=self.format,
            longest=self.longest,
            scrub=network.scrub,
            addresses=network.addresses,
        )
        return ReceiverPlan(
            name=self.name,
            notifier=notifier,
            policy=Policy(
                self.retry, self.limit, self.ordering == "relaxed", once_more=True, shortens=True
            ),
            target=fingerprint(*(url.read() for url in self.addresses)),
            slots=1,
            lease=LEASE,
            zone=self.zone,
            format=self.format,
            visibility=self.visibility,
        )

    def preview(self, notice: Notice, message_id: str) -> Mapping[str, Any]:
        """Return title and body, with as much of a customer's message as a chat shows."""
        body = Text(parts_of(notice.body)).capped(self.longest)
        return {"title": notice.title, "body": str(body)}

    @property
    def zone(self) -> ZoneInfo | None:
        """The zone of the times in its texts, None for the configuration's."""
        return self.timezone

    @property
    def descriptors(self) -> int:
        """Two pipes and the process itself for each worker, and the other ends while it starts."""
        return 5 * WORKERS

    @property
    def addresses(self) -> tuple[SecretText, ...]:
        """The URLs, all of which are sent to."""
        return self.urls if self.url is None else (self.url,)

    @classmethod
    async def probe(cls, receivers: Sequence[Self]) -> Sequence[tuple[Self, Mistake]]:
        """Have Apprise look at the URLs of all receivers at once, in a worker process; its plug-ins know
        best whether they speak TLS and verify it.
        """
        owners = [(one, number) for one in receivers for number in range(len(one.addresses))]
        verdicts = await validate([one.addresses[number].read() for one, number in owners])
        found: list[tuple[Self, Mistake]] = []
        for (one, number), verdict in zip(owners, verdicts, strict=True):
            loc = one._loc(number)
            if verdict.problem is not None:
                which = f"{number + 1}. " if len(one.addresses) > 1 else ""
                message = f"the {which}URL of {{what}} is not usable: {verdict.problem}"
                remedy = "see the service's page in Apprise's documentation"
                found.append((one, Mistake(message, remedy, loc, whole=True)))
            if not one.insecure:
                found += [(one, _WEAK[each](*loc)) for each in verdict.weak]
        return found


class AppriseNotifier:
    """Sends the text to one receiver's Apprise URLs.

    Each service gets the text in its own markup: what a template's author wrote counts as `format`
    unless the notice says otherwise, what was inserted shows as it is. Each gets as much of it as it
    takes, and of a single value at most `longest` characters (mail and programs: the whole).

    `urls` is asked at each attempt, since the files that it comes from may change; it may raise
    OSError or ConfigError. `limiter` bounds the workers and is shared by all Apprise receivers.
    `scrub` strikes secrets out of what services say, `addresses` returns which may be connected to.
    An attempt takes at most twice `deadline` seconds: the wait for a worker, and the sending.

    Of several URLs each is sent to by itself, and the whole is done when all are. The result says
    which are done, as fingerprints too short to be undone, and the next attempt leaves them out.
    """

    text = True

    def __init__(
        self,
        urls: Callable[[], Sequence[str]],
        name: str,
        limiter: anyio.CapacityLimiter,
        *,
        format: Format = "text",  # noqa: A002 - the word of the configuration
        longest: int = LONGEST,
        deadline: float = DEADLINE,
        scrub: Callable[[str], str] = str,
        addresses: Callable[[], AddressFilter] = lambda: EVERYWHERE,
    ) -> None:
        self._urls = urls
        self._name = name
        self._limiter = limiter
        self._format: Format = format
        self._longest = longest
        self._deadline = deadline
        self._scrub = scrub
        self._addresses = addresses

    def __repr__(self) -> str:
        return f"AppriseNotifier({self._name!r})"

    async def send(self, notice: Notice) -> Result:
        """Send to every URL that this event has not reached yet. Raise OSError where nothing was sent,
        because this process has no descriptor left.
        """
        try:
            urls = tuple(dict.fromkeys(self._urls()))
        except OSError as error:
            why = error.strerror or type(error).__name__
            return Result("failed", f"the address cannot be read ({why})")
        except ConfigError as error:
            return Result("failed", str(error).partition("\n")[0])
        draft = _draft(notice, self._format)
        draft = brief(draft) if notice.brief else draft
        if not urls:
            return Result("failed", "the receiver has no address")
        began = anyio.current_time()
        names = {url: fingerprint(url) for url in urls}
        results: dict[str, Result] = {}
        unsent: list[OSError] = []

        async def send_to(url: str) -> None:
            what = (url, draft, self._longest)
            try:
                results[url] = await _send(what, self._addresses(), self._limiter, self._deadline)
            except OSError as error:
                results[url] = Result(
                    "failed", f"the worker process did not start ({error.strerror})"
                )
                unsent.append(error)

        async with anyio.create_task_group() as group:
            for url in urls:
                if names[url] not in notice.reached:
                    group.start_soon(send_to, url)
        if unsent and len(unsent) == len(results) and spent(unsent[0]):
            raise unsent[0]
        result = _sum_up([results.get(url) for url in urls])
        done = {names[url] for url in urls if url not in results or results[url].outcome == "ok"}
        return dataclasses.replace(
            result,
            note=self._scrub(result.note),
            excerpt=self._scrub(result.excerpt),
            seconds=anyio.current_time() - began,
            reached=tuple(sorted(done)) if len(urls) > 1 else (),
        )

    async def close(self) -> None:
        """Workers end with the event loop; nothing else is held."""


async def validate(urls: Sequence[str]) -> tuple[Verdict, ...]:
    """Return what Apprise says of each URL; no part of one is quoted. Nothing is sent."""
    if not urls:
        return ()
    problem = "could not be checked: the worker process "
    with anyio.move_on_after(DEADLINE + START):
        try:
            return await anyio.to_process.run_sync(
                _apprise_worker.examine, tuple(urls), DEADLINE, cancellable=True
            )
        except (anyio.BrokenWorkerProcess, OSError, KeyboardInterrupt, SystemExit):
            return (Verdict(problem + "ended"),) * len(urls)
    return (Verdict(problem + "did not answer in time"),) * len(urls)


def _draft(notice: Notice, format: Format) -> Draft:  # noqa: A002 - the word of the configuration
    """Return the message of a notice before it is written for a service."""
    title, body = Text(parts_of(notice.title)), Text(parts_of(notice.body))
    if not body.strip():
        body = title or Text([Part(notice.event.type, False)])
    conversation = notice.event.data.get("conversation")
    link = conversation.get("url") if isinstance(conversation, Mapping) else None
    return Draft(
        title,
        body,
        notice.format or format,
        link=link if isinstance(link, str) and link in body else None,
        thread=_thread(notice.event),
        digest="events" in notice.event.data,
    )


def _thread(event: Event) -> str | None:
    return derive_id("mail", event.source, event.subject) if event.subject is not None else None


async def _send(
    what: tuple[str, Draft, int],
    addresses: AddressFilter,
    limiter: anyio.CapacityLimiter,
    deadline: float,
) -> Result:
    with anyio.move_on_after(deadline) as wait:
        await limiter.acquire()
    if wait.cancelled_caught:
        return Result("failed", "not tried: all workers are busy with services that hang")
    began = anyio.current_time()
    try:
        # The worker ends itself at its deadline. To cancel from here may hit it while it starts,
        # and such a process anyio forgets, so that it lives on; hence much later.
        with anyio.move_on_after(deadline + START):
            result = await _send_in_worker(what, addresses, deadline)
            if result.outcome != "unknown" or anyio.current_time() - began < deadline:
                return result
    finally:
        limiter.release()
    return Result("unknown", f"no answer within {deadline:g} s")


async def _send_in_worker(
    what: tuple[str, Draft, int], addresses: AddressFilter, lifetime: float
) -> Result:
    try:
        outcome, note, certain, said = await anyio.to_process.run_sync(
            _apprise_worker.send,
            *what,
            lifetime,
            addresses,
            cancellable=True,
            limiter=anyio.CapacityLimiter(1),  # ours was acquired before the clock started
        )
    except anyio.BrokenWorkerProcess as error:
        # anyio has a text only where the worker never came up, so that nothing can have been sent
        if error.args:
            return Result("failed", "the worker process did not start")
        return Result("unknown", "the worker process ended while it sent")
    except (MemoryError, ImportError):
        # Raised in a worker that has no room for its own modules; so nothing was sent.
        return Result("failed", "the worker process has no memory")
    except (KeyboardInterrupt, SystemExit):
        # Of the worker: a signal to the process group that found it just starting.
        return Result("failed", "the worker process was interrupted")
    return Result(outcome, note, excerpt=said, certain=certain)


def _sum_up(results: Sequence[Result | None]) -> Result:
    """Make one result of one per URL (None: reached before): whatever may still succeed is tried
    again first. Of several URLs, a note lists those that failed by position.
    """
    several = len(results) > 1
    for outcome in ("failed", "unknown", "refused"):
        worst = [
            (f"{number}. {result.note}" if several else result.note, result)
            for number, result in enumerate(results, 1)
            if result is not None and result.outcome == outcome
        ]
        if worst:
            of = f"{len(worst)} of {len(results)}: " if several else ""
            certain = all(result.certain for _, result in worst)
            note = of + "; ".join(note for note, _ in worst)
            said = "\n".join(result.excerpt for _, result in worst if result.excerpt)
            return Result(worst[0][1].outcome, note, excerpt=said[:EXCERPT_LENGTH], certain=certain)
    return Result("ok", "; ".join(dict.fromkeys(result.note for result in results if result)))
