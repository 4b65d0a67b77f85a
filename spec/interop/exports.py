"""Compares what `dinograph export --onnx` writes, run by Python's onnxruntime, with transformers, on the models of compare.py.

    python3 -m venv VENV && VENV/bin/pip install torch torchvision pillow transformers safetensors onnx onnxruntime
    VENV/bin/python spec/interop/exports.py [--only swin]

Each model is saved, exported, checked by onnx.checker, and its `cls` and `patches` are compared at several sizes and batches. Errors are the largest
difference over the largest value. Exit code 0 if all are below 1e-5.
"""
import argparse
import pathlib
import sys
import tempfile

import onnx
import onnxruntime
import torch
import transformers as T

from compare import models, randomised, run
from pictures import reference

LIMIT = 1e-5


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--only", default="", help="models whose name begins so")
    only = options.parse_args().only
    torch.manual_seed(0)
    T.logging.set_verbosity_error()
    print(f"torch {torch.__version__}, transformers {T.__version__}, onnx {onnx.__version__}, onnxruntime {onnxruntime.__version__}\n")
    print(f"{'model':32} {'cls':>9} {'patches':>9}  sizes")
    good = True
    for name, model, saving in models():
        if not name.startswith(only):
            continue
        with tempfile.TemporaryDirectory() as folder:
            at = pathlib.Path(folder)
            saving.pop("dtype", None)
            randomised(model).save_pretrained(at / "theirs", **saving)
            config, stages = model.config, isinstance(model, (T.SwinModel, T.DINOv3ConvNextModel))
            fixed = ["--size", str(config.image_size)] if stages else []
            run("npx", "tsx", "train/cli/dinograph.ts", "export", "--model", at / "theirs", "--onnx", at / "model.onnx", *fixed)
            onnx.checker.check_model(at / "model.onnx", full_check=True)
            session = onnxruntime.InferenceSession(str(at / "model.onnx"), providers=["CPUExecutionProvider"])
            side = config.image_size
            patch = side if stages else config.patch_size
            sizes = [(side, side)] if stages else [(side, side), (6 * patch, 9 * patch), (3 * patch + 1, 2 * patch + 3)]
            worst = [0.0, 0.0]
            for batch, (height, width) in enumerate(sizes, 1):
                pixels = torch.randn(batch, config.num_channels, height, width)
                given = session.run(["cls", "patches"], {"pixels": pixels.numpy()})
                for i, theirs in enumerate(reference(model, pixels)):
                    ours = torch.from_numpy(given[i])
                    assert ours.shape == theirs.shape, (ours.shape, theirs.shape)
                    worst[i] = max(worst[i], ((theirs - ours).abs().max() / theirs.abs().max()).item())
        good = good and max(worst) < LIMIT
        print(f"{name:32} {worst[0]:9.2e} {worst[1]:9.2e}  {', '.join(f'{h}x{w}' for h, w in sizes)}", flush=True)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
