-- What the presets share: Python's dict, its words for shapes and dtypes, messages.
-- Run before each preset with the functions of preset_api.c and the options; gives both on.
local api, options = ...
local p = { api = api, model = api.model, path = options.path or api.path or "?", load = api.load }

-- Options that the preset does not know are slips; `quiet` is everybody's.
function p.options(known)
  for name, value in pairs(options) do
    local want = known[name] or (name == "quiet" and "boolean")
    if not want then
      local list = {}
      for each in pairs(known) do list[#list + 1] = tostring(each) end
      list[#list + 1] = "quiet"
      table.sort(list)
      error(('preset "%s": there is no option \'%s\'; it takes %s'):format(
        api.preset, tostring(name):sub(1, 60), table.concat(list, ", ")), 0)
    end
    if type(value) ~= want then
      error(('preset "%s": %s must be a %s, got a %s'):format(api.preset, tostring(name), want,
        type(value)), 0)
    end
  end
end

-- A dict: names in the order in which they came; what is set again keeps its place.
local Dict = {}
Dict.__index = Dict

function Dict:set(name, entry)
  entry.name = name
  if self.get[name] == nil then self.names[#self.names + 1] = name end
  self.get[name] = entry
end

function Dict:has(name) return self.get[name] ~= nil end

-- In order: for name, entry in dict:each() do … end
function Dict:each()
  local i, names, get = 0, self.names, self.get
  return function()
    i = i + 1
    local name = names[i]
    if name ~= nil then return name, get[name] end
  end
end

-- The entries under other names, in a dict that takes this one's place; a name that is nil or false
-- goes. `met` is called with the name, the entry that was there and the one that replaces it.
function Dict:map(rename, met)
  local made = p.dict()
  local names, get, from, n = made.names, made.get, self.get, 0
  for _, name in ipairs(self.names) do
    local entry = from[name]
    local to = entry.key_class and name or rename(name, entry)
    if to then
      entry.name = to
      if get[to] == nil then
        n = n + 1
        names[n] = to
      elseif met then
        met(to, get[to], entry)
      end
      get[to] = entry
    end
  end
  return made
end

-- The entries in order; each has its name in the dict.
function Dict:list()
  local list, get = {}, self.get
  for i, name in ipairs(self.names) do list[i] = get[name] end
  return list
end

function p.dict() return setmetatable({ names = {}, get = {} }, Dict) end

-- The dict of the file that open("a", "b") comes to, see preset_api.c; open("") is the whole file,
-- open() the dict that tenon takes for the weights.
function p.open(...)
  local names, get, path = api.open(...)
  return setmetatable({ names = names, get = get }, Dict), path
end

-- The value of an entry, to be changed by ops; nil where it has none.
function p.tensor(entry) return entry.at and api.tensor(entry.at) end

-- The target as a dict of {name=, shape=, dtype=, storage=}, one for all; an error without one.
local target
do
  local names, get = api.target()
  target = names and setmetatable({ names = names, get = get }, Dict)
end
p.has_target = target ~= nil
function p.target()
  return target or error(('preset "%s" needs a target'):format(api.preset), 0)
end

-- The dict with NumPy's arrays as tensors; or the name and class of the first entry that is neither.
function p.arrays(dict)
  for name, entry in dict:each() do
    if entry.class and entry.class ~= "numpy.ndarray" then return nil, name, entry.class end
    for field, value in pairs(entry.array or {}) do entry[field] = value end
    entry.class = nil
  end
  return dict
end

-- How many entries are tensors.
function p.tensors(dict)
  local n = 0
  for _, entry in dict:each() do if not entry.class then n = n + 1 end end
  return n
end

-- Shapes that are not known fit anything; equal ones are one table, but for those that presets make.
function p.same(a, b)
  if a == b or not a or not b then return true end
  if #a ~= #b then return false end
  for i = 1, #a do if a[i] ~= b[i] then return false end end
  return true
end

function p.count(shape)
  local n = 1
  for i = 1, #shape do n = n * shape[i] end
  return n
end

function p.size(shape) return "torch.Size([" .. table.concat(shape or {}, ", ") .. "])" end

function p.tuple(shape)
  return "(" .. table.concat(shape or {}, ", ") .. (shape and #shape == 1 and "," or "") .. ")"
end

local dtypes = {
  f64 = "float64", f32 = "float32", f16 = "float16", bf16 = "bfloat16", f8_e4m3 = "float8_e4m3fn",
  f8_e5m2 = "float8_e5m2", f8_e4m3fnuz = "float8_e4m3fnuz", f8_e5m2fnuz = "float8_e5m2fnuz",
  f8_e8m0 = "float8_e8m0fnu", i64 = "int64", i32 = "int32", i16 = "int16", i8 = "int8",
  u64 = "uint64", u32 = "uint32", u16 = "uint16", u8 = "uint8", c32 = "complex32",
  c64 = "complex64", c128 = "complex128",
}
function p.dtype(name) return "torch." .. (dtypes[name] or name) end

-- The dtype of an entry; nil where it is not known.
function p.kind(entry)
  local kind = entry.dtype
  return kind ~= "?" and kind ~= "unknown" and kind or nil
end

-- A message of the system: a line of --log.
function p.say(system, text) api.say(system, text) end

-- What the system does without a word, or otherwise than one would think.
function p.trap(format, ...)
  if not options.quiet and not api.dry then api.trap(format:format(...)) end
end

-- The system raises: nothing is loaded, and the exit status is 1.
function p.fail(text)
  if not api.dry then api.fail(text) end
end

-- What the system would call the file that it writes from here.
function p.save(name)
  if not api.dry then api.save(name) end
end

-- Fills a target, which is its name, where the source gives it nothing.
function p.fill(name, op)
  if not api.dry then api.fill('"' .. name:gsub('["\\]', "\\%0") .. '"', op) end
end

-- Another file beside the source, or in it when it is a folder, takes its place.
function p.beside(name) return api.beside(name) end
function p.source(name, path)
  p.path = path
  api.source(name)
end

function p.plural(n, word, words) return n == 1 and "1 " .. word or n .. " " .. (words or word .. "s") end

-- "a, b, c and 4 more"
function p.some(names)
  local shown = {}
  for i = 1, math.min(#names, 3) do shown[i] = names[i] end
  local text = table.concat(shown, ", ")
  return #names > 3 and text .. " and " .. (#names - 3) .. " more" or text
end

-- Whether tenon would load a value that the system refuses: one element for none.
local function is_mended(entry, wanted)
  local a, b = entry.shape, wanted and wanted.shape
  return a and b and #a + #b == 1 and ((a[1] or b[1]) == 1)
end

function p.repr(text) return api.repr(text) end
function p.resub(names, pattern, replacement) return api.resub(names, pattern, replacement) end

-- What lies at a path of the file: what Python calls its type, and the value where it is a number, a
-- text or a truth; nothing where there is none.
function p.value(...) return api.value(...) end
-- Whether the whole file is a dict that can be looked into.
function p.is_file() return api.value() ~= nil end

function p.sorted(dict) return api.sort(dict.names) end

local function width(text) return utf8.len(text, 1, -1, true) or #text end

function p.widest(names)
  local widest = 0
  for _, name in ipairs(names) do
    if #name > widest then widest = math.max(widest, width(name)) end
  end
  return widest
end

function p.pad(text, to) return text .. (" "):rep(to - width(text)) end

-- A function that gives the longest name of the dict that is a suffix of a text, wherever it begins.
-- Only such lengths are tried as there are.
function p.suffixes(dict)
  local lengths, seen, get = {}, {}, dict.get
  for _, name in ipairs(dict.names) do
    if #name > 0 and not seen[#name] then
      seen[#name] = true
      lengths[#lengths + 1] = #name
    end
  end
  table.sort(lengths, function(a, b) return a > b end)
  return function(text)
    for _, length in ipairs(lengths) do
      if length <= #text then
        local suffix = text:sub(-length)
        if get[suffix] ~= nil then return suffix end
      end
    end
  end
end

-- The first name for which the test is true.
function p.first(dict, test)
  for name in dict:each() do if test(name) then return name end end
end

-- Gives the entries their names for good. Keys that are not among them are dropped or, with aside,
-- left unused; rest says why. `refused` names entries that the system did not take.
function p.apply(entries, how)
  if api.dry then return end
  local list, wanted = {}, target and p.target()
  for _, entry in ipairs(entries) do
    local mended = how.refused and how.refused[entry.name] and wanted and
      is_mended(entry, wanted.get[entry.name])
    if entry.at and not mended then list[#list + 1] = entry end
  end
  api.assign(list, how.aside or false, how.rest)
  if how.policy then api.policy(how.policy) end
  if how.keep then api.keep(how.keep) end
end

local function replace(name, from, to)
  local at, made = 1, {}
  local first, last = name:find(from, 1, true)
  while first do
    made[#made + 1] = name:sub(at, first - 1) .. to
    at = last + 1
    first, last = name:find(from, at, true)
  end
  return table.concat(made) .. name:sub(at)
end

-- The name after a list of { from, to, from, to, … }, in this order: "=" stands before a pattern of Lua,
-- anything else is a text that is replaced wherever it stands.
function p.rewrite(name, list)
  for i = 1, #list, 2 do
    if list[i]:sub(1, 1) == "=" then name = name:gsub(list[i]:sub(2), (list[i + 1]))
    else name = replace(name, list[i], list[i + 1]) end
  end
  return name
end

-- fvcore's "module.", all or nothing, in place and in sorted order: what is set may overwrite what is
-- still to come, so that module.x loses its value to module.module.x. The dict, and the prefix that was
-- stripped.
function p.fvcore_strip(source)
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
  return dict, prefix
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

-- fvcore loads the dict: what it logs. Its `_metadata` holds, but for a prefix that was stripped, or is gone
-- (false). `filter` may take names from the missing and the unexpected ones.
-- Which were refused for their shape, and how many are missing and unexpected.
function p.fvcore_load(system, dict, prefix, filter)
  local target, refused, left = p.target(), {}, {}
  for name, entry in dict:each() do
    local wanted = target.get[name]
    if wanted and not p.same(entry.shape, wanted.shape) then
      p.say(system, ("Skip loading parameter '%s' to the model due to incompatible shapes: %s in the checkpoint but %s in the model! You might want to double check if this is expected."):format(
        name, p.tuple(entry.shape), p.tuple(wanted.shape)))
      refused[name] = true
    else
      left[#left + 1] = entry
    end
  end
  local missing, unexpected = p.load(left, prefix == nil or prefix, p.model)
  if filter then missing, unexpected = filter(missing, unexpected) end

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

  if #still > 0 then
    local lines = group(still)
    table.sort(lines)
    p.say(system, "Some model parameters or buffers are not found in the checkpoint:\n" .. table.concat(lines, "\n"))
  end
  if #unexpected > 0 then
    p.say(system, "The checkpoint state_dict contains keys that are not used by the model:\n  " ..
      table.concat(group(unexpected), "\n  "))
  end
  return refused, #still + #unexpected
end

return p
