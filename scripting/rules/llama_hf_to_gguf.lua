-- llama_hf_to_gguf: Llama and Mistral from Hugging Face's names to GGUF's
--
-- The rows of q and k turn from halves to interleaved pairs, as llama.cpp's permute does it. The
-- number of heads: heads= (or head_dim=, or a global heads), else config.json beside the source, if
-- it is of this width, else the rotary frequencies in the file. kv_heads follows from k's rows.
-- Source: llama.cpp convert_hf_to_gguf.py LlamaModel, gguf-py tensor_mapping.py
--
-- @reverse
-- @case heads=4
--   model.embed_tokens.weight 16,32
--   model.layers.{0-1}.self_attn.{q,o}_proj.weight 32,32
--   model.layers.{0-1}.self_attn.{k,v}_proj.weight 16,32
--   model.layers.{0-1}.mlp.{gate,up}_proj.weight 48,32
--   model.layers.{0-1}.mlp.down_proj.weight 32,48
--   model.layers.{0-1}.{input,post_attention}_layernorm.weight 32
--   model.norm.weight 32
--   lm_head.weight 16,32
-- @gives
--   token_embd.weight 16,32 <- model.embed_tokens.weight
--   output_norm.weight 32 <- model.norm.weight
--   output.weight 16,32 <- lm_head.weight
--   blk.{0-1}.attn_{q,output}.weight 32,32 <- model.layers.{0-1}.self_attn.{q,o}_proj.weight
--   blk.{0-1}.attn_{k,v}.weight 16,32 <- model.layers.{0-1}.self_attn.{k,v}_proj.weight
--   blk.{0-1}.ffn_{gate,up}.weight 48,32 <- model.layers.{0-1}.mlp.{gate,up}_proj.weight
--   blk.{0-1}.ffn_down.weight 32,48 <- model.layers.{0-1}.mlp.down_proj.weight
--   blk.{0-1}.attn_norm.weight 32 <- model.layers.{0-1}.input_layernorm.weight
--   blk.{0-1}.ffn_norm.weight 32 <- model.layers.{0-1}.post_attention_layernorm.weight
-- @same blk.1.attn_q.weight[1,0] = model.layers.1.self_attn.q_proj.weight[4,0]
-- @same blk.0.attn_k.weight[9,3] = model.layers.0.self_attn.k_proj.weight[12,3]

local o = ... or {}
local back = o.reverse

-- The heads out of the configuration beside the source; nil without one, or with another model's.
local function configured(width)
  local found, c = pcall(json, "config.json")
  return found and type(c) == "table" and c.hidden_size == width and c.num_attention_heads or nil
end

local function rows(name)
  local t = src[name]
  return t and t.shape[1], t and t.shape[2]
end

local q, width = rows(back and "blk.0.attn_q.weight" or "model.layers.0.self_attn.q_proj.weight")
local k = rows(back and "blk.0.attn_k.weight" or "model.layers.0.self_attn.k_proj.weight")
local half = rows "model.layers.0.self_attn.rotary_emb.inv_freq"
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
    rope_freqs.weight ->
    token_embd.weight  -> model.embed_tokens.weight
    output_norm.weight -> model.norm.weight
    output.weight      -> lm_head.weight
    blk.{i}.attn_q.weight      -> model.layers.{i}.self_attn.q_proj.weight |> rope_halves(llama_heads)
    blk.{i}.attn_k.weight      -> model.layers.{i}.self_attn.k_proj.weight |> rope_halves(llama_kv_heads)
    blk.{i}.attn_v.weight      -> model.layers.{i}.self_attn.v_proj.weight
    blk.{i}.attn_output.weight -> model.layers.{i}.self_attn.o_proj.weight
    blk.{i}.ffn_{p:gate|up|down}.weight -> model.layers.{i}.mlp.{p}_proj.weight
    blk.{i}.attn_norm.weight   -> model.layers.{i}.input_layernorm.weight
    blk.{i}.ffn_norm.weight    -> model.layers.{i}.post_attention_layernorm.weight
  ]]
else
  rules [[
    **.rotary_emb.inv_freq ->
    model.embed_tokens.weight -> token_embd.weight
    model.norm.weight         -> output_norm.weight
    lm_head.weight            -> output.weight
    model.layers.{i}.self_attn.q_proj.weight -> blk.{i}.attn_q.weight |> rope_pairs(llama_heads)
    model.layers.{i}.self_attn.k_proj.weight -> blk.{i}.attn_k.weight |> rope_pairs(llama_kv_heads)
    model.layers.{i}.self_attn.v_proj.weight -> blk.{i}.attn_v.weight
    model.layers.{i}.self_attn.o_proj.weight -> blk.{i}.attn_output.weight
    model.layers.{i}.mlp.{p:gate|up|down}_proj.weight -> blk.{i}.ffn_{p}.weight
    model.layers.{i}.input_layernorm.weight          -> blk.{i}.attn_norm.weight
    model.layers.{i}.post_attention_layernorm.weight -> blk.{i}.ffn_norm.weight
  ]]
end
