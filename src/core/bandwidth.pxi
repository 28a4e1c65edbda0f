# What memory allows: loops that do nothing but move data, for benchmarks to compare with. Names and
# traffic are those of STREAM (McCalpin, 1995), where stores go past the cache, but for the one that
# updates arrays in place, as optimizers do.

from libc.stdint cimport uint64_t


cdef uint64_t move(
        const double* a, const double* b, double* c, Py_ssize_t n) noexcept nogil:
    cdef double block[BLOCK]
    cdef uint64_t bits = 0
    cdef Py_ssize_t i, size, k = 0
    if c == NULL:
        for i in range(n):
            bits ^= (<const uint64_t*>a)[i] + (<const uint64_t*>b)[i]
        return bits
    while k < n:
        size = min(n - k, <Py_ssize_t>BLOCK)
        if b == NULL:
            kernels.passes[1].stream(a + k, 8 * size, c + k)
        else:
            for i in range(size):
                block[i] = a[k + i] + 3.0 * b[k + i]
            kernels.passes[1].stream(block, 8 * size, c + k)
        k += size
    kernels.fence()
    return 0


cdef double* doubles(object array) except? NULL:
    return NULL if array is None else <double*>cnp.PyArray_DATA(<cnp.ndarray?>array)


def move_memory(a, b, c):
    """Read contiguous float64 arrays a and b, or write a, or a + 3 b, to c; None for none."""
    cdef const double* first = doubles(a)
    cdef const double* second = doubles(b)
    cdef double* third = doubles(c)
    cdef Py_ssize_t n = len(a), start, part
    cdef int task
    cdef uint64_t bits = 0
    part = ((n + thread_count - 1) // thread_count + BLOCK - 1) // BLOCK * BLOCK    # whole lines
    with nogil:
        for task in prange(thread_count, schedule="static", num_threads=thread_count):
            start = min(n, task * part)
            bits ^= move(
                first + start, second + start if second != NULL else NULL,
                third + start if third != NULL else NULL, min(n, start + part) - start)
    return bits


cdef void update(
        const double* a, double** updated, Py_ssize_t count,
        Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    """A line of each array after the other: longer pieces are slower."""
    cdef double* x
    cdef Py_ssize_t i, k, end
    while start < stop:
        end = min(start + LINE // 8, stop)
        for k in range(count):
            x = updated[k]
            for i in range(start, end):
                x[i] = 0.5 * x[i] + a[i]
        start = end


def update_memory(a, list updated):
    """Read a contiguous float64 array, and update up to four others in place."""
    cdef double* others[STATES + 1]
    cdef const double* first = doubles(a)
    cdef Py_ssize_t n = len(a), k, count = len(updated)
    for k in range(count):
        others[k] = doubles(updated[k])
    with nogil:
        for k in prange(
                (n + UPDATE_BLOCK - 1) // UPDATE_BLOCK, schedule="static",
                num_threads=thread_count):
            update(first, others, count, k * UPDATE_BLOCK, min(n, (k + 1) * UPDATE_BLOCK))
