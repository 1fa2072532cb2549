/* The checks: each looks at what was swept and adds what it finds to the report. They are called in
 * the order of their findings' weight (check.c), and each is silent about healthy files. */
#ifndef LOADER_CHECK_CHECKS_H
#define LOADER_CHECK_CHECKS_H

#include "loader/check/audit.h"

/* Tensors by themselves: NaN, zeros, constants, dead rows, outliers, limits of their type. */
void check_values(const Audit *audit);
/* Batch norms and other norms that were never trained, and variances that cannot be. */
void check_norms(const Audit *audit);
/* Layers whose values are those that a framework starts from. */
void check_untrained(const Audit *audit);
/* Integers stored as floats, and a few tensors of another type than the rest. */
void check_types(const Audit *audit);
/* Different tensors, not sharing memory, with the same values; tied ones. */
void check_copies(const Audit *audit);
/* Names: counters of a profiler, averages beside the weights, keys that tools stumble over. */
void check_names(const Audit *audit);
/* A model that was pickled whole, with its class. */
void check_model(const Audit *audit);
/* Storages of which tensors use little. */
void check_storages(const Audit *audit);
/* Parts with the same names and shapes: how far apart they are; reads both. False when the user
 * asked to stop. */
bool check_rivals(const Audit *audit, SweepStep *step, void *context, Error *err);
/* Bytes that check_rivals will read. */
uint64_t check_rivals_bytes(const Audit *audit);

#endif
