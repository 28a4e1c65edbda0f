# Losses of several arrays of rows: their arguments, and the driver of triplets. Blocks and tasks
# are those of rows.pxi.

cdef struct TripletJob:
    Operand x[3]
    double margin, p
    bint swap
    double factor                   # of the gradients
    char* value
    char* grad[3]
    RowsJob rows                    # sizes, tasks, weights, and how outputs are written


def matching_arrays(dict given):
    """The arrays of one shape that are given by name, and the dtype to compute in."""
    arrays = [as_array(array, name) for name, array in given.items()]
    type_num = max([compute_type(array, name) for name, array in zip(given, arrays)])
    shapes = [shape_of(array) for array in arrays]
    if len(set(shapes)) > 1:
        raise ValueError(
            f"{', '.join(given)} must have one shape; got {', '.join(map(str, shapes))}")
    return arrays, np.dtype(np.float32 if type_num == cnp.NPY_FLOAT else np.float64)


def matching_rows(dict given):
    """Those of one shape (n, d)."""
    arrays = [as_array(array, name) for name, array in given.items()]
    shapes = [shape_of(array) for array in arrays]
    if len(set(shapes)) > 1 or len(shapes[0]) != 2 or shapes[0][1] == 0:
        raise ValueError(
            f"{', '.join(given)} must have one shape (n, d), d at least 1; "
            f"got {', '.join(map(str, shapes))}")
    return matching_arrays(dict(zip(given, arrays)))


def row_outputs(object out, list arrays, object dtype):
    """The arrays of out for a gradient by each array, or new ones."""
    cdef int type_num = dtype.num
    if out is None:
        out = (None,) * len(arrays)
    elif not isinstance(out, (tuple, list)) or len(out) != len(arrays):
        raise TypeError(f"out must be {len(arrays)} arrays here; got {type(out).__name__}")
    outs = [check_out(o, array, type_num) for o, array in zip(out, arrays)]
    for i, one in enumerate(outs):
        for other in outs[:i]:
            if overlap(one, other):
                raise ValueError("two arrays of out overlap in memory")
    return tuple(outs)


def separate_outputs(object out, dict given, list arrays, object dtype):
    """row_outputs(), each of which is one of the arrays as a whole or separate from them."""
    outs = row_outputs(out, arrays, dtype)
    for one in outs:
        for name, array in given.items():
            check_overlap(one, array, name, dtype.num)
    return outs


def triplet_margin(
        double margin, double p, bint swap, dict given, object sample_weight, object reduction_name,
        bint with_grad, object out):
    """The value, or with_grad the value and the gradients, of the triplet margin loss."""
    cdef int reduction = parse_reduction(reduction_name), i
    cdef cnp.ndarray w, value = None
    cdef TaskResult result
    cdef TripletJob t
    arrays, dtype = matching_rows(given)
    cdef cnp.ndarray rows = arrays[0][:, 0]
    grads = row_outputs(out, arrays, dtype) if with_grad else ()
    w = check_row_weight(sample_weight, arrays[0], 1)
    if reduction == NONE:
        value = np.empty(len(rows), dtype)
    try:
        start_triplets(&t, arrays, w, rows, dtype.num)
        t.margin, t.p, t.swap = margin, p, swap
        t.value = cnp.PyArray_BYTES(value) if value is not None else NULL
        for i, grad in enumerate(grads):
            t.grad[i] = cnp.PyArray_BYTES(grad)
            for name, array in zip(given, arrays):
                t.rows.staged |= check_overlap(grad, array, name, dtype.num)
            t.rows.staged |= check_overlap(grad, w, "sample_weight", dtype.num)
        t.rows.stream = (
            with_grad and t.rows.k <= FL_ROOM and not t.rows.staged
            and 6 * t.rows.n * t.rows.k * t.rows.itemsize > cache_bytes)
        t.rows.work = WEIGH
        if w is not None and with_grad:     # before anything is overwritten
            result = run_triplets(&t, reduction == MEAN, w)
        else:
            result.weight = result.count = t.rows.n
        t.factor = 1 / total_weight(&result) if with_grad and reduction == MEAN else 1
        t.rows.work = MAP
        result = run_triplets(&t, reduction == MEAN, w)
        total = value if reduction == NONE else (
            result.total / (total_weight(&result) if reduction == MEAN else 1))
        return (total, grads) if with_grad else total
    finally:
        end_triplets(&t)


cdef void start_triplets(
        TripletJob* t, list arrays, cnp.ndarray w, cnp.ndarray rows, int type_num) except *:
    cdef RowsJob* job = &t.rows
    cdef cnp.ndarray array
    cdef int i
    memset(t, 0, <size_t>(<char*>job - <char*>t))
    plan_rows(job, type_num, cnp.PyArray_SIZE(rows), cnp.PyArray_DIM(arrays[0], 1), 1)
    # three inputs, three outputs with what waits to be streamed, weights and values
    job.room = 6 * (job.block_bytes + LINE) + 16 * FL_ROWS + LINE
    for i in range(3):
        array = arrays[i]
        job.needs_gil |= open_operand(&t.x[i], array, array, type_num, job.threads)
    if w is not None:
        job.weighted = True
        job.needs_gil |= open_operand(&job.w, w, rows, cnp.NPY_DOUBLE, job.threads)
    reserve(job)


cdef void end_triplets(TripletJob* t) noexcept:
    cdef int i
    for i in range(3):
        close_operand(&t.x[i])
    close_operand(&t.rows.w)
    release(&t.rows)


# ---- running -----------------------------------------------------------------------------------

cdef WeightStats triplet_weights(
        TripletJob* t, int thread, Py_ssize_t start, Py_ssize_t n, double* w) noexcept nogil:
    """The weights of n rows, with zeros up to full lanes."""
    cdef const char* given
    cdef Py_ssize_t i
    if t.rows.weighted:
        given = read(&t.rows.w, thread, start, n, <char*>w)
        if given != <char*>w:
            memcpy(w, given, n * sizeof(double))
        for i in range(n):
            w[i] = boosted(w[i], t.rows.boost)
    else:
        for i in range(n):
            w[i] = 1
    for i in range(n, FL_ROWS):
        w[i] = 0
    return kernels.weighing[1].stats(w, FL_ROWS)


cdef void triplet_block(
        TripletJob* t, Triplets* b, int thread, Py_ssize_t start, char* buffers, bint last,
        Py_ssize_t* carried) noexcept nogil:
    cdef Py_ssize_t size = t.rows.k * t.rows.itemsize, stride = t.rows.block_bytes + LINE
    cdef bint direct = not (t.rows.staged or t.rows.stream)
    cdef char* place
    cdef int i
    for i in range(3):
        b.x[i] = read(&t.x[i], thread, start * t.rows.k, b.n * t.rows.k, buffers + i * stride)
        if t.grad[i] != NULL:
            b.grad[i] = t.grad[i] + start * size if direct else buffers + (i + 3) * stride + LINE
    kernels.triplets[t.rows.dtype](b)
    for i in range(3):
        if t.grad[i] != NULL and not direct:
            place = t.grad[i] + start * size
            if t.rows.stream:
                stream_lines(
                    t.rows.passes, place, <char*>b.grad[i], b.n * size, last, &carried[i])
            else:
                memcpy(place, b.grad[i], b.n * size)


cdef void triplet_task(void* given, int task, int thread) noexcept nogil:
    cdef TripletJob* t = <TripletJob*>given
    cdef RowsJob* job = &t.rows
    cdef Triplets b
    cdef TaskResult result
    cdef WeightStats stats
    cdef double lanes[LANES]
    cdef Py_ssize_t carried[3]
    cdef Py_ssize_t i, start = task * job.per_task, stop = min(start + job.per_task, job.n)
    cdef char* memory = job.memory + thread * job.room
    memory = <char*>((<size_t>memory + LINE - 1) & ~<size_t>(LINE - 1))
    memset(&b, 0, sizeof(b))
    memset(&result, 0, sizeof(result))
    memset(lanes, 0, sizeof(lanes))
    memset(carried, 0, sizeof(carried))
    b.k = job.k
    b.margin, b.p, b.swap = t.margin, t.p, t.swap
    b.factor = t.factor
    b.weight = <double*>memory
    b.value = b.weight + FL_ROWS
    result.failed = -1
    result.no_memory = not seek(&job.w, thread, start, stop)
    for i in range(3):
        result.no_memory |= not seek(&t.x[i], thread, start * job.k, stop * job.k)
    while start < stop and not result.no_memory:
        b.n = min(stop - start, job.rows)
        stats = triplet_weights(t, thread, start, b.n, b.weight)
        if not stats.finite:
            result.failed = start
            break
        result.weight += stats.total
        result.count += stats.nonzero
        if job.work == MAP:
            memset(b.value, 0, FL_ROWS * sizeof(double))
            triplet_block(
                t, &b, thread, start, memory + 16 * FL_ROWS, start + b.n == stop, carried)
            kernels.passes[1].sum(b.value, FL_ROWS, lanes)
            if t.value != NULL:
                for i in range(b.n):
                    if job.dtype == 0:
                        (<float*>t.value)[start + i] = <float>b.value[i]
                    else:
                        (<double*>t.value)[start + i] = b.value[i]
        start += b.n
    result.total = fold(lanes)
    job.results[task] = result
    if job.stream:
        kernels.fence()


cdef TaskResult run_triplets(TripletJob* t, bint mean, cnp.ndarray w) except *:
    cdef RowsJob* job = &t.rows
    cdef TaskResult result = run_in_range(
        triplet_task, t, job.results, job.tasks, job.threads, job.needs_gil,
        mean and job.weighted, &job.boost)
    if result.failed >= 0:
        for r in range(result.failed, job.n):
            if not np.isfinite(np.float64(w[r])):
                raise DomainError("sample_weight", (r,), w[r], "finite")
        raise ValueError("the sum of sample_weight overflows")
    if mean and job.weighted:
        check_total(&result)
    return result
