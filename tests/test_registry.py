"""What a name stands for does not depend on the classes that a user's program defines."""

from dataclasses import dataclass

import numpy as np
import pytest

import fastloss as fl
from fastloss.losses.base import Pointwise
from fastloss.optim.schedules import Cosine, Schedule, Warmup, from_dict as schedule_from_dict
from fastloss.penalties import L1, Penalty, from_dict as penalty_from_dict


def test_a_users_loss_is_not_registered():
    before = fl.loss_names()

    class Huber(fl.Loss):
        name = "huber"
        definition = ""

        def __init__(self):
            pass

    class Taken(fl.Huber):
        """A loss of somebody's own."""

        name = "taken"

    assert fl.loss_names() == before
    assert fl.get_loss("huber") == fl.Huber()
    with pytest.raises(ValueError, match="unknown loss"):
        fl.get_loss("taken")
    assert Taken(delta=2.0)([0.0], [1.0]) == 0.5
    assert "Huber" in repr(Huber())  # though its constructor set nothing

    class Own(Pointwise):
        name = "own"

    class Bare(fl.Loss):
        name = "bare"

    for cls in (Own, Bare):
        with pytest.raises(TypeError, match="has no kernel: .* subclass of one that there is"):
            cls()
    assert fl.Huber.definition in "".join(Taken.__doc__)


def test_a_users_optimizer_is_not_registered(tmp_path):
    before = fl.optim.optimizer_names()

    class Adam(fl.optim.SGD):
        """Somebody's own.

        lr : float
        """

    assert "The rate" not in Adam.__doc__
    assert fl.optim.optimizer_names() == before
    mine, ours = Adam(np.ones(3)), fl.optim.Adam(np.ones(3))
    for to, of in ((mine, ours), (ours, mine)):
        with pytest.raises(ValueError, match=r"state\['optimizer'\] must be"):
            to.load_state_dict(of.state_dict())
    mine.load_state_dict(mine.state_dict())
    fl.optim.Adam(np.ones(3)).save(tmp_path / "state")
    assert type(fl.optim.load(tmp_path / "state", np.ones(3))) is fl.optim.Adam
    with pytest.raises(TypeError, match="Adam is none of fastloss's optimizers"):
        Adam(np.ones(3)).save(tmp_path / "own")
    assert not (tmp_path / "own").exists()


def test_users_schedules_and_penalties_are_not_registered(tmp_path):
    @dataclass(frozen=True)
    class Own(Cosine):
        name = "cosine"

    class Unnamed(Cosine):
        pass

    class Nameless(Schedule):
        pass

    class Lasso(L1):
        name = "l1"

    class Plain(Penalty):
        pass

    assert type(schedule_from_dict({"name": "cosine", "lr": 0.1, "T_0": 9})) is Cosine
    assert type(penalty_from_dict({"name": "l1", "strength": 0.1})) is L1
    p = np.ones(3)
    for options in (
        {"lr": Own(0.1, T_0=9)},
        {"lr": Unnamed(0.1, T_0=9)},
        {"lr": Warmup(Own(0.1, T_0=9), steps=3)},
        {"penalty": Lasso(0.1)},
    ):
        with pytest.raises(TypeError, match="cannot be saved: .* would be loaded as"):
            fl.optim.SGD(p, **options).save(tmp_path / "own")
        assert not (tmp_path / "own").exists()
