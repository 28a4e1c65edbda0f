/* The kernels as setup.py compiles them for "avx2": the C of _kernels.pyx as a module of this name. */
#define PyInit__kernels PyInit__kernels_avx2
#include "_kernels.c"
