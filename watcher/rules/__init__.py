"""Rules: which events go to which receivers, and when.

Rules: pure. Nothing here reads a clock, a store or a template: rules decide where events go,
templates decide the words (`watcher.templates`), and what depends on other deliveries is decided
when one is due (`watcher.pipeline`).

A key of a rule is one file: its model, its checks, its effect and its words. `rule` puts the keys
together, `routing` asks all rules about an event.
"""

from __future__ import annotations

from watcher.rules.digest import Digest
from watcher.rules.hours import Hours, RuleHours, Span, Window
from watcher.rules.message import Message, Template, Words
from watcher.rules.routing import Collected, Match, Routing, Timer, judge, route
from watcher.rules.rule import Rule
from watcher.rules.silence import Silence, added_silence, silenced
from watcher.rules.state_ends import state_ends
from watcher.rules.throttle import Throttle

__all__ = [
    "Collected",
    "Digest",
    "Hours",
    "Match",
    "Message",
    "Routing",
    "Rule",
    "RuleHours",
    "Silence",
    "Span",
    "Template",
    "Throttle",
    "Timer",
    "Window",
    "Words",
    "added_silence",
    "judge",
    "route",
    "silenced",
    "state_ends",
]
