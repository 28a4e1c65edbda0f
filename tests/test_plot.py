"""Pictures: that what is drawn is what was computed, and that bad arguments are told."""

import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from scipy import sparse
from scipy.stats import binomtest
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.dummy import DummyRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.metrics import confusion_matrix
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

import fastloss as fl
from fastloss import plot
from fastloss.losses.base import pointwise_names

rng = np.random.default_rng(0)
X = rng.normal(size=(200, 3))
y = X @ [1.0, -2.0, 0.5] + rng.normal(size=200)
x = X[:, :1]
labels = np.where(y > 0, "yes", "no")
IRIS = load_iris(return_X_y=True)


@pytest.fixture(autouse=True)
def no_windows_and_no_traces():
    """Figures of pyplot stay in memory, and settings as they were."""
    mpl.use("Agg")
    from matplotlib import pyplot

    before = dict(mpl.rcParams)
    yield
    pyplot.close("all")
    assert dict(mpl.rcParams) == before


def axes(*shape):
    return Figure().subplots(*shape)


def drawn(ax, label):
    """The x and y of the line of a label."""
    (line,) = [line for line in ax.lines if line.get_label() == label]
    return np.asarray(line.get_xdata()), np.asarray(line.get_ydata())


def rows_of(ax):
    """The points of the data: those of the line whose label counts them."""
    (line,) = [line for line in ax.lines if "rows" in str(line.get_label())]
    return np.asarray(line.get_xdata()), np.asarray(line.get_ydata())


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


# ---- history -----------------------------------------------------------------------------------


def trained(**history):
    model = LinearRegression().fit(x, y)
    model.history_ = history
    return model


def test_history():
    model = trained(
        loss=[3.0, 2.0, 1.5, 1.4],
        validation_loss=[3.5, 2.25, 2.0, 2.1],
        learning_rate=[0.1, 0.05, 0.03, 0.02],
        grad_norm=[9.0, 1.0, 0.1, 0.01],
        seconds=[0.0, 0.1, 0.2, 0.3],
    )
    top, norm, rate = plot.history(model)
    np.testing.assert_array_equal(drawn(top, "training"), [[1, 2, 3, 4], [3, 2, 1.5, 1.4]])
    np.testing.assert_array_equal(drawn(top, "validation"), [[1, 2, 3, 4], [3.5, 2.25, 2, 2.1]])
    np.testing.assert_array_equal(drawn(top, "least, at epoch 3"), [[3], [2]])
    assert norm.lines[0].get_ydata().tolist() == model.history_["grad_norm"]
    assert rate.lines[0].get_ydata().tolist() == model.history_["learning_rate"]
    assert (top.get_yscale(), norm.get_yscale()) == ("linear", "log")
    assert (rate.get_xlabel(), top.get_xlabel()) == ("epoch", "")


def test_history_without_validation_and_rates():
    model = trained(
        loss=[3.0, 2.0], validation_loss=[None] * 2, learning_rate=[None] * 2, grad_norm=[1.0, 0.5]
    )
    shown = plot.history(make_pipeline(StandardScaler(), model))
    assert len(shown) == 2 and legend(shown[0]) == ["training"]
    assert shown[-1].get_xlabel() == "iteration"
    one = axes()
    assert plot.history(model, axes=one).tolist() == [one]
    assert one.get_xlabel() == "iteration"


def test_history_of_constant_rate_has_no_panel_for_it():
    assert len(plot.history(trained(loss=[3.0, 2.0], learning_rate=[0.1, 0.1]))) == 1


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (LinearRegression(), NotFittedError, "not fitted"),
        (DummyRegressor().fit(x, y), ValueError, "history_.*DummyRegressor has not"),
        (trained(loss=[]), ValueError, "no finite loss"),
    ],
)
def test_history_refuses(model, error, message):
    with pytest.raises(error, match=message):
        plot.history(model)


# ---- losses ------------------------------------------------------------------------------------


def test_shapes_of_residuals():
    losses = [fl.Huber(delta=0.5), "mse", "quantile:q=0.9"]
    r = np.array([-2.0, -0.5, 0.0, 0.25, 3.0])
    values, slopes = plot.loss_shapes(losses, r)
    assert legend(slopes) == ["huber:delta=0.5", "mse", "quantile:q=0.9"]
    for loss in map(fl.losses.base.as_loss, losses):
        expected = loss.value_and_grad(np.zeros(5), r, reduction="none")
        for ax, curve in zip((values, slopes), expected, strict=True):
            np.testing.assert_array_equal(drawn(ax, loss.spec), [r, curve])
    assert values.get_xlabel() == "residual z - y"


@pytest.mark.parametrize("name", pointwise_names())
def test_every_pointwise_loss_has_a_shape(name):
    values, slopes = plot.loss_shapes(name, axes=axes(1, 2))
    z, curve = drawn(values, name)
    assert len(z) > 100 and np.isfinite(curve).all()
    assert np.isfinite(drawn(slopes, name)[1]).all()
    low, high = values.get_ylim()
    assert low <= curve.min() and curve.max() <= high


def test_shapes_of_margins_are_those_of_a_positive_sample():
    m = np.linspace(-2, 2, 9)
    values, _ = plot.loss_shapes(["hinge", "logistic"], m)
    np.testing.assert_array_equal(drawn(values, "hinge"), [m, np.maximum(1 - m, 0)])
    expected = fl.Logistic()(np.ones(9), m, reduction="none")
    np.testing.assert_array_equal(drawn(values, "logistic"), [m, expected])
    assert "margin" in values.get_xlabel()


def test_shapes_at_1_end_where_the_domain_does():
    r = np.linspace(-2, 2, 17)
    values, _ = plot.loss_shapes(["mape", "poisson_deviance", "mse"], r)
    inside = r > -1
    expected = fl.PoissonDeviance()(np.ones(12), 1 + r[inside], reduction="none")
    np.testing.assert_array_equal(drawn(values, "poisson_deviance"), [r[inside], expected])
    np.testing.assert_array_equal(drawn(values, "mape"), [r, np.abs(r)])
    np.testing.assert_array_equal(drawn(values, "mse"), [r, r * r])
    assert values.get_xlabel().endswith("at y = 1")


def test_lines_can_be_told_apart():
    lines = [tuple(plot._line(i).values()) for i in range(49)]
    assert len({*lines}) == 49
    assert len({dash for _, dash, _ in lines[:7]}) == 7  # in grey as well


def test_flat_losses_are_seen_beside_steep_ones():
    values, slopes = plot.loss_shapes(["mse", "welsch"])
    assert values.get_ylim()[1] < 6 and drawn(values, "mse")[1].max() == 9
    assert slopes.get_ylim()[0] > -4


def test_wide_losses_are_drawn_wide():
    values, _ = plot.loss_shapes(fl.Huber(delta=20))
    assert drawn(values, "huber:delta=20.0")[0].max() == 30


@pytest.mark.parametrize(
    ("losses", "where", "error", "message"),
    [
        (["mse", "hinge"], None, ValueError, "mse is of residuals, hinge is of scores"),
        (["logistic", "log_loss"], None, ValueError, "same axis"),
        (["poisson", "poisson_deviance"], None, ValueError, "logarithms of means"),
        ("softmax_cross_entropy", None, ValueError, "of rows"),
        ([], None, ValueError, "got none"),
        ("no_such", None, ValueError, "unknown loss"),
        ([1], None, TypeError, "a loss is a name or a Loss"),
        ("mse", [[1.0]], ValueError, r"residuals must have one axis; got shape \(1, 1\)"),
        ("mse", [0.0, np.nan], ValueError, r"residuals\[1\] = nan is not finite"),
    ],
)
def test_shapes_refuse(losses, where, error, message):
    with pytest.raises(error, match=message):
        plot.loss_shapes(losses, where)


# ---- fits --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [np.asarray, np.ndarray.tolist, sparse.csr_array, "frame"])
@pytest.mark.filterwarnings("error")
def test_fit_of_one_feature(kind):
    given = pd.DataFrame({"depth": x[:, 0]}) if kind == "frame" else kind(x)
    model = DecisionTreeRegressor(max_depth=3).fit(given, y)
    ax = plot.fit(model, given, y)
    np.testing.assert_array_equal(rows_of(ax), [x[:, 0], y])
    grid, curve = drawn(ax, "DecisionTreeRegressor")
    assert (grid[0], grid[-1]) == (x.min(), x.max())
    points = pd.DataFrame({"depth": grid}) if kind == "frame" else grid[:, None]
    np.testing.assert_array_equal(curve, model.predict(points))
    assert ax.get_xlabel() == ("depth" if kind == "frame" else "feature")
    assert legend(ax) == ["200 rows", "DecisionTreeRegressor"]


def test_fit_of_several_features():
    model = make_pipeline(StandardScaler(), LinearRegression()).fit(X, y)
    given = axes()
    ax = plot.fit(model, X, y, ax=given)
    assert ax is given and ax.get_title() == "LinearRegression: predicted against actual"
    predicted = model.predict(X)
    np.testing.assert_array_equal(rows_of(ax), [y, predicted])
    ends = [min(y.min(), predicted.min()), max(y.max(), predicted.max())]
    np.testing.assert_array_equal(drawn(ax, "predicted = actual"), [ends, ends])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("actual", "predicted")


def test_fit_of_two_classes():
    model = LogisticRegression().fit(x, labels)
    ax = plot.fit(model, x, labels)
    grid, curve = drawn(ax, "LogisticRegression")
    np.testing.assert_array_equal(curve, model.predict_proba(grid[:, None])[:, 1])
    no, yes, _ = ax.lines
    np.testing.assert_array_equal(no.get_xdata(), x[labels == "no", 0])
    np.testing.assert_array_equal(yes.get_xdata(), x[labels == "yes", 0])
    assert set(no.get_ydata()) == {0} and set(yes.get_ydata()) == {1}
    assert ax.get_ylabel() == "probability of yes"


def test_fit_of_several_classes():
    petals = IRIS[0][:, 2:3]
    model = LogisticRegression().fit(petals, IRIS[1])
    ax = plot.fit(model, petals, IRIS[1])
    for c in range(3):
        grid, curve = drawn(ax, str(c))
        np.testing.assert_array_equal(curve, model.predict_proba(grid[:, None])[:, c])
    assert legend(ax) == ["0", "1", "2"]


def test_fit_of_classes_without_probabilities():
    model = RidgeClassifier().fit(x, labels)
    ax = plot.fit(model, x, labels)
    grid, curve = drawn(ax, "RidgeClassifier")
    np.testing.assert_array_equal(curve == 1, model.predict(grid[:, None]) == "yes")
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["no", "yes"]


def test_fit_of_classes_of_several_features():
    model = LogisticRegression(max_iter=1000).fit(*IRIS)
    ax = plot.fit(model, *IRIS)
    counts = confusion_matrix(IRIS[1], model.predict(IRIS[0]))
    assert [int(text.get_text()) for text in ax.texts] == counts.ravel().tolist()
    np.testing.assert_array_equal(ax.images[0].get_array(), counts / 50)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted", "actual")


def test_many_rows_are_thinned_alike_each_time():
    many = np.arange(20_000.0)[:, None]
    model = LinearRegression().fit(many, many[:, 0])
    first, again = (rows_of(plot.fit(model, many, many[:, 0])) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    at, targets = first
    assert len(at) == plot.MAX_POINTS == len(set(at))
    np.testing.assert_array_equal(at, targets)
    assert "5,000 of 20,000 rows" in legend(plot.residuals(model, many, many[:, 0])[0])


# ---- residuals ---------------------------------------------------------------------------------


def test_residuals():
    model = LinearRegression().fit(X, y)
    ax, beside = plot.residuals(model, X, y)
    predicted = model.predict(X)
    left = y - predicted
    np.testing.assert_array_equal(rows_of(ax), [predicted, left])
    parts = np.split(np.argsort(predicted), 4)  # of 50 rows each
    middles, medians = drawn(ax, "median")
    np.testing.assert_array_equal(middles, [np.median(predicted[p]) for p in parts])
    np.testing.assert_array_equal(medians, [np.median(left[p]) for p in parts])
    assert sum(bar.get_width() for bar in beside.patches) == 200
    assert legend(ax) == ["200 rows", "quartiles", "median"]


def test_residuals_of_few_rows_have_no_median():
    model = LinearRegression().fit(x, y)
    (ax,) = plot.residuals(model, x[:100], y[:100], axes=axes())
    assert legend(ax) == ["100 rows"]


def test_residuals_far_from_the_rest_are_counted():
    targets = np.append(np.linspace(-1, 1, 999), 1e6)
    model = DummyRegressor(strategy="constant", constant=0.0).fit(np.zeros((1000, 1)), targets)
    ax, beside = plot.residuals(model, np.zeros((1000, 1)), targets)
    assert legend(ax)[0] == "1,000 rows; 1 out of the picture"
    assert ax.get_ylim() == pytest.approx((-1.1, 1.1))
    assert sum(bar.get_width() for bar in beside.patches) == 999


@pytest.mark.parametrize("targets", [np.zeros(200), np.arange(200.0), np.repeat([0, 1], [199, 1])])
@pytest.mark.filterwarnings("error")
def test_residuals_of_few_values(targets):
    model = DummyRegressor(strategy="constant", constant=0.0).fit(np.zeros((200, 1)), targets)
    ax, beside = plot.residuals(model, np.zeros((200, 1)), targets)
    seen = sum("out of the picture" not in text for text in legend(ax)[:1])
    assert sum(bar.get_width() for bar in beside.patches) == (200 if seen else 199)


# ---- probabilities -----------------------------------------------------------------------------


def test_reliability():
    p = rng.permutation(np.linspace(0.01, 0.99, 105))
    happened = rng.random(105) < p
    ax, below = plot.reliability(happened, p, bins=10, label="us")
    parts = np.split(np.argsort(p), -(np.arange(1, 10) * -105 // 10))
    (curve, _, (bars,)) = ax.containers[0]
    means, shares = [[v[part].mean() for part in parts] for v in (p, happened)]
    np.testing.assert_allclose(curve.get_xydata(), np.transpose([means, shares]), rtol=1e-14)
    for part, (bottom, top) in zip(parts, bars.get_segments(), strict=True):
        test = binomtest(int(happened[part].sum()), len(part))
        interval = test.proportion_ci(method="wilson")
        assert (bottom[1], top[1]) == pytest.approx((interval.low, interval.high), abs=1e-12)
    assert legend(ax) == ["perfect calibration", "us: 10 bins of 10 to 11 rows"]
    assert below.get_ylabel() == "rows"


def test_reliability_of_equal_probabilities():
    p = np.repeat([0.2, 0.5, 0.7], [55, 10, 35])
    ax = plot.reliability(p > 0.4, p)[0]
    assert ax.containers[0][0].get_xydata().tolist() == [
        [pytest.approx(0.2), 0],
        [0.5, 1],
        [pytest.approx(0.7), 1],
    ]
    assert "3 bins of 10 to 55 rows" in legend(ax)
    ax = plot.reliability([1, 0, 1], np.full(3, 0.5))[0]
    assert "1 bins of 3 rows" in legend(ax)


def test_calibration_of_two_classes():
    X, y = load_breast_cancer(return_X_y=True)
    names = np.array(["malignant", "benign"])[y]
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, names)
    shown = plot.calibration(model, X, names, bins=5)
    expected = plot.reliability(names == "malignant", model.predict_proba(X)[:, 1], bins=5)
    for ours, theirs in zip(shown, expected, strict=True):
        for a, b in zip(ours.lines, theirs.lines, strict=True):
            np.testing.assert_array_equal(a.get_xydata(), b.get_xydata())
    assert shown[1].get_xlabel() == "probability of malignant"
    assert legend(shown[0])[1].startswith("LogisticRegression: 5 bins of ")
    again = plot.calibration(model, X, names, axes=shown)
    assert again.tolist() == shown.tolist()
    assert len(shown[0].containers) == 2 and len(legend(shown[0])) == 3


def test_calibration_of_several_classes():
    model = LogisticRegression(max_iter=1000).fit(*IRIS)
    (ax,) = plot.calibration(model, *IRIS, bins=4, axes=axes())
    assert [text.partition(":")[0] for text in legend(ax)] == ["perfect calibration", *"012"]
    p = model.predict_proba(IRIS[0])
    for c, container in enumerate(ax.containers):
        expected = plot.reliability(IRIS[1] == c, p[:, c], bins=4, axes=axes())[0].containers[0][0]
        np.testing.assert_array_equal(container[0].get_xydata(), expected.get_xydata())


def test_a_calibration_that_was_computed():
    p = np.linspace(0, 1, 60)
    happened, where = rng.random(60) < p, np.repeat(["a", "b"], 30)
    found = fl.calibration(happened, p, bins=4, level=0.8)
    (ax,) = plot.calibration(found)
    (curve, _, (bars,)) = ax.containers[0]
    points = np.transpose([found.prediction, found.outcome])
    np.testing.assert_array_equal(curve.get_xydata(), points)
    ends = np.array(bars.get_segments())[:, :, 1]
    np.testing.assert_allclose(ends, found.interval, rtol=1e-14, atol=1e-16)
    assert ax.get_ylabel() == "share that happened, 80% interval"
    assert legend(ax) == ["perfect calibration", "4 bins of 15 rows"]
    drawn = plot.reliability(happened, p, bins=4, axes=axes())[0].containers[0][0]
    np.testing.assert_array_equal(drawn.get_xydata(), points)
    grouped = fl.calibration(happened, p, bins=2, by=where)
    shown = plot.calibration(grouped, axes=axes())
    assert legend(shown[0])[1:] == ["a: 1 bins of 30 rows", "b: 1 bins of 30 rows"]
    grouped = fl.calibration(happened, p, bins=2, by=where, sample_weight=where == "a")
    assert len(plot.calibration(grouped, axes=axes())[0].containers) == 1


# ---- errors ------------------------------------------------------------------------------------


LINE = LinearRegression().fit(X, y)
CLASSES = LogisticRegression().fit(X, labels)


@pytest.mark.parametrize("draw", [plot.fit, plot.residuals, plot.calibration])
def test_unfitted_estimators_and_wrong_shapes_are_refused(draw):
    with pytest.raises(NotFittedError):
        draw(LogisticRegression() if draw is plot.calibration else LinearRegression(), X, y)
    with pytest.raises(ValueError, match=r"y must have one axis, .* got shape \(200, 1\)"):
        draw(CLASSES, X, y[:, None])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        draw(CLASSES, X, y[1:])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: plot.fit(LINE, X, labels), TypeError, "y must hold real"),
        (lambda: plot.fit(LINE, X, np.full(200, np.inf)), ValueError, r"y\[0\] = inf is not fin"),
        (lambda: plot.fit(CLASSES, X, y > 0), ValueError, "was not fitted with: its classes_ are"),
        (lambda: plot.fit(LINE, X, y, ax=3), TypeError, "axes must be Axes of matplotlib; got 3"),
        (lambda: plot.residuals(CLASSES, X, labels), ValueError, "must be a regressor"),
        (
            lambda: plot.residuals(LINE, X, y, axes=axes(3)),
            ValueError,
            "axes must be 1 to 2, for residuals, histogram; got 3",
        ),
        (lambda: plot.calibration(LINE, X, y), ValueError, "must have predict_proba; LinearReg"),
        (lambda: plot.loss_shapes("mse", axes=axes()), ValueError, "axes must be 2, for loss"),
        (lambda: plot.reliability([0, 2], [0.5, 0.5]), ValueError, r"y\[1\] = 2.0 is not 0 or 1"),
        (lambda: plot.reliability([0, 1], [0.5, 1.5]), ValueError, r"p\[1\] = 1.5 is not in \[0"),
        (lambda: plot.reliability([0], [0.5, 0.5]), ValueError, "same length; got 1 and 2"),
        (lambda: plot.reliability([], []), ValueError, "at least one"),
        (lambda: plot.reliability([0], [[0.5, 0.5]]), ValueError, "p must have one axis"),
        (lambda: plot.reliability([0], [0.5], bins=0), ValueError, "bins must be in"),
        (lambda: plot.reliability([0], [0.5], bins=2.5), TypeError, "bins must be an integer"),
    ],
)
def test_what_is_wrong_is_told(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_refused_call_leaves_no_figure():
    from matplotlib import pyplot

    for call in (
        lambda: plot.fit(LINE, X, labels),
        lambda: plot.fit(CLASSES, X, y > 0),
        lambda: plot.residuals(LINE, X, labels),
    ):
        with pytest.raises((TypeError, ValueError)):
            call()
    assert pyplot.get_fignums() == []


def test_matplotlib_is_imported_by_nothing_else_and_asked_for():
    code = "import fastloss, sys; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    code = "import sys; sys.modules['matplotlib'] = None; import fastloss.plot"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.endswith(
        "ImportError: fastloss.plot needs matplotlib: pip install 'fastloss[plot]'\n"
    )


def test_losses_are_drawn_without_scikit_learn():
    code = (
        "import sys; sys.modules['sklearn'] = None\n"
        "from matplotlib.figure import Figure; from fastloss import plot\n"
        "plot.loss_shapes('mse', axes=Figure().subplots(1, 2))\n"
        "plot.reliability([0, 1], [0.5, 0.5], axes=Figure().subplots())"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
