rules [[
  consolidated.00.**norm.weight -> **norm.weight
  consolidated.00.rope.freqs -> rope.freqs
  consolidated.*.**norm.weight ->
  consolidated.*.rope.freqs ->
  consolidated.{shard:*}.tok_embeddings.weight -> tok_embeddings.weight |> cat(1)
  consolidated.{shard:*}.**.wo.weight -> **.wo.weight |> cat(1)
  consolidated.{shard:*}.**.w2.weight -> **.w2.weight |> cat(1)
  consolidated.{shard:*}.** -> ** |> cat(0)
]]
