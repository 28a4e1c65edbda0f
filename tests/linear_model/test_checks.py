"""scikit-learn's own checks of estimators."""

import pytest

pytest.importorskip("sklearn", reason="the estimators are scikit-learn's kind")

from sklearn.utils.estimator_checks import estimator_checks_generator  # noqa: E402

from fastloss.linear_model import LinearClassifier, LinearRegressor  # noqa: E402

# what is asked of array libraries alone, and of probabilities that a hinge does not give
NOT_ASKED = {"check_array_api_input", "check_classifiers_multilabel_output_format_predict_proba"}

ESTIMATORS = [
    LinearClassifier(),
    LinearRegressor(),
    LinearClassifier("hinge", alpha=1e-2),
    LinearRegressor("mae"),
    LinearRegressor("huber", solver="newton-cholesky"),
    LinearClassifier(penalty="elasticnet", alpha=1e-2),
    LinearRegressor(solver="adam", learning_rate=0.1, random_state=0),
    LinearClassifier("focal", solver="momentum", learning_rate=0.1, random_state=0),
]


def every():
    for estimator in ESTIMATORS:
        for made, check in estimator_checks_generator(estimator):
            name = check.func.__name__
            if name not in NOT_ASKED or (estimator is ESTIMATORS[0] and "proba" in name):
                yield pytest.param(made, check, id=f"{estimator!r}-{name}")


@pytest.mark.parametrize(("estimator", "check"), every())
def test_check(estimator, check):
    check(estimator)
