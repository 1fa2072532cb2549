-- init: the load / init / finetune guide's initialisation, for what gets no value
--
-- Every Conv2d's weight is drawn from N(0, sqrt(2 / (kh * kw * out))), every BatchNorm2d gets weight 1
-- and bias 0, and nothing else is touched: a convolution's bias and every Linear keep the target's.
local o, p = ...
p.options {}
local target = p.target()
for name, wanted in target:each() do
  local module, leaf = name:match("^(.*)%.([^.]*)$")
  if module and target:get(module .. ".running_mean") then
    if leaf == "weight" then p.fill(name, const(1)) end
    if leaf == "bias" then p.fill(name, const(0)) end
  elseif leaf == "weight" and wanted.shape and #wanted.shape == 4 then
    p.fill(name, conv_msra())
  end
end
if not p.api.dry then p.api.policy { missing = "keep" } end
