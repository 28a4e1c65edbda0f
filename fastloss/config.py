"""What this build of fastloss is and runs on."""

from __future__ import annotations

import os
import platform
import sys

import numpy as np

from fastloss import _core
from fastloss.threads import default_threads, get_num_threads
from fastloss.version import __version__


def last_level_cache() -> int:
    """Bytes of the last-level cache, or 32 MiB where the system does not tell."""
    for name in ("SC_LEVEL3_CACHE_SIZE", "SC_LEVEL2_CACHE_SIZE"):
        try:
            size = os.sysconf(name)
        except (AttributeError, OSError, ValueError):
            break
        if size > 0:
            return size
    return 1 << 25


def get_include() -> str:
    """Give the folder of ``fastloss.h``, for the include path of a C compiler.

    Other packages call pointwise losses from compiled code by way of this header, or of ``cimport
    fastloss``, which needs it too.

    Returns
    -------
    str

    Examples
    --------
    >>> import os
    >>> import fastloss as fl
    >>> sorted(os.listdir(fl.get_include()))
    ['fastloss.h', 'kernels']
    """
    return os.path.join(os.path.dirname(__file__), "include")


def show_config() -> None:
    """Print version, instruction sets, threads and compiler.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.show_config()  # doctest: +ELLIPSIS
    fastloss ...
    """
    available = ", ".join(_core.available_isas())
    rows = {
        "instruction set": f"{_core.isa} (available: {available}; FASTLOSS_ISA forces one)",
        "threads": f"{get_num_threads()} (default here: {default_threads()})",
        "OpenMP": "yes" if _core.openmp else "no: built for one thread",
        "last-level cache": f"{last_level_cache() >> 20} MiB",
        "compiler": _core.compiler,
        "NumPy": np.__version__,
        "Python": sys.version.split()[0],
        "platform": platform.platform(),
    }
    print(f"fastloss {__version__}")
    for name, value in rows.items():
        print(f"  {name + ':':<18}{value}")
