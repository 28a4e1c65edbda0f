/* The C API without Cython, as C and as C++: MODULE is the module's name. */

#define PY_SSIZE_T_CLEAN
#include <fastloss.h>

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define STRING_(a) #a
#define STRING(a) STRING_(a)

static PyObject *derivatives(PyObject *self, PyObject *args)
{
    PyObject *object;
    fastloss_loss loss;
    fastloss_sample one;
    double y, z, grad, hess;
    Py_ssize_t failed;
    (void)self;
    if (!PyArg_ParseTuple(args, "Odd", &object, &y, &z) || fastloss_from_object(object, &loss) < 0)
        return NULL;
    failed = fastloss_evaluate_f64(&loss, &y, &z, 1, NULL, &grad, &hess);
    one = fastloss_evaluate_one(&loss, y, z);
    return Py_BuildValue("ndddd", failed, grad, hess, one.grad, one.hess);
}

static PyMethodDef methods[] = {{"derivatives", derivatives, METH_VARARGS, NULL},
                                {NULL, NULL, 0, NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, STRING(MODULE), NULL, 0, methods,
                                        NULL, NULL, NULL, NULL};

PyMODINIT_FUNC JOIN(PyInit_, MODULE)(void)
{
    return PyModule_Create(&definition);
}
