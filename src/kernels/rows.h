/* A block of rows, as the driver hands it to the kernels. */
#ifndef FL_ROWS_H
#define FL_ROWS_H

#include <stddef.h>
#include <stdint.h>

#define FL_ROOM 4096          /* elements of a block that has more than one row */
#define FL_ROWS 64            /* rows of a block at most; a multiple of 16 */
#define FL_FEW 128            /* classes up to which a vector holds several rows */

enum {
    FL_CROSS_ENTROPY, FL_FOCAL, FL_POLY, FL_POWER,      /* of a softmax */
    FL_CROSS_ENTROPY_OF_PROBABILITIES, FL_KL, FL_JENSEN_SHANNON, FL_BRIER, FL_COSINE,
    FL_MULTI_LABEL, FL_TVERSKY, FL_MULTI_MARGIN, FL_MULTI_LABEL_MARGIN, FL_MARGIN,
    FL_GAUSSIAN, FL_LOG_GAUSSIAN, FL_GAUSSIAN_CRPS, FL_LOGISTIC_SCALE, FL_STUDENT, FL_PINBALL
};

typedef struct {
    int loss;                 /* a function of the label's probability */
    double a;                 /* its parameter */
    const double *more;       /* further ones, two at least */
    const double *weight;     /* of the labels, or NULL */
    const double *positive;   /* of their positive part, or NULL */
    int log;                  /* logits: grad takes log-probabilities instead; probabilities: z
                                 are their logarithms; sets: z are logits */
    int curved;               /* hess takes what boosting divides by instead: not negative */
    ptrdiff_t n, k;           /* rows, classes */
    const void *z, *q;        /* predictions; targets, a row or a number for each row, or NULL */
    const int64_t *label;     /* classes, or NULL; with neither, the loss is logsumexp(z) */
    const void *scale;        /* what multiplies a row's derivatives */
    void *value, *grad, *hess;/* a loss for each row; NULL: not asked for. hess needs grad */
} fl_rows;

#endif
