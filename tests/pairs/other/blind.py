"""Pairs of model families that were written down and measured once before automatic alignment was worked on again: the
figures of that one run say what it did on models of others, those of today what it learned. Sources: the JAX MLP-Mixer and
timm's loader, mmdetection and detectron2, ultralytics and mmyolo's converter, TF-slim, torchvision and timm, the
conversion scripts of transformers and diffusers, torchaudio, asteroid, OpenPCDet and mmdetection3d, DLRM and torchrec,
Stable-Baselines3 and CleanRL, SchNetPack and PyTorch Geometric, ParlAI, torchtune, Megatron-Core, llama.cpp.
"""
from families import Maker
from held_out import KERAS_NORM, batch_norm, dense, kernel

HALF = ("beta", "moving_mean", "moving_variance")


def mixer(d=768, layers=12, tokens=196):
    """Two feed-forward networks a block, one over tokens and one over channels."""
    m = Maker("mixer_b16_jax_to_timm_T_sorted")

    def norm(source, target):
        m.both(source + "/scale", target + ".weight", d)
        m.both(source + "/bias", target + ".bias", d)

    def linear(source, target, out, n):
        dense(m, source + "/kernel", target + ".weight", out, n)
        m.both(source + "/bias", target + ".bias", out)

    kernel(m, "stem/kernel", "stem.proj.weight", d, 3, 16)
    m.both("stem/bias", "stem.proj.bias", d)
    for i in range(layers):
        a, b = f"MixerBlock_{i}", f"blocks.{i}"
        norm(f"{a}/LayerNorm_0", f"{b}.norm1")
        linear(f"{a}/token_mixing/Dense_0", f"{b}.mlp_tokens.fc1", d // 2, tokens)
        linear(f"{a}/token_mixing/Dense_1", f"{b}.mlp_tokens.fc2", tokens, d // 2)
        norm(f"{a}/LayerNorm_1", f"{b}.norm2")
        linear(f"{a}/channel_mixing/Dense_0", f"{b}.mlp_channels.fc1", 4 * d, d)
        linear(f"{a}/channel_mixing/Dense_1", f"{b}.mlp_channels.fc2", d, 4 * d)
    norm("pre_head_layer_norm", "norm")
    linear("head", "head", 1000, d)
    return m.pair(sort_source=True)


def mask_rcnn(blocks=(3, 4, 6, 3), classes=80):
    """torchvision's names against those of detectron2, and heads of both libraries' own names."""
    m = Maker("maskrcnn_mmdet_to_detectron2")

    def conv_bn(conv, bn, target, out, n, size):
        m.both(f"{conv}.weight", f"{target}.weight", out, n, size, size)
        batch_norm(m, f"{bn}.", f"{target}.norm", out, counter=False)
        m.src(f"{bn}.num_batches_tracked")

    def conv(source, target, out, n, size):
        m.both(f"{source}.weight", f"{target}.weight", out, n, size, size)
        m.both(f"{source}.bias", f"{target}.bias", n if "deconv" in target else out)

    b = "backbone.bottom_up"
    conv_bn("backbone.conv1", "backbone.bn1", f"{b}.stem.conv1", 64, 3, 7)
    before = 64
    for s, count in enumerate(blocks):
        width, out = 64 << s, 256 << s
        for i in range(count):
            x, y = f"backbone.layer{s + 1}.{i}", f"{b}.res{s + 2}.{i}"
            for k, (o, n, size) in enumerate(((width, before, 1), (width, width, 3), (out, width, 1)), 1):
                conv_bn(f"{x}.conv{k}", f"{x}.bn{k}", f"{y}.conv{k}", o, n, size)
            if i == 0:
                conv_bn(f"{x}.downsample.0", f"{x}.downsample.1", f"{y}.shortcut", out, before, 1)
            before = out
    for k in range(4):
        conv(f"neck.lateral_convs.{k}.conv", f"backbone.fpn_lateral{k + 2}", 256, 256 << k, 1)
    for k in range(4):
        conv(f"neck.fpn_convs.{k}.conv", f"backbone.fpn_output{k + 2}", 256, 256, 3)
    p = "proposal_generator.rpn_head"
    conv("rpn_head.rpn_conv", f"{p}.conv", 256, 256, 3)
    conv("rpn_head.rpn_cls", f"{p}.objectness_logits", 3, 256, 1)
    conv("rpn_head.rpn_reg", f"{p}.anchor_deltas", 12, 256, 1)
    m.linear("roi_head.bbox_head.fc_cls", "roi_heads.box_predictor.cls_score", classes + 1, 1024)
    m.linear("roi_head.bbox_head.fc_reg", "roi_heads.box_predictor.bbox_pred", 4 * classes, 1024)
    m.linear("roi_head.bbox_head.shared_fcs.0", "roi_heads.box_head.fc1", 1024, 256 * 49)
    m.linear("roi_head.bbox_head.shared_fcs.1", "roi_heads.box_head.fc2", 1024, 1024)
    for k in range(4):
        conv(f"roi_head.mask_head.convs.{k}.conv", f"roi_heads.mask_head.mask_fcn{k + 1}", 256, 256, 3)
    conv("roi_head.mask_head.upsample", "roi_heads.mask_head.deconv", 256, 256, 2)
    conv("roi_head.mask_head.conv_logits", "roi_heads.mask_head.predictor", classes, 256, 1)
    levels = [f"backbone.fpn_{kind}{k}" for k in range(2, 6) for kind in ("lateral", "output")]
    order = levels + ["backbone.bottom_up.stem"] + [f"{b}.res{k}." for k in range(2, 6)]
    order += ["proposal", "roi_heads.box_head", "roi_heads.box_pred", "roi_heads.mask"]

    def place(key):
        first = next(i for i, prefix in enumerate(order) if key.startswith(prefix))
        if ".res" not in key:
            return first, 0, 0
        return first, int(key.split(".")[3]), 0 if ".shortcut" in key else 1

    return m.pair(order=place)


def yolov8(classes=80):
    """A flat list of layers with holes against a backbone, a neck and a head; cv1 and cv2 mean several things."""
    m = Maker("yolov8s_ultralytics_to_mmyolo")

    def conv(source, target, out, n, size):
        m.both(f"{source}.conv.weight", f"{target}.conv.weight", out, n, size, size)
        batch_norm(m, f"{source}.bn.", f"{target}.bn", out)

    def stage(source, target, out, n, count):
        half = out // 2
        conv(f"{source}.cv1", f"{target}.main_conv", out, n, 1)
        conv(f"{source}.cv2", f"{target}.final_conv", out, (2 + count) * half, 1)
        for i in range(count):
            for k in (1, 2):
                conv(f"{source}.m.{i}.cv{k}", f"{target}.blocks.{i}.conv{k}", half, half, 3)

    conv("model.0", "backbone.stem", 32, 3, 3)
    for k, count in enumerate((1, 2, 2, 1), 1):
        out = 32 << k
        conv(f"model.{2 * k - 1}", f"backbone.stage{k}.0", out, out // 2, 3)
        stage(f"model.{2 * k}", f"backbone.stage{k}.1", out, out, count)
    conv("model.9.cv1", "backbone.stage4.2.conv1", 256, 512, 1)
    conv("model.9.cv2", "backbone.stage4.2.conv2", 512, 1024, 1)
    stage("model.12", "neck.top_down_layers.0", 256, 768, 1)
    stage("model.15", "neck.top_down_layers.1", 128, 384, 1)
    conv("model.16", "neck.downsample_layers.0", 128, 128, 3)
    stage("model.18", "neck.bottom_up_layers.0", 256, 384, 1)
    conv("model.19", "neck.downsample_layers.1", 256, 256, 3)
    stage("model.21", "neck.bottom_up_layers.1", 512, 768, 1)
    for name, kind, width, out in (("cv2", "reg", 64, 64), ("cv3", "cls", 128, classes)):
        for level, n in enumerate((128, 256, 512)):
            a, b = f"model.22.{name}.{level}", f"bbox_head.head_module.{kind}_preds.{level}"
            conv(f"{a}.0", f"{b}.0", width, n, 3)
            conv(f"{a}.1", f"{b}.1", width, width, 3)
            m.both(f"{a}.2.weight", f"{b}.2.weight", out, width, 1, 1)
            m.both(f"{a}.2.bias", f"{b}.2.bias", out)
    m.src("model.22.dfl.conv.weight", 1, 16, 1, 1)
    order = ("backbone", "neck.top", "neck.down", "neck.bottom", "bbox_head.head_module.cls", "bbox_head.head_module.reg")
    return m.pair(order=lambda key: next(i for i, prefix in enumerate(order) if key.startswith(prefix)))


def googlenet():
    """Branches, letters within them, and norms without a scale: torchvision's scales stay as they are."""
    m = Maker("googlenet_slim_to_tv_T_sorted")
    s = "InceptionV1"

    def conv(source, target, out, n, size):
        kernel(m, f"{s}/{source}/weights", f"{target}.conv.weight", out, n, size)
        m.tgt(f"{target}.bn.weight", out)
        for leaf, t in zip(HALF, ("bias", "running_mean", "running_var")):
            m.both(f"{s}/{source}/BatchNorm/{leaf}", f"{target}.bn.{t}", out)
        m.tgt(f"{target}.bn.num_batches_tracked")

    conv("Conv2d_1a_7x7", "conv1", 64, 3, 7)
    conv("Conv2d_2b_1x1", "conv2", 64, 64, 1)
    conv("Conv2d_2c_3x3", "conv3", 192, 64, 3)
    n = 192
    for name, (a, b, c, d, e, f) in (
            ("3b", (64, 96, 128, 16, 32, 32)), ("3c", (128, 128, 192, 32, 96, 64)), ("4b", (192, 96, 208, 16, 48, 64)),
            ("4c", (160, 112, 224, 24, 64, 64)), ("4d", (128, 128, 256, 24, 64, 64)), ("4e", (112, 144, 288, 32, 64, 64)),
            ("4f", (256, 160, 320, 32, 128, 128)), ("5b", (256, 160, 320, 32, 128, 128)), ("5c", (384, 192, 384, 48, 128, 128))):
        x, y = f"Mixed_{name}", f"inception{name[0]}{chr(ord(name[1]) - 1)}"
        conv(f"{x}/Branch_0/Conv2d_0a_1x1", f"{y}.branch1", a, n, 1)
        conv(f"{x}/Branch_1/Conv2d_0a_1x1", f"{y}.branch2.0", b, n, 1)
        conv(f"{x}/Branch_1/Conv2d_0b_3x3", f"{y}.branch2.1", c, b, 3)
        conv(f"{x}/Branch_2/Conv2d_0a_1x1", f"{y}.branch3.0", d, n, 1)
        conv(f"{x}/Branch_2/Conv2d_0{'a' if name == '5b' else 'b'}_3x3", f"{y}.branch3.1", e, d, 3)
        conv(f"{x}/Branch_3/Conv2d_0b_1x1", f"{y}.branch4.1", f, n, 1)
        n = a + c + e + f
    m.src(f"{s}/Logits/Conv2d_0c_1x1/weights", 1, 1, 1024, 1001)
    m.src(f"{s}/Logits/Conv2d_0c_1x1/biases", 1001)
    m.tgt("fc.weight", 1000, 1024)
    m.tgt("fc.bias", 1000)
    m.src("global_step")
    return m.pair(sort_source=True)


def mobilenet_v3():
    """torchvision counts everything; timm's last layer before the classifier is a convolution, there a matrix."""
    m = Maker("mobilenetv3_large_tv_to_timm")

    def conv_bn(source, conv, bn, out, n, size):
        m.both(f"{source}.0.weight", f"{conv}.weight", out, n, size, size)
        batch_norm(m, f"{source}.1.", bn, out)

    stages = (((3, 16, 16, 0),), ((3, 64, 24, 0), (3, 72, 24, 0)), ((5, 72, 40, 24), (5, 120, 40, 32), (5, 120, 40, 32)),
              ((3, 240, 80, 0), (3, 200, 80, 0), (3, 184, 80, 0), (3, 184, 80, 0)), ((3, 480, 112, 120), (3, 672, 112, 168)),
              ((5, 672, 160, 168), (5, 960, 160, 240), (5, 960, 160, 240)))
    conv_bn("features.0", "conv_stem", "bn1", 16, 3, 3)
    before, number = 16, 1
    for s, stage in enumerate(stages):
        for i, (size, wide, out, less) in enumerate(stage):
            a, b, k = f"features.{number}.block", f"blocks.{s}.{i}", 0
            if number > 1:
                conv_bn(f"{a}.0", f"{b}.conv_pw", f"{b}.bn1", wide, before, 1)
                k = 1
            conv_bn(f"{a}.{k}", f"{b}.conv_dw", f"{b}.bn{k + 1}", wide, 1, size)
            if less:
                for t, name, o, n in (("fc1", "conv_reduce", less, wide), ("fc2", "conv_expand", wide, less)):
                    m.both(f"{a}.{k + 1}.{t}.weight", f"{b}.se.{name}.weight", o, n, 1, 1)
                    m.both(f"{a}.{k + 1}.{t}.bias", f"{b}.se.{name}.bias", o)
            last = k + 2 if less else k + 1
            conv_bn(f"{a}.{last}", f"{b}.conv_pwl" if k else f"{b}.conv_pw", f"{b}.bn{k + 2}", out, wide, 1)
            before, number = out, number + 1
    conv_bn("features.16", "blocks.6.0.conv", "blocks.6.0.bn1", 960, 160, 1)
    m.src("classifier.0.weight", 1280, 960)
    m.tgt("conv_head.weight", 1280, 960, 1, 1, of="classifier.0.weight")
    m.both("classifier.0.bias", "conv_head.bias", 1280)
    m.linear("classifier.3", "classifier", 1000, 1280)
    return m.pair()


def videomae(d=768, layers=12):
    """The fused matrix has no bias; those of query and value stand beside it on both sides."""
    m = Maker("videomae_base_to_hf")
    t = "videomae"
    m.both("patch_embed.proj.weight", f"{t}.embeddings.patch_embeddings.projection.weight", d, 3, 2, 16, 16)
    m.both("patch_embed.proj.bias", f"{t}.embeddings.patch_embeddings.projection.bias", d)
    for i in range(layers):
        a, b = f"blocks.{i}", f"{t}.encoder.layer.{i}"
        m.norm(f"{a}.norm1", f"{b}.layernorm_before", d)
        for p in "qv":
            m.both(f"{a}.attn.{p}_bias", f"{b}.attention.attention.{p}_bias", d)
        m.src(f"{a}.attn.qkv.weight", 3 * d, d)
        for p in ("query", "key", "value"):
            m.tgt(f"{b}.attention.attention.{p}.weight", d, d, of=f"{a}.attn.qkv.weight")
        m.linear(f"{a}.attn.proj", f"{b}.attention.output.dense", d, d)
        m.norm(f"{a}.norm2", f"{b}.layernorm_after", d)
        m.linear(f"{a}.mlp.fc1", f"{b}.intermediate.dense", 4 * d, d)
        m.linear(f"{a}.mlp.fc2", f"{b}.output.dense", d, 4 * d)
    m.norm("fc_norm", "fc_norm", d)
    m.linear("head", "classifier", 400, d)
    rank = ("attention.attention", "attention.output", "intermediate", "output.dense", "layernorm_before", "layernorm_after")

    def place(key):
        words = key.split(".")
        if words[2:3] == ["layer"]:
            return 1, int(words[3]), next(i for i, word in enumerate(rank) if word in key)
        return (0,) if "embeddings" in key else (2,)

    return m.pair(order=place)


def pixart(d=1152, layers=28):
    """Two attentions a block, one of them fused in three and one in two; tables that are no matrices of a layer."""
    m = Maker("pixart_512_to_diffusers")

    def split(source, targets, n):
        m.src(source + ".weight", len(targets) * d, n)
        m.src(source + ".bias", len(targets) * d)
        for target in targets:
            m.tgt(target + ".weight", d, n, of=source + ".weight")
            m.tgt(target + ".bias", d, of=source + ".bias")

    m.src("pos_embed", 1, 1024, d)
    m.both("x_embedder.proj.weight", "pos_embed.proj.weight", d, 4, 2, 2)
    m.both("x_embedder.proj.bias", "pos_embed.proj.bias", d)
    for k, n in ((0, 256), (2, d)):
        m.linear(f"t_embedder.mlp.{k}", f"adaln_single.emb.timestep_embedder.linear_{k // 2 + 1}", d, n)
    m.linear("t_block.1", "adaln_single.linear", 6 * d, d)
    m.src("y_embedder.y_embedding", 120, 4096)
    m.linear("y_embedder.y_proj.fc1", "caption_projection.linear_1", d, 4096)
    m.linear("y_embedder.y_proj.fc2", "caption_projection.linear_2", d, d)
    for i in range(layers):
        a, b = f"blocks.{i}", f"transformer_blocks.{i}"
        m.both(f"{a}.scale_shift_table", f"{b}.scale_shift_table", 6, d)
        split(f"{a}.attn.qkv", [f"{b}.attn1.to_{p}" for p in "qkv"], d)
        m.linear(f"{a}.attn.proj", f"{b}.attn1.to_out.0", d, d)
        m.linear(f"{a}.cross_attn.q_linear", f"{b}.attn2.to_q", d, d)
        split(f"{a}.cross_attn.kv_linear", [f"{b}.attn2.to_{p}" for p in "kv"], d)
        m.linear(f"{a}.cross_attn.proj", f"{b}.attn2.to_out.0", d, d)
        m.linear(f"{a}.mlp.fc1", f"{b}.ff.net.0.proj", 4 * d, d)
        m.linear(f"{a}.mlp.fc2", f"{b}.ff.net.2", d, 4 * d)
    m.both("final_layer.scale_shift_table", "scale_shift_table", 2, d)
    m.linear("final_layer.linear", "proj_out", 32, d)
    order = ("scale_shift_table", "pos_embed", "transformer_blocks", "proj_out", "adaln_single", "caption_projection")
    return m.pair(order=lambda key: next(i for i, prefix in enumerate(order) if key.startswith(prefix)))


def tacotron2(symbols=148, d=512, mels=80):
    """Every matrix and convolution wrapped once more; recurrent cells."""
    m = Maker("tacotron2_nvidia_to_torchaudio")

    def conv_bn(name, out, n):
        m.both(f"{name}.0.conv.weight", f"{name}.0.weight", out, n, 5)
        m.both(f"{name}.0.conv.bias", f"{name}.0.bias", out)
        batch_norm(m, f"{name}.1.", f"{name}.1", out)

    def cell(name, n, width, tail=""):
        for leaf, shape in (("weight_ih", (4 * width, n)), ("weight_hh", (4 * width, width)),
                            ("bias_ih", (4 * width,)), ("bias_hh", (4 * width,))):
            m.both(f"{name}.{leaf}{tail}", f"{name}.{leaf}{tail}", *shape)

    def linear(name, out, n, bias=False):
        m.linear(f"{name}.linear_layer", name, out, n, bias=bias)

    m.both("embedding.weight", "embedding.weight", symbols, d)
    for i in range(3):
        conv_bn(f"encoder.convolutions.{i}", d, d)
    for tail in ("_l0", "_l0_reverse"):
        cell("encoder.lstm", d, d // 2, tail)
    linear("decoder.prenet.layers.0", 256, mels)
    linear("decoder.prenet.layers.1", 256, 256)
    cell("decoder.attention_rnn", 256 + d, 1024)
    a = "decoder.attention_layer"
    linear(f"{a}.query_layer", 128, 1024)
    linear(f"{a}.memory_layer", 128, d)
    linear(f"{a}.v", 1, 128)
    m.both(f"{a}.location_layer.location_conv.conv.weight", f"{a}.location_layer.location_conv.weight", 32, 2, 31)
    linear(f"{a}.location_layer.location_dense", 128, 32)
    cell("decoder.decoder_rnn", 1024 + d, 1024)
    linear("decoder.linear_projection", mels, 1024 + d, bias=True)
    linear("decoder.gate_layer", 1, 1024 + d, bias=True)
    for i in range(5):
        conv_bn(f"postnet.convolutions.{i}", mels if i == 4 else d, mels if i == 0 else d)
    return m.pair()


def conv_tasnet(filters=512, narrow=128, hidden=512, blocks=8, repeats=3):
    """A filterbank and its inverse of one shape; 24 blocks, each with activations and norms at numbers."""
    m = Maker("convtasnet_asteroid_to_torchaudio")

    def conv(source, target, out, n, size=1):
        m.both(f"{source}.weight", f"{target}.weight", out, n, size)
        m.both(f"{source}.bias", f"{target}.bias", out)

    def norm(source, target, n):
        m.both(f"{source}.gamma", f"{target}.weight", n)
        m.both(f"{source}.beta", f"{target}.bias", n)

    g = "mask_generator"
    m.both("encoder.filterbank._filters", "encoder.weight", filters, 1, 16)
    norm("masker.bottleneck.0", f"{g}.input_norm", filters)
    conv("masker.bottleneck.1", f"{g}.input_conv", narrow, filters)
    for i in range(blocks * repeats):
        a, b = f"masker.TCN.{i}", f"{g}.conv_layers.{i}"
        x, y = f"{a}.shared_block", f"{b}.conv_layers"
        conv(f"{x}.0", f"{y}.0", hidden, narrow)
        m.both(f"{x}.1.weight", f"{y}.1.weight", 1)
        norm(f"{x}.2", f"{y}.2", hidden)
        conv(f"{x}.3", f"{y}.3", hidden, 1, 3)
        m.both(f"{x}.4.weight", f"{y}.4.weight", 1)
        norm(f"{x}.5", f"{y}.5", hidden)
        if i + 1 < blocks * repeats:
            conv(f"{a}.res_conv", f"{b}.res_out", narrow, hidden)
        else:
            m.src(f"{a}.res_conv.weight", narrow, hidden, 1)
            m.src(f"{a}.res_conv.bias", narrow)
        conv(f"{a}.skip_conv", f"{b}.skip_out", narrow, hidden)
    m.both("masker.mask_net.0.weight", f"{g}.output_prelu.weight", 1)
    conv("masker.mask_net.1", f"{g}.output_conv", 2 * filters, narrow)
    m.both("decoder.filterbank._filters", "decoder.weight", filters, 1, 16)
    return m.pair()


def pointpillars(classes=3):
    """Sequential layers that begin with a padding on one side: the numbers are one apart."""
    m = Maker("pointpillars_openpcdet_to_mmdet3d")
    m.src("global_step", 1)
    m.both("vfe.pfn_layers.0.linear.weight", "voxel_encoder.pfn_layers.0.linear.weight", 64, 10)
    batch_norm(m, "vfe.pfn_layers.0.norm.", "voxel_encoder.pfn_layers.0.norm", 64)
    before = 64
    for s, (count, width) in enumerate(((3, 64), (5, 128), (5, 256))):
        a, b = f"backbone_2d.blocks.{s}", f"backbone.blocks.{s}"
        for k in range(count + 1):
            m.both(f"{a}.{3 * k + 1}.weight", f"{b}.{3 * k}.weight", width, before, 3, 3)
            batch_norm(m, f"{a}.{3 * k + 2}.", f"{b}.{3 * k + 1}", width)
            before = width
    for s, (n, size) in enumerate(((64, 1), (128, 2), (256, 4))):
        a, b = f"backbone_2d.deblocks.{s}", f"neck.deblocks.{s}"
        m.both(f"{a}.0.weight", f"{b}.0.weight", n, 128, size, size)
        batch_norm(m, f"{a}.1.", f"{b}.1", 128)
    for s, t, out in (("cls", "cls", 6 * classes), ("box", "reg", 42), ("dir_cls", "dir_cls", 12)):
        m.both(f"dense_head.conv_{s}.weight", f"bbox_head.conv_{t}.weight", out, 384, 1, 1)
        m.both(f"dense_head.conv_{s}.bias", f"bbox_head.conv_{t}.bias", out)
    return m.pair(order=lambda key: 1 if key.endswith("linear.weight") else (0 if key.startswith("voxel") else 2))


def dlrm(d=16):
    """26 tables, and two networks at even numbers against nested lists."""
    m = Maker("dlrm_kaggle_to_torchrec")
    rows = (1460, 583, 10131227, 2202608, 305, 24, 12517, 633, 3, 93145, 5683, 8351593, 3194, 27, 14992, 5461306, 10, 5652, 2173,
            4, 7046547, 18, 15, 286181, 105, 142572)
    for i, n in enumerate(rows):
        m.both(f"emb_l.{i}.weight", f"sparse_arch.embedding_bag_collection.embedding_bags.t_cat_{i}.weight", n, d)
    n = 13
    for i, out in enumerate((512, 256, 64, d)):
        m.linear(f"bot_l.{2 * i}", f"dense_arch.model._mlp.{i}._linear", out, n)
        n = out
    n = d + 27 * 26 // 2
    for i, out in enumerate((512, 256)):
        m.linear(f"top_l.{2 * i}", f"over_arch.model.0._mlp.{i}._linear", out, n)
        n = out
    m.linear("top_l.4", "over_arch.model.1", 1, n)
    return m.pair()


def ppo(observed=17, actions=6, width=64):
    """Two networks of one shape; the actor is named the policy's."""
    m = Maker("ppo_sb3_to_cleanrl")
    m.src("log_std", actions)
    m.tgt("actor_logstd", 1, actions, of="log_std")
    for s, t in (("policy", "actor_mean"), ("value", "critic")):
        m.linear(f"mlp_extractor.{s}_net.0", f"{t}.0", width, observed)
        m.linear(f"mlp_extractor.{s}_net.2", f"{t}.2", width, width)
    m.linear("action_net", "actor_mean.4", actions, width)
    m.linear("value_net", "critic.4", 1, width)
    order = ("actor_logstd", "critic", "actor_mean")
    return m.pair(order=lambda key: next(i for i, prefix in enumerate(order) if key.startswith(prefix)))


def schnet(d=128, layers=6, gaussians=50):
    """A network that two modules share stands twice on either side."""
    m = Maker("schnet_schnetpack_to_pyg")
    s = "representation"
    m.both(f"{s}.embedding.weight", "embedding.weight", 100, d)
    m.src(f"{s}.distance_expansion.width", gaussians)
    m.both(f"{s}.distance_expansion.offsets", "distance_expansion.offset", gaussians)
    for i in range(layers):
        a, b = f"{s}.interactions.{i}", f"interactions.{i}"
        m.linear(f"{a}.filter_network.0", f"{b}.mlp.0", d, gaussians)
        m.linear(f"{a}.filter_network.1", f"{b}.mlp.2", d, d)
        m.src(f"{a}.cutoff_network.cutoff", 1)
        m.linear(f"{a}.cfconv.in2f", f"{b}.conv.lin1", d, d, bias=False)
        m.linear(f"{a}.cfconv.f2out", f"{b}.conv.lin2", d, d)
        m.linear(f"{a}.cfconv.filter_network.0", f"{b}.conv.nn.0", d, gaussians)
        m.linear(f"{a}.cfconv.filter_network.1", f"{b}.conv.nn.2", d, d)
        m.src(f"{a}.cfconv.cutoff_network.cutoff", 1)
        m.linear(f"{a}.dense", f"{b}.lin", d, d)
    m.linear("output_modules.0.out_net.1.out_net.0", "lin1", d // 2, d)
    m.linear("output_modules.0.out_net.1.out_net.1", "lin2", 1, d // 2)
    m.src("output_modules.0.standardize.mean", 1)
    m.src("output_modules.0.standardize.stddev", 1)
    return m.pair()


def patchtst(d=128, layers=3, inner=256, patches=41, size=16, horizon=96):
    """Batch norms between two transpositions, and a scale that is a parameter."""
    m = Maker("patchtst_to_hf")
    s, t = "model.backbone", "model.encoder"
    m.both(f"{s}.W_pos", f"{t}.positional_encoder.position_enc", patches, d)
    m.linear(f"{s}.W_P", f"{t}.embedder.input_embedding", d, size)
    for i in range(layers):
        a, b = f"{s}.encoder.layers.{i}", f"{t}.layers.{i}"
        for p in "QKV":
            m.linear(f"{a}.self_attn.W_{p}", f"{b}.self_attn.{p.lower()}_proj", d, d)
        m.src(f"{a}.self_attn.sdp_attn.scale")
        m.linear(f"{a}.self_attn.to_out.0", f"{b}.self_attn.out_proj", d, d)
        batch_norm(m, f"{a}.norm_attn.1.", f"{b}.norm_sublayer1.batchnorm", d)
        m.linear(f"{a}.ff.0", f"{b}.ff.0", inner, d)
        m.linear(f"{a}.ff.3", f"{b}.ff.3", d, inner)
        batch_norm(m, f"{a}.norm_ffn.1.", f"{b}.norm_sublayer3.batchnorm", d)
    m.linear("model.head.linear", "head.projection", horizon, d * patches)
    rank = ("k_proj", "v_proj", "q_proj", "out_proj", "sublayer1", "ff.0", "ff.3", "sublayer3")

    def place(key):
        words = key.split(".")
        if words[2:3] == ["layers"]:
            return 2, int(words[3]), next(i for i, word in enumerate(rank) if word in key)
        return (0,) if "embedder" in key else ((1,) if "positional" in key else (3,))

    return m.pair(order=place)


def blenderbot(d=1280, layers=(2, 12), inner=5120, vocab=8008):
    """Three norms of a decoder's layer by number against names; attention and self_attention."""
    m = Maker("blenderbot_400m_parlai_to_hf")

    def attention(a, b):
        for p in "qkv":
            m.linear(f"{a}.{p}_lin", f"{b}.{p}_proj", d, d)
        m.linear(f"{a}.out_lin", f"{b}.out_proj", d, d)

    m.src("START", 1)
    m.both("embeddings.weight", "model.shared.weight", vocab, d)
    m.tgt("final_logits_bias", 1, vocab)
    for side, count in zip(("encoder", "decoder"), layers):
        t = f"model.{side}"
        m.both(f"{side}.embeddings.weight", f"{t}.embed_tokens.weight", vocab, d)
        m.both(f"{side}.position_embeddings.weight", f"{t}.embed_positions.weight", 128, d)
        m.norm(f"{side}.norm_embeddings", f"{t}.layer_norm", d)
        for i in range(count):
            a, b = f"{side}.layers.{i}", f"{t}.layers.{i}"
            attention(f"{a}.{'self_' if side == 'decoder' else ''}attention", f"{b}.self_attn")
            m.norm(f"{a}.norm1", f"{b}.self_attn_layer_norm", d)
            if side == "decoder":
                attention(f"{a}.encoder_attention", f"{b}.encoder_attn")
                m.norm(f"{a}.norm2", f"{b}.encoder_attn_layer_norm", d)
            m.linear(f"{a}.ffn.lin1", f"{b}.fc1", inner, d)
            m.linear(f"{a}.ffn.lin2", f"{b}.fc2", d, inner)
            m.norm(f"{a}.norm{3 if side == 'decoder' else 2}", f"{b}.final_layer_norm", d)
    rank = ("self_attn.k", "self_attn.v", "self_attn.q", "self_attn.out", "self_attn_layer_norm", "encoder_attn.k",
            "encoder_attn.v", "encoder_attn.q", "encoder_attn.out", "encoder_attn_layer_norm", "fc1", "fc2", "final_layer_norm")

    def place(key):
        words = key.split(".")
        side = ("final_logits_bias", "shared", "encoder", "decoder").index(words[1] if words[0] == "model" else words[0])
        if words[2:3] == ["layers"]:
            return side, 1, int(words[3]), next(i for i, word in enumerate(rank) if word in key)
        return side, 2 if "layer_norm" in key else 0

    return m.pair(order=place)


def torchtune(d=4096, kv=1024, layers=32, inner=14336, vocab=32000):
    """w1 and w3 have one shape: the gate is the first."""
    m = Maker("mistral_hf_to_torchtune")
    m.both("model.embed_tokens.weight", "tok_embeddings.weight", vocab, d)
    for i in range(layers):
        a, b = f"model.layers.{i}", f"layers.{i}"
        for p, t, n in (("q", "q", d), ("k", "k", kv), ("v", "v", kv), ("o", "output", d)):
            m.both(f"{a}.self_attn.{p}_proj.weight", f"{b}.attn.{t}_proj.weight", n, d)
        for p, t, shape in (("gate", "w1", (inner, d)), ("up", "w3", (inner, d)), ("down", "w2", (d, inner))):
            m.both(f"{a}.mlp.{p}_proj.weight", f"{b}.mlp.{t}.weight", *shape)
        m.both(f"{a}.input_layernorm.weight", f"{b}.sa_norm.scale", d)
        m.both(f"{a}.post_attention_layernorm.weight", f"{b}.mlp_norm.scale", d)
    m.both("model.norm.weight", "norm.scale", d)
    m.both("lm_head.weight", "output.weight", vocab, d)
    rank = ("attn.", "w1", "w2", "w3", "sa_norm", "mlp_norm")

    def place(key):
        words = key.split(".")
        if words[0] != "layers":
            return (0,) if words[0] == "tok_embeddings" else (2,)
        return 1, int(words[1]), next(i for i, word in enumerate(rank) if word in key)

    return m.pair(order=place)


def megatron_core(d=4096, kv=1024, layers=32, inner=14336, vocab=128256):
    """The norms belong to the matrices behind them; query, key and value in one, gate and up in one."""
    m = Maker("llama_mcore_to_hf")
    m.both("embedding.word_embeddings.weight", "model.embed_tokens.weight", vocab, d)
    for i in range(layers):
        a, b = f"decoder.layers.{i}", f"model.layers.{i}"
        m.both(f"{a}.self_attention.linear_proj.weight", f"{b}.self_attn.o_proj.weight", d, d)
        m.both(f"{a}.self_attention.linear_qkv.layer_norm_weight", f"{b}.input_layernorm.weight", d)
        m.src(f"{a}.self_attention.linear_qkv.weight", d + 2 * kv, d)
        for p, n in (("q", d), ("k", kv), ("v", kv)):
            m.tgt(f"{b}.self_attn.{p}_proj.weight", n, d, of=f"{a}.self_attention.linear_qkv.weight")
        m.both(f"{a}.mlp.linear_fc1.layer_norm_weight", f"{b}.post_attention_layernorm.weight", d)
        m.src(f"{a}.mlp.linear_fc1.weight", 2 * inner, d)
        for p in ("gate", "up"):
            m.tgt(f"{b}.mlp.{p}_proj.weight", inner, d, of=f"{a}.mlp.linear_fc1.weight")
        m.both(f"{a}.mlp.linear_fc2.weight", f"{b}.mlp.down_proj.weight", d, inner)
    m.both("decoder.final_layernorm.weight", "model.norm.weight", d)
    m.both("output_layer.weight", "lm_head.weight", vocab, d)
    rank = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "input_layernorm", "post_attention")

    def place(key):
        words = key.split(".")
        if words[1] != "layers":
            return (0,) if "embed" in key else (2,)
        return 1, int(words[2]), next(i for i, word in enumerate(rank) if word in key)

    return m.pair(order=place)


def mpt(d=4096, layers=32, vocab=50432):
    """Norms by number, no bias anywhere; GGUF's names."""
    m = Maker("mpt_hf_to_gguf_sorted")
    m.both("transformer.wte.weight", "token_embd.weight", vocab, d)
    for i in range(layers):
        a, b = f"transformer.blocks.{i}", f"blk.{i}"
        m.both(f"{a}.norm_1.weight", f"{b}.attn_norm.weight", d)
        m.both(f"{a}.attn.Wqkv.weight", f"{b}.attn_qkv.weight", 3 * d, d)
        m.both(f"{a}.attn.out_proj.weight", f"{b}.attn_output.weight", d, d)
        m.both(f"{a}.norm_2.weight", f"{b}.ffn_norm.weight", d)
        m.both(f"{a}.ffn.up_proj.weight", f"{b}.ffn_up.weight", 4 * d, d)
        m.both(f"{a}.ffn.down_proj.weight", f"{b}.ffn_down.weight", d, 4 * d)
    m.both("transformer.norm_f.weight", "output_norm.weight", d)
    return m.pair(sort_target=True)


def gpt_neo(d=768, layers=12, vocab=50257):
    """Mesh TensorFlow's variables: one letter for a matrix, turned, and the bias of the output under a name of its own."""
    m = Maker("gptneo_125m_mesh_to_hf_T_sorted")
    s, t = "gpt2", "transformer"

    def norm(source, target):
        m.both(source + "/g", target + ".weight", d)
        m.both(source + "/b", target + ".bias", d)

    m.src("global_step")
    m.both(f"{s}/wte", f"{t}.wte.weight", vocab, d)
    m.both(f"{s}/wpe", f"{t}.wpe.weight", 2048, d)
    for i in range(layers):
        a, b = f"{s}/h{i}", f"{t}.h.{i}"
        norm(f"{a}/norm_1", f"{b}.ln_1")
        for p, q in (("k", "k"), ("v", "v"), ("q", "q"), ("o", "out")):
            dense(m, f"{a}/attn/{p}", f"{b}.attn.attention.{q}_proj.weight", d, d)
        m.both(f"{a}/attn/compute_output_bias/o_b", f"{b}.attn.attention.out_proj.bias", d)
        norm(f"{a}/norm_2", f"{b}.ln_2")
        for p, out, n in (("c_fc", 4 * d, d), ("c_proj", d, 4 * d)):
            dense(m, f"{a}/mlp/conv1d_main/{p}/kernel", f"{b}.mlp.{p}.weight", out, n)
            m.both(f"{a}/mlp/conv1d_main/{p}/bias", f"{b}.mlp.{p}.bias", out)
    norm(f"{s}/ln_f", f"{t}.ln_f")
    return m.pair(sort_source=True)


FAMILIES = (mixer, mask_rcnn, yolov8, googlenet, mobilenet_v3, videomae, pixart, tacotron2, conv_tasnet, pointpillars, dlrm, ppo,
            schnet, patchtst, blenderbot, torchtune, megatron_core, mpt, gpt_neo)


def pairs():
    return [{**pair, "name": pair["name"].replace("other_", "blind_")} for pair in (make() for make in FAMILIES)]
