-- flax_to_torch: Flax (linen) names and orders of axes to PyTorch's
--
-- kernel, scale and embedding become weight; kernels of Dense and Conv are turned; mean and var of
-- batch_stats become the running ones. Attention's query, key, value and out, whose heads have an
-- axis of their own, become the matrices of Linear layers. Any other kernel of three axes is a
-- convolution only where the file says so. In reverse embedding={"module"} names the tables, and
-- heads= says how many heads attention has, where there is any.
-- Source: transformers modeling_flax_pytorch_utils.py, flax linen/linear.py
--
-- @reverse
-- @case embedding={"Embed_0"}
--   params.Dense_0.kernel f32 IO 4,8
--   params.Dense_0.bias 8
--   params.block.Conv_0.kernel f32 HWIO 3,5,4,8
--   params.block.Conv_1.kernel f32 WIO 3,4,8
--   params.LayerNorm_0.{scale,bias} 8
--   params.Embed_0.embedding 12,8
--   params.BatchNorm_0.scale 8
--   batch_stats.BatchNorm_0.{mean,var} 8
-- @gives
--   Dense_0.weight 8,4 <- params.Dense_0.kernel
--   Dense_0.bias 8 <- params.Dense_0.bias
--   block.Conv_0.weight 8,4,3,5 <- params.block.Conv_0.kernel
--   block.Conv_1.weight 8,4,3 <- params.block.Conv_1.kernel
--   LayerNorm_0.{weight,bias} 8 <- params.LayerNorm_0.{scale,bias}
--   Embed_0.weight 12,8 <- params.Embed_0.embedding
--   BatchNorm_0.weight 8 <- params.BatchNorm_0.scale
--   BatchNorm_0.running_{mean,var} 8 <- batch_stats.BatchNorm_0.{mean,var}
-- @same Dense_0.weight[5,3] = params.Dense_0.kernel[3,5]
-- @same block.Conv_0.weight[7,2,1,4] = params.block.Conv_0.kernel[1,4,2,7]
-- @same block.Conv_1.weight[7,2,1] = params.block.Conv_1.kernel[1,2,7]
--
-- @case heads=2
--   params.att.{query,key,value}.kernel 6,2,4
--   params.att.{query,key,value}.bias 2,4
--   params.att.out.kernel 2,4,6
--   params.att.out.bias 6
-- @gives
--   att.{query,key,value}.weight 8,6 <- params.att.{query,key,value}.kernel
--   att.{query,key,value}.bias 8 <- params.att.{query,key,value}.bias
--   att.out.weight 6,8 <- params.att.out.kernel
--   att.out.bias 6 <- params.att.out.bias
-- @same att.key.weight[5,3] = params.att.key.kernel[3,1,1]
-- @same att.out.weight[3,5] = params.att.out.kernel[1,1,3]
-- @same att.value.bias[5] = params.att.value.bias[1,1]
--
-- The same out of a file that does not tell the order:
-- @case
--   Dense_0.kernel 4,8
--   Conv_0.kernel 3,5,4,8
-- @gives
--   Dense_0.weight 8,4 <- Dense_0.kernel
--   Conv_0.weight 8,4,3,5 <- Conv_0.kernel
-- @same Conv_0.weight[7,2,1,4] = Conv_0.kernel[1,4,2,7]
-- @oneway

local o = ... or {}

-- Back again. A weight of one axis is a norm's; a table of embeddings looks like a matrix, so that its
-- modules must be named.
local function in_list(list, name)
  for _, one in ipairs(type(list) == "table" and list or { list }) do if one == name then return true end end
  return false
end

local function kernel_back(t, name)
  local n = #t.shape
  local projected = name == "query" or name == "key" or name == "value"
  if n == 2 and o.heads and projected then return t:T():reshape(t:size(1), o.heads, -1) end
  if n == 2 and o.heads and name == "out" then return t:T():reshape(o.heads, -1, t:size(0)) end
  if n == 2 then return t:T() end
  if n == 3 then return t:permute(2, 1, 0) end
  if n == 4 then return t:permute(2, 3, 1, 0) end
  return t
end

if o.reverse then
  return each(function(key, t)
    local module, leaf = key:match "^(.*)%.([^.]*)$"
    if not module then return "params." .. key end
    local name = module:match "[^.]*$"
    local projected = o.heads and (name == "query" or name == "key" or name == "value")
    if leaf == "running_mean" then return "batch_stats." .. module .. ".mean" end
    if leaf == "running_var" then return "batch_stats." .. module .. ".var" end
    module = "params." .. module
    if leaf == "bias" and projected then return module .. ".bias", t:reshape(o.heads, -1) end
    if leaf ~= "weight" then return module .. "." .. leaf end
    if #t.shape == 1 then return module .. ".scale" end
    if in_list(o.embedding, module:sub(8)) then return module .. ".embedding" end
    return module .. ".kernel", kernel_back(t, name)
  end)
end

function flax_kernel(t)
  if #t.shape == 2 then return t:T() end
  if #t.shape == 4 then return t:permute(3, 2, 0, 1) end
  return t:to_torch()
end

-- Heads and their sizes are the last two axes of what goes in, the first two of what comes out.
function flax_heads(t, m)
  if #t.shape ~= 3 then return flax_kernel(t) end
  if m.a == "out" then return t:reshape(-1, t:size(2)):T() end
  return t:reshape(t:size(0), -1):T()
end

rules [[
  batch_stats.**.mean -> **.running_mean
  batch_stats.**.var  -> **.running_var
  params.**           -> **
]]
rules [[
  **.{a:query|key|value|out}.kernel -> **.{a}.weight |> flax_heads
  **.{a:query|key|value}.bias       -> **.{a}.bias |> reshape(-1)
  **.kernel    -> **.weight |> flax_kernel
  **.scale     -> **.weight
  **.embedding -> **.weight
]]
