-- deit_timm_to_hf: distilled DeiT from timm to Hugging Face's DeiTForImageClassificationWithTeacher
--
-- As vit_timm_to_hf, with the distillation token and the second head. The plain DeiT has neither
-- and is a ViT: take that pack.
-- Source: transformers models/deit/convert_deit_timm_to_pytorch.py
--
-- @reverse
-- @case
--   cls_token 1,1,8
--   dist_token 1,1,8
--   pos_embed 1,6,8
--   patch_embed.proj.weight 8,3,4,4
--   blocks.{0-1}.norm{1-2}.{weight,bias} 8
--   blocks.{0-1}.attn.qkv.weight 24,8
--   blocks.{0-1}.attn.qkv.bias 24
--   blocks.{0-1}.attn.proj.weight 8,8
--   blocks.{0-1}.mlp.fc1.weight 32,8
--   blocks.{0-1}.mlp.fc2.weight 8,32
--   norm.{weight,bias} 8
--   head.weight 10,8
--   head_dist.weight 10,8
-- @gives
--   deit.embeddings.cls_token 1,1,8 <- cls_token
--   deit.embeddings.distillation_token 1,1,8 <- dist_token
--   deit.embeddings.position_embeddings 1,6,8 <- pos_embed
--   deit.embeddings.patch_embeddings.projection.weight 8,3,4,4 <- patch_embed.proj.weight
--   deit.encoder.layer.{0-1}.layernorm_{before,after}.{weight,bias} 8 <- blocks.{0-1}.norm{1-2}.{weight,bias}
--   deit.encoder.layer.{0-1}.attention.attention.{query,key,value}.weight 8,8 <- blocks.{0-1}.attn.qkv.weight
--   deit.encoder.layer.{0-1}.attention.attention.{query,key,value}.bias 8 <- blocks.{0-1}.attn.qkv.bias
--   deit.encoder.layer.{0-1}.attention.output.dense.weight 8,8 <- blocks.{0-1}.attn.proj.weight
--   deit.encoder.layer.{0-1}.intermediate.dense.weight 32,8 <- blocks.{0-1}.mlp.fc1.weight
--   deit.encoder.layer.{0-1}.output.dense.weight 8,32 <- blocks.{0-1}.mlp.fc2.weight
--   deit.layernorm.{weight,bias} 8 <- norm.{weight,bias}
--   cls_classifier.weight 10,8 <- head.weight
--   distillation_classifier.weight 10,8 <- head_dist.weight
-- @same deit.encoder.layer.1.attention.attention.query.weight[7,3] = blocks.1.attn.qkv.weight[7,3]
-- @same deit.encoder.layer.1.attention.attention.value.weight[0,3] = blocks.1.attn.qkv.weight[16,3]

local o = ... or {}
if o.reverse then
  rules [[
    deit.embeddings.cls_token           -> cls_token
    deit.embeddings.distillation_token  -> dist_token
    deit.embeddings.position_embeddings -> pos_embed
    deit.embeddings.patch_embeddings.projection.* -> patch_embed.proj.*
    deit.encoder.layer.{i}.layernorm_before.* -> blocks.{i}.norm1.*
    deit.encoder.layer.{i}.layernorm_after.*  -> blocks.{i}.norm2.*
    deit.encoder.layer.{i}.attention.attention.query.{p:weight|bias}, deit.encoder.layer.{i}.attention.attention.key.{p:weight|bias}, deit.encoder.layer.{i}.attention.attention.value.{p:weight|bias} -> blocks.{i}.attn.qkv.{p} |> cat(0)
    deit.encoder.layer.{i}.attention.output.dense.* -> blocks.{i}.attn.proj.*
    deit.encoder.layer.{i}.intermediate.dense.* -> blocks.{i}.mlp.fc1.*
    deit.encoder.layer.{i}.output.dense.*       -> blocks.{i}.mlp.fc2.*
    deit.layernorm.*          -> norm.*
    cls_classifier.*          -> head.*
    distillation_classifier.* -> head_dist.*
  ]]
else
  rules [[
    cls_token  -> deit.embeddings.cls_token
    dist_token -> deit.embeddings.distillation_token
    pos_embed  -> deit.embeddings.position_embeddings
    patch_embed.proj.* -> deit.embeddings.patch_embeddings.projection.*
    blocks.{i}.norm1.* -> deit.encoder.layer.{i}.layernorm_before.*
    blocks.{i}.norm2.* -> deit.encoder.layer.{i}.layernorm_after.*
    blocks.{i}.attn.qkv.{p:weight|bias} -> deit.encoder.layer.{i}.attention.attention.query.{p}, deit.encoder.layer.{i}.attention.attention.key.{p}, deit.encoder.layer.{i}.attention.attention.value.{p} |> split(3)
    blocks.{i}.attn.proj.* -> deit.encoder.layer.{i}.attention.output.dense.*
    blocks.{i}.mlp.fc1.*   -> deit.encoder.layer.{i}.intermediate.dense.*
    blocks.{i}.mlp.fc2.*   -> deit.encoder.layer.{i}.output.dense.*
    norm.*      -> deit.layernorm.*
    head.*      -> cls_classifier.*
    head_dist.* -> distillation_classifier.*
  ]]
end
