"""Pairs of model families that were written down after automatic alignment was, to see whether what it did
on the others held; it has learned from them since: the names and shapes of both sides as their own code gives them, in its order. Sources:
the conversion scripts of transformers and timm, Keras' applications, fairseq, metaseq, t5x, llama.cpp's
tensor_mapping.py, and the modules of the original repositories.
"""
from families import Maker

NORM = ("weight", "bias", "running_mean", "running_var")
KERAS_NORM = ("gamma", "beta", "moving_mean", "moving_variance")


def batch_norm(m, source, target, width, leaves=NORM, counter=True):
    """A batch norm; the target is torch's. Keras has no counter."""
    for s, t in zip(leaves, NORM):
        m.both(f"{source}{s}", f"{target}.{t}", width)
    if counter and leaves is NORM:
        m.both(f"{source}num_batches_tracked", f"{target}.num_batches_tracked")


def kernel(m, source, target, out, width, size, depthwise=False):
    """Keras' kernel of a convolution, which lies the other way."""
    if depthwise:
        m.src(source, size, size, out, 1)
        m.tgt(target, out, 1, size, size, of=source)
    else:
        m.src(source, size, size, width, out)
        m.tgt(target, out, width, size, size, of=source)


def dense(m, source, target, out, width):
    """A matrix that lies [in, out] in the source."""
    m.src(source, width, out)
    m.tgt(target, out, width, of=source)
    if out == width:
        m.turned.add(target)


def efficientnet():
    """Keras' EfficientNetB0 and timm's: stage letters against numbers, squeeze and excitation."""
    m = Maker("efficientnetb0_keras_to_timm_T")

    def norm(source, target, width):
        batch_norm(m, source + "/", target, width, KERAS_NORM)

    kernel(m, "stem_conv/kernel", "conv_stem.weight", 32, 3, 3)
    norm("stem_bn", "bn1", 32)
    before = 32
    stages = ((1, 3, 16, 1), (2, 3, 24, 6), (2, 5, 40, 6), (3, 3, 80, 6), (3, 5, 112, 6), (4, 5, 192, 6), (1, 3, 320, 6))
    for s, (count, size, out, grow) in enumerate(stages):
        for i in range(count):
            a, b = f"block{s + 1}{'abcd'[i]}_", f"blocks.{s}.{i}."
            wide, less = before * grow, max(1, before // 4)
            if grow > 1:
                kernel(m, a + "expand_conv/kernel", b + "conv_pw.weight", wide, before, 1)
                norm(a + "expand_bn", b + "bn1", wide)
            kernel(m, a + "dwconv/depthwise_kernel", b + "conv_dw.weight", wide, 1, size, depthwise=True)
            norm(a + "bn", b + ("bn2" if grow > 1 else "bn1"), wide)
            for k, t, o, n in (("se_reduce", "se.conv_reduce", less, wide), ("se_expand", "se.conv_expand", wide, less)):
                kernel(m, f"{a}{k}/kernel", f"{b}{t}.weight", o, n, 1)
                m.both(f"{a}{k}/bias", f"{b}{t}.bias", o)
            kernel(m, a + "project_conv/kernel", b + ("conv_pwl.weight" if grow > 1 else "conv_pw.weight"), out, wide, 1)
            norm(a + "project_bn", b + ("bn3" if grow > 1 else "bn2"), out)
            before = out
    kernel(m, "top_conv/kernel", "conv_head.weight", 1280, 320, 1)
    norm("top_bn", "bn2", 1280)
    dense(m, "predictions/kernel", "classifier.weight", 1000, 1280)
    m.both("predictions/bias", "classifier.bias", 1000)
    return m.pair()


def mobilenet_hf():
    """torchvision's MobileNetV2, whose layers are bare numbers, and transformers'."""
    m = Maker("mobilenetv2_tv_to_hf")

    def conv_bn(source, target, out, width, size):
        m.both(f"{source}.0.weight", f"{target}.convolution.weight", out, width, size, size)
        batch_norm(m, f"{source}.1.", f"{target}.normalization", out)

    def conv_then_bn(source, number, target, out, width):
        m.both(f"{source}.{number}.weight", f"{target}.convolution.weight", out, width, 1, 1)
        batch_norm(m, f"{source}.{number + 1}.", f"{target}.normalization", out)

    t = "mobilenet_v2."
    conv_bn("features.0", t + "conv_stem.first_conv", 32, 3, 3)
    conv_bn("features.1.conv.0", t + "conv_stem.conv_3x3", 32, 1, 3)
    conv_then_bn("features.1.conv", 1, t + "conv_stem.reduce_1x1", 16, 32)
    before, index = 16, 0
    for grow, out, count in ((6, 24, 2), (6, 32, 3), (6, 64, 4), (6, 96, 3), (6, 160, 3), (6, 320, 1)):
        for _ in range(count):
            a, b, wide = f"features.{index + 2}.conv", f"{t}layer.{index}", before * grow
            conv_bn(f"{a}.0", f"{b}.expand_1x1", wide, before, 1)
            conv_bn(f"{a}.1", f"{b}.conv_3x3", wide, 1, 3)
            conv_then_bn(a, 2, f"{b}.reduce_1x1", out, wide)
            before, index = out, index + 1
    conv_bn("features.18", t + "conv_1x1", 1280, 320, 1)
    m.linear("classifier.1", "classifier", 1000, 1280)
    return m.pair()


def segformer(widths=(32, 64, 160, 256), depths=(2, 2, 2, 2), ratios=(8, 4, 2, 1)):
    """NVIDIA's mix transformer with fused keys and values, and transformers'."""
    m = Maker("segformer_b0_to_hf")
    before = 3
    for s, width in enumerate(widths):
        m.both(f"patch_embed{s + 1}.proj.weight", f"segformer.encoder.patch_embeddings.{s}.proj.weight", width, before,
               7 if s == 0 else 3, 7 if s == 0 else 3)
        m.both(f"patch_embed{s + 1}.proj.bias", f"segformer.encoder.patch_embeddings.{s}.proj.bias", width)
        m.norm(f"patch_embed{s + 1}.norm", f"segformer.encoder.patch_embeddings.{s}.layer_norm", width)
        before = width
    for s, (width, count) in enumerate(zip(widths, depths)):
        for i in range(count):
            a, b = f"block{s + 1}.{i}", f"segformer.encoder.block.{s}.{i}"
            m.norm(f"{a}.norm1", f"{b}.layer_norm_1", width)
            m.linear(f"{a}.attn.q", f"{b}.attention.self.query", width, width)
            m.src(f"{a}.attn.kv.weight", 2 * width, width)
            m.src(f"{a}.attn.kv.bias", 2 * width)
            for part in ("key", "value"):
                m.tgt(f"{b}.attention.self.{part}.weight", width, width, of=f"{a}.attn.kv.weight")
                m.tgt(f"{b}.attention.self.{part}.bias", width, of=f"{a}.attn.kv.bias")
            m.linear(f"{a}.attn.proj", f"{b}.attention.output.dense", width, width)
            if ratios[s] > 1:
                m.both(f"{a}.attn.sr.weight", f"{b}.attention.self.sr.weight", width, width, ratios[s], ratios[s])
                m.both(f"{a}.attn.sr.bias", f"{b}.attention.self.sr.bias", width)
                m.norm(f"{a}.attn.norm", f"{b}.attention.self.layer_norm", width)
            m.norm(f"{a}.norm2", f"{b}.layer_norm_2", width)
            m.linear(f"{a}.mlp.fc1", f"{b}.mlp.dense1", 4 * width, width)
            m.both(f"{a}.mlp.dwconv.dwconv.weight", f"{b}.mlp.dwconv.dwconv.weight", 4 * width, 1, 3, 3)
            m.both(f"{a}.mlp.dwconv.dwconv.bias", f"{b}.mlp.dwconv.dwconv.bias", 4 * width)
            m.linear(f"{a}.mlp.fc2", f"{b}.mlp.dense2", width, 4 * width)
        m.norm(f"norm{s + 1}", f"segformer.encoder.layer_norm.{s}", width)
    m.linear("head", "classifier", 1000, widths[-1])
    return m.pair()


def beit(d=768, layers=12):
    """unilm's BEiT, whose biases of q and v are parameters of their own, and transformers'."""
    m = Maker("beit_to_hf")
    m.both("cls_token", "beit.embeddings.cls_token", 1, 1, d)
    m.both("mask_token", "beit.embeddings.mask_token", 1, 1, d)
    m.both("patch_embed.proj.weight", "beit.embeddings.patch_embeddings.projection.weight", d, 3, 16, 16)
    m.both("patch_embed.proj.bias", "beit.embeddings.patch_embeddings.projection.bias", d)
    for i in range(layers):
        a, b = f"blocks.{i}", f"beit.encoder.layer.{i}"
        m.both(f"{a}.gamma_1", f"{b}.lambda_1", d)
        m.both(f"{a}.gamma_2", f"{b}.lambda_2", d)
        m.norm(f"{a}.norm1", f"{b}.layernorm_before", d)
        m.both(f"{a}.attn.q_bias", f"{b}.attention.attention.query.bias", d)
        m.both(f"{a}.attn.v_bias", f"{b}.attention.attention.value.bias", d)
        m.src(f"{a}.attn.qkv.weight", 3 * d, d)
        for part in ("query", "key", "value"):
            m.tgt(f"{b}.attention.attention.{part}.weight", d, d, of=f"{a}.attn.qkv.weight")
        m.both(f"{a}.attn.relative_position_bias_table",
               f"{b}.attention.attention.relative_position_bias.relative_position_bias_table", 732, 12)
        m.linear(f"{a}.attn.proj", f"{b}.attention.output.dense", d, d)
        m.norm(f"{a}.norm2", f"{b}.layernorm_after", d)
        m.linear(f"{a}.mlp.fc1", f"{b}.intermediate.dense", 4 * d, d)
        m.linear(f"{a}.mlp.fc2", f"{b}.output.dense", d, 4 * d)
    m.norm("fc_norm", "beit.pooler.layernorm", d)
    m.linear("head", "classifier", 1000, d)
    return m.pair()


def bart(d=768, layers=6, inner=3072, vocab=50265):
    m = Maker("bart_fairseq_to_hf")
    for side in ("encoder", "decoder"):
        s, t = side, f"model.{side}"
        m.both(f"{s}.embed_tokens.weight", f"{t}.embed_tokens.weight", vocab, d)
        m.both(f"{s}.embed_positions.weight", f"{t}.embed_positions.weight", 1026, d)
        for i in range(layers):
            a, b = f"{s}.layers.{i}", f"{t}.layers.{i}"
            for kind in ("self_attn",) + (("encoder_attn",) if side == "decoder" else ()):
                for p in ("k_proj", "v_proj", "q_proj", "out_proj"):
                    m.linear(f"{a}.{kind}.{p}", f"{b}.{kind}.{p}", d, d)
                m.norm(f"{a}.{kind}_layer_norm", f"{b}.{kind}_layer_norm", d)
            m.linear(f"{a}.fc1", f"{b}.fc1", inner, d)
            m.linear(f"{a}.fc2", f"{b}.fc2", d, inner)
            m.norm(f"{a}.final_layer_norm", f"{b}.final_layer_norm", d)
        m.norm(f"{s}.layernorm_embedding", f"{t}.layernorm_embedding", d)
    m.linear("classification_heads.mnli.dense", "classification_head.dense", d, d)
    m.linear("classification_heads.mnli.out_proj", "classification_head.out_proj", 3, d)
    return m.pair()


def opt(d=768, layers=12, inner=3072, vocab=50272):
    """metaseq's fused projections, which lie k, v, q."""
    m = Maker("opt_metaseq_to_hf")
    m.both("decoder.embed_tokens.weight", "model.decoder.embed_tokens.weight", vocab, d)
    m.both("decoder.embed_positions.weight", "model.decoder.embed_positions.weight", 2050, d)
    for i in range(layers):
        a, b = f"decoder.layers.{i}", f"model.decoder.layers.{i}"
        m.qkv(f"{a}.self_attn.qkv_proj", [f"{b}.self_attn.{p}_proj" for p in "kvq"], d)
        m.linear(f"{a}.self_attn.out_proj", f"{b}.self_attn.out_proj", d, d)
        m.norm(f"{a}.self_attn_layer_norm", f"{b}.self_attn_layer_norm", d)
        m.linear(f"{a}.fc1", f"{b}.fc1", inner, d)
        m.linear(f"{a}.fc2", f"{b}.fc2", d, inner)
        m.norm(f"{a}.final_layer_norm", f"{b}.final_layer_norm", d)
    m.norm("decoder.layer_norm", "model.decoder.final_layer_norm", d)
    return m.pair()


def electra(d=256, e=128, layers=12, vocab=30522):
    """Google's variables, sorted, with its generator beside the discriminator that is wanted."""
    m = Maker("electra_tf_to_hf_T_sorted")
    s, t = "electra/", "electra."
    m.both(s + "embeddings/word_embeddings", t + "embeddings.word_embeddings.weight", vocab, e)
    m.both(s + "embeddings/position_embeddings", t + "embeddings.position_embeddings.weight", 512, e)
    m.both(s + "embeddings/token_type_embeddings", t + "embeddings.token_type_embeddings.weight", 2, e)
    m.both(s + "embeddings/LayerNorm/gamma", t + "embeddings.LayerNorm.weight", e)
    m.both(s + "embeddings/LayerNorm/beta", t + "embeddings.LayerNorm.bias", e)

    def linear(source, target, out, width):
        dense(m, source + "/kernel", target + ".weight", out, width)
        m.both(source + "/bias", target + ".bias", out)

    def norm(source, target, width):
        m.both(source + "/gamma", target + ".weight", width)
        m.both(source + "/beta", target + ".bias", width)

    linear(s + "embeddings_project", t + "embeddings_project", d, e)
    for i in range(layers):
        a, b = f"{s}encoder/layer_{i}", f"{t}encoder.layer.{i}"
        for part in ("query", "key", "value"):
            linear(f"{a}/attention/self/{part}", f"{b}.attention.self.{part}", d, d)
        linear(f"{a}/attention/output/dense", f"{b}.attention.output.dense", d, d)
        norm(f"{a}/attention/output/LayerNorm", f"{b}.attention.output.LayerNorm", d)
        linear(f"{a}/intermediate/dense", f"{b}.intermediate.dense", 4 * d, d)
        linear(f"{a}/output/dense", f"{b}.output.dense", d, 4 * d)
        norm(f"{a}/output/LayerNorm", f"{b}.output.LayerNorm", d)
    linear("discriminator_predictions/dense", "discriminator_predictions.dense", d, d)
    linear("discriminator_predictions/dense_1", "discriminator_predictions.dense_prediction", 1, d)
    m.src("generator_lm_head/output_bias", vocab)
    m.src("generator_predictions/dense/kernel", 64, e)
    m.src("generator_predictions/dense/bias", e)
    m.src("generator_predictions/LayerNorm/gamma", e)
    m.src("generator_predictions/LayerNorm/beta", e)
    return m.pair(sort_source=True)


def falcon(d=4544, layers=32, vocab=65024):
    """One norm for two branches, queries with one key and value behind them."""
    m = Maker("falcon_hf_to_gguf_sorted")
    m.both("transformer.word_embeddings.weight", "token_embd.weight", vocab, d)
    for i in range(layers):
        a, b = f"transformer.h.{i}", f"blk.{i}"
        m.both(f"{a}.self_attention.query_key_value.weight", f"{b}.attn_qkv.weight", d + 128, d)
        m.both(f"{a}.self_attention.dense.weight", f"{b}.attn_output.weight", d, d)
        m.both(f"{a}.mlp.dense_h_to_4h.weight", f"{b}.ffn_up.weight", 4 * d, d)
        m.both(f"{a}.mlp.dense_4h_to_h.weight", f"{b}.ffn_down.weight", d, 4 * d)
        m.norm(f"{a}.input_layernorm", f"{b}.attn_norm", d)
    m.norm("transformer.ln_f", "output_norm", d)
    m.both("lm_head.weight", "output.weight", vocab, d)
    return m.pair(sort_target=True)


def unet():
    """Two U-Nets that people copy: milesial's and mateuszbuda's. No word is the same."""
    m = Maker("unet_milesial_to_mateuszbuda")

    def double(source, target, name, out, width):
        for k, (number, n) in enumerate(((0, width), (3, out)), 1):
            m.both(f"{source}.double_conv.{number}.weight", f"{target}.{name}conv{k}.weight", out, n, 3, 3)
            batch_norm(m, f"{source}.double_conv.{number + 1}.", f"{target}.{name}norm{k}", out)

    double("inc", "encoder1", "enc1", 64, 3)
    for i, width in enumerate((64, 128, 256), 1):
        double(f"down{i}.maxpool_conv.1", f"encoder{i + 1}", f"enc{i + 1}", 2 * width, width)
    double("down4.maxpool_conv.1", "bottleneck", "bottleneck", 1024, 512)
    for i, out in enumerate((512, 256, 128, 64), 1):
        m.both(f"up{i}.up.weight", f"upconv{5 - i}.weight", 2 * out, out, 2, 2)
        m.both(f"up{i}.up.bias", f"upconv{5 - i}.bias", out)
        double(f"up{i}.conv", f"decoder{5 - i}", f"dec{5 - i}", out, 2 * out)
    m.both("outc.conv.weight", "conv.weight", 2, 64, 1, 1)
    m.both("outc.conv.bias", "conv.bias", 2)
    return m.pair()


def lstm_lm(d=650, layers=3, vocab=33278):
    """The word language model of PyTorch's examples, and one that has a module a layer."""
    m = Maker("lstm_lm_to_awd")
    m.both("encoder.weight", "embedding.weight", vocab, d)
    for i in range(layers):
        for leaf, shape in (("weight_ih", (4 * d, d)), ("weight_hh", (4 * d, d)), ("bias_ih", (4 * d,)),
                            ("bias_hh", (4 * d,))):
            m.both(f"rnn.{leaf}_l{i}", f"rnns.{i}.{leaf}_l0", *shape)
    m.both("decoder.weight", "output.weight", vocab, d)
    m.both("decoder.bias", "output.bias", vocab)
    return m.pair()


def conformer(d=768, layers=6, inner=3072):
    """fairseq's wav2vec2 conformer and transformers'."""
    m = Maker("conformer_fairseq_to_hf")
    s, t = "encoder.layers", "wav2vec2_conformer.encoder.layers"
    m.linear("post_extract_proj", "wav2vec2_conformer.feature_projection.projection", d, 512)
    m.norm("layer_norm", "wav2vec2_conformer.feature_projection.layer_norm", 512)
    for i in range(layers):
        a, b = f"{s}.{i}", f"{t}.{i}"

        def feed_forward(part):
            m.norm(f"{a}.{part}.layer_norm", f"{b}.{part}_layer_norm", d)
            m.linear(f"{a}.{part}.w_1", f"{b}.{part}.intermediate_dense", inner, d)
            m.linear(f"{a}.{part}.w_2", f"{b}.{part}.output_dense", d, inner)

        feed_forward("ffn1")
        m.norm(f"{a}.self_attn_layer_norm", f"{b}.self_attn_layer_norm", d)
        for p in ("q", "k", "v", "out"):
            m.linear(f"{a}.self_attn.linear_{p}", f"{b}.self_attn.linear_{p}", d, d)
        m.both(f"{a}.self_attn.linear_pos.weight", f"{b}.self_attn.linear_pos.weight", d, d)
        m.both(f"{a}.self_attn.pos_bias_u", f"{b}.self_attn.pos_bias_u", 16, d // 16)
        m.both(f"{a}.self_attn.pos_bias_v", f"{b}.self_attn.pos_bias_v", 16, d // 16)
        m.norm(f"{a}.conv_module.layer_norm", f"{b}.conv_module.layer_norm", d)
        m.both(f"{a}.conv_module.pointwise_conv1.weight", f"{b}.conv_module.pointwise_conv1.weight", 2 * d, d, 1)
        m.both(f"{a}.conv_module.depthwise_conv.weight", f"{b}.conv_module.depthwise_conv.weight", d, 1, 31)
        batch_norm(m, f"{a}.conv_module.batch_norm.", f"{b}.conv_module.batch_norm", d)
        m.both(f"{a}.conv_module.pointwise_conv2.weight", f"{b}.conv_module.pointwise_conv2.weight", d, d, 1)
        feed_forward("ffn2")
        m.norm(f"{a}.final_layer_norm", f"{b}.final_layer_norm", d)
    m.norm("encoder.layer_norm", "wav2vec2_conformer.encoder.layer_norm", d)
    return m.pair()


def swin_hf(widths=(96, 192, 384, 768), depths=(2, 2, 6, 2), heads=(3, 6, 12, 24)):
    m = Maker("swin_timm_to_hf")
    m.both("patch_embed.proj.weight", "swin.embeddings.patch_embeddings.projection.weight", 96, 3, 4, 4)
    m.both("patch_embed.proj.bias", "swin.embeddings.patch_embeddings.projection.bias", 96)
    m.norm("patch_embed.norm", "swin.embeddings.norm", 96)
    for s, (width, count) in enumerate(zip(widths, depths)):
        for i in range(count):
            a, b = f"layers.{s}.blocks.{i}", f"swin.encoder.layers.{s}.blocks.{i}"
            m.norm(f"{a}.norm1", f"{b}.layernorm_before", width)
            m.both(f"{a}.attn.relative_position_bias_table", f"{b}.attention.self.relative_position_bias_table", 169, heads[s])
            m.both(f"{a}.attn.relative_position_index", f"{b}.attention.self.relative_position_index", 49, 49)
            m.qkv(f"{a}.attn.qkv", [f"{b}.attention.self.{p}" for p in ("query", "key", "value")], width)
            m.linear(f"{a}.attn.proj", f"{b}.attention.output.dense", width, width)
            m.norm(f"{a}.norm2", f"{b}.layernorm_after", width)
            m.linear(f"{a}.mlp.fc1", f"{b}.intermediate.dense", 4 * width, width)
            m.linear(f"{a}.mlp.fc2", f"{b}.output.dense", width, 4 * width)
        if s < 3:
            a, b = f"layers.{s}.downsample", f"swin.encoder.layers.{s}.downsample"
            m.both(f"{a}.reduction.weight", f"{b}.reduction.weight", 2 * width, 4 * width)
            m.norm(f"{a}.norm", f"{b}.norm", 4 * width)
    m.norm("norm", "swin.layernorm", widths[-1])
    m.linear("head", "classifier", 1000, widths[-1])
    return m.pair()


def resnet_keras(blocks=(3, 4, 6, 3)):
    """Keras' ResNet50: the shortcut is number 0 and stands before the last convolution; biases that torch has not."""
    m = Maker("resnet50_keras_to_tv_T")
    rank = {}

    def conv_bn(source, conv, bn, out, width, size, place):
        kernel(m, f"{source}_conv/kernel", f"{conv}.weight", out, width, size)
        m.src(f"{source}_conv/bias", out)
        batch_norm(m, f"{source}_bn/", bn, out, KERAS_NORM)
        rank[conv], rank[bn] = place, place + (1,)

    conv_bn("conv1", "conv1", "bn1", 64, 3, 7, (0, 0, 1))
    before = 64
    for s, count in enumerate(blocks):
        width, out = 64 << s, 256 << s
        for i in range(count):
            a, b = f"conv{s + 2}_block{i + 1}", f"layer{s + 1}.{i}"
            conv_bn(f"{a}_1", f"{b}.conv1", f"{b}.bn1", width, before, 1, (s + 1, i, 1))
            conv_bn(f"{a}_2", f"{b}.conv2", f"{b}.bn2", width, width, 3, (s + 1, i, 2))
            if i == 0:
                conv_bn(f"{a}_0", f"{b}.downsample.0", f"{b}.downsample.1", out, before, 1, (s + 1, i, 4))
            conv_bn(f"{a}_3", f"{b}.conv3", f"{b}.bn3", out, width, 1, (s + 1, i, 3))
            before = out
    dense(m, "predictions/kernel", "fc.weight", 1000, 2048)
    m.both("predictions/bias", "fc.bias", 1000)
    return m.pair(order=lambda key: rank.get(key.rpartition(".")[0], (9,)))


def t5x(d=512, layers=8, inner=1024, vocab=32128):
    """t5x' tree of T5 1.1, sorted, kernels [in, out]."""
    m = Maker("t5x_to_hf_T_sorted")
    m.both("token_embedder/embedding", "shared.weight", vocab, d)

    def attention(a, b):
        for s, t in (("query", "q"), ("key", "k"), ("value", "v"), ("out", "o")):
            shape = (384, d) if t != "o" else (d, 384)
            dense(m, f"{a}/{s}/kernel", f"{b}.{t}.weight", *shape)

    for side in ("encoder", "decoder"):
        for i in range(layers):
            a, b = f"{side}/layers_{i}", f"{side}.block.{i}.layer"
            attention(f"{a}/{'attention' if side == 'encoder' else 'self_attention'}", f"{b}.0.SelfAttention")
            if i == 0:
                dense(m, f"{side}/relpos_bias/rel_embedding", f"{b}.0.SelfAttention.relative_attention_bias.weight", 32, 6)
            before = "attention" if side == "encoder" else "self_attention"
            m.both(f"{a}/pre_{before}_layer_norm/scale", f"{b}.0.layer_norm.weight", d)
            if side == "decoder":
                attention(f"{a}/encoder_decoder_attention", f"{b}.1.EncDecAttention")
                m.both(f"{a}/pre_cross_attention_layer_norm/scale", f"{b}.1.layer_norm.weight", d)
            last = 1 if side == "encoder" else 2
            for k in ("wi_0", "wi_1"):
                dense(m, f"{a}/mlp/{k}/kernel", f"{b}.{last}.DenseReluDense.{k}.weight", inner, d)
            dense(m, f"{a}/mlp/wo/kernel", f"{b}.{last}.DenseReluDense.wo.weight", d, inner)
            m.both(f"{a}/pre_mlp_layer_norm/scale", f"{b}.{last}.layer_norm.weight", d)
        m.both(f"{side}/{side}_norm/scale", f"{side}.final_layer_norm.weight", d)
    dense(m, "decoder/logits_dense/kernel", "lm_head.weight", vocab, d)
    return m.pair(sort_source=True)


def keras_graph():
    """A torch Sequential of VGG's kind with batch norms, and the object graph of the same in Keras: numbers
    on both sides, and the graph sorted as text: layer_with_weights-10 stands before -2."""
    m = Maker("vgg11bn_tv_to_keras_graph_T_sorted")
    tail = "/.ATTRIBUTES/VARIABLE_VALUE"
    index, layer, width = 0, 0, 3
    for out, pool in ((64, 1), (128, 1), (256, 0), (256, 1), (512, 0), (512, 1), (512, 0), (512, 1)):
        a, b = f"layer_with_weights-{layer}", f"layer_with_weights-{layer + 1}"
        m.src(f"features.{index}.weight", out, width, 3, 3)
        m.tgt(f"{a}/kernel{tail}", 3, 3, width, out, of=f"features.{index}.weight")
        m.both(f"features.{index}.bias", f"{a}/bias{tail}", out)
        for s, t in zip(NORM, KERAS_NORM):
            m.both(f"features.{index + 1}.{s}", f"{b}/{t}{tail}", out)
        m.src(f"features.{index + 1}.num_batches_tracked")
        index, layer, width = index + 3 + pool, layer + 2, out
    for number, (out, n) in ((0, (4096, 25088)), (3, (4096, 4096)), (6, (1000, 4096))):
        m.src(f"classifier.{number}.weight", out, n)
        m.tgt(f"layer_with_weights-{layer}/kernel{tail}", n, out, of=f"classifier.{number}.weight")
        if out == n:
            m.turned.add(f"layer_with_weights-{layer}/kernel{tail}")
        m.both(f"classifier.{number}.bias", f"layer_with_weights-{layer}/bias{tail}", out)
        layer += 1
    return m.pair(sort_target=True)


def dcgan(z=100, width=64):
    """Numbers in a Sequential against names of one's own, generator and discriminator in one file."""
    m = Maker("dcgan_sequential_to_named")
    sizes = (z, 8 * width, 4 * width, 2 * width, width, 3)
    for i in range(5):
        m.both(f"netG.main.{3 * i}.weight", f"generator.deconv{i + 1}.weight", sizes[i], sizes[i + 1], 4, 4)
        if i < 4:
            batch_norm(m, f"netG.main.{3 * i + 1}.", f"generator.deconv{i + 1}_bn", sizes[i + 1])
    sizes, index = (3, width, 2 * width, 4 * width, 8 * width, 1), 0
    for i in range(5):
        m.both(f"netD.main.{index}.weight", f"discriminator.conv{i + 1}.weight", sizes[i + 1], sizes[i], 4, 4)
        if 0 < i < 4:
            batch_norm(m, f"netD.main.{index + 1}.", f"discriminator.conv{i + 1}_bn", sizes[i + 1])
        index += 2 if i == 0 else 3
    return m.pair()


FAMILIES = (efficientnet, mobilenet_hf, segformer, beit, bart, opt, electra, falcon, unet, lstm_lm, conformer, swin_hf,
            resnet_keras, t5x, keras_graph, dcgan)


def pairs():
    return [{**pair, "name": pair["name"].replace("other_", "held_out_")} for pair in (make() for make in FAMILIES)]
