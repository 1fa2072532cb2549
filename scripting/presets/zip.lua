-- zip: AlexNet-SPP, both dicts in step: taken where position, name and shape agree
-- The walk ends with the shorter dict.
local o, p = ...
p.options {}
local source, target = p.open(), p.target()
local taken, names, shapes, refused, shift = p.dict(), 0, {}, {}, nil
for i = 1, math.min(#source, #target) do
  local name, entry = source:at(i)
  local to, wanted = target:at(i)
  if name ~= to then
    names = names + 1
    shift = shift or i
  else
    taken:set(name, entry)
    if entry.class or not p.same(entry.shape, wanted.shape) then
      shapes[#shapes + 1] = name
      refused[name] = true
    end
  end
end
if shift then
  p.trap("the dicts are out of step from position %d on ('%s' meets '%s'): %s not loaded for it", shift,
    (source:at(shift)), (target:at(shift)), p.plural(names, "position is", "positions are"))
end
if #shapes > 0 then
  p.trap("%s another shape and keep the model's value, silently: %s", p.plural(#shapes, "tensor has", "tensors have"),
    p.some(shapes))
end
if #source ~= #target then
  p.trap("the walk ends with the shorter dict: %d keys here, %d in the model", #source, #target)
end
p.apply(taken, {
  aside = true, refused = refused, rest = "position, name and shape do not agree",
  policy = { shape = "skip", dtype = "force", missing = "keep" },
})
