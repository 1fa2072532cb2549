-- zip: AlexNet-SPP, both dicts in step: taken where position, name and shape agree
-- The walk ends with the shorter dict.
local o, p = ...
p.options {}
local source, target = p.open(), p.target()
local taken, names, shapes, refused, shift = {}, 0, {}, {}, nil
for i = 1, math.min(#source.names, #target.names) do
  local name, wanted = source.names[i], target.names[i]
  local entry = source.get[name]
  if name ~= wanted then
    names = names + 1
    shift = shift or i
  elseif entry.class or not p.same(entry.shape, target.get[wanted].shape) then
    shapes[#shapes + 1] = name
    refused[name] = true
    taken[#taken + 1] = entry
  else
    taken[#taken + 1] = entry
  end
end
if shift then
  p.trap("the dicts are out of step from position %d on ('%s' meets '%s'): %s not loaded for it", shift,
    source.names[shift], target.names[shift], p.plural(names, "position is", "positions are"))
end
if #shapes > 0 then
  p.trap("%s another shape and keep the model's value, silently: %s", p.plural(#shapes, "tensor has", "tensors have"),
    p.some(shapes))
end
if #source.names ~= #target.names then
  p.trap("the walk ends with the shorter dict: %d keys here, %d in the model", #source.names, #target.names)
end
p.apply(taken, {
  aside = true, refused = refused, rest = "position, name and shape do not agree",
  policy = { shape = "skip", dtype = "force", missing = "keep" },
})
