-- weight_norm_old_to_new: weight_g, weight_v become parametrizations.weight.original0, original1
--
-- Names only: what torch.nn.utils.weight_norm wrote becomes what
-- torch.nn.utils.parametrizations.weight_norm reads. weight_norm(…) makes the weight of them.
-- Source: torch/nn/utils/parametrizations.py _weight_norm_compat_hook
--
-- @reverse
-- @case
--   conv.weight_g 8,1,1
--   conv.weight_v 8,4,3
--   conv.bias 8
--   flow.0.pre.weight_g 8,1
--   flow.0.pre.weight_v 8,4
-- @gives
--   conv.parametrizations.weight.original0 8,1,1 <- conv.weight_g
--   conv.parametrizations.weight.original1 8,4,3 <- conv.weight_v
--   conv.bias 8
--   flow.0.pre.parametrizations.weight.original0 8,1 <- flow.0.pre.weight_g
--   flow.0.pre.parametrizations.weight.original1 8,4 <- flow.0.pre.weight_v

local o = ... or {}
if o.reverse then
  rules [[
    **.parametrizations.weight.original0 -> **.weight_g
    **.parametrizations.weight.original1 -> **.weight_v
  ]]
else
  rules [[
    **.weight_g -> **.parametrizations.weight.original0
    **.weight_v -> **.parametrizations.weight.original1
  ]]
end
