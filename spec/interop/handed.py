"""Trains small networks of every kind for two steps, and gives what they hand on to those it is for: transformers, peft, onnxruntime.

    python3 -m venv VENV && VENV/bin/pip install torch torchvision pillow transformers peft safetensors onnxruntime
    VENV/bin/python spec/interop/handed.py [--only v2] [--runs FOLDER]

Of each run `huggingface` and what `hf export` writes are loaded with AutoModel, and no key may be missing, unexpected or of another shape; their features of
AutoImageProcessor's pixels are compared with those of `features` (`features`); the ONNX file at three sizes, one picture and three, with AutoModel
(`onnx`); adapters, loaded by peft on the model that they name, too (`peft`). Errors are the largest difference over the spread. Exit code 0 if all are
below 1e-5.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import warnings

import numpy
import onnxruntime
import peft
import torch
import transformers as T
from PIL import Image

from pictures import error, features, reference
from served import ROOT, Commands, picture

LIMIT = 1e-5
VIT = dict(patch=7, width=24, depth=2, heads=3)
V2 = dict(VIT, generation=2, layerScale=0.1, positionStd=0.5)
V3 = dict(VIT, generation=3, layerScale=0.1, rope={}, eps=1e-5)
LORA = dict(rank=4, alpha=8)
# name: objective, model, further settings; "from": the run that it goes on from
RUNS = {
    "v1": ("dinov1", dict(VIT, layerScale=None), {}),
    "v1-rope": ("dinov1", dict(VIT, rope={}), {}),
    "v2": ("dinov2", V2, {}),
    "v2-swiglu": ("dinov2", dict(V2, ffn="swiglu-fused", qkvBias=False), {}),
    "v2-registers": ("dinov2", dict(V2, registers=2, offset=0, antialias=True), {}),
    "v2-registers-swiglu": ("dinov2", dict(V2, registers=3, ffn="swiglu-fused", hidden=64), {}),
    "v3": ("dinov3", dict(V3, registers=2, maskKeyBias=True), {}),
    "v3-swiglu": ("dinov3", dict(V3, registers=1, ffn="swiglu", projBias=False), {}),
    "v3-plain": ("dinov3", dict(V3, qkvBias=False, ffnBias=False), {}),
    "swin": ("dinov1", dict(kind="swin", patch=2, width=8, depths=[2, 2], heads=[1, 2], window=7), {}),
    "convnext": ("dinov2", dict(kind="convnext", widths=[6, 10], depths=[1, 2], layerScale=0.1), {}),
    "lora-v1": ("dinov1", None, {"from": "v1", "lora": dict(LORA, targets=["qkv", "fc1"], rankPattern={"blocks.1.attn.qkv": 2}, alphaPattern={"fc1": 3})}),
    "lora-v2": ("dinov2", None, {"from": "v2", "lora": dict(LORA, dora=True, targets=["query", "value", "mlp.fc1"])}),
    "lora-swiglu": ("dinov2", None, {"from": "v2-swiglu", "lora": dict(LORA, rsLora=True)}),
    "lora-registers": ("dinov2", None, {"from": "v2-registers", "lora": dict(LORA, bias="all", targets=["attn.proj"], save=["norm", "blocks.1.mlp"])}),
    "lora-v3": ("dinov3", None, {"from": "v3", "lora": dict(LORA, split=False, bias="lora_only")}),
    "lora-v3-swiglu": ("dinov3", None, {"from": "v3-swiglu", "lora": dict(LORA, targets="all-linear")}),
    "lora-swin": ("dinov1", None, {"from": "swin", "lora": dict(LORA, targets=["qkv", "fc2"])}),
    "lora-convnext": ("dinov2", None, {"from": "convnext", "lora": dict(LORA, targets=["pwconv1"])}),
}
SMALL = dict(
    steps=2, batch=8, data=dict(share=0.3), head=dict(hidden=16, bottleneck=8, prototypes=16), evaluation=dict(during=0),
    augmentation=dict(globalSize=28, globalScale=[0.5, 1], locals=1, localSize=14, localScale=[0.3, 0.5]),
    optimizer=dict(lr=0.05), schedule=dict(warmup=0),
)


def trained(runs, data, name, objective, model, more):
    settings = {**SMALL, "name": name, "objective": {"kind": objective}, **({} if model is None else {"model": model})}
    if "from" in more:
        settings |= {"start": {"from": str(runs / more["from"])}, "strategies": {"lora": more["lora"]}}
    file = runs / f"{name}.yaml"
    file.write_text(json.dumps(settings))
    words = ["node", "--import", "tsx", "train/cli/dinograph.ts", "train", "--config", file, "--data", data, "--out", runs / name, "--target", "gpujs:webasm", "--quiet"]
    done = subprocess.run(list(map(str, words)), cwd=ROOT, capture_output=True, text=True)
    return done.stderr if done.returncode else None


def loaded(folder):
    model, info = T.AutoModel.from_pretrained(folder, output_loading_info=True)
    keys = [*info["missing_keys"], *info["unexpected_keys"], *map(str, info.get("mismatched_keys", []))]
    if keys:
        raise ValueError(f"{folder}: {keys}")
    return model.eval()


def by_onnx(commands, run, at):
    """The largest error over sizes and batches; a backbone with stages has a file for each size."""
    model = loaded(run / "huggingface")
    side, channels = model.config.image_size, model.config.num_channels
    fixed = isinstance(model, (T.SwinModel, T.DINOv3ConvNextModel))
    worst = 0.0
    for height, width in ((side, side), (42, 56), (30, 51)):
        # transformers' swin forgets to shift its windows once it has seen a grid of one window
        model = loaded(run / "huggingface")
        file = at / f"{height}x{width}.onnx" if fixed else at / "any.onnx"
        if not file.exists():
            code, _, told = commands("export", "--model", run, "--onnx", file, "--dialect", "huggingface", *(["--size", f"{height}x{width}"] if fixed else []))
            if code:
                raise ValueError(told)
        session = onnxruntime.InferenceSession(str(file))
        for batch in (1, 3):
            pixels = torch.randn(batch, channels, height, width)
            got = session.run(["cls", "patches"], {"pixels": pixels.numpy()})
            worst = max([worst, *(error(a, torch.from_numpy(b)) for a, b in zip(reference(model, pixels), got))])
    return worst


def compared(model, processor, ours, data):
    worst = 0.0
    for name, mine in ours.items():
        pixels = processor(Image.open(data / name), return_tensors="pt")["pixel_values"]
        worst = max([worst, *(error(a[0], b) for a, b in zip(reference(model, pixels), mine))])
    return worst


def judged(commands, runs, name, more, at):
    run = runs / name
    processor = T.AutoImageProcessor.from_pretrained(run / "huggingface")
    model = loaded(run / "huggingface")
    (at / "shown").mkdir()
    generator = numpy.random.default_rng(1)
    for i in range(3):
        picture(generator, at / "shown" / f"{i}.png", 28, 28, 3)
    ours, told = features(commands, "--model", run, "--data", at / "shown")
    if ours is None:
        raise ValueError(told)
    out = {"features": compared(model, processor, ours, at / "shown")}
    code, _, told = commands("hf", "export", "--run", run, "--out", at / "exported", *(["--merge-lora"] if "lora" in more else []))
    if code:
        raise ValueError(told)
    out["exported"] = compared(loaded(at / "exported"), T.AutoImageProcessor.from_pretrained(at / "exported"), ours, at / "shown")
    out["onnx"] = by_onnx(commands, run, at)
    if "lora" in more:
        code, _, told = commands("hf", "export", "--run", run, "--adapter", "--out", at / "adapter")
        if code:
            raise ValueError(told)
        for folder in (run / "adapter", at / "adapter"):
            said = json.loads((folder / "adapter_config.json").read_text())
            with warnings.catch_warnings(record=True) as heard:
                warnings.simplefilter("always")
                adapted = peft.PeftModel.from_pretrained(loaded(said["base_model_name_or_path"]), folder).eval()
            missing = [str(w.message) for w in heard if "missing" in str(w.message) or "unexpected" in str(w.message)]
            if missing:
                raise ValueError(f"{folder}: {missing}")
            out["peft"] = max(out.get("peft", 0), compared(adapted.base_model.model, processor, ours, at / "shown"))
        again, told = features(commands, "--model", run / "adapter", "--data", at / "shown")
        if again is None:
            raise ValueError(told)
        out["adapter"] = compared(model, processor, again, at / "shown")
    return out


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="", help="runs whose name begins so")
    parser.add_argument("--runs", type=pathlib.Path, help="where runs are kept; those that are there are not trained again")
    words = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    T.logging.set_verbosity_error()
    T.utils.logging.disable_progress_bar()
    commands = Commands()
    failed, worst = 0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        runs, data = words.runs or pathlib.Path(folder), pathlib.Path(folder, "data")
        generator = numpy.random.default_rng(0)
        for i in range(24):
            (data / "ab"[i % 2]).mkdir(parents=True, exist_ok=True)
            picture(generator, data / "ab"[i % 2] / f"{i}.png", 40, 44, 3)
        wanted = {name for name in RUNS if name.startswith(words.only)}
        wanted |= {more["from"] for name, (_, _, more) in RUNS.items() if name in wanted and "from" in more}
        for name, (objective, model, more) in RUNS.items():
            if name not in wanted:
                continue
            fault = None if (runs / name / "huggingface").exists() else trained(runs, data, name, objective, model, more)
            at = pathlib.Path(folder, f"of-{name}")
            at.mkdir()
            try:
                if fault:
                    raise ValueError(fault)
                errors = judged(commands, runs, name, more, at)
                bad = max(errors.values()) >= LIMIT
                worst = max(worst, *errors.values())
                print(f"{name:22} {'  '.join(f'{k} {x:.1e}' for k, x in errors.items())}{'  FAILED' if bad else ''}", flush=True)
            except Exception as e:
                bad = True
                print(f"{name:22} FAILED: {type(e).__name__} {e}", flush=True)
            failed += bad
    print(f"{len(wanted) - failed} of {len(wanted)} agreed; worst {worst:.2e}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
