"""Files and folders of timm's models, and checkpoints of training with official names, against timm's forward_features.

    python3 -m venv VENV && VENV/bin/pip install torch torchvision pillow timm transformers safetensors
    VENV/bin/python spec/interop/timm_files.py [--only DINOv3]

Each architecture is made small; its state dict is saved as .pth, old and new, as .safetensors, inside of checkpoints under several names, and as a folder.
`features` of each is compared, of pictures as large as the model's own, and for folders at other sizes (dynamic_img_size). Errors are the largest
difference over the spread of what timm gives. What cannot be read has to be refused (`refused`): nothing is ever left out of the arithmetic. Exit code 0 if all are
below 1e-5.
"""
import argparse
import json
import pathlib
import sys
import tempfile

import numpy
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

from pictures import error, features
from served import Commands, picture

LIMIT = 1e-5
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
SIZE = dict(patch_size=8, embed_dim=32, depth=2, img_size=32, num_heads=4)
EVA = dict(SIZE)
# name: architecture, arguments, whether it may be refused
CASES = {
    "DINO": ("vit_small_patch16_224", SIZE, False),
    "DINO, patch 16": ("vit_tiny_patch16_224", dict(SIZE, patch_size=16, img_size=64), False),
    "DINO, a head": ("vit_small_patch8_224", dict(SIZE, num_classes=5), False),
    "DINO, no bias": ("vit_small_patch16_224", dict(SIZE, qkv_bias=False), False),
    "DINO, LayerScale": ("vit_small_patch16_224", dict(SIZE, init_values=1e-5), False),
    # positions of registers
    "DINO, registers": ("vit_small_patch16_224", dict(SIZE, reg_tokens=2), True),
    "DINO, registers, no_embed_class": ("vit_small_patch16_224", dict(SIZE, reg_tokens=2, no_embed_class=True), False),
    "DINO, qk_norm": ("vit_small_patch16_224", dict(SIZE, qk_norm=True), True),
    "DINO, pre_norm": ("vit_small_patch16_224", dict(SIZE, pre_norm=True), True),
    "DINO, mean of patches": ("vit_small_patch16_224", dict(SIZE, global_pool="avg"), True),
    "DINO, no class token": ("vit_small_patch16_224", dict(SIZE, class_token=False, global_pool="avg"), True),
    "DINOv2": ("vit_small_patch14_dinov2", SIZE, False),
    "DINOv2, patch 14": ("vit_base_patch14_dinov2", dict(SIZE, patch_size=14, img_size=70), False),
    "DINOv2 with registers": ("vit_small_patch14_reg4_dinov2", SIZE, False),
    "DINOv2, SwiGLU": ("vit_giant_patch14_dinov2", SIZE, False),
    "DINOv2 with registers, SwiGLU": ("vit_giant_patch14_reg4_dinov2", SIZE, False),
    "DINOv3": ("vit_small_patch16_dinov3", EVA, False),
    "DINOv3, biases": ("vit_small_patch16_dinov3_qkvb", EVA, False),
    "DINOv3, tiny": ("vit_tiny_patch16_dinov3_qkvb", EVA, False),
    "DINOv3, SwiGLU": ("vit_small_plus_patch16_dinov3", EVA, False),
    "DINOv3, SwiGLU, biases": ("vit_huge_plus_patch16_dinov3_qkvb", EVA, False),
    "DINOv3, 7B": ("vit_7b_patch16_dinov3", EVA, False),
    "ConvNeXt": ("convnext_tiny", dict(depths=(1, 1, 2, 1), dims=(4, 6, 8, 12)), False),
    "Swin": ("swin_tiny_patch4_window7_224", dict(embed_dim=8, depths=(2, 2), num_heads=(1, 2), window_size=4, img_size=32), False),
    "ViT with rotary positions": ("vit_small_patch16_rope_224", SIZE, True),
}


def made(architecture, arguments):
    model = timm.create_model(architecture, pretrained=False, **{"num_classes": 0, **arguments}).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn_like(p))
    return model


def tokens(model, pixels):
    """Class token and patches."""
    with torch.no_grad():
        x = model.forward_features(pixels)
        if isinstance(model, timm.models.ConvNeXt):
            x = torch.cat([x.mean((2, 3))[:, None], x.flatten(2).transpose(1, 2)], 1)
            x = torch.nn.functional.layer_norm(x, x.shape[-1:], model.head.norm.weight, model.head.norm.bias, model.head.norm.eps)
            return x[:, 0], x[:, 1:]
        if isinstance(model, timm.models.SwinTransformer):
            return x.mean((1, 2)), x.flatten(1, 2)
    return x[:, 0], x[:, model.num_prefix_tokens:]


def chunked(name):
    """Blocks in chunks, as the official code of DINOv2 trains them."""
    return name.replace("blocks.", "blocks.0.", 1) if name.startswith("blocks.") else name


def checkpoints(state):
    """Ways to save a state dict, by the name of the file."""
    other = {k: torch.randn_like(v) if v.is_floating_point() else v for k, v in state.items()}
    head = {"dino_head.last_layer.weight_v": torch.randn(3, 2)}
    under = lambda prefix, s: {f"{prefix}{k}": v for k, v in s.items()}
    yield "plain.pth", state
    yield "old.pth", state
    yield "plain.safetensors", state
    yield "model.pt", {"model": under("module.", state), "epoch": 3, "optimizer": {"state": {0: {"step": torch.tensor(1.0)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}}
    yield "both.pth", {"student": under("module.backbone.", other), "teacher": under("backbone.", state) | head, "args": None, "epoch": 1}
    yield "fsdp.pth", {"model": under("teacher.backbone._fsdp_wrapped_module.", {chunked(k): v for k, v in state.items()}) | under("student.backbone.", other)}
    yield "compiled.pth", {"state_dict": under("_orig_mod.ema.", state)}


def pixels_of(folder, names):
    x = torch.stack([torch.from_numpy(numpy.array(Image.open(folder / n))).permute(2, 0, 1).float() for n in names]) / 255
    return (x - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]


def compared(commands, model, data, *words):
    ours, told = features(commands, "--data", data, *words)
    if ours is None:
        return told
    names = list(ours)
    wanted = tokens(model, pixels_of(data, names))
    return max(error(w, torch.stack([ours[n][k] for n in names])) for k, w in enumerate(wanted))


def drawn(at, height, width):
    at.mkdir()
    generator = numpy.random.default_rng(height)
    for i in range(2):
        picture(generator, at / f"{i}.png", height, width, 3)
    return at


def tried(commands, architecture, arguments, at):
    model = made(architecture, arguments)
    stages = isinstance(model, (timm.models.ConvNeXt, timm.models.SwinTransformer))
    side = arguments.get("img_size", 64)
    data = drawn(at / "own", side, side)
    heads = [] if stages else ["--heads", arguments["num_heads"]]
    # a ConvNeXt has no size of its own: what it is shown is said by a processor beside the file
    processor = dict(image_processor_type="BitImageProcessor", size=dict(shortest_edge=side), crop_size=dict(height=side, width=side), image_mean=MEAN, image_std=STD)
    (at / "preprocessor_config.json").write_text(json.dumps(processor))
    for name, content in checkpoints(model.state_dict()):
        if name.endswith(".safetensors"):
            save_file(content, at / name)
        else:
            torch.save(content, at / name, _use_new_zipfile_serialization=name != "old.pth")
        yield name, compared(commands, model, data, "--model", at / name, *heads, *(["--set", "data.channels=3"] if stages else []))
    for name, size in {"folder": (side, side), "larger": (side + 2 * arguments.get("patch_size", 16),) * 2}.items():
        if size[0] != side and isinstance(model, timm.models.SwinTransformer):
            continue
        folder = at / name
        folder.mkdir()
        torch.save(model.state_dict(), folder / "pytorch_model.bin") if name == "larger" else save_file(model.state_dict(), folder / "model.safetensors")
        seen = dict(input_size=[3, *size], mean=MEAN, std=STD, interpolation="bicubic", crop_pct=1.0)
        (folder / "config.json").write_text(json.dumps(dict(architecture=architecture, num_classes=0, model_args=arguments, pretrained_cfg=seen)))
        dynamic = model
        if size[0] != side and not stages:
            dynamic = made(architecture, dict(arguments, dynamic_img_size=True))
            dynamic.load_state_dict(model.state_dict())
        yield name, compared(commands, dynamic, data if size[0] == side else drawn(at / "others", *size), "--model", folder)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="", help="cases whose name begins so")
    words = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    commands = Commands()
    agreed, refused, failed, worst = 0, 0, 0, 0.0
    for case, (architecture, arguments, may_refuse) in CASES.items():
        if not case.startswith(words.only):
            continue
        with tempfile.TemporaryDirectory() as folder:
            for name, result in tried(commands, architecture, arguments, pathlib.Path(folder)):
                if isinstance(result, str):
                    refused, failed = refused + may_refuse, failed + (not may_refuse)
                    print(f"{case:32} {name:18} refused{'' if may_refuse else ' FAILED'}: {' | '.join(result.splitlines()[-5:])}", flush=True)
                    continue
                agreed, failed, worst = agreed + (result < LIMIT), failed + (result >= LIMIT), max(worst, result)
                print(f"{case:32} {name:18} {result:.1e}{'' if result < LIMIT else ' FAILED'}", flush=True)
    print(f"{agreed} agreed, {refused} refused, {failed} failed; worst {worst:.2e}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
