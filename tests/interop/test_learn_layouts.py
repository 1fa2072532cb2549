"""Layouts in which programs keep the same weights: learned from a small model, both ways, and right for a larger one with
more layers, wider, and of other proportions."""
import unittest

import torch

from learning import LearningCase
from test_learn import paired


def convolutions(widths, blocks):
    """Stages counted from one and from zero, of which those that change the width have a shortcut; counters as they
    are after training: equal in all norms."""
    old, new = {}, {}
    for stage, (width, count) in enumerate(zip(widths, blocks)):
        before = widths[max(stage - 1, 0)]
        for i in range(count):
            here, there = f"layer{stage + 1}.{i}.", f"stages.{stage}.blocks.{i}."
            into = before if i == 0 else width
            parts = [("conv1", "bn1", "conv1", "norm1", (width, into, 3, 3)), ("conv2", "bn2", "conv2", "norm2", (width, width, 3, 3))]
            if i == 0 and stage:
                parts.append(("downsample.0", "downsample.1", "shortcut.conv", "shortcut.norm", (width, into, 1, 1)))
            for conv, norm, conv_now, norm_now, shape in parts:
                old[f"{here}{conv}.weight"] = new[f"{there}{conv_now}.weight"] = torch.randn(shape)
                for leaf in ("weight", "bias", "running_mean", "running_var"):
                    old[f"{here}{norm}.{leaf}"] = new[f"{there}{norm_now}.{leaf}"] = torch.randn(width)
                old[f"{here}{norm}.num_batches_tracked"] = new[f"{there}{norm_now}.num_batches_tracked"] = torch.tensor(7)
    return old, new


def grouped(layers, width, heads, groups):
    """Megatron's queries, key and value of each group in turn, and three tensors."""
    old, new = {}, {}
    size = width // heads
    for i in range(layers):
        here, there = f"decoder.layers.{i}.self_attention.linear_qkv.", f"model.layers.{i}.self_attn."
        for leaf, rest in (("weight", (width,)), ("bias", ())):
            whole = torch.randn((heads + 2 * groups) * size, *rest)
            old[here + leaf] = whole
            parts = whole.view(groups, heads // groups + 2, size, *rest)
            for name, part in (("q", parts[:, :-2]), ("k", parts[:, -2]), ("v", parts[:, -1])):
                new[f"{there}{name}_proj.{leaf}"] = part.reshape(-1, *rest)
    return old, new


def recurrent(layers, inputs, width):
    """TensorFlow's one kernel, gates i c f o, and PyTorch's two, gates i f g o."""
    old, new = {}, {}
    for i in range(layers):
        first = inputs if i == 0 else width
        kernel, bias = torch.randn(first + width, 4 * width), torch.randn(4 * width)
        old[f"rnn/lstm_{i}/kernel"], old[f"rnn/lstm_{i}/bias"] = kernel, bias
        def turned(x):
            a, c, f, o = x.chunk(4, -1)
            return torch.cat([a, f, c, o], -1)
        new[f"lstm.weight_ih_l{i}"], new[f"lstm.weight_hh_l{i}"] = (part.t() for part in turned(kernel).split([first, width]))
        new[f"lstm.bias_ih_l{i}"] = turned(bias)
    return old, new


def experts(layers, width, hidden, count):
    """Gates and inputs of all experts in one tensor, the other way round, and each by itself."""
    old, new = {}, {}
    for i in range(layers):
        here, there = f"model.layers.{i}.mlp.experts.", f"layers.{i}.moe.experts."
        both, down = torch.randn(count, width, 2 * hidden), torch.randn(count, hidden, width)
        old[here + "gate_up_proj"], old[here + "down_proj"] = both, down
        for e in range(count):
            new[f"{there}{e}.w1.weight"], new[f"{there}{e}.w3.weight"] = both[e, :, :hidden].t(), both[e, :, hidden:].t()
            new[f"{there}{e}.w2.weight"] = down[e].t()
    return old, new


def scanned(layers, width, hidden):
    """Layers stacked along the second axis, as T5X scans them."""
    old, new = {}, {}
    for name, now, shape in (("wi_0", "gate_proj", (width, layers, hidden)), ("wo", "down_proj", (hidden, layers, width))):
        old[f"decoder/layers/mlp/{name}/kernel"] = kernel = torch.randn(shape)
        for i in range(layers):
            new[f"model.layers.{i}.mlp.{now}.weight"] = kernel[:, i].t()
    return old, new


def transformer(layers, width, fresh=False):
    """timm's names and transformers', with norms as they are at the start."""
    old, new = {}, {}
    for i in range(layers):
        here, there = f"blocks.{i}.", f"vit.encoder.layer.{i}."
        for a, b in (("norm1", "layernorm_before"), ("norm2", "layernorm_after")):
            for leaf, start in (("weight", torch.ones), ("bias", torch.zeros)):
                old[f"{here}{a}.{leaf}"] = new[f"{there}{b}.{leaf}"] = (start if fresh else torch.randn)(width)
        for leaf, rest in (("weight", (width,)), ("bias", ())):
            whole = torch.randn(3 * width, *rest)
            old[f"{here}attn.qkv.{leaf}"] = whole
            for name, part in zip(("query", "key", "value"), whole.chunk(3)):
                new[f"{there}attention.attention.{name}.{leaf}"] = part
    return old, new


def pixels(widths):
    """Channels that are pixels of a block: outside, and inside."""
    old, new = {}, {}
    for i, width in enumerate(widths):
        kernel = torch.randn(4 * width, width, 3, 3)
        old[f"up.{i}.kernel"] = kernel.permute(2, 3, 1, 0)
        new[f"upsample.{i}.weight"] = kernel.view(4, width, -1).transpose(0, 1).reshape(kernel.shape)
    return old, new


class Layouts(LearningCase):
    def test_a_block_that_is_alone_goes_on_like_its_neighbours(self):
        torch.manual_seed(1)
        self.carries_over(convolutions((4, 6), (1, 2)), convolutions((4, 6, 8, 10), (2, 3, 11, 2)))

    def test_rows_of_groups(self):
        torch.manual_seed(2)
        self.carries_over(grouped(2, 32, 4, 2), grouped(11, 64, 8, 2))
        with open(self.path("rules.lua"), encoding="utf-8") as file:
            self.assertIn("query_groups = 2\n", file.read())

    def test_the_number_of_groups_is_asked_and_can_be_changed(self):
        torch.manual_seed(2)
        text = self.learned(*grouped(2, 32, 4, 2))
        with open(self.path("r.lua"), "w", encoding="utf-8") as file:
            file.write(text.replace("query_groups = 2\n", "query_groups = 4\n"))
        self.applied(*grouped(3, 64, 8, 4))

    def test_parts_in_proportion(self):
        torch.manual_seed(3)
        self.carries_over(recurrent(2, 8, 12), recurrent(3, 16, 24))
        self.carries_over(experts(2, 8, 12, 3), experts(3, 12, 20, 5))

    def test_axes_of_layers_and_of_pixels(self):
        torch.manual_seed(4)
        self.carries_over(scanned(3, 8, 12), scanned(12, 12, 20))
        self.carries_over(pixels((6, 10)), pixels((8, 12)))

    def test_norms_that_are_new_are_told_by_names(self):
        torch.manual_seed(5)
        self.carries_over(transformer(2, 12, fresh=True), transformer(11, 20))
        old, new = transformer(2, 12)
        new = {key: paired(value, 2) if ".key.weight" in key else value for key, value in new.items()}
        self.assertIn("to_pairs", self.learned(old, new))


if __name__ == "__main__":
    unittest.main()
