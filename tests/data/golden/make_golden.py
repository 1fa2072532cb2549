"""Writes the golden files beside it, with PyTorch 2.13 and safetensors 0.8 on CPython 3.11.

Each NAME.pth is torch.save of an OrderedDict with freshly built key strings: tenon, reading it
and writing it again, must give the same bytes (but for the serialization id). Files named
*_in.pth are sources whose output is the file of the same name without _in. pickles.txt holds
lengths and CRCs of pickles of plain objects, which the test makes itself. Everything comes out
the same every time, but for legacy_in.pth, whose storage keys are addresses.

    python make_golden.py        run in this folder; the files are small and committed
"""
import io
import pickle
import zlib
from collections import OrderedDict

import torch
import safetensors.torch
from torch import nn


def fresh(text):
    """A new string object, as far as CPython makes one."""
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "surrogatepass")


def freshen(items):
    return OrderedDict((fresh(key), value) for key, value in items)


def counted(shape, dtype, start=0):
    """Values that depend on their place, in any dtype."""
    n = 1
    for size in shape:
        n *= size
    size = torch.empty(0, dtype=dtype).element_size()
    numbers = (torch.arange(start, start + n * size) % 23).to(torch.uint8)
    if dtype == torch.bool:
        numbers %= 2
    return numbers.view(dtype).reshape(shape) if n else torch.zeros(shape, dtype=dtype)


DTYPES = [
    "float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8",
    "bool", "complex128", "complex64", "complex32", "uint64", "uint32", "uint16",
    "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu",
]
HELD = [name for name in DTYPES if name not in ("complex128", "complex32")]


def dtypes(names):
    items = []
    for name in names:
        dtype = getattr(torch, name)
        items += [(f"{name}.matrix", counted((2, 3), dtype)), (f"{name}.scalar", counted((), dtype)),
                  (f"{name}.empty", counted((0, 2), dtype)), (f"{name}.deep", counted((1, 2, 1, 1, 2), dtype))]
    return freshen(items)


def float4():
    return freshen([("f4", counted((2, 4), torch.uint8).view(torch.float4_e2m1fn_x2))])


def views():
    base = counted((4, 6), torch.float32)
    image = counted((2, 3, 4, 5), torch.float16).contiguous(memory_format=torch.channels_last)
    kernel = counted((4, 2, 1, 1), torch.float32).contiguous(memory_format=torch.channels_last)
    row = counted((1, 3), torch.float32, 5)
    raw = counted((16,), torch.uint8)
    return freshen([
        ("base", base), ("again", base), ("alias", base.view(4, 6)), ("turned", base.t()),
        ("rows", base[1:3]), ("columns", base[:, 2:4]), ("one", base[2, 3]), ("steps", base[::2, ::3]),
        ("channels_last", image), ("kernel", kernel), ("expanded", row.expand(4, 3)),
        ("slice", counted((40,), torch.int32)[10:12]), ("none", base[4:]), ("no_columns", base[:, 6:]),
        ("bytes", raw), ("bytes_as_u16", raw[2:6].view(torch.uint16)), ("bytes_as_f8", raw[8:].view(torch.float8_e5m2)),
    ])


def names():
    texts = ["", "a", "0", "1", "é", "ÿ", "Ā", "日本", "\U0001F600", "storage", "cpu", "version",
             "_metadata", "with \"quotes\" \\ and /", "\n\t\r\b\f\x01\x1f\x7f", "nul\0inside", "\0",
             "__metadata", "long." * 60 + "weight"]
    return freshen((text, counted((1,), torch.float32, i)) for i, text in enumerate(texts))


def surrogates():
    return freshen([("lone \udc80 \ud800", counted((1,), torch.float32)), ("\udfff", counted((2,), torch.float32))])


def many():
    """Two batches, the second with one item; memo numbers beyond 255."""
    one, table = counted((1,), torch.float32), counted((300,), torch.int16)
    items = [(f"k{i}", table[i:i + 1]) for i in range(150)]
    items += [(f"k{i}", one) for i in range(150, 1001)]
    return freshen(items)


def thousand():
    one = counted((1,), torch.float32)
    return freshen((f"k{i}", one) for i in range(1000))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(2)
        self.relu = nn.ReLU()
        self.layers = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)))
        self.head = nn.Linear(2, 4)
        self.scale = nn.Parameter(torch.ones(1))

    def settle(self):
        with torch.no_grad():
            for i, tensor in enumerate(self.state_dict().values()):
                tensor.copy_(counted(tensor.shape, torch.uint8, i).to(tensor.dtype))
        return self


def with_metadata(items, metadata):
    result = freshen(items)
    result._metadata = metadata
    return result


def data_parallel():
    """(source, what `strip "module."` must give): torch's own way of taking the prefix off."""
    source = nn.DataParallel(Net().settle()).state_dict()
    stripped = OrderedDict(source)
    stripped._metadata = OrderedDict(source._metadata)
    nn.modules.utils.consume_prefix_in_state_dict_if_present(stripped, "module.")
    return {"epoch": 6, "state_dict": source}, with_metadata(stripped.items(), stripped._metadata)


def parameters():
    """(a source of Parameters, tied ones among them; the plain tensors)."""
    weight, bias = nn.Parameter(counted((3, 2), torch.float32)), nn.Parameter(counted((2,), torch.float32))
    source = {"encoder": weight, "decoder": weight, "bias": bias, "alone": counted((2,), torch.float32).requires_grad_()}
    return source, freshen((key, value.detach()) for key, value in source.items())


def tied():
    """(a source with one of two names, a target that ties both; the output)."""
    source = freshen([("embed", counted((3, 2), torch.float32))])
    like = counted((3, 2), torch.float32, 9)
    target = freshen([("embed", like), ("head", like.detach())])
    return source, target, freshen([("embed", source["embed"]), ("head", source["embed"].detach())])


def lazy_bits():
    """(conjugate and negative views; their values)."""
    z, pairs = counted((2, 2), torch.complex64), counted((3,), torch.complex64).conj()
    source = freshen([("conj", z.conj()), ("neg", pairs.imag), ("plain", z)])
    return source, freshen((key, value.resolve_conj().resolve_neg().clone(memory_format=torch.contiguous_format)
                            if key != "plain" else value) for key, value in source.items())


def legacy():
    source = views()
    for key in ("bytes_as_u16", "bytes_as_f8", "none", "no_columns"):
        del source[key]
    return source


def plain_objects():
    """Pickles of objects that test_pickle_writer.c makes too: name, length, CRC-32."""
    shared = "".join(["sha", "red"])
    one = {"n": 1}
    objects = {
        "scalars": [None, True, False, 0, 1, 255, 256, 65535, 65536, -1, 2**31 - 1, -2**31, 2**31,
                    -2**31 - 1, 2**39 - 1, 2**39, -2**39, 2**63 - 1, -2**63, 2**63, -2**70, 1.5, -0.0],
        "strings": ["", "a", "", "a", "é", "é", "Ā", fresh("Ā"), shared, shared, fresh("shared")],
        "tuples": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
        "shared": [one, one, OrderedDict([("n", 1)])],
        "dict1": {"a": 1},
        "dict1000": {i: i for i in range(1000)},
        "dict1001": {i: i for i in range(1001)},
        "ordered1000": OrderedDict((i, i) for i in range(1000)),
        "ordered1001": OrderedDict((i, i) for i in range(1001)),
        "list1": [1],
        "list1000": list(range(1000)),
        "list1001": list(range(1001)),
        "nested": {"a": {"b": [{"c": ()}]}, "empty": [{}, [], OrderedDict()]},
    }
    for name, value in objects.items():
        data = pickle.dumps(value, 2)
        yield f"{name} {len(data)} {zlib.crc32(data):08x}\n"


def main():
    save = torch.save
    save(dtypes(DTYPES), "dtypes.pth")
    save(float4(), "float4.pth")
    save(views(), "views.pth")
    save(names(), "names.pth")
    save(surrogates(), "surrogates.pth")
    save(many(), "many.pth")
    save(thousand(), "thousand.pth")
    save(OrderedDict(), "empty.pth")
    save(OrderedDict([(fresh("only"), counted((2,), torch.float32))]), "only.pth")
    save({fresh("model"): freshen(Net().settle().state_dict().items())}, "under.pth")
    state = Net().settle().state_dict()
    save(with_metadata(state.items(), state._metadata), "module.pth")
    for name, make in (("parallel", data_parallel), ("parameters", parameters), ("lazy", lazy_bits)):
        source, result = make()
        save(source, f"{name}_in.pth")
        save(result, f"{name}.pth")
    source, target, result = tied()
    save(source, "tied_in.pth")
    save(target, "tied_target.pth")
    save(result, "tied.pth")
    cast = source["embed"].to(torch.float16)
    half = target["embed"].to(torch.float16)
    save(freshen([("embed", half), ("head", half.detach())]), "tied_half_target.pth")
    save(freshen([("embed", cast), ("head", cast.detach())]), "tied_half.pth")
    save(legacy(), "legacy_in.pth", _use_new_zipfile_serialization=False)
    save(legacy(), "legacy.pth")
    state = views()
    save(freshen((key, value.t().contiguous()) for key, value in state.items() if key in ("base", "rows")),
         "computed.pth")
    save(freshen((key, state[key].clone(memory_format=torch.contiguous_format) if key not in ("base", "again", "alias") else state[key])
                 for key in ("base", "again", "alias", "rows", "turned", "slice", "one")), "compact.pth")

    pt = {"format": "pt"}
    tensors = safetensors.torch.save_file
    tensors(dtypes(HELD), "dtypes.safetensors", metadata=pt)
    tensors(names(), "names.safetensors", metadata=pt)
    tensors({key: value.clone(memory_format=torch.contiguous_format) for key, value in views().items()},
            "views.safetensors", metadata=pt)
    tensors({}, "empty.safetensors", metadata=pt)
    tensors({"w": counted((2,), torch.float32)}, "mlx_in.safetensors", metadata={"format": "mlx"})
    with open("pickles.txt", "w") as out:
        out.writelines(plain_objects())


if __name__ == "__main__":
    main()
