-- bn_counters: drops the step counters of batch normalisation, for targets that have none
-- (frozen norms; files from before PyTorch 0.4.1 lack them too).
--
--   before                         after
--   bn1.weight                     bn1.weight
--   bn1.num_batches_tracked        (dropped)

rules [[
  **.num_batches_tracked ->
]]
