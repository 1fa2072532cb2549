-- suffix: detectron2, DetectionCheckpointer.load and align_and_update_state_dicts
--
-- A file *.pkl is of its model zoo or of Caffe2's, whose names and classes it changes; *.pyth is pycls'.
-- What was matched, and what was not, is then fvcore's to load.
local o, p = ...
p.options { path = "string" }
local function say(text) p.say("detectron2", text) end
local function raise(text) p.raise(text, "detectron2 raises") end
say(("[Checkpointer] Loading from %s ..."):format(p.path))

-- What the file's name says of it, and the dict.
local source, caffe, heuristics = nil, false, true
local _, author = p.value("__author__")
if p.path:sub(-4) == ".pkl" and p.value("model") and author then
  say(("Reading a file from '%s'"):format(author))
  local _, told = p.value("matching_heuristics")
  source, caffe, heuristics = p.open("model"), author == "Caffe2", told == true
elseif p.path:sub(-4) == ".pkl" then
  source, caffe = p.open("blobs"), true
  source = source:rename(function(name) return name:sub(-9) ~= "_momentum" and name end)
elseif p.path:sub(-5) == ".pyth" then
  if not p.value("model_state") then
    return raise(("AssertionError: Cannot load .pyth file %s; pycls checkpoints must contain 'model_state'."):format(p.path))
  end
  source = p.open("model_state")
  source = source:rename(function(name) return name:sub(-19) ~= "num_batches_tracked" and name end)
else
  source = p.open("model")
end
local arrays, odd, class = p.arrays(source)
if not arrays then
  return raise(("ValueError: Unsupported type found in checkpoint! %s: <class '%s'>"):format(odd, class))
end

-- ---- Caffe2's names ----

-- In this order, see p.rewrite.
local basic = {
  "_", ".", "=%.b$", ".bias", "=%.w$", ".weight", "=bn%.s$", "norm.weight", "=bn%.bias$", "norm.bias",
  "=bn%.rm", "norm.running_mean", "=bn%.running.mean$", "norm.running_mean", "=bn%.riv$", "norm.running_var",
  "=bn%.running.var$", "norm.running_var", "=bn%.gamma$", "norm.weight", "=bn%.beta$", "norm.bias",
  "=gn%.s$", "norm.weight", "=gn%.bias$", "norm.bias",
  "=^res%.conv1%.norm%.", "conv1.norm.", "=^conv1%.", "stem.conv1.",
  ".branch1.", ".shortcut.", ".branch2a.", ".conv1.", ".branch2b.", ".conv2.", ".branch2c.", ".conv3.",
  "=^body.conv.fcn", "body_conv_fcn", "AnnIndex.lowres", "ann_index_lowres",
  "Index.UV.lowres", "index_uv_lowres", "U.lowres", "u_lowres", "V.lowres", "v_lowres",
}
local heads = {
  "conv.rpn.fpn2", "proposal_generator.rpn_head.conv", "conv.rpn", "proposal_generator.rpn_head.conv",
  "rpn.bbox.pred.fpn2", "proposal_generator.rpn_head.anchor_deltas",
  "rpn.cls.logits.fpn2", "proposal_generator.rpn_head.objectness_logits",
  "rpn.bbox.pred", "proposal_generator.rpn_head.anchor_deltas",
  "rpn.cls.logits", "proposal_generator.rpn_head.objectness_logits",
  "=^bbox%.pred", "bbox_pred", "=^cls%.score", "cls_score", "=^fc6%.", "box_head.fc1.",
  "=^fc7%.", "box_head.fc2.", "=^head%.conv", "box_head.conv",
}
local tails = {
  ".[mask].fcn", "mask_head.mask_fcn", "=^%.mask%.fcn", "mask_head.mask_fcn",
  "mask.fcn.logits", "mask_head.predictor", "conv5.mask", "mask_head.deconv",
  "conv.fcn", "roi_heads.keypoint_head.conv_fcn",
  "kps.score.lowres", "roi_heads.keypoint_head.score_lowres", "kps.score.", "roi_heads.keypoint_head.score.",
}

-- "fpn.inner.res2.2.sum.lateral.weight" is fpn_lateral2.weight, "fpn.res2.2.sum.weight" fpn_output2.weight.
local function rename_pyramid(name)
  local inner = name:sub(1, 10) == "fpn.inner."
  if not inner and name:sub(1, 7) ~= "fpn.res" then return name end
  local stage = name:match(inner and "^fpn%.inner%....([^.]*)" or "^fpn%.res([^.]*)")
  local number = stage and math.tointeger(tonumber(stage))
  if not number then return nil, ("ValueError: invalid literal for int() with base 10: %s"):format(p.repr(stage or "")) end
  local norm = ("." .. name .. "."):find(".norm.", 1, true) and ".norm" or ""
  return ("fpn_%s%d%s.%s"):format(inner and "lateral" or "output", number, norm, name:match("[^.]*$"))
end

local renamed = caffe and heuristics
local origin_of = {}         -- the name in the file, by the one that detectron2 gave
if renamed then
  say("Renaming Caffe2 weights ......")
  local made = p.dict()
  for _, name in ipairs(p.sorted(source)) do
    local entry = source:get(name)
    local to = ({ pred_b = "linear_b", pred_w = "linear_w" })[name] or name
    local wrong
    to, wrong = rename_pyramid(p.rewrite(p.rewrite(to, basic), heads))
    if not to then return raise(wrong) end
    to = p.rewrite(to, tails)
    if made:get(to) then return raise("AssertionError") end
    origin_of[to] = name
    local shape, value = entry.shape, p.tensor(entry)
    local less = (to:sub(1, 10) == "bbox_pred." and 4) or (to:sub(1, 20) == "mask_head.predictor." and 1)
    if less and shape and shape[1] then
      entry.shape = { math.max(0, shape[1] - less), table.unpack(shape, 2) }
      entry.value, entry.ops = value and value:slice(0, math.min(less, shape[1])), ("slice(0,%d)"):format(less)
      say(("Remove prediction weight for background class in %s. The shape changes from %s to %s."):format(
        to, p.tuple(shape), p.tuple(entry.shape)))
    elseif to:sub(1, 10) == "cls_score." and shape and shape[1] then
      entry.value, entry.ops = value and value:roll(0, -1), "roll(0,-1)"
      say(("Move classification weights for background class in %s from index 0 to index %d."):format(to, shape[1] - 1))
    end
    made:set(to, entry)
  end
  source = made
end

-- ---- the match ----

local target = p.target()
local models, weights = p.sorted(target), p.sorted(source)

-- The longest source key that is a suffix of whole segments.
local function find(name)
  if source:get(name) then return name end
  for at in name:gmatch "%.()" do
    if source:get(name:sub(at)) then return name:sub(at) end
  end
end

local result, matched = p.dict(), {}
local function take(name, entry) result:set(name, p.copy(entry)) end
for _, name in ipairs(heuristics and models or {}) do
  local from = find(name)
  local entry, wanted = from and source:get(from), target:get(name)
  if entry then
    if not p.same(entry.shape, wanted.shape) then
      say(("Shape of %s in checkpoint is %s, while shape of %s in model is %s."):format(from,
        p.size(entry.shape), name, p.size(wanted.shape)))
      say(from .. " will not be loaded. Please double check and see if this is desired.")
    elseif matched[from] then
      say(("Ambiguity found for %s in checkpoint!It matches at least two keys in the model (%s and %s)."):format(
        from, name, matched[from]))
      return raise("ValueError: Cannot match one checkpoint key to multiple keys in the model.")
    else
      matched[from] = name
      take(name, entry)
    end
  end
end

-- The table of what was matched is made and not printed; its length is. Modules whose names share a
-- beginning in the file as well are one line of it.
local names, origin = {}, {}
for from, name in pairs(matched) do
  names[#names + 1] = name
  origin[name] = origin_of[from] or from
end
names = p.sort(names)

local function split(name)
  local list = {}
  for segment in (name .. "."):gmatch("([^.]*)%.") do list[#list + 1] = segment end
  return list
end

local function less(a, b)            -- as Python orders lists of text
  for i = 1, math.min(#a, #b) do if a[i] ~= b[i] then return a[i] < b[i] end end
  return #a < #b
end

-- It goes on behind the first difference, as detectron2's does.
local function common_prefix(list)
  local low, high
  for _, name in ipairs(list) do
    local segments = split(name)
    if not low or less(segments, low) then low = segments end
    if not high or less(high, segments) then high = segments end
  end
  local same = {}
  for i = 1, math.min(#low, #high) do if low[i] == high[i] then same[#same + 1] = low[i] end end
  return #same > 0 and table.concat(same, ".") .. "." or ""
end

-- Whether the least and the greatest name in the file have a letter in common, at any place.
local function is_alike(group)
  local low, high = origin[group[1]], origin[group[1]]
  for _, name in ipairs(group) do
    local from = origin[name]
    if from < low then low = from end
    if high < from then high = from end
  end
  for i = 1, math.min(#low, #high) do if low:byte(i) == high:byte(i) then return true end end
  return false
end

local function groups()
  local below, prefixes, group_of, count, seen = {}, {}, {}, 0, {}
  for _, name in ipairs(names) do
    local prefix = name:match("^(.*%.)[^.]*$")
    if prefix and not below[prefix] then
      below[prefix] = {}
      prefixes[#prefixes + 1] = prefix
    end
  end
  for _, name in ipairs(names) do
    for at in name:gmatch "()%." do
      local group = below[name:sub(1, at)]
      if group then group[#group + 1] = name end
    end
  end
  -- the shortest first; of one length no two have a name in common
  local of_length, longest = {}, 0
  for _, prefix in ipairs(prefixes) do
    of_length[#prefix] = of_length[#prefix] or {}
    table.insert(of_length[#prefix], prefix)
    longest = math.max(longest, #prefix)
  end
  for length = 1, longest do
    for _, prefix in ipairs(of_length[length] or {}) do
      local group = below[prefix]
      if #group > 1 and is_alike(group) then
        for _, name in ipairs(group) do group_of[name] = group_of[name] or group end
      end
    end
  end
  for _, name in ipairs(names) do
    if not seen[name] then
      count = count + 1
      for _, each in ipairs(group_of[name] or { name }) do seen[each] = true end
    end
  end
  return count
end

local silent = 0
if not heuristics then
  for name, entry in source:each() do take(name, entry) end
elseif #names == 0 then
  say("No weights in checkpoint matched with model.")
  p.trap("nothing matched, and the file is handed on unchanged")
  for name, entry in source:each() do take(name, entry) end
else
  local prefix = common_prefix(names)
  say(("Following weights matched with submodule %s - Total num: %d"):format(
    prefix ~= "" and prefix:sub(1, -2) or "model", groups()))
  for _, name in ipairs(weights) do          -- what fits nowhere stays under its own name
    if not matched[name] then
      take(name, source:get(name))
      silent = silent + 1
    end
  end
end
if silent > 0 then
  p.trap("%s matched by nothing and stay in the dict under the old name", p.plural(silent, "key is", "keys are"))
end

-- ---- fvcore's turn ----

-- Old checkpoints hold anchors, and lack what the configuration sets anyway.
local function forgive(missing, unexpected)
  local still, left = {}, {}
  for _, name in ipairs(missing) do
    if name ~= "pixel_mean" and name ~= "pixel_std" then still[#still + 1] = name end
  end
  for _, name in ipairs(unexpected) do
    if not name:find("anchor_generator.cell_anchors", 1, true) then left[#left + 1] = name end
  end
  return still, left
end

local dict, metadata = p.fvcore_strip(result)
if renamed or #names > 0 then metadata = false end          -- it is a dict of detectron2's own
local refused = p.fvcore_load("detectron2", dict, metadata, forgive)
p.apply(dict, {
  aside = true, refused = refused, rest = "no target fits",
  policy = { shape = "skip", dtype = "force", missing = "keep" },
})
