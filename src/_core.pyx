# cython: language_level=3, cdivision=True, freethreading_compatible=True, embedsignature=True
# cython: auto_pickle=False
"""The compiled core: argument checks, the drivers, and the bases of losses and optimizers."""

import importlib
import os
from decimal import Decimal
from numbers import Integral, Real

import numpy as np

cimport numpy as cnp
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.object cimport PyObject
from cython.parallel cimport prange
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.math cimport INFINITY, fabs, isnan, sqrt
from libc.string cimport memcmp, memcpy, memmove, memset
from kernel_table cimport *

cnp.import_array()

cdef extern from "numpy/arrayobject.h":
    int NPY_HALF

cdef Py_ssize_t cache_bytes = 1 << 25


include "core/team.pxi"


def configure(*, threads=None, cache=None, insist=None):
    """Set the number of threads, the size of the last-level cache in bytes, or whether threads are
    used however busy the machine is."""
    global thread_count, cache_bytes, team_insists
    if threads is not None:
        thread_count = threads
    if cache is not None:
        cache_bytes = cache
    if insist is not None:
        team_insists = insist


def get_thread_count():
    return thread_count


def stay_serial():
    """Never start threads again."""
    global serial
    serial = True


include "core/isa.pxi"
include "core/operand.pxi"
include "core/exact.pxi"
include "core/driver.pxi"
include "core/arguments.pxi"
include "core/loss.pxi"
include "core/score.pxi"
include "core/penalty.pxi"
include "core/rows.pxi"
include "core/row_loss.pxi"
include "core/linear.pxi"
include "core/capi.pxi"
include "core/metric.pxi"
include "core/ctc.pxi"
include "core/optimizer.pxi"
include "core/sparse.pxi"
include "core/factored.pxi"
include "core/staged.pxi"
include "core/bandwidth.pxi"
