-- partial: model_dict.update({k: v for k, v in sd.items() if k in model_dict}), loaded strictly
-- This is (2b) of the load / init / finetune guide: names count, order does not.
local o, p = ...
p.options {}
local source, target = p.open(), p.target()
local taken, missing = source:of(target), {}
for name in target:without(source):each() do missing[#missing + 1] = name end
local _, _, _, _, raised = p.load(target:updated(taken), true, p.model)
if raised then p.fail(raised) end
if #missing > 0 then
  p.trap("%s the model's own value, without a message: %s", p.plural(#missing, "tensor keeps", "tensors keep"),
    p.some(missing))
end
if #taken == 0 and #source > 0 then
  p.trap("no key of the file is one of the model's: nothing is loaded, and nothing says so")
end
p.apply(taken, {
  aside = true, rest = "the model has no such key",
  policy = { shape = "error", dtype = "force", missing = "keep" },
})
