-- convnext_tv_to_timm: ConvNeXt from torchvision to timm
--
-- features.{odd} are stages, features.{even} the downsampling before them; layer_scale loses its
-- two axes of size 1.
-- Source: torchvision models/convnext.py, timm models/convnext.py
--
-- @reverse
-- @case
--   features.0.0.weight 8,3,4,4
--   features.0.1.{weight,bias} 8
--   features.{1,3,5,7}.{0-2}.layer_scale 8,1,1
--   features.{1,3,5,7}.{0-2}.block.0.weight 8,1,7,7
--   features.{1,3,5,7}.{0-2}.block.2.{weight,bias} 8
--   features.{1,3,5,7}.{0-2}.block.3.weight 32,8
--   features.{1,3,5,7}.{0-2}.block.5.weight 8,32
--   features.{2,4,6}.0.{weight,bias} 8
--   features.{2,4,6}.1.weight 8,8,2,2
--   classifier.0.{weight,bias} 8
--   classifier.2.weight 10,8
-- @gives
--   stem.0.weight 8,3,4,4 <- features.0.0.weight
--   stem.1.{weight,bias} 8 <- features.0.1.{weight,bias}
--   stages.{0-3}.blocks.{0-2}.gamma 8 <- features.{1,3,5,7}.{0-2}.layer_scale
--   stages.{0-3}.blocks.{0-2}.conv_dw.weight 8,1,7,7 <- features.{1,3,5,7}.{0-2}.block.0.weight
--   stages.{0-3}.blocks.{0-2}.norm.{weight,bias} 8 <- features.{1,3,5,7}.{0-2}.block.2.{weight,bias}
--   stages.{0-3}.blocks.{0-2}.mlp.fc1.weight 32,8 <- features.{1,3,5,7}.{0-2}.block.3.weight
--   stages.{0-3}.blocks.{0-2}.mlp.fc2.weight 8,32 <- features.{1,3,5,7}.{0-2}.block.5.weight
--   stages.{1-3}.downsample.0.{weight,bias} 8 <- features.{2,4,6}.0.{weight,bias}
--   stages.{1-3}.downsample.1.weight 8,8,2,2 <- features.{2,4,6}.1.weight
--   head.norm.{weight,bias} 8 <- classifier.0.{weight,bias}
--   head.fc.weight 10,8 <- classifier.2.weight

local o = ... or {}
if o.reverse then
  rules [[
    stem.{j}.* -> features.0.{j}.*
    stages.{s}.blocks.{j}.gamma     -> features.{2*s+1}.{j}.layer_scale |> reshape(-1, 1, 1)
    stages.{s}.blocks.{j}.conv_dw.* -> features.{2*s+1}.{j}.block.0.*
    stages.{s}.blocks.{j}.norm.*    -> features.{2*s+1}.{j}.block.2.*
    stages.{s}.blocks.{j}.mlp.fc{n}.* -> features.{2*s+1}.{j}.block.{2*n+1}.*
    stages.{s}.downsample.{j}.*     -> features.{2*s}.{j}.*
    head.norm.* -> classifier.0.*
    head.fc.*   -> classifier.2.*
  ]]
else
  rules [[
    features.0.{j}.* -> stem.{j}.*
    features.{i}.{j}.layer_scale -> stages.{i//2}.blocks.{j}.gamma |> reshape(-1)
    features.{i}.{j}.block.0.*   -> stages.{i//2}.blocks.{j}.conv_dw.*
    features.{i}.{j}.block.2.*   -> stages.{i//2}.blocks.{j}.norm.*
    features.{i}.{j}.block.{n:3|5}.* -> stages.{i//2}.blocks.{j}.mlp.fc{n//2}.*
    features.{i}.{j}.*           -> stages.{i//2}.downsample.{j}.*
    classifier.0.* -> head.norm.*
    classifier.2.* -> head.fc.*
  ]]
end
