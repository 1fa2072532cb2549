-- 34_bgr: a first convolution that expects BGR (faster-rcnn.pytorch#263, #774)
--
-- @case
--   conv1.weight 2,3,1,1
--   conv2.weight 2,3,1,1
-- @gives
--   conv1.weight 2,3,1,1
--   conv2.weight 2,3,1,1
-- @same conv1.weight[1,0,0,0] = conv1.weight[1,2,0,0]
-- @same conv2.weight[1,0,0,0] = conv2.weight[1,0,0,0]

rules [[ conv1.weight -> conv1.weight |> pick(1, {2, 1, 0}) ]]
