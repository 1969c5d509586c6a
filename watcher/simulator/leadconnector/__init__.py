"""A fake HighLevel (LeadConnector, also Leadway): conversation search, GET by id, token refresh.

Rules: reads the world, never changes it; shares nothing with the provider that it tests.

Facts are from HighLevel's published spec, its rate limit and OAuth pages, and observed answers
(the texts of the 401s, numbers in milliseconds, `sort`). Ties on one millisecond at a page's edge
are lost, as with any search index resumed strictly behind one value. What is not published (a limit
above 100, GET of a deleted conversation, the 429's body) is an option or plain.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Literal

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from watcher.simulator.leadconnector.oauth import OAuth
from watcher.simulator.leadconnector.query import Refused, read_search
from watcher.simulator.leadconnector.rows import by_id, row
from watcher.simulator.limits import FixedWindows, SlidingWindow, answer
from watcher.simulator.rendering import committed, fill
from watcher.simulator.state import Account, Conversation, State
from watcher.simulator.world import World

__all__ = ["OAuth", "Options", "app", "refusal"]

VERSIONS = frozenset({"2021-04-15", "2021-07-28", "2023-02-21", "v3"})
SCOPE = "conversations.readonly"
DAY = 86_400
MESSAGES = {
    400: "Bad Request",
    401: "Invalid token: access token is invalid",
    403: "The token does not have access to this location",
    404: "Not Found",
    422: "Unprocessable Entity",
    429: "Too Many Requests",
}


@dataclass(frozen=True, slots=True)
class Options:
    """How this HighLevel behaves where it differs or nothing is published."""

    page_size: int = 20
    """Rows of a page without `limit`."""

    page_cap: int = 100
    """The largest `limit`."""

    over_limit: Literal["clamp", "refuse"] = "clamp"
    """What a larger `limit` leads to."""

    index_delay: float = 0.0
    """Seconds until a change shows in search (GET by id shows it at once)."""

    rendering: float = 0.0
    """Seconds that an answer takes: its rows are chosen first and filled in later, part by part
    (`watcher.simulator.rendering`).
    """

    commit_lag: float = 0.0
    """Seconds by which others may see a change later than its stamps say."""

    drop_out: frozenset[int] = frozenset()
    """The search requests (1 is the first) that lose one row of their page."""

    seed: int = 0
    """Draws which row."""

    numbers_as_strings: bool = False
    """Whether dates and counts of the rows are texts."""

    deleted: Literal[404, 400, 200] = 404
    """What GET by id of a deleted conversation answers (of an unknown one: the same, but 404 for 200)."""

    refusal: Literal[400, 422] = 422
    """The status for wrong parameters."""

    messages: Literal["string", "array"] = "array"
    """How errors carry their message."""

    scopes: frozenset[str] = frozenset({SCOPE})
    """What the tokens may do."""

    limit: int | None = 100
    """Requests in ten seconds, None for no limit."""

    daily: int = 200_000
    """Requests in a day."""

    oauth: OAuth | None = None
    """Tokens that expire, in addition to the static ones."""


def app(
    world: World, options: Options | None = None, *, accounts: Sequence[Account] | None = None
) -> Starlette:
    """Serve the world's HighLevel locations (or only those given)."""
    server = _LeadConnector(world, options or Options(), accounts)
    served = Starlette(
        routes=[
            Route("/conversations/search", server.search, methods=["GET"]),
            Route("/conversations/{conversation}", server.one, methods=["GET"]),
            Route("/oauth/token", server.refresh, methods=["POST"]),
        ]
    )
    served.state.refusal = refusal
    return served


def refusal(
    status: int, wait: float | None = None, message: str | list[str] | None = None
) -> Response:
    """Return an error. HighLevel documents no `Retry-After`; `wait` adds one all the same."""
    body: dict[str, object] = {
        "statusCode": status,
        "message": message or MESSAGES.get(status, "Internal server error"),
    }
    if status in (401, 403, 422):
        names = {401: "Unauthorized", 403: "Forbidden", 422: "Unprocessable Entity"}
        body["error"] = names[status]
    return answer(body, status, {} if wait is None else {"Retry-After": str(int(wait))})


class _LeadConnector:
    def __init__(self, world: World, options: Options, accounts: Sequence[Account] | None) -> None:
        self.world = world
        self.options = options
        self._accounts = accounts
        self._rng = Random(options.seed)  # noqa: S311 - reproducible chance, no secret
        self._burst = SlidingWindow(world.clock, options.limit or 0, 10)
        self._daily = FixedWindows(world.clock, options.daily, DAY)
        self._searches = 0
        self._answers = 0

    async def search(self, request: Request) -> Response:
        return await self._metered(request, self._search)

    async def one(self, request: Request) -> Response:
        return await self._metered(request, self._one)

    async def refresh(self, request: Request) -> Response:
        if self.options.oauth is None:
            return refusal(404)
        status, body = self.options.oauth.refresh(await request.body(), self.world.now())
        return answer(body, status)

    async def _search(self, request: Request) -> Response:
        location = request.query_params.get("locationId")
        account = self._enter(request, location)
        if isinstance(account, Response):
            return account
        options = self.options
        try:
            query = read_search(
                request.query_params.multi_items(),
                default_limit=options.page_size,
                cap=options.page_cap,
                clamp=options.over_limit == "clamp",
            )
        except Refused as refused:
            text = [str(refused)] if options.messages == "array" else str(refused)
            return refusal(options.refusal, message=text)
        states = self._indexed(account)
        chosen, total = query.take(states)
        page = self._dropped_out(chosen)
        shown = await fill(account, page, options.rendering, self._indexed_of)
        if any(state.orphan for state in shown):
            return refusal(500)
        return answer(
            {
                "conversations": [
                    row(state, account.id, columns, as_strings=options.numbers_as_strings)
                    for columns, state in zip(page, shown, strict=True)
                ],
                "total": total,
                "traceId": self._trace(),
            }
        )

    async def _one(self, request: Request) -> Response:
        account = self._enter(request, None)
        if isinstance(account, Response):
            return account
        conversation = account.conversations.get(request.path_params["conversation"])
        state = None if conversation is None else self._committed(conversation)
        if state is None:
            unknown = 404 if self.options.deleted == 200 else self.options.deleted
            return refusal(unknown)
        if state.gone_at is not None and self.options.deleted != 200:
            return refusal(self.options.deleted)
        (shown,) = await fill(account, [state], self.options.rendering, self._committed)
        return refusal(500) if shown.orphan else answer(by_id(shown, account.id))

    def _enter(self, request: Request, location: str | None) -> Account | Response:
        """Check token, version, scope and location, in the order in which HighLevel does."""
        account = self._caller(request)
        if account is None:
            return refusal(401)
        version = request.headers.get("Version")
        if version is None:
            return refusal(401, message="version header was not found.")
        if version not in VERSIONS:
            return refusal(401, message="version header is invalid")
        if SCOPE not in self.options.scopes:
            return refusal(401, message="The token is not authorized for this scope.")
        if request.url.path == "/conversations/search" and not location:
            missing = "locationId must be a string"
            array = self.options.messages == "array"
            return refusal(self.options.refusal, message=[missing] if array else missing)
        if location is not None and location != account.id:
            return refusal(403)
        return account

    def _caller(self, request: Request) -> Account | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        accounts = self._accounts
        if accounts is None:
            accounts = self.world.of_kind("highlevel")
        oauth = self.options.oauth
        for account in accounts:
            if token in account.tokens:
                return account
            if oauth is not None and oauth.admits(token, account.id, self.world.now()):
                return account
        return None

    async def _metered(
        self, request: Request, respond: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        """Count the request and put the quota's headers on the answer, whatever it is."""
        if self.options.limit is None:
            return await respond(request)
        account = self._caller(request)
        key = "unknown" if account is None else account.id
        admitted = self._daily.admit(key) and self._burst.admit(key)
        response = await respond(request) if admitted else refusal(429)
        response.headers.update(
            {
                "X-RateLimit-Max": str(self.options.limit),
                "X-RateLimit-Remaining": str(self._burst.left(key)),
                "X-RateLimit-Interval-Milliseconds": "10000",
                "X-RateLimit-Limit-Daily": str(self.options.daily),
                "X-RateLimit-Daily-Remaining": str(max(0, self._daily.left(key))),
            }
        )
        return response

    def _indexed(self, account: Account) -> list[State]:
        """Return the states as the index has them: those of a moment ago."""
        states = map(self._indexed_of, account.conversations.values())
        return [state for state in states if state is not None and state.gone_at is None]

    def _indexed_of(self, conversation: Conversation) -> State | None:
        moment = self.world.now() - timedelta(seconds=self.options.index_delay)
        return committed(conversation, moment, self.options.commit_lag)

    def _committed(self, conversation: Conversation) -> State | None:
        return committed(conversation, self.world.now(), self.options.commit_lag)

    def _dropped_out(self, page: list[State]) -> list[State]:
        self._searches += 1
        if self._searches not in self.options.drop_out or not page:
            return page
        lost = self._rng.randrange(len(page))
        return [state for number, state in enumerate(page) if number != lost]

    def _trace(self) -> str:
        self._answers += 1
        return f"00000000-0000-4000-8000-{self._answers:012d}"
