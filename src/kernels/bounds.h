/* Whether some of n numbers, a multiple of 16, are outside of low..high: by their least and greatest,
   which no NaN changes. Each is kept in four vectors, as one would wait for itself. */
#ifndef FL_BOUNDS_H
#define FL_BOUNDS_H

#include <math.h>
#include <stddef.h>

#if defined(__AVX512F__)
#define FL_BOUND_BYTES 256
#else
#define FL_BOUND_BYTES 128
#endif

#define FL_BOUND(lanes, real, size)                                                              \
    _Pragma("omp simd") for (ptrdiff_t k = 0; k < lanes; k++) {                                  \
        real x = size(v[i + k]);                                                                 \
        least[k] = x < least[k] ? x : least[k];                                                  \
        most[k] = x > most[k] ? x : most[k];                                                     \
    }

/* The last vectors may be looked at twice. */
#define FL_BOUND_ALL(real, size)                                                                 \
    if (n < lanes) {                                                                             \
        for (i = 0; i < n; i += 16)                                                              \
            FL_BOUND(16, real, size)                                                             \
    } else {                                                                                     \
        for (i = 0; i < n - lanes; i += lanes)                                                   \
            FL_BOUND(lanes, real, size)                                                          \
        i = n - lanes;                                                                           \
        FL_BOUND(lanes, real, size)                                                              \
    }

#define FL_OUTSIDE(name, real, magnitude)                                                        \
    static int name(const real *v, ptrdiff_t n, int of_magnitude, double low, double high)       \
    {                                                                                            \
        enum { lanes = FL_BOUND_BYTES / sizeof(real) };                                          \
        real least[lanes], most[lanes];                                                          \
        ptrdiff_t i;                                                                             \
        int found = 0;                                                                           \
        for (i = 0; i < lanes; i++)                                                              \
            least[i] = (real)low, most[i] = (real)high;                                          \
        if (of_magnitude) {                                                                      \
            FL_BOUND_ALL(real, magnitude)                                                        \
        } else {                                                                                 \
            FL_BOUND_ALL(real, )                                                                 \
        }                                                                                        \
        for (i = 0; i < lanes; i++)                                                              \
            found |= (least[i] < (real)low) | (most[i] > (real)high);                            \
        return found;                                                                            \
    }

FL_OUTSIDE(fl_outside_f32, float, fabsf)
FL_OUTSIDE(fl_outside_f64, double, fabs)

#endif
