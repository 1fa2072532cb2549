"""Pairs of model families, as those of later.py, of libraries and of kinds of models that were not there yet; written down
and measured once before automatic alignment was worked on again. Sources: the conversion scripts of transformers, diffusers
and flash-linear-attention, big_vision, fairseq's mixture of experts, moshi, LAION's CLAP, unilm's WavLM, SAM 2, RT-DETR, Depth
Pro, SSD in PyTorch and torchvision, VoteNet and mmdetection3d, RepVGG and timm, PEFT, AutoGPTQ and vLLM, llama.cpp's
tensor_mapping.py, Stable-Baselines3 and CleanRL, DGL and PyG, KerasHub.
"""
from families import Maker
from held_out import batch_norm, dense
from later import Rows, norm_rows

QKV = ("query", "key", "value")


def sam2(d=96, depths=(1, 2, 7, 2), c=256, memory=64):
    """A picture encoder whose widths double, a decoder of two ways, and a memory: lists that became words."""
    m = Rows("sam2_hiera_tiny_to_hf")

    def perceptron(source, target, sizes, first="proj_in", last="proj_out"):
        for k, (n, out) in enumerate(zip(sizes, sizes[1:])):
            name = first if k == 0 else last if k == len(sizes) - 2 else f"layers.{k - 1}"
            m.layer(f"{source}.layers.{k}", f"{target}.{name}", out, n)

    def attention(source, target, inner, width=c, key_width=None):
        for p in "qkv":
            m.layer(f"{source}.{p}_proj", f"{target}.{p}_proj", inner, width if p == "q" else key_width or width)
        m.layer(f"{source}.out_proj", f"{target}.o_proj", width, inner)

    for s, t, *shape in (("maskmem_tpos_enc", "memory_temporal_positional_encoding", 7, 1, 1, memory),
                         ("no_mem_embed", "no_memory_embedding", 1, 1, c),
                         ("no_mem_pos_enc", "no_memory_positional_encoding", 1, 1, c),
                         ("no_obj_ptr", "no_object_pointer", 1, c),
                         ("no_obj_embed_spatial", "occlusion_spatial_embedding_parameter", 1, memory)):
        m.row(s, t, *shape)
    s, t = "image_encoder.trunk", "vision_encoder.backbone"
    m.row(f"{s}.pos_embed", f"{t}.pos_embed", 1, d, 7, 7)
    m.row(f"{s}.pos_embed_window", f"{t}.pos_embed_window", 1, d, 8, 8)
    m.layer(f"{s}.patch_embed.proj", f"{t}.patch_embed.projection", d, 3, 7, 7)
    at, before = 0, d
    for i, depth in enumerate(depths):
        for j in range(depth):
            width = d << i
            a, b = f"{s}.blocks.{at}", f"{t}.blocks.{at}"
            m.layer(f"{a}.norm1", f"{b}.layer_norm1", before)
            m.layer(f"{a}.attn.qkv", f"{b}.attn.qkv", 3 * width, before)
            m.layer(f"{a}.attn.proj", f"{b}.attn.proj", width, width)
            m.layer(f"{a}.norm2", f"{b}.layer_norm2", width)
            m.layer(f"{a}.mlp.layers.0", f"{b}.mlp.proj_in", 4 * width, width)
            m.layer(f"{a}.mlp.layers.1", f"{b}.mlp.proj_out", width, 4 * width)
            if width != before:
                m.layer(f"{a}.proj", f"{b}.proj", width, before)
            at, before = at + 1, width
    for k in range(4):
        m.layer(f"image_encoder.neck.convs.{k}.conv", f"vision_encoder.neck.convs.{k}", c, d << (3 - k), 1, 1)
    for i in range(4):
        a, b = f"memory_attention.layers.{i}", f"memory_attention.layers.{i}"
        attention(f"{a}.self_attn", f"{b}.self_attn", c)
        attention(f"{a}.cross_attn_image", f"{b}.cross_attn_image", c, c, memory)
        m.layer(f"{a}.linear1", f"{b}.linear1", 2048, c)
        m.layer(f"{a}.linear2", f"{b}.linear2", c, 2048)
        for k in (1, 2, 3):
            m.layer(f"{a}.norm{k}", f"{b}.layer_norm{k}", c)
    m.layer("memory_attention.norm", "memory_attention.layer_norm", c)
    s, t = "memory_encoder.mask_downsampler.encoder", "memory_encoder.mask_downsampler"
    for k, n in enumerate((4, 16, 64, 256)):
        m.layer(f"{s}.{3 * k}", f"{t}.layers.{k}.conv", n, n // 4, 3, 3)
        m.layer(f"{s}.{3 * k + 1}", f"{t}.layers.{k}.layer_norm", n)
    m.layer(f"{s}.12", f"{t}.final_conv", c, c, 1, 1)
    m.layer("memory_encoder.pix_feat_proj", "memory_encoder.feature_projection", c, c, 1, 1)
    for i in range(2):
        a, b = f"memory_encoder.fuser.layers.{i}", f"memory_encoder.memory_fuser.layers.{i}"
        m.row(f"{a}.gamma", f"{b}.scale", c)
        m.layer(f"{a}.dwconv", f"{b}.depthwise_conv", c, 1, 7, 7)
        m.layer(f"{a}.norm", f"{b}.layer_norm", c)
        m.layer(f"{a}.pwconv1", f"{b}.pointwise_conv1", 4 * c, c)
        m.layer(f"{a}.pwconv2", f"{b}.pointwise_conv2", c, 4 * c)
    m.layer("memory_encoder.out_proj", "memory_encoder.projection", memory, c, 1, 1)
    s, t = "sam_prompt_encoder", "prompt_encoder"
    m.row(f"{s}.pe_layer.positional_encoding_gaussian_matrix", f"{t}.shared_embedding.positional_embedding", 2, c // 2)
    for k in range(4):
        m.src(f"{s}.point_embeddings.{k}.weight", 1, c)
    m.tgt(f"{t}.point_embed.weight", 4, c, of=[f"{s}.point_embeddings.{k}.weight" for k in range(4)])
    m.row(f"{s}.not_a_point_embed.weight", f"{t}.not_a_point_embed.weight", 1, c)
    for k, (name, out, n, size) in enumerate((("conv1", 4, 1, 2), ("layer_norm1", 4, 0, 0), ("", 0, 0, 0), ("conv2", 16, 4, 2),
                                              ("layer_norm2", 16, 0, 0), ("", 0, 0, 0), ("conv3", c, 16, 1))):
        if name:
            m.layer(f"{s}.mask_downscaling.{k}", f"{t}.mask_embed.{name}", out, *((n, size, size) if n else ()))
    m.row(f"{s}.no_mask_embed.weight", f"{t}.no_mask_embed.weight", 1, c)
    s, t = "sam_mask_decoder", "mask_decoder"
    for i in range(2):
        a, b = f"{s}.transformer.layers.{i}", f"{t}.transformer.layers.{i}"
        attention(f"{a}.self_attn", f"{b}.self_attn", c)
        m.layer(f"{a}.norm1", f"{b}.layer_norm1", c)
        attention(f"{a}.cross_attn_token_to_image", f"{b}.cross_attn_token_to_image", c // 2)
        m.layer(f"{a}.norm2", f"{b}.layer_norm2", c)
        m.layer(f"{a}.mlp.layers.0", f"{b}.mlp.proj_in", 2048, c)
        m.layer(f"{a}.mlp.layers.1", f"{b}.mlp.proj_out", c, 2048)
        m.layer(f"{a}.norm3", f"{b}.layer_norm3", c)
        m.layer(f"{a}.norm4", f"{b}.layer_norm4", c)
        attention(f"{a}.cross_attn_image_to_token", f"{b}.cross_attn_image_to_token", c // 2)
    attention(f"{s}.transformer.final_attn_token_to_image", f"{t}.transformer.final_attn_token_to_image", c // 2)
    m.layer(f"{s}.transformer.norm_final_attn", f"{t}.transformer.layer_norm_final_attn", c)
    m.row(f"{s}.iou_token.weight", f"{t}.iou_token.weight", 1, c)
    m.row(f"{s}.mask_tokens.weight", f"{t}.mask_tokens.weight", 4, c)
    m.row(f"{s}.obj_score_token.weight", f"{t}.obj_score_token.weight", 1, c)
    m.row(f"{s}.output_upscaling.0.weight", f"{t}.upscale_conv1.weight", c, c // 4, 2, 2)
    m.row(f"{s}.output_upscaling.0.bias", f"{t}.upscale_conv1.bias", c // 4)
    m.layer(f"{s}.output_upscaling.1", f"{t}.upscale_layer_norm", c // 4)
    m.row(f"{s}.output_upscaling.3.weight", f"{t}.upscale_conv2.weight", c // 4, c // 8, 2, 2)
    m.row(f"{s}.output_upscaling.3.bias", f"{t}.upscale_conv2.bias", c // 8)
    m.layer(f"{s}.conv_s0", f"{t}.conv_s0", c // 8, c, 1, 1)
    m.layer(f"{s}.conv_s1", f"{t}.conv_s1", c // 4, c, 1, 1)
    for k in range(4):
        perceptron(f"{s}.output_hypernetworks_mlps.{k}", f"{t}.output_hypernetworks_mlps.{k}", (c, c, c, c // 8))
    perceptron(f"{s}.iou_prediction_head", f"{t}.iou_prediction_head", (c, c, c, 4))
    perceptron(f"{s}.pred_obj_score_head", f"{t}.pred_obj_score_head", (c, c, c, 1))
    perceptron("obj_ptr_proj", "object_pointer_proj", (c, c, c, c))
    m.layer("obj_ptr_tpos_proj", "temporal_positional_encoding_projection_layer", memory, c)
    m.layer("mask_downsample", "mask_downsample", 1, 1, 4, 4)
    m.put("vision_encoder", "prompt_encoder", "mask_decoder", "no_memory_embedding", "memory_attention", "memory_encoder",
          "no_memory_pos", "memory_temporal", "no_object", "mask_downsample", "object_pointer_proj", "temporal_pos")
    return m.pair()


def rtdetr(d=256, widths=(64, 128, 256, 512), classes=80):
    """A detector of convolutions and attention whose heads lie in the decoder, and are shared out again."""
    m = Rows("rtdetr_r18vd_to_hf")

    def conv(source, target, out, n, size, names=("conv", "norm"), others=("convolution", "normalization")):
        m.row(f"{source}.{names[0]}.weight", f"{target}.{others[0]}.weight", out, n, size, size)
        norm_rows(m, f"{source}.{names[1]}", f"{target}.{others[1]}", out)

    def packed(a, b):
        m.src(f"{a}.self_attn.in_proj_weight", 3 * d, d)
        m.src(f"{a}.self_attn.in_proj_bias", 3 * d)
        for p in "kvq":
            m.waiting.append((f"{b}.self_attn.{p}_proj.weight", (d, d), f"{a}.self_attn.in_proj_weight"))
            m.waiting.append((f"{b}.self_attn.{p}_proj.bias", (d,), f"{a}.self_attn.in_proj_bias"))
        m.layer(f"{a}.self_attn.out_proj", f"{b}.self_attn.out_proj", d, d)
        m.layer(f"{a}.norm1", f"{b}.self_attn_layer_norm", d)

    s, t = "backbone", "model.backbone.model"
    for k, (out, n) in enumerate(((32, 3), (32, 32), (64, 32))):
        conv(f"{s}.conv1.conv1_{k + 1}", f"{t}.embedder.embedder.{k}", out, n, 3)
    before = 64
    for i, width in enumerate(widths):
        for j in range(2):
            a, b = f"{s}.res_layers.{i}.blocks.{j}", f"{t}.encoder.stages.{i}.layers.{j}"
            if j == 0:
                conv(f"{a}.short" + (".conv" if i else ""), f"{b}.shortcut" + (".1" if i else ""), width, before, 1)
            conv(f"{a}.branch2a", f"{b}.layer.0", width, width if j else before, 3)
            conv(f"{a}.branch2b", f"{b}.layer.1", width, width, 3)
        before = width
    for k in range(3):
        m.row(f"encoder.input_proj.{k}.0.weight", f"model.encoder_input_proj.{k}.0.weight", d, widths[k + 1], 1, 1)
        norm_rows(m, f"encoder.input_proj.{k}.1", f"model.encoder_input_proj.{k}.1", d)
    a, b = "encoder.encoder.0.layers.0", "model.encoder.encoder.0.layers.0"
    packed(a, b)
    m.layer(f"{a}.linear1", f"{b}.fc1", 1024, d)
    m.layer(f"{a}.linear2", f"{b}.fc2", d, 1024)
    m.layer(f"{a}.norm2", f"{b}.final_layer_norm", d)
    for k in range(2):
        conv(f"encoder.lateral_convs.{k}", f"model.encoder.lateral_convs.{k}", d, d, 1, others=("conv", "norm"))
    for part in ("fpn", "pan"):
        for k in range(2):
            a, b = f"encoder.{part}_blocks.{k}", f"model.encoder.{part}_blocks.{k}"
            for i, out, n in ((1, d // 2, 2 * d), (2, d // 2, 2 * d), (3, d, d // 2)):
                conv(f"{a}.conv{i}", f"{b}.conv{i}", out, n, 1, others=("conv", "norm"))
            for i in range(3):
                for q, size in ((1, 3), (2, 1)):
                    conv(f"{a}.bottlenecks.{i}.conv{q}", f"{b}.bottlenecks.{i}.conv{q}", d // 2, d // 2, size, others=("conv", "norm"))
            if part == "pan":
                conv(f"encoder.downsample_convs.{k}", f"model.encoder.downsample_convs.{k}", d, d, 3, others=("conv", "norm"))
    for k in range(3):
        conv(f"decoder.input_proj.{k}", f"model.decoder_input_proj.{k}", d, d, 1, others=("0", "1"))
    for i in range(3):
        a, b = f"decoder.decoder.layers.{i}", f"model.decoder.layers.{i}"
        packed(a, b)
        for p, out in (("sampling_offsets", 192), ("attention_weights", 96), ("value_proj", d), ("output_proj", d)):
            m.layer(f"{a}.cross_attn.{p}", f"{b}.encoder_attn.{p}", out, d)
        m.layer(f"{a}.norm2", f"{b}.encoder_attn_layer_norm", d)
        m.layer(f"{a}.linear1", f"{b}.fc1", 1024, d)
        m.layer(f"{a}.linear2", f"{b}.fc2", d, 1024)
        m.layer(f"{a}.norm3", f"{b}.final_layer_norm", d)
    m.row("decoder.denoising_class_embed.weight", "model.denoising_class_embed.weight", classes + 1, d)
    m.layer("decoder.query_pos_head.layers.0", "model.decoder.query_pos_head.layers.0", 2 * d, 4)
    m.layer("decoder.query_pos_head.layers.1", "model.decoder.query_pos_head.layers.1", d, 2 * d)
    m.layer("decoder.enc_output.0", "model.enc_output.0", d, d)
    m.layer("decoder.enc_output.1", "model.enc_output.1", d)
    m.layer("decoder.enc_score_head", "model.enc_score_head", classes, d)
    for k, out in enumerate((d, d, 4)):
        m.layer(f"decoder.enc_bbox_head.layers.{k}", f"model.enc_bbox_head.layers.{k}", out, d)
    for i in range(3):
        m.layer(f"decoder.dec_score_head.{i}", f"model.decoder.class_embed.{i}", classes, d)
    for i in range(3):
        for k, out in enumerate((d, d, 4)):
            m.layer(f"decoder.dec_bbox_head.{i}.layers.{k}", f"model.decoder.bbox_embed.{i}.layers.{k}", out, d)
    m.put("model.backbone", "encoder_input_proj", "model.encoder", "denoising", "enc_output", "enc_score", "enc_bbox",
          "decoder_input_proj", "decoder.layers", "query_pos", "class_embed", "bbox_embed")
    return m.pair()


def ssd(classes=91):
    """A list that goes on, extras, and heads that alternate; torchvision nests them."""
    m = Rows("ssd300_vgg_amdegroot_to_tv")
    n = 3
    places = {0: 64, 2: 64, 5: 128, 7: 128, 10: 256, 12: 256, 14: 256, 17: 512, 19: 512, 21: 512}
    for k, out in places.items():
        m.layer(f"vgg.{k}", f"backbone.features.{k}", out, n, 3, 3)
        n = out
    m.row("L2Norm.weight", "backbone.scale_weight", 512)
    for a, b in ((24, "0.1"), (26, "0.3"), (28, "0.5")):
        m.layer(f"vgg.{a}", f"backbone.extra.{b}", 512, 512, 3, 3)
    m.layer("vgg.31", "backbone.extra.0.7.1", 1024, 512, 3, 3)
    m.layer("vgg.33", "backbone.extra.0.7.3", 1024, 1024, 1, 1)
    n = 1024
    for k, (mid, out) in enumerate(((256, 512), (128, 256), (128, 256), (128, 256))):
        m.layer(f"extras.{2 * k}", f"backbone.extra.{k + 1}.0", mid, n, 1, 1)
        m.layer(f"extras.{2 * k + 1}", f"backbone.extra.{k + 1}.2", out, mid, 3, 3)
        n = out
    widths, boxes = (512, 1024, 512, 256, 256, 256), (4, 6, 6, 6, 4, 4)
    for a, b, size in (("loc", "regression_head", 4), ("conf", "classification_head", classes)):
        for k, (width, count) in enumerate(zip(widths, boxes)):
            m.layer(f"{a}.{k}", f"head.{b}.module_list.{k}", count * size, width, 3, 3)
    m.put("backbone.scale", "backbone.features", "backbone.extra", "classification", "regression")
    return m.pair()


def votenet():
    """Facebook's point network and mmdetection3d's, with wrappers of a convolution and of its norm."""
    m = Rows("votenet_to_mmdet3d")

    def shared(source, target, sizes, rank):
        for k, (n, out) in enumerate(zip(sizes, sizes[1:])):
            m.row(f"{source}.layer{k}.conv.weight", f"{target}.layer{k}.conv.weight", out, n, *[1] * rank)
            norm_rows(m, f"{source}.layer{k}.bn.bn", f"{target}.layer{k}.bn", out)

    for k, sizes in enumerate(((4, 64, 64, 128), (131, 128, 128, 256), (259, 128, 128, 256), (259, 128, 128, 256))):
        shared(f"backbone_net.sa{k + 1}.mlp_module", f"backbone.SA_modules.{k}.mlps.0", sizes, 2)
    for k in range(2):
        shared(f"backbone_net.fp{k + 1}.mlp", f"backbone.FP_modules.{k}.mlps", (512, 256, 256), 2)
    for k in (1, 2):
        m.layer(f"vgen.conv{k}", f"bbox_head.vote_module.vote_conv.{k - 1}.conv", 256, 256, 1)
    m.layer("vgen.conv3", "bbox_head.vote_module.conv_out", 259, 256, 1)
    for k in (1, 2):
        norm_rows(m, f"vgen.bn{k}", f"bbox_head.vote_module.vote_conv.{k - 1}.bn", 256)
    shared("pnet.vote_aggregation.mlp_module", "bbox_head.vote_aggregation.mlps.0", (259, 128, 128, 128), 2)
    for k in (1, 2):
        m.layer(f"pnet.conv{k}", f"bbox_head.conv_pred.shared_convs.layer{k - 1}.conv", 128, 128, 1)
    m.layer("pnet.conv3", "bbox_head.conv_pred.conv_out", 97, 128, 1)
    for k in (1, 2):
        norm_rows(m, f"pnet.bn{k}", f"bbox_head.conv_pred.shared_convs.layer{k - 1}.bn", 128)
    m.put("backbone", "vote_conv.0", "vote_conv.1", "vote_module", "vote_aggregation", "shared_convs.layer0", "shared_convs.layer1")
    return m.pair()


def wavlm(d=768, layers=12):
    """An encoder of fairseq's kind with a gate for its relative positions, whose table only the first layer has."""
    m = Rows("wavlm_base_to_hf")
    m.row("mask_emb", "masked_spec_embed", d)
    for k, size in enumerate((10, 3, 3, 3, 3, 2, 2)):
        a, b = f"feature_extractor.conv_layers.{k}", f"feature_extractor.conv_layers.{k}"
        m.row(f"{a}.0.weight", f"{b}.conv.weight", 512, 512 if k else 1, size)
        if k == 0:
            m.layer(f"{a}.2", f"{b}.layer_norm", 512)
    m.layer("post_extract_proj", "feature_projection.projection", d, 512)
    m.row("encoder.pos_conv.0.bias", "encoder.pos_conv_embed.conv.bias", d)
    m.row("encoder.pos_conv.0.weight_g", "encoder.pos_conv_embed.conv.weight_g", 1, 1, 128)
    m.row("encoder.pos_conv.0.weight_v", "encoder.pos_conv_embed.conv.weight_v", d, d // 16, 128)
    for i in range(layers):
        a, b = f"encoder.layers.{i}", f"encoder.layers.{i}"
        m.row(f"{a}.self_attn.grep_a", f"{b}.attention.gru_rel_pos_const", 1, 12, 1, 1)
        if i == 0:
            m.row(f"{a}.self_attn.relative_attention_bias.weight", f"{b}.attention.rel_attn_embed.weight", 320, 12)
        for p in "kvq":
            m.layer(f"{a}.self_attn.{p}_proj", f"{b}.attention.{p}_proj", d, d)
        m.layer(f"{a}.self_attn.out_proj", f"{b}.attention.out_proj", d, d)
        m.layer(f"{a}.self_attn.grep_linear", f"{b}.attention.gru_rel_pos_linear", 8, 64)
        m.layer(f"{a}.self_attn_layer_norm", f"{b}.layer_norm", d)
        m.layer(f"{a}.fc1", f"{b}.feed_forward.intermediate_dense", 4 * d, d)
        m.layer(f"{a}.fc2", f"{b}.feed_forward.output_dense", d, 4 * d)
        m.layer(f"{a}.final_layer_norm", f"{b}.final_layer_norm", d)
    m.layer("encoder.layer_norm", "encoder.layer_norm", d)
    m.layer("layer_norm", "feature_projection.layer_norm", 512)
    m.put("masked", "feature_extractor", "feature_projection.layer_norm", "feature_projection", "pos_conv", "encoder.layer_norm")
    return m.pair()


def clap(d=96, depths=(2, 2, 6, 2), heads=(4, 8, 16, 32), words=768, layers=12):
    """Swin over a spectrogram and RoBERTa, and a projection of each."""
    m = Rows("clap_htsat_tiny_to_hf")
    m.row("logit_scale_a", "logit_scale_a")
    m.row("logit_scale_t", "logit_scale_t")
    s, t = "audio_branch", "audio_model.audio_encoder"
    norm_rows(m, f"{s}.bn0", f"{t}.batch_norm", 64)
    m.layer(f"{s}.patch_embed.proj", f"{t}.patch_embed.proj", d, 1, 4, 4)
    m.layer(f"{s}.patch_embed.norm", f"{t}.patch_embed.norm", d)
    for i, depth in enumerate(depths):
        width = d << i
        for j in range(depth):
            a, b = f"{s}.layers.{i}.blocks.{j}", f"{t}.layers.{i}.blocks.{j}"
            m.layer(f"{a}.norm1", f"{b}.layernorm_before", width)
            m.row(f"{a}.attn.relative_position_bias_table", f"{b}.attention.self.relative_position_bias_table", 225, heads[i])
            m.row(f"{a}.attn.relative_position_index", f"{b}.attention.self.relative_position_index", 64, 64)
            m.parts(f"{a}.attn.qkv", [f"{b}.attention.self.{p}" for p in QKV], (width,) * 3, width)
            m.layer(f"{a}.attn.proj", f"{b}.attention.output.dense", width, width)
            m.layer(f"{a}.norm2", f"{b}.layernorm_after", width)
            m.layer(f"{a}.mlp.fc1", f"{b}.intermediate.dense", 4 * width, width)
            m.layer(f"{a}.mlp.fc2", f"{b}.output.dense", width, 4 * width)
        if i < 3:
            m.row(f"{s}.layers.{i}.downsample.reduction.weight", f"{t}.layers.{i}.downsample.reduction.weight", 2 * width, 4 * width)
            m.layer(f"{s}.layers.{i}.downsample.norm", f"{t}.layers.{i}.downsample.norm", 4 * width)
    m.layer(f"{s}.norm", f"{t}.norm", 768)
    for part, out, n in (("tscam_conv", 527, (768, 2, 3)), ("head", 527, (527,))):
        m.src(f"{s}.{part}.weight", out, *n)
        m.src(f"{s}.{part}.bias", out)
    s = t = "text_branch"
    t = "text_model"
    for name, count in (("word", 50265), ("position", 514), ("token_type", 1)):
        m.row(f"{s}.embeddings.{name}_embeddings.weight", f"{t}.embeddings.{name}_embeddings.weight", count, words)
    m.layer(f"{s}.embeddings.LayerNorm", f"{t}.embeddings.LayerNorm", words)
    for i in range(layers):
        a, b = f"{s}.encoder.layer.{i}", f"{t}.encoder.layer.{i}"
        for part, out, n in ([(f"attention.self.{p}", words, words) for p in QKV] +
                             [("attention.output.dense", words, words), ("attention.output.LayerNorm", words, 0),
                              ("intermediate.dense", 4 * words, words), ("output.dense", words, 4 * words),
                              ("output.LayerNorm", words, 0)]):
            m.layer(f"{a}.{part}", f"{b}.{part}", out, *((n,) if n else ()))
    m.layer(f"{s}.pooler.dense", f"{t}.pooler.dense", words, words)
    for part, n in (("text", words), ("audio", 768)):
        m.layer(f"{part}_projection.0", f"{part}_projection.linear1", 512, n)
        m.layer(f"{part}_projection.2", f"{part}_projection.linear2", 512, 512)
    m.put("logit", "audio_model", "audio_projection", "text_model", "text_projection")
    return m.pair()


def mimi(d=512, layers=8, width=64, books=7):
    """An audio codec whose convolutions are wrapped three deep, with two small transformers and two quantizers."""
    m = Rows("mimi_moshi_to_hf")

    def wrapped(source, target, out, n, size, way="conv", bias=True):
        m.row(f"{source}.{way}.{way}.weight", f"{target}.conv.weight", out, n, size)
        if bias:
            m.row(f"{source}.{way}.{way}.bias", f"{target}.conv.bias", n if way == "convtr" else out)

    def block(part, at, n):
        a, b = f"{part}.model.{at}", f"{part}.layers.{at}"
        wrapped(f"{a}.block.1", f"{b}.block.1", n // 2, n, 3)
        wrapped(f"{a}.block.3", f"{b}.block.3", n, n // 2, 1)

    def transformer(part):
        for i in range(layers):
            a, b = f"{part}_transformer.transformer.layers.{i}", f"{part}_transformer.layers.{i}"
            m.src(f"{a}.self_attn.in_proj_weight", 3 * d, d)
            for p in "qkv":
                m.waiting.append((f"{b}.self_attn.{p}_proj.weight", (d, d), f"{a}.self_attn.in_proj_weight"))
            m.row(f"{a}.self_attn.out_proj.weight", f"{b}.self_attn.o_proj.weight", d, d)
            m.layer(f"{a}.norm1", f"{b}.input_layernorm", d)
            m.layer(f"{a}.norm2", f"{b}.post_attention_layernorm", d)
            m.row(f"{a}.linear1.weight", f"{b}.mlp.fc1.weight", 4 * d, d)
            m.row(f"{a}.linear2.weight", f"{b}.mlp.fc2.weight", d, 4 * d)
            m.row(f"{a}.layer_scale_1.scale", f"{b}.self_attn_layer_scale.scale", d)
            m.row(f"{a}.layer_scale_2.scale", f"{b}.mlp_layer_scale.scale", d)
            m.put("q_proj", "k_proj", "v_proj", "o_proj", "mlp.fc", "input_layernorm", "post_attention", "self_attn_layer_scale")

    wrapped("encoder.model.0.conv", "encoder.layers.0", width, 1, 7)
    n, at = width, 1
    for ratio in (4, 5, 6, 8):
        block("encoder", at, n)
        wrapped(f"encoder.model.{at + 2}.conv", f"encoder.layers.{at + 2}", 2 * n, n, 2 * ratio)
        n, at = 2 * n, at + 3
    wrapped(f"encoder.model.{at + 1}.conv", f"encoder.layers.{at + 1}", d, n, 3)
    m.put()
    transformer("encoder")
    wrapped("decoder.model.0.conv", "decoder.layers.0", n, d, 7)
    at = 2
    for ratio in (8, 6, 5, 4):
        wrapped(f"decoder.model.{at}.convtr", f"decoder.layers.{at}", n, n // 2, 2 * ratio, "convtr")
        n = n // 2
        block("decoder", at + 1, n)
        at += 3
    wrapped(f"decoder.model.{at}.conv", f"decoder.layers.{at}", 1, n, 3)
    waiting, m.waiting = m.waiting, []
    transformer("decoder")
    m.waiting = waiting
    m.row("downsample.conv.conv.conv.weight", "downsample.conv.weight", d, d, 4)
    m.row("upsample.convtr.convtr.convtr.weight", "upsample.conv.weight", d, 1, 4)
    for s, t, count in (("first", "semantic", 1), ("rest", "acoustic", books)):
        a, b = f"quantizer.rvq_{s}", f"quantizer.{t}_residual_vector_quantizer"
        m.row(f"{a}.input_proj.weight", f"{b}.input_proj.weight", 256, d, 1)
        m.row(f"{a}.output_proj.weight", f"{b}.output_proj.weight", d, 256, 1)
        for k in range(count):
            a, b = f"quantizer.rvq_{s}.vq.layers.{k}._codebook", f"quantizer.{t}_residual_vector_quantizer.layers.{k}.codebook"
            m.row(f"{a}._initialized", f"{b}.initialized", 1)
            m.row(f"{a}.cluster_usage", f"{b}.cluster_usage", 2048)
            m.row(f"{a}.embedding_sum", f"{b}.embed_sum", 2048, 256)
    m.put("downsample", "upsample", "decoder", "quantizer")
    return m.pair()


def sana(d=1120, layers=14, words=2304, hidden=2800):
    """A diffusion transformer with linear attention, convolutions as its feed-forward part, and one shared norm."""
    m = Rows("sana_600m_to_diffusers")
    m.src("pos_embed", 1, 256, d)
    m.layer("x_embedder.proj", "patch_embed.proj", d, 32, 1, 1)
    for k in (0, 2):
        m.layer(f"t_embedder.mlp.{k}", f"time_embed.emb.timestep_embedder.linear_{k // 2 + 1}", d, d if k else 256)
    m.layer("t_block.1", "time_embed.linear", 6 * d, d)
    m.src("y_embedder.y_embedding", 300, words)
    for k in (1, 2):
        m.layer(f"y_embedder.y_proj.fc{k}", f"caption_projection.linear_{k}", d, d if k == 2 else words)
    m.row("attention_y_norm.weight", "caption_norm.weight", d)
    for i in range(layers):
        a, b = f"blocks.{i}", f"transformer_blocks.{i}"
        m.row(f"{a}.scale_shift_table", f"{b}.scale_shift_table", 6, d)
        m.parts(f"{a}.attn.qkv", [f"{b}.attn1.to_{p}" for p in "qkv"], (d,) * 3, d, bias=False)
        m.layer(f"{a}.attn.proj", f"{b}.attn1.to_out.0", d, d)
        m.layer(f"{a}.cross_attn.q_linear", f"{b}.attn2.to_q", d, d)
        m.parts(f"{a}.cross_attn.kv_linear", [f"{b}.attn2.to_{p}" for p in "kv"], (d, d), d)
        m.layer(f"{a}.cross_attn.proj", f"{b}.attn2.to_out.0", d, d)
        m.layer(f"{a}.mlp.inverted_conv.conv", f"{b}.ff.conv_inverted", 2 * hidden, d, 1, 1)
        m.layer(f"{a}.mlp.depth_conv.conv", f"{b}.ff.conv_depth", 2 * hidden, 1, 3, 3)
        m.layer(f"{a}.mlp.point_conv.conv", f"{b}.ff.conv_point", d, hidden, 1, 1, bias=False)
    m.layer("final_layer.linear", "proj_out", 32, d)
    m.row("final_layer.scale_shift_table", "scale_shift_table", 2, d)
    waiting, m.waiting = m.waiting, []
    m.waiting = [row for row in waiting if row[0] == "scale_shift_table"] + [row for row in waiting if row[0] != "scale_shift_table"]
    m.put()
    return m.pair()


def cogvideox(d=1920, layers=10, words=4096):
    """SwissArmyTransformer's names, whose norms of queries lie outside of the layers, and diffusers'."""
    m = Rows("cogvideox_2b_sat_to_diffusers")
    s = "model.diffusion_model"
    for k in (0, 2):
        m.layer(f"{s}.time_embed.{k}", f"time_embedding.linear_{k // 2 + 1}", 512, 512 if k else d)
    for i in range(layers):
        a, b = f"{s}.transformer.layers.{i}", f"transformer_blocks.{i}"
        m.layer(f"{a}.input_layernorm", f"{b}.norm1.norm", d)
        m.parts(f"{a}.attention.query_key_value", [f"{b}.attn1.to_{p}" for p in "qkv"], (d,) * 3, d)
        m.layer(f"{a}.attention.dense", f"{b}.attn1.to_out.0", d, d)
        m.layer(f"{a}.post_attention_layernorm", f"{b}.norm2.norm", d)
        m.layer(f"{a}.mlp.dense_h_to_4h", f"{b}.ff.net.0.proj", 4 * d, d)
        m.layer(f"{a}.mlp.dense_4h_to_h", f"{b}.ff.net.2", d, 4 * d)
    m.layer(f"{s}.transformer.final_layernorm", "norm_final", d)
    m.layer(f"{s}.mixins.patch_embed.proj", "patch_embed.proj", d, 16, 2, 2)
    m.layer(f"{s}.mixins.patch_embed.text_proj", "patch_embed.text_proj", d, words)
    for part, name in (("query", "q"), ("key", "k")):
        for i in range(layers):
            m.layer(f"{s}.mixins.adaln_layer.{part}_layernorm_list.{i}", f"transformer_blocks.{i}.attn1.norm_{name}", 64)
    m.layer(f"{s}.mixins.final_layer.norm_final", "norm_out.norm", d)
    m.layer(f"{s}.mixins.final_layer.linear", "proj_out", 64, d)
    m.layer(f"{s}.mixins.final_layer.adaLN_modulation.1", "norm_out.linear", 2 * d, 512)
    m.put("patch_embed", "time_embedding", *(f"blocks.{i}.{part}" for i in range(layers)
                                            for part in ("norm1", "attn1.norm_q", "attn1.norm_k", "attn1", "norm2", "ff")))
    return m.pair()


def paligemma(d=1152, layers=27, words=2048, deep=18, inner=4304, wide=16384):
    """Both towers of big_vision with all their layers in one tensor."""
    m = Maker("paligemma_3b_big_vision_to_hf_T_sorted")
    s, t = "params/img/Transformer", "vision_tower.vision_model"
    m.src("params/img/embedding/kernel", 14, 14, 3, d)
    m.tgt(f"{t}.embeddings.patch_embedding.weight", d, 3, 14, 14, of="params/img/embedding/kernel")
    m.both("params/img/embedding/bias", f"{t}.embeddings.patch_embedding.bias", d)
    m.src("params/img/pos_embedding", 1, 256, d)
    m.tgt(f"{t}.embeddings.position_embedding.weight", 256, d, of="params/img/pos_embedding")
    h, block = d // 16, f"{s}/encoderblock"
    attention = f"{block}/MultiHeadDotProductAttention_0"
    for p in ("key", "value", "query"):
        m.src(f"{attention}/{p}/kernel", layers, d, 16, h)
        m.src(f"{attention}/{p}/bias", layers, 16, h)
    m.src(f"{attention}/out/kernel", layers, 16, h, d)
    m.src(f"{attention}/out/bias", layers, d)
    for k, (n, out) in enumerate(((d, inner), (inner, d))):
        m.src(f"{block}/MlpBlock_0/Dense_{k}/kernel", layers, n, out)
        m.src(f"{block}/MlpBlock_0/Dense_{k}/bias", layers, out)
        m.src(f"{block}/LayerNorm_{k}/scale", layers, d)
        m.src(f"{block}/LayerNorm_{k}/bias", layers, d)
    for i in range(layers):
        b = f"{t}.encoder.layers.{i}"
        for p, q in (("k", "key"), ("v", "value"), ("q", "query")):
            m.tgt(f"{b}.self_attn.{p}_proj.weight", d, d, of=f"{attention}/{q}/kernel")
            m.tgt(f"{b}.self_attn.{p}_proj.bias", d, of=f"{attention}/{q}/bias")
        m.tgt(f"{b}.self_attn.out_proj.weight", d, d, of=f"{attention}/out/kernel")
        m.tgt(f"{b}.self_attn.out_proj.bias", d, of=f"{attention}/out/bias")
        for k in range(2):
            m.tgt(f"{b}.layer_norm{k + 1}.weight", d, of=f"{block}/LayerNorm_{k}/scale")
            m.tgt(f"{b}.layer_norm{k + 1}.bias", d, of=f"{block}/LayerNorm_{k}/bias")
            m.tgt(f"{b}.mlp.fc{k + 1}.weight", *((inner, d), (d, inner))[k], of=f"{block}/MlpBlock_0/Dense_{k}/kernel")
            m.tgt(f"{b}.mlp.fc{k + 1}.bias", (inner, d)[k], of=f"{block}/MlpBlock_0/Dense_{k}/bias")
    m.both(f"{s}/encoder_norm/scale", f"{t}.post_layernorm.weight", d)
    m.both(f"{s}/encoder_norm/bias", f"{t}.post_layernorm.bias", d)
    dense(m, "params/img/head/kernel", "multi_modal_projector.linear.weight", words, d)
    m.both("params/img/head/bias", "multi_modal_projector.linear.bias", words)
    s, t = "params/llm", "language_model.model"
    m.both(f"{s}/embedder/input_embedding", f"{t}.embed_tokens.weight", 257152, words)
    a = f"{s}/layers"
    m.src(f"{a}/attn/q_einsum/w", deep, 8, words, 256)
    m.src(f"{a}/attn/kv_einsum/w", deep, 2, 1, words, 256)
    m.src(f"{a}/attn/attn_vec_einsum/w", deep, 8, 256, words)
    m.src(f"{a}/mlp/gating_einsum", deep, 2, words, wide)
    m.src(f"{a}/mlp/linear", deep, wide, words)
    for part in ("pre_attention_norm", "pre_ffw_norm"):
        m.src(f"{a}/{part}/scale", deep, words)
    for i in range(deep):
        b = f"{t}.layers.{i}"
        m.tgt(f"{b}.self_attn.q_proj.weight", words, words, of=f"{a}/attn/q_einsum/w")
        for p in "kv":
            m.tgt(f"{b}.self_attn.{p}_proj.weight", 256, words, of=f"{a}/attn/kv_einsum/w")
        m.tgt(f"{b}.self_attn.o_proj.weight", words, words, of=f"{a}/attn/attn_vec_einsum/w")
        for p in ("gate", "up"):
            m.tgt(f"{b}.mlp.{p}_proj.weight", wide, words, of=f"{a}/mlp/gating_einsum")
        m.tgt(f"{b}.mlp.down_proj.weight", words, wide, of=f"{a}/mlp/linear")
        m.tgt(f"{b}.input_layernorm.weight", words, of=f"{a}/pre_attention_norm/scale")
        m.tgt(f"{b}.post_attention_layernorm.weight", words, of=f"{a}/pre_ffw_norm/scale")
    m.both(f"{s}/final_norm/scale", f"{t}.norm.weight", words)
    return m.pair(sort_source=True)


def nllb_moe(d=1024, layers=8, experts=8, inner=4096, vocab=256206):
    """An encoder and a decoder of which every fourth layer has experts."""
    m = Rows("nllb_moe_fairseq_to_hf")
    m.row("encoder.embed_tokens.weight", "encoder.embed_tokens.weight", vocab, d)
    m.row("decoder.embed_tokens.weight", "decoder.embed_tokens.weight", vocab, d)
    for part in ("encoder", "decoder"):
        for i in range(layers):
            a = b = f"{part}.layers.{i}"
            attentions = [("self_attn", "self_attn")] + [("encoder_attn", "cross_attention")] * (part == "decoder")
            for x, y in attentions:
                for p in ("k_proj", "v_proj", "q_proj", "out_proj"):
                    m.layer(f"{a}.{x}.{p}", f"{b}.{y}.{p}", d, d)
                m.layer(f"{a}.{x}_layer_norm", f"{b}.{y}_layer_norm", d)
            if i % 4 == 3:
                m.row(f"{a}.moe_layer.gate.wg.weight", f"{b}.ffn.router.classifier.weight", experts, d)
                for e in range(experts):
                    for k, (out, n) in enumerate(((inner, d), (d, inner))):
                        m.layer(f"{a}.moe_layer.experts.{e}.fc{k + 1}", f"{b}.ffn.experts.expert_{e}.fc{k + 1}", out, n)
            else:
                for k, (out, n) in enumerate(((inner, d), (d, inner))):
                    m.layer(f"{a}.fc{k + 1}", f"{b}.ffn.fc{k + 1}", out, n)
            m.layer(f"{a}.final_layer_norm", f"{b}.ff_layer_norm", d)
        m.layer(f"{part}.layer_norm", f"{part}.layer_norm", d)
    m.put("encoder.embed", "encoder.layers", "encoder.layer_norm", "decoder.embed")
    return m.pair()


def jamba(d=2048, layers=16, experts=4, inner=5632, vocab=65536, state=16):
    """Layers with a state space, every eighth with attention, every second with experts; one list in llama.cpp."""
    m = Maker("jamba_hf_to_gguf_sorted")
    wide = 2 * d
    m.both("model.embed_tokens.weight", "token_embd.weight", vocab, d)
    for i in range(layers):
        a, b = f"model.layers.{i}", f"blk.{i}"
        if i % 8 == 4:
            for p, q, out, n in (("q_proj", "q", d, d), ("k_proj", "k", d // 4, d), ("v_proj", "v", d // 4, d),
                                 ("o_proj", "output", d, d)):
                m.both(f"{a}.self_attn.{p}.weight", f"{b}.attn_{q}.weight", out, n)
        else:
            m.both(f"{a}.mamba.A_log", f"{b}.ssm_a", wide, state)
            m.both(f"{a}.mamba.D", f"{b}.ssm_d", wide)
            m.src(f"{a}.mamba.conv1d.weight", wide, 1, 4)
            m.tgt(f"{b}.ssm_conv1d.weight", wide, 4, of=f"{a}.mamba.conv1d.weight")
            m.both(f"{a}.mamba.conv1d.bias", f"{b}.ssm_conv1d.bias", wide)
            m.both(f"{a}.mamba.in_proj.weight", f"{b}.ssm_in.weight", 2 * wide, d)
            m.both(f"{a}.mamba.x_proj.weight", f"{b}.ssm_x.weight", d // 16 + 2 * state, wide)
            m.both(f"{a}.mamba.dt_proj.weight", f"{b}.ssm_dt.weight", wide, d // 16)
            m.both(f"{a}.mamba.dt_proj.bias", f"{b}.ssm_dt.bias", wide)
            m.both(f"{a}.mamba.out_proj.weight", f"{b}.ssm_out.weight", d, wide)
            for p, n in (("dt", d // 16), ("b", state), ("c", state)):
                m.both(f"{a}.mamba.{p}_layernorm.weight", f"{b}.ssm_{p}_norm.weight", n)
        parts = (("gate", inner, d), ("up", inner, d), ("down", d, inner))
        if i % 2:
            m.both(f"{a}.feed_forward.router.weight", f"{b}.ffn_gate_inp.weight", experts, d)
            for p, out, n in parts:
                of = [m.src(f"{a}.feed_forward.experts.{e}.{p}_proj.weight", out, n) for e in range(experts)]
                m.tgt(f"{b}.ffn_{p}_exps.weight", experts, out, n, of=of)
        else:
            for p, out, n in parts:
                m.both(f"{a}.feed_forward.{p}_proj.weight", f"{b}.ffn_{p}.weight", out, n)
        m.both(f"{a}.input_layernorm.weight", f"{b}.attn_norm.weight", d)
        m.both(f"{a}.pre_ff_layernorm.weight", f"{b}.ffn_norm.weight", d)
    m.both("model.final_layernorm.weight", "output_norm.weight", d)
    m.both("lm_head.weight", "output.weight", vocab, d)
    return m.pair(sort_target=True)


def rwkv7(d=768, layers=12, vocab=65536):
    """Letters with numbers that became low-rank layers, of which the first block has one less."""
    m = Rows("rwkv7_blinkdl_to_fla")
    m.row("emb.weight", "model.embeddings.weight", vocab, d)
    for i in range(layers):
        a, b = f"blocks.{i}", f"model.layers.{i}"
        if i == 0:
            m.layer(f"{a}.ln0", f"{b}.pre_norm", d)
        m.layer(f"{a}.ln1", f"{b}.attn_norm", d)
        m.layer(f"{a}.ln2", f"{b}.ffn_norm", d)
        for p in "rwkvag":
            m.row(f"{a}.att.x_{p}", f"{b}.attn.x_{p}", 1, 1, d)
        for p, rank in (("w", 64), ("a", 64), ("v", 32), ("g", 128)):
            if p == "v" and i == 0:
                continue
            if p != "g":
                m.row(f"{a}.att.{p}0", f"{b}.attn.{p}_lora.lora.2.bias", 1, 1, d, seen=(d,))
            m.row(f"{a}.att.{p}1", f"{b}.attn.{p}_lora.lora.0.weight", d, rank, seen=(rank, d))
            m.row(f"{a}.att.{p}2", f"{b}.attn.{p}_lora.lora.2.weight", rank, d, seen=(d, rank))
        m.row(f"{a}.att.k_k", f"{b}.attn.k_k", 1, 1, d, seen=(d,))
        m.row(f"{a}.att.k_a", f"{b}.attn.k_a", 1, 1, d, seen=(d,))
        m.row(f"{a}.att.r_k", f"{b}.attn.r_k", d // 64, 64)
        for p, q in (("receptance", "r"), ("key", "k"), ("value", "v"), ("output", "o")):
            m.row(f"{a}.att.{p}.weight", f"{b}.attn.{q}_proj.weight", d, d)
        m.layer(f"{a}.att.ln_x", f"{b}.attn.g_norm", d)
        m.row(f"{a}.ffn.x_k", f"{b}.ffn.x_k", 1, 1, d, seen=(d,))
        m.row(f"{a}.ffn.key.weight", f"{b}.ffn.key.weight", 4 * d, d)
        m.row(f"{a}.ffn.value.weight", f"{b}.ffn.value.weight", d, 4 * d)
        m.put("pre_norm", "attn_norm", "attn.x_", "attn.k_k", "attn.k_a", "attn.r_k", "r_proj", "k_proj", "v_proj", "o_proj",
              "w_lora", "v_lora", "a_lora", "g_lora", "g_norm", "ffn_norm")
    m.layer("ln_out", "model.norm", d)
    m.row("head.weight", "lm_head.weight", vocab, d)
    m.put()
    return m.pair()


def lora(d=2048, layers=16, inner=8192, rank=16):
    """Low-rank factors of PEFT's and of llama.cpp's."""
    m = Maker("lora_llama_peft_to_gguf_sorted")
    for i in range(layers):
        for p, q, out, n in (("self_attn.q_proj", "attn_q", d, d), ("self_attn.k_proj", "attn_k", d // 4, d),
                             ("self_attn.v_proj", "attn_v", d // 4, d), ("self_attn.o_proj", "attn_output", d, d),
                             ("mlp.gate_proj", "ffn_gate", inner, d), ("mlp.up_proj", "ffn_up", inner, d),
                             ("mlp.down_proj", "ffn_down", d, inner)):
            a, b = f"base_model.model.model.layers.{i}.{p}", f"blk.{i}.{q}.weight"
            m.both(f"{a}.lora_A.weight", f"{b}.lora_a", rank, n)
            m.both(f"{a}.lora_B.weight", f"{b}.lora_b", out, rank)
    return m.pair(sort_source=True, sort_target=True)


def gptq(d=4096, layers=8, inner=11008, vocab=32000, group=128):
    """Four bits: integers in columns, whose scales and zeros are joined along the other axis."""
    m = Maker("llama_gptq_to_vllm")
    m.both("model.embed_tokens.weight", "model.embed_tokens.weight", vocab, d)

    def joined(a, parts, b, out, n):
        """Parts of a whole, by columns; g_idx is of the rows."""
        for leaf, rows, width in (("qweight", n // 8, out), ("qzeros", n // group, out // 8), ("scales", n // group, out)):
            of = [m.src(f"{a}.{p}.{leaf}", rows, width) for p in parts]
            m.tgt(f"{b}.{leaf}", rows, width * len(parts), of=of)
        for p in parts:
            m.src(f"{a}.{p}.g_idx", n)
        if len(parts) == 1:
            m.tgt(f"{b}.g_idx", n, of=f"{a}.{parts[0]}.g_idx")

    for i in range(layers):
        a = f"model.layers.{i}"
        joined(f"{a}.self_attn", ("q_proj", "k_proj", "v_proj"), f"{a}.self_attn.qkv_proj", d, d)
        joined(f"{a}.self_attn", ("o_proj",), f"{a}.self_attn.o_proj", d, d)
        joined(f"{a}.mlp", ("gate_proj", "up_proj"), f"{a}.mlp.gate_up_proj", inner, d)
        joined(f"{a}.mlp", ("down_proj",), f"{a}.mlp.down_proj", d, inner)
        m.both(f"{a}.input_layernorm.weight", f"{a}.input_layernorm.weight", d)
        m.both(f"{a}.post_attention_layernorm.weight", f"{a}.post_attention_layernorm.weight", d)
    m.both("model.norm.weight", "model.norm.weight", d)
    m.both("lm_head.weight", "lm_head.weight", vocab, d)
    return m.pair()


def repvgg(depths=(2, 4, 14, 1), widths=(48, 96, 192, 1280)):
    """Blocks of three ways, of which the way that changes nothing is a norm alone."""
    m = Rows("repvgg_a0_megvii_to_timm")

    def block(a, b, out, n, same):
        if same:
            norm_rows(m, f"{a}.rbr_identity", f"{b}.identity", out)
        for way, target, size in (("dense", "conv_kxk", 3), ("1x1", "conv_1x1", 1)):
            m.row(f"{a}.rbr_{way}.conv.weight", f"{b}.{target}.conv.weight", out, n, size, size)
            norm_rows(m, f"{a}.rbr_{way}.bn", f"{b}.{target}.bn", out)

    block("stage0", "stem", 48, 3, False)
    before = 48
    for i, (depth, width) in enumerate(zip(depths, widths)):
        for j in range(depth):
            block(f"stage{i + 1}.{j}", f"stages.{i}.{j}", width, before, j > 0)
            before = width
    m.layer("linear", "head.fc", 1000, before)
    m.put()
    return m.pair()


def depth_pro(d=1024, layers=12, c=256):
    """Three encoders of one shape under different names, and stages that are counted the other way."""
    m = Rows("depth_pro_apple_to_hf")

    def encoder(s, t):
        m.row(f"{s}.cls_token", f"{t}.embeddings.cls_token", 1, 1, d)
        m.row(f"{s}.pos_embed", f"{t}.embeddings.position_embeddings", 1, 577, d)
        m.layer(f"{s}.patch_embed.proj", f"{t}.embeddings.patch_embeddings.projection", d, 3, 16, 16)
        for i in range(layers):
            a, b = f"{s}.blocks.{i}", f"{t}.encoder.layer.{i}"
            m.layer(f"{a}.norm1", f"{b}.norm1", d)
            m.parts(f"{a}.attn.qkv", [f"{b}.attention.attention.{p}" for p in QKV], (d,) * 3, d)
            m.layer(f"{a}.attn.proj", f"{b}.attention.output.dense", d, d)
            m.row(f"{a}.ls1.gamma", f"{b}.layer_scale1.lambda1", d)
            m.layer(f"{a}.norm2", f"{b}.norm2", d)
            m.layer(f"{a}.mlp.fc1", f"{b}.mlp.fc1", 4 * d, d)
            m.layer(f"{a}.mlp.fc2", f"{b}.mlp.fc2", d, 4 * d)
            m.row(f"{a}.ls2.gamma", f"{b}.layer_scale2.lambda1", d)
        m.layer(f"{s}.norm", f"{t}.layernorm", d)

    def up(s, t, sizes):
        for k, (n, out) in enumerate(zip(sizes, sizes[1:])):
            shape = (out, n, 1, 1) if k == 0 else (n, out, 2, 2)
            m.row(f"{s}.{k}.weight", f"{t}.{'proj' if k == 0 else f'upsample_blocks.{k - 1}'}.weight", *shape)

    s, t = "encoder", "depth_pro.encoder"
    encoder(f"{s}.patch_encoder", f"{t}.patch_encoder.model")
    encoder(f"{s}.image_encoder", f"{t}.image_encoder.model")
    up(f"{s}.upsample_latent0", f"{t}.feature_upsample.intermediate.1", (d, c, c, c, c))
    up(f"{s}.upsample_latent1", f"{t}.feature_upsample.intermediate.0", (d, c, c, c))
    up(f"{s}.upsample0", f"{t}.feature_upsample.scaled_images.2", (d, 512, 512))
    up(f"{s}.upsample1", f"{t}.feature_upsample.scaled_images.1", (d, d, d))
    up(f"{s}.upsample2", f"{t}.feature_upsample.scaled_images.0", (d, d, d))
    m.layer(f"{s}.upsample_lowres", f"{t}.feature_upsample.image_block.layers.0", d, d, 2, 2)
    m.layer(f"{s}.fuse_lowres", f"{t}.fuse_image_with_low_res", d, 2 * d, 1, 1)
    for k, n in ((1, c), (2, 512), (3, d), (4, d)):
        m.row(f"decoder.convs.{k}.weight", f"depth_pro.neck.feature_projection.projections.{4 - k}.weight", c, n, 3, 3)
    for k in range(5):
        a, b = f"decoder.fusions.{k}", f"fusion_stage.{'final' if k == 0 else f'intermediate.{4 - k}'}"
        for r in (1, 2):
            for q in (1, 3):
                m.layer(f"{a}.resnet{r}.residual.{q}", f"{b}.residual_layer{r}.convolution{(q + 1) // 2}", c, c, 3, 3)
        m.layer(f"{a}.out_conv", f"{b}.projection", c, c, 1, 1)
        if k:
            m.row(f"{a}.deconv.weight", f"{b}.deconv.weight", c, c, 2, 2)
    for k, out, n, size in ((0, c // 2, c, 3), (1, c // 2, c // 2, 2), (2, 32, c // 2, 3), (4, 1, 32, 1)):
        m.layer(f"head.{k}", f"head.layers.{k}", out, n, size, size)
    encoder("fov.encoder.0", "fov_model.fov_encoder.model")
    m.layer("fov.encoder.1", "fov_model.fov_encoder.neck", c // 2, d)
    m.layer("fov.downsample.0", "fov_model.conv", c // 2, c, 3, 3)
    for k, (out, n, size) in zip((0, 2, 4), ((64, 128, 3), (32, 64, 3), (1, 32, 6))):
        m.layer(f"fov.head.{k}", f"fov_model.head.layers.{k}", out, n, size, size)
    m.put("patch_encoder", "image_encoder", "neck.feature", "depth_pro", "fusion_stage.intermediate.0", "fusion_stage.intermediate.1",
          "fusion_stage.intermediate.2", "fusion_stage.intermediate.3", "fusion_stage.final", "fusion", "fov_model", "head")
    return m.pair()


def sac(width=256, seen=17, done=6):
    """Two critics and their copies, in one module and in five."""
    m = Maker("sac_sb3_to_cleanrl")
    for k, n in ((0, seen), (2, width)):
        m.linear(f"actor.latent_pi.{k}", f"actor.fc{k // 2 + 1}", width, n)
    m.linear("actor.mu", "actor.fc_mean", done, width)
    m.linear("actor.log_std", "actor.fc_logstd", done, width)
    for part, name in (("critic", ""), ("critic_target", "_target")):
        for q in range(2):
            for k, (out, n) in enumerate(((width, seen + done), (width, width), (1, width))):
                m.linear(f"{part}.qf{q}.{2 * k}", f"qf{q + 1}{name}.fc{k + 1}", out, n)
    return m.pair()


def graphsage(sizes=(602, 256, 256, 41)):
    """Two matrices a layer, of which one has the bias, under other names."""
    m = Maker("graphsage_dgl_to_pyg")
    for k, (n, out) in enumerate(zip(sizes, sizes[1:])):
        a, b = f"layers.{k}", f"convs.{k}"
        m.both(f"{a}.fc_neigh.weight", f"{b}.lin_l.weight", out, n)
        m.both(f"{a}.fc_self.bias", f"{b}.lin_l.bias", out)
        m.both(f"{a}.fc_self.weight", f"{b}.lin_r.weight", out, n)
    for k, n in enumerate(sizes[1:-1]):
        batch_norm(m, f"norms.{k}.", f"norms.{k}", n)
    return m.pair()


def keras_bert(d=256, layers=4, heads=4, vocab=30522):
    """KerasHub's names of BERT, heads with an axis of their own, against transformers'."""
    m = Maker("bert_small_keras_hub_to_hf_T")
    h = d // heads
    m.both("token_embedding/embeddings", "bert.embeddings.word_embeddings.weight", vocab, d)
    m.both("position_embedding/embeddings", "bert.embeddings.position_embeddings.weight", 512, d)
    m.both("segment_embedding/embeddings", "bert.embeddings.token_type_embeddings.weight", 2, d)

    def norm(source, target):
        m.both(f"{source}/gamma", f"{target}.weight", d)
        m.both(f"{source}/beta", f"{target}.bias", d)

    norm("embeddings_layer_norm", "bert.embeddings.LayerNorm")
    for i in range(layers):
        a, b = f"transformer_layer_{i}", f"bert.encoder.layer.{i}"
        for p in QKV:
            m.src(f"{a}/self_attention_layer/{p}/kernel", d, heads, h)
            m.tgt(f"{b}.attention.self.{p}.weight", d, d, of=f"{a}/self_attention_layer/{p}/kernel")
            m.src(f"{a}/self_attention_layer/{p}/bias", heads, h)
            m.tgt(f"{b}.attention.self.{p}.bias", d, of=f"{a}/self_attention_layer/{p}/bias")
        m.src(f"{a}/self_attention_layer/attention_output/kernel", heads, h, d)
        m.tgt(f"{b}.attention.output.dense.weight", d, d, of=f"{a}/self_attention_layer/attention_output/kernel")
        m.both(f"{a}/self_attention_layer/attention_output/bias", f"{b}.attention.output.dense.bias", d)
        norm(f"{a}/self_attention_layer_norm", f"{b}.attention.output.LayerNorm")
        for part, name, out, n in (("intermediate", "intermediate", 4 * d, d), ("output", "output", d, 4 * d)):
            dense(m, f"{a}/feedforward_{part}_dense/kernel", f"{b}.{name}.dense.weight", out, n)
            m.both(f"{a}/feedforward_{part}_dense/bias", f"{b}.{name}.dense.bias", out)
        norm(f"{a}/feedforward_layer_norm", f"{b}.output.LayerNorm")
    dense(m, "pooled_dense/kernel", "bert.pooler.dense.weight", d, d)
    m.both("pooled_dense/bias", "bert.pooler.dense.bias", d)
    return m.pair()


FAMILIES = (sam2, rtdetr, ssd, votenet, wavlm, clap, mimi, sana, cogvideox, paligemma, nllb_moe, jamba, rwkv7, lora, gptq, repvgg,
            depth_pro, sac, graphsage, keras_bert)


def pairs():
    return [{**pair, "name": pair["name"].replace("other_", "apart_")} for pair in (make() for make in FAMILIES)]
