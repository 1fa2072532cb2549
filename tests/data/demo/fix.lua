-- pretrain.pth (DataParallel, 100 classes) into net.pth (200 classes)
strip "module."
rules [[
  head.fc.* -> head.fc.* |> fit(0)      -- the first 100 rows; the target keeps the rest
]]
