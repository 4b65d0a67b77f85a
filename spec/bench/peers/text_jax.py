"""Our own step, as the StableHLO text that the targets pjrt:... compile, compiled and run by jaxlib's CPU client.

    python3 text_jax.py WORKLOAD FILE TEXT LEAVES

FILE has the values that are not zero. LEAVES is JSON: `arguments`, path and dtype and shape of each, in order; `results`, for each the
place of the argument that it is the next value of, or null; `loss`, which of them that is. Reads and answers lines as common.py says.
"""
import json
import sys

import jax
import numpy as np
from jaxlib import _jax

from common import answer, read

TYPES = {'f32': np.float32, 'i32': np.int32, 'bool': np.bool_}


def options_of():
    """As compiler/targets/pjrt/options.ts asks."""
    o = _jax.CompileOptions()
    o.num_replicas = o.num_partitions = 1
    o.executable_build_options.num_replicas = o.executable_build_options.num_partitions = 1
    o.env_option_overrides = [('xla_allow_excess_precision', False)]
    return o


def main():
    tensors = read(sys.argv[2])
    with open(sys.argv[3]) as f:
        text = f.read()
    with open(sys.argv[4]) as f:
        leaves = json.load(f)
    device = jax.local_devices(backend='cpu')[0]

    def first(leaf):
        dtype, shape = TYPES[leaf['dtype']], leaf['shape']
        x = tensors.get(leaf['path'])
        return jax.device_put(np.zeros(shape, dtype) if x is None else x.astype(dtype).reshape(shape), device)

    args = [first(leaf) for leaf in leaves['arguments']]
    del tensors
    nexts = [(i, at) for i, at in enumerate(leaves['results']) if at is not None]

    def compiled():
        executable = device.client.compile_and_load(text, _jax.DeviceList((device,)), options_of())

        def run():
            results = executable.execute_sharded(args).disassemble_into_single_device_arrays()
            for i, at in nexts:
                args[at] = results[i][0]
            return float(results[leaves['loss']][0])

        return run

    answer(compiled)


main()
