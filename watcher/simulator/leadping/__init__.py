"""A fake Leadping: the inbox list, one lead's conversations, one lead, and health.

Rules: reads the world, never changes it; shares nothing with the provider that it tests.

Facts are from Leadping's published OpenAPI contract, its rate limit and error pages (June to
September 2026), and Cosmos DB's paging documentation for the continuation token. What is not
published (the filter's numbers, the page cap, which fields sort, a deleted lead) is an option.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from watcher.simulator.leadping.query import FIELDS, Query, Refused, read_query, take_page
from watcher.simulator.leadping.rows import Era, lead, row
from watcher.simulator.limits import SlidingWindow, answer
from watcher.simulator.rendering import committed, fill
from watcher.simulator.state import Account, Conversation, State, Viewer
from watcher.simulator.world import World

__all__ = ["Options", "app", "refusal"]

TITLES = {
    400: "One or more validation errors occurred.",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    429: "Too many requests.",
    500: "An error occurred while processing your request.",
    503: "Service Unavailable",
}
CHALLENGE = 'Bearer resource_metadata="http://api.leadping.ai/.well-known/oauth-protected-resource"'


@dataclass(frozen=True, slots=True)
class Options:
    """How this Leadping behaves where versions differ or nothing is published."""

    era: Era = "september"
    """The shape of rows and errors. The truth log is about August's and later: older rows show neither
    notes nor e-mail.
    """

    numbers_as_strings: bool = False
    """Whether `pageSize` and `totalCount` stand in quotes."""

    archive_filter: Literal["both", "names", "numbers"] = "both"
    """What the query parameter accepts."""

    page_size: int = 25
    """Rows of a page without `pageSize`."""

    page_cap: int = 100
    """The largest `pageSize`."""

    empty_pages: int = 0
    """Each n-th page of a walk is empty with a token (Cosmos), 0 for none."""

    rendering: float = 0.0
    """Seconds that an answer takes: its rows are chosen first and filled in later, part by part
    (`watcher.simulator.rendering`).
    """

    commit_lag: float = 0.0
    """Seconds by which others may see a change later than its stamps say."""

    short_pages: bool = False
    """Whether pages hold about half of what was asked for."""

    sortable: frozenset[str] = frozenset(FIELDS)
    """The fields to sort by; any other is a 400."""

    range_filters: bool = True
    """Whether filters by range are supported, or are a 400."""

    deleted_lead: Literal["404", "deletedAt"] = "404"
    """What GET of a deleted lead answers."""

    limit: int | None = 300
    """Requests in a minute, None for no limit."""

    retry_after: bool = True
    """Whether a 429 has `Retry-After`."""

    time_digits: int = 3
    """Fraction digits of times (.NET writes up to seven)."""


def app(
    world: World, options: Options | None = None, *, accounts: Sequence[Account] | None = None
) -> Starlette:
    """Serve the world's Leadping organizations (or only those given); the token decides which."""
    server = _Leadping(world, options or Options(), accounts)
    served = Starlette(
        routes=[
            Route("/", server.health, methods=["GET"]),
            Route("/conversations/my", server.mine, methods=["POST"]),
            Route("/conversations/lead/{lead}", server.of_lead, methods=["POST"]),
            Route("/leads/{lead}", server.lead, methods=["GET"]),
        ],
        exception_handlers={HTTPException: _bare, ClientDisconnect: _unheard},
    )
    served.state.refusal = lambda status, wait=None: refusal(status, wait, server.options.era)
    return served


async def _bare(request: Request, error: Exception) -> Response:
    """Answer as .NET does for a wrong method or path: the status and no body."""
    assert isinstance(error, HTTPException)  # noqa: S101 - narrows Starlette's signature
    return Response(None, error.status_code, error.headers)


async def _unheard(_request: Request, _error: Exception) -> Response:
    """Answer a client that has gone before its request was read: nobody hears it."""
    return Response(None, 400)


def refusal(
    status: int, wait: float | None = None, era: Era = "september", detail: str | None = None
) -> Response:
    """Return an error as RFC 9457 describes it; `wait` is the `Retry-After` in seconds, if any."""
    headers = {} if wait is None else {"Retry-After": str(max(1, math.ceil(wait)))}
    body: dict[str, object] = {
        "type": f"https://tools.ietf.org/html/rfc9110#section-15.{'6' if status >= 500 else '5'}",
        "title": TITLES.get(status, "Error"),
        "status": status,
    }
    if status == 401:
        headers["WWW-Authenticate"] = CHALLENGE
        body["type"] = "https://tools.ietf.org/html/rfc9110#section-15.5.2"
    if status == 429:
        detail = "The API rate limit for this account has been exceeded."
    if detail is not None:
        body["detail"] = detail
    if era == "september":
        body["traceId"] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
        if status == 400:
            body["errors"] = {"$": [detail or "The request is invalid."]}
    late = era == "september" or status == 429
    media_type = "application/problem+json" if late else "application/json"
    return answer(body, status, headers, media_type)


class _Leadping:
    def __init__(self, world: World, options: Options, accounts: Sequence[Account] | None) -> None:
        self.world = world
        self.options = options
        self._accounts = accounts
        self._window = SlidingWindow(world.clock, options.limit or 0, 60)

    async def health(self, request: Request) -> Response:
        return answer({"status": "ok", "service": "leadping-api"})

    async def mine(self, request: Request) -> Response:
        return await self._list(request, lead_id=None)

    async def of_lead(self, request: Request) -> Response:
        return await self._list(request, lead_id=request.path_params["lead"])

    async def lead(self, request: Request) -> Response:
        caller = self._admit(request)
        if isinstance(caller, Response):
            return caller
        account, _ = caller
        wanted = request.path_params["lead"]
        found = map(self._committed, account.conversations.values())
        states = [state for state in found if state is not None and state.contact.id == wanted]
        gone = bool(states) and all(state.gone_at is not None for state in states)
        if not states or (gone and self.options.deleted_lead == "404"):
            return self._refuse(404, "The specified lead was not found.")
        if any(state.orphan for state in states):
            return self._refuse(500, "The lead is on its way out.")
        if all(state.hidden for state in states):
            return self._refuse(401, "The user does not own this lead.")
        return answer(lead(states[0], self.options.time_digits))

    async def _list(self, request: Request, lead_id: str | None) -> Response:
        caller = self._admit(request)
        if isinstance(caller, Response):
            return caller
        account, viewer = caller
        try:
            query = read_query(
                await request.body(),
                request.query_params.get("archiveFilter"),
                scope=lead_id or "my",
                names=self.options.archive_filter != "numbers",
                numbers=self.options.archive_filter != "names",
                sortable=self.options.sortable,
                range_filters=self.options.range_filters,
            )
            return await self._page(account, viewer, query, lead_id)
        except Refused as refused:
            return self._refuse(400, str(refused))

    async def _page(
        self, account: Account, viewer: Viewer, query: Query, lead_id: str | None
    ) -> Response:
        options = self.options
        states = [
            state
            for state in map(self._committed, account.conversations.values())
            if state is not None
            and state.gone_at is None
            and not state.hidden
            and (lead_id is None or state.contact.id == lead_id)
        ]
        unread = {state.id: _unread(account, viewer, state) for state in states}
        size = min(query.page_size or options.page_size, options.page_cap)
        page = take_page(
            query, states, unread, size, empty_every=options.empty_pages, short=options.short_pages
        )
        shown = await fill(account, page.states, options.rendering, self._committed)
        if any(state.orphan for state in shown):
            return self._refuse(500, "The conversation has no lead.")
        total = page.total if query.include_count else None

        def number(value: int | None) -> int | str | None:
            return str(value) if options.numbers_as_strings and value is not None else value

        return answer(
            {
                "items": [
                    row(state, _unread(account, viewer, state), options.era, options.time_digits)
                    for state in shown
                ],
                "pageSize": number(size),
                "totalCount": number(total),
                "continuationToken": page.token,
            }
        )

    def _admit(self, request: Request) -> tuple[Account, Viewer] | Response:
        """Find out who asks; the limit counts each organization's requests together."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        accounts = self._accounts
        if accounts is None:
            accounts = self.world.of_kind("leadping")
        for account in accounts:
            viewer = account.tokens.get(token)
            if viewer is not None and scheme.lower() == "bearer" and token[:7] != "lp_src_":
                if self.options.limit is not None and not self._window.admit(account.id):
                    wait = self._window.wait(account.id) if self.options.retry_after else None
                    return refusal(429, wait, self.options.era)
                return account, viewer
        return refusal(401, None, self.options.era)

    def _committed(self, conversation: Conversation) -> State | None:
        return committed(conversation, self.world.now(), self.options.commit_lag)

    def _refuse(self, status: int, detail: str) -> Response:
        return refusal(status, None, self.options.era, detail)


def _unread(account: Account, viewer: Viewer, state: State) -> bool:
    """Return whether this caller has something unread; the world counts for the account's viewer."""
    if viewer.user == account.viewer.user:
        return state.unread > 0
    return bool(state.inbound) and viewer.user not in state.read_by
