# cython: language_level=3, cdivision=True, freethreading_compatible=True
# Made C of once; kernels/baseline.c and its like include that C, each under a name of its own.
include "kernels/kernels.pxi"
