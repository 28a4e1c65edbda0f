"""Generative adversarial networks: eight Gaussians on a circle, by each kind of adversarial loss.

    python examples/gan_mixture.py [PLOT]

With the name of a picture it plots the samples, which needs matplotlib: pip install -e '.[plot]'
"""

import argparse
from pathlib import Path

import numpy as np

import fastloss as fl
from fastloss.optim.schedules import Cosine

KINDS = ["minimax", "non_saturating", "least_squares", "wasserstein", "hinge"]
STEPS, BATCH = 1500, 64
ANGLES = np.arange(8) * np.pi / 4
MODES = 2 * np.column_stack([np.cos(ANGLES), np.sin(ANGLES)])
SPREAD = 0.2
SLOPE = np.float32(0.1)  # of leaky rectifiers, below 0


class Network:
    """Layers, with max(x, x/10) between them."""

    def __init__(self, sizes: list[int], rng: np.random.Generator) -> None:
        shapes = list(zip(sizes, sizes[1:], strict=False))
        self.weights = [rng.normal(0, np.sqrt(2 / m), (m, n)).astype("f") for m, n in shapes]
        self.biases = [np.zeros(n, "f") for _, n in shapes]
        self.params = [*self.weights, *self.biases]

    def __call__(self, x: np.ndarray) -> np.ndarray:
        self.inputs = [x]  # of each layer, for `backward`
        for W, b in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x = self.inputs[-1] @ W + b
            self.inputs.append(np.maximum(x, SLOPE * x))
        return self.inputs[-1] @ self.weights[-1] + self.biases[-1]

    def backward(self, grad: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
        """From the gradient by the output to those by the parameters, and by the input."""
        by_weights, by_biases = [], []
        for W, x in zip(reversed(self.weights), reversed(self.inputs), strict=True):
            by_weights.insert(0, x.T @ grad)
            by_biases.insert(0, grad.sum(axis=0))
            grad = grad @ W.T
            if x is not self.inputs[0]:
                grad *= np.where(x > 0, np.float32(1), SLOPE)
        return by_weights + by_biases, grad


def real(n: int, rng: np.random.Generator) -> np.ndarray:
    """Samples of the mixture."""
    return (MODES[rng.integers(8, size=n)] + rng.normal(0, SPREAD, (n, 2))).astype("f")


def fit(kind: str, rng: np.random.Generator) -> np.ndarray:
    """Samples of a generator that had only a discriminator to learn from."""
    loss = fl.Adversarial(kind)
    generator, discriminator = Network([2, 64, 64, 2], rng), Network([2, 64, 64, 1], rng)
    # No momentum, as each player's aim moves with the other; the discriminator is the faster one.
    first = fl.optim.Adam(generator.params, lr=Cosine(0.004, T_0=STEPS), betas=(0.0, 0.9))
    second = fl.optim.Adam(discriminator.params, lr=Cosine(0.008, T_0=STEPS), betas=(0.0, 0.9))

    def fake(n: int) -> np.ndarray:
        return generator(rng.normal(size=(n, 2)).astype("f"))

    for _ in range(STEPS):
        scores = discriminator(np.concatenate([real(BATCH, rng), fake(BATCH)]))
        _, by_real, by_fake = loss.discriminator(scores[:BATCH], scores[BATCH:])
        second.step(discriminator.backward(np.concatenate([by_real, by_fake]))[0])
        if kind == "wasserstein":  # its discriminator must not be steep
            for param in discriminator.params:
                param.clip(-0.2, 0.2, out=param)
        _, grad = loss.generator(discriminator(fake(BATCH)))
        first.step(generator.backward(discriminator.backward(grad)[1])[0])
    return fake(4000)


def judge(samples: np.ndarray) -> tuple[int, float]:
    """How many modes have a fifth of their share, or more; and how many samples are near one."""
    far = np.linalg.norm(samples[:, np.newaxis] - MODES, axis=2)
    good = far.min(axis=1) < 3 * SPREAD
    counts = np.bincount(far.argmin(axis=1)[good], minlength=8)
    return int((counts > len(samples) / 8 / 5).sum()), good.mean()


def plot(path: Path, samples: dict[str, np.ndarray]) -> None:
    from matplotlib.figure import Figure  # here, as the table does without

    figure = Figure(figsize=(9, 6), layout="constrained")
    axes = figure.subplots(2, 3)
    for ax, (kind, points) in zip(axes.flat, samples.items(), strict=True):
        ax.scatter(*points.T, s=1, alpha=0.3)
        ax.set(title=kind, xlim=(-3, 3), ylim=(-3, 3), aspect="equal")
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("plot", type=Path, nargs="?", help="where to save a plot")
    path = parser.parse_args().plot
    samples = {"real": real(4000, np.random.default_rng(0))}
    samples |= {kind: fit(kind, np.random.default_rng(0)) for kind in KINDS}
    print(f"{'':16}modes of 8   good samples")
    for kind, points in samples.items():
        print("{:16}{:10}{:15.1%}".format(kind, *judge(points)))
    if path:
        plot(path, samples)
        print(f"plot: {path}")


if __name__ == "__main__":
    main()
