/* What the core knows of convert.h. */
#ifndef FASTLOSS_INPUTS_H
#define FASTLOSS_INPUTS_H

#include <stddef.h>

/* n numbers, of which the source's are stride bytes apart */
typedef void (*fl_convert)(const void *source, ptrdiff_t stride, ptrdiff_t n, void *target);

typedef struct {
    const char *name;                   /* of the dtype; NULL: the end of the table */
    fl_convert to[3];                   /* float, double, int64_t; NULL: no conversion */
} fl_input;

#endif
