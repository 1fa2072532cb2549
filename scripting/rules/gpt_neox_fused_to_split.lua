-- gpt_neox_fused_to_split: query_key_value of GPT-NeoX, Pythia, BLOOM into q_proj, k_proj, v_proj
--
-- The rows are interleaved: head by head its q, its k, its v. The number of heads: heads=, or a
-- global heads, else num_attention_heads (n_head) of config.json beside the source, if its width is
-- that of the weights.
-- Source: transformers models/gpt_neox/modeling_gpt_neox.py, models/bloom/modeling_bloom.py
--
-- @reverse
-- @case heads=2
--   gpt_neox.layers.{0-1}.attention.query_key_value.weight 24,8
--   gpt_neox.layers.{0-1}.attention.query_key_value.bias 24
--   gpt_neox.layers.{0-1}.attention.dense.weight 8,8
-- @gives
--   gpt_neox.layers.{0-1}.attention.{q,k,v}_proj.weight 8,8 <- gpt_neox.layers.{0-1}.attention.query_key_value.weight
--   gpt_neox.layers.{0-1}.attention.{q,k,v}_proj.bias 8 <- gpt_neox.layers.{0-1}.attention.query_key_value.bias
--   gpt_neox.layers.{0-1}.attention.dense.weight 8,8
-- @same gpt_neox.layers.1.attention.q_proj.weight[3,1] = gpt_neox.layers.1.attention.query_key_value.weight[3,1]
-- @same gpt_neox.layers.1.attention.q_proj.weight[4,1] = gpt_neox.layers.1.attention.query_key_value.weight[12,1]
-- @same gpt_neox.layers.0.attention.k_proj.weight[5,7] = gpt_neox.layers.0.attention.query_key_value.weight[17,7]
-- @same gpt_neox.layers.0.attention.v_proj.bias[1] = gpt_neox.layers.0.attention.query_key_value.bias[9]

local o = ... or {}
local function configured()
  local found, c = pcall(json, "config.json")
  if not found or type(c) ~= "table" then return end
  for key, t in pairs(src) do
    if key:find "%.query_key_value%.weight$" or key:find "%.q_proj%.weight$" then
      local width = c.hidden_size or c.n_embed
      return t:size(1) == width and (c.num_attention_heads or c.n_head) or nil
    end
  end
end

local heads = o.heads or heads or configured()
if not heads then
  error("the number of heads is not in the file: give heads=, or put config.json beside it", 0)
end

-- Rows (heads, 3, size) to three times (heads, size), and back; what stands behind the rows stays.
function neox_split(t)
  local size = t:size(0) // (3 * heads)
  local columns = #t.shape > 1 and t:size(1) or nil
  local parts = columns and t:reshape(heads, 3, size, columns) or t:reshape(heads, 3, size)
  local function part(n)
    local one = parts:slice(1, n, n + 1)
    return columns and one:reshape(heads * size, columns) or one:reshape(heads * size)
  end
  return part(0), part(1), part(2)
end

function neox_fuse(q, k, v)
  local size = q:size(0) // heads
  local columns = #q.shape > 1 and q:size(1) or nil
  local function part(t)
    return columns and t:reshape(heads, 1, size, columns) or t:reshape(heads, 1, size)
  end
  local all = part(q):cat(1, part(k), part(v))
  return columns and all:reshape(3 * heads * size, columns) or all:reshape(3 * heads * size)
end

if o.reverse then
  rules [[
    **.{a:attention|self_attention}.q_proj.{p:weight|bias}, **.{a:attention|self_attention}.k_proj.{p:weight|bias}, **.{a:attention|self_attention}.v_proj.{p:weight|bias} -> **.{a}.query_key_value.{p} |> neox_fuse
  ]]
else
  rules [[
    **.{a:attention|self_attention}.query_key_value.{p:weight|bias} -> **.{a}.q_proj.{p}, **.{a}.k_proj.{p}, **.{a}.v_proj.{p} |> neox_split
  ]]
end
