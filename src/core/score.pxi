# Sums over rows without rounding: of many losses in one pass over the inputs, of one model or of
# several, or of columns of numbers; and of products of two of these.

cdef struct Columns:                # what sums are of; products of pairs follow
    int width                       # columns, the weights among them, which come last
    int n_pairs
    int* pairs
    const Py_ssize_t* groups        # each row's group; NULL: all are of one
    Exact* sums                     # of each thread

cdef struct ScoreJob:
    Columns columns                 # each loss of the first model, of the second, ..., the weights
    int n_models, n_losses          # losses that differ in more than their domains
    int threads                     # that all models have readers for
    Job* models                     # they differ in their predictions
    Term* terms                     # of each model each loss
    bint weighted                   # whether there are weights, of which some may be for gaps
    TaskResult results[MAX_TASKS]   # failed: times the number of models, and which of them


cdef void start_columns(Columns* columns, int threads, int width, cnp.ndarray pairs,
                        cnp.ndarray groups, cnp.ndarray like, Py_ssize_t n_groups) except *:
    cdef int i
    columns.width = width
    columns.n_pairs = <int>(cnp.PyArray_SIZE(pairs) // 2)
    columns.pairs = <int*>cnp.PyArray_DATA(pairs)
    if columns.n_pairs and not 0 <= pairs.min() <= pairs.max() < width:
        raise ValueError("pairs must be of columns that there are")
    if groups is not None:
        if not (is_direct(groups, cnp.NPY_INTP) and same_shape(groups, like)):
            raise ValueError(
                f"groups must have y_true's shape {shape_of(like)}; got {shape_of(groups)}")
        columns.groups = <const Py_ssize_t*>cnp.PyArray_DATA(groups)
    columns.sums = <Exact*>calloc(threads, sizeof(Exact))
    if columns.sums == NULL:
        raise MemoryError()
    for i in range(threads):
        start_exact(&columns.sums[i], n_groups, width + columns.n_pairs)


cdef void end_columns(Columns* columns, int threads) noexcept:
    cdef int i
    if columns.sums != NULL:
        for i in range(threads):
            end_exact(&columns.sums[i])
        free(columns.sums)


cdef double* block_of_columns(Columns* columns, Exact* sums) noexcept nogil:
    """Room for a block of each column, and for two more; NULL if there is no memory."""
    if sums.values == NULL:
        sums.values = <double*>zeros((columns.width + 2) * BLOCK)
        sums.no_memory |= sums.values == NULL
    return sums.values


cdef void add_columns(
        Columns* columns, Exact* sums, const Py_ssize_t* group, bint same, Py_ssize_t n
        ) noexcept nogil:
    """Add a block of columns, and of their products; the columns are lost."""
    cdef double* values = sums.values
    cdef double* term = values + columns.width * BLOCK
    cdef double* rest = term + BLOCK
    cdef const int* pair = columns.pairs
    cdef bint some
    cdef int c
    for c in range(columns.n_pairs):
        some = kernels.exact.multiply(
            values + pair[0] * BLOCK, values + pair[1] * BLOCK, (n + LANES - 1) & -LANES, term, rest)
        add_terms(sums, columns.width + c, group, same, term, n)
        if some:                        # second, as the larger ones choose the unit
            add_terms(sums, columns.width + c, group, same, rest, n)
        pair += 2
    for c in range(columns.width):
        add_terms(sums, c, group, same, values + c * BLOCK, n)


# ---- losses ------------------------------------------------------------------------------------

cdef void add_values(
        Job* job, Exact* sums, int t, const Py_ssize_t* group, bint same, Scratch* s, Block* b
        ) noexcept nogil:
    """Add the weighted values of a loss, of which there are more than rows in the last block."""
    cdef double* terms = <double*>s.scaled
    if b.w == NULL:
        memset(s.value + b.n * job.itemsize, 0, (b.padded - b.n) * job.itemsize)
    elif job.weight_size == 8 or not kernels.exact.multiply_floats(
            <const float*>s.value, <const float*>b.w, b.padded, <float*>s.grad):
        job.weighing.products(s.value, b.w, b.padded, terms)
        add_terms(sums, t, group, same, terms, b.n)
        return
    if job.itemsize == 8:
        add_terms(sums, t, group, same, <double*>s.value, b.n)
    else:
        add_floats(
            sums, t, group, same, <const float*>(s.value if b.w == NULL else s.grad), terms, b.n)


cdef bint score_block(
        ScoreJob* job, int thread, Py_ssize_t start, Py_ssize_t n, const Py_ssize_t* group,
        bint same, Scratch* s) noexcept nogil:
    """Add the sums of a block of one model; False if one of its rows is bad."""
    cdef Job* model = job.models
    cdef Exact* sums = &job.columns.sums[thread]
    cdef Block b
    cdef int t
    b.last = False
    if not load(model, thread, start, n, s, &b):
        return False
    for t in range(job.n_losses):
        job.terms[t].maps[VALUE](
            job.terms[t].parameters, b.y, b.z, b.padded, 1, s.value, NULL, NULL)
        clear_absent(model, &b, s.value)
        add_values(model, sums, t, group, same, s, &b)
    count_rows(sums, group, same, n, b.count, b.w, model.weight_size)
    if b.w != NULL and model.weight_size == 4:
        add_floats(sums, t + 1, group, same, <const float*>b.w, <double*>s.scaled, n)
    elif b.w != NULL:
        memcpy(s.scaled, b.w, 8 * b.padded)
        add_terms(sums, t + 1, group, same, <double*>s.scaled, n)
    return True


cdef void put_column(Job* job, Scratch* s, Block* b, double* to) noexcept nogil:
    """The weighted values of a loss, as double."""
    if b.w != NULL:
        job.weighing.products(s.value, b.w, b.padded, to)
        return
    memset(s.value + b.n * job.itemsize, 0, (b.padded - b.n) * job.itemsize)
    if job.itemsize == 8:
        memcpy(to, s.value, 8 * b.padded)
    else:
        kernels.exact.widen(<const float*>s.value, b.padded, to)


cdef int compare_block(
        ScoreJob* job, int thread, Py_ssize_t start, Py_ssize_t n, const Py_ssize_t* group,
        bint same, Scratch* s) noexcept nogil:
    """Add the sums of a block of each model, and of products; which model has a bad row, or -1."""
    cdef Exact* sums = &job.columns.sums[thread]
    cdef double* values = block_of_columns(&job.columns, sums)
    cdef double* weight
    cdef Py_ssize_t i, nonzero = n
    cdef Block b
    cdef Term* term
    cdef int m, t
    b.last = False
    if values == NULL:
        return -1
    weight = values + (job.columns.width - 1) * BLOCK
    for m in range(job.n_models):
        if not load(&job.models[m], thread, start, n, s, &b):
            return m
        for t in range(job.n_losses):
            term = &job.terms[m * job.n_losses + t]
            term.maps[VALUE](term.parameters, b.y, b.z, b.padded, 1, s.value, NULL, NULL)
            clear_absent(&job.models[m], &b, s.value)
            put_column(&job.models[m], s, &b, values + (m * job.n_losses + t) * BLOCK)
        if job.weighted:
            for i in range(b.padded):       # a row that one model lacks is not compared
                if m == 0 or number(b.w, job.models[m].weight_size, i) == 0:
                    weight[i] = number(b.w, job.models[m].weight_size, i)
    if job.weighted:
        nonzero = 0
        for i in range(n):
            nonzero += weight[i] != 0
        if nonzero < n and job.n_models > 1:
            for t in range(job.columns.width - 1):
                for i in range(n):
                    values[t * BLOCK + i] = 0 if weight[i] == 0 else values[t * BLOCK + i]
    count_rows(sums, group, same, n, nonzero, <const char*>weight if job.weighted else NULL, 8)
    add_columns(&job.columns, sums, group, same, n)
    return -1


cdef void score_task(void* given, int task, int thread) noexcept nogil:
    cdef ScoreJob* job = <ScoreJob*>given
    cdef Job* first = job.models
    cdef Exact* sums = &job.columns.sums[thread]
    cdef char memory[SCRATCH_BYTES]
    cdef Scratch s = scratch_in(memory)
    cdef Py_ssize_t n, start = task * first.per_task, stop = min(start + first.per_task, first.n)
    cdef const Py_ssize_t* group = NULL
    cdef bint same
    cdef int m, failed = -1
    cdef TaskResult result
    memset(&result, 0, sizeof(result))
    result.failed = -1
    for m in range(job.n_models):
        result.no_memory |= not (
            seek(&job.models[m].y, thread, start, stop)
            and seek(&job.models[m].z, thread, start, stop)
            and seek(&job.models[m].w, thread, start, stop))
    while start < stop and failed < 0 and not result.no_memory:
        n = min(<Py_ssize_t>BLOCK, stop - start)
        if job.columns.groups != NULL:
            group = job.columns.groups + start
        same = group == NULL or all_same(group, n)
        if job.columns.n_pairs or job.n_models > 1:
            failed = compare_block(job, thread, start, n, group, same, &s)
        else:
            failed = -1 if score_block(job, thread, start, n, group, same, &s) else 0
        if failed >= 0:
            break
        add_staged(sums, group, n)
        start += n
    if failed >= 0:
        result.failed = start * job.n_models + failed
    job.results[task] = result


cdef bint same_values(PointwiseLoss a, PointwiseLoss b) noexcept:
    """Whether two losses have the same values, as the mean squared error and its root have."""
    return a.maps == b.maps and memcmp(
        a.kernel_parameters, b.kernel_parameters, sizeof(a.kernel_parameters)) == 0


cdef list distinct_of(list losses, list places):
    """Those of the losses that have values of their own; places: where each loss's are."""
    cdef list found = []
    cdef PointwiseLoss loss, other
    cdef int i
    for loss in losses:
        i = 0
        for other in found:
            if same_values(loss, other):
                break
            i += 1
        else:
            found.append(loss)
        places.append(i)
    return found


def score_sums(
        list losses, y_true, dict y_preds, sample_weight, nan_policy_name, groups,
        Py_ssize_t n_groups, list pairs):
    """Weighted sums of several losses in one pass, of the weights if there are any, and of products.

    y_preds: the predictions of each model by the name that errors give them.
    groups: None, or for each sample a number in 0..n_groups - 1 (intp, contiguous).
    pairs: numbers of columns: the losses of one model after those of the other, then the weights.
    Returns digits, the place of the first, special sums and counts, as collect() has them; the
    terms are the columns and the products.
    """
    cdef list places = [], own = distinct_of(losses, places), columns, products
    cdef Py_ssize_t m
    if len(own) == len(losses):
        return score_distinct(
            losses, own, y_true, y_preds, sample_weight, nan_policy_name, groups, n_groups, pairs)
    # what has the same values is computed once, and its sums are given to each
    columns = [m * len(own) + place for m in range(len(y_preds)) for place in places]
    if sample_weight is not None or nan_policy_name == "omit":
        columns.append(len(y_preds) * len(own))
    pairs = [(columns[a], columns[b]) for a, b in pairs]
    products = list(dict.fromkeys(pairs))
    digits, first, special, counts = score_distinct(
        losses, own, y_true, y_preds, sample_weight, nan_policy_name, groups, n_groups, products)
    m = digits.shape[1] - len(products)
    columns += [m + products.index(pair) for pair in pairs]
    return digits[:, columns], first, None if special is None else special[:, columns], counts


cdef tuple score_distinct(
        list losses, list own, y_true, dict y_preds, sample_weight, nan_policy_name, groups,
        Py_ssize_t n_groups, list pairs):
    """score_sums(), of which own are the losses whose values are summed; all see the samples."""
    cdef cnp.ndarray y = as_array(y_true, "y_true"), z, w = None
    cdef cnp.ndarray numbers = np.array(pairs, np.intc).reshape(-1)
    cdef int nan_policy = parse_nan_policy(nan_policy_name), i, m, type_num
    cdef PointwiseLoss loss
    cdef TaskResult result
    cdef ScoreJob* job = NULL
    cdef Job* model
    cdef Term* term
    cdef bint needs_gil = False
    cdef list arrays = [as_array(given, name) for name, given in y_preds.items()]
    for loss in losses:
        check_bound(loss)
    for z in arrays:
        check_pair(y, z)
    w = check_weight(sample_weight, y)
    try:
        job = <ScoreJob*>PyMem_Calloc(1, sizeof(ScoreJob))
        if job == NULL:
            raise MemoryError()
        job.n_losses, job.n_models = len(own), 0
        job.models = <Job*>PyMem_Calloc(len(arrays), sizeof(Job))
        job.terms = <Term*>PyMem_Calloc(len(arrays) * len(own), sizeof(Term))
        if job.models == NULL or job.terms == NULL:
            raise MemoryError()
        for m, z in enumerate(arrays):
            model = &job.models[m]
            job.n_models += 1
            start_job(model, y, z, w, check_pair(y, z), nan_policy)
            model.work = MAP
            job.threads = min(job.threads, model.threads) if m else model.threads
            needs_gil |= model.needs_gil
            for loss in losses:
                set_checks(model, loss)
            for i, loss in enumerate(own):
                term = &job.terms[m * job.n_losses + i]
                term.maps = loss.maps + model.dtype * N_MODES
                memcpy(term.parameters, loss.kernel_parameters, sizeof(term.parameters))
        model = job.models
        job.weighted = model.weighted or model.omit
        start_columns(
            &job.columns, job.threads, job.n_models * job.n_losses + job.weighted, numbers,
            groups, y, n_groups)
        result = run_tasks(
            score_task, job, job.results, model.tasks, job.threads, needs_gil or model.tasks <= 1)
        if result.failed >= 0:
            m = <int>(result.failed % job.n_models)
            fail(&job.models[m], result.failed // job.n_models, y, arrays[m], w, losses,
                 list(y_preds)[m])
        return collect(job.columns.sums, job.threads)
    finally:
        if job != NULL:
            end_columns(&job.columns, job.threads)
            for m in range(job.n_models):
                end_job(&job.models[m])
            PyMem_Free(job.models)
            PyMem_Free(job.terms)
            PyMem_Free(job)


# ---- columns -----------------------------------------------------------------------------------

cdef struct ColumnsJob:             # sums of columns that are there, times weights
    Columns columns
    int n_columns, threads, tasks
    Py_ssize_t n, per_task, weight_size
    const char** column
    Py_ssize_t* size                # bytes of a number
    const char* w                   # NULL: all 1


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
    clear_rest(to, n)


cdef inline void clear_rest(double* v, Py_ssize_t n) noexcept nogil:
    """Zeros behind n numbers, up to full lanes."""
    memset(v + n, 0, (((n + LANES - 1) & -LANES) - n) * sizeof(double))


cdef void columns_task(void* given, int task, int thread) noexcept nogil:
    cdef ColumnsJob* job = <ColumnsJob*>given
    cdef Exact* sums = &job.columns.sums[thread]
    cdef Py_ssize_t start = task * job.per_task, stop = min(start + job.per_task, job.n)
    cdef Py_ssize_t n, i, nonzero
    cdef const Py_ssize_t* group = NULL
    cdef double* values = block_of_columns(&job.columns, sums)
    cdef double* weight
    cdef const char* w = NULL
    cdef bint same
    cdef int c
    while start < stop and values != NULL:
        n = min(<Py_ssize_t>BLOCK, stop - start)
        if job.columns.groups != NULL:
            group = job.columns.groups + start
        same = group == NULL or all_same(group, n)
        for c in range(job.n_columns):
            load_column(job, c, start, n, values + c * BLOCK)
        nonzero = n
        if job.w != NULL:
            weight = values + (job.columns.width - 1) * BLOCK
            w = job.w + start * job.weight_size
            nonzero = 0
            for i in range(n):
                weight[i] = number(w, job.weight_size, i)
                nonzero += weight[i] != 0
            clear_rest(weight, n)
        count_rows(sums, group, same, n, nonzero, w, job.weight_size)
        add_columns(&job.columns, sums, group, same, n)
        add_staged(sums, group, n)
        start += n


def column_sums(
        list columns, cnp.ndarray weights, cnp.ndarray groups, Py_ssize_t n_groups, list pairs):
    """Sums of columns times weights, of the weights if there are any, and of products of pairs.

    columns, weights: contiguous arrays of one length, of float32 or float64.
    The rest is as of score_sums.
    """
    cdef ColumnsJob job
    cdef cnp.ndarray column
    cdef cnp.ndarray numbers = np.array(pairs, np.intc).reshape(-1)
    cdef cnp.ndarray addresses = np.empty(len(columns), np.uintp)
    cdef cnp.ndarray sizes = np.empty(len(columns), np.intp)
    cdef int i
    cdef Py_ssize_t blocks
    memset(&job, 0, sizeof(job))
    job.n_columns = len(columns)
    job.column = <const char**>cnp.PyArray_DATA(addresses)
    job.size = <Py_ssize_t*>cnp.PyArray_DATA(sizes)
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
    blocks = (job.n + BLOCK - 1) // BLOCK
    job.per_task = max((blocks + MAX_TASKS - 1) // MAX_TASKS, 1) * BLOCK
    job.tasks = <int>((job.n + job.per_task - 1) // job.per_task)
    job.threads = threads_for(long_if(job.n >= PARALLEL_MIN), job.tasks)
    try:
        start_columns(
            &job.columns, job.threads, job.n_columns + (job.w != NULL), numbers, groups,
            columns[0], n_groups)
        with nogil:
            run_all(columns_task, &job, job.tasks, job.threads)
        return collect(job.columns.sums, job.threads)
    finally:
        end_columns(&job.columns, job.threads)
