"""The setting `by` of throttles and digests: which events belong together.

Rules: pure.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import PlainValidator, ValidationInfo, WithJsonSchema

from watcher.conditions import Expression, compile_expression
from watcher.rules.where import compiled
from watcher.settings.base import context_of

__all__ = ["By"]


def _expression(value: Any, info: ValidationInfo) -> Expression:
    if isinstance(value, Expression):
        return value
    context = context_of(info)
    return compiled(
        value,
        context,
        lambda text: compile_expression(text, context.conditions, zone=context.timezone),
    )


By = Annotated[
    Expression, PlainValidator(_expression), WithJsonSchema({"type": "string", "minLength": 1})
]
"""A CEL expression: events for which it has the same value belong together."""
