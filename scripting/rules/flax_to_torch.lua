-- flax_to_torch: Flax (linen) names and orders of axes to PyTorch's
--
-- kernel, scale and embedding become weight; kernels of Dense and Conv are turned; mean and var of
-- batch_stats become the running ones. What has another order of its own (the three axes of
-- DenseGeneral in attention) keeps it, with PyTorch's name.
-- Source: transformers modeling_flax_pytorch_utils.py, flax linen/linear.py
--
-- @case
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
-- The same out of a file that does not tell the order:
-- @case
--   Dense_0.kernel 4,8
--   Conv_0.kernel 3,5,4,8
-- @gives
--   Dense_0.weight 8,4 <- Dense_0.kernel
--   Conv_0.weight 8,4,3,5 <- Conv_0.kernel
-- @same Conv_0.weight[7,2,1,4] = Conv_0.kernel[1,4,2,7]

function flax_kernel(t)
  if #t.shape == 2 then return t:T() end
  if #t.shape == 4 then return t:permute(3, 2, 0, 1) end
  return t:to_torch()
end

rules [[
  batch_stats.**.mean -> **.running_mean
  batch_stats.**.var  -> **.running_var
  params.**           -> **
]]
rules [[
  **.kernel    -> **.weight |> flax_kernel
  **.scale     -> **.weight
  **.embedding -> **.weight
]]
