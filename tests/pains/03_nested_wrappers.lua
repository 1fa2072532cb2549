-- 03_nested_wrappers: compiled and parallel, in either order (FareedKhan-dev/train-llm-from-scratch#36)
--
-- @case
--   _orig_mod.module.attn_blocks.0.attn.heads.0.key.weight 4,4
--   module._orig_mod.attn_blocks.1.attn.heads.0.key.weight 4,4
--   module._orig_mod.module.head.weight 2,4
-- @gives
--   attn_blocks.0.attn.heads.0.key.weight 4,4 <- _orig_mod.module.attn_blocks.0.attn.heads.0.key.weight
--   attn_blocks.1.attn.heads.0.key.weight 4,4 <- module._orig_mod.attn_blocks.1.attn.heads.0.key.weight
--   head.weight 2,4 <- module._orig_mod.module.head.weight

strip{"module.", "_orig_mod.", again=true}
