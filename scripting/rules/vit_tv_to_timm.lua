-- vit_tv_to_timm: Vision Transformer from torchvision to timm
--
-- MLPs of torchvision's first weights (linear_1, linear_2) are read as well.
-- Source: torchvision models/vision_transformer.py, timm models/vision_transformer.py
--
-- @reverse
-- @case
--   class_token 1,1,8
--   encoder.pos_embedding 1,5,8
--   conv_proj.weight 8,3,4,4
--   encoder.layers.encoder_layer_{0-11}.ln_{1-2}.{weight,bias} 8
--   encoder.layers.encoder_layer_{0-11}.self_attention.in_proj_weight 24,8
--   encoder.layers.encoder_layer_{0-11}.self_attention.in_proj_bias 24
--   encoder.layers.encoder_layer_{0-11}.self_attention.out_proj.weight 8,8
--   encoder.layers.encoder_layer_{0-11}.mlp.0.weight 32,8
--   encoder.layers.encoder_layer_{0-11}.mlp.3.weight 8,32
--   encoder.ln.{weight,bias} 8
--   heads.head.weight 10,8
-- @gives
--   cls_token 1,1,8 <- class_token
--   pos_embed 1,5,8 <- encoder.pos_embedding
--   patch_embed.proj.weight 8,3,4,4 <- conv_proj.weight
--   blocks.{0-11}.norm{1-2}.{weight,bias} 8 <- encoder.layers.encoder_layer_{0-11}.ln_{1-2}.{weight,bias}
--   blocks.{0-11}.attn.qkv.weight 24,8 <- encoder.layers.encoder_layer_{0-11}.self_attention.in_proj_weight
--   blocks.{0-11}.attn.qkv.bias 24 <- encoder.layers.encoder_layer_{0-11}.self_attention.in_proj_bias
--   blocks.{0-11}.attn.proj.weight 8,8 <- encoder.layers.encoder_layer_{0-11}.self_attention.out_proj.weight
--   blocks.{0-11}.mlp.fc1.weight 32,8 <- encoder.layers.encoder_layer_{0-11}.mlp.0.weight
--   blocks.{0-11}.mlp.fc2.weight 8,32 <- encoder.layers.encoder_layer_{0-11}.mlp.3.weight
--   norm.{weight,bias} 8 <- encoder.ln.{weight,bias}
--   head.weight 10,8 <- heads.head.weight
--
-- @case
--   encoder.layers.encoder_layer_0.mlp.linear_{1-2}.weight 8,8
-- @gives
--   blocks.0.mlp.fc{1-2}.weight 8,8 <- encoder.layers.encoder_layer_0.mlp.linear_{1-2}.weight
-- @oneway

local o = ... or {}
if o.reverse then
  rules [[
    cls_token -> class_token
    pos_embed -> encoder.pos_embedding
    patch_embed.proj.* -> conv_proj.*
    blocks.{i}.norm{n}.* -> encoder.layers.encoder_layer_{i}.ln_{n}.*
    blocks.{i}.attn.qkv.{p:weight|bias} -> encoder.layers.encoder_layer_{i}.self_attention.in_proj_{p}
    blocks.{i}.attn.proj.* -> encoder.layers.encoder_layer_{i}.self_attention.out_proj.*
    blocks.{i}.mlp.fc{n}.* -> encoder.layers.encoder_layer_{i}.mlp.{3*n-3}.*
    norm.* -> encoder.ln.*
    head.* -> heads.head.*
  ]]
else
  rules [[
    class_token           -> cls_token
    encoder.pos_embedding -> pos_embed
    conv_proj.*           -> patch_embed.proj.*
    encoder.layers.encoder_layer_{i}.ln_{n}.* -> blocks.{i}.norm{n}.*
    encoder.layers.encoder_layer_{i}.self_attention.in_proj_{p:weight|bias} -> blocks.{i}.attn.qkv.{p}
    encoder.layers.encoder_layer_{i}.self_attention.out_proj.* -> blocks.{i}.attn.proj.*
    encoder.layers.encoder_layer_{i}.mlp.{n:0|3}.*    -> blocks.{i}.mlp.fc{n//3+1}.*
    encoder.layers.encoder_layer_{i}.mlp.linear_{n}.* -> blocks.{i}.mlp.fc{n}.*
    encoder.ln.* -> norm.*
    heads.head.* -> head.*
  ]]
end
