# Updates of elements that do not lie as kernels take them. They are brought to buffers of full
# lanes, a chunk at a time: rows that a sparse gradient names, what factors say of an array, numbers
# in fewer bytes; and the last few elements of an array.

cdef inline bint is_staged(const Parameter* p) noexcept nogil:
    return p.rows != NULL or p.matrices != 0 or p.low.data != NULL or (
        p.held[FIRST_STATE].format == EIGHT)


cdef inline uint32_t random_of(
        const Update* job, const Parameter* p, int state, Py_ssize_t start) noexcept nogil:
    """The number that rounds an element's state: a point of a lattice, the start of which looks
    random for each step, array and block."""
    cdef uint64_t x = (<uint64_t>job.step << 32) + <uint64_t>(start // UPDATE_BLOCK)
    x += <uint64_t>0xA0761D6478BD642F   # 0 would stay 0
    x = (x ^ (x >> 31)) * <uint64_t>0x9E3779B97F4A7C15 + <uint64_t>(p - job.parameters)
    x = (x ^ (x >> 32)) * <uint64_t>0xBB67AE8584CAA73B
    x = (x ^ (x >> 29)) * <uint64_t>0x6A09E667F3BCC909
    return <uint32_t>(x >> (32 - 16 * state)) + (
        <uint32_t>(start % UPDATE_BLOCK) * lattice_step(state))


cdef inline float* scale_of(const Stored* held, Py_ssize_t start) noexcept nogil:
    return NULL if held.scale == NULL else held.scale + start // CHUNK


cdef inline void copy_rows(
        const Parameter* p, char* array, char* buffer, Py_ssize_t start, Py_ssize_t n, bint back
        ) noexcept nogil:
    """Copy n elements of the given rows, from the start-th on, out of an array or back."""
    cdef Py_ssize_t size = itemsize_of(p), row = start // p.width, column = start % p.width
    cdef Py_ssize_t done = 0, i, bytes
    cdef char* there
    if p.width == 1 and size == 4:
        for i in range(n):
            if back:
                (<float*>array)[p.rows[start + i]] = (<float*>buffer)[i]
            else:
                (<float*>buffer)[i] = (<float*>array)[p.rows[start + i]]
        return
    while done < n * size:
        there = array + (p.rows[row] * p.width + column) * size
        bytes = min((p.width - column) * size, n * size - done)
        if back:
            memcpy(there, buffer + done, bytes)
        else:
            memcpy(buffer + done, there, bytes)
        done += bytes
        row += 1
        column = 0


cdef inline bint is_converted(const Parameter* p, const Stored* held) noexcept nogil:
    return held.format != NATIVE and not is_sixteen(p)


cdef char* bring(
        const Parameter* p, int which, Py_ssize_t start, Py_ssize_t n, char* buffer
        ) noexcept nogil:
    """n elements for a kernel: where they lie, or in the buffer, with zeros up to full lanes."""
    cdef const Stored* held = &p.held[which]
    cdef Py_ssize_t size = itemsize_of(p), rest = -n & (LANES - 1)
    if which == PARAMETER and p.low.data != NULL:
        kernels.adopt[p.low.format](
            p.low.data + start * p.low.size, n, <float*>held.data + start)
    if p.matrices and which >= FIRST_STATE:
        if which == FIRST_STATE:
            expand_factors(p, buffer, start, n)
    elif held.data == NULL:
        return buffer
    elif p.rows != NULL and which != GRADIENT:
        copy_rows(p, held.data, buffer, start, n, False)
    elif is_converted(p, held):
        kernels.widen[held.format](
            held.data + start * held.size, scale_of(held, start), n, <float*>buffer)
    elif rest:
        size = held.size
        memcpy(buffer, held.data + start * size, n * size)
    else:
        return held.data + start * held.size
    memset(buffer + n * size, 0, rest * size)
    return buffer


cdef void take_back(
        const Update* job, const Parameter* p, int which, Py_ssize_t start, Py_ssize_t n,
        char* place) noexcept nogil:
    """Bring what a kernel updated to where it belongs."""
    cdef const Stored* held = &p.held[which]
    cdef int state = which - FIRST_STATE
    if held.data == NULL or (p.matrices and state >= 0):
        return
    if p.rows != NULL:
        copy_rows(p, held.data, place, start, n, True)
    elif is_converted(p, held):
        kernels.narrow[held.format](
            <float*>place, n, random_of(job, p, state, start), lattice_step(state),
            held.data + start * held.size, scale_of(held, start))
    elif place != held.data + start * held.size:
        memcpy(held.data + start * held.size, place, n * held.size)
    if which == PARAMETER and p.low.data != NULL:
        kernels.narrow[p.low.format](
            <float*>place, n, 0, 0, p.low.data + start * p.low.size, NULL)


cdef void update_staged(
        const Update* job, const Parameter* p, Py_ssize_t start, Py_ssize_t stop, Survey* found
        ) noexcept nogil:
    """Update or measure elements start..stop of the gradient."""
    cdef double buffer[ARRAYS][CHUNK]
    cdef char* place[ARRAYS]
    cdef Py_ssize_t n
    cdef int k
    cdef const Group* group = &job.groups[p.group]
    cdef UpdateFn pass_over = pass_of(job, p)
    cdef Clip clip
    while start < stop:
        n = min(<Py_ssize_t>CHUNK, stop - start)
        clip = clip_of(job, p, start)
        for k in range(ARRAYS):
            place[k] = bring(p, k, start, n, <char*>buffer[k])
        pass_over(
            group.rule, &clip, place[0], place[1], place[2], place[3], place[4], place[5],
            (n + LANES - 1) & -LANES, found)
        if job.work == UPDATE:
            take_back(job, p, PARAMETER, start, n, place[PARAMETER])
        if job.work == MEASURE or group.kernel.measure[0] == NULL:
            for k in range(FIRST_STATE, ARRAYS):
                take_back(job, p, k, start, n, place[k])
        start += n


cdef void update_rest(
        const Update* job, const Parameter* p, Py_ssize_t start, Py_ssize_t n, Survey* found
        ) noexcept nogil:
    """Update or measure the last elements of an array that is not staged, fewer than LANES."""
    cdef double buffer[ARRAYS][LANES]
    cdef char* place[ARRAYS]
    cdef const Stored* held
    cdef int k
    cdef Clip clip = clip_of(job, p, start)
    for k in range(ARRAYS):
        held = &p.held[k]
        place[k] = <char*>buffer[k]
        if held.data != NULL:
            memset(place[k], 0, sizeof(double) * LANES)
            memcpy(place[k], held.data + start * held.size, n * held.size)
    pass_of(job, p)(
        job.groups[p.group].rule, &clip, place[0], place[1], place[2], place[3], place[4], place[5],
        LANES, found)
    for k in range(ARRAYS):         # what a pass does not change, it leaves as it came
        held = &p.held[k]
        if k != GRADIENT and held.data != NULL:
            memcpy(held.data + start * held.size, place[k], n * held.size)
