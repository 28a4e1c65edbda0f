# The driver: cuts the work into blocks and tasks, runs the tasks on threads, and adds their sums
# in task order, so that the bits of a result do not depend on the number of threads. It knows
# nothing of instruction sets and, but for table lookups, nothing of losses.

cdef enum:
    MAX_TASKS = 256             # bounds the memory for partial sums; enough for as many threads
    STRIDE = 4 * BLOCK          # elements of a task at least
    LONG_STRIDE = 16 * BLOCK    # and where there are many tasks, and taken at once at most
    LONG_PART = 32 * BLOCK      # bytes of an output from which on its lines matter

cdef enum:                      # what a job does with each block
    WEIGH                       # add up the weights
    CHECK                       # look at the inputs only
    MAP                         # one loss: its sum and/or its arrays
    PENALTY                     # of z, which has no y

cdef struct Check:              # y (or |y|, z, |z|) has to lie in low..high
    bint on
    double low
    double high

cdef struct Term:
    MapFn* maps
    double parameters[MAX_PARAMETERS]

cdef struct TaskResult:
    double weight
    double total
    Py_ssize_t count
    Py_ssize_t failed           # where the first block with a bad input starts; -1: none
    bint no_memory

cdef struct Job:
    Passes* passes
    WeightPasses* weighing
    int work, mode, dtype, threads, tasks
    Py_ssize_t n, itemsize, per_task, step      # elements: of all, of a task and taken at once
    Operand y, z, w
    Py_ssize_t weight_size      # bytes of a weight: with float32 they may be of float64
    double boost                # a power of two that weights out of range are multiplied by
    bint weighted, omit, refuse_nan, staged, stream, needs_gil
    bint curved                 # the Hessian is what boosting takes in its place,
    bint floored                # or at least a number,
    bint stretched              # or times another
    double stretch
    double floor
    Check checks[4]             # y, |y|, z, |z|
    Term* terms
    double scale                # of gradients and Hessians
    double root                 # > 0: the Hessian is that of a root with this value
    char* value                 # outputs, each NULL if not asked for
    char* grad
    char* hess
    bint through                # some are not direct: what they are written through
    Operand outs[3]
    PenaltyFn penalty
    double strengths[2]
    double* pace                # of work of this kind, or NULL
    TaskResult results[MAX_TASKS]

cdef struct Block:
    const char* y
    const char* z
    const char* w               # NULL: all 1
    Py_ssize_t n, padded        # rows, and rows rounded up to full lanes
    double weight
    Py_ssize_t count            # of rows whose weight is not 0
    bint last                   # of its task

cdef struct Scratch:            # a task's buffers, each of BLOCK doubles
    char* y
    char* z
    char* w
    char* scaled
    char* value
    char* grad
    char* hess
    Py_ssize_t carried[3]       # bytes before value, grad and hess that wait to be streamed

cdef enum:
    STEP = 8 * BLOCK + LINE     # each buffer has a line of room before it
    SCRATCH_BYTES = 7 * STEP + 2 * LINE


cdef inline int tasks_of(Py_ssize_t n) noexcept nogil:
    """Enough for threads that share little work, and few enough that each is long."""
    return <int>max(min(n // STRIDE, 16), min(n // LONG_STRIDE, MAX_TASKS), 1)


cdef void plan(
        Job* job, Py_ssize_t n, Py_ssize_t unit, int max_tasks, double* pace) noexcept nogil:
    """Cut n elements into tasks of whole units; n alone decides, never the threads."""
    cdef Py_ssize_t units = (n + unit - 1) // unit
    job.n = n
    job.per_task = max((units + max_tasks - 1) // max_tasks, 1) * unit
    job.tasks = <int>((n + job.per_task - 1) // job.per_task)
    job.threads = threads_for(seconds_of(n, pace), job.tasks)
    job.pace = pace


# ---- one block ---------------------------------------------------------------------------------

cdef const char* padded(
        const char* data, char* buffer, Py_ssize_t n, Py_ssize_t full, Py_ssize_t size
        ) noexcept nogil:
    """data with its last element repeated up to full lanes."""
    cdef Py_ssize_t i
    if n == full:
        return data
    if data != buffer:
        memcpy(buffer, data, n * size)
    for i in range(n, full):
        memcpy(buffer + i * size, buffer + (n - 1) * size, size)
    return buffer


cdef inline double boosted(double w, double boost) noexcept nogil:
    """A weight times a power of two. What is not 0 stays so: of a weight of 0 nothing is looked at."""
    cdef double product = w * boost
    if product != 0 or w == 0:
        return product
    return 5e-324 if w > 0 else -5e-324


cdef void boost_weights(Job* job, const char* w, Py_ssize_t n, char* products) noexcept nogil:
    """boosted() of weights in the type that they have."""
    cdef Py_ssize_t i
    cdef float least = 1.401298464324817e-45
    if job.weight_size == 8:
        for i in range(n):
            (<double*>products)[i] = boosted((<const double*>w)[i], job.boost)
        return
    job.weighing.scale(w, job.boost, n, products)
    for i in range(n):
        if (<float*>products)[i] == 0 and (<const float*>w)[i] != 0:
            (<float*>products)[i] = least if (<const float*>w)[i] > 0 else -least


cdef bint load_weights(
        Job* job, int thread, Py_ssize_t start, Scratch* s, Block* b) noexcept nogil:
    """b.w, b.weight and b.count; False if a weight is not finite."""
    cdef WeightStats stats
    cdef Py_ssize_t i
    if job.weighted:
        b.w = read(&job.w, thread, start, b.n, s.w)
        if b.w != s.w and (job.omit or b.n != b.padded):
            memcpy(s.w, b.w, b.n * job.weight_size)
            b.w = s.w
    else:
        for i in range(b.n):
            if job.weight_size == 4:
                (<float*>s.w)[i] = 1
            else:
                (<double*>s.w)[i] = 1
        b.w = s.w
    if b.n != b.padded:
        memset(s.w + b.n * job.weight_size, 0, (b.padded - b.n) * job.weight_size)
    if job.omit:
        job.weighing.drop_nan(b.y, b.z, b.padded, s.w)
    if job.boost != 1:
        boost_weights(job, b.w, b.padded, s.scaled)
        memcpy(s.w, s.scaled, b.padded * job.weight_size)
        b.w = s.w
    stats = job.weighing.stats(b.w, b.padded)
    b.weight = stats.total
    b.count = stats.nonzero
    return stats.finite


cdef bint load(
        Job* job, int thread, Py_ssize_t start, Py_ssize_t n, Scratch* s, Block* b) noexcept nogil:
    """Bring n rows from start on into b, checked; False if one of them is bad."""
    cdef Py_ssize_t bytes
    b.n = n
    b.padded = (n + LANES - 1) // LANES * LANES
    b.w = NULL
    b.weight = n
    b.count = n
    if job.work == WEIGH and not job.omit:
        return load_weights(job, thread, start, s, b)
    if job.work == PENALTY:
        b.z = padded(read(&job.z, thread, start, n, s.z), s.z, n, b.padded, job.itemsize)
        if n != b.padded:           # by zeros, which add nothing
            memset(s.z + n * job.itemsize, 0, (b.padded - n) * job.itemsize)
        return True
    b.y = padded(read(&job.y, thread, start, n, s.y), s.y, n, b.padded, job.itemsize)
    b.z = padded(read(&job.z, thread, start, n, s.z), s.z, n, b.padded, job.itemsize)
    if job.weighted or job.omit:
        if not load_weights(job, thread, start, s, b):
            return False
        if b.count != b.padded:
            # rows of weight 0 are as good as absent, whatever they hold: 1 is in every domain
            bytes = b.padded * job.itemsize
            if b.y != s.y:
                memcpy(s.y, b.y, bytes)
                b.y = s.y
            if b.z != s.z:
                memcpy(s.z, b.z, bytes)
                b.z = s.z
            job.weighing.fill_absent(s.y, b.w, b.padded, 1)
            job.weighing.fill_absent(s.z, b.w, b.padded, 1)
    if job.refuse_nan and (
            job.passes.any_nan(b.y, b.padded) or job.passes.any_nan(b.z, b.padded)):
        return False
    return in_domain(job, b)


cdef inline void clear_absent(Job* job, Block* b, char* v) noexcept nogil:
    """What a loss has at 1 may be infinite, as of a great power: 0 times that is not 0."""
    if v != NULL and b.w != NULL and b.count != b.padded:
        job.weighing.fill_absent(v, b.w, b.padded, 0)


cdef bint in_domain(Job* job, Block* b) noexcept nogil:
    cdef Check* check
    cdef int i
    for i in range(4):
        check = &job.checks[i]
        if check.on and job.passes.outside(
                b.y if i < 2 else b.z, b.padded, i & 1, check.low, check.high):
            return False
    return True


cdef inline bint is_through(Operand* output) noexcept nogil:
    """Whether an output is not direct."""
    return output.readers != NULL or output.convert != NULL or output.source != NULL


cdef inline char* target(
        Job* job, char* out, Operand* through, char* buffer, Py_ssize_t start, Block* b
        ) noexcept nogil:
    """Where a map writes: straight into the output where that may be."""
    if out == NULL or job.staged or job.stream or b.n != b.padded or is_through(through):
        return buffer
    return out + start * job.itemsize


cdef void stream_lines(
        Passes* passes, char* place, char* written, Py_ssize_t bytes, bint last,
        Py_ssize_t* carried) noexcept nogil:
    """Stream a block, in whole lines: what is left of the last one waits before the buffer for
    the next block. A line written in two parts would cost more than streaming gains."""
    cdef Py_ssize_t whole
    place -= carried[0]
    written -= carried[0]
    bytes += carried[0]
    whole = bytes - <Py_ssize_t>((<size_t>place + bytes) & (LINE - 1))
    if whole <= 0:
        whole = 0
    passes.stream(written, whole, place)
    written += whole
    bytes -= whole
    if last:
        memcpy(place + whole, written, bytes)
        bytes = 0
    else:
        memmove(written - whole + carried[0] - bytes, written, bytes)
    carried[0] = bytes


cdef inline void deliver(
        Job* job, char* out, Operand* through, int thread, char* written, Py_ssize_t start, Block* b,
        Py_ssize_t* carried) noexcept nogil:
    """Bring what a map wrote into a buffer to the output."""
    cdef char* place
    cdef Py_ssize_t bytes = b.n * job.itemsize
    if out == NULL:
        return
    if is_through(through):
        write(through, thread, start, written, b.n)
        return
    place = out + start * job.itemsize
    if written == place:
        return
    if job.stream:
        stream_lines(job.passes, place, written, bytes, b.last, carried)
    else:
        memcpy(place, written, bytes)


cdef void raise_to(
        char* v, double bound, Py_ssize_t n, Py_ssize_t itemsize, bint negative) noexcept nogil:
    """Make numbers at least a bound, or, where both were made negative, at most; NaN stays."""
    cdef Py_ssize_t i
    cdef float single = <float>bound
    cdef float* f = <float*>v
    cdef double* d = <double*>v
    for i in range(n):
        if itemsize == 4:
            f[i] = single if (f[i] > single if negative else f[i] < single) else f[i]
        else:
            d[i] = bound if (d[i] > bound if negative else d[i] < bound) else d[i]


cdef void stretch(char* v, double factor, Py_ssize_t n, Py_ssize_t itemsize) noexcept nogil:
    cdef Py_ssize_t i
    if itemsize == 4:
        for i in range(n):
            (<float*>v)[i] *= <float>factor
    else:
        for i in range(n):
            (<double*>v)[i] *= factor


cdef inline int adding(int mode) noexcept nogil:
    """The mode that adds up the values."""
    return ADD_VALUE if mode == VALUE else ADD_VALUE_GRAD


cdef inline int map_of(Job* job, bint fused) noexcept nogil:
    """The loop that computes what a job asks for."""
    if fused:
        return adding(job.mode)
    return GRAD_CURVE if job.curved and job.mode == GRAD_HESS else job.mode


cdef struct Parts:              # of a block that one loss is evaluated on
    MapFn map
    const double* parameters
    double scale
    Py_ssize_t size             # bytes of an element
    const char* y
    const char* z
    char* value
    char* grad
    char* hess


cdef inline char* moved(char* place, Py_ssize_t bytes) noexcept nogil:
    return NULL if place == NULL else place + bytes


cdef inline void map_part(Parts* p, Py_ssize_t start, Py_ssize_t n, double* lanes) noexcept nogil:
    cdef Py_ssize_t bytes = start * p.size
    p.map(
        p.parameters, p.y + bytes, p.z + bytes, n, p.scale,
        <char*>lanes if lanes != NULL else moved(p.value, bytes), moved(p.grad, bytes),
        moved(p.hess, bytes))


cdef inline void map_lines(Parts* p, Py_ssize_t n, double* lanes) noexcept nogil:
    """Evaluate n elements so that the stores of the gradient, but for the first and last few, are of
    whole lines: those across two lines take twice as long. Lanes turn with the elements, so that
    each adds the same numbers in the same order."""
    cdef Py_ssize_t lead = (-<size_t>p.grad & (LINE - 1)) // p.size
    cdef double turned[LANES]
    cdef double kept[LANES]
    if lead == 0 or lead >= LANES or n * p.size < LONG_PART:
        map_part(p, 0, n, lanes)
        return
    if lanes == NULL:
        map_part(p, 0, LANES, NULL)
        map_part(p, lead, n - LANES, NULL)
        map_part(p, n - LANES, LANES, NULL)
        return
    memcpy(kept, lanes, sizeof(kept))
    map_part(p, 0, LANES, lanes)                # only the first are added now,
    memcpy(turned, kept + lead, (LANES - lead) * sizeof(double))
    memcpy(turned + LANES - lead, lanes, lead * sizeof(double))
    map_part(p, lead, n - LANES, turned)
    memcpy(lanes, turned + LANES - lead, lead * sizeof(double))
    memcpy(lanes + lead, turned, (LANES - lead) * sizeof(double))
    memcpy(kept, lanes, lead * sizeof(double))
    map_part(p, n - LANES, LANES, lanes)        # and only the last
    memcpy(lanes, kept, lead * sizeof(double))


cdef void map_block(
        Job* job, int thread, Py_ssize_t start, Scratch* s, Block* b, double* lanes) noexcept nogil:
    """Evaluate one loss on a block, and add up its weighted values."""
    cdef char* value = target(job, job.value, &job.outs[0], s.value, start, b)
    cdef char* grad = target(job, job.grad, &job.outs[1], s.grad, start, b)
    cdef char* hess = target(job, job.hess, &job.outs[2], s.hess, start, b)
    cdef bint has_value = job.mode == VALUE or job.mode == VALUE_GRAD
    cdef bint adds = has_value and job.value == NULL
    cdef bint fused = adds and b.w == NULL and b.n == b.padded and job.terms.maps[ADD_VALUE] != NULL
    cdef double scale = 1 if b.w != NULL else job.scale
    cdef Parts parts = Parts(
        job.terms.maps[map_of(job, fused)], &job.terms.parameters[0], scale, job.itemsize, b.y,
        b.z, value, grad, hess)
    map_lines(&parts, b.padded, lanes if fused else NULL)
    if has_value:
        clear_absent(job, b, value)
    if job.mode != VALUE:
        clear_absent(job, b, grad)
    if job.mode == GRAD_HESS:
        clear_absent(job, b, hess)
    if job.floored:
        raise_to(hess, job.floor * scale, b.padded, job.itemsize, scale < 0)
    if b.w != NULL:
        if has_value and job.value != NULL:
            job.weighing.multiply(value, b.w, b.padded)
        if job.mode != VALUE:
            job.weighing.scale(b.w, job.scale, b.padded, s.scaled)
            job.weighing.multiply(grad, s.scaled, b.padded)
        if job.mode == GRAD_HESS:
            job.weighing.multiply(hess, s.scaled, b.padded)
    if job.root > 0 and job.mode == GRAD_HESS and not job.curved:
        job.passes.root_hess(grad, job.root, b.padded, hess)
    if job.stretched:
        stretch(hess, job.stretch, b.padded, job.itemsize)
    if adds and not fused:
        add_block(job, value, b, lanes)
    deliver(job, job.value, &job.outs[0], thread, value, start, b, &s.carried[0])
    deliver(job, job.grad, &job.outs[1], thread, grad, start, b, &s.carried[1])
    deliver(job, job.hess, &job.outs[2], thread, hess, start, b, &s.carried[2])


cdef inline void add_block(Job* job, char* value, Block* b, double* lanes) noexcept nogil:
    if b.w == NULL:
        memset(value + b.n * job.itemsize, 0, (b.padded - b.n) * job.itemsize)
        job.passes.sum(value, b.padded, lanes)
    else:
        job.weighing.sum(value, b.w, b.padded, lanes)       # weights are padded by 0


cdef void penalty_block(
        Job* job, int thread, Py_ssize_t start, Scratch* s, Block* b, double* lanes) noexcept nogil:
    cdef char* grad = target(job, job.grad, &job.outs[1], s.grad, start, b)
    job.penalty(job.strengths, b.z, b.padded, lanes, grad)
    deliver(job, job.grad, &job.outs[1], thread, grad, start, b, &s.carried[1])


# ---- tasks and threads -------------------------------------------------------------------------

cdef bint seek_outputs(Job* job, int thread, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    """seek() of the outputs that this run writes by way of an iterator."""
    return job.work != MAP or (
        (job.value == NULL or seek(&job.outs[0], thread, start, stop))
        and (job.grad == NULL or seek(&job.outs[1], thread, start, stop))
        and (job.hess == NULL or seek(&job.outs[2], thread, start, stop)))


cdef void flush_outputs(Job* job, int thread) noexcept nogil:
    if job.value != NULL:
        flush(&job.outs[0], thread)
    if job.grad != NULL:
        flush(&job.outs[1], thread)
    if job.hess != NULL:
        flush(&job.outs[2], thread)


cdef inline Scratch scratch_in(char* memory) noexcept nogil:
    """Buffers in SCRATCH_BYTES of memory."""
    cdef char* base = <char*>((<size_t>memory + 2 * LINE - 1) & ~<size_t>(LINE - 1))
    cdef Scratch s
    s.y = base
    s.z = base + STEP
    s.w = base + 2 * STEP
    s.scaled = base + 3 * STEP
    s.value = base + 4 * STEP
    s.grad = base + 5 * STEP
    s.hess = base + 6 * STEP
    memset(s.carried, 0, sizeof(s.carried))
    return s


cdef void run_task(void* given, int task, int thread) noexcept nogil:
    cdef Job* job = <Job*>given
    cdef char memory[SCRATCH_BYTES]
    cdef Scratch s = scratch_in(memory)
    cdef Block b
    cdef double lanes[LANES]
    cdef TaskResult result          # ours alone until the end: threads' results share cache lines
    cdef Py_ssize_t start = task * job.per_task, stop = min(start + job.per_task, job.n), n
    memset(lanes, 0, sizeof(lanes))
    result.weight = 0
    result.total = 0
    result.count = 0
    result.failed = -1
    result.no_memory = not (
        seek(&job.y, thread, start, stop) and seek(&job.z, thread, start, stop)
        and seek(&job.w, thread, start, stop))
    if job.through:
        result.no_memory |= not seek_outputs(job, thread, start, stop)
    while start < stop and not result.no_memory:
        n = min(stop - start, job.step)
        if n > BLOCK:
            n &= -LANES                 # the last few go through buffers
        b.last = start + n >= stop
        if not load(job, thread, start, n, &s, &b):
            result.failed = start
            break
        result.weight += b.weight
        result.count += b.count
        if job.work == MAP:
            map_block(job, thread, start, &s, &b, lanes)
        elif job.work == PENALTY:
            penalty_block(job, thread, start, &s, &b, lanes)
        start += n
    if job.through and job.work == MAP and result.failed < 0 and not result.no_memory:
        flush_outputs(job, thread)
    result.total = fold(lanes)
    job.results[task] = result
    if job.stream:
        kernels.fence()


cdef TaskResult total_of(TaskResult* results, int tasks) noexcept nogil:
    """The sum of the tasks' results, in task order, or the first that failed."""
    cdef TaskResult sum
    cdef int task
    sum.weight = 0
    sum.total = 0
    sum.count = 0
    sum.failed = -1
    sum.no_memory = False
    for task in range(tasks):
        sum.no_memory |= results[task].no_memory
        if results[task].failed >= 0:
            sum.failed = results[task].failed
            break
        sum.weight += results[task].weight
        sum.total += results[task].total
        sum.count += results[task].count
    return sum


cdef TaskResult run_tasks(
        TaskFn run, void* job, TaskResult* results, int tasks, int threads, bint keep_gil
        ) except *:
    """Run all tasks of a job; the sum of their results, in task order."""
    cdef TaskResult result
    if keep_gil:
        run_all(run, job, tasks, 1)
    else:
        with nogil:
            run_all(run, job, tasks, threads)
    result = total_of(results, tasks)
    if result.no_memory:
        raise MemoryError("no memory for converting an input")
    return result


cdef TaskResult run(Job* job) except *:
    return run_tasks(
        run_task, job, job.results, job.tasks, job.threads, job.needs_gil or job.tasks <= 1)


# ---- weights near the ends of the range --------------------------------------------------------

cdef double boost_of(TaskResult* result) noexcept nogil:
    """A power of two that brings weights of this sum into the middle of the range; mostly 1."""
    cdef double size = fabs(result.weight)
    if 2.0 ** 900 < size < INFINITY:
        return 2.0 ** -900
    return 2.0 ** 900 if 0 < size < 2.0 ** -900 else 1


cdef TaskResult run_in_range(
        TaskFn run, void* job, TaskResult* results, int tasks, int threads, bint keep_gil,
        bint mean, double* boost) except *:
    """Run a job. The first run for a mean, which writes nothing yet, is done once more if its
    weights are near the ends of the range: times a power of two, which the mean does not see."""
    cdef TaskResult result = run_tasks(run, job, results, tasks, threads, keep_gil), again
    if not mean or boost[0] != 1:
        return result
    boost[0] = boost_of(&result)
    if boost[0] == 1:
        return result
    again = run_tasks(run, job, results, tasks, threads, keep_gil)
    if again.failed >= 0:           # large weights that cancel each other
        boost[0] = 1
        return result
    return again


cdef int check_total(TaskResult* result) except -1:
    if fabs(result.weight) == INFINITY:
        raise ValueError("the sum of sample_weight overflows")
    return 0
