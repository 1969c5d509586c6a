"""The pages behind links in messages: one button each, for whoever has the link.

Rules: a GET or HEAD shows and changes nothing, because link scanners follow every link; a POST from this
page acts. What is shown is one conversation as the receiver of the message may see it, and no word of a
message. Doing it twice is no error. Nothing of a token is logged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs, quote, unquote
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from watcher.clock import Clock
from watcher.explain.conversations import only_about
from watcher.explain.values import short
from watcher.links import LinkRefused, LinkScope, read_token
from watcher.model import Event, to_plain
from watcher.records import Acknowledgement, Actor, EventQuery, StoredSilence
from watcher.redaction import EVERYTHING, Visibility, redact
from watcher.rules.when import OTHER_TYPE
from watcher.settings.calendar import format_moment
from watcher.store import Store

__all__ = ["LinkControl", "link_routes"]

FOLDER = Path(__file__).parent
LONGEST_FORM = 8192
LONGEST_NAME = 60
REMEMBERED = 365 * 86400
"""Seconds for which a browser remembers who its user is."""

SPANS: Mapping[str, tuple[str, timedelta]] = {
    "1h": ("1 hour", timedelta(hours=1)),
    "4h": ("4 hours", timedelta(hours=4)),
    "24h": ("24 hours", timedelta(hours=24)),
}
"""How long a conversation can be silenced by a link."""

HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex, nofollow",
    "cross-origin-opener-policy": "same-origin",
}


class LinkControl(Protocol):
    """What the pages may ask of the daemon."""

    @property
    def store(self) -> Store: ...

    @property
    def link_keys(self) -> Callable[[], Sequence[bytes]]: ...

    def visibility(self, receiver: str) -> Visibility | None:
        """Return what a receiver may see, None if it is not configured."""
        ...

    async def acknowledge(self, source: str, conversation: str, by: Actor) -> int:
        """Take a conversation. Raise KeyError for an unknown source."""
        ...

    async def add_silence(self, match: str, reason: str, ends: datetime, by: Actor) -> str:
        """Silence what matches until then."""
        ...


def link_routes(control: LinkControl, clock: Clock, zone: Callable[[], ZoneInfo]) -> list[Route]:
    """Return the routes of the pages, and of their style."""
    pages = _Pages(control, clock, zone)
    name, style = _style()

    async def styled(_request: Request) -> Response:
        headers = {"cache-control": "public, max-age=31536000, immutable"}
        return Response(style, media_type="text/css", headers=headers)

    return [
        Route("/do/{token}", pages.answer, methods=["GET", "POST"]),
        Route(f"/static/{name}", styled),
    ]


@cache
def _style() -> tuple[str, bytes]:
    style = (FOLDER / "static" / "link.css").read_bytes()
    return f"{hashlib.sha256(style).hexdigest()[:16]}/link.css", style


@cache
def _environment() -> Environment:
    loader = FileSystemLoader(FOLDER / "templates")
    return Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _page(heading: str, lines: Sequence[str], status: int = 200, **more: Any) -> Response:
    shown: dict[str, Any] = {
        "notable": False, "results": (), "button": "", "spans": (), "who": "", "url": "", "until": "",
    } | more  # fmt: skip
    page = _environment().get_template("link.html")
    # Relative, because a proxy may serve us below a path.
    text = page.render(heading=heading, lines=lines, style=f"../static/{_style()[0]}", **shown)
    return Response(text, status, HEADERS, "text/html")


@dataclass(frozen=True, slots=True)
class _Pages:
    control: LinkControl
    clock: Clock
    zone: Callable[[], ZoneInfo]

    async def answer(self, request: Request) -> Response:
        """Answer a request for the page of a link."""
        try:
            scope = read_token(request.path_params["token"], self.control.link_keys(), self.clock())
        except LinkRefused as refused:
            lines = [str(refused)]
            if refused.ended is not None:
                lines = [f"This link was good until {self._at(refused.ended)}."]
            lines.append("Use the link of a newer message, or ask who runs the watcher.")
            return _page("This link does not work", lines, 403)
        if (sight := self.control.visibility(scope.receiver)) is None:
            lines = ["Who was told by this message gets no links any more."]
            return _page("This link does not work", lines, 403)
        known = await self.control.store.known(scope.source, [scope.conversation])
        snapshot = known.get(scope.conversation)
        if snapshot is None or not snapshot.present:
            heading = f"conversation {scope.conversation} · {scope.source}"
            return _page(heading, ["This conversation is gone."], 410)
        if request.method == "POST":
            return await self._act(request, scope)
        shown = _visible(scope, to_plain(snapshot.conversation), sight, self.clock())
        return await self._show(request, scope, shown, sight)

    def _at(self, at: datetime) -> str:
        return format_moment(at, self.zone())

    # Acting

    async def _act(self, request: Request, scope: LinkScope) -> Response:
        form = await _form(request)
        if form is None:
            return _page("Too long", ["What was sent is longer than a form of ours."], 413)
        who = short(form.get("who", ""))[:LONGEST_NAME]
        by = Actor(who, "link")
        match scope.action:
            case "ack":
                await self._take(scope, by)
            case "silence":
                await self._silence(scope, by, form.get("span", ""))
            case _:
                return _page(
                    "Nothing to do here", ["This link shows something, and does nothing."], 405
                )
        # Who loads the page again sends nothing again.
        done = RedirectResponse("?done", 303, HEADERS)
        if who:
            secure = "; Secure" if request.headers.get("x-forwarded-proto") == "https" else ""
            done.headers["set-cookie"] = (
                f"who={quote(who)}; Path=/; Max-Age={REMEMBERED}; HttpOnly; SameSite=Lax{secure}"
            )
        return done

    async def _take(self, scope: LinkScope, by: Actor) -> None:
        """Take the conversation, unless somebody has it: the first one keeps it."""
        if await self._taken(scope) is None:
            await self.control.acknowledge(scope.source, scope.conversation, by)

    async def _silence(self, scope: LinkScope, by: Actor, span: str) -> None:
        """Silence the conversation, unless it is: twice is no longer than once."""
        if await self._silenced(scope) is None:
            _, length = SPANS.get(span, SPANS["1h"])
            reason = f"by the link in a message to {scope.receiver}"
            await self.control.add_silence(
                only_about(scope.source, scope.conversation), reason, self.clock() + length, by
            )

    async def _taken(self, scope: LinkScope) -> Acknowledgement | None:
        about = (scope.source, scope.conversation)
        found = await self.control.store.acknowledgements()
        return next((one for one in found if (one.source, one.conversation) == about), None)

    async def _silenced(self, scope: LinkScope) -> StoredSilence | None:
        match, now = only_about(scope.source, scope.conversation), self.clock()
        found = await self.control.store.silences()
        return next(
            (one for one in found if one.match == match and one.starts <= now < one.ends), None
        )

    # Showing

    async def _show(
        self, request: Request, scope: LinkScope, shown: Mapping[str, Any], sight: Visibility
    ) -> Response:
        heading = " · ".join((_name(shown) or f"conversation {scope.conversation}", scope.source))
        until = self._at(scope.until)
        lines = self._state(shown)
        match scope.action:
            case "ack":
                return await self._show_ack(request, scope, heading, lines, until)
            case "silence":
                return await self._show_silence(request, scope, heading, lines, until)
            case "why":
                return await self._show_why(scope, heading, sight, until)
        if (taken := await self._taken(scope)) is not None:
            lines = [self._has_it(taken), *lines]
        return _page(heading, lines, url=_address(shown), until=until)

    def _state(self, shown: Mapping[str, Any]) -> list[str]:
        """Return how the conversation stands, of what may be seen."""
        lines = []
        if since := shown.get("waiting_since"):
            lines.append(f"The customer waits for an answer since {self._at(_time(since))}.")
        elif shown.get("unread"):
            lines.append("Unread.")
        if "assignee" in shown:
            owner = shown["assignee"]
            named = (owner or {}).get("name") or (owner or {}).get("id")
            lines.append(f"Assigned to {short(str(named))}." if named else "Assigned to nobody.")
        return lines

    def _has_it(self, taken: Acknowledgement) -> str:
        return f"{taken.by.who or 'Somebody'} has it since {self._at(taken.at)}."

    async def _show_ack(
        self, request: Request, scope: LinkScope, heading: str, lines: list[str], until: str
    ) -> Response:
        if (taken := await self._taken(scope)) is not None:
            lines = [self._has_it(taken), *lines]
            lines.append("Reminders about it have stopped until something new happens in it.")
            return _page(heading, lines, notable=True, until=until)
        lines.append("Taking it stops reminders about it until something new happens in it.")
        return _page(heading, lines, button="I have it", who=_who(request), until=until)

    async def _show_silence(
        self, request: Request, scope: LinkScope, heading: str, lines: list[str], until: str
    ) -> Response:
        if (silence := await self._silenced(scope)) is not None:
            by = f" by {silence.author}" if silence.author else ""
            lines = [f"Silenced{by} until {self._at(silence.ends)}.", *lines]
            return _page(heading, lines, notable=True, until=until)
        lines.append(
            "Nobody is told of this conversation while it is silenced, whatever happens in it."
        )
        spans = [(value, words) for value, (words, _) in SPANS.items()]
        button = "Silence this conversation"
        return _page(heading, lines, button=button, spans=spans, who=_who(request), until=until)

    async def _show_why(
        self, scope: LinkScope, heading: str, sight: Visibility, until: str
    ) -> Response:
        recorded = await self.control.store.events(EventQuery(id=scope.event))
        if not recorded:
            return _page(
                heading, ["What this message was about is no longer stored."], 410, until=until
            )
        event = recorded[0].event
        results = (await self.control.store.verdicts([event.id])).get(event.id, ())
        lines = [
            f"{scope.receiver} was told of {event.type} by the rule “{scope.rule}”.",
            f"It was recorded at {self._at(event.time)}.",
        ]
        # Reasons quote values of the conversation: they are for who sees all of it.
        whole = sight == EVERYTHING
        shown = [
            {"rule": one.rule, "matched": one.matched, "reason": one.reason}
            for one in results
            if one.rule == scope.rule or (whole and not one.reason.startswith(OTHER_TYPE))
        ]
        if not whole:
            shown = [{**one, "reason": "not shown to this receiver"} for one in shown]
        return _page(heading, lines, results=shown, until=until)


def _visible(
    scope: LinkScope, plain: dict[str, Any], sight: Visibility, now: datetime
) -> Mapping[str, Any]:
    """Return a conversation as the receiver of the message may see it."""
    event = Event("", "", scope.source, scope.conversation, now, {"conversation": plain})
    shown: Mapping[str, Any] = redact(event, sight).data["conversation"]
    return shown


def _name(shown: Mapping[str, Any]) -> str:
    return short(str((shown.get("contact") or {}).get("name") or ""))


def _address(shown: Mapping[str, Any]) -> str:
    """Return where the conversation is opened; an address of another kind is not linked to."""
    url = str(shown.get("url") or "")
    return url if url.startswith(("https://", "http://")) else ""


def _time(value: Any) -> datetime:
    return datetime.fromisoformat(str(value).replace("Z", "+00:00"))


def _who(request: Request) -> str:
    """Return who the browser says its user is."""
    try:
        found = SimpleCookie(request.headers.get("cookie", "")).get("who")
    except CookieError:
        return ""
    return short(unquote(found.value))[:LONGEST_NAME] if found is not None else ""


async def _form(request: Request) -> dict[str, str] | None:
    """Return the fields of a form, the first of each name; None where it is too long."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LONGEST_FORM:
            return None
    fields = parse_qs(body.decode(errors="replace"), max_num_fields=20)
    return {name: values[0] for name, values in fields.items()}
