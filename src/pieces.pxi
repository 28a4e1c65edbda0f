# Updates of elements that do not lie as kernels want them: rows that a sparse gradient names, and
# arrays whose state is factored. They are brought together in buffers, a chunk at a time.

cdef enum:
    CHUNK = 256             # divides UPDATE_BLOCK


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


cdef void update_pieces(
        const Update* job, const Parameter* p, Py_ssize_t start, Py_ssize_t stop, Survey* found
        ) noexcept nogil:
    """Update or measure elements start..stop of the gradient, in buffers of full lanes."""
    cdef char buffer[(STATES + 2) * 8 * CHUNK]
    cdef char* place[STATES + 2]
    cdef char* arrays[STATES + 2]
    cdef Py_ssize_t k, n, full, size = itemsize_of(p)
    cdef const Group* group = &job.groups[p.group]
    cdef UpdateFn pass_over = (
        group.kernel.update[p.dtype] if job.work == UPDATE else group.kernel.measure[p.dtype])
    cdef Clip clip = job.clip
    clip.trust = p.trust
    clip.factored = p.matrices != 0
    for k in range(STATES + 2):
        place[k] = buffer + k * 8 * CHUNK
    arrays[0] = p.data
    arrays[1] = NULL
    for k in range(STATES):
        arrays[k + 2] = p.state[k]
    while start < stop:
        n = min(<Py_ssize_t>CHUNK, stop - start)
        full = (n + LANES - 1) & -LANES
        for k in range(STATES + 2):
            memset(place[k] + n * size, 0, (full - n) * size)
        memcpy(place[1], p.grad + start * size, n * size)
        if p.matrices:
            memcpy(place[0], p.data + start * size, n * size)
            expand_factors(p, place[2], start, n)
        else:
            for k in range(STATES + 2):
                if arrays[k] != NULL:
                    copy_rows(p, arrays[k], place[k], start, n, False)
        pass_over(
            group.rule, &clip, place[0], place[1], place[2], place[3], place[4], full, found)
        if not p.matrices:
            for k in range(STATES + 2):
                if arrays[k] != NULL:
                    copy_rows(p, arrays[k], place[k], start, n, True)
        elif job.work == UPDATE:
            memcpy(p.data + start * size, place[0], n * size)
        start += n
