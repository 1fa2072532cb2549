-- partial: model_dict.update({k: v for k, v in sd.items() if k in model_dict}), loaded strictly
-- This is (2b) of the load / init / finetune guide: names count, order does not.
local o, p = ...
p.options {}
local source, target = p.open(), p.target()
local taken, updated, missing, other = {}, {}, {}, 0
for name, wanted in target:each() do
  local entry = source.get[name]
  if entry then
    taken[#taken + 1] = entry
    updated[#updated + 1] = entry
  else
    missing[#missing + 1] = name
    updated[#updated + 1] = { name = name, shape = wanted.shape }
  end
end
for name in source:each() do if not target:has(name) then other = other + 1 end end
local _, _, errors, _, raised = p.load(updated, true, p.model)
if raised then p.fail(raised) end
if #missing > 0 then
  p.trap("%s the model's own value, without a message: %s", p.plural(#missing, "tensor keeps", "tensors keep"),
    p.some(missing))
end
if #taken == 0 and other > 0 then
  p.trap("no key of the file is one of the model's: nothing is loaded, and nothing says so")
end
p.apply(taken, {
  aside = true, rest = "the model has no such key",
  policy = { shape = "error", dtype = "force", missing = "keep" },
})
