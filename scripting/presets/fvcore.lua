-- fvcore: fvcore, Checkpointer.load of common/checkpoint.py
local o, p = ...
p.options { path = "string" }
local function say(text) p.say("fvcore", text) end
local function raise(text) p.raise(text, "fvcore raises") end

say(("[Checkpointer] Loading from %s ..."):format(p.path))
if p.is_file() and p.value("model") == nil then return raise("KeyError: 'model'") end
local source = p.open("model")
local arrays, odd, class = p.arrays(source)
if not arrays then
  return raise(("ValueError: Unsupported type found in checkpoint! %s: <class '%s'>"):format(odd, class))
end

local dict, prefix = p.fvcore_strip(source)
if not p.has_target then
  p.apply(dict, { rest = "not in what fvcore loads" })
  return
end

local refused, unlike = p.fvcore_load("fvcore", dict, prefix)
if unlike > 0 then
  p.trap("missing and unexpected keys are lines of the log; the training goes on")
end
p.apply(dict, {
  refused = refused, rest = "overwritten",
  policy = { shape = "skip", dtype = "force", missing = "keep" },
})
