"""Writes Tests/Fixtures/gguf-types with the PyPI package `gguf` (0.19.0): a GGUF with random blocks
of every tensor type that is read, and what its `dequantize` makes of them.

    python3 Tests/interop/gguf_types.py Tests/Fixtures/gguf-types
"""

import sys

import gguf
import numpy
from safetensors.numpy import save_file

TYPES = "F32 F16 BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K".split()
# Where a block's f16 scales lie. They are drawn as numbers: random bits are mostly huge.
SCALES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82],
          "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}

folder = sys.argv[1]
random = numpy.random.default_rng(5)
writer = gguf.GGUFWriter(f"{folder}/types.gguf", "llama")
expected = {}
for name in TYPES:
    kind = gguf.GGMLQuantizationType[name]
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    rows, blocks = 3, (512 if elements == 256 else 64) // elements
    data = random.integers(0, 256, (rows, blocks, size), dtype=numpy.uint8)
    for offset in SCALES.get(name, []):
        scale = random.normal(0, 0.02, (rows, blocks)).astype(numpy.float16)
        data[:, :, offset : offset + 2] = scale[:, :, None].view(numpy.uint8)
    data = data.reshape(rows, -1)
    expected[name] = gguf.dequantize(data, kind).astype(numpy.float32).reshape(rows, -1)
    stored = {"F32": numpy.float32, "F16": numpy.float16}.get(name)
    writer.add_tensor(name, data.view(stored) if stored else data, raw_dtype=None if stored else kind)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
save_file(expected, f"{folder}/expected.safetensors")
