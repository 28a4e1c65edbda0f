# Arrays whose second moments are kept as factors, one for each row and one for each column of the
# matrices that the last two axes make. Sums over rows and columns go by tiles of a fixed size, and
# those of a matrix are added up in the order of its tiles: threads do not matter.

cdef inline Py_ssize_t strips_of(Py_ssize_t n, Py_ssize_t size) noexcept nogil:
    return (n + size - 1) // size


cdef inline Py_ssize_t tiles_of(const Parameter* p) noexcept nogil:
    return p.matrices * strips_of(p.lines, TILE_ROWS) * strips_of(p.columns, TILE_COLUMNS)


cdef inline Py_ssize_t sums_of(const Parameter* p) noexcept nogil:
    """How many sums the tiles of one matrix have."""
    return (strips_of(p.columns, TILE_COLUMNS) * p.lines
            + strips_of(p.lines, TILE_ROWS) * p.columns)


cdef double* make_sums(Parameter* parameters, Py_ssize_t count) except? NULL:
    """Room for the sums of all factored arrays; NULL if there are none."""
    cdef Py_ssize_t k, n = 0
    cdef Parameter* p
    cdef double* sums
    for k in range(count):
        n += parameters[k].matrices * (sums_of(&parameters[k]) + 1)
    if n == 0:
        return NULL
    sums = <double*>PyMem_Calloc(n, sizeof(double))
    if sums == NULL:
        raise MemoryError()
    n = 0
    for k in range(count):
        p = &parameters[k]
        p.sums = sums + n
        p.means = p.sums + p.matrices * sums_of(p)
        n += p.matrices * (sums_of(p) + 1)
    return sums


cdef void square_tile(const Update* job, const Parameter* p, Py_ssize_t tile) noexcept nogil:
    cdef Py_ssize_t down = strips_of(p.lines, TILE_ROWS)
    cdef Py_ssize_t across = strips_of(p.columns, TILE_COLUMNS)
    cdef Py_ssize_t matrix = tile // (down * across)
    cdef Py_ssize_t strip = tile // across % down, column = tile % across * TILE_COLUMNS
    cdef Py_ssize_t line = strip * TILE_ROWS
    cdef double* of_rows = p.sums + matrix * sums_of(p)
    cdef double* of_columns = of_rows + across * p.lines
    kernels.squares[p.dtype](
        &job.clip,
        p.held[GRADIENT].data + ((matrix * p.lines + line) * p.columns + column) * itemsize_of(p),
        p.columns,
        min(<Py_ssize_t>TILE_ROWS, p.lines - line),
        min(<Py_ssize_t>TILE_COLUMNS, p.columns - column),
        of_rows + tile % across * p.lines + line,
        of_columns + strip * p.columns + column)


cdef void factor_matrix(const Update* job, const Parameter* p, Py_ssize_t matrix) noexcept nogil:
    cdef double* of_rows = p.sums + matrix * sums_of(p)
    p.means[matrix] = kernels.factors[p.dtype](
        job.groups[p.group].rule,
        of_rows,
        of_rows + strips_of(p.columns, TILE_COLUMNS) * p.lines,
        p.lines,
        p.columns,
        p.held[FIRST_STATE + 1].data + matrix * p.lines * itemsize_of(p),
        p.held[FIRST_STATE + 2].data + matrix * p.columns * itemsize_of(p))


cdef void factor_part(const Update* job, int part) noexcept nogil:
    """One thread's share of the tiles, or of the matrices, of each array."""
    cdef Py_ssize_t k, i, n
    cdef const Parameter* p
    for k in range(job.count):
        p = &job.parameters[k]
        if p.matrices == 0 or p.given == 0:
            continue
        n = tiles_of(p) if job.work == SQUARES else p.matrices
        for i in range(n * part // job.threads, n * (part + 1) // job.threads):
            if job.work == SQUARES:
                square_tile(job, p, i)
            else:
                factor_matrix(job, p, i)


cdef void expand_factors(
        const Parameter* p, char* target, Py_ssize_t start, Py_ssize_t n) noexcept nogil:
    """The estimates that the factors give for n elements, from the start-th on."""
    cdef const char* row_var = p.held[FIRST_STATE + 1].data
    cdef const char* col_var = p.held[FIRST_STATE + 2].data
    if p.dtype == 0:
        expand_typed(
            p, <float*>target, <const float*>row_var, <const float*>col_var, start, n)
    else:
        expand_typed(
            p, <double*>target, <const double*>row_var, <const double*>col_var, start, n)


cdef void expand_typed(
        const Parameter* p, Value* target, const Value* row_var, const Value* col_var,
        Py_ssize_t start, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t line = start // p.columns, column = start % p.columns, i, done = 0, many
    cdef Py_ssize_t matrix
    cdef Value of_row
    cdef const Value* of_column
    while done < n:
        matrix = line // p.lines
        of_row = <Value>(row_var[line] / p.means[matrix])
        of_column = col_var + matrix * p.columns + column
        many = min(p.columns - column, n - done)
        for i in range(many):
            target[done + i] = of_row * of_column[i]
        done += many
        line += 1
        column = 0
