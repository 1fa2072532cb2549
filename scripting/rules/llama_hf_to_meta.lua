-- llama_hf_to_meta: Llama 1, 2, 3 from Hugging Face's names to Meta's consolidated.00.pth
--
-- The rows of q and k turn from halves (Hugging Face) to interleaved pairs (Meta), for which the
-- number of heads has to be known: heads= (or head_dim=, or a global heads), else config.json or
-- params.json beside the source, if it is of this width, else the size of the rotary frequencies in
-- the file. kv_heads follows from k's rows.
-- Source: transformers convert_llama_weights_to_hf.py
--
-- @reverse
-- @case heads=4
--   model.embed_tokens.weight 16,32
--   model.layers.{0-1}.self_attn.{q,o}_proj.weight 32,32
--   model.layers.{0-1}.self_attn.{k,v}_proj.weight 16,32
--   model.layers.{0-1}.self_attn.rotary_emb.inv_freq 4
--   model.layers.{0-1}.mlp.{gate,up}_proj.weight 48,32
--   model.layers.{0-1}.mlp.down_proj.weight 32,48
--   model.layers.{0-1}.{input,post_attention}_layernorm.weight 32
--   model.norm.weight 32
--   lm_head.weight 16,32
-- @gives
--   tok_embeddings.weight 16,32 <- model.embed_tokens.weight
--   norm.weight 32 <- model.norm.weight
--   output.weight 16,32 <- lm_head.weight
--   layers.{0-1}.attention.w{q,o}.weight 32,32 <- model.layers.{0-1}.self_attn.{q,o}_proj.weight
--   layers.{0-1}.attention.w{k,v}.weight 16,32 <- model.layers.{0-1}.self_attn.{k,v}_proj.weight
--   layers.{0-1}.feed_forward.w1.weight 48,32 <- model.layers.{0-1}.mlp.gate_proj.weight
--   layers.{0-1}.feed_forward.w2.weight 32,48 <- model.layers.{0-1}.mlp.down_proj.weight
--   layers.{0-1}.feed_forward.w3.weight 48,32 <- model.layers.{0-1}.mlp.up_proj.weight
--   layers.{0-1}.attention_norm.weight 32 <- model.layers.{0-1}.input_layernorm.weight
--   layers.{0-1}.ffn_norm.weight 32 <- model.layers.{0-1}.post_attention_layernorm.weight
-- @same layers.1.attention.wq.weight[1,0] = model.layers.1.self_attn.q_proj.weight[4,0]
-- @same layers.1.attention.wq.weight[10,7] = model.layers.1.self_attn.q_proj.weight[9,7]
-- @same layers.0.attention.wk.weight[9,3] = model.layers.0.self_attn.k_proj.weight[12,3]
-- @same layers.0.attention.wv.weight[1,0] = model.layers.0.self_attn.v_proj.weight[1,0]
--
-- The head count from the file's own rotary frequencies:
-- @case
--   model.layers.0.self_attn.{q,k}_proj.weight 8,8
--   model.layers.0.self_attn.rotary_emb.inv_freq 2
-- @gives
--   layers.0.attention.w{q,k}.weight 8,8 <- model.layers.0.self_attn.{q,k}_proj.weight
-- @same layers.0.attention.wq.weight[1,0] = model.layers.0.self_attn.q_proj.weight[2,0]
-- @oneway

local o = ... or {}
local back = o.reverse

-- The heads out of the configuration beside the source; nil without one, or with another model's.
local function configured(width)
  for _, file in ipairs { "config.json", "params.json" } do
    local found, c = pcall(json, file)
    if found and type(c) == "table" and (c.hidden_size or c.dim) == width then
      return c.num_attention_heads or c.n_heads
    end
  end
end

local function rows(name)
  local t = src[name]
  return t and t.shape[1], t and t.shape[2]
end

local q, width = rows(back and "layers.0.attention.wq.weight" or "model.layers.0.self_attn.q_proj.weight")
local k = rows(back and "layers.0.attention.wk.weight" or "model.layers.0.self_attn.k_proj.weight")
local half = rows(back and "rope.freqs" or "model.layers.0.self_attn.rotary_emb.inv_freq")
if q then
  llama_heads = o.heads or (o.head_dim and q // o.head_dim) or heads or configured(width)
                or (half and q // (2 * half))
  if not llama_heads then
    error("the number of heads is not in the file: give heads=, or put config.json beside it", 0)
  end
  llama_kv_heads = o.kv_heads or k and k // (q // llama_heads)
end

if back then
  rules [[
    rope.freqs ->
    tok_embeddings.weight -> model.embed_tokens.weight
    norm.weight           -> model.norm.weight
    output.weight         -> lm_head.weight
    layers.{i}.attention.wq.weight       -> model.layers.{i}.self_attn.q_proj.weight |> rope_halves(llama_heads)
    layers.{i}.attention.wk.weight       -> model.layers.{i}.self_attn.k_proj.weight |> rope_halves(llama_kv_heads)
    layers.{i}.attention.w{p:v|o}.weight -> model.layers.{i}.self_attn.{p}_proj.weight
    layers.{i}.feed_forward.w1.weight    -> model.layers.{i}.mlp.gate_proj.weight
    layers.{i}.feed_forward.w2.weight    -> model.layers.{i}.mlp.down_proj.weight
    layers.{i}.feed_forward.w3.weight    -> model.layers.{i}.mlp.up_proj.weight
    layers.{i}.attention_norm.weight     -> model.layers.{i}.input_layernorm.weight
    layers.{i}.ffn_norm.weight           -> model.layers.{i}.post_attention_layernorm.weight
  ]]
else
  rules [[
    **.rotary_emb.inv_freq ->
    model.embed_tokens.weight -> tok_embeddings.weight
    model.norm.weight         -> norm.weight
    lm_head.weight            -> output.weight
    model.layers.{i}.self_attn.q_proj.weight       -> layers.{i}.attention.wq.weight |> rope_pairs(llama_heads)
    model.layers.{i}.self_attn.k_proj.weight       -> layers.{i}.attention.wk.weight |> rope_pairs(llama_kv_heads)
    model.layers.{i}.self_attn.{p:v|o}_proj.weight -> layers.{i}.attention.w{p}.weight
    model.layers.{i}.mlp.gate_proj.weight          -> layers.{i}.feed_forward.w1.weight
    model.layers.{i}.mlp.down_proj.weight          -> layers.{i}.feed_forward.w2.weight
    model.layers.{i}.mlp.up_proj.weight            -> layers.{i}.feed_forward.w3.weight
    model.layers.{i}.input_layernorm.weight          -> layers.{i}.attention_norm.weight
    model.layers.{i}.post_attention_layernorm.weight -> layers.{i}.ffn_norm.weight
  ]]
end
