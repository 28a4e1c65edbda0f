# Sums over rows without rounding: of many losses in one pass over the inputs, or of columns of
# numbers and of their products.

cdef Exact* start_sums(int threads, Py_ssize_t n_groups, int n_terms) except NULL:
    cdef Exact* sums = <Exact*>calloc(threads, sizeof(Exact))
    cdef int i
    if sums == NULL:
        raise MemoryError()
    try:
        for i in range(threads):
            start_exact(&sums[i], n_groups, n_terms)
    except MemoryError:
        end_sums(sums, threads)
        raise
    return sums


cdef void end_sums(Exact* sums, int threads) noexcept:
    cdef int i
    if sums != NULL:
        for i in range(threads):
            end_exact(&sums[i])
        free(sums)


cdef const Py_ssize_t* check_groups(cnp.ndarray groups, cnp.ndarray like) except? NULL:
    """Where the numbers of groups lie; NULL without groups."""
    if groups is None:
        return NULL
    if not (is_direct(groups, cnp.NPY_INTP) and same_shape(groups, like)):
        raise ValueError(f"groups must have y_true's shape {shape_of(like)}; got {shape_of(groups)}")
    return <const Py_ssize_t*>cnp.PyArray_DATA(groups)


def score_sums(
        list losses, y_true, y_pred, sample_weight, nan_policy_name, groups, Py_ssize_t n_groups):
    """Weighted sums of several losses in one pass, and of the weights if there are any.

    groups: None, or for each sample a number in 0..n_groups - 1 (intp, contiguous).
    Returns digits, the place of the first, special sums and counts, as collect() has them.
    """
    cdef cnp.ndarray y = as_array(y_true, "y_true"), z = as_array(y_pred, "y_pred")
    cdef cnp.ndarray w
    cdef int type_num = check_pair(y, z), nan_policy = parse_nan_policy(nan_policy_name), i
    cdef PointwiseLoss loss
    cdef TaskResult result
    cdef Job job
    cdef Term* terms = NULL
    cdef const Py_ssize_t* numbers = check_groups(groups, y)
    w = check_weight(sample_weight, y)
    for loss in losses:
        check_bound(loss)
    try:
        start_job(&job, y, z, w, type_num, nan_policy, MAX_TASKS)
        job.work = SCORE
        job.n_terms = len(losses)
        terms = <Term*>PyMem_Calloc(len(losses), sizeof(Term))
        if terms == NULL:
            raise MemoryError()
        job.terms = terms
        for i, loss in enumerate(losses):
            set_checks(&job, loss)
            terms[i].maps = loss.maps + job.dtype * N_MODES
            memcpy(terms[i].parameters, loss.kernel_parameters, sizeof(terms[i].parameters))
        job.groups = numbers
        job.sums = start_sums(job.threads, n_groups, job.n_terms + (job.weighted or job.omit))
        result = run(&job)
        if result.failed >= 0:
            fail(&job, result.failed, y, z, w, losses)
        return collect(job.sums, job.threads)
    finally:
        end_sums(job.sums, job.threads)
        PyMem_Free(terms)
        end_job(&job)


# ---- columns -----------------------------------------------------------------------------------

cdef enum:
    MAX_COLUMNS = 64

cdef struct ColumnsJob:             # sums of columns times weights, then of products of two of these
    int n_columns, n_pairs, threads, tasks
    Py_ssize_t n, per_task, weight_size
    const char* column[MAX_COLUMNS]
    Py_ssize_t size[MAX_COLUMNS]    # bytes of a number
    const char* w                   # the weights, which are the last column; NULL: all 1
    int* pairs
    const Py_ssize_t* groups
    Exact* sums


cdef inline void load_column(
        ColumnsJob* job, int c, Py_ssize_t start, Py_ssize_t n, double* to) noexcept nogil:
    """A column times the weights, rounded as float32 if both are; where weights are 0, 0."""
    cdef const char* v = job.column[c] + start * job.size[c]
    cdef const char* w
    cdef Py_ssize_t i
    cdef double weight
    cdef float single
    for i in range(n):
        to[i] = number(v, job.size[c], i)
    if job.w != NULL:
        w = job.w + start * job.weight_size
        for i in range(n):
            weight = number(w, job.weight_size, i)
            to[i] = 0 if weight == 0 else to[i] * weight
        if job.size[c] == 4 and job.weight_size == 4:
            for i in range(n):
                single = <float>to[i]
                to[i] = single if 2.0 ** -126 <= fabs(single) < INFINITY else to[i]
    memset(to + n, 0, (((n + LANES - 1) & -LANES) - n) * sizeof(double))


cdef void columns_task(void* given, int task, int thread) noexcept nogil:
    cdef ColumnsJob* job = <ColumnsJob*>given
    cdef Exact* sums = &job.sums[thread]
    cdef Py_ssize_t start = task * job.per_task, stop = min(start + job.per_task, job.n)
    cdef Py_ssize_t n, i, nonzero, width = job.n_columns + (job.w != NULL)
    cdef const Py_ssize_t* group
    cdef double* values = <double*>malloc((width + 2) * BLOCK * sizeof(double))
    cdef double* term = values + width * BLOCK
    cdef double* rest = term + BLOCK
    cdef const char* w = NULL
    cdef bint same
    cdef int c
    if values == NULL:
        sums.no_memory = True
        return
    while start < stop:
        n = min(<Py_ssize_t>BLOCK, stop - start)
        group = NULL if job.groups == NULL else job.groups + start
        same = group == NULL or all_same(group, n)
        for c in range(job.n_columns):
            load_column(job, c, start, n, values + c * BLOCK)
        nonzero = n
        if job.w != NULL:
            w = job.w + start * job.weight_size
            nonzero = 0
            for i in range(n):
                values[(width - 1) * BLOCK + i] = number(w, job.weight_size, i)
                nonzero += number(w, job.weight_size, i) != 0
            memset(values + (width - 1) * BLOCK + n, 0,
                   (((n + LANES - 1) & -LANES) - n) * sizeof(double))
        count_rows(sums, group, same, n, nonzero, w, job.weight_size)
        for c in range(job.n_pairs):
            kernels.exact.multiply(
                values + job.pairs[2 * c] * BLOCK, values + job.pairs[2 * c + 1] * BLOCK,
                (n + LANES - 1) & -LANES, term, rest)
            add_terms(sums, width + c, group, same, term, n)
            add_terms(sums, width + c, group, same, rest, n)
        for c in range(width):          # last, as this loses them
            add_terms(sums, c, group, same, values + c * BLOCK, n)
        start += n
    free(values)


def column_sums(
        list columns, cnp.ndarray weights, cnp.ndarray groups, Py_ssize_t n_groups, list pairs):
    """Sums of columns times weights, of the weights if there are any, and of products of pairs.

    columns, weights: contiguous arrays of one length, of float32 or float64.
    groups: as of score_sums.
    pairs: numbers of columns, of which the weights are the last.
    Returns what score_sums does.
    """
    cdef ColumnsJob job
    cdef cnp.ndarray column
    cdef cnp.ndarray numbers = np.array(pairs, np.intc).reshape(-1)
    cdef int i, width = len(columns) + (weights is not None)
    cdef Py_ssize_t blocks
    memset(&job, 0, sizeof(job))
    job.n_columns, job.n_pairs = len(columns), len(pairs)
    if job.n_columns > MAX_COLUMNS:
        raise ValueError(f"at most {MAX_COLUMNS} columns can be summed at once")
    job.n = len(columns[0])
    for i, column in enumerate(columns if weights is None else [*columns, weights]):
        if not (len(column) == job.n and is_direct(column, column.dtype.num)
                and column.dtype.kind == "f" and column.dtype.itemsize in (4, 8)):
            raise ValueError("columns must be contiguous arrays of one length, of floats")
        if i < job.n_columns:
            job.column[i] = cnp.PyArray_BYTES(column)
            job.size[i] = column.dtype.itemsize
        else:
            job.w = cnp.PyArray_BYTES(column)
            job.weight_size = column.dtype.itemsize
    if job.n_pairs and not 0 <= numbers.min() <= numbers.max() < width:
        raise ValueError("pairs must be of columns that there are")
    job.pairs = <int*>cnp.PyArray_DATA(numbers)
    job.groups = check_groups(groups, columns[0])
    blocks = (job.n + BLOCK - 1) // BLOCK
    job.per_task = max((blocks + MAX_TASKS - 1) // MAX_TASKS, 1) * BLOCK
    job.tasks = <int>((job.n + job.per_task - 1) // job.per_task)
    job.threads = max(1, min(thread_count, job.tasks)) if (
        job.n >= PARALLEL_MIN and not serial) else 1
    try:
        job.sums = start_sums(job.threads, n_groups, width + job.n_pairs)
        with nogil:
            if job.threads == 1:
                in_turn(columns_task, &job, job.tasks)
            else:
                in_parallel(columns_task, &job, job.tasks, job.threads)
        return collect(job.sums, job.threads)
    finally:
        end_sums(job.sums, job.threads)
