# One sample at a time, in double: what the loops over a block do, for callers whose next prediction
# depends on this gradient.

cdef inline void evaluate_sample(
        const Loss* p, double y, double z, double* value, double* grad, double* hess
        ) noexcept nogil:
    cdef bint staged
    cdef double curve, first = first_stage(p, y, z, &staged), second = second_stage(p, y, z, first)
    evaluate(p, y, z, first, second, value, grad, hess, &curve)


cdef double sample_grad(const Loss* p, double y, double z) noexcept nogil:
    cdef double value, grad, hess
    evaluate_sample(p, y, z, &value, &grad, &hess)
    return grad


cdef void sample_all(
        const Loss* p, double y, double z, double* value, double* grad, double* hess
        ) noexcept nogil:
    evaluate_sample(p, y, z, value, grad, hess)
