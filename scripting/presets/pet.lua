-- pet: Pet, CheckPointer.load_model and load_weights
--
-- The mode is the file's name's: model_latest.pth is retrained on, any other pre-trained on; resume=true
-- is what Pet does when it found model_latest.pth in its folder; weights=true is load_weights.
-- once= is use_weights_once=, bgr= is convert_conv1=. old=true is the code as of 2021, which takes the
-- whole file where Pet's document takes what stands under 'model'.
local o, p = ...
p.options {
  once = "boolean", bgr = "boolean", path = "string", resume = "boolean", retrain = "boolean",
  pretrain = "boolean", scratch = "boolean", weights = "boolean", old = "boolean",
  optimizer = "boolean", scheduler = "boolean",
}
local function say(text) p.say("pet", text) end
local function raise(text)
  p.fail(text)
  p.apply({}, { aside = true, rest = "Pet raises before it", policy = { missing = "keep" } })
end

local mode = o.weights and "weights" or o.resume and "resume" or o.scratch and "scratch" or
  o.pretrain and "pretrain" or (o.retrain or p.path:sub(-16) == "model_latest.pth") and "retrain" or "pretrain"
if p.path == "" then mode = "scratch" end

local function epilogue()
  local done = mode == "resume" and "Loading %s done." or "Initializing %s done."
  if o.optimizer then say(done:format("optimizer")) end
  if o.scheduler then say(done:format("scheduler")) end
end

if mode == "scratch" then
  say("Training from scratch.")
  epilogue()
  p.apply({}, { aside = true, rest = "Pet trains from scratch", policy = { missing = "keep" } })
  return
end

-- The container.
local under = p.value("model") ~= nil
local needs = mode == "resume" or mode == "retrain"
if needs and not under and p.is_file() then return raise("KeyError: 'model'") end
local whole = mode == "pretrain" and o.old
local source = p.open(whole and "" or "model")
if whole and under then
  p.trap("the whole file is taken for the weights, and they lie under 'model': nothing is loaded, silently")
elseif not needs and not under and p.tensors(source) == 0 then
  p.trap("there is no 'model' in the file, so the whole file is taken for the weights: nothing is loaded")
end

-- All or nothing.
local with, total = 0, 0
for name in source:each() do
  total = total + 1
  if name:sub(1, 7) == "module." then with = with + 1 end
end
if with == total then
  source = source:map(function(name) return name:sub(8) end)
elseif with > 0 then
  p.trap("\"module.\" is stripped only when every key has it: %d of %d lack it, such as '%s', so nothing is stripped",
    total - with, total, p.first(source, function(name) return name:sub(1, 7) ~= "module." end))
end

-- Caffe's VGG16: by the text of the path.
local vgg = p.path:find("vgg16_reducedfc", 1, true) ~= nil
if vgg and (mode == "retrain" or mode == "pretrain") then
  local map = { ["24"] = "features2.1", ["26"] = "features2.3", ["28"] = "features2.5", ["31"] = "conv6", ["33"] = "conv7" }
  for _, n in ipairs { 0, 2, 5, 7, 10, 12, 14, 17, 19, 21 } do map[tostring(n)] = "features1." .. n end
  local names = {}
  for number, to in pairs(map) do
    names[number .. ".weight"], names[number .. ".bias"] = to .. ".weight", to .. ".bias"
  end
  for name in source:each() do
    if not names[name] then return raise("KeyError: " .. p.repr(name)) end
  end
  source = source:map(function(name) return names[name] end)
  if not p.path:match("[^/]*$"):find("vgg16_reducedfc", 1, true) then
    p.trap("the weights are taken for Caffe's VGG16 because a folder of the path is called so")
  end
end

if o.bgr and (mode == "retrain" or mode == "pretrain") then
  local name = vgg and "features1.0.weight" or "conv1.weight"
  local entry = source.get[name]
  if not entry then return raise("KeyError: " .. p.repr(name)) end
  local shape = entry.shape
  if shape and #shape < 4 then
    return raise("IndexError: too many indices for tensor of dimension " .. #shape)
  elseif shape and shape[2] < 3 then
    return raise("IndexError: index 2 is out of bounds for dimension 1 with size " .. shape[2])
  end
  if shape and shape[2] > 3 then
    p.trap("of the %d input channels of %s the first three are taken, turned round", shape[2], name)
  end
  if entry.tensor then entry.value = entry.tensor:pick(1, { 2, 1, 0 }) end
  entry.ops = "pick(1,{2,1,0})"
  if shape then entry.shape = { shape[1], 3, table.unpack(shape, 3) } end
  say(("Convert %s from RGB to BGR of %s"):format(name, p.size(entry.shape)))
end

-- The longest source key that is a suffix of the target's, whatever stands before it.
local target = p.target()
local models, weights = p.sorted(target), p.sorted(source)
if #weights == 0 and #models > 0 then
  return raise("IndexError: max(): Expected reduction dim 1 to have non-zero size.")
end
local best = {}
for i, name in ipairs(models) do
  for at = 1, #name do
    local suffix = name:sub(at)
    if source:has(suffix) then
      best[i] = suffix
      break
    end
  end
end

-- With once each source serves the first target that chose it, and the lines come in its order.
local pairs_, passed = {}, 0
if o.once then
  local first = {}
  for i = 1, #models do
    local suffix = best[i]
    if suffix and first[suffix] then passed = passed + 1 end
    if suffix and not first[suffix] then first[suffix] = i end
  end
  for _, name in ipairs(weights) do
    if first[name] then pairs_[#pairs_ + 1] = { models[first[name]], name } end
  end
else
  for i, name in ipairs(models) do if best[i] then pairs_[#pairs_ + 1] = { name, best[i] } end end
end

local wide, wide2 = p.widest(models), p.widest(weights)
local moved, refused, matched, used = {}, {}, {}, {}
local inside, shapes, shared = {}, {}, 0
for _, pair in ipairs(pairs_) do
  local name, from = pair[1], pair[2]
  local entry, wanted = source.get[from], target.get[name]
  if entry.class then
    return raise(("AttributeError: '%s' object has no attribute 'shape'"):format(entry.class))
  end
  moved[#moved + 1] = { at = entry.at, name = name, value = entry.value, ops = entry.ops, shape = entry.shape }
  if not p.same(entry.shape, wanted.shape) then
    shapes[#shapes + 1] = name
    refused[name] = true
  else
    matched[name] = true
    if #from < #name and name:sub(-#from - 1, -#from - 1) ~= "." then inside[#inside + 1] = name .. " from " .. from end
    if used[from] then shared = shared + 1 end
    used[from] = true
    say(("%s loaded from %s of shape %s"):format(p.pad(name, wide), p.pad(from, wide2),
      p.tuple(entry.shape or wanted.shape)))
  end
end
if #inside > 0 then
  p.trap("a suffix that begins inside a segment is taken for a match: %s", p.some(inside))
end
if #shapes > 0 then
  p.trap("%s for the shape, without a word, and no shorter suffix is tried: %s",
    p.plural(#shapes, "tensor is skipped", "tensors are skipped"), p.some(shapes))
end
if shared > 0 then
  p.trap("%s from a source that has served another already; once=true would not", p.plural(shared,
    "tensor is loaded", "tensors are loaded"))
end
if passed > 0 then
  p.trap("once: %s to another target that chose the same source before, whether it fits there or not",
    p.plural(passed, "target loses", "targets lose"))
end

if mode == "weights" then
  local list = {}
  for _, name in ipairs(models) do
    local leaf = name:match("[^.]*$")
    if not matched[name] and leaf ~= "num_batches_tracked" and leaf ~= "running_mean" and leaf ~= "running_var" then
      list[#list + 1] = p.repr(name)
    end
  end
  say("The mismatch keys: [" .. table.concat(list, ", ") .. "].")
end
say((({ resume = "Resuming from weights: %s.", weights = "Loading from weights: %s." })[mode] or
  "Pre-training on weights: %s."):format(p.path))
epilogue()

-- What Pet will call the files that it saves from here.
local _, iteration = p.value("scheduler", "iteration")
local _, epoch = p.value("scheduler", "info", "cur_epoch")
local _, accuracy = p.value("scheduler", "info", "cur_acc")
if mode == "resume" and math.type(iteration) == "integer" then
  p.trap("Pet keeps this state as model_epoch%d.pth", o.old and iteration or iteration - 1)
end
if mode == "resume" and math.type(epoch) == "integer" and type(accuracy) == "number" then
  p.trap("Pet's best of this epoch is model_epoch%d-%4.2f.pth", epoch, accuracy)
end

p.apply(moved, {
  aside = true, refused = refused, rest = "no target chose it",
  policy = { shape = "skip", dtype = "force", missing = "keep" },
})
