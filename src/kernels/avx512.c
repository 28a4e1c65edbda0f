/* The kernels as setup.py compiles them for "avx512": the C of _kernels.pyx as a module of this name. */
#define PyInit__kernels PyInit__kernels_avx512
#include "_kernels.c"
