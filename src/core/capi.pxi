# The C API: pointwise losses for other compiled packages. fastloss.h is the contract.

from cpython.pycapsule cimport PyCapsule_New

cdef extern from "fastloss.h":
    int FASTLOSS_ABI
    const char* FASTLOSS_CAPSULE

    ctypedef struct fastloss_domain:
        double low[2]
        double high[2]
        int of_magnitude

    ctypedef struct fastloss_loss:
        double parameters[MAX_PARAMETERS]
        fastloss_domain domains[2]
        SampleGradFn grad_one
        SampleFn evaluate_one
        Py_ssize_t (*evaluate)(
            const fastloss_loss*, int dtype, const void* y, const void* z, Py_ssize_t n,
            void* value, void* grad, void* hess) noexcept nogil
        const void* maps

    ctypedef struct fastloss_api:
        int abi
        int (*from_object)(object, fastloss_loss*) except -1


cdef int bind_loss(object given, fastloss_loss* bound) except -1:
    """Copy what a loss's object holds."""
    cdef PointwiseLoss loss
    cdef int i
    if not isinstance(given, PointwiseLoss):
        rows = ", a loss of rows" if isinstance(given, RowLoss) else ""
        raise TypeError(
            f"the C API takes a loss of one target and one prediction, as fastloss.Huber(); "
            f"got {given!r}{rows}")
    loss = given
    check_bound(loss)
    memcpy(bound.parameters, loss.kernel_parameters, sizeof(loss.kernel_parameters))
    for i in range(2):
        memcpy(bound.domains[i].low, loss.domains[i].low, sizeof(loss.domains[i].low))
        memcpy(bound.domains[i].high, loss.domains[i].high, sizeof(loss.domains[i].high))
        bound.domains[i].of_magnitude = loss.domains[i].absolute
    bound.grad_one = loss.sample.grad
    bound.evaluate_one = loss.sample.all
    bound.evaluate = evaluate_samples
    bound.maps = loss.single_maps
    return 0


cdef Py_ssize_t evaluate_samples(
        const fastloss_loss* loss, int dtype, const void* y, const void* z, Py_ssize_t n,
        void* value, void* grad, void* hess) noexcept nogil:
    """The drivers' task, on this thread."""
    cdef Job job
    cdef Term term
    cdef Py_ssize_t failed
    memset(&job, 0, <size_t>(<char*>&job.results - <char*>&job))
    job.dtype = dtype
    job.itemsize = 8 if dtype else 4
    job.passes = &kernels.passes[dtype]
    job.n = n
    job.per_task = n
    job.step = BLOCK
    job.y.data = <char*>y
    job.z.data = <char*>z
    job.y.stride = job.itemsize
    job.z.stride = job.itemsize
    job.scale = 1
    job.terms = &term
    memcpy(term.parameters, loss.parameters, sizeof(term.parameters))
    term.maps = <MapFn*>loss.maps + dtype * N_MODES
    set_bound_checks(&job, loss)

    job.value = <char*>value
    job.grad = <char*>grad
    job.hess = <char*>hess
    if value == NULL and grad == NULL and hess == NULL:
        return run_bound(&job, CHECK, loss, VALUE)
    if hess == NULL:
        return run_bound(
            &job, MAP, loss, VALUE if grad == NULL else GRAD if value == NULL else VALUE_GRAD)
    job.value = NULL
    failed = run_bound(&job, MAP, loss, GRAD_HESS)
    if value != NULL and failed < 0:        # no map has all three
        job.value = <char*>value
        job.grad = NULL
        job.hess = NULL
        failed = run_bound(&job, MAP, loss, VALUE)
    return failed


cdef void set_bound_checks(Job* job, const fastloss_loss* loss) noexcept nogil:
    cdef int i
    cdef Check* check
    for i in range(2):
        check = &job.checks[2 * i + loss.domains[i].of_magnitude]
        check.low = loss.domains[i].low[job.dtype]
        check.high = loss.domains[i].high[job.dtype]
        check.on = check.low > -INFINITY or check.high < INFINITY


cdef Py_ssize_t run_bound(
        Job* job, int work, const fastloss_loss* loss, int mode) noexcept nogil:
    """The first bad sample, or -1."""
    cdef Py_ssize_t i
    job.work = work
    job.mode = mode
    run_task(job, 0, 0)
    i = job.results[0].failed
    if i < 0:
        return -1
    while not (
            beyond(&loss.domains[0], number(job.y.data, job.itemsize, i), job.dtype)
            or beyond(&loss.domains[1], number(job.z.data, job.itemsize, i), job.dtype)):
        i += 1
    return i


cdef bint beyond(const fastloss_domain* domain, double x, int dtype) noexcept nogil:
    x = fabs(x) if domain.of_magnitude else x
    return x < domain.low[dtype] or x > domain.high[dtype]


cdef fastloss_api c_api
c_api.abi = FASTLOSS_ABI
c_api.from_object = bind_loss
_C_API = PyCapsule_New(&c_api, FASTLOSS_CAPSULE, NULL)
