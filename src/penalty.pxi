# Penalties of parameters, element by element: jobs of the driver with one operand.

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
        start_job(&job, None, w, None, type_num, PROPAGATE, MAX_TASKS)
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
    if penalty == PENALTY_VALUE:
        return total
    return (total, mapped) if penalty == PENALTY_VALUE_GRAD else mapped


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


def penalty_output(cnp.ndarray w, out):
    """Where what is computed of w goes: out, if it can be written straight into it."""
    cdef int type_num = compute_type(w, "w")
    cdef cnp.ndarray mapped = check_out(out, w, type_num)
    check_overlap(mapped, w, "w", type_num)
    return mapped
