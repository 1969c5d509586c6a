"""Who asks, and what he may: for the API and the pages.

Rules: a door says who asks, by what it lets in: the control socket its owner, TCP whoever has a token, a
session or a proxy that has signed him in. What somebody sees follows from his principal in the reading side
(`watcher.archive`), never in an answer or a page. A route says for whom it is; whoever sees some sources may
ask it only if it says so (`scoped`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from starlette.types import ASGIApp, Receive, Scope, Send

from watcher.api.problems import Refusal
from watcher.archive import Sight
from watcher.records import Actor, Via

__all__ = [
    "ANYBODY",
    "ENTRY",
    "OWNER",
    "ROLES",
    "Principal",
    "Role",
    "asked_by",
    "permit",
    "principal_of",
]

Role = Literal["anybody", "viewer", "operator"]
"""Who may ask: everybody, whoever may read, whoever may act."""

ROLES: tuple[Role, ...] = ("anybody", "viewer", "operator")

ENTRY = "watcher.principal"
"""Where the scope of a request has who asks."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who asks."""

    name: str = ""
    """Who he is, as far as that is known."""

    role: Role = "anybody"

    sources: str | None = None
    """A glob of the sources that he sees; None for all."""

    redact: tuple[str, ...] = ()
    """The paths below `conversation` that he does not see."""

    @property
    def sight(self) -> Sight:
        """What he sees."""
        return Sight(self.sources or "", self.redact)

    def may(self, role: Role) -> bool:
        """Return whether he may do what is for a role."""
        return ROLES.index(self.role) >= ROLES.index(role)

    def actor(self, via: Via, said: str = "") -> Actor:
        """Return him as he acts; the owner of the control socket is who he says."""
        return Actor(said if self is OWNER else self.name, via)


ANYBODY = Principal()
"""Who has not signed in."""

OWNER = Principal(role="operator")
"""Whoever may open the control socket."""


def permit(who: Principal, role: Role, *, scoped: bool) -> None:
    """Refuse who may not ask what is for a role; `scoped` is whether the answer follows his scope."""
    if who.may(role) and (scoped or who.sources is None):
        return
    if who.role == "anybody":
        raise Refusal(
            "not-signed-in",
            "whoever has not signed in gets states and counts alone",
            "send a token, sign in with `inbox-watcher open`, or ask through the control socket",
        )
    if not who.may(role):
        raise Refusal(
            "not-allowed", "you may read and not act", "ask for a token with `role: operator`"
        )
    raise Refusal("not-allowed", "this is about all sources, and you see some of them")


def principal_of(scope: Mapping[str, Any]) -> Principal:
    """Return who asks, as the door has found out."""
    found: Principal = scope.get(ENTRY, ANYBODY)
    return found


def asked_by(app: ASGIApp, who: Principal) -> ASGIApp:
    """Return an application that is asked by one principal alone."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, ENTRY: who}, receive, send)

    return answer
