-- 18_fused_qkv: separate projections into the fused one (facebookresearch/metaseq#442, torchtitan#3656)
--
-- The order is the code's, whatever the name says: that model's qkv_proj holds K, V, Q.
--
-- @case
--   layers.0.self_attn.{q,k,v}_proj.weight 2,4
--   layers.0.self_attn.{q,k,v}_proj.bias 2
-- @gives
--   layers.0.self_attn.qkv_proj.weight 6,4 <- layers.0.self_attn.k_proj.weight layers.0.self_attn.v_proj.weight layers.0.self_attn.q_proj.weight
--   layers.0.self_attn.qkv_proj.bias 6 <- layers.0.self_attn.k_proj.bias layers.0.self_attn.v_proj.bias layers.0.self_attn.q_proj.bias
-- @same layers.0.self_attn.qkv_proj.weight[2,1] = layers.0.self_attn.v_proj.weight[0,1]
-- @same layers.0.self_attn.qkv_proj.bias[5] = layers.0.self_attn.q_proj.bias[1]

rules [[ **.k_proj.{p:*}, **.v_proj.{p:*}, **.q_proj.{p:*} -> **.qkv_proj.{p} |> cat(0) ]]
