-- Words of tensor names that mean the same, for automatic alignment (tenon-rules(5), LEXICON).
--
-- General vocabulary: each line says where the spellings come from. Case, dots and underscores do
-- not count: "q_proj" is q.proj and QProj as well. A text may be in two sets. A line that says two
-- words are the same is evidence and no proof: shapes, order and the words around still count.

local torch  = "torch.nn, torchvision: names of modules and their attributes"
local tf     = "TensorFlow, Keras: names of variables"
local flax   = "flax.linen: names of parameters"
local hf     = "transformers: names of modules in its models"
local timm   = "timm: names of modules in its models"
local llama  = "llama (Meta), as llama.cpp's tensor_mapping.py lists them"
local gguf   = "gguf: names that llama.cpp's tensor_mapping.py maps the others to"
local openai = "gpt-2, CLIP, Whisper (OpenAI): names of modules"
local sd     = "latent-diffusion and diffusers: names of modules"
local lora   = "kohya-ss, peft: names of the two matrices of a LoRA"
local caffe  = "Caffe, Caffe2: names of blobs"
local quant  = "AutoGPTQ, AutoAWQ: names of what a matrix of four bits is made of"
local vit    = "DINOv2, BEiT, timm, moshi: names of scales of residual branches"

-- the last word of a name
role {"weight", "kernel", "gamma", "scale", "w", "weights", "depthwise_kernel", "s", "g",
      from=torch .. "; " .. tf .. "; " .. caffe .. "; g, the gain, of gpt-2"}
role {"bias", "beta", "b", "offset", "biases", from=torch .. "; " .. tf}
role {"running_mean", "moving_mean", "mean", from=torch .. "; " .. tf .. "; " .. flax}
role {"running_var", "moving_variance", "variance", "var", from=torch .. "; " .. tf .. "; " .. flax}
role {"num_batches_tracked", from=torch}
role {"qweight", from=quant}
role {"qzeros", from=quant}
role {"scales", from=quant}
role {"g_idx", from=quant}

-- attention
meaning {"q", "query", "q_proj", "wq", "to_q", "q_lin", "attn_q", "attn_query", "query_proj", "q_linear",
         from=llama .. "; q_linear of PixArt"}
meaning {"k", "key", "k_proj", "wk", "to_k", "k_lin", "attn_k", "attn_key", "key_proj", "k_linear", from=llama}
meaning {"v", "value", "v_proj", "wv", "to_v", "v_lin", "attn_v", "attn_value", "value_proj", "v_linear", from=llama}
meaning {"qkv", "in_proj", "c_attn", "query_key_value", "qkv_proj", "wqkv", "attn_qkv", "to_qkv", from=llama .. "; " .. timm}
meaning {"kv", "key_value", "kv_proj", "to_kv", "kv_linear", from=timm .. "; PixArt"}
meaning {"o_proj", "out_proj", "wo", "to_out", "attn_output", "attention_output_dense", "out_lin",
         "output_proj", "o", "attn_proj", "self_attention_out_proj", "attn_out", "attn_c_proj", "attention_dense",
         "self_attention_dense", "attn_resid", "dense_out", from=llama .. "; " .. timm}
meaning {"q_norm", "attn_q_norm", "query_norm", "q_layernorm", "norm_q", from=llama}
meaning {"k_norm", "attn_k_norm", "key_norm", "k_layernorm", "norm_k", from=llama}
meaning {"attn", "attention", "att", "self_attn", "self_attention", "multi_head_attention", "mha", "attn1", from=hf .. "; " .. sd}
meaning {"cross_attn", "encoder_attn", "context_attn", "encdecattention", "crossattention", "multihead_attn", "cross_attention",
         "encoder_decoder_attention", "encoder_attention", "src_attn", "cross_mha", "attn2", from=hf .. "; " .. openai ..
         "; encoder_attention of ParlAI and XLM, src_attn of ESPnet"}

-- feed-forward
meaning {"gate_proj", "w1", "ffn_gate", "gate", "wi_0", from=llama}
meaning {"up_proj", "w3", "ffn_up", "wi_1", "v1", from=llama .. "; v1 of DBRX"}
meaning {"down_proj", "w2", "ffn_down", "output_dense", from=llama}
meaning {"fc1", "mlp_0", "c_fc", "intermediate_dense", "linear1", "lin1", "mlp_fc1", "pwconv1", "fc_in",
         "dense_h_to_4h", "wi", "ffn_0", "w_1", "ffn_up", from=llama .. "; " .. timm}
meaning {"fc2", "mlp_2", "mlp_3", "mlp_c_proj", "output_dense", "linear2", "lin2", "mlp_fc2", "pwconv2", "fc_out",
         "dense_4h_to_h", "ffn_3", "w_2", "ffn_down", from=llama .. "; " .. timm}
meaning {"mlp", "feed_forward", "ffn", "ff", "dense_relu_dense", from=hf}
meaning {"router", "gate", "ffn_gate_inp", "gate_inp", "primary_router", "router_layer", from=llama}
meaning {"experts", "expert", "exps", from=llama}
meaning {"shared_expert", "shared_experts", "shexp", from=llama}
meaning {"moe", "block_sparse_moe", "mlp", "feed_forward", "ffn", from=llama}

-- What lies in one tensor, by the end of its name, the longest that is known: in which order, and in how many
-- turns. "plain": all rows of the first part, then all of the second. "heads": head by head a share of each, or group
-- by group where keys and values have fewer heads. "rows": a row of each in turn. Two lines that contradict each other
-- are asked about, and so is a name of which there is no line.
local megatron = "Megatron-LM, and what was converted from it"
fused {"qkv", "to_qkv", "attn_qkv", "in_proj", "c_attn", "wqkv", "qkv_proj", "fused_qkv", "W_pack", "att_proj",
       parts={"q", "k", "v"}, from=torch .. "; " .. timm .. "; " .. openai .. "; MPT, Phi-3, Baichuan, Bark"}
fused {"attention_wqkv", parts={"q", "k", "v"}, from="gpt-fast"}
fused {"attention_wqkv", parts={"q", "k", "v"}, turns="heads", from="InternLM2"}
fused {"query_key_value", parts={"q", "k", "v"}, turns="heads", from="GPT-NeoX, BLOOM, Falcon, Persimmon; " .. megatron}
fused {"query_key_value", parts={"q", "k", "v"}, from="ChatGLM2 and later, SwissArmyTransformer, CogVideoX"}
fused {"linear_qkv", parts={"q", "k", "v"}, turns="heads", from="Megatron core"}
fused {"decoder_layers_self_attn_qkv_proj", parts={"k", "v", "q"}, from="metaseq (OPT), despite the name"}
fused {"h_attn_qkv_proj", parts={"q", "v", "k"}, turns=4, from="CodeGen: one part for each of four machines"}
fused {"input_blocks_qkv", "middle_block_qkv", "output_blocks_qkv", parts={"q", "k", "v"}, turns="heads",
       from="guided-diffusion: QKVAttentionLegacy"}
fused {"input_blocks_qkv", "middle_block_qkv", "output_blocks_qkv", parts={"q", "k", "v"},
       from="guided-diffusion: QKVAttention"}
fused {"kv", "to_kv", "kv_proj", "kv_linear", parts={"k", "v"}, from=timm .. "; SegFormer, PVT, PixArt"}
fused {"linear_kv", parts={"k", "v"}, turns="heads", from="Megatron core"}
fused {"fused_qkv_a_proj", parts={"q_a_proj", "kv_a_proj_with_mqa"}, from="vLLM: DeepSeek"}
fused {"single_blocks_linear1", parts={"q", "k", "v", "proj_mlp"}, from="Flux, HunyuanVideo"}
fused {"gate_up_proj", "w13", "dense_h_to_4h", "linear_fc1", parts={"gate_proj", "up_proj"},
       from="Phi-3, GLM, vLLM; ChatGLM2 and Megatron core with a gate"}
fused {"gating_einsum", parts={"gate_proj", "up_proj"}, from="Gemma in Flax, big_vision"}
fused {"experts_gate_up_proj", parts={"gate_proj", "up_proj"}, from="transformers: Mixtral, Qwen3-MoE, Llama 4"}
fused {"experts_gate_up_proj", parts={"gate_proj", "up_proj"}, turns="rows", last=true, from="gpt-oss"}

-- norms of a block
meaning {"input_layernorm", "attention_norm", "attn_norm", "norm1", "ln_1", "layernorm_before", "layer_norm1",
         "attn_ln", "self_attn_layer_norm", "sa_layer_norm", "pre_attn_norm", "attention_layernorm",
         "pre_attention_layernorm", from=llama .. "; " .. timm}
meaning {"post_attention_layernorm", "ffn_norm", "norm2", "ln_2", "layernorm_after", "layer_norm2", "mlp_ln",
         "final_layer_norm", "attn_output_norm", "pre_mlp_norm", "pre_ff_layernorm", "ff_norm",
         "feedforward_layernorm", "pre_mlp_layernorm", "mlp_norm", "norm3", from=llama .. "; " .. timm}
meaning {"pre_feedforward_layernorm", "ffn_norm", from=llama}
meaning {"post_attention_layernorm", "post_attention_norm", "post_attn_norm", "attn_post_norm", from=gguf}
meaning {"post_feedforward_layernorm", "post_ffw_norm", "post_mlp_layernorm", "post_moe_norm", from=llama}
meaning {"cross_attn_ln", "encoder_attn_layer_norm", "norm_cross", "norm2", from=openai .. "; " .. hf ..
         "; norm2 of torch.nn.TransformerDecoderLayer"}
meaning {"attention_output_layernorm", "sa_layer_norm", "attn_output_norm", "self_attn_layer_norm", from=llama}
meaning {"output_layernorm", "output_layer_norm", "layer_output_norm", from=llama}

-- norms, scales, convolutions
meaning {"norm", "ln", "layernorm", "layer_norm", "bn", "batch_norm", "layrnorm", "ln_f", "ln_final", "output_norm",
         "rms_norm", "norm_f", "group_norm", "batch_normalization", from=torch .. "; " .. hf}
meaning {"norm", "model_norm", "ln_f", "ln_final", "final_layer_norm", "output_norm", "norm_f", "final_norm",
         "ln_out", "ln_post", "post_layernorm", from=llama .. "; " .. openai}
meaning {"conv", "convolution", "conv2d", from=torch .. "; " .. tf}
meaning {"conv_dw", "dwconv", "depthwise", "depthwise_conv", "dw", "depthwise_conv2d", from=timm}
meaning {"conv_pw", "pointwise", "pw", "pwconv", from=timm}
meaning {"gamma", "layer_scale", "ls", "layer_scale_parameter", "lambda", from=timm .. "; " .. hf}
meaning {"gamma_1", "lambda_1", "ls1", "layer_scale1", "layer_scale_1", "self_attn_layer_scale", "attn_layer_scale", from=vit}
meaning {"gamma_2", "lambda_2", "ls2", "layer_scale2", "layer_scale_2", "mlp_layer_scale", "ffn_layer_scale", from=vit}
meaning {"downsample", "shortcut", "skip_connection", "conv_shortcut", "skip", "nin_shortcut", from=torch .. "; " .. sd}
meaning {"se", "squeeze_excitation", "squeeze_excite", from=timm}
meaning {"conv_reduce", "fc1", "reduce", "squeeze", from=timm}
meaning {"conv_expand", "fc2", "expand", "excite", from=timm}
meaning {"stem", "conv_stem", "stem_conv", from=timm}
meaning {"proj", "projection", "linear", "lin", from=hf}

-- adapters
meaning {"receptance", "r_proj", "time_mix_receptance", from="RWKV: BlinkDL, transformers and flash-linear-attention"}
meaning {"lora_a", "lora_down", from=lora}
meaning {"lora_b", "lora_up", from=lora}

-- ends of a model
meaning {"lm_head", "head", "output", "embed_out", "output_layer", "word_embeddings_for_head", "logits_dense", from=llama .. "; " .. flax}
meaning {"head", "classifier", "fc", "heads", "logits", "predictions", from=torch .. "; " .. timm}
meaning {"embed_tokens", "token_embedding", "tok_embeddings", "token_embd", "wte", "word_embeddings", "embed_in",
         "token_embeddings", "embeddings_word_embeddings", "token_embedder", from=llama .. "; " .. openai}
meaning {"pos_embed", "position_embeddings", "positional_embedding", "position_embedding", "pos_embedding",
         "embed_positions", "wpe", "position_embd", "posembed_input", from=llama .. "; " .. timm}
meaning {"token_type_embeddings", "segment_embeddings", "token_types", from=llama}
meaning {"cls_token", "class_token", "class_embedding", "cls", from=timm .. "; " .. openai}
meaning {"patch_embed", "patch_embeddings", "patch_embedding", "conv_proj", from=timm .. "; " .. hf}
meaning {"visual", "vision_model", "vision", "vision_tower", from=openai .. "; " .. hf}
meaning {"text", "text_model", "language_model", "txt", from=hf}
meaning {"txt", "context", "ctx", "add", "added", from=sd .. "; what the picture is made from: add_q_proj, to_add_out"}
meaning {"layers", "blocks", "layer", "blk", "h", "resblocks", "block", from=llama .. "; " .. timm}
meaning {"pooler", "pool", from=hf}
meaning {"encoder", "enc", from=hf .. "; " .. gguf}
meaning {"decoder", "dec", from=hf .. "; " .. gguf}
meaning {"time_embed", "time_embedding", "temb", "t_embedder", "timestep_embedder", "time_in", from=sd .. "; DiT, Flux"}
meaning {"y_embedder", "context_embedder", "caption_projection", "txt_in", "cap_embedder", from=sd .. "; DiT, PixArt, Flux"}
meaning {"x_embedder", "img_in", "patch_embed", from=sd .. "; DiT, PixArt, Flux"}
meaning {"quantizer", "quantizers", "quantize", "vq", from="EnCodec, DAC, moshi, taming-transformers"}
meaning {"mask_token", "mask_emb", "masked_spec_embed", from="fairseq; " .. hf}
meaning {"class_embed", "score_head", "cls_score", "cls_logits", from="DETR and its successors, torchvision: which class a box has"}
meaning {"bbox_embed", "bbox_pred", from="DETR and its successors, torchvision: where a box is"}
meaning {"emb_layers", "time_emb_proj", from=sd}

-- what stands in front or behind without saying anything
wrapper "module"
wrapper "params"
wrapper "batch_stats"
wrapper "_orig_mod"
wrapper "_fsdp_wrapped_module"
wrapper "_checkpoint_wrapped_module"
wrapper "state_dict"
wrapper "model_state"
wrapper "model_state_dict"
wrapper ".ATTRIBUTES"
wrapper "VARIABLE_VALUE"
