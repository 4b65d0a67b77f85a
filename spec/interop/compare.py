"""Compares backbones with transformers on randomly initialised models of the four types, of swin and of dinov3_convnext.

    python3 -m venv VENV && VENV/bin/pip install torch torchvision pillow transformers safetensors
    VENV/bin/python spec/interop/compare.py [--target gpujs:webasm] [--only swin]
    VENV/bin/python spec/interop/compare.py --random 40 [--seed 1]    # configurations that are drawn, each at five sizes

For each model: the folder that save_pretrained writes is read here and its tokens are compared on the same pixels, at the
size of the positions and at another one (`read`); the folder is imported and written again, loaded with
AutoModel.from_pretrained, its missing and unexpected keys listed, and its tokens compared (`written`). Errors are the
largest difference over the largest value. Exit code 0 if all are below 1e-4 and no key is missing or unexpected.
"""
import argparse
import json
import pathlib
import random
import subprocess
import sys
import tempfile

import safetensors
import torch
import transformers as T
from safetensors.torch import load_file, save_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIMIT = 1e-4


def models():
    """Name, model and how its folder is saved."""
    common = dict(hidden_size=48, num_hidden_layers=3, num_attention_heads=3, image_size=56, patch_size=14)
    v3 = dict(common, patch_size=8, intermediate_size=96)
    yield "vit", T.ViTModel(T.ViTConfig(**common, intermediate_size=96, layer_norm_eps=1e-6)), {}
    yield "vit, no qkv bias, 1 channel", T.ViTModel(T.ViTConfig(**common, intermediate_size=96, qkv_bias=False, num_channels=1)), {}
    yield "dinov2", T.Dinov2Model(T.Dinov2Config(**common)), {}
    yield "dinov2, SwiGLU, shards", T.Dinov2Model(T.Dinov2Config(**common, use_swiglu_ffn=True)), dict(max_shard_size="100KB")
    yield "dinov2_with_registers", T.Dinov2WithRegistersModel(T.Dinov2WithRegistersConfig(**common, num_register_tokens=4)), {}
    yield "dinov2_with_registers, f16", T.Dinov2WithRegistersModel(T.Dinov2WithRegistersConfig(**common, num_register_tokens=2)), dict(dtype=torch.float16)
    yield "dinov3_vit", T.DINOv3ViTModel(T.DINOv3ViTConfig(**v3, num_register_tokens=4)), {}
    yield "dinov3_vit, gated, bf16", T.DINOv3ViTModel(T.DINOv3ViTConfig(**v3, num_register_tokens=4, use_gated_mlp=True, hidden_act="silu")), dict(dtype=torch.bfloat16)
    yield "dinov3_vit, no biases", T.DINOv3ViTModel(T.DINOv3ViTConfig(**v3, num_register_tokens=0, query_bias=False, value_bias=False, proj_bias=False, mlp_bias=False)), {}
    yield "dinov3_vit, key bias, base 50", T.DINOv3ViTModel(T.DINOv3ViTConfig(**v3, num_register_tokens=1, key_bias=True, rope_theta=50.0)), {}
    # transformers has no relative places for grids that are smaller than the window
    yield "swin, window 7", T.SwinModel(T.SwinConfig(embed_dim=16, depths=[2, 2], num_heads=[1, 2], image_size=56, window_size=7)), {}
    small = dict(hidden_sizes=[8, 12, 16], depths=[1, 2, 1])
    yield "dinov3_convnext", T.DINOv3ConvNextModel(T.DINOv3ConvNextConfig(**small, image_size=48)), {}
    yield "dinov3_convnext, 1 channel, 4 stages", T.DINOv3ConvNextModel(T.DINOv3ConvNextConfig(hidden_sizes=[4, 6, 8, 10], depths=[1, 1, 2, 1], image_size=64, num_channels=1)), {}
    yield "swin, window 4", T.SwinModel(T.SwinConfig(embed_dim=16, depths=[2, 2, 2], num_heads=[1, 2, 4], image_size=64, window_size=4, mlp_ratio=2.0)), {}


def drawn(count, seed):
    """Configurations of the four types: sizes, heads, registers, gates, biases, types of numbers."""
    r = random.Random(seed)
    for n in range(count):
        kind = ["vit", "dinov2", "dinov2_with_registers", "dinov3_vit", "swin"][n % 5]
        saving = dict(dtype=r.choice([torch.float32, torch.float32, torch.float16, torch.bfloat16]), max_shard_size=r.choice(["5GB", "50KB"]))
        heads = r.choice([1, 2, 3, 4, 6])
        patch = r.choice([2, 4, 7, 8, 14, 16])
        c = dict(hidden_size=heads * r.choice([4, 8, 12, 16]), num_attention_heads=heads, num_hidden_layers=r.randint(1, 4), patch_size=patch,
                 image_size=patch * r.randint(2, 7), num_channels=r.choice([1, 3, 3, 5]), layer_norm_eps=r.choice([1e-12, 1e-6, 1e-5, 1e-3]))
        if kind == "vit":
            model = T.ViTModel(T.ViTConfig(**c, intermediate_size=r.choice([24, 50, 96]), qkv_bias=r.random() < 0.7), add_pooling_layer=r.random() < 0.5)
        elif kind.startswith("dinov2"):
            c |= dict(mlp_ratio=r.choice([2, 3, 4]), use_swiglu_ffn=r.random() < 0.5, qkv_bias=r.random() < 0.7, layerscale_value=r.choice([1.0, 1e-5]))
            model = T.Dinov2Model(T.Dinov2Config(**c)) if kind == "dinov2" else T.Dinov2WithRegistersModel(T.Dinov2WithRegistersConfig(**c, num_register_tokens=r.randint(1, 6)))
        elif kind == "dinov3_vit":
            gated, bias = r.random() < 0.5, r.random() < 0.6
            c |= dict(intermediate_size=r.choice([24, 48, 96]), use_gated_mlp=gated, hidden_act="silu" if gated else "gelu", query_bias=bias, value_bias=bias,
                      key_bias=bias and r.random() < 0.5, proj_bias=r.random() < 0.7, mlp_bias=r.random() < 0.7, rope_theta=r.choice([100.0, 50.0, 1000.0]), num_register_tokens=r.randint(0, 5))
            model = T.DINOv3ViTModel(T.DINOv3ViTConfig(**c))
        else:
            stages, window = r.randint(1, 3), r.choice([3, 4, 7])
            model = T.SwinModel(T.SwinConfig(embed_dim=16, depths=[r.randint(1, 3) for _ in range(stages)], num_heads=[2**i for i in range(stages)], window_size=window,
                                             image_size=4 * window * 2**stages, mlp_ratio=r.choice([2.0, 4.0]), qkv_bias=r.random() < 0.7, num_channels=c["num_channels"]))
        yield f"{n} {kind} {str(saving['dtype'])[6:]}", model, saving


def sizes(model, patch, size):
    """The size of the positions last: transformers' swin forgets to shift its windows once it has seen a grid of one window."""
    if isinstance(model, T.DINOv3ConvNextModel):
        # whatever its stages leave over is dropped
        return {"larger": (2 * size + 3, size + 26), "wide": (size, size + 34), "native": (size, size)}
    if isinstance(model, T.SwinModel):
        return {"larger": (size + 26, 2 * size + 2), "wide": (size, size + 34), "native": (size, size)}
    return {"larger": (9 * patch, 9 * patch), "wide": (6 * patch, 9 * patch), "odd": (5 * patch + patch // 2, 7 * patch + 1), "small": (2 * patch, 3 * patch), "native": (size, size)}


def randomised(model):
    """No tensor is left where it begins: zeros and ones would hide mistakes."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            scale = 0.3 if p.ndim < 2 or "token" in name or "position" in name else 1.5 * p[0].numel() ** -0.5
            p.copy_(torch.randn_like(p) * scale + (1.0 if p.ndim == 1 and "bias" not in name else 0.0))
    return model.eval()


def tokens(model, pixels):
    extra = dict(interpolate_pos_encoding=True) if isinstance(model, T.ViTModel) else {}
    with torch.no_grad():
        return {name.replace("pixels", "tokens"): model(pixel_values=x, **extra).last_hidden_state for name, x in pixels.items()}


def run(*words):
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, words))}\n{done.stdout}{done.stderr}")
    return done.stdout


def worst(theirs, ours):
    return max(((theirs[n] - ours[n]).abs().max() / theirs[n].abs().max()).item() for n in theirs)


def compared(name, model, saving, target, at):
    dtype = saving.pop("dtype", torch.float32)
    randomised(model).to(dtype).save_pretrained(at / "theirs", **saving)
    reference = type(model).from_pretrained(at / "theirs", dtype=torch.float32).eval()
    channels, size = reference.config.num_channels, reference.config.image_size
    patch = getattr(reference.config, "patch_size", size)
    pixels = {f"pixels.{name}": torch.randn(1 if name == "larger" else 2, channels, *at_size) for name, at_size in sizes(model, patch, size).items()}
    save_file(pixels, at / "pixels.safetensors")
    expected = tokens(reference, pixels)
    run("npx", "tsx", "spec/interop/features.ts", at / "theirs", at / "pixels.safetensors", at / "ours.safetensors", target)
    read = worst(expected, load_file(at / "ours.safetensors"))
    run("npx", "tsx", "train/cli/dinograph.ts", "hf", "import", "--model", at / "theirs", "--out", at / "written")
    again, info = T.AutoModel.from_pretrained(at / "written", output_loading_info=True)
    keys = sorted([*info["missing_keys"], *info["unexpected_keys"], *map(str, info.get("mismatched_keys", []))])
    T.AutoImageProcessor.from_pretrained(at / "written")
    return read, worst(expected, tokens(again.eval(), pixels)), keys


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--target", default="gpujs:webasm")
    options.add_argument("--random", type=int, default=0, help="this many configurations that are drawn")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--only", default="", help="models whose name begins so")
    words = options.parse_args()
    target = words.target
    torch.manual_seed(0)
    T.logging.set_verbosity_error()
    print(f"torch {torch.__version__}, transformers {T.__version__}, safetensors {safetensors.__version__}, {target}\n")
    print(f"{'model':32} {'read':>9} {'written':>9}  missing or unexpected keys")
    good = True
    for name, model, saving in drawn(words.random, words.seed) if words.random else models():
        if not name.startswith(words.only):
            continue
        with tempfile.TemporaryDirectory() as folder:
            read, written, keys = compared(name, model, saving, target, pathlib.Path(folder))
        good = good and read < LIMIT and written < LIMIT and not keys
        print(f"{name:32} {read:9.2e} {written:9.2e}  {json.dumps(keys) if keys else 'none'}", flush=True)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
