-- mixtral_experts_to_stacked: Mixtral with single experts to the stacked tensors of transformers 5
--
-- gate_up_proj[e] holds the rows of w1, then those of w3.
-- Source: transformers conversion_mapping.py, mixtral
--
-- @reverse
-- @case
--   model.layers.{0-1}.block_sparse_moe.gate.weight 4,8
--   model.layers.{0-1}.block_sparse_moe.experts.{0-10}.w{1,3}.weight 6,8
--   model.layers.{0-1}.block_sparse_moe.experts.{0-10}.w2.weight 8,6
--   model.layers.{0-1}.self_attn.q_proj.weight 8,8
-- @gives
--   model.layers.{0-1}.mlp.gate.weight 4,8 <- model.layers.{0-1}.block_sparse_moe.gate.weight
--   model.layers.{0-1}.mlp.experts.gate_up_proj 11,12,8 <- model.layers.{0-1}.block_sparse_moe.experts.{0-10}.w{1,3}.weight
--   model.layers.{0-1}.mlp.experts.down_proj 11,8,6 <- model.layers.{0-1}.block_sparse_moe.experts.{0-10}.w2.weight
--   model.layers.{0-1}.self_attn.q_proj.weight 8,8
-- @same model.layers.1.mlp.experts.gate_up_proj[10,2,3] = model.layers.1.block_sparse_moe.experts.10.w1.weight[2,3]
-- @same model.layers.0.mlp.experts.gate_up_proj[2,7,3] = model.layers.0.block_sparse_moe.experts.2.w3.weight[1,3]

local o = ... or {}
if o.reverse then
  rules [[
    **.mlp.gate.weight -> **.block_sparse_moe.gate.weight
    **.mlp.experts.gate_up_proj -> **.block_sparse_moe.experts.w1, **.block_sparse_moe.experts.w3 |> split(2, 1)
    **.mlp.experts.down_proj    -> **.block_sparse_moe.experts.w2
  ]]
  rules [[
    **.block_sparse_moe.experts.w{n} -> **.block_sparse_moe.experts.{e}.w{n}.weight |> unstack(0)
  ]]
else
  rules [[
    **.block_sparse_moe.gate.weight -> **.mlp.gate.weight
    **.block_sparse_moe.experts.{e}.w1.weight, **.block_sparse_moe.experts.{e}.w3.weight -> **.mlp.experts.gate_up_proj |> stack(0), cat(1)
    **.block_sparse_moe.experts.{e}.w2.weight -> **.mlp.experts.down_proj |> stack(0)
  ]]
end
