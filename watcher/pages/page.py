"""What a page, a form and a visit are.

Rules: pages name routes of the API as the table there does: `/events`, `PUT /acknowledgements`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_origin
from zoneinfo import ZoneInfo

from watcher.api.access import Principal, Role
from watcher.api.application import ask, pick
from watcher.api.routes import ROUTES, Backend, Route
from watcher.settings.calendar import UTC_ZONE

__all__ = ["Form", "Moved", "Page", "Visit", "find_route"]


@dataclass(frozen=True, slots=True)
class Moved:
    """What a page shows stands at another address."""

    address: str


@dataclass(frozen=True, slots=True)
class Visit:
    """A request for a page: who asks, and for what."""

    backend: Backend
    who: Principal
    address: str
    """Path and query, as they stand in the browser."""

    path: Mapping[str, str]
    """The parts of the address that have names in the page's path."""

    items: Sequence[tuple[str, str]]
    """The parameters of the address."""

    signed_in: bool = False
    """Whether there is a session that can be left."""

    @property
    def now(self) -> datetime:
        """The present time."""
        return self.backend.now()

    @property
    def zone(self) -> ZoneInfo:
        """The zone in which times are shown."""
        return self.backend.zone() or UTC_ZONE

    def may(self, role: Role) -> bool:
        """Return whether whoever asks may do what is for a role."""
        return self.who.may(role)

    def one(self, name: str) -> str:
        """Return a parameter of the address, empty where there is none."""
        return next((value for known, value in self.items if known == name), "")

    def given(self, route: str) -> dict[str, Any]:
        """Return the parameters of the address that a route takes, as it takes them; those that a form
        left empty are none.
        """
        model = find_route(route).query
        known = [
            (name, value) for name, value in self.items if value and name in model.model_fields
        ]
        return pick(model, known)

    async def ask(
        self,
        route: str,
        *,
        path: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        **query: Any,
    ) -> Any:
        """Return what a route answers to whoever visits; raise Refusal."""
        found = find_route(route)
        return await ask(self.backend, self.who, found, path=path or {}, query=query, body=body)

    async def receivers(self) -> Sequence[str]:
        """Return the names of all receivers."""
        status = await self.ask("/status", sources=0)
        return [one["receiver"] for one in status["receivers"]]


Show = Callable[[Visit], Awaitable[Mapping[str, Any] | Moved]]
"""Returns what a template is given beside `visit` and `page`."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page for people."""

    path: str
    level: Role
    template: str
    title: str
    show: Show
    nav: bool = False
    """Whether the navigation leads to it."""

    live: bool = True
    """Whether its sections with `data-live` follow the log while somebody looks."""


Fields = Mapping[str, Sequence[str]]
"""What a form was filled in with."""


@dataclass(frozen=True, slots=True)
class Form:
    """What a page can be used for: a form that is sent to this path becomes a call of a route.

    Fields that the route's query or body knows by name go there, unless `body` makes it of them; `back` is
    the address where it leads then (a path of ours), without it the path itself.
    """

    path: str
    route: str
    said: str | Callable[[Mapping[str, Any], Fields], str]
    """What happened, in a line; made of the route's answer where it depends on that."""

    body: Callable[[Fields, datetime], Mapping[str, Any]] | None = None

    async def send(self, visit: Visit, fields: Fields) -> str:
        """Have it done; return what happened. Raise Refusal."""
        route = find_route(self.route)
        items = [(name, value) for name, values in fields.items() for value in values if value]
        query = _known(route.query.model_fields, items)
        body = None
        if route.body is not None:
            made = self.body(fields, visit.now) if self.body is not None else None
            body = _known(route.body.model_fields, items) if made is None else made
        by, path = visit.who.actor("page"), visit.path
        given = await ask(visit.backend, visit.who, route, path=path, query=query, body=body, by=by)
        return self.said if isinstance(self.said, str) else self.said(given, fields)


def _known(fields: Mapping[str, Any], items: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Return what a model knows by name: the last of each, all of those that may be repeated."""
    found: dict[str, Any] = {}
    for name, value in items:
        if name in fields:
            many = get_origin(fields[name].annotation) is tuple
            found[name] = [*found.get(name, ()), value] if many else value
    return found


def find_route(name: str) -> Route:
    """Return the route of the API of this name (`GET` may be left out)."""
    method, _, path = name.rpartition(" ")
    wanted = (method or "GET", path)
    return next(one for one in ROUTES if (one.method, one.path) == wanted)
