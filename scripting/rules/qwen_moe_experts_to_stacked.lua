-- qwen_moe_experts_to_stacked: experts of Qwen-MoE, OLMoE, DeepSeek stacked as in transformers 5
--
-- gate_up_proj[e] holds the rows of gate_proj, then those of up_proj. Shared experts stay.
-- Source: transformers conversion_mapping.py, qwen2_moe
--
-- @reverse
-- @case
--   model.layers.{0-1}.mlp.gate.weight 4,8
--   model.layers.{0-1}.mlp.experts.{0-10}.{gate,up}_proj.weight 6,8
--   model.layers.{0-1}.mlp.experts.{0-10}.down_proj.weight 8,6
--   model.layers.{0-1}.mlp.shared_expert.{gate,up}_proj.weight 6,8
-- @gives
--   model.layers.{0-1}.mlp.gate.weight 4,8
--   model.layers.{0-1}.mlp.experts.gate_up_proj 11,12,8 <- model.layers.{0-1}.mlp.experts.{0-10}.{gate,up}_proj.weight
--   model.layers.{0-1}.mlp.experts.down_proj 11,8,6 <- model.layers.{0-1}.mlp.experts.{0-10}.down_proj.weight
--   model.layers.{0-1}.mlp.shared_expert.{gate,up}_proj.weight 6,8
-- @same model.layers.1.mlp.experts.gate_up_proj[10,2,3] = model.layers.1.mlp.experts.10.gate_proj.weight[2,3]
-- @same model.layers.0.mlp.experts.gate_up_proj[2,7,3] = model.layers.0.mlp.experts.2.up_proj.weight[1,3]

local o = ... or {}
if o.reverse then
  rules [[
    **.experts.gate_up_proj -> **.experts.gate_proj, **.experts.up_proj |> split(2, 1)
  ]]
  rules [[
    **.experts.{p:gate|up|down}_proj -> **.experts.{e}.{p}_proj.weight |> unstack(0)
  ]]
else
  rules [[
    **.experts.{e}.gate_proj.weight, **.experts.{e}.up_proj.weight -> **.experts.gate_up_proj |> stack(0), cat(1)
    **.experts.{e}.down_proj.weight -> **.experts.down_proj |> stack(0)
  ]]
end
