rules [[
  mp_rank_00.**layernorm.weight -> **layernorm.weight
  mp_rank_00.**.{x:dense|dense_4h_to_h}.bias -> **.{x}.bias
  mp_rank_*.**layernorm.weight ->
  mp_rank_*.**.{x:dense|dense_4h_to_h}.bias ->
  mp_rank_{shard:*}.**.{x:dense|dense_4h_to_h}.weight -> **.{x}.weight |> cat(1)
  mp_rank_{shard:*}.** -> ** |> cat(0)
]]
