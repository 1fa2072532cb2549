-- clip_openai_to_hf: CLIP with a vision transformer from OpenAI to Hugging Face's CLIPModel
--
-- in_proj splits into q, k, v; the two projections are transposed. The numbers that OpenAI keeps
-- beside the weights are dropped. A visual ResNet (RN50) has no counterpart: its keys stay unused.
-- Source: transformers models/clip/convert_clip_original_pytorch_to_hf.py
--
-- @reverse
-- @case
--   positional_embedding 6,8
--   text_projection 8,4
--   logit_scale
--   visual.class_embedding 12
--   visual.positional_embedding 5,12
--   visual.proj 12,4
--   visual.conv1.weight 12,3,4,4
--   visual.ln_{pre,post}.{weight,bias} 12
--   visual.transformer.resblocks.{0-1}.attn.in_proj_weight 36,12
--   visual.transformer.resblocks.{0-1}.attn.in_proj_bias 36
--   visual.transformer.resblocks.{0-1}.attn.out_proj.weight 12,12
--   visual.transformer.resblocks.{0-1}.ln_{1,2}.{weight,bias} 12
--   visual.transformer.resblocks.{0-1}.mlp.c_fc.weight 48,12
--   visual.transformer.resblocks.{0-1}.mlp.c_proj.weight 12,48
--   transformer.resblocks.{0-1}.attn.in_proj_weight 24,8
--   transformer.resblocks.{0-1}.attn.in_proj_bias 24
--   transformer.resblocks.{0-1}.attn.out_proj.weight 8,8
--   transformer.resblocks.{0-1}.ln_{1,2}.{weight,bias} 8
--   transformer.resblocks.{0-1}.mlp.c_fc.weight 32,8
--   transformer.resblocks.{0-1}.mlp.c_proj.weight 8,32
--   token_embedding.weight 20,8
--   ln_final.{weight,bias} 8
--   {input_resolution,context_length,vocab_size} i64
-- @gives
--   logit_scale
--   text_model.embeddings.position_embedding.weight 6,8 <- positional_embedding
--   text_model.embeddings.token_embedding.weight 20,8 <- token_embedding.weight
--   text_model.final_layer_norm.{weight,bias} 8 <- ln_final.{weight,bias}
--   text_model.encoder.layers.{0-1}.self_attn.{q,k,v}_proj.weight 8,8 <- transformer.resblocks.{0-1}.attn.in_proj_weight
--   text_model.encoder.layers.{0-1}.self_attn.{q,k,v}_proj.bias 8 <- transformer.resblocks.{0-1}.attn.in_proj_bias
--   text_model.encoder.layers.{0-1}.self_attn.out_proj.weight 8,8 <- transformer.resblocks.{0-1}.attn.out_proj.weight
--   text_model.encoder.layers.{0-1}.layer_norm{1-2}.{weight,bias} 8 <- transformer.resblocks.{0-1}.ln_{1-2}.{weight,bias}
--   text_model.encoder.layers.{0-1}.mlp.fc1.weight 32,8 <- transformer.resblocks.{0-1}.mlp.c_fc.weight
--   text_model.encoder.layers.{0-1}.mlp.fc2.weight 8,32 <- transformer.resblocks.{0-1}.mlp.c_proj.weight
--   text_projection.weight 4,8 <- text_projection
--   vision_model.embeddings.class_embedding 12 <- visual.class_embedding
--   vision_model.embeddings.position_embedding.weight 5,12 <- visual.positional_embedding
--   vision_model.embeddings.patch_embedding.weight 12,3,4,4 <- visual.conv1.weight
--   vision_model.{pre_layrnorm,post_layernorm}.{weight,bias} 12 <- visual.ln_{pre,post}.{weight,bias}
--   vision_model.encoder.layers.{0-1}.self_attn.{q,k,v}_proj.weight 12,12 <- visual.transformer.resblocks.{0-1}.attn.in_proj_weight
--   vision_model.encoder.layers.{0-1}.self_attn.{q,k,v}_proj.bias 12 <- visual.transformer.resblocks.{0-1}.attn.in_proj_bias
--   vision_model.encoder.layers.{0-1}.self_attn.out_proj.weight 12,12 <- visual.transformer.resblocks.{0-1}.attn.out_proj.weight
--   vision_model.encoder.layers.{0-1}.layer_norm{1-2}.{weight,bias} 12 <- visual.transformer.resblocks.{0-1}.ln_{1-2}.{weight,bias}
--   vision_model.encoder.layers.{0-1}.mlp.fc1.weight 48,12 <- visual.transformer.resblocks.{0-1}.mlp.c_fc.weight
--   vision_model.encoder.layers.{0-1}.mlp.fc2.weight 12,48 <- visual.transformer.resblocks.{0-1}.mlp.c_proj.weight
--   visual_projection.weight 4,12 <- visual.proj
-- @same visual_projection.weight[1,2] = visual.proj[2,1]
-- @same text_model.encoder.layers.1.self_attn.k_proj.weight[0,1] = transformer.resblocks.1.attn.in_proj_weight[8,1]
-- @same vision_model.encoder.layers.0.self_attn.v_proj.bias[3] = visual.transformer.resblocks.0.attn.in_proj_bias[27]

local o = ... or {}
if o.reverse then
  rules [[
    **.embeddings.position_ids ->
    visual_projection.weight -> visual.proj |> T
    text_projection.weight   -> text_projection |> T
    vision_model.pre_layrnorm.*   -> visual.ln_pre.*
    vision_model.post_layernorm.* -> visual.ln_post.*
    vision_model.embeddings.patch_embedding.*         -> visual.conv1.*
    vision_model.embeddings.class_embedding           -> visual.class_embedding
    vision_model.embeddings.position_embedding.weight -> visual.positional_embedding
    text_model.embeddings.position_embedding.weight   -> positional_embedding
    text_model.embeddings.token_embedding.* -> token_embedding.*
    text_model.final_layer_norm.*           -> ln_final.*
    vision_model.encoder.layers.** -> visual.transformer.resblocks.**
    text_model.encoder.layers.**   -> transformer.resblocks.**
  ]]
  rules [[
    **.resblocks.{i}.self_attn.q_proj.{p:weight|bias}, **.resblocks.{i}.self_attn.k_proj.{p:weight|bias}, **.resblocks.{i}.self_attn.v_proj.{p:weight|bias} -> **.resblocks.{i}.attn.in_proj_{p} |> cat(0)
    **.resblocks.{i}.self_attn.out_proj.* -> **.resblocks.{i}.attn.out_proj.*
    **.resblocks.{i}.layer_norm{n}.* -> **.resblocks.{i}.ln_{n}.*
    **.resblocks.{i}.mlp.fc1.* -> **.resblocks.{i}.mlp.c_fc.*
    **.resblocks.{i}.mlp.fc2.* -> **.resblocks.{i}.mlp.c_proj.*
  ]]
else
  rules [[
    input_resolution -> ; context_length -> ; vocab_size ->
    visual.proj     -> visual_projection.weight |> T
    text_projection -> text_projection.weight   |> T
    visual.ln_pre.*  -> vision_model.pre_layrnorm.*
    visual.ln_post.* -> vision_model.post_layernorm.*
    visual.conv1.*   -> vision_model.embeddings.patch_embedding.*
    visual.class_embedding      -> vision_model.embeddings.class_embedding
    visual.positional_embedding -> vision_model.embeddings.position_embedding.weight
    positional_embedding        -> text_model.embeddings.position_embedding.weight
    token_embedding.* -> text_model.embeddings.token_embedding.*
    ln_final.*        -> text_model.final_layer_norm.*
    visual.transformer.resblocks.** -> vision_model.encoder.layers.**
    transformer.resblocks.**        -> text_model.encoder.layers.**
  ]]
  rules [[
    **.layers.{i}.attn.in_proj_{p:weight|bias} -> **.layers.{i}.self_attn.q_proj.{p}, **.layers.{i}.self_attn.k_proj.{p}, **.layers.{i}.self_attn.v_proj.{p} |> split(3)
    **.layers.{i}.attn.out_proj.* -> **.layers.{i}.self_attn.out_proj.*
    **.layers.{i}.ln_{n}.*        -> **.layers.{i}.layer_norm{n}.*
    **.layers.{i}.mlp.c_fc.*      -> **.layers.{i}.mlp.fc1.*
    **.layers.{i}.mlp.c_proj.*    -> **.layers.{i}.mlp.fc2.*
  ]]
end
