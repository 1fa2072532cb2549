-- 31_aux_logits: Inception's second head (pytorch PR#18668)
--
-- @case
--   Conv2d_1a_3x3.conv.weight 2,2
--   AuxLogits.conv0.conv.weight 2,2
--   AuxLogits.fc.{weight,bias} 2
-- @gives
--   Conv2d_1a_3x3.conv.weight 2,2

rules [[ AuxLogits.** -> ]]
