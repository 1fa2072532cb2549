source("consolidated.00.pth", "consolidated.01.pth")
rules [[
  0:**norm.weight -> **norm.weight
  0:rope.freqs -> rope.freqs
  {shard}:**norm.weight ->
  {shard}:rope.freqs ->
  {shard}:tok_embeddings.weight -> tok_embeddings.weight |> cat(1)
  {shard}:**.wo.weight -> **.wo.weight |> cat(1)
  {shard}:**.w2.weight -> **.w2.weight |> cat(1)
  {shard}:** -> ** |> cat(0)
]]
