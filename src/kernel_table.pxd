# cython: cdivision=True
# What a kernel module hands to the driver: function pointers for each dtype,
# and nothing that knows which instruction set stands behind them.

from libc.stdint cimport int64_t, uint32_t

cdef enum:
    BLOCK = 512         # elements a pass works on: all buffers of a block stay in L1
    LANES = 16          # every pass takes a multiple of this many elements
    MAX_PARAMETERS = 4
    MAX_LOSSES = 128
    MAX_RULES = 32
    MAX_RULE_SIZE = 16  # numbers in the struct of a rule
    STATES = 4          # arrays of state that a rule may have
    ROUNDED_STATES = 3  # that it may have in fewer bytes
    TILE_ROWS = 64      # of a matrix, whose squares are summed together
    TILE_COLUMNS = 1024

cdef enum:              # modes: which outputs a map computes
    VALUE
    GRAD
    VALUE_GRAD
    GRAD_HESS
    GRAD_CURVE      # in place of the Hessian
    ADD_VALUE       # to LANES running sums
    ADD_VALUE_GRAD  # values only are added
    N_MODES

# y, z -> value, scale * gradient, scale * Hessian (those that the mode names)
ctypedef void (*MapFn)(
    const void* parameters, const void* y, const void* z, Py_ssize_t n, double scale,
    void* value, void* grad, void* hess) noexcept nogil

# one sample, in double: y, z -> gradient; value, gradient and Hessian
ctypedef double (*SampleGradFn)(const void* parameters, double y, double z) noexcept nogil
ctypedef void (*SampleFn)(
    const void* parameters, double y, double z, double* value, double* grad, double* hess
    ) noexcept nogil

cdef struct SampleKernel:
    SampleGradFn grad
    SampleFn all

cdef struct WeightStats:
    double total
    Py_ssize_t nonzero
    bint finite

ctypedef bint (*OutsideFn)(
    const void* v, Py_ssize_t n, bint of_magnitude, double low, double high) noexcept nogil

# The passes over a block that are the same for every loss, one table per dtype.
cdef struct Passes:
    # adds v to LANES running sums
    void (*sum)(const void* v, Py_ssize_t n, double* lanes) noexcept nogil
    # whether some v (or |v|) is not in low..high; NaN is not outside
    OutsideFn outside
    bint (*any_nan)(const void* v, Py_ssize_t n) noexcept nogil
    # hess -= grad**2 / root, which makes the Hessian of a mean that of its root
    void (*root_hess)(const void* grad, double root, Py_ssize_t n, void* hess) noexcept nogil
    # copy past the cache
    void (*stream)(const void* source, Py_ssize_t bytes, void* target) noexcept nogil

# Those that take weights, by the type of these as well: float32 with weights of float32, float64,
# and float32 with weights of float64.
cdef struct WeightPasses:
    void (*multiply)(void* v, const void* w, Py_ssize_t n) noexcept nogil
    # adds v w, rounded to float32 if both are of it and it holds that, to LANES running sums
    void (*sum)(const void* v, const void* w, Py_ssize_t n, double* lanes) noexcept nogil
    void (*products)(const void* v, const void* w, Py_ssize_t n, double* out) noexcept nogil
    void (*scale)(const void* w, double factor, Py_ssize_t n, void* scaled) noexcept nogil
    WeightStats (*stats)(const void* w, Py_ssize_t n) noexcept nogil
    # w = 0 where y or z is NaN
    void (*drop_nan)(const void* y, const void* z, Py_ssize_t n, void* w) noexcept nogil
    # v = filling where w is 0
    void (*fill_absent)(void* v, const void* w, Py_ssize_t n, double filling) noexcept nogil

# Sums without rounding: see exact.h.
cdef struct ExactKernel:
    bint (*add_alike)(const float* v, Py_ssize_t n, double* lanes, int* unit) noexcept nogil
    double (*largest)(const double* v, Py_ssize_t n) noexcept nogil
    int (*split)(
        const double* v, Py_ssize_t n, int unit, double bound, int64_t* units, double* rest
        ) noexcept nogil
    void (*add_rows)(
        const int64_t* units, Py_ssize_t pitch, const int* slot, int count, const Py_ssize_t* group,
        Py_ssize_t n, int64_t* table, Py_ssize_t width, int64_t* rows) noexcept nogil
    bint (*split_sum)(double* v, Py_ssize_t n, int unit, int64_t* sum) noexcept nogil
    bint (*multiply_floats)(
        const float* v, const float* w, Py_ssize_t n, float* to) noexcept nogil
    void (*widen)(const float* v, Py_ssize_t n, double* to) noexcept nogil
    bint (*multiply)(
        const double* a, const double* b, Py_ssize_t n, double* product, double* rest
        ) noexcept nogil

# Blocks of rows: see rows.h.
cdef extern from "kernels/rows.h":
    int FL_ROOM, FL_ROWS, FL_FEW
    int FL_CROSS_ENTROPY, FL_FOCAL, FL_POLY, FL_POWER
    int FL_CROSS_ENTROPY_OF_PROBABILITIES, FL_KL, FL_JENSEN_SHANNON, FL_BRIER, FL_COSINE
    int FL_MULTI_LABEL, FL_TVERSKY, FL_MULTI_MARGIN, FL_MULTI_LABEL_MARGIN, FL_MARGIN
    int FL_GAUSSIAN, FL_LOG_GAUSSIAN, FL_GAUSSIAN_CRPS, FL_LOGISTIC_SCALE, FL_STUDENT, FL_PINBALL
    ctypedef struct fl_rows:
        int loss
        double a
        const double* more
        const double* weight
        const double* positive
        bint log, curved
        Py_ssize_t n, k
        const void* z
        const void* q
        const int64_t* label
        const void* scale
        void* value
        void* grad
        void* hess

ctypedef void (*RowsFn)(const fl_rows*) noexcept nogil

# Sequences of frames: see sequence.h.
cdef extern from "kernels/sequence.h":
    ctypedef struct fl_sequence:
        const void* z
        bint logits
        Py_ssize_t frames, all, classes, z_frame, z_class
        const int64_t* label
        Py_ssize_t labels
        int64_t blank
        bint forgiving
        double factor
        void* grad
        Py_ssize_t grad_frame
        double* memory
    Py_ssize_t fl_sequence_room(
        Py_ssize_t frames, Py_ssize_t labels, Py_ssize_t classes, bint with_grad) noexcept nogil

ctypedef double (*SequenceFn)(const fl_sequence*) noexcept nogil

# A block of triplets of rows: anchors, and rows that are to be near to and far from them.
cdef struct Triplets:
    Py_ssize_t n, k
    double margin, p                        # p: the order of the distance
    bint swap                               # positives may take the place of anchors
    double factor                           # what multiplies weighted gradients
    const void* x[3]
    double* weight
    double* value                           # weighted, one for each row
    void* grad[3]                           # NULL: not asked for

ctypedef void (*TripletsFn)(const Triplets*) noexcept nogil

# What is computed of penalties, a block of parameters at a time: see penalties.pxi. The sum goes to
# LANES running sums.
cdef enum:
    PENALTY_VALUE
    PENALTY_GRAD
    PENALTY_VALUE_GRAD
    PENALTY_PROX
    PENALTY_MAPS

ctypedef void (*PenaltyFn)(
    const double* strengths, const void* w, Py_ssize_t n, double* lanes, void* out) noexcept nogil

cdef struct GroupKernel:                    # of penalties of groups
    # the sum of the norms of at most BLOCK groups; out: what penalty makes of them
    double (*norms)(
        int penalty, double strength, const void* w, Py_ssize_t members, Py_ssize_t stride,
        Py_ssize_t groups, void* out) noexcept nogil
    double (*squares)(const void* w, Py_ssize_t n) noexcept nogil
    # of elements with labels: adds squares to those of the groups; multiplies by their factors
    void (*add)(
        const void* w, const Py_ssize_t* labels, Py_ssize_t n, double* squares) noexcept nogil
    void (*multiply)(
        const void* w, const Py_ssize_t* labels, Py_ssize_t n, const double* factors, void* out
        ) noexcept nogil

# The two halves of a linear model's pass: see linear.h.
cdef extern from "kernels/linear.h":
    ctypedef struct fl_matrix:
        const void* x
        Py_ssize_t n, d, across, down
        const Py_ssize_t* index
        const void* start
        const void* column
        bint wide

cdef struct LinearKernel:
    void (*times)(
        const fl_matrix*, const void* w, Py_ssize_t outputs, Py_ssize_t pitch, Py_ssize_t next,
        void* z) noexcept nogil
    void (*back)(
        const fl_matrix*, const void* r, Py_ssize_t outputs, Py_ssize_t pitch, Py_ssize_t next,
        void* block, double* g) noexcept nogil
    Py_ssize_t lanes                        # outputs in a vector

# Arrays that are converted as they are read.
cdef extern from "kernels/inputs.h":
    ctypedef void (*fl_convert)(
        const void* source, Py_ssize_t stride, Py_ssize_t n, void* target) noexcept nogil
    ctypedef struct fl_input:
        const char* name
        fl_convert to[3]

# Update rules of the optimizers: see rules.pxi.
cdef struct Clip:           # what happens to a gradient first: g -> factor g, cut to -bound..bound
    double factor, bound
    double trust            # factor of the rate, from the norms of an array
    bint factored           # the first state is what factors say: not for the rule to change
    uint32_t random[ROUNDED_STATES]     # of the first element, where state is rounded at random

cdef struct Survey:         # of a block
    double squares          # sum of the squares of gradients, or of the parameters
    double of_direction     # sum of the squares of the directions of a layerwise rule
    bint finite

ctypedef void (*PrepareFn)(void* rule, double lr, double t) noexcept nogil
ctypedef void (*UpdateFn)(
    const void* rule, const Clip*, void* p, const void* g, void* a, void* b, void* c, void* e,
    Py_ssize_t n, Survey*) noexcept nogil
ctypedef double (*TrustFn)(
    const void* rule, double of_parameter, double of_direction, double n) noexcept nogil
ctypedef void (*SquaresFn)(
    const Clip*, const void* g, Py_ssize_t stride, Py_ssize_t rows, Py_ssize_t columns,
    double* of_rows, double* of_columns) noexcept nogil
ctypedef double (*FactorsFn)(
    const void* rule, const double* of_rows, const double* of_columns, Py_ssize_t rows,
    Py_ssize_t columns, void* row_var, void* col_var) noexcept nogil
ctypedef Survey (*SurveyFn)(const void* g, Py_ssize_t n, double shrink) noexcept nogil

# What arrays hold that kernels take as float32: see formats.h.
cdef enum:
    NATIVE                  # the kernel's own type
    HALF                    # float16
    BFLOAT16
    SIXTEEN                 # bfloat16 rounded at random
    EIGHT                   # with a scale for each CHUNK
    N_FORMATS

cdef enum:
    CHUNK = 256             # elements that pass through buffers together

ctypedef void (*WidenFn)(
    const void* source, const float* scale, Py_ssize_t n, float* target) noexcept nogil
ctypedef void (*NarrowFn)(      # random: of the first element; step: from one to the next
    const float* source, Py_ssize_t n, uint32_t random, uint32_t step, void* target, float* scale
    ) noexcept nogil
# x = low where x is not what low was rounded from
ctypedef void (*AdoptFn)(const void* low, Py_ssize_t n, float* x) noexcept nogil

cdef struct RuleKernel:
    PrepareFn prepare
    UpdateFn update[3]                      # float32, float64, float32 with SIXTEEN as state
    UpdateFn measure[3]                     # a pass before the update; NULL for most rules
    TrustFn trust                           # what follows from its sums

cdef struct KernelTable:
    Passes passes[2]                        # float32, float64
    WeightPasses weighing[3]                # and float32 with weights of float64
    ExactKernel exact
    MapFn maps[MAX_LOSSES][2][N_MODES]
    SampleKernel samples[MAX_LOSSES]
    RowsFn rows[2]
    LinearKernel linear[2]
    TripletsFn triplets[2]
    SequenceFn ctc[2]
    PenaltyFn penalties[2][PENALTY_MAPS]
    GroupKernel groups[2]
    RuleKernel rules[MAX_RULES]
    SurveyFn survey[2]
    SquaresFn squares[2]                    # for Adafactor: see factors.pxi
    FactorsFn factors[2]
    WidenFn widen[N_FORMATS]
    NarrowFn narrow[N_FORMATS]
    AdoptFn adopt[N_FORMATS]
    const fl_input* inputs
    void (*fence)() noexcept nogil          # orders streamed stores before what follows


cdef inline uint32_t lattice_step(int state) noexcept nogil:
    """From the random number of an element to that of the next, by state: 2^32 / r^k, where
    r^4 = r + 1, so that three states fill their cube evenly."""
    if state == 0:
        return <uint32_t>0xD1B54A33
    elif state == 1:
        return <uint32_t>0xABC98389
    else:
        return <uint32_t>0x8CB92BA7


cdef inline double group_factor(int penalty, double strength, double norm) noexcept nogil:
    """What multiplies a group: in its gradient, or in its proximal step."""
    cdef double factor = strength / norm, left = 1 - factor
    left = 0 if factor > 1 else left
    factor = left if penalty == PENALTY_PROX else factor
    return 0 if norm == 0 else factor


cdef inline double fold(const double* lanes) noexcept nogil:
    cdef double total = 0
    cdef int k
    for k in range(LANES):
        total += lanes[k]
    return total
