-- t5_tf_to_hf: T5 (also 1.1 and mT5, with gated wi) from Mesh TensorFlow's names to Hugging Face's
--
-- Every matrix but the embedding is transposed; optimizer slots are dropped. The embedding goes into
-- encoder.embed_tokens, decoder.embed_tokens and lm_head as well, where the target has them.
-- Source: transformers models/t5/modeling_t5.py load_tf_weights_in_t5
--
-- @reverse
-- @case
--   shared/embedding 12,8
--   shared/embedding_slot_vc 12
--   encoder/block_{000,001}/layer_000/SelfAttention/{q,k,v,o} 8,8
--   encoder/block_000/layer_000/SelfAttention/relative_attention_bias 2,32
--   encoder/block_{000,001}/layer_{000,001}/layer_norm/scale 8
--   encoder/block_{000,001}/layer_001/DenseReluDense/wi/kernel 8,32
--   encoder/block_{000,001}/layer_001/DenseReluDense/wo/kernel 32,8
--   encoder/final_layer_norm/scale 8
--   decoder/block_010/layer_000/SelfAttention/q 8,8
--   decoder/block_010/layer_001/EncDecAttention/{q,k,v,o} 8,8
--   decoder/block_010/layer_002/DenseReluDense/wi_{0,1}/kernel 8,32
--   decoder/final_layer_norm/scale 8
--   decoder/logits/kernel 8,12
--   global_step i64
-- @gives
--   shared.weight 12,8 <- shared/embedding
--   encoder.embed_tokens.weight 12,8 <- shared/embedding
--   encoder.block.{0-1}.layer.0.SelfAttention.{q,k,v,o}.weight 8,8 <- encoder/block_{000,001}/layer_000/SelfAttention/{q,k,v,o}
--   encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight 32,2 <- encoder/block_000/layer_000/SelfAttention/relative_attention_bias
--   encoder.block.{0-1}.layer.{0-1}.layer_norm.weight 8 <- encoder/block_{000,001}/layer_{000,001}/layer_norm/scale
--   encoder.block.{0-1}.layer.1.DenseReluDense.wi.weight 32,8 <- encoder/block_{000,001}/layer_001/DenseReluDense/wi/kernel
--   encoder.block.{0-1}.layer.1.DenseReluDense.wo.weight 8,32 <- encoder/block_{000,001}/layer_001/DenseReluDense/wo/kernel
--   encoder.final_layer_norm.weight 8 <- encoder/final_layer_norm/scale
--   decoder.block.10.layer.0.SelfAttention.q.weight 8,8 <- decoder/block_010/layer_000/SelfAttention/q
--   decoder.block.10.layer.1.EncDecAttention.{q,k,v,o}.weight 8,8 <- decoder/block_010/layer_001/EncDecAttention/{q,k,v,o}
--   decoder.block.10.layer.2.DenseReluDense.wi_{0-1}.weight 32,8 <- decoder/block_010/layer_002/DenseReluDense/wi_{0,1}/kernel
--   decoder.final_layer_norm.weight 8 <- decoder/final_layer_norm/scale
--   lm_head.weight 12,8 <- decoder/logits/kernel
-- @same encoder.block.1.layer.0.SelfAttention.k.weight[1,5] = encoder/block_001/layer_000/SelfAttention/k[5,1]

local o = ... or {}
function t5_number(n)
  return ("%03d"):format(n)
end

if o.reverse then
  rules [[
    encoder.embed_tokens.weight -> ; decoder.embed_tokens.weight ->
    shared.weight  -> shared/embedding
    lm_head.weight -> decoder/logits/kernel |> T
    {s:encoder|decoder}.final_layer_norm.weight -> {s}/final_layer_norm/scale
    {s:encoder|decoder}.block.{b}.layer.{l}.layer_norm.weight -> {s}/block_{t5_number(b)}/layer_{t5_number(l)}/layer_norm/scale
    {s:encoder|decoder}.block.{b}.layer.{l}.DenseReluDense.{x:*}.weight -> {s}/block_{t5_number(b)}/layer_{t5_number(l)}/DenseReluDense/{x}/kernel |> T
    {s:encoder|decoder}.block.{b}.layer.{l}.{a:SelfAttention|EncDecAttention}.{x:*}.weight -> {s}/block_{t5_number(b)}/layer_{t5_number(l)}/{a}/{x} |> T
  ]]
else
  if target then
    for _, name in ipairs { "encoder.embed_tokens", "decoder.embed_tokens", "lm_head" } do
      local own = name == "lm_head" and src["decoder/logits/kernel"]
      if target[name .. ".weight"] and not own then rule("&shared/embedding", name .. ".weight") end
    end
  end
  rules [[
    **_slot_{x:*} -> ; global_step ->
    shared/embedding      -> shared.weight
    decoder/logits/kernel -> lm_head.weight |> T
    {s:encoder|decoder}/final_layer_norm/scale -> {s}.final_layer_norm.weight
    {s:encoder|decoder}/block_{b:*}/layer_{l:*}/layer_norm/scale -> {s}.block.{tonumber(b)}.layer.{tonumber(l)}.layer_norm.weight
    {s:encoder|decoder}/block_{b:*}/layer_{l:*}/DenseReluDense/{x:*}/kernel -> {s}.block.{tonumber(b)}.layer.{tonumber(l)}.DenseReluDense.{x}.weight |> T
    {s:encoder|decoder}/block_{b:*}/layer_{l:*}/{a:SelfAttention|EncDecAttention}/{x:*} -> {s}.block.{tonumber(b)}.layer.{tonumber(l)}.{a}.{x}.weight |> T
  ]]
end
