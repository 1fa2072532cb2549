-- 07_densenet: DenseNet of torchvision before 0.2 (zoogzog/chexnet#11, DenseASPP#9, vision PR#474)
--
-- @case
--   features.denseblock1.denselayer{1-2}.norm.{1,2}.weight 4
--   features.denseblock1.denselayer{1-2}.conv.{1,2}.weight 4,4,1,1
--   features.norm0.weight 4
-- @gives
--   features.denseblock1.denselayer{1-2}.norm{1,2}.weight 4 <- features.denseblock1.denselayer{1-2}.norm.{1,2}.weight
--   features.denseblock1.denselayer{1-2}.conv{1,2}.weight 4,4,1,1 <- features.denseblock1.denselayer{1-2}.conv.{1,2}.weight
--   features.norm0.weight 4

rules [[ **.denselayer{l}.{k:norm|relu|conv}.{n:1|2}.* -> **.denselayer{l}.{k}{n}.* ]]
