-- fvcore: fvcore, Checkpointer.load of common/checkpoint.py
local o, p = ...
p.options { path = "string" }
local function say(text) p.say("fvcore", text) end
local function raise(text)
  p.fail(text)
  p.apply({}, { aside = true, rest = "fvcore raises", policy = { missing = "keep" } })
end

say(("[Checkpointer] Loading from %s ..."):format(p.path))
if p.is_file() and p.value("model") == nil then return raise("KeyError: 'model'") end
local source = p.open("model")
for name, entry in source:each() do
  if entry.class and entry.class ~= "numpy.ndarray" then
    return raise(("ValueError: Unsupported type found in checkpoint! %s: <class '%s'>"):format(name, entry.class))
  end
  entry.class = nil
end

-- "module." all or nothing, in place and in sorted order: what is set may overwrite what is still to
-- come, so that module.x loses its value to module.module.x.
local with, prefix = 0, nil
local names = p.sorted(source)
for _, name in ipairs(names) do
  if name == "" or name:sub(1, 7) == "module." then with = with + 1 end
end
local dict = source
if with == #names and with > 0 then
  prefix = "module."
  local get, order = {}, {}
  for name, entry in source:each() do get[name] = entry end
  for _, name in ipairs(names) do
    local entry, to = get[name], name:sub(8)
    get[name] = nil
    if get[to] then p.trap("'%s' loses its value to '%s', silently", to, name) end
    if entry then
      get[to] = entry
      order[#order + 1] = to
    end
  end
  dict = p.dict()
  for _, name in ipairs(order) do
    local entry = get[name]
    if entry and not dict:has(name) then
      local moved = {}
      for field, value in pairs(entry) do moved[field] = value end
      moved.name = name
      dict:set(name, moved)
    end
  end
elseif with > 0 then
  p.trap("\"module.\" is stripped only when every key has it: %d of %d lack it, so nothing is stripped",
    #names - with, #names)
end
if not p.has_target then
  p.apply(dict:list(), { rest = "not in what fvcore loads" })
  return
end

local target, refused, left = p.target(), {}, {}
for name, entry in dict:each() do
  local wanted = target.get[name]
  if wanted and not p.same(entry.shape, wanted.shape) then
    say(("Skip loading parameter '%s' to the model due to incompatible shapes: %s in the checkpoint but %s in the model! You might want to double check if this is expected."):format(
      name, p.tuple(entry.shape), p.tuple(wanted.shape)))
    refused[name] = true
  else
    left[#left + 1] = entry
  end
end
local missing, unexpected = p.load(left, prefix or true, p.model)

-- A parameter of which another name was loaded is not missing.
local is_missing, loaded = {}, {}
for _, name in ipairs(missing) do is_missing[name] = true end
for name, wanted in target:each() do
  if wanted.storage >= 0 and not is_missing[name] then loaded[wanted.storage] = wanted end
end
local still, aliases = {}, 0
for _, name in ipairs(missing) do
  local wanted = target.get[name]
  local other = wanted and wanted.storage >= 0 and loaded[wanted.storage]
  if other and p.same(other.shape, wanted.shape) then aliases = aliases + 1 else still[#still + 1] = name end
end

-- "a.b.{bias, weight}", a line for each module. A key that is also a module's name is lost among them.
local function group(keys)
  local heads, tails = {}, {}
  for _, key in ipairs(keys) do
    local head, tail = key:match("^(.*)%.([^.]*)$")
    head = head or key
    if not tails[head] then
      heads[#heads + 1] = head
      tails[head] = {}
    end
    if tail then table.insert(tails[head], tail) end
  end
  for i, head in ipairs(heads) do
    local list = tails[head]
    table.sort(list)
    heads[i] = #list == 0 and head or #list == 1 and head .. "." .. list[1] or
      head .. ".{" .. table.concat(list, ", ") .. "}"
  end
  return heads
end

if #still > 0 then
  local lines = group(still)
  table.sort(lines)
  say("Some model parameters or buffers are not found in the checkpoint:\n" .. table.concat(lines, "\n"))
end
if #unexpected > 0 then
  say("The checkpoint state_dict contains keys that are not used by the model:\n  " ..
    table.concat(group(unexpected), "\n  "))
end
if #unexpected + #still > 0 then
  p.trap("missing and unexpected keys are lines of the log; the training goes on")
end
p.apply(dict:list(), {
  refused = refused, rest = "overwritten",
  policy = { shape = "skip", dtype = "force", missing = "keep" },
})
