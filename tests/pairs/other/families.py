"""Pairs of model families that automatic alignment was not shaped on, as generators: the names and shapes
of both sides as their own code gives them, in its order. Sources: the conversion scripts of transformers,
llama.cpp's tensor_mapping.py, and the modules of the original repositories.
"""


class Maker:
    """Collects both sides and what belongs together."""

    def __init__(self, name, turned=()):
        self.name, self.source, self.target, self.truth = name, [], [], []
        self.turned = None if turned is None else set(turned)

    def src(self, key, *shape):
        self.source.append({"key": key, "shape": list(shape)})
        return key

    def tgt(self, key, *shape, of=()):
        self.target.append({"key": key, "shape": list(shape)})
        for source in [of] if isinstance(of, str) else of:
            self.truth.append([source, key])
        return key

    def both(self, source, target, *shape):
        """One tensor; the target's list is put in order later."""
        self.src(source, *shape)
        self.tgt(target, *shape, of=source)

    def linear(self, source, target, out, width, bias=True):
        self.both(source + ".weight", target + ".weight", out, width)
        if bias:
            self.both(source + ".bias", target + ".bias", out)

    def norm(self, source, target, width, bias=True):
        self.both(source + ".weight", target + ".weight", width)
        if bias:
            self.both(source + ".bias", target + ".bias", width)

    def qkv(self, source, targets, width, out=None, tail=(".weight", ".bias")):
        """A fused source, and its three parts."""
        out = out or width
        self.src(source + tail[0], 3 * out, width)
        self.src(source + tail[1], 3 * out)
        for target in targets:
            self.tgt(target + ".weight", out, width, of=source + tail[0])
            self.tgt(target + ".bias", out, of=source + tail[1])

    def pair(self, order=None, sort_source=False, sort_target=False):
        """order: a function over target keys; the definition order of the target where it differs."""
        if order:
            self.target.sort(key=lambda one: order(one["key"]))
        if sort_source:
            self.source.sort(key=lambda one: one["key"])
        if sort_target:
            self.target.sort(key=lambda one: one["key"])
        return {"name": "other_" + self.name, "source": {"tensors": self.source},
                "target": {"tensors": self.target}, "truth": self.truth, "turned": self.turned}


def roberta(d=768, layers=12, vocab=50265):
    m = Maker("roberta_fairseq_to_hf")
    s, t = "encoder.sentence_encoder", "roberta"
    m.both(f"{s}.embed_tokens.weight", f"{t}.embeddings.word_embeddings.weight", vocab, d)
    m.both(f"{s}.embed_positions.weight", f"{t}.embeddings.position_embeddings.weight", 514, d)
    m.tgt(f"{t}.embeddings.token_type_embeddings.weight", 1, d)
    for i in range(layers):
        a, b = f"{s}.layers.{i}", f"{t}.encoder.layer.{i}"
        for p, q in (("k_proj", "key"), ("v_proj", "value"), ("q_proj", "query")):
            m.linear(f"{a}.self_attn.{p}", f"{b}.attention.self.{q}", d, d)
        m.linear(f"{a}.self_attn.out_proj", f"{b}.attention.output.dense", d, d)
        m.norm(f"{a}.self_attn_layer_norm", f"{b}.attention.output.LayerNorm", d)
        m.linear(f"{a}.fc1", f"{b}.intermediate.dense", 4 * d, d)
        m.linear(f"{a}.fc2", f"{b}.output.dense", d, 4 * d)
        m.norm(f"{a}.final_layer_norm", f"{b}.output.LayerNorm", d)
    m.norm(f"{s}.emb_layer_norm", f"{t}.embeddings.LayerNorm", d)
    m.both("encoder.lm_head.weight", "lm_head.decoder.weight", vocab, d)
    m.both("encoder.lm_head.bias", "lm_head.bias", vocab)
    m.linear("encoder.lm_head.dense", "lm_head.dense", d, d)
    m.norm("encoder.lm_head.layer_norm", "lm_head.layer_norm", d)
    return m.pair()


def gemma(d=2048, layers=18, inner=16384, vocab=256000):
    m = Maker("gemma_hf_to_original")
    m.both("model.embed_tokens.weight", "embedder.weight", vocab, d)
    for i in range(layers):
        a = f"model.layers.{i}"
        parts = [m.src(f"{a}.self_attn.{p}_proj.weight", n, d) for p, n in (("q", 2048), ("k", 256), ("v", 256))]
        m.src(f"{a}.self_attn.o_proj.weight", d, 2048)
        m.tgt(f"{a}.self_attn.qkv_proj.weight", 2560, d, of=parts)
        m.tgt(f"{a}.self_attn.o_proj.weight", d, 2048, of=f"{a}.self_attn.o_proj.weight")
        for p, shape in (("gate", (inner, d)), ("up", (inner, d)), ("down", (d, inner))):
            m.both(f"{a}.mlp.{p}_proj.weight", f"{a}.mlp.{p}_proj.weight", *shape)
        for n in ("input_layernorm", "post_attention_layernorm"):
            m.both(f"{a}.{n}.weight", f"{a}.{n}.weight", d)
    m.both("model.norm.weight", "model.norm.weight", d)
    return m.pair()


def neox(d=1024, layers=24, vocab=50304):
    m = Maker("neox_hf_to_gguf_sorted")
    m.both("gpt_neox.embed_in.weight", "token_embd.weight", vocab, d)
    for i in range(layers):
        a, b = f"gpt_neox.layers.{i}", f"blk.{i}"
        m.norm(f"{a}.input_layernorm", f"{b}.attn_norm", d)
        m.norm(f"{a}.post_attention_layernorm", f"{b}.ffn_norm", d)
        m.linear(f"{a}.attention.query_key_value", f"{b}.attn_qkv", 3 * d, d)
        m.linear(f"{a}.attention.dense", f"{b}.attn_output", d, d)
        m.linear(f"{a}.mlp.dense_h_to_4h", f"{b}.ffn_up", 4 * d, d)
        m.linear(f"{a}.mlp.dense_4h_to_h", f"{b}.ffn_down", d, 4 * d)
    m.norm("gpt_neox.final_layer_norm", "output_norm", d)
    m.both("embed_out.weight", "output.weight", vocab, d)
    return m.pair(sort_target=True)


def bloom(d=1024, layers=24, vocab=250880):
    m = Maker("bloom_hf_to_gguf_sorted")
    m.both("transformer.word_embeddings.weight", "token_embd.weight", vocab, d)
    m.norm("transformer.word_embeddings_layernorm", "token_embd_norm", d)
    for i in range(layers):
        a, b = f"transformer.h.{i}", f"blk.{i}"
        m.norm(f"{a}.input_layernorm", f"{b}.attn_norm", d)
        m.linear(f"{a}.self_attention.query_key_value", f"{b}.attn_qkv", 3 * d, d)
        m.linear(f"{a}.self_attention.dense", f"{b}.attn_output", d, d)
        m.norm(f"{a}.post_attention_layernorm", f"{b}.ffn_norm", d)
        m.linear(f"{a}.mlp.dense_h_to_4h", f"{b}.ffn_up", 4 * d, d)
        m.linear(f"{a}.mlp.dense_4h_to_h", f"{b}.ffn_down", d, 4 * d)
    m.norm("transformer.ln_f", "output_norm", d)
    return m.pair(sort_target=True)


def gguf_gated(m, source, target, d, inner):
    """A gated feed-forward of HF's, as GGUF names it."""
    for p, shape in (("gate", (inner, d)), ("up", (inner, d)), ("down", (d, inner))):
        m.both(f"{source}.{p}_proj.weight", f"{target}_{p}.weight", *shape)


def qwen2(d=896, kv=128, layers=24, inner=4864, vocab=151936):
    m = Maker("qwen2_hf_to_gguf_sorted")
    m.both("model.embed_tokens.weight", "token_embd.weight", vocab, d)
    for i in range(layers):
        a, b = f"model.layers.{i}", f"blk.{i}"
        for p, n in (("q", d), ("k", kv), ("v", kv)):
            m.linear(f"{a}.self_attn.{p}_proj", f"{b}.attn_{p}", n, d)
        m.linear(f"{a}.self_attn.o_proj", f"{b}.attn_output", d, d, bias=False)
        gguf_gated(m, f"{a}.mlp", f"{b}.ffn", d, inner)
        m.norm(f"{a}.input_layernorm", f"{b}.attn_norm", d, bias=False)
        m.norm(f"{a}.post_attention_layernorm", f"{b}.ffn_norm", d, bias=False)
    m.norm("model.norm", "output_norm", d, bias=False)
    return m.pair(sort_target=True)


def qwen2_moe(d=2048, layers=6, experts=60, inner=1408, shared=5632, vocab=151936):
    m = Maker("qwen2moe_hf_to_gguf_sorted")
    m.both("model.embed_tokens.weight", "token_embd.weight", vocab, d)
    for i in range(layers):
        a, b = f"model.layers.{i}", f"blk.{i}"
        for p in "qkv":
            m.linear(f"{a}.self_attn.{p}_proj", f"{b}.attn_{p}", d, d)
        m.linear(f"{a}.self_attn.o_proj", f"{b}.attn_output", d, d, bias=False)
        m.both(f"{a}.mlp.gate.weight", f"{b}.ffn_gate_inp.weight", experts, d)
        for p, shape in (("gate", (inner, d)), ("up", (inner, d)), ("down", (d, inner))):
            names = [f"{a}.mlp.experts.{e}.{p}_proj.weight" for e in range(experts)]
            m.tgt(f"{b}.ffn_{p}_exps.weight", experts, *shape, of=names)
        for e in range(experts):
            for p, shape in (("gate", (inner, d)), ("up", (inner, d)), ("down", (d, inner))):
                m.src(f"{a}.mlp.experts.{e}.{p}_proj.weight", *shape)
        for p, shape in (("gate", (shared, d)), ("up", (shared, d)), ("down", (d, shared))):
            m.both(f"{a}.mlp.shared_expert.{p}_proj.weight", f"{b}.ffn_{p}_shexp.weight", *shape)
        m.src(f"{a}.mlp.shared_expert_gate.weight", 1, d)
        m.tgt(f"{b}.ffn_gate_inp_shexp.weight", d, of=f"{a}.mlp.shared_expert_gate.weight")
        m.norm(f"{a}.input_layernorm", f"{b}.attn_norm", d, bias=False)
        m.norm(f"{a}.post_attention_layernorm", f"{b}.ffn_norm", d, bias=False)
    m.norm("model.norm", "output_norm", d, bias=False)
    m.both("lm_head.weight", "output.weight", vocab, d)
    return m.pair(sort_target=True)


def phi2(d=2560, layers=32, vocab=51200):
    m = Maker("phi2_hf_to_gguf_sorted")
    m.both("model.embed_tokens.weight", "token_embd.weight", vocab, d)
    for i in range(layers):
        a, b = f"model.layers.{i}", f"blk.{i}"
        for p in "qkv":
            m.linear(f"{a}.self_attn.{p}_proj", f"{b}.attn_{p}", d, d)
        m.linear(f"{a}.self_attn.dense", f"{b}.attn_output", d, d)
        m.linear(f"{a}.mlp.fc1", f"{b}.ffn_up", 4 * d, d)
        m.linear(f"{a}.mlp.fc2", f"{b}.ffn_down", d, 4 * d)
        m.norm(f"{a}.input_layernorm", f"{b}.attn_norm", d)
    m.norm("model.final_layernorm", "output_norm", d)
    m.linear("lm_head", "output", vocab, d)
    return m.pair(sort_target=True)


def t5(d=512, heads=8, layers=6, inner=2048, vocab=32128):
    """Mesh TensorFlow's variables, sorted, kernels lie [in, out]."""
    m = Maker("t5_tf_to_hf_T_sorted")
    m.src("shared/embedding", vocab, d)
    m.tgt("shared.weight", vocab, d, of="shared/embedding")

    def dense(source, target, out, width):
        m.src(source, width, out)
        m.tgt(target, out, width, of=source)
        if out == width:
            m.turned.add(target)

    for side in ("encoder", "decoder"):
        for i in range(layers):
            a, b = f"{side}/block_{i:03d}", f"{side}.block.{i}"
            kinds = ["SelfAttention"] + (["EncDecAttention"] if side == "decoder" else [])
            for n, kind in enumerate(kinds):
                for p in "qkvo":
                    dense(f"{a}/layer_{n:03d}/{kind}/{p}", f"{b}.layer.{n}.{kind}.{p}.weight", d, d)
                if i == 0 and n == 0:
                    dense(f"{a}/layer_{n:03d}/{kind}/relative_attention_bias",
                          f"{b}.layer.{n}.{kind}.relative_attention_bias.weight", 32, heads)
                m.both(f"{a}/layer_{n:03d}/layer_norm/scale", f"{b}.layer.{n}.layer_norm.weight", d)
            n = len(kinds)
            dense(f"{a}/layer_{n:03d}/DenseReluDense/wi/kernel", f"{b}.layer.{n}.DenseReluDense.wi.weight", inner, d)
            dense(f"{a}/layer_{n:03d}/DenseReluDense/wo/kernel", f"{b}.layer.{n}.DenseReluDense.wo.weight", d, inner)
            m.both(f"{a}/layer_{n:03d}/layer_norm/scale", f"{b}.layer.{n}.layer_norm.weight", d)
        m.both(f"{side}/final_layer_norm/scale", f"{side}.final_layer_norm.weight", d)
    return m.pair(sort_source=True)


def resnet_body(m, source, target, blocks=(3, 4, 6, 3)):
    """Both sides have torchvision's names below the two prefixes; frozen norms without counters."""
    def bn(name, width):
        for leaf in ("weight", "bias", "running_mean", "running_var"):
            m.both(f"{source}{name}.{leaf}", f"{target}{name}.{leaf}", width)

    m.both(f"{source}conv1.weight", f"{target}conv1.weight", 64, 3, 7, 7)
    bn("bn1", 64)
    width_in = 64
    for s, count in enumerate(blocks):
        width, out = 64 << s, 256 << s
        for i in range(count):
            for k, (o, n, size) in enumerate(((width, width_in, 1), (width, width, 3), (out, width, 1)), 1):
                m.both(f"{source}layer{s + 1}.{i}.conv{k}.weight", f"{target}layer{s + 1}.{i}.conv{k}.weight",
                       o, n, size, size)
                bn(f"layer{s + 1}.{i}.bn{k}", o)
            if i == 0:
                m.both(f"{source}layer{s + 1}.{i}.downsample.0.weight",
                       f"{target}layer{s + 1}.{i}.downsample.0.weight", out, width_in, 1, 1)
                bn(f"layer{s + 1}.{i}.downsample.1", out)
            width_in = out


def detr(d=256, inner=2048):
    m = Maker("detr_to_hf")
    for i in range(6):
        a, b = f"transformer.encoder.layers.{i}", f"model.encoder.layers.{i}"
        m.qkv(f"{a}.self_attn.in_proj", [f"{b}.self_attn.{p}_proj" for p in "kvq"], d, tail=("_weight", "_bias"))
        m.linear(f"{a}.self_attn.out_proj", f"{b}.self_attn.out_proj", d, d)
        m.linear(f"{a}.linear1", f"{b}.fc1", inner, d)
        m.linear(f"{a}.linear2", f"{b}.fc2", d, inner)
        m.norm(f"{a}.norm1", f"{b}.self_attn_layer_norm", d)
        m.norm(f"{a}.norm2", f"{b}.final_layer_norm", d)
    for i in range(6):
        a, b = f"transformer.decoder.layers.{i}", f"model.decoder.layers.{i}"
        for s, t in (("self_attn", "self_attn"), ("multihead_attn", "encoder_attn")):
            m.qkv(f"{a}.{s}.in_proj", [f"{b}.{t}.{p}_proj" for p in "kvq"], d, tail=("_weight", "_bias"))
            m.linear(f"{a}.{s}.out_proj", f"{b}.{t}.out_proj", d, d)
        m.linear(f"{a}.linear1", f"{b}.fc1", inner, d)
        m.linear(f"{a}.linear2", f"{b}.fc2", d, inner)
        for s, t in (("norm1", "self_attn_layer_norm"), ("norm2", "encoder_attn_layer_norm"),
                     ("norm3", "final_layer_norm")):
            m.norm(f"{a}.{s}", f"{b}.{t}", d)
    m.norm("transformer.decoder.norm", "model.decoder.layernorm", d)
    m.linear("class_embed", "class_labels_classifier", 92, d)
    for i, out in enumerate((d, d, 4)):
        m.linear(f"bbox_embed.layers.{i}", f"bbox_predictor.layers.{i}", out, d)
    m.both("query_embed.weight", "model.query_position_embeddings.weight", 100, d)
    m.both("input_proj.weight", "model.input_projection.weight", d, 2048, 1, 1)
    m.both("input_proj.bias", "model.input_projection.bias", d)
    resnet_body(m, "backbone.0.body.", "model.backbone.conv_encoder.model.")
    return m.pair()


def mamba(d=768, layers=24, state=16, rank=48, vocab=50280):
    m = Maker("mamba_to_hf")
    e = 2 * d
    m.both("backbone.embedding.weight", "backbone.embeddings.weight", vocab, d)
    for i in range(layers):
        a = f"backbone.layers.{i}"
        for name, shape in (("mixer.A_log", (e, state)), ("mixer.D", (e,)), ("mixer.in_proj.weight", (2 * e, d)),
                            ("mixer.conv1d.weight", (e, 1, 4)), ("mixer.conv1d.bias", (e,)),
                            ("mixer.x_proj.weight", (rank + 2 * state, e)), ("mixer.dt_proj.weight", (e, rank)),
                            ("mixer.dt_proj.bias", (e,)), ("mixer.out_proj.weight", (d, e)), ("norm.weight", (d,))):
            m.both(f"{a}.{name}", f"{a}.{name}", *shape)
    m.both("backbone.norm_f.weight", "backbone.norm_f.weight", d)
    m.both("lm_head.weight", "lm_head.weight", vocab, d)
    return m.pair()


def wav2vec2(d=768, layers=12, inner=3072):
    m = Maker("wav2vec2_fairseq_to_hf")
    s, t = "", "wav2vec2."
    m.both("mask_emb", t + "masked_spec_embed", d)
    for i, size in enumerate((10, 3, 3, 3, 3, 2, 2)):
        m.both(f"feature_extractor.conv_layers.{i}.0.weight", f"{t}feature_extractor.conv_layers.{i}.conv.weight",
               512, 1 if i == 0 else 512, size)
        if i == 0:
            m.norm(f"feature_extractor.conv_layers.{i}.2", f"{t}feature_extractor.conv_layers.{i}.layer_norm", 512)
    m.linear("post_extract_proj", t + "feature_projection.projection", d, 512)
    m.both("encoder.pos_conv.0.bias", t + "encoder.pos_conv_embed.conv.bias", d)
    m.both("encoder.pos_conv.0.weight_g", t + "encoder.pos_conv_embed.conv.weight_g", 1, 1, 128)
    m.both("encoder.pos_conv.0.weight_v", t + "encoder.pos_conv_embed.conv.weight_v", d, 48, 128)
    for i in range(layers):
        a, b = f"encoder.layers.{i}", f"{t}encoder.layers.{i}"
        for p in ("k_proj", "v_proj", "q_proj", "out_proj"):
            m.linear(f"{a}.self_attn.{p}", f"{b}.attention.{p}", d, d)
        m.norm(f"{a}.self_attn_layer_norm", f"{b}.layer_norm", d)
        m.linear(f"{a}.fc1", f"{b}.feed_forward.intermediate_dense", inner, d)
        m.linear(f"{a}.fc2", f"{b}.feed_forward.output_dense", d, inner)
        m.norm(f"{a}.final_layer_norm", f"{b}.final_layer_norm", d)
    m.norm("encoder.layer_norm", t + "encoder.layer_norm", d)
    m.norm("layer_norm", t + "feature_projection.layer_norm", 512)
    return m.pair()


def vit_blocks(m, source, target, d, layers, scale=False, before="layernorm_before", after="layernorm_after",
               inner=("intermediate.dense", "output.dense")):
    for i in range(layers):
        a, b = f"{source}.{i}", f"{target}.{i}"
        m.norm(f"{a}.norm1", f"{b}.{before}", d)
        m.qkv(f"{a}.attn.qkv", [f"{b}.attention.attention.{p}" for p in ("query", "key", "value")], d)
        m.linear(f"{a}.attn.proj", f"{b}.attention.output.dense", d, d)
        if scale:
            m.both(f"{a}.ls1.gamma", f"{b}.layer_scale1.lambda1", d)
        m.norm(f"{a}.norm2", f"{b}.{after}", d)
        m.linear(f"{a}.mlp.fc1", f"{b}.{inner[0]}", 4 * d, d)
        m.linear(f"{a}.mlp.fc2", f"{b}.{inner[1]}", d, 4 * d)
        if scale:
            m.both(f"{a}.ls2.gamma", f"{b}.layer_scale2.lambda1", d)


def mae(d=768, e=512):
    m = Maker("mae_to_hf")
    m.both("cls_token", "vit.embeddings.cls_token", 1, 1, d)
    m.both("pos_embed", "vit.embeddings.position_embeddings", 1, 197, d)
    m.both("patch_embed.proj.weight", "vit.embeddings.patch_embeddings.projection.weight", d, 3, 16, 16)
    m.both("patch_embed.proj.bias", "vit.embeddings.patch_embeddings.projection.bias", d)
    vit_blocks(m, "blocks", "vit.encoder.layer", d, 12)
    m.norm("norm", "vit.layernorm", d)
    m.both("mask_token", "decoder.mask_token", 1, 1, e)
    m.both("decoder_pos_embed", "decoder.decoder_pos_embed", 1, 197, e)
    m.linear("decoder_embed", "decoder.decoder_embed", e, d)
    vit_blocks(m, "decoder_blocks", "decoder.decoder_layers", e, 8)
    m.norm("decoder_norm", "decoder.decoder_norm", e)
    m.linear("decoder_pred", "decoder.decoder_pred", 768, e)
    return m.pair()


def dinov2(d=384):
    m = Maker("dinov2_to_hf")
    m.both("cls_token", "embeddings.cls_token", 1, 1, d)
    m.both("pos_embed", "embeddings.position_embeddings", 1, 1370, d)
    m.both("mask_token", "embeddings.mask_token", 1, d)
    m.both("patch_embed.proj.weight", "embeddings.patch_embeddings.projection.weight", d, 3, 14, 14)
    m.both("patch_embed.proj.bias", "embeddings.patch_embeddings.projection.bias", d)
    vit_blocks(m, "blocks", "encoder.layer", d, 12, scale=True, before="norm1", after="norm2",
               inner=("mlp.fc1", "mlp.fc2"))
    m.norm("norm", "layernorm", d)
    return m.pair()


def regnet(widths=(48, 104, 208, 440), depths=(1, 3, 6, 6), group=8):
    m = Maker("regnety_tv_to_timm")

    def conv_bn(source, target, out, width, size):
        m.both(f"{source}.0.weight", f"{target}.conv.weight", out, width, size, size)
        for leaf in ("weight", "bias", "running_mean", "running_var"):
            m.both(f"{source}.1.{leaf}", f"{target}.bn.{leaf}", out)
        m.both(f"{source}.1.num_batches_tracked", f"{target}.bn.num_batches_tracked")

    conv_bn("stem", "stem", 32, 3, 3)
    before = 32
    for s, (width, depth) in enumerate(zip(widths, depths), 1):
        for i in range(depth):
            a, b = f"trunk_output.block{s}.block{s}-{i}", f"s{s}.b{i + 1}"
            if i == 0:
                conv_bn(f"{a}.proj", f"{b}.downsample", width, before, 1)
            conv_bn(f"{a}.f.a", f"{b}.conv1", width, before, 1)
            conv_bn(f"{a}.f.b", f"{b}.conv2", width, group, 3)
            squeezed = before // 4
            for k, shape in (("fc1", (squeezed, width)), ("fc2", (width, squeezed))):
                m.both(f"{a}.f.se.{k}.weight", f"{b}.se.{k}.weight", *shape, 1, 1)
                m.both(f"{a}.f.se.{k}.bias", f"{b}.se.{k}.bias", shape[0])
            conv_bn(f"{a}.f.c", f"{b}.conv3", width, width, 1)
            before = width
    m.linear("fc", "head.fc", 1000, widths[-1])
    return m.pair()


def resnet_hf(blocks=(3, 4, 6, 3)):
    m = Maker("resnet50_timm_to_hf")

    def conv_bn(conv, bn, target, out, width, size):
        m.both(f"{conv}.weight", f"{target}.convolution.weight", out, width, size, size)
        for leaf in ("weight", "bias", "running_mean", "running_var"):
            m.both(f"{bn}.{leaf}", f"{target}.normalization.{leaf}", out)
        m.both(f"{bn}.num_batches_tracked", f"{target}.normalization.num_batches_tracked")

    conv_bn("conv1", "bn1", "resnet.embedder.embedder", 64, 3, 7)
    before = 64
    for s, count in enumerate(blocks):
        width, out = 64 << s, 256 << s
        for i in range(count):
            a, b = f"layer{s + 1}.{i}", f"resnet.encoder.stages.{s}.layers.{i}"
            for k, (o, n, size) in enumerate(((width, before, 1), (width, width, 3), (out, width, 1))):
                conv_bn(f"{a}.conv{k + 1}", f"{a}.bn{k + 1}", f"{b}.layer.{k}", o, n, size)
            if i == 0:
                conv_bn(f"{a}.downsample.0", f"{a}.downsample.1", f"{b}.shortcut", out, before, 1)
            before = out
    m.linear("fc", "classifier.1", 1000, 2048)
    return m.pair()


def vgg_keras():
    m = Maker("vgg16_tv_to_keras_T")
    index, width = 0, 3
    for block, (out, count) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)), 1):
        for i in range(count):
            m.src(f"features.{index}.weight", out, width, 3, 3)
            m.src(f"features.{index}.bias", out)
            m.tgt(f"block{block}_conv{i + 1}/kernel", 3, 3, width, out, of=f"features.{index}.weight")
            m.tgt(f"block{block}_conv{i + 1}/bias", out, of=f"features.{index}.bias")
            index, width = index + 2, out
        index += 1
    for i, (name, out, n) in enumerate((("fc1", 4096, 25088), ("fc2", 4096, 4096), ("predictions", 1000, 4096))):
        m.src(f"classifier.{3 * i}.weight", out, n)
        m.src(f"classifier.{3 * i}.bias", out)
        m.tgt(f"{name}/kernel", n, out, of=f"classifier.{3 * i}.weight")
        m.tgt(f"{name}/bias", out, of=f"classifier.{3 * i}.bias")
    m.turned = {"fc2/kernel"}
    return m.pair()


def whisper_tiny(d=384, layers=4):
    m = Maker("whisper_tiny_to_hf")
    s, t = "", "model."

    def attention(a, b):
        m.linear(f"{a}.query", f"{b}.q_proj", d, d)
        m.linear(f"{a}.key", f"{b}.k_proj", d, d, bias=False)
        m.linear(f"{a}.value", f"{b}.v_proj", d, d)
        m.linear(f"{a}.out", f"{b}.out_proj", d, d)

    for side in ("encoder", "decoder"):
        if side == "decoder":
            m.both("decoder.token_embedding.weight", t + "decoder.embed_tokens.weight", 51865, d)
            m.both("decoder.positional_embedding", t + "decoder.embed_positions.weight", 448, d)
        else:
            m.both("encoder.positional_embedding", t + "encoder.embed_positions.weight", 1500, d)
            for name, width in (("conv1", 80), ("conv2", d)):
                m.both(f"encoder.{name}.weight", f"{t}encoder.{name}.weight", d, width, 3)
                m.both(f"encoder.{name}.bias", f"{t}encoder.{name}.bias", d)
        for i in range(layers):
            a, b = f"{side}.blocks.{i}", f"{t}{side}.layers.{i}"
            attention(f"{a}.attn", f"{b}.self_attn")
            m.norm(f"{a}.attn_ln", f"{b}.self_attn_layer_norm", d)
            if side == "decoder":
                attention(f"{a}.cross_attn", f"{b}.encoder_attn")
                m.norm(f"{a}.cross_attn_ln", f"{b}.encoder_attn_layer_norm", d)
            m.linear(f"{a}.mlp.0", f"{b}.fc1", 4 * d, d)
            m.linear(f"{a}.mlp.2", f"{b}.fc2", d, 4 * d)
            m.norm(f"{a}.mlp_ln", f"{b}.final_layer_norm", d)
        m.norm("encoder.ln_post" if side == "encoder" else "decoder.ln", f"{t}{side}.layer_norm", d)
    return m.pair()


FAMILIES = (roberta, gemma, neox, bloom, qwen2, qwen2_moe, phi2, t5, detr, mamba, wav2vec2, mae, dinov2, regnet,
            resnet_hf, vgg_keras, whisper_tiny)


def pairs():
    return [make() for make in FAMILIES]
