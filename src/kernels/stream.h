/* Copying past the cache: an output larger than the cache need not be read before it is written.
   And asking for memory before it is needed. */
#ifndef FL_STREAM_H
#define FL_STREAM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
#include <immintrin.h>
#define FL_WIDTH 64
#define FL_COPY(to, from) _mm512_stream_si512((__m512i *)(to), _mm512_loadu_si512((const void *)(from)))
#elif defined(__AVX__)
#include <immintrin.h>
#define FL_WIDTH 32
#define FL_COPY(to, from) _mm256_stream_si256((__m256i *)(to), _mm256_loadu_si256((const __m256i *)(from)))
#elif defined(__SSE2__) || defined(_M_X64)
#include <emmintrin.h>
#define FL_WIDTH 16
#define FL_COPY(to, from) _mm_stream_si128((__m128i *)(to), _mm_loadu_si128((const __m128i *)(from)))
#endif

static inline void fl_stream(const void *source, ptrdiff_t bytes, void *target) {
    const char *from = (const char *)source;
    char *to = (char *)target;
#ifdef FL_WIDTH
    ptrdiff_t head = (ptrdiff_t)(-(uintptr_t)to & 63), i;  /* to the next cache line */
    if (head > bytes) head = bytes;
    memcpy(to, from, (size_t)head);
    for (i = head; i + FL_WIDTH <= bytes; i += FL_WIDTH) FL_COPY(to + i, from + i);
    memcpy(to + i, from + i, (size_t)(bytes - i));
#else
    memcpy(to, from, (size_t)bytes);
#endif
}

/* Bytes from the first on; the addresses need not be those of anything. */
static inline void fl_prefetch(const void *from, ptrdiff_t first, ptrdiff_t bytes) {
#ifdef FL_WIDTH
    for (ptrdiff_t i = first; i < first + bytes; i += 64)
        _mm_prefetch((const char *)((uintptr_t)from + (uintptr_t)i), _MM_HINT_T0);
#elif defined(__GNUC__)
    for (ptrdiff_t i = first; i < first + bytes; i += 64)
        __builtin_prefetch((const char *)((uintptr_t)from + (uintptr_t)i));
#else
    (void)from, (void)first, (void)bytes;
#endif
}

static inline void fl_fence(void) {
#ifdef FL_WIDTH
    _mm_sfence();
#endif
}

#endif
