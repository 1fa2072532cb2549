"""Writes folders of torch.distributed.checkpoint in one process: plain ones, and ones whose tensors
are cut into chunks as several ranks would cut them."""
import os
import random
import warnings

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.default_planner import DefaultSavePlanner
from torch.distributed.checkpoint.metadata import (ChunkStorageMetadata, MetadataIndex,
                                                   TensorProperties)
from torch.distributed.checkpoint.planner import TensorWriteData, WriteItem, WriteItemType

warnings.filterwarnings("ignore", module="torch.distributed")


def slabs(shape, axis, count):
    """The whole cut along one axis as DTensor's Shard does; the last slabs may be empty."""
    step = -(-shape[axis] // count)
    boxes = []
    for i in range(count):
        first = min(i * step, shape[axis])
        size = min(step, shape[axis] - first)
        boxes.append(([first if k == axis else 0 for k in range(len(shape))],
                      [size if k == axis else shape[k] for k in range(len(shape))]))
    return [box for box in boxes if box[1][axis] > 0]


def halves(shape, times, generator):
    """The whole cut again and again at random places along random axes."""
    boxes = [([0] * len(shape), list(shape))]
    for _ in range(times):
        first, size = boxes.pop(generator.randrange(len(boxes)))
        axis = generator.randrange(len(shape)) if shape else 0
        if not shape or size[axis] < 2:
            boxes.append((first, size))
            continue
        cut = generator.randrange(1, size[axis])
        boxes.append((first, [cut if k == axis else n for k, n in enumerate(size)]))
        boxes.append(([n + cut if k == axis else n for k, n in enumerate(first)],
                      [n - cut if k == axis else n for k, n in enumerate(size)]))
    return boxes


class Chunks(DefaultSavePlanner):
    """Writes each tensor in the boxes that `cut` gives for its name and tensor."""

    def __init__(self, cut):
        super().__init__()
        self.cut = cut

    def create_local_plan(self):
        plan = super().create_local_plan()
        items = []
        for item in plan.items:
            if item.type == WriteItemType.BYTE_IO:
                items.append(item)
                continue
            tensor = self.lookup_object(item.index)
            for number, (first, size) in enumerate(self.cut(item.index.fqn, tensor)):
                items.append(WriteItem(
                    index=MetadataIndex(item.index.fqn, first, number), type=WriteItemType.SHARD,
                    tensor_data=TensorWriteData(
                        chunk=ChunkStorageMetadata(torch.Size(first), torch.Size(size)),
                        properties=TensorProperties.create_from_tensor(tensor),
                        size=tensor.size())))
        plan.items[:] = items
        self.plan = plan
        return plan

    def resolve_data(self, write_item):
        if write_item.type == WriteItemType.BYTE_IO:
            return super().resolve_data(write_item)
        tensor = self.state_dict[write_item.index.fqn].detach()
        chunk = write_item.tensor_data.chunk
        for axis, (first, size) in enumerate(zip(chunk.offsets, chunk.sizes)):
            tensor = tensor.narrow(axis, first, size)
        return tensor


def save(state, folder, cut=None, **writer):
    """torch.distributed.checkpoint.save of one process; `cut` as for Chunks."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dcp.save(state, storage_writer=dcp.FileSystemWriter(folder, **writer),
                 planner=Chunks(cut) if cut else None, no_dist=True)


def save_random(state, folder, seed, **writer):
    generator = random.Random(seed)
    save(state, folder, lambda _, tensor: halves(tensor.shape, generator.randrange(6), generator),
         **writer)


def run_rank(rank, world, folder):
    """One rank of a DTensor save, in both formats."""
    from torch.distributed.tensor import DeviceMesh, Replicate, Shard, distribute_tensor
    from torch.distributed.checkpoint import HuggingFaceStorageWriter
    torch.set_num_threads(1)
    # They meet in a file: a port that is free now may not be when they come to it.
    dist.init_process_group("gloo", init_method=f"file://{os.path.abspath(folder)}/meeting", rank=rank,
                            world_size=world)
    mesh = DeviceMesh("cpu", list(range(world)))
    whole = ranks_state()
    cut = {"rows": [Shard(0)], "columns": [Shard(1)], "copy": [Replicate()], "uneven": [Shard(0)],
           "third": [Shard(2)]}
    state = {name: distribute_tensor(whole[name], mesh, how) for name, how in cut.items()}
    state["plain"] = whole["plain"]
    dcp.save({"model": dict(state), "step": 4}, checkpoint_id=os.path.join(folder, "dcp"))
    dcp.save(dict(state), storage_writer=HuggingFaceStorageWriter(
        os.path.join(folder, "hf"), save_distributed=True))
    dcp.save(dict(state), storage_writer=HuggingFaceStorageWriter(
        os.path.join(folder, "joined"), save_distributed=True, enable_consolidation=True))
    dist.destroy_process_group()


def ranks_state():
    return {"rows": torch.arange(35.).reshape(7, 5), "columns": torch.arange(24.).reshape(4, 6),
            "copy": torch.arange(6.), "uneven": torch.arange(1.), "plain": torch.ones(3),
            "third": torch.arange(60.).reshape(3, 4, 5).bfloat16()}
