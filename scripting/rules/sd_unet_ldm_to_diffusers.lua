-- sd_unet_ldm_to_diffusers: UNet of Stable Diffusion 1, 2 and XL from single files to diffusers
--
-- Takes the keys below model.diffusion_model., where there are any. In reverse prefix= puts them
-- back under one. Two blocks a level, as all of these models have. Where the first level has no
-- attention, as SDXL, label_emb holds the additional embedding of text and times, else a class's.
-- Source: diffusers loaders/single_file_utils.py convert_ldm_unet_checkpoint
--
-- @reverse
-- @case prefix="model.diffusion_model."
--   model.diffusion_model.time_embed.{0,2}.weight 8,8
--   model.diffusion_model.input_blocks.0.0.weight 8,4,3,3
--   model.diffusion_model.input_blocks.{1,2,4,5}.0.in_layers.0.weight 8
--   model.diffusion_model.input_blocks.{1,2,4,5}.0.in_layers.2.weight 8,8,3,3
--   model.diffusion_model.input_blocks.{1,2,4,5}.0.emb_layers.1.weight 8,8
--   model.diffusion_model.input_blocks.{1,2,4,5}.0.out_layers.0.weight 8
--   model.diffusion_model.input_blocks.{1,2,4,5}.0.out_layers.3.weight 8,8,3,3
--   model.diffusion_model.input_blocks.4.0.skip_connection.weight 8,8,1,1
--   model.diffusion_model.input_blocks.{1,2}.1.norm.weight 8
--   model.diffusion_model.input_blocks.{1,2}.1.transformer_blocks.0.norm1.weight 8
--   model.diffusion_model.input_blocks.{3,6}.0.op.weight 8,8,3,3
--   model.diffusion_model.middle_block.{0,2}.in_layers.0.weight 8
--   model.diffusion_model.middle_block.1.proj_in.weight 8,8,1,1
--   model.diffusion_model.output_blocks.{0-11}.0.in_layers.0.weight 16
--   model.diffusion_model.output_blocks.2.1.conv.weight 8,8,3,3
--   model.diffusion_model.output_blocks.{3-11}.1.norm.weight 8
--   model.diffusion_model.output_blocks.{5,8}.2.conv.weight 8,8,3,3
--   model.diffusion_model.out.0.weight 8
--   model.diffusion_model.out.2.weight 4,8,3,3
--   first_stage_model.quant_conv.weight 4,4,1,1
--   cond_stage_model.x 4
-- @gives
--   time_embedding.linear_{1,2}.weight 8,8 <- model.diffusion_model.time_embed.{0,2}.weight
--   conv_in.weight 8,4,3,3 <- model.diffusion_model.input_blocks.0.0.weight
--   down_blocks.{0,1}.resnets.{0,1}.norm1.weight 8 <- model.diffusion_model.input_blocks.{1,2,4,5}.0.in_layers.0.weight
--   down_blocks.{0,1}.resnets.{0,1}.conv1.weight 8,8,3,3 <- model.diffusion_model.input_blocks.{1,2,4,5}.0.in_layers.2.weight
--   down_blocks.{0,1}.resnets.{0,1}.time_emb_proj.weight 8,8 <- model.diffusion_model.input_blocks.{1,2,4,5}.0.emb_layers.1.weight
--   down_blocks.{0,1}.resnets.{0,1}.norm2.weight 8 <- model.diffusion_model.input_blocks.{1,2,4,5}.0.out_layers.0.weight
--   down_blocks.{0,1}.resnets.{0,1}.conv2.weight 8,8,3,3 <- model.diffusion_model.input_blocks.{1,2,4,5}.0.out_layers.3.weight
--   down_blocks.1.resnets.0.conv_shortcut.weight 8,8,1,1 <- model.diffusion_model.input_blocks.4.0.skip_connection.weight
--   down_blocks.0.attentions.{0,1}.norm.weight 8 <- model.diffusion_model.input_blocks.{1,2}.1.norm.weight
--   down_blocks.0.attentions.{0,1}.transformer_blocks.0.norm1.weight 8 <- model.diffusion_model.input_blocks.{1,2}.1.transformer_blocks.0.norm1.weight
--   down_blocks.{0,1}.downsamplers.0.conv.weight 8,8,3,3 <- model.diffusion_model.input_blocks.{3,6}.0.op.weight
--   mid_block.resnets.{0,1}.norm1.weight 8 <- model.diffusion_model.middle_block.{0,2}.in_layers.0.weight
--   mid_block.attentions.0.proj_in.weight 8,8,1,1 <- model.diffusion_model.middle_block.1.proj_in.weight
--   up_blocks.{0-3}.resnets.{0-2}.norm1.weight 16 <- model.diffusion_model.output_blocks.{0-11}.0.in_layers.0.weight
--   up_blocks.0.upsamplers.0.conv.weight 8,8,3,3 <- model.diffusion_model.output_blocks.2.1.conv.weight
--   up_blocks.{1-3}.attentions.{0-2}.norm.weight 8 <- model.diffusion_model.output_blocks.{3-11}.1.norm.weight
--   up_blocks.{1,2}.upsamplers.0.conv.weight 8,8,3,3 <- model.diffusion_model.output_blocks.{5,8}.2.conv.weight
--   conv_norm_out.weight 8 <- model.diffusion_model.out.0.weight
--   conv_out.weight 4,8,3,3 <- model.diffusion_model.out.2.weight
--
-- @case prefix="model.diffusion_model."
--   model.diffusion_model.time_embed.{0,2}.bias 8
--   model.diffusion_model.label_emb.0.{0,2}.weight 8,8
--   model.diffusion_model.label_emb.0.{0,2}.bias 8
--   model.diffusion_model.input_blocks.0.0.bias 8
--   model.diffusion_model.input_blocks.{1,2,4,5,7,8}.0.in_layers.0.bias 8
--   model.diffusion_model.input_blocks.{4,7}.0.skip_connection.weight 8,8,1,1
--   model.diffusion_model.input_blocks.{3,6}.0.op.weight 8,8,3,3
--   model.diffusion_model.input_blocks.{4,5}.1.transformer_blocks.{0-1}.attn1.to_q.weight 8,8
--   model.diffusion_model.input_blocks.{7,8}.1.transformer_blocks.{0-9}.attn2.to_k.weight 8,16
--   model.diffusion_model.input_blocks.{7,8}.1.proj_in.weight 8,8
--   model.diffusion_model.middle_block.1.transformer_blocks.{0-9}.norm1.weight 8
--   model.diffusion_model.middle_block.{0,2}.out_layers.3.weight 8,8,3,3
--   model.diffusion_model.output_blocks.{0-8}.0.skip_connection.weight 8,16,1,1
--   model.diffusion_model.output_blocks.{0-5}.1.proj_out.weight 8,8
--   model.diffusion_model.output_blocks.{2,5}.2.conv.weight 8,8,3,3
--   model.diffusion_model.out.{0,2}.bias 4
-- @gives
--   time_embedding.linear_{1,2}.bias 8 <- model.diffusion_model.time_embed.{0,2}.bias
--   add_embedding.linear_{1,2}.weight 8,8 <- model.diffusion_model.label_emb.0.{0,2}.weight
--   add_embedding.linear_{1,2}.bias 8 <- model.diffusion_model.label_emb.0.{0,2}.bias
--   conv_in.bias 8 <- model.diffusion_model.input_blocks.0.0.bias
--   down_blocks.{0-2}.resnets.{0,1}.norm1.bias 8 <- model.diffusion_model.input_blocks.{1,2,4,5,7,8}.0.in_layers.0.bias
--   down_blocks.{1,2}.resnets.0.conv_shortcut.weight 8,8,1,1 <- model.diffusion_model.input_blocks.{4,7}.0.skip_connection.weight
--   down_blocks.{0,1}.downsamplers.0.conv.weight 8,8,3,3 <- model.diffusion_model.input_blocks.{3,6}.0.op.weight
--   down_blocks.1.attentions.{0,1}.transformer_blocks.{0-1}.attn1.to_q.weight 8,8 <- model.diffusion_model.input_blocks.{4,5}.1.transformer_blocks.{0-1}.attn1.to_q.weight
--   down_blocks.2.attentions.{0,1}.transformer_blocks.{0-9}.attn2.to_k.weight 8,16 <- model.diffusion_model.input_blocks.{7,8}.1.transformer_blocks.{0-9}.attn2.to_k.weight
--   down_blocks.2.attentions.{0,1}.proj_in.weight 8,8 <- model.diffusion_model.input_blocks.{7,8}.1.proj_in.weight
--   mid_block.attentions.0.transformer_blocks.{0-9}.norm1.weight 8 <- model.diffusion_model.middle_block.1.transformer_blocks.{0-9}.norm1.weight
--   mid_block.resnets.{0,1}.conv2.weight 8,8,3,3 <- model.diffusion_model.middle_block.{0,2}.out_layers.3.weight
--   up_blocks.{0-2}.resnets.{0-2}.conv_shortcut.weight 8,16,1,1 <- model.diffusion_model.output_blocks.{0-8}.0.skip_connection.weight
--   up_blocks.{0,1}.attentions.{0-2}.proj_out.weight 8,8 <- model.diffusion_model.output_blocks.{0-5}.1.proj_out.weight
--   up_blocks.{0,1}.upsamplers.0.conv.weight 8,8,3,3 <- model.diffusion_model.output_blocks.{2,5}.2.conv.weight
--   conv_norm_out.bias 4 <- model.diffusion_model.out.0.bias
--   conv_out.bias 4 <- model.diffusion_model.out.2.bias
--
-- @case
--   label_emb.0.{0,2}.weight 8,8
--   input_blocks.1.1.proj_in.weight 8,8,1,1
-- @gives
--   class_embedding.linear_{1,2}.weight 8,8 <- label_emb.0.{0,2}.weight
--   down_blocks.0.attentions.0.proj_in.weight 8,8,1,1 <- input_blocks.1.1.proj_in.weight

local o = ... or {}

-- Where the upsampler stands in an output block: behind the attention, if there is one.
function unet_upsampler(b)
  return count("up_blocks." .. b .. ".attentions.**") > 0 and 2 or 1
end

if o.reverse then
  unet_places = {}
  for b = 0, 3 do unet_places[b] = unet_upsampler(b) end
  sub [[
    resnets.{r}.norm1 -> resnets.{r}.in_layers.0 ; resnets.{r}.conv1 -> resnets.{r}.in_layers.2
    resnets.{r}.time_emb_proj -> resnets.{r}.emb_layers.1
    resnets.{r}.norm2 -> resnets.{r}.out_layers.0 ; resnets.{r}.conv2 -> resnets.{r}.out_layers.3
    resnets.{r}.conv_shortcut -> resnets.{r}.skip_connection
  ]]
  rules [[
    time_embedding.linear_{n}.* -> time_embed.{2*n-2}.*
    {e:add|class}_embedding.linear_{n}.* -> label_emb.0.{2*n-2}.*
    conv_in.*       -> input_blocks.0.0.*
    conv_norm_out.* -> out.0.* ; conv_out.* -> out.2.*
    down_blocks.{b}.downsamplers.0.conv.* -> input_blocks.{3*b+3}.0.op.*
    down_blocks.{b}.resnets.{r}.**        -> input_blocks.{3*b+r+1}.0.**
    down_blocks.{b}.attentions.{r}.**     -> input_blocks.{3*b+r+1}.1.**
    up_blocks.{b}.upsamplers.0.conv.*     -> output_blocks.{3*b+2}.{unet_places[b]}.conv.*
    up_blocks.{b}.resnets.{r}.**          -> output_blocks.{3*b+r}.0.**
    up_blocks.{b}.attentions.{r}.**       -> output_blocks.{3*b+r}.1.**
    mid_block.attentions.0.** -> middle_block.1.** ; mid_block.resnets.{r}.** -> middle_block.{2*r}.**
  ]]
  if o.prefix and o.prefix ~= "" then prefix(o.prefix) end
else
  if count "model.diffusion_model.**" > 0 then keep "model.diffusion_model." end
  unet_label = count "input_blocks.1.1.**" > 0 and "class_embedding" or "add_embedding"
  rules [[
    label_emb.0.{n:0|2}.*        -> {unet_label}.linear_{n//2+1}.*
    time_embed.{n:0|2}.*         -> time_embedding.linear_{n//2+1}.*
    input_blocks.0.0.*           -> conv_in.*
    out.0.*                      -> conv_norm_out.* ; out.2.* -> conv_out.*
    input_blocks.{i}.0.op.*      -> down_blocks.{(i-1)//3}.downsamplers.0.conv.*
    output_blocks.{i}.{j}.conv.* -> up_blocks.{i//3}.upsamplers.0.conv.*
    input_blocks.{i}.{j}.**      -> down_blocks.{(i-1)//3}.{j==0 and "resnets" or "attentions"}.{(i-1)%3}.**
    output_blocks.{i}.{j}.**     -> up_blocks.{i//3}.{j==0 and "resnets" or "attentions"}.{i%3}.**
    middle_block.1.**            -> mid_block.attentions.0.** ; middle_block.{j}.** -> mid_block.resnets.{j//2}.**
  ]]
  sub [[
    in_layers.0 -> norm1 ; in_layers.2 -> conv1 ; emb_layers.1 -> time_emb_proj
    out_layers.0 -> norm2 ; out_layers.3 -> conv2 ; skip_connection -> conv_shortcut
  ]]
end
