-- swin_fb_to_timm: Swin Transformer from the original repository to timm (0.9 and later)
--
-- Patch merging moves to the start of the next stage, head becomes head.fc; index tables and masks,
-- which timm computes, are dropped.
-- Source: timm models/swin_transformer.py checkpoint_filter_fn
--
-- @reverse
-- @case
--   patch_embed.proj.weight 8,3,4,4
--   patch_embed.norm.weight 8
--   layers.{0-3}.blocks.{0-1}.norm1.weight 8
--   layers.{0-3}.blocks.{0-1}.attn.relative_position_bias_table 9,2
--   layers.{0-3}.blocks.{0-1}.attn.relative_position_index i64 4,4
--   layers.{0-2}.blocks.1.attn_mask 4,4,4
--   layers.{0-2}.downsample.reduction.weight 16,32
--   layers.{0-2}.downsample.norm.weight 32
--   norm.weight 8
--   head.weight 10,8
--   head.bias 10
-- @gives
--   patch_embed.proj.weight 8,3,4,4
--   patch_embed.norm.weight 8
--   layers.{0-3}.blocks.{0-1}.norm1.weight 8
--   layers.{0-3}.blocks.{0-1}.attn.relative_position_bias_table 9,2
--   layers.{1-3}.downsample.reduction.weight 16,32 <- layers.{0-2}.downsample.reduction.weight
--   layers.{1-3}.downsample.norm.weight 32 <- layers.{0-2}.downsample.norm.weight
--   norm.weight 8
--   head.fc.weight 10,8 <- head.weight
--   head.fc.bias 10 <- head.bias

local o = ... or {}
if o.reverse then
  rules [[
    layers.{i}.downsample.** -> layers.{i-1}.downsample.**
    head.fc.* -> head.*
  ]]
else
  rules [[
    **.attn.relative_position_index ->
    **.attn_mask ->
    layers.{i}.downsample.** -> layers.{i+1}.downsample.**
    head.* -> head.fc.*
  ]]
end
