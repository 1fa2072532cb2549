-- PyTorch: model.load_state_dict(state_dict, strict=False): equal names are loaded, and a shape that
-- differs raises all the same.
local o, p = ...
p.options {}
local source = p.open()
p.target()
local missing, unexpected, errors, _, raised = p.load(source:list(), true, p.model)
if raised then p.fail(raised) end
if #errors > 0 then
  p.trap("strict=False forgives missing and unexpected keys, but no shape: it raises")
elseif #missing + #unexpected > 0 then
  p.trap("%s missing and %s unexpected: only what load_state_dict returns tells",
    p.plural(#missing, "key is", "keys are"), p.plural(#unexpected, "is", "are"))
end
p.apply(source:list(), {
  aside = true, policy = { shape = "error", dtype = "force", missing = "keep" },
})
