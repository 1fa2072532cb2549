-- swin_tv_to_fb: Swin Transformer (V1 and V2) from torchvision to the original repository
--
-- features.{odd} are the stages, features.{even} the patch merging after them. The index tables,
-- which torchvision keeps flat, become square; the masks, which it has not, are dropped in reverse.
-- Source: torchvision models/swin_transformer.py, microsoft/Swin-Transformer models/swin_transformer.py
--
-- @reverse
-- @case
--   features.0.0.weight 8,3,4,4
--   features.0.2.{weight,bias} 8
--   features.{1,3,5,7}.{0-1}.norm{1-2}.{weight,bias} 8
--   features.{1,3,5,7}.{0-1}.attn.relative_position_bias_table 9,2
--   features.{1,3,5,7}.{0-1}.attn.relative_position_index i64 16
--   features.{1,3,5,7}.{0-1}.attn.qkv.weight 24,8
--   features.{1,3,5,7}.{0-1}.attn.proj.weight 8,8
--   features.{1,3,5,7}.{0-1}.mlp.0.weight 32,8
--   features.{1,3,5,7}.{0-1}.mlp.3.weight 8,32
--   features.{2,4,6}.reduction.weight 16,32
--   features.{2,4,6}.norm.{weight,bias} 32
--   norm.{weight,bias} 8
--   head.weight 10,8
-- @gives
--   patch_embed.proj.weight 8,3,4,4 <- features.0.0.weight
--   patch_embed.norm.{weight,bias} 8 <- features.0.2.{weight,bias}
--   layers.{0-3}.blocks.{0-1}.norm{1-2}.{weight,bias} 8 <- features.{1,3,5,7}.{0-1}.norm{1-2}.{weight,bias}
--   layers.{0-3}.blocks.{0-1}.attn.relative_position_bias_table 9,2 <- features.{1,3,5,7}.{0-1}.attn.relative_position_bias_table
--   layers.{0-3}.blocks.{0-1}.attn.relative_position_index i64 4,4 <- features.{1,3,5,7}.{0-1}.attn.relative_position_index
--   layers.{0-3}.blocks.{0-1}.attn.qkv.weight 24,8 <- features.{1,3,5,7}.{0-1}.attn.qkv.weight
--   layers.{0-3}.blocks.{0-1}.attn.proj.weight 8,8 <- features.{1,3,5,7}.{0-1}.attn.proj.weight
--   layers.{0-3}.blocks.{0-1}.mlp.fc1.weight 32,8 <- features.{1,3,5,7}.{0-1}.mlp.0.weight
--   layers.{0-3}.blocks.{0-1}.mlp.fc2.weight 8,32 <- features.{1,3,5,7}.{0-1}.mlp.3.weight
--   layers.{0-2}.downsample.reduction.weight 16,32 <- features.{2,4,6}.reduction.weight
--   layers.{0-2}.downsample.norm.{weight,bias} 32 <- features.{2,4,6}.norm.{weight,bias}
--   norm.{weight,bias} 8
--   head.weight 10,8

local o = ... or {}
function swin_square(t)
  local n = math.tointeger(math.sqrt(t:size(0)))
  return n and t:reshape(n, n) or t
end

if o.reverse then
  rules [[
    layers.{s}.blocks.{j}.attn_mask ->
    patch_embed.proj.* -> features.0.0.*
    patch_embed.norm.* -> features.0.2.*
    layers.{s}.blocks.{j}.attn.relative_position_index -> features.{2*s+1}.{j}.attn.relative_position_index |> reshape(-1)
    layers.{s}.blocks.{j}.mlp.fc{n}.* -> features.{2*s+1}.{j}.mlp.{3*n-3}.*
    layers.{s}.blocks.{j}.**          -> features.{2*s+1}.{j}.**
    layers.{s}.downsample.**          -> features.{2*s+2}.**
  ]]
else
  rules [[
    features.0.0.* -> patch_embed.proj.*
    features.0.2.* -> patch_embed.norm.*
    features.{i}.{j}.attn.relative_position_index -> layers.{i//2}.blocks.{j}.attn.relative_position_index |> swin_square
    features.{i}.{j}.mlp.{n:0|3}.* -> layers.{i//2}.blocks.{j}.mlp.fc{n//3+1}.*
    features.{i}.{j}.**            -> layers.{i//2}.blocks.{j}.**
    features.{i}.{p:reduction|norm}.* -> layers.{i//2-1}.downsample.{p}.*
  ]]
end
