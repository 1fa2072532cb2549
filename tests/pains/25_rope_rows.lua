-- 25_rope_rows: Meta's rope order into Hugging Face's (torchtune convert_weights.py)
--
-- Same names, same shapes, other rows: view(h, d/2, 2, dim), transpose(1, 2).
--
-- @case
--   layers.0.self_attn.{q,k}_proj.weight 8,2
--   layers.0.self_attn.v_proj.weight 8,2
-- @gives
--   layers.0.self_attn.{q,k}_proj.weight 8,2
--   layers.0.self_attn.v_proj.weight 8,2
-- @same layers.0.self_attn.q_proj.weight[1,0] = layers.0.self_attn.q_proj.weight[2,0]
-- @same layers.0.self_attn.k_proj.weight[2,1] = layers.0.self_attn.k_proj.weight[1,1]
-- @same layers.0.self_attn.v_proj.weight[1,0] = layers.0.self_attn.v_proj.weight[1,0]

rules [[ **.{p:q|k}_proj.weight -> **.{p}_proj.weight |> rope_halves(2) ]]
