-- tf_to_torch: TensorFlow 1 names (layers, slim) and orders of axes to PyTorch's
--
-- kernel, weights and gamma become weight, beta and biases bias, moving_mean and moving_variance the
-- running ones; the slots of optimizers, moving averages and global_step are dropped. Kernels of
-- depthwise convolutions are those called depthwise_weights or depthwise_kernel. In reverse the names
-- are those of layers; embedding={"module"} and depthwise={module=multiplier} name what shapes cannot
-- tell.
-- Source: tensorflow python/layers, slim nets; timm models/efficientnet tools
--
-- @reverse
-- @case depthwise={["net.dw"]=2}
--   net/conv1/kernel 3,5,4,8
--   net/conv1/bias 8
--   net/conv3d/kernel 2,3,5,4,8
--   net/bn/{gamma,beta,moving_mean,moving_variance} 8
--   net/dw/depthwise_kernel 3,5,4,2
--   net/dense/kernel 4,8
-- @gives
--   net.conv1.weight 8,4,3,5 <- net/conv1/kernel
--   net.conv1.bias 8 <- net/conv1/bias
--   net.conv3d.weight 8,4,2,3,5 <- net/conv3d/kernel
--   net.bn.{weight,bias,running_mean,running_var} 8 <- net/bn/{gamma,beta,moving_mean,moving_variance}
--   net.dw.weight 8,1,3,5 <- net/dw/depthwise_kernel
--   net.dense.weight 8,4 <- net/dense/kernel
--
-- @case
--   model/conv1/kernel 3,5,4,8
--   model/conv1/kernel/Adam{,_1} 3,5,4,8
--   model/conv1/bias 8
--   resnet/block1/conv/weights 1,1,4,8
--   resnet/block1/conv/weights/Momentum 1,1,4,8
--   resnet/block1/conv/BatchNorm/{gamma,beta,moving_mean,moving_variance} 8
--   resnet/logits/weights 4,8
--   resnet/logits/biases 8
--   MobilenetV1/Conv2d_1/depthwise_weights 3,5,4,2
--   global_step i64
-- @gives
--   model.conv1.weight 8,4,3,5 <- model/conv1/kernel
--   model.conv1.bias 8 <- model/conv1/bias
--   resnet.block1.conv.weight 8,4,1,1 <- resnet/block1/conv/weights
--   resnet.block1.conv.BatchNorm.{weight,bias,running_mean,running_var} 8 <- resnet/block1/conv/BatchNorm/{gamma,beta,moving_mean,moving_variance}
--   resnet.logits.weight 8,4 <- resnet/logits/weights
--   resnet.logits.bias 8 <- resnet/logits/biases
--   MobilenetV1.Conv2d_1.weight 8,1,3,5 <- MobilenetV1/Conv2d_1/depthwise_weights
-- @same model.conv1.weight[7,2,1,4] = model/conv1/kernel[1,4,2,7]
-- @same resnet.logits.weight[5,3] = resnet/logits/weights[3,5]
-- @same MobilenetV1.Conv2d_1.weight[5,0,1,4] = MobilenetV1/Conv2d_1/depthwise_weights[1,4,2,1]
-- @oneway

local o = ... or {}

-- Back again. A weight of one axis is a norm's; a table of embeddings looks like a matrix, so that its
-- modules must be named.
local function in_list(list, name)
  for _, one in ipairs(type(list) == "table" and list or { list }) do if one == name then return true end end
  return false
end

-- The inverse of the order of axes, by their number.
local function turned_back(t)
  local n = #t.shape
  if n == 2 then return t:T() end
  if n == 3 then return t:permute(2, 1, 0) end
  if n == 4 then return t:permute(2, 3, 1, 0) end
  if n == 5 then return t:permute(2, 3, 4, 1, 0) end
  return t
end

-- (channels × multiplier, 1, height, width) to height, width, channels, multiplier.
local function depthwise_back(t, multiplier)
  return t:reshape(t:size(0) // multiplier, multiplier, t:size(2), t:size(3)):permute(2, 3, 0, 1)
end

local function go_back(names)
  local norms = {}
  for key, t in pairs(src) do
    local module = key:match "^(.*)%.weight$"
    if module and #t.shape == 1 then norms[module] = true end
  end
  each(function(key, t)
    local module, leaf = key:match "^(.*)%.([^.]*)$"
    if not module then return nil end
    local path = names.path(module)
    if leaf == "weight" and norms[module] then return path .. "/gamma" end
    if leaf == "bias" then return path .. (norms[module] and "/beta" or "/bias") end
    if leaf == "running_mean" then return path .. "/moving_mean" end
    if leaf == "running_var" then return path .. "/moving_variance" end
    if leaf ~= "weight" then return path .. "/" .. leaf end
    if in_list(o.embedding, module) then return path .. names.embedding end
    local multiplier = type(o.depthwise) == "table" and o.depthwise[module]
    if multiplier then return path .. names.depthwise, depthwise_back(t, multiplier) end
    return path .. "/kernel", turned_back(t)
  end)
end

if o.reverse then
  return go_back { path = function(module) return (module:gsub("%.", "/")) end,
                   embedding = "/embeddings", depthwise = "/depthwise_kernel" }
end

function tf_kernel(t)
  local n = #t.shape
  if n == 2 then return t:T() end
  if n == 3 then return t:permute(2, 1, 0) end
  if n == 4 then return t:permute(3, 2, 0, 1) end
  if n == 5 then return t:permute(4, 3, 0, 1, 2) end
  return t
end

function tf_depthwise(t)
  return t:permute(2, 3, 0, 1):reshape(t:size(2) * t:size(3), 1, t:size(0), t:size(1))
end

local slots = {Adam = true, Adam_1 = true, Momentum = true, RMSProp = true, RMSProp_1 = true,
               Adagrad = true, ExponentialMovingAverage = true, adam_m = true, adam_v = true}
each(function(key)
  local name = key:gsub("/%.ATTRIBUTES/VARIABLE_VALUE$", "")
  if name == "global_step" or slots[name:match "[^/]*$"] then return false end
  return (name:gsub("/", "."))
end)
rules [[
  **.kernel            -> **.weight |> tf_kernel
  **.weights           -> **.weight |> tf_kernel
  **.depthwise_kernel  -> **.weight |> tf_depthwise
  **.depthwise_weights -> **.weight |> tf_depthwise
  **.gamma           -> **.weight
  **.beta            -> **.bias
  **.biases          -> **.bias
  **.moving_mean     -> **.running_mean
  **.moving_variance -> **.running_var
]]
