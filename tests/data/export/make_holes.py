#!/usr/bin/env python3
"""Writes holes.h5 beside itself, with h5py 3.14: two matrices of 4096×10240 that nobody has written,
one in chunks, which takes no room, and one that lies in a piece behind the file's first bytes, which
alone are kept: tests/export/memory.py makes the file as long again."""
import os

import h5py

SHAPE = (4096, 10240)
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "holes.h5")
with h5py.File(path, "w", libver="earliest") as file:
    file.create_dataset("chunks", shape=SHAPE, dtype="f4", chunks=(64, 10240))
    layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    layout.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    layout.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    whole = h5py.h5d.create(file.id, b"whole", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple(SHAPE), dcpl=layout)
    start = whole.get_offset()
print(start, os.path.getsize(path), "bytes of it are kept of", os.path.getsize(path))
os.truncate(path, start)
