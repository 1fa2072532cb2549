-- 24_conv1d: GPT-2's Conv1D into Linear (karpathy/nanoGPT model.py)
--
-- attn.c_proj.weight is square: its shape cannot tell, the convention does.
--
-- @case
--   h.0.attn.c_attn.weight 2,6
--   h.0.attn.c_proj.weight 2,2
--   h.0.mlp.c_fc.weight 2,8
--   h.0.mlp.c_proj.weight 8,2
--   h.0.mlp.c_proj.bias 2
--   h.0.attn.bias 1,1,4,4
--   h.0.attn.masked_bias
-- @gives
--   h.0.attn.c_attn.weight 6,2
--   h.0.attn.c_proj.weight 2,2
--   h.0.mlp.c_fc.weight 8,2
--   h.0.mlp.c_proj.weight 2,8
--   h.0.mlp.c_proj.bias 2
-- @same h.0.attn.c_proj.weight[0,1] = h.0.attn.c_proj.weight[1,0]

rules [[
  h.{i}.attn.bias -> ; h.{i}.attn.masked_bias ->
  h.{i}.attn.{c:c_attn|c_proj}.weight -> h.{i}.attn.{c}.weight |> T
  h.{i}.mlp.{c:c_fc|c_proj}.weight -> h.{i}.mlp.{c}.weight |> T
]]
