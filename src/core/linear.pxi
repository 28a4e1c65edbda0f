# Losses of linear predictions z = X w + b, in one pass over X: the predictions of a block of rows are
# computed where the drivers read them, and the gradients go back through the block, which is in the
# cache by then, where the drivers write them.

cdef enum:
    LINEAR_BYTES = 1 << 15      # of X in a block, unless that is less than LINEAR_ROWS
    LINEAR_ROWS = 16
    LINEAR_SUMS = 1 << 20       # numbers in the sums of all tasks, unless tasks are few

cdef struct Linear:
    fl_matrix x
    LinearKernel* kernel
    Py_ssize_t outputs, itemsize
    Py_ssize_t rows, per_task       # of a block; elements of z in a task
    const char* coef                # (outputs, d)
    const double* intercept         # (outputs,), or NULL
    const char* offset              # (n, outputs), or NULL
    const char* direction           # Hessian products: what they are of, else NULL
    const double* along
    Py_ssize_t size                 # of a task's sums: outputs * d, and outputs for intercepts
    double* sums
    char* blocks                    # of each thread, outputs * d numbers


cdef class Matrix:
    """The rows X of a linear model: dense, or sparse by rows."""

    cdef fl_matrix x
    cdef int type_num
    cdef object arrays              # kept alive
    cdef readonly Py_ssize_t stored     # numbers in a row, on average

    def __init__(self, X, starts=None, columns=None, Py_ssize_t width=0):
        """X: two axes, one of which has its numbers in one piece; or the numbers of a sparse X."""
        cdef cnp.ndarray data = X, start = starts, column = columns
        self.type_num = cnp.PyArray_TYPE(data)
        self.arrays = (data, start, column)
        self.x.x = cnp.PyArray_DATA(data)
        if start is None:
            self.x.n = cnp.PyArray_DIM(data, 0)
            self.x.d = cnp.PyArray_DIM(data, 1)
            self.x.down = cnp.PyArray_STRIDE(data, 0) // cnp.PyArray_ITEMSIZE(data)
            self.x.across = cnp.PyArray_STRIDE(data, 1) // cnp.PyArray_ITEMSIZE(data)
            self.stored = self.x.d
            return
        self.x.n = cnp.PyArray_SIZE(start) - 1
        self.x.d = width
        self.x.start = cnp.PyArray_DATA(start)
        self.x.column = cnp.PyArray_DATA(column)
        self.x.wide = cnp.PyArray_ITEMSIZE(start) == 8
        self.stored = cnp.PyArray_SIZE(data) // max(self.x.n, 1)

    @property
    def shape(self):
        return self.x.n, self.x.d


# ---- the two halves ----------------------------------------------------------------------------

cdef fl_matrix rows_of(Linear* linear, Py_ssize_t first, Py_ssize_t n) noexcept nogil:
    """A block of rows."""
    cdef fl_matrix m = linear.x
    m.n = n
    if m.index != NULL:
        m.index += first
    elif m.start != NULL:
        m.start = <const char*>m.start + first * (8 if m.wide else 4)
    else:
        m.x = <const char*>m.x + first * m.down * linear.itemsize
    return m


cdef inline Py_ssize_t next_rows(
        Linear* linear, Py_ssize_t start, Py_ssize_t count) noexcept nogil:
    """How many rows the task goes on with after a block."""
    cdef Py_ssize_t stop = (start // linear.per_task + 1) * linear.per_task
    stop = min(stop // linear.outputs, linear.x.n)
    return min(stop - (start + count) // linear.outputs, linear.rows)


cdef inline void shift(
        char* z, Py_ssize_t n, Py_ssize_t outputs, const double* by, Py_ssize_t itemsize
        ) noexcept nogil:
    """Add a number to each output."""
    cdef Py_ssize_t i, o
    if by == NULL:
        return
    for i in range(n):
        for o in range(outputs):
            if itemsize == 4:
                (<float*>z)[i * outputs + o] += <float>by[o]
            else:
                (<double*>z)[i * outputs + o] += by[o]


cdef void linear_scores(
        void* source, int thread, Py_ssize_t start, Py_ssize_t count, char* z) noexcept nogil:
    """Predictions of the rows that start and count are about."""
    cdef Linear* linear = <Linear*>source
    cdef Py_ssize_t k = linear.outputs, i
    cdef fl_matrix m = rows_of(linear, start // k, count // k)
    linear.kernel.times(&m, linear.coef, k, next_rows(linear, start, count), z)
    shift(z, m.n, k, linear.intercept, linear.itemsize)
    if linear.offset != NULL:
        for i in range(count):
            if linear.itemsize == 4:
                (<float*>z)[i] += (<const float*>linear.offset)[start + i]
            else:
                (<double*>z)[i] += (<const double*>linear.offset)[start + i]


cdef void linear_absorb(
        void* source, int thread, Py_ssize_t start, Py_ssize_t count, const char* r
        ) noexcept nogil:
    """Add X^T r to the sums of the task, or, of Hessian products, X^T r X v."""
    cdef Linear* linear = <Linear*>source
    cdef Py_ssize_t k = linear.outputs, first = start // k, i, o
    cdef Py_ssize_t task = start // linear.per_task
    cdef fl_matrix m = rows_of(linear, first, count // k)
    cdef double* sums = linear.sums + task * linear.size
    cdef double room[BLOCK]
    if linear.direction != NULL:
        linear.kernel.times(&m, linear.direction, k, 0, room)
        shift(<char*>room, m.n, k, linear.along, linear.itemsize)
        for i in range(count):
            if linear.itemsize == 4:
                (<float*>room)[i] *= (<const float*>r)[i]
            else:
                room[i] *= (<const double*>r)[i]
        r = <const char*>room
    linear.kernel.back(
        &m, r, k, next_rows(linear, start, count),
        linear.blocks + thread * k * m.d * linear.itemsize, sums)
    for i in range(m.n):
        for o in range(k):
            sums[k * m.d + o] += number(r, linear.itemsize, i * k + o)


# ---- running -----------------------------------------------------------------------------------

cdef int open_linear(
        Linear* linear, Matrix X, cnp.ndarray coef, cnp.ndarray intercept, cnp.ndarray index,
        cnp.ndarray direction, cnp.ndarray along) except -1:
    """Everything but the memory for sums."""
    cdef Py_ssize_t rows
    memset(linear, 0, sizeof(Linear))
    linear.x = X.x
    if index is not None:
        linear.x.index = <const Py_ssize_t*>cnp.PyArray_DATA(index)
        linear.x.n = cnp.PyArray_SIZE(index)
    linear.kernel = &kernels.linear[0 if X.type_num == cnp.NPY_FLOAT else 1]
    linear.itemsize = 4 if X.type_num == cnp.NPY_FLOAT else 8
    linear.outputs = cnp.PyArray_DIM(coef, 0)
    linear.coef = cnp.PyArray_BYTES(coef)
    linear.intercept = <const double*>cnp.PyArray_DATA(intercept)
    if direction is not None:
        linear.direction = cnp.PyArray_BYTES(direction)
        linear.along = <const double*>cnp.PyArray_DATA(along)
    linear.size = linear.outputs * (X.x.d + 1)
    rows = BLOCK // linear.outputs
    if X.x.across == 1 or X.x.start != NULL:
        rows = min(rows, LINEAR_BYTES // max(X.stored * linear.itemsize, 1))
    rows = max(rows, min(<Py_ssize_t>LINEAR_ROWS, BLOCK // linear.outputs), 1)
    linear.rows = rows & -LANES if rows >= LANES else rows     # whole vectors of predictions
    return 0


cdef int reserve_linear(Linear* linear, int tasks, int threads) except -1:
    linear.sums = <double*>PyMem_Calloc(max(tasks, 1) * linear.size, sizeof(double))
    linear.blocks = <char*>PyMem_Calloc(
        threads * linear.outputs * max(linear.x.d, 1), linear.itemsize)
    if linear.sums == NULL or linear.blocks == NULL:
        raise MemoryError()
    return 0


cdef void close_linear(Linear* linear) noexcept:
    PyMem_Free(linear.sums)
    PyMem_Free(linear.blocks)


cdef int linear_tasks(Linear* linear) noexcept:
    """How many tasks there may be at most: each has sums of its own."""
    return <int>max(16, min(<Py_ssize_t>MAX_TASKS, LINEAR_SUMS // max(linear.size, 1)))


cdef cnp.ndarray total_sums(Linear* linear, int tasks):
    """The sums of all tasks, in their order."""
    cdef cnp.ndarray total = np.zeros(linear.size)
    cdef double* sum = <double*>cnp.PyArray_DATA(total)
    cdef int task
    cdef Py_ssize_t i
    for task in range(tasks):
        for i in range(linear.size):
            sum[i] += linear.sums[task * linear.size + i]
    return total


cdef cnp.ndarray placeholder(Linear* linear, int type_num, bint rows):
    """An array of the shape of the predictions, of which there is none."""
    cdef tuple shape = (linear.x.n,)
    if rows or linear.outputs > 1:
        shape += (linear.outputs,)
    dtype = np.float32 if type_num == cnp.NPY_FLOAT else np.float64
    return np.broadcast_to(dtype(0), shape)


cdef inline int linear_threads(Linear* linear, Matrix X, int tasks) noexcept:
    return min(thread_count, tasks) if (
        linear.x.n * X.stored >= PARALLEL_MIN and not serial) else 1


def linear_pass(
        BaseLoss loss, Matrix X, cnp.ndarray y, cnp.ndarray coef, cnp.ndarray intercept,
        cnp.ndarray w, int mode, cnp.ndarray index=None, cnp.ndarray direction=None,
        cnp.ndarray along=None, cnp.ndarray offset=None):
    """The weighted mean of a loss of X w + b, and, in one array, sums for w and then for b.

    mode: 0 for the value alone, 1 for value and gradient, 2 for the product of the Hessian with a
    direction. coef and direction are (outputs, d) of X's dtype, intercept and along float64; offset
    is added to the predictions.
    """
    cdef Linear linear
    open_linear(&linear, X, coef, intercept, index, direction, along)
    if offset is not None:
        linear.offset = cnp.PyArray_BYTES(offset)
    modes = (VALUE, VALUE_GRAD, GRAD_HESS)
    if isinstance(loss, PointwiseLoss):
        return pointwise_pass(loss, &linear, X, y, w, modes[mode])
    return rows_pass(loss, &linear, X, y, w, modes[mode])


cdef object pointwise_pass(
        PointwiseLoss loss, Linear* linear, Matrix X, cnp.ndarray y, cnp.ndarray w, int mode):
    cdef int type_num = X.type_num
    cdef cnp.ndarray z = placeholder(linear, type_num, False)
    cdef Py_ssize_t n = cnp.PyArray_SIZE(z)
    cdef Job job
    cdef Term term
    check_bound(loss)
    check_pair(y, z)
    w = check_weight(w, y)
    try:
        start_job(&job, y, z, w, type_num, PROPAGATE, MAX_TASKS)
        close_operand(&job.z)
        plan(&job, n, linear.rows * linear.outputs, linear_tasks(linear))
        set_checks(&job, loss)
        job.terms = &term
        job.n_terms = 1
        job.mode = mode
        job.scale = 1
        memcpy(term.parameters, loss.kernel_parameters, sizeof(term.parameters))
        term.maps = loss.maps + job.dtype * N_MODES
        job.threads = linear_threads(linear, X, job.tasks)
        if job.y.readers != NULL:
            job.threads = min(job.threads, job.y.n_readers)
        if job.w.readers != NULL:
            job.threads = min(job.threads, job.w.n_readers)
        linear.per_task = job.per_task
        reserve_linear(linear, job.tasks, job.threads)
        job.z.source = linear
        job.z.compute = linear_scores
        job.outs[1].source = job.outs[2].source = linear
        job.outs[1].absorb = job.outs[2].absorb = linear_absorb
        job.through = True
        if mode == VALUE_GRAD:
            job.grad = <char*>linear        # not NULL: it is absorbed
        elif mode == GRAD_HESS:
            job.hess = <char*>linear
        found = compute(&job, loss, MEAN, y, z, w, None, None, None)
        value = found if mode == VALUE else found[0]
        return value, total_sums(linear, job.tasks)
    finally:
        end_job(&job)
        close_linear(linear)


cdef object rows_pass(
        RowLoss loss, Linear* linear, Matrix X, cnp.ndarray y, cnp.ndarray w, int mode):
    cdef int type_num = X.type_num
    cdef cnp.ndarray z = placeholder(linear, type_num, True)
    cdef int targets = targets_of(loss, y, z, 1)
    cdef Curvature curvature = parse_hessian("exact")
    cdef RowsJob job
    w = check_row_weight(w, z, 1)
    try:
        start_rows(&job, y, z, z, w, 1, type_num, targets)
        close_operand(&job.z)
        keep = set_loss(&job, loss, mode, PROPAGATE, targets, &curvature)
        plan_linear_rows(&job, linear)
        reserve_linear(linear, job.tasks, job.threads)
        job.z.source = linear
        job.z.compute = linear_scores
        job.outs[1].source = linear
        job.outs[1].absorb = linear_absorb
        job.through = True
        if mode == VALUE_GRAD:
            job.grad = <char*>linear
        found = compute_rows(&job, loss, MEAN, y, z, w, None, None, None)
        return (found if mode == VALUE else found[0]), total_sums(linear, job.tasks)
    finally:
        end_rows(&job)
        close_linear(linear)


cdef void plan_linear_rows(RowsJob* job, Linear* linear) noexcept:
    """Blocks that fit the cache, and no more tasks than there may be sums."""
    cdef int tasks = linear_tasks(linear)
    job.rows = min(job.rows, linear.rows)
    linear.rows = job.rows
    while job.tasks > tasks:
        job.per_task *= 2
        job.tasks = <int>((job.n + job.per_task - 1) // job.per_task)
    job.threads = min(job.threads, job.tasks)
    linear.per_task = job.per_task * job.k


def linear_times(Matrix X, cnp.ndarray coef, cnp.ndarray intercept, cnp.ndarray z):
    """Write X w + b to z, of X's dtype and of shape (n, outputs)."""
    cdef Linear linear
    cdef Py_ssize_t rows, blocks, i, n
    cdef int threads
    open_linear(&linear, X, coef, intercept, None, None, None)
    rows = linear.rows
    n = X.x.n
    linear.per_task = n * linear.outputs
    blocks = (n + rows - 1) // rows
    threads = linear_threads(&linear, X, thread_count)
    cdef char* out = cnp.PyArray_BYTES(z)
    cdef Py_ssize_t size = linear.outputs * linear.itemsize, k = linear.outputs
    with nogil:
        for i in prange(blocks, schedule="static", num_threads=threads):
            linear_scores(
                &linear, 0, i * rows * k, min(rows, n - i * rows) * k, out + i * rows * size)
