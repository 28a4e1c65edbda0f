"""The C source of a loss: its formula and derivatives, which loops.h puts into loops."""

from __future__ import annotations

from collections.abc import Sequence

from fastloss.define.formulas import DECAY, DECAY_LESS_1, FormulaError, Node, needed

_INFIX = {"+", "-", "*", "/", "<", "<=", ">", ">=", "==", "!="}
_LOGICAL = {"and": "&", "or": "|"}
_LONG = {"exp", "expm1", "log", "log1p", "sinh", "cosh", "**", "logaddexp", DECAY, DECAY_LESS_1}
MOST_LONG, MOST_NODES = 32, 1000
_RENAMED = {"sqrt": "root", "min": "least", "max": "greatest", "where": "pick"}
# vecmath.h has those of one argument, which here take what they share as well
_RENAMED |= {name: f"shared_{name}" for name in ("softplus", "sigmoid", "tanh", "logcosh")}


def c_source(results: Sequence[Node], parameters: Sequence[str]) -> str:
    """A file that defines value, gradient, Hessian and majorant and includes the loops around them.

    What depends on parameters alone is computed once a call, in double.
    """
    nodes = needed(results)
    long = sum(node.of_sample and node.op in _LONG for node in nodes)
    if long > MOST_LONG or len(nodes) > MOST_NODES:
        raise FormulaError(
            f"too long: with its derivatives it has {long} functions such as exp and {len(nodes)} "
            f"parts, of which a compiler takes minutes; at most {MOST_LONG} and {MOST_NODES}"
        )
    fixed = [node for node in nodes if not node.of_sample and node.op != "number"]
    taken = {arg for node in nodes if node.of_sample for arg in node.args} | {*results}
    kept = {node: k for k, node in enumerate(n for n in fixed if n in taken)}
    once, each = _Once(parameters), _Each(kept)
    prepare = [once.assignment(node) for node in fixed if node.op != "parameter"]
    prepare += [f"c[{k}] = {once.operand(node)};" for node, k in kept.items()]
    body = [each.assignment(n) for n in nodes if n.of_sample and n.op not in ("y", "z")]
    targets = zip(("value", "grad", "hess", "curve"), results, strict=True)
    body += [f"*{name} = {each.operand(node)};" for name, node in targets]
    return (
        f"#define FL_CONSTANTS {max(len(kept), 1)}\n"
        + _macro("FL_PREPARE(p, c)", prepare)
        + _macro("FL_FORMULA(c, y, z, value, grad, hess, curve)", body)
        + '#include "loops.h"\n'
    )


def _literal(node: Node) -> str:
    return str(node.value).replace("inf", "INFINITY")


def _macro(head: str, lines: Sequence[str]) -> str:
    return f"#define {head} \\\n" + "".join(f"    {line} \\\n" for line in lines) + "\n"


class _Emitter:
    """Where nodes are computed: in what type, by which functions."""

    type = "double"
    function = "fl_{}_f64"
    prefix = "k"

    def operand(self, node: Node) -> str:
        if node.op == "number":
            return f"(({self.type}){_literal(node)})"
        return f"{self.prefix}{node.index}"

    def assignment(self, node: Node) -> str:
        kind = "int" if node.is_condition else self.type
        return f"{kind} {self.prefix}{node.index} = {self._expression(node)};"

    def _expression(self, node: Node) -> str:
        args = [self.operand(arg) for arg in node.args]
        if node.op in _INFIX:
            return f"{args[0]} {node.op} {args[1]}"
        if node.op in _LOGICAL:
            return f"{args[0]} {_LOGICAL[node.op]} {args[1]}"
        if node.op in ("neg", "not"):
            return f"{'-' if node.op == 'neg' else '!'}{args[0]}"
        if node.op == "**":
            args = [args[0], *self.exponent(node.args[1])]
        name = "power" if node.op == "**" else _RENAMED.get(node.op, node.op)
        return f"{self.function.format(name)}({', '.join(args)})"

    def exponent(self, node: Node) -> tuple[str, str]:
        """An exponent, and what its type takes from it."""
        return self.operand(node), "0"


class _Once(_Emitter):
    """Of parameters p alone, in double."""

    def __init__(self, parameters: Sequence[str]) -> None:
        self._parameters = parameters

    def operand(self, node: Node) -> str:
        if node.op == "parameter":
            return f"p[{self._parameters.index(str(node.value))}]"
        return super().operand(node)


class _Each(_Emitter):
    """Of a sample, in the type R of the pass, with constants c."""

    type = "R"
    function = "FN({})"
    prefix = "t"

    def __init__(self, kept: dict[Node, int]) -> None:
        self._kept = kept

    def operand(self, node: Node) -> str:
        if node.op in ("y", "z"):
            return node.op
        if node in self._kept:
            constant = f"c[{self._kept[node]}]"
            return f"({constant} != 0)" if node.is_condition else f"((R){constant})"
        return super().operand(node)

    def exponent(self, node: Node) -> tuple[str, str]:
        if node.of_sample:
            return super().exponent(node)
        exact = _literal(node) if node.op == "number" else f"c[{self._kept[node]}]"
        return f"((R){exact})", f"FN(rest)({exact})"
