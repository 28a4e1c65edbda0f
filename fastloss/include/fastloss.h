/* fastloss's pointwise losses for other compiled code: no Python and no GIL after a loss is bound.

   fastloss_from_object() fills in a fastloss_loss from a Python object, such as fastloss.Huber(),
   which need not live on: the struct has copies of all that it needs. It may be copied, and
   used by any number of threads. Read its fields only through the functions below.

   Targets y are the first, predictions z the second argument; derivatives are by z. */

#ifndef FASTLOSS_H
#define FASTLOSS_H

#include <Python.h>
#include <math.h>

/* Of the structs and functions here. A module built for one version does not run with another. */
#define FASTLOSS_ABI 1
#define FASTLOSS_CAPSULE "fastloss._core._C_API"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    double low[2], high[2];         /* of float and of double; both are inside */
    int of_magnitude;
} fastloss_domain;

typedef struct fastloss_loss {
    double parameters[4];
    fastloss_domain domains[2];     /* of y and z */
    double (*grad_one)(const void *parameters, double y, double z);
    void (*evaluate_one)(const void *parameters, double y, double z,
                         double *value, double *grad, double *hess);
    Py_ssize_t (*evaluate)(const struct fastloss_loss *loss, int is_double, const void *y,
                           const void *z, Py_ssize_t n, void *value, void *grad, void *hess);
    const void *maps;
} fastloss_loss;

typedef struct {
    double value, grad, hess;
} fastloss_sample;

typedef struct {                    /* what the capsule holds; abi is first in every version */
    int abi;
    int (*from_object)(PyObject *object, fastloss_loss *loss);
} fastloss_api;

/* Fill in a loss from its Python object, with the GIL. Returns 0; or -1 with an exception set,
   which is a TypeError if the object is not a pointwise loss, an ImportError if fastloss is
   missing or of another version of this API. */
static inline int fastloss_from_object(PyObject *object, fastloss_loss *loss)
{
    const fastloss_api *api = (const fastloss_api *)PyCapsule_Import(FASTLOSS_CAPSULE, 0);
    if (api == NULL)
        return -1;
    if (api->abi != FASTLOSS_ABI) {
        PyErr_Format(PyExc_ImportError,
                     "built for version %d of fastloss's C API, but the fastloss imported has "
                     "version %d; build against the one that is installed",
                     FASTLOSS_ABI, api->abi);
        return -1;
    }
    return api->from_object(object, loss);
}

/* Blocks: n contiguous targets and predictions, of any n. Writes value, gradient and Hessian of
   each, those that are not NULL; with all of them NULL it only looks at the domains. No array that
   is written to may overlap another. Returns -1, or the index of the first sample whose target or
   prediction is outside the loss's domain; then what the arrays hold is of no use. Results are the
   bits of loss(..., reduction="none"), grad() and grad_and_hess(). */
static inline Py_ssize_t fastloss_evaluate_f64(
    const fastloss_loss *loss, const double *y, const double *z, Py_ssize_t n,
    double *value, double *grad, double *hess)
{
    return loss->evaluate(loss, 1, y, z, n, value, grad, hess);
}

static inline Py_ssize_t fastloss_evaluate_f32(
    const fastloss_loss *loss, const float *y, const float *z, Py_ssize_t n,
    float *value, float *grad, float *hess)
{
    return loss->evaluate(loss, 0, y, z, n, value, grad, hess);
}

/* One sample, for loops that need a gradient before they know the next prediction: neither looks
   at the domain. The last bits may differ from those of blocks, where the compiler fuses other
   multiplications with additions. */
static inline double fastloss_grad_one(const fastloss_loss *loss, double y, double z)
{
    return loss->grad_one(loss->parameters, y, z);
}

static inline fastloss_sample fastloss_evaluate_one(const fastloss_loss *loss, double y, double z)
{
    fastloss_sample found;
    loss->evaluate_one(loss->parameters, y, z, &found.value, &found.grad, &found.hess);
    return found;
}

/* 1 if y is outside its domain, else 2 if z is outside its own, else 0; a NaN is not outside. */
static inline int fastloss_outside_one(const fastloss_loss *loss, double y, double z)
{
    const fastloss_domain *of_y = &loss->domains[0], *of_z = &loss->domains[1];
    y = of_y->of_magnitude ? fabs(y) : y;
    z = of_z->of_magnitude ? fabs(z) : z;
    if (y < of_y->low[1] || y > of_y->high[1])
        return 1;
    return z < of_z->low[1] || z > of_z->high[1] ? 2 : 0;
}

#ifdef __cplusplus
}
#endif
#endif
