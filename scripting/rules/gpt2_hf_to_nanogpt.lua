-- gpt2_hf_to_nanogpt: GPT-2 of any size from Hugging Face to nanoGPT: Conv1D becomes Linear
--
-- The names are equal, every matrix of a layer is transposed; the mask buffers are dropped. Files
-- whose keys lack "transformer." get it, and lm_head, which is wte, is written where the target has
-- it and the file does not.
-- Source: nanoGPT model.py from_pretrained, transformers pytorch_utils.py Conv1D
--
-- @reverse
-- @case
--   transformer.wte.weight 12,8
--   transformer.wpe.weight 6,8
--   transformer.h.{0-1}.ln_{1,2}.{weight,bias} 8
--   transformer.h.{0-1}.attn.c_attn.weight 8,24
--   transformer.h.{0-1}.attn.c_attn.bias 24
--   transformer.h.{0-1}.attn.c_proj.weight 8,8
--   transformer.h.{0-1}.attn.bias 1,1,6,6
--   transformer.h.{0-1}.attn.masked_bias
--   transformer.h.{0-1}.mlp.c_fc.weight 8,32
--   transformer.h.{0-1}.mlp.c_proj.weight 32,8
--   transformer.ln_f.weight 8
--   lm_head.weight 12,8
-- @gives
--   transformer.wte.weight 12,8
--   transformer.wpe.weight 6,8
--   transformer.h.{0-1}.ln_{1,2}.{weight,bias} 8
--   transformer.h.{0-1}.attn.c_attn.weight 24,8
--   transformer.h.{0-1}.attn.c_attn.bias 24
--   transformer.h.{0-1}.attn.c_proj.weight 8,8
--   transformer.h.{0-1}.mlp.c_fc.weight 32,8
--   transformer.h.{0-1}.mlp.c_proj.weight 8,32
--   transformer.ln_f.weight 8
--   lm_head.weight 12,8
-- @same transformer.h.1.attn.c_proj.weight[2,5] = transformer.h.1.attn.c_proj.weight[5,2]
--
-- @case
--   wte.weight 12,8
--   h.0.attn.c_attn.weight 8,24
-- @gives
--   transformer.wte.weight 12,8 <- wte.weight
--   transformer.h.0.attn.c_attn.weight 24,8 <- h.0.attn.c_attn.weight
--   lm_head.weight 12,8 <- wte.weight
-- @oneway

local o = ... or {}
if not o.reverse then
  if src["wte.weight"] then prefix "transformer." end
  rules [[
    transformer.h.{i}.attn.bias ->
    transformer.h.{i}.attn.masked_bias ->
  ]]
  if target and target["lm_head.weight"] and not src["lm_head.weight"] then
    rules [[ &transformer.wte.weight -> lm_head.weight ]]
  end
end
rules [[
  transformer.h.{i}.{m:attn|mlp}.{c:c_attn|c_fc|c_proj}.weight -> transformer.h.{i}.{m}.{c}.weight |> T
]]
