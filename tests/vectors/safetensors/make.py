"""Writes the files of this folder.  usage: make.py [--read FILE...]

Good ones are written by Python's safetensors; damaged ones by hand, as that
library refuses to write them. src/model/safetensors_test.c reads them all.
--read prints what Python's safetensors finds in files that fml wrote.
Needs numpy and safetensors (0.8.0 made what is committed).
"""
import json
import pathlib
import struct
import sys

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

HERE = pathlib.Path(__file__).parent


def raw(header, data, length=None):
    """A file of this header (a text or an object), whatever it claims."""
    text = header if isinstance(header, str) else json.dumps(header, separators=(",", ":"))
    text = text.encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def f32(shape, begin, end, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def good():
    w = np.arange(6, dtype=np.float32).reshape(2, 3)
    b = np.array(0.33, np.float32)
    yield "good_model", save(
        {"w": w, "b": b, "a.first": np.array([-1.5], np.float32)},
        {"name": "global_model", "version": "3", "note": "Grüße \"quoted\" \n"})
    yield "good_update", save(
        {"w": np.array([0.12, -0.05, 1.01], np.float32), "b": b},
        {"round_id": "r-0001", "base_model_uri": "fl/models/global_model_v0",
         "num_samples": "512", "metrics": json.dumps({"loss": 0.73})})
    yield "good_no_metadata", save({"w": w})
    yield "good_no_tensors", save({}, {"round_id": "r-0001"})
    yield "good_not_finite", save({"w": np.array([1, np.nan, np.inf], np.float32)})


def bad():
    yield "bad_zero_elements", save({"w": np.zeros((0, 3), np.float32)})
    yield "bad_dtype_f16", save({"w": np.zeros(2, np.float16)})
    yield "bad_dtype_i64", save({"w": np.zeros(1, np.float32), "n": np.zeros(1, np.int64)})
    whole = save({"w": np.arange(4, dtype=np.float32)})
    yield "bad_truncated_data", whole[:-1]
    yield "bad_truncated_header", whole[:20]
    yield "bad_truncated_length", whole[:5]
    yield "bad_trailing_bytes", whole + b"\0"

    eight = bytes(8)
    yield "bad_overlap", raw({"a": f32([1], 0, 4), "b": f32([2], 0, 8)}, eight)
    yield "bad_hole", raw({"a": f32([1], 0, 4), "b": f32([1], 8, 12)}, bytes(12))
    yield "bad_hole_at_start", raw({"a": f32([1], 4, 8)}, eight)
    yield "bad_header_too_long", raw("{}", b"", length=(4 << 20) + 1)
    yield "bad_header_huge", raw("{}", b"", length=(1 << 64) - 1)
    yield "bad_header_empty", raw("", b"")
    yield "bad_header_array", raw("[]", b"")
    yield "bad_header_not_json", raw("{\"a\":", b"")
    yield "bad_header_leading_space", raw(" {}", b"")
    yield "bad_name_twice", raw(
        '{"a":%s,"a":%s}' % (json.dumps(f32([1], 0, 4)), json.dumps(f32([1], 4, 8))), eight)
    yield "bad_name_empty", raw({"": f32([1], 0, 4)}, bytes(4))
    yield "bad_name_reserved", raw({"version": f32([1], 0, 4)}, bytes(4))
    yield "bad_name_long", raw({"n" * 129: f32([1], 0, 4)}, bytes(4))
    yield "bad_shape_larger", raw({"a": f32([3], 0, 8)}, eight)
    yield "bad_shape_smaller", raw({"a": f32([1], 0, 8)}, eight)
    yield "bad_shape_overflow", raw({"a": f32([1 << 32, 1 << 32], 0, 0)}, b"")
    yield "bad_shape_beyond_64_bits", raw({"a": f32([1 << 64], 0, 4)}, bytes(4))
    yield "bad_shape_negative", raw({"a": f32([-1, -1], 0, 4)}, bytes(4))
    yield "bad_shape_fraction", raw({"a": f32([1.0], 0, 4)}, bytes(4))
    yield "bad_shape_missing", raw({"a": {"dtype": "F32", "data_offsets": [0, 4]}}, bytes(4))
    yield "bad_rank", raw({"a": f32([1] * 9, 0, 4)}, bytes(4))
    yield "bad_offsets_backwards", raw({"a": f32([1], 4, 0)}, bytes(4))
    yield "bad_offsets_negative", raw({"a": f32([1], -4, 0)}, bytes(4))
    yield "bad_offsets_three", raw(
        {"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4, 8]}}, bytes(4))
    yield "bad_offsets_missing", raw({"a": {"dtype": "F32", "shape": [1]}}, bytes(4))
    yield "bad_entry_text", raw({"a": "F32"}, b"")
    yield "bad_metadata_number", raw({"__metadata__": {"version": 3}}, b"")
    yield "bad_metadata_array", raw({"__metadata__": []}, b"")
    yield "bad_metadata_many", raw({"__metadata__": {f"k{i}": "" for i in range(65)}}, b"")
    yield "bad_metadata_long", raw({"__metadata__": {"k": "v" * 16385}}, b"")


def read(path):
    with safe_open(path, "np") as f:
        print(path, f.metadata())
        for name in f.keys():
            t = f.get_tensor(name)
            print(" ", name, t.dtype, t.shape, t.ravel()[:8].tolist())


if sys.argv[1:2] == ["--read"]:
    for p in sys.argv[2:]:
        read(p)
else:
    for name, content in [*good(), *bad()]:
        (HERE / f"{name}.safetensors").write_bytes(content)
