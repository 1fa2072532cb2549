-- layernorm_gamma_to_weight: gamma and beta of LayerNorms become weight and bias
--
-- Only where the module is called LayerNorm, layer_norm or layernorm: a gamma elsewhere is a layer
-- scale (ConvNeXt, DINOv2), which a replacement in every key would rename as well.
-- Source: transformers modeling_utils.py _load_state_dict_into_model, up to 4.x
--
-- @reverse
-- @case
--   bert.encoder.layer.{0-1}.output.LayerNorm.{gamma,beta} 8
--   stages.0.blocks.0.gamma 8
-- @gives
--   bert.encoder.layer.{0-1}.output.LayerNorm.weight 8 <- bert.encoder.layer.{0-1}.output.LayerNorm.gamma
--   bert.encoder.layer.{0-1}.output.LayerNorm.bias 8 <- bert.encoder.layer.{0-1}.output.LayerNorm.beta
--   stages.0.blocks.0.gamma 8

local o = ... or {}
if o.reverse then
  rules [[
    **.{n:LayerNorm|layer_norm|layernorm}.weight -> **.{n}.gamma
    **.{n:LayerNorm|layer_norm|layernorm}.bias   -> **.{n}.beta
  ]]
else
  rules [[
    **.{n:LayerNorm|layer_norm|layernorm}.gamma -> **.{n}.weight
    **.{n:LayerNorm|layer_norm|layernorm}.beta  -> **.{n}.bias
  ]]
end
