"""The benchmark of linear models: fastloss's results are as good as those of others."""

import warnings

import pytest

import fastloss as fl
from fastloss.bench.timing import Effort

pytest.importorskip("sklearn", reason="the linear models are scikit-learn estimators")
import linear_models  # noqa: E402
from threadpoolctl import threadpool_limits  # noqa: E402  # scikit-learn brings it

TINY = Effort(0, 1, 1)
OTHER = ["epoch", "sparse-epoch", "probabilities"]  # than fits to the end


def measured(name):
    work = linear_models.WORKS[name](0.004, 1)
    with fl.num_threads(1), threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of those that stop early
        found = linear_models.measured(work, TINY)
    assert list(found)[0].startswith("fastloss")
    return {name: one for name, one in found.items() if not isinstance(one, str)}


@pytest.mark.parametrize("name", [name for name in linear_models.WORKS if name not in OTHER])
def test_fits(name):
    done = measured(name)
    assert len(done) > 1
    assert done["fastloss"].reached <= 1.0001 * min(one.reached for one in done.values())


@pytest.mark.parametrize("name", OTHER[:2])
def test_epochs(name):
    done = measured(name)
    least = done["fastloss, the optimum"].reached
    assert least < done["fastloss, 3 epochs"].reached < done["fastloss"].reached
    assert least < done["sklearn SGDClassifier"].reached


def test_probabilities():
    assert all(one.reached < 1e-6 for one in measured("probabilities").values())


def test_the_table(capsys):
    there = linear_models.Run("fastloss", "math", lambda math: lambda: math.pi)
    absent = linear_models.Run("other", "no_such_library.part", lambda module: module.work)
    work = linear_models.Work("pi", [there, absent], float)
    linear_models.show(work.title, linear_models.measured(work, TINY))
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("| pi | fastloss |") and first.endswith("| 3.1415927 | 0.0e+00 | 1 |")
    assert second == "| pi | other | - | no_such_library is not installed | - | - |"
