"""Runs the text of a distributed step on devices of jaxlib's CPU client, for devices.ts: `python3 devices.py FOLDER`.

    python3 -m venv VENV && VENV/bin/pip install jax

Prints the largest relative difference of losses, and of states after the last step, from what the folder expects.
"""
import json
import pathlib
import sys

import jax
import numpy as np

folder = pathlib.Path(sys.argv[1])
manifest = json.loads((folder / 'manifest.json').read_text())
N = manifest['devices']
jax.config.update('jax_platforms', 'cpu')
jax.config.update('jax_num_cpu_devices', N)
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxlib import _jax

TYPES = {'f32': np.float32, 'i32': np.int32, 'bool': np.bool_}
devices = jax.local_devices(backend='cpu')[:N]
mesh = Mesh(np.array(devices), ('x',))


def shared(parts):
    """One array of a part on each device. They do not know the whole: the text has collectives of its own."""
    parts = [jax.device_put(p, d) for p, d in zip(parts, devices)]
    shape = parts[0].shape
    spec, whole = (PartitionSpec('x'), (N * shape[0], *shape[1:])) if shape else (PartitionSpec(), shape)
    return jax.make_array_from_single_device_arrays(whole, NamedSharding(mesh, spec), parts)


def read(name, argument):
    return [np.fromfile(folder / f'{name}.{r}', TYPES[argument['dtype']]).reshape(argument['shape']) for r in range(N)]


options = _jax.CompileOptions()
options.num_replicas, options.num_partitions = N, 1
options.executable_build_options.num_replicas, options.executable_build_options.num_partitions = N, 1
options.device_assignment = _jax.DeviceAssignment.create(np.arange(N).reshape(N, 1))
options.env_option_overrides = [('xla_allow_excess_precision', False)]
text = (folder / 'text').read_text()
executable = devices[0].client.compile_and_load(text, _jax.DeviceList(tuple(devices)), options)

given = manifest['arguments']
residents = {i: shared(read(f'first.{i}', a)) for i, a in enumerate(given) if a['resident']}
losses = []
for step in range(manifest['steps']):
    args = [residents[i] if a['resident'] else shared(read(f'step{step}.{i}', a)) for i, a in enumerate(given)]
    results = executable.execute_sharded(args).disassemble_into_single_device_arrays()
    losses.append(float(results[manifest['loss']][0]))
    for s in manifest['states']:
        if s['argument'] >= 0:
            residents[s['argument']] = shared(results[s['at']])


def apart(got, expected):
    return float(np.abs(np.asarray(got, np.float64) - expected).max(initial=0) / max(1, np.abs(expected).max(initial=0)))


def state(s):
    argument = given[s['argument']]
    expected = read(f"expected.{s['at']}", argument)
    return max(apart(results[s['at']][r], expected[r]) for r in range(N))


print(max(abs(a - b) / abs(b) for a, b in zip(losses, manifest['losses'])), max(state(s) for s in manifest['states'] if s['argument'] >= 0))
