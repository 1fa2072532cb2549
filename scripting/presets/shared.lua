-- What the presets share: Python's words for shapes and dtypes, messages, fvcore's load.
--
-- Dicts are userdata, and so are their entries, see preset_dict.h:
--   #dict, dict:get(name), dict:at(i), dict:set(name, entry), for name, entry in dict:each() do … end
--   entry.name, .shape, .dtype, .class, .key_class, .at, .storage, .from, .value, .ops
-- What is about all of them at once (strip, rename, unlike, suffixes …) is preset_bulk.c's.
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

p.dict, p.copy, p.tensor = api.dict, api.copy, api.tensor

-- The dict of the file that open("a", "b") comes to, see preset_api.c; open("") is the whole file,
-- open() the dict that tenon takes for the weights.
p.open = api.open

-- The target as a dict, one for all; an error without one.
local target = api.target()
p.has_target = target ~= nil
function p.target()
  return target or error(('preset "%s" needs a target'):format(api.preset), 0)
end

-- The dict with NumPy's arrays as tensors; or the name and class of the first entry that is neither.
function p.arrays(dict)
  dict:arrays()
  local name, class = dict:odd()
  if name then return nil, name, class end
  return dict
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

-- A message of the system: a line of --log.
function p.say(system, text) api.say(system, text) end

-- Whether anybody reads them; many lines are only made then.
function p.listens() return api.log == api.preset end

-- What the system does without a word, or otherwise than one would think.
function p.trap(format, ...)
  if not options.quiet and not api.dry then api.trap(format:format(...)) end
end

-- The system raises: the exit status is 1.
function p.fail(text)
  if not api.dry then api.fail(text) end
end

-- It does so before anything is loaded.
function p.raise(text, why)
  p.fail(text)
  p.apply(p.dict(), { aside = true, rest = why, policy = { missing = "keep" } })
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

function p.repr(text) return api.repr(text) end
function p.resub(names, pattern, replacement) return api.resub(names, pattern, replacement) end

-- What lies at a path of the file: what Python calls its type, and the value where it is a number, a
-- text or a truth; nothing where there is none.
function p.value(...) return api.value(...) end
-- Whether the whole file is a dict that can be looked into.
function p.is_file() return api.value() ~= nil end

p.sort = api.sort
function p.sorted(dict) return p.sort(dict:names()) end

function p.pad(text, to) return text .. (" "):rep(to - (utf8.len(text, 1, -1, true) or #text)) end

-- Gives the entries their names for good. Keys that are not among them are dropped or, with aside,
-- left unused; rest says why. `refused` has the names that the system did not take.
function p.apply(dict, how)
  if api.dry then return end
  api.assign(dict, how.refused, how.aside or false, how.rest)
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
  local with = source:starts("module.")
  if source:get("") then with = with + 1 end
  if with < #source or with == 0 then
    if with > 0 then
      p.trap("\"module.\" is stripped only when every key has it: %d of %d lack it, so nothing is stripped",
        #source - with, #source)
    end
    return source
  end
  local get, order = {}, {}
  for name, entry in source:each() do get[name] = entry end
  for _, name in ipairs(p.sorted(source)) do
    local entry, to = get[name], name:sub(8)
    get[name] = nil
    if get[to] then p.trap("'%s' loses its value to '%s', silently", to, name) end
    if entry then
      get[to] = entry
      order[#order + 1] = to
    end
  end
  local dict = p.dict()
  for _, name in ipairs(order) do
    if get[name] and not dict:get(name) then dict:set(name, p.copy(get[name])) end
  end
  return dict, "module."
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
  local target, refused = p.target(), {}
  for name, entry, wanted in dict:unlike(target) do
    if not p.same(entry.shape, wanted.shape) then
      p.say(system, ("Skip loading parameter '%s' to the model due to incompatible shapes: %s in the checkpoint but %s in the model! You might want to double check if this is expected."):format(
        name, p.tuple(entry.shape), p.tuple(wanted.shape)))
      refused[name] = true
    end
  end
  local missing, unexpected = p.load(dict:without(refused), prefix == nil or prefix, p.model)
  if filter then missing, unexpected = filter(missing, unexpected) end

  -- A parameter of which another name was loaded is not missing.
  local is_missing, loaded, still = {}, {}, {}
  for _, name in ipairs(missing) do is_missing[name] = true end
  for name, wanted in (#missing > 0 and target or p.dict()):each() do
    if wanted.storage >= 0 and not is_missing[name] then loaded[wanted.storage] = wanted end
  end
  for _, name in ipairs(missing) do
    local wanted = target:get(name)
    local other = wanted and wanted.storage >= 0 and loaded[wanted.storage]
    if not (other and p.same(other.shape, wanted.shape)) then still[#still + 1] = name end
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
