strip "module."
rules [[ fc.weight -> head.weight |> T ; fc.bias -> head.bias ; conv.* -> stem.* ; bn.* -> norm.* ]]
fill("aux.weight", zeros())
optimizer { from = "optimizer" }
