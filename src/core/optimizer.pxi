# The driver of the optimizers: checks the gradients of a step through the NumPy C API, then updates
# all arrays in one parallel region. A rule works on elements, so it does not matter where the work
# is cut; the sums of a look at the gradients go by blocks that do not depend on the threads.

cdef enum:
    UPDATE_BLOCK = 4096             # elements of one sum
    UPDATE_PARALLEL_MIN = 1 << 19   # bytes read and written below which one thread is the fastest
    KEEP_GIL_MAX = 8192             # bytes for which letting go of the GIL is not worth it

cdef enum NonFinite:
    NONFINITE_PROPAGATE
    NONFINITE_RAISE
    NONFINITE_SKIP

cdef enum:                          # what kernels take of a parameter
    PARAMETER
    GRADIENT                        # of the step that runs
    FIRST_STATE
    ARRAYS = STATES + 2

cdef struct Stored:                 # numbers in memory
    char* data                      # NULL: there are none
    float* scale                    # of each chunk, if the format has them
    Py_ssize_t size                 # of an element, in bytes
    int format

cdef struct Parameter:
    Stored held[ARRAYS]
    Stored low                      # the array itself, where kernels update a float32 copy of it
    Py_ssize_t n, offset, block     # elements; bytes and blocks of all gradients before
    Py_ssize_t given                # elements of this step's gradient
    Py_ssize_t moved                # bytes that the update of an element reads and writes
    const int64_t* rows             # those that the gradient holds; NULL: all
    Py_ssize_t width                # elements of a row
    Py_ssize_t matrices, lines, columns     # of a factored array; 0 matrices: it is none
    double* sums                    # of squares: of the rows and the columns of each matrix
    double* means                   # of the factors of the rows of each matrix
    int dtype, group, order         # order: the flags of the memory orders it has
    double trust                    # for layerwise rules

cdef struct Extent:
    char* low
    char* high

cdef struct Group:
    RuleKernel* kernel
    double rule[MAX_RULE_SIZE]      # the struct of the rule
    double lr

cdef enum:                          # what a parallel region does
    LOOK                            # at the gradients: their squares, and whether they are finite
    SQUARES                         # of the rows and columns of factored arrays
    FACTORS                         # that follow from them
    MEASURE                         # the first pass of layerwise rules
    UPDATE

cdef struct Update:                 # the work of one parallel region
    int work
    Parameter* parameters
    Py_ssize_t count, bytes
    Group* groups
    Clip clip
    Survey* surveys                 # by block
    double shrink
    Py_ssize_t step
    int threads


# ---- the work ----------------------------------------------------------------------------------

cdef inline Py_ssize_t itemsize_of(const Parameter* p) noexcept nogil:
    return 4 if p.dtype == 0 else 8


cdef inline Py_ssize_t blocks_of(const Parameter* p) noexcept nogil:
    return (p.given + UPDATE_BLOCK - 1) // UPDATE_BLOCK


cdef Survey survey_range(
        const Update* job, const Parameter* p, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    cdef double buffer[CHUNK]
    cdef Py_ssize_t n = (stop - start) & -LANES
    cdef Survey found, part
    memset(&found, 0, sizeof(Survey))
    found.finite = True
    while start < stop:
        if p.held[GRADIENT].format != NATIVE or n == 0:
            n = min(<Py_ssize_t>CHUNK, stop - start)
        part = kernels.survey[p.dtype](
            bring(p, GRADIENT, start, n, <char*>buffer), (n + LANES - 1) & -LANES, job.shrink)
        found.squares += part.squares
        found.finite &= part.finite
        start += n
        n = 0
    return found


cdef inline bint is_sixteen(const Parameter* p) noexcept nogil:
    """Whether kernels take the state as bfloat16. In buffers Adam took 1.4 times as long."""
    return p.held[FIRST_STATE].format == SIXTEEN and p.low.data == NULL


cdef inline UpdateFn pass_of(const Update* job, const Parameter* p) noexcept nogil:
    cdef const RuleKernel* kernel = job.groups[p.group].kernel
    cdef int kind = 2 if is_sixteen(p) else p.dtype
    return kernel.update[kind] if job.work == UPDATE else kernel.measure[kind]


cdef inline Clip clip_of(const Update* job, const Parameter* p, Py_ssize_t start) noexcept nogil:
    cdef Clip clip = job.clip
    cdef int k
    clip.trust = p.trust
    clip.factored = p.matrices != 0
    for k in range(ROUNDED_STATES):
        clip.random[k] = random_of(job, p, k, start) if is_sixteen(p) else 0
    return clip


cdef void update_range(
        const Update* job, const Parameter* p, Py_ssize_t start, Py_ssize_t stop, Survey* found
        ) noexcept nogil:
    """Update or measure elements; the last ones in buffers of full lanes, so that all are
    computed alike."""
    cdef char* arrays[ARRAYS]
    cdef int k
    cdef Py_ssize_t n
    cdef Clip clip
    while start < stop:
        if is_staged(p):
            update_staged(job, p, start, stop, found)
            return
        n = (stop - start) & -LANES
        if n == 0:
            update_rest(job, p, start, stop - start, found)
            return
        if is_sixteen(p):
            n = min(n, UPDATE_BLOCK - start % UPDATE_BLOCK)
        clip = clip_of(job, p, start)
        for k in range(ARRAYS):
            arrays[k] = p.held[k].data
            if arrays[k] != NULL:
                arrays[k] += start * p.held[k].size
        pass_of(job, p)(
            job.groups[p.group].rule, &clip, arrays[0], arrays[1], arrays[2], arrays[3], arrays[4],
            arrays[5], n, found)
        start += n


cdef inline Py_ssize_t blocks_before(const Parameter* p, Py_ssize_t border) noexcept nogil:
    """How many blocks of p start before a border in bytes."""
    cdef Py_ssize_t size = UPDATE_BLOCK * itemsize_of(p)
    return min(max((border - p.offset + size - 1) // size, <Py_ssize_t>0), blocks_of(p))


cdef void run_part(void* given, int part, int thread) noexcept nogil:
    """The blocks that start in one thread's share of the bytes."""
    cdef const Update* job = <const Update*>given
    cdef Py_ssize_t k, block, first, last, start, stop
    cdef Survey* found
    cdef Py_ssize_t low = job.bytes * part // job.threads
    cdef Py_ssize_t high = job.bytes * (part + 1) // job.threads
    cdef const Parameter* p
    if job.work == SQUARES or job.work == FACTORS:
        factor_part(job, part)
        return
    for k in range(job.count):
        p = &job.parameters[k]
        first = blocks_before(p, low)
        last = blocks_before(p, high)
        if first == last or (
                job.work == MEASURE and job.groups[p.group].kernel.measure[0] == NULL):
            continue
        if job.work == UPDATE:
            start = first * UPDATE_BLOCK
            stop = min(last * UPDATE_BLOCK, p.given)
            update_range(job, p, start, stop, NULL)
            continue
        for block in range(first, last):
            found = &job.surveys[p.block + block]
            memset(found, 0, sizeof(Survey))
            start = block * UPDATE_BLOCK
            stop = min(start + UPDATE_BLOCK, p.given)
            if job.work == LOOK:
                found[0] = survey_range(job, p, start, stop)
            else:
                update_range(job, p, start, stop, found)


cdef void run_update(Update* job) noexcept:
    if job.bytes <= KEEP_GIL_MAX:
        run_all(run_part, job, job.threads, job.threads)
    else:
        with nogil:
            run_all(run_part, job, job.threads, job.threads)


# ---- the base of every optimizer ---------------------------------------------------------------

cdef class BaseOptimizer:
    """An optimizer: it owns the step."""

    cdef Parameter* parameters
    cdef Extent* extents            # of the parameters, in the order of their addresses
    cdef Group* groups
    cdef Survey* surveys
    cdef double* sums               # of factored arrays
    cdef Py_ssize_t count, n_extents, n_groups, bytes, n_blocks
    cdef Py_ssize_t moved           # bytes that an update reads and writes
    cdef double bound, max_norm, sign
    cdef int nonfinite
    cdef bint running, layerwise
    cdef bint directs               # a method `_direct` makes directions of the gradients
    cdef list structures            # of each group: None, the number of arrays, or their keys
    cdef bint grouped               # the parameters are a list of groups
    cdef list arrays                # the parameters
    cdef tuple states               # what the kernels hold besides, kept alive
    cdef list views                 # of the parameters, with shapes and dtypes that nobody changes
    cdef list names                 # what the gradients are called
    cdef list schedules             # of each group, a callable or None; None: all lr are numbers
    cdef list fields                # of each group, the names of its struct
    cdef list proximal              # (index of an array, group, penalty)
    cdef dict rows                  # of this step: index of an array -> the rows of its gradient
    cdef Py_ssize_t steps
    cdef object __weakref__

    @property
    def step_count(self):
        """How many steps there were."""
        return self.steps

    def __dealloc__(self):
        PyMem_Free(self.parameters)
        PyMem_Free(self.extents)
        PyMem_Free(self.groups)
        PyMem_Free(self.surveys)
        PyMem_Free(self.sums)

    def _bind(self, arrays, names, masters, states, members, structures, grouped):
        """Take the arrays, all of them checked; once, and before _configure.

        masters: of each array its copy in float32, or None.
        states: of each array pairs of its state and the scales of its state, in the kernel's
        order, with None for what there is not; of a factored array None, the factors of the rows,
        and those of the columns.
        members: of each array the index of its group.
        """
        cdef Py_ssize_t i, k
        cdef Parameter* p
        self.arrays, self.states, self.names = arrays, (masters, states), names
        self.views = [array.view() for array in arrays]
        self.structures, self.grouped = structures, grouped
        self.directs = hasattr(self, "_direct")
        self.n_groups = len(structures)
        self.groups = <Group*>PyMem_Calloc(self.n_groups, sizeof(Group))
        self.parameters = <Parameter*>PyMem_Calloc(len(arrays), sizeof(Parameter))
        self.extents = <Extent*>PyMem_Calloc(len(arrays), sizeof(Extent))
        if self.groups == NULL or self.parameters == NULL or self.extents == NULL:
            raise MemoryError()
        for i, array in enumerate(arrays):
            p = &self.parameters[i]
            p.n = cnp.PyArray_SIZE(array)
            if masters[i] is not None:
                hold(&p.low, array)
                p.low.format = low_format(array)
            hold(&p.held[PARAMETER], array if masters[i] is None else masters[i])
            p.held[GRADIENT].size = p.held[PARAMETER].size
            p.dtype = 0 if p.held[PARAMETER].size == 4 else 1
            p.order = cnp.PyArray_FLAGS(array) & (
                cnp.NPY_ARRAY_C_CONTIGUOUS | cnp.NPY_ARRAY_F_CONTIGUOUS)
            p.group = members[i]
            p.width = p.n // max(cnp.PyArray_DIM(array, 0), 1) if cnp.PyArray_NDIM(array) else 1
            p.trust = 1
            p.moved = 2 * (p.held[PARAMETER].size + p.low.size) + p.held[GRADIENT].size
            for k, (state, scale) in enumerate(states[i]):
                if state is not None:
                    hold(&p.held[FIRST_STATE + k], state)
                    p.moved += 2 * p.held[FIRST_STATE + k].size
                if scale is not None:
                    p.held[FIRST_STATE + k].scale = <float*>cnp.PyArray_BYTES(scale)
            if len(states[i]) > 1 and states[i][0][0] is None:
                p.moved = 6 * p.held[PARAMETER].size
                p.lines, p.columns = array.shape[-2:]
                p.matrices = p.n // max(p.lines * p.columns, 1)
            p.given = p.n
            self.place(p)
        self.surveys = <Survey*>PyMem_Calloc(max(self.n_blocks, 1), sizeof(Survey))
        if self.surveys == NULL:
            raise MemoryError()
        self.sums = make_sums(self.parameters, len(arrays))
        for array in sorted(arrays, key=lambda array: array.ctypes.data):
            if array.size:
                k = self.n_extents
                extent(array, &self.extents[k].low, &self.extents[k].high)
                self.n_extents += 1
        self.count = len(arrays)

    def _configure(
            self, groups, schedules, proximal, max_norm, clip_value, nonfinite, maximize, step):
        """Set the options, and how many steps there were.

        groups: of each the name of its kernel, its numbers by name and its lr.
        """
        cdef Py_ssize_t k
        self.schedules, self.proximal, self.fields = schedules, proximal, []
        for k, (kernel, numbers, lr) in enumerate(groups):
            index, fields = kernel_rules[kernel]
            self.fields.append(fields)
            self.groups[k].kernel = &kernels.rules[index]
            self.layerwise = self.groups[k].kernel.measure[0] != NULL
            self.groups[k].lr = lr
            for name, value in numbers.items():
                self.groups[k].rule[fields.index(name)] = value
        self.max_norm = INFINITY if max_norm is None else max_norm
        self.bound = INFINITY if clip_value is None else clip_value
        self.nonfinite = ("propagate", "raise", "skip").index(nonfinite)
        self.sign = -1 if maximize else 1
        self.steps = step

    def _check_idle(self):
        if self.running:
            raise RuntimeError("this optimizer is in the middle of a step")

    def __reduce__(self):
        raise TypeError(
            f"{type(self).__name__} holds the memory of its parameters, so it cannot be copied or "
            f"pickled; its state_dict() can")

    def _carried(self, Py_ssize_t group, name):
        """A number of a group's struct that goes from step to step."""
        return self.groups[group].rule[self.fields[group].index(name)]

    def step(self, grads):
        """Update the parameters, in place.

        Parameters
        ----------
        grads : ndarray, or list or dict of ndarrays
            Gradients, structured as the parameters are (for groups: a list with the gradients of
            each group), each of its parameter's shape, dtype (of float16 and bfloat16, or
            float32) and memory order; or, for some optimizers, a tuple of row indices and the
            values of these rows (see Notes).

        Returns
        -------
        bool
            True; False if the step was skipped (``nonfinite="skip"``).

        Raises
        ------
        TypeError, ValueError
            If gradients do not fit the parameters; DomainError, a ValueError, if one is not
            finite (``nonfinite="raise"``). Then neither parameters nor state have changed.

        Notes
        -----
        An array whose gradient is None, or whose key the dict lacks, is left alone, as in torch: it
        keeps its numbers and its state, without weight decay, momentum or penalty. The one count of
        steps goes on.

        What is no array, such as a list, a Series of pandas or a tensor of torch, is made one by
        ``numpy.asarray``.

        A gradient that is not 0 in a few rows only may be a tuple ``(indices, values)``: a 1-D
        array of integers, and a C-contiguous array of shape ``(len(indices),
        *parameter.shape[1:])``. `SGD`, `Adam`, `AdamW`, `AdaGrad` and `FTRL` take it, for
        C-contiguous parameters of float32 and float64 whose state is of the same dtype. Values of
        the same row are added up in float64, in the order given, and rounded once; ``max_norm``,
        ``clip_value`` and ``nonfinite`` see the sums. The rows named, and their state, are updated
        by the same rule as ever; the other rows wait, and keep every bit: momentum does not move
        them, averages do not fade, and neither weight decay nor a penalty shrinks them until they
        are named again. Corrections of bias use the one count of steps, as in
        ``torch.optim.SparseAdam``, which has ``eps_hat``, and TensorFlow's ``LazyAdam``.
        A negative index, or one beyond the last row, is an error. Memory in proportion to the rows
        given is needed.
        """
        cdef list flat
        cdef Update job
        cdef Py_ssize_t k
        if self.count == 0:
            raise TypeError(f"this {type(self).__name__} was not initialised")
        if self.running:
            raise RuntimeError("this optimizer is in the middle of another step")
        self.running = True
        try:
            # what may run code of the user's comes before any look at memory
            flat = self.gather(grads)
            if self.schedules is not None:
                self.read_schedules()
            for k in range(self.count):
                if not cnp.PyArray_CheckExact(flat[k]):
                    self.convert(flat, k)
            self.bytes = self.n_blocks = self.moved = 0
            for k in range(self.count):
                self.check(flat, k)
                self.place(&self.parameters[k])
            job.parameters = self.parameters
            job.surveys = self.surveys
            job.count = self.count
            job.bytes = self.bytes
            job.groups = self.groups
            job.step = self.steps
            job.threads = threads_for(
                long_if(self.moved >= UPDATE_PARALLEL_MIN), thread_count)
            job.clip.bound = self.bound
            job.clip.factor = self.sign
            if self.max_norm != INFINITY or self.nonfinite != NONFINITE_PROPAGATE:
                if not self.look(&job, flat):
                    return False
            for k in range(self.n_groups):
                self.groups[k].kernel.prepare(
                    self.groups[k].rule, self.groups[k].lr, <double>(self.steps + 1))
            if self.layerwise:
                self.measure(&job)
            if self.directs:
                self.direct(&job, flat)
            job.work = UPDATE
            run_update(&job)
            self.steps += 1
            if self.proximal is not None:
                for index, group, penalty in self.proximal:
                    if flat[<Py_ssize_t>index] is None:
                        continue
                    array = self.views[index]
                    penalty.prox(array, self.groups[<Py_ssize_t>group].lr, out=array)
            return True
        finally:
            self.running = False
            self.rows = None

    cdef void place(self, Parameter* p) noexcept:
        """Put a gradient behind those that have a place already."""
        p.offset = self.bytes
        p.block = self.n_blocks
        self.bytes += max(p.given * itemsize_of(p), LINE)
        self.n_blocks += blocks_of(p)
        self.moved += p.given * p.moved

    cdef list gather(self, object grads):
        """The gradients in the order of the arrays."""
        cdef list flat
        cdef Py_ssize_t k
        if not self.grouped:
            return self.collect(self.structures[0], grads, "grads")
        check_sequence(grads, self.n_groups, "grads", "groups")
        flat = []
        for k in range(self.n_groups):
            flat += self.collect(self.structures[k], grads[k], f"grads[{k}]")
        return flat

    cdef list collect(self, object structure, object grads, str name):
        """Those of a group."""
        cdef Py_ssize_t found = 0
        cdef list flat
        if structure is None:
            return [grads]
        if type(structure) is not tuple:
            check_sequence(grads, structure, name, "arrays")
            return list(grads)
        if not isinstance(grads, dict):
            raise TypeError(
                f"{name} must be a dict, as the parameters are; got {type(grads).__name__}")
        flat = []
        for key in structure:
            flat.append(grads.get(key))
            found += key in grads
        if len(grads) != found:
            unknown = [key for key in grads if key not in structure][0]
            raise ValueError(f"{name} has a key that the parameters lack: {unknown!r}")
        return flat

    cdef int convert(self, list flat, Py_ssize_t k) except -1:
        """Make the k-th gradient an array, or a pair of arrays, or leave it None."""
        if flat[k] is None and (self.grouped or self.structures[0] is not None):
            return 0
        if type(flat[k]) is tuple:
            flat[k] = tuple([
                self.as_gradient(part, k, f"[{i}]") for i, part in enumerate(flat[k])])
        else:
            flat[k] = self.as_gradient(flat[k], k, "")
        return 0

    cdef cnp.ndarray as_gradient(self, object given, Py_ssize_t k, str place):
        cdef cnp.ndarray array
        if cnp.PyArray_CheckExact(given):
            return given
        if isinstance(given, np.ma.MaskedArray):
            raise TypeError(
                f"{self.names[k]}{place} is a masked array; a plain one is wanted, such as its "
                f".filled(0)")
        array = as_array(given, f"{self.names[k]}{place}", False)
        if cnp.PyArray_TYPE(array) == cnp.NPY_OBJECT:
            raise TypeError(
                f"{self.names[k]}{place} must be an array of numbers; got {type(given).__name__}")
        return array

    cdef int check(self, list flat, Py_ssize_t k) except -1:
        """Take the k-th gradient, if it fits its parameter."""
        cdef Parameter* p = &self.parameters[k]
        cdef cnp.ndarray parameter = <cnp.ndarray>self.views[k], grad
        cdef object given = flat[k]
        self.check_parameter(k)
        p.given = p.n
        p.rows = NULL
        p.held[GRADIENT].format = p.low.format
        if given is None:
            p.given = 0
            return 0
        if type(given) is tuple:
            return self.check_sparse(flat, k)
        grad = <cnp.ndarray>given
        if p.low.data != NULL and cnp.PyArray_TYPE(grad) == cnp.NPY_FLOAT:
            p.held[GRADIENT].format = NATIVE
        elif cnp.PyArray_TYPE(grad) != cnp.PyArray_TYPE(parameter):
            raise TypeError(
                f"{self.names[k]} must be {parameter.dtype}, as its parameter is"
                f"{'' if p.low.data == NULL else ', or float32'}; got {grad.dtype}, which "
                f".astype({parameter.dtype.name!r}) converts")
        if not same_shape(grad, parameter):
            raise ValueError(
                f"{self.names[k]} must have the shape {shape_of(parameter)} of its parameter; "
                f"got {shape_of(grad)}")
        if not (cnp.PyArray_FLAGS(grad) & p.order and cnp.PyArray_ISNOTSWAPPED(grad)
                and cnp.PyArray_CHKFLAGS(grad, cnp.NPY_ARRAY_ALIGNED)):
            maker = (
                "ascontiguousarray" if p.order & cnp.NPY_ARRAY_C_CONTIGUOUS else "asfortranarray")
            raise ValueError(
                f"{self.names[k]} must be a native array that is contiguous in the order of its "
                f"parameter, as numpy.{maker} makes it; "
                f"got dtype {grad.dtype.str} and strides {(<object>grad).strides}")
        p.held[GRADIENT].data = cnp.PyArray_BYTES(grad)
        p.held[GRADIENT].size = cnp.PyArray_ITEMSIZE(grad)
        return self.check_apart(grad, k)

    cdef int check_sparse(self, list flat, Py_ssize_t k) except -1:
        """Take the k-th gradient, a tuple, if it names rows of its parameter."""
        cdef Parameter* p = &self.parameters[k]
        cdef cnp.ndarray rows
        self._check_takes_rows(self.names[k], p.group)
        if is_staged(p) or is_sixteen(p):
            raise TypeError(
                f"{self.names[k]} must be an array where the parameter or its state is kept in "
                f"fewer bytes than float32 has; got a pair (row indices, values)")
        rows, flat[k] = read_pair(flat[k], <cnp.ndarray>self.views[k], self.names[k])
        if self.rows is None:
            self.rows = {}
        self.rows[k] = rows
        p.rows = <const int64_t*>cnp.PyArray_DATA(rows)
        p.held[GRADIENT].data = cnp.PyArray_BYTES(<cnp.ndarray>flat[k])
        p.given = cnp.PyArray_SIZE(<cnp.ndarray>flat[k])
        return self.check_apart(<cnp.ndarray>flat[k], k)

    cdef int check_parameter(self, Py_ssize_t k) except -1:
        cdef const Parameter* p = &self.parameters[k]
        cdef const Stored* own = &p.low
        cdef cnp.ndarray parameter = <cnp.ndarray>self.arrays[k]
        if own.data == NULL:
            own = &p.held[PARAMETER]
        if cnp.PyArray_BYTES(parameter) != own.data or not cnp.PyArray_ISWRITEABLE(parameter) or (
                cnp.PyArray_NBYTES(parameter) != p.n * own.size):
            raise ValueError(
                f"{self.names[k].replace('grads', 'params', 1)} is not the writeable memory "
                f"any more that it was when the optimizer was made")
        return 0

    cdef int check_apart(self, cnp.ndarray grad, Py_ssize_t k) except -1:
        """An error if a gradient shares memory with a parameter: it would change on the way."""
        cdef char* low = cnp.PyArray_BYTES(grad)
        cdef char* high = low + self.parameters[k].given * self.parameters[k].held[GRADIENT].size
        cdef Py_ssize_t first = 0, last = self.n_extents, middle
        if low == high or high <= self.extents[0].low or low >= self.extents[last - 1].high:
            return 0
        while last - first > 1:             # the last parameter that starts before high
            middle = (first + last) // 2
            if self.extents[middle].low < high:
                first = middle
            else:
                last = middle
        if self.extents[first].high > low:
            raise ValueError(f"{self.names[k]} shares memory with a parameter")
        return 0

    cdef int read_schedules(self) except -1:
        cdef list rates = []
        cdef Py_ssize_t k
        for k, schedule in enumerate(self.schedules):
            rate = self.groups[k].lr
            if schedule is not None:
                given = schedule(self.steps)
                try:
                    rate = float(given)
                except (TypeError, ValueError):
                    raise TypeError(
                        f"lr({self.steps}) must be a real number; got {given!r}") from None
            if not 0 <= rate < INFINITY:
                raise ValueError(f"lr({self.steps}) must be in [0, inf); got {rate!r}")
            rates.append(rate)
        for k in range(self.n_groups):
            self.groups[k].lr = rates[k]
        return 0

    cdef bint look(self, Update* job, list flat) except -1:
        """Read the gradients once: set the clipping; False if this step is to be skipped."""
        cdef Py_ssize_t k
        cdef double squares, norm
        cdef bint finite = True
        job.work = LOOK
        job.shrink = 1
        run_update(job)
        squares = self.squares()
        for k in range(self.n_blocks):
            finite &= self.surveys[k].finite
        if not finite and self.nonfinite == NONFINITE_RAISE:
            self.fail(flat)
        if not finite and self.nonfinite == NONFINITE_SKIP:
            return False
        if self.max_norm == INFINITY:
            return True
        if finite and (
                # the squares overflow or underflow, and the norm does not
                squares == INFINITY or (squares < 2.0 ** -900 and self.max_norm < 2.0 ** -440)):
            job.shrink = 2.0 ** (-600 if squares == INFINITY else 600)
            run_update(job)
            squares = self.squares()
        norm = sqrt(squares) / job.shrink
        # written so that a norm of NaN gives NaN
        job.clip.factor = self.sign * (1 if norm <= self.max_norm else self.max_norm / norm)
        return True

    cdef void measure(self, Update* job) noexcept:
        """The first pass of layerwise rules, and the trust that its norms put in each array."""
        cdef Py_ssize_t k, block
        cdef double of_parameter, of_direction
        cdef Parameter* p
        if self.sums != NULL:
            job.work = SQUARES
            run_update(job)
            job.work = FACTORS
            run_update(job)
        job.work = MEASURE
        run_update(job)
        for k in range(self.count):
            p = &self.parameters[k]
            of_parameter = of_direction = 0
            for block in range(p.block, p.block + blocks_of(p)):
                of_parameter += self.surveys[block].squares
                of_direction += self.surveys[block].of_direction
            if p.given:
                p.trust = self.groups[p.group].kernel.trust(
                    self.groups[p.group].rule, of_parameter, of_direction, <double>p.n)

    cdef int direct(self, Update* job, list flat) except -1:
        """Let the class make a direction of each gradient, clipped, and a factor of its rate."""
        cdef Py_ssize_t k
        cdef Stored* given
        for k in range(self.count):
            if flat[k] is None:
                continue
            flat[k], self.parameters[k].trust = self._direct(
                k, flat[k], job.clip.factor, job.clip.bound)
            given = &self.parameters[k].held[GRADIENT]
            hold(given, <cnp.ndarray>flat[k])
        job.clip.factor = 1
        job.clip.bound = INFINITY
        return 0

    cdef double squares(self):
        cdef double total = 0
        cdef Py_ssize_t k
        for k in range(self.n_blocks):
            total += self.surveys[k].squares
        return total

    cdef int fail(self, list flat) except -1:
        """Raise the error of the first gradient that is not finite."""
        cdef Py_ssize_t k, block, start
        for k in range(self.count):
            for block in range(blocks_of(&self.parameters[k])):
                if self.surveys[self.parameters[k].block + block].finite:
                    continue
                order = "C" if flat[k].flags.c_contiguous else "F"
                start = block * UPDATE_BLOCK
                part = flat[k].ravel(order)[start:start + UPDATE_BLOCK]
                place = start + int(np.argmin(np.isfinite(part)))
                index = tuple(map(int, np.unravel_index(place, np.shape(flat[k]), order)))
                value = flat[k][index]
                if self.rows is not None and k in self.rows:
                    index = (int(self.rows[k][index[0]]), *index[1:])
                raise DomainError(self.names[k], index, value, "finite")
        return 0


cdef int check_sequence(object given, Py_ssize_t n, str name, str what) except -1:
    if not isinstance(given, (list, tuple)):
        raise TypeError(
            f"{name} must be a list, as the parameters are; got {type(given).__name__}")
    if len(given) != n:
        raise ValueError(f"{name} must hold {n} {what}, as the parameters do; got {len(given)}")
    return 0


cdef inline int low_format(cnp.ndarray array) noexcept:
    return HALF if cnp.PyArray_TYPE(array) == NPY_HALF else BFLOAT16


cdef inline void hold(Stored* stored, cnp.ndarray array) noexcept:
    """Describe an array of the kernel's type or, if its elements are integers, of fewer bytes."""
    stored.data = cnp.PyArray_BYTES(array)
    stored.size = cnp.PyArray_ITEMSIZE(array)
    stored.format = NATIVE
    if cnp.PyArray_TYPE(array) == cnp.NPY_UINT16:
        stored.format = SIXTEEN
    elif cnp.PyArray_TYPE(array) == cnp.NPY_UINT8:
        stored.format = EIGHT


state_chunk = CHUNK                 # numbers in 8 bits that share a scale


def nearest_bfloat16(float x):
    """The bits of the nearest bfloat16, of two equally near the even one."""
    cdef uint16_t bits
    kernels.narrow[BFLOAT16](&x, 1, 0, 0, &bits, NULL)
    return bits


def nearest_eight(float x):
    """The nearest code of 8 bits, and its scale."""
    cdef uint8_t code
    cdef float scale
    kernels.narrow[EIGHT](&x, 1, 0x80000000, 0, &code, &scale)
    return code, scale
