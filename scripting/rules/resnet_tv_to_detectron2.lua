-- resnet_tv_to_detectron2: ResNet and ResNeXt from torchvision to detectron2's backbone
--
-- Norms move inside their convolutions, layer1-4 become res2-5; fc and the step counters are
-- dropped, since detectron2's norms are frozen. prefix= is "backbone.bottom_up." (FPN) unless it is
-- given: prefix="backbone." for the C4 models. The channels stay RGB: cfg.INPUT.FORMAT = "RGB".
-- Source: detectron2 tools/convert-torchvision-to-d2.py
--
-- @reverse
-- @case
--   conv1.weight 8,3,7,7
--   bn1.{weight,bias,running_mean,running_var} 8
--   bn1.num_batches_tracked i64
--   layer{1-4}.{0-1}.conv{1-3}.weight 8,8,1,1
--   layer{1-4}.{0-1}.bn{1-3}.{weight,bias,running_mean,running_var} 8
--   layer{1-4}.0.downsample.0.weight 8,8,1,1
--   layer{1-4}.0.downsample.1.{weight,bias,running_mean,running_var} 8
--   layer2.0.downsample.1.num_batches_tracked i64
--   fc.weight 10,8
--   fc.bias 10
-- @gives
--   backbone.bottom_up.stem.conv1.weight 8,3,7,7 <- conv1.weight
--   backbone.bottom_up.stem.conv1.norm.{weight,bias,running_mean,running_var} 8 <- bn1.{weight,bias,running_mean,running_var}
--   backbone.bottom_up.res{2-5}.{0-1}.conv{1-3}.weight 8,8,1,1 <- layer{1-4}.{0-1}.conv{1-3}.weight
--   backbone.bottom_up.res{2-5}.{0-1}.conv{1-3}.norm.{weight,bias,running_mean,running_var} 8 <- layer{1-4}.{0-1}.bn{1-3}.{weight,bias,running_mean,running_var}
--   backbone.bottom_up.res{2-5}.0.shortcut.weight 8,8,1,1 <- layer{1-4}.0.downsample.0.weight
--   backbone.bottom_up.res{2-5}.0.shortcut.norm.{weight,bias,running_mean,running_var} 8 <- layer{1-4}.0.downsample.1.{weight,bias,running_mean,running_var}
--
-- The blocks of ResNet-18 and -34 have two convolutions:
-- @case prefix="backbone."
--   layer{1-4}.{0-1}.conv{1-2}.weight 8,8,3,3
--   layer{1-4}.{0-1}.bn{1-2}.weight 8
-- @gives
--   backbone.res{2-5}.{0-1}.conv{1-2}.weight 8,8,3,3 <- layer{1-4}.{0-1}.conv{1-2}.weight
--   backbone.res{2-5}.{0-1}.conv{1-2}.norm.weight 8 <- layer{1-4}.{0-1}.bn{1-2}.weight

local o = ... or {}
local place = o.prefix or "backbone.bottom_up."
if o.reverse then
  strip(place)
  rules [[
    stem.conv1.norm.* -> bn1.*
    stem.conv1.*      -> conv1.*
    res{s}.{b}.conv{c}.norm.* -> layer{s-1}.{b}.bn{c}.*
    res{s}.{b}.conv{c}.*      -> layer{s-1}.{b}.conv{c}.*
    res{s}.{b}.shortcut.norm.* -> layer{s-1}.{b}.downsample.1.*
    res{s}.{b}.shortcut.*      -> layer{s-1}.{b}.downsample.0.*
  ]]
else
  rules [[
    **.num_batches_tracked -> ;  fc.* ->
    conv1.*                     -> stem.conv1.*
    bn1.*                       -> stem.conv1.norm.*
    layer{s}.{b}.conv{c}.*      -> res{s+1}.{b}.conv{c}.*
    layer{s}.{b}.bn{c}.*        -> res{s+1}.{b}.conv{c}.norm.*
    layer{s}.{b}.downsample.0.* -> res{s+1}.{b}.shortcut.*
    layer{s}.{b}.downsample.1.* -> res{s+1}.{b}.shortcut.norm.*
  ]]
  if place ~= "" then prefix(place) end
end
