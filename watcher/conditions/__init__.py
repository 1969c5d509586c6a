"""Conditions: CEL expressions about events, checked before they run.

Rules: pure. An expression is checked against the shape of an event (`watcher.vocabulary`), and what
goes wrong with one event is an `EvaluationError`, nothing else.
"""

from __future__ import annotations

from watcher.conditions.check import mistakes_with
from watcher.conditions.compile import compile_condition, compile_conditions, compile_expression
from watcher.conditions.evaluate import (
    Condition,
    Context,
    EvaluationError,
    Expression,
    Outcome,
    context,
    exceeding,
)
from watcher.conditions.names import UnknownName, unknown_names
from watcher.conditions.syntax import ExpressionError, Tree

__all__ = [
    "Condition",
    "Context",
    "EvaluationError",
    "Expression",
    "ExpressionError",
    "Outcome",
    "Tree",
    "UnknownName",
    "compile_condition",
    "compile_conditions",
    "compile_expression",
    "context",
    "exceeding",
    "mistakes_with",
    "unknown_names",
]
