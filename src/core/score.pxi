# Many losses in one pass over the inputs.

cdef enum:
    SCORE_BYTES = 1 << 26       # bounds the partial sums of grouped scores


def score_sums(
        list losses, y_true, y_pred, sample_weight, nan_policy_name, groups, Py_ssize_t n_groups):
    """Weighted sums of several losses in one pass.

    groups: None, or for each sample a number in 0..n_groups - 1 (intp, contiguous).
    Returns an array (n_groups, len(losses) + 2): the sum of each loss, of the weights, and the
    count of samples of non-zero weight.
    """
    cdef cnp.ndarray y = as_array(y_true, "y_true"), z = as_array(y_pred, "y_pred")
    cdef cnp.ndarray w, codes = groups
    cdef int type_num = check_pair(y, z), nan_policy = parse_nan_policy(nan_policy_name), i
    cdef PointwiseLoss loss
    cdef Py_ssize_t width = len(losses) + 2
    cdef int max_tasks = max(1, min(MAX_TASKS, SCORE_BYTES // (8 * max(n_groups, 1) * width)))
    cdef TaskResult result
    cdef Job job
    cdef Term* terms = NULL
    cdef cnp.ndarray sums
    w = check_weight(sample_weight, y)
    if codes is not None and not (is_direct(codes, cnp.NPY_INTP) and same_shape(codes, y)):
        raise ValueError(f"groups must have y_true's shape {shape_of(y)}; got {shape_of(codes)}")
    for loss in losses:
        check_bound(loss)
    try:
        start_job(&job, y, z, w, type_num, nan_policy, max_tasks)
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
        sums = np.zeros((max(job.tasks, 1), n_groups, width))
        job.sums = <double*>cnp.PyArray_DATA(sums)
        job.n_groups = n_groups
        if codes is not None:
            job.groups = <const Py_ssize_t*>cnp.PyArray_DATA(codes)
        result = run(&job)
        if result.failed >= 0:
            fail(&job, result.failed, y, z, w, losses)
    finally:
        PyMem_Free(terms)
        end_job(&job)
    total = sums[0]
    for part in sums[1:]:           # in task order, which np.sum would not keep
        total += part
    return total
