-- tf: TensorFlow, init_from_checkpoint(file, assignment_map)
--
-- Elements are the map's pairs: {"scope/", "other/"} for the variables of a scope, {"a/w", "b/w"} for
-- one; "/" is the root. Variables in parts, "w/part_0" …, take their rows of the one in the file.
local o, p = ...
local list = {}
for i, pair in ipairs(o) do
  if type(pair) ~= "table" or type(pair[1]) ~= "string" or type(pair[2]) ~= "string" then
    error(('preset "tf": element %d must be {"name in the file", "name in the model"}'):format(i), 0)
  end
  list[i] = { pair[1], pair[2], i }
end
for i = 1, #list do o[i] = nil end
p.options { path = "string" }
table.sort(list, function(a, b) return a[1] < b[1] or (a[1] == b[1] and a[3] < b[3]) end)
local source, target = p.open(), p.target()
local function raise(text) p.raise(text, "TensorFlow raises") end

-- The variables by the name that the map knows: of one in parts, its parts in their order.
local variables = {}
for name in target:each() do
  local whole = name:match("^(.-)/part_") or name
  variables[whole] = variables[whole] or {}
  table.insert(variables[whole], name)
end
for _, parts in pairs(variables) do
  table.sort(parts, function(a, b)
    return (tonumber(a:match("/part_(%d+)$")) or 0) < (tonumber(b:match("/part_(%d+)$")) or 0)
  end)
end

-- Along which axis the parts lie, and where each begins; nothing when they do not make up the whole.
local function cut(whole, parts)
  for axis = 1, #whole do
    local at, fits = {}, true
    local sum = 0
    for i, name in ipairs(parts) do
      local shape = target:get(name).shape
      fits = fits and shape and #shape == #whole
      for k = 1, fits and #whole or 0 do fits = fits and (k == axis or shape[k] == whole[k]) end
      if not fits then break end
      at[i] = sum
      sum = sum + shape[axis]
    end
    if fits and sum == whole[axis] then return axis - 1, at end
  end
end

local moved, owner = p.dict(), {}
local function listed(shape) return "[" .. table.concat(shape or {}, ", ") .. "]" end

-- One pair of names; `scope` where a scope made it, whose shapes are looked at only when values move.
local function take(parts, from, scope)
  local entry = source:get(from)
  local axis, at
  if #parts > 1 and entry.shape then axis, at = cut(entry.shape, parts) end
  for i, name in ipairs(parts) do
    local shape = target:get(name).shape
    if owner[name] then
      p.trap("'%s' is initialised twice; the last pair of the sorted map wins", name)
    end
    owner[name] = true
    local one = p.copy(entry)
    if axis then
      local size = shape[axis + 1]
      one.value = p.tensor(entry) and p.tensor(entry):slice(axis, at[i], at[i] + size)
      one.ops = ("slice(%d,%d,%d)"):format(axis, at[i], at[i] + size)
      one.shape = shape
    elseif not p.same(entry.shape, shape) and (scope or #parts > 1) then
      return ("InvalidArgumentError: Assign requires shapes of both tensors to match. lhs shape= %s rhs shape= %s"):format(
        (listed(shape):gsub(" ", "")), (listed(entry.shape):gsub(" ", "")))
    elseif not p.same(entry.shape, shape) then
      return ("ValueError: Shape of variable %s (%s) doesn't match with shape of tensor %s (%s) from checkpoint reader."):format(
        name .. ":0", p.tuple(shape), from, listed(entry.shape))
    end
    moved:set(name, one)
  end
end

local sorted = p.sorted(target)
for _, pair in ipairs(list) do
  local from, to = pair[1], pair[2]
  local parts = target:get(to) and { to } or variables[to]
  if parts then
    if not source:get(from) then
      local shapes = {}
      for i, name in ipairs(p.sorted(source)) do
        shapes[i] = p.repr(name) .. ": " .. listed(source:get(name).shape)
      end
      return raise(("ValueError: Tensor %s is not found in %s checkpoint {%s}"):format(from, p.path,
        table.concat(shapes, ", ")))
    end
    local wrong = take(parts, from)
    if wrong then return raise(wrong) end
  else
    local scope = to:match("^(.*)/[^/]*$") or ""
    if from:sub(-1) ~= "/" then
      return raise(("ValueError: Assignment map with scope only name %s should map to scope only %s. Should be 'scope/': 'other_scope/'."):format(
        scope, from))
    end
    local before, any = nil, false
    for _, name in ipairs(sorted) do
      local variable = name:match("^(.-)/part_") or name
      if variable ~= before and (scope == "" or variable:sub(1, #scope + 1) == scope .. "/") then
        before, any = variable, true
        local full = variable:sub(#scope + 1)
        if to ~= "/" then full = full:sub(2) end
        if from ~= "/" then full = from .. full end
        if full:sub(-1) == "/" then full = full:sub(1, -2) end
        if not source:get(full) then
          return raise(("ValueError: Tensor %s (%s in %s) is not found in %s checkpoint"):format(full,
            variable:sub(#scope + 2), from, p.path))
        end
        local wrong = take(variables[variable], full, true)
        if wrong then return raise(wrong) end
      end
    end
    if not any then p.trap("no variable lies in '%s', and TensorFlow says nothing of it", to) end
  end
end

p.apply(moved, {
  aside = true, rest = "not in the assignment map",
  policy = { shape = "error", dtype = "error", missing = "keep" },
})
