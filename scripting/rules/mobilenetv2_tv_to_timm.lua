-- mobilenetv2_tv_to_timm: MobileNetV2 of any width from torchvision to timm
--
-- The 17 blocks of features stand in seven stages of 1, 2, 3, 4, 3, 3 and 1; the first has no
-- expansion.
-- Source: torchvision models/mobilenetv2.py, timm models/efficientnet.py mobilenetv2_100
--
-- @reverse
-- @case
--   features.0.0.weight 8,3,3,3
--   features.0.1.{weight,bias,running_mean,running_var} 8
--   features.1.conv.0.0.weight 8,1,3,3
--   features.1.conv.0.1.{weight,bias} 8
--   features.1.conv.1.weight 4,8,1,1
--   features.1.conv.2.{weight,bias} 4
--   features.{2-17}.conv.0.0.weight 24,4,1,1
--   features.{2-17}.conv.0.1.{weight,bias} 24
--   features.{2-17}.conv.1.0.weight 24,1,3,3
--   features.{2-17}.conv.1.1.{weight,bias} 24
--   features.{2-17}.conv.2.weight 4,24,1,1
--   features.{2-17}.conv.3.{weight,bias} 4
--   features.18.0.weight 32,4,1,1
--   features.18.1.{weight,bias} 32
--   classifier.1.weight 10,32
-- @gives
--   conv_stem.weight 8,3,3,3 <- features.0.0.weight
--   bn1.{weight,bias,running_mean,running_var} 8 <- features.0.1.{weight,bias,running_mean,running_var}
--   blocks.0.0.conv_dw.weight 8,1,3,3 <- features.1.conv.0.0.weight
--   blocks.0.0.bn1.{weight,bias} 8 <- features.1.conv.0.1.{weight,bias}
--   blocks.0.0.conv_pw.weight 4,8,1,1 <- features.1.conv.1.weight
--   blocks.0.0.bn2.{weight,bias} 4 <- features.1.conv.2.{weight,bias}
--   blocks.{1.0,1.1,2.0,2.1,2.2,3.0,3.1,3.2,3.3,4.0,4.1,4.2,5.0,5.1,5.2,6.0}.conv_pw.weight 24,4,1,1 <- features.{2-17}.conv.0.0.weight
--   blocks.{1.0,1.1,2.0,2.1,2.2,3.0,3.1,3.2,3.3,4.0,4.1,4.2,5.0,5.1,5.2,6.0}.bn1.{weight,bias} 24 <- features.{2-17}.conv.0.1.{weight,bias}
--   blocks.{1.0,1.1,2.0,2.1,2.2,3.0,3.1,3.2,3.3,4.0,4.1,4.2,5.0,5.1,5.2,6.0}.conv_dw.weight 24,1,3,3 <- features.{2-17}.conv.1.0.weight
--   blocks.{1.0,1.1,2.0,2.1,2.2,3.0,3.1,3.2,3.3,4.0,4.1,4.2,5.0,5.1,5.2,6.0}.bn2.{weight,bias} 24 <- features.{2-17}.conv.1.1.{weight,bias}
--   blocks.{1.0,1.1,2.0,2.1,2.2,3.0,3.1,3.2,3.3,4.0,4.1,4.2,5.0,5.1,5.2,6.0}.conv_pwl.weight 4,24,1,1 <- features.{2-17}.conv.2.weight
--   blocks.{1.0,1.1,2.0,2.1,2.2,3.0,3.1,3.2,3.3,4.0,4.1,4.2,5.0,5.1,5.2,6.0}.bn3.{weight,bias} 4 <- features.{2-17}.conv.3.{weight,bias}
--   conv_head.weight 32,4,1,1 <- features.18.0.weight
--   bn2.{weight,bias} 32 <- features.18.1.{weight,bias}
--   classifier.weight 10,32 <- classifier.1.weight

local o = ... or {}
local sizes = {1, 2, 3, 4, 3, 3, 1}

-- "3.1" for block 8 of features.
function mobilenet_block(i)
  local left = i - 1
  for stage, size in ipairs(sizes) do
    if left < size then return (stage - 1) .. "." .. left end
    left = left - size
  end
  error("MobileNetV2 has 17 blocks, not " .. i, 0)
end

-- 8 for block 1 of stage 3.
function mobilenet_number(stage, block)
  local number = block + 1
  for s = 1, stage do number = number + sizes[s] end
  return number
end

if o.reverse then
  rules [[
    conv_stem.* -> features.0.0.*
    bn1.*       -> features.0.1.*
    blocks.0.0.conv_dw.* -> features.1.conv.0.0.*
    blocks.0.0.bn1.*     -> features.1.conv.0.1.*
    blocks.0.0.conv_pw.* -> features.1.conv.1.*
    blocks.0.0.bn2.*     -> features.1.conv.2.*
    blocks.{s}.{b}.conv_pw.*  -> features.{mobilenet_number(s, b)}.conv.0.0.*
    blocks.{s}.{b}.bn1.*      -> features.{mobilenet_number(s, b)}.conv.0.1.*
    blocks.{s}.{b}.conv_dw.*  -> features.{mobilenet_number(s, b)}.conv.1.0.*
    blocks.{s}.{b}.bn2.*      -> features.{mobilenet_number(s, b)}.conv.1.1.*
    blocks.{s}.{b}.conv_pwl.* -> features.{mobilenet_number(s, b)}.conv.2.*
    blocks.{s}.{b}.bn3.*      -> features.{mobilenet_number(s, b)}.conv.3.*
    conv_head.*  -> features.18.0.*
    bn2.*        -> features.18.1.*
    classifier.* -> classifier.1.*
  ]]
else
  rules [[
    features.0.0.*  -> conv_stem.*
    features.0.1.*  -> bn1.*
    features.18.0.* -> conv_head.*
    features.18.1.* -> bn2.*
    features.1.conv.0.0.* -> blocks.0.0.conv_dw.*
    features.1.conv.0.1.* -> blocks.0.0.bn1.*
    features.1.conv.1.*   -> blocks.0.0.conv_pw.*
    features.1.conv.2.*   -> blocks.0.0.bn2.*
    features.{i}.conv.0.0.* -> blocks.{mobilenet_block(i)}.conv_pw.*
    features.{i}.conv.0.1.* -> blocks.{mobilenet_block(i)}.bn1.*
    features.{i}.conv.1.0.* -> blocks.{mobilenet_block(i)}.conv_dw.*
    features.{i}.conv.1.1.* -> blocks.{mobilenet_block(i)}.bn2.*
    features.{i}.conv.2.*   -> blocks.{mobilenet_block(i)}.conv_pwl.*
    features.{i}.conv.3.*   -> blocks.{mobilenet_block(i)}.bn3.*
    classifier.1.* -> classifier.*
  ]]
end
