-- suffix: detectron2, align_and_update_state_dicts of checkpoint/c2_model_loading.py
-- (without the renaming of Caffe2's names).
local o, p = ...
p.options {}
local function say(text) p.say("detectron2", text) end
local source = p.open("model")
local target = p.target()
local models, weights = p.sorted(target), p.sorted(source)

-- The longest source key that is a suffix of whole segments.
local function find(name)
  if source:has(name) then return name end
  for at = 1, #name do
    if name:sub(at, at) == "." and source:has(name:sub(at + 1)) then return name:sub(at + 1) end
  end
end

local moved, matched, refused = {}, {}, {}
for _, name in ipairs(models) do
  local from = find(name)
  local entry, wanted = from and source.get[from], target.get[name]
  if entry and not entry.class then
    if not p.same(entry.shape, wanted.shape) then
      say(("Shape of %s in checkpoint is %s, while shape of %s in model is %s."):format(from,
        p.size(entry.shape), name, p.size(wanted.shape)))
      say(from .. " will not be loaded. Please double check and see if this is desired.")
      refused[from] = true
    elseif matched[from] then
      say(("Ambiguity found for %s in checkpoint!It matches at least two keys in the model (%s and %s)."):format(
        from, name, matched[from]))
      p.fail("ValueError: Cannot match one checkpoint key to multiple keys in the model.")
      p.apply({}, { aside = true, rest = "detectron2 raises", policy = { missing = "keep" } })
      return
    else
      matched[from] = name
    end
  end
end

-- The table of what was matched is made and not printed; its length is. Modules whose names share a
-- beginning in the file as well are one line of it.
local names, origin = {}, {}
for from, name in pairs(matched) do
  names[#names + 1] = name
  origin[name] = from
end
table.sort(names)

local function split(name)
  local list = {}
  for segment in (name .. "."):gmatch("([^.]*)%.") do list[#list + 1] = segment end
  return list
end

local function less(a, b)            -- as Python orders lists of text
  for i = 1, math.min(#a, #b) do if a[i] ~= b[i] then return a[i] < b[i] end end
  return #a < #b
end

-- It goes on behind the first difference, as detectron2's does.
local function common_prefix(list)
  local low, high
  for _, name in ipairs(list) do
    local segments = split(name)
    if not low or less(segments, low) then low = segments end
    if not high or less(high, segments) then high = segments end
  end
  local same = {}
  for i = 1, math.min(#low, #high) do if low[i] == high[i] then same[#same + 1] = low[i] end end
  return #same > 0 and table.concat(same, ".") .. "." or ""
end

local function groups()
  local below, prefixes, group_of, count, seen = {}, {}, {}, 0, {}
  for _, name in ipairs(names) do
    local prefix = name:match("^(.*%.)[^.]*$")
    if prefix and not below[prefix] then
      below[prefix] = {}
      prefixes[#prefixes + 1] = prefix
    end
  end
  for _, name in ipairs(names) do
    for at = 1, #name do
      local prefix = name:sub(1, at)
      if name:sub(at, at) == "." and below[prefix] then below[prefix][#below[prefix] + 1] = name end
    end
  end
  table.sort(prefixes, function(a, b) return #a < #b or (#a == #b and a < b) end)
  for _, prefix in ipairs(prefixes) do
    local group = below[prefix]
    local first, shared = origin[group[1]]:sub(1, 1), #group > 1
    for _, name in ipairs(group) do shared = shared and origin[name]:sub(1, 1) == first end
    if shared then
      for _, name in ipairs(group) do group_of[name] = group_of[name] or group end
    end
  end
  for _, name in ipairs(names) do
    if not seen[name] then
      count = count + 1
      for _, each in ipairs(group_of[name] or { name }) do seen[each] = true end
    end
  end
  return count
end

if #names == 0 then
  say("No weights in checkpoint matched with model.")
  p.trap("nothing matched, and the file is handed on unchanged")
else
  local prefix = common_prefix(names)
  say(("Following weights matched with submodule %s - Total num: %d"):format(
    prefix ~= "" and prefix:sub(1, -2) or "model", groups()))
end

-- Keys that fit nowhere stay under their own names.
local silent = 0
for name, entry in source:each() do
  if matched[name] then
    moved[#moved + 1] = { at = entry.at, name = matched[name], shape = entry.shape }
  elseif not target:has(name) or refused[name] then
    moved[#moved + 1] = entry
    silent = silent + 1
  end
end
if silent > 0 and #names > 0 then
  p.trap("%s matched by nothing and stay in the dict under the old name", p.plural(silent, "key is", "keys are"))
end
p.apply(moved, {
  aside = true, refused = refused, rest = "no target fits",
  policy = { shape = "skip", dtype = "force", missing = "keep" },
})
