"""Cases as folders: inputs, and what is computed from them in float64 and in float32."""
import json
import pathlib

import numpy as np
import torch
from safetensors.numpy import save_file

state = {"out": pathlib.Path("."), "rng": np.random.default_rng(0)}


def rng():
    return state["rng"]


def draw(*shape, scale=1.0):
    return (scale * rng().standard_normal(shape)).astype(np.float32)


def case(name, kind, config, given, compute, exact=(), **more):
    """`compute(tensors, dtype)` gives the expected tensors; `given` are numpy arrays."""
    def run(dtype):
        t = {k: torch.tensor(v, dtype=dtype) if v.dtype == np.float32 else torch.tensor(v) for k, v in given.items()}
        return {k: np.atleast_1d(v.detach().numpy() if isinstance(v, torch.Tensor) else np.asarray(v)) for k, v in compute(t, dtype).items()}
    high, low = run(torch.float64), run(torch.float32)
    tensors = [{"name": k, "shape": list(v.shape)} for k, v in given.items()]
    for k, v in high.items():
        if k in exact:
            tensors.append({"name": k, "shape": list(v.shape), "exact": True})
            continue
        dev, top = float(np.abs(v - low[k]).max()), float(np.abs(v).max())
        entry = {"name": k, "shape": list(v.shape), "atol": max(30 * dev, 3e-6 * top, 1e-7), "f32_dev": dev, "max_abs": top}
        if k.endswith("qkv.bias") and k.startswith(("final/", "grad/")) and config.get("_no_key_bias", True):
            entry["exclude_rows"] = [v.shape[0] // 3, 2 * v.shape[0] // 3]
        if k.startswith("final/"):
            entry["atol"] = max(entry["atol"], 2e-5)
        tensors.append(entry)
    folder = state["out"] / name
    folder.mkdir(parents=True, exist_ok=True)
    stored = {**given, **{k: (v.astype(np.int64) if k in exact else v.astype(np.float32)) for k, v in high.items()}}
    save_file({k: np.ascontiguousarray(v) for k, v in stored.items()}, folder / "tensors.safetensors")
    (folder / "case.json").write_text(json.dumps({"name": name, "kind": kind, "config": {k: v for k, v in config.items() if k != "_no_key_bias"}, "tensors": tensors, **more}, indent=1))


def sub2(t, prefix):
    """Tensors under a prefix, by the rest of their names."""
    return {k[len(prefix):]: v for k, v in t.items() if k.startswith(prefix)}


def gradient(loss, x):
    return torch.autograd.grad(loss, x, retain_graph=True)[0]
