-- weight_norm_old_to_new: weight_g, weight_v become parametrizations.weight.original0, original1
--
-- Names only: what torch.nn.utils.weight_norm wrote becomes what
-- torch.nn.utils.parametrizations.weight_norm reads. weight_norm(…) makes the weight of them.
-- Both halves have to be there: the weight_v of an old spectral norm, whose others are weight_orig
-- and weight_u, is another thing.
-- Source: torch/nn/utils/parametrizations.py _weight_norm_compat_hook
--
-- @reverse
-- @case
--   conv.weight_g 8,1,1
--   conv.weight_v 8,4,3
--   conv.bias 8
--   weight_g 8,1
--   weight_v 8,4
-- @gives
--   conv.parametrizations.weight.original0 8,1,1 <- conv.weight_g
--   conv.parametrizations.weight.original1 8,4,3 <- conv.weight_v
--   conv.bias 8
--   parametrizations.weight.original0 8,1 <- weight_g
--   parametrizations.weight.original1 8,4 <- weight_v
-- @case
--   d.weight_orig 8,4
--   d.weight_u 8
--   d.weight_v 4
-- @gives
--   d.weight_orig 8,4
--   d.weight_u 8
--   d.weight_v 4

local o = ... or {}
local old, new = { "weight_g", "weight_v" }, { "parametrizations.weight.original0", "parametrizations.weight.original1" }
local from, to = old, new
if o.reverse then from, to = new, old end

each(function(key)
  for i = 1, 2 do
    local module = key:sub(1, -#from[i] - 1)
    if key == module .. from[i] and (module == "" or module:sub(-1) == ".") and src[module .. from[3 - i]] then
      return module .. to[i]
    end
  end
end)
