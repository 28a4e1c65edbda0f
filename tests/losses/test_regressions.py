"""Mistakes this project made once."""

import subprocess
import sys

import numpy as np
import pytest

import fastloss as fl


def test_a_loss_that_was_not_initialised_raises():
    with pytest.raises(TypeError, match="not initialised"):
        fl.Huber.__new__(fl.Huber)([1.0], [2.0])
    with pytest.raises(TypeError, match="not a loss"):
        fl.Loss()


def test_a_subclass_of_a_loss_works():
    class Mine(fl.Huber):
        pass

    assert Mine()([1.0], [2.0]) == 0.5


def test_groups_are_measured_by_the_array_not_by_what_it_says_of_itself():
    class Liar:
        shape = (4,)

        def __array__(self, dtype=None, copy=None):
            return np.zeros(300_000)

    with pytest.raises(ValueError, match="groups"):
        fl.score(Liar(), np.zeros(300_000), ["mse"], groups=np.array([0, 1, 0, 1]))


@pytest.mark.parametrize(
    ("loss", "y", "z", "exact"),
    [
        (fl.PoissonDeviance(), 1e-30, 1e30, 2e30),
        (fl.PoissonDeviance(), 1e30, 1e-30, 2.743102e32),
        (fl.GammaDeviance(), 1e-30, 1e30, 274.31021),
        (fl.SymmetricAbsolutePercentageError(), 3e38, 1e38, 1.0),
    ],
)
def test_ratios_that_overflow_float32(loss, y, z, exact):
    assert loss(np.float32([y]), np.float32([z])) == pytest.approx(exact, rel=1e-6)


def test_of_several_losses_the_one_that_refuses_is_named():
    with pytest.raises(fl.DomainError, match=r"not in \[0, 1\] \(brier\)"):
        fl.score([1.0], [2.0], ["mse", "brier"])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_a_fork_is_told_from_a_process_of_its_own():
    code = """
import os
from fastloss.threads import was_forked
alone = was_forked()
child = os.fork()
if child == 0:
    os._exit(7 if was_forked() else 1)
print(alone, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["False", "7"], done.stderr
