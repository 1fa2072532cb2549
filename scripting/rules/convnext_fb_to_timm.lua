-- convnext_fb_to_timm: ConvNeXt and ConvNeXt V2 from the original repositories to timm
--
-- Downsampling layers move into the stages; head becomes head.fc, norm head.norm. GRN's gamma and
-- beta of V2 lose their axes of size 1.
-- Source: timm models/convnext.py checkpoint_filter_fn
--
-- @reverse
-- @case
--   downsample_layers.0.0.weight 8,3,4,4
--   downsample_layers.0.1.{weight,bias} 8
--   downsample_layers.{1-3}.0.{weight,bias} 8
--   downsample_layers.{1-3}.1.weight 8,8,2,2
--   stages.{0-3}.{0-1}.gamma 8
--   stages.{0-3}.{0-1}.dwconv.weight 8,1,7,7
--   stages.{0-3}.{0-1}.norm.{weight,bias} 8
--   stages.{0-3}.{0-1}.pwconv1.weight 32,8
--   stages.{0-3}.{0-1}.pwconv2.weight 8,32
--   norm.{weight,bias} 8
--   head.weight 10,8
-- @gives
--   stem.0.weight 8,3,4,4 <- downsample_layers.0.0.weight
--   stem.1.{weight,bias} 8 <- downsample_layers.0.1.{weight,bias}
--   stages.{1-3}.downsample.0.{weight,bias} 8 <- downsample_layers.{1-3}.0.{weight,bias}
--   stages.{1-3}.downsample.1.weight 8,8,2,2 <- downsample_layers.{1-3}.1.weight
--   stages.{0-3}.blocks.{0-1}.gamma 8 <- stages.{0-3}.{0-1}.gamma
--   stages.{0-3}.blocks.{0-1}.conv_dw.weight 8,1,7,7 <- stages.{0-3}.{0-1}.dwconv.weight
--   stages.{0-3}.blocks.{0-1}.norm.{weight,bias} 8 <- stages.{0-3}.{0-1}.norm.{weight,bias}
--   stages.{0-3}.blocks.{0-1}.mlp.fc1.weight 32,8 <- stages.{0-3}.{0-1}.pwconv1.weight
--   stages.{0-3}.blocks.{0-1}.mlp.fc2.weight 8,32 <- stages.{0-3}.{0-1}.pwconv2.weight
--   head.norm.{weight,bias} 8 <- norm.{weight,bias}
--   head.fc.weight 10,8 <- head.weight
--
-- @case
--   stages.0.0.grn.{gamma,beta} 1,1,1,32
-- @gives
--   stages.0.blocks.0.mlp.grn.{weight,bias} 32 <- stages.0.0.grn.{gamma,beta}

local o = ... or {}
if o.reverse then
  rules [[
    stem.{j}.*                       -> downsample_layers.0.{j}.*
    stages.{s}.downsample.{j}.*      -> downsample_layers.{s}.{j}.*
    stages.{s}.blocks.{j}.gamma      -> stages.{s}.{j}.gamma
    stages.{s}.blocks.{j}.conv_dw.*  -> stages.{s}.{j}.dwconv.*
    stages.{s}.blocks.{j}.norm.*     -> stages.{s}.{j}.norm.*
    stages.{s}.blocks.{j}.mlp.fc{n}.* -> stages.{s}.{j}.pwconv{n}.*
    stages.{s}.blocks.{j}.mlp.grn.{p:weight|bias} -> stages.{s}.{j}.grn.{p == "weight" and "gamma" or "beta"} |> reshape(1, 1, 1, -1)
    head.norm.* -> norm.*
    head.fc.*   -> head.*
  ]]
else
  rules [[
    downsample_layers.0.{j}.*   -> stem.{j}.*
    downsample_layers.{s}.{j}.* -> stages.{s}.downsample.{j}.*
    stages.{s}.{j}.gamma        -> stages.{s}.blocks.{j}.gamma
    stages.{s}.{j}.dwconv.*     -> stages.{s}.blocks.{j}.conv_dw.*
    stages.{s}.{j}.norm.*       -> stages.{s}.blocks.{j}.norm.*
    stages.{s}.{j}.pwconv{n}.*  -> stages.{s}.blocks.{j}.mlp.fc{n}.*
    stages.{s}.{j}.grn.{p:gamma|beta} -> stages.{s}.blocks.{j}.mlp.grn.{p == "gamma" and "weight" or "bias"} |> reshape(-1)
    norm.* -> head.norm.*
    head.* -> head.fc.*
  ]]
end
