-- 04_prefix_sometimes: a prefix that is there only sometimes (ray-project/ray#43594)
--
-- Cutting a fixed number of characters made `der.embed_tokens.weight`.
--
-- @case
--   _forward_module.model.model.decoder.embed_tokens.weight 8,4
--   model.model.decoder.final_layer_norm.weight 4
-- @gives
--   model.decoder.embed_tokens.weight 8,4 <- _forward_module.model.model.decoder.embed_tokens.weight
--   model.decoder.final_layer_norm.weight 4 <- model.model.decoder.final_layer_norm.weight

strip "_forward_module."
strip "model."
