"""Handwritten digits by a small convolutional network: filters, the largest of 2 x 2, one layer.

    python examples/digits_convolution.py

It needs scikit-learn: pip install -e '.[sklearn]'
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import fastloss as fl
from fastloss.optim.schedules import Cosine

FILTERS = 64
EPOCHS, BATCH = 30, 32


class Network:
    """Filters of 3 x 3 pixels, the largest response in each 2 x 2, and scores of ten classes."""

    def __init__(self, rng: np.random.Generator) -> None:
        params = {
            "filters": rng.normal(0, np.sqrt(2 / 9), (9, FILTERS)),
            "bias": np.zeros(FILTERS),
            "W": rng.normal(0, np.sqrt(1 / (9 * FILTERS)), (9 * FILTERS, 10)),
            "b": np.zeros(10),
        }
        self.params = {name: array.astype(np.float32) for name, array in params.items()}

    def scores(self, images: np.ndarray) -> np.ndarray:
        """Scores of the classes. What they were made of stays, for `gradients`."""
        n, params = len(images), self.params
        self.patches = sliding_window_view(images, (3, 3), axis=(1, 2)).reshape(n, 6, 6, 9)
        responses = np.maximum(self.patches @ params["filters"] + params["bias"], 0)
        self.responses = responses.reshape(n, 3, 2, 3, 2, FILTERS)  # a square is axes 2 and 4
        self.largest = self.responses.max(axis=(2, 4), keepdims=True)
        return self.largest.reshape(n, -1) @ params["W"] + params["b"]

    def gradients(self, grad: np.ndarray) -> dict[str, np.ndarray]:
        """Those by the parameters, from those by the scores."""
        back = (grad @ self.params["W"].T).reshape(self.largest.shape)
        # only the largest response of a square reaches the scores, and only if it is above 0
        reached = (self.responses == self.largest) & (self.responses > 0)
        back = (back * reached).reshape(-1, FILTERS)
        return {
            "filters": self.patches.reshape(-1, 9).T @ back,
            "bias": back.sum(axis=0),
            "W": self.largest.reshape(len(grad), -1).T @ grad,
            "b": grad.sum(axis=0),
        }


def main() -> None:
    images, y = load_digits(return_X_y=True)
    images = (images / 16).astype(np.float32).reshape(-1, 8, 8)
    images, others, y, y_others = train_test_split(
        images, y, test_size=0.25, stratify=y, random_state=0
    )
    rng = np.random.default_rng(0)
    network = Network(rng)
    opt = fl.optim.Adam(network.params, lr=Cosine(0.005, T_0=EPOCHS * -(-len(y) // BATCH)))
    loss = fl.SoftmaxCrossEntropy(label_smoothing=0.1)
    for epoch in range(1, EPOCHS + 1):
        for rows in np.split(rng.permutation(len(y)), range(BATCH, len(y), BATCH)):
            grad = loss.grad(y[rows], network.scores(images[rows]))
            opt.step(network.gradients(grad))
        if epoch % 10 == 0:
            right = np.mean(network.scores(others).argmax(axis=1) == y_others)
            print(f"epoch {epoch}: {right:.2%} of {len(y_others)} other digits right")


if __name__ == "__main__":
    main()
