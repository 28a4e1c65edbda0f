"""The update rules, written from the papers, for numbers of any kind: one parameter, one step.

Each takes (p, g, s, t, lr, o, sqrt): parameter, gradient, a dict of state that starts empty, the
step from 1 on, the rate, the options, and the root to use; and returns the new parameter.
"""

import numpy as np

import fastloss as fl


def sgd(p, g, s, t, lr, o, sqrt):
    g = g + o["weight_decay"] * p
    if o["momentum"]:
        s["b"] = g if t == 1 else o["momentum"] * s["b"] + (1 - o["dampening"]) * g
        g = g + o["momentum"] * s["b"] if o["nesterov"] else s["b"]
    p = p - lr * g
    if o["penalty"]:
        p = prox(p, lr, o["penalty"])
    return p


def prox(p, rate, penalty):
    rest = abs(p) - rate * penalty.l1
    return (0 if rest < 0 else rest if p > 0 else -rest) / (1 + rate * penalty.l2)


def momentum(p, g, s, t, lr, o, sqrt):
    g = g + o["weight_decay"] * p
    s["v"] = o["momentum"] * s.get("v", 0) - lr * g
    return p + s["v"]


def nag(p, g, s, t, lr, o, sqrt):
    # in the parameters of the paper: back from the look-ahead, and ahead again
    v = s.get("v", 0)
    g = g + o["weight_decay"] * p
    behind = p - o["momentum"] * v
    s["v"] = o["momentum"] * v - lr * g
    return behind + s["v"] + o["momentum"] * s["v"]


def adagrad(p, g, s, t, lr, o, sqrt):
    g = g + o["weight_decay"] * p
    s["s"] = s.get("s", o["initial_accumulator_value"]) + g * g
    rate = lr / (1 + (t - 1) * o["lr_decay"]) / (sqrt(s["s"]) + o["eps"])
    p = p - rate * g
    return prox(p, rate, o["penalty"]) if o["penalty"] else p


def rmsprop(p, g, s, t, lr, o, sqrt):
    g, a = g + o["weight_decay"] * p, o["alpha"]
    s["v"] = a * s.get("v", 0) + (1 - a) * g * g
    s["m"] = a * s.get("m", 0) + (1 - a) * g if o["centered"] else 0
    s["b"] = o["momentum"] * s.get("b", 0) + g / (sqrt(s["v"] - s["m"] ** 2) + o["eps"])
    return p - lr * s["b"]


def adadelta(p, g, s, t, lr, o, sqrt):
    g, rho = g + o["weight_decay"] * p, o["rho"]
    s["v"] = rho * s.get("v", 0) + (1 - rho) * g * g
    d = g * sqrt((s.get("u", 0) + o["eps"]) / (s["v"] + o["eps"]))
    s["u"] = rho * s.get("u", 0) + (1 - rho) * d * d
    return p - lr * d


def averages(g, s, o):
    b1, b2 = o["betas"]
    s["m"] = b1 * s.get("m", 0) + (1 - b1) * g
    s["v"] = b2 * s.get("v", 0) + (1 - b2) * g * g
    return b1, b2


def adam(p, g, s, t, lr, o, sqrt):
    g = g + o["weight_decay"] * p
    b1, b2 = averages(g, s, o)
    s["s"] = max(s.get("s", 0), s["v"]) if o["amsgrad"] else s["v"]
    return p - lr * (s["m"] / (1 - b1**t)) / (sqrt(s["s"] / (1 - b2**t)) + o["eps"])


def adamw(p, g, s, t, lr, o, sqrt):
    return adam(p - lr * o["weight_decay"] * p, g, s, t, lr, o | {"weight_decay": 0}, sqrt)


def adamax(p, g, s, t, lr, o, sqrt):
    g = g + o["weight_decay"] * p
    b1, b2 = o["betas"]
    s["m"] = b1 * s.get("m", 0) + (1 - b1) * g
    s["u"] = max(b2 * s.get("u", 0), abs(g) + o["eps"])
    return p - lr * (s["m"] / (1 - b1**t)) / s["u"]


def nadam(p, g, s, t, lr, o, sqrt):
    g = g + o["weight_decay"] * p
    b1, b2 = averages(g, s, o)

    base = (p * 0 + 96) / 100  # 0.96 in the precision of p

    def mu(t):
        return b1 * (1 - base ** (t * o["momentum_decay"]) / 2)

    s["M"] = s.get("M", 1) * mu(t)
    u = (1 - mu(t)) * g / (1 - s["M"]) + mu(t + 1) * s["m"] / (1 - s["M"] * mu(t + 1))
    return p - lr * u / (sqrt(s["v"] / (1 - b2**t)) + o["eps"])


def radam(p, g, s, t, lr, o, sqrt):
    g = g + o["weight_decay"] * p
    b1, b2 = averages(g, s, o)
    whole = 2 / (1 - b2) - 1
    length = whole - 2 * t * b2**t / (1 - b2**t)
    m = s["m"] / (1 - b1**t)
    if length <= 5:
        return p - lr * m
    c = sqrt((length - 4) * (length - 2) * whole / ((whole - 4) * (whole - 2) * length))
    return p - lr * c * m * sqrt(1 - b2**t) / (sqrt(s["v"]) + o["eps"])


def lion(p, g, s, t, lr, o, sqrt):
    b1, b2 = o["betas"]
    c = b1 * s.get("m", 0) + (1 - b1) * g
    s["m"] = b2 * s.get("m", 0) + (1 - b2) * g
    return p - lr * ((c > 0) * 1 - (c < 0) * 1 + o["weight_decay"] * p)


def ftrl(p, g, s, t, lr, o, sqrt):
    n, z = s.get("n", 0), s.get("z", 0)
    s["n"] = n + g * g
    s["z"] = z = z + g - (sqrt(s["n"]) - sqrt(n)) / lr * p
    if abs(z) <= o["l1"]:
        return p * 0
    return -(z - (o["l1"] if z > 0 else -o["l1"])) / ((o["beta"] + sqrt(s["n"])) / lr + o["l2"])


def adaptive_gradient(p, g, s, t, lr, o, sqrt):
    s["m"] = o["beta"] * s.get("m", 0) + (1 - o["beta"]) * g
    s["v"] = o["gamma"] * s.get("v", 0) + (1 - o["gamma"]) * s["m"] ** 2
    return p - lr * s["m"] / (sqrt(s["v"]) + o["eps"])


def lamb(p, g, s, t, lr, o, sqrt):
    """Of the whole array: p and g are arrays of numbers."""
    b1, b2 = averages(g, s, o)
    r = s["m"] / (1 - b1**t)
    r = np.array([x / (sqrt(v / (1 - b2**t)) + o["eps"]) for x, v in zip(r, s["v"], strict=True)])
    r = r + o["weight_decay"] * p
    norm, of_r = sqrt((p * p).sum()), sqrt((r * r).sum())
    return p - lr * (norm / of_r if norm and of_r else 1) * r


def adafactor(p, g, s, t, lr, o, sqrt):
    """Of the whole array, with any number of axes."""
    roots = np.vectorize(sqrt, otypes=[object]) if p.dtype == object else sqrt
    (least, smallest), fresh = o["eps"], t ** o["beta2_decay"]

    def fade(name, new):
        s[name] = (1 - fresh) * s.get(name, 0) + fresh * new
        return s[name]

    square = g * g
    if p.ndim > 1:
        rows = fade("row_var", square.mean(axis=-1, keepdims=True))
        v = rows * fade("col_var", square.mean(axis=-2, keepdims=True))
        v = v / np.maximum(rows.mean(axis=-2, keepdims=True), least)
    else:
        v = fade("variance", square)
    u = g / np.maximum(roots(v), least)
    size, of_u = sqrt((p * p).mean()), sqrt((u * u).mean())
    rate = min(lr, 1 / sqrt(t)) * max(smallest, size)
    return (1 - lr * o["weight_decay"]) * p - rate / max(1, of_u / o["d"]) * u


class L1L2:
    """A penalty as the optimizers want it."""

    def __init__(self, l1=0.0, l2=0.0):
        self.l1, self.l2 = l1, l2

    def __repr__(self):
        return f"L1L2({self.l1}, {self.l2})"


optim = fl.optim
# a rule's class, its recurrence, and options: each alone is compared with the recurrence
RULES = {
    optim.SGD: (sgd, [
        {}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
        {"momentum": 0.8, "dampening": 0.3}, {"penalty": L1L2(0.5)},
        {"penalty": L1L2(0.1, 0.2), "momentum": 0.5},
    ]),
    optim.Momentum: (momentum, [{}, {"momentum": 0.5, "weight_decay": 0.1}]),
    optim.NAG: (nag, [{}, {"momentum": 0.5, "weight_decay": 0.1}]),
    optim.AdaGrad: (adagrad, [
        {}, {"lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.5},
        {"penalty": L1L2(0.5, 0.3), "eps": 0.1},
    ]),
    optim.RMSprop: (rmsprop, [
        {}, {"momentum": 0.9}, {"centered": True, "weight_decay": 0.1},
        {"centered": True, "momentum": 0.5, "alpha": 0.9},
    ]),
    optim.Adadelta: (adadelta, [{}, {"rho": 0.5, "weight_decay": 0.1}]),
    optim.Adam: (adam, [
        {}, {"amsgrad": True, "betas": (0.5, 0.6)}, {"weight_decay": 0.1, "eps": 0.1},
    ]),
    optim.AdamW: (adamw, [{}, {"weight_decay": 0.1, "amsgrad": True}]),
    optim.Adamax: (adamax, [{}, {"betas": (0.5, 0.6), "weight_decay": 0.1}]),
    optim.NAdam: (nadam, [{}, {"momentum_decay": 0.1, "weight_decay": 0.1}]),
    optim.RAdam: (radam, [{}, {"betas": (0.8, 0.9), "weight_decay": 0.1}]),
    optim.Lion: (lion, [{}, {"weight_decay": 0.1, "betas": (0.5, 0.6)}]),
    optim.FTRL: (ftrl, [{}, {"l1": 0.5, "l2": 0.3, "beta": 0.5}]),
    optim.AdaptiveGradient: (adaptive_gradient, [{}, {"beta": 0.5, "gamma": 0.6}]),
}  # fmt: skip
# the recurrences of these take the whole array
LAYERWISE = {
    optim.LAMB: (lamb, [{}, {"weight_decay": 0.0, "betas": (0.5, 0.6)}]),
    optim.Adafactor: (
        adafactor,
        [
            {"eps": (1e-6, 1e-3)},
            {"eps": (1e-3, 0.5), "d": 1.5, "weight_decay": 0.1, "lr": 0.1},
        ],
    ),
}
VARIANTS = [(cls, options) for cls, (_, found) in RULES.items() for options in found]
IDS = [
    f"{cls.__name__}-{'-'.join(f'{k}={v}' for k, v in options.items())}".rstrip("-")
    for cls, options in VARIANTS
]
WHOLE = [(cls, options) for cls, (_, found) in LAYERWISE.items() for options in found]


def all_options(cls, options):
    """The options with the defaults of the class."""
    return cls(np.zeros(1), **options).state_dict()["groups"][0]
