# An array as a stream of blocks: in place where it is contiguous, native and of the type computed
# in; converted a block at a time by the kernels where elements of a dtype that they know lie at equal
# distances; else a buffer at a time by NumPy's own iterator, which knows every stride, byte order,
# alignment and dtype, and runs without the GIL. So are inputs read, and outputs written.

cdef extern from "numpy/arrayobject.h":
    ctypedef struct NpyIter:
        pass
    ctypedef int (*IterNext "NpyIter_IterNextFunc *")(NpyIter*) noexcept nogil
    NpyIter* NpyIter_AdvancedNew(
        int nop, cnp.PyArrayObject** op, int flags, int order, int casting,
        cnp.npy_uint32* op_flags, cnp.PyArray_Descr** dtypes, int ndim, int** axes,
        cnp.npy_intp* shape, cnp.npy_intp buffer
        ) except NULL
    NpyIter* NpyIter_Copy(NpyIter*) except NULL
    int NpyIter_Deallocate(NpyIter*)
    IterNext NpyIter_GetIterNext(NpyIter*, char**) except NULL
    char** NpyIter_GetDataPtrArray(NpyIter*) noexcept nogil
    cnp.npy_intp* NpyIter_GetInnerLoopSizePtr(NpyIter*) noexcept nogil
    bint NpyIter_IterationNeedsAPI(NpyIter*) noexcept nogil
    int NpyIter_ResetToIterIndexRange(
        NpyIter*, cnp.npy_intp start, cnp.npy_intp stop, char** error) noexcept nogil
    int NPY_ITER_BUFFERED, NPY_ITER_EXTERNAL_LOOP, NPY_ITER_RANGED, NPY_ITER_DELAY_BUFALLOC
    int NPY_ITER_ZEROSIZE_OK, NPY_ITER_READONLY, NPY_ITER_WRITEONLY
    int NPY_ITER_CONTIG, NPY_ITER_ALIGNED, NPY_ITER_NBO
    int NPY_CORDER, NPY_UNSAFE_CASTING

cdef extern from *:
    """
    #if defined(__GNUC__)
      #define FL_PREFETCH(place) __builtin_prefetch(place, 0, 2)
    #else
      #define FL_PREFETCH(place) (void)(place)
    #endif
    """
    void FL_PREFETCH(const void*) noexcept nogil

cdef enum:
    CONVERSION_BUFFER = 8 * BLOCK
    AHEAD = 4096                # bytes that are fetched ahead at most
    AHEAD_MIN = 1 << 21         # bytes of an array that may not be in a cache near by
    MAX_DIMS = 64               # NumPy's own limit
    OWN_TYPES = 24              # NumPy's own type numbers are below

cdef struct Reader:             # one thread's place in an operand that is converted
    NpyIter* iterator
    IterNext advance
    char** data
    cnp.npy_intp* size
    cnp.npy_intp used           # elements of the iterator's buffer that were handed out

# An operand may be computed, and an output go into more computing: start and count as of read().
ctypedef void (*ComputeFn)(
    void* source, int thread, Py_ssize_t start, Py_ssize_t count, char* buffer) noexcept nogil
ctypedef void (*AbsorbFn)(
    void* source, int thread, Py_ssize_t start, Py_ssize_t count, const char* buffer
    ) noexcept nogil

cdef struct Operand:
    void* source                # of what is computed, or absorbed; NULL: an array
    ComputeFn compute
    AbsorbFn absorb
    char* data                  # the first element; NULL: through the readers
    Py_ssize_t itemsize         # of the type computed in
    Py_ssize_t stride           # of data
    fl_convert convert          # NULL: data are used where they lie
    Py_ssize_t ahead            # bytes that are fetched ahead, at most
    Reader* readers
    int n_readers


# ---- what the kernels convert -------------------------------------------------------------------

cdef const fl_input* own_inputs[OWN_TYPES]      # by type number; NULL: none
cdef const fl_input* bfloat16_input
cdef int bfloat16_type = cnp.NPY_NOTYPE         # its number, once an array of it was met


cdef const fl_input* input_named(str name) noexcept:
    cdef const fl_input* found = kernels.inputs
    while found.name != NULL:
        if found.name.decode() == name:
            return found
        found += 1
    return NULL


def _enter_inputs():
    global bfloat16_input
    bfloat16_input = input_named("bfloat16")
    for code in np.typecodes["All"]:
        dtype = np.dtype(code)
        own_inputs[dtype.num] = input_named(dtype.name)


_enter_inputs()


cdef bint is_bfloat16(cnp.ndarray array) except -1:
    """Whether an array is of ml_dtypes' dtype, which gets its number when that is imported."""
    global bfloat16_type
    cdef int type_num = cnp.PyArray_TYPE(array)
    if type_num != bfloat16_type and (
            cnp.PyTypeNum_ISUSERDEF(type_num) and array.dtype.name == "bfloat16"):
        bfloat16_type = type_num
    return type_num == bfloat16_type


cdef const fl_input* input_of(cnp.ndarray array) except? NULL:
    """How an array is converted; NULL: by the iterator."""
    if 0 <= cnp.PyArray_TYPE(array) < OWN_TYPES:
        return own_inputs[cnp.PyArray_TYPE(array)]
    return bfloat16_input if is_bfloat16(array) else NULL


cdef inline int target_of(int type_num) noexcept:
    """The place of a type computed in, or of labels, in fl_input."""
    return 0 if type_num == cnp.NPY_FLOAT else 1 if type_num == cnp.NPY_DOUBLE else 2


cdef bint one_run(cnp.ndarray array, Py_ssize_t* stride) noexcept:
    """Whether all elements, in C order, are equally far apart."""
    cdef Py_ssize_t length = 1, i
    stride[0] = cnp.PyArray_ITEMSIZE(array)
    for i in range(cnp.PyArray_NDIM(array) - 1, -1, -1):
        if cnp.PyArray_DIM(array, i) == 1:
            continue
        if length == 1:
            stride[0] = cnp.PyArray_STRIDE(array, i)
        elif cnp.PyArray_STRIDE(array, i) != stride[0] * length:
            return False
        length *= cnp.PyArray_DIM(array, i)
    return True


cdef fl_convert conversion(cnp.ndarray array, int type_num, Py_ssize_t* stride) except? NULL:
    """What converts an array to a type, and the distance of its elements; NULL: the iterator."""
    cdef const fl_input* found
    if not (cnp.PyArray_ISALIGNED(array) and cnp.PyArray_ISNOTSWAPPED(array)
            and one_run(array, stride)):
        return NULL
    found = input_of(array)
    return NULL if found == NULL else found.to[target_of(type_num)]


# ---- opening and closing ------------------------------------------------------------------------

cdef inline bint is_direct(cnp.ndarray array, int type_num) noexcept:
    return (
        cnp.PyArray_TYPE(array) == type_num
        and cnp.PyArray_CHKFLAGS(array, cnp.NPY_ARRAY_C_CONTIGUOUS | cnp.NPY_ARRAY_ALIGNED)
        and cnp.PyArray_ISNOTSWAPPED(array))


cdef bint open_operand(
        Operand* operand, cnp.ndarray array, cnp.ndarray like, int type_num, int threads
        ) except? True:
    """Prepare to read array, of the shape of like or of one value per row of it.

    True if reading it needs the GIL.
    """
    operand.itemsize = 4 if type_num == cnp.NPY_FLOAT else 8
    operand.readers = NULL
    operand.n_readers = 0
    operand.data = NULL
    operand.convert = NULL
    if cnp.PyArray_NDIM(array) == cnp.PyArray_NDIM(like):
        operand.stride = operand.itemsize
        if not is_direct(array, type_num):
            operand.convert = conversion(array, type_num, &operand.stride)
            if operand.convert == NULL:
                return open_readers(operand, array, like, type_num, threads, NPY_ITER_READONLY)
        operand.data = cnp.PyArray_BYTES(array)
        operand.ahead = (
            AHEAD if cnp.PyArray_SIZE(array) * operand.stride >= AHEAD_MIN else 0)
        return False
    return open_readers(operand, array, like, type_num, threads, NPY_ITER_READONLY)


cdef bint open_output(
        Operand* operand, cnp.ndarray array, int type_num, int threads) except? True:
    """Prepare to write array, which is not direct; True if that needs the GIL."""
    operand.itemsize = 4 if type_num == cnp.NPY_FLOAT else 8
    operand.stride = cnp.PyArray_ITEMSIZE(array)
    if is_direct(array, cnp.PyArray_TYPE(array)):
        operand.convert = own_inputs[type_num].to[target_of(cnp.PyArray_TYPE(array))]
        operand.data = cnp.PyArray_BYTES(array)
        return False
    return open_readers(operand, array, array, type_num, threads, NPY_ITER_WRITEONLY)


cdef bint open_readers(
        Operand* operand, cnp.ndarray array, cnp.ndarray like, int type_num, int threads, int access
        ) except? True:
    """An iterator for each thread; True if they need the GIL."""
    if cnp.PyArray_NDIM(like) == 0:         # which NumPy converts at once, and warns of overflows
        with np.errstate(all="ignore"):
            return made_readers(operand, array, like, type_num, threads, access)
    return made_readers(operand, array, like, type_num, threads, access)


cdef bint made_readers(
        Operand* operand, cnp.ndarray array, cnp.ndarray like, int type_num, int threads, int access
        ) except? True:
    cdef cnp.npy_uint32 op_flags = access | NPY_ITER_CONTIG | NPY_ITER_ALIGNED | NPY_ITER_NBO
    cdef int axes[MAX_DIMS]
    cdef int* op_axes = axes
    cdef int i, ndim = cnp.PyArray_NDIM(like)
    cdef cnp.PyArrayObject* op = <cnp.PyArrayObject*>array
    cdef cnp.PyArray_Descr* op_dtype
    cdef NpyIter* iterator
    cdef Reader* reader
    if cnp.PyArray_SIZE(like) == 0:
        return False
    for i in range(ndim):
        axes[i] = i if i < cnp.PyArray_NDIM(array) else -1
    dtype = cnp.PyArray_DescrFromType(type_num)
    op_dtype = <cnp.PyArray_Descr*>dtype
    operand.readers = <Reader*>PyMem_Calloc(threads, sizeof(Reader))
    if operand.readers == NULL:
        raise MemoryError()
    for i in range(threads):
        reader = &operand.readers[i]
        if i == 0:
            iterator = NpyIter_AdvancedNew(
                1, &op,
                NPY_ITER_BUFFERED | NPY_ITER_EXTERNAL_LOOP | NPY_ITER_RANGED
                | NPY_ITER_DELAY_BUFALLOC | NPY_ITER_ZEROSIZE_OK,
                NPY_CORDER, NPY_UNSAFE_CASTING, &op_flags, &op_dtype,
                ndim if ndim else -1, &op_axes if ndim else NULL,
                cnp.PyArray_DIMS(like) if ndim else NULL, CONVERSION_BUFFER)
        else:
            iterator = NpyIter_Copy(operand.readers[0].iterator)
        reader.iterator = iterator
        operand.n_readers = i + 1
        reader.advance = NpyIter_GetIterNext(iterator, NULL)
        reader.data = NpyIter_GetDataPtrArray(iterator)
        reader.size = NpyIter_GetInnerLoopSizePtr(iterator)
    return NpyIter_IterationNeedsAPI(operand.readers[0].iterator)


cdef void close_operand(Operand* operand) noexcept:
    for i in range(operand.n_readers):
        NpyIter_Deallocate(operand.readers[i].iterator)
    PyMem_Free(operand.readers)
    operand.readers = NULL
    operand.n_readers = 0
    operand.data = NULL
    operand.convert = NULL


# ---- reading and writing ------------------------------------------------------------------------

cdef bint seek(Operand* operand, int thread, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    """Let what a thread reads or writes next be start..stop; False if NumPy has no memory."""
    cdef char* error = NULL
    if operand.readers == NULL:
        return True
    operand.readers[thread].used = 0
    return NpyIter_ResetToIterIndexRange(
        operand.readers[thread].iterator, start, stop, &error) != 0


cdef inline void fetch_ahead(
        const Operand* operand, Py_ssize_t start, Py_ssize_t count) noexcept nogil:
    """Have the block that is read next brought nearer while this one is computed: processors that
    fetch ahead by themselves stop at the end of a page. There may be no such block."""
    cdef size_t place = <size_t>operand.data + <size_t>((start + count) * operand.stride)
    cdef Py_ssize_t i
    for i in range(min(count * operand.stride, operand.ahead) // LINE):
        FL_PREFETCH(<const void*>(place + <size_t>(i * LINE)))


cdef const char* read(
        Operand* operand, int thread, Py_ssize_t start, Py_ssize_t count, char* buffer
        ) noexcept nogil:
    """The next count elements, from start on: where they lie, or copied into buffer."""
    cdef Reader* reader
    cdef Py_ssize_t done = 0, part
    if operand.data != NULL:
        fetch_ahead(operand, start, count)
        if operand.convert == NULL:
            return operand.data + start * operand.stride
        operand.convert(operand.data + start * operand.stride, operand.stride, count, buffer)
        return buffer
    if operand.source != NULL:
        operand.compute(operand.source, thread, start, count, buffer)
        return buffer
    reader = &operand.readers[thread]
    while done < count:
        if reader.used == reader.size[0]:
            reader.advance(reader.iterator)
            reader.used = 0
        part = min(count - done, reader.size[0] - reader.used)
        memcpy(
            buffer + done * operand.itemsize,
            reader.data[0] + reader.used * operand.itemsize, part * operand.itemsize)
        reader.used += part
        done += part
    return buffer


cdef void write(
        Operand* operand, int thread, Py_ssize_t start, const char* buffer, Py_ssize_t count
        ) noexcept nogil:
    """The next count elements of an output, from start on."""
    cdef Reader* reader
    cdef Py_ssize_t done = 0, part
    if operand.source != NULL:
        operand.absorb(operand.source, thread, start, count, buffer)
        return
    if operand.convert != NULL:
        operand.convert(buffer, operand.itemsize, count, operand.data + start * operand.stride)
        return
    reader = &operand.readers[thread]
    while done < count:
        if reader.used == reader.size[0]:
            reader.advance(reader.iterator)
            reader.used = 0
        part = min(count - done, reader.size[0] - reader.used)
        memcpy(
            reader.data[0] + reader.used * operand.itemsize,
            buffer + done * operand.itemsize, part * operand.itemsize)
        reader.used += part
        done += part


cdef void flush(Operand* operand, int thread) noexcept nogil:
    """Bring what was written last from the iterator's buffer to the output."""
    if operand.readers != NULL:
        operand.readers[thread].advance(operand.readers[thread].iterator)
