-- pet: Pet, CheckPointer.load_model and load_weights
--
-- With ckpt=, or where the source is a folder, Pet looks there for model_latest.pth and resumes from it;
-- without auto_resume=false. weights=true is load_weights, and in a folder get_weights with mode=.
-- Of a file the name says what is done: model_latest.pth is retrained on, any other pre-trained on;
-- resume=true and the like say otherwise. once= is use_weights_once=, bgr= is convert_conv1=.
-- init=true fills what is missing as weights_init does; save=true and save_best=true say what Pet saves.
-- old=true is the code as of 2021, which takes the whole file where Pet's document takes what stands
-- under 'model'.
local o, p = ...
p.options {
  once = "boolean", bgr = "boolean", path = "string", resume = "boolean", retrain = "boolean",
  pretrain = "boolean", scratch = "boolean", weights = "boolean", old = "boolean",
  optimizer = "boolean", scheduler = "boolean", ckpt = "string", mode = "string",
  auto_resume = "boolean", init = "boolean", save = "boolean", save_best = "boolean",
  infix = "string",
}
local function say(text) p.say("pet", text) end
local function raise(text) p.raise(text, "Pet raises before it") end

-- Which file: os.path.join(ckpt, name), where it is there.
local ckpt = o.ckpt or (p.api.is_folder() and p.path) or nil
local function choose(name)
  local path = ckpt:sub(-1) == "/" and ckpt .. name or ckpt .. "/" .. name
  local beside = p.api.is_folder() and not o.ckpt and name or path
  if not p.beside(beside) then return false, path end
  if not p.api.dry then p.source(beside, path) end
  return true, path
end

local mode = o.weights and "weights" or o.resume and "resume" or o.scratch and "scratch" or
  o.pretrain and "pretrain" or (o.retrain or p.path:sub(-16) == "model_latest.pth") and "retrain" or "pretrain"
if ckpt and o.weights then
  if p.api.is_folder() or o.mode then
    local there, path = choose("model_" .. (o.mode or "latest") .. ".pth")
    if not there then return raise(("FileNotFoundError: [Errno 2] No such file or directory: %s"):format(p.repr(path))) end
  end
elseif ckpt and o.auto_resume ~= false and choose("model_latest.pth") then
  mode = "resume"
elseif p.api.is_folder() then
  mode = "scratch"
end
if p.path == "" then mode = "scratch" end

-- weights_init, which is there before anything is loaded.
local function initialise()
  for name, wanted in p.target():each() do
    local leaf = name:match("[^.]*$")
    if leaf == "weight" and name:find("bn", 1, true) then
      if name:find("conv", 1, true) and wanted.shape and #wanted.shape < 2 then
        raise("ValueError: Fan in and fan out can not be computed for tensor with fewer than 2 dimensions")
        return false
      end
      p.fill(name, const(1))
    elseif leaf == "weight" and name:find("conv", 1, true) then
      p.fill(name, kaiming { mode = "fan_out" })
    elseif leaf == "bias" then
      p.fill(name, zeros())
    end
  end
  return true
end
if o.init and not initialise() then return end

-- load_optimizer and load_scheduler; the key that the file would have to hold.
local function epilogue()
  local needs = { optimizer = { { "optimizer" } },
                  scheduler = { { "scheduler" }, { "scheduler", "iteration" }, { "scheduler", "info" } } }
  for _, part in ipairs { "optimizer", "scheduler" } do
    for _, path in ipairs(o[part] and mode == "resume" and needs[part] or {}) do
      if p.value(table.unpack(path)) == nil then return path[#path] end
    end
    if o[part] then say((mode == "resume" and "Loading %s done." or "Initializing %s done."):format(part)) end
  end
end

if mode == "scratch" then
  say("Training from scratch.")
  epilogue()
  p.apply(p.dict(), { aside = true, rest = "Pet trains from scratch", policy = { missing = "keep" } })
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
elseif not needs and not under and source:tensors() == 0 then
  p.trap("there is no 'model' in the file, so the whole file is taken for the weights: nothing is loaded")
end

-- All or nothing.
local with = source:starts("module.")
if with == #source then
  source = source:strip("module.")
elseif with > 0 then
  local lacking
  for name in source:each() do
    if name:sub(1, 7) ~= "module." then lacking = name break end
  end
  p.trap("\"module.\" is stripped only when every key has it: %d of %d lack it, such as '%s', so nothing is stripped",
    #source - with, #source, lacking)
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
  source = source:rename(function(name) return names[name] end)
  if not p.path:match("[^/]*$"):find("vgg16_reducedfc", 1, true) then
    p.trap("the weights are taken for Caffe's VGG16 because a folder of the path is called so")
  end
end

if o.bgr and (mode == "retrain" or mode == "pretrain") then
  local name = vgg and "features1.0.weight" or "conv1.weight"
  local entry = source:get(name)
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
  local value = p.tensor(entry)
  if value then entry.value = value:pick(1, { 2, 1, 0 }) end
  entry.ops = "pick(1,{2,1,0})"
  if shape then entry.shape = { shape[1], 3, table.unpack(shape, 3) } end
  say(("Convert %s from RGB to BGR of %s"):format(name, p.size(entry.shape)))
end

-- The longest source key that is a suffix of the target's, whatever stands before it. With once each
-- source serves the first target that chose it, and the lines come in its order.
local target = p.target()
if #source == 0 and #target > 0 then
  return raise("IndexError: max(): Expected reduction dim 1 to have non-zero size.")
end
local moved, again = source:suffixes(target, o.once)
local refused, shapes = {}, {}
for name, entry, wanted in moved:unlike(target) do
  if not p.same(entry.shape, wanted.shape) then
    shapes[#shapes + 1] = name
    refused[name] = true
  end
end
local fits = moved:without(refused)
if p.listens() or moved:odd() then
  local wide, wide2 = target:widest(), source:widest()
  for name, entry in moved:each() do
    if entry.class then return raise(("AttributeError: '%s' object has no attribute 'shape'"):format(entry.class)) end
    if not refused[name] then
      say(("%s loaded from %s of shape %s"):format(p.pad(name, wide), p.pad(entry.from, wide2),
        p.tuple(entry.shape or target:get(name).shape)))
    end
  end
end
local inside, passed = fits:inside(), o.once and again or 0
local shared = again > passed and #fits - fits:sources() or 0
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
  for _, name in ipairs(p.sorted(target:without(fits))) do
    local leaf = name:match("[^.]*$")
    if leaf ~= "num_batches_tracked" and leaf ~= "running_mean" and leaf ~= "running_var" then
      list[#list + 1] = p.repr(name)
    end
  end
  say("The mismatch keys: [" .. table.concat(list, ", ") .. "].")
end
say((({ resume = "Resuming from weights: %s.", weights = "Loading from weights: %s." })[mode] or
  "Pre-training on weights: %s."):format(p.path))
local lacking = epilogue()
if lacking then return raise("KeyError: " .. p.repr(lacking)) end

-- What Pet calls the files that it saves from here.
local _, iteration = p.value("scheduler", "iteration")
local infix = o.infix or "epoch"
if (o.save or mode == "resume") and math.type(iteration) == "integer" then
  local name = ("model_%s%d.pth"):format(infix, o.old and iteration or iteration - 1)
  if o.save then
    p.save(name)
    say(('Saving checkpoint done. And copy "model_latest.pth" to "%s".'):format(name))
  else
    p.trap("Pet keeps this state as %s", name)
  end
elseif o.save then
  p.save("model_latest.pth")
  say("Saving checkpoint done.")
end
local info = {}
for _, field in ipairs { "cur_epoch", "cur_acc", "best_epoch", "best_acc" } do
  local _, value = p.value("scheduler", "info", field)
  info[field] = value
end
if (o.save_best or mode == "resume") and math.type(info.cur_epoch) == "integer" and type(info.cur_acc) == "number" then
  local name = ("model_%s%d-%4.2f.pth"):format(infix, info.cur_epoch, info.cur_acc)
  local best = type(info.best_acc) == "number" and info.best_acc or -math.huge
  if not o.save_best then
    p.trap("Pet's best of this epoch is %s", name)
  elseif info.cur_acc < best then
    p.trap("%4.2f is less than the best, %4.2f: Pet saves nothing", info.cur_acc, best)
  else
    p.save(name)
    say(("Saving best checkpoint done: %s."):format(name))
    p.trap("it is copied over model_latest.pth, and the best before it is removed")
  end
elseif o.save_best then
  return raise("AttributeError: 'NoneType' object has no attribute 'info'")
end

p.apply(moved, {
  aside = true, refused = refused, rest = "no target chose it",
  policy = { shape = "skip", dtype = "force", missing = "keep" },
})
