# Penalties of parameters. Those of elements are jobs of the driver with one operand; those of groups
# have units of their own, each of which computes some groups.

cdef object run_penalty(
        int penalty, object given, double first, double second, object out):
    """Run one of the maps of penalties, and return what its method does."""
    cdef cnp.ndarray w = as_array(given, "w"), mapped = None
    cdef int type_num = compute_type(w, "w")
    cdef bint in_place = False
    cdef double total
    cdef Job job
    if penalty != PENALTY_VALUE:
        mapped = check_out(out, w, type_num)
        in_place = check_overlap(mapped, w, "w", type_num)
    try:
        start_job(&job, None, w, None, type_num, PROPAGATE)
        job.work = PENALTY
        job.penalty = kernels.penalties[job.dtype][penalty]
        job.strengths[0] = first
        job.strengths[1] = second
        if mapped is not None:
            job.grad = cnp.PyArray_BYTES(mapped)
            job.staged = in_place
            job.stream = 2 * job.n * job.itemsize > cache_bytes and not in_place
        total = run(&job).total
    finally:
        end_job(&job)
    return penalty_result(penalty, total, mapped)


cdef inline object penalty_result(int penalty, double value, cnp.ndarray mapped):
    """What a method of a penalty returns."""
    if penalty == PENALTY_VALUE:
        return value
    return (value, mapped) if penalty == PENALTY_VALUE_GRAD else mapped


def penalty_value(w, double l1, double l2):
    """l1 * sum(abs(w)) + l2/2 * sum(w**2)"""
    return run_penalty(PENALTY_VALUE, w, l1, l2, None)


def penalty_grad(w, double l1, double l2, out):
    """Its gradient, 0 at 0."""
    return run_penalty(PENALTY_GRAD, w, l1, l2, out)


def penalty_value_and_grad(w, double l1, double l2, out):
    """Both in one pass."""
    return run_penalty(PENALTY_VALUE_GRAD, w, l1, l2, out)


def penalty_prox(w, double l1, double l2, double step, out):
    """Its proximal step."""
    return run_penalty(PENALTY_PROX, w, step * l1, 1 / (1 + step * l2), out)


# ---- groups ------------------------------------------------------------------------------------

cdef enum:
    UNIT = 16384                # elements of groups that are computed together, if they are short

cdef struct GroupJob:
    GroupKernel* kernel
    int penalty
    double strength
    const char* w
    char* out                   # NULL: the norms only
    Py_ssize_t itemsize
    Py_ssize_t members          # of a group
    Py_ssize_t stride           # from one to the next
    Py_ssize_t apart            # from a group to the next one of a line
    Py_ssize_t width            # groups of a line
    Py_ssize_t together, strips # groups of a unit, units of a line
    Py_ssize_t units
    double sums[MAX_TASKS]      # of the norms; tasks do not depend on the threads
    int tasks


cdef double run_unit(const GroupJob* job, Py_ssize_t unit) noexcept nogil:
    cdef Py_ssize_t first = unit % job.strips * job.together
    cdef Py_ssize_t start = unit // job.strips * job.members * job.width + first * job.apart
    return job.kernel.norms(
        job.penalty, job.strength, job.w + start * job.itemsize, job.members, job.stride,
        min(job.together, job.width - first),
        job.out + start * job.itemsize if job.out != NULL else NULL)


cdef void group_task(void* given, int task, int thread) noexcept nogil:
    cdef GroupJob* job = <GroupJob*>given
    cdef Py_ssize_t unit
    job.sums[task] = 0
    for unit in range(job.units * task // job.tasks, job.units * (task + 1) // job.tasks):
        job.sums[task] += run_unit(job, unit)


cdef double norms_along(
        int penalty, double strength, cnp.ndarray w, int axis, cnp.ndarray out) except? -1:
    """The sum of the norms along an axis of a contiguous array."""
    cdef GroupJob job
    cdef Py_ssize_t lines = 1
    cdef double total = 0
    cdef int i, task, threads
    job.kernel = &kernels.groups[0 if cnp.PyArray_TYPE(w) == cnp.NPY_FLOAT else 1]
    job.penalty, job.strength = penalty, strength
    job.w = cnp.PyArray_BYTES(w)
    job.out = cnp.PyArray_BYTES(out) if out is not None else NULL
    job.itemsize = cnp.PyArray_ITEMSIZE(w)
    job.members, job.stride = cnp.PyArray_DIM(w, axis), 1
    for i in range(cnp.PyArray_NDIM(w)):
        if i < axis:
            lines *= cnp.PyArray_DIM(w, i)
        elif i > axis:
            job.stride *= cnp.PyArray_DIM(w, i)
    if job.stride == 1:                 # groups one after the other: all in one line
        job.apart, job.width, lines = job.members, lines, 1
        job.together = max(1, min(BLOCK, UNIT // max(job.members, 1)))
    else:
        job.apart, job.width, job.together = 1, job.stride, BLOCK
    job.strips = (job.width + job.together - 1) // job.together
    job.units = lines * job.strips
    job.tasks = <int>min(job.units, <Py_ssize_t>MAX_TASKS)
    threads = threads_for(long_if(cnp.PyArray_SIZE(w) >= PARALLEL_MIN), job.tasks)
    with nogil:
        run_all(group_task, &job, job.tasks, threads)
        for task in range(job.tasks):
            total += job.sums[task]
    return total


cdef void add_squares(
        Operand* w, GroupKernel* kernel, const Py_ssize_t* labels, Py_ssize_t members,
        Py_ssize_t n, double* squares) noexcept nogil:
    """Read n elements, and add their squares to those of the groups of their labels; without
    labels, members after members are a group."""
    cdef double buffer[BLOCK]
    cdef const char* data
    cdef Py_ssize_t start = 0, count
    while start < n:
        count = min(<Py_ssize_t>BLOCK, n - start)
        if labels == NULL:
            count = min(count, members - start % members)
        data = read(w, 0, start, count, <char*>buffer)
        if labels == NULL:
            squares[start // members] += kernel.squares(data, count)
        else:
            kernel.add(data, labels + start, count, squares)
        start += count


cdef double norms_of(
        int penalty, double strength, cnp.ndarray w, int type_num, Py_ssize_t groups,
        Py_ssize_t members, cnp.ndarray labels, cnp.ndarray out) except? -1:
    """The sum of the norms of groups of any array: see add_squares. With labels also out."""
    cdef GroupKernel* kernel = &kernels.groups[0 if type_num == cnp.NPY_FLOAT else 1]
    cdef const Py_ssize_t* of_labels = NULL
    cdef double* squares = <double*>PyMem_Calloc(max(groups, 1), sizeof(double))
    cdef double total = 0, norm
    cdef Py_ssize_t g, n = cnp.PyArray_SIZE(w)
    cdef Operand operand
    cdef bint needs_gil
    if squares == NULL:
        raise MemoryError()
    if labels is not None:
        of_labels = <const Py_ssize_t*>cnp.PyArray_DATA(labels)
    memset(&operand, 0, sizeof(operand))
    try:
        needs_gil = open_operand(&operand, w, w, type_num, 1)
        if not seek(&operand, 0, 0, n):
            raise MemoryError("no memory for converting an input")
        if needs_gil:
            add_squares(&operand, kernel, of_labels, members, n, squares)
        else:
            with nogil:
                add_squares(&operand, kernel, of_labels, members, n, squares)
        for g in range(groups):
            norm = sqrt(squares[g])
            total += norm
            squares[g] = group_factor(penalty, strength, norm)
        if out is not None:
            with nogil:
                kernel.multiply(
                    cnp.PyArray_BYTES(w), of_labels, n, squares, cnp.PyArray_BYTES(out))
    finally:
        close_operand(&operand)
        PyMem_Free(squares)
    return total


cdef object run_groups(
        int penalty, object given, double strength, object axis, cnp.ndarray labels,
        Py_ssize_t groups, object out):
    """Run a penalty of groups, along an axis or of labels, and return what its method does."""
    cdef cnp.ndarray w = as_array(given, "w"), mapped = None
    cdef int type_num = compute_type(w, "w"), ndim = cnp.PyArray_NDIM(w)
    cdef double total
    if labels is None and not -ndim <= axis < ndim:
        raise ValueError(f"axis must be one of the {ndim} axes of w; got {axis}")
    if labels is not None and not same_shape(w, labels):
        raise ValueError(f"w must have shape {shape_of(labels)}, as groups; got {shape_of(w)}")
    if penalty != PENALTY_VALUE:
        mapped = check_out(out, w, type_num)
        check_overlap(mapped, w, "w", type_num)
        if not is_direct(w, type_num):
            cnp.PyArray_CopyInto(mapped, w)
            w = mapped
    axis += ndim if axis < 0 else 0
    if labels is not None:
        total = norms_of(penalty, strength, w, type_num, groups, 1, labels, mapped)
    elif is_direct(w, type_num):
        total = norms_along(penalty, strength, w, axis, mapped)
    else:                               # no copy of it: read group after group
        members = cnp.PyArray_DIM(w, axis)
        groups = cnp.PyArray_SIZE(w) // max(members, 1)
        w = np.moveaxis(w, axis, -1)
        total = norms_of(penalty, strength, w, type_num, groups, members, None, None)
    return penalty_result(penalty, strength * total, mapped)


def group_value(w, double strength, axis, labels, Py_ssize_t groups):
    """strength * sum(norm(w[g]) for g), of groups along an axis or of labels."""
    return run_groups(PENALTY_VALUE, w, strength, axis, labels, groups, None)


def group_value_and_grad(w, double strength, axis, labels, Py_ssize_t groups, out):
    """Also its gradient, 0 where a group is 0."""
    return run_groups(PENALTY_VALUE_GRAD, w, strength, axis, labels, groups, out)


def group_prox(w, double strength, axis, labels, Py_ssize_t groups, out):
    """Its proximal step, where strength is that times the step."""
    return run_groups(PENALTY_PROX, w, strength, axis, labels, groups, out)
