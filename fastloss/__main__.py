"""The ``fastloss`` command, also run by ``python -m fastloss``."""

from __future__ import annotations

import sys

EXTRA = {"click", "rich", "pyarrow"}


def main() -> None:
    """Run the command line, or say what to install for it."""
    try:
        from fastloss.cli import run

        sys.exit(run())
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in EXTRA:
            raise
        print(
            f"fastloss: the command line needs {missing}: pip install 'fastloss[cli]'",
            file=sys.stderr,
        )
        sys.exit(2)


if __name__ == "__main__":
    main()
