-- caffe_to_torch: numbered blobs of Caffe's layers to PyTorch's weight, bias and running statistics
--
-- Axes are in PyTorch's order already. Blob 0 of a layer is its weight, blob 1 its bias; the shapes
-- of old files (1x1x1xN) lose their axes of size 1 where the layer has no window. A BatchNorm layer
-- has mean, variance and the factor by which both are divided; its Scale layer, whose name is
-- another, has weight and bias: scale={bn1="scale1"} puts both under the first name. In reverse the
-- factor is 1.
-- Source: caffe src/caffe/layers/batch_norm_layer.cpp, scale_layer.cpp
--
-- @reverse
-- @case
--   conv1.0 8,3,3,3
--   conv1.1 8
--   fc6.0 5,8
--   fc6.1 5
-- @gives
--   conv1.weight 8,3,3,3 <- conv1.0
--   conv1.bias 8 <- conv1.1
--   fc6.weight 5,8 <- fc6.0
--   fc6.bias 5 <- fc6.1
--
-- @case
--   conv1.0 8,3,3,3
--   conv1.1 f32 1,1,1,8
--   fc6.0 f32 1,1,5,8
--   fc6.1 5
--   scale1.{0,1} 8
-- @gives
--   conv1.weight 8,3,3,3 <- conv1.0
--   conv1.bias 8 <- conv1.1
--   fc6.weight 5,8 <- fc6.0
--   fc6.bias 5 <- fc6.1
--   scale1.{weight,bias} 8 <- scale1.{0,1}
-- @oneway
--
-- @case scale={bn1="scale1"}
--   bn1.{0,1} 8
--   bn1.2 1
--   scale1.{0,1} 8
-- @gives
--   bn1.running_mean 8 <- bn1.0 + bn1.2
--   bn1.running_var 8 <- bn1.1 + bn1.2
--   bn1.{weight,bias} 8 <- scale1.{0,1}
-- @oneway

local o = ... or {}

if o.reverse then
  for norm, scale in pairs(o.scale or {}) do
    rules(('"%s.weight" -> "%s.0" ; "%s.bias" -> "%s.1"'):format(norm, scale, norm, scale))
  end
  rule("&{x:*}.running_mean", "{x}.2", function(t) return t:slice(0, 0, 1) * 0 + 1 end)
  return rules [[
    {x:*}.running_mean -> {x}.0 ; {x:*}.running_var -> {x}.1
    {x:*}.weight -> {x}.0 ; {x:*}.bias -> {x}.1 ; {x:*}.num_batches_tracked ->
  ]]
end

-- Old blobs have four axes: biases lie in the last, matrices in the last two.
function caffe_weight(t)
  if #t.shape == 4 and t:size(0) == 1 and t:size(1) == 1 then return t:squeeze(0):squeeze(0) end
  return t
end

local function quoted(name)
  return '"' .. name:gsub('[\\"]', "\\%0") .. '"'
end

-- A layer with a third blob of one element is a BatchNorm.
local norms = {}
for key, t in pairs(src) do
  local layer = key:match "^(.*)%.2$"
  if layer and #t.shape == 1 and t:size(0) == 1 then norms[#norms + 1] = layer end
end
for _, layer in ipairs(norms) do
  local function divided(t, factor)
    return t:reshape(-1) / factor
  end
  rule({quoted(layer .. ".0"), "&" .. quoted(layer .. ".2")}, quoted(layer .. ".running_mean"), divided)
  rule({quoted(layer .. ".1"), quoted(layer .. ".2")}, quoted(layer .. ".running_var"), divided)
end
rules [[
  {x:*}.0 -> {x}.weight |> caffe_weight
  {x:*}.1 -> {x}.bias |> reshape(-1)
]]
for norm, scale in pairs(o.scale or {}) do
  rule(quoted(scale) .. ".{p:weight|bias}", quoted(norm) .. ".{p}")
end
