"""Rules: which events go to which receivers, and when.

Law: pure. Nothing here reads a clock, a store or a template: rules decide who is told, templates
decide the words (`watcher.templates`), and what depends on other deliveries is decided when one
is due (`watcher.pipeline`).
"""

from __future__ import annotations

from watcher.rules.compiling import compile_condition, compile_conditions, compile_expression
from watcher.rules.conditions import (
    Answer,
    Condition,
    Context,
    EvaluationError,
    Expression,
    ExpressionError,
    context,
)
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
    TIMED_TYPES,
    Format,
    Objection,
    Rule,
    check_lasting,
    check_when,
    covered,
)
from watcher.rules.silence import Silence, Stranger, silenced, strangers
from watcher.rules.wording import describe_rule, describe_silence

__all__ = [
    "TIMED_TYPES",
    "Answer",
    "Collected",
    "Condition",
    "Context",
    "Digest",
    "EvaluationError",
    "Expression",
    "ExpressionError",
    "Format",
    "Hours",
    "Match",
    "Objection",
    "Repeat",
    "Routing",
    "Rule",
    "Silence",
    "Stranger",
    "Throttle",
    "Timer",
    "Verdict",
    "Window",
    "check_lasting",
    "check_when",
    "compile_condition",
    "compile_conditions",
    "compile_expression",
    "context",
    "covered",
    "describe_rule",
    "describe_silence",
    "digest_key",
    "ends",
    "route",
    "silenced",
    "strangers",
    "throttle_key",
]
