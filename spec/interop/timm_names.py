"""Folders of timm, in and out, against timm itself.

    VENV/bin/pip install torch torchvision timm safetensors
    VENV/bin/python spec/interop/timm_names.py

For small models of each architecture of the family: a folder that timm understands is imported with --format timm, loaded with
timm.create_model('local-dir:…', pretrained=True), and its tokens compared with those of the first model (`out`) and with the ones computed
here (`here`). Exit code 0 if `out` is 0 and `here` below 1e-4.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import timm
import torch
from safetensors.torch import load_file, save_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
SIZE = dict(patch_size=8, embed_dim=32, depth=2, img_size=32)
CASES = {
    "DINO": ("vit_small_patch16_224", dict(SIZE, num_heads=2)),
    "DINO, one channel": ("vit_small_patch16_224", dict(SIZE, num_heads=2, in_chans=1)),
    "DINO, five channels": ("vit_small_patch16_224", dict(SIZE, num_heads=2, in_chans=5)),
    "DINOv2": ("vit_small_patch14_dinov2", dict(SIZE, num_heads=4)),
    "DINOv2 with registers": ("vit_small_patch14_reg4_dinov2", dict(SIZE, num_heads=4)),
    "DINOv2, SwiGLU": ("vit_giant_patch14_reg4_dinov2", dict(SIZE, num_heads=4)),
    "DINOv3": ("vit_small_patch16_dinov3", dict(SIZE, num_heads=2)),
    "DINOv3, biases": ("vit_small_patch16_dinov3_qkvb", dict(SIZE, num_heads=2)),
    "DINOv3, SwiGLU": ("vit_small_plus_patch16_dinov3", dict(SIZE, num_heads=2)),
}


def run(*words):
    done = subprocess.run(["node", "--import", "tsx", *map(str, words)], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)


def main():
    torch.manual_seed(0)
    worst = [0.0, 0.0]
    with tempfile.TemporaryDirectory() as tmp:
        for n, (name, (architecture, arguments)) in enumerate(CASES.items()):
            channels = arguments.get("in_chans", 3)
            first = timm.create_model(architecture, num_classes=0, global_pool="token", **arguments).eval()
            with torch.no_grad():
                for p in first.parameters():
                    p.add_(0.1 * torch.randn_like(p))
            folder, out = pathlib.Path(tmp, str(n)), pathlib.Path(tmp, f"{n}-out")
            folder.mkdir()
            save_file(first.state_dict(), folder / "model.safetensors")
            seen = dict(input_size=[channels, 32, 32], mean=[0.5] * channels, std=[0.5] * channels, interpolation="bicubic", crop_pct=1.0)
            said = dict(architecture=architecture, num_classes=0, model_args=arguments, pretrained_cfg=seen)
            (folder / "config.json").write_text(json.dumps(said))
            run("train/cli/dinograph.ts", "hf", "import", "--model", folder, "--format", "timm", "--out", out)
            again = timm.create_model(f"local-dir:{out}", pretrained=True).eval()
            pixels = torch.randn(2, channels, 32, 32)
            save_file({"pixels.own": pixels}, folder / "pixels.safetensors")
            run("spec/interop/features.ts", out, folder / "pixels.safetensors", folder / "tokens.safetensors")
            with torch.no_grad():
                expected = first.forward_features(pixels)
                errors = [
                    float((tokens - expected).abs().max() / expected.abs().max())
                    for tokens in (again.forward_features(pixels), load_file(folder / "tokens.safetensors")["tokens.own"])
                ]
            worst = [max(a, b) for a, b in zip(worst, errors)]
            print(f"{name:24} out {errors[0]:.1e}  here {errors[1]:.1e}", flush=True)
    print(f"largest: out {worst[0]:.1e}, here {worst[1]:.1e}")
    return 0 if worst[0] == 0 and worst[1] < 1e-4 else 1


sys.exit(main())
