"""Estimators from files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from fastloss.linear_model import model_file
from fastloss.linear_model.classifier import LinearClassifier
from fastloss.linear_model.regressor import LinearRegressor

if TYPE_CHECKING:
    from typing import Any

_CLASSES: dict[str, type[Any]] = {
    "classifier": LinearClassifier,
    "multi-label classifier": LinearClassifier,
    "regressor": LinearRegressor,
}


def load(path: str | os.PathLike[str]) -> LinearClassifier | LinearRegressor:
    """Read the estimator that its method ``save`` wrote to a file.

    Nothing in a file is executed.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    LinearClassifier or LinearRegressor
        It predicts to the last bit what the one saved does, and ``partial_fit``, or ``fit`` with
        ``warm_start``, goes on from its weights. ``history_`` is empty, ``callbacks`` are None.

    Raises
    ------
    ValueError
        If the file is damaged, or is anything but a saved model of a known version.
    OSError
        If the file cannot be read; FileNotFoundError if there is none.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from fastloss.linear_model import LinearRegressor, load
    >>> X, y = np.array([[0.0], [1.0], [2.0]]), np.array([1.0, 3.0, 5.0])
    >>> path = os.path.join(tempfile.mkdtemp(), "model.json")
    >>> LinearRegressor("huber", alpha=0).fit(X, y).save(path)
    >>> load(path).predict([[10.0]]).round(6)
    array([21.])
    """
    return model_file.read(path, _CLASSES)  # type: ignore[no-any-return]
