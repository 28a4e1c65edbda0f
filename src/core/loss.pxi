# The base of every loss owns the public methods, so that no Python frame stands between the
# caller and the driver; and the base of every pointwise loss.

cdef enum Reduction:
    MEAN
    SUM
    NONE

cdef enum NanPolicy:
    PROPAGATE
    OMIT
    RAISE

cdef struct Interval:               # per dtype: an open end is closed at the next number inside
    double low[2]
    double high[2]
    bint absolute
    bint bounded


cdef struct Curvature:              # what is to stand for the Hessian
    bint curved                     # the majorant
    bint floored                    # the Hessian, or the floor where that is greater
    double floor
    double factor                   # of gradient and Hessian
    double stretch                  # a further one of the Hessian


cdef Curvature exact_hessian
exact_hessian.curved = exact_hessian.floored = False
exact_hessian.floor = 0
exact_hessian.factor = exact_hessian.stretch = 1


cdef class Scaled:                  # what _derivatives hands on as hessian
    cdef object hessian
    cdef double factor, stretch


cdef inline int parse_reduction(object reduction) except -1:
    if reduction == "mean":
        return MEAN
    if reduction == "sum":
        return SUM
    if reduction == "none":
        return NONE
    raise ValueError(f'reduction must be "mean", "sum" or "none"; got {reduction!r}')


cdef inline int parse_nan_policy(object nan_policy) except -1:
    if nan_policy == "propagate":
        return PROPAGATE
    if nan_policy == "omit":
        return OMIT
    if nan_policy == "raise":
        return RAISE
    raise ValueError(f'nan_policy must be "propagate", "omit" or "raise"; got {nan_policy!r}')


cdef Curvature parse_hessian(object given) except *:
    cdef Curvature found
    if type(given) is Scaled:
        found = parse_hessian((<Scaled>given).hessian)
        found.factor, found.stretch = (<Scaled>given).factor, (<Scaled>given).stretch
        return found
    found = exact_hessian
    if isinstance(given, str):      # first, as looking for an abstract type takes long
        if given == "exact":
            return found
        found.curved = given == "majorant"
    elif isinstance(given, Real) and not isinstance(given, (bool, np.bool_)):
        found.floored = True
        try:
            found.floor = given
        except OverflowError:       # an integer beyond all floats
            found.floor = INFINITY
        if not 0 <= found.floor < INFINITY:
            raise ValueError(f"a floor of the Hessian must be in [0, inf); got {given!r}")
    if not (found.curved or found.floored):
        raise ValueError(f'hessian must be "exact", "majorant" or a floor; got {given!r}')
    return found


cdef class BaseLoss:
    """A loss: it owns the public methods."""

    cdef object mapping             # of the parameters
    cdef double paces[2][N_MODES]   # by dtype
    cdef object __weakref__

    @property
    def parameters(self):
        """The parameters by name, in the order of the constructor; read-only."""
        return self.mapping

    def _bind(self, parameters):
        raise TypeError(f"{type(self).__name__} is what losses share, not a loss")

    cdef object run_method(
            self, int mode, object y_true, object y_pred, object sample_weight, object reduction,
            object nan_policy, object out, object hessian):
        raise TypeError(f"this {type(self).__name__} was not initialised")

    def __call__(self, y_true, y_pred, *, sample_weight=None, reduction="mean",
                 nan_policy="propagate", out=None, where=None):
        """Compute the loss.

        Parameters
        ----------
        y_true, y_pred : array_like
            Targets and predictions, of the same shape; a loss of rows also takes a class for each
            row, or wants a number for each. The dtype of ``y_pred`` is computed in.
        sample_weight : array_like, optional
            Of the shape of ``y_true`` (of rows: of ``y_pred`` without ``axis``), or of its first
            axis alone.
        reduction : {"mean", "sum", "none"}
            The weighted average, the weighted sum, or the weighted loss of each sample.
        nan_policy : {"propagate", "omit", "raise"}
            A NaN in ``y_true`` or ``y_pred`` makes the result NaN, has its row left out, or
            raises.
        out : ndarray, optional
            Where the result of ``reduction="none"`` is written: a writeable array of float32 or
            float64, whichever is computed in, with any strides. It may be ``y_pred`` itself, if
            that is contiguous and of the dtype computed in.
        where : array_like of bool, optional
            Which samples count, of a shape that ``sample_weight`` may have: the others are as if
            they were not there, as those of weight 0 are. Beside weights, it takes an array of them
            for the time of the call.

        Returns
        -------
        float or ndarray
        """
        if where is not None:
            return self.run_method(
                VALUE, y_true, y_pred, Masked(sample_weight, where), reduction, nan_policy, out,
                "exact")
        return self.run_method(
            VALUE, y_true, y_pred, sample_weight, reduction, nan_policy, out, "exact")

    def grad(self, y_true, y_pred, *, sample_weight=None, reduction="mean",
             nan_policy="propagate", out=None, where=None):
        """Compute the derivative of the reduced loss by ``y_pred``.

        Parameters are those of calling the loss. With ``reduction="none"`` the derivative is
        that of each sample's own weighted loss.

        Returns
        -------
        ndarray
            Of the shape of ``y_pred``.
        """
        if where is not None:
            return self.run_method(
                GRAD, y_true, y_pred, Masked(sample_weight, where), reduction, nan_policy, out,
                "exact")
        return self.run_method(
            GRAD, y_true, y_pred, sample_weight, reduction, nan_policy, out, "exact")

    def value_and_grad(self, y_true, y_pred, *, sample_weight=None, reduction="mean",
                       nan_policy="propagate", out=None, where=None):
        """Compute the loss and its derivative by ``y_pred`` in one pass.

        Parameters are those of calling the loss; ``out`` is the array for the gradient (with
        ``reduction="none"``: a pair of arrays, for values and gradients).

        Returns
        -------
        value : float, or ndarray with ``reduction="none"``
        grad : ndarray
        """
        if where is not None:
            return self.run_method(
                VALUE_GRAD, y_true, y_pred, Masked(sample_weight, where), reduction, nan_policy, out,
                "exact")
        return self.run_method(
            VALUE_GRAD, y_true, y_pred, sample_weight, reduction, nan_policy, out, "exact")

    def grad_and_hess(self, y_true, y_pred, *, sample_weight=None, reduction="mean",
                      nan_policy="propagate", out=None, hessian="exact", where=None):
        """Compute the gradient and the diagonal of the Hessian in one pass.

        Parameters are those of calling the loss, and these.

        Parameters
        ----------
        out : pair of ndarray, optional
            Where gradient and Hessian are written.
        hessian : {"exact", "majorant"} or float
            What second derivatives are: exact; the loss's ``majorant``, which is not negative and
            keeps the steps of boosting finite where the exact one is 0 or less; or the exact one
            where that is greater than a floor, a number that weights multiply like it.

        Returns
        -------
        grad, hess : ndarray
            First and second derivative of the reduced loss by each element of ``y_pred``.
        """
        if where is not None:
            return self.run_method(
                GRAD_HESS, y_true, y_pred, Masked(sample_weight, where), reduction, nan_policy, out,
                hessian)
        return self.run_method(
            GRAD_HESS, y_true, y_pred, sample_weight, reduction, nan_policy, out, hessian)

    def _derivatives(self, y_true, y_pred, sample_weight, out, hessian, factor, stretch):
        """grad_and_hess() of the sum, times a factor; and a further one of the Hessian."""
        cdef Scaled scaled = Scaled.__new__(Scaled)
        scaled.hessian, scaled.factor, scaled.stretch = hessian, factor, stretch
        return self.run_method(
            GRAD_HESS, y_true, y_pred, sample_weight, "sum", "propagate", out, scaled)


cdef class Kernel:
    """The functions of a loss that was compiled at run time, by their addresses."""

    cdef MapFn maps[2][N_MODES]
    cdef SampleKernel sample
    cdef tuple names
    cdef object library             # which they are in, and which stays loaded with them

    def __init__(self, object library, list addresses, tuple names):
        cdef int dtype, mode
        if len(addresses) != 2 * N_MODES + 2 or 0 in addresses:
            raise ValueError(f"a loss has {2 * N_MODES + 2} functions; got {addresses!r}")
        if len(names) > MAX_PARAMETERS:
            raise ValueError(f"a loss has at most {MAX_PARAMETERS} parameters; got {len(names)}")
        for dtype in range(2):
            for mode in range(N_MODES):
                self.maps[dtype][mode] = <MapFn><size_t>addresses[dtype * N_MODES + mode]
        self.sample.grad = <SampleGradFn><size_t>addresses[2 * N_MODES]
        self.sample.all = <SampleFn><size_t>addresses[2 * N_MODES + 1]
        self.library, self.names = library, names


cdef class PointwiseLoss(BaseLoss):
    """A loss of one target and one prediction at a time."""

    cdef Kernel own                 # None: one of those that are built in
    cdef MapFn* maps                # by dtype and mode
    cdef MapFn* single_maps         # of a single sample, where that differs: the root of a square
    cdef SampleKernel* sample       # the same, one at a time
    cdef double kernel_parameters[MAX_PARAMETERS]
    cdef Interval domains[2]        # of y_true and y_pred
    cdef tuple domain_names
    cdef bint is_root               # the reduced value is the root of what the kernel gives

    def _bind(self, parameters):
        """Tie the face to its kernel; the constructor's last step."""
        self.mapping = parameters
        kernel, values = self._kernel()
        if isinstance(kernel, Kernel):
            self.own = kernel
            names = self.own.names
            self.maps = &self.own.maps[0][0]
            self.sample = &self.own.sample
        else:
            index, names = kernel_losses[kernel]
            self.maps = &kernels.maps[index][0][0]
            self.sample = &kernels.samples[index]
        self.single_maps = self.maps
        self.is_root = self._root
        if self.is_root:
            index = kernel_losses["AbsoluteError"][0]
            self.single_maps = &kernels.maps[index][0][0]
            self.sample = &kernels.samples[index]
        for i, name in enumerate(names):
            self.kernel_parameters[i] = values[name]
        domains = self.y_domain, self.z_domain
        self.domain_names = tuple(map(str, domains))
        for i, domain in enumerate(domains):
            self.domains[i].absolute = domain.absolute
            self.domains[i].bounded = domain.bounded
            for k, dtype in enumerate((np.float32, np.float64)):
                self.domains[i].low[k], self.domains[i].high[k] = domain.closed(dtype)

    cdef object run_method(
            self, int mode, object y_true, object y_pred, object sample_weight, object reduction,
            object nan_policy, object out, object hessian):
        return evaluate(
            self, mode, y_true, y_pred, sample_weight, reduction, nan_policy, out, hessian)


cdef inline int check_bound(PointwiseLoss loss) except -1:
    if loss.maps == NULL:
        raise TypeError(f"this {type(loss).__name__} was not initialised")
    return 0


cdef inline void set_checks(Job* job, PointwiseLoss loss) noexcept:
    """Add a loss's domain to what the job checks."""
    cdef int i
    cdef Check* check
    for i in range(2):
        if loss.domains[i].bounded:
            check = &job.checks[2 * i + loss.domains[i].absolute]
            if not check.on:
                check.on = True
                check.low = -INFINITY
                check.high = INFINITY
            check.low = max(check.low, loss.domains[i].low[job.dtype])
            check.high = min(check.high, loss.domains[i].high[job.dtype])


cdef void start_job(
        Job* job, cnp.ndarray y, cnp.ndarray z, cnp.ndarray w, int type_num, int nan_policy,
        double* paces=NULL) except *:
    """Fill in all that does not depend on the work, and open the operands."""
    memset(job, 0, <size_t>(<char*>&job.results - <char*>job))
    job.dtype = 0 if type_num == cnp.NPY_FLOAT else 1
    job.itemsize = 4 if job.dtype == 0 else 8
    job.passes = &kernels.passes[job.dtype]
    job.weighted = w is not None
    job.boost = 1
    job.omit = nan_policy == OMIT
    job.refuse_nan = nan_policy == RAISE
    job.step = BLOCK
    plan(
        job, cnp.PyArray_SIZE(z), LINE, tasks_of(cnp.PyArray_SIZE(z)),
        paces + job.dtype * N_MODES if paces != NULL else NULL)
    if y is not None:
        job.needs_gil |= open_operand(&job.y, y, z, type_num, job.threads)
    job.needs_gil |= open_operand(&job.z, z, z, type_num, job.threads)
    if job.weighted:                # read in the type computed in, or else in float64
        type_num = max(type_num, compute_type(w, "sample_weight"))
        job.needs_gil |= open_operand(&job.w, w, z, type_num, job.threads)
    job.weight_size = 4 if type_num == cnp.NPY_FLOAT else 8
    job.weighing = &kernels.weighing[job.dtype if job.weight_size == job.itemsize else 2]


cdef char* set_output(Job* job, int i, cnp.ndarray out) except NULL:
    """Where the i-th result goes."""
    cdef int type_num = cnp.NPY_FLOAT if job.dtype == 0 else cnp.NPY_DOUBLE
    if not is_direct(out, type_num):
        job.through = True
        job.needs_gil |= open_output(&job.outs[i], out, type_num, job.threads)
    return cnp.PyArray_BYTES(out)


cdef void end_job(Job* job) noexcept:
    close_operand(&job.y)
    close_operand(&job.z)
    close_operand(&job.w)
    if job.through:
        for i in range(3):
            close_operand(&job.outs[i])


cdef void fail(
        Job* job, Py_ssize_t start, cnp.ndarray y, cnp.ndarray z, cnp.ndarray w, list losses,
        str y_pred="y_pred") except *:
    """Raise the error of the first bad row at or after start."""
    cdef Py_ssize_t i
    cdef PointwiseLoss loss
    dtype = np.float32 if job.dtype == 0 else np.float64
    of_weight = np.float32 if job.weight_size == 4 else np.float64
    with np.errstate(all="ignore"):
        for i in range(start, min(start + job.step, job.n)):
            index = tuple(map(int, np.unravel_index(i, np.shape(z))))
            pair = dtype(y[index]), dtype(z[index])
            if job.omit and (isnan(pair[0]) or isnan(pair[1])):
                continue
            if w is not None:
                row = index[:w.ndim]
                weight = of_weight(w[row])
                if not np.isfinite(weight):
                    raise DomainError(
                        "sample_weight", row, w[row], f"finite in {of_weight.__name__}")
                if weight == 0:
                    continue
            for k, name in enumerate(("y_true", y_pred)):
                item = (y, z)[k][index]
                if job.refuse_nan and isnan(pair[k]):
                    raise DomainError(name, index, item, 'a number (nan_policy="raise")')
                for loss in losses:
                    x = abs(pair[k]) if loss.domains[k].absolute else pair[k]
                    if (x < loss.domains[k].low[job.dtype]
                            or x > loss.domains[k].high[job.dtype]):
                        raise DomainError(
                            name, index, item, "in " + loss.domain_names[k],
                            loss.spec if len(losses) > 1 else None)
    raise ValueError("the sum of sample_weight overflows")


cdef double total_weight(TaskResult* result) except? -1:
    """The weight that a mean divides by."""
    if result.count == 0:
        raise ValueError(
            'the mean over nothing is undefined: there is no sample of non-zero weight '
            '(reduction="sum" gives 0.0)')
    if result.weight == 0:
        raise ValueError("the mean is undefined: the weights add up to 0")
    return result.weight


cdef object evaluate(
        PointwiseLoss loss, int mode, object y_true, object y_pred, object sample_weight,
        object reduction_name, object nan_policy_name, object out, object hessian):
    cdef int reduction = parse_reduction(reduction_name)
    cdef int nan_policy = parse_nan_policy(nan_policy_name)
    cdef Curvature curvature = exact_hessian
    cdef cnp.ndarray y, z, w, value = None, grad = None, hess = None
    cdef bint per_sample = reduction == NONE, has_value = mode == VALUE or mode == VALUE_GRAD
    cdef bint in_place = False
    cdef int type_num, n_outs = (has_value and per_sample) + (mode != VALUE) + (mode == GRAD_HESS)
    cdef double total
    if mode == GRAD_HESS:
        curvature = parse_hessian(hessian)
    y, z = as_array(y_true, "y_true"), as_array(y_pred, "y_pred")
    type_num = check_pair(y, z)
    check_bound(loss)
    if curvature.floored and type_num == cnp.NPY_FLOAT and <float>curvature.floor == INFINITY:
        raise ValueError(f"a floor of the Hessian must be finite in float32; got {hessian!r}")
    if loss.is_root and curvature.floored and not per_sample:
        raise ValueError(f"a floor is of samples' second derivatives, which {loss!r} has none of")
    w = check_weight(sample_weight, y)

    if n_outs == 1 and mode == VALUE:
        value = check_result(out, z, type_num)
    elif n_outs == 1:
        grad = check_result(out, z, type_num)
    elif n_outs or out is not None:
        value, grad, hess = check_outs(
            out, has_value and per_sample, mode != VALUE, mode == GRAD_HESS, z, z, type_num)
    if out is not None:
        in_place = overwrites_input(value, grad, hess, y, z, w, type_num)

    if w is None and nan_policy == PROPAGATE and not (
            in_place or curvature.floored or curvature.stretch != 1
            or (loss.is_root and not per_sample and mode != VALUE)) and evaluate_few(
            loss, GRAD_CURVE if curvature.curved else mode, reduction, type_num,
            curvature.factor, y, z, value, grad, hess, &total):
        return returned(mode, value if per_sample else total, grad, hess)
    return evaluate_blocks(
        loss, mode, reduction, type_num, nan_policy, in_place, &curvature, y, z, w, value, grad,
        hess)


cdef bint evaluate_few(
        PointwiseLoss loss, int mode, int reduction, int type_num, double scale, cnp.ndarray y,
        cnp.ndarray z, cnp.ndarray value, cnp.ndarray grad, cnp.ndarray hess, double* total
        ) noexcept:
    """Evaluate arrays of a task's size at most, which lie as kernels take them: what a job does,
    but for its preparations, which take longer than so few elements. total: what is reduced. False,
    and nothing is written, if the arrays are others, or for a job to find what is wrong with them."""
    cdef Py_ssize_t n = cnp.PyArray_SIZE(z), whole = n & -LANES, rest = n - whole
    cdef int dtype = type_num == cnp.NPY_DOUBLE, size = 8 if dtype else 4
    cdef MapFn* maps = (loss.single_maps if reduction == NONE else loss.maps) + dtype * N_MODES
    cdef bint adds = reduction != NONE and (mode == VALUE or mode == VALUE_GRAD)
    cdef double buffers[5][LANES]           # of the rest, filled up
    cdef double lanes[LANES]
    cdef char* v
    cdef char* g
    cdef char* h
    cdef const char* y_data
    cdef const char* z_data
    if not (0 < n <= STRIDE and is_direct(y, type_num) and is_direct(z, type_num)
            and (value is None or is_direct(value, type_num))
            and (grad is None or is_direct(grad, type_num))
            and (hess is None or is_direct(hess, type_num)) and maps[ADD_VALUE] != NULL):
        return False
    y_data, z_data = cnp.PyArray_BYTES(y), cnp.PyArray_BYTES(z)
    v = NULL if value is None else cnp.PyArray_BYTES(value)
    g = NULL if grad is None else cnp.PyArray_BYTES(grad)
    h = NULL if hess is None else cnp.PyArray_BYTES(hess)
    if rest:
        padded(y_data + whole * size, <char*>buffers[3], rest, LANES, size)
        padded(z_data + whole * size, <char*>buffers[4], rest, LANES, size)
    if are_outside(&loss.domains[0], dtype, y_data, whole, <char*>buffers[3], rest) or (
            are_outside(&loss.domains[1], dtype, z_data, whole, <char*>buffers[4], rest)):
        return False

    scale = scale / n if reduction == MEAN else scale
    memset(lanes, 0, sizeof(lanes))
    if whole:
        maps[adding(mode) if adds else mode](
            loss.kernel_parameters, y_data, z_data, whole, scale, <char*>lanes if adds else v, g, h)
    if rest:
        maps[mode](
            loss.kernel_parameters, buffers[3], buffers[4], LANES, scale, buffers[0], buffers[1],
            buffers[2])
        if adds:
            memset(<char*>buffers[0] + rest * size, 0, (LANES - rest) * size)
            kernels.passes[dtype].sum(buffers[0], LANES, lanes)
        if v != NULL:
            memcpy(v + whole * size, buffers[0], rest * size)
        if g != NULL:
            memcpy(g + whole * size, buffers[1], rest * size)
        if h != NULL:
            memcpy(h + whole * size, buffers[2], rest * size)
    if adds:
        total[0] = fold(lanes) / (n if reduction == MEAN else 1)
        if loss.is_root:
            total[0] = sqrt(total[0])
    return True


cdef inline bint are_outside(
        const Interval* domain, int dtype, const char* whole, Py_ssize_t n, const char* rest,
        Py_ssize_t n_rest) noexcept:
    cdef OutsideFn outside = kernels.passes[dtype].outside
    cdef double low = domain.low[dtype], high = domain.high[dtype]
    return domain.bounded and (
        outside(whole, n, domain.absolute, low, high)
        or n_rest and outside(rest, LANES, domain.absolute, low, high))


cdef object evaluate_blocks(
        PointwiseLoss loss, int mode, int reduction, int type_num, int nan_policy, bint in_place,
        const Curvature* curvature, cnp.ndarray y, cnp.ndarray z, cnp.ndarray w,
        cnp.ndarray value, cnp.ndarray grad, cnp.ndarray hess):
    """Evaluate arrays of any size and layout, of which all was checked but the elements."""
    cdef Py_ssize_t arrays = (value is not None) + (grad is not None) + (hess is not None)
    cdef Job job
    cdef Term term
    try:
        start_job(&job, y, z, w, type_num, nan_policy, &loss.paces[0][mode])
        set_checks(&job, loss)
        job.terms = &term
        job.mode = mode
        job.curved, job.floored, job.floor = curvature.curved, curvature.floored, curvature.floor
        job.stretched, job.stretch = curvature.stretch != 1, curvature.stretch
        job.scale = curvature.factor
        memcpy(term.parameters, loss.kernel_parameters, sizeof(term.parameters))
        term.maps = (loss.single_maps if reduction == NONE else loss.maps) + job.dtype * N_MODES
        if value is not None:
            job.value = set_output(&job, 0, value)
        if grad is not None:
            job.grad = set_output(&job, 1, grad)
        if hess is not None:
            job.hess = set_output(&job, 2, hess)
        # before an error a converted output would get what its buffer happens to hold
        job.staged = in_place or job.through and (
            w is not None or job.refuse_nan or loss.domains[0].bounded or loss.domains[1].bounded)
        job.stream = (
            arrays + 2 + job.weighted) * job.n * job.itemsize > cache_bytes and arrays > 0 and (
                not job.staged)
        if term.maps[ADD_VALUE] != NULL and is_direct(y, type_num) and is_direct(z, type_num) and (
                not (w is not None or job.omit or in_place or job.through or job.stream)
                and job.z.ahead == 0):
            # nothing needs a buffer, and the maps take any number; what is checked is read twice
            job.step = STRIDE if (
                loss.domains[0].bounded or loss.domains[1].bounded or job.refuse_nan
            ) else LONG_STRIDE
        return compute(&job, loss, reduction, y, z, w, value, grad, hess)
    finally:
        end_job(&job)


cdef object compute(
        Job* job, PointwiseLoss loss, int reduction, cnp.ndarray y, cnp.ndarray z,
        cnp.ndarray w, cnp.ndarray values, cnp.ndarray grad, cnp.ndarray hess):
    """Run a prepared job as often as its reduction needs, and return what the method does."""
    cdef TaskResult result
    cdef int mode = job.mode
    cdef bint mean = reduction == MEAN, weigh = mean and mode != VALUE
    cdef double value = 0, weight

    if job.staged and not (loss.is_root and reduction != NONE):
        # in place: bad input must show before anything is overwritten
        job.work = CHECK
        run_checked(job, loss, mean, y, z, w)
    if weigh:
        if job.weighted or job.omit:
            job.work = WEIGH
            result = run_checked(job, loss, mean, y, z, w)
        else:
            result.weight = job.n
            result.count = job.n
        job.scale /= total_weight(&result)

    job.work = MAP
    if loss.is_root and reduction != NONE:
        job.mode = VALUE
        job.grad = NULL
        job.hess = NULL
        result = run_checked(job, loss, mean, y, z, w)
        weight = total_weight(&result) if mean else 1
        value = sqrt(result.total / weight)
        if mode == VALUE:
            return value
        # at a root of 0 there is a kink: gradient and Hessian are 0 there, as those of |x|
        job.scale = 1 / (2 * weight * value) if value != 0 else 0
        job.root = value
        job.mode = GRAD if mode == VALUE_GRAD else mode
        job.grad = cnp.PyArray_BYTES(grad)
        job.hess = cnp.PyArray_BYTES(hess) if mode == GRAD_HESS else NULL
        run_checked(job, loss, mean, y, z, w)
    else:
        result = run_checked(job, loss, mean, y, z, w)
        if mode == VALUE or mode == VALUE_GRAD:
            weight = total_weight(&result) if mean else 1
            value = result.total / weight

    return returned(mode, value if reduction != NONE else values, grad, hess)


cdef inline object returned(int mode, object value, cnp.ndarray grad, cnp.ndarray hess):
    """What a method returns."""
    if mode == VALUE:
        return value
    if mode == VALUE_GRAD:
        return value, grad
    return grad if mode == GRAD else (grad, hess)


cdef TaskResult run_checked(
        Job* job, PointwiseLoss loss, bint mean, cnp.ndarray y, cnp.ndarray z, cnp.ndarray w
        ) except *:
    cdef double* pace = job.pace if job.work == MAP else NULL
    cdef double start = start_timing(job.n, job.threads, pace)
    cdef TaskResult result = run_in_range(
        run_task, job, job.results, job.tasks, job.threads, job.needs_gil or job.tasks <= 1,
        mean and job.weighted, &job.boost)
    if result.failed >= 0:
        fail(job, result.failed, y, z, w, [loss])
    if mean and job.weighted:
        check_total(&result)
    stop_timing(start, job.n, job.threads, pace)
    return result
