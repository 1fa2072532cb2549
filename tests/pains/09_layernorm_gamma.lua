-- 09_layernorm_gamma: gamma and beta of LayerNorms, and no others (transformers#11809, #29554)
--
-- ConvNeXt's layer scale is called gamma too, and stays.
--
-- @case
--   bert.encoder.layer.0.output.LayerNorm.{gamma,beta} 4
--   convnext.stages.0.layers.0.gamma 4
-- @gives
--   bert.encoder.layer.0.output.LayerNorm.weight 4 <- bert.encoder.layer.0.output.LayerNorm.gamma
--   bert.encoder.layer.0.output.LayerNorm.bias 4 <- bert.encoder.layer.0.output.LayerNorm.beta
--   convnext.stages.0.layers.0.gamma 4

sub [[ LayerNorm.gamma -> LayerNorm.weight ; LayerNorm.beta -> LayerNorm.bias ]]
