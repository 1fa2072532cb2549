-- strict: PyTorch, load_state_dict(sd): raises unless names and shapes are the same
local o, p = ...
p.options {}
local source, target = p.open(), p.target()
local missing, _, _, raised = p.load(source, true, p.model)
if raised then p.fail(raised) end

-- A BatchNorm gives itself the counter that an old file lacks: such a target keeps its own.
local is_missing, forgiven, cast = {}, {}, {}
for _, name in ipairs(missing) do is_missing[name] = true end
for name in target:without(source):each() do
  if not is_missing[name] then forgiven[#forgiven + 1] = name end
end
for name, wanted, entry in target:unlike(source) do
  if entry.dtype and wanted.dtype and entry.dtype ~= wanted.dtype then cast[#cast + 1] = name end
end
if #cast > 0 then
  p.trap("%s converted to the model's dtype without a word: %s", p.plural(#cast, "tensor is", "tensors are"),
    p.some(cast))
end
p.apply(source, {
  aside = true, keep = forgiven,
  policy = { shape = "error", dtype = "force", missing = "error", unused = "error" },
})
