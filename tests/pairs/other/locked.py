"""Pairs of model families, as those of blind.py, that were written together with them and not measured while automatic
alignment was worked on. Sources: big_vision, Gemma's Flax code, NeMo, AlphaFold and OpenFold's import_weights.py, the
conversion scripts of transformers and diffusers, mmsegmentation, Keras' applications, timm, pretrained-models.pytorch,
llama.cpp's tensor_mapping.py and its clip, litgpt, Stable-Baselines3 and CleanRL.
"""
from families import Maker, resnet_body, vit_blocks
from held_out import batch_norm, dense, kernel


def siglip(d=768, heads=12, layers=12, vocab=32000, patches=196, words=64):
    """Two towers of one shape, a pooling head with an attention of its own, fused in the target only there."""
    m = Maker("siglip_b16_flax_to_hf_T_sorted")
    h = d // heads

    def norm(source, target):
        m.both(source + "/scale", target + ".weight", d)
        m.both(source + "/bias", target + ".bias", d)

    def mlp(source, target):
        for k, (out, n) in enumerate(((4 * d, d), (d, 4 * d))):
            dense(m, f"{source}/Dense_{k}/kernel", f"{target}.fc{k + 1}.weight", out, n)
            m.both(f"{source}/Dense_{k}/bias", f"{target}.fc{k + 1}.bias", out)

    def out_of(source, target):
        m.src(f"{source}/out/kernel", heads, h, d)
        m.tgt(f"{target}.out_proj.weight", d, d, of=f"{source}/out/kernel")
        m.both(f"{source}/out/bias", f"{target}.out_proj.bias", d)

    def encoder(source, target):
        for i in range(layers):
            a, b = f"{source}/encoderblock_{i}", f"{target}.encoder.layers.{i}"
            attention = f"{a}/MultiHeadDotProductAttention_0"
            for p, q in (("key", "k"), ("value", "v"), ("query", "q")):
                m.src(f"{attention}/{p}/kernel", d, heads, h)
                m.tgt(f"{b}.self_attn.{q}_proj.weight", d, d, of=f"{attention}/{p}/kernel")
                m.src(f"{attention}/{p}/bias", heads, h)
                m.tgt(f"{b}.self_attn.{q}_proj.bias", d, of=f"{attention}/{p}/bias")
            out_of(attention, f"{b}.self_attn")
            norm(f"{a}/LayerNorm_0", f"{b}.layer_norm1")
            mlp(f"{a}/MlpBlock_0", f"{b}.mlp")
            norm(f"{a}/LayerNorm_1", f"{b}.layer_norm2")

    m.both("params/t", "logit_scale", 1)
    m.both("params/b", "logit_bias", 1)
    s, t = "params/txt", "text_model"
    m.both(f"{s}/Embed_0/embedding", f"{t}.embeddings.token_embedding.weight", vocab, d)
    m.src(f"{s}/pos_embedding", 1, words, d)
    m.tgt(f"{t}.embeddings.position_embedding.weight", words, d, of=f"{s}/pos_embedding")
    encoder(f"{s}/Encoder_0", t)
    norm(f"{s}/Encoder_0/encoder_norm", f"{t}.final_layer_norm")
    dense(m, f"{s}/head/kernel", f"{t}.head.weight", d, d)
    m.both(f"{s}/head/bias", f"{t}.head.bias", d)
    s, t = "params/img", "vision_model"
    kernel(m, f"{s}/embedding/kernel", f"{t}.embeddings.patch_embedding.weight", d, 3, 16)
    m.both(f"{s}/embedding/bias", f"{t}.embeddings.patch_embedding.bias", d)
    m.src(f"{s}/pos_embedding", 1, patches, d)
    m.tgt(f"{t}.embeddings.position_embedding.weight", patches, d, of=f"{s}/pos_embedding")
    encoder(f"{s}/Transformer", t)
    norm(f"{s}/Transformer/encoder_norm", f"{t}.post_layernorm")
    a, b = f"{s}/MAPHead_0", f"{t}.head"
    m.both(f"{a}/probe", f"{b}.probe", 1, 1, d)
    attention, parts = f"{a}/MultiHeadDotProductAttention_0", ("query", "key", "value")
    kernels = [m.src(f"{attention}/{p}/kernel", d, heads, h) for p in parts]
    biases = [m.src(f"{attention}/{p}/bias", heads, h) for p in parts]
    m.tgt(f"{b}.attention.in_proj_weight", 3 * d, d, of=kernels)
    m.tgt(f"{b}.attention.in_proj_bias", 3 * d, of=biases)
    out_of(attention, f"{b}.attention")
    norm(f"{a}/LayerNorm_0", f"{b}.layernorm")
    mlp(f"{a}/MlpBlock_0", f"{b}.mlp")
    return m.pair(sort_source=True)


def hf_vit_place(prefix, rank):
    """The order of a target whose layers are PREFIX.encoder.layer.N, in the order of `rank`."""
    def place(key):
        words = key.split(".")
        if key.startswith(f"{prefix}.encoder.layer."):
            return 1, int(words[3]), next(i for i, word in enumerate(rank) if word in key)
        return (0,) if "embeddings" in key else (2,)

    return place


def ast(d=768, layers=12):
    """An audio transformer: DataParallel, a ViT inside that keeps heads nobody wants, and a head with a norm."""
    m = Maker("ast_to_hf")
    s, t = "module.v", "audio_spectrogram_transformer"
    m.both(f"{s}.cls_token", f"{t}.embeddings.cls_token", 1, 1, d)
    m.both(f"{s}.dist_token", f"{t}.embeddings.distillation_token", 1, 1, d)
    m.both(f"{s}.pos_embed", f"{t}.embeddings.position_embeddings", 1, 1214, d)
    m.both(f"{s}.patch_embed.proj.weight", f"{t}.embeddings.patch_embeddings.projection.weight", d, 1, 16, 16)
    m.both(f"{s}.patch_embed.proj.bias", f"{t}.embeddings.patch_embeddings.projection.bias", d)
    vit_blocks(m, f"{s}.blocks", f"{t}.encoder.layer", d, layers)
    m.norm(f"{s}.norm", f"{t}.layernorm", d)
    for head in ("head", "head_dist"):
        m.src(f"{s}.{head}.weight", 1000, d)
        m.src(f"{s}.{head}.bias", 1000)
    m.norm("module.mlp_head.0", "classifier.layernorm", d)
    m.linear("module.mlp_head.1", "classifier.dense", 527, d)
    rank = ("attention.attention", "attention.output", "intermediate", "output.dense", "layernorm_before", "layernorm_after")
    return m.pair(order=hf_vit_place(t, rank))


def timesformer(d=768, layers=12):
    """Attention over space and over time, of one shape, fused on both sides."""
    m = Maker("timesformer_to_hf")
    t = "timesformer"
    m.both("model.cls_token", f"{t}.embeddings.cls_token", 1, 1, d)
    m.both("model.pos_embed", f"{t}.embeddings.position_embeddings", 1, 197, d)
    m.both("model.time_embed", f"{t}.embeddings.time_embeddings", 1, 8, d)
    m.both("model.patch_embed.proj.weight", f"{t}.embeddings.patch_embeddings.projection.weight", d, 3, 16, 16)
    m.both("model.patch_embed.proj.bias", f"{t}.embeddings.patch_embeddings.projection.bias", d)
    for i in range(layers):
        a, b = f"model.blocks.{i}", f"{t}.encoder.layer.{i}"
        m.norm(f"{a}.norm1", f"{b}.layernorm_before", d)
        m.linear(f"{a}.attn.qkv", f"{b}.attention.attention.qkv", 3 * d, d)
        m.linear(f"{a}.attn.proj", f"{b}.attention.output.dense", d, d)
        m.norm(f"{a}.temporal_norm1", f"{b}.temporal_layernorm", d)
        m.linear(f"{a}.temporal_attn.qkv", f"{b}.temporal_attention.attention.qkv", 3 * d, d)
        m.linear(f"{a}.temporal_attn.proj", f"{b}.temporal_attention.output.dense", d, d)
        m.linear(f"{a}.temporal_fc", f"{b}.temporal_dense", d, d)
        m.norm(f"{a}.norm2", f"{b}.layernorm_after", d)
        m.linear(f"{a}.mlp.fc1", f"{b}.intermediate.dense", 4 * d, d)
        m.linear(f"{a}.mlp.fc2", f"{b}.output.dense", d, 4 * d)
    m.norm("model.norm", f"{t}.layernorm", d)
    m.linear("model.head", "classifier", 400, d)
    rank = (".attention.attention", ".attention.output", "intermediate", "layernorm_before", "layernorm_after", "temporal_layernorm",
            "temporal_attention.attention", "temporal_attention.output", "temporal_dense", ".output.dense")

    def place(key):
        found = hf_vit_place(t, rank)(key)
        if found[0] == 1 and ".temporal_attention." in key:
            return 1, found[1], rank.index("temporal_attention.attention" if ".qkv" in key else "temporal_attention.output")
        return (1, found[1], 2.5) if found[0] == 1 and found[2] == 9 else found

    return m.pair(order=place)


def focalnet(widths=(96, 192, 384, 768), depths=(2, 2, 6, 2)):
    """Letters for the matrices of a block against words; layers and blocks are called stages and layers."""
    m = Maker("focalnet_tiny_to_hf")
    t = "focalnet"

    def conv(source, target, out, n, size):
        m.both(f"{source}.weight", f"{target}.weight", out, n, size, size)
        m.both(f"{source}.bias", f"{target}.bias", out)

    conv("patch_embed.proj", f"{t}.embeddings.patch_embeddings.projection", widths[0], 3, 4)
    m.norm("patch_embed.norm", f"{t}.embeddings.norm", widths[0])
    for s, (width, depth) in enumerate(zip(widths, depths)):
        for i in range(depth):
            a, b = f"layers.{s}.blocks.{i}", f"{t}.encoder.stages.{s}.layers.{i}"
            m.norm(f"{a}.norm1", f"{b}.norm1", width)
            m.linear(f"{a}.modulation.f", f"{b}.modulation.projection_in", 2 * width + 3, width)
            conv(f"{a}.modulation.h", f"{b}.modulation.projection_context", width, width, 1)
            m.linear(f"{a}.modulation.proj", f"{b}.modulation.projection_out", width, width)
            for k, size in enumerate((3, 5)):
                m.both(f"{a}.modulation.focal_layers.{k}.0.weight", f"{b}.modulation.focal_layers.{k}.0.weight",
                       width, 1, size, size)
            m.norm(f"{a}.norm2", f"{b}.norm2", width)
            m.linear(f"{a}.mlp.fc1", f"{b}.mlp.fc1", 4 * width, width)
            m.linear(f"{a}.mlp.fc2", f"{b}.mlp.fc2", width, 4 * width)
        if s < 3:
            conv(f"layers.{s}.downsample.proj", f"{t}.encoder.stages.{s}.downsample.projection", 2 * width, width, 2)
            m.norm(f"layers.{s}.downsample.norm", f"{t}.encoder.stages.{s}.downsample.norm", 2 * width)
    m.norm("norm", f"{t}.layernorm", widths[-1])
    m.linear("head", "classifier", 1000, widths[-1])
    return m.pair()


def sd3(d=1536, layers=24):
    """Two streams of one shape; the last block has half of one of them."""
    m = Maker("sd3_to_diffusers")
    s = "model.diffusion_model"
    m.both(f"{s}.pos_embed", "pos_embed.pos_embed", 1, 36864, d)
    m.both(f"{s}.x_embedder.proj.weight", "pos_embed.proj.weight", d, 16, 2, 2)
    m.both(f"{s}.x_embedder.proj.bias", "pos_embed.proj.bias", d)
    for p, t, n in (("t", "timestep", 256), ("y", "text", 2048)):
        for k, width in ((0, n), (2, d)):
            m.linear(f"{s}.{p}_embedder.mlp.{k}", f"time_text_embed.{t}_embedder.linear_{k // 2 + 1}", d, width)
    m.linear(f"{s}.context_embedder", "context_embedder", d, 4096)
    for i in range(layers):
        a, b, last = f"{s}.joint_blocks.{i}", f"transformer_blocks.{i}", i == layers - 1
        m.linear(f"{a}.context_block.adaLN_modulation.1", f"{b}.norm1_context.linear", (2 if last else 6) * d, d)
        m.qkv(f"{a}.context_block.attn.qkv", [f"{b}.attn.add_{p}_proj" for p in "qkv"], d)
        if not last:
            m.linear(f"{a}.context_block.attn.proj", f"{b}.attn.to_add_out", d, d)
            m.linear(f"{a}.context_block.mlp.fc1", f"{b}.ff_context.net.0.proj", 4 * d, d)
            m.linear(f"{a}.context_block.mlp.fc2", f"{b}.ff_context.net.2", d, 4 * d)
        m.qkv(f"{a}.x_block.attn.qkv", [f"{b}.attn.to_{p}" for p in "qkv"], d)
        m.linear(f"{a}.x_block.attn.proj", f"{b}.attn.to_out.0", d, d)
        m.linear(f"{a}.x_block.mlp.fc1", f"{b}.ff.net.0.proj", 4 * d, d)
        m.linear(f"{a}.x_block.mlp.fc2", f"{b}.ff.net.2", d, 4 * d)
        m.linear(f"{a}.x_block.adaLN_modulation.1", f"{b}.norm1.linear", 6 * d, d)
    m.linear(f"{s}.final_layer.linear", "proj_out", 64, d)
    m.linear(f"{s}.final_layer.adaLN_modulation.1", "norm_out.linear", 2 * d, d)
    rank = (".norm1.", ".norm1_context.", ".to_q", ".to_k", ".to_v", ".add_k", ".add_v", ".add_q", ".to_out", ".to_add_out", ".ff.",
            ".ff_context.")
    first = ("pos_embed", "time_text_embed", "context_embedder", "transformer_blocks", "norm_out", "proj_out")

    def place(key):
        k = next(i for i, prefix in enumerate(first) if key.startswith(prefix))
        if k != 3:
            return (k,)
        return k, int(key.split(".")[1]), next(i for i, word in enumerate(rank) if word in key)

    return m.pair(order=place)


def fastconformer(d=512, heads=8, layers=17, channels=256, words=1025):
    """Two feed-forward networks a layer, five norms, a batch norm; all norms stand last in the target."""
    m = Maker("fastconformer_nemo_to_hf")
    m.src("preprocessor.featurizer.window", 400)
    m.src("preprocessor.featurizer.fb", 1, 80, 257)
    m.linear("encoder.pre_encode.out", "encoder.subsampling.linear", d, 10 * channels)
    for k, shape in ((0, (1, 3, 3)), (2, (1, 3, 3)), (3, (channels, 1, 1)), (5, (1, 3, 3)), (6, (channels, 1, 1))):
        a, b = f"encoder.pre_encode.conv.{k}", f"encoder.subsampling.layers.{k}"
        m.both(f"{a}.weight", f"{b}.weight", channels, *shape)
        m.both(f"{a}.bias", f"{b}.bias", channels)

    def conv(source, target, out, n, size=1):
        m.both(f"{source}.weight", f"{target}.weight", out, n, size)
        m.both(f"{source}.bias", f"{target}.bias", out)

    for i in range(layers):
        a = b = f"encoder.layers.{i}"
        for k in (1, 2):
            if k == 2:
                m.norm(f"{a}.norm_conv", f"{b}.norm_conv", d)
                conv(f"{a}.conv.pointwise_conv1", f"{b}.conv.pointwise_conv1", 2 * d, d)
                conv(f"{a}.conv.depthwise_conv", f"{b}.conv.depthwise_conv", d, 1, 9)
                batch_norm(m, f"{a}.conv.batch_norm.", f"{b}.conv.norm", d)
                conv(f"{a}.conv.pointwise_conv2", f"{b}.conv.pointwise_conv2", d, d)
                m.norm(f"{a}.norm_self_att", f"{b}.norm_self_att", d)
                for p in "uv":
                    m.both(f"{a}.self_attn.pos_bias_{p}", f"{b}.self_attn.bias_{p}", heads, d // heads)
                for p in "qkv":
                    m.linear(f"{a}.self_attn.linear_{p}", f"{b}.self_attn.{p}_proj", d, d)
                m.linear(f"{a}.self_attn.linear_out", f"{b}.self_attn.o_proj", d, d)
                m.linear(f"{a}.self_attn.linear_pos", f"{b}.self_attn.relative_k_proj", d, d, bias=False)
            m.norm(f"{a}.norm_feed_forward{k}", f"{b}.norm_feed_forward{k}", d)
            m.linear(f"{a}.feed_forward{k}.linear1", f"{b}.feed_forward{k}.linear1", 4 * d, d)
            m.linear(f"{a}.feed_forward{k}.linear2", f"{b}.feed_forward{k}.linear2", d, 4 * d)
        m.norm(f"{a}.norm_out", f"{b}.norm_out", d)
    m.both("decoder.decoder_layers.0.weight", "ctc_head.weight", words, d, 1)
    m.both("decoder.decoder_layers.0.bias", "ctc_head.bias", words)
    rank = (".feed_forward1", ".self_attn", ".conv.", ".feed_forward2", ".norm_feed_forward1", ".norm_self_att", ".norm_conv",
            ".norm_feed_forward2", ".norm_out")

    def place(key):
        words = key.split(".")
        if words[1] == "layers":
            return 1, int(words[2]), next(i for i, word in enumerate(rank) if word in key)
        return (0, "linear" in key) if "subsampling" in key else (2,)

    return m.pair(order=place)


def extra_msa(blocks=4, c=64, z=128):
    """AlphaFold's stack of extra sequences: each tensor holds all blocks, heads are dimensions; OpenFold's modules. In
    the second multiplication the two sides are the other way round than in the first, as OpenFold's own import says."""
    m = Maker("alphafold_extra_msa_to_openfold_T_sorted")
    root = "alphafold/alphafold_iteration/evoformer/extra_msa_stack"
    order = {}

    def put(source, stacked, target, *shape):
        m.src(f"{root}/{source}", blocks, *stacked)
        for i in range(blocks):
            key = f"extra_msa_stack.blocks.{i}.{target}"
            order[key] = (i, len(order))
            m.tgt(key, *shape, of=f"{root}/{source}")

    def norm(source, target, n):
        put(f"{source}//scale", (n,), f"{target}.weight", n)
        put(f"{source}//offset", (n,), f"{target}.bias", n)

    def linear(source, target, out, n):
        put(f"{source}//weights", (n, out), f"{target}.weight", out, n)
        put(f"{source}//bias", (out,), f"{target}.bias", out)

    def attention(source, target, n, heads, h, alone=False):
        for p, q in (("query", "q"), ("key", "k"), ("value", "v")):
            one = alone and p != "query"
            put(f"{source}//{p}_w", (n, h) if one else (n, heads, h), f"{target}.linear_{q}.weight", h if one else heads * h, n)
        if alone:
            gate(source, target, n, heads, h)
        put(f"{source}//output_w", (heads, h, n), f"{target}.linear_o.weight", n, heads * h)
        put(f"{source}//output_b", (n,), f"{target}.linear_o.bias", n)
        if not alone:
            gate(source, target, n, heads, h)

    def gate(source, target, n, heads, h):
        put(f"{source}//gating_w", (n, heads, h), f"{target}.linear_g.weight", heads * h, n)
        put(f"{source}//gating_b", (heads, h), f"{target}.linear_g.bias", heads * h)

    def transition(source, target, n):
        norm(f"{source}/input_layer_norm", f"{target}.layer_norm", n)
        linear(f"{source}/transition1", f"{target}.linear_1", 4 * n, n)
        linear(f"{source}/transition2", f"{target}.linear_2", n, 4 * n)

    def multiplication(source, target, left, right):
        sides = {left: "left", right: "right"}
        for side in "ab":
            linear(f"{source}/{sides[side]}_projection", f"{target}.linear_{side}_p", z, z)
            linear(f"{source}/{sides[side]}_gate", f"{target}.linear_{side}_g", z, z)
        linear(f"{source}/gating_linear", f"{target}.linear_g", z, z)
        linear(f"{source}/output_projection", f"{target}.linear_z", z, z)
        norm(f"{source}/layer_norm_input", f"{target}.layer_norm_in", z)
        norm(f"{source}/center_layer_norm", f"{target}.layer_norm_out", z)

    row = "msa_row_attention_with_pair_bias"
    norm(f"{row}/query_norm", "msa_att_row.layer_norm_m", c)
    norm(f"{row}/feat_2d_norm", "msa_att_row.layer_norm_z", z)
    put(f"{row}//feat_2d_weights", (z, 8), "msa_att_row.linear_z.weight", 8, z)
    attention(f"{row}/attention", "msa_att_row.mha", c, 8, 8)
    norm("msa_column_global_attention/query_norm", "msa_att_col.layer_norm_m", c)
    attention("msa_column_global_attention/attention", "msa_att_col.global_attention", c, 8, 8, alone=True)
    transition("msa_transition", "core.msa_transition", c)
    a, b = "outer_product_mean", "core.outer_product_mean"
    norm(f"{a}/layer_norm_input", f"{b}.layer_norm", c)
    linear(f"{a}/left_projection", f"{b}.linear_1", 32, c)
    linear(f"{a}/right_projection", f"{b}.linear_2", 32, c)
    put(f"{a}//output_w", (32, 32, z), f"{b}.linear_out.weight", z, 1024)
    put(f"{a}//output_b", (z,), f"{b}.linear_out.bias", z)
    multiplication("triangle_multiplication_outgoing", "core.tri_mul_out", "a", "b")
    multiplication("triangle_multiplication_incoming", "core.tri_mul_in", "b", "a")
    for a, b in (("starting", "start"), ("ending", "end")):
        node = f"triangle_attention_{a}_node"
        norm(f"{node}/query_norm", f"core.tri_att_{b}.layer_norm", z)
        put(f"{node}//feat_2d_weights", (z, 4), f"core.tri_att_{b}.linear.weight", 4, z)
        attention(f"{node}/attention", f"core.tri_att_{b}.mha", z, 4, 32)
    transition("pair_transition", "core.pair_transition", z)
    return m.pair(order=lambda key: order[key], sort_source=True)


def upernet(widths=(96, 192, 384, 768), depths=(3, 3, 9, 3), d=512, classes=150):
    """ConvNeXt below UperNet: norms beside the backbone by number, a pyramid of four, an auxiliary head."""
    m = Maker("upernet_convnext_mmseg_to_hf")
    s, t = "backbone", "backbone.encoder.stages"

    def conv(source, target, out, n, size):
        m.both(f"{source}.weight", f"{target}.weight", out, n, size, size)
        m.both(f"{source}.bias", f"{target}.bias", out)

    def module(name, out, n, size):
        m.both(f"{name}.conv.weight", f"{name}.conv.weight", out, n, size, size)
        batch_norm(m, f"{name}.bn.", f"{name}.batch_norm", out)

    conv(f"{s}.downsample_layers.0.0", "backbone.embeddings.patch_embeddings", widths[0], 3, 4)
    m.norm(f"{s}.downsample_layers.0.1", "backbone.embeddings.layernorm", widths[0])
    for k in range(1, 4):
        m.norm(f"{s}.downsample_layers.{k}.0", f"{t}.{k}.downsampling_layer.0", widths[k - 1])
        conv(f"{s}.downsample_layers.{k}.1", f"{t}.{k}.downsampling_layer.1", widths[k], widths[k - 1], 2)
    for k, (width, depth) in enumerate(zip(widths, depths)):
        for i in range(depth):
            a, b = f"{s}.stages.{k}.{i}", f"{t}.{k}.layers.{i}"
            m.both(f"{a}.gamma", f"{b}.layer_scale_parameter", width)
            conv(f"{a}.depthwise_conv", f"{b}.dwconv", width, 1, 7)
            m.norm(f"{a}.norm", f"{b}.layernorm", width)
            m.linear(f"{a}.pointwise_conv1", f"{b}.pwconv1", 4 * width, width)
            m.linear(f"{a}.pointwise_conv2", f"{b}.pwconv2", width, 4 * width)
    for k, width in enumerate(widths):
        m.norm(f"{s}.norm{k}", f"backbone.hidden_states_norms.stage{k + 1}", width)
    h = "decode_head"
    conv(f"{h}.conv_seg", f"{h}.classifier", classes, d, 1)
    for k in range(4):
        module(f"{h}.psp_modules.{k}.1", d, widths[-1], 1)
    module(f"{h}.bottleneck", d, widths[-1] + 4 * d, 3)
    for k in range(3):
        module(f"{h}.lateral_convs.{k}", d, widths[k], 1)
    for k in range(3):
        module(f"{h}.fpn_convs.{k}", d, d, 3)
    module(f"{h}.fpn_bottleneck", d, 4 * d, 3)
    conv("auxiliary_head.conv_seg", "auxiliary_head.classifier", classes, 256, 1)
    module("auxiliary_head.convs.0", 256, widths[2], 3)

    def place(key):
        words = key.split(".")
        if words[1:3] == ["encoder", "stages"]:
            return 1, int(words[3]), words[4] == "layers"
        if words[0] == "backbone":
            return (0,) if words[1] == "embeddings" else (2,)
        return (3,) if words[0] == h else (4, words[1] == "classifier")

    return m.pair(order=place)


def seresnet(blocks=(3, 4, 6, 3)):
    """Everything before the first stage lies one level deeper; squeeze and excitation under another name."""
    m = Maker("seresnet50_cadene_to_timm")

    def conv_bn(source, target, k, out, n, size):
        m.both(f"{source}conv{k}.weight", f"{target}conv{k}.weight", out, n, size, size)
        batch_norm(m, f"{source}bn{k}.", f"{target}bn{k}", out)

    conv_bn("layer0.", "", 1, 64, 3, 7)
    before = 64
    for s, count in enumerate(blocks):
        width, out = 64 << s, 256 << s
        for i in range(count):
            a = f"layer{s + 1}.{i}."
            for k, (o, n, size) in enumerate(((width, before, 1), (width, width, 3), (out, width, 1)), 1):
                conv_bn(a, a, k, o, n, size)
            for name, o, n in (("fc1", out // 16, out), ("fc2", out, out // 16)):
                m.both(f"{a}se_module.{name}.weight", f"{a}se.{name}.weight", o, n, 1, 1)
                m.both(f"{a}se_module.{name}.bias", f"{a}se.{name}.bias", o)
            if i == 0:
                m.both(f"{a}downsample.0.weight", f"{a}downsample.0.weight", out, before, 1, 1)
                batch_norm(m, f"{a}downsample.1.", f"{a}downsample.1", out)
            before = out
    m.linear("last_linear", "fc", 1000, 2048)
    return m.pair()


def phi3(d=3072, layers=32, inner=8192, vocab=32064):
    """Fused on both sides: gate and up are one matrix that GGUF calls up."""
    m = Maker("phi3_hf_to_gguf_sorted")
    m.both("model.embed_tokens.weight", "token_embd.weight", vocab, d)
    for i in range(layers):
        a, b = f"model.layers.{i}", f"blk.{i}"
        m.both(f"{a}.self_attn.o_proj.weight", f"{b}.attn_output.weight", d, d)
        m.both(f"{a}.self_attn.qkv_proj.weight", f"{b}.attn_qkv.weight", 3 * d, d)
        m.both(f"{a}.mlp.gate_up_proj.weight", f"{b}.ffn_up.weight", 2 * inner, d)
        m.both(f"{a}.mlp.down_proj.weight", f"{b}.ffn_down.weight", d, inner)
        m.both(f"{a}.input_layernorm.weight", f"{b}.attn_norm.weight", d)
        m.both(f"{a}.post_attention_layernorm.weight", f"{b}.ffn_norm.weight", d)
    m.both("model.norm.weight", "output_norm.weight", d)
    m.both("lm_head.weight", "output.weight", vocab, d)
    return m.pair(sort_target=True)


def llava(d=1024, layers=24, wide=4096):
    """A vision tower of LLaVA and the projector, and the names llama.cpp gives them."""
    m = Maker("llava_hf_to_gguf_mmproj_sorted")
    s = "vision_tower.vision_model"
    m.both(f"{s}.embeddings.class_embedding", "v.class_embd", d)
    m.both(f"{s}.embeddings.patch_embedding.weight", "v.patch_embd.weight", d, 3, 14, 14)
    m.both(f"{s}.embeddings.position_embedding.weight", "v.position_embd.weight", 577, d)
    m.norm(f"{s}.pre_layrnorm", "v.pre_ln", d)
    for i in range(layers):
        a, b = f"{s}.encoder.layers.{i}", f"v.blk.{i}"
        for p, t in (("k_proj", "attn_k"), ("v_proj", "attn_v"), ("q_proj", "attn_q"), ("out_proj", "attn_out")):
            m.linear(f"{a}.self_attn.{p}", f"{b}.{t}", d, d)
        m.norm(f"{a}.layer_norm1", f"{b}.ln1", d)
        m.linear(f"{a}.mlp.fc1", f"{b}.ffn_up", 4 * d, d)
        m.linear(f"{a}.mlp.fc2", f"{b}.ffn_down", d, 4 * d)
        m.norm(f"{a}.layer_norm2", f"{b}.ln2", d)
    m.norm(f"{s}.post_layernorm", "v.post_ln", d)
    m.linear("multi_modal_projector.linear_1", "mm.0", wide, d)
    m.linear("multi_modal_projector.linear_2", "mm.2", wide, wide)
    return m.pair(sort_target=True)


def litgpt(d=768, layers=12, vocab=50304):
    """Buffers that nobody wants in every layer; the head stands first in the target."""
    m = Maker("pythia_hf_to_litgpt")
    s, t = "gpt_neox", "transformer"
    m.both(f"{s}.embed_in.weight", f"{t}.wte.weight", vocab, d)
    for i in range(layers):
        a, b = f"{s}.layers.{i}", f"{t}.h.{i}"
        m.norm(f"{a}.input_layernorm", f"{b}.norm_1", d)
        m.norm(f"{a}.post_attention_layernorm", f"{b}.norm_2", d)
        m.src(f"{a}.attention.bias", 1, 1, 2048, 2048)
        m.src(f"{a}.attention.masked_bias")
        m.src(f"{a}.attention.rotary_emb.inv_freq", 8)
        m.linear(f"{a}.attention.query_key_value", f"{b}.attn.attn", 3 * d, d)
        m.linear(f"{a}.attention.dense", f"{b}.attn.proj", d, d)
        m.linear(f"{a}.mlp.dense_h_to_4h", f"{b}.mlp.fc", 4 * d, d)
        m.linear(f"{a}.mlp.dense_4h_to_h", f"{b}.mlp.proj", d, 4 * d)
    m.norm(f"{s}.final_layer_norm", f"{t}.ln_f", d)
    m.both("embed_out.weight", "lm_head.weight", vocab, d)
    rank = (".norm_1", ".attn.attn", ".attn.proj", ".norm_2", ".mlp.fc", ".mlp.proj")

    def place(key):
        words = key.split(".")
        if words[1] == "h":
            return 2, int(words[2]), next(i for i, word in enumerate(rank) if word in key)
        return (0,) if words[0] == "lm_head" else ((1,) if words[1] == "wte" else (3,))

    return m.pair(order=place)


def gemma_flax(d=2048, heads=8, h=256, layers=18, inner=16384, vocab=256128):
    """Heads are dimensions, key and value one tensor, gate and up one tensor."""
    m = Maker("gemma_2b_flax_to_hf_T_sorted")
    s = "transformer"
    m.both(f"{s}/embedder/input_embedding", "model.embed_tokens.weight", vocab, d)
    for i in range(layers):
        a, b = f"{s}/layer_{i}", f"model.layers.{i}"
        m.src(f"{a}/attn/q_einsum/w", heads, d, h)
        m.tgt(f"{b}.self_attn.q_proj.weight", heads * h, d, of=f"{a}/attn/q_einsum/w")
        m.src(f"{a}/attn/kv_einsum/w", 2, 1, d, h)
        for p in "kv":
            m.tgt(f"{b}.self_attn.{p}_proj.weight", h, d, of=f"{a}/attn/kv_einsum/w")
        m.src(f"{a}/attn/attn_vec_einsum/w", heads, h, d)
        m.tgt(f"{b}.self_attn.o_proj.weight", d, heads * h, of=f"{a}/attn/attn_vec_einsum/w")
        m.src(f"{a}/mlp/gating_einsum", 2, d, inner)
        for p in ("gate", "up"):
            m.tgt(f"{b}.mlp.{p}_proj.weight", inner, d, of=f"{a}/mlp/gating_einsum")
        dense(m, f"{a}/mlp/linear", f"{b}.mlp.down_proj.weight", d, inner)
        m.both(f"{a}/pre_attention_norm/scale", f"{b}.input_layernorm.weight", d)
        m.both(f"{a}/pre_ffw_norm/scale", f"{b}.post_attention_layernorm.weight", d)
    m.both(f"{s}/final_norm/scale", "model.norm.weight", d)
    return m.pair(sort_source=True)


def blip(d=768, layers=12, vocab=30524):
    """A ViT and a BERT with attention to it; only the ViT is named differently."""
    m = Maker("blip_caption_to_hf")
    s, t = "visual_encoder", "vision_model"
    m.both(f"{s}.cls_token", f"{t}.embeddings.class_embedding", 1, 1, d)
    m.both(f"{s}.pos_embed", f"{t}.embeddings.position_embedding", 1, 577, d)
    m.both(f"{s}.patch_embed.proj.weight", f"{t}.embeddings.patch_embedding.weight", d, 3, 16, 16)
    m.both(f"{s}.patch_embed.proj.bias", f"{t}.embeddings.patch_embedding.bias", d)
    for i in range(layers):
        a, b = f"{s}.blocks.{i}", f"{t}.encoder.layers.{i}"
        m.norm(f"{a}.norm1", f"{b}.layer_norm1", d)
        m.linear(f"{a}.attn.qkv", f"{b}.self_attn.qkv", 3 * d, d)
        m.linear(f"{a}.attn.proj", f"{b}.self_attn.projection", d, d)
        m.norm(f"{a}.norm2", f"{b}.layer_norm2", d)
        m.linear(f"{a}.mlp.fc1", f"{b}.mlp.fc1", 4 * d, d)
        m.linear(f"{a}.mlp.fc2", f"{b}.mlp.fc2", d, 4 * d)
    m.norm(f"{s}.norm", f"{t}.post_layernorm", d)
    b = "text_decoder.bert"
    m.src(f"{b}.embeddings.position_ids", 1, 512)
    m.both(f"{b}.embeddings.word_embeddings.weight", f"{b}.embeddings.word_embeddings.weight", vocab, d)
    m.both(f"{b}.embeddings.position_embeddings.weight", f"{b}.embeddings.position_embeddings.weight", 512, d)
    m.norm(f"{b}.embeddings.LayerNorm", f"{b}.embeddings.LayerNorm", d)
    for i in range(layers):
        a = f"{b}.encoder.layer.{i}"
        for kind in ("attention", "crossattention"):
            for p in ("self.query", "self.key", "self.value", "output.dense"):
                m.linear(f"{a}.{kind}.{p}", f"{a}.{kind}.{p}", d, d)
            m.norm(f"{a}.{kind}.output.LayerNorm", f"{a}.{kind}.output.LayerNorm", d)
        m.linear(f"{a}.intermediate.dense", f"{a}.intermediate.dense", 4 * d, d)
        m.linear(f"{a}.output.dense", f"{a}.output.dense", d, 4 * d)
        m.norm(f"{a}.output.LayerNorm", f"{a}.output.LayerNorm", d)
    h = "text_decoder.cls.predictions"
    m.both(f"{h}.bias", f"{h}.bias", vocab)
    m.linear(f"{h}.transform.dense", f"{h}.transform.dense", d, d)
    m.norm(f"{h}.transform.LayerNorm", f"{h}.transform.LayerNorm", d)
    m.linear(f"{h}.decoder", f"{h}.decoder", vocab, d)
    return m.pair()


def deformable_detr(d=256, inner=1024):
    """The decoder's first norm belongs to the attention that comes second: norm1 stands behind cross_attn."""
    m = Maker("deformable_detr_to_hf")
    s, t = "transformer", "model"
    m.both(f"{s}.level_embed", f"{t}.level_embed", 4, d)

    def deformable(a, b):
        m.linear(f"{a}.sampling_offsets", f"{b}.sampling_offsets", 256, d)
        m.linear(f"{a}.attention_weights", f"{b}.attention_weights", 128, d)
        m.linear(f"{a}.value_proj", f"{b}.value_proj", d, d)
        m.linear(f"{a}.output_proj", f"{b}.output_proj", d, d)

    for side in ("encoder", "decoder"):
        for i in range(6):
            a, b = f"{s}.{side}.layers.{i}", f"{t}.{side}.layers.{i}"
            if side == "encoder":
                deformable(f"{a}.self_attn", f"{b}.self_attn")
                m.norm(f"{a}.norm1", f"{b}.self_attn_layer_norm", d)
            else:
                deformable(f"{a}.cross_attn", f"{b}.encoder_attn")
                m.norm(f"{a}.norm1", f"{b}.encoder_attn_layer_norm", d)
                m.qkv(f"{a}.self_attn.in_proj", [f"{b}.self_attn.{p}_proj" for p in "kvq"], d, tail=("_weight", "_bias"))
                m.linear(f"{a}.self_attn.out_proj", f"{b}.self_attn.out_proj", d, d)
                m.norm(f"{a}.norm2", f"{b}.self_attn_layer_norm", d)
            m.linear(f"{a}.linear1", f"{b}.fc1", inner, d)
            m.linear(f"{a}.linear2", f"{b}.fc2", d, inner)
            m.norm(f"{a}.norm{3 if side == 'decoder' else 2}", f"{b}.final_layer_norm", d)
    m.linear(f"{s}.reference_points", f"{t}.reference_points", 2, d)
    for k in range(6):
        m.linear(f"class_embed.{k}", f"class_embed.{k}", 91, d)
    for k in range(6):
        for j, out in enumerate((d, d, 4)):
            m.linear(f"bbox_embed.{k}.layers.{j}", f"bbox_embed.{k}.layers.{j}", out, d)
    m.both("query_embed.weight", f"{t}.query_position_embeddings.weight", 300, 2 * d)
    for k, (n, size) in enumerate(((512, 1), (1024, 1), (2048, 1), (2048, 3))):
        m.both(f"input_proj.{k}.0.weight", f"{t}.input_proj.{k}.0.weight", d, n, size, size)
        m.both(f"input_proj.{k}.0.bias", f"{t}.input_proj.{k}.0.bias", d)
        m.norm(f"input_proj.{k}.1", f"{t}.input_proj.{k}.1", d)
    resnet_body(m, "backbone.0.body.", f"{t}.backbone.conv_encoder.model.")
    first = ("level_embed", "backbone", "input_proj", "query_position", "encoder", "decoder", "reference_points")
    rank = ("self_attn.k", "self_attn.v", "self_attn.q", "self_attn.", "self_attn_layer", "encoder_attn.", "encoder_attn_layer", "fc1", "fc2",
            "final_layer_norm")

    def place(key):
        words = key.split(".")
        if words[0] != t:
            return 9, words[0] == "bbox_embed"
        k = next(i for i, prefix in enumerate(first) if words[1].startswith(prefix))
        if words[2:3] != ["layers"]:
            return (k,)
        kind = next(i for i, word in enumerate(rank) if word in key)
        return k, int(words[3]), 0 if words[1] == "encoder" and kind < 4 else kind

    return m.pair(order=place)


def convnext_keras(widths=(96, 192, 384, 768), depths=(3, 3, 9, 3)):
    """One flat name a layer, all joined by underscores, and a prefix that is a model's name with underscores in it."""
    m = Maker("convnext_tiny_keras_to_timm_T")
    s = "convnext_tiny"

    def norm(source, target, n):
        m.both(f"{source}/gamma", f"{target}.weight", n)
        m.both(f"{source}/beta", f"{target}.bias", n)

    def conv(source, target, out, n, size):
        kernel(m, f"{source}/kernel", f"{target}.weight", out, n, size)
        m.both(f"{source}/bias", f"{target}.bias", out)

    def linear(source, target, out, n):
        dense(m, f"{source}/kernel", f"{target}.weight", out, n)
        m.both(f"{source}/bias", f"{target}.bias", out)

    conv(f"{s}_stem_conv", "stem.0", widths[0], 3, 4)
    norm(f"{s}_stem_layernorm", "stem.1", widths[0])
    for k, (width, depth) in enumerate(zip(widths, depths)):
        if k:
            norm(f"{s}_downsampling_layernorm_{k - 1}", f"stages.{k}.downsample.0", widths[k - 1])
            conv(f"{s}_downsampling_conv_{k - 1}", f"stages.{k}.downsample.1", width, widths[k - 1], 2)
        for i in range(depth):
            a, b = f"{s}_stage_{k}_block_{i}", f"stages.{k}.blocks.{i}"
            conv(f"{a}_depthwise_conv", f"{b}.conv_dw", width, 1, 7)
            norm(f"{a}_layernorm", f"{b}.norm", width)
            linear(f"{a}_pointwise_conv_1", f"{b}.mlp.fc1", 4 * width, width)
            linear(f"{a}_pointwise_conv_2", f"{b}.mlp.fc2", width, 4 * width)
            m.both(f"{a}_layer_scale/gamma", f"{b}.gamma", width)
    norm(f"{s}_head_layernorm", "head.norm", widths[-1])
    linear(f"{s}_head_dense", "head.fc", 1000, widths[-1])

    def place(key):
        words = key.split(".")
        if words[0] != "stages":
            return (0,) if words[0] == "stem" else (9,)
        if words[2] == "downsample":
            return 1, int(words[1]), -1, 0
        return 1, int(words[1]), int(words[3]), 0 if words[4] == "gamma" else 1

    return m.pair(order=place)


def trocr(d=768, e=1024, layers=12, inner=4096, vocab=50265):
    """Reading of lines: a ViT without biases on its fused matrices, and a decoder whose names stay below one more."""
    m = Maker("trocr_base_to_hf")
    s, t = "encoder.deit", "encoder"
    m.both(f"{s}.cls_token", f"{t}.embeddings.cls_token", 1, 1, d)
    m.both(f"{s}.pos_embed", f"{t}.embeddings.position_embeddings", 1, 577, d)
    m.both(f"{s}.patch_embed.proj.weight", f"{t}.embeddings.patch_embeddings.projection.weight", d, 3, 16, 16)
    m.both(f"{s}.patch_embed.proj.bias", f"{t}.embeddings.patch_embeddings.projection.bias", d)
    for i in range(layers):
        a, b = f"{s}.blocks.{i}", f"{t}.encoder.layer.{i}"
        m.norm(f"{a}.norm1", f"{b}.layernorm_before", d)
        m.src(f"{a}.attn.qkv.weight", 3 * d, d)
        for p in ("query", "key", "value"):
            m.tgt(f"{b}.attention.attention.{p}.weight", d, d, of=f"{a}.attn.qkv.weight")
        m.linear(f"{a}.attn.proj", f"{b}.attention.output.dense", d, d)
        m.norm(f"{a}.norm2", f"{b}.layernorm_after", d)
        m.linear(f"{a}.mlp.fc1", f"{b}.intermediate.dense", 4 * d, d)
        m.linear(f"{a}.mlp.fc2", f"{b}.output.dense", d, 4 * d)
    m.norm(f"{s}.norm", f"{t}.layernorm", d)
    s, t = "decoder", "decoder.model.decoder"
    m.both(f"{s}.embed_tokens.weight", f"{t}.embed_tokens.weight", vocab, e)
    m.both(f"{s}.embed_positions.weight", f"{t}.embed_positions.weight", 514, e)
    for i in range(layers):
        a, b = f"{s}.layers.{i}", f"{t}.layers.{i}"
        for kind, n in (("self_attn", e), ("encoder_attn", d)):
            for p in ("k_proj", "v_proj", "q_proj", "out_proj"):
                m.linear(f"{a}.{kind}.{p}", f"{b}.{kind}.{p}", e, n if p[0] in "kv" else e)
            m.norm(f"{a}.{kind}_layer_norm", f"{b}.{kind}_layer_norm", e)
        m.linear(f"{a}.fc1", f"{b}.fc1", inner, e)
        m.linear(f"{a}.fc2", f"{b}.fc2", e, inner)
        m.norm(f"{a}.final_layer_norm", f"{b}.final_layer_norm", e)
    m.norm(f"{s}.layernorm_embedding", f"{t}.layernorm_embedding", e)
    m.both(f"{s}.output_projection.weight", "decoder.output_projection.weight", vocab, e)
    rank = ("attention.attention", "attention.output", "intermediate", "output.dense", "layernorm_before", "layernorm_after")
    below = ("embed_tokens", "embed_positions", "layernorm_embedding", "layers", "output_projection")

    def place(key):
        if key.startswith("encoder."):
            return (0, *hf_vit_place("encoder", rank)(key))
        return 1, next(i for i, word in enumerate(below) if f".{word}." in key)

    return m.pair(order=place)


def dqn(actions=4):
    """A network for play and its copy that lags behind, of one shape; the network is asked for."""
    m = Maker("dqn_sb3_to_cleanrl")
    for side in ("q_net", "q_net_target"):
        put = m.both if side == "q_net" else (lambda source, target, *shape: m.src(source, *shape))
        for k, (t, shape) in enumerate(((0, (32, 4, 8, 8)), (2, (64, 32, 4, 4)), (4, (64, 64, 3, 3)))):
            put(f"{side}.features_extractor.cnn.{2 * k}.weight", f"network.{t}.weight", *shape)
            put(f"{side}.features_extractor.cnn.{2 * k}.bias", f"network.{t}.bias", shape[0])
        for s, t, out, n in (("features_extractor.linear.0", 7, 512, 3136), ("q_net.0", 9, actions, 512)):
            put(f"{side}.{s}.weight", f"network.{t}.weight", out, n)
            put(f"{side}.{s}.bias", f"network.{t}.bias", out)
    return m.pair()


FAMILIES = (siglip, ast, timesformer, focalnet, sd3, fastconformer, extra_msa, upernet, seresnet, phi3, llava, litgpt, gemma_flax,
            blip, deformable_detr, convnext_keras, trocr, dqn)


def pairs():
    return [{**pair, "name": pair["name"].replace("other_", "locked_")} for pair in (make() for make in FAMILIES)]
