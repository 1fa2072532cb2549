-- 20_swapped_segments: the language model and its wrapper change places (mlx-lm#1525, InvokeAI#9333)
--
-- First match wins, which is what the negative look-ahead of other tools is for.
--
-- @case
--   visual.blocks.0.norm1.weight 4
--   model.layers.0.mlp.up_proj.weight 4,4
--   model.language_model.norm.weight 4
--   model.layers.0.mlp.up_proj.scaled_fp8
--   lm_head.weight 8,4
-- @gives
--   model.visual.blocks.0.norm1.weight 4 <- visual.blocks.0.norm1.weight
--   model.language_model.layers.0.mlp.up_proj.weight 4,4 <- model.layers.0.mlp.up_proj.weight
--   model.language_model.norm.weight 4
--   lm_head.weight 8,4

rules [[
  **.scaled_fp8 ->
  visual.** -> model.visual.**
  model.language_model.** -> model.language_model.** ; model.visual.** -> model.visual.**
  model.** -> model.language_model.**
]]
