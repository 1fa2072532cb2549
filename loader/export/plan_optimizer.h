/* What a plan says of an optimizer whose state follows the weights (optimizer.h):
 *
 *   "optimizer_state":{"path":"optimizer", "named":false,
 *       "groups":[{"from":0, "options":{"lr":0.5}}],
 *       "params":[{"name":"head.weight", "group":0, "state":"optimizer.state[2]",
 *                  "moments":[["exp_avg", ["permute",[1,0],["src","optimizer.state[2].exp_avg"]]],
 *                             …]},
 *                 {"name":"head.new", "group":0}],
 *       "source":[{"name":"fc.weight", "group":0, "state":"optimizer.state[2]",
 *                  "moments":[["exp_avg","f32"], …]}, …],
 *       "source_groups":[{"lr":0.1, …}]}
 *
 * The n-th of params has number n, or with "named" its name. Those without "state" start fresh; the
 * others have all members of that dict, in its order, those under "moments" as they are computed.
 * "source" has the source's parameters by their numbers, and "source_groups" the options of its
 * groups, for the inverse of the plan (an inverse has none itself). {"path":"optimizer",
 * "left_out":true} is the inverse of a plan without it: the output's optimizer knows its parameters
 * by numbers that mean others in what comes back. */
#ifndef LOADER_EXPORT_PLAN_OPTIMIZER_H
#define LOADER_EXPORT_PLAN_OPTIMIZER_H

#include "loader/core/json.h"
#include "loader/export/plan.h"

/* Of a move that is left out only its rule's `from` is read. */
void plan_put_optimizer(const OptimizerMove *move, JsonWriter *writer);
/* Reads it again, over the source of a plan whose entries are there, and gives it to the plan. A
 * plan is anybody's: names, places, shapes and sizes are checked; the error is without the plan's
 * name. */
bool plan_read_optimizer(Plan *plan, const Value *map, Error *err);

#endif
