-- 19_text_encoder: a module moved below another (transformers#46402)
--
-- @case
--   detector_model.text_encoder.encoder.layers.{0-2}.layer_norm1.weight 4
--   detector_model.vision.weight 4
-- @gives
--   text_encoder.text_model.encoder.layers.{0-2}.layer_norm1.weight 4 <- detector_model.text_encoder.encoder.layers.{0-2}.layer_norm1.weight
--   detector_model.vision.weight 4

rules [[ detector_model.text_encoder.** -> text_encoder.text_model.** ]]
