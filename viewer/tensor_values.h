/* Values: what the numbers of tensors come to, for whoever shows them. Who draws asks; what is
 * not known yet is wanted from then on, and read by a job while no key comes. What is known is
 * kept, so far as it is little. */
#ifndef VIEWER_TENSOR_VALUES_H
#define VIEWER_TENSOR_VALUES_H

#include "loader/align/align.h"
#include "loader/align/compare.h"
#include "viewer/tensor_window.h"

typedef struct Values Values;

Values *values_new(void);
void values_free(Values *values);
/* Another ledger: what stood on the old one is forgotten, all when the files are others. Keeps a
 * reference. */
void values_show(Values *values, Alignment *alignment);

/* A frame begins: nothing is wanted. Jobs for what is not asked for again are stopped. */
void values_begin(Values *values);
/* NULL: not known, and wanted, or it cannot be had: *why then says so (borrowed), else NULL. */
const Profile *values_profile(Values *values, ValueOf of, const char **why);
const Comparison *values_compare(Values *values, ValueOf a, ValueOf b, const char **why);
/* The window as it was read last, which may be another one (compare `window`) while this is read;
 * NULL: none. */
const WindowCells *values_window(Values *values, const Window *window, const char **why);

/* Whether something is wanted or being read. */
bool values_due(const Values *values);
/* Looks whether the job has ended, and starts the next one. */
void values_step(Values *values);
/* How far the job is; false when none runs. */
bool values_progress(const Values *values, uint64_t *done, uint64_t *total);

#endif
