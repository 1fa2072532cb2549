-- 01_data_parallel: a model wrapped by DataParallel (abeardear/pytorch-YOLO-v1#4)
--
-- Missing key(s): "features.0.weight" … Unexpected key(s): "module.features.0.weight" …
--
-- @case
--   module.features.{0,3}.{weight,bias} 4
--   module.classifier.module.weight 2,4
-- @gives
--   features.{0,3}.{weight,bias} 4 <- module.features.{0,3}.{weight,bias}
--   classifier.module.weight 2,4 <- module.classifier.module.weight

strip "module."
