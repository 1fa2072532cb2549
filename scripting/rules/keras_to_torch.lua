-- keras_to_torch: Keras names and orders of axes to PyTorch's: one module a layer
--
-- kernel, gamma and embeddings become weight, beta bias, moving_mean and moving_variance the
-- running ones; kernels are turned by the layout that the file tells, or, where it tells none, as
-- matrices and convolutions are. The name that .h5 files say twice is said once. In reverse the names
-- get layers/ in front, one for each layer inside another; embedding={"module"} and
-- depthwise={module=multiplier} name what shapes cannot tell.
-- Source: keras layers/core/dense.py, layers/convolutional, layers/normalization
--
-- @reverse
-- @case embedding={"embedding"}, depthwise={depthwise_conv2d=2}
--   layers/conv2d/kernel 3,5,4,8
--   layers/conv2d/bias 8
--   layers/sequential/layers/dense/kernel 4,8
--   layers/sequential/layers/dense/bias 8
--   layers/batch_normalization/{gamma,beta,moving_mean,moving_variance} 8
--   layers/depthwise_conv2d/kernel f32 HWIM 3,5,4,2
--   layers/embedding/embeddings 12,8
-- @gives
--   conv2d.weight 8,4,3,5 <- layers/conv2d/kernel
--   conv2d.bias 8 <- layers/conv2d/bias
--   sequential.dense.weight 8,4 <- layers/sequential/layers/dense/kernel
--   sequential.dense.bias 8 <- layers/sequential/layers/dense/bias
--   batch_normalization.{weight,bias,running_mean,running_var} 8 <- layers/batch_normalization/{gamma,beta,moving_mean,moving_variance}
--   depthwise_conv2d.weight 8,1,3,5 <- layers/depthwise_conv2d/kernel
--   embedding.weight 12,8 <- layers/embedding/embeddings
--
-- @case
--   layers/conv2d/kernel f32 HWIO 3,5,4,8
--   layers/conv2d/bias 8
--   layers/sequential/layers/dense/kernel f32 IO 4,8
--   layers/batch_normalization/{gamma,beta,moving_mean,moving_variance} 8
--   layers/depthwise_conv2d/kernel f32 HWIM 3,5,4,2
--   layers/conv2d_transpose/kernel f32 HWOI 2,3,8,4
--   layers/embedding/embeddings 12,8
-- @gives
--   conv2d.weight 8,4,3,5 <- layers/conv2d/kernel
--   conv2d.bias 8 <- layers/conv2d/bias
--   sequential.dense.weight 8,4 <- layers/sequential/layers/dense/kernel
--   batch_normalization.{weight,bias,running_mean,running_var} 8 <- layers/batch_normalization/{gamma,beta,moving_mean,moving_variance}
--   depthwise_conv2d.weight 8,1,3,5 <- layers/depthwise_conv2d/kernel
--   conv2d_transpose.weight 4,8,2,3 <- layers/conv2d_transpose/kernel
--   embedding.weight 12,8 <- layers/embedding/embeddings
-- @same conv2d.weight[7,2,1,4] = layers/conv2d/kernel[1,4,2,7]
-- @same sequential.dense.weight[5,3] = layers/sequential/layers/dense/kernel[3,5]
-- @same depthwise_conv2d.weight[5,0,1,4] = layers/depthwise_conv2d/kernel[1,4,2,1]
-- @same conv2d_transpose.weight[3,7,1,2] = layers/conv2d_transpose/kernel[1,2,7,3]
-- @oneway
--
-- @case
--   conv1/conv1/kernel:0 2,2,3,8
--   dense/dense/bias:0 8
-- @gives
--   conv1.weight 8,3,2,2 <- conv1/conv1/kernel:0
--   dense.bias 8 <- dense/dense/bias:0
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
  return go_back { path = function(module) return "layers/" .. module:gsub("%.", "/layers/") end,
                   embedding = "/embeddings", depthwise = "/kernel" }
end

-- What the file tells, when it tells a depthwise kernel; else by the number of axes, where all
-- layouts agree.
function keras_kernel(t)
  local n, told = #t.shape, t:to_torch()
  if n == 2 then return t:T() end
  if n == 3 then return t:permute(2, 1, 0) end
  if n == 5 then return t:permute(4, 3, 0, 1, 2) end
  if n ~= 4 then return t end
  local depthwise = told:size(1) == 1 and told:size(0) == t:size(2) * t:size(3) and
                    told:size(2) == t:size(0) and told:size(3) == t:size(1)
  return depthwise and told or t:permute(3, 2, 0, 1)
end

each(function(key)
  local name = key:gsub(":0$", ""):gsub("^layers/", ""):gsub("/layers/", "/")
  local first, rest = name:match "^([^/]+)/(.*)$"
  if first and rest:sub(1, #first + 1) == first .. "/" then name = rest end
  return (name:gsub("/", "."))
end)
rules [[
  **.kernel           -> **.weight |> keras_kernel
  **.depthwise_kernel -> **.weight |> keras_kernel
  **.gamma            -> **.weight
  **.beta             -> **.bias
  **.embeddings       -> **.weight
  **.moving_mean      -> **.running_mean
  **.moving_variance  -> **.running_var
]]
