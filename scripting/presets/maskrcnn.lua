-- maskrcnn: maskrcnn-benchmark, load_state_dict of utils/model_serialization.py
-- (without the renaming of Caffe2's names).
local o, p = ...
p.options {}
local source, target = p.open("model"), p.target()

-- All or nothing; then every "module." goes, also in the middle of a key.
local with = 0
for name in source:each() do if name:sub(1, 7) == "module." then with = with + 1 end end
if with == #source.names then
  source = source:map(function(name)
    local made, hits = name:gsub("module%.", "")
    if hits > 1 then p.trap("\"module.\" goes wherever it stands: '%s' becomes '%s'", name, made) end
    return made
  end)
elseif with > 0 then
  p.trap("\"module.\" is stripped only when every key has it: %d of %d lack it, so nothing is stripped",
    #source.names - with, #source.names)
end

local models, weights = p.sorted(target), p.sorted(source)
local wide, wide2 = p.widest(models), p.widest(weights)
local moved, updated, inside = {}, {}, {}
local from_of = {}
for _, name in ipairs(models) do
  for at = 1, #name do
    local from = name:sub(at)
    local entry = source.get[from]
    if entry then
      if at > 1 and name:sub(at - 1, at - 1) ~= "." then inside[#inside + 1] = name .. " from " .. from end
      from_of[name] = entry
      moved[#moved + 1] = { at = entry.at, name = name, shape = entry.shape }
      p.say("maskrcnn", ("%s loaded from %s of shape %s"):format(p.pad(name, wide), p.pad(from, wide2),
        p.tuple(entry.shape)))
      break
    end
  end
end
for name, wanted in target:each() do
  local from = from_of[name] or wanted
  updated[#updated + 1] = { name = name, shape = from.shape, class = from.class }
end
local _, _, _, raised = p.load(updated, true, p.model)
if raised then p.fail(raised) end
if #inside > 0 then
  p.trap("a suffix that begins inside a segment is taken for a match: %s", p.some(inside))
end
p.apply(moved, {
  aside = true, rest = "no target chose it",
  policy = { shape = "error", dtype = "force", missing = "keep" },
})
