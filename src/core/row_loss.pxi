# The base of the losses of rows, and the functions of their kernels: softmax, log_softmax,
# logsumexp.

KERNELS = {
    "SoftmaxCrossEntropy": FL_CROSS_ENTROPY, "SoftmaxFocal": FL_FOCAL, "PolyLoss": FL_POLY,
    "GeneralizedCrossEntropy": FL_POWER, "CrossEntropy": FL_CROSS_ENTROPY_OF_PROBABILITIES,
    "KLDivergence": FL_KL, "JensenShannon": FL_JENSEN_SHANNON, "MultiClassBrier": FL_BRIER,
    "CosineDistance": FL_COSINE, "Margin": FL_MARGIN, "MultiMargin": FL_MULTI_MARGIN,
    "MultiLabelMargin": FL_MULTI_LABEL_MARGIN, "MultiLabelLogistic": FL_MULTI_LABEL,
    "Tversky": FL_TVERSKY, "GaussianNLL": FL_GAUSSIAN, "LogGaussianNLL": FL_LOG_GAUSSIAN,
    "GaussianCRPS": FL_GAUSSIAN_CRPS, "LogisticNLL": FL_LOGISTIC_SCALE,
    "StudentTNLL": FL_STUDENT, "Pinball": FL_PINBALL,
}


cdef class RowLoss(BaseLoss):
    """A loss of rows: of the scores of several classes, say."""

    cdef int kernel
    cdef cnp.ndarray numbers        # the kernel's parameters, and zeros up to three
    cdef dict vectors               # those of class_weight, label_weight and pos_weight given
    cdef double smoothing
    cdef bint ignores
    cdef int64_t ignored
    cdef int axis
    cdef Py_ssize_t size            # of a row; 0: any
    cdef bint takes_labels, takes_numbers, takes_vectors, listwise, one_hot, log, has_majorant
    cdef Range y_range[2]           # per dtype
    cdef Range z_range[2]
    cdef object y_text, z_text, classes
    cdef bint bound

    def _bind(self, parameters):
        """Tie the face to its kernel; the constructor's last step."""
        self.mapping = parameters
        kernel, *numbers = self._row_kernel()
        self.kernel = KERNELS[kernel]
        self.numbers = np.array([*numbers, *[0.0] * (3 - len(numbers))], np.float64)
        self.vectors = {
            name: np.array(parameters[name], np.float64, ndmin=1)
            for name in ("class_weight", "label_weight", "pos_weight")
            if parameters.get(name) is not None}
        if "label_weight" in self.vectors:      # their ratios count, not their size
            self.vectors["label_weight"] /= self.vectors["label_weight"].max()
        self.smoothing = parameters.get("label_smoothing", 0.0)
        self.ignores = parameters.get("ignore_index") is not None
        self.ignored = parameters["ignore_index"] if self.ignores else 0
        self.axis = integer_axis(parameters["axis"])
        self.size = len(self._columns)
        self.classes = parameters.get("classes")
        self.takes_labels = "labels" in self._takes
        self.takes_numbers = "numbers" in self._takes
        self.takes_vectors = "targets" in self._takes
        self.listwise = self._relevances
        self.one_hot = self._one_hot
        self.log = parameters.get("log_probabilities", parameters.get("logits", self._logarithms))
        self.has_majorant = self.majorant is not None
        for i, dtype in enumerate((np.float32, np.float64)):
            self.y_range[i] = range_of(self.y_domain, dtype, 0)
            self.z_range[i] = range_of(self.z_domain, dtype, self._bounded_from)
        self.y_text, self.z_text = str(self.y_domain), str(self.z_domain)
        self.bound = True

    cdef object run_method(
            self, int mode, object y_true, object y_pred, object sample_weight, object reduction,
            object nan_policy, object out, object hessian):
        if self.classes is not None:
            return self.run_named(
                mode, y_true, y_pred, sample_weight, reduction, nan_policy, out, hessian)
        return evaluate_rows(
            self, mode, y_true, y_pred, sample_weight, reduction, nan_policy, out, hessian)

    cdef object run_named(
            self, int mode, object y_true, object y_pred, object sample_weight, object reduction,
            object nan_policy, object out, object hessian):
        """The same of labels with names; targets are of y_pred's shape."""
        cdef cnp.ndarray y = as_array(y_true, "y_true"), z = as_array(y_pred, "y_pred")
        cdef bint named = cnp.PyArray_NDIM(y) != cnp.PyArray_NDIM(z)
        try:
            return evaluate_rows(
                self, mode, self._encode(y) if named else y, z, sample_weight, reduction,
                nan_policy, out, hessian)
        except DomainError as error:
            if named and error.argument == "y_true":
                raise self._unknown(error.index, y[error.index]) from None
            raise


cdef Range range_of(object domain, object dtype, Py_ssize_t first) except *:
    cdef Range found
    found.on = domain.bounded
    found.first = first
    found.low, found.high = domain.closed(dtype)
    return found


# ---- arguments ---------------------------------------------------------------------------------

cdef int row_axis(cnp.ndarray z, int axis, str name, RowLoss loss) except -1:
    cdef int ndim = cnp.PyArray_NDIM(z), found = axis + ndim if axis < 0 else axis
    if 0 <= found < ndim and cnp.PyArray_DIM(z, found) > 0:
        return found
    items = "elements" if loss is None else loss._items
    if ndim == 0:
        raise ValueError(f"{name} must have an axis of {items}; got a scalar")
    if not 0 <= found < ndim:
        raise ValueError(f"axis {axis} is out of bounds for {name} of shape {shape_of(z)}")
    raise ValueError(f"{name} has no {items} along axis {axis}: its shape is {shape_of(z)}")


cdef tuple rows_shape(cnp.ndarray z, int axis):
    """The shape of z without the axis."""
    shape = shape_of(z)
    return shape[:axis] + shape[axis + 1:]


cdef bint has_rows_shape(cnp.ndarray y, cnp.ndarray z, int axis) noexcept:
    cdef int i
    if cnp.PyArray_NDIM(y) != cnp.PyArray_NDIM(z) - 1:
        return False
    for i in range(cnp.PyArray_NDIM(y)):
        if cnp.PyArray_DIM(y, i) != cnp.PyArray_DIM(z, i + (i >= axis)):
            return False
    return True


cdef int targets_of(RowLoss loss, cnp.ndarray y, cnp.ndarray z, int axis) except -1:
    """What y_true holds, which its shape tells."""
    cdef bint whole = cnp.PyTypeNum_ISINTEGER(cnp.PyArray_TYPE(y)) or (
        cnp.PyArray_TYPE(y) == cnp.NPY_BOOL)
    if loss.takes_vectors and same_shape(y, z):
        compute_type(y, "y_true")
        if loss.takes_labels and whole and cnp.PyArray_NDIM(z) == 1:
            raise ValueError(
                f"y_true holds {cnp.PyArray_DIM(y, 0)} integers for y_pred of shape "
                f"{shape_of(z)}, which is one row; its class is a scalar, targets are floats")
        return VECTORS
    if not ((loss.takes_labels or loss.takes_numbers) and has_rows_shape(y, z, axis)):
        rows = rows_shape(z, axis)
        wanted = [f"a class for each row, of shape {rows}"] * loss.takes_labels
        wanted += [f"a number for each row, of shape {rows}"] * loss.takes_numbers
        wanted += [
            f"a target for each {loss._item}, of y_pred's shape {shape_of(z)}"] * loss.takes_vectors
        swapped = " (y_true comes first, then y_pred)" if (
            cnp.PyArray_NDIM(y) == cnp.PyArray_NDIM(z) + 1) else ""
        raise ValueError(f"y_true must hold {', or '.join(wanted)}; got {shape_of(y)}{swapped}")
    if loss.takes_numbers:
        compute_type(y, "y_true")
        return NUMBERS
    if not (whole or y.dtype.kind == "f" and cnp.PyArray_ITEMSIZE(y) <= 8):
        raise TypeError(
            f"y_true must hold classes as integers, or as floats that are whole; names of classes "
            f"need the loss's classes=; got dtype {y.dtype}")
    return LABELS


cdef const double* class_vector(
        RowLoss loss, str name, Py_ssize_t k, list keep) except? NULL:
    """A parameter of a number for each class, kept alive in a list; NULL if it was not given."""
    cdef cnp.ndarray vector = loss.vectors.get(name)
    if vector is None:
        return NULL
    if cnp.PyArray_SIZE(vector) != k:
        if isinstance(loss.mapping[name], tuple):
            raise ValueError(
                f"{name} has {cnp.PyArray_SIZE(vector)} weights, but y_pred has {k} {loss._items} "
                f"along axis {loss.axis}")
        vector = np.full(k, vector[0])
    keep.append(vector)
    return <const double*>cnp.PyArray_DATA(vector)


cdef int check_class_weights(const double* weight, Py_ssize_t k) except -1:
    """An error if float32, in which they multiply targets, does not hold one of them."""
    cdef Py_ssize_t i
    if weight == NULL:
        return 0
    for i in range(k):
        if weight[i] != 0 and not 2.0 ** -126 <= weight[i] < 2.0 ** 128:
            raise ValueError(
                f"class_weight[{i}] = {weight[i]} is out of the range of float32, in which it "
                f"multiplies targets")
    return 0


cdef cnp.ndarray check_row_weight(object given, cnp.ndarray z, int axis):
    cdef cnp.ndarray w
    if given is None:
        return None
    if type(given) is Masked:
        w = check_row_weight((<Masked>given).weight, z, axis)
        rows = rows_shape(z, axis)
        return masked(w, mask_of((<Masked>given).where, (rows, rows[:1])))
    w = as_array(given, "sample_weight")
    compute_type(w, "sample_weight")
    if has_rows_shape(w, z, axis) or cnp.PyArray_NDIM(w) == 1 and cnp.PyArray_NDIM(z) > 2 and (
            cnp.PyArray_DIM(w, 0) == cnp.PyArray_DIM(z, axis == 0)):
        return w
    raise ValueError(
        f"sample_weight must have a weight for each row, of shape {rows_shape(z, axis)}; "
        f"got {shape_of(w)}")


cdef void start_rows(
        RowsJob* job, cnp.ndarray y, cnp.ndarray z, cnp.ndarray moved, cnp.ndarray w, int axis,
        int type_num, int targets, double* paces=NULL) except *:
    """Fill in all that does not depend on the work, and open the operands."""
    cdef int i
    cdef int y_type
    cdef Py_ssize_t inner = 1
    cdef cnp.ndarray y_moved
    cdef Py_ssize_t k = cnp.PyArray_DIM(z, axis)
    for i in range(axis + 1, cnp.PyArray_NDIM(z)):
        inner *= cnp.PyArray_DIM(z, i)
    plan_rows(job, type_num, cnp.PyArray_SIZE(z) // k, k, max(inner, 1), paces)
    job.kernel = kernels.rows[job.dtype]
    job.axis = axis
    job.block.k = k
    job.weighted = w is not None
    job.factor = 1
    job.z_planes = job.inner > 1 and is_direct(z, type_num)
    if job.z_planes:
        moved = z
    job.needs_gil |= open_operand(&job.z, moved, moved, type_num, job.threads)
    job.targets = targets
    if targets != NOTHING:
        job.width = job.k if targets == VECTORS else 1
        if targets == VECTORS:
            job.y_planes = job.inner > 1 and is_direct(y, type_num)
            y_moved = y if job.y_planes else last_axis(y, axis)
            job.needs_gil |= open_operand(&job.y, y_moved, y_moved, type_num, job.threads)
        else:
            job.float_labels = targets == LABELS and cnp.PyTypeNum_ISFLOAT(cnp.PyArray_TYPE(y))
            y_type = cnp.NPY_DOUBLE if job.float_labels else cnp.NPY_INT64
            job.needs_gil |= open_operand(
                &job.y, y, y, y_type if targets == LABELS else type_num, job.threads)
    if job.weighted:                # read in the type computed in, or else in float64
        type_num = max(type_num, compute_type(w, "sample_weight"))
        job.wide = type_num == cnp.NPY_DOUBLE
        job.needs_gil |= open_operand(
            &job.w, w, first_of_rows(z, axis), type_num, job.threads)
    reserve(job)


cdef cnp.ndarray last_axis(cnp.ndarray array, int axis):
    """A view with the axis moved to the end."""
    return array if axis == cnp.PyArray_NDIM(array) - 1 else np.moveaxis(array, axis, -1)


cdef cnp.ndarray first_of_rows(cnp.ndarray z, int axis):
    """A view of the shape of the rows."""
    return z[(slice(None),) * axis + (0, ...)]


cdef char* set_rows_output(RowsJob* job, int i, cnp.ndarray out, cnp.ndarray moved) except NULL:
    """Where the i-th result goes; moved: a view with rows in one piece."""
    cdef int type_num = cnp.NPY_FLOAT if job.dtype == 0 else cnp.NPY_DOUBLE
    if not is_direct(out, type_num):
        job.through = True
        job.needs_gil |= open_output(&job.outs[i], moved, type_num, job.threads)
    return cnp.PyArray_BYTES(out)


cdef void set_outputs(
        RowsJob* job, cnp.ndarray value, cnp.ndarray grad, cnp.ndarray hess) except *:
    """Where results go, each None if not asked for; of a job that knows whether it overwrites its
    inputs. Before an error a converted output would get what its buffer happens to hold."""
    if value is not None:
        job.value = set_rows_output(job, 0, value, value)
    if grad is not None:
        job.grad = set_rows_output(job, 1, grad, last_axis(grad, job.axis))
    if hess is not None:
        job.hess = set_rows_output(job, 2, hess, last_axis(hess, job.axis))
    job.staged |= job.through
    job.stream = (
        grad is not None and job.inner == 1 and job.k <= FL_FEW and not job.staged
        and 2 * job.n * job.k * job.itemsize > cache_bytes)


cdef void end_rows(RowsJob* job) noexcept:
    close_operand(&job.z)
    close_operand(&job.y)
    close_operand(&job.w)
    if job.through:
        for i in range(3):
            close_operand(&job.outs[i])
    release(job)


# ---- losses ------------------------------------------------------------------------------------

cdef object evaluate_rows(
        RowLoss loss, int mode, object y_true, object y_pred, object sample_weight,
        object reduction_name, object nan_policy_name, object out, object hessian):
    cdef int reduction = parse_reduction(reduction_name)
    cdef int nan_policy = parse_nan_policy(nan_policy_name)
    cdef Curvature curvature = parse_hessian(hessian)
    cdef cnp.ndarray y = as_array(y_true, "y_true"), z = as_array(y_pred, "y_pred")
    cdef int type_num = compute_type(z, "y_pred")
    cdef cnp.ndarray moved, w, value, grad, hess
    cdef bint has_value = mode == VALUE or mode == VALUE_GRAD, per_row = reduction == NONE
    cdef int axis, targets
    cdef Py_ssize_t k
    cdef list keep
    cdef RowsJob job
    if not loss.bound:
        raise TypeError(f"this {type(loss).__name__} was not initialised")
    if curvature.floored and type_num == cnp.NPY_FLOAT and <float>curvature.floor == INFINITY:
        raise ValueError(f"a floor of the Hessian must be finite in float32; got {hessian!r}")
    if curvature.curved and not loss.has_majorant:
        raise ValueError(f"{loss!r} has no majorant of its Hessian; give a floor instead")
    axis = row_axis(z, loss.axis, "y_pred", loss)
    moved = last_axis(z, axis)
    k = cnp.PyArray_DIM(z, axis)
    if loss.size and loss.size != k:
        raise ValueError(
            f"y_pred must have {' and '.join(loss._columns)} along axis {loss.axis}; "
            f"its shape is {shape_of(z)}")
    if loss.classes is not None and len(loss.classes) != k:
        raise ValueError(
            f"classes has {len(loss.classes)} labels, but y_pred has {k} classes along axis "
            f"{loss.axis}")
    targets = targets_of(loss, y, z, axis)
    w = check_row_weight(sample_weight, z, axis)
    value, grad, hess = check_outs(
        out, has_value and per_row, mode != VALUE, mode == GRAD_HESS,
        first_of_rows(z, axis) if per_row else None, z, type_num)

    try:
        start_rows(&job, y, z, moved, w, axis, type_num, targets, &loss.paces[0][mode])
        keep = set_loss(&job, loss, mode, nan_policy, targets, &curvature)
        if out is not None:
            job.staged = overwrites_input(value, grad, hess, y, z, w, type_num)
        set_outputs(&job, value, grad, hess)
        return compute_rows(&job, loss, reduction, y, moved, w, value, grad, hess)
    finally:
        end_rows(&job)


cdef list set_loss(
        RowsJob* job, RowLoss loss, int mode, int nan_policy, int targets, Curvature* curvature):
    """What a started job computes; a list of what has to live as long, if anything has."""
    cdef list keep = None
    job.block.loss = loss.kernel
    job.block.a = (<const double*>cnp.PyArray_DATA(loss.numbers))[0]
    job.block.more = <const double*>cnp.PyArray_DATA(loss.numbers) + 1
    job.mode = mode
    job.block.curved = curvature.curved
    job.floored, job.floor = curvature.floored, curvature.floor
    job.stretched, job.stretch = curvature.stretch != 1, curvature.stretch
    job.factor = curvature.factor
    job.omit = nan_policy == OMIT
    job.refuse_nan = nan_policy == RAISE
    job.ignores = loss.ignores
    job.ignored = loss.ignored
    job.smoothing = loss.smoothing
    job.soft = targets == VECTORS or loss.smoothing != 0 or targets == LABELS and loss.one_hot
    job.block.log = loss.log
    job.listwise = loss.listwise
    job.y_range, job.z_range = loss.y_range[job.dtype], loss.z_range[job.dtype]
    if loss.vectors:
        keep = []
        job.class_weight = class_vector(loss, "class_weight", job.k, keep)
        if job.soft and job.dtype == 0:
            check_class_weights(job.class_weight, job.k)
        job.block.weight = class_vector(loss, "label_weight", job.k, keep)
        job.block.positive = class_vector(loss, "pos_weight", job.k, keep)
    job.plain = not (
        job.weighted or job.omit or job.refuse_nan or job.ignores
        or job.class_weight != NULL)
    return keep


cdef object compute_rows(
        RowsJob* job, RowLoss loss, int reduction, cnp.ndarray y, cnp.ndarray moved,
        cnp.ndarray w, cnp.ndarray values, cnp.ndarray grad, cnp.ndarray hess):
    """Run a prepared job as often as its reduction needs, and return what the method does."""
    cdef TaskResult result
    cdef int mode = job.mode
    cdef bint mean = reduction == MEAN
    if job.staged:                  # bad input must show before anything is overwritten
        job.work = CHECK
        rows_checked(job, loss, mean, y, moved, w)
    if mean and mode != VALUE:
        if job.weighted or job.omit or job.ignores or job.class_weight != NULL:
            job.work = WEIGH
            result = rows_checked(job, loss, mean, y, moved, w)
        else:
            result.weight = job.n
            result.count = job.n
        job.factor /= total_weight(&result)
    job.work = MAP
    result = rows_checked(job, loss, mean, y, moved, w)
    if reduction == NONE or mode == GRAD or mode == GRAD_HESS:
        return returned(mode, values, grad, hess)
    return returned(
        mode, result.total / (total_weight(&result) if mean else 1), grad, hess)


cdef TaskResult rows_checked(
        RowsJob* job, RowLoss loss, bint mean, cnp.ndarray y, cnp.ndarray moved, cnp.ndarray w
        ) except *:
    cdef double* pace = job.pace if job.work == MAP else NULL
    cdef double start = start_timing(job.n * job.k, job.threads, pace)
    cdef TaskResult result = run_in_range(
        rows_any_task, job, job.results, job.tasks, job.threads,
        job.needs_gil or job.n * job.k <= FL_ROOM, mean and not job.plain, &job.boost)
    check_total(&result)            # NaN is that of a target
    if result.failed >= 0:
        fail_rows(job, loss, result.failed, y, moved, w)
    stop_timing(start, job.n * job.k, job.threads, pace)
    return result


cdef void fail_rows(
        RowsJob* job, RowLoss loss, Py_ssize_t start, cnp.ndarray y, cnp.ndarray moved,
        cnp.ndarray w) except *:
    """Raise the error of the first bad row at or after start."""
    cdef Py_ssize_t r
    dtype = np.float32 if job.dtype == 0 else np.float64
    of_weight = np.float64 if job.wide else np.float32
    shape = np.shape(moved)[:-1]
    if job.targets == VECTORS:
        y = last_axis(y, job.axis)
    for r in range(start, min(start + job.rows, job.n)):
        index = tuple(map(int, np.unravel_index(r, shape)))
        with np.errstate(all="ignore"):
            row = np.asarray(moved[index], dtype)
            weight = 1 if w is None else of_weight(w[index[:w.ndim]])
        if not np.isfinite(weight):
            raise DomainError(
                "sample_weight", index[:w.ndim], w[index[:w.ndim]],
                f"finite in {of_weight.__name__}")
        if weight == 0 or job.targets == LABELS and job.ignores and y[index] == job.ignored:
            continue
        if job.float_labels and job.omit and y[index] != y[index]:
            continue
        if job.targets == LABELS and not (0 <= y[index] < job.k and y[index] % 1 == 0):
            raise DomainError("y_true", index, y[index], f"a class from 0 to {job.k - 1}")
        with np.errstate(all="ignore"):
            targets = np.asarray([] if job.targets == LABELS else y[index], dtype).reshape(-1)
        nan = np.isnan(row).any() or np.isnan(targets).any()
        if nan and job.omit:
            continue
        for name, items, limits, text in (
                ("y_true", targets, job.y_range, loss.y_text),
                ("y_pred", row, job.z_range, loss.z_text)):
            bad = np.isnan(items) & job.refuse_nan
            domain = 'a number (nan_policy="raise")' if bad.any() else "in " + text
            if limits.on and not bad.any():
                bad = (items < limits.low) | (items > limits.high)
                bad[:limits.first] = False
            if bad.any():
                at = int(bad.argmax())
                place = (at,) if name == "y_pred" or job.targets == VECTORS else ()
                raise DomainError(
                    name, index[:job.axis] + place + index[job.axis:], items[at], domain)
    raise ValueError("the sum of sample_weight overflows")


# ---- functions ---------------------------------------------------------------------------------

cdef int integer_axis(object axis) except? -1:
    if isinstance(axis, bool) or not isinstance(axis, Integral):
        raise TypeError(f"axis must be an integer; got {axis!r}")
    return max(-MAX_DIMS - 1, min(axis, MAX_DIMS))      # beyond them there is none anyway


cdef object row_function(object given, object axis, object out, bint grad, bint log):
    """logsumexp(x), or with grad its gradient, softmax(x), or with log log_softmax(x)."""
    cdef cnp.ndarray x = as_array(given, "x"), result
    cdef int type_num = compute_type(x, "x"), found = row_axis(x, integer_axis(axis), "x", None)
    cdef RowsJob job
    result = check_out(out, x if grad else first_of_rows(x, found), type_num)
    try:
        start_rows(&job, None, x, last_axis(x, found), None, found, type_num, NOTHING)
        job.plain = True
        job.work = MAP
        job.mode = GRAD if grad else VALUE
        job.block.log = log
        job.staged = out is not None and check_overlap(result, x, "x", type_num)
        set_outputs(&job, None if grad else result, result if grad else None, None)
        run_rows(&job)
        if not grad and np.isnan(result).any():     # a row whose largest element is infinite
            with np.errstate(invalid="ignore"):
                largest = np.max(x, axis=found)
            np.copyto(result, largest, where=np.isnan(result), casting="unsafe")
        return result if out is not None or cnp.PyArray_NDIM(result) else result[()]
    finally:
        end_rows(&job)


def softmax(x, *, axis=-1, out=None):
    """Compute exp(x) / sum(exp(x)) along an axis.

    Parameters
    ----------
    x : array_like
        Logits. float32 and float64 are computed in their own type, float16 and bfloat16 as
        float32, integers and booleans as float64.
    axis : int, default=-1
        The axis of the classes.
    out : ndarray, optional
        Where the result is written: a writeable, C-contiguous array of the dtype computed in.
        It may be ``x`` itself.

    Returns
    -------
    ndarray
        Of the shape of ``x``.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.softmax([0.0, 0.0, 1000.0])
    array([0., 0., 1.])
    """
    return row_function(x, axis, out, True, False)


def log_softmax(x, *, axis=-1, out=None):
    """Compute x - logsumexp(x) along an axis, with all digits where it is nearly 0.

    Parameters are those of `softmax`.

    Returns
    -------
    ndarray
        Of the shape of ``x``.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.log_softmax([0.0, -1000.0])
    array([    0., -1000.])
    """
    return row_function(x, axis, out, True, True)


def logsumexp(x, *, axis=-1, out=None):
    """Compute log(sum(exp(x))) along an axis.

    Parameters are those of `softmax`.

    Returns
    -------
    ndarray
        Of the shape of ``x`` without the axis.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.logsumexp([[1000.0, 1000.0], [0.0, 0.0]])
    array([1.00069315e+03, 6.93147181e-01])
    """
    return row_function(x, axis, out, False, False)
