"""What the peers that have numpy share: files of values, and answers."""
import json
import sys
import time

import numpy as np

from steps import timed


def read(path):
    """Tensors of float32 and int32 of a safetensors file by name."""
    with open(path, 'rb') as f:
        data = f.read()
    n = int.from_bytes(data[:8], 'little')
    header = json.loads(data[8:8 + n])
    header.pop('__metadata__', None)
    types = {'F32': np.float32, 'I32': np.int32}
    return {
        name: np.frombuffer(data[8 + n + e['data_offsets'][0]:8 + n + e['data_offsets'][1]], types[e['dtype']]).reshape(e['shape'])
        for name, e in header.items()
    }


def answer(compiled):
    """Reads lines of a number of steps, and answers each with one line of JSON: seconds of every step by the clock and by the processor,
    losses, peak memory, seconds that tracing and compiling took. Nothing is compiled before the first line, so that peers do
    not compile beside each other; `compiled` gives a function that runs a step and says its loss."""
    run, compile_s = None, 0.0
    for line in sys.stdin:
        if run is None:
            start = time.perf_counter()
            run = compiled()
            compile_s = time.perf_counter() - start
        print(json.dumps({**timed(run, int(line)), 'compile_s': compile_s}), flush=True)
