# Sparse gradients: pairs of the indices of rows and their values. Rows that are given more than
# once are added up first, so that what remains is a dense array of rows, each of which belongs to
# another row of the parameter; everything that looks at gradients works on that array.

from libc.stdint cimport int64_t

cdef enum:
    DIGIT = 11              # bits that one pass of the sort looks at
    SUM_WIDTH = 256         # columns that are added up at a time


cdef struct RowSums:
    const char* values
    char* sums
    bint single
    const int64_t* place            # in the values, of each row
    const int64_t* first            # of each of those that are different
    Py_ssize_t m, width, count      # values, their columns, different rows
    int parts


cdef tuple read_pair(object pair, cnp.ndarray parameter, str name):
    """The rows of a sparse gradient in ascending order, each once, and their values."""
    cdef cnp.ndarray values
    cdef object indices, rows
    if len(pair) != 2:
        raise TypeError(
            f"{name} must be an array or a pair (row indices, values); "
            f"got a tuple of {len(pair)}")
    if cnp.PyArray_NDIM(parameter) == 0 or not cnp.PyArray_IS_C_CONTIGUOUS(parameter):
        raise ValueError(
            f"{name} must be dense: its parameter has no rows that are contiguous; "
            f"got a pair for shape {shape_of(parameter)}, strides {(<object>parameter).strides}")
    indices = as_array(pair[0], f"{name}[0]")
    if indices.ndim != 1 or (indices.dtype.kind not in "iu" and indices.size):
        raise TypeError(
            f"{name}[0] must hold row indices, integers in one axis; "
            f"got {indices.dtype} of shape {indices.shape}")
    values = as_array(pair[1], f"{name}[1]")
    if cnp.PyArray_TYPE(values) != cnp.PyArray_TYPE(parameter):
        raise TypeError(
            f"{name}[1] must be {parameter.dtype}, as its parameter is; got {values.dtype}, which "
            f".astype({parameter.dtype.name!r}) converts")
    expected = (len(indices), *shape_of(parameter)[1:])
    if shape_of(values) != expected:
        raise ValueError(
            f"{name}[1] must have the shape {expected}, a row of its parameter for each index; "
            f"got {shape_of(values)}")
    if not cnp.PyArray_ISCARRAY_RO(values):
        raise ValueError(
            f"{name}[1] must be a native array that is C-contiguous, as "
            f"numpy.ascontiguousarray makes it; "
            f"got dtype {values.dtype.str} and strides {(<object>values).strides}")
    rows = np.array(indices, np.int64)      # a copy: nobody changes it once it has been checked
    check_rows(rows, indices, cnp.PyArray_DIM(parameter, 0), f"{name}[0]")
    if ascending(<const int64_t*>cnp.PyArray_DATA(rows), len(rows)):
        return rows, values
    return add_up(rows, values, cnp.PyArray_DIM(parameter, 0))


cdef int check_rows(cnp.ndarray rows, object indices, Py_ssize_t n, str name) except -1:
    cdef const int64_t* row = <const int64_t*>cnp.PyArray_DATA(rows)
    cdef Py_ssize_t i
    for i in range(cnp.PyArray_SIZE(rows)):
        if row[i] < 0 or row[i] >= n:       # of uint64, what int64 lacks is negative now
            raise ValueError(
                f"{name}[{i}] = {indices[i]} is no row of its parameter, which has {n}")
    return 0


cdef bint ascending(const int64_t* row, Py_ssize_t m) noexcept:
    """Whether every row is larger than the one before."""
    cdef Py_ssize_t i
    for i in range(1, m):
        if row[i] <= row[i - 1]:
            return False
    return True


cdef tuple add_up(cnp.ndarray rows, cnp.ndarray values, Py_ssize_t n):
    """The rows in ascending order, each once, with the sum of the values that it was given."""
    cdef Py_ssize_t m = cnp.PyArray_SIZE(rows), i, count = 0
    cdef Py_ssize_t width = cnp.PyArray_SIZE(values) // m
    cdef object scratch = np.empty((4, m), np.int64)
    cdef int64_t* row = <int64_t*>cnp.PyArray_DATA(rows)
    cdef int64_t* place = <int64_t*>cnp.PyArray_DATA(scratch)
    cdef int64_t* first = place + 3 * m     # of each row, where its places begin
    cdef cnp.ndarray sums
    cdef RowSums job
    with nogil:
        sort_rows(row, place, place + m, place + 2 * m, m, n)
        for i in range(m):
            if i == 0 or row[i] != row[count - 1]:
                row[count] = row[i]
                first[count] = i
                count += 1
    sums = np.empty((count, *shape_of(values)[1:]), values.dtype)
    job.values, job.sums = cnp.PyArray_BYTES(values), cnp.PyArray_BYTES(sums)
    job.single = cnp.PyArray_TYPE(values) == cnp.NPY_FLOAT
    job.place, job.first = place, first
    job.m, job.width, job.count = m, width, count
    job.parts = threads_for(
        long_if(cnp.PyArray_NBYTES(values) >= UPDATE_PARALLEL_MIN), thread_count)
    with nogil:
        run_all(add_part, &job, job.parts, job.parts)
    return rows[:count], sums


cdef void sort_rows(
        int64_t* row, int64_t* place, int64_t* other_row, int64_t* other_place, Py_ssize_t m,
        Py_ssize_t n) noexcept nogil:
    """Sort rows that are less than n, and say for each where it was; equal ones stay in order."""
    cdef int64_t* start = row
    cdef int64_t* start_place = place
    cdef Py_ssize_t counts[1 << DIGIT]
    cdef Py_ssize_t i, total, this
    cdef int64_t digit
    cdef int shift = 0
    for i in range(m):
        place[i] = i
    while (n - 1) >> shift:
        memset(counts, 0, sizeof(counts))
        for i in range(m):
            counts[(row[i] >> shift) & ((1 << DIGIT) - 1)] += 1
        total = 0
        for i in range(1 << DIGIT):
            this = counts[i]
            counts[i] = total
            total += this
        for i in range(m):
            digit = (row[i] >> shift) & ((1 << DIGIT) - 1)
            other_row[counts[digit]] = row[i]
            other_place[counts[digit]] = place[i]
            counts[digit] += 1
        row, other_row = other_row, row
        place, other_place = other_place, place
        shift += DIGIT
    if row != start:
        memcpy(start, row, m * sizeof(int64_t))
        memcpy(start_place, place, m * sizeof(int64_t))


ctypedef fused Value:
    float
    double


cdef void add_part(void* given, int part, int thread) noexcept nogil:
    cdef const RowSums* job = <const RowSums*>given
    cdef Py_ssize_t low = job.count * part // job.parts, high = job.count * (part + 1) // job.parts
    if job.single:
        add_rows(job, <const float*>job.values, <float*>job.sums, low, high)
    else:
        add_rows(job, <const double*>job.values, <double*>job.sums, low, high)


cdef void add_rows(
        const RowSums* job, const Value* source, Value* target, Py_ssize_t low, Py_ssize_t high
        ) noexcept nogil:
    """For rows low..high the sums of their values, in double and in the order given."""
    cdef const int64_t* place = job.place
    cdef const int64_t* first = job.first
    cdef double sums[SUM_WIDTH]
    cdef Py_ssize_t i, j, k, column, n, stop, width = job.width
    cdef const Value* value
    for i in range(low, high):
        stop = first[i + 1] if i + 1 < job.count else job.m
        if stop - first[i] == 1:
            memcpy(target + i * width, source + place[first[i]] * width, width * sizeof(Value))
            continue
        column = 0
        while column < width:
            n = min(<Py_ssize_t>SUM_WIDTH, width - column)
            memset(sums, 0, sizeof(sums))
            for j in range(first[i], stop):
                value = source + place[j] * width + column
                for k in range(n):
                    sums[k] += value[k]
            for k in range(n):
                target[i * width + column + k] = <Value>sums[k]
            column += n
