-- bn_counters: drops the step counters of batch normalisation, for targets that have none
--
-- Frozen norms have none, and files from before PyTorch 0.4.1 lack them too.
-- Source: torch/nn/modules/batchnorm.py
--
-- @case
--   bn1.weight 4
--   bn1.num_batches_tracked i64
--   num_batches_tracked i64
-- @gives
--   bn1.weight 4

rules [[
  **.num_batches_tracked ->
]]
