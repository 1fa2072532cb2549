-- 21_weight_norm_names: weight norm as torch 2 names it (transformers#26796)
--
-- @case
--   encoder.pos_conv_embed.conv.weight_{g,v} 2,2
--   encoder.pos_conv_embed.conv.bias 2
-- @gives
--   encoder.pos_conv_embed.conv.parametrizations.weight.original0 2,2 <- encoder.pos_conv_embed.conv.weight_g
--   encoder.pos_conv_embed.conv.parametrizations.weight.original1 2,2 <- encoder.pos_conv_embed.conv.weight_v
--   encoder.pos_conv_embed.conv.bias 2

sub [[ weight_g -> parametrizations.weight.original0 ; weight_v -> parametrizations.weight.original1 ]]
