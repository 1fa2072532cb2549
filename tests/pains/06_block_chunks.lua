-- 06_block_chunks: a DINOv2 target whose blocks stand in chunks of two (facebookresearch/dinov2#235)
--
-- Missing: blocks.0.0.norm1.weight … Unexpected: blocks.1.norm1.weight … The index is divided.
--
-- @case
--   teacher.backbone.blocks.{0-3}.norm1.weight 4
--   teacher.backbone.cls_token 1,1,4
-- @gives
--   blocks.0.{0-1}.norm1.weight 4 <- teacher.backbone.blocks.{0-1}.norm1.weight
--   blocks.1.{2-3}.norm1.weight 4 <- teacher.backbone.blocks.{2-3}.norm1.weight
--   cls_token 1,1,4 <- teacher.backbone.cls_token

keep "teacher.backbone"
rules [[ blocks.{i}.** -> blocks.{i//2}.{i}.** ]]
