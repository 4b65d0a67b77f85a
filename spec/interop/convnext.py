"""A ConvNeXt with random weights and what transformers says of two pictures, as spec/huggingface/convnext.

    VENV/bin/pip install torch transformers safetensors
    VENV/bin/python spec/interop/convnext.py

spec/huggingface/pyramid.test.ts compares features with it: `pixels.NAME` [B, C, H, W] and `tokens.NAME` [B, 1 + N, D], the class token first.
"""
import pathlib

import torch
import transformers as T
from safetensors.torch import save_file

torch.manual_seed(0)
model = T.DINOv3ConvNextModel(T.DINOv3ConvNextConfig(hidden_sizes=[4, 6, 8], depths=[1, 2, 1], image_size=32)).eval()
with torch.no_grad():
    for name, p in model.named_parameters():
        # no tensor is left where it begins: zeros and ones would hide mistakes
        p.copy_(torch.randn_like(p) * (0.3 if p.ndim < 2 else 1.5 * p[0].numel() ** -0.5) + (1.0 if p.ndim == 1 and "bias" not in name else 0.0))
folder = pathlib.Path(__file__).resolve().parents[1] / "huggingface" / "convnext"
model.save_pretrained(folder)
# 16 pixels to a patch, and sides that it does not divide
pixels = {"pixels.whole": torch.randn(1, 3, 32, 48), "pixels.odd": torch.randn(2, 3, 37, 23)}
with torch.no_grad():
    tokens = {name.replace("pixels", "tokens"): model(x).last_hidden_state.contiguous() for name, x in pixels.items()}
save_file({**pixels, **tokens}, folder / "expected.safetensors")
print(folder, T.__version__)
