"""Types of the compiled core."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

_Array: TypeAlias = NDArray[np.floating[Any]]
_Pair: TypeAlias = Sequence[_Array | None]  # two arrays, or None for one to be made

isa: Final[str]
compiler: Final[str]
openmp: Final[bool]
kernel_losses: Final[dict[str, tuple[int, tuple[str, ...]]]]
kernel_rules: Final[dict[str, tuple[int, tuple[str, ...]]]]
state_chunk: Final[int]

def nearest_bfloat16(x: float) -> int: ...
def nearest_eight(x: float) -> tuple[int, float]: ...
def available_isas() -> tuple[str, ...]: ...
def configure(
    *, threads: int | None = None, cache: int | None = None, insist: bool | None = None
) -> None: ...
def get_thread_count() -> int: ...
def stay_serial() -> None: ...
def move_memory(a: _Array, b: _Array | None, c: _Array | None) -> int: ...
def update_memory(a: _Array, updated: list[_Array]) -> None: ...

# digits, the place of the first, special sums, counts: see fastloss.scoring.exact.ExactSums
_Sums: TypeAlias = tuple[NDArray[np.int64], int, NDArray[np.float64] | None, NDArray[np.int64]]

def score_sums(
    losses: list[Any],
    y_true: ArrayLike,
    y_preds: dict[str, Any],
    sample_weight: ArrayLike | None,
    nan_policy_name: str,
    groups: NDArray[np.intp] | None,
    n_groups: int,
    pairs: list[tuple[int, int]],
) -> _Sums: ...
def column_sums(
    columns: list[NDArray[Any]],
    weights: NDArray[Any] | None,
    groups: NDArray[np.intp] | None,
    n_groups: int,
    pairs: list[tuple[int, int]],
) -> _Sums: ...
def penalty_value(w: ArrayLike, l1: float, l2: float) -> float: ...
def penalty_grad(w: ArrayLike, l1: float, l2: float, out: _Array | None) -> _Array: ...
def penalty_value_and_grad(
    w: ArrayLike, l1: float, l2: float, out: _Array | None
) -> tuple[float, _Array]: ...
def penalty_prox(w: ArrayLike, l1: float, l2: float, step: float, out: _Array | None) -> _Array: ...
def group_value(
    w: ArrayLike, strength: float, axis: int, labels: NDArray[np.intp] | None, groups: int
) -> float: ...
def group_value_and_grad(
    w: ArrayLike,
    strength: float,
    axis: int,
    labels: NDArray[np.intp] | None,
    groups: int,
    out: _Array | None,
) -> tuple[float, _Array]: ...
def group_prox(
    w: ArrayLike,
    strength: float,
    axis: int,
    labels: NDArray[np.intp] | None,
    groups: int,
    out: _Array | None,
) -> _Array: ...
def matching_arrays(
    given: dict[str, ArrayLike],
) -> tuple[list[NDArray[Any]], np.dtype[np.floating[Any]]]: ...
def matching_rows(
    given: dict[str, ArrayLike],
) -> tuple[list[NDArray[Any]], np.dtype[np.floating[Any]]]: ...
def row_outputs(
    out: Sequence[_Array | None] | None,
    arrays: list[NDArray[Any]],
    dtype: np.dtype[np.floating[Any]],
) -> tuple[_Array, ...]: ...
def separate_outputs(
    out: Sequence[_Array | None] | None,
    given: dict[str, NDArray[Any]],
    arrays: list[NDArray[Any]],
    dtype: np.dtype[np.floating[Any]],
) -> tuple[_Array, ...]: ...
def gradient_place(out: Any, array: Any, name: str) -> NDArray[Any]: ...
def ctc(
    z: NDArray[Any],
    grad: NDArray[Any] | None,
    labels: NDArray[np.int64],
    spans: NDArray[np.int64],
    factors: NDArray[np.float64],
    order: NDArray[np.int64],
    blank: int,
    logits: bool,
    forgiving: bool,
    seconds: float,
) -> NDArray[np.float64]: ...
def triplet_margin(
    margin: float,
    p: float,
    swap: bool,
    given: Mapping[str, ArrayLike],
    sample_weight: ArrayLike | None,
    reduction_name: str,
    with_grad: bool,
    out: Sequence[_Array | None] | None,
) -> Any: ...

class Matrix:
    stored: int
    def __init__(
        self,
        X: NDArray[Any],
        starts: NDArray[Any] | None = None,
        columns: NDArray[Any] | None = None,
        width: int = 0,
    ) -> None: ...
    @property
    def shape(self) -> tuple[int, int]: ...

LINEAR_VALUE: int
LINEAR_GRAD: int
LINEAR_PRODUCT: int
LINEAR_BEND: int

def linear_pass(
    loss: BaseLoss,
    X: Matrix,
    y: NDArray[Any],
    coef: NDArray[Any],
    intercept: NDArray[np.float64],
    w: NDArray[Any] | None,
    mode: int,
    index: NDArray[np.intp] | None = None,
    direction: NDArray[Any] | None = None,
    along: NDArray[np.float64] | None = None,
    offset: NDArray[Any] | None = None,
    hessian: str = "exact",
) -> tuple[float, NDArray[np.float64]]: ...
def linear_times(
    X: Matrix, coef: NDArray[Any], intercept: NDArray[np.float64], z: NDArray[Any]
) -> None: ...

class DomainError(ValueError):
    argument: str
    index: tuple[int, ...]
    value: float
    domain: str
    loss: str | None
    def __init__(
        self,
        argument: str,
        index: tuple[int, ...],
        value: float,
        domain: str,
        loss: str | None = None,
    ) -> None: ...

class Kernel:
    def __init__(self, library: object, addresses: list[int], names: tuple[str, ...]) -> None: ...

class BaseLoss:
    @property
    def parameters(self) -> Mapping[str, Any]: ...
    def _bind(self, parameters: Mapping[str, Any]) -> None: ...
    @overload
    def __call__(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: Literal["mean", "sum"] = "mean",
        nan_policy: str = "propagate",
        out: None = None,
        where: ArrayLike | None = None,
    ) -> float: ...
    @overload
    def __call__(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: Literal["none"],
        nan_policy: str = "propagate",
        out: _Array | None = None,
        where: ArrayLike | None = None,
    ) -> _Array: ...
    @overload
    def __call__(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: str,
        nan_policy: str = "propagate",
        out: _Array | None = None,
        where: ArrayLike | None = None,
    ) -> float | _Array: ...
    def grad(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: str = "mean",
        nan_policy: str = "propagate",
        out: _Array | None = None,
        where: ArrayLike | None = None,
    ) -> _Array: ...
    @overload
    def value_and_grad(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: Literal["mean", "sum"] = "mean",
        nan_policy: str = "propagate",
        out: _Array | None = None,
        where: ArrayLike | None = None,
    ) -> tuple[float, _Array]: ...
    @overload
    def value_and_grad(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: Literal["none"],
        nan_policy: str = "propagate",
        out: _Pair | None = None,
        where: ArrayLike | None = None,
    ) -> tuple[_Array, _Array]: ...
    @overload
    def value_and_grad(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: str,
        nan_policy: str = "propagate",
        out: _Array | _Pair | None = None,
        where: ArrayLike | None = None,
    ) -> tuple[float | _Array, _Array]: ...
    def grad_and_hess(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        reduction: str = "mean",
        nan_policy: str = "propagate",
        out: _Pair | None = None,
        hessian: Literal["exact", "majorant"] | float = "exact",
        where: ArrayLike | None = None,
    ) -> tuple[_Array, _Array]: ...
    def _derivatives(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike | None,
        out: _Pair | None,
        hessian: Literal["exact", "majorant"] | float,
        factor: float,
        stretch: float,
    ) -> tuple[_Array, _Array]: ...

class PointwiseLoss(BaseLoss): ...
class RowLoss(BaseLoss): ...

_Grads: TypeAlias = ArrayLike | Sequence[Any] | Mapping[Any, Any]

class BaseOptimizer:
    @property
    def step_count(self) -> int: ...
    def step(self, grads: _Grads) -> bool: ...
    def _bind(
        self,
        arrays: list[_Array],
        names: list[str],
        masters: list[_Array | None],
        states: list[list[tuple[_Array | None, _Array | None]]],
        members: list[int],
        structures: list[Any],
        grouped: bool,
    ) -> None: ...
    def _configure(
        self,
        groups: list[tuple[str, dict[str, float], float]],
        schedules: list[Any] | None,
        proximal: list[tuple[int, int, Any]] | None,
        max_norm: float | None,
        clip_value: float | None,
        nonfinite: str,
        maximize: bool,
        step: int,
    ) -> None: ...
    def _check_idle(self) -> None: ...
    def _carried(self, group: int, name: str) -> float: ...
    def _check_takes_rows(self, name: str, group: int) -> None: ...

def input_array(given: Any, name: str) -> NDArray[Any]: ...
def masked_weight(sample_weight: Any, where: Any, shape: tuple[int, ...]) -> NDArray[Any]: ...
def output_array(out: Any, array: Any, name: str) -> NDArray[Any]: ...
def softmax(x: ArrayLike, *, axis: int = -1, out: _Array | None = None) -> _Array: ...
def log_softmax(x: ArrayLike, *, axis: int = -1, out: _Array | None = None) -> _Array: ...
def logsumexp(x: ArrayLike, *, axis: int = -1, out: _Array | None = None) -> _Array: ...
