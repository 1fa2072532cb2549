-- revise: mmengine, load_checkpoint(model, filename, revise_keys=[(pattern, replacement), …])
-- and, with prefix=, _load_checkpoint_with_prefix. Patterns are Python's; `%.` may stand for `\.`.
local o, p = ...
local list = {}
for i, pair in ipairs(o) do
  if type(pair) ~= "table" or type(pair[1]) ~= "string" or type(pair[2]) ~= "string" then
    error(('preset "revise": element %d must be {"pattern", "replacement"}'):format(i), 0)
  end
  list[i] = { (pair[1]:gsub("%%(%p)", "\\%1")), pair[2] }
end
for i = 1, #list do o[i] = nil end
p.options { strict = "boolean", prefix = "string", path = "string" }
if #list == 0 and not o.prefix then list[1] = { [[^module\.]], "" } end

p.say("mmengine", "Loads checkpoint by local backend from path: " .. p.path)
local dict = p.open("state_dict")
if o.prefix then
  local prefix = o.prefix:sub(-1) == "." and o.prefix or o.prefix .. "."
  dict = dict:under(prefix)
  if #dict == 0 then
    p.fail("AssertionError: " .. prefix .. " is not in the pretrained model")
    p.apply(p.dict(), { rest = "mmengine raises", policy = { missing = "keep" } })
    return
  end
end
for _, pair in ipairs(list) do
  local names = p.resub(dict:names(), pair[1], pair[2])
  local made, i = p.dict(), 0
  for _, entry in dict:each() do
    i = i + 1
    if made:set(names[i], entry) then
      p.trap("two keys become '%s'; the later one in the file wins, silently", names[i])
    end
  end
  dict = made
end
if not p.has_target then
  p.apply(dict, { rest = "not in what mmengine loads", policy = { collide = "last" } })
  return
end

-- The dict keeps the file's _metadata, under the names that its modules had there.
local missing, unexpected, errors = p.load(dict, not o.prefix, p.model)
local parts, left, counters = {}, {}, 0
for _, name in ipairs(missing) do
  if name:find("num_batches_tracked", 1, true) then counters = counters + 1 else left[#left + 1] = name end
end
for _, message in ipairs(errors) do parts[#parts + 1] = message end
if #unexpected > 0 then
  parts[#parts + 1] = "unexpected key in source state_dict: " .. table.concat(unexpected, ", ") .. "\n"
end
if #left > 0 then
  parts[#parts + 1] = "missing keys in source state_dict: " .. table.concat(left, ", ") .. "\n"
end
if #parts > 0 then
  local text = "The model and loaded state dict do not match exactly\n\n" .. table.concat(parts, "\n")
  if o.strict then p.fail(text) else p.say("mmengine", text) end
end
if counters > 0 then
  p.trap("%s missing, of which mmengine says nothing", p.plural(counters, "num_batches_tracked is", "num_batches_tracked are"))
end
local refused = {}
for name, entry, wanted in dict:unlike(p.target()) do
  if not p.same(entry.shape, wanted.shape) and
    not (#wanted.shape == 0 and #entry.shape == 1 and entry.shape[1] == 1) then refused[name] = true end
end
p.apply(dict, {
  refused = refused, rest = "not in what mmengine loads",
  policy = { shape = "skip", dtype = "force", missing = "keep", collide = "last" },
})
