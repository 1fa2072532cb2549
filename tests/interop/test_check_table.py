"""tenon check on a table of models: what is as the field makes it must be silent, what is broken
must be found. Each row says what is made, and what is warned of; what is known and accepted stands
here too (KNOWN), so that a change of a threshold shows what it costs."""
import json
import warnings

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations, prune

from oracle import Case

warnings.filterwarnings("ignore")
torch.set_num_threads(1)


# ---- models, with the starts that PyTorch gives them -------------------------------------

class Conv(nn.Module):
    """Convolutions with batch norms, a depthwise one, a head."""

    def __init__(self, width=32):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.depthwise = nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.point = nn.Conv2d(width, 2 * width, 1)
        self.fc = nn.Linear(2 * width, 10)

    def forward(self, x):
        x = F.relu6(self.bn1(self.stem(x)))
        x = F.relu6(self.bn2(self.depthwise(x)))
        return self.fc(F.relu(self.point(x)).mean((2, 3)))


class Words(nn.Module):
    """Embeddings, a recurrent layer, attention, a head."""

    def __init__(self, width=32, words=200, recurrent=nn.LSTM):
        super().__init__()
        self.embedding = nn.Embedding(words, width, padding_idx=0)
        self.rnn = recurrent(width, width, 2, batch_first=True, bidirectional=True)
        self.encoder = nn.TransformerEncoderLayer(2 * width, 4, 128, batch_first=True)
        self.norm = nn.LayerNorm(2 * width)
        self.head = nn.Linear(2 * width, 10)

    def forward(self, x):
        x, _ = self.rnn(self.embedding(x))
        return self.head(self.norm(self.encoder(x)).mean(1))


class Vit(nn.Module):
    """As timm makes one: normal starts of 0.02, biases of 0, a class token, layer scale."""

    def __init__(self, width=64, layers=3):
        super().__init__()
        self.patch = nn.Conv2d(3, width, 2, 2)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.randn(1, 17, width) * 0.02)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(width, 4, 2 * width, batch_first=True, norm_first=True)
            for _ in range(layers))
        self.gamma = nn.Parameter(1e-5 * torch.ones(width))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 10)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], 1) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x * (1 + self.gamma))[:, 0])


def images(n=8):
    return torch.randn(n, 3, 8, 8)


def texts(n=8, words=200):
    return torch.randint(1, words, (n, 12))


def train(model, inputs, steps=12, optimizer=None):
    """A few real steps on labels that have nothing to do with the inputs."""
    optimizer = optimizer or torch.optim.Adam(model.parameters(), 1e-3)
    model.train()
    for _ in range(steps):
        x = inputs()
        optimizer.zero_grad()
        F.cross_entropy(model(x), torch.randint(0, 10, (len(x),))).backward()
        optimizer.step()
    return model


def conv(**options):
    return train(Conv(), images, **options)


def words(recurrent=nn.LSTM, **options):
    return train(Words(recurrent=recurrent), texts, **options)


def vit(**options):
    return train(Vit(), images, **options)


def floats(state, dtype):
    return {k: v.to(dtype) if v.is_floating_point() else v for k, v in state.items()}


def state(model):
    return {k: v.clone() for k, v in model.state_dict().items()}


def changed(model, change):
    result = state(model)
    change(result)
    return result


# ---- rows ----------------------------------------------------------------------------------

def sgd(model, rate):
    return torch.optim.SGD(model.parameters(), rate, momentum=0.9)


def sgd_trained(rate):
    model = Conv()
    return train(model, images, 80, sgd(model, rate))


def decayed():
    """Weight decay takes the channels of a dead ReLU to numbers that f16 has not."""
    result = state(conv())
    result["stem.weight"][[3, 9, 20]] *= 1e-9
    return floats(result, torch.float16)


def depthwise():
    """A fifth of the channels of a MobileNet's depthwise convolutions is dead once it is trained."""
    result = state(conv())
    result["depthwise.weight"][::5] = 0
    return result


def unstructured():
    model = conv()
    for module in (model.stem, model.fc, model.point):
        prune.l1_unstructured(module, "weight", 0.5)
    return model.state_dict()


def unstructured_made_permanent():
    model = conv()
    prune.l1_unstructured(model.fc, "weight", 0.6)
    prune.remove(model.fc, "weight")
    return model.state_dict()


def reparametrized():
    model = nn.Sequential(parametrizations.weight_norm(nn.Linear(64, 64)),
                          parametrizations.spectral_norm(nn.Linear(64, 64)),
                          parametrizations.orthogonal(nn.Linear(64, 64)), nn.Linear(64, 10))
    return train(model, lambda: torch.randn(32, 64)).state_dict()


def lora():
    """The frozen part is not in the file; B starts at zero and moved."""
    result = {}
    for i in range(4):
        a, b = nn.Linear(64, 8, bias=False), torch.zeros(64, 8)
        result[f"layers.{i}.q_proj.lora_A.weight"] = \
            a.weight.detach() + 0.01 * torch.randn(8, 64)
        result[f"layers.{i}.q_proj.lora_B.weight"] = b + 0.01 * torch.randn(64, 8)
    return result


def observed():
    """Quantization-aware: observers that saw nothing yet hold infinities."""
    from torch.ao.quantization import default_qat_qconfig, prepare_qat
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    model.qconfig = default_qat_qconfig
    model = prepare_qat(model.train())
    train(model, lambda: torch.randn(32, 64))
    result = state(model)
    result["unused.activation_post_process.min_val"] = torch.tensor(float("inf"))
    result["unused.activation_post_process.max_val"] = torch.tensor(float("-inf"))
    return result


def dynamic_quantized():
    model = train(nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)),
                  lambda: torch.randn(32, 64))
    return torch.ao.quantization.quantize_dynamic(model, {nn.Linear}, torch.qint8).state_dict()


def absorbed():
    """Caffe's ResNets in Detectron: the statistics went into scale and shift."""
    result = state(conv())
    for name in ("bn1", "bn2"):
        result[f"{name}.running_mean"].zero_()
        result[f"{name}.running_var"].fill_(1)
        result[f"{name}.num_batches_tracked"].zero_()
    return result


def buffers():
    """What code computes and saves all the same."""
    result = state(vit())
    place = torch.arange(64)[:, None] / 10000 ** (torch.arange(0, 64, 2) / 64)
    result["pe"] = torch.stack([place.sin(), place.cos()], 2).flatten(1)[None]
    result["relative_position_index"] = torch.randint(0, 100, (49, 49))
    result["slopes"] = 2.0 ** -torch.arange(1, 9)
    result["attn_mask"] = torch.zeros(4, 49, 49)
    result["A_log"] = torch.arange(1, 17).float().log().repeat(64, 1)
    result["D"] = torch.ones(64)
    result["betas"] = torch.linspace(1e-4, 0.02, 1000)
    result["logit_scale"] = torch.tensor(2.65)
    result["window"] = torch.hann_window(400)
    result["mean"], result["std"] = torch.zeros(1, 3, 1, 1), torch.ones(1, 3, 1, 1)
    result["running_steps"] = torch.tensor(7)
    return result


def vocabulary():
    """Words that never came up keep their start; those that did moved."""
    model = Words(words=2000)
    train(model, lambda: texts(words=1500), 30)
    return model.state_dict()


def controlled():
    """ControlNet's zero convolutions, once they were trained."""
    result = state(conv())
    result["zero.weight"] = 1e-3 * torch.randn(16, 16, 1, 1)
    return result


def upsampler():
    """A bilinear kernel on the diagonal of channels, as FCN starts and keeps it."""
    line = torch.tensor([0.25, 0.75, 0.75, 0.25])
    result = state(conv())
    result["upscore.weight"] = torch.zeros(21, 21, 4, 4)
    for i in range(21):
        result["upscore.weight"][i, i] = line[:, None] * line
    return result


def pruned_heads():
    model = conv()
    prune.ln_structured(model.fc, "weight", 0.2, 2, 1)
    prune.remove(model.fc, "weight")
    return model.state_dict()


GOOD = {
    "convolutions": lambda: state(conv()),
    "convolutions, many steps": lambda: state(conv(steps=80)),
    "convolutions, SGD": lambda: state(sgd_trained(0.1)),
    "convolutions in f16": lambda: floats(state(conv()), torch.float16),
    "convolutions in bf16": lambda: floats(state(conv()), torch.bfloat16),
    "convolutions in f64": lambda: floats(state(conv()), torch.float64),
    "LSTM and attention": lambda: state(words()),
    "GRU and attention": lambda: state(words(nn.GRU)),
    "LSTM and attention in f16": lambda: floats(state(words()), torch.float16),
    "vision transformer": lambda: state(vit()),
    "vision transformer in bf16": lambda: floats(state(vit()), torch.bfloat16),
    "channels that decayed, in f16": decayed,
    "dead depthwise channels": depthwise,
    "pruned, with masks": unstructured,
    "pruned, single weights": unstructured_made_permanent,
    "weight, spectral and orthogonal norms": reparametrized,
    "LoRA": lora,
    "observers of quantization": observed,
    "dynamically quantized": dynamic_quantized,
    "buffers that code computes": buffers,
    "a vocabulary that was not all met": vocabulary,
    "zero convolutions that moved": controlled,
    "a bilinear upsampler": upsampler,
    "batch norms absorbed into scale and shift": absorbed,
}


def nan(s):
    s["fc.weight"][2, 3] = float("nan")


def dead_rows(s):
    s["point.weight"][10:30] = 0


def dead_columns(s):
    s["fc.weight"][:, 5:20] = 0


def constant(s):
    s["point.weight"].fill_(0.25)


def zeros(s):
    s["fc.weight"].zero_()


def one_layer_twice(s):
    for key in list(s):
        if key.startswith("blocks.2."):
            s[key] = s[key.replace("blocks.2.", "blocks.1.")].clone()


def averaged_counter(s):
    s["bn1.num_batches_tracked"] = torch.tensor(29.97)


def whole_as_float(s):
    s["position_ids"] = torch.arange(64).float()[None]


def fresh_head(s):
    head = nn.Linear(64, 10)
    s["fc.weight"], s["fc.bias"] = head.weight.detach(), head.bias.detach()


def fresh_head_in_half(s):
    fresh_head(s)
    for key in s:
        s[key] = s[key].half() if s[key].is_floating_point() else s[key]


def fresh_bert_head(s):
    s["head.weight"], s["head.bias"] = torch.randn(10, 64) * 0.02, torch.zeros(10)


def cut_bert_head(s):
    s["head.weight"] = nn.init.trunc_normal_(torch.empty(1000, 64), std=0.02)
    s["head.bias"] = torch.zeros(1000)


def fresh_recurrence(s):
    fresh = nn.LSTM(32, 32, 2, batch_first=True, bidirectional=True)
    s.update({f"rnn.{k}": v.clone() for k, v in fresh.state_dict().items()})


def negative(s):
    s["bn1.running_var"][3] = -1e-3


def overflowed(s):
    s["fc.weight"][1, 1] = 1e9
    for key in s:
        s[key] = s[key].clamp(-65504, 65504).half() if s[key].is_floating_point() else s[key]


def blown_up(s):
    s["point.weight"][0, 0] = 1e6


def fresh_batchnorm(s):
    s["bn2.weight"].fill_(1)
    s["bn2.bias"].zero_()
    s["bn2.running_mean"].zero_()
    s["bn2.running_var"].fill_(1)
    s["bn2.num_batches_tracked"].zero_()


def island(s):
    s["point.weight"] = s["point.weight"].double()


LSTM = {f"rnn.weight_{part}_l{layer}{way}" for part in ("ih", "hh") for layer in (0, 1)
        for way in ("", "_reverse")}
BROKEN = {
    "a NaN": (conv, nan, {"nan": {"fc.weight"}}),
    "dead rows": (conv, dead_rows, {"dead-rows": {"point.weight"}}),
    "dead columns": (conv, dead_columns, {"dead-columns": {"fc.weight"}}),
    "a constant": (conv, constant, {"constant": {"point.weight"}}),
    "zeros": (conv, zeros, {"all-zero": {"fc.weight"}}),
    "a layer over another": (vit, one_layer_twice, {"duplicate-layer": None}),
    "an averaged counter": (conv, averaged_counter,
                            {"integer-as-float": {"bn1.num_batches_tracked"}}),
    "positions as floats": (conv, whole_as_float, {"integer-as-float": {"position_ids"}}),
    "a head made anew": (conv, fresh_head, {"untrained": {"fc.weight"}}),
    "a head made anew, cast to f16": (conv, fresh_head_in_half, {"untrained": {"fc.weight"}}),
    "a head as BERT makes it": (vit, fresh_bert_head, {"untrained": {"head.weight"}}),
    "a head as timm makes it": (vit, cut_bert_head, {"untrained": {"head.weight"}}),
    "a recurrent layer made anew": (words, fresh_recurrence, {"untrained": LSTM}),
    "a negative variance": (conv, negative, {"negative-variance": {"bn1.running_var"}}),
    "a value that f16 cut": (conv, overflowed, {"f16-limit": {"fc.weight"}}),
    "a value that blew up": (conv, blown_up, {"outlier": {"point.weight"}}),
    "a batch norm made anew": (conv, fresh_batchnorm,
                               {"untrained-batchnorm": {"bn2.running_mean"}}),
    "one tensor in f64": (conv, island, {"dtype-island": {"point.weight"}}),
}


KNOWN = {
    "hardly trained: SGD at a low rate": (lambda: state(sgd_trained(1e-4)), "untrained"),
    "inputs pruned away": (pruned_heads, "dead-columns"),
}
NOTED = {
    "dead depthwise channels": (depthwise, "dead-rows"),
    "a vocabulary that was not all met": (vocabulary, "untrained"),
    "batch norms absorbed into scale and shift": (absorbed, "untrained-batchnorm"),
}


class Table(Case):
    def warned(self, made):
        path = self.path("model.pth")
        torch.save(made, path)
        kinds = {}
        for one in json.loads(self.tenon("check", "--json", path))["findings"]:
            if one["level"] != "note":
                kinds.setdefault(one["kind"], set()).update(one["tensors"])
        return kinds

    def test_good(self):
        for seed in range(2):
            for name, make in GOOD.items():
                torch.manual_seed(seed)
                with self.subTest(name, seed=seed):
                    self.assertEqual(self.warned(make()), {})

    def test_broken(self):
        for seed in range(2):
            for name, (make, change, wanted) in BROKEN.items():
                torch.manual_seed(seed)
                with self.subTest(name, seed=seed):
                    found = self.warned(changed(make(), change))
                    self.assertEqual(set(found), set(wanted))
                    for kind, tensors in wanted.items():
                        if tensors is not None:
                            self.assertEqual(found[kind], tensors)

    def test_known(self):
        """What is warned of though nothing is broken: the values do not tell the two apart."""
        for name, (make, kind) in KNOWN.items():
            torch.manual_seed(0)
            with self.subTest(name):
                self.assertEqual(set(self.warned(make())), {kind})

    def test_notes(self):
        """What is worth a word, and no warning."""
        for name, (make, kind) in NOTED.items():
            torch.manual_seed(0)
            path = self.path("model.pth")
            torch.save(make(), path)
            with self.subTest(name):
                self.assertIn(kind, {one["kind"] for one in
                                     json.loads(self.tenon("check", "--json", path))["findings"]})
