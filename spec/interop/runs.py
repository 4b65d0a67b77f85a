"""Compares what runs hand on with transformers, used as any user would: AutoModel(**AutoImageProcessor(picture)) on RUN/huggingface.

    python3 -m venv VENV && VENV/bin/pip install torch torchvision pillow transformers safetensors
    VENV/bin/python spec/interop/runs.py runs/dinov1 runs/dinov2 ...

Pictures are written as PNG, grey for networks of one channel; `features` of the run is compared with transformers, class tokens and patches, as the
largest difference over the largest value: of 5 pictures as large as the network sees them (`same size`), and of 25 of other sizes (`resized`), which both
resize as bytes, so that pixels may differ by one level of 255. Exit code 0 if the former are below 1e-4.
"""
import pathlib
import sys
import tempfile

import numpy
import torch
import transformers as T
from PIL import Image
from safetensors import safe_open

import json

from compare import run

LIMIT = 1e-4


def pictures(at, channels, side):
    generator = numpy.random.default_rng(0)
    for i in range(30):
        height, width = (side, side) if i < 5 else (20 + 3 * i, 64 - i)
        low = generator.integers(0, 256, (6, 5, channels), dtype=numpy.uint8)
        picture = Image.fromarray(low[:, :, 0] if channels == 1 else low).resize((width, height), Image.BICUBIC)
        picture.save(at / f"{i:02}.png")


def compared(folder):
    model = T.AutoModel.from_pretrained(folder / "huggingface").eval()
    processor = T.AutoImageProcessor.from_pretrained(folder / "huggingface")
    channels = model.config.num_channels
    with tempfile.TemporaryDirectory() as work:
        at = pathlib.Path(work)
        (at / "pictures").mkdir()
        pictures(at / "pictures", channels, processor.crop_size["height"])
        run("npx", "tsx", "train/cli/dinograph.ts", "features", "--model", folder.resolve(), "--data", at / "pictures", "--out", at / "f.safetensors")
        with safe_open(at / "f.safetensors", "pt") as f:
            files, ours = json.loads(f.metadata()["files"]), {k: f.get_tensor(k) for k in ("cls", "patches")}
        worst = [0.0, 0.0]
        for i, name in enumerate(files):
            pixels = processor(Image.open(at / "pictures" / name), return_tensors="pt")["pixel_values"]
            extra = dict(interpolate_pos_encoding=True) if isinstance(model, T.ViTModel) else {}
            with torch.no_grad():
                tokens = model(pixel_values=pixels, **extra).last_hidden_state[0]
            before = 1 + getattr(model.config, "num_register_tokens", 0)
            cls, patches = (tokens.mean(0), tokens) if isinstance(model, T.SwinModel) else (tokens[0], tokens[before:])
            for theirs, mine in ((cls, ours["cls"][i]), (patches, ours["patches"][i])):
                kind = 0 if int(name[:2]) < 5 else 1
                worst[kind] = max(worst[kind], ((theirs - mine).abs().max() / theirs.abs().max()).item())
    return model.config.model_type, channels, worst


def main():
    T.logging.set_verbosity_error()
    good = True
    for folder in map(pathlib.Path, sys.argv[1:]):
        kind, channels, worst = compared(folder)
        good = good and worst[0] < LIMIT
        print(f"{str(folder):32} {kind:24} {channels} channel(s), same size {worst[0]:.2e}, resized {worst[1]:.2e}", flush=True)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
