-- timm: timm, load_checkpoint, and what load_pretrained does to the first layer and the classifier
--
-- With classifier= or first_conv= it is load_pretrained: the classifier is left out where the model has
-- another number of classes, and the first convolution is brought to the model's channels.
-- both=true is timm as of 1.0.31, which takes "module." and "_orig_mod." off in either order.
local o, p = ...
p.options {
  use_ema = "boolean", strict = "boolean", remap = "boolean", path = "string", classifier = "string",
  both = "boolean", first_conv = "string", label_offset = "number",
}
local key = ""
for _, name in ipairs { "state_dict_ema", "model_ema", "state_dict", "model" } do
  local class = p.value(name)
  local ema = name:sub(-4) == "_ema"
  if key == "" and class and not (ema and (o.use_ema == false or class == "NoneType")) then key = name end
end
local source = p.open(key)
if key:sub(-4) == "_ema" then
  p.trap("the averaged weights of '%s' are taken; use_ema=false would take the others", key)
end

-- Each prefix once, in this order.
local prefixes = o.both and { "_orig_mod.", "module.", "_orig_mod." } or { "module.", "_orig_mod." }
local dict, met = source:strip(table.unpack(prefixes))
for _, name in ipairs(met) do
  p.trap("two keys become '%s' without their wrapper; the later one in the file wins, silently", name)
end
local again, first = dict:starts("module.", "_orig_mod.")
if again > 0 then
  p.trap("\"module.\" comes off before \"_orig_mod.\", each once: %s, such as '%s'",
    p.plural(again, "key is still wrapped", "keys are still wrapped"), first)
end
local pretrained = o.classifier or o.first_conv
if pretrained then p.say("timm", ("Loading pretrained weights from file (%s)"):format(p.path)) end
p.say("timm", ("Loaded %s from checkpoint '%s'"):format(key, p.path))

local strict = o.strict ~= false
local target = p.has_target and p.target()

-- adapt_input_conv, of three channels.
if target and o.first_conv then
  local weight = o.first_conv .. ".weight"
  local wanted, entry = target:get(weight), dict:get(weight)
  local from, to = entry and entry.shape, wanted and wanted.shape
  local n = to and #to == 4 and to[2]
  if from and n and n ~= 3 and not p.same(from, to) then
    if #from == 4 and (n == 1 and (from[2] <= 3 or from[2] % 3 == 0) or n ~= 1 and from[2] == 3) then
      local value = p.tensor(entry)
      if value then entry.value = value:in_chans(n) end
      entry.ops = ("in_chans(%d)"):format(n)
      entry.shape = { from[1], n == 1 and from[2] > 3 and from[2] // 3 or n, from[3], from[4] }
      p.say("timm", ("Converted input conv %s pretrained weights from 3 to %d channel(s)"):format(o.first_conv, n))
    else
      dict = dict:without { [weight] = true }
      strict = false
      p.say("timm", ("Unable to convert pretrained %s weights, using random init for this layer."):format(o.first_conv))
    end
  end
end

if target and o.classifier then
  local weight, bias = o.classifier .. ".weight", o.classifier .. ".bias"
  local wanted, entry = target:get(weight), dict:get(weight)
  local offset = math.tointeger(o.label_offset or 0) or 0
  if wanted and entry and wanted.shape and entry.shape then
    if wanted.shape[1] ~= entry.shape[1] - offset then
      dict = dict:without { [weight] = true, [bias] = true }
      strict = false
      p.trap("the classifier '%s' has %d classes and the model %d: timm leaves it out, and forgives whatever else is missing",
        o.classifier, entry.shape[1], wanted.shape[1])
    elseif offset > 0 then
      for _, name in ipairs { weight, bias } do
        local cut = dict:get(name)
        if cut then
          local value = p.tensor(cut)
          if value then cut.value = value:slice(0, offset) end
          cut.ops = ("slice(0,%d)"):format(offset)
          cut.shape = { cut.shape[1] - offset, table.unpack(cut.shape, 2) }
        end
      end
    end
  end
end

if target and o.remap then
  local made, renamed = p.dict(), 0
  for i = 1, math.min(#target, #dict) do
    local to, wanted = target:at(i)
    local from, entry = dict:at(i)
    if wanted.shape and entry.shape and p.count(wanted.shape) ~= p.count(entry.shape) then
      p.raise(("AssertionError: Tensor size mismatch %s: %s vs %s: %s. Remap failed."):format(to,
        p.size(wanted.shape), from, p.size(entry.shape)), "timm raises")
      return
    end
    local moved = p.copy(entry)
    if entry.at and not p.same(entry.shape, wanted.shape) then
      local value, scalar = p.tensor(entry), #wanted.shape == 0
      moved.value = scalar and value:squeeze() or value:reshape(table.unpack(wanted.shape))
      moved.ops = scalar and "squeeze()" or "reshape(" .. table.concat(wanted.shape, ",") .. ")"
    end
    if wanted.shape then moved.shape = wanted.shape end
    if from ~= to then renamed = renamed + 1 end
    made:set(to, moved)
  end
  if renamed > 0 then
    p.trap("remap goes by order alone: %s loaded under another name than its own", p.plural(renamed, "tensor is", "tensors are"))
  end
  if #dict > #target then
    p.trap("remap ends with the shorter dict: %s forgotten", p.plural(#dict - #target, "key is", "keys are"))
  end
  dict = made
end

if not target then
  p.apply(dict, { rest = "not in what timm loads", policy = { collide = "last" } })
  return
end
local missing, unexpected, _, raised, raised_always = p.load(dict, false, p.model)
if strict then raised_always = raised end
if raised_always then p.fail(raised_always) end
if pretrained and not raised_always and #missing > 0 then
  p.say("timm", ("Missing keys (%s) discovered while loading pretrained weights. This is expected if model is being adapted."):format(
    table.concat(missing, ", ")))
end
if pretrained and not raised_always and #unexpected > 0 then
  p.say("timm", ("Unexpected keys (%s) found while loading pretrained weights. This may be expected if model is being adapted."):format(
    table.concat(unexpected, ", ")))
end
local is_missing, forgiven = {}, {}
for _, name in ipairs(missing) do is_missing[name] = true end
for name in target:without(dict):each() do
  if not is_missing[name] then forgiven[#forgiven + 1] = name end
end
p.apply(dict, {
  aside = true, rest = "not in what timm loads", keep = strict and forgiven or nil,
  policy = { shape = "error", dtype = "force", missing = strict and "error" or "keep",
             unused = strict and not o.remap and "error" or "warn", collide = "last" },
})
