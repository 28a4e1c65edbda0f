/* A sequence of frames and the labels that are aligned with it, as the driver hands it to ctc.h. */
#ifndef FL_SEQUENCE_H
#define FL_SEQUENCE_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    const void *z;              /* log-probabilities, or logits */
    int logits;
    ptrdiff_t frames, all;      /* those that count, and all that the gradient has */
    ptrdiff_t classes;
    ptrdiff_t z_frame, z_class; /* elements from one to the next */
    const int64_t *label;
    ptrdiff_t labels;
    int64_t blank;
    int forgiving;              /* an infinite loss counts as 0 */
    double factor;              /* of the gradient */
    void *grad;                 /* or NULL; the classes of a frame lie in one piece */
    ptrdiff_t grad_frame;
    double *memory;             /* as many doubles as fl_sequence_room() says */
} fl_sequence;

/* Numbers for each label and for each class, in whole vectors. */
static inline ptrdiff_t fl_label_width(ptrdiff_t labels) { return ((labels + 16) & -16) + 16; }
static inline ptrdiff_t fl_class_width(ptrdiff_t classes) { return (classes + 15) & -16; }

/* States before the first frame and after each that is kept, those of the way back, carries, what
   all frames share and what one has; classes; what frames are normalised by. */
static inline ptrdiff_t fl_sequence_room(
    ptrdiff_t frames, ptrdiff_t labels, ptrdiff_t classes, int with_grad)
{
    ptrdiff_t kept = with_grad ? frames + 1 + 2 : 2;
    return (4 * kept + 4 + 10) * fl_label_width(labels) + 2 * fl_class_width(classes) + 3 * frames;
}

#endif
