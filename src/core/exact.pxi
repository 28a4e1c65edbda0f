# Sums without rounding, of several kinds of terms in several groups. A sum is a number of 32 bits in
# each of LIMBS places, the first of which is worth 2^-1074, the least number there is; so it does not
# depend on the order of its terms, and neither do blocks, tasks and threads show in it.
#
# Terms become whole numbers of a unit that suits them (see exact.h), are added up as 64-bit integers
# and carried to the places when these are about to overflow. Each thread has sums of its own.

from libc.math cimport frexp, ldexp
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free

cdef enum:
    LINE = 64               # bytes of a cache line
    LIMBS = 70              # 2098 bits of a double, and room for 2^64 of them
    LEVELS = 3              # of units in which terms of a group are added up: the rest goes to
    LEVEL_BITS = 44         # the places at once
    FLUSH_ROWS = 1 << 18    # as many terms of LEVEL_BITS have 62 bits
    CARRY_AFTER = 1 << 28   # terms added to places, of 33 bits
    NO_UNIT = 1 << 20
    LEAST_UNIT = -1074      # 2 to this power is the least unit,
    MOST = 1000             # and terms beyond 2^MOST are added singly

cdef struct Exact:                  # the sums of a thread
    Py_ssize_t n_groups
    int n_terms
    int64_t* place[LIMBS]           # each n_terms x n_groups, NULL while all are 0, as is
    double* special                 # the sum of infinities and NaNs
    int64_t* table                  # n_groups x width, in units of the term's level
    Py_ssize_t width                # LEVELS of each term, in whole vectors
    int* unit                       # of each term's first level; NO_UNIT if nothing is there
    Py_ssize_t* rows                # that each term's levels have added up
    int64_t* staged                 # of a block: units that wait to be added to the table,
    int* slot                       # and where in a group's row of it
    int n_staged
    int64_t* few                    # room for rows of the table
    double* values                  # of a block: the columns that sums are of
    Py_ssize_t carried              # terms in places since they were 32 bits
    int64_t* count                  # of each group: rows whose weight is not 0
    bint no_memory
    char apart[LINE]                # from the next thread's: what is written is in no shared line


cdef void* zeros(Py_ssize_t n) noexcept nogil:
    """Memory of n numbers of 64 bits, or NULL; its lines are no other's."""
    return calloc(8 * n + 2 * LINE, 1)


cdef int start_exact(Exact* e, Py_ssize_t n_groups, int n_terms) except -1:
    cdef int t
    memset(e, 0, sizeof(Exact))
    e.n_groups = n_groups
    e.n_terms = n_terms
    e.width = (LEVELS * n_terms + 7) & -8
    e.unit = <int*>zeros(n_terms)
    e.rows = <Py_ssize_t*>zeros(n_terms)
    e.count = <int64_t*>zeros(n_groups)
    if e.unit == NULL or e.rows == NULL or e.count == NULL:
        raise MemoryError()
    for t in range(n_terms):
        e.unit[t] = NO_UNIT
    return 0


cdef void end_exact(Exact* e) noexcept:
    cdef int k
    for k in range(LIMBS):
        free(e.place[k])
    free(e.table)
    free(e.staged)
    free(e.slot)
    free(e.few)
    free(e.values)
    free(e.special)
    free(e.unit)
    free(e.rows)
    free(e.count)


cdef bint have(Exact* e, void** table, Py_ssize_t n) noexcept nogil:
    """Make a table of n numbers, unless there is one."""
    if table[0] == NULL:
        table[0] = zeros(n)
        e.no_memory |= table[0] == NULL
    return table[0] != NULL


cdef bint have_place(Exact* e, int k) noexcept nogil:
    return have(e, <void**>&e.place[k], e.n_groups * e.n_terms)


cdef bint have_stage(Exact* e) noexcept nogil:
    """Make room for what a block brings: each term, and perhaps what was rounded off it."""
    cdef Py_ssize_t most = 2 * LEVELS * e.n_terms
    return (
        have(e, <void**>&e.table, e.n_groups * e.width)
        and have(e, <void**>&e.staged, most * BLOCK) and have(e, <void**>&e.slot, most)
        and have(e, <void**>&e.few, 16 * e.width))


cdef void carry(Exact* e) noexcept nogil:
    """Make places numbers of 32 bits with a sign again; the last takes what is left."""
    cdef Py_ssize_t i
    cdef int64_t over
    cdef int k
    for k in range(LIMBS - 1):
        if e.place[k] == NULL:
            continue
        for i in range(e.n_groups * e.n_terms):
            over = (e.place[k][i] + (<int64_t>1 << 31)) >> 32
            if over != 0 and have_place(e, k + 1):
                e.place[k][i] -= over * (<int64_t>1 << 32)
                e.place[k + 1][i] += over
    e.carried = 0


cdef void put(Exact* e, Py_ssize_t at, int64_t number, int unit) noexcept nogil:
    """Add a number of units, of less than 2^62, to the places of a term's sum in a group."""
    cdef int k = (unit - LEAST_UNIT) >> 5, shift = (unit - LEAST_UNIT) & 31
    cdef int64_t sign = -1 if number < 0 else 1
    cdef uint64_t size = <uint64_t>(number * sign), low, high, all_ones = <uint32_t>-1
    if number == 0 or not (have_place(e, k) and have_place(e, k + 1) and have_place(e, k + 2)):
        return
    low = (size & all_ones) << shift
    high = (size >> 32) << shift
    e.place[k][at] += sign * <int64_t>(low & all_ones)
    e.place[k + 1][at] += sign * <int64_t>((low >> 32) + (high & all_ones))
    e.place[k + 2][at] += sign * <int64_t>(high >> 32)
    e.carried += 1
    if e.carried >= CARRY_AFTER:
        carry(e)


cdef void put_single(Exact* e, Py_ssize_t at, double x) noexcept nogil:
    """Add any number."""
    cdef int exponent
    cdef int64_t number
    if x - x != 0:
        if have(e, <void**>&e.special, e.n_groups * e.n_terms):
            e.special[at] += x
        return
    number = <int64_t>ldexp(frexp(x, &exponent), 53)
    exponent -= 53
    if exponent < LEAST_UNIT:           # a subnormal: its last bits are 0
        number //= <int64_t>1 << (LEAST_UNIT - exponent)
        exponent = LEAST_UNIT
    put(e, at, number, exponent)


cdef void flush_levels(Exact* e, int term) noexcept nogil:
    """Bring what a term's levels have added up to the places."""
    cdef Py_ssize_t g
    cdef int64_t* levels
    cdef int k
    if e.table != NULL and e.unit[term] != NO_UNIT:
        for g in range(e.n_groups):
            levels = e.table + g * e.width + term * LEVELS
            for k in range(LEVELS):
                if levels[k] != 0:
                    put(e, term * e.n_groups + g, levels[k], level_unit(e.unit[term], k))
                    levels[k] = 0
    e.rows[term] = 0


cdef inline int level_unit(int unit, int level) noexcept nogil:
    return max(unit - level * LEVEL_BITS, LEAST_UNIT)


cdef inline bint all_same(const Py_ssize_t* group, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i, other = 0
    if group[0] != group[n - 1]:
        return False
    for i in range(n):
        other |= group[i] ^ group[0]
    return other == 0


cdef double take_out(
        Exact* e, Py_ssize_t first, const Py_ssize_t* group, double* v, Py_ssize_t n) noexcept nogil:
    """Add the terms that are not finite, or too large for units, one by one; the largest other."""
    cdef Py_ssize_t i
    for i in range(n):
        if not fabs(v[i]) < 2.0 ** MOST:
            put_single(e, first + (0 if group == NULL else group[i]), v[i])
            v[i] = 0
    return kernels.exact.largest(v, (n + LANES - 1) & -LANES)


cdef void add_to_one(
        Exact* e, Py_ssize_t at, double* v, Py_ssize_t full, double large) noexcept nogil:
    """Add terms of one group, of at most the magnitude large."""
    cdef int64_t sum
    cdef int exponent, unit
    cdef bint left = large > 0
    frexp(large, &exponent)
    unit = max(exponent - 51, LEAST_UNIT)
    while left:
        left = kernels.exact.split_sum(v, full, unit, &sum)
        put(e, at, sum, unit)
        unit = max(unit - 51, LEAST_UNIT)


cdef void add_terms(
        Exact* e, int term, const Py_ssize_t* group, bint same, double* v, Py_ssize_t n
        ) noexcept nogil:
    """Add a block of terms, with zeros up to full lanes; v is lost. same: all are of one group.

    Of several groups they are staged: add_staged() adds all terms of a row together, so that rows
    of one group do not wait for each other.
    """
    cdef Py_ssize_t first = term * e.n_groups, full = (n + LANES - 1) & -LANES
    cdef double large
    if same:
        large = kernels.exact.largest(v, full)
        if not large < 2.0 ** MOST:
            large = take_out(e, first, group, v, n)
        add_to_one(e, first + (0 if group == NULL else group[0]), v, full, large)
    elif have_stage(e) and not stage(e, term, group, v, n):
        add_staged(e, group, n)         # while the unit that they are in is that of the table
        large = take_out(e, first, group, v, n)
        choose_unit(e, term, large)
        stage(e, term, group, v, n)


cdef void choose_unit(Exact* e, int term, double large) noexcept nogil:
    """Make a term's unit so large that there is room for terms of some more than a magnitude."""
    cdef int exponent
    flush_levels(e, term)
    frexp(large, &exponent)
    e.unit[term] = max(exponent + 4 - LEVEL_BITS, LEAST_UNIT)


cdef bint stage(
        Exact* e, int term, const Py_ssize_t* group, double* v, Py_ssize_t n) noexcept nogil:
    """Stage terms of several groups; False, and nothing, if they do not fit the term's unit."""
    cdef double rest[2][BLOCK]
    cdef double* source = v
    cdef Py_ssize_t i, first = term * e.n_groups, full = (n + LANES - 1) & -LANES
    cdef int k, unit, left
    if e.unit[term] == NO_UNIT:
        return False
    if e.rows[term] + n > FLUSH_ROWS:
        flush_levels(e, term)
    for k in range(LEVELS):
        unit = level_unit(e.unit[term], k)
        left = kernels.exact.split(
            source, full, unit, ldexp(1, unit + LEVEL_BITS), e.staged + e.n_staged * BLOCK,
            rest[k & 1])
        if left < 0:                # at the first level only: what is left of one fits the next
            return False
        e.slot[e.n_staged] = term * LEVELS + k
        e.n_staged += 1
        source = rest[k & 1]
        if not left:
            break
    else:
        for i in range(n):
            if source[i] != 0:
                put_single(e, first + group[i], source[i])
    e.rows[term] += n
    return True


cdef inline void add_staged(Exact* e, const Py_ssize_t* group, Py_ssize_t n) noexcept nogil:
    """Add what a block has staged to the table."""
    if e.n_staged:
        kernels.exact.add_rows(
            e.staged, BLOCK, e.slot, e.n_staged, group, n, e.table, e.width, e.few)
        e.n_staged = 0


cdef void add_floats(
        Exact* e, int term, const Py_ssize_t* group, bint same, const float* v, double* terms,
        Py_ssize_t n) noexcept nogil:
    """The same of float32, by way of terms; at once where all are of one group and of like size."""
    cdef Py_ssize_t full = (n + LANES - 1) & -LANES
    cdef double lanes[LANES]
    cdef double per_unit
    cdef int64_t sum = 0
    cdef int unit, k
    if not (same and kernels.exact.add_alike(v, full, lanes, &unit)):
        kernels.exact.widen(v, full, terms)
        add_terms(e, term, group, same, terms, n)
        return
    per_unit = ldexp(1, -unit)
    for k in range(LANES):
        sum += <int64_t>(lanes[k] * per_unit)
    put(e, term * e.n_groups + (0 if group == NULL else group[0]), sum, unit)


cdef inline double number(const char* data, Py_ssize_t size, Py_ssize_t i) noexcept nogil:
    """The i-th of numbers of 4 or of 8 bytes"""
    return (<const float*>data)[i] if size == 4 else (<const double*>data)[i]


cdef inline void count_rows(
        Exact* e, const Py_ssize_t* group, bint same, Py_ssize_t n, Py_ssize_t nonzero,
        const char* w, Py_ssize_t size) noexcept nogil:
    """Count rows whose weight is not 0; w may be NULL."""
    cdef Py_ssize_t i
    if same:
        e.count[0 if group == NULL else group[0]] += nonzero
        return
    for i in range(n):
        e.count[group[i]] += w == NULL or number(w, size, i) != 0


cdef object collect(Exact* exact, int threads):
    """What all threads have added up: sums of 32-bit digits, (groups, terms, digits), the place of
    the first digit, the sums of infinities and NaNs or None, and counts."""
    cdef Exact* e
    cdef int i, k, t, low = LIMBS, high = 0
    cdef Py_ssize_t terms = exact.n_terms, groups = exact.n_groups
    cdef bint odd = False
    with nogil:
        for i in range(threads):
            e = &exact[i]
            for t in range(e.n_terms):
                flush_levels(e, t)
            carry(e)
            odd |= e.special != NULL
            for k in range(LIMBS):
                if e.place[k] != NULL:
                    low = min(low, k)
                    high = max(high, k + 1)
    for i in range(threads):
        if exact[i].no_memory:
            raise MemoryError("no memory for exact sums")
    digits = np.zeros((groups, terms, max(high - low, 1)), np.int64)
    special = np.zeros((groups, terms)) if odd else None
    counts = np.zeros(groups, np.int64)
    for i in range(threads):
        e = &exact[i]
        for k in range(low, high):
            if e.place[k] != NULL:
                digits[:, :, k - low] += view(e.place[k], groups * terms, cnp.NPY_INT64).reshape(
                    terms, groups).T
        if e.special != NULL:
            special += view(e.special, groups * terms, cnp.NPY_DOUBLE).reshape(terms, groups).T
        counts += view(e.count, groups, cnp.NPY_INT64)
    return digits, low if high else 0, special, counts


cdef cnp.ndarray view(void* data, Py_ssize_t n, int type_num):
    """An array that is good for as long as the memory is."""
    cdef cnp.npy_intp size = n
    return cnp.PyArray_SimpleNewFromData(1, &size, type_num, data)
