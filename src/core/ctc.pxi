# Connectionist temporal classification: each sequence of a batch is a task.

cdef struct SequenceJob:
    SequenceFn kernel
    fl_sequence shared              # what all sequences have alike
    const int64_t* labels           # of all of them
    const int64_t* spans            # of each: where its labels start, how many, and frames
    const int64_t* order            # in which they are taken
    const double* factors           # of the gradients
    double* losses
    Py_ssize_t z_step, grad_step    # bytes from one sequence to the next
    Py_ssize_t room                 # bytes of a thread's buffers
    char* memory


def gradient_place(object out, object array, str name):
    """Where the gradient by an array goes: ``out``, which may be the array itself, or a new one."""
    cdef cnp.ndarray given = array
    cdef int type_num = compute_type(given, name)
    cdef cnp.ndarray place = check_out(out, given, type_num)
    check_overlap(place, given, name, type_num)
    return place


def ctc(
        cnp.ndarray z, cnp.ndarray grad, cnp.ndarray labels, cnp.ndarray spans,
        cnp.ndarray factors, cnp.ndarray order, int64_t blank, bint logits, bint forgiving,
        double seconds):
    """The loss of each sequence of z, of shape (T, N, C), which is of float32 or float64 and aligned;
    grad, or None, takes the gradients times factors, classes in one piece. All else has been checked:
    labels, spans and order are of int64, factors of float64, each in one piece."""
    cdef SequenceJob job
    cdef cnp.ndarray losses = np.empty(cnp.PyArray_DIM(z, 1))
    cdef int n = <int>cnp.PyArray_DIM(z, 1), threads = threads_for(seconds, n), i
    cdef Py_ssize_t size = cnp.PyArray_ITEMSIZE(z)
    memset(&job, 0, sizeof(job))
    job.kernel = kernels.ctc[0 if cnp.PyArray_TYPE(z) == cnp.NPY_FLOAT else 1]
    job.labels = <const int64_t*>cnp.PyArray_BYTES(labels)
    job.spans = <const int64_t*>cnp.PyArray_BYTES(spans)
    job.order = <const int64_t*>cnp.PyArray_BYTES(order)
    job.factors = <const double*>cnp.PyArray_BYTES(factors)
    job.losses = <double*>cnp.PyArray_BYTES(losses)
    job.shared.z = cnp.PyArray_BYTES(z)
    job.shared.all = cnp.PyArray_DIM(z, 0)
    job.shared.classes = cnp.PyArray_DIM(z, 2)
    job.shared.z_frame = cnp.PyArray_STRIDE(z, 0) // size
    job.shared.z_class = cnp.PyArray_STRIDE(z, 2) // size
    job.z_step = cnp.PyArray_STRIDE(z, 1)
    job.shared.logits = logits
    job.shared.blank = blank
    job.shared.forgiving = forgiving
    if grad is not None:
        job.shared.grad = cnp.PyArray_BYTES(grad)
        job.shared.grad_frame = cnp.PyArray_STRIDE(grad, 0) // size
        job.grad_step = cnp.PyArray_STRIDE(grad, 1)
    for i in range(n):
        job.room = max(job.room, 8 * fl_sequence_room(
            job.spans[3 * i + 2], job.spans[3 * i + 1], job.shared.classes, grad is not None))
    job.room += LINE
    job.memory = <char*>malloc(threads * job.room)
    if job.memory == NULL:
        raise MemoryError()
    try:
        with nogil:
            run_all(sequence_task, &job, n, threads)
    finally:
        free(job.memory)
    return losses


cdef void sequence_task(void* given, int task, int thread) noexcept nogil:
    cdef SequenceJob* job = <SequenceJob*>given
    cdef int64_t n = job.order[task]
    cdef const int64_t* span = job.spans + 3 * n
    cdef fl_sequence s = job.shared
    cdef char* memory = job.memory + thread * job.room
    s.z = <const char*>s.z + n * job.z_step
    if s.grad != NULL:
        s.grad = <char*>s.grad + n * job.grad_step
    s.label = job.labels + span[0]
    s.labels = span[1]
    s.frames = span[2]
    s.factor = job.factors[n]
    s.memory = <double*>((<size_t>memory + LINE - 1) & ~<size_t>(LINE - 1))
    job.losses[n] = job.kernel(&s)
