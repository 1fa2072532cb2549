-- vit_timm_to_hf: Vision Transformer from timm to Hugging Face's ViTForImageClassification
--
-- Splits qkv. prefix= is "vit." unless it is given, or the target's keys have none (a bare ViTModel).
-- Source: transformers models/vit/convert_vit_timm_to_pytorch.py
--
-- @reverse
-- @case
--   cls_token 1,1,8
--   pos_embed 1,5,8
--   patch_embed.proj.weight 8,3,4,4
--   patch_embed.proj.bias 8
--   blocks.{0-1}.norm1.{weight,bias} 8
--   blocks.{0-1}.norm2.{weight,bias} 8
--   blocks.{0-1}.attn.qkv.weight 24,8
--   blocks.{0-1}.attn.qkv.bias 24
--   blocks.{0-1}.attn.proj.weight 8,8
--   blocks.{0-1}.mlp.fc1.weight 32,8
--   blocks.{0-1}.mlp.fc2.weight 8,32
--   blocks.{0-1}.mlp.fc2.bias 8
--   norm.{weight,bias} 8
--   head.weight 10,8
-- @gives
--   vit.embeddings.cls_token 1,1,8 <- cls_token
--   vit.embeddings.position_embeddings 1,5,8 <- pos_embed
--   vit.embeddings.patch_embeddings.projection.weight 8,3,4,4 <- patch_embed.proj.weight
--   vit.embeddings.patch_embeddings.projection.bias 8 <- patch_embed.proj.bias
--   vit.encoder.layer.{0-1}.layernorm_before.{weight,bias} 8 <- blocks.{0-1}.norm1.{weight,bias}
--   vit.encoder.layer.{0-1}.layernorm_after.{weight,bias} 8 <- blocks.{0-1}.norm2.{weight,bias}
--   vit.encoder.layer.{0-1}.attention.attention.{query,key,value}.weight 8,8 <- blocks.{0-1}.attn.qkv.weight
--   vit.encoder.layer.{0-1}.attention.attention.{query,key,value}.bias 8 <- blocks.{0-1}.attn.qkv.bias
--   vit.encoder.layer.{0-1}.attention.output.dense.weight 8,8 <- blocks.{0-1}.attn.proj.weight
--   vit.encoder.layer.{0-1}.intermediate.dense.weight 32,8 <- blocks.{0-1}.mlp.fc1.weight
--   vit.encoder.layer.{0-1}.output.dense.weight 8,32 <- blocks.{0-1}.mlp.fc2.weight
--   vit.encoder.layer.{0-1}.output.dense.bias 8 <- blocks.{0-1}.mlp.fc2.bias
--   vit.layernorm.{weight,bias} 8 <- norm.{weight,bias}
--   classifier.weight 10,8 <- head.weight
-- @same vit.encoder.layer.1.attention.attention.key.weight[0,3] = blocks.1.attn.qkv.weight[8,3]
-- @same vit.encoder.layer.0.attention.attention.value.bias[2] = blocks.0.attn.qkv.bias[18]
--
-- @case prefix=""
--   cls_token 1,1,8
--   norm.weight 8
-- @gives
--   embeddings.cls_token 1,1,8 <- cls_token
--   layernorm.weight 8 <- norm.weight

local o = ... or {}
local keys = o.reverse and src or target
local bare = keys and keys["embeddings.cls_token"]
local place = o.prefix or (bare and "" or "vit.")

if o.reverse then
  if place ~= "" then rule(place .. "**", "**") end
  rules [[
    embeddings.cls_token           -> cls_token
    embeddings.position_embeddings -> pos_embed
    embeddings.patch_embeddings.projection.* -> patch_embed.proj.*
    encoder.layer.{i}.layernorm_before.* -> blocks.{i}.norm1.*
    encoder.layer.{i}.layernorm_after.*  -> blocks.{i}.norm2.*
    encoder.layer.{i}.attention.attention.query.{p:weight|bias}, encoder.layer.{i}.attention.attention.key.{p:weight|bias}, encoder.layer.{i}.attention.attention.value.{p:weight|bias} -> blocks.{i}.attn.qkv.{p} |> cat(0)
    encoder.layer.{i}.attention.output.dense.* -> blocks.{i}.attn.proj.*
    encoder.layer.{i}.intermediate.dense.* -> blocks.{i}.mlp.fc1.*
    encoder.layer.{i}.output.dense.*       -> blocks.{i}.mlp.fc2.*
    layernorm.*  -> norm.*
    classifier.* -> head.*
  ]]
else
  rules [[
    cls_token -> embeddings.cls_token
    pos_embed -> embeddings.position_embeddings
    patch_embed.proj.* -> embeddings.patch_embeddings.projection.*
    blocks.{i}.norm1.* -> encoder.layer.{i}.layernorm_before.*
    blocks.{i}.norm2.* -> encoder.layer.{i}.layernorm_after.*
    blocks.{i}.attn.qkv.{p:weight|bias} -> encoder.layer.{i}.attention.attention.query.{p}, encoder.layer.{i}.attention.attention.key.{p}, encoder.layer.{i}.attention.attention.value.{p} |> split(3)
    blocks.{i}.attn.proj.* -> encoder.layer.{i}.attention.output.dense.*
    blocks.{i}.mlp.fc1.*   -> encoder.layer.{i}.intermediate.dense.*
    blocks.{i}.mlp.fc2.*   -> encoder.layer.{i}.output.dense.*
    norm.* -> layernorm.*
    head.* -> classifier.*
  ]]
  if place ~= "" then
    each(function(key) if not key:find("^classifier%.") then return place .. key end end)
  end
end
