"""Formulas: read by a white list, differentiated by rules. Nothing in them is ever executed.

A formula becomes a graph in which equal expressions are one node, and its derivatives are nodes of
the same graph: what they share is computed once. Rules keep the form that was written, as another
one may cancel: of ``2*(z - y)`` no ``2*z - 2*y`` is made. But log1p(exp(x)), log(1 + exp(x)) and
log(cosh(x)) become functions that neither cancel nor overflow.
"""

from __future__ import annotations

import ast
import math
import re
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

LONGEST = 4000  # characters of a formula
DEEPEST = 100  # operations within each other
MULTIPLIED = 8  # powers up to which a number is multiplied by itself

# functions, and how many arguments they take
FUNCTIONS = {
    "exp": 1, "expm1": 1, "log": 1, "log1p": 1, "sqrt": 1, "abs": 1, "sign": 1,
    "tanh": 1, "sinh": 1, "cosh": 1, "sigmoid": 1, "softplus": 1, "logcosh": 1,
    "logaddexp": 2, "min": 2, "max": 2,
}  # fmt: skip
# what others call them
_BETTER = {
    "ln": "log", "fabs": "abs", "maximum": "max", "minimum": "min", "expit": "sigmoid",
    "log_cosh": "logcosh", "pow": "a**b", "power": "a**b", "square": "a**2",
    "where": "a if condition else b",
}  # fmt: skip
NUMBERS = {"pi": math.pi, "inf": math.inf}
VARIABLES = ("y", "z")

_OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**"}
_COMPARISONS = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip
CONDITIONS = frozenset(_COMPARISONS.values()) | {"and", "or", "not"}

# exp(-|x|), 1/(1 + that) and expm1(-|x|): what functions of x and of -x share
DECAY, SHARE, DECAY_LESS_1 = "decay", "share", "decay_less_1"
HELPERS = {DECAY, SHARE, DECAY_LESS_1}


class FormulaError(ValueError):
    """A formula that is none: the message shows the place."""


class Node:
    """A number, a name, or an operation on other nodes."""

    __slots__ = ("args", "index", "of_sample", "of_z", "op", "value")

    def __init__(self, op: str, args: tuple[Node, ...], value: float | str | None, index: int):
        self.op, self.args, self.value, self.index = op, args, value, index
        self.of_z: bool = op == "z" or any(a.of_z for a in args)
        self.of_sample: bool = op in VARIABLES or any(a.of_sample for a in args)

    @property
    def is_condition(self) -> bool:
        return self.op in CONDITIONS


class Graph:
    """The nodes of formulas, each of them once, arguments before what takes them."""

    def __init__(self) -> None:
        self._nodes: dict[tuple[object, ...], Node] = {}
        self._derivatives: dict[Node, Node] = {}

    def node(self, op: str, *args: Node, value: float | str | None = None) -> Node:
        key = (op, *(a.index for a in args), repr(value))
        if key not in self._nodes:
            self._nodes[key] = Node(op, args, value, len(self._nodes))
        return self._nodes[key]

    def number(self, value: float) -> Node:
        return self.node("number", value=value)

    def parse(self, text: str, parameters: Collection[str]) -> Node:
        """The node of a formula in y, z and the parameters."""
        return _Reader(self, text, parameters).read()

    def derivative(self, root: Node) -> Node:
        """The node of the derivative by z."""
        for node in needed([root]):
            if node not in self._derivatives:
                d = [self._derivatives[a] for a in node.args]
                self._derivatives[node] = self._rule(node, d)
        return self._derivatives[root]

    def _rule(self, node: Node, d: Sequence[Node]) -> Node:
        if not node.of_z or node.is_condition or node.op in HELPERS or node.op == "sign":
            return self.number(0.0)
        if node.op == "z":
            return self.number(1.0)
        plain = [k for k, arg in enumerate(node.args) if arg.op not in HELPERS]
        args, slopes = [node.args[k] for k in plain], [d[k] for k in plain]
        return _RULES[node.op](self, node, *args, *slopes)

    # ---- operations, of which those on 0 and 1 are none -----------------------------------------

    def add(self, a: Node, b: Node) -> Node:
        if _is(a, 0):
            return b
        if _is(b, 0):
            return a
        return self.node("+", *sorted((a, b), key=lambda node: node.index))

    def subtract(self, a: Node, b: Node) -> Node:
        if _is(a, 0):
            return self.negate(b)
        return a if _is(b, 0) else self.node("-", a, b)

    def negate(self, a: Node) -> Node:
        if a.op == "number":
            return self.number(-_number(a))
        return a.args[0] if a.op == "neg" else self.node("neg", a)

    def multiply(self, a: Node, b: Node) -> Node:
        if _is(a, 0) or _is(b, 0):
            return self.number(0.0)
        for factor, other in ((a, b), (b, a)):
            if _is(factor, 1) or _is(factor, -1):
                return other if _is(factor, 1) else self.negate(other)
        return self.node("*", *sorted((a, b), key=lambda node: node.index))

    def divide(self, a: Node, b: Node) -> Node:
        if _is(a, 0):
            return a
        return a if _is(b, 1) else self.node("/", a, b)

    def power(self, a: Node, b: Node) -> Node:
        exponent = _number(b) if b.op == "number" else math.nan
        if exponent == 0.5:
            return self.node("sqrt", a)
        if exponent < 0 and -exponent <= MULTIPLIED and exponent.is_integer():
            return self.divide(self.number(1.0), self.power(a, self.number(-exponent)))
        if not (0 <= exponent <= MULTIPLIED and exponent.is_integer()):
            return self.node("**", a, b)
        result = self.number(1.0)
        for bit in f"{int(exponent):b}":
            result = self.multiply(result, result)
            result = self.multiply(result, a) if bit == "1" else result
        return result

    def choose(self, condition: Node, a: Node, b: Node) -> Node:
        return a if a is b else self.node("where", condition, a, b)

    def call(self, name: str, *args: Node) -> Node:
        a = args[0]
        if name == "log1p" and a.op == "exp":
            return self.call("softplus", *a.args)
        if name == "log" and a.op == "+" and any(_is(b, 1) for b in a.args):
            powers = [b for b in a.args if b.op == "exp"]
            return self.call("softplus", *powers[0].args) if powers else self.node(name, a)
        if name == "log" and a.op == "cosh":
            return self.call("logcosh", *a.args)
        size = a.args[0] if a.op == "neg" else a
        if name in ("softplus", "sigmoid", "bell"):
            decay = self.node(DECAY, size)
            share = () if name == "softplus" else (self.node(SHARE, decay),)
            return self.node(name, a, decay, *share)
        if name in ("tanh", "logcosh"):
            return self.node(name, a, self.node(DECAY_LESS_1, size))
        return self.node(name, *args)

    def settled(self, root: Node, decided: Mapping[Node, bool]) -> Node:
        """A node, in which conditions that are decided have gone."""
        made: dict[Node, Node] = {}
        known = dict(decided)
        for node in needed([root]):
            made[node] = self._settled(node, [made[arg] for arg in node.args], known)
        return made[root]

    def _settled(self, node: Node, args: Sequence[Node], known: dict[Node, bool]) -> Node:
        if node.op == "where" and node.args[0] in known:
            return args[1 if known[node.args[0]] else 2]
        if node.op == "not" and node.args[0] in known:
            known[node] = not known[node.args[0]]
        if node.op in ("and", "or") and node not in known:
            for k, arg in enumerate(node.args):
                if arg in known and known[arg] == (node.op == "or"):
                    known[node] = known[arg]
                elif arg in known:  # the other decides
                    if node.args[1 - k] in known:
                        known[node] = known[node.args[1 - k]]
                    return args[1 - k]
        return node if args == list(node.args) else self.node(node.op, *args, value=node.value)


def _is(node: Node, value: float) -> bool:
    return node.op == "number" and node.value == value


def _number(node: Node) -> float:
    assert isinstance(node.value, float)
    return node.value


def needed(roots: Iterable[Node]) -> list[Node]:
    """All nodes that some need, arguments before what takes them."""
    found: set[Node] = set()
    waiting = list(roots)
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += node.args
    return sorted(found, key=lambda node: node.index)


# ---- derivatives --------------------------------------------------------------------------------


def _product(g: Graph, n: Node, a: Node, b: Node, da: Node, db: Node) -> Node:
    if a is b:
        return g.multiply(g.number(2.0), g.multiply(a, da))
    return g.add(g.multiply(da, b), g.multiply(a, db))


def _power(g: Graph, n: Node, a: Node, b: Node, da: Node, db: Node) -> Node:
    by_base = g.multiply(g.multiply(b, g.power(a, _less_1(g, b))), da)
    return g.add(by_base, g.multiply(g.multiply(n, g.call("log", a)), db) if b.of_z else db)


def _less_1(g: Graph, b: Node) -> Node:
    return g.number(_number(b) - 1) if b.op == "number" else g.subtract(b, g.number(1.0))


def _tanh(g: Graph, n: Node, a: Node, da: Node) -> Node:
    bell = g.call("bell", g.multiply(g.number(2.0), a))
    return g.multiply(g.multiply(g.number(4.0), bell), da)


def _bell(g: Graph, n: Node, a: Node, da: Node) -> Node:
    """Of sigmoid(a) sigmoid(-a): the difference of the two is a tanh."""
    half = g.call("tanh", g.multiply(g.number(0.5), a))
    return g.negate(g.multiply(g.multiply(n, half), da))


def _logaddexp(g: Graph, n: Node, a: Node, b: Node, da: Node, db: Node) -> Node:
    first = g.multiply(g.call("sigmoid", g.subtract(a, b)), da)
    return g.add(first, g.multiply(g.call("sigmoid", g.subtract(b, a)), db))


Rule = Callable[..., Node]
# of an operation n on a, b, ... with derivatives da, db, ...
_RULES: dict[str, Rule] = {
    "+": lambda g, n, a, b, da, db: g.add(da, db),
    "-": lambda g, n, a, b, da, db: g.subtract(da, db),
    "neg": lambda g, n, a, da: g.negate(da),
    "*": _product,
    "/": lambda g, n, a, b, da, db: g.divide(g.subtract(da, g.multiply(n, db)), b),
    "**": _power,
    "exp": lambda g, n, a, da: g.multiply(n, da),
    "expm1": lambda g, n, a, da: g.multiply(g.call("exp", a), da),
    "log": lambda g, n, a, da: g.divide(da, a),
    "log1p": lambda g, n, a, da: g.divide(da, g.add(g.number(1.0), a)),
    "sqrt": lambda g, n, a, da: g.divide(da, g.multiply(g.number(2.0), n)),
    "abs": lambda g, n, a, da: g.multiply(g.call("sign", a), da),
    "tanh": _tanh,
    "sinh": lambda g, n, a, da: g.multiply(g.call("cosh", a), da),
    "cosh": lambda g, n, a, da: g.multiply(g.call("sinh", a), da),
    "sigmoid": lambda g, n, a, da: g.multiply(g.call("bell", a), da),
    "bell": _bell,
    "softplus": lambda g, n, a, da: g.multiply(g.call("sigmoid", a), da),
    "logcosh": lambda g, n, a, da: g.multiply(g.call("tanh", a), da),
    "logaddexp": _logaddexp,
    "min": lambda g, n, a, b, da, db: g.choose(g.node("<=", a, b), da, db),
    "max": lambda g, n, a, b, da, db: g.choose(g.node(">=", a, b), da, db),
    "where": lambda g, n, c, a, b, dc, da, db: g.choose(c, da, db),
}


# ---- reading ------------------------------------------------------------------------------------


class _Reader:
    """Makes nodes of a text; an error shows the text with a mark below the place."""

    def __init__(self, graph: Graph, text: str, parameters: Collection[str]) -> None:
        if not isinstance(text, str):
            raise TypeError(f"a formula is a string; got {text!r}")
        self._graph, self._parameters = graph, parameters
        self._text = re.sub(r"\s", " ", text).strip()

    def read(self) -> Node:
        if len(self._text) > LONGEST:
            raise FormulaError(f"a formula of {len(self._text)} characters; at most {LONGEST}")
        if not self._text:
            raise FormulaError("the formula is empty")
        if "#" in self._text:
            raise self._error("a formula has no comments", self._text.index("#"))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # as of "1if y", which is an error by itself
                tree = ast.parse(self._text, mode="eval")
        except SyntaxError as error:
            column = max((error.offset or 1) - 1, 0)
            raise self._error(error.msg or "no formula", column) from None
        except (ValueError, RecursionError, MemoryError) as error:
            raise FormulaError(f"{error or 'too deep'}: {self._text[:60]!r}") from None
        return self._real(tree.body, 0)

    def _error(self, message: str, column: int) -> FormulaError:
        start = max(column - 60, 0)
        shown = self._text[start : start + 80]
        return FormulaError(f"{message}\n    {shown}\n    {' ' * (column - start)}^")

    def _wrong(self, message: str, item: ast.expr) -> FormulaError:
        text = self._text.encode()[: item.col_offset].decode(errors="ignore")
        return self._error(message, len(text))

    def _real(self, item: ast.expr, depth: int) -> Node:
        node = self._node(item, depth)
        if node.is_condition:
            raise self._wrong("a number is expected, not a condition: a if condition else b", item)
        return node

    def _condition(self, item: ast.expr, depth: int) -> Node:
        node = self._node(item, depth)
        if not node.is_condition:
            raise self._wrong("a condition is expected, as z > y", item)
        return node

    def _node(self, item: ast.expr, depth: int) -> Node:
        if depth > DEEPEST:
            raise self._wrong(f"more than {DEEPEST} operations within each other", item)
        read = getattr(self, f"_read_{type(item).__name__}", None)
        if read is None:
            raise self._wrong("not part of the language", item)
        made: Node = read(item, depth + 1)
        return made

    def _read_Constant(self, item: ast.Constant, depth: int) -> Node:
        if type(item.value) not in (int, float):
            raise self._wrong(f"{item.value!r} is not a real number", item)
        try:
            value = float(item.value)  # type: ignore[arg-type]
        except OverflowError:
            value = math.inf
        if math.isinf(value):
            raise self._wrong("a number beyond all floats", item)
        return self._graph.number(value)

    def _read_Name(self, item: ast.Name, depth: int) -> Node:
        if item.id in VARIABLES:
            return self._graph.node(item.id)
        if item.id in self._parameters:
            return self._graph.node("parameter", value=item.id)
        if item.id in NUMBERS:
            return self._graph.number(NUMBERS[item.id])
        if item.id in FUNCTIONS:
            raise self._wrong(f"{item.id} is a function: {item.id}(...)", item)
        known = ", ".join([*VARIABLES, *self._parameters, *NUMBERS])
        raise self._wrong(
            f"{item.id!r} is not a name; there are {known} (y is the target, z the prediction; a "
            f"parameter is given its default, as {item.id}=1.0)",
            item,
        )

    def _read_UnaryOp(self, item: ast.UnaryOp, depth: int) -> Node:
        if isinstance(item.op, ast.Not):
            return self._graph.node("not", self._condition(item.operand, depth))
        if isinstance(item.op, ast.Invert):
            raise self._wrong("~ is not part of the language", item)
        node = self._real(item.operand, depth)
        return self._graph.negate(node) if isinstance(item.op, ast.USub) else node

    def _read_BinOp(self, item: ast.BinOp, depth: int) -> Node:
        op = _OPERATORS.get(type(item.op))
        if op is None:
            power = "; a power is **" if isinstance(item.op, ast.BitXor) else ""
            raise self._wrong(f"an operator that is not one of + - * / **{power}", item)
        a, b = self._real(item.left, depth), self._real(item.right, depth)
        make = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide", "**": "power"}
        made: Node = getattr(self._graph, make[op])(a, b)
        return made

    def _read_Compare(self, item: ast.Compare, depth: int) -> Node:
        sides = [self._real(side, depth) for side in (item.left, *item.comparators)]
        ops = [_COMPARISONS.get(type(op)) for op in item.ops]
        if None in ops:
            raise self._wrong("a comparison that is not part of the language", item)
        pairs = zip(ops, sides, sides[1:], strict=False)
        return self._joined("and", [self._graph.node(str(op), a, b) for op, a, b in pairs])

    def _read_BoolOp(self, item: ast.BoolOp, depth: int) -> Node:
        op = "and" if isinstance(item.op, ast.And) else "or"
        return self._joined(op, [self._condition(value, depth) for value in item.values])

    def _joined(self, op: str, conditions: Sequence[Node]) -> Node:
        joined = conditions[0]
        for condition in conditions[1:]:
            joined = self._graph.node(op, joined, condition)
        return joined

    def _read_IfExp(self, item: ast.IfExp, depth: int) -> Node:
        condition = self._condition(item.test, depth)
        a, b = self._real(item.body, depth), self._real(item.orelse, depth)
        return self._graph.choose(condition, a, b)

    def _read_Call(self, item: ast.Call, depth: int) -> Node:
        name = item.func.id if isinstance(item.func, ast.Name) else None
        if name not in FUNCTIONS:
            given = ast.unparse(item.func)
            better = _BETTER.get(given.rpartition(".")[2], given.rpartition(".")[2])
            hint = f"; write {better}" if better != given else ""
            raise self._wrong(
                f"{given[:40]!r} is not a function{hint}; there are {', '.join(FUNCTIONS)}",
                item.func,
            )
        if item.keywords or any(isinstance(a, ast.Starred) for a in item.args):
            raise self._wrong(f"{name} takes plain arguments alone", item)
        if len(item.args) != FUNCTIONS[name]:
            raise self._wrong(
                f"{name} takes {FUNCTIONS[name]} argument(s); got {len(item.args)}", item
            )
        return self._graph.call(name, *(self._real(a, depth) for a in item.args))
