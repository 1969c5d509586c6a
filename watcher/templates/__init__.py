"""Templates: the messages in which people read of events.

Rules: pure. A rendered text remembers which of its parts are a stranger's; what one service is sent of
it is up to `watcher.markup`. Nothing here decides who gets a message. What needs Jinja2 is in `compiled`,
which is imported where there is a template.
"""

from __future__ import annotations

from watcher.templates.defaults import default_message, digest, late_note
from watcher.templates.rendering import Rendered, TemplateError, render, render_digest, speaks_of

__all__ = [
    "Rendered",
    "TemplateError",
    "default_message",
    "digest",
    "late_note",
    "render",
    "render_digest",
    "speaks_of",
]
