-- stale_buffers: drops buffers that newer versions of a library compute themselves
--
--   rotary_emb.inv_freq     rope frequencies: Llama, GPT-NeoX
--   position_ids            0, 1, 2 …: BERT, CLIP
--   attn.masked_bias        a constant of GPT-2's mask
--   relative_position_index Swin, BEiT (and attn_mask of shifted windows)
--
-- Only whole names are meant: attn.bias of GPT-2, a buffer too, is a parameter elsewhere and
-- stays. What the target does have should not be dropped: leave this pack out then.
-- Source: transformers _keys_to_ignore_on_load_unexpected, timm swin_transformer.py
--
-- @case
--   model.layers.0.self_attn.rotary_emb.inv_freq 8
--   bert.embeddings.position_ids i64 1,16
--   h.0.attn.masked_bias
--   h.0.attn.bias 4
--   layers.0.blocks.1.attn_mask 4,16,16
--   layers.0.blocks.1.attn.relative_position_index i64 16,16
-- @gives
--   h.0.attn.bias 4

rules [[
  **.rotary_emb.inv_freq ->
  **.position_ids ->
  **.attn.masked_bias ->
  **.attn.relative_position_index ->
  **.blocks.{i}.attn_mask ->
]]
