-- 08_module_renamed: a module that got another name (hou-yz/MVDet#7)
--
-- @case
--   world_classifier.{0,2,4}.{weight,bias} 4
-- @gives
--   map_classifier.{0,2,4}.{weight,bias} 4 <- world_classifier.{0,2,4}.{weight,bias}

rules [[ world_classifier.** -> map_classifier.** ]]
