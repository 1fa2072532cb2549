-- swin_tv_to_timm: Swin Transformer from torchvision to timm (0.9 and later)
--
-- features.{odd} are the stages, features.{even} the patch merging, which timm has at the start of
-- the next stage; index tables, which timm computes, are dropped.
-- Source: torchvision models/swin_transformer.py, timm models/swin_transformer.py
--
-- @reverse
-- @case
--   features.0.0.weight 8,3,4,4
--   features.0.2.weight 8
--   features.{1,3,5,7}.{0-1}.norm{1-2}.weight 8
--   features.{1,3,5,7}.{0-1}.attn.relative_position_bias_table 9,2
--   features.{1,3,5,7}.{0-1}.attn.relative_position_index i64 16
--   features.{1,3,5,7}.{0-1}.attn.qkv.weight 24,8
--   features.{1,3,5,7}.{0-1}.mlp.0.weight 32,8
--   features.{1,3,5,7}.{0-1}.mlp.3.weight 8,32
--   features.{2,4,6}.reduction.weight 16,32
--   features.{2,4,6}.norm.weight 32
--   norm.weight 8
--   head.weight 10,8
-- @gives
--   patch_embed.proj.weight 8,3,4,4 <- features.0.0.weight
--   patch_embed.norm.weight 8 <- features.0.2.weight
--   layers.{0-3}.blocks.{0-1}.norm{1-2}.weight 8 <- features.{1,3,5,7}.{0-1}.norm{1-2}.weight
--   layers.{0-3}.blocks.{0-1}.attn.relative_position_bias_table 9,2 <- features.{1,3,5,7}.{0-1}.attn.relative_position_bias_table
--   layers.{0-3}.blocks.{0-1}.attn.qkv.weight 24,8 <- features.{1,3,5,7}.{0-1}.attn.qkv.weight
--   layers.{0-3}.blocks.{0-1}.mlp.fc1.weight 32,8 <- features.{1,3,5,7}.{0-1}.mlp.0.weight
--   layers.{0-3}.blocks.{0-1}.mlp.fc2.weight 8,32 <- features.{1,3,5,7}.{0-1}.mlp.3.weight
--   layers.{1-3}.downsample.reduction.weight 16,32 <- features.{2,4,6}.reduction.weight
--   layers.{1-3}.downsample.norm.weight 32 <- features.{2,4,6}.norm.weight
--   norm.weight 8
--   head.fc.weight 10,8 <- head.weight

local o = ... or {}
if o.reverse then
  rules [[
    patch_embed.proj.* -> features.0.0.*
    patch_embed.norm.* -> features.0.2.*
    layers.{s}.blocks.{j}.mlp.fc{n}.* -> features.{2*s+1}.{j}.mlp.{3*n-3}.*
    layers.{s}.blocks.{j}.**          -> features.{2*s+1}.{j}.**
    layers.{s}.downsample.**          -> features.{2*s}.**
    head.fc.* -> head.*
  ]]
else
  rules [[
    **.attn.relative_position_index ->
    features.0.0.* -> patch_embed.proj.*
    features.0.2.* -> patch_embed.norm.*
    features.{i}.{j}.mlp.{n:0|3}.* -> layers.{i//2}.blocks.{j}.mlp.fc{n//3+1}.*
    features.{i}.{j}.**            -> layers.{i//2}.blocks.{j}.**
    features.{i}.{p:reduction|norm}.* -> layers.{i//2}.downsample.{p}.*
    head.* -> head.fc.*
  ]]
end
