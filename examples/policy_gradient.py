"""A policy gradient: rewards as weights of the cross-entropy, on a contextual bandit.

    python examples/policy_gradient.py

In each round contexts come, the policy draws an action for each, and only the reward of that action
is seen. What paid more than usual is made more likely, and what paid less, with a negative weight,
less likely.
"""

import numpy as np

import fastloss as fl

FEATURES, ACTIONS = 5, 4
ROUNDS, BATCH = 1000, 100


def main() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(FEATURES, ACTIONS))  # an action pays 1 with the odds exp(x @ truth)
    policy = np.zeros((FEATURES, ACTIONS))
    opt = fl.optim.Adam(policy, lr=0.05)
    loss = fl.SoftmaxCrossEntropy()
    usual = 0.0
    for step in range(1, ROUNDS + 1):
        x = rng.normal(size=(BATCH, FEATURES))
        z = x @ policy
        actions = (z + rng.gumbel(size=z.shape)).argmax(axis=1)  # drawn from softmax(z)
        chance = fl.sigmoid(x @ truth)[np.arange(BATCH), actions]
        rewards = (rng.random(BATCH) < chance).astype(float)
        # Weights that may add up to 0 make no mean: divide by the number of samples.
        grad = loss.grad(actions, z, sample_weight=(rewards - usual) / BATCH, reduction="sum")
        opt.step(x.T @ grad)
        usual += 0.05 * (rewards.mean() - usual)
        if step % 200 == 0:
            print(f"round {step:4}: {usual:.2f} a context of late")

    x = rng.normal(size=(100_000, FEATURES))
    chance = fl.sigmoid(x @ truth)
    chosen = np.take_along_axis(chance, (x @ policy).argmax(axis=1)[:, np.newaxis], axis=1)
    print(f"by chance: {chance.mean():.3f}")
    print(f"learned:   {chosen.mean():.3f}")
    print(f"best:      {chance.max(axis=1).mean():.3f}")


if __name__ == "__main__":
    main()
