"""Rules and their options against optax, and against the formulas of Keras and TensorFlow."""

import numpy as np
import pytest

from fastloss import optim

STEPS = 40
RATE = 0.05


def inputs(shape=(4, 4), seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape), [rng.normal(size=shape) + 0.3 for _ in range(STEPS)]


def stepped(opt, p, grads):
    for g in grads:
        opt.step(g)
    return p


# a rule of optax, by its name and its arguments, and what it is here
RULES = {
    "sgd": ({"momentum": 0.9, "nesterov": True}, optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "adam": ({"eps": 0.0, "eps_root": 0.01}, optim.Adam, {"eps": 0.0, "eps_root": 0.01}),
    "adamw": (
        {"eps_root": 0.01, "weight_decay": 0.1},
        optim.AdamW,
        {"eps_root": 0.01, "weight_decay": 0.1},
    ),
    "nadam": ({"eps_root": 0.01}, optim.NAdam, {"eps_root": 0.01, "momentum_decay": 1e5}),
    "nadamw": (
        {"weight_decay": 0.1},
        optim.NAdam,
        {"weight_decay": 0.1, "decoupled_weight_decay": True, "momentum_decay": 1e5},
    ),
    "radam": (
        {"b2": 0.9, "eps": 0.1, "eps_root": 0.01},
        optim.RAdam,
        {"betas": (0.9, 0.9), "eps": 0.1, "eps_root": 0.01, "eps_hat": False},
    ),
    "adamaxw": (
        {"weight_decay": 0.1, "eps": 0.1},
        optim.Adamax,
        {"weight_decay": 0.1, "decoupled_weight_decay": True, "eps": 0.1},
    ),
    "adan": (
        {"b1": 0.9, "b2": 0.5, "b3": 0.8, "eps_root": 0.01, "weight_decay": 0.1},
        optim.Adan,
        {"betas": (0.9, 0.5, 0.8), "eps_root": 0.01, "weight_decay": 0.1, "no_prox": True},
    ),
    "lamb": ({"eps_root": 0.01}, optim.LAMB, {"eps_root": 0.01, "weight_decay": 0.0}),
    "lion": ({"weight_decay": 0.1}, optim.Lion, {"weight_decay": 0.1}),
    "rmsprop": (
        {"decay": 0.8, "eps": 0.01, "centered": True, "momentum": 0.5},
        optim.RMSprop,
        {"alpha": 0.8, "eps": 0.0, "eps_root": 0.01, "centered": True, "momentum": 0.5},
    ),
    "adagrad": (
        {"eps": 0.01},
        optim.AdaGrad,
        {"eps": 0.0, "eps_root": 0.01, "initial_accumulator_value": 0.1},
    ),
    "adadelta": ({}, optim.Adadelta, {}),
    "schedule_free_sgd": (
        {"b1": 0.8, "weight_decay": 0.1},
        optim.ScheduleFreeSGD,
        {"momentum": 0.8, "weight_decay": 0.1},
    ),
    "schedule_free_adamw": (
        {"b1": 0.8, "weight_decay": 0.1},
        optim.ScheduleFreeAdamW,
        {"betas": (0.8, 0.999), "weight_decay": 0.1},
    ),
    "muon": (
        {"nesterov": False, "eps": 0.0},
        optim.Muon,
        {"nesterov": False, "weight_decay": 0.0, "eps": 0.0},
    ),
}


@pytest.mark.parametrize("name", RULES)
def test_parity_with_optax(name):
    optax = pytest.importorskip("optax", reason="it is the peer here")
    jax = pytest.importorskip("jax", reason="optax needs it")
    theirs, cls, ours = RULES[name]
    p, grads = inputs()
    rule = getattr(optax, name, None) or getattr(optax.contrib, name)
    with jax.enable_x64(True):
        rule = rule(learning_rate=RATE, **theirs)
        q = jax.numpy.asarray(p)
        state = rule.init(q)
        step = jax.jit(rule.update)
        for g in grads:
            change, state = step(jax.numpy.asarray(g), state, q)
            q = optax.apply_updates(q, change)
        average = None
        if "schedule_free" in name:
            average = optax.contrib.schedule_free_eval_params(state, q)
        opt = cls(p, lr=RATE, **ours)
        stepped(opt, p, grads)
        np.testing.assert_allclose(p, q, rtol=1e-9, atol=1e-11)
        if average is not None:
            np.testing.assert_allclose(opt.averaged(), average, rtol=1e-9, atol=1e-11)


# ---- Keras and TensorFlow, written from their formulas: p and state after a step


def keras_adam(p, g, s, t, lr=RATE, b1=0.9, b2=0.999, eps=0.1):
    s["m"] = s.get("m", 0) + (g - s.get("m", 0)) * (1 - b1)
    s["v"] = s.get("v", 0) + (g * g - s.get("v", 0)) * (1 - b2)
    alpha = lr * np.sqrt(1 - b2**t) / (1 - b1**t)
    return p - s["m"] * alpha / (np.sqrt(s["v"]) + eps)


def keras_adamw(p, g, s, t):
    return keras_adam(p - p * 0.1 * RATE, g, s, t)


def keras_rmsprop(p, g, s, t, lr=RATE, rho=0.9, momentum=0.5, eps=0.1):
    s["v"] = rho * s.get("v", 0) + (1 - rho) * g * g
    s["a"] = rho * s.get("a", 0) + (1 - rho) * g
    s["m"] = momentum * s.get("m", 0) + lr * g / np.sqrt(s["v"] - s["a"] ** 2 + eps)
    return p - s["m"]


def keras_adagrad(p, g, s, t, lr=RATE, eps=1e-3):
    s["a"] = s.get("a", 0.1) + g * g
    return p - lr * g / np.sqrt(s["a"] + eps)


def keras_ftrl(p, g, s, t, lr=RATE, power=-0.6, l1=0.05, l2=0.3, shrinkage=0.2, beta=0.4):
    n = s.get("n", 0.1)
    shrunk = g + 2 * shrinkage * p
    s["n"] = new = n + g * g
    s["z"] = z = s.get("z", 0) + shrunk - (new**-power - n**-power) / lr * p
    quadratic = new**-power / lr + 2 * (l2 + beta / (2 * lr))
    return (np.clip(z, -l1, l1) - z) / quadratic


def keras_sgd(p, g, s, t, lr=RATE, momentum=0.9, decay=0.1):
    p = p - p * decay * lr
    s["m"] = momentum * s.get("m", 0) - lr * g
    return p + momentum * s["m"] - lr * g


KERAS = [
    (keras_adam, optim.Adam, {"eps": 0.1, "eps_hat": True}),
    (keras_adamw, optim.AdamW, {"eps": 0.1, "eps_hat": True, "weight_decay": 0.1}),
    (
        keras_rmsprop,
        optim.RMSprop,
        {"alpha": 0.9, "momentum": 0.5, "centered": True, "eps": 0.0, "eps_root": 0.1},
    ),
    (
        keras_adagrad,
        optim.AdaGrad,
        {"initial_accumulator_value": 0.1, "eps": 0.0, "eps_root": 1e-3},
    ),
    (
        keras_ftrl,
        optim.FTRL,
        {"lr_power": -0.6, "l1": 0.05, "l2": 0.6, "l2_shrinkage": 0.4, "beta": 0.4,
         "initial_accumulator_value": 0.1},
    ),
    (keras_sgd, optim.NAG, {"weight_decay": 0.1, "decoupled_weight_decay": True}),
]  # fmt: skip


@pytest.mark.parametrize(("formula", "cls", "options"), KERAS)
def test_formulas_of_keras(formula, cls, options):
    p, grads = inputs()
    q, state = p.copy(), {}
    for t, g in enumerate(grads, 1):
        q = formula(q, g, state, t)
    stepped(cls(p, lr=RATE, **options), p, grads)
    np.testing.assert_allclose(p, q, rtol=1e-11, atol=1e-13)
