/* Fill: made-up values from a counter-based generator. What an element gets depends on the
 * seed, the target key and the element's index alone: not on order, threads, boxes or platform. */
#ifndef LOADER_ALIGN_FILL_H
#define LOADER_ALIGN_FILL_H

#include "loader/align/expr.h"

/* "zeros", "const", "normal", "uniform", "kaiming", "xavier": as rules and plans say it. */
const char *fill_name(FillKind kind);
bool fill_needs_fans(FillKind kind);      /* kaiming and xavier */
bool fill_is_uniform(FillKind kind);

/* Elements first … first+n of a tensor of that shape, in row-major order, in double. */
void fill_values(const Fill *fill, const int64_t *dims, unsigned rank, uint64_t first,
                 double *out, size_t n);

/* Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011). */
void fill_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);
/* ln x for 0 < x <= 1, and cos and sin of 2πu for 0 <= u < 1, from sums and products only:
 * the C library's last digit differs from one platform to the next. Within 1e-15. */
double fill_log(double x);
void fill_turn(double u, double *cosine, double *sine);

#endif
