# The pointwise losses for other Cython code: "cimport fastloss". fastloss.h says what each function
# does, and fastloss.get_include() where that is.

from cython cimport floating

cdef extern from "fastloss.h":
    ctypedef struct Loss "fastloss_loss":
        pass

    ctypedef struct Sample "fastloss_sample":
        double value
        double grad
        double hess

    int fastloss_from_object(object, Loss*) except -1

cdef extern from "fastloss.h" nogil:
    Py_ssize_t fastloss_evaluate_f32(
        const Loss*, const float* y, const float* z, Py_ssize_t n,
        float* value, float* grad, float* hess) noexcept
    Py_ssize_t fastloss_evaluate_f64(
        const Loss*, const double* y, const double* z, Py_ssize_t n,
        double* value, double* grad, double* hess) noexcept
    double grad_one "fastloss_grad_one"(const Loss*, double y, double z) noexcept
    Sample evaluate_one "fastloss_evaluate_one"(const Loss*, double y, double z) noexcept
    int outside_one "fastloss_outside_one"(const Loss*, double y, double z) noexcept


cdef inline Loss from_object(object loss) except *:
    cdef Loss bound
    fastloss_from_object(loss, &bound)
    return bound


cdef inline Py_ssize_t evaluate(
        const Loss* loss, const floating* y, const floating* z, Py_ssize_t n,
        floating* value, floating* grad, floating* hess) noexcept nogil:
    if floating is float:
        return fastloss_evaluate_f32(loss, y, z, n, value, grad, hess)
    else:
        return fastloss_evaluate_f64(loss, y, z, n, value, grad, hess)
