"""Rules: which events go to which receivers, and when.

Law: pure. Nothing here reads a clock, a store or a template: rules decide who is told, templates
decide the words (`watcher.templates`), and what depends on other deliveries is decided when one
is due (`watcher.pipeline`).
"""

from __future__ import annotations

from watcher.rules.conditions import (
    Condition,
    Context,
    EvaluationError,
    ExpressionError,
    compile_condition,
    context,
)
from watcher.rules.lasting import ends
from watcher.rules.routing import Match, Routing, Timer, Verdict, explain, outgoing, route
from watcher.rules.rule import TIMED_TYPES, Objection, Rule, check_for, check_when, covered

__all__ = [
    "TIMED_TYPES",
    "Condition",
    "Context",
    "EvaluationError",
    "ExpressionError",
    "Match",
    "Objection",
    "Routing",
    "Rule",
    "Timer",
    "Verdict",
    "check_for",
    "check_when",
    "compile_condition",
    "context",
    "covered",
    "ends",
    "explain",
    "outgoing",
    "route",
]
