"""Pairs of model families, as those of unseen.py, that were kept apart while automatic alignment was worked on, and
measured before and after: what it had won on others was to be seen on them. Sources: TF-slim, BiT's and timm's
loaders, llama.cpp's tensor_mapping.py, the conversion scripts of transformers, Megatron-LM, Keras' applications,
mmdetection and mmpretrain, torchvision, DGL and PyTorch Geometric, and the modules of the original repositories.
"""
from families import Maker, gguf_gated, resnet_body, vit_blocks
from held_out import KERAS_NORM, batch_norm, dense, kernel


def slim_resnet(blocks=(3, 4, 6, 3)):
    """Blocks and units counted from one, the classifier a convolution, the norm below the convolution."""
    m = Maker("resnet50_slim_to_tv_T_sorted")

    def conv_bn(source, conv, bn, out, n, size):
        kernel(m, f"{source}/weights", f"{conv}.weight", out, n, size)
        batch_norm(m, f"{source}/BatchNorm/", bn, out, KERAS_NORM)

    s = "resnet_v1_50"
    m.src("global_step")
    conv_bn(f"{s}/conv1", "conv1", "bn1", 64, 3, 7)
    before = 64
    for k, count in enumerate(blocks):
        width, out = 64 << k, 256 << k
        for i in range(count):
            a, b = f"{s}/block{k + 1}/unit_{i + 1}/bottleneck_v1", f"layer{k + 1}.{i}"
            for c, (o, n, size) in enumerate(((width, before, 1), (width, width, 3), (out, width, 1)), 1):
                conv_bn(f"{a}/conv{c}", f"{b}.conv{c}", f"{b}.bn{c}", o, n, size)
            if i == 0:
                conv_bn(f"{a}/shortcut", f"{b}.downsample.0", f"{b}.downsample.1", out, before, 1)
            before = out
    m.src(f"{s}/logits/weights", 1, 1, 2048, 1000)
    m.tgt("fc.weight", 1000, 2048, of=f"{s}/logits/weights")
    m.both(f"{s}/logits/biases", "fc.bias", 1000)
    return m.pair(sort_source=True)


def bit(blocks=(3, 4, 6, 3), classes=21843):
    """Pre-activation with group norms, letters for the layers of a unit, unit01 against 0."""
    m = Maker("bit_r50x1_npz_to_timm_T_sorted")

    def norm(source, target, width):
        m.both(f"{source}/group_norm/gamma", f"{target}.weight", width)
        m.both(f"{source}/group_norm/beta", f"{target}.bias", width)

    kernel(m, "resnet/root_block/standardized_conv2d/kernel", "stem.conv.weight", 64, 3, 7)
    before = 64
    for k, count in enumerate(blocks):
        width, out = 64 << k, 256 << k
        for i in range(count):
            a, b = f"resnet/block{k + 1}/unit{i + 1:02d}", f"stages.{k}.blocks.{i}"
            if i == 0:
                kernel(m, f"{a}/a/proj/standardized_conv2d/kernel", f"{b}.downsample.conv.weight", out, before, 1)
            for c, (letter, o, n, size) in enumerate((("a", width, before, 1), ("b", width, width, 3), ("c", out, width, 1)), 1):
                norm(f"{a}/{letter}", f"{b}.norm{c}", n)
                kernel(m, f"{a}/{letter}/standardized_conv2d/kernel", f"{b}.conv{c}.weight", o, n, size)
            before = out
    norm("resnet", "norm", 2048)
    kernel(m, "resnet/head/conv2d/kernel", "head.fc.weight", classes, 2048, 1)
    m.both("resnet/head/conv2d/bias", "head.fc.bias", classes)
    return m.pair(sort_source=True)


def olmo2(d=2048, layers=16, inner=8192, vocab=100352):
    """No norm before a layer; two after, and one for query and key each."""
    m = Maker("olmo2_hf_to_gguf_sorted")
    m.both("model.embed_tokens.weight", "token_embd.weight", vocab, d)
    for i in range(layers):
        a, b = f"model.layers.{i}", f"blk.{i}"
        for p in "qkv":
            m.both(f"{a}.self_attn.{p}_proj.weight", f"{b}.attn_{p}.weight", d, d)
        m.both(f"{a}.self_attn.o_proj.weight", f"{b}.attn_output.weight", d, d)
        for p in "qk":
            m.both(f"{a}.self_attn.{p}_norm.weight", f"{b}.attn_{p}_norm.weight", d)
        gguf_gated(m, f"{a}.mlp", f"{b}.ffn", d, inner)
        m.both(f"{a}.post_attention_layernorm.weight", f"{b}.post_attention_norm.weight", d)
        m.both(f"{a}.post_feedforward_layernorm.weight", f"{b}.post_ffw_norm.weight", d)
    m.both("model.norm.weight", "output_norm.weight", d)
    m.both("lm_head.weight", "output.weight", vocab, d)
    return m.pair(sort_target=True)


def dbrx(d=6144, layers=6, experts=16, inner=10752, vocab=100352):
    """The experts lie behind one another in one matrix; GGUF has a dimension for them, and the last one turned."""
    m = Maker("dbrx_hf_to_gguf_sorted")
    m.both("transformer.wte.weight", "token_embd.weight", vocab, d)
    for i in range(layers):
        a, b = f"transformer.blocks.{i}", f"blk.{i}"
        m.both(f"{a}.ffn.router.layer.weight", f"{b}.ffn_gate_inp.weight", experts, d)
        for s, t, shape in (("w1", "gate", (inner, d)), ("v1", "up", (inner, d)), ("w2", "down", (d, inner))):
            m.src(f"{a}.ffn.experts.mlp.{s}", experts * inner, d)
            m.tgt(f"{b}.ffn_{t}_exps.weight", experts, *shape, of=f"{a}.ffn.experts.mlp.{s}")
        m.both(f"{a}.norm_attn_norm.norm_1.weight", f"{b}.attn_norm.weight", d)
        m.both(f"{a}.norm_attn_norm.attn.Wqkv.weight", f"{b}.attn_qkv.weight", 8192, d)
        m.both(f"{a}.norm_attn_norm.attn.out_proj.weight", f"{b}.attn_output.weight", d, d)
        m.both(f"{a}.norm_attn_norm.norm_2.weight", f"{b}.attn_output_norm.weight", d)
    m.both("transformer.norm_f.weight", "output_norm.weight", d)
    m.both("lm_head.weight", "output.weight", vocab, d)
    return m.pair(sort_target=True)


def bark(d=1024, layers=24):
    """GPT-2's names behind a compiler's prefix, and names of their own; no biases."""
    m = Maker("bark_text_to_hf")
    s = "_orig_mod.transformer"
    m.both(f"{s}.wte.weight", "input_embeds_layer.weight", 129600, d)
    m.both(f"{s}.wpe.weight", "position_embeds_layer.weight", 1024, d)
    for i in range(layers):
        a, b = f"{s}.h.{i}", f"layers.{i}"
        m.both(f"{a}.ln_1.weight", f"{b}.layernorm_1.weight", d)
        m.both(f"{a}.attn.c_attn.weight", f"{b}.attn.att_proj.weight", 3 * d, d)
        m.both(f"{a}.attn.c_proj.weight", f"{b}.attn.out_proj.weight", d, d)
        m.both(f"{a}.ln_2.weight", f"{b}.layernorm_2.weight", d)
        m.both(f"{a}.mlp.c_fc.weight", f"{b}.mlp.in_proj.weight", 4 * d, d)
        m.both(f"{a}.mlp.c_proj.weight", f"{b}.mlp.out_proj.weight", d, 4 * d)
    m.both(f"{s}.ln_f.weight", "layernorm_final.weight", d)
    m.both("_orig_mod.lm_head.weight", "lm_head.weight", 10048, d)
    return m.pair()


def musicgen(d=1024, layers=24, inner=4096, books=4):
    """Self and cross attention of one shape, both fused, norms with numbers against norms with names."""
    m = Maker("musicgen_small_to_hf")
    m.linear("condition_provider.conditioners.description.output_proj", "enc_to_dec_proj", d, 768)
    t = "decoder.model.decoder"
    for k in range(books):
        m.both(f"emb.{k}.weight", f"{t}.embed_tokens.{k}.weight", 2049, d)

    def attention(a, b):
        m.src(f"{a}.in_proj_weight", 3 * d, d)
        for p in "kvq":
            m.tgt(f"{b}.{p}_proj.weight", d, d, of=f"{a}.in_proj_weight")
        m.both(f"{a}.out_proj.weight", f"{b}.out_proj.weight", d, d)

    rank = ("self_attn.", "self_attn_layer_norm", "encoder_attn.", "encoder_attn_layer_norm", "fc1", "fc2", "final_layer_norm")
    for i in range(layers):
        a, b = f"transformer.layers.{i}", f"{t}.layers.{i}"
        attention(f"{a}.self_attn", f"{b}.self_attn")
        m.both(f"{a}.linear1.weight", f"{b}.fc1.weight", inner, d)
        m.both(f"{a}.linear2.weight", f"{b}.fc2.weight", d, inner)
        m.norm(f"{a}.norm1", f"{b}.self_attn_layer_norm", d)
        m.norm(f"{a}.norm2", f"{b}.final_layer_norm", d)
        attention(f"{a}.cross_attention", f"{b}.encoder_attn")
        m.norm(f"{a}.norm_cross", f"{b}.encoder_attn_layer_norm", d)
    m.norm("out_norm", f"{t}.layer_norm", d)
    for k in range(books):
        m.both(f"linears.{k}.weight", f"decoder.lm_heads.{k}.weight", 2048, d)

    def place(key):
        words = key.split(".")
        if words[3:4] == ["layers"]:
            return 1, int(words[4]), next(i for i, word in enumerate(rank) if f".{word}" in key)
        return (0,) if "embed_tokens" in key else ((2,) if "layer_norm" in key else ((3,) if "lm_heads" in key else (4,)))

    return m.pair(order=place)


def cvt(widths=(64, 192, 384), depths=(1, 2, 10), sizes=(7, 3, 3)):
    """Three convolutions with batch norms and three matrices for query, key and value, all of equal shapes."""
    m = Maker("cvt13_to_hf")
    before = 3
    for s, (width, depth, size) in enumerate(zip(widths, depths, sizes)):
        a, b = f"stage{s}", f"cvt.encoder.stages.{s}"
        if s == 2:
            m.both(f"{a}.cls_token", f"{b}.cls_token", 1, 1, width)
        embedding = f"{b}.embedding.convolution_embeddings"
        m.both(f"{a}.patch_embed.proj.weight", f"{embedding}.projection.weight", width, before, size, size)
        m.both(f"{a}.patch_embed.proj.bias", f"{embedding}.projection.bias", width)
        m.norm(f"{a}.patch_embed.norm", f"{embedding}.normalization", width)
        for i in range(depth):
            x, y = f"{a}.blocks.{i}", f"{b}.layers.{i}"
            m.norm(f"{x}.norm1", f"{y}.layernorm_before", width)
            for p, q in (("q", "query"), ("k", "key"), ("v", "value")):
                one = f"{y}.attention.attention.convolution_projection_{q}.convolution_projection"
                m.both(f"{x}.attn.conv_proj_{p}.conv.weight", f"{one}.convolution.weight", width, 1, 3, 3)
                batch_norm(m, f"{x}.attn.conv_proj_{p}.bn.", f"{one}.normalization", width)
            for p, q in (("q", "query"), ("k", "key"), ("v", "value")):
                m.linear(f"{x}.attn.proj_{p}", f"{y}.attention.attention.projection_{q}", width, width)
            m.linear(f"{x}.attn.proj", f"{y}.attention.output.dense", width, width)
            m.norm(f"{x}.norm2", f"{y}.layernorm_after", width)
            m.linear(f"{x}.mlp.fc1", f"{y}.intermediate.dense", 4 * width, width)
            m.linear(f"{x}.mlp.fc2", f"{y}.output.dense", width, 4 * width)
        before = width
    m.norm("norm", "layernorm", widths[-1])
    m.linear("head", "classifier", 1000, widths[-1])
    return m.pair()


def dac(width=64, rates=(2, 4, 8, 8), top=1536, books=9):
    """Nested lists called block at three levels against names; activations have weights of their own."""
    m = Maker("dac_44khz_to_hf")

    def conv(source, target, out, n, size, turned=False):
        m.both(f"{source}.bias", f"{target}.bias", n if turned else out)
        m.both(f"{source}.weight_g", f"{target}.weight_g", out, 1, 1)
        m.both(f"{source}.weight_v", f"{target}.weight_v", out, n, size)

    def snake(source, target, n):
        m.both(f"{source}.alpha", f"{target}.alpha", 1, n, 1)

    def unit(a, b, n):
        snake(f"{a}.block.0", f"{b}.snake1", n)
        conv(f"{a}.block.1", f"{b}.conv1", n, n, 7)
        snake(f"{a}.block.2", f"{b}.snake2", n)
        conv(f"{a}.block.3", f"{b}.conv2", n, n, 1)

    conv("encoder.block.0", "encoder.conv1", width, 1, 7)
    for i, rate in enumerate(rates):
        a, b, n = f"encoder.block.{i + 1}", f"encoder.block.{i}", width << i
        for k in range(3):
            unit(f"{a}.block.{k}", f"{b}.res_unit{k + 1}", n)
        snake(f"{a}.block.3", f"{b}.snake1", n)
        conv(f"{a}.block.4", f"{b}.conv1", 2 * n, n, 2 * rate)
    snake("encoder.block.5", "encoder.snake1", 16 * width)
    conv("encoder.block.6", "encoder.conv2", 1024, 16 * width, 3)
    for k in range(books):
        a = f"quantizer.quantizers.{k}"
        conv(f"{a}.in_proj", f"{a}.in_proj", 8, 1024, 1)
        conv(f"{a}.out_proj", f"{a}.out_proj", 1024, 8, 1)
        m.both(f"{a}.codebook.weight", f"{a}.codebook.weight", 1024, 8)
    conv("decoder.model.0", "decoder.conv1", top, 1024, 7)
    for i, rate in enumerate(reversed(rates)):
        a, b, n = f"decoder.model.{i + 1}", f"decoder.block.{i}", top >> i
        snake(f"{a}.block.0", f"{b}.snake1", n)
        conv(f"{a}.block.1", f"{b}.conv_t1", n, n // 2, 2 * rate, turned=True)
        for k in range(3):
            unit(f"{a}.block.{k + 2}", f"{b}.res_unit{k + 1}", n // 2)
    snake("decoder.model.5", "decoder.snake1", top >> 4)
    conv("decoder.model.6", "decoder.conv2", 1, top >> 4, 7)
    return m.pair()


def megatron(d=1024, layers=24, vocab=50257):
    """Megatron-LM's GPT, whose matrices lie [out, in], and GPT-2 of transformers, where they are turned."""
    m = Maker("gpt_megatron_to_hf_T")
    s, t = "language_model", "transformer"

    def conv1d(source, target, out, n):
        m.src(source + ".weight", out, n)
        m.tgt(target + ".weight", n, out, of=source + ".weight")
        if out == n:
            m.turned.add(target + ".weight")
        m.both(source + ".bias", target + ".bias", out)

    m.both(f"{s}.embedding.word_embeddings.weight", f"{t}.wte.weight", vocab, d)
    m.both(f"{s}.embedding.position_embeddings.weight", f"{t}.wpe.weight", 1024, d)
    for i in range(layers):
        a, b = f"{s}.transformer.layers.{i}", f"{t}.h.{i}"
        m.norm(f"{a}.input_layernorm", f"{b}.ln_1", d)
        conv1d(f"{a}.attention.query_key_value", f"{b}.attn.c_attn", 3 * d, d)
        conv1d(f"{a}.attention.dense", f"{b}.attn.c_proj", d, d)
        m.norm(f"{a}.post_attention_layernorm", f"{b}.ln_2", d)
        conv1d(f"{a}.mlp.dense_h_to_4h", f"{b}.mlp.c_fc", 4 * d, d)
        conv1d(f"{a}.mlp.dense_4h_to_h", f"{b}.mlp.c_proj", d, 4 * d)
    m.norm(f"{s}.transformer.final_layernorm", f"{t}.ln_f", d)
    return m.pair()


def mamba_gguf(d=768, layers=24, state=16, rank=48, vocab=50280):
    m = Maker("mamba_hf_to_gguf_sorted")
    e = 2 * d
    m.both("backbone.embeddings.weight", "token_embd.weight", vocab, d)
    for i in range(layers):
        a, b = f"backbone.layers.{i}", f"blk.{i}"
        m.both(f"{a}.norm.weight", f"{b}.attn_norm.weight", d)
        m.both(f"{a}.mixer.A_log", f"{b}.ssm_a", e, state)
        m.both(f"{a}.mixer.D", f"{b}.ssm_d", e)
        m.src(f"{a}.mixer.conv1d.weight", e, 1, 4)
        m.tgt(f"{b}.ssm_conv1d.weight", e, 4, of=f"{a}.mixer.conv1d.weight")
        m.both(f"{a}.mixer.conv1d.bias", f"{b}.ssm_conv1d.bias", e)
        m.both(f"{a}.mixer.in_proj.weight", f"{b}.ssm_in.weight", 2 * e, d)
        m.both(f"{a}.mixer.x_proj.weight", f"{b}.ssm_x.weight", rank + 2 * state, e)
        m.linear(f"{a}.mixer.dt_proj", f"{b}.ssm_dt", e, rank)
        m.both(f"{a}.mixer.out_proj.weight", f"{b}.ssm_out.weight", d, e)
    m.both("backbone.norm_f.weight", "output_norm.weight", d)
    return m.pair(sort_target=True)


def retinanet(classes=80):
    """mmdetection's and torchvision's: the last two levels of the pyramid are convolutions of their own there."""
    m = Maker("retinanet_mmdet_to_tv")
    resnet_body(m, "backbone.", "backbone.body.")

    def conv(source, target, out, n, size):
        m.both(f"{source}.weight", f"{target}.weight", out, n, size, size)
        m.both(f"{source}.bias", f"{target}.bias", out)

    for k, width in enumerate((512, 1024, 2048)):
        conv(f"neck.lateral_convs.{k}.conv", f"backbone.fpn.inner_blocks.{k}.0", 256, width, 1)
    for k in range(5):
        target = f"layer_blocks.{k}.0" if k < 3 else f"extra_blocks.p{k + 3}"
        conv(f"neck.fpn_convs.{k}.conv", f"backbone.fpn.{target}", 256, 2048 if k == 3 else 256, 3)
    for s, t in (("cls", "classification"), ("reg", "regression")):
        for k in range(4):
            conv(f"bbox_head.{s}_convs.{k}.conv", f"head.{t}_head.conv.{k}.0", 256, 256, 3)
    conv("bbox_head.retina_cls", "head.classification_head.cls_logits", 9 * classes, 256, 3)
    conv("bbox_head.retina_reg", "head.regression_head.bbox_reg", 36, 256, 3)
    order = ("backbone.body", "backbone.fpn.inner", "backbone.fpn.layer", "backbone.fpn.extra", "head.class", "head.regr")
    return m.pair(order=lambda key: next(i for i, prefix in enumerate(order) if key.startswith(prefix)))


def xception():
    """Keras' blocks are one ahead, its separable layers hold two kernels, its shortcuts have the names of nobody."""
    m = Maker("xception_keras_to_torch_T")
    rank = {}

    def norm(source, target, width):
        batch_norm(m, source + "/", target, width, KERAS_NORM)

    def separable(source, conv, bn, out, n, place):
        kernel(m, f"{source}/depthwise_kernel", f"{conv}.conv1.weight", n, 1, 3, depthwise=True)
        kernel(m, f"{source}/pointwise_kernel", f"{conv}.pointwise.weight", out, n, 1)
        norm(f"{source}_bn", bn, out)
        rank[conv + ".conv1"] = rank[conv + ".pointwise"] = place
        rank[bn] = place + (1,)

    for k, (out, n) in ((1, (32, 3)), (2, (64, 32))):
        kernel(m, f"block1_conv{k}/kernel", f"conv{k}.weight", out, n, 3)
        norm(f"block1_conv{k}_bn", f"bn{k}", out)
        rank[f"conv{k}"], rank[f"bn{k}"] = (0, k), (0, k, 1)
    before, skip = 64, 0
    for block in range(1, 13):
        a, b = f"block{block + 1}", f"block{block}"
        out = {1: 128, 2: 256, 12: 1024}.get(block, 728)
        middle = 3 < block < 12
        widths = [728] * 3 if middle else ([728, 1024] if block == 12 else [out, out])
        n, first = before, 0 if block == 1 else 1
        if not middle:
            tail = f"_{skip}" if skip else ""
            kernel(m, f"conv2d{tail}/kernel", f"{b}.skip.weight", out, before, 1)
            norm(f"batch_normalization{tail}", f"{b}.skipbn", out)
            rank[f"{b}.skip"], rank[f"{b}.skipbn"] = (block, -2), (block, -1)
            skip += 1
        for k, width in enumerate(widths):
            at = first + 3 * k
            separable(f"{a}_sepconv{k + 1}", f"{b}.rep.{at}", f"{b}.rep.{at + 1}", width, n, (block, at))
            n = width
        before = out
    separable("block14_sepconv1", "conv3", "bn3", 1536, 1024, (13, 3))
    separable("block14_sepconv2", "conv4", "bn4", 2048, 1536, (13, 4))
    dense(m, "predictions/kernel", "fc.weight", 1000, 2048)
    m.both("predictions/bias", "fc.bias", 1000)
    return m.pair(order=lambda key: rank.get(key.rpartition(".")[0], (99,)))


def vit_mmpretrain(d=768, layers=12):
    """ln1 and ln2 of every layer, and an ln1 of the whole; the feed-forward a list in a list."""
    m = Maker("vit_mmpretrain_to_timm")
    s = "backbone"
    m.both(f"{s}.cls_token", "cls_token", 1, 1, d)
    m.both(f"{s}.pos_embed", "pos_embed", 1, 197, d)
    m.both(f"{s}.patch_embed.projection.weight", "patch_embed.proj.weight", d, 3, 16, 16)
    m.both(f"{s}.patch_embed.projection.bias", "patch_embed.proj.bias", d)
    for i in range(layers):
        a, b = f"{s}.layers.{i}", f"blocks.{i}"
        m.norm(f"{a}.ln1", f"{b}.norm1", d)
        m.linear(f"{a}.attn.qkv", f"{b}.attn.qkv", 3 * d, d)
        m.linear(f"{a}.attn.proj", f"{b}.attn.proj", d, d)
        m.norm(f"{a}.ln2", f"{b}.norm2", d)
        m.linear(f"{a}.ffn.layers.0.0", f"{b}.mlp.fc1", 4 * d, d)
        m.linear(f"{a}.ffn.layers.1", f"{b}.mlp.fc2", d, 4 * d)
    m.norm(f"{s}.ln1", "norm", d)
    m.linear("head.layers.head", "head", 1000, d)
    return m.pair()


def deit(d=384, layers=12):
    """Two tokens of one shape and two heads of one shape."""
    m = Maker("deit_small_distilled_to_hf")
    t = "deit"
    m.both("cls_token", f"{t}.embeddings.cls_token", 1, 1, d)
    m.both("dist_token", f"{t}.embeddings.distillation_token", 1, 1, d)
    m.both("pos_embed", f"{t}.embeddings.position_embeddings", 1, 198, d)
    m.both("patch_embed.proj.weight", f"{t}.embeddings.patch_embeddings.projection.weight", d, 3, 16, 16)
    m.both("patch_embed.proj.bias", f"{t}.embeddings.patch_embeddings.projection.bias", d)
    vit_blocks(m, "blocks", f"{t}.encoder.layer", d, layers)
    m.norm("norm", f"{t}.layernorm", d)
    m.linear("head", "cls_classifier", 1000, d)
    m.linear("head_dist", "distillation_classifier", 1000, d)
    return m.pair()


def gat(features=602, hidden=64, heads=4, classes=41):
    """Left and right in DGL, source and destination in PyTorch Geometric: of one shape."""
    m = Maker("gat_dgl_to_pyg")
    n = features
    for i, (h, out) in enumerate(((heads, hidden), (heads, hidden), (1, classes))):
        a, b = f"layers.{i}", f"convs.{i}"
        m.both(f"{a}.attn_l", f"{b}.att_src", 1, h, out)
        m.both(f"{a}.attn_r", f"{b}.att_dst", 1, h, out)
        m.both(f"{a}.bias", f"{b}.bias", h * out)
        m.both(f"{a}.fc.weight", f"{b}.lin.weight", h * out, n)
        n = h * out
    return m.pair()


def pvt_v2(widths=(32, 64, 160, 256), depths=(2, 2, 2, 2), ratios=(8, 8, 4, 4), reductions=(8, 4, 2, 1)):
    """Numbers on the words, from one, against stages from zero; key and value are one matrix in the original."""
    m = Maker("pvtv2_b0_to_hf")
    before = 3
    for s, width in enumerate(widths):
        b = f"pvt_v2.encoder.layers.{s}"
        size = 7 if s == 0 else 3
        m.both(f"patch_embed{s + 1}.proj.weight", f"{b}.patch_embedding.proj.weight", width, before, size, size)
        m.both(f"patch_embed{s + 1}.proj.bias", f"{b}.patch_embedding.proj.bias", width)
        m.norm(f"patch_embed{s + 1}.norm", f"{b}.patch_embedding.layer_norm", width)
        for i in range(depths[s]):
            x, y, inner = f"block{s + 1}.{i}", f"{b}.blocks.{i}", ratios[s] * width
            m.norm(f"{x}.norm1", f"{y}.layer_norm_1", width)
            m.linear(f"{x}.attn.q", f"{y}.attention.query", width, width)
            m.src(f"{x}.attn.kv.weight", 2 * width, width)
            m.src(f"{x}.attn.kv.bias", 2 * width)
            for p in ("key", "value"):
                m.tgt(f"{y}.attention.{p}.weight", width, width, of=f"{x}.attn.kv.weight")
                m.tgt(f"{y}.attention.{p}.bias", width, of=f"{x}.attn.kv.bias")
            m.linear(f"{x}.attn.proj", f"{y}.attention.proj", width, width)
            if reductions[s] > 1:
                r = reductions[s]
                m.both(f"{x}.attn.sr.weight", f"{y}.attention.spatial_reduction.weight", width, width, r, r)
                m.both(f"{x}.attn.sr.bias", f"{y}.attention.spatial_reduction.bias", width)
                m.norm(f"{x}.attn.norm", f"{y}.attention.layer_norm", width)
            m.norm(f"{x}.norm2", f"{y}.layer_norm_2", width)
            m.linear(f"{x}.mlp.fc1", f"{y}.mlp.dense1", inner, width)
            m.both(f"{x}.mlp.dwconv.dwconv.weight", f"{y}.mlp.dwconv.dwconv.weight", inner, 1, 3, 3)
            m.both(f"{x}.mlp.dwconv.dwconv.bias", f"{y}.mlp.dwconv.dwconv.bias", inner)
            m.linear(f"{x}.mlp.fc2", f"{y}.mlp.dense2", width, inner)
        m.norm(f"norm{s + 1}", f"{b}.layer_norm", width)
        before = width
    m.linear("head", "classifier", 1000, widths[-1])
    return m.pair()


def olmo(d=2048, layers=16, inner=8192, vocab=50304):
    """Two fused matrices a layer and no norm at all: up and gate have one shape and lie in one."""
    m = Maker("olmo_to_hf")
    s = "model.transformer"
    m.both(f"{s}.wte.weight", "model.embed_tokens.weight", vocab, d)
    for i in range(layers):
        a, b = f"{s}.blocks.{i}", f"model.layers.{i}"
        m.both(f"{a}.attn_out.weight", f"{b}.self_attn.o_proj.weight", d, d)
        m.both(f"{a}.ff_out.weight", f"{b}.mlp.down_proj.weight", d, inner)
        m.src(f"{a}.att_proj.weight", 3 * d, d)
        for p in "qkv":
            m.tgt(f"{b}.self_attn.{p}_proj.weight", d, d, of=f"{a}.att_proj.weight")
        m.src(f"{a}.ff_proj.weight", 2 * inner, d)
        for p in ("gate", "up"):
            m.tgt(f"{b}.mlp.{p}_proj.weight", inner, d, of=f"{a}.ff_proj.weight")
    rank = ("q_proj", "k_proj", "v_proj", "o_proj", "gate", "up", "down")

    def place(key):
        words = key.split(".")
        return (int(words[2]), next(i for i, word in enumerate(rank) if word in key)) if words[1] == "layers" else (-1,)

    return m.pair(order=place)


FAMILIES = (slim_resnet, bit, olmo2, dbrx, bark, musicgen, cvt, dac, megatron, mamba_gguf, retinanet, xception, vit_mmpretrain,
            deit, gat, pvt_v2, olmo)


def pairs():
    return [{**pair, "name": pair["name"].replace("other_", "sealed_")} for pair in (make() for make in FAMILIES)]
