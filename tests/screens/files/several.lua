strip "module."

-- the head
rules [[
  head.fc.* -> head.fc.* |> fit(0, zeros)
]]
policy{unused="ignore"}
