-- stale_buffers: drops buffers that newer versions of a library compute themselves and no
-- longer expect in a file.
--
--   before                                        after
--   model.layers.0.self_attn.rotary_emb.inv_freq  (dropped)   rope frequencies: Llama, GPT-NeoX
--   bert.embeddings.position_ids                  (dropped)   0, 1, 2 …: BERT, CLIP
--   h.0.attn.masked_bias                          (dropped)   mask constants of GPT-2
--
-- Only whole names are meant: attn.bias of GPT-2, a buffer too, is a parameter elsewhere and
-- stays. What the target does have should not be dropped: leave this pack out then.

rules [[
  **.rotary_emb.inv_freq ->
  **.position_ids ->
  **.attn.masked_bias ->
]]
