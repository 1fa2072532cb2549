-- 26_square_experts: stacked experts of a layout that a square shape hides (transformers#47031)
--
-- (E, H, 2I) against (E, 2I, H) with 2I equal to H: no error anywhere. The rule states the layout.
--
-- @case
--   mlp.experts.gate_up_proj 2,4,4
-- @gives
--   mlp.experts.gate_up_proj 2,4,4
-- @same mlp.experts.gate_up_proj[1,0,3] = mlp.experts.gate_up_proj[1,3,0]

rules [[ **.experts.gate_up_proj -> **.experts.gate_up_proj |> permute(0, 2, 1) ]]
