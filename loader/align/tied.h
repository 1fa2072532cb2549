/* Tied weights: tensors that models share, of which files often hold one. Which are, is known by
 * their names alone. */
#ifndef LOADER_ALIGN_TIED_H
#define LOADER_ALIGN_TIED_H

#include "loader/align/align.h"

enum { TIED_MAX = 64 };          /* as many as are looked for, each of which is a walk */

/* Whether a missing target has a name of those that are often tied. */
bool tied_may_be(const Binding *missing);
/* The loaded target that a missing one is usually the same tensor as: the table of words for the
 * output matrix and the other way round, T5's shared table for those of encoder and decoder, BERT's
 * cls.predictions.bias for cls.predictions.decoder.bias. Shapes must agree as far as both are
 * known. NULL: none, or where shapes are unknown more than one. Linear in the targets. */
const Binding *tied_with(const Alignment *alignment, const Binding *missing);

/* Whether it is the name of an output matrix that is usually tied ("lm_head", "embed_out"), or of
 * what stands below it. */
bool tied_is_output(const char *name);

#endif
