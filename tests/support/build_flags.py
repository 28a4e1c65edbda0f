"""What setup.py compiles kernels with."""

import ast
import platform
from pathlib import Path

ROOT = Path(__file__).parents[2]


def flags(isa):
    """The compiler's flags for an instruction set, from the constants of setup.py."""
    path = ROOT / "setup.py"
    tree = ast.parse(path.read_text())
    # its assignments alone: the rest of the file would start a build
    tree.body = [n for n in tree.body if isinstance(n, (ast.Assign, ast.AugAssign, ast.If))]
    constants = {"platform": platform}
    exec(compile(tree, path, "exec"), constants)  # noqa: S102
    return [*constants["OPTIMISE"]["unix"], *constants["INSTRUCTION_SETS"][isa][0]]
