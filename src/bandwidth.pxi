# What memory allows: loops that do nothing but move data, for benchmarks to compare with. Their
# names and traffic are those of STREAM (McCalpin, 1995); stores go past the cache.

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
