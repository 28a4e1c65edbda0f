"""What docstrings say alike of parameters that many classes have."""

from __future__ import annotations

import re

TEXTS = {
    "axis": "The axis of the classes.",
    "betas": "beta1 and beta2.",
    "classes": "Labels of the classes in the order of y_pred, where they are not 0, 1, 2 ...",
    "chunk_size": "Rows at a time; by default as many as make 64 MiB of numbers with all rows.",
    "class_weight": "A weight for each class, which multiplies that of the samples.",
    "decoupled_weight_decay": (
        "Shrink p by lr weight_decay before the step, instead of by way of the gradient."
    ),
    "eps_root": "Added to what the root is taken of, as in optax.",
    "ignore_index": "Rows of this class are left out, whether it is a class or not.",
    "label_smoothing": "In [0, 1]: this part of each target is spread evenly over all classes.",
    "lr": "The rate, or a function of the number of steps before this one.",
    "params": "The arrays p, updated in place.",
    "weight_decay": "Half a squared L2 penalty, by way of the gradient.",
}


def filled(docstring: str) -> str:
    """Put the text above below each line ``parameter : type`` that has none of its own."""
    return re.sub(
        rf"^( *)({'|'.join(TEXTS)}) : .*\n(?!\1 )",
        lambda entry: f"{entry[0]}{entry[1]}    {TEXTS[entry[2]]}\n",
        docstring,
        flags=re.MULTILINE,
    )
