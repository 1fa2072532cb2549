-- clip_rn_openai_to_timm: image tower of OpenAI's CLIP with a ResNet (RN50 …) to timm's resnet*_clip
--
-- Takes the keys below visual. and leaves the text tower out. In reverse the keys get visual. back.
-- Source: timm models/byobnet.py _convert_openai_clip
--
-- @reverse
-- @case
--   visual.conv1.weight 32,3,3,3
--   visual.bn1.{weight,bias,running_mean,running_var} 32
--   visual.conv3.weight 64,32,3,3
--   visual.layer1.0.conv1.weight 64,64,1,1
--   visual.layer1.0.bn1.{weight,bias} 64
--   visual.layer1.0.conv2.weight 64,64,3,3
--   visual.layer4.2.conv3.weight 256,64,1,1
--   visual.layer4.2.bn3.running_var 256
--   visual.layer1.0.downsample.0.weight 256,64,1,1
--   visual.layer1.0.downsample.1.{weight,bias} 256
--   visual.attnpool.positional_embedding 50,256
--   visual.attnpool.{q,k,v}_proj.weight 256,256
--   visual.attnpool.{q,k,v}_proj.bias 256
--   visual.attnpool.c_proj.weight 128,256
-- @gives
--   stem.conv1.conv.weight 32,3,3,3 <- visual.conv1.weight
--   stem.conv1.bn.{weight,bias,running_mean,running_var} 32 <- visual.bn1.{weight,bias,running_mean,running_var}
--   stem.conv3.conv.weight 64,32,3,3 <- visual.conv3.weight
--   stages.0.0.conv1_1x1.conv.weight 64,64,1,1 <- visual.layer1.0.conv1.weight
--   stages.0.0.conv1_1x1.bn.{weight,bias} 64 <- visual.layer1.0.bn1.{weight,bias}
--   stages.0.0.conv2_kxk.conv.weight 64,64,3,3 <- visual.layer1.0.conv2.weight
--   stages.3.2.conv3_1x1.conv.weight 256,64,1,1 <- visual.layer4.2.conv3.weight
--   stages.3.2.conv3_1x1.bn.running_var 256 <- visual.layer4.2.bn3.running_var
--   stages.0.0.shortcut.conv.conv.weight 256,64,1,1 <- visual.layer1.0.downsample.0.weight
--   stages.0.0.shortcut.conv.bn.{weight,bias} 256 <- visual.layer1.0.downsample.1.{weight,bias}
--   head.pos_embed 50,256 <- visual.attnpool.positional_embedding
--   head.{q,k,v}.weight 256,256 <- visual.attnpool.{q,k,v}_proj.weight
--   head.{q,k,v}.bias 256 <- visual.attnpool.{q,k,v}_proj.bias
--   head.proj.weight 128,256 <- visual.attnpool.c_proj.weight
--
-- @case
--   visual.conv1.weight 32,3,3,3
--   token_embedding.weight 10,4
--   logit_scale f32
-- @gives
--   stem.conv1.conv.weight 32,3,3,3 <- visual.conv1.weight
-- @oneway

local o = ... or {}
clip_kinds = { "conv1_1x1", "conv2_kxk", "conv3_1x1" }

if o.reverse then
  rules [[
    stem.conv{n}.{l:conv|bn}.*             -> {l}{n}.*
    stages.{s}.{b}.shortcut.conv.conv.*    -> layer{s+1}.{b}.downsample.0.*
    stages.{s}.{b}.shortcut.conv.bn.*      -> layer{s+1}.{b}.downsample.1.*
    stages.{s}.{b}.conv{n}_1x1.{l:conv|bn}.* -> layer{s+1}.{b}.{l}{n}.*
    stages.{s}.{b}.conv{n}_kxk.{l:conv|bn}.* -> layer{s+1}.{b}.{l}{n}.*
    head.pos_embed    -> attnpool.positional_embedding
    head.{p:q|k|v}.*  -> attnpool.{p}_proj.*
    head.proj.*       -> attnpool.c_proj.*
  ]]
  prefix "visual."
else
  if count "visual.**" > 0 then keep "visual." end
  rules [[
    conv{n}.* -> stem.conv{n}.conv.* ; bn{n}.* -> stem.conv{n}.bn.*
    layer{s}.{b}.downsample.0.* -> stages.{s-1}.{b}.shortcut.conv.conv.*
    layer{s}.{b}.downsample.1.* -> stages.{s-1}.{b}.shortcut.conv.bn.*
    layer{s}.{b}.conv{n}.* -> stages.{s-1}.{b}.{clip_kinds[n]}.conv.*
    layer{s}.{b}.bn{n}.*   -> stages.{s-1}.{b}.{clip_kinds[n]}.bn.*
    attnpool.positional_embedding -> head.pos_embed
    attnpool.c_proj.*         -> head.proj.*
    attnpool.{p:q|k|v}_proj.* -> head.{p}.*
  ]]
end
