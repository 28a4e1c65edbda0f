"""What the docstrings of the estimators share."""

from __future__ import annotations

import textwrap
from typing import Any

_PARAMETERS = """\
penalty : {"l2", "l1", "elasticnet"}, Penalty or None, default="l2"
    "l2" is half the sum of squares, "l1" the sum of absolute values, and "elasticnet"
    ``l1_ratio * l1 + (1 - l1_ratio) * l2``. One of ``fastloss.penalties``, as
    ``GroupLasso(0.1, groups=...)``, is taken as it is, with its own strength in place of ``alpha``.
    The intercept is never penalised.
alpha : float, default=1e-4
    Strength of the penalty, at least 0.
l1_ratio : float, default=0.15
    Share of "l1" in "elasticnet", in [0, 1].
fit_intercept : bool, default=True
solver : str, class or callable, default="auto"
    - "lbfgs", "newton-cg" and "newton-cholesky": all samples for each step, for penalties with a
      gradient. L-BFGS starts from the solution of a subset of the rows and works in coordinates of
      its Hessian, where features are few.
    - "prox-newton" and "fista": likewise for any penalty.
    - "sgd", "momentum", "adam" and the other optimizers of `fastloss.optim`, by name or class, or a
      callable that makes an optimizer of parameters: a step for each mini-batch.
    - "auto" takes the first of these that suits: "newton-cholesky" where problems are small,
      "lbfgs" where they are not, "prox-newton" or "fista" for penalties with kinks, and "sgd" for
      "perceptron".
learning_rate : float or callable, optional
    Of optimizers: a number, or a schedule of steps as ``fastloss.optim.schedules`` has them. By
    default SGD takes what the curvature of the loss bears, divided by sqrt(1 + epochs), and others
    take what is theirs.
batch_size : int or callable, default="auto"
    Rows of a mini-batch, or a function of the epoch, from 0 on; "auto" is a 128th of the samples,
    from 32 to 4096, and more of them where X is sparse and has many features.
max_iter : int, default=1000
    Most iterations; of optimizers, epochs.
tol : float, default=1e-4
    The greatest element of an output's gradient that ends a fit, as a share of that of the best
    model without features; of optimizers, and with early stopping, how much less a loss must be to
    be an improvement. None: go on to ``max_iter``.
early_stopping : bool, default=False
    Whether to hold out samples, and to keep the weights with the least loss of them.
validation_fraction : float, default=0.1
    Share of the samples that is held out, in (0, 1).
n_iter_no_change : int, default=5
    Iterations without an improvement that end the fit of optimizers and early stopping.
warm_start : bool, default=False
    Whether to start where the last fit ended.
average : bool, default=False
    Whether weights are the mean over the steps of an optimizer.
max_norm : float, optional
    To what norm the gradients of mini-batches are cut.
random_state : int, RandomState or None
    For shuffling and splitting.
verbose : int, default=0
    With k > 0 there is a progress bar on a terminal, if rich is installed, and else a line for
    every k-th iteration.
callbacks : sequence of callables, optional
    Called with the estimator after each iteration, with its weights and ``history_`` up to date;
    one that raises StopIteration ends the fit.
"""

_ATTRIBUTES = """\
loss_ : Loss
    What is minimised.
n_iter_ : int
    Iterations or epochs.
history_ : dict of lists
    Of each iteration the "loss" (the objective; of optimizers the mean over the epoch),
    "validation_loss", "learning_rate" and "grad_norm", and "seconds" since the start; None for what
    there is not.
n_features_in_ : int
feature_names_in_ : ndarray of str
    If X had names.
"""

_REFERENCES = """\
Nocedal and Wright (2006), Numerical Optimization; Lee, Sun and Saunders (2014), Proximal
Newton-Type Methods for Minimizing Composite Functions, SIAM Journal on Optimization 24; Chen
(2007), A Finite Smoothing Algorithm for Quantile Regression, Journal of Computational and Graphical
Statistics 16.
"""


def documented(cls: Any) -> Any:
    """Fill in what the docstrings of the estimators share."""
    if cls.__doc__:  # python -OO leaves none
        parts = {"PARAMETERS": _PARAMETERS, "ATTRIBUTES": _ATTRIBUTES, "REFERENCES": _REFERENCES}
        for name, text in parts.items():
            indented = textwrap.indent(text, "    ").rstrip("\n")
            cls.__doc__ = cls.__doc__.replace(f"    {name}", indented)
    return cls
