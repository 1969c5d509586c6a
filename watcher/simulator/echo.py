"""What servers quote of a request when they explain an error: each header, in every form.

Rules: pure, and uses none of the watcher's code, since it tests what the watcher strikes out.
"""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterable, Iterator
from urllib.parse import quote

__all__ = ["echo", "forms_of"]


def forms_of(text: str) -> tuple[str, ...]:
    """Return a text as servers write it: plain, JSON, percent signs, HTML, one in the other, Base64."""
    quoted = quote(text, safe="")
    in_json = json.dumps(text)[1:-1]
    in_html = html.escape(text)
    raw = text.encode()
    encoded = tuple(base64.b64encode(b"." * lead + raw + b"..").decode() for lead in range(3))
    return tuple(
        dict.fromkeys(
            (
                text,
                in_json,
                in_json.replace("/", r"\/"),
                json.dumps(in_json)[1:-1],
                quoted,
                _in_small_letters(quoted),
                quote(text, safe="/:"),
                in_html,
                in_html.replace("&#x27;", "&#39;"),
                json.dumps(in_html)[1:-1],
                quote(in_json, safe=""),
                *encoded,
                *(base64.urlsafe_b64encode(base64.b64decode(one)).decode() for one in encoded),
            )
        )
    )


def echo(headers: Iterable[tuple[bytes, bytes]]) -> Iterator[str]:
    """Yield each header of a request in each form, also what stands in it behind a scheme."""
    for name, value in headers:
        text = value.decode("latin-1")
        yield f"{name.decode('latin-1')}: {text}"
        yield from forms_of(text)
        scheme, space, credentials = text.partition(" ")
        if space and scheme.isalpha():
            yield from forms_of(credentials)
            if scheme.lower() == "basic":
                yield from forms_of(base64.b64decode(credentials).decode("latin-1"))


def _in_small_letters(quoted: str) -> str:
    first, *rest = quoted.split("%")
    return "%".join((first, *(part[:2].lower() + part[2:] for part in rest)))
