-- vgg16_caffe_to_pet: VGG-16 with dilated fc6 and fc7 (vgg16_reducedfc) to the SSD backbones of Pet
--
-- The bare numbers of one sequence go into features1, features2 and two convolutions.
-- Source: Pet pet/lib/utils/checkpointer.py weight_mapping
--
-- @reverse
-- @case
--   {0,2,5,7,10,12,14,17,19,21}.{weight,bias} 8
--   {24,26,28}.{weight,bias} 8
--   {31,33}.weight 8,8,3,3
-- @gives
--   features1.{0,2,5,7,10,12,14,17,19,21}.{weight,bias} 8 <- {0,2,5,7,10,12,14,17,19,21}.{weight,bias}
--   features2.{1,3,5}.{weight,bias} 8 <- {24,26,28}.{weight,bias}
--   conv{6,7}.weight 8,8,3,3 <- {31,33}.weight

local o = ... or {}
if o.reverse then
  rules [[
    features1.{n}.* -> {n}.*
    features2.{n}.* -> {n+23}.*
    conv6.* -> 31.* ; conv7.* -> 33.*
  ]]
else
  rules [[
    {n:0|2|5|7|10|12|14|17|19|21}.* -> features1.{n}.*
    {n:24|26|28}.* -> features2.{n-23}.*
    31.* -> conv6.* ; 33.* -> conv7.*
  ]]
end
