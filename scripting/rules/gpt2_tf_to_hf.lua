-- gpt2_tf_to_hf: GPT-2 of any size from OpenAI's TensorFlow names to Hugging Face's GPT2Model
--
-- The kernels lose their first axis of size 1; Conv1D keeps its order. prefix= "transformer." for
-- GPT2LMHeadModel, which is taken by itself where the target's keys have it; lm_head is wte.
-- Source: transformers models/gpt2/modeling_gpt2.py load_tf_weights_in_gpt2
--
-- @reverse
-- @case
--   model/wte 12,8
--   model/wpe 6,8
--   model/h{0-11}/ln_{1,2}/{g,b} 8
--   model/h{0-11}/attn/c_attn/w 1,8,24
--   model/h{0-11}/attn/c_attn/b 24
--   model/h{0-11}/attn/c_proj/w 1,8,8
--   model/h{0-11}/mlp/c_fc/w 1,8,32
--   model/h{0-11}/mlp/c_proj/w 1,32,8
--   model/ln_f/{g,b} 8
-- @gives
--   wte.weight 12,8 <- model/wte
--   wpe.weight 6,8 <- model/wpe
--   h.{0-11}.ln_{1,2}.{weight,bias} 8 <- model/h{0-11}/ln_{1,2}/{g,b}
--   h.{0-11}.attn.c_attn.weight 8,24 <- model/h{0-11}/attn/c_attn/w
--   h.{0-11}.attn.c_attn.bias 24 <- model/h{0-11}/attn/c_attn/b
--   h.{0-11}.attn.c_proj.weight 8,8 <- model/h{0-11}/attn/c_proj/w
--   h.{0-11}.mlp.c_fc.weight 8,32 <- model/h{0-11}/mlp/c_fc/w
--   h.{0-11}.mlp.c_proj.weight 32,8 <- model/h{0-11}/mlp/c_proj/w
--   ln_f.{weight,bias} 8 <- model/ln_f/{g,b}
--
-- @case
--   model/wte 12,8
-- @gives
--   transformer.wte.weight 12,8 <- model/wte
--   lm_head.weight 12,8 <- model/wte
-- @oneway

local o = ... or {}
if o.reverse then
  if src["transformer.wte.weight"] then rules [[ transformer.** -> ** ]] end
  rules [[
    lm_head.weight -> ; h.{i}.attn.bias -> ; h.{i}.attn.masked_bias ->
    {x:wte|wpe}.weight -> model/{x}
    ln_f.{p:weight|bias} -> model/ln_f/{p == "weight" and "g" or "b"}
    h.{i}.{n:ln_1|ln_2}.{p:weight|bias} -> model/h{i}/{n}/{p == "weight" and "g" or "b"}
    h.{i}.{m:attn|mlp}.{c:*}.weight -> model/h{i}/{m}/{c}/w |> unsqueeze(0)
    h.{i}.{m:attn|mlp}.{c:*}.bias   -> model/h{i}/{m}/{c}/b
  ]]
else
  if target and target["lm_head.weight"] then rules [[ &model/wte -> lm_head.weight ]] end
  gpt2_prefix = o.prefix or target and target["transformer.wte.weight"] and "transformer." or ""
  rules [[
    model/{x:wte|wpe}   -> {gpt2_prefix}{x}.weight
    model/ln_f/{p:g|b}  -> {gpt2_prefix}ln_f.{p == "g" and "weight" or "bias"}
    model/h{i}/{n:ln_1|ln_2}/{p:g|b} -> {gpt2_prefix}h.{i}.{n}.{p == "g" and "weight" or "bias"}
    model/h{i}/{m:attn|mlp}/{c:*}/w  -> {gpt2_prefix}h.{i}.{m}.{c}.weight |> squeeze(0)
    model/h{i}/{m:attn|mlp}/{c:*}/b  -> {gpt2_prefix}h.{i}.{m}.{c}.bias
  ]]
end
