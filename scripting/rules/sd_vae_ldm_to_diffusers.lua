-- sd_vae_ldm_to_diffusers: AutoencoderKL of Stable Diffusion (1, 2, XL, 3) to diffusers
--
-- Takes the keys below first_stage_model., where there are any; in reverse prefix= puts them back
-- under one. The decoder counts its levels from the other end; the convolutions of 1x1 in the
-- attention become matrices. Discriminator and loss are dropped.
-- Source: diffusers loaders/single_file_utils.py convert_ldm_vae_checkpoint
--
-- @reverse
-- @case prefix="first_stage_model."
--   first_stage_model.{encoder,decoder}.conv_in.weight 8,3,3,3
--   first_stage_model.{encoder,decoder}.norm_out.{weight,bias} 8
--   first_stage_model.{encoder,decoder}.conv_out.weight 4,8,3,3
--   first_stage_model.encoder.down.{0-3}.block.{0-1}.{norm1,norm2}.weight 8
--   first_stage_model.encoder.down.{1-2}.block.0.nin_shortcut.weight 8,8,1,1
--   first_stage_model.encoder.down.{0-2}.downsample.conv.weight 8,8,3,3
--   first_stage_model.decoder.up.{0-3}.block.{0-2}.conv1.weight 8,8,3,3
--   first_stage_model.decoder.up.{1-3}.upsample.conv.weight 8,8,3,3
--   first_stage_model.decoder.up.0.block.0.nin_shortcut.bias 8
--   first_stage_model.{encoder,decoder}.mid.block_{1,2}.conv1.weight 8,8,3,3
--   first_stage_model.{encoder,decoder}.mid.attn_1.norm.weight 8
--   first_stage_model.{encoder,decoder}.mid.attn_1.{q,k,v,proj_out}.weight 8,8,1,1
--   first_stage_model.{encoder,decoder}.mid.attn_1.{q,k,v,proj_out}.bias 8
--   first_stage_model.{quant_conv,post_quant_conv}.weight 4,4,1,1
--   model.diffusion_model.out.0.weight 8
-- @gives
--   {encoder,decoder}.conv_in.weight 8,3,3,3 <- first_stage_model.{encoder,decoder}.conv_in.weight
--   {encoder,decoder}.conv_norm_out.{weight,bias} 8 <- first_stage_model.{encoder,decoder}.norm_out.{weight,bias}
--   {encoder,decoder}.conv_out.weight 4,8,3,3 <- first_stage_model.{encoder,decoder}.conv_out.weight
--   encoder.down_blocks.{0-3}.resnets.{0-1}.{norm1,norm2}.weight 8 <- first_stage_model.encoder.down.{0-3}.block.{0-1}.{norm1,norm2}.weight
--   encoder.down_blocks.{1-2}.resnets.0.conv_shortcut.weight 8,8,1,1 <- first_stage_model.encoder.down.{1-2}.block.0.nin_shortcut.weight
--   encoder.down_blocks.{0-2}.downsamplers.0.conv.weight 8,8,3,3 <- first_stage_model.encoder.down.{0-2}.downsample.conv.weight
--   decoder.up_blocks.{3,2,1,0}.resnets.{0-2}.conv1.weight 8,8,3,3 <- first_stage_model.decoder.up.{0,1,2,3}.block.{0-2}.conv1.weight
--   decoder.up_blocks.{2,1,0}.upsamplers.0.conv.weight 8,8,3,3 <- first_stage_model.decoder.up.{1,2,3}.upsample.conv.weight
--   decoder.up_blocks.3.resnets.0.conv_shortcut.bias 8 <- first_stage_model.decoder.up.0.block.0.nin_shortcut.bias
--   {encoder,decoder}.mid_block.resnets.{0,1}.conv1.weight 8,8,3,3 <- first_stage_model.{encoder,decoder}.mid.block_{1,2}.conv1.weight
--   {encoder,decoder}.mid_block.attentions.0.group_norm.weight 8 <- first_stage_model.{encoder,decoder}.mid.attn_1.norm.weight
--   {encoder,decoder}.mid_block.attentions.0.{to_q,to_k,to_v,to_out.0}.weight 8,8 <- first_stage_model.{encoder,decoder}.mid.attn_1.{q,k,v,proj_out}.weight
--   {encoder,decoder}.mid_block.attentions.0.{to_q,to_k,to_v,to_out.0}.bias 8 <- first_stage_model.{encoder,decoder}.mid.attn_1.{q,k,v,proj_out}.bias
--   {quant_conv,post_quant_conv}.weight 4,4,1,1 <- first_stage_model.{quant_conv,post_quant_conv}.weight

local o = ... or {}
vae_long = {q = "to_q", k = "to_k", v = "to_v", proj_out = "to_out.0"}

-- A convolution of 1x1 as a matrix; newer files hold matrices already.
function vae_matrix(t)
  return #t.shape == 4 and t:squeeze(3):squeeze(2) or t
end

if o.reverse then
  vae_last = select(2, count "decoder.up_blocks.{i}.resnets.0.conv1.weight") - 1
  rules [[
    {s:encoder|decoder}.conv_norm_out.* -> {s}.norm_out.*
    encoder.down_blocks.{i}.resnets.{j}.conv_shortcut.* -> encoder.down.{i}.block.{j}.nin_shortcut.*
    encoder.down_blocks.{i}.resnets.{j}.**       -> encoder.down.{i}.block.{j}.**
    encoder.down_blocks.{i}.downsamplers.0.**    -> encoder.down.{i}.downsample.**
    decoder.up_blocks.{i}.resnets.{j}.conv_shortcut.* -> decoder.up.{vae_last-i}.block.{j}.nin_shortcut.*
    decoder.up_blocks.{i}.resnets.{j}.**         -> decoder.up.{vae_last-i}.block.{j}.**
    decoder.up_blocks.{i}.upsamplers.0.**        -> decoder.up.{vae_last-i}.upsample.**
    {s:encoder|decoder}.mid_block.resnets.{j}.** -> {s}.mid.block_{j+1}.**
    {s:encoder|decoder}.mid_block.attentions.0.group_norm.* -> {s}.mid.attn_1.norm.*
    {s:encoder|decoder}.mid_block.attentions.0.to_{a:q|k|v}.weight -> {s}.mid.attn_1.{a}.weight |> unsqueeze(2), unsqueeze(3)
    {s:encoder|decoder}.mid_block.attentions.0.to_{a:q|k|v}.bias   -> {s}.mid.attn_1.{a}.bias
    {s:encoder|decoder}.mid_block.attentions.0.to_out.0.weight -> {s}.mid.attn_1.proj_out.weight |> unsqueeze(2), unsqueeze(3)
    {s:encoder|decoder}.mid_block.attentions.0.to_out.0.bias   -> {s}.mid.attn_1.proj_out.bias
  ]]
  if o.prefix and o.prefix ~= "" then prefix(o.prefix) end
else
  if count "first_stage_model.**" > 0 then keep "first_stage_model." end
  vae_last = select(2, count "decoder.up.{i}.block.0.conv1.weight") - 1
  rules [[
    loss.** ->
    {s:encoder|decoder}.norm_out.*          -> {s}.conv_norm_out.*
    encoder.down.{i}.block.{j}.nin_shortcut.* -> encoder.down_blocks.{i}.resnets.{j}.conv_shortcut.*
    encoder.down.{i}.block.{j}.**           -> encoder.down_blocks.{i}.resnets.{j}.**
    encoder.down.{i}.downsample.**          -> encoder.down_blocks.{i}.downsamplers.0.**
    decoder.up.{i}.block.{j}.nin_shortcut.* -> decoder.up_blocks.{vae_last-i}.resnets.{j}.conv_shortcut.*
    decoder.up.{i}.block.{j}.**             -> decoder.up_blocks.{vae_last-i}.resnets.{j}.**
    decoder.up.{i}.upsample.**              -> decoder.up_blocks.{vae_last-i}.upsamplers.0.**
    {s:encoder|decoder}.mid.block_{j}.**    -> {s}.mid_block.resnets.{j-1}.**
    {s:encoder|decoder}.mid.attn_1.norm.*   -> {s}.mid_block.attentions.0.group_norm.*
    {s:encoder|decoder}.mid.attn_1.{a:q|k|v|proj_out}.weight -> {s}.mid_block.attentions.0.{vae_long[a]}.weight |> vae_matrix
    {s:encoder|decoder}.mid.attn_1.{a:q|k|v|proj_out}.bias   -> {s}.mid_block.attentions.0.{vae_long[a]}.bias
  ]]
end
