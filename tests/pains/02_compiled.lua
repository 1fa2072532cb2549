-- 02_compiled: a model wrapped by torch.compile (rasbt/LLMs-from-scratch#580, karpathy/nanoGPT#325)
--
-- @case
--   _orig_mod.tok_emb.weight 8,4
--   _orig_mod.trf_blocks.{0-1}.att.qkv.weight 12,4
-- @gives
--   tok_emb.weight 8,4 <- _orig_mod.tok_emb.weight
--   trf_blocks.{0-1}.att.qkv.weight 12,4 <- _orig_mod.trf_blocks.{0-1}.att.qkv.weight

strip "_orig_mod."
