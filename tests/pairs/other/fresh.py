"""Pairs of model families, as those of held_out.py, that were written down after automatic alignment was, and
measured once: whoever changes it because of one of them writes down others. Sources: Keras' applications,
transformers' and diffusers' conversion scripts, detectron2, llama.cpp's tensor_mapping.py, and the modules of the
original repositories.
"""
from families import Maker, resnet_body
from held_out import KERAS_NORM, batch_norm, dense, kernel


def densenet(growth=32, blocks=(6, 12, 24, 16)):
    """torchvision's DenseNet121 from Keras': pre-activation, transitions called pools."""
    m = Maker("densenet121_keras_to_tv_T")

    def norm(source, target, width):
        batch_norm(m, source + "/", target, width, KERAS_NORM)

    kernel(m, "conv1/conv/kernel", "features.conv0.weight", 64, 3, 7)
    norm("conv1/bn", "features.norm0", 64)
    width = 64
    for s, count in enumerate(blocks):
        for i in range(count):
            a, b = f"conv{s + 2}_block{i + 1}", f"features.denseblock{s + 1}.denselayer{i + 1}"
            norm(f"{a}_0_bn", f"{b}.norm1", width)
            kernel(m, f"{a}_1_conv/kernel", f"{b}.conv1.weight", 4 * growth, width, 1)
            norm(f"{a}_1_bn", f"{b}.norm2", 4 * growth)
            kernel(m, f"{a}_2_conv/kernel", f"{b}.conv2.weight", growth, 4 * growth, 3)
            width += growth
        if s < 3:
            norm(f"pool{s + 2}_bn", f"features.transition{s + 1}.norm", width)
            kernel(m, f"pool{s + 2}_conv/kernel", f"features.transition{s + 1}.conv.weight", width // 2, width, 1)
            width //= 2
    norm("bn", "features.norm5", width)
    dense(m, "predictions/kernel", "classifier.weight", 1000, width)
    m.both("predictions/bias", "classifier.bias", 1000)
    return m.pair()


def rwkv(d=768, layers=12, inner=3072, vocab=50277):
    m = Maker("rwkv4_to_hf")
    m.both("emb.weight", "rwkv.embeddings.weight", vocab, d)
    for i in range(layers):
        a, b = f"blocks.{i}", f"rwkv.blocks.{i}"
        if i == 0:
            m.norm(f"{a}.ln0", f"{b}.pre_ln", d)
        m.norm(f"{a}.ln1", f"{b}.ln1", d)
        m.norm(f"{a}.ln2", f"{b}.ln2", d)
        for s, t in (("time_decay", "time_decay"), ("time_first", "time_first")):
            m.both(f"{a}.att.{s}", f"{b}.attention.{t}", d)
        for s, t in (("time_mix_k", "time_mix_key"), ("time_mix_v", "time_mix_value"), ("time_mix_r", "time_mix_receptance")):
            m.both(f"{a}.att.{s}", f"{b}.attention.{t}", 1, 1, d)
        for p in ("key", "value", "receptance", "output"):
            m.both(f"{a}.att.{p}.weight", f"{b}.attention.{p}.weight", d, d)
        for s, t in (("time_mix_k", "time_mix_key"), ("time_mix_r", "time_mix_receptance")):
            m.both(f"{a}.ffn.{s}", f"{b}.feed_forward.{t}", 1, 1, d)
        m.both(f"{a}.ffn.key.weight", f"{b}.feed_forward.key.weight", inner, d)
        m.both(f"{a}.ffn.receptance.weight", f"{b}.feed_forward.receptance.weight", d, d)
        m.both(f"{a}.ffn.value.weight", f"{b}.feed_forward.value.weight", d, inner)
    m.norm("ln_out", "rwkv.ln_out", d)
    m.both("head.weight", "head.weight", vocab, d)
    return m.pair()


def poolformer(widths=(64, 128, 320, 512), depths=(2, 2, 6, 2)):
    """The stages lie at even numbers of one list, the embeddings between them at odd ones."""
    m = Maker("poolformer_s12_to_hf")
    t = "poolformer.encoder."
    m.both("patch_embed.proj.weight", t + "patch_embeddings.0.projection.weight", 64, 3, 7, 7)
    m.both("patch_embed.proj.bias", t + "patch_embeddings.0.projection.bias", 64)
    for s, (width, count) in enumerate(zip(widths, depths)):
        for i in range(count):
            a, b = f"network.{2 * s}.{i}", f"{t}block.{s}.{i}"
            m.both(f"{a}.layer_scale_1", f"{b}.layer_scale_1", width)
            m.both(f"{a}.layer_scale_2", f"{b}.layer_scale_2", width)
            m.norm(f"{a}.norm1", f"{b}.before_norm", width)
            m.norm(f"{a}.norm2", f"{b}.after_norm", width)
            m.both(f"{a}.mlp.fc1.weight", f"{b}.output.conv1.weight", 4 * width, width, 1, 1)
            m.both(f"{a}.mlp.fc1.bias", f"{b}.output.conv1.bias", 4 * width)
            m.both(f"{a}.mlp.fc2.weight", f"{b}.output.conv2.weight", width, 4 * width, 1, 1)
            m.both(f"{a}.mlp.fc2.bias", f"{b}.output.conv2.bias", width)
        if s < 3:
            m.both(f"network.{2 * s + 1}.proj.weight", f"{t}patch_embeddings.{s + 1}.projection.weight", widths[s + 1], width, 3, 3)
            m.both(f"network.{2 * s + 1}.proj.bias", f"{t}patch_embeddings.{s + 1}.projection.bias", widths[s + 1])
    m.norm("norm", "poolformer.norm", widths[-1])
    m.linear("head", "classifier", 1000, widths[-1])
    return m.pair()


def faster_rcnn():
    """The pyramid and the heads of torchvision's Faster R-CNN, and detectron2's."""
    m = Maker("fasterrcnn_tv_to_detectron2_fpn")
    resnet_body(m, "backbone.body.", "backbone.bottom_up.")
    for k, width in enumerate((256, 512, 1024, 2048)):
        for s, t, n, size in (("inner", "lateral", width, 1), ("layer", "output", 256, 3)):
            m.both(f"backbone.fpn.{s}_blocks.{k}.0.weight", f"backbone.fpn_{t}{k + 2}.weight", 256, n, size, size)
            m.both(f"backbone.fpn.{s}_blocks.{k}.0.bias", f"backbone.fpn_{t}{k + 2}.bias", 256)
    for s, t, out, size in (("conv.0.0", "conv", 256, 3), ("cls_logits", "objectness_logits", 3, 1),
                            ("bbox_pred", "anchor_deltas", 12, 1)):
        m.both(f"rpn.head.{s}.weight", f"proposal_generator.rpn_head.{t}.weight", out, 256, size, size)
        m.both(f"rpn.head.{s}.bias", f"proposal_generator.rpn_head.{t}.bias", out)
    m.linear("roi_heads.box_head.fc6", "roi_heads.box_head.fc1", 1024, 12544)
    m.linear("roi_heads.box_head.fc7", "roi_heads.box_head.fc2", 1024, 1024)
    m.linear("roi_heads.box_predictor.cls_score", "roi_heads.box_predictor.cls_score", 91, 1024)
    m.linear("roi_heads.box_predictor.bbox_pred", "roi_heads.box_predictor.bbox_pred", 364, 1024)
    return m.pair()


def hifigan(width=512):
    """Weight norm taken apart on both sides: weight_g and weight_v."""
    m = Maker("hifigan_to_hf")

    def conv(source, target, out, n, size, turned=False):
        m.both(f"{source}.bias", f"{target}.bias", n if turned else out)
        m.both(f"{source}.weight_g", f"{target}.weight_g", out, 1, 1)
        m.both(f"{source}.weight_v", f"{target}.weight_v", out, n, size)

    conv("conv_pre", "conv_pre", width, 80, 7)
    for i, size in enumerate((16, 16, 4, 4)):
        conv(f"ups.{i}", f"upsampler.{i}", width >> i, width >> (i + 1), size, turned=True)
    for i in range(4):
        for j, size in enumerate((3, 7, 11)):
            for kind in ("convs1", "convs2"):
                for k in range(3):
                    n = width >> (i + 1)
                    conv(f"resblocks.{3 * i + j}.{kind}.{k}", f"resblocks.{3 * i + j}.{kind}.{k}", n, n, size)
    conv("conv_post", "conv_post", 1, width >> 4, 7)
    return m.pair()


def sd_vae(widths=(128, 256, 512, 512)):
    """The autoencoder of latent diffusion: the decoder counts its levels the other way round."""
    m = Maker("sd_vae_to_diffusers")

    def conv(source, target, out, n, size=3):
        m.both(f"{source}.weight", f"{target}.weight", out, n, size, size)
        m.both(f"{source}.bias", f"{target}.bias", out)

    def resnet(a, b, n, out):
        m.norm(f"{a}.norm1", f"{b}.norm1", n)
        conv(f"{a}.conv1", f"{b}.conv1", out, n)
        m.norm(f"{a}.norm2", f"{b}.norm2", out)
        conv(f"{a}.conv2", f"{b}.conv2", out, out)
        if n != out:
            conv(f"{a}.nin_shortcut", f"{b}.conv_shortcut", out, n, 1)

    def middle(side):
        resnet(f"{side}.mid.block_1", f"{side}.mid_block.resnets.0", 512, 512)
        m.norm(f"{side}.mid.attn_1.norm", f"{side}.mid_block.attentions.0.group_norm", 512)
        for s, t in (("q", "to_q"), ("k", "to_k"), ("v", "to_v"), ("proj_out", "to_out.0")):
            m.src(f"{side}.mid.attn_1.{s}.weight", 512, 512, 1, 1)
            m.tgt(f"{side}.mid_block.attentions.0.{t}.weight", 512, 512, of=f"{side}.mid.attn_1.{s}.weight")
            m.both(f"{side}.mid.attn_1.{s}.bias", f"{side}.mid_block.attentions.0.{t}.bias", 512)
        resnet(f"{side}.mid.block_2", f"{side}.mid_block.resnets.1", 512, 512)

    conv("encoder.conv_in", "encoder.conv_in", 128, 3)
    before = 128
    for s, width in enumerate(widths):
        for i in range(2):
            resnet(f"encoder.down.{s}.block.{i}", f"encoder.down_blocks.{s}.resnets.{i}", before, width)
            before = width
        if s < 3:
            conv(f"encoder.down.{s}.downsample.conv", f"encoder.down_blocks.{s}.downsamplers.0.conv", width, width)
    middle("encoder")
    m.norm("encoder.norm_out", "encoder.conv_norm_out", 512)
    conv("encoder.conv_out", "encoder.conv_out", 8, 512)
    conv("decoder.conv_in", "decoder.conv_in", 512, 4)
    middle("decoder")
    before, ups = 512, []
    for s, width in reversed(list(enumerate(widths))):
        ups.append((s, width, before))
        before = width
    for s, width, n in reversed(ups):        # the original's list begins at the last level
        for i in range(3):
            resnet(f"decoder.up.{s}.block.{i}", f"decoder.up_blocks.{3 - s}.resnets.{i}", n if i == 0 else width, width)
        if s > 0:
            conv(f"decoder.up.{s}.upsample.conv", f"decoder.up_blocks.{3 - s}.upsamplers.0.conv", width, width)
    m.norm("decoder.norm_out", "decoder.conv_norm_out", 128)
    conv("decoder.conv_out", "decoder.conv_out", 3, 128)
    conv("quant_conv", "quant_conv", 8, 8, 1)
    conv("post_quant_conv", "post_quant_conv", 4, 4, 1)
    rank = {"encoder.conv_in": 0, "encoder.down_blocks": 1, "encoder.mid_block": 2, "encoder.conv_norm_out": 3, "encoder.conv_out": 4,
            "decoder.conv_in": 5, "decoder.up_blocks": 6, "decoder.mid_block": 7, "decoder.conv_norm_out": 8, "decoder.conv_out": 9}

    def place(key):
        words = key.split(".")
        level = int(words[2]) if words[1].endswith("_blocks") else 0
        return rank.get(".".join(words[:2]), 10), level

    return m.pair(order=place)


def mobilenet_v1():
    """Keras' MobileNet and transformers': two layers of one list for each block."""
    m = Maker("mobilenetv1_keras_to_hf_T")
    t = "mobilenet_v1."
    kernel(m, "conv1/kernel", t + "conv_stem.convolution.weight", 32, 3, 3)
    batch_norm(m, "conv1_bn/", t + "conv_stem.normalization", 32, KERAS_NORM)
    before = 32
    for i, out in enumerate((64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024), 1):
        kernel(m, f"conv_dw_{i}/depthwise_kernel", f"{t}layer.{2 * i - 2}.convolution.weight", before, 1, 3, depthwise=True)
        batch_norm(m, f"conv_dw_{i}_bn/", f"{t}layer.{2 * i - 2}.normalization", before, KERAS_NORM)
        kernel(m, f"conv_pw_{i}/kernel", f"{t}layer.{2 * i - 1}.convolution.weight", out, before, 1)
        batch_norm(m, f"conv_pw_{i}_bn/", f"{t}layer.{2 * i - 1}.normalization", out, KERAS_NORM)
        before = out
    kernel(m, "conv_preds/kernel", "classifier.weight", 1001, 1024, 1)
    m.target[-1]["shape"] = [1001, 1024]
    m.both("conv_preds/bias", "classifier.bias", 1001)
    return m.pair()


def albert(d=768, e=128, inner=3072, vocab=30000):
    """One layer for all; attention_1 and ffn_1 count nothing."""
    m = Maker("albert_tf_to_hf_T_sorted")
    s, t = "bert/", "albert."

    def linear(source, target, out, width):
        dense(m, source + "/kernel", target + ".weight", out, width)
        m.both(source + "/bias", target + ".bias", out)

    def norm(source, target, width):
        m.both(source + "/gamma", target + ".weight", width)
        m.both(source + "/beta", target + ".bias", width)

    for name, n in (("word", vocab), ("position", 512), ("token_type", 2)):
        m.both(f"{s}embeddings/{name}_embeddings", f"{t}embeddings.{name}_embeddings.weight", n, e)
    norm(s + "embeddings/LayerNorm", t + "embeddings.LayerNorm", e)
    linear(s + "encoder/embedding_hidden_mapping_in", t + "encoder.embedding_hidden_mapping_in", d, e)
    a, b = s + "encoder/transformer/group_0/inner_group_0", t + "encoder.albert_layer_groups.0.albert_layers.0"
    for p in ("query", "key", "value"):
        linear(f"{a}/attention_1/self/{p}", f"{b}.attention.{p}", d, d)
    linear(f"{a}/attention_1/output/dense", f"{b}.attention.dense", d, d)
    norm(f"{a}/LayerNorm", f"{b}.attention.LayerNorm", d)
    linear(f"{a}/ffn_1/intermediate/dense", f"{b}.ffn", inner, d)
    linear(f"{a}/ffn_1/intermediate/output/dense", f"{b}.ffn_output", d, inner)
    norm(f"{a}/LayerNorm_1", f"{b}.full_layer_layer_norm", d)
    linear(s + "pooler/dense", t + "pooler", d, d)
    m.both("cls/predictions/output_bias", "predictions.bias", vocab)
    linear("cls/predictions/transform/dense", "predictions.dense", e, d)
    norm("cls/predictions/transform/LayerNorm", "predictions.LayerNorm", e)
    return m.pair(sort_source=True)


def starcoder(d=2048, layers=24, vocab=49152):
    m = Maker("starcoder_hf_to_gguf_sorted")
    m.both("transformer.wte.weight", "token_embd.weight", vocab, d)
    m.both("transformer.wpe.weight", "position_embd.weight", 8192, d)
    for i in range(layers):
        a, b = f"transformer.h.{i}", f"blk.{i}"
        m.norm(f"{a}.ln_1", f"{b}.attn_norm", d)
        m.linear(f"{a}.attn.c_attn", f"{b}.attn_qkv", d + 256, d)
        m.linear(f"{a}.attn.c_proj", f"{b}.attn_output", d, d)
        m.norm(f"{a}.ln_2", f"{b}.ffn_norm", d)
        m.linear(f"{a}.mlp.c_fc", f"{b}.ffn_up", 4 * d, d)
        m.linear(f"{a}.mlp.c_proj", f"{b}.ffn_down", d, 4 * d)
    m.norm("transformer.ln_f", "output_norm", d)
    m.both("lm_head.weight", "output.weight", vocab, d)
    return m.pair(sort_target=True)


def efficientnet_tv():
    """timm's EfficientNet-B0 and torchvision's, which counts everything."""
    m = Maker("efficientnetb0_timm_to_tv")

    def conv_bn(conv, bn, target, out, n, size):
        m.both(f"{conv}.weight", f"{target}.0.weight", out, n, size, size)
        batch_norm(m, f"{bn}.", f"{target}.1", out)

    conv_bn("conv_stem", "bn1", "features.0", 32, 3, 3)
    before = 32
    stages = ((1, 3, 16, 1), (2, 3, 24, 6), (2, 5, 40, 6), (3, 3, 80, 6), (3, 5, 112, 6), (4, 5, 192, 6), (1, 3, 320, 6))
    for s, (count, size, out, grow) in enumerate(stages):
        for i in range(count):
            a, b, wide, k = f"blocks.{s}.{i}", f"features.{s + 1}.{i}.block", before * grow, 0
            if grow > 1:
                conv_bn(f"{a}.conv_pw", f"{a}.bn1", f"{b}.0", wide, before, 1)
                k = 1
            conv_bn(f"{a}.conv_dw", f"{a}.bn{k + 1}", f"{b}.{k}", wide, 1, size)
            less = max(1, before // 4)
            for name, t, o, n in (("conv_reduce", "fc1", less, wide), ("conv_expand", "fc2", wide, less)):
                m.both(f"{a}.se.{name}.weight", f"{b}.{k + 1}.{t}.weight", o, n, 1, 1)
                m.both(f"{a}.se.{name}.bias", f"{b}.{k + 1}.{t}.bias", o)
            conv_bn(f"{a}.conv_pwl" if grow > 1 else f"{a}.conv_pw", f"{a}.bn{k + 2}", f"{b}.{k + 2}", out, wide, 1)
            before = out
    conv_bn("conv_head", "bn2", "features.8", 1280, 320, 1)
    m.linear("classifier", "classifier.1", 1000, 1280)
    return m.pair()


def detectron(blocks=(3, 4, 6, 3)):
    """Caffe2's R-50 of Detectron, sorted, scale and shift of its norms, and detectron2's."""
    m = Maker("r50_caffe2_to_detectron2_sorted")

    def conv_bn(conv, norm, target, out, n, size):
        m.both(f"{conv}_w", f"{target}.weight", out, n, size, size)
        m.both(f"{norm}_s", f"{target}.norm.weight", out)
        m.both(f"{norm}_b", f"{target}.norm.bias", out)

    conv_bn("conv1", "res_conv1_bn", "stem.conv1", 64, 3, 7)
    before = 64
    for s, count in enumerate(blocks):
        width, out = 64 << s, 256 << s
        for i in range(count):
            a, b = f"res{s + 2}_{i}", f"res{s + 2}.{i}"
            if i == 0:
                conv_bn(f"{a}_branch1", f"{a}_branch1_bn", f"{b}.shortcut", out, before, 1)
            for k, (o, n, size) in enumerate(((width, before, 1), (width, width, 3), (out, width, 1))):
                conv_bn(f"{a}_branch2{'abc'[k]}", f"{a}_branch2{'abc'[k]}_bn", f"{b}.conv{k + 1}", o, n, size)
            before = out
    m.both("pred_w", "linear.weight", 1000, 2048)
    m.both("pred_b", "linear.bias", 1000)
    return m.pair(sort_source=True)


def t5_gguf(d=512, layers=6, inner=1024, vocab=32128):
    m = Maker("t5_hf_to_gguf_sorted")
    m.both("shared.weight", "token_embd.weight", vocab, d)

    def attention(a, b, kind):
        for p, t, shape in (("q", "q", (384, d)), ("k", "k", (384, d)), ("v", "v", (384, d)), ("o", "o", (d, 384))):
            m.both(f"{a}.{p}.weight", f"{b}.{kind}_{t}.weight", *shape)

    for side in ("encoder", "decoder"):
        short = side[:3]
        for i in range(layers):
            a, b = f"{side}.block.{i}.layer", f"{short}.blk.{i}"
            attention(f"{a}.0.SelfAttention", b, "attn")
            if i == 0:
                m.both(f"{a}.0.SelfAttention.relative_attention_bias.weight", f"{b}.attn_rel_b.weight", 32, 6)
            m.both(f"{a}.0.layer_norm.weight", f"{b}.attn_norm.weight", d)
            n = 1
            if side == "decoder":
                attention(f"{a}.1.EncDecAttention", b, "cross_attn")
                m.both(f"{a}.1.layer_norm.weight", f"{b}.cross_attn_norm.weight", d)
                n = 2
            m.both(f"{a}.{n}.DenseReluDense.wi_0.weight", f"{b}.ffn_gate.weight", inner, d)
            m.both(f"{a}.{n}.DenseReluDense.wi_1.weight", f"{b}.ffn_up.weight", inner, d)
            m.both(f"{a}.{n}.DenseReluDense.wo.weight", f"{b}.ffn_down.weight", d, inner)
            m.both(f"{a}.{n}.layer_norm.weight", f"{b}.ffn_norm.weight", d)
        m.both(f"{side}.final_layer_norm.weight", f"{short}.output_norm.weight", d)
    m.both("lm_head.weight", "output.weight", vocab, d)
    return m.pair(sort_target=True)


def sam(d=768, layers=12, p=256):
    """Segment anything and transformers': the heads' layers.0 of one are not those of the other."""
    m = Maker("sam_to_hf")
    m.both("image_encoder.pos_embed", "vision_encoder.pos_embed", 1, 64, 64, d)
    m.both("image_encoder.patch_embed.proj.weight", "vision_encoder.patch_embed.projection.weight", d, 3, 16, 16)
    m.both("image_encoder.patch_embed.proj.bias", "vision_encoder.patch_embed.projection.bias", d)
    for i in range(layers):
        a, b, size = f"image_encoder.blocks.{i}", f"vision_encoder.layers.{i}", 127 if i in (2, 5, 8, 11) else 27
        m.norm(f"{a}.norm1", f"{b}.layer_norm1", d)
        m.both(f"{a}.attn.rel_pos_h", f"{b}.attn.rel_pos_h", size, 64)
        m.both(f"{a}.attn.rel_pos_w", f"{b}.attn.rel_pos_w", size, 64)
        m.linear(f"{a}.attn.qkv", f"{b}.attn.qkv", 3 * d, d)
        m.linear(f"{a}.attn.proj", f"{b}.attn.proj", d, d)
        m.norm(f"{a}.norm2", f"{b}.layer_norm2", d)
        m.linear(f"{a}.mlp.lin1", f"{b}.mlp.lin1", 4 * d, d)
        m.linear(f"{a}.mlp.lin2", f"{b}.mlp.lin2", d, 4 * d)
    m.both("image_encoder.neck.0.weight", "vision_encoder.neck.conv1.weight", p, d, 1, 1)
    m.norm("image_encoder.neck.1", "vision_encoder.neck.layer_norm1", p)
    m.both("image_encoder.neck.2.weight", "vision_encoder.neck.conv2.weight", p, p, 3, 3)
    m.norm("image_encoder.neck.3", "vision_encoder.neck.layer_norm2", p)
    for s, t in (("self_attn", "self_attn"), ("cross_attn_token_to_image", "cross_attn_token_to_image"),
                 ("cross_attn_image_to_token", "cross_attn_image_to_token")):
        for i in range(2):
            for part in ("q_proj", "k_proj", "v_proj"):
                m.linear(f"mask_decoder.transformer.layers.{i}.{s}.{part}", f"mask_decoder.transformer.layers.{i}.{t}.{part}",
                         p if s == "self_attn" else p // 2, p)
            m.linear(f"mask_decoder.transformer.layers.{i}.{s}.out_proj", f"mask_decoder.transformer.layers.{i}.{t}.out_proj",
                     p, p if s == "self_attn" else p // 2)
    for i in range(2):
        for k in (1, 2, 3, 4):
            m.norm(f"mask_decoder.transformer.layers.{i}.norm{k}", f"mask_decoder.transformer.layers.{i}.layer_norm{k}", p)
        m.linear(f"mask_decoder.transformer.layers.{i}.mlp.lin1", f"mask_decoder.transformer.layers.{i}.mlp.lin1", 2048, p)
        m.linear(f"mask_decoder.transformer.layers.{i}.mlp.lin2", f"mask_decoder.transformer.layers.{i}.mlp.lin2", p, 2048)
    m.norm("mask_decoder.transformer.norm_final_attn", "mask_decoder.transformer.layer_norm_final_attn", p)
    m.both("mask_decoder.iou_token.weight", "mask_decoder.iou_token.weight", 1, p)
    m.both("mask_decoder.mask_tokens.weight", "mask_decoder.mask_tokens.weight", 4, p)
    m.both("mask_decoder.output_upscaling.0.weight", "mask_decoder.upscale_conv1.weight", p, p // 4, 2, 2)
    m.both("mask_decoder.output_upscaling.0.bias", "mask_decoder.upscale_conv1.bias", p // 4)
    m.norm("mask_decoder.output_upscaling.1", "mask_decoder.upscale_layer_norm", p // 4)
    m.both("mask_decoder.output_upscaling.3.weight", "mask_decoder.upscale_conv2.weight", p // 4, p // 8, 2, 2)
    m.both("mask_decoder.output_upscaling.3.bias", "mask_decoder.upscale_conv2.bias", p // 8)
    heads = [("output_hypernetworks_mlps.%d" % i, p // 8) for i in range(4)] + [("iou_prediction_head", 4)]
    for head, out in heads:
        for s, t, width in (("layers.0", "proj_in", p), ("layers.1", "layers.0", p), ("layers.2", "proj_out", out)):
            m.linear(f"mask_decoder.{head}.{s}", f"mask_decoder.{head}.{t}", width, p)
    last = [one for one in m.target if ".layers.0." in one["key"] and "mask_decoder.transformer" not in one["key"]
            and "vision_encoder" not in one["key"]]
    return m.pair(order=lambda key: next((i for i, one in enumerate(heads) if one[0] in key), -1) * 2 +
                  any(one["key"] == key for one in last))


FAMILIES = (densenet, rwkv, poolformer, faster_rcnn, hifigan, sd_vae, mobilenet_v1, albert, starcoder, efficientnet_tv,
            detectron, t5_gguf, sam)


def pairs():
    return [{**pair, "name": pair["name"].replace("other_", "fresh_")} for pair in (make() for make in FAMILIES)]
