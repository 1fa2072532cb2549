-- whisper_openai_to_hf: Whisper of any size from OpenAI to WhisperForConditionalGeneration
--
-- proj_out, which is the token embedding, is written where the target has it.
-- Source: transformers models/whisper/convert_openai_to_hf.py
--
-- @reverse
-- @case
--   encoder.conv{1-2}.weight 8,4,3
--   encoder.positional_embedding 6,8
--   encoder.blocks.{0-1}.attn.{query,key,value,out}.weight 8,8
--   encoder.blocks.{0-1}.attn.{query,value,out}.bias 8
--   encoder.blocks.{0-1}.attn_ln.{weight,bias} 8
--   encoder.blocks.{0-1}.mlp.0.weight 32,8
--   encoder.blocks.{0-1}.mlp.2.weight 8,32
--   encoder.blocks.{0-1}.mlp_ln.{weight,bias} 8
--   encoder.ln_post.{weight,bias} 8
--   decoder.token_embedding.weight 12,8
--   decoder.positional_embedding 6,8
--   decoder.blocks.{0-1}.{attn,cross_attn}.{query,key,value,out}.weight 8,8
--   decoder.blocks.{0-1}.{attn,cross_attn,mlp}_ln.{weight,bias} 8
--   decoder.blocks.{0-1}.mlp.0.weight 32,8
--   decoder.blocks.{0-1}.mlp.2.weight 8,32
--   decoder.ln.{weight,bias} 8
-- @gives
--   model.encoder.conv{1-2}.weight 8,4,3 <- encoder.conv{1-2}.weight
--   model.encoder.embed_positions.weight 6,8 <- encoder.positional_embedding
--   model.encoder.layers.{0-1}.self_attn.{q,k,v,out}_proj.weight 8,8 <- encoder.blocks.{0-1}.attn.{query,key,value,out}.weight
--   model.encoder.layers.{0-1}.self_attn.{q,v,out}_proj.bias 8 <- encoder.blocks.{0-1}.attn.{query,value,out}.bias
--   model.encoder.layers.{0-1}.self_attn_layer_norm.{weight,bias} 8 <- encoder.blocks.{0-1}.attn_ln.{weight,bias}
--   model.encoder.layers.{0-1}.fc1.weight 32,8 <- encoder.blocks.{0-1}.mlp.0.weight
--   model.encoder.layers.{0-1}.fc2.weight 8,32 <- encoder.blocks.{0-1}.mlp.2.weight
--   model.encoder.layers.{0-1}.final_layer_norm.{weight,bias} 8 <- encoder.blocks.{0-1}.mlp_ln.{weight,bias}
--   model.encoder.layer_norm.{weight,bias} 8 <- encoder.ln_post.{weight,bias}
--   model.decoder.embed_tokens.weight 12,8 <- decoder.token_embedding.weight
--   model.decoder.embed_positions.weight 6,8 <- decoder.positional_embedding
--   model.decoder.layers.{0-1}.{self_attn,encoder_attn}.{q,k,v,out}_proj.weight 8,8 <- decoder.blocks.{0-1}.{attn,cross_attn}.{query,key,value,out}.weight
--   model.decoder.layers.{0-1}.{self_attn,encoder_attn,final}_layer_norm.{weight,bias} 8 <- decoder.blocks.{0-1}.{attn,cross_attn,mlp}_ln.{weight,bias}
--   model.decoder.layers.{0-1}.fc1.weight 32,8 <- decoder.blocks.{0-1}.mlp.0.weight
--   model.decoder.layers.{0-1}.fc2.weight 8,32 <- decoder.blocks.{0-1}.mlp.2.weight
--   model.decoder.layer_norm.{weight,bias} 8 <- decoder.ln.{weight,bias}
--
-- @case
--   decoder.token_embedding.weight 12,8
-- @gives
--   model.decoder.embed_tokens.weight 12,8 <- decoder.token_embedding.weight
--   proj_out.weight 12,8 <- decoder.token_embedding.weight

local o = ... or {}
whisper_long = {q = "query", k = "key", v = "value", out = "out"}
whisper_short = {query = "q", key = "k", value = "v", out = "out"}
if o.reverse then
  rules [[
    proj_out.weight ->
    model.encoder.conv{n}.*              -> encoder.conv{n}.*
    model.{s:encoder|decoder}.embed_positions.weight -> {s}.positional_embedding
    model.decoder.embed_tokens.*         -> decoder.token_embedding.*
    model.encoder.layer_norm.*           -> encoder.ln_post.*
    model.decoder.layer_norm.*           -> decoder.ln.*
    model.{s:encoder|decoder}.layers.{i}.self_attn.{a:q|k|v|out}_proj.* -> {s}.blocks.{i}.attn.{whisper_long[a]}.*
    model.decoder.layers.{i}.encoder_attn.{a:q|k|v|out}_proj.* -> decoder.blocks.{i}.cross_attn.{whisper_long[a]}.*
    model.{s:encoder|decoder}.layers.{i}.self_attn_layer_norm.* -> {s}.blocks.{i}.attn_ln.*
    model.decoder.layers.{i}.encoder_attn_layer_norm.* -> decoder.blocks.{i}.cross_attn_ln.*
    model.{s:encoder|decoder}.layers.{i}.final_layer_norm.* -> {s}.blocks.{i}.mlp_ln.*
    model.{s:encoder|decoder}.layers.{i}.fc{n}.* -> {s}.blocks.{i}.mlp.{2*n-2}.*
  ]]
else
  if target and target["proj_out.weight"] then
    rules [[ &decoder.token_embedding.weight -> proj_out.weight ]]
  end
  rules [[
    encoder.conv{n}.*         -> model.encoder.conv{n}.*
    {s:encoder|decoder}.positional_embedding -> model.{s}.embed_positions.weight
    decoder.token_embedding.* -> model.decoder.embed_tokens.*
    encoder.ln_post.*         -> model.encoder.layer_norm.*
    decoder.ln.*              -> model.decoder.layer_norm.*
    {s:encoder|decoder}.blocks.{i}.attn.{a:query|key|value|out}.* -> model.{s}.layers.{i}.self_attn.{whisper_short[a]}_proj.*
    decoder.blocks.{i}.cross_attn.{a:query|key|value|out}.* -> model.decoder.layers.{i}.encoder_attn.{whisper_short[a]}_proj.*
    {s:encoder|decoder}.blocks.{i}.attn_ln.* -> model.{s}.layers.{i}.self_attn_layer_norm.*
    decoder.blocks.{i}.cross_attn_ln.*       -> model.decoder.layers.{i}.encoder_attn_layer_norm.*
    {s:encoder|decoder}.blocks.{i}.mlp_ln.*  -> model.{s}.layers.{i}.final_layer_norm.*
    {s:encoder|decoder}.blocks.{i}.mlp.{n:0|2}.* -> model.{s}.layers.{i}.fc{n//2+1}.*
  ]]
end
