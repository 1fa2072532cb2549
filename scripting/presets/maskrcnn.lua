-- maskrcnn: maskrcnn-benchmark, DetectronCheckpointer.load
--
-- c2= is cfg.MODEL.BACKBONE.CONV_BODY, by which it reads Caffe2's *.pkl: "R-50-FPN".
local o, p = ...
p.options { c2 = "string", path = "string" }
local function say(text) p.say("maskrcnn", text) end
local function raise(text) p.raise(text, "maskrcnn-benchmark raises") end
say("Loading checkpoint from " .. p.path)

-- ---- Caffe2's names: each text is replaced wherever it stands, in this order ----

local basic = {
  "_", ".", ".w", ".weight", ".bn", "_bn", ".b", ".bias", "_bn.s", "_bn.scale", ".biasranch", ".branch",
  "bbox.pred", "bbox_pred", "cls.score", "cls_score", "res.conv1_", "conv1_", ".biasbox", ".bbox",
  "conv.rpn", "rpn.conv", "rpn.bbox.pred", "rpn.bbox_pred", "rpn.cls.logits", "rpn.cls_logits",
  "_bn.scale", "_bn.weight", "conv1_bn.", "bn1.",
  "res2.", "layer1.", "res3.", "layer2.", "res4.", "layer3.", "res5.", "layer4.",
  ".branch2a.", ".conv1.", ".branch2a_bn.", ".bn1.", ".branch2b.", ".conv2.", ".branch2b_bn.", ".bn2.",
  ".branch2c.", ".conv3.", ".branch2c_bn.", ".bn3.", ".branch1.", ".downsample.0.",
  ".branch1_bn.", ".downsample.1.",
  "conv1.gn.s", "bn1.weight", "conv1.gn.bias", "bn1.bias", "conv2.gn.s", "bn2.weight",
  "conv2.gn.bias", "bn2.bias", "conv3.gn.s", "bn3.weight", "conv3.gn.bias", "bn3.bias",
  "downsample.0.gn.s", "downsample.1.weight", "downsample.0.gn.bias", "downsample.1.bias",
}
local heads = {
  "rpn.conv.fpn2", "rpn.conv", "rpn.bbox_pred.fpn2", "rpn.bbox_pred", "rpn.cls_logits.fpn2", "rpn.cls_logits",
  "mask.fcn.logits", "mask_fcn_logits", ".[mask].fcn", "mask_fcn", "conv5.mask", "conv5_mask",
  "kps.score.lowres", "kps_score_lowres", "kps.score", "kps_score", "conv.fcn", "conv_fcn", "rpn.", "rpn.head.",
}
local stages = { ["R-50"] = { "1.2", "2.3", "3.5", "4.2" }, ["R-101"] = { "1.2", "2.3", "3.22", "4.2" } }

-- In which block each stage of the backbone ends, for the pyramid's names.
local function pyramid(ends)
  local list = {}
  for i, stage in ipairs(ends) do
    local inner = ("fpn.inner.layer%s.sum%s"):format(stage, i < 4 and ".lateral" or "")
    table.move({ inner, "fpn_inner" .. i, ("fpn.layer%s.sum"):format(stage), "fpn_layer" .. i }, 1, 4, #list + 1, list)
  end
  return list
end

local function rename(source, ends)
  local kept = source:rename(function(name) return not name:find("_momentum", 1, true) and name end)
  local wide, made = kept:widest(), p.dict()
  say("Remapping C2 weights")
  for _, name in ipairs(p.sorted(kept)) do
    local to = ({ pred_b = "fc1000_b", pred_w = "fc1000_w" })[name] or name
    to = p.rewrite(p.rewrite(p.rewrite(to, basic), pyramid(ends)), heads)
    say(("C2 name: %s mapped name: %s"):format(p.pad(name, wide), to))
    if made:set(to, kept:get(name)) then p.trap("two keys become '%s'; the later one wins, silently", to) end
  end
  return made
end

local source, target
if p.path:sub(-4) == ".pkl" then
  local body = o.c2 or "R-50-C4"
  local arch = body:gsub("%-C4", ""):gsub("%-C5", ""):gsub("%-FPN", ""):gsub("%-RETINANET", "")
  if not o.c2 then p.trap("a *.pkl is renamed by the backbone of the configuration, here R-50; c2= tells it") end
  if not stages[arch] then return raise("KeyError: " .. p.repr(body)) end
  source = p.open("blobs")
  local arrays, odd, class = p.arrays(source)
  if not arrays then
    return raise(("TypeError: expected np.ndarray (got %s)"):format(class), odd)
  end
  source = rename(source, stages[arch])
else
  source = p.open("model")
end
target = p.target()

-- All or nothing; then every "module." goes, also in the middle of a key.
local with = source:starts("module.")
if with == #source then
  source = source:rename(function(name)
    local made, hits = name:gsub("module%.", "")
    if hits > 1 then p.trap("\"module.\" goes wherever it stands: '%s' becomes '%s'", name, made) end
    return made
  end)
elseif with > 0 then
  p.trap("\"module.\" is stripped only when every key has it: %d of %d lack it, so nothing is stripped",
    #source - with, #source)
end

local moved = source:suffixes(target)
local inside = moved:inside()
if p.listens() then
  local wide, wide2 = target:widest(), source:widest()
  for name, entry in moved:each() do
    say(("%s loaded from %s of shape %s"):format(p.pad(name, wide), p.pad(entry.from, wide2), p.tuple(entry.shape)))
  end
end
local _, _, _, raised = p.load(target:updated(moved), true, p.model)
if raised then p.fail(raised) end
if #inside > 0 then
  p.trap("a suffix that begins inside a segment is taken for a match: %s", p.some(inside))
end
p.apply(moved, {
  aside = true, rest = "no target chose it",
  policy = { shape = "error", dtype = "force", missing = "keep" },
})
