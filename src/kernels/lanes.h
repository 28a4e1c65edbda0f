/* Rows side by side: sixteen rows of K numbers as K columns of sixteen, t[16 k + j] = z[K j + k], so
   that a vector holds the same element of several rows. More rows, whole sixteens of them, follow.

   On x86, and of float on aarch64, the transposition stays in registers: parts of rows, of 16 bytes,
   make up vectors, and those of as many rows as a part has elements are interleaved to as many columns.
   Pairs of double take no less on aarch64 than its loads and stores of single elements. */

#ifndef FL_LANES_PASS
#ifndef FL_LANES_H
#define FL_LANES_H

#include <stddef.h>

#define FL_LANES 16

#if defined(__AVX512DQ__)
#include <immintrin.h>
#define FL_PARTS 4                  /* of a vector */
#define FL_OP(name) _mm512_##name
typedef __m512 fl_parts;
#elif defined(__AVX__)
#include <immintrin.h>
#define FL_PARTS 2
#define FL_OP(name) _mm256_##name
typedef __m256 fl_parts;
#elif defined(__SSE2__) || defined(_M_X64)
#include <emmintrin.h>
#define FL_PARTS 1
#define FL_OP(name) _mm_##name
typedef __m128 fl_parts;
#elif defined(__aarch64__)
#include <arm_neon.h>
#define FL_PARTS 1
#define FL_OP(name) fl_neon_##name  /* by the names of x86-64 */
#define fl_neon_loadu_ps vld1q_f32
#define fl_neon_loadu_pd vld1q_f64
#define fl_neon_storeu_ps vst1q_f32
#define fl_neon_mul_ps vmulq_f32
#define fl_neon_mul_pd vmulq_f64
#define fl_neon_castps_pd vreinterpretq_f64_f32
#define fl_neon_castpd_ps vreinterpretq_f32_f64
#define fl_neon_unpacklo_ps vzip1q_f32
#define fl_neon_unpackhi_ps vzip2q_f32
#define fl_neon_unpacklo_pd vzip1q_f64
#define fl_neon_unpackhi_pd vzip2q_f64
typedef float32x4_t fl_parts;
#else
#define FL_PARTS 0
#endif

#if FL_PARTS
static inline fl_parts fl_scaled_f32(const float *v, const float *f)
{
    return FL_OP(mul_ps)(FL_OP(loadu_ps)(v), FL_OP(loadu_ps)(f));
}

static inline fl_parts fl_scaled_f64(const double *v, const double *f)
{
    return FL_OP(castpd_ps)(FL_OP(mul_pd)(FL_OP(loadu_pd)(v), FL_OP(loadu_pd)(f)));
}

/* the low, or the high, halves of the parts of a and b */
#define FL_HALVES(which, a, b) \
    FL_OP(castpd_ps)(FL_OP(unpack##which##_pd)(FL_OP(castps_pd)(a), FL_OP(castps_pd)(b)))

/* Rows of parts become columns, and the reverse. */
static inline void fl_turn_f64(fl_parts *v)
{
    fl_parts a = v[0];
    v[0] = FL_HALVES(lo, a, v[1]);
    v[1] = FL_HALVES(hi, a, v[1]);
}

static inline void fl_turn_f32(fl_parts *v)
{
    fl_parts a = FL_OP(unpacklo_ps)(v[0], v[1]), b = FL_OP(unpacklo_ps)(v[2], v[3]);
    fl_parts c = FL_OP(unpackhi_ps)(v[0], v[1]), d = FL_OP(unpackhi_ps)(v[2], v[3]);
    v[0] = FL_HALVES(lo, a, b);
    v[1] = FL_HALVES(hi, a, b);
    v[2] = FL_HALVES(lo, c, d);
    v[3] = FL_HALVES(hi, c, d);
}
#endif

#define FL_LANES_PASS 32
#include "lanes.h"
#undef FL_LANES_PASS
#define FL_LANES_PASS 64
#include "lanes.h"
#undef FL_LANES_PASS
#undef FL_HALVES
#undef FL_OP
#undef FL_PARTS

#endif /* FL_LANES_H */

#else /* one pass */

#if FL_LANES_PASS == 32
#define R float
#define FN(name) fl_##name##_f32
#else
#define R double
#define FN(name) fl_##name##_f64
#endif

/* Element by element: on other processors, and for rows shorter than a part. */
static inline void FN(to_lanes_plainly)(const R *restrict z, ptrdiff_t n, ptrdiff_t K, R *restrict t)
{
    for (ptrdiff_t r = 0; r < n; r += FL_LANES, z += FL_LANES * K, t += FL_LANES * K)
        for (ptrdiff_t k = 0; k < K; k++)
            for (ptrdiff_t j = 0; j < FL_LANES; j++) t[FL_LANES * k + j] = z[K * j + k];
}

static inline void FN(from_lanes_plainly)(
    const R *restrict t, ptrdiff_t n, ptrdiff_t K, const R *restrict f, R *restrict z)
{
    for (ptrdiff_t r = 0; r < n; r += FL_LANES, z += FL_LANES * K, t += FL_LANES * K)
        for (ptrdiff_t k = 0; k < K; k++)
            for (ptrdiff_t j = 0; j < FL_LANES; j++)
                z[K * j + k] = t[FL_LANES * k + j] * f[r + j];
}

#if FL_PARTS && !(FL_LANES_PASS == 64 && defined(__aarch64__))
#define PART (16 / (int)sizeof(R))
#define AT(p, i) ((const float *)((p) + (i)))

/* a vector of parts that lie `apart` elements from each other */
static inline fl_parts FN(load_parts)(const R *p, ptrdiff_t apart)
{
#if FL_PARTS == 4
    __m512 v = _mm512_castps128_ps512(_mm_loadu_ps(AT(p, 0)));
    v = _mm512_insertf32x4(v, _mm_loadu_ps(AT(p, apart)), 1);
    v = _mm512_insertf32x4(v, _mm_loadu_ps(AT(p, 2 * apart)), 2);
    return _mm512_insertf32x4(v, _mm_loadu_ps(AT(p, 3 * apart)), 3);
#elif FL_PARTS == 2
    __m256 v = _mm256_castps128_ps256(_mm_loadu_ps(AT(p, 0)));
    return _mm256_insertf128_ps(v, _mm_loadu_ps(AT(p, apart)), 1);
#else
    (void)apart;
    return FL_OP(loadu_ps)(AT(p, 0));
#endif
}

static inline void FN(store_parts)(R *p, ptrdiff_t apart, fl_parts v)
{
#if FL_PARTS == 4
    _mm_storeu_ps((float *)p, _mm512_castps512_ps128(v));
    _mm_storeu_ps((float *)(p + apart), _mm512_extractf32x4_ps(v, 1));
    _mm_storeu_ps((float *)(p + 2 * apart), _mm512_extractf32x4_ps(v, 2));
    _mm_storeu_ps((float *)(p + 3 * apart), _mm512_extractf32x4_ps(v, 3));
#elif FL_PARTS == 2
    _mm_storeu_ps((float *)p, _mm256_castps256_ps128(v));
    _mm_storeu_ps((float *)(p + apart), _mm256_extractf128_ps(v, 1));
#else
    (void)apart;
    FL_OP(storeu_ps)((float *)p, v);
#endif
}

#define ROWS (PART * FL_PARTS)      /* of vectors that are turned: the i-th has rows i, i + PART, ... */
#define EACH_VECTOR(i) for (ptrdiff_t i = 0; i < PART; i++)

static inline void FN(turn_to_lanes)(const R *z, ptrdiff_t K, R *t)
{
    fl_parts v[PART];
    EACH_VECTOR(i) v[i] = FN(load_parts)(z + K * i, PART * K);
    FN(turn)(v);
    EACH_VECTOR(i) FL_OP(storeu_ps)((float *)(t + FL_LANES * i), v[i]);
}

static inline void FN(turn_from_lanes)(const R *t, ptrdiff_t K, const R *f, R *z)
{
    fl_parts v[PART];
    EACH_VECTOR(i) v[i] = FN(scaled)(t + FL_LANES * i, f);
    FN(turn)(v);
    EACH_VECTOR(i) FN(store_parts)(z + K * i, PART * K, v[i]);
}

/* The last columns may come twice. */
static void FN(to_lanes)(const R *restrict z, ptrdiff_t n, ptrdiff_t K, R *restrict t)
{
    if (K == 1) FN(to_lanes_plainly)(z, n, 1, t);
    else if (K == 2) FN(to_lanes_plainly)(z, n, 2, t);
    else if (K == 3) FN(to_lanes_plainly)(z, n, 3, t);
    else for (ptrdiff_t r = 0; r < n; r += ROWS, z += ROWS * K) {
        R *to = t + (r & -FL_LANES) * K + (r & (FL_LANES - 1));
        for (ptrdiff_t k = 0; k < K - PART; k += PART)
            FN(turn_to_lanes)(z + k, K, to + FL_LANES * k);
        FN(turn_to_lanes)(z + K - PART, K, to + FL_LANES * (K - PART));
    }
}

/* times f, which each row has one of */
static void FN(from_lanes)(
    const R *restrict t, ptrdiff_t n, ptrdiff_t K, const R *restrict f, R *restrict z)
{
    if (K == 1) FN(from_lanes_plainly)(t, n, 1, f, z);
    else if (K == 2) FN(from_lanes_plainly)(t, n, 2, f, z);
    else if (K == 3) FN(from_lanes_plainly)(t, n, 3, f, z);
    else for (ptrdiff_t r = 0; r < n; r += ROWS, z += ROWS * K) {
        const R *from = t + (r & -FL_LANES) * K + (r & (FL_LANES - 1));
        for (ptrdiff_t k = 0; k < K - PART; k += PART)
            FN(turn_from_lanes)(from + FL_LANES * k, K, f + r, z + k);
        FN(turn_from_lanes)(from + FL_LANES * (K - PART), K, f + r, z + K - PART);
    }
}

#undef EACH_VECTOR
#undef ROWS
#undef AT
#undef PART
#else
static void FN(to_lanes)(const R *z, ptrdiff_t n, ptrdiff_t K, R *t)
{
    FN(to_lanes_plainly)(z, n, K, t);
}

static void FN(from_lanes)(const R *t, ptrdiff_t n, ptrdiff_t K, const R *f, R *z)
{
    FN(from_lanes_plainly)(t, n, K, f, z);
}
#endif

#undef R
#undef FN
#endif
