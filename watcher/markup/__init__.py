"""Markup: what a message must look like for the service that takes it, and how it is made to fit.

Rules: pure, and imports nothing of the program: the worker processes of Apprise import it. A text
remembers which of its parts are a stranger's; `write` turns it into what one service is sent, `fit`
into as much of that as the service takes.
"""

from __future__ import annotations

from watcher.markup.escaping import restored
from watcher.markup.fitting import Draft, brief, fit, plain
from watcher.markup.services import FORMATS, Service, Written, service_of, write
from watcher.markup.text import (
    Format,
    Keep,
    Part,
    Text,
    capture,
    joined,
    mark,
    parts_of,
    shortened,
    unmarked,
)

__all__ = [
    "FORMATS",
    "Draft",
    "Format",
    "Keep",
    "Part",
    "Service",
    "Text",
    "Written",
    "brief",
    "capture",
    "fit",
    "joined",
    "mark",
    "parts_of",
    "plain",
    "restored",
    "service_of",
    "shortened",
    "unmarked",
    "write",
]
