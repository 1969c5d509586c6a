"""Where connections may go: `network: {deny: […], allow: […]}`."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema

from watcher.addresses import KINDS, AddressFilter
from watcher.settings.base import FilledSettings, wrong
from watcher.suggest import did_you_mean

__all__ = ["NetworkSettings"]


def _entry(value: str) -> str:
    if value in KINDS:
        return value
    return _network(value, f"{did_you_mean(value, KINDS)}write {', '.join(KINDS)}, or 10.0.0.0/8")


def _network(value: str, remedy: str = "write one such as 10.0.0.0/8, fd00::/8 or 10.1.2.3") -> str:
    try:
        return str(ip_network(value))
    except ValueError:
        raise wrong("is no network of addresses", remedy) from None


_Denied = Annotated[
    str,
    AfterValidator(_entry),
    WithJsonSchema({"anyOf": [{"enum": list(KINDS)}, {"type": "string", "pattern": r"[.:]"}]}),
]
_Allowed = Annotated[str, AfterValidator(_network), WithJsonSchema({"type": "string"})]


class NetworkSettings(FilledSettings):
    """Where connections may go."""

    deny: tuple[_Denied, ...] = Field(
        default=(),
        max_length=100,
        description="`private`, `link-local`, `loopback` or networks that nothing connects to.",
    )
    allow: tuple[_Allowed, ...] = Field(
        default=(), max_length=100, description="Networks within them that may be reached."
    )

    @property
    def addresses(self) -> AddressFilter:
        """The filter that connections are judged by."""
        return AddressFilter(self.deny, self.allow)
