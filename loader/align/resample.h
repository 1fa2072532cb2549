/* Resample: the constant matrices by which an axis is brought to another size. */
#ifndef LOADER_ALIGN_RESAMPLE_H
#define LOADER_ALIGN_RESAMPLE_H

#include <stdint.h>

#include "loader/core/error.h"

/* how, its name in plans, what it is */
#define RESAMPLE_KINDS(X)                                                                      \
    X(RESAMPLE_BICUBIC, "bicubic", "torch interpolate, mode bicubic, align_corners False")     \
    X(RESAMPLE_BICUBIC_AA, "bicubic_aa", "the same with antialias True")                       \
    X(RESAMPLE_PATCH, "patch", "the pseudoinverse of bicubic_aa's transpose")                  \
    X(RESAMPLE_GEOMETRIC, "geometric", "a cubic spline over a geometric grid")                 \
    X(RESAMPLE_GEOMETRIC_LINEAR, "geometric_linear", "straight lines over that grid")

#define RESAMPLE_ENUM(how, name, meaning) how,
typedef enum ResampleHow { RESAMPLE_KINDS(RESAMPLE_ENUM) RESAMPLE_HOW_COUNT } ResampleHow;
#undef RESAMPLE_ENUM

enum { RESAMPLE_SIDE_MAX = 512 };    /* of a side: a matrix then has at most 2 MiB */

const char *resample_name(ResampleHow how);
/* RESAMPLE_HOW_COUNT when there is none of that name. */
ResampleHow resample_from_name(const char *name);
/* Whether there is such a matrix; the error says why not. */
bool resample_check(ResampleHow how, int64_t in, int64_t out, Error *err);
/* out rows of `in` weights, row-major, for sides that resample_check has passed. */
void resample_matrix(ResampleHow how, int64_t in, int64_t out, double *matrix);

#endif
