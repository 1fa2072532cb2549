-- wrappers: takes out of the keys what training wrappers put there, at any depth and in any order
--
--   module                      DataParallel, DistributedDataParallel, DeepSpeed
--   _orig_mod                   torch.compile
--   _fsdp_wrapped_module        FSDP (and _fpw_module, its old name)
--   _checkpoint_wrapped_module  activation checkpointing
--   _forward_module             Lightning's DeepSpeed strategy
--
-- A model that has a part called "module" of its own needs strip "module." instead.
-- Source: torch/distributed/_state_dict_utils.py, torch/nn/parallel, mmengine get_state_dict
--
-- @case
--   module._orig_mod.conv1.weight 4
--   _orig_mod.module.layer1.0.conv1.weight 4
--   model._fsdp_wrapped_module.fc.weight 4
--   _forward_module.model._fpw_module.head.bias 4
--   blocks.0._checkpoint_wrapped_module._fsdp_wrapped_module.w 4
--   modules.0.w 4
-- @gives
--   conv1.weight 4 <- module._orig_mod.conv1.weight
--   layer1.0.conv1.weight 4 <- _orig_mod.module.layer1.0.conv1.weight
--   model.fc.weight 4 <- model._fsdp_wrapped_module.fc.weight
--   model.head.bias 4 <- _forward_module.model._fpw_module.head.bias
--   blocks.0.w 4 <- blocks.0._checkpoint_wrapped_module._fsdp_wrapped_module.w
--   modules.0.w 4

seg("module", "_orig_mod", "_fsdp_wrapped_module", "_fpw_module", "_checkpoint_wrapped_module",
    "_forward_module")
