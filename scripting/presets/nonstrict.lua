-- nonstrict: PyTorch, load_state_dict(sd, strict=False): equal names, and shapes still raise
--
local o, p = ...
p.options {}
local source = p.open()
p.target()
local missing, unexpected, errors, _, raised = p.load(source, true, p.model)
if raised then p.fail(raised) end
if #errors > 0 then
  p.trap("strict=False forgives missing and unexpected keys, but no shape: it raises")
elseif #missing + #unexpected > 0 then
  p.trap("%s missing and %s unexpected: only what load_state_dict returns tells",
    p.plural(#missing, "key is", "keys are"), p.plural(#unexpected, "is", "are"))
end
p.apply(source, {
  aside = true, policy = { shape = "error", dtype = "force", missing = "keep" },
})
