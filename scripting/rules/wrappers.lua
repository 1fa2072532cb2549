-- wrappers: takes the segments out of the keys that training wrappers put there, at any depth.
--
--   before                                     after
--   module.conv1.weight                        conv1.weight          DataParallel, DDP
--   _orig_mod.layer1.0.conv1.weight            layer1.0.conv1.weight torch.compile
--   model._fsdp_wrapped_module.fc.weight       model.fc.weight       FSDP
--   blocks.0._checkpoint_wrapped_module.w      blocks.0.w            activation checkpointing
--
-- A model that has a part called "module" of its own needs strip "module." instead.

seg("module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
