"""Reads a run's event files with TensorBoard's own reader and holds them against metrics.jsonl.

    python spec/interop/events.py RUN_FOLDER        (needs the package tensorboard)

Every scalar of every step must be there once, equal as float32. Exits 1 where one is not.
"""
import json
import struct
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

folder = sys.argv[1]
reader = EventAccumulator(folder, size_guidance={"scalars": 0, "tensors": 0})
reader.Reload()
tags = reader.Tags()


def single(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


with open(f"{folder}/metrics.jsonl") as f:
    records = [json.loads(line) for line in f]
wanted = {}
for r in records:
    for name, value in r.items():
        if name != "step" and isinstance(value, (int, float)) and not isinstance(value, bool):
            wanted.setdefault(name.replace(".", "/"), []).append((r["step"], single(value)))
bad = []
for tag, pairs in wanted.items():
    got = [(e.step, e.value) for e in reader.Scalars(tag)] if tag in tags["scalars"] else []
    if got != pairs:
        bad.append(tag)
extra = sorted(set(tags["scalars"]) - set(wanted))
config = [e.tensor_proto.string_val[0].decode() for e in reader.Tensors("config")] if "config" in tags["tensors"] else []
print(f"{len(records)} steps, {len(wanted)} scalars, {sum(map(len, wanted.values()))} values; wrong: {bad or 'none'}; unknown: {extra or 'none'}; config: {len(config[0]) if config else 0} characters")
sys.exit(1 if bad or extra or not config else 0)
