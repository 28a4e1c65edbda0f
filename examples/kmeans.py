"""K-means by gradient descent on mini-batches, beside scikit-learn's from the same start.

    python examples/kmeans.py

It needs scikit-learn: pip install -e '.[sklearn]'
"""

import numpy as np
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.datasets import load_digits

import fastloss as fl
from fastloss.optim.schedules import Cosine

CENTERS = 10
EPOCHS, BATCH = 50, 256


def fit(X: np.ndarray, start: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Centres that began at ``start``."""
    centers = start.copy()
    # A centre with a share p of the points sees a curvature of 2 p: a rate of 1 is safe for all.
    opt = fl.optim.SGD(centers, lr=Cosine(1.0, T_0=EPOCHS * -(-len(X) // BATCH)))
    loss = fl.KMeansLoss()
    for _ in range(EPOCHS):
        for rows in np.split(rng.permutation(len(X)), range(BATCH, len(X), BATCH)):
            _, grad = loss.value_and_grad(X[rows], centers)
            opt.step(grad)
    return centers


def main() -> None:
    rng = np.random.default_rng(0)
    X = load_digits().data
    start = X[rng.choice(len(X), CENTERS, replace=False)]
    alike = {"n_clusters": CENTERS, "init": start, "n_init": 1, "random_state": 0}
    mini_batch = MiniBatchKMeans(
        **alike, batch_size=BATCH, max_iter=EPOCHS, max_no_improvement=None, tol=0
    )
    found = {
        "start": start,
        "SGD on mini-batches": fit(X, start, rng),
        "MiniBatchKMeans": mini_batch.fit(X).cluster_centers_,
        "KMeans": KMeans(**alike).fit(X).cluster_centers_,
    }
    print(f"inertia of {len(X)} digits around {CENTERS} centres, a digit:")
    for name, centers in found.items():
        print(f"{name:20}{fl.KMeansLoss()(X, centers):8.1f}")


if __name__ == "__main__":
    main()
