# cython: language_level=3, cdivision=True, freethreading_compatible=True
include "kernels/kernels.pxi"
