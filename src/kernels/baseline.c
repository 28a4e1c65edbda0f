/* The kernels as setup.py compiles them for "baseline": the C of _kernels.pyx as a module of this name. */
#define PyInit__kernels PyInit__kernels_baseline
#include "_kernels.c"
