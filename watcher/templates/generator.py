"""The code that Jinja2 makes of a template, with the counting of its steps in it.

Rules: every run of a block (the body of a template, a loop, a macro, a branch) charges the nodes that
it evaluates; what compares, joins or cuts values charges their size. What is called charges itself
(`watcher.templates.costs`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame, operators

from watcher.templates.meter import PER_STEP

__all__ = ["Generator"]


class Generator(CodeGenerator):
    """Jinja2's generator. The output of `call` and `filter` blocks passes `finalize` too."""

    _finishing = False

    def start_write(self, frame: Frame, node: nodes.Node | None = None) -> None:
        super().start_write(frame, node)
        if isinstance(node, nodes.FilterBlock | nodes.CallBlock | nodes.For):
            self.write("environment.finalize(")  # Jinja2 itself does so for `{{ … }}` only
            self._finishing = True

    def end_write(self, frame: Frame) -> None:
        if self._finishing:
            self.write(")")
            self._finishing = False
        super().end_write(frame)

    # Blocks

    def blockvisit(self, body: Iterable[nodes.Node], frame: Frame) -> None:
        body = list(body)
        self.writeline(f"environment.charge({_weight(body)})")
        super().blockvisit(body, frame)

    def visit_For(self, node: nodes.For, frame: Frame) -> None:  # noqa: N802 - Jinja2's name
        if (
            node.test is not None
        ):  # evaluated for each element, also of those that the body never sees
            each = nodes.EnvironmentAttribute(f"charge({_weight([node.test])})")
            test, node.test = node.test, nodes.And(each, node.test)
            node.test.set_lineno(test.lineno)
        super().visit_For(node, frame)

    def visit_Macro(self, node: nodes.Macro, frame: Frame) -> None:  # noqa: N802
        _charge_defaults(node)
        super().visit_Macro(node, frame)

    def visit_CallBlock(self, node: nodes.CallBlock, frame: Frame) -> None:  # noqa: N802
        _charge_defaults(node)
        super().visit_CallBlock(node, frame)

    # Expressions

    def visit_Compare(self, node: nodes.Compare, frame: Frame) -> None:  # noqa: N802
        self.write("(")
        self._weighed(node.expr, frame)
        for one in node.ops:
            self.visit(one, frame)
        self.write(")")

    def visit_Operand(self, node: nodes.Operand, frame: Frame) -> None:  # noqa: N802
        self.write(f" {operators[node.op]} ")
        self._weighed(node.expr, frame, searched=node.op in ("in", "notin"))

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802
        self.write("environment.joined((")
        for one in node.nodes:
            self.visit(one, frame)
            self.write(", ")
        self.write("))")

    def visit_Getitem(self, node: nodes.Getitem, frame: Frame) -> None:  # noqa: N802
        if not isinstance(node.arg, nodes.Slice):
            super().visit_Getitem(node, frame)
            return
        self._weighed(node.node, frame)
        self.write("[")
        self.visit(node.arg, frame)
        self.write("]")

    def _weighed(self, node: nodes.Expr, frame: Frame, *, searched: bool = False) -> None:
        """Write an operand that charges its size; one that is `searched`, that of a search."""
        if isinstance(node, nodes.Const) and not isinstance(node.value, str):
            self.visit(node, frame)
            return
        self.write("environment.searched(" if searched else "environment.weighed(")
        self.visit(node, frame)
        self.write(")")


_OWN = ("body", "else_")
"""What is charged when it runs: blocks of their own."""


def _weight(several: Sequence[nodes.Node]) -> int:
    """Return the steps of nodes without the blocks in them."""
    steps, waiting = 1, list(several)
    while waiting:
        node = waiting.pop()
        steps += 1
        if isinstance(node, nodes.TemplateData):
            steps += len(node.data) // PER_STEP
        elif isinstance(node, nodes.Const) and isinstance(node.value, str):
            steps += len(node.value) // PER_STEP
        waiting.extend(node.iter_child_nodes(exclude=_OWN))
    return steps


def _charge_defaults(node: nodes.Macro | nodes.CallBlock) -> None:
    """Have each parameter's default value charged when it is used: it is evaluated at each call."""
    for at, one in enumerate(node.defaults):
        each = nodes.EnvironmentAttribute(f"charge({_weight([one])})")
        charged = nodes.CondExpr(each, one, nodes.Const(None))
        charged.set_lineno(one.lineno)
        node.defaults[at] = charged
