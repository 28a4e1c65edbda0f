"""Evaluate losses in a process of its own: ``python isa_worker.py INPUT OUTPUT``, both pickles."""

import pickle
import sys
from pathlib import Path

from fastloss import _core


def evaluate(loss, y, z):
    """Value, gradient and Hessian of each sample."""
    value = loss(y, z, reduction="none")
    grad, hess = loss.grad_and_hess(y, z, reduction="none")
    return {"value": value, "grad": grad, "hess": hess}


if __name__ == "__main__":
    work = pickle.loads(Path(sys.argv[1]).read_bytes())
    outputs = [evaluate(*task) for task in work]
    Path(sys.argv[2]).write_bytes(pickle.dumps((_core.isa, outputs)))
