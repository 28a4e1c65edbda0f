# Losses of rows: the driver of blocks of rows, which reads logits, targets and weights, and hands
# them to the kernels of softmax.h and rowwise.h. As in driver.pxi, n alone decides on blocks and
# tasks, and sums are added in their order.

from libc.stdint cimport INT64_MIN, int64_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.math cimport isfinite

ctypedef fused real:
    float
    double

cdef enum Targets:                  # of each row
    NOTHING
    LABELS                          # a class
    NUMBERS                         # a number
    VECTORS                         # a number for each class

cdef struct Range:                  # of the numbers of a row, from the first on
    bint on
    Py_ssize_t first
    double low, high

cdef struct RowsJob:
    fl_rows block                   # what all blocks share
    RowsFn kernel
    Passes* passes
    int work, mode, dtype, threads, tasks, axis
    Py_ssize_t n, k, inner          # rows; classes; distance of a row's elements
    Py_ssize_t itemsize, rows, per_task
    Py_ssize_t block_bytes, room    # of a buffer for a block, and of all buffers of a thread
    Operand z, y, w
    bint z_planes, y_planes         # read where they lie, the elements of a row inner apart
    int targets                     # what y_true holds
    bint soft, weighted, omit, refuse_nan, needs_gil
    bint wide                       # weights are read in float64
    double boost                    # a power of two that weights out of range are multiplied by
    bint plain                      # every row weighs 1, and any number will do
    bint staged, stream             # outputs go through a buffer; past the cache
    Py_ssize_t width                # targets of a row: 1, or one for each class
    Range y_range, z_range          # where targets and predictions have to lie
    bint listwise                   # targets are the softmax of what is given
    bint float_labels               # classes that are given as floats
    bint ignores
    int64_t ignored
    double smoothing
    const double* class_weight
    double factor                   # of gradients and Hessians
    bint probabilities              # of a softmax, times what a row weighs, take the gradients' place
    bint floored, stretched         # Hessians are at least a number, or times another
    double floor, stretch
    char* value
    char* grad
    char* hess
    bint through                    # some are not direct: what they are written through
    Operand outs[3]
    char* memory                    # of the threads' buffers
    double* pace                    # of work of this kind, or NULL
    TaskResult results[MAX_TASKS]
    char small[16384]               # that memory, if it is enough

cdef struct RowBuffers:
    char* z
    char* q
    char* grad
    char* hess
    int64_t* label                  # one for each row, as all that follow
    char* value
    char* scale
    double* w
    Py_ssize_t carried[2]           # bytes before grad and hess that wait to be streamed


cdef int plan_rows(
        RowsJob* job, int type_num, Py_ssize_t n, Py_ssize_t k, Py_ssize_t inner,
        double* paces=NULL) except -1:
    """Clear a job, and cut n rows into tasks."""
    cdef Py_ssize_t blocks
    memset(job, 0, <size_t>(<char*>&job.results - <char*>job))
    if k >> 44:                     # of a broadcast array: bytes of buffers for it would overflow
        raise MemoryError(f"no memory for rows of {k} elements")
    job.dtype = 0 if type_num == cnp.NPY_FLOAT else 1
    job.itemsize = 4 if job.dtype == 0 else 8
    job.passes = &kernels.passes[job.dtype]
    job.boost = 1
    job.n = n
    job.k = k
    job.inner = inner
    job.rows = max(1, min(<Py_ssize_t>FL_ROWS, FL_ROOM // k))
    if job.rows >= 16:              # whole sixteens of rows are not copied
        job.rows &= -16
    elif job.rows >= 4:
        job.rows &= -4
    job.block_bytes = (min(max(<Py_ssize_t>FL_ROOM, k), n * k) + LINE) * job.itemsize
    job.room = 4 * job.block_bytes + 32 * FL_ROWS + 3 * LINE
    blocks = (n + job.rows - 1) // job.rows
    job.per_task = max((blocks + MAX_TASKS - 1) // MAX_TASKS, 1) * job.rows
    job.tasks = <int>((n + job.per_task - 1) // job.per_task)
    job.pace = paces + job.dtype * N_MODES if paces != NULL else NULL
    job.threads = threads_for(seconds_of(n * k, job.pace), job.tasks)
    return 0


cdef int reserve(RowsJob* job) except -1:
    """Memory for the buffers of the threads; release() gives it back."""
    job.memory = job.small
    if job.threads * job.room > <Py_ssize_t>sizeof(job.small):
        job.memory = <char*>malloc(job.threads * job.room)
    if job.memory == NULL:
        raise MemoryError()
    return 0


cdef void release(RowsJob* job) noexcept:
    if job.memory != job.small:
        free(job.memory)


# ---- one block ---------------------------------------------------------------------------------

cdef const char* read_rows(
        RowsJob* job, Operand* operand, bint planes, int thread, Py_ssize_t start, Py_ssize_t n,
        char* buffer, real tag) noexcept nogil:
    """n rows, each in one piece: where they lie, or gathered in the buffer."""
    cdef const real* plane
    cdef real* to = <real*>buffer
    cdef Py_ssize_t i, r, k, first = 0, last
    if not planes:
        return read(operand, thread, start * job.k, n * job.k, buffer)
    while first < n:                # rows that follow each other in memory
        i = (start + first) % job.inner
        last = min(n, first + job.inner - i)
        plane = <const real*>operand.data + (start + first - i) * job.k + i
        for k in range(job.k):
            for r in range(last - first):
                to[(first + r) * job.k + k] = plane[k * job.inner + r]
        first = last
    return buffer


cdef void write_rows(
        RowsJob* job, const char* rows, Py_ssize_t start, Py_ssize_t n, char* out, real tag
        ) noexcept nogil:
    """The opposite, where classes are apart."""
    cdef const real* source = <const real*>rows
    cdef real* plane
    cdef Py_ssize_t i, r, k, first = 0, last
    while first < n:
        i = (start + first) % job.inner
        last = min(n, first + job.inner - i)
        plane = <real*>out + (start + first - i) * job.k + i
        for k in range(job.k):
            for r in range(last - first):
                plane[k * job.inner + r] = source[(first + r) * job.k + k]
        first = last


cdef bint read_weights(
        RowsJob* job, int thread, Py_ssize_t start, Py_ssize_t n, double* w) noexcept nogil:
    """False if one is not finite."""
    cdef const char* given
    cdef Py_ssize_t i
    cdef int found = 0
    if not job.weighted:
        for i in range(n):
            w[i] = job.boost
        return True
    given = read(&job.w, thread, start, n, <char*>w)
    if job.wide:
        for i in range(n):
            w[i] = (<const double*>given)[i]
    else:
        for i in range(n - 1, -1, -1):      # from the end, as they may lie in w
            w[i] = (<const float*>given)[i]
    if job.boost != 1:
        for i in range(n):
            w[i] = boosted(w[i], job.boost)
    for i in range(n):
        found |= w[i] - w[i] != 0
    return not found


cdef const int64_t* whole_labels(
        RowsJob* job, const double* given, Py_ssize_t n, int64_t* label, double* w) noexcept nogil:
    """Classes that are floats, as integers; NaN is a gap if those are left out."""
    cdef int64_t none = INT64_MIN + (job.ignores and job.ignored == INT64_MIN)
    cdef Py_ssize_t i
    for i in range(n):
        if job.omit and given[i] != given[i]:
            w[i] = 0
        label[i] = <int64_t>given[i] if fabs(given[i]) <= 2.0 ** 53 else none
        if label[i] != given[i]:
            label[i] = none
    return label


cdef const int64_t* read_labels(
        RowsJob* job, int thread, Py_ssize_t start, Py_ssize_t n, RowBuffers* s) noexcept nogil:
    """Rows of weight 0 get class 0; NULL if a label is none of the classes."""
    cdef int64_t* label = s.label
    cdef double* w = s.w
    cdef const int64_t* given
    cdef uint64_t last = job.k - 1, outside = 0
    cdef Py_ssize_t i
    if job.float_labels:            # by way of a buffer that is free until the kernel runs
        given = whole_labels(
            job, <const double*>read(&job.y, thread, start, n, s.value), n, label, w)
    else:
        given = <const int64_t*>read(&job.y, thread, start, n, <char*>label)
    if not job.plain:
        for i in range(n):
            if job.ignores and given[i] == job.ignored:
                w[i] = 0
            label[i] = given[i] if w[i] != 0 else 0
        given = label
    for i in range(n):              # the sign bit is set if one is negative or beyond the last
        outside |= <uint64_t>given[i] | (last - <uint64_t>given[i])
    if outside >> 63:
        return NULL
    if job.class_weight != NULL:
        for i in range(n):          # such a row is as good as not there
            if job.class_weight[given[i]] == 0:
                w[i] = 0
    return given


cdef inline bint has_nan(const real* v, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef int found = 0
    for i in range(n):
        found |= v[i] != v[i]
    return found


cdef inline bint any_zero(const double* v, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef int found = 0
    for i in range(n):
        found |= v[i] == 0
    return found


cdef inline bint leaves(const real* v, Py_ssize_t n, real low, real high) noexcept nogil:
    """Whether a number is outside of low..high; NaN is not."""
    cdef Py_ssize_t i
    cdef int found = 0
    for i in range(n):
        found |= (v[i] < low) | (v[i] > high)
    return found


cdef bint in_range(
        RowsJob* job, Range* limits, const real* v, Py_ssize_t size, Py_ssize_t n, const double* w
        ) noexcept nogil:
    """Whether the numbers of the rows that count are where they have to be."""
    cdef real low = <real>limits.low, high = <real>limits.high
    cdef Py_ssize_t i, first = limits.first
    if not limits.on or v == NULL:
        return True
    if job.plain and first == 0:
        return not leaves(v, n * size, low, high)
    for i in range(n):
        if (job.plain or w[i] != 0) and leaves(v + i * size + first, size - first, low, high):
            return False
    return True


cdef bint apply_nan_policy(
        RowsJob* job, Py_ssize_t n, double* w, const real* z, const real* q) noexcept nogil:
    """Rows with NaN get the weight 0; False if they are refused."""
    cdef Py_ssize_t i
    for i in range(n):
        if has_nan(z + i * job.k, job.k) or q != NULL and has_nan(q + i * job.width, job.width):
            if job.refuse_nan and w[i] != 0:
                return False
            w[i] = 0
    return True


cdef void blank(
        Py_ssize_t n, Py_ssize_t size, const double* w, const real** rows, char* buffer, real filling
        ) noexcept nogil:
    """Rows of weight 0 are as good as not there, whatever they hold: fill them with a number."""
    cdef real* to = <real*>buffer
    cdef Py_ssize_t i, k
    if rows[0] == NULL:
        return
    if rows[0] != to:
        memcpy(to, rows[0], n * size * sizeof(real))
        rows[0] = to
    for i in range(n):
        if w[i] == 0:
            for k in range(size):
                to[i * size + k] = filling


cdef void smooth(
        RowsJob* job, RowBuffers* s, const int64_t* label, const real* given, Py_ssize_t n
        ) noexcept nogil:
    """Soft targets in s.q: given, or those of the labels; smoothed, and weighted by class."""
    cdef real* q = <real*>s.q
    cdef real keep = <real>(1 - job.smoothing), spread = <real>(job.smoothing / job.k)
    cdef Py_ssize_t r, k, size = job.k
    for r in range(n):
        if given == NULL:
            for k in range(size):
                q[r * size + k] = spread
            q[r * size + label[r]] += keep
        else:
            for k in range(size):
                q[r * size + k] = given[r * size + k] * keep + spread
        if job.class_weight != NULL:
            for k in range(size):
                q[r * size + k] = <real>(q[r * size + k] * job.class_weight[k])


cdef void softmax_of(RowsJob* job, const real* x, Py_ssize_t n, RowBuffers* s) noexcept nogil:
    """The softmax of n rows, in s.q."""
    cdef fl_rows b
    cdef real* one = <real*>s.value
    cdef Py_ssize_t i
    memset(&b, 0, sizeof(b))
    for i in range(n):
        one[i] = 1
    b.loss = FL_CROSS_ENTROPY
    b.n = n
    b.k = job.k
    b.z = x
    b.scale = one
    b.grad = s.q
    job.kernel(&b)


cdef double class_weight_of(
        RowsJob* job, const int64_t* label, const real* q, Py_ssize_t r) noexcept nogil:
    """What a row's class weighs in the mean."""
    cdef double sum = 0
    cdef Py_ssize_t k
    if job.class_weight == NULL:
        return 1
    if q == NULL:
        return job.class_weight[label[r]]
    for k in range(job.k):
        sum += job.class_weight[k] * q[r * job.k + k]
    return sum


cdef inline double rounded(RowsJob* job, double product, real tag) noexcept nogil:
    """A product of weights, in the type computed in if they are of it and it holds that."""
    cdef double size = fabs(product)
    if real is float:
        if not job.wide and 2.0 ** -126 <= size <= 2.0 ** 127:
            return <float>product
    return product


cdef bint weigh_rows(
        RowsJob* job, Py_ssize_t n, RowBuffers* s, const int64_t* label, const real* q,
        TaskResult* result) noexcept nogil:
    """Add up the weights, and scale the derivatives by them; False if one overflows."""
    cdef double* w = s.w
    cdef real* scale = <real*>s.scale
    cdef Py_ssize_t i
    cdef double weight
    for i in range(n):
        weight = class_weight_of[real](job, label, q, i)
        result.weight += w[i] * weight
        result.count += w[i] != 0
        if job.targets == LABELS and not job.soft:     # a class weight is no more than a sample's
            w[i] = rounded[real](job, w[i] * weight, 0)
        scale[i] = <real>(w[i] * job.factor)
        if not isfinite(w[i]):
            return False
    return True


cdef void drop_targets(RowsJob* job, fl_rows* b, real* scale) noexcept nogil:
    """Without targets, gradients are probabilities; what targets add up to weighs a row."""
    cdef const real* q = <const real*>b.q
    cdef Py_ssize_t i, k
    cdef double mass
    if q != NULL:
        for i in range(b.n):
            mass = 0
            for k in range(job.k):
                mass += q[i * job.k + k]
            scale[i] = <real>((job.factor if job.plain else scale[i]) * mass)
    b.q = NULL
    b.label = NULL


cdef bint load_rows(
        RowsJob* job, int thread, Py_ssize_t start, Py_ssize_t n, RowBuffers* s, fl_rows* b,
        TaskResult* result, real tag) noexcept nogil:
    """Bring n rows from start on into b, checked; False if one of them is bad."""
    cdef double* w = s.w
    cdef const real* z = NULL
    cdef const real* q = NULL
    cdef const int64_t* label = NULL
    if not job.plain and not read_weights(job, thread, start, n, w):
        return False
    if job.targets == LABELS:
        label = read_labels(job, thread, start, n, s)
        if label == NULL:
            return False
    elif job.targets == NUMBERS:
        q = <const real*>read(&job.y, thread, start, n, s.q)
    elif job.targets == VECTORS:
        q = <const real*>read_rows[real](job, &job.y, job.y_planes, thread, start, n, s.q, 0)
    if job.work == MAP or job.omit or job.refuse_nan or job.z_range.on and job.work == CHECK:
        z = <const real*>read_rows[real](job, &job.z, job.z_planes, thread, start, n, s.z, 0)
    if (job.omit or job.refuse_nan) and not apply_nan_policy[real](job, n, w, z, q):
        return False
    if not (in_range(job, &job.y_range, q, job.width, n, w)
            and in_range(job, &job.z_range, z, job.k, n, w)):
        return False
    if job.plain:
        result.weight += n
        result.count += n
    else:
        if any_zero(w, n):
            blank[real](n, job.k, w, &z, s.z, 1)    # where every loss is finite
            blank[real](n, job.width, w, &q, s.q, 0)
        if not weigh_rows[real](job, n, s, label, q, result):
            return False
    if job.listwise and job.work == MAP:
        softmax_of(job, q, n, s)
        q = <const real*>s.q
    if job.soft and (q == NULL or job.class_weight != NULL or job.smoothing != 0):
        smooth[real](job, s, label, q, n)
        q = <const real*>s.q
    b.n = n
    b.z = z
    b.q = q
    b.label = label if job.targets == LABELS and not job.soft else NULL
    b.scale = s.scale
    if job.probabilities and job.work == MAP:
        drop_targets[real](job, b, <real*>s.scale)
    return True


cdef void raise_rows(
        real* hess, const real* scale, real least, Py_ssize_t n, Py_ssize_t k) noexcept nogil:
    """Make second derivatives, before they were multiplied by what rows weigh, at least a number."""
    cdef Py_ssize_t r, i
    cdef real bound
    for r in range(n):
        bound = scale[r] * least
        for i in range(r * k, (r + 1) * k):
            if hess[i] < bound if scale[r] > 0 else hess[i] > bound:
                hess[i] = bound


cdef void put_rows(
        RowsJob* job, char* out, Operand* through, int thread, char* written, Py_ssize_t start,
        Py_ssize_t n, bint last, Py_ssize_t* carried, real tag) noexcept nogil:
    """Bring what the kernel wrote to the output."""
    cdef char* place
    cdef Py_ssize_t bytes = n * job.k * job.itemsize
    if out == NULL:
        return
    if is_through(through):
        write(through, thread, start * job.k, written, n * job.k)
        return
    place = out + start * job.k * job.itemsize
    if written == place:
        return
    if job.inner > 1:
        write_rows[real](job, written, start, n, out, 0)
    elif job.stream:
        stream_lines(job.passes, place, written, bytes, last, carried)
    else:
        memcpy(place, written, bytes)


cdef char* rows_target(
        RowsJob* job, char* out, Operand* through, char* buffer, Py_ssize_t start) noexcept nogil:
    """Where the kernel writes: straight into the output where that may be."""
    if out == NULL:
        return NULL
    if job.inner > 1 or job.stream or job.staged or is_through(through):
        return buffer
    return out + start * job.k * job.itemsize


cdef void clear_absent_rows(RowsJob* job, fl_rows* b, const double* w, real tag) noexcept nogil:
    """As clear_absent(), of rows."""
    cdef Py_ssize_t i, bytes = job.k * sizeof(real)
    for i in range(b.n):
        if w[i] == 0:
            (<real*>b.value)[i] = 0
            if b.grad != NULL:
                memset(<char*>b.grad + i * bytes, 0, bytes)
            if b.hess != NULL:
                memset(<char*>b.hess + i * bytes, 0, bytes)


cdef void map_rows(
        RowsJob* job, int thread, Py_ssize_t start, RowBuffers* s, fl_rows* b, bint last,
        double* lanes, real tag) noexcept nogil:
    """Run the kernel on a block, and add up its weighted values."""
    cdef real* value = <real*>s.value
    cdef double* w = s.w
    cdef Py_ssize_t i, padded
    b.value = value
    b.grad = rows_target(job, job.grad, &job.outs[1], s.grad, start)
    b.hess = rows_target(job, job.hess, &job.outs[2], s.hess, start)
    job.kernel(b)
    if not job.plain:
        clear_absent_rows[real](job, b, w, 0)
    if job.floored:
        raise_rows[real](<real*>b.hess, <const real*>s.scale, <real>job.floor, b.n, job.k)
    if job.stretched:
        stretch(<char*>b.hess, job.stretch, b.n * job.k, job.itemsize)
    if job.mode == VALUE or job.mode == VALUE_GRAD:
        padded = (b.n + LANES - 1) // LANES * LANES
        if not job.plain:
            for i in range(b.n):
                w[i] *= value[i]
                value[i] = <real>w[i]
                w[i] = rounded[real](job, w[i], 0)
        if is_through(&job.outs[0]):
            write(&job.outs[0], thread, start, <char*>value, b.n)
        elif job.value != NULL:
            memcpy(job.value + start * job.itemsize, value, b.n * job.itemsize)
        if job.plain:
            memset(value + b.n, 0, (padded - b.n) * job.itemsize)
            job.passes.sum(value, padded, lanes)
        else:                           # of products in double
            memset(w + b.n, 0, (padded - b.n) * sizeof(double))
            kernels.passes[1].sum(w, padded, lanes)
    put_rows[real](
        job, job.grad, &job.outs[1], thread, <char*>b.grad, start, b.n, last, &s.carried[0], 0)
    put_rows[real](
        job, job.hess, &job.outs[2], thread, <char*>b.hess, start, b.n, last, &s.carried[1], 0)


# ---- tasks -------------------------------------------------------------------------------------

cdef void rows_task(RowsJob* job, int task, int thread, real tag) noexcept nogil:
    cdef RowBuffers s
    cdef fl_rows b = job.block
    cdef double lanes[LANES]
    cdef char* memory = job.memory + thread * job.room
    cdef TaskResult result
    cdef Py_ssize_t start = task * job.per_task, stop = min(start + job.per_task, job.n), n
    cdef int i
    memory = <char*>((<size_t>memory + LINE - 1) & ~<size_t>(LINE - 1))
    s.label = <int64_t*>memory
    s.value = memory + 8 * FL_ROWS
    s.scale = memory + 16 * FL_ROWS
    s.w = <double*>(memory + 24 * FL_ROWS)
    s.z = memory + 32 * FL_ROWS
    s.q = s.z + job.block_bytes
    s.grad = s.q + job.block_bytes + LINE
    s.hess = s.grad + job.block_bytes + LINE
    memset(s.carried, 0, sizeof(s.carried))
    memset(lanes, 0, sizeof(lanes))
    memset(&result, 0, sizeof(result))
    result.failed = -1
    if job.plain:
        for n in range(min(<Py_ssize_t>FL_ROWS, job.n)):
            (<real*>s.scale)[n] = <real>job.factor
    result.no_memory = not (
        seek(&job.z, thread, start * job.k, stop * job.k)
        and seek(&job.y, thread, start * job.width, stop * job.width)
        and seek(&job.w, thread, start, stop))
    if job.through and job.work == MAP:
        for i in range(3):
            n = job.k if i > 0 else 1
            result.no_memory |= not seek(&job.outs[i], thread, start * n, stop * n)
    while start < stop and not result.no_memory:
        n = min(stop - start, job.rows)
        if not load_rows[real](job, thread, start, n, &s, &b, &result, 0):
            result.failed = start
            break
        if job.work == MAP:
            map_rows[real](job, thread, start, &s, &b, start + n == stop, lanes, 0)
        start += n
    if job.through and job.work == MAP and result.failed < 0 and not result.no_memory:
        for i in range(3):
            flush(&job.outs[i], thread)
    result.total = fold(lanes)
    job.results[task] = result
    if job.stream:
        kernels.fence()


cdef void rows_any_task(void* given, int task, int thread) noexcept nogil:
    cdef RowsJob* job = <RowsJob*>given
    if job.dtype == 0:
        rows_task[float](job, task, thread, 0)
    else:
        rows_task[double](job, task, thread, 0)


cdef TaskResult run_rows(RowsJob* job) except *:
    return run_tasks(
        rows_any_task, job, job.results, job.tasks, job.threads,
        job.needs_gil or job.n * job.k <= FL_ROOM)
