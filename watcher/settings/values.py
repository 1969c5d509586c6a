"""The kinds of value that settings take: durations, sizes, limits, addresses, files, secrets, names.

Rules: pure. Each kind is an annotated type for a model; `parse_*` reads the text by itself and
raises ValueError. What is raised here never repeats the text, which may come from a secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticKnownError

from watcher.addresses import is_local
from watcher.secrets import SecretText, is_sensitive
from watcher.settings.base import SettingText, wrong
from watcher.settings.durations import parse_duration

__all__ = [
    "CONDITION_NAME_PATTERN",
    "NAME_PATTERN",
    "Address",
    "Amount",
    "Duration",
    "File",
    "HostNames",
    "Limit",
    "ListenAddress",
    "OneOrMore",
    "OptionalFile",
    "Size",
    "Title",
    "default_duration",
    "is_bare_address",
    "is_http_url",
    "is_in_the_clear",
    "not_address",
    "parse_address",
    "parse_host",
    "parse_limit",
    "parse_size",
    "reads",
    "secret",
]

T = TypeVar("T")

NAME_PATTERN = r"^[a-z][a-z0-9_-]{0,62}$"
"""Names of sources, receivers and templates."""

CONDITION_NAME_PATTERN = r"^[a-z][a-z0-9_]{0,62}$"
"""Names of conditions: they stand in expressions, where `-` is a minus."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens."""

    host: str
    port: int

    @property
    def local(self) -> bool:
        """Whether only this machine reaches it."""
        return is_local(self.host)


def parse_address(text: str) -> Address:
    """Read `127.0.0.1:8484`, `[::1]:8484` or `localhost:8484`; raise ValueError."""
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    bare = host[1:-1] if bracketed else host
    if not colon or not bare or re.search(r"[\s/\[\]@]", bare) or (":" in bare) != bracketed:
        raise ValueError("is not an address with a port")
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65_535):
        raise ValueError("is not an address with a port from 0 to 65535")
    return Address(bare, int(port))


_HOST_NAME = re.compile(
    r"(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\Z"
)


def parse_host(text: str) -> str:
    """Read `watcher.example.com`, `*.example.com` or `2001:db8::1`, without a port; raise ValueError."""
    name = text.lower().removesuffix(".")
    bare = name[1:-1] if name.startswith("[") and name.endswith("]") else name
    try:
        return str(ip_address(bare))
    except ValueError:
        if bare != name or len(name) > 253 or not _HOST_NAME.match(name):
            raise ValueError("is not the name of a host") from None
    return name


def parse_limit(text: str) -> tuple[int, timedelta]:
    """Read `30/1m`: how many in how long, both above zero; raise ValueError."""
    number, slash, per = text.partition("/")
    if not (slash and number.isascii() and number.isdigit() and len(number) <= 6 and int(number)):
        raise ValueError("is not a limit")
    duration = parse_duration(per)
    if not duration:
        raise ValueError("is not a limit")
    return int(number), duration


def parse_size(text: str) -> int:
    """Read `512KiB`, `32MiB` or `4GiB` as bytes (`KB`, `MB` and `GB` mean the same); raise ValueError."""
    match = re.match(r"([1-9]\d{0,8})(K|M|G)i?B\Z", text, re.ASCII)
    if match is None:
        raise ValueError("is not a size")
    return int(match[1]) * {"K": 2**10, "M": 2**20, "G": 2**30}[match[2]]


_CRON = re.compile(r"(?:[\d*/,A-Za-z#?-]+\s+){4,5}[\d*/,A-Za-z#?-]+|@[a-z]+", re.ASCII)
_NO_CRON = (
    'cron is not read here; a digest takes `at: "09:00"` with `days: mon-fri`, or `every: 1h`'
)


def reads(parse: Callable[[str], T], kind: str, remedy: str) -> BeforeValidator:
    """Return the validator of a setting that a function reads from a text or raises ValueError.

    A value that no file can hold was made by code and passes.
    """

    def read(value: Any) -> Any:
        if not isinstance(value, str | int | float | list | dict | None):
            return value
        if not isinstance(value, str):
            raise wrong(f"is not {kind}", remedy)
        try:
            return parse(value)
        except ValueError as error:
            cron = _CRON.fullmatch(value.strip())
            raise wrong(str(error), f"{remedy}; {_NO_CRON}" if cron else remedy) from None

    return BeforeValidator(read)


def not_address(segment: str) -> BeforeValidator:
    """Return the validator of an id that people paste with the whole address of its page.

    `segment` is the part of the address's path that stands before the id.
    """

    def read(value: Any) -> Any:
        if isinstance(value, str) and ("://" in value or f"/{segment}/" in value):
            raise wrong("is an address", f"write only the part after /{segment}/")
        return value

    return BeforeValidator(read)


def host_of(url: str) -> str:
    """Return the host of a URL, empty where it has none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def is_bare_address(url: str) -> bool:
    """Return whether a URL has no user, no password and no parameter for a secret in it."""
    try:
        parts = urlsplit(url)
        named = [name for name, _value in parse_qsl(parts.query, keep_blank_values=True)]
    except ValueError:
        return False
    return "@" not in parts.netloc and not any(map(is_sensitive, named))


def is_in_the_clear(url: str) -> bool:
    """Return whether what is sent to an http(s) URL crosses a network without TLS."""
    host = host_of(url)
    return url.lower().startswith("http:") and bool(host) and not is_local(host)


def is_http_url(value: str) -> bool:
    """Return whether a text is an http(s) URL with a host, as far as its shape shows."""
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # its message would quote the URL
        return False


def secret(
    check: Callable[[str], object] = str,
    *,
    url: bool = False,
    hide: bool = True,
    bare: Callable[[str], bool] = lambda _value: False,
) -> BeforeValidator:
    """Return the validator of a setting that may hold a secret: it makes a `SecretText`.

    `check` raises the error of a present value that is not right. With `hide` the value becomes
    known to the redactor, whatever else is wrong, and with `url` also the user and the password in
    it. `bare` returns whether a value is an address and no secret. A reference that was left out is not
    checked.
    """

    def read(value: Any) -> SecretText:
        if isinstance(value, SecretText):
            return value
        if not isinstance(value, str):
            raise PydanticKnownError("string_type")
        given = value if isinstance(value, SettingText) else None
        text = given.secret if given is not None else SecretText.literal(value)
        known = value if given is None else given.known
        if hide and known:
            text.keep_secret(known, url=url, bare=bare(known))
        if given is None or not given.left_out:
            check(value)
        return text

    return BeforeValidator(read, json_schema_input_type=str)


def default_duration(text: str, **constraints: Any) -> Any:
    """Return the field of a duration with a default, which editors see as a person writes it."""
    shown = {"default": text}
    return Field(default=parse_duration(text), json_schema_extra=shown, **constraints)  # type: ignore[arg-type]  # JsonDict is invariant


def _file(value: Any) -> Path:
    if isinstance(value, Path):
        return value
    if not isinstance(value, str):
        raise PydanticKnownError("string_type")
    if not value.strip() or "\0" in value:
        raise wrong("is not a path")
    return value.folder / value if isinstance(value, SettingText) else Path(value)


def _title(value: str) -> str:
    if not value.strip() or value != value.strip() or "\n" in value:
        raise wrong("is not a name of one line without spaces around it")
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
_HostName = Annotated[
    str,
    reads(
        parse_host,
        "the name of a host",
        "write watcher.example.com, *.example.com or 192.0.2.7, without http:// and port",
    ),
    WithJsonSchema({"type": "string", "minLength": 1, "examples": ["watcher.example.com"]}),
]
HostNames = Annotated[
    tuple[_HostName, ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
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
        {"type": "string", "pattern": r"^[1-9]\d*(K|M|G)i?B$", "examples": ["8MiB", "32MiB"]}
    ),
]
Amount = Annotated[
    int,
    reads(parse_size, "a size", "write a number with a unit, such as 500MiB or 4GiB"),
    Field(ge=2**20, le=2**50),
    WithJsonSchema(
        {"type": "string", "pattern": r"^[1-9]\d*(K|M|G)i?B$", "examples": ["500MiB", "4GiB"]}
    ),
]
"""A size of what is stored."""

File = Annotated[Path, BeforeValidator(_file, json_schema_input_type=str)]
"""A file; a relative path starts at the folder of the configuration file that names it."""

OptionalFile = Annotated[Path | None, BeforeValidator(_file, json_schema_input_type=str)]
"""A file, or None where the setting is left out of the configuration file."""

Title = Annotated[str, StringConstraints(max_length=200), AfterValidator(_title)]
"""What people call a rule or a silence."""

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
