"""What lies in one tensor, with real modules: one computes what the other does once tenon has carried
its weights over, and something else where the rows were cut in another order. Attention as flax has
it against torch.nn.MultiheadAttention, queries, keys and values by heads and by groups against
separate ones, experts in one tensor against experts one by one."""
import unittest

import numpy as np
import safetensors.numpy
import safetensors.torch
import torch
from torch import nn
from torch.nn import functional

from oracle import Case

try:
    import jax
    from flax import linen
except ImportError:
    linen = None

WIDTH, HEADS, GROUPS, SIZE, INNER, LAYERS, EXPERTS = 24, 4, 2, 6, 40, 5, 6


class Glued(Case):
    def convert(self, source, target, *options):
        """The source's tensors under the target's names, by --auto."""
        safetensors.torch.save_file(source, self.path("s.safetensors"))
        torch.save(target, self.path("t.pth"))
        self.tenon("align", self.path("s.safetensors"), self.path("t.pth"), "-e", "auto{values=false}", "--auto", *options,
                   "-o", self.path("o.pth"), "--force")
        return torch.load(self.path("o.pth"), weights_only=True)

    def same_forward(self, old, new, *options, differs=False):
        torch.manual_seed(1)
        x = torch.randn(3, 7, WIDTH)
        state = {key: value.clone().contiguous() for key, value in old.state_dict().items()}
        new.load_state_dict(self.convert(state, new.state_dict(), *options))
        with torch.no_grad():
            close = torch.allclose(old(x), new(x), atol=1e-5)
        self.assertNotEqual(close, differs)


# ---- queries, keys and values ----

def attend(q, k, v):
    """(batch, length, heads, size) of each; fewer heads of k and v are shared by those of q."""
    repeat = q.shape[2] // k.shape[2]
    k, v = (one.repeat_interleave(repeat, 2) for one in (k, v))
    out = functional.scaled_dot_product_attention(*(one.transpose(1, 2) for one in (q, k, v)))
    return out.transpose(1, 2).flatten(2)


class ByGroups(nn.Module):
    """Group by group its queries, its key, its value: GPT-NeoX and BLOOM (a group is a head), Falcon, InternLM2."""
    def __init__(self, groups, name, bias=True):
        super().__init__()
        self.groups, self.name = groups, name
        setattr(self, name, nn.Linear(WIDTH, (HEADS + 2 * groups) * SIZE, bias=bias))
        self.dense = nn.Linear(HEADS * SIZE, WIDTH)

    def forward(self, x):
        all_ = getattr(self, self.name)(x).unflatten(2, (self.groups, HEADS // self.groups + 2, SIZE))
        return self.dense(attend(all_[..., :-2, :].flatten(2, 3), all_[..., -2, :], all_[..., -1, :]))


class Behind(nn.Module):
    """All queries, all keys, all values: Phi-3, ChatGLM2, GPT-BigCode."""
    def __init__(self, groups, name, bias=True):
        super().__init__()
        self.sizes, self.name = [HEADS * SIZE, groups * SIZE, groups * SIZE], name
        setattr(self, name, nn.Linear(WIDTH, sum(self.sizes), bias=bias))
        self.dense = nn.Linear(HEADS * SIZE, WIDTH)

    def forward(self, x):
        parts = getattr(self, self.name)(x).split(self.sizes, 2)
        return self.dense(attend(*(one.unflatten(2, (-1, SIZE)) for one in parts)))


class Apart(nn.Module):
    def __init__(self, groups, bias=True):
        super().__init__()
        self.q_proj = nn.Linear(WIDTH, HEADS * SIZE, bias=bias)
        self.k_proj = nn.Linear(WIDTH, groups * SIZE, bias=bias)
        self.v_proj = nn.Linear(WIDTH, groups * SIZE, bias=bias)
        self.dense = nn.Linear(HEADS * SIZE, WIDTH)

    def forward(self, x):
        return self.dense(attend(*(one(x).unflatten(2, (-1, SIZE)) for one in (self.q_proj, self.k_proj, self.v_proj))))


class Model(nn.Module):
    def __init__(self, make):
        super().__init__()
        self.layers = nn.ModuleList(nn.ModuleDict({"norm": nn.LayerNorm(WIDTH), "attention": make(),
                                                   "up": nn.Linear(WIDTH, INNER), "down": nn.Linear(INNER, WIDTH)})
                                    for _ in range(LAYERS))

    def forward(self, x):
        for layer in self.layers:
            x = x + layer["attention"](layer["norm"](x))
            x = x + layer["down"](layer["up"](x).relu())
        return x


class Attention(Glued):
    def test_groups_are_taken_apart(self):
        for groups in (GROUPS, HEADS):
            self.same_forward(Model(lambda: ByGroups(groups, "query_key_value")), Model(lambda: Apart(groups)),
                              "--say", f"query_key_value={groups}*(q_proj+k_proj+v_proj)")

    def test_another_answer_is_another_function(self):
        self.same_forward(Model(lambda: ByGroups(GROUPS, "query_key_value")), Model(lambda: Apart(GROUPS)),
                          "--say", "query_key_value=q_proj+k_proj+v_proj", differs=True)

    def test_groups_are_joined(self):
        self.same_forward(Model(lambda: Apart(GROUPS, bias=False)), Model(lambda: ByGroups(GROUPS, "wqkv", bias=False)),
                          "--say", f"{GROUPS}*(q_proj+k_proj+v_proj)=wqkv")

    def test_one_behind_the_other(self):
        for groups in (1, GROUPS, HEADS):
            for name in ("qkv_proj", "c_attn", "W_pack"):
                self.same_forward(Model(lambda: Behind(groups, name)), Model(lambda: Apart(groups)))
                self.same_forward(Model(lambda: Apart(groups)), Model(lambda: Behind(groups, name)))

    def test_nothing_is_guessed(self):
        """Both know query_key_value, so that nothing is loaded without an answer."""
        for old in (ByGroups, Behind):
            source, target = Model(lambda: old(GROUPS, "query_key_value")), Model(lambda: Apart(GROUPS))
            safetensors.torch.save_file(source.state_dict(), self.path("s.safetensors"))
            torch.save(target.state_dict(), self.path("t.pth"))
            told = self.tenon("align", self.path("s.safetensors"), self.path("t.pth"), "-e", "auto{values=false}", status=3)
            self.assertIn("query_key_value", told)


# ---- experts ----

class Together(nn.Module):
    """gpt-oss: [experts, in, out], the columns of gate and up in turn."""
    def __init__(self, turns):
        super().__init__()
        self.turns = turns
        self.gate_up_proj = nn.Parameter(torch.randn(EXPERTS, WIDTH, 2 * INNER) / 5)
        self.down_proj = nn.Parameter(torch.randn(EXPERTS, INNER, WIDTH) / 5)

    def forward(self, x):
        both = torch.einsum("bld,edf->eblf", x, self.gate_up_proj)
        gate, up = (both[..., ::2], both[..., 1::2]) if self.turns else both.chunk(2, -1)
        return torch.einsum("eblf,efd->bld", functional.silu(gate) * up, self.down_proj)


class OneByOne(nn.Module):
    def __init__(self):
        super().__init__()
        for e in range(EXPERTS):
            setattr(self, str(e), nn.ModuleDict({"gate_proj": nn.Linear(WIDTH, INNER, bias=False),
                                                 "up_proj": nn.Linear(WIDTH, INNER, bias=False),
                                                 "down_proj": nn.Linear(INNER, WIDTH, bias=False)}))

    def forward(self, x):
        each = (getattr(self, str(e)) for e in range(EXPERTS))
        return sum(one["down_proj"](functional.silu(one["gate_proj"](x)) * one["up_proj"](x)) for one in each)


class Mixture(nn.Module):
    def __init__(self, make):
        super().__init__()
        self.layers = nn.ModuleList(nn.ModuleDict({"norm": nn.LayerNorm(WIDTH), "experts": make()}) for _ in range(LAYERS))

    def forward(self, x):
        for layer in self.layers:
            x = x + layer["experts"](layer["norm"](x))
        return x


class Experts(Glued):
    def test_columns_in_turn(self):
        says = f"{INNER}*(gate_proj+up_proj)"
        self.same_forward(Mixture(lambda: Together(True)), Mixture(OneByOne), "--say", f"gate_up_proj={says}")
        self.same_forward(Mixture(OneByOne), Mixture(lambda: Together(True)), "--say", f"{says}=gate_up_proj")

    def test_columns_behind_each_other(self):
        self.same_forward(Mixture(lambda: Together(False)), Mixture(OneByOne), "--say", "gate_up_proj=gate_proj+up_proj")


# ---- flax ----

class TorchBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.attn = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
        self.fc1, self.fc2 = nn.Linear(WIDTH, INNER), nn.Linear(INNER, WIDTH)

    def forward(self, x):
        x = x + self.attn(x, x, x, need_weights=False)[0]
        return x + self.fc2(self.fc1(x).relu())


class TorchModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList(TorchBlock() for _ in range(LAYERS))

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return x


class SplitBlock(nn.Module):
    """Query, key and value of their own."""
    def __init__(self):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.out = nn.Linear(WIDTH, WIDTH)
        self.fc1, self.fc2 = nn.Linear(WIDTH, INNER), nn.Linear(INNER, WIDTH)

    def forward(self, x):
        x = x + self.out(attend(*(one(x).unflatten(2, (HEADS, SIZE)) for one in (self.query, self.key, self.value))))
        return x + self.fc2(self.fc1(x).relu())


class SplitModel(TorchModel):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList(SplitBlock() for _ in range(LAYERS))


if linen:
    class FlaxBlock(linen.Module):
        @linen.compact
        def __call__(self, x, _=None):
            x = x + linen.MultiHeadDotProductAttention(num_heads=HEADS, name="attn")(x, x)
            y = linen.relu(linen.Dense(INNER, name="fc1")(x))
            x = x + linen.Dense(WIDTH, name="fc2")(y)
            return (x, None) if self.scanned else x

        scanned: bool = False

    class FlaxModel(linen.Module):
        scanned: bool = False

        @linen.compact
        def __call__(self, x):
            if self.scanned:
                scan = linen.scan(FlaxBlock, variable_axes={"params": 0}, split_rngs={"params": True}, length=LAYERS)
                return scan(scanned=True, name="blocks")(x, None)[0]
            for i in range(LAYERS):
                x = FlaxBlock(name=f"blocks_{i}")(x)
            return x


@unittest.skipIf(linen is None, "flax is not installed")
class Flax(Glued):
    def tree(self, scanned):
        x = jax.random.normal(jax.random.PRNGKey(0), (3, 7, WIDTH))
        model = FlaxModel(scanned=scanned)
        tree = jax.tree.map(lambda one: one + 0.1, model.init(jax.random.PRNGKey(1), x))
        flat = {"/".join(str(part.key) for part in path): np.asarray(value)
                for path, value in jax.tree_util.tree_leaves_with_path(tree["params"])}
        return flat, torch.from_numpy(np.array(x)), torch.from_numpy(np.array(model.apply(tree, x)))

    def check(self, scanned, make, *options):
        flat, x, want = self.tree(scanned)
        model = make()
        state = {key: torch.from_numpy(value.copy()) for key, value in flat.items()}
        model.load_state_dict(self.convert(state, model.state_dict(), *options))
        with torch.no_grad():
            self.assertTrue(torch.allclose(model(x), want, atol=1e-4))

    def test_heads_into_a_fused_matrix(self):
        self.check(False, TorchModel)

    def test_heads_into_matrices(self):
        self.check(False, SplitModel)

    def test_scanned_layers_into_matrices(self):
        self.check(True, SplitModel)

    def test_matrices_into_heads(self):
        """And back: the tree that comes out is the one that went in."""
        flat, *_ = self.tree(False)
        model, state = SplitModel(), {key: torch.from_numpy(value.copy()) for key, value in flat.items()}
        model.load_state_dict(self.convert(state, model.state_dict()))
        again = self.convert(model.state_dict(), state)
        for key, value in state.items():
            self.assertTrue(torch.equal(again[key], value), key)


if __name__ == "__main__":
    unittest.main()
