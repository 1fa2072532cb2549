"""Families whose tensors lie in one: queries, keys and values of unequal rows, gates beside what they gate, experts
stacked, heads with an axis of their own. Names and shapes as the libraries write them (transformers, llama.cpp's and
vLLM's loaders, flax, big_vision, diffusers, Megatron-LM, metaseq), in any size: glue.py makes small ones with values,
so that not only the names but every element is compared.

The truth of a target is an expression over tensors of the source: ("key", name), ("reshape", x, sizes),
("permute", x, axes), ("slice", x, axis, from, to), ("cat", axis, list), ("stack", list).
`says`, `likely`, `assume` are what a user would answer where names and shapes leave it open; without them those targets
stay empty.
"""
from families import Maker


def key(name):
    return ("key", name)


def turn(x):
    return ("permute", x, (1, 0))


def sources_of(x):
    if x[0] == "key":
        return [x[1]]
    inner = x[2] if x[0] == "cat" else x[1]
    return [s for one in (inner if isinstance(inner, list) else [inner]) for s in sources_of(one)]


class Size:
    """Of a model: the width, heads, those of keys and values, rows of a head, of the feed-forward, experts."""

    def __init__(self, d=4096, heads=32, kv=8, head=128, inner=14336, layers=8, vocab=32000, experts=8):
        self.d, self.heads, self.kv, self.head, self.inner = d, heads, kv, head, inner
        self.layers, self.vocab, self.experts = layers, vocab, experts
        self.q, self.k = heads * head, kv * head

    def with_(self, **more):
        own = {n: getattr(self, n) for n in ("d", "heads", "kv", "head", "inner", "layers", "vocab", "experts")}
        return Size(**{**own, **more})


REAL = Size(layers=12)
SMALL = Size(d=32, heads=4, kv=2, head=8, inner=56, layers=5, vocab=67, experts=6)


class Glue(Maker):
    def __init__(self, name, says=(), likely=False, assume=None, left=0):
        super().__init__(name, turned=None)
        self.left = left             # targets that stay open all the same
        self.truths, self.answers = {}, [part for say in says for part in ("--say", say)]
        self.answers += ["--accept", "likely"] * likely + (["--assume", assume] if assume else [])

    def get(self, target, shape, x):
        self.truths[target] = x
        self.tgt(target, *shape, of=sorted(set(sources_of(x))))

    def both(self, source, target, *shape):
        self.src(source, *shape)
        self.get(target, shape, key(source))

    def pair(self, **how):
        made = super().pair(**how)
        made["name"] = made["name"].replace("other_", "glued_")
        return {**made, "truths": self.truths, "answers": self.answers, "left": self.left}


def rows(x, start, count):
    return ("slice", x, 0, start, start + count)


def grouped(x, kv, parts, tail):
    """Parts of unequal rows that lie in turns, `kv` of them: [(first row of a turn, rows)] of the turn."""
    turn_rows = sum(parts)
    out, at = [], 0
    for n in parts:
        one = ("slice", ("reshape", x, (kv, turn_rows, *tail)), 1, at, at + n)
        out.append(("reshape", one, (kv * n, *tail)))
        at += n
    return out


def in_turns(parts, kv, sizes, tail):
    """The other way round."""
    each = [("reshape", x, (kv, n // kv, *tail)) for x, n in zip(parts, sizes)]
    return ("reshape", ("cat", 1, each), (sum(sizes), *tail))


def llama_rest(m, a, b, z, names, bias=False):
    """What both sides hold in one piece; names: source's of o, gate, up, down, the two norms."""
    for (s, t), shape in zip(names, ((z.d, z.q), (z.inner, z.d), (z.inner, z.d), (z.d, z.inner), (z.d,), (z.d,))):
        if s:
            m.both(f"{a}.{s}.weight", f"{b}.{t}.weight", *shape)


LLAMA = ("self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj", "input_layernorm", "post_attention_layernorm")


def split_qkv(m, whole, parts, z, order=None, turns=1, bias=False):
    """One tensor of the source, three of the target. `order`: how they lie, where that is not as `parts`."""
    sizes = dict(zip(parts, (z.q, z.k, z.k)))
    lie = [parts[i] for i in order] if order else list(parts)
    for leaf, tail in ((".weight", (z.d,)), (".bias", ()))[:1 + bias]:
        m.src(whole + leaf, z.q + 2 * z.k, *tail)
        x = grouped(key(whole + leaf), turns, [sizes[p] // turns for p in lie], tail)
        for part in parts:
            m.get(part + leaf, (sizes[part], *tail), x[lie.index(part)])


def fuse_qkv(m, parts, whole, z, turns=1, bias=False):
    for leaf, tail in ((".weight", (z.d,)), (".bias", ()))[:1 + bias]:
        each = [key(m.src(p + leaf, n, *tail)) for p, n in zip(parts, (z.q, z.k, z.k))]
        m.get(whole + leaf, (z.q + 2 * z.k, *tail), in_turns(each, turns, (z.q, z.k, z.k), tail))


def phi3(z):
    """One matrix for queries, keys and values, one for gate and up."""
    m = Glue("phi3_to_llama")
    m.both("model.embed_tokens.weight", "model.embed_tokens.weight", z.vocab, z.d)
    for i in range(z.layers):
        a = f"model.layers.{i}"
        split_qkv(m, f"{a}.self_attn.qkv_proj", [f"{a}.self_attn.{p}_proj" for p in "qkv"], z)
        m.src(f"{a}.mlp.gate_up_proj.weight", 2 * z.inner, z.d)
        for k, p in enumerate(("gate", "up")):
            m.get(f"{a}.mlp.{p}_proj.weight", (z.inner, z.d), rows(key(f"{a}.mlp.gate_up_proj.weight"), k * z.inner, z.inner))
        llama_rest(m, a, a, z, [(n if n[4:] not in ("gate_proj", "up_proj") else None, n) for n in LLAMA])
    m.both("model.norm.weight", "model.norm.weight", z.d)
    m.both("lm_head.weight", "lm_head.weight", z.vocab, z.d)
    return m.pair()


def phi3_back(z):
    m = Glue("llama_to_phi3")
    m.both("model.embed_tokens.weight", "model.embed_tokens.weight", z.vocab, z.d)
    for i in range(z.layers):
        a = f"model.layers.{i}"
        fuse_qkv(m, [f"{a}.self_attn.{p}_proj" for p in "qkv"], f"{a}.self_attn.qkv_proj", z)
        each = [key(m.src(f"{a}.mlp.{p}_proj.weight", z.inner, z.d)) for p in ("gate", "up")]
        m.get(f"{a}.mlp.gate_up_proj.weight", (2 * z.inner, z.d), ("cat", 0, each))
        llama_rest(m, a, a, z, [(n if n[4:] not in ("gate_proj", "up_proj") else None, n) for n in LLAMA])
    m.both("model.norm.weight", "model.norm.weight", z.d)
    m.both("lm_head.weight", "lm_head.weight", z.vocab, z.d)
    return m.pair()


INTERN = ("attention.wo", "feed_forward.w1", "feed_forward.w3", "feed_forward.w2", "attention_norm", "ffn_norm")


def internlm2(z, back=False):
    """Group by group the queries of a group, its key, its value."""
    turns = f"{z.kv}*(q_proj+k_proj+v_proj)"
    m = Glue("llama_to_internlm2" if back else "internlm2_to_llama", says=[f"{turns}=wqkv" if back else f"wqkv={turns}"])
    ends = [("model.tok_embeddings.weight", "model.embed_tokens.weight", (z.vocab, z.d)), ("model.norm.weight", "model.norm.weight", (z.d,)),
            ("output.weight", "lm_head.weight", (z.vocab, z.d))]
    m.both(*ends[0][:2][::-1 if back else 1], *ends[0][2])
    for i in range(z.layers):
        a = f"model.layers.{i}"
        parts, whole = [f"{a}.self_attn.{p}_proj" for p in "qkv"], f"{a}.attention.wqkv"
        if back:
            fuse_qkv(m, parts, whole, z, turns=z.kv)
        else:
            split_qkv(m, whole, parts, z, turns=z.kv)
        llama_rest(m, a, a, z, [(t, s) if back else (s, t) for s, t in zip(INTERN, LLAMA)])
    for s, t, shape in ends[1:]:
        m.both(*((t, s) if back else (s, t)), *shape)
    return m.pair()


def internlm2_back(z):
    return internlm2(z, back=True)


def chatglm2(z):
    """query_key_value as NeoX calls it, but one behind the other; gate and up in dense_h_to_4h."""
    m = Glue("chatglm2_to_llama", says=["query_key_value=q_proj+k_proj+v_proj", "dense_h_to_4h=gate_proj+up_proj"])
    m.both("transformer.embedding.word_embeddings.weight", "model.embed_tokens.weight", z.vocab, z.d)
    for i in range(z.layers):
        a, b = f"transformer.encoder.layers.{i}", f"model.layers.{i}"
        m.both(f"{a}.input_layernorm.weight", f"{b}.input_layernorm.weight", z.d)
        split_qkv(m, f"{a}.self_attention.query_key_value", [f"{b}.self_attn.{p}_proj" for p in "qkv"], z, bias=True)
        m.both(f"{a}.self_attention.dense.weight", f"{b}.self_attn.o_proj.weight", z.d, z.q)
        m.both(f"{a}.post_attention_layernorm.weight", f"{b}.post_attention_layernorm.weight", z.d)
        whole = key(m.src(f"{a}.mlp.dense_h_to_4h.weight", 2 * z.inner, z.d))
        for k, p in enumerate(("gate", "up")):
            m.get(f"{b}.mlp.{p}_proj.weight", (z.inner, z.d), rows(whole, k * z.inner, z.inner))
        m.both(f"{a}.mlp.dense_4h_to_h.weight", f"{b}.mlp.down_proj.weight", z.d, z.inner)
    m.both("transformer.encoder.final_layernorm.weight", "model.norm.weight", z.d)
    m.both("transformer.output_layer.weight", "lm_head.weight", z.vocab, z.d)
    return m.pair()


def falcon(z, kv=None):
    """The new decoder's groups; with one key for all heads that is one behind the other."""
    z = z.with_(kv=kv or z.kv)
    m = Glue("falcon7b_to_split" if kv else "falcon40b_to_split", says=[f"query_key_value={z.kv}*(q_proj+k_proj+v_proj)"])
    m.both("transformer.word_embeddings.weight", "transformer.word_embeddings.weight", z.vocab, z.d)
    for i in range(z.layers):
        a = f"transformer.h.{i}"
        split_qkv(m, f"{a}.self_attention.query_key_value", [f"{a}.self_attention.{p}_proj" for p in "qkv"], z, turns=z.kv)
        m.both(f"{a}.self_attention.dense.weight", f"{a}.self_attention.o_proj.weight", z.d, z.q)
        m.both(f"{a}.mlp.dense_h_to_4h.weight", f"{a}.mlp.dense_h_to_4h.weight", 4 * z.d, z.d)
        m.both(f"{a}.mlp.dense_4h_to_h.weight", f"{a}.mlp.dense_4h_to_h.weight", z.d, 4 * z.d)
        m.norm(f"{a}.ln_attn", f"{a}.ln_attn", z.d)
        m.norm(f"{a}.ln_mlp", f"{a}.ln_mlp", z.d)
    m.norm("transformer.ln_f", "transformer.ln_f", z.d)
    m.both("lm_head.weight", "lm_head.weight", z.vocab, z.d)
    return m.pair()


def falcon7b(z):
    return falcon(z, kv=1)


def neox(z):
    """Head by head its query, its key, its value."""
    z = z.with_(kv=z.heads)
    m = Glue("neox_to_split", says=[f"query_key_value={z.heads}*(q_proj+k_proj+v_proj)"])
    m.both("gpt_neox.embed_in.weight", "model.embed_tokens.weight", z.vocab, z.d)
    for i in range(z.layers):
        a, b = f"gpt_neox.layers.{i}", f"model.layers.{i}"
        m.norm(f"{a}.input_layernorm", f"{b}.input_layernorm", z.d)
        m.norm(f"{a}.post_attention_layernorm", f"{b}.post_attention_layernorm", z.d)
        split_qkv(m, f"{a}.attention.query_key_value", [f"{b}.self_attn.{p}_proj" for p in "qkv"], z, turns=z.heads, bias=True)
        m.linear(f"{a}.attention.dense", f"{b}.self_attn.dense", z.d, z.d)
        m.linear(f"{a}.mlp.dense_h_to_4h", f"{b}.mlp.fc1", 4 * z.d, z.d)
        m.linear(f"{a}.mlp.dense_4h_to_h", f"{b}.mlp.fc2", z.d, 4 * z.d)
    m.norm("gpt_neox.final_layer_norm", "model.final_layernorm", z.d)
    m.both("embed_out.weight", "lm_head.weight", z.vocab, z.d)
    return m.pair()


def megatron(z):
    """Megatron core's linear_qkv, grouped, and linear_fc1 with gate and up; the norms of query and key tell the head."""
    m = Glue("megatron_qwen3_to_hf", says=["linear_qkv.layer_norm=input_layernorm"])
    m.both("embedding.word_embeddings.weight", "model.embed_tokens.weight", z.vocab, z.d)
    for i in range(z.layers):
        a, b = f"decoder.layers.{i}", f"model.layers.{i}"
        m.both(f"{a}.self_attention.linear_proj.weight", f"{b}.self_attn.o_proj.weight", z.d, z.q)
        m.both(f"{a}.self_attention.linear_qkv.layer_norm_weight", f"{b}.input_layernorm.weight", z.d)
        split_qkv(m, f"{a}.self_attention.linear_qkv", [f"{b}.self_attn.{p}_proj" for p in "qkv"], z, turns=z.kv)
        m.both(f"{a}.self_attention.q_layernorm.weight", f"{b}.self_attn.q_norm.weight", z.head)
        m.both(f"{a}.self_attention.k_layernorm.weight", f"{b}.self_attn.k_norm.weight", z.head)
        m.both(f"{a}.mlp.linear_fc1.layer_norm_weight", f"{b}.post_attention_layernorm.weight", z.d)
        whole = key(m.src(f"{a}.mlp.linear_fc1.weight", 2 * z.inner, z.d))
        for k, p in enumerate(("gate", "up")):
            m.get(f"{b}.mlp.{p}_proj.weight", (z.inner, z.d), rows(whole, k * z.inner, z.inner))
        m.both(f"{a}.mlp.linear_fc2.weight", f"{b}.mlp.down_proj.weight", z.d, z.inner)
    m.both("decoder.final_layernorm.weight", "model.norm.weight", z.d)
    m.both("output_layer.weight", "lm_head.weight", z.vocab, z.d)
    return m.pair()


def bigcode(z):
    """c_attn with one key and one value for all heads."""
    z = z.with_(kv=1)
    m = Glue("bigcode_to_split")
    m.both("transformer.wte.weight", "transformer.wte.weight", z.vocab, z.d)
    m.both("transformer.wpe.weight", "transformer.wpe.weight", 96, z.d)
    for i in range(z.layers):
        a = f"transformer.h.{i}"
        m.norm(f"{a}.ln_1", f"{a}.ln_1", z.d)
        split_qkv(m, f"{a}.attn.c_attn", [f"{a}.attn.{p}_proj" for p in "qkv"], z, bias=True)
        m.linear(f"{a}.attn.c_proj", f"{a}.attn.c_proj", z.d, z.d)
        m.norm(f"{a}.ln_2", f"{a}.ln_2", z.d)
        m.linear(f"{a}.mlp.c_fc", f"{a}.mlp.c_fc", 4 * z.d, z.d)
        m.linear(f"{a}.mlp.c_proj", f"{a}.mlp.c_proj", z.d, 4 * z.d)
    m.norm("transformer.ln_f", "transformer.ln_f", z.d)
    return m.pair()


def mpt(z):
    m = Glue("mpt_gqa_to_split")
    m.both("transformer.wte.weight", "model.embed_tokens.weight", z.vocab, z.d)
    for i in range(z.layers):
        a, b = f"transformer.blocks.{i}", f"model.layers.{i}"
        m.both(f"{a}.norm_1.weight", f"{b}.norm_1.weight", z.d)
        split_qkv(m, f"{a}.attn.Wqkv", [f"{b}.attn.{p}_proj" for p in "qkv"], z)
        m.both(f"{a}.attn.out_proj.weight", f"{b}.attn.out_proj.weight", z.d, z.q)
        m.both(f"{a}.norm_2.weight", f"{b}.norm_2.weight", z.d)
        m.both(f"{a}.ffn.up_proj.weight", f"{b}.mlp.up_proj.weight", 4 * z.d, z.d)
        m.both(f"{a}.ffn.down_proj.weight", f"{b}.mlp.down_proj.weight", z.d, 4 * z.d)
    m.both("transformer.norm_f.weight", "model.norm.weight", z.d)
    return m.pair()


def baichuan(z):
    """W_pack says nothing of what is in it."""
    z = z.with_(kv=z.heads)
    m = Glue("baichuan_to_llama")
    m.both("model.embed_tokens.weight", "model.embed_tokens.weight", z.vocab, z.d)
    for i in range(z.layers):
        a = f"model.layers.{i}"
        split_qkv(m, f"{a}.self_attn.W_pack", [f"{a}.self_attn.{p}_proj" for p in "qkv"], z)
        llama_rest(m, a, a, z, [(n, n) for n in LLAMA])
    m.both("model.norm.weight", "model.norm.weight", z.d)
    m.both("lm_head.weight", "lm_head.weight", z.vocab, z.d)
    return m.pair()


def metaseq(z):
    """qkv_proj that lies k, v, q."""
    z = z.with_(kv=z.heads)
    m = Glue("metaseq_to_opt")
    m.both("decoder.embed_tokens.weight", "model.decoder.embed_tokens.weight", z.vocab, z.d)
    m.both("decoder.embed_positions.weight", "model.decoder.embed_positions.weight", 98, z.d)
    for i in range(z.layers):
        a, b = f"decoder.layers.{i}", f"model.decoder.layers.{i}"
        split_qkv(m, f"{a}.self_attn.qkv_proj", [f"{b}.self_attn.{p}_proj" for p in "qkv"], z, order=(1, 2, 0), bias=True)
        m.linear(f"{a}.self_attn.out_proj", f"{b}.self_attn.out_proj", z.d, z.d)
        m.norm(f"{a}.self_attn_layer_norm", f"{b}.self_attn_layer_norm", z.d)
        m.linear(f"{a}.fc1", f"{b}.fc1", 4 * z.d, z.d)
        m.linear(f"{a}.fc2", f"{b}.fc2", z.d, 4 * z.d)
        m.norm(f"{a}.final_layer_norm", f"{b}.final_layer_norm", z.d)
    m.norm("decoder.layer_norm", "model.decoder.final_layer_norm", z.d)
    return m.pair()


def deepseek(z):
    """vLLM joins the two projections down, gate and up, and those of all experts."""
    m = Glue("deepseek_to_vllm")
    rank_q, rank, rope = 3 * z.d // 8, z.d // 8, z.head // 2
    m.both("model.embed_tokens.weight", "model.embed_tokens.weight", z.vocab, z.d)
    for i in range(z.layers):
        a = f"model.layers.{i}"
        q = key(m.src(f"{a}.self_attn.q_a_proj.weight", rank_q, z.d))
        m.both(f"{a}.self_attn.q_a_layernorm.weight", f"{a}.self_attn.q_a_layernorm.weight", rank_q)
        m.both(f"{a}.self_attn.q_b_proj.weight", f"{a}.self_attn.q_b_proj.weight", z.heads * (z.head + rope), rank_q)
        kv = key(m.src(f"{a}.self_attn.kv_a_proj_with_mqa.weight", rank + rope, z.d))
        m.get(f"{a}.self_attn.fused_qkv_a_proj.weight", (rank_q + rank + rope, z.d), ("cat", 0, [q, kv]))
        m.both(f"{a}.self_attn.kv_a_layernorm.weight", f"{a}.self_attn.kv_a_layernorm.weight", rank)
        m.both(f"{a}.self_attn.kv_b_proj.weight", f"{a}.self_attn.kv_b_proj.weight", z.heads * 2 * z.head, rank)
        m.both(f"{a}.self_attn.o_proj.weight", f"{a}.self_attn.o_proj.weight", z.d, z.q)
        m.both(f"{a}.mlp.gate.weight", f"{a}.mlp.gate.weight", z.experts, z.d)
        for p, shape in (("gate", (z.inner, z.d)), ("up", (z.inner, z.d)), ("down", (z.d, z.inner))):
            for e in range(z.experts):
                m.src(f"{a}.mlp.experts.{e}.{p}_proj.weight", *shape)
        names = {p: ("stack", [key(f"{a}.mlp.experts.{e}.{p}_proj.weight") for e in range(z.experts)]) for p in ("gate", "up", "down")}
        m.get(f"{a}.mlp.experts.w13_weight", (z.experts, 2 * z.inner, z.d), ("cat", 1, [names["gate"], names["up"]]))
        m.get(f"{a}.mlp.experts.w2_weight", (z.experts, z.d, z.inner), names["down"])
        each = [key(m.src(f"{a}.mlp.shared_experts.{p}_proj.weight", 2 * z.inner, z.d)) for p in ("gate", "up")]
        m.get(f"{a}.mlp.shared_experts.gate_up_proj.weight", (4 * z.inner, z.d), ("cat", 0, each))
        m.both(f"{a}.mlp.shared_experts.down_proj.weight", f"{a}.mlp.shared_experts.down_proj.weight", z.d, 2 * z.inner)
        for n in LLAMA[4:]:
            m.both(f"{a}.{n}.weight", f"{a}.{n}.weight", z.d)
    m.both("model.norm.weight", "model.norm.weight", z.d)
    m.both("lm_head.weight", "lm_head.weight", z.vocab, z.d)
    return m.pair()


def flux(z, back=False):
    """Single blocks: queries, keys, values and the wide part of the feed-forward in one; four targets of two parents."""
    says = [("img_attn.qkv", "to_q+to_k+to_v"), ("txt_attn.qkv", "add_q_proj+add_k_proj+add_v_proj"), ("img_attn.proj", "to_out.0"),
            ("txt_attn.norm.query_norm", "norm_added_q"), ("txt_attn.norm.key_norm", "norm_added_k")]
    m = Glue("flux_diffusers_to_bfl" if back else "flux_bfl_to_diffusers",
             says=["=".join(pair[::-1 if back else 1]) for pair in says], likely=True)
    d, wide = z.d, 4 * z.d

    def one(s, t, *shape):
        m.both(*((t, s) if back else (s, t)), *shape)

    def join(whole, parts, sizes):
        for leaf, tail in ((".weight", (d,)), (".bias", ())):
            if back:
                m.get(whole + leaf, (sum(sizes), *tail), ("cat", 0, [key(m.src(p + leaf, n, *tail)) for p, n in zip(parts, sizes)]))
                continue
            m.src(whole + leaf, sum(sizes), *tail)
            for k, (p, n) in enumerate(zip(parts, sizes)):
                m.get(p + leaf, (n, *tail), rows(key(whole + leaf), sum(sizes[:k]), n))

    def linear(s, t, out, n):
        one(s + ".weight", t + ".weight", out, n)
        one(s + ".bias", t + ".bias", out)

    linear("img_in", "x_embedder", d, 64)
    linear("txt_in", "context_embedder", d, wide)
    for i in range(z.layers):
        a, b = f"double_blocks.{i}", f"transformer_blocks.{i}"
        for s, t, u in (("img", "norm1", "to_{}"), ("txt", "norm1_context", "add_{}_proj")):
            linear(f"{a}.{s}_mod.lin", f"{b}.{t}.linear", 6 * d, d)
            join(f"{a}.{s}_attn.qkv", [f"{b}.attn.{u.format(p)}" for p in "qkv"], (d, d, d))
            for n, k in (("query", "q"), ("key", "k")):
                one(f"{a}.{s}_attn.norm.{n}_norm.scale", f"{b}.attn.norm_{'' if s == 'img' else 'added_'}{k}.weight", z.head)
            linear(f"{a}.{s}_attn.proj", f"{b}.attn.{'to_out.0' if s == 'img' else 'to_add_out'}", d, d)
            ff = "ff" if s == "img" else "ff_context"
            linear(f"{a}.{s}_mlp.0", f"{b}.{ff}.net.0.proj", wide, d)
            linear(f"{a}.{s}_mlp.2", f"{b}.{ff}.net.2", d, wide)
    for i in range(2 * z.layers):
        a, b = f"single_blocks.{i}", f"single_transformer_blocks.{i}"
        linear(f"{a}.modulation.lin", f"{b}.norm.linear", 3 * d, d)
        join(f"{a}.linear1", [f"{b}.attn.to_q", f"{b}.attn.to_k", f"{b}.attn.to_v", f"{b}.proj_mlp"], (d, d, d, wide))
        for n, k in (("query", "q"), ("key", "k")):
            one(f"{a}.norm.{n}_norm.scale", f"{b}.attn.norm_{k}.weight", z.head)
        linear(f"{a}.linear2", f"{b}.proj_out", d, d + wide)
    linear("final_layer.linear", "proj_out", 64, d)
    return m.pair()


def flux_back(z):
    return flux(z, back=True)


# ---- heads with an axis of their own ----

def flax_attention(m, source, target, z, split, at=None):
    """Kernels (width, heads, size) of query, key and value and (heads, size, width) of out. at: (layer, layers)."""
    lead = (at[1],) if at else ()

    def layer(x, shape):
        return ("reshape", ("slice", x, 0, at[0], at[0] + 1), shape) if at else x

    def get(name, shape):
        full = f"{source}/{name}"
        if not at or at[0] == 0:
            m.src(full, *lead, *shape)
        return layer(key(full), shape)

    made = {}
    for p in ("query", "key", "value"):
        made[p, "weight"] = turn(("reshape", get(f"{p}/kernel", (z.d, z.heads, z.head)), (z.d, z.q)))
        made[p, "bias"] = ("reshape", get(f"{p}/bias", (z.heads, z.head)), (z.q,))
    for leaf, tail in (("weight", (z.d,)), ("bias", ())):
        if split:
            for p in ("query", "key", "value"):
                m.get(f"{target}.{split.format(p)}.{leaf}", (z.q, *tail), made[p, leaf])
        else:
            m.get(f"{target}.qkv.{leaf}", (3 * z.q, *tail), ("cat", 0, [made[p, leaf] for p in ("query", "key", "value")]))
    out = "attention.output.dense" if split else "proj"
    m.get(f"{target}.{out}.weight", (z.d, z.q), turn(("reshape", get("out/kernel", (z.heads, z.head, z.d)), (z.q, z.d))))
    m.get(f"{target}.{out}.bias", (z.d,), get("out/bias", (z.d,)))


def vit_flax(z, split=None, scan=False, name="vit_flax_to_timm"):
    """big_vision's ViT, in one tensor for all layers or not, and timm's or transformers' (split)."""
    z = z.with_(heads=z.d // z.head)
    m = Glue(name, says=["LayerNorm_0=layernorm_before"] if split else ["LayerNorm_0=norm1"] * scan,
             left=4 * z.layers if scan and not split else 2 * (not scan and bool(split)))

    def dense(source, target, out, n):
        m.src(f"{source}/kernel", n, out)
        m.get(f"{target}.weight", (out, n), turn(key(f"{source}/kernel")))
        m.both(f"{source}/bias", f"{target}.bias", out)

    p = "vit." if split else ""
    m.both("cls", p + ("embeddings.cls_token" if split else "cls_token"), 1, 1, z.d)
    m.both("pos_embedding", p + ("embeddings.position_embeddings" if split else "pos_embed"), 1, 50, z.d)
    m.src("embedding/kernel", 4, 4, 3, z.d)
    patch = p + ("embeddings.patch_embeddings.projection" if split else "patch_embed.proj")
    m.get(f"{patch}.weight", (z.d, 3, 4, 4), ("permute", key("embedding/kernel"), (3, 2, 0, 1)))
    m.both("embedding/bias", f"{patch}.bias", z.d)
    for i in range(z.layers):
        a = "Transformer/encoderblock" + ("" if scan else f"_{i}")
        b = f"{p}encoder.layer.{i}" if split else f"blocks.{i}"
        at = (i, z.layers) if scan else None

        def member(source, target, shape, make=None):
            if not scan or i == 0:
                m.src(source, *((z.layers,) if scan else ()), *shape)
            x = ("reshape", ("slice", key(source), 0, i, i + 1), shape) if scan else key(source)
            m.get(target, shape[::-1] if make else shape, make(x) if make else x)

        norms = ("layernorm_before", "layernorm_after") if split else ("norm1", "norm2")
        fc = ("intermediate.dense", "output.dense") if split else ("mlp.fc1", "mlp.fc2")
        for n, k in zip(norms, (0, 1)):
            member(f"{a}/LayerNorm_{k}/scale", f"{b}.{n}.weight", (z.d,))
            member(f"{a}/LayerNorm_{k}/bias", f"{b}.{n}.bias", (z.d,))
        flax_attention(m, f"{a}/MultiHeadDotProductAttention_0", b if split else f"{b}.attn", z,
                       split and "attention.attention.{}", at)
        for k, (out, n) in enumerate(((4 * z.d, z.d), (z.d, 4 * z.d))):
            member(f"{a}/MlpBlock_0/Dense_{k}/kernel", f"{b}.{fc[k]}.weight", (n, out), turn)
            member(f"{a}/MlpBlock_0/Dense_{k}/bias", f"{b}.{fc[k]}.bias", (out,))
    m.both("Transformer/encoder_norm/scale", p + ("layernorm.weight" if split else "norm.weight"), z.d)
    m.both("Transformer/encoder_norm/bias", p + ("layernorm.bias" if split else "norm.bias"), z.d)
    dense("head", "classifier" if split else "head", 10, z.d)
    return m.pair()


def vit_flax_hf(z):
    return vit_flax(z, "split", name="vit_flax_to_hf")


def vit_scan(z):
    return vit_flax(z, scan=True, name="vit_flax_scan_to_timm")


def vit_scan_hf(z):
    return vit_flax(z, "split", scan=True, name="vit_flax_scan_to_hf")


def reverse_of(make, name):
    """The parts as the source, where every expression can be turned round by hand."""
    def made(z):
        return make(z, name)
    made.__name__ = name
    return made


def vit_hf_flax(z, name="vit_hf_to_flax"):
    """transformers' ViT into flax' tree."""
    z = z.with_(heads=z.d // z.head)
    m = Glue(name)
    m.both("vit.embeddings.cls_token", "vit/embeddings/cls_token", 1, 1, z.d)
    for i in range(z.layers):
        a, b = f"vit.encoder.layer.{i}", f"vit/encoder/layer/{i}"
        for p in ("query", "key", "value"):
            m.src(f"{a}.attention.attention.{p}.weight", z.q, z.d)
            m.src(f"{a}.attention.attention.{p}.bias", z.q)
            m.get(f"{b}/attention/attention/{p}/kernel", (z.d, z.heads, z.head),
                  ("reshape", turn(key(f"{a}.attention.attention.{p}.weight")), (z.d, z.heads, z.head)))
            m.get(f"{b}/attention/attention/{p}/bias", (z.heads, z.head),
                  ("reshape", key(f"{a}.attention.attention.{p}.bias"), (z.heads, z.head)))
        m.src(f"{a}.attention.output.dense.weight", z.d, z.q)
        m.get(f"{b}/attention/output/dense/kernel", (z.heads, z.head, z.d),
              ("reshape", turn(key(f"{a}.attention.output.dense.weight")), (z.heads, z.head, z.d)))
        m.both(f"{a}.attention.output.dense.bias", f"{b}/attention/output/dense/bias", z.d)
        for n, out, width in (("intermediate", 4 * z.d, z.d), ("output", z.d, 4 * z.d)):
            m.src(f"{a}.{n}.dense.weight", out, width)
            m.get(f"{b}/{n}/dense/kernel", (width, out), turn(key(f"{a}.{n}.dense.weight")))
            m.both(f"{a}.{n}.dense.bias", f"{b}/{n}/dense/bias", out)
        for n in ("layernorm_before", "layernorm_after"):
            for s, t in (("weight", "scale"), ("bias", "bias")):
                m.both(f"{a}.{n}.{s}", f"{b}/{n}/{t}", z.d)
    return m.pair()


# ---- experts ----

def moe(m, a, b, z, source, target, router):
    m.both(f"{a}.{router[0]}.weight", f"{b}.{router[1]}.weight", z.experts, z.d)
    return {p: [key(m.src(f"{a}.{source.format(e=e, p=p)}", *shape)) for e in range(z.experts)]
            for p, shape in target}


def qwen3_moe(z):
    """Experts one by one into transformers' later tensors."""
    m = Glue("qwen3_moe_to_stacked")
    m.both("model.embed_tokens.weight", "model.embed_tokens.weight", z.vocab, z.d)
    for i in range(z.layers):
        a = f"model.layers.{i}"
        for p, n in (("q", z.q), ("k", z.k), ("v", z.k)):
            m.both(f"{a}.self_attn.{p}_proj.weight", f"{a}.self_attn.{p}_proj.weight", n, z.d)
        m.both(f"{a}.self_attn.o_proj.weight", f"{a}.self_attn.o_proj.weight", z.d, z.q)
        m.both(f"{a}.mlp.gate.weight", f"{a}.mlp.gate.weight", z.experts, z.d)
        for p, shape in (("gate", (z.inner, z.d)), ("up", (z.inner, z.d)), ("down", (z.d, z.inner))):
            for e in range(z.experts):
                m.src(f"{a}.mlp.experts.{e}.{p}_proj.weight", *shape)
        each = {p: ("stack", [key(f"{a}.mlp.experts.{e}.{p}_proj.weight") for e in range(z.experts)]) for p in ("gate", "up", "down")}
        m.get(f"{a}.mlp.experts.gate_up_proj", (z.experts, 2 * z.inner, z.d), ("cat", 1, [each["gate"], each["up"]]))
        m.get(f"{a}.mlp.experts.down_proj", (z.experts, z.d, z.inner), each["down"])
        for n in LLAMA[4:]:
            m.both(f"{a}.{n}.weight", f"{a}.{n}.weight", z.d)
    m.both("model.norm.weight", "model.norm.weight", z.d)
    return m.pair()


def llama4(z):
    """[experts, in, out] with gate and up side by side, and GGUF's three, which lie [experts, out, in]."""
    m = Glue("llama4_to_gguf", says=["experts.gate_up_proj=ffn_gate_exps+ffn_up_exps"])
    m.both("model.embed_tokens.weight", "token_embd.weight", z.vocab, z.d)
    for i in range(z.layers):
        a, b = f"model.layers.{i}", f"blk.{i}"
        for p, n in (("q", z.q), ("k", z.k), ("v", z.k)):
            m.both(f"{a}.self_attn.{p}_proj.weight", f"{b}.attn_{p}.weight", n, z.d)
        m.both(f"{a}.self_attn.o_proj.weight", f"{b}.attn_output.weight", z.d, z.q)
        m.both(f"{a}.feed_forward.router.weight", f"{b}.ffn_gate_inp.weight", z.experts, z.d)
        whole = key(m.src(f"{a}.feed_forward.experts.gate_up_proj", z.experts, z.d, 2 * z.inner))
        for k, p in enumerate(("gate", "up")):
            one = ("slice", whole, 2, k * z.inner, (k + 1) * z.inner)
            m.get(f"{b}.ffn_{p}_exps.weight", (z.experts, z.inner, z.d), ("permute", one, (0, 2, 1)))
        down = key(m.src(f"{a}.feed_forward.experts.down_proj", z.experts, z.inner, z.d))
        m.get(f"{b}.ffn_down_exps.weight", (z.experts, z.d, z.inner), ("permute", down, (0, 2, 1)))
        for p, shape in (("gate", (z.inner, z.d)), ("up", (z.inner, z.d)), ("down", (z.d, z.inner))):
            m.both(f"{a}.feed_forward.shared_expert.{p}_proj.weight", f"{b}.ffn_{p}_shexp.weight", *shape)
        m.both(f"{a}.input_layernorm.weight", f"{b}.attn_norm.weight", z.d)
        m.both(f"{a}.post_attention_layernorm.weight", f"{b}.ffn_norm.weight", z.d)
    m.both("model.norm.weight", "output_norm.weight", z.d)
    m.both("lm_head.weight", "output.weight", z.vocab, z.d)
    return m.pair()


def gpt_oss(z):
    """The columns of gate and up take turns, and the second matrix of an expert is a square."""
    z = z.with_(inner=z.d)
    m = Glue("gpt_oss_to_gguf", says=[f"experts.gate_up_proj={z.inner}*(ffn_gate_exps+ffn_up_exps)", "input_layernorm=attn_norm"],
             assume="flax")
    m.both("model.embed_tokens.weight", "token_embd.weight", z.vocab, z.d)
    for i in range(z.layers):
        a, b = f"model.layers.{i}", f"blk.{i}"
        m.both(f"{a}.self_attn.sinks", f"{b}.attn_sinks.weight", z.heads)
        for p, n in (("q", z.q), ("k", z.k), ("v", z.k)):
            m.linear(f"{a}.self_attn.{p}_proj", f"{b}.attn_{p}", n, z.d)
        m.linear(f"{a}.self_attn.o_proj", f"{b}.attn_output", z.d, z.q)
        m.linear(f"{a}.mlp.router", f"{b}.ffn_gate_inp", z.experts, z.d)
        whole = key(m.src(f"{a}.mlp.experts.gate_up_proj", z.experts, z.d, 2 * z.inner))
        bias = key(m.src(f"{a}.mlp.experts.gate_up_proj_bias", z.experts, 2 * z.inner))
        for k, p in enumerate(("gate", "up")):
            one = ("slice", ("reshape", whole, (z.experts, z.d, z.inner, 2)), 3, k, k + 1)
            m.get(f"{b}.ffn_{p}_exps.weight", (z.experts, z.inner, z.d),
                  ("permute", ("reshape", one, (z.experts, z.d, z.inner)), (0, 2, 1)))
            one = ("slice", ("reshape", bias, (z.experts, z.inner, 2)), 2, k, k + 1)
            m.get(f"{b}.ffn_{p}_exps.bias", (z.experts, z.inner), ("reshape", one, (z.experts, z.inner)))
        down = key(m.src(f"{a}.mlp.experts.down_proj", z.experts, z.inner, z.d))
        m.get(f"{b}.ffn_down_exps.weight", (z.experts, z.d, z.inner), ("permute", down, (0, 2, 1)))
        m.both(f"{a}.mlp.experts.down_proj_bias", f"{b}.ffn_down_exps.bias", z.experts, z.d)
        m.both(f"{a}.input_layernorm.weight", f"{b}.attn_norm.weight", z.d)
        m.both(f"{a}.post_attention_layernorm.weight", f"{b}.post_attention_norm.weight", z.d)
    m.both("model.norm.weight", "output_norm.weight", z.d)
    m.both("lm_head.weight", "output.weight", z.vocab, z.d)
    return m.pair()


def dbrx(z):
    """The experts behind one another in one matrix; GGUF gives them an axis, and turns the last of the three."""
    m = Glue("dbrx_to_gguf")
    m.both("transformer.wte.weight", "token_embd.weight", z.vocab, z.d)
    for i in range(z.layers):
        a, b = f"transformer.blocks.{i}", f"blk.{i}"
        m.both(f"{a}.ffn.router.layer.weight", f"{b}.ffn_gate_inp.weight", z.experts, z.d)
        for s, t in (("w1", "gate"), ("v1", "up"), ("w2", "down")):
            x = ("reshape", key(m.src(f"{a}.ffn.experts.mlp.{s}", z.experts * z.inner, z.d)), (z.experts, z.inner, z.d))
            shape = (z.experts, z.inner, z.d)
            if t == "down":
                x, shape = ("permute", x, (0, 2, 1)), (z.experts, z.d, z.inner)
            m.get(f"{b}.ffn_{t}_exps.weight", shape, x)
        m.both(f"{a}.norm_attn_norm.norm_1.weight", f"{b}.attn_norm.weight", z.d)
        m.both(f"{a}.norm_attn_norm.attn.Wqkv.weight", f"{b}.attn_qkv.weight", z.q + 2 * z.k, z.d)
        m.both(f"{a}.norm_attn_norm.attn.out_proj.weight", f"{b}.attn_output.weight", z.d, z.q)
        m.both(f"{a}.norm_attn_norm.norm_2.weight", f"{b}.attn_output_norm.weight", z.d)
    m.both("transformer.norm_f.weight", "output_norm.weight", z.d)
    m.both("lm_head.weight", "output.weight", z.vocab, z.d)
    return m.pair()


def olmo(z):
    """Two fused tensors whose names have no word of what is in them; up lies before gate."""
    m = Glue("olmo_to_hf", says=["att_proj=q_proj+k_proj+v_proj", "ff_proj=up_proj+gate_proj"])
    s = "model.transformer"
    m.both(f"{s}.wte.weight", "model.embed_tokens.weight", z.vocab, z.d)
    for i in range(z.layers):
        a, b = f"{s}.blocks.{i}", f"model.layers.{i}"
        m.both(f"{a}.attn_out.weight", f"{b}.self_attn.o_proj.weight", z.d, z.q)
        m.both(f"{a}.ff_out.weight", f"{b}.mlp.down_proj.weight", z.d, z.inner)
        split_qkv(m, f"{a}.att_proj", [f"{b}.self_attn.{p}_proj" for p in "qkv"], z.with_(kv=z.heads))
        whole = key(m.src(f"{a}.ff_proj.weight", 2 * z.inner, z.d))
        for k, p in enumerate(("up", "gate")):
            m.get(f"{b}.mlp.{p}_proj.weight", (z.inner, z.d), rows(whole, k * z.inner, z.inner))
    return m.pair()


FAMILIES = (phi3, phi3_back, internlm2, internlm2_back, chatglm2, falcon, falcon7b, neox, megatron, bigcode, mpt, baichuan,
            metaseq, deepseek, flux, flux_back, vit_flax, vit_flax_hf, vit_scan, vit_scan_hf, vit_hf_flax, qwen3_moe,
            llama4, gpt_oss, dbrx, olmo)


def pairs(size=REAL):
    return [make(size) for make in FAMILIES]
