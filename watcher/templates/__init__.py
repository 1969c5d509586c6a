"""Templates: the messages in which people read of events.

Rules: pure. A rendered text remembers which of its parts are a stranger's; what one service is sent of
it is up to `watcher.markup`. Nothing here decides who gets a message.
"""

from __future__ import annotations

from watcher.templates.defaults import default_message, digest, late_note
from watcher.templates.rendering import (
    Rendered,
    Template,
    TemplateError,
    compile_template,
    over_budget,
    render,
    render_digest,
    speaks_of,
    template_mistakes_with,
)

__all__ = [
    "Rendered",
    "Template",
    "TemplateError",
    "compile_template",
    "default_message",
    "digest",
    "late_note",
    "over_budget",
    "render",
    "render_digest",
    "speaks_of",
    "template_mistakes_with",
]
