-- detr_fb_to_hf: DETR from the original repository to Hugging Face's DetrForObjectDetection
--
-- in_proj splits into q, k, v; the frozen norms of the backbone have no counters, and those of other
-- files are dropped. The backbone's own names stay: Hugging Face's (timm's) are torchvision's.
-- Source: transformers models/detr/convert_detr_original_pytorch_checkpoint_to_pytorch.py
--
-- @reverse
-- @case
--   backbone.0.body.conv1.weight 8,3,7,7
--   backbone.0.body.layer1.0.bn1.{weight,bias,running_mean,running_var} 8
--   backbone.0.body.layer1.0.downsample.0.weight 8,8,1,1
--   input_proj.weight 8,8,1,1
--   query_embed.weight 5,8
--   class_embed.{weight,bias} 4
--   bbox_embed.layers.{0-2}.weight 4,8
--   transformer.encoder.layers.{0-1}.self_attn.in_proj_weight 24,8
--   transformer.encoder.layers.{0-1}.self_attn.in_proj_bias 24
--   transformer.encoder.layers.{0-1}.self_attn.out_proj.weight 8,8
--   transformer.encoder.layers.{0-1}.linear1.weight 32,8
--   transformer.encoder.layers.{0-1}.linear2.weight 8,32
--   transformer.encoder.layers.{0-1}.norm{1-2}.{weight,bias} 8
--   transformer.decoder.layers.{0-1}.{self_attn,multihead_attn}.in_proj_weight 24,8
--   transformer.decoder.layers.{0-1}.{self_attn,multihead_attn}.out_proj.weight 8,8
--   transformer.decoder.layers.{0-1}.linear{1-2}.bias 8
--   transformer.decoder.layers.{0-1}.norm{1-3}.{weight,bias} 8
--   transformer.decoder.norm.{weight,bias} 8
-- @gives
--   model.backbone.conv_encoder.model.conv1.weight 8,3,7,7 <- backbone.0.body.conv1.weight
--   model.backbone.conv_encoder.model.layer1.0.bn1.{weight,bias,running_mean,running_var} 8 <- backbone.0.body.layer1.0.bn1.{weight,bias,running_mean,running_var}
--   model.backbone.conv_encoder.model.layer1.0.downsample.0.weight 8,8,1,1 <- backbone.0.body.layer1.0.downsample.0.weight
--   model.input_projection.weight 8,8,1,1 <- input_proj.weight
--   model.query_position_embeddings.weight 5,8 <- query_embed.weight
--   class_labels_classifier.{weight,bias} 4 <- class_embed.{weight,bias}
--   bbox_predictor.layers.{0-2}.weight 4,8 <- bbox_embed.layers.{0-2}.weight
--   model.encoder.layers.{0-1}.self_attn.{q,k,v}_proj.weight 8,8 <- transformer.encoder.layers.{0-1}.self_attn.in_proj_weight
--   model.encoder.layers.{0-1}.self_attn.{q,k,v}_proj.bias 8 <- transformer.encoder.layers.{0-1}.self_attn.in_proj_bias
--   model.encoder.layers.{0-1}.self_attn.out_proj.weight 8,8 <- transformer.encoder.layers.{0-1}.self_attn.out_proj.weight
--   model.encoder.layers.{0-1}.fc1.weight 32,8 <- transformer.encoder.layers.{0-1}.linear1.weight
--   model.encoder.layers.{0-1}.fc2.weight 8,32 <- transformer.encoder.layers.{0-1}.linear2.weight
--   model.encoder.layers.{0-1}.{self_attn,final}_layer_norm.{weight,bias} 8 <- transformer.encoder.layers.{0-1}.norm{1-2}.{weight,bias}
--   model.decoder.layers.{0-1}.self_attn.{q,k,v}_proj.weight 8,8 <- transformer.decoder.layers.{0-1}.self_attn.in_proj_weight
--   model.decoder.layers.{0-1}.encoder_attn.{q,k,v}_proj.weight 8,8 <- transformer.decoder.layers.{0-1}.multihead_attn.in_proj_weight
--   model.decoder.layers.{0-1}.{self_attn,encoder_attn}.out_proj.weight 8,8 <- transformer.decoder.layers.{0-1}.{self_attn,multihead_attn}.out_proj.weight
--   model.decoder.layers.{0-1}.fc{1-2}.bias 8 <- transformer.decoder.layers.{0-1}.linear{1-2}.bias
--   model.decoder.layers.{0-1}.{self_attn,encoder_attn,final}_layer_norm.{weight,bias} 8 <- transformer.decoder.layers.{0-1}.norm{1-3}.{weight,bias}
--   model.decoder.layernorm.{weight,bias} 8 <- transformer.decoder.norm.{weight,bias}
-- @same model.decoder.layers.1.encoder_attn.k_proj.weight[0,3] = transformer.decoder.layers.1.multihead_attn.in_proj_weight[8,3]

local o = ... or {}
detr_norms = {encoder = {"self_attn", "final"}, decoder = {"self_attn", "encoder_attn", "final"}}
function detr_norm(side, name)
  for i, one in ipairs(detr_norms[side]) do
    if one == name then return i end
  end
end

if o.reverse then
  rules [[
    model.backbone.conv_encoder.model.** -> backbone.0.body.**
    model.input_projection.*             -> input_proj.*
    model.query_position_embeddings.*    -> query_embed.*
    class_labels_classifier.*            -> class_embed.*
    bbox_predictor.**                    -> bbox_embed.**
    model.decoder.layernorm.*            -> transformer.decoder.norm.*
    model.{s:encoder|decoder}.layers.{i}.{n:self_attn|encoder_attn|final}_layer_norm.* -> transformer.{s}.layers.{i}.norm{detr_norm(s, n)}.*
    model.{s:encoder|decoder}.layers.{i}.fc{n}.* -> transformer.{s}.layers.{i}.linear{n}.*
    model.{s:encoder|decoder}.layers.{i}.{a:self_attn|encoder_attn}.out_proj.* -> transformer.{s}.layers.{i}.{a == "self_attn" and a or "multihead_attn"}.out_proj.*
    model.{s:encoder|decoder}.layers.{i}.{a:self_attn|encoder_attn}.q_proj.{p:weight|bias}, model.{s:encoder|decoder}.layers.{i}.{a:self_attn|encoder_attn}.k_proj.{p:weight|bias}, model.{s:encoder|decoder}.layers.{i}.{a:self_attn|encoder_attn}.v_proj.{p:weight|bias} -> transformer.{s}.layers.{i}.{a == "self_attn" and a or "multihead_attn"}.in_proj_{p} |> cat(0)
  ]]
else
  rules [[
    **.num_batches_tracked ->
    backbone.0.body.** -> model.backbone.conv_encoder.model.**
    input_proj.*       -> model.input_projection.*
    query_embed.*      -> model.query_position_embeddings.*
    class_embed.*      -> class_labels_classifier.*
    bbox_embed.**      -> bbox_predictor.**
    transformer.decoder.norm.* -> model.decoder.layernorm.*
    transformer.{s:encoder|decoder}.layers.{i}.norm{n}.* -> model.{s}.layers.{i}.{detr_norms[s][n]}_layer_norm.*
    transformer.{s:encoder|decoder}.layers.{i}.linear{n}.* -> model.{s}.layers.{i}.fc{n}.*
    transformer.{s:encoder|decoder}.layers.{i}.{a:self_attn|multihead_attn}.out_proj.* -> model.{s}.layers.{i}.{a == "self_attn" and a or "encoder_attn"}.out_proj.*
    transformer.{s:encoder|decoder}.layers.{i}.self_attn.in_proj_{p:weight|bias} -> model.{s}.layers.{i}.self_attn.q_proj.{p}, model.{s}.layers.{i}.self_attn.k_proj.{p}, model.{s}.layers.{i}.self_attn.v_proj.{p} |> split(3)
    transformer.decoder.layers.{i}.multihead_attn.in_proj_{p:weight|bias} -> model.decoder.layers.{i}.encoder_attn.q_proj.{p}, model.decoder.layers.{i}.encoder_attn.k_proj.{p}, model.decoder.layers.{i}.encoder_attn.v_proj.{p} |> split(3)
  ]]
end
