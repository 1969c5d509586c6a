"""Rules: which events go to which receivers, and when.

Law: pure. Nothing here reads a clock, a store or a template: rules decide who is told, templates
decide the words (`watcher.templates`), and what depends on other deliveries is decided when one
is due (`watcher.pipeline`).
"""

from __future__ import annotations

from watcher.rules.hours import Hours, Window
from watcher.rules.lasting import ends
from watcher.rules.pace import Digest, Repeat, Throttle, digest_key, throttle_key
from watcher.rules.routing import (
    Collected,
    Match,
    Routing,
    Timer,
    Verdict,
    route,
)
from watcher.rules.rule import (
    Format,
    Objection,
    Rule,
    check_lasting,
    check_when,
    covered,
)
from watcher.rules.silence import Silence, silenced
from watcher.rules.wording import describe_rule, describe_silence

__all__ = [
    "Collected",
    "Digest",
    "Format",
    "Hours",
    "Match",
    "Objection",
    "Repeat",
    "Routing",
    "Rule",
    "Silence",
    "Throttle",
    "Timer",
    "Verdict",
    "Window",
    "check_lasting",
    "check_when",
    "covered",
    "describe_rule",
    "describe_silence",
    "digest_key",
    "ends",
    "route",
    "silenced",
    "throttle_key",
]
