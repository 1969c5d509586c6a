"""The kinds of value that settings take: durations, addresses, URLs, headers, secrets.

Law: pure; each kind is an annotated type for the models of `watcher.config.schema`. An error
raised here never repeats the value that was found, for it may be a secret; its context may
carry a `remedy`.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from watcher.config.values import Address, parse_address, parse_duration, parse_limit, parse_size
from watcher.redaction import RedactionError, check_redaction

__all__ = [
    "AppriseUrl",
    "Duration",
    "FilePath",
    "Headers",
    "Limit",
    "ListenAddress",
    "OneOrMore",
    "ProxyAddress",
    "RedactedPath",
    "RuleName",
    "Size",
    "StorePath",
    "WebhookSecret",
    "WebhookUrl",
    "reads",
    "wrong",
]

T = TypeVar("T")

_RESERVED_HEADERS = frozenset(
    {
        "connection", "content-length", "content-type", "expect", "host", "te", "trailer",
        "transfer-encoding", "upgrade",
    }
)  # fmt: skip
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")  # RFC 9110, 5.6.2: token
_HEADER_VALUE = re.compile(r"(?:[!-~](?:[ \t!-~]*[!-~])?)?\Z")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S")


def wrong(message: str, remedy: str = "") -> PydanticCustomError:
    """Make the error of a value that is not right; the message goes on from the setting's name."""
    # Braces are the template syntax of PydanticCustomError, so the texts go in as values.
    return PydanticCustomError("setting", "{text}", {"text": message, "remedy": remedy})


def reads(parse: Callable[[str], T], kind: str, remedy: str) -> BeforeValidator:
    """Make a validator from a function that reads a text or raises ValueError."""

    def read(value: Any) -> T:
        if not isinstance(value, str):
            raise wrong(f"is not {kind}", remedy)
        try:
            return parse(value)
        except ValueError as error:
            raise wrong(str(error), remedy) from None

    return BeforeValidator(read)


def _webhook_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # its message would quote the URL
        good = False
    if not good:
        raise wrong("is not an http:// or https:// URL", "write https://host/path")
    if re.search(r"[^!-~]", value):
        raise wrong("is not a URL: it has white space or a character to be percent-encoded in it")
    return value


def _apprise_url(value: str) -> str:
    if not _SCHEME.match(value):
        raise wrong(
            "is not an Apprise URL",
            "write one such as slack://…, mailto://…, tgram://… or json://…",
        )
    return value


def _proxy_address(value: str) -> str:
    if value in ("environment", "direct"):
        return value
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        good = good and parts.path in ("", "/") and not re.search(r"[^!-~]", value)
    except ValueError:  # its message would quote the password
        good = False
    if not good:
        raise wrong(
            "is not the address of a proxy",
            "write http://host:port (or https://), `environment` or `direct`",
        )
    return value


def _redacted_path(value: str) -> str:
    try:
        return check_redaction(value)
    except RedactionError as error:
        raise wrong(str(error), error.remedy) from None


def _file_path(value: str) -> str:
    if not value.strip() or "\0" in value:
        raise wrong("is not a path")
    return value


def _webhook_secret(value: str) -> str:
    """Check what Standard Webhooks calls a symmetric secret: `whsec_` and base64."""
    remedy = "write `whsec_` followed by base64; `openssl rand -base64 32` makes one"
    if not value.startswith("whsec_"):
        raise wrong("is not a Standard Webhooks secret: it does not begin with whsec_", remedy)
    try:
        key = base64.b64decode(value.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise wrong("is not a Standard Webhooks secret: what follows whsec_ is not base64", remedy)
    return value


def _header_name(name: str) -> str:
    # Names are keys of the file, never secrets, so they may be repeated.
    if not _HEADER_NAME.match(name):
        raise wrong(f"`{name}` cannot be the name of a header", "use letters, digits and -")
    if name.lower() in _RESERVED_HEADERS or name.lower().startswith("webhook-"):
        raise wrong(f"the header {name} is set by inbox-watcher itself", "remove it")
    return name


def _header_value(value: str) -> str:
    if not _HEADER_VALUE.match(value):
        raise wrong(
            "has a line break, a space at an end or a character outside ASCII in it",
            "headers take printable ASCII only",
        )
    return value


def _distinct(headers: Mapping[str, str]) -> Mapping[str, str]:
    if len({name.lower() for name in headers}) < len(headers):
        raise wrong("has a header twice, in capitals and in small letters", "keep one of them")
    return headers


def _rule_name(value: str) -> str:
    if not value.strip() or value != value.strip() or "\n" in value:
        raise wrong("is not a name of one line without spaces around it")
    return value


def _store_path(value: str) -> str:
    if "://" in value:
        raise wrong("is a URL; this version keeps its store in SQLite", "write a file's path")
    if "\0" in value:
        raise wrong("is not a path")
    return value


Duration = Annotated[
    timedelta,
    reads(
        parse_duration,
        "a duration",
        "write a number with a unit, such as 500ms, 30s, 15m, 1h30m or 7d",
    ),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^(?=\d)(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?$",
            "examples": ["500ms", "30s", "15m", "1h30m", "7d"],
        }
    ),
]
ListenAddress = Annotated[
    Address,
    reads(parse_address, "an address with a port", "write 127.0.0.1:8484 or [::1]:8484"),
    WithJsonSchema({"type": "string", "pattern": r":\d{1,5}$", "examples": ["127.0.0.1:8484"]}),
]
Limit = Annotated[
    tuple[int, timedelta],
    reads(parse_limit, "a limit", "write how many in how long, such as 30/1m"),
    WithJsonSchema({"type": "string", "pattern": r"^[1-9]\d*/\d", "examples": ["30/1m"]}),
]
Size = Annotated[
    int,
    reads(parse_size, "a size", "write a number with a unit, such as 512KiB or 32MiB"),
    Field(ge=2**16, le=2**30),
    WithJsonSchema(
        {"type": "string", "pattern": r"^[1-9]\d*(K|M)i?B$", "examples": ["8MiB", "32MiB"]}
    ),
]
StorePath = Annotated[str, StringConstraints(min_length=1), AfterValidator(_store_path)]
RuleName = Annotated[str, StringConstraints(max_length=200), AfterValidator(_rule_name)]
WebhookUrl = Annotated[str, AfterValidator(_webhook_url)]
ProxyAddress = Annotated[str, AfterValidator(_proxy_address)]
RedactedPath = Annotated[str, AfterValidator(_redacted_path)]
FilePath = Annotated[str, AfterValidator(_file_path)]
AppriseUrl = Annotated[str, AfterValidator(_apprise_url)]
WebhookSecret = Annotated[str, AfterValidator(_webhook_secret)]
Headers = Annotated[
    dict[
        Annotated[str, AfterValidator(_header_name)], Annotated[str, AfterValidator(_header_value)]
    ],
    AfterValidator(_distinct),
]
_Text = Annotated[str, StringConstraints(min_length=1)]
OneOrMore = Annotated[
    tuple[_Text, ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "minLength": 1},
                {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1},
            ]
        }
    ),
]
