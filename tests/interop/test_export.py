"""tenon's outputs against PyTorch's and safetensors' own: value for value and byte for byte."""
import os
import struct
import subprocess
import unittest
import warnings
from collections import OrderedDict

import safetensors
import safetensors.torch
import torch
from torch import nn

from oracle import DTYPES, TENON, Case, raw

NOT_IN_SAFETENSORS = ["complex128", "complex32"]

warnings.filterwarnings("ignore", message="ComplexHalf support")


def fresh(text):
    """A new string object, as far as CPython makes one."""
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "surrogatepass")


def freshen(state):
    """What tenon writes for a state dict: new key strings, plain tensors."""
    result = OrderedDict()
    for key, value in state.items():
        plain = value.detach() if isinstance(value, nn.Parameter) or value.requires_grad else value
        result[fresh(key)] = plain
    if hasattr(state, "_metadata"):
        result._metadata = state._metadata
    return result


def counted(shape, dtype, start=0):
    """Values that depend on their place, in any dtype; bit patterns, NaNs among them."""
    count = torch.Size(shape).numel()
    size = torch.empty(0, dtype=dtype).element_size()
    raw = ((torch.arange(start, start + count * size) * 37) % 251).to(torch.uint8)
    if dtype == torch.bool:
        raw %= 2
    return raw.view(dtype).reshape(shape) if count else torch.zeros(shape, dtype=dtype)


def mask_id(data):
    """The bytes of a .pth without the 40 digits of the serialization id and their CRC."""
    data = bytearray(data)
    name = b"/.data/serialization_id"
    entry = data.rfind(b"PK\x01\x02", 0, data.rfind(name))
    header = struct.unpack_from("<I", data, entry + 42)[0]
    if header == 0xFFFFFFFF:
        header = struct.unpack_from("<Q", data, data.rfind(name) + len(name) + 4)[0]
    lengths = struct.unpack_from("<HH", data, header + 26)
    payload = header + 30 + sum(lengths)
    data[payload:payload + 40] = bytes(40)
    data[payload + 44:payload + 48] = bytes(4)
    data[entry + 16:entry + 20] = bytes(4)
    return bytes(data)


class ExportCase(Case):
    sub = ""

    def path(self, *parts):
        """A file in the scratch folder; subtests have one of their own in it (self.sub)."""
        path = os.path.join(self.folder.name, self.sub, *parts)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    def files(self):
        return sorted(os.listdir(os.path.join(self.folder.name, self.sub)))

    def refused(self, *args, status=2):
        """What tenon says on standard error when it ends with that status."""
        done = subprocess.run([TENON, *args], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, status, f"{args}\n{done.stdout}\n{done.stderr}")
        return done.stderr

    def same_bytes(self, path, wanted):
        with open(path, "rb") as file:
            ours = file.read()
        with open(wanted, "rb") as file:
            theirs = file.read()
        if path.endswith(".safetensors"):
            self.assertEqual(ours, theirs, f"{path} and {wanted}")
        else:
            self.assertEqual(mask_id(ours), mask_id(theirs), f"{path} and {wanted}")

    def same_values(self, ours, state, layout=True):
        self.assertEqual(sorted(ours), sorted(state))
        for key, value in state.items():
            self.assertEqual(ours[key].dtype, value.dtype, key)
            self.assertEqual(ours[key].shape, value.shape, key)
            self.assertEqual(raw(ours[key]), raw(value), key)
            if layout:
                self.assertEqual(ours[key].stride(), value.stride(), key)
                self.assertEqual(ours[key].storage_offset(), value.storage_offset(), key)

    def pth(self, source, wanted, *args, name="net.pth", saved=None):
        """tenon align SOURCE -o NAME must give what torch.save gives for `wanted`."""
        out, reference = self.path("out", name), self.path("reference", name)
        torch.save(wanted if saved is None else saved, reference)
        self.tenon("align", source, "-o", out, *args)
        self.same_bytes(out, reference)
        inner = (lambda loaded: loaded) if saved is None else (lambda loaded: next(iter(loaded.values())))
        for mmap in (False, True):
            loaded = inner(torch.load(out, weights_only=True, mmap=mmap))
            self.assertEqual(list(loaded), list(wanted))
            self.same_values(loaded, wanted)
            self.assertFalse(any(value.requires_grad for value in loaded.values()))
        return out

    def both(self, state, **options):
        """Through a .pth source to .pth and, where the format can hold it, .safetensors."""
        source = self.path("source.pth")
        torch.save(state, source)
        wanted = freshen(torch.load(source, weights_only=True))
        self.pth(source, wanted, **options)
        return source, wanted

    def safe(self, source, state, *args, metadata=None):
        out, reference = self.path("out", "net.safetensors"), self.path("reference.safetensors")
        flat = {key: value.resolve_conj().resolve_neg().clone(memory_format=torch.contiguous_format)
                for key, value in state.items()}
        safetensors.torch.save_file(flat, reference, metadata=metadata or {"format": "pt"})
        self.tenon("align", source, "-o", out, "--force", *args)
        self.same_bytes(out, reference)
        self.same_values(safetensors.torch.load_file(out), flat)
        return out


class Dtypes(ExportCase):
    def test_every_dtype(self):
        for name in DTYPES:
            self.sub = name
            with self.subTest(name):
                dtype = getattr(torch, name)
                state = OrderedDict([
                    ("matrix", counted((3, 5), dtype)), ("scalar", counted((), dtype)),
                    ("empty", counted((0,), dtype)), ("empty2", counted((2, 0, 3), dtype)),
                    ("deep", counted((2, 1, 3, 1, 2), dtype)), ("odd", counted((7,), dtype)),
                ])
                source, wanted = self.both(state)
                if name not in NOT_IN_SAFETENSORS:
                    self.safe(source, wanted)

    def test_all_together(self):
        state = OrderedDict((f"{name}.{i}", counted((2, i), getattr(torch, name)))
                            for i in range(3) for name in DTYPES if name not in NOT_IN_SAFETENSORS)
        source, wanted = self.both(state)
        self.safe(source, wanted)

    def test_float4(self):
        state = OrderedDict(f4=counted((2, 4), torch.uint8).view(torch.float4_e2m1fn_x2))
        source, reference = self.path("source.pth"), self.path("reference.safetensors")
        torch.save(state, source)
        self.tenon("align", source, "-o", self.path("source_out", "source.pth"))
        self.same_bytes(self.path("source_out", "source.pth"), source)
        safetensors.torch.save_file(state, reference, metadata={"format": "pt"})
        self.tenon("align", source, "-o", self.path("f4.safetensors"))
        self.same_bytes(self.path("f4.safetensors"), reference)

    def test_what_safetensors_cannot_hold(self):
        for name in NOT_IN_SAFETENSORS:
            source = self.path(f"{name}.pth")
            torch.save({"w": counted((2,), getattr(torch, name))}, source)
            said = self.refused("align", source, "-o", self.path("no.safetensors"))
            self.assertIn("'w'", said)
            self.assertIn(".pth", said)
            self.assertFalse(os.path.exists(self.path("no.safetensors")))


class Layouts(ExportCase):
    def views(self):
        base, image = counted((4, 6), torch.float32), counted((2, 3, 4, 5), torch.float16)
        kernel = counted((4, 2, 1, 1), torch.float32)
        raw = counted((32,), torch.uint8)
        return OrderedDict([
            ("base", base), ("again", base), ("alias", base.view(4, 6)), ("flat", base.view(-1)),
            ("turned", base.t()), ("rows", base[1:3]), ("columns", base[:, 2:4]),
            ("one", base[2, 3]), ("steps", base[::2, ::3]), ("none", base[4:]),
            ("last", image.contiguous(memory_format=torch.channels_last)),
            ("kernel", kernel.contiguous(memory_format=torch.channels_last)),
            ("expanded", counted((1, 3), torch.float32).expand(4, 3)),
            ("scalar", counted((), torch.float64).expand(2, 2)),
            ("slice", counted((40,), torch.int32)[10:12]), ("permuted", image.permute(3, 1, 0, 2)),
            ("u8", raw), ("u16", raw[2:8].view(torch.uint16)), ("f8", raw[9:].view(torch.float8_e5m2)),
        ])

    def test_views_and_ties(self):
        source, wanted = self.both(self.views())
        self.safe(source, wanted)
        loaded = torch.load(self.path("out", "net.pth"))
        self.assertIs(loaded["base"], loaded["again"])
        self.assertIsNot(loaded["base"], loaded["alias"])
        self.assertEqual(loaded["base"].data_ptr(), loaded["alias"].data_ptr())

    def test_compact(self):
        source = self.path("source.pth")
        torch.save(self.views(), source)
        state = torch.load(source)
        wanted = OrderedDict()
        for key, value in state.items():
            whole = value.is_contiguous() and value.storage_offset() == 0 and \
                value.nbytes == value.untyped_storage().nbytes()
            wanted[fresh(key)] = value if whole else value.clone(memory_format=torch.contiguous_format)
        self.pth(source, wanted, "--compact")

    def test_renamed(self):
        source = self.path("source.pth")
        torch.save(self.views(), source)
        state = torch.load(source)
        wanted = OrderedDict((f"new.{key}", value) for key, value in state.items())
        self.pth(source, wanted, "-e", 'prefix "new."')

    def test_conjugate_and_negative(self):
        z, w = counted((2, 3), torch.complex64), counted((4,), torch.complex128).conj()
        source = self.path("source.pth")
        torch.save(OrderedDict(conj=z.conj(), neg=w.imag, turned=z.t().conj()), source)
        state = torch.load(source)
        self.pth(source, OrderedDict(
            (fresh(key), value.resolve_conj().resolve_neg().clone(memory_format=torch.contiguous_format))
            for key, value in state.items()))

    def test_parameters(self):
        weight = nn.Parameter(counted((3, 2), torch.float32))
        self.both(OrderedDict(a=weight, b=weight, c=counted((2,), torch.float32),
                              d=nn.Parameter(counted((2, 3), torch.float32).t(), requires_grad=False)))

    def test_tensors_that_want_gradients(self):
        """Made plain, each name has an object of its own, as a parameter's has."""
        tensor = counted((3, 2), torch.float32).requires_grad_()
        self.both(OrderedDict(a=tensor, b=tensor, c=tensor.detach()[1:]))

    def test_legacy_stream(self):
        state = self.views()
        for key in ("u16", "f8"):
            del state[key]
        source = self.path("source.pth")
        torch.save(state, source, _use_new_zipfile_serialization=False)
        self.pth(source, freshen(torch.load(source)))

    def test_computed(self):
        source = self.path("source.pth")
        torch.save(self.views(), source)
        state = torch.load(source)
        wanted = OrderedDict([("base", state["base"].t().contiguous()),
                              ("columns", state["columns"].to(torch.float16).contiguous())])
        self.pth(source, wanted, "-e",
                 'rules [[ base -> base |> T\ncolumns -> columns |> cast "f16"\n** -> ]]')


class Names(ExportCase):
    texts = ["", "a", "0", "1", "é", "ÿ", "Ā", "日本", "\U0001F600", "storage", "cpu", "version",
             "_metadata", 'with "quotes" \\ and /', "\n\t\r\b\f\x01\x1f\x7f", "nul\0inside", "\0",
             "dots..and.", "long." * 100 + "weight"]

    def test_odd_names(self):
        state = OrderedDict((text, counted((1,), torch.float32, i)) for i, text in enumerate(self.texts))
        source, wanted = self.both(state)
        self.safe(source, wanted)

    def test_surrogates(self):
        state = OrderedDict([("lone \udc80 \ud800", counted((1,), torch.float32))])
        source, _ = self.both(state)
        said = self.refused("align", source, "-o", self.path("no.safetensors"))
        self.assertIn("UTF-8", said)

    def test_counts_around_batches(self):
        table = counted((3000,), torch.float32)
        for count in (1, 2, 255, 256, 999, 1000, 1001, 2000, 2001):
            self.sub = str(count)
            with self.subTest(count):
                self.both(OrderedDict((f"k{i}", table[i]) for i in range(count)))

    def test_many_storages(self):
        self.both(OrderedDict((f"k{i}", counted((1,), torch.int16, i)) for i in range(1500)))

    def test_more_records_than_16_bits(self):
        self.both(OrderedDict((f"k{i}", torch.tensor(i)) for i in range(66000)))

    def test_archive_names(self):
        state = OrderedDict(w=counted((2,), torch.float32))
        for name in ("net.pth", "my.model.v2.pt", "a b.bin", "größe.pth", "x.ckpt"):
            self.both(state, name=name)


class Nesting(ExportCase):
    def test_under(self):
        source = self.path("source.pth")
        torch.save(OrderedDict(w=counted((2,), torch.float32)), source)
        state = freshen(torch.load(source))
        for key in ("model", "m", "a.b"):
            name = f"{len(key)}.pth"
            self.pth(source, state, "--under", key, name=name, saved={fresh(key): state})

    def test_out_of_a_checkpoint(self):
        state = OrderedDict(w=counted((2,), torch.float32), b=counted((3,), torch.float64))
        source = self.path("source.pth")
        torch.save({"epoch": 3, "state_dict": state, "optimizer": {"state": {0: {"m": counted((2,), torch.float32)}},
                                                                  "param_groups": []}}, source)
        self.pth(source, freshen(torch.load(source)["state_dict"]))


class Net(nn.Module):
    def __init__(self, classes=4):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(2)
        self.relu = nn.ReLU()
        self.blocks = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)))
        self.attention = nn.MultiheadAttention(4, 2)
        self.fc = nn.Linear(2, classes)
        self.tied = nn.Linear(2, classes)
        self.tied.weight = self.fc.weight
        self.scale = nn.Parameter(torch.ones(1))


class Metadata(ExportCase):
    def test_kept(self):
        source = self.path("source.pth")
        torch.save(Net().state_dict(), source)
        self.pth(source, freshen(torch.load(source)))

    def test_data_parallel(self):
        source = self.path("source.pth")
        torch.save({"state_dict": nn.DataParallel(Net()).state_dict()}, source)
        state = torch.load(source)["state_dict"]
        nn.modules.utils.consume_prefix_in_state_dict_if_present(state, "module.")
        out = self.pth(source, freshen(state), "-e", 'strip "module."')
        Net().load_state_dict(torch.load(out), strict=True)
        self.assertEqual(torch.load(out)._metadata["bn1"], {"version": 2})

    def test_counters_left_behind(self):
        """Without them a norm's dict is of the version that had none: else PyTorch would miss them."""
        source, out = self.path("source.pth"), self.path("out.pth")
        torch.save(Net().state_dict(), source)
        self.tenon("align", source, "-e", "rules [[ **.num_batches_tracked -> ]]", "-o", out)
        state = torch.load(out)
        self.assertNotIn("bn1.num_batches_tracked", state)
        self.assertEqual(state._metadata["bn1"], {"version": 1})
        Net().load_state_dict(state, strict=True)

    def test_target(self):
        source, target = self.path("source.pth"), self.path("target.pth")
        torch.save(nn.DataParallel(Net()).state_dict(), source)
        torch.save(Net().state_dict(), target)
        state, like = torch.load(source), torch.load(target)
        wanted = OrderedDict((fresh(key), state["module." + key]) for key in like)
        wanted._metadata = like._metadata
        out, reference = self.path("out", "net.pth"), self.path("reference", "net.pth")
        torch.save(wanted, reference)
        self.tenon("align", source, target, "-e", 'strip "module."', "-o", out)
        self.same_bytes(out, reference)
        Net().load_state_dict(torch.load(out), strict=True)

    def test_kept_target_values(self):
        source, target = self.path("source.pth"), self.path("target.pth")
        torch.save(Net(3).state_dict(), source)
        torch.save(Net(5).state_dict(), target)
        out = self.path("out.pth")
        self.tenon("align", source, target, "-e", 'policy{shape="skip"}', "-o", out)
        model, ours, like = Net(5), torch.load(out), torch.load(target)
        model.load_state_dict(ours, strict=True)
        self.assertEqual(raw(ours["fc.weight"]), raw(like["fc.weight"]))
        self.assertEqual(ours["fc.weight"].data_ptr(), ours["tied.weight"].data_ptr())
        self.assertEqual(raw(ours["conv1.weight"]), raw(torch.load(source)["conv1.weight"]))


    def test_expected_differences(self):
        """What expect{} covers is the target's own value, or left out where there is none."""
        source, target, schema = self.path("source.pth"), self.path("target.pth"), self.path("schema.txt")
        torch.save(OrderedDict(w=counted((2,), torch.float32)), source)
        torch.save(OrderedDict(w=counted((2,), torch.float32, 5), head=counted((3,), torch.float32, 5)), target)
        with open(schema, "w") as file:
            file.write("w torch.Size([2])\nhead torch.Size([3])\n")
        for like, keys in ((target, ["w", "head"]), (schema, ["w"])):
            out = self.path(os.path.basename(like) + ".pth")
            self.tenon("align", source, like, "-e", 'expect{ missing={"head"} }', "-o", out)
            ours = torch.load(out)
            self.assertEqual(list(ours), keys)
            self.assertEqual(raw(ours["w"]), raw(torch.load(source)["w"]))
        self.assertEqual(raw(torch.load(self.path("target.pth.pth"))["head"]), raw(torch.load(target)["head"]))


class Safetensors(ExportCase):
    def test_from_safetensors(self):
        state = {"b": counted((2, 3), torch.float32), "a": counted((4,), torch.bfloat16), "s": counted((), torch.int64)}
        source = self.path("source.safetensors")
        safetensors.torch.save_file(state, source, metadata={"format": "pt"})
        self.safe(source, state)
        self.pth(source, OrderedDict((fresh(key), value) for key, value in
                                     sorted(safetensors.torch.load_file(source).items(),
                                            key=lambda item: self.place(source, item[0]))))

    @staticmethod
    def place(source, key):
        with open(source, "rb") as file:
            size = struct.unpack("<Q", file.read(8))[0]
            return file.read(size).index(f'"{key}":'.encode())

    def test_metadata_kept(self):
        source = self.path("source.safetensors")
        state = {"w": counted((2,), torch.float32)}
        safetensors.torch.save_file(state, source, metadata={"format": "mlx"})
        self.safe(source, state, metadata={"format": "mlx"})
        safetensors.torch.save_file(state, source)
        self.safe(source, state)
        safetensors.torch.save_file(state, source, metadata={"note": "é \"x\" \x01"})
        self.tenon("align", source, "-o", self.path("kept.safetensors"))
        with safetensors.safe_open(self.path("kept.safetensors"), "pt") as file:
            self.assertEqual(file.metadata(), {"note": "é \"x\" \x01", "format": "pt"})

    def test_ties_are_cloned(self):
        source = self.path("source.pth")
        torch.save(Net().state_dict(), source)
        self.safe(source, torch.load(source))


class Safety(ExportCase):
    def test_source_is_never_overwritten(self):
        source = self.path("source.pth")
        torch.save(OrderedDict(w=counted((2,), torch.float32)), source)
        with open(source, "rb") as file:
            before = file.read()
        os.link(source, self.path("hard.pth"))
        os.symlink("source.pth", self.path("soft.pth"))
        for name in ("source.pth", "hard.pth", "soft.pth"):
            self.assertIn("source itself", self.refused("align", source, "-o", self.path(name), "--force"))
        with open(source, "rb") as file:
            self.assertEqual(file.read(), before)

    def test_existing_output(self):
        source, out = self.path("source.pth"), self.path("out.pth")
        torch.save(OrderedDict(w=counted((2,), torch.float32)), source)
        with open(out, "w") as file:
            file.write("mine")
        said = self.refused("align", source, "-o", out)
        self.assertIn("--force", said)
        with open(out) as file:
            self.assertEqual(file.read(), "mine")
        self.tenon("align", source, "-o", out, "--force")
        self.assertEqual(self.files(), ["out.pth", "source.pth"])

    def test_no_file_when_open(self):
        source, target = self.path("source.pth"), self.path("target.pth")
        torch.save(OrderedDict(w=counted((2,), torch.float32)), source)
        torch.save(OrderedDict(w=counted((3,), torch.float32)), target)
        self.refused("align", source, target, "-o", self.path("out.pth"), status=1)
        self.assertEqual(self.files(), ["source.pth", "target.pth"])


if __name__ == "__main__":
    unittest.main()
