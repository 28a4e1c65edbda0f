/* Whether some of n numbers, a multiple of FL_BOUND_LANES, are outside of low..high: by their least
   and greatest, which no NaN changes. */
#ifndef FL_BOUNDS_H
#define FL_BOUNDS_H

#include <math.h>
#include <stddef.h>

#define FL_BOUND_LANES 16

#define FL_BOUND(size, real)                                                                     \
    for (i = 0; i < n; i += FL_BOUND_LANES)                                                      \
        _Pragma("omp simd") for (ptrdiff_t k = 0; k < FL_BOUND_LANES; k++) {                     \
            real x = size(v[i + k]);                                                             \
            least[k] = x < least[k] ? x : least[k];                                              \
            most[k] = x > most[k] ? x : most[k];                                                 \
        }

#define FL_OUTSIDE(name, real, magnitude)                                                        \
    static int name(const real *v, ptrdiff_t n, int of_magnitude, double low, double high)       \
    {                                                                                            \
        real least[FL_BOUND_LANES], most[FL_BOUND_LANES];                                        \
        ptrdiff_t i;                                                                             \
        int found = 0;                                                                           \
        for (i = 0; i < FL_BOUND_LANES; i++)                                                     \
            least[i] = (real)low, most[i] = (real)high;                                          \
        if (of_magnitude)                                                                        \
            FL_BOUND(magnitude, real)                                                            \
        else                                                                                     \
            FL_BOUND(, real)                                                                     \
        for (i = 0; i < FL_BOUND_LANES; i++)                                                     \
            found |= (least[i] < (real)low) | (most[i] > (real)high);                            \
        return found;                                                                            \
    }

FL_OUTSIDE(fl_outside_f32, float, fabsf)
FL_OUTSIDE(fl_outside_f64, double, fabs)

#endif
