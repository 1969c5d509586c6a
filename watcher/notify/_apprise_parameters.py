"""Parameters of an Apprise URL that its service does not know: Apprise ignores them without a word.

Rules: pure; Apprise's class for the service comes as an argument. What a plug-in knows is what it
documents (`template_args`) and every text that its parsing names, so that nothing it reads is
refused. A value is never repeated, and a name only where it cannot be a part of one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import CodeType
from typing import Any
from urllib.parse import unquote

from watcher.secrets import is_sensitive
from watcher.suggest import did_you_mean

__all__ = ["unknown_parameter"]

_PARAMETER = re.compile(r"([?&;])([^&;=]*)(=?)")
_NAME = re.compile(r"[a-z][a-z0-9_-]{1,30}")


def unknown_parameter(plugin: type[Any], url: str) -> str | None:
    """Return what is wrong with the first parameter of a URL that a service does not know; None
    where it knows them all.
    """
    schema, query = url.partition(":")[0].lower(), url.partition("?")
    # An address as the service itself shows it has parameters of its own.
    if schema not in (*_several(plugin.protocol), *_several(plugin.secure_protocol)):
        return None
    known, before = _known(plugin), ""
    for number, match in enumerate(_PARAMETER.finditer(query[1] + query[2]), 1):
        separator, raw, given = match.groups()
        name = unquote(raw).strip().lower()
        if name and name not in known and name[0] not in "+-:":
            near = did_you_mean(name, (one for one in known if _NAME.fullmatch(one)))
            after_secret = is_sensitive(before) or before == "user"
            # What is nearly a parameter's name is no secret.
            if separator != ";" and given and _NAME.fullmatch(name) and (near or not after_secret):
                return f"{schema}:// has no parameter `{name}`; {near}".rstrip("; ")
            return (
                f"{schema}:// does not know the {_ordinal(number)} parameter behind the ?;"
                " where it is a part of a value, write %3B for a ; and %26 for an &"
            )
        before = name
    return None


def _ordinal(number: int) -> str:
    return f"{number}." if number > 4 else ("first", "second", "third", "fourth")[number - 1]


def _several(schemas: Any) -> tuple[str, ...]:
    return (schemas,) if isinstance(schemas, str) else tuple(schemas or ())


def _known(plugin: type[Any]) -> set[str]:
    known = {str(name) for name in plugin.template_args}
    for one in plugin.mro():
        for name, function in vars(one).items():
            code = getattr(getattr(function, "__func__", function), "__code__", None)
            if isinstance(code, CodeType) and name.startswith(("parse_", "post_process_")):
                known.update(_texts(code))
    return known


def _texts(code: CodeType) -> Iterator[str]:
    """Yield the texts that a function's code names, those of its inner functions too."""
    for constant in code.co_consts:
        match constant:
            case str():
                yield constant
            case tuple() | frozenset():
                yield from (one for one in constant if isinstance(one, str))
            case CodeType():
                yield from _texts(constant)
