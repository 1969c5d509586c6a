"""How the other side is reached: certificates, proxy, and whether TLS is verified.

Rules: pure. That the files can be used is for `watcher.transport.links`, which opens them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from watcher.addresses import is_link_local
from watcher.secrets import SecretText
from watcher.settings.base import Context, Mistake, Settings, clash, wrong
from watcher.settings.values import (
    OptionalFile,
    host_of,
    is_bare_address,
    is_http_url,
    is_in_the_clear,
    secret,
)

__all__ = [
    "CONNECTIONS",
    "USUAL",
    "Link",
    "LinkSettings",
    "Proxy",
    "in_the_clear",
    "link_local",
    "unverified",
]

CONNECTIONS = 8
"""At one origin: enough for many accounts of one provider, few enough to walk for nothing."""


def _environment() -> None:
    """Leave the proxy to the environment."""


@dataclass(frozen=True, slots=True, eq=False)
class Link:
    """How connections are made. Each link has connections of its own, so that a slow one does not
    hold up another.
    """

    ca_file: Path | None = None
    """Certificates (PEM) of the only authorities to trust; None: the usual ones."""

    client_cert: Path | None = None
    """Our own certificate (PEM)."""

    client_key: Path | None = None
    """Its key; None: it is in the same file."""

    password: Callable[[], str] = str
    """Returns the key's password; may raise OSError or WatcherError."""

    verify: bool = True
    """Whether certificates are verified."""

    proxy: Callable[[], str | None] = _environment
    """Returns the proxy's address, "" for none, None for the environment's; may raise OSError or
    WatcherError.
    """

    connections: int = CONNECTIONS
    """How many there may be at one origin."""


USUAL = Link()
"""The usual authorities, no client certificate, the environment's proxies."""

_WORDS = {"environment": None, "direct": ""}


def _check_proxy(value: str) -> None:
    bare = not value.partition("://")[2].partition("/")[2] and not re.search(r"[^!-~]", value)
    if value not in _WORDS and not (is_http_url(value) and bare):
        raise wrong(
            "is not the address of a proxy",
            "write http://host:port (or https://), `environment` or `direct`",
        )


Proxy = Annotated[SecretText, secret(_check_proxy, url=True, bare=is_bare_address)]
_NONE = SecretText.literal("")
_Password = Annotated[SecretText, secret()]


def proxy(default: str) -> SecretText:
    """Return the field of a proxy setting with its default."""
    usual = SecretText.literal(default)
    field: SecretText = Field(
        default_factory=lambda: usual,
        json_schema_extra={"default": default},
        description="http://host:port; `environment`: what HTTPS_PROXY and its kin say; `direct`: none.",
    )
    return field


def in_the_clear(why: str, instead: str, *loc: str | int) -> Mistake:
    """Return the warning of an address that is reached over a network without TLS."""
    return Mistake(
        f"NO TLS for {{what}}: {why}, so anyone in between can read and change everything, credentials"
        " included",
        f"write {instead}, or accept it with `insecure: true`",
        loc,
        whole=True,
        weak=True,
    )


def unverified(setting: str, *loc: str | int, more: str = "") -> Mistake:
    """Return the warning of certificates that are not verified."""
    return Mistake(
        f"TLS IS NOT VERIFIED for {{what}} ({setting}): anyone in between can read and change"
        " everything, credentials included",
        f"remove {setting}, or accept it with `insecure: true`{more}",
        loc,
        whole=True,
        weak=True,
    )


def link_local(*loc: str | int) -> Mistake:
    """Return the warning of an address at which clouds tell a machine its credentials."""
    return Mistake(
        "the address of {what} is link-local, where clouds tell a machine its own credentials",
        "check the address, or accept it with `insecure: true`",
        loc,
        whole=True,
        weak=True,
    )


class LinkSettings(Settings):
    """How the other side is reached; the same for sources and webhooks."""

    ca_file: OptionalFile = Field(
        default=None, description="PEM file of the certificate authorities to trust, and no others."
    )
    client_cert: OptionalFile = Field(
        default=None, description="PEM file of the certificate that says who we are."
    )
    client_key: OptionalFile = Field(
        default=None, description="PEM file of its key; without it, it is in client_cert too."
    )
    client_key_password: _Password = Field(
        default_factory=lambda: _NONE,
        json_schema_extra={"default": ""},
        description="The key's password.",
    )
    proxy: Proxy = proxy("direct")
    tls_verify: bool = Field(
        default=True, description="false takes any certificate, and warns loudly."
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for key in ("client_key", "client_key_password"):
            if key in self.model_fields_set and "client_cert" not in self.model_fields_set:
                raise clash(f"has `{key}` without `client_cert`", "add `client_cert: …`", key)
        return self

    insecure: bool = Field(
        default=False,
        description="Accepts an address without TLS, a link-local one, and `tls_verify: false`:"
        " nothing warns of them any more.",
    )

    def weak_address(self, key: str, url: str) -> Iterator[Mistake]:
        """Yield a warning where the address at `key` is reached over a network without TLS, or is
        link-local.
        """
        if self.insecure:
            return
        if is_in_the_clear(url):
            yield in_the_clear("it has an http:// address of another machine", "https://", key)
        if is_link_local(host_of(url)):
            yield link_local(key)

    def warnings(self, context: Context) -> Iterator[Mistake]:
        """Yield a warning where certificates are not verified."""
        yield from super().warnings(context)
        if not self.tls_verify and not self.insecure:
            yield unverified(
                "`tls_verify: false`", "tls_verify", more="; `ca_file` names an authority"
            )

    def link_with(self, connections: int = CONNECTIONS) -> Link:
        """Return the link that these settings describe."""
        return Link(
            ca_file=self.ca_file,
            client_cert=self.client_cert,
            client_key=self.client_key,
            password=self.client_key_password.read,
            verify=self.tls_verify,
            proxy=self._read_proxy,
            connections=connections,
        )

    def _read_proxy(self) -> str | None:
        value = self.proxy.read()
        return _WORDS.get(value, value)
