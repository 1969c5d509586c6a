"""Settings of who may use the server: tokens, and a proxy that has signed people in.

Rules: values only. Nothing here compares a token; nobody is let in by what is not configured.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from watcher.redaction import RedactedPath
from watcher.secrets import SecretText
from watcher.settings.base import FilledSettings, Mistake, Settings, mistakes, wrong
from watcher.settings.values import OneOrMore, Title, secret

__all__ = ["SHORTEST_SECRET", "AccessToken", "TokenSecret", "TrustedHeader", "doubles"]

SHORTEST_SECRET = 24
"""Bytes of a token or a key: as many as no one guesses."""

_TOKEN = re.compile(r"[!-~]+\Z")
_HEADER = re.compile(r"[a-z0-9][a-z0-9-]*\Z")
_GLOB = re.compile(r"[a-z0-9_*-]+\Z")

TAKEN = frozenset(
    [
        "authorization",
        "connection",
        "content-length",
        "content-type",
        "cookie",
        "forwarded",
        "host",
        "origin",
        "referer",
        "sec-fetch-site",
        "transfer-encoding",
        "upgrade",
        "x-actor",
        "x-forwarded-for",
    ]
)
"""Headers that have a meaning of their own."""


def _check_token(value: str) -> None:
    if len(value.encode()) < SHORTEST_SECRET:
        raise wrong(
            f"is too short to keep anybody out: {SHORTEST_SECRET} bytes at least",
            "`openssl rand -base64 32` makes one",
        )
    if not _TOKEN.match(value):
        raise wrong(
            "has white space or a character outside ASCII in it",
            "write the token alone, without quotes or line breaks around it",
        )


TokenSecret = Annotated[SecretText, secret(_check_token)]
"""A token that somebody shows."""


def _glob(value: str) -> str:
    if not _GLOB.match(value):
        raise wrong("fits no source", "write a name or a glob of names, such as acme-*")
    return value


def _path(value: str) -> str:
    if value in ("waiting_since", "conversation.waiting_since"):
        raise wrong("cannot be hidden: lists are in its order", "leave it out")
    return value


def _header(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    name = value.lower()
    if not _HEADER.match(name):
        raise wrong("is no name of a header", "write one such as x-forwarded-email")
    if name in TAKEN:
        raise wrong("has another meaning", "write one such as x-forwarded-email")
    return name


def _networks(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _network(value: str) -> str:
    try:
        return str(ip_network(value))
    except ValueError:
        raise wrong(
            "is no network of addresses", "write one such as 10.0.0.5/32 or fd00::/8"
        ) from None


class AccessToken(Settings):
    """A token with which somebody may use the API and the pages."""

    name: Title = Field(description="Who has it: stands beside what is done with it.")
    token: TokenSecret = Field(description="The token, 24 bytes at least.")
    role: Literal["viewer", "operator"] = Field(
        default="viewer", description="`viewer` reads, `operator` acts too."
    )
    sources: Annotated[str, AfterValidator(_glob)] | None = Field(
        default=None, description="A glob of source names, such as acme-*: all else does not exist."
    )
    redact: tuple[Annotated[RedactedPath, BeforeValidator(_path)], ...] = Field(
        default=(),
        max_length=100,
        description="Fields of `conversation` that it does not show, such as contact.phone.",
    )


class TrustedHeader(FilledSettings):
    """A header by which a proxy in front says whom it has signed in."""

    name: Annotated[str, BeforeValidator(_header)] = Field(
        description="The header, such as x-forwarded-email."
    )
    peers: Annotated[
        tuple[Annotated[str, AfterValidator(_network)], ...],
        BeforeValidator(_networks),
        WithJsonSchema(
            {
                "anyOf": [
                    {"type": "string"},
                    {"type": "array", "items": {"type": "string"}, "minItems": 1},
                ]
            }
        ),
    ] = Field(
        alias="from",
        min_length=1,
        max_length=100,
        description="The proxy's addresses; from others the header is nothing.",
    )
    operators: OneOrMore = Field(
        default=(), description="Who may act: values of the header, such as *@example.com."
    )
    viewers: OneOrMore = Field(default=(), description="Who may read, likewise.")

    @model_validator(mode="after")
    def _for_somebody(self) -> Self:
        if not self.operators and not self.viewers:
            remedy = 'write `operators: ["*@example.com"]`, or `viewers:`'
            raise mistakes([Mistake("{what} lets nobody in", remedy, whole=True)])
        return self


def doubles(token: SecretText | None, tokens: tuple[AccessToken, ...]) -> Iterator[Mistake]:
    """Yield what two tokens have in common that must tell them apart."""
    names: set[str] = set()
    values = {token.read()} if token is not None else set()
    for number, one in enumerate(tokens):
        if one.name in names:
            message = f": `{one.name}` stands there twice"
            yield Mistake(message, "give each its own name", ("tokens", number, "name"))
        if (value := one.token.read()) and value in values:
            yield Mistake(
                "is another one's, too: nobody could tell them apart",
                "`openssl rand -base64 32` makes one",
                ("tokens", number, "token"),
            )
        names.add(one.name)
        values.add(value)
