# The table of functions that the core gets, and the names of what is in it.

from cpython.pycapsule cimport PyCapsule_New

cdef KernelTable kernels


cdef void fill_passes(real tag) noexcept:
    cdef Passes* passes = &kernels.passes[0 if real is float else 1]
    passes.sum = <void (*)(const void*, Py_ssize_t, double*) noexcept nogil>pass_sum[real]
    if real is float:
        passes.outside = <OutsideFn>fl_outside_f32
    else:
        passes.outside = <OutsideFn>fl_outside_f64
    passes.any_nan = <bint (*)(const void*, Py_ssize_t) noexcept nogil>pass_any_nan[real]
    passes.root_hess = <void (*)(const void*, double, Py_ssize_t, void*) noexcept nogil>(
        pass_root_hess[real])
    passes.stream = fl_stream


cdef void fill_weighing(int index, real tag, weight weight_tag) noexcept:
    cdef WeightPasses* passes = &kernels.weighing[index]
    passes.multiply = <void (*)(void*, const void*, Py_ssize_t) noexcept nogil>(
        pass_multiply[real, weight])
    passes.sum = <void (*)(const void*, const void*, Py_ssize_t, double*) noexcept nogil>(
        pass_weighted_sum[real, weight])
    passes.products = <void (*)(const void*, const void*, Py_ssize_t, double*) noexcept nogil>(
        pass_products[real, weight])
    passes.scale = <void (*)(const void*, double, Py_ssize_t, void*) noexcept nogil>(
        pass_scale[weight])
    passes.stats = <WeightStats (*)(const void*, Py_ssize_t) noexcept nogil>(
        pass_weight_stats[weight])
    passes.drop_nan = <void (*)(const void*, const void*, Py_ssize_t, void*) noexcept nogil>(
        pass_drop_nan[real, weight])
    passes.fill_absent = <void (*)(void*, const void*, Py_ssize_t, double) noexcept nogil>(
        pass_fill_absent[real, weight])


cdef void fill_exact() noexcept:
    kernels.exact.add_alike = fl_add_alike
    kernels.exact.largest = fl_largest
    kernels.exact.split = fl_split
    kernels.exact.add_rows = fl_add_rows
    kernels.exact.split_sum = fl_split_sum
    kernels.exact.multiply_floats = fl_multiply_floats
    kernels.exact.widen = fl_widen
    kernels.exact.multiply = fl_multiply_exactly


cdef void fill_rows() noexcept:
    kernels.rows[0] = fl_rows_f32
    kernels.rows[1] = fl_rows_f64
    kernels.triplets[0] = triplets_float
    kernels.triplets[1] = triplets_double
    kernels.ctc[0] = fl_ctc_f32
    kernels.ctc[1] = fl_ctc_f64


cdef void fill_linear() noexcept:
    kernels.linear[0].times = fl_times_f32
    kernels.linear[0].back = fl_back_f32
    kernels.linear[1].times = fl_times_f64
    kernels.linear[1].back = fl_back_f64
    kernels.linear[0].lanes = fl_linear_outputs_f32
    kernels.linear[1].lanes = fl_linear_outputs_f64


cdef void fill_formats() noexcept:
    kernels.widen[HALF] = fl_widen_half
    kernels.widen[BFLOAT16] = fl_widen_bfloat16
    kernels.widen[SIXTEEN] = fl_widen_bfloat16
    kernels.widen[EIGHT] = fl_widen_eight
    kernels.narrow[HALF] = fl_narrow_half
    kernels.narrow[BFLOAT16] = fl_narrow_bfloat16
    kernels.narrow[SIXTEEN] = fl_narrow_sixteen
    kernels.narrow[EIGHT] = fl_narrow_eight
    kernels.adopt[HALF] = fl_adopt_half
    kernels.adopt[BFLOAT16] = fl_adopt_bfloat16


cdef void fill_surveys() noexcept:
    kernels.survey[0] = <SurveyFn>survey[float]
    kernels.survey[1] = <SurveyFn>survey[double]
    kernels.squares[0] = <SquaresFn>squares[float]
    kernels.squares[1] = <SquaresFn>squares[double]
    kernels.factors[0] = <FactorsFn>factors[float]
    kernels.factors[1] = <FactorsFn>factors[double]


cdef void fill_penalties(real tag) noexcept:
    cdef PenaltyFn* maps = kernels.penalties[0 if real is float else 1]
    cdef GroupKernel* groups = &kernels.groups[0 if real is float else 1]
    maps[PENALTY_VALUE] = <PenaltyFn>penalty_value[real]
    maps[PENALTY_GRAD] = <PenaltyFn>penalty_grad[real]
    maps[PENALTY_VALUE_GRAD] = <PenaltyFn>penalty_value_grad[real]
    maps[PENALTY_PROX] = <PenaltyFn>penalty_prox[real]
    groups.norms = <double (*)(
        int, double, const void*, Py_ssize_t, Py_ssize_t, Py_ssize_t, void*) noexcept nogil>(
            group_norms[real])
    groups.squares = <double (*)(const void*, Py_ssize_t) noexcept nogil>squares_of[real]
    groups.add = <void (*)(const void*, const Py_ssize_t*, Py_ssize_t, double*) noexcept nogil>(
        add_labelled[real])
    groups.multiply = <void (*)(
        const void*, const Py_ssize_t*, Py_ssize_t, const double*, void*) noexcept nogil>(
            multiply_labelled[real])


def add_maps(int index, Loss parameters):
    """Enter one loss; return its parameters' names in the order of the struct."""
    kernels.maps[index][0][VALUE] = <MapFn>map_value[Loss, float]
    kernels.maps[index][0][GRAD] = <MapFn>map_grad[Loss, float]
    kernels.maps[index][0][VALUE_GRAD] = <MapFn>map_value_grad[Loss, float]
    kernels.maps[index][0][GRAD_HESS] = <MapFn>map_grad_hess[Loss, float]
    kernels.maps[index][0][GRAD_CURVE] = <MapFn>map_grad_curve[Loss, float]
    kernels.maps[index][0][ADD_VALUE] = <MapFn>map_add_value[Loss, float]
    kernels.maps[index][0][ADD_VALUE_GRAD] = <MapFn>map_add_value_grad[Loss, float]
    kernels.maps[index][1][VALUE] = <MapFn>map_value[Loss, double]
    kernels.maps[index][1][GRAD] = <MapFn>map_grad[Loss, double]
    kernels.maps[index][1][VALUE_GRAD] = <MapFn>map_value_grad[Loss, double]
    kernels.maps[index][1][GRAD_HESS] = <MapFn>map_grad_hess[Loss, double]
    kernels.maps[index][1][GRAD_CURVE] = <MapFn>map_grad_curve[Loss, double]
    kernels.maps[index][1][ADD_VALUE] = <MapFn>map_add_value[Loss, double]
    kernels.maps[index][1][ADD_VALUE_GRAD] = <MapFn>map_add_value_grad[Loss, double]
    kernels.samples[index].grad = <SampleGradFn>sample_grad[Loss]
    kernels.samples[index].all = <SampleFn>sample_all[Loss]
    return tuple([name for name in parameters if name != "_"])     # a generator is a class for each loss


def add_slope(int index, Slope parameters):
    """Enter a derivative by a parameter, as a loss of values alone."""
    kernels.maps[index][0][VALUE] = <MapFn>map_slope[Slope, float]
    kernels.maps[index][1][VALUE] = <MapFn>map_slope[Slope, double]
    return tuple(parameters)


def add_rule(int index, Rule options):
    """Enter one rule; return the names of its struct, in order."""
    kernels.rules[index].prepare = <PrepareFn>prepare[Rule]
    kernels.rules[index].update[0] = <UpdateFn>update[Rule, float, float]
    kernels.rules[index].update[1] = <UpdateFn>update[Rule, double, double]
    kernels.rules[index].update[2] = <UpdateFn>update[Rule, float, uint16_t]
    if Rule is LAMB:
        kernels.rules[index].measure[0] = <UpdateFn>measure_lamb[float, float]
        kernels.rules[index].measure[1] = <UpdateFn>measure_lamb[double, double]
        kernels.rules[index].measure[2] = <UpdateFn>measure_lamb[float, uint16_t]
    elif Rule is Adafactor:
        kernels.rules[index].measure[0] = <UpdateFn>measure_adafactor[float]
        kernels.rules[index].measure[1] = <UpdateFn>measure_adafactor[double]
    kernels.rules[index].trust = <TrustFn>trust[Rule]
    return tuple(options)


class _Parameters(dict):
    """Stands for any struct while the table is filled: every parameter is there, and is 0."""
    def __missing__(self, name):
        return 0.0


def _entered(add, start=0):
    """Enter all that a function is specialised for: name -> (index, names of the parameters)."""
    return {
        name: (index, specialised(index, _Parameters()))
        for index, (name, specialised) in enumerate(add.__signatures__.items(), start)}


fill_passes[float](0)
fill_passes[double](0)
fill_weighing[float, float](0, 0, 0)
fill_weighing[double, double](1, 0, 0)
fill_weighing[float, double](2, 0, 0)
fill_penalties[float](0)
fill_penalties[double](0)
fill_exact()
fill_rows()
fill_linear()
fill_formats()
fill_surveys()
kernels.inputs = fl_inputs
kernels.fence = fl_fence
# name -> (index in the table, names of the parameters)
losses = _entered(add_maps)
losses |= _entered(add_slope, len(losses))
rules = _entered(add_rule)
assert len(losses) <= MAX_LOSSES and len(rules) <= MAX_RULES
table = PyCapsule_New(&kernels, "fastloss.kernels", NULL)
