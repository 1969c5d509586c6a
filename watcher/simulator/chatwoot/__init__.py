"""A fake Chatwoot: the conversation list, one conversation, and the counts.

Rules: reads the world, never changes it; shares nothing with the provider that it tests.

Facts are from Chatwoot's source at v4.15.1 and older tags: conversation_finder.rb, sort_handler.rb,
permission_filter_service.rb, conversation_policy.rb, request_exception_handler.rb,
access_token_auth_helper.rb, rack_attack.rb.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from watcher.simulator.chatwoot.query import NotFound, Query, read_query
from watcher.simulator.chatwoot.rows import row
from watcher.simulator.limits import FixedWindows, answer
from watcher.simulator.state import Account, Conversation, State, Viewer
from watcher.simulator.waiting import Version
from watcher.simulator.world import World

__all__ = ["Options", "app", "refusal"]

PATH = "/api/v1/accounts/{account}/conversations"
NOT_FOUND = {"error": "Resource could not be found"}
FORBIDDEN = {"error": "You are not authorized to do this action"}


@dataclass(frozen=True, slots=True)
class Options:
    """How this Chatwoot is installed."""

    version: Version = (4, 15, 1)
    """Decides what the list can do (`updated_within` since 3.6.0, sort names since 3.4.0), and which keys
    a row has.
    """

    page_size: int = 25
    """Rows of a page."""

    activity_delay: float = 2.0
    """Seconds until a change's activity line is written, which moves `last_activity_at`."""

    delete_lag: int = 0
    """How many list requests still show a deleted row; meanwhile `show` answers 200."""

    strips_underscores: bool = False
    """Whether a proxy (nginx) drops the header `api_access_token`."""

    swap_ties: bool = False
    """Whether rows with equal sort keys change places at each request."""

    limit: int | None = 3000
    """Requests a minute for the whole server, None for no limit."""

    meta_limit: int = 30
    """Requests a minute for the counts, for each user."""


def app(
    world: World, options: Options | None = None, *, accounts: Sequence[Account] | None = None
) -> Starlette:
    """Serve the world's Chatwoot accounts (or only those given) as one installation."""
    server = _Chatwoot(world, options or Options(), accounts)
    served = Starlette(
        routes=[
            Route(PATH, server.index, methods=["GET"]),
            Route(PATH + "/meta", server.meta, methods=["GET"]),
            Route(PATH + "/{conversation:int}", server.show, methods=["GET"]),
        ]
    )
    served.state.refusal = refusal
    return served


def refusal(status: int, wait: float | None = None) -> Response:
    """Return an error. rack-attack answers 429 in plain text without `Retry-After`; `wait` adds it."""
    headers = {} if wait is None else {"Retry-After": str(int(wait))}
    if status == 429:
        return Response("Retry later\n", 429, headers, "text/plain")
    bodies: dict[int, dict[str, object]] = {
        401: {"error": "Invalid Access Token"},
        403: {"error": "Forbidden"},
        404: dict(NOT_FOUND),
    }
    generic: dict[str, object] = {"status": status, "error": "Internal Server Error"}
    return answer(bodies.get(status, generic), status, headers)


class _Chatwoot:
    def __init__(self, world: World, options: Options, accounts: Sequence[Account] | None) -> None:
        self.world = world
        self.options = options
        self._accounts = accounts
        self._limit = FixedWindows(world.clock, options.limit or 0, 60)
        self._meta_limit = FixedWindows(world.clock, options.meta_limit, 60)
        self._lists = 0
        self._lingering: dict[tuple[str, str], int] = {}

    async def index(self, request: Request) -> Response:
        caller = self._enter(request)
        if isinstance(caller, Response):
            return caller
        account, viewer = caller
        if viewer.role == "bot":
            error = "Access to this endpoint is not authorized for bots"
            return answer({"error": error}, 401)
        found = self._find(request, account, viewer)
        self._lists += 1
        if isinstance(found, Response):
            return found
        query, states = found
        options, now = self.options, self.world.now()
        counts = query.counts(states, viewer)
        page = query.page(states, viewer, now, swap=options.swap_ties and self._lists % 2 == 0)
        if any(state.orphan for state in page):
            return refusal(500)
        rows = [
            row(account, viewer, state, now, options.activity_delay, options.version)
            for state in page
        ]
        return answer({"data": {"meta": counts, "payload": rows}})

    async def meta(self, request: Request) -> Response:
        caller = self._enter(request)
        if isinstance(caller, Response):
            return caller
        account, viewer = caller
        if not self._meta_limit.admit(viewer.user):
            return refusal(429)
        found = self._find(request, account, viewer)
        if isinstance(found, Response):
            return found
        query, states = found
        return answer({"meta": query.counts(states, viewer)})

    async def show(self, request: Request) -> Response:
        caller = self._enter(request)
        if isinstance(caller, Response):
            return caller
        account, viewer = caller
        conversation = account.conversations.get(str(request.path_params["conversation"]))
        if conversation is None or not self._lingers(conversation):
            return refusal(404)
        if not viewer.shows(conversation.state):
            return answer(FORBIDDEN, 401)
        if conversation.state.orphan:
            return refusal(500)
        options, now = self.options, self.world.now()
        state = conversation.state
        return answer(row(account, viewer, state, now, options.activity_delay, options.version))

    def _find(
        self, request: Request, account: Account, viewer: Viewer
    ) -> tuple[Query, list[State]] | Response:
        """Return the query and the states that it filters, before counting and paging."""
        states = [
            c.state
            for c in list(account.conversations.values())
            if self._lingers(c) and viewer.lists(c.state)
        ]
        try:
            query = read_query(
                request.query_params.multi_items(),
                account,
                size=self.options.page_size,
                version=self.options.version,
                delay=timedelta(seconds=self.options.activity_delay),
            )
        except NotFound:
            return refusal(404)
        return query, [state for state in states if query.matches(state)]

    def _enter(self, request: Request) -> tuple[Account, Viewer] | Response:
        """Check limit, token, account and membership, in Chatwoot's order."""
        if self.options.limit is not None and not self._limit.admit("ip"):
            return refusal(429)
        token = request.headers.get("Api-Access-Token")
        if token is None and not self.options.strips_underscores:
            token = request.headers.get("api_access_token")
        if not token:
            errors = ["You need to sign in or sign up before continuing."]
            return answer({"errors": errors}, 401)
        accounts = self._accounts
        if accounts is None:
            accounts = self.world.of_kind("chatwoot")
        if not any(token in account.tokens for account in accounts):
            return refusal(401)
        wanted = request.path_params["account"]
        account = next((each for each in accounts if each.id == wanted), None)
        if account is None:
            return refusal(404)
        viewer = account.tokens.get(token)
        if viewer is None:
            return answer({"error": "You are not authorized to access this account"}, 401)
        if account.suspended:
            return answer({"error": "Account is suspended"}, 401)
        return account, viewer

    def _lingers(self, conversation: Conversation) -> bool:
        """Return whether it is still there: a deletion is a job that runs a few lists later."""
        if conversation.state.gone_at is None:
            return True
        key = (conversation.account.key, conversation.id)
        first = self._lingering.setdefault(key, self._lists)
        return self._lists - first < self.options.delete_lag
