# Losses of linear predictions z = X w + b, in one pass over X: the predictions of a block of rows are
# computed where the drivers read them, and the gradients go back through the block, which is in the
# cache by then, where the drivers write them.

cpdef enum:                     # what linear_pass computes
    LINEAR_VALUE
    LINEAR_GRAD
    LINEAR_PRODUCT
    LINEAR_BEND

cdef enum:
    LINEAR_BYTES = 1 << 15      # of X in a block, unless that is less than LINEAR_ROWS
    LINEAR_ROWS = 16
    LINEAR_ROOM = 8 * BLOCK     # predictions in a block
    LINEAR_MANY = 5             # outputs from which on they are what vectors hold
    LINEAR_SUMS = 1 << 20       # numbers in the sums of all tasks, unless tasks are few
    LINEAR_SHARE = 8            # products of a task for each of its sums, at least

cdef struct Linear:
    fl_matrix x
    LinearKernel* kernel
    Py_ssize_t outputs, pitch, itemsize     # pitch: see linear.h
    Py_ssize_t rows, per_task       # of a block; elements of z in a task
    int tasks                       # that have sums
    char* scores                    # where linear_times writes
    const char* coef                # as linear.h has them
    const double* intercept         # (outputs,), or NULL
    const char* offset              # (n, outputs), or NULL
    const char* direction           # Hessian products: what they are of, else NULL
    const double* along
    bint coupled                    # of a softmax: r are probabilities times what a row weighs
    Py_ssize_t coefs, size          # of a task's sums: as coef, and outputs for intercepts
    double* total
    double* sums                    # of all tasks but the first
    char* blocks                    # of each thread, as coef


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
    """How many rows are in the block that follows, which is mostly the same thread's."""
    return min(linear.x.n - (start + count) // linear.outputs, linear.rows)


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
    linear.kernel.times(&m, linear.coef, k, linear.pitch, next_rows(linear, start, count), z)
    shift(z, m.n, k, linear.intercept, linear.itemsize)
    if linear.offset != NULL:
        for i in range(count):
            if linear.itemsize == 4:
                (<float*>z)[i] += (<const float*>linear.offset)[start + i]
            else:
                (<double*>z)[i] += (<const double*>linear.offset)[start + i]


cdef inline double* task_sums(Linear* linear, Py_ssize_t task) noexcept nogil:
    """The first task's are where those of the others are added in the end."""
    return linear.total if task == 0 else linear.sums + (task - 1) * linear.size


cdef void bend(Linear* linear, const real* h, Py_ssize_t n, real* u) noexcept nogil:
    """What becomes of X v, by the Hessians of the rows: h u, or, with h = s p, s (p u - p (p . u))."""
    cdef Py_ssize_t k = linear.outputs, i, o
    cdef double weight, mean
    for i in range(n):
        weight = mean = 0
        if linear.coupled:
            for o in range(i * k, (i + 1) * k):
                weight += h[o]
                mean += <double>h[o] * u[o]
            mean = mean / weight if weight != 0 else 0
        for o in range(i * k, (i + 1) * k):
            u[o] = h[o] * <real>(u[o] - mean)


cdef void linear_drop(
        void* source, int thread, Py_ssize_t start, Py_ssize_t count, const char* r
        ) noexcept nogil:
    """Gradients that come with what is asked for."""


cdef void linear_absorb(
        void* source, int thread, Py_ssize_t start, Py_ssize_t count, const char* r
        ) noexcept nogil:
    """Add X^T r to the sums of the task, or, of Hessian products, X^T r X v."""
    cdef Linear* linear = <Linear*>source
    cdef Py_ssize_t k = linear.outputs, first = start // k, i, o
    cdef Py_ssize_t task = start // linear.per_task
    cdef fl_matrix m = rows_of(linear, first, count // k)
    cdef double* sums = task_sums(linear, task)
    cdef double room[LINEAR_ROOM]
    if linear.direction != NULL:
        linear.kernel.times(&m, linear.direction, k, linear.pitch, 0, room)
        shift(<char*>room, m.n, k, linear.along, linear.itemsize)
        if linear.itemsize == 4:
            bend[float](linear, <const float*>r, m.n, <float*>room)
        else:
            bend[double](linear, <const double*>r, m.n, room)
        r = <const char*>room
    linear.kernel.back(
        &m, r, k, linear.pitch, next_rows(linear, start, count),
        linear.blocks + thread * linear.coefs * linear.itemsize, sums)
    for i in range(m.n):
        for o in range(k):
            sums[linear.coefs + o] += number(r, linear.itemsize, i * k + o)


# ---- running -----------------------------------------------------------------------------------

cdef list open_linear(
        Linear* linear, Matrix X, cnp.ndarray coef, cnp.ndarray intercept, cnp.ndarray index,
        cnp.ndarray direction, cnp.ndarray along, Py_ssize_t room):
    """Everything but the memory for sums; what has to live as long. room: elements of a block."""
    cdef Py_ssize_t rows
    cdef list keep = []
    memset(linear, 0, sizeof(Linear))
    linear.x = X.x
    if index is not None:
        linear.x.index = <const Py_ssize_t*>cnp.PyArray_DATA(index)
        linear.x.n = cnp.PyArray_SIZE(index)
    linear.kernel = &kernels.linear[0 if X.type_num == cnp.NPY_FLOAT else 1]
    linear.itemsize = 4 if X.type_num == cnp.NPY_FLOAT else 8
    linear.outputs = cnp.PyArray_DIM(coef, 0)
    linear.pitch = pitch_of(linear)
    linear.coefs = X.x.d * (linear.outputs if linear.pitch == 1 else linear.pitch)
    linear.size = linear.coefs + linear.outputs
    linear.coef = by_columns(linear, coef, keep)
    linear.intercept = <const double*>cnp.PyArray_DATA(intercept)
    if direction is not None:
        linear.direction = by_columns(linear, direction, keep)
        linear.along = <const double*>cnp.PyArray_DATA(along)
    rows = room // linear.outputs
    if X.x.across == 1 or X.x.start != NULL:
        rows = min(rows, LINEAR_BYTES // max(X.stored * linear.itemsize, 1))
    rows = max(rows, min(<Py_ssize_t>LINEAR_ROWS, room // linear.outputs), 1)
    linear.rows = rows & -LANES if rows >= LANES else rows     # whole vectors of predictions
    return keep


cdef Py_ssize_t pitch_of(Linear* linear) noexcept:
    cdef Py_ssize_t lanes = linear.kernel.lanes
    if linear.x.start != NULL:
        return linear.outputs
    if linear.x.across == 1 and linear.outputs >= LINEAR_MANY:
        return (linear.outputs + lanes - 1) // lanes * lanes
    return 1


cdef const char* by_columns(Linear* linear, cnp.ndarray coef, list keep) except NULL:
    """Weights of shape (outputs, d) as linear.h has them."""
    cdef cnp.ndarray turned = coef
    if linear.pitch > 1:
        turned = np.zeros((linear.x.d, linear.pitch), coef.dtype)
        turned[:, :linear.outputs] = coef.T
        keep.append(turned)
    return cnp.PyArray_BYTES(turned)


cdef cnp.ndarray reserve_linear(Linear* linear, int tasks, int threads):
    """Memory for the sums of the tasks and the blocks of the threads; the array of the total."""
    cdef cnp.ndarray total = np.zeros(linear.size)
    linear.total = <double*>cnp.PyArray_DATA(total)
    linear.sums = <double*>PyMem_Calloc(max(tasks - 1, 0) * linear.size, sizeof(double))
    linear.blocks = <char*>PyMem_Calloc(
        threads * max(linear.coefs, 1), linear.itemsize)
    if linear.sums == NULL or linear.blocks == NULL:
        raise MemoryError()
    return total


cdef void close_linear(Linear* linear) noexcept:
    PyMem_Free(linear.sums)
    PyMem_Free(linear.blocks)


cdef int linear_tasks(Linear* linear, Matrix X) noexcept:
    """How many tasks there may be at most: each has sums of its own, which are set to zero and
    added up, and should cost little beside the work."""
    cdef Py_ssize_t size = max(linear.size, 1)
    cdef Py_ssize_t worth = linear.x.n * X.stored * linear.outputs // (LINEAR_SHARE * size)
    return <int>max(2, min(worth, min(<Py_ssize_t>MAX_TASKS, LINEAR_SUMS // size)))


cdef void add_sums(Linear* linear, int tasks, int threads) noexcept nogil:
    """Add the sums of the other tasks to those of the first, in their order."""
    cdef int parts = <int>((linear.size + BLOCK - 1) // BLOCK)
    linear.tasks = tasks
    run_all(
        add_some, linear, parts, min(threads, parts) if tasks * linear.size >= PARALLEL_MIN else 1)


cdef cnp.ndarray by_outputs(Linear* linear, cnp.ndarray total):
    """Sums for weights of shape (outputs, d) and then for intercepts, in one array."""
    if linear.pitch == 1:
        return total
    weights = total[:linear.coefs].reshape(linear.x.d, linear.pitch)[:, :linear.outputs]
    return np.concatenate((weights.T.ravel(), total[linear.coefs:]))


cdef void add_some(void* given, int part, int thread) noexcept nogil:
    cdef Linear* linear = <Linear*>given
    cdef double* total = linear.total
    cdef const double* sums
    cdef Py_ssize_t i, start = <Py_ssize_t>part * BLOCK, stop = min(start + BLOCK, linear.size)
    cdef int task
    for task in range(1, linear.tasks):
        sums = task_sums(linear, task)
        for i in range(start, stop):
            total[i] += sums[i]


cdef char nothing[8]                # zeros: of these, as often as needed, is the placeholder

cdef cnp.ndarray placeholder(Linear* linear, int type_num, bint rows):
    """An array of the shape of the predictions, of which there is none."""
    cdef cnp.npy_intp shape[2]
    cdef cnp.npy_intp strides[2]
    shape[0], shape[1] = linear.x.n, linear.outputs
    strides[0] = strides[1] = 0
    return cnp.PyArray_New(
        cnp.ndarray, 2 if rows or linear.outputs > 1 else 1, shape, type_num, strides, nothing, 0,
        0, <object>NULL)


cdef inline int linear_threads(Linear* linear, Matrix X, int tasks) noexcept:
    return threads_for(long_if(linear.x.n * X.stored >= PARALLEL_MIN), tasks)


def linear_pass(
        BaseLoss loss, Matrix X, cnp.ndarray y, cnp.ndarray coef, cnp.ndarray intercept,
        cnp.ndarray w, int mode, cnp.ndarray index=None, cnp.ndarray direction=None,
        cnp.ndarray along=None, cnp.ndarray offset=None, hessian="exact"):
    """The weighted mean of a loss of X w + b, and, in one array, sums for w and then for b.

    mode: LINEAR_VALUE for the value alone, LINEAR_GRAD for value and gradient, LINEAR_PRODUCT for
    the product of the Hessian with a direction. LINEAR_BEND is another thing: whether outputs are
    those of a softmax, and an array of each prediction's second derivative, or, of a softmax, of
    probabilities times what a row weighs. coef and direction are (outputs, d) of X's dtype, intercept
    and along float64; offset is added to the predictions.
    """
    cdef Linear linear
    cdef bint pointwise = isinstance(loss, PointwiseLoss)
    keep = open_linear(
        &linear, X, coef, intercept, index, direction, along, BLOCK if pointwise else LINEAR_ROOM)
    if offset is not None:
        linear.offset = cnp.PyArray_BYTES(offset)
    if pointwise:
        return pointwise_pass(loss, &linear, X, y, w, mode, parse_hessian(hessian))
    return rows_pass(loss, &linear, X, y, w, mode)


cdef object pointwise_pass(
        PointwiseLoss loss, Linear* linear, Matrix X, cnp.ndarray y, cnp.ndarray w, int mode,
        Curvature curvature):
    cdef int type_num = X.type_num
    cdef cnp.ndarray z = placeholder(linear, type_num, False), bends
    cdef Py_ssize_t n = cnp.PyArray_SIZE(z)
    cdef Job job
    cdef Term term
    check_bound(loss)
    check_pair(y, z)
    w = check_weight(w, y)
    try:
        start_job(&job, y, z, w, type_num, PROPAGATE)
        close_operand(&job.z)
        job.step = linear.rows * linear.outputs
        plan(&job, n, job.step, linear_tasks(linear, X), NULL)
        set_checks(&job, loss)
        job.terms = &term
        job.mode = (VALUE, VALUE_GRAD, GRAD_HESS, GRAD_HESS)[mode]
        job.curved = curvature.curved
        job.scale = 1
        memcpy(term.parameters, loss.kernel_parameters, sizeof(term.parameters))
        term.maps = loss.maps + job.dtype * N_MODES
        job.threads = linear_threads(linear, X, job.tasks)
        if job.y.readers != NULL:
            job.threads = min(job.threads, job.y.n_readers)
        if job.w.readers != NULL:
            job.threads = min(job.threads, job.w.n_readers)
        linear.per_task = job.per_task
        total = reserve_linear(linear, job.tasks, job.threads)
        job.z.source = linear
        job.z.compute = linear_scores
        job.through = True
        if mode == LINEAR_GRAD:
            job.grad = absorbed(linear, &job.outs[1])
        elif mode == LINEAR_PRODUCT:
            job.hess = absorbed(linear, &job.outs[2])
        elif mode == LINEAR_BEND:
            bends = np.empty_like(z, order="C", subok=False)
            job.hess = cnp.PyArray_BYTES(bends)
        found = compute(&job, loss, MEAN, y, z, w, None, None, None)
        if mode == LINEAR_BEND:
            return False, bends
        add_sums(linear, job.tasks, job.threads)
        return found if mode == LINEAR_VALUE else found[0], by_outputs(linear, total)
    finally:
        end_job(&job)
        close_linear(linear)


cdef char* absorbed(Linear* linear, Operand* output) noexcept:
    """An output that goes back through X; not NULL."""
    output.source = linear
    output.absorb = linear_absorb
    return <char*>linear


cdef object rows_pass(
        RowLoss loss, Linear* linear, Matrix X, cnp.ndarray y, cnp.ndarray w, int mode):
    cdef int type_num = X.type_num
    cdef cnp.ndarray z = placeholder(linear, type_num, True), bends
    cdef int targets = targets_of(loss, y, z, 1)
    cdef Curvature curvature = parse_hessian("exact")
    cdef RowsJob job
    cdef bint bent = mode == LINEAR_PRODUCT or mode == LINEAR_BEND
    cdef int i
    w = check_row_weight(w, z, 1)
    linear.coupled = loss.kernel == FL_CROSS_ENTROPY
    if bent and not linear.coupled and loss.kernel != FL_MULTI_LABEL:
        raise NotImplementedError(
            f"Hessians are of pointwise losses, of the softmax cross-entropy and of the multi-label "
            f"logistic loss; got {loss!r}")
    i = 1 if linear.coupled or not bent else 2      # the output that is asked for
    try:
        start_rows(&job, y, z, z, w, 1, type_num, targets)
        close_operand(&job.z)
        keep = set_loss(
            &job, loss, VALUE if mode == LINEAR_VALUE else VALUE_GRAD if not bent
            else GRAD if i == 1 else GRAD_HESS, PROPAGATE, targets, &curvature)
        job.probabilities = bent and linear.coupled
        plan_linear_rows(&job, linear, X)
        total = reserve_linear(linear, job.tasks, job.threads)
        job.z.source = linear
        job.z.compute = linear_scores
        job.through = True
        if i == 2:                                  # the kernel computes gradients before
            job.grad = absorbed(linear, &job.outs[1])
            job.outs[1].absorb = linear_drop
        if mode == LINEAR_BEND:
            bends = np.empty_like(z, order="C", subok=False)
            job.hess = cnp.PyArray_BYTES(bends)
        elif mode != LINEAR_VALUE:
            job.hess = absorbed(linear, &job.outs[i])
        if i == 1:
            job.grad, job.hess = job.hess, NULL
        found = compute_rows(&job, loss, MEAN, y, z, w, None, None, None)
        if mode == LINEAR_BEND:
            return linear.coupled, bends
        add_sums(linear, job.tasks, job.threads)
        return found[0] if mode == LINEAR_GRAD else found, by_outputs(linear, total)
    finally:
        end_rows(&job)
        close_linear(linear)


cdef void plan_linear_rows(RowsJob* job, Linear* linear, Matrix X) noexcept:
    """Blocks that fit the cache, and no more tasks than there may be sums."""
    cdef int tasks = linear_tasks(linear, X)
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
    cdef int threads
    keep = open_linear(&linear, X, coef, intercept, None, None, None, BLOCK)
    linear.tasks = <int>min(
        (X.x.n + linear.rows - 1) // linear.rows, max(<Py_ssize_t>MAX_TASKS, thread_count))
    linear.scores = cnp.PyArray_BYTES(z)
    threads = linear_threads(&linear, X, linear.tasks)
    with nogil:
        run_all(times_task, &linear, linear.tasks, threads)


cdef void times_task(void* given, int task, int thread) noexcept nogil:
    cdef Linear* linear = <Linear*>given
    cdef Py_ssize_t k = linear.outputs, rows = linear.rows, n = linear.x.n, i
    cdef Py_ssize_t blocks = (n + rows - 1) // rows
    for i in range(blocks * task // linear.tasks, blocks * (task + 1) // linear.tasks):
        linear_scores(
            linear, thread, i * rows * k, min(rows, n - i * rows) * k,
            linear.scores + i * rows * k * linear.itemsize)
