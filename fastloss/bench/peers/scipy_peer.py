"""SciPy: the losses that scipy.special has functions for, with NumPy around them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastloss.bench.cases import Array, Case
from fastloss.bench.peers.base import FRESH, GIVEN, Arrays, Peer, Work

# The mean loss, its gradient and, where scipy.special is of help, its Hessian.
# the mean loss; its gradient; gradient and Hessian's diagonal, where SciPy has something for it
Parts = tuple[Callable[[], Any], Callable[[], Array], Callable[[], tuple[Array, Array]] | None]


class SciPy(Peer):
    """scipy.special: one thread, whatever is asked."""

    name = "scipy"
    library = "scipy"

    def __init__(self) -> None:
        import scipy
        from scipy import special

        self.version = scipy.__version__
        self._formulas = formulas(special)

    def set_threads(self, threads: int) -> None:
        pass

    def outputs(self, case: Case) -> Sequence[str]:
        if case.name not in self._formulas:
            return ()
        return (GIVEN, FRESH) if case.method != "grad_and_hess" or case.name == "logistic" else ()

    def work(self, case: Case, y: Array, z: Array, outputs: str) -> Work:
        new = Arrays(z, outputs)
        parameters = case.parameters
        formula = self._formulas[case.name]

        def run() -> tuple[Any, ...]:
            new.start()
            value, grad, both = formula(y, z, 1 / case.n, new, **parameters)
            if case.method == "value":
                return (value(),)
            if case.method == "value_and_grad":
                return value(), grad()
            assert both is not None
            return both()

        return Work(run)


def formulas(special: Any) -> dict[str, Callable[..., Parts]]:
    """Formulas by loss, of y, z, the share 1/n of each in the mean, and `new` to make arrays."""

    def huber(y: Array, z: Array, share: float, new: Arrays, delta: float) -> Parts:
        r = np.subtract(z, y, out=new())

        def grad() -> Array:
            g = np.clip(r, -delta, delta, out=r)
            return np.multiply(g, share, out=g)

        return lambda: special.huber(delta, r, out=new()).mean(), grad, None

    def general_robust(
        y: Array, z: Array, share: float, new: Arrays, alpha: float, c: float
    ) -> Parts:
        assert alpha == 1, "the others are not in scipy.special"
        r = np.subtract(z, y, out=new())

        def grad() -> Array:
            root = np.multiply(r, 1 / c, out=new())
            np.square(root, out=root)
            root += 1
            np.sqrt(root, out=root)
            np.divide(r, root, out=r)
            return np.multiply(r, share / c**2, out=r)

        return lambda: special.pseudo_huber(c, r, out=new()).mean() / c**2, grad, None

    def logistic(y: Array, z: Array, share: float, new: Arrays, pos_weight: float) -> Parts:
        assert pos_weight == 1, "it has no such weight"

        def value() -> Any:  # the mean of (1 - y) z - log_expit(z)
            rest = np.subtract(1, y, out=new())
            rest *= z
            rest -= special.log_expit(z, out=new())
            return rest.mean()

        def grad() -> Array:
            g: Array = special.expit(z, out=new())
            g -= y
            g *= share
            return g

        def both() -> tuple[Array, Array]:
            p: Array = special.expit(z, out=new())
            h: Array = np.subtract(1, p, out=new())
            h *= p
            h *= share
            p -= y
            p *= share
            return p, h

        return value, grad, both

    def by_probability(y: Array, z: Array, share: float, new: Arrays) -> Array:
        g = np.subtract(1, z, out=new())
        g *= z
        np.divide(share, g, out=g)
        g *= np.subtract(z, y, out=new())
        return g

    def log_loss(y: Array, z: Array, share: float, new: Arrays) -> Parts:
        def value() -> Any:
            a = special.xlogy(y, z, out=new())
            b = np.negative(z, out=new())
            a += special.xlog1py(np.subtract(1, y, out=new()), b, out=b)
            return -a.mean()

        return value, lambda: by_probability(y, z, share, new), None

    def binary_kl(y: Array, z: Array, share: float, new: Arrays) -> Parts:
        def value() -> Any:
            a = special.rel_entr(y, z, out=new())
            b = np.subtract(1, z, out=new())
            a += special.rel_entr(np.subtract(1, y, out=new()), b, out=b)
            return a.mean()

        return value, lambda: by_probability(y, z, share, new), None

    def poisson_deviance(y: Array, z: Array, share: float, new: Arrays) -> Parts:
        def grad() -> Array:
            g = np.divide(y, z, out=new())
            np.subtract(1, g, out=g)
            g *= 2 * share
            return g

        return lambda: 2 * special.kl_div(y, z, out=new()).mean(), grad, None

    return {
        "huber": huber,
        "general_robust": general_robust,
        "logistic": logistic,
        "log_loss": log_loss,
        "binary_kl": binary_kl,
        "poisson_deviance": poisson_deviance,
    }
