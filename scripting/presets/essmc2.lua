-- essmc2: EssentialMC2, load_pretrained(model, path, sub_level=…)
--
-- resume= is the solver's resume_from: true for the source itself, or a file beside it, which takes its
-- place when it is there. folds= is num_folds=, save=true says what CheckpointHook saves, save_best_by=
-- is the hook's.
local o, p = ...
local named = type(o.resume) == "string"
p.options {
  sub_level = "string", map_location = "string", path = "string", resume = named and "string" or "boolean",
  scheduler = "boolean", folds = "number", save = "boolean", save_best_by = "string",
}
local function say(text) p.say("essmc2", text) end
local function raise(text) p.raise(text, "essmc2 raises") end
local folds = math.tointeger(o.folds or 1) or 1

-- CheckpointHook: by which metric an epoch is the best, and where that begins.
if o.save_best_by then
  local metric, wrong = o.save_best_by:gsub("^[+-]", ""), o.save_best_by == "" and "set" or "valid"
  if metric == "" then
    say(("CheckpointHook: Parameter 'save_best_by' is not %s, turn off save_best function."):format(wrong))
  elseif o.save_best_by:sub(1, 1) ~= "-" and not (o.resume and p.value("_CheckpointHook_best")) then
    p.trap("the best %s begins at sys.float_info.min, which is above 0: one of 0 or less never makes a best.pth", metric)
  end
end

-- after_epoch: the name counts the epochs that are done.
local function save()
  local _, epoch = p.value("epoch")
  if not o.save or math.type(epoch) ~= "integer" then return end
  say(("Saving checkpoint after %d epochs"):format(epoch + folds))
  p.save(("epoch-%05d.pth"):format(epoch + folds))
end

-- before_solve and load_checkpoint: strict, and the epoch that comes next.
local function resume(path)
  say("Loading checkpoint from " .. path)
  for _, name in ipairs { "epoch", "total_iters", "state_dict", "optimizer", o.scheduler and "lr_scheduler" or nil } do
    if p.value(name) == nil then return raise("KeyError: " .. p.repr(name)) end
    if name == "state_dict" and p.has_target then
      local source = p.open(name)
      local _, _, _, raised = p.load(source, true, p.model)
      if raised then return raise(raised) end
      p.apply(source, { aside = true, policy = { shape = "error", dtype = "force", missing = "keep" } })
    end
  end
  local _, epoch = p.value("epoch")
  if math.type(epoch) == "integer" then
    p.trap("epoch %d is done: it goes on with epoch %d", epoch, epoch + folds)
  end
  save()
end

local absent = named and not p.beside(o.resume)
if o.resume and not absent then
  if named then
    p.trap("what is resumed from replaces whatever was loaded before it")
    if not p.api.dry then p.source(o.resume, o.resume) end
  end
  return resume(named and o.resume or p.path)
end

if p.model then say(("Load pretrained model [%s] from %s"):format(p.model, p.path)) end
-- FS.get_from: the client by how the path begins; LocalFs where there is none.
if p.path:sub(1, 7) == "file://" then
  p.trap("file:// reaches abspath as it is: EssentialMC2 looks for '%s' below the current folder", p.path)
elseif p.path:sub(1, 4) == "http" then
  p.trap("a download that reports success and leaves no file is tried again without end")
elseif p.path:find("://", 1, true) and p.path:sub(1, 6) ~= "oss://" then
  say(("%s is not a local path, use LocalFs may cause an error."):format(p.path))
end

local source = p.open("state_dict", "model_state")
if source:tensors() == 0 then
  p.trap("essmc2 goes into state_dict and model_state, where this file has no tensors: nothing is loaded")
end

-- "module." comes off once; of two keys that become one the later wins.
local dict, met = source:strip("module.")
for _, name in ipairs(met) do
  p.trap("two keys become '%s' without \"module.\"; the later one in the file wins, silently", name)
end
local again, first = dict:starts("module.")
if again > 0 then
  p.trap("\"module.\" is taken off once: %s still with it, such as '%s'",
    p.plural(again, "key begins", "keys begin"), first)
end

-- The rest vanishes without any message.
if o.sub_level and o.sub_level ~= "" then
  local level = o.sub_level
  if level:sub(-1) ~= "." then level = level .. "." end
  local all = #dict
  dict = dict:under(level)
  local lost = all - #dict
  if #dict == 0 then
    p.trap("sub_level \"%s\" fits no key: nothing is loaded, and essmc2 says nothing of it", level)
  elseif lost > 0 then
    p.trap("sub_level \"%s\": %s outside it, which essmc2 drops without a word", level,
      p.plural(lost, "key lies", "keys lie"))
  end
end

if not p.has_target then
  if absent then say("File not exists " .. o.resume) end
  p.apply(dict, { rest = "not in what essmc2 loads", policy = { collide = "last" } })
  return
end

-- What does not fit goes, and is told; so it is missing afterwards.
local target, refused, lines, dtypes = p.target(), {}, {}, {}
for name, wanted, entry in target:unlike(dict) do
  refused[name] = true
  if not p.same(entry.shape, wanted.shape) then
    lines[#lines + 1] = ("%s: invalid shape, dst %s vs. src %s"):format(name, p.size(wanted.shape),
      p.size(entry.shape))
  else
    lines[#lines + 1] = ("%s: invalid dtype, dst %s vs. src %s"):format(name, p.dtype(wanted.dtype),
      p.dtype(entry.dtype))
    dtypes[#dtypes + 1] = name
  end
end
if #lines > 0 then say("ignore keys from source: \n" .. table.concat(lines, "\n")) end
if #dtypes > 0 then
  p.trap("%s for the dtype alone: %s; policy{dtype=\"cast\"} would load them",
    p.plural(#dtypes, "tensor is refused", "tensors are refused"), p.some(dtypes))
end

local missing, unexpected, _, _, raised = p.load(dict:without(refused), false, p.model)
if raised then p.fail(raised) end
local parts = {}
if #unexpected > 0 then
  parts[#parts + 1] = "unexpected key in source state_dict: " .. table.concat(unexpected, ", ") .. "\n"
end
if #missing > 0 then
  parts[#parts + 1] = "missing key in source state_dict: " .. table.concat(missing, ", ") .. "\n"
end
if #parts > 0 and not raised then say(table.concat(parts, "\n")) end
if absent and not raised then
  say("File not exists " .. o.resume)
  p.trap("there is no '%s' to resume from, which is logged as an error; the training goes on", o.resume)
end
save()

p.apply(dict, {
  refused = refused, rest = "not in what essmc2 loads",
  policy = { shape = "skip", dtype = "skip", missing = "keep", collide = "last" },
})
