-- 23_flat_ema: the average's keys with dots turned to underscores (Picodet_Pytorch#7, CLRerNet#26)
--
-- To use them instead, their names are made of the model's own.
--
-- @case
--   backbone.conv1.conv.weight 2,2
--   head.cls_branch.bias 2
--   ema_backbone_conv1_conv_weight 2,2
--   ema_head_cls_branch_bias 2
-- @gives
--   backbone.conv1.conv.weight 2,2 <- ema_backbone_conv1_conv_weight
--   head.cls_branch.bias 2 <- ema_head_cls_branch_bias

local name_of = {}
each(function(key)
  if key:sub(1, 4) ~= "ema_" then name_of["ema_" .. key:gsub("%.", "_")] = key return false end
end)
each(function(key) return name_of[key] end)
