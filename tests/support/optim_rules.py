"""The update rules, written from the papers, for numbers of any kind: one parameter, one step.

Each takes (p, g, s, t, lr, o, sqrt): parameter, gradient, a dict of state that starts empty, the
step from 1 on, the rate, the options, and the root to use; and returns the new parameter.
"""

import numpy as np

import fastloss as fl


def decayed(p, g, lr, o):
    """Parameter and gradient after weight decay, which is in one of them."""
    if o["decoupled_weight_decay"]:
        return p - lr * o["weight_decay"] * p, g
    return p, g + o["weight_decay"] * p


def sgd(p, g, s, t, lr, o, sqrt):
    p, g = decayed(p, g, lr, o)
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
    p, g = decayed(p, g, lr, o)
    s["v"] = o["momentum"] * s.get("v", 0) - lr * g
    return p + s["v"]


def nag(p, g, s, t, lr, o, sqrt):
    # in the parameters of the paper: back from the look-ahead, and ahead again
    v = s.get("v", 0)
    p, g = decayed(p, g, lr, o)
    behind = p - o["momentum"] * v
    s["v"] = o["momentum"] * v - lr * g
    return behind + s["v"] + o["momentum"] * s["v"]


def adagrad(p, g, s, t, lr, o, sqrt):
    p, g = decayed(p, g, lr, o)
    s["s"] = s.get("s", o["initial_accumulator_value"]) + g * g
    rate = lr / (1 + (t - 1) * o["lr_decay"]) / (sqrt(s["s"] + o["eps_root"]) + o["eps"])
    p = p - rate * g
    return prox(p, rate, o["penalty"]) if o["penalty"] else p


def rmsprop(p, g, s, t, lr, o, sqrt):
    (p, g), a = decayed(p, g, lr, o), o["alpha"]
    s["v"] = a * s.get("v", 0) + (1 - a) * g * g
    s["m"] = a * s.get("m", 0) + (1 - a) * g if o["centered"] else 0
    d = sqrt(s["v"] - s["m"] ** 2 + o["eps_root"]) + o["eps"]
    s["b"] = o["momentum"] * s.get("b", 0) + g / d
    return p - lr * s["b"]


def adadelta(p, g, s, t, lr, o, sqrt):
    (p, g), rho = decayed(p, g, lr, o), o["rho"]
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
    p, g = decayed(p, g, lr, o)
    b1, b2 = averages(g, s, o)
    s["s"] = max(s.get("s", 0), s["v"]) if o["amsgrad"] else s["v"]
    if o["eps_hat"]:  # in the paper's second form, where the rate has both corrections
        rate = lr * sqrt(1 - b2**t) / (1 - b1**t)
        return p - rate * s["m"] / (sqrt(s["s"] + o["eps_root"] * (1 - b2**t)) + o["eps"])
    return p - lr * (s["m"] / (1 - b1**t)) / (sqrt(s["s"] / (1 - b2**t) + o["eps_root"]) + o["eps"])


def adamw(p, g, s, t, lr, o, sqrt):
    return adam(p, g, s, t, lr, o | {"decoupled_weight_decay": True}, sqrt)


def adamax(p, g, s, t, lr, o, sqrt):
    p, g = decayed(p, g, lr, o)
    b1, b2 = o["betas"]
    s["m"] = b1 * s.get("m", 0) + (1 - b1) * g
    s["u"] = max(b2 * s.get("u", 0), abs(g) + o["eps"])
    return p - lr * (s["m"] / (1 - b1**t)) / s["u"]


def nadam(p, g, s, t, lr, o, sqrt):
    p, g = decayed(p, g, lr, o)
    b1, b2 = averages(g, s, o)

    base = (p * 0 + 96) / 100  # 0.96 in the precision of p

    def mu(t):
        return b1 * (1 - base ** (t * o["momentum_decay"]) / 2)

    s["M"] = s.get("M", 1) * mu(t)
    u = (1 - mu(t)) * g / (1 - s["M"]) + mu(t + 1) * s["m"] / (1 - s["M"] * mu(t + 1))
    return p - lr * u / (sqrt(s["v"] / (1 - b2**t) + o["eps_root"]) + o["eps"])


def radam(p, g, s, t, lr, o, sqrt):
    p, g = decayed(p, g, lr, o)
    b1, b2 = averages(g, s, o)
    whole = 2 / (1 - b2) - 1
    length = whole - 2 * t * b2**t / (1 - b2**t)
    m = s["m"] / (1 - b1**t)
    if length <= 5:
        return p - lr * m
    c = sqrt((length - 4) * (length - 2) * whole / ((whole - 4) * (whole - 2) * length))
    if o["eps_hat"]:
        d = sqrt(s["v"] + (1 - b2**t) * o["eps_root"]) + o["eps"]
        return p - lr * c * m * sqrt(1 - b2**t) / d
    return p - lr * c * m / (sqrt(s["v"] / (1 - b2**t) + o["eps_root"]) + o["eps"])


def adan(p, g, s, t, lr, o, sqrt):
    b1, b2, b3 = o["betas"]
    change = 0 if t == 1 else g - s["g"]
    s["m"] = b1 * s.get("m", 0) + (1 - b1) * g
    s["v"] = b2 * s.get("v", 0) + (1 - b2) * change
    s["n"] = b3 * s.get("n", 0) + (1 - b3) * (g + b2 * change) ** 2
    s["g"] = g
    u = s["m"] / (1 - b1**t) + b2 * s["v"] / (1 - b2**t)
    u = u / (sqrt(s["n"] / (1 - b3**t) + o["eps_root"]) + o["eps"])
    if o["no_prox"]:
        return (1 - lr * o["weight_decay"]) * p - lr * u
    return (p - lr * u) / (1 + lr * o["weight_decay"])


def rprop(p, g, s, t, lr, o, sqrt):
    (minus, plus), (least, most) = o["etas"], o["step_sizes"]
    agree = g * s.get("h", 0)
    d = s.get("d", lr) * (plus if agree > 0 else minus if agree < 0 else 1)
    s["d"] = min(max(d, least), most)
    s["h"] = g = 0 * g if agree < 0 else g
    return p - s["d"] * ((g > 0) * 1 - (g < 0) * 1)


def asgd(p, g, s, t, lr, o, sqrt):
    g = g + o["weight_decay"] * p
    eta = s.get("eta", lr)
    s["eta"] = lr / (1 + o["lambd"] * lr * t) ** o["alpha"]
    return p - o["lambd"] * eta * p - eta * g


def schedule_free(p, s, t, lr, o, part, direction):
    """The way that both rules have in common, with x itself as state."""
    z, x = s.get("z", p), s.get("x", p)
    s["top"] = max(s.get("top", 0), lr)
    weight = t ** o["r"] * s["top"] ** o["weight_lr_power"]
    s["sum"] = s.get("sum", 0) + weight
    c = weight / s["sum"]
    s["z"] = z = z - lr * direction
    s["x"] = x = (1 - c) * x + c * z
    return part * x + (1 - part) * z


def schedule_free_sgd(p, g, s, t, lr, o, sqrt):
    return schedule_free(p, s, t, lr, o, o["momentum"], g + o["weight_decay"] * p)


def schedule_free_adamw(p, g, s, t, lr, o, sqrt):
    b1, b2 = o["betas"]
    s["v"] = b2 * s.get("v", 0) + (1 - b2) * g * g
    u = g / (sqrt(s["v"] / (1 - b2**t)) + o["eps"])
    return schedule_free(p, s, t, lr, o, b1, u + o["weight_decay"] * p)


def lion(p, g, s, t, lr, o, sqrt):
    b1, b2 = o["betas"]
    c = b1 * s.get("m", 0) + (1 - b1) * g
    s["m"] = b2 * s.get("m", 0) + (1 - b2) * g
    return p - lr * ((c > 0) * 1 - (c < 0) * 1 + o["weight_decay"] * p)


def ftrl(p, g, s, t, lr, o, sqrt):
    n, z, q = s.get("n", o["initial_accumulator_value"]), s.get("z", 0), -o["lr_power"]
    s["n"] = n + g * g
    s["z"] = z = z + g + o["l2_shrinkage"] * p - (s["n"] ** q - n**q) / lr * p
    if abs(z) <= o["l1"]:
        return p * 0
    return -(z - (o["l1"] if z > 0 else -o["l1"])) / ((o["beta"] + s["n"] ** q) / lr + o["l2"])


def adaptive_gradient(p, g, s, t, lr, o, sqrt):
    s["m"] = o["beta"] * s.get("m", 0) + (1 - o["beta"]) * g
    s["v"] = o["gamma"] * s.get("v", 0) + (1 - o["gamma"]) * s["m"] ** 2
    return p - lr * s["m"] / (sqrt(s["v"]) + o["eps"])


def lamb(p, g, s, t, lr, o, sqrt):
    """Of the whole array: p and g are arrays of numbers."""
    b1, b2 = averages(g, s, o)
    r = s["m"] / (1 - b1**t)
    v = s["v"] / (1 - b2**t) + o["eps_root"]
    r = np.array([x / (sqrt(v) + o["eps"]) for x, v in zip(r, v, strict=True)])
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


def muon(p, g, s, t, lr, o, sqrt):
    """Of the whole matrix."""
    b = o["momentum"]
    s["b"] = b * s.get("b", 0) + (1 - b) * g
    u = b * s["b"] + (1 - b) * g if o["nesterov"] else s["b"]
    rows, columns = p.shape
    u = u.T if rows > columns else u
    u = u / max(sqrt((u * u).sum()), o["eps"])
    k0, k1, k2 = o["ns_coefficients"]
    for _ in range(int(o["ns_steps"])):
        a = u.dot(u.T)
        u = k0 * u + (k1 * a + k2 * a.dot(a)).dot(u)
    u = u.T if rows > columns else u
    if o["adjust_lr_fn"] == "match_rms_adamw":
        size = sqrt(max(rows, columns)) / 5
    else:
        size = max(1, sqrt(rows) / sqrt(columns))
    return (1 - lr * o["weight_decay"]) * p - lr * size * u


class L1L2:
    """A penalty as the optimizers want it."""

    def __init__(self, l1=0.0, l2=0.0):
        self.l1, self.l2 = l1, l2

    def __repr__(self):
        return f"L1L2({self.l1}, {self.l2})"


optim = fl.optim
APART = {"weight_decay": 0.1, "decoupled_weight_decay": True}
# a rule's class, its recurrence, and options: each alone is compared with the recurrence
RULES = {
    optim.SGD: (sgd, [
        {}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
        {"momentum": 0.8, "dampening": 0.3}, {"penalty": L1L2(0.5)},
        {"penalty": L1L2(0.1, 0.2), "momentum": 0.5, **APART},
    ]),
    optim.Momentum: (momentum, [{}, {"momentum": 0.5, "weight_decay": 0.1}, APART]),
    optim.NAG: (nag, [{}, {"momentum": 0.5, "weight_decay": 0.1}, APART]),
    optim.ASGD: (asgd, [{}, {"lambd": 0.1, "alpha": 0.5, "t0": 5.0, "weight_decay": 0.1}]),
    optim.AdaGrad: (adagrad, [
        {}, {"lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.5},
        {"penalty": L1L2(0.5, 0.3), "eps": 0.1}, {"eps_root": 0.1, **APART},
    ]),
    optim.RMSprop: (rmsprop, [
        {}, {"momentum": 0.9}, {"centered": True, "weight_decay": 0.1},
        {"centered": True, "momentum": 0.5, "alpha": 0.9, "eps_root": 0.1, **APART},
    ]),
    optim.Adadelta: (adadelta, [{}, {"rho": 0.5, "weight_decay": 0.1}, APART]),
    optim.Rprop: (rprop, [
        {}, {"lr": 0.1, "etas": (0.3, 1.5), "step_sizes": (0.05, 0.5)},
    ]),
    optim.Adam: (adam, [
        {}, {"amsgrad": True, "betas": (0.5, 0.6)}, {"weight_decay": 0.1, "eps": 0.1},
        {"eps": 0.1, "eps_hat": True, "eps_root": 0.01, **APART},
    ]),
    optim.AdamW: (adamw, [
        {}, {"weight_decay": 0.1, "amsgrad": True}, {"eps": 0.0, "eps_root": 0.1},
    ]),
    optim.Adamax: (adamax, [{}, {"betas": (0.5, 0.6), "weight_decay": 0.1}, APART]),
    optim.NAdam: (nadam, [
        {}, {"momentum_decay": 0.1, "weight_decay": 0.1}, {"eps_root": 0.1, **APART},
    ]),
    optim.RAdam: (radam, [
        {}, {"betas": (0.8, 0.9), "weight_decay": 0.1},
        {"betas": (0.8, 0.9), "eps": 0.1, "eps_hat": False, "eps_root": 0.1, **APART},
    ]),
    optim.Adan: (adan, [
        {}, {"weight_decay": 0.1, "betas": (0.5, 0.6, 0.7)},
        {"weight_decay": 0.1, "no_prox": True, "eps_root": 0.1},
    ]),
    optim.Lion: (lion, [{}, {"weight_decay": 0.1, "betas": (0.5, 0.6)}]),
    optim.FTRL: (ftrl, [
        {}, {"l1": 0.5, "l2": 0.3, "beta": 0.5},
        {"lr_power": -0.7, "l2_shrinkage": 0.1, "initial_accumulator_value": 0.1},
    ]),
    optim.ScheduleFreeSGD: (schedule_free_sgd, [
        {"lr": 0.05}, {"lr": 0.1, "momentum": 0.5, "weight_decay": 0.1, "r": 1.5},
    ]),
    optim.ScheduleFreeAdamW: (schedule_free_adamw, [
        {}, {"lr": 0.1, "betas": (0.6, 0.5), "weight_decay": 0.1, "weight_lr_power": 0.5},
    ]),
    optim.AdaptiveGradient: (adaptive_gradient, [{}, {"beta": 0.5, "gamma": 0.6}]),
}  # fmt: skip
# the recurrences of these take the whole array
LAYERWISE = {
    optim.LAMB: (lamb, [{}, {"weight_decay": 0.0, "betas": (0.5, 0.6), "eps_root": 0.1}]),
    optim.Adafactor: (
        adafactor,
        [
            {"eps": (1e-6, 1e-3)},
            {"eps": (1e-3, 0.5), "d": 1.5, "weight_decay": 0.1, "lr": 0.1},
        ],
    ),
}
# those of these a matrix
OF_MATRICES = {
    optim.Muon: (
        muon,
        [
            {},
            {"nesterov": False, "momentum": 0.5, "adjust_lr_fn": "match_rms_adamw", "lr": 0.1},
            {"ns_steps": 3, "ns_coefficients": (2.0, -1.5, 0.5), "weight_decay": 0.0},
        ],
    )
}
VARIANTS = [(cls, options) for cls, (_, found) in RULES.items() for options in found]
IDS = [
    f"{cls.__name__}-{'-'.join(f'{k}={v}' for k, v in options.items())}".rstrip("-")
    for cls, options in VARIANTS
]
WHOLE = [(cls, options) for cls, (_, found) in LAYERWISE.items() for options in found]


def all_options(cls, options, shape=1):
    """The options with the defaults of the class."""
    return cls(np.zeros(shape), **options).state_dict()["groups"][0]
