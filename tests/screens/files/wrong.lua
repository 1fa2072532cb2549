strip "module."

-- the head
rules [[
  head.fc.weight -> head.fc.weight |> fit(0, zeros)
  head.fc.bias -> head.fc.bias |> nothing(0)
]]
