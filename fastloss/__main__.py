"""The ``fastloss`` command, also run by ``python -m fastloss``."""

from __future__ import annotations

import sys

# What the commands import beyond the needs of the package, and the extra that brings it.
EXTRAS = {
    "click": "cli",
    "rich": "cli",
    "pyarrow": "cli",
    "sklearn": "sklearn",
    "matplotlib": "bench",
}


def main() -> None:
    """Run the command line, or say what to install for it."""
    try:
        from fastloss.cli import run

        sys.exit(run())
    except KeyboardInterrupt:  # while this was imported
        sys.exit(130)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in EXTRAS:
            raise
        print(
            f"fastloss: this command needs {missing}: pip install 'fastloss[{EXTRAS[missing]}]'",
            file=sys.stderr,
        )
        sys.exit(2)


if __name__ == "__main__":
    main()
