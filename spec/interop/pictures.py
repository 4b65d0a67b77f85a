"""Folders of transformers that are drawn at random, used as any user would: AutoModel(**AutoImageProcessor(picture)) against `features`.

    python3 -m venv VENV && VENV/bin/pip install torch torchvision pillow transformers safetensors
    VENV/bin/python spec/interop/pictures.py [--count 60] [--seed 0] [--only 17]

Models, processors and how they are saved are drawn: widths, heads, patches, channels, biases, gates, registers, bases of rotary positions, precisions,
safetensors or .bin, whole or in shards. Each folder sees pictures of its own size, of another one, not square, and not divisible by its patches (`exact`),
and such as have to be resized (`resized`, where bytes may be rounded otherwise: one level of 255). Errors are the largest difference over
the spread of what transformers gives. What a folder says that is not computed here has to be refused by its key (`refused`). Exit code 0 if all of
`exact` are below 1e-5, and nothing else failed.
"""
import argparse
import json
import pathlib
import random
import sys
import tempfile

import numpy
import torch
import transformers as T
from PIL import Image
from safetensors import safe_open

from compare import randomised
from served import Commands, picture

LIMIT, LOOSE = 1e-5, 5e-2
KINDS = ["vit", "dinov2", "dinov2_with_registers", "dinov3_vit", "swin", "dinov3_convnext"]
IMAGE_CLASSES = ["ViTImageProcessor", "BitImageProcessor", "DINOv3ViTImageProcessor", "CLIPImageProcessor", "DeiTImageProcessor"]


def drawn_model(r, kind):
    """A model, the number that sides are divided by, and its own side."""
    channels = r.choice([1, 3, 3, 3, 4])
    if kind == "dinov3_convnext":
        stages = r.randint(2, 4)
        c = dict(hidden_sizes=[r.randint(2, 12) for _ in range(stages)], depths=[r.randint(1, 2) for _ in range(stages)], num_channels=channels,
                 layer_norm_eps=r.choice([1e-6, 1e-5]), layer_scale_init_value=r.choice([1e-6, 0.5]), hidden_act=r.choice(["gelu", "gelu", "gelu", "relu"]))
        patch = 2 ** (stages + 1)
        return T.DINOv3ConvNextModel(T.DINOv3ConvNextConfig(**c, image_size=patch * r.randint(2, 4))), patch
    if kind == "swin":
        stages, window = r.randint(1, 3), r.choice([2, 3, 4])
        c = dict(embed_dim=8 * r.randint(1, 3), depths=[r.randint(1, 3) for _ in range(stages)], num_heads=[r.choice([1, 2, 4]) for _ in range(stages)],
                 window_size=window, patch_size=r.choice([2, 4]), mlp_ratio=r.choice([2.0, 4.0, 2.5]), qkv_bias=r.random() < 0.7, num_channels=channels,
                 layer_norm_eps=r.choice([1e-5, 1e-6]), use_absolute_embeddings=r.random() < 0.15, hidden_act=r.choice(["gelu"] * 5 + ["relu"]))
        return T.SwinModel(T.SwinConfig(**c, image_size=c["patch_size"] * window * 2**stages)), c["patch_size"] * 2 ** (stages - 1)
    heads, patch = r.choice([1, 2, 3, 5, 6]), r.choice([4, 7, 8, 14, 16])
    c = dict(hidden_size=heads * r.choice([4, 8, 12, 20]), num_attention_heads=heads, num_hidden_layers=r.randint(1, 4), patch_size=patch,
             image_size=patch * r.randint(2, 6), num_channels=channels, layer_norm_eps=r.choice([1e-12, 1e-6, 1e-5, 1e-3]))
    if kind == "vit":
        model = T.ViTModel(T.ViTConfig(**c, intermediate_size=r.choice([24, 51, 96]), qkv_bias=r.random() < 0.7, hidden_act=r.choice(["gelu"] * 6 + ["gelu_new"])),
                           add_pooling_layer=r.random() < 0.5)
    elif kind == "dinov3_vit":
        gated = r.random() < 0.5
        c |= dict(intermediate_size=r.choice([24, 40, 96]), use_gated_mlp=gated, hidden_act="silu" if gated else "gelu", query_bias=r.random() < 0.7,
                  value_bias=r.random() < 0.7, key_bias=r.random() < 0.4, proj_bias=r.random() < 0.7, mlp_bias=r.random() < 0.7,
                  num_register_tokens=r.choice([0, 1, 4, 7]), layerscale_value=r.choice([1.0, 1e-5]))
        c |= r.choice([{}, dict(rope_theta=50.0), dict(rope_theta=333.0), dict(rope_parameters=dict(rope_type="default", rope_theta=1000.0))])
        c |= r.choice([{}, {}, dict(pos_embed_rescale=None), dict(pos_embed_shift=0.1, pos_embed_jitter=1.5)])
        model = T.DINOv3ViTModel(T.DINOv3ViTConfig(**c))
    else:
        swiglu = r.random() < 0.5
        c |= dict(mlp_ratio=r.choice([1, 2, 3, 4]), use_swiglu_ffn=swiglu, qkv_bias=r.random() < 0.7, layerscale_value=r.choice([1.0, 1e-5]),
                  hidden_act=r.choice(["gelu"] * 8 + ["silu"]), use_mask_token=r.random() < 0.7)
        if kind == "dinov2":
            model = T.Dinov2Model(T.Dinov2Config(**c))
        else:
            model = T.Dinov2WithRegistersModel(T.Dinov2WithRegistersConfig(**{k: v for k, v in c.items() if k != "use_mask_token"}, num_register_tokens=r.randint(1, 6)))
    return model, patch


def drawn_processor(r, model, height, width):
    """A processor that makes pictures of these sides, whichever way."""
    channels = model.config.num_channels
    common = dict(image_mean=[r.random() for _ in range(channels)], image_std=[0.1 + r.random() for _ in range(channels)], do_convert_rgb=channels == 3,
                  resample=r.choice([2, 3, 3, 0]))
    name = r.choice(IMAGE_CLASSES)
    if name in ("BitImageProcessor", "CLIPImageProcessor"):
        common |= dict(size=dict(shortest_edge=min(height, width)), crop_size=dict(height=height, width=width))
    elif name == "DeiTImageProcessor":
        common |= dict(size=dict(height=height, width=width), crop_size=dict(height=height, width=width))
    else:
        common |= dict(size=dict(height=height, width=width))
    # black around what is too small, numbers that are not 0..1, statistics that are one number or none
    if name in ("BitImageProcessor", "CLIPImageProcessor") and r.random() < 0.3:
        common |= dict(size=dict(shortest_edge=max(2, min(height, width) - r.randint(1, 3))))
    common |= r.choice([{}] * 4 + [dict(do_rescale=False, image_mean=[r.randint(90, 130)] * channels, image_std=[r.randint(40, 80)] * channels)])
    common |= r.choice([{}] * 4 + [dict(do_normalize=False), dict(rescale_factor=1 / 128), dict(image_mean=0.4, image_std=0.3)])
    return getattr(T, name)(**common)


def saved(r, model, processor, at):
    dtype = r.choice([torch.float32] * 3 + [torch.float16, torch.bfloat16])
    model = randomised(model).to(dtype)
    form = r.choice(["safetensors", "shards", "bin", "bin"])
    model.save_pretrained(at, max_shard_size="20KB" if form == "shards" else "5GB")
    if form == "bin":
        (at / "model.safetensors").unlink()
        torch.save(model.state_dict(), at / "pytorch_model.bin", _use_new_zipfile_serialization=r.random() < 0.7)
    processor.save_pretrained(at)
    return f"{str(dtype)[6:]} {form}"


def reference(model, pixels):
    extra = dict(interpolate_pos_encoding=True) if isinstance(model, T.ViTModel) else {}
    with torch.no_grad():
        tokens = model(pixel_values=pixels, **extra).last_hidden_state
    if isinstance(model, T.SwinModel):
        return tokens.mean(1), tokens
    before = 1 + getattr(model.config, "num_register_tokens", 0)
    return tokens[:, 0], tokens[:, before:]


def error(theirs, ours):
    return ((theirs - ours).abs().max() / (theirs.max() - theirs.min())).item() if theirs.shape == ours.shape else float("inf")


def features(commands, *words):
    """What `features` writes: by the names of files, or why it does not."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder, "f.safetensors")
        code, _, told = commands("features", "--out", out, "--target", "gpujs:webasm", *words)
        if code != 0:
            return None, told
        with safe_open(out, "pt") as f:
            names = json.loads(f.metadata()["files"])
            return {name: (f.get_tensor("cls")[i], f.get_tensor("patches")[i]) for i, name in enumerate(names)}, told


def sides(r, side, step):
    return {"own": (side, side), "other": (side + step * r.randint(1, 3),) * 2, "wide": (side + step, side + step * r.randint(2, 4)),
            "odd": (side + step + r.randint(1, step - 1), 2 * side + r.randint(1, step - 1))}


def tried(commands, r, n, kind, at):
    model, step = drawn_model(r, kind)
    lines = []
    shape = None
    for size_name, (height, width) in sides(r, model.config.image_size, step).items():
        folder, data = at / size_name, at / f"{size_name}-pictures"
        data.mkdir()
        state = r.getstate() if shape is None else shape
        shape = state
        again = random.Random()
        again.setstate(state)
        processor = drawn_processor(r, model, height, width)
        how = saved(again, model, processor, folder)
        generator, channels = numpy.random.default_rng(n), model.config.num_channels
        for i in range(3):
            exact = i < 2
            picture(generator, data / f"{i}.png", height if exact else height + 9, width if exact else 2 * width + 5, channels)
        ours, told = features(commands, "--model", folder, "--data", data, "--set", f"data.channels={channels}")
        label = f"{n} {kind} {how}, {size_name} {height}x{width}, {type(processor).__name__}"
        if ours is None:
            lines.append((label, None, told))
            continue
        loaded = T.AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
        again_processor = T.AutoImageProcessor.from_pretrained(folder)
        errors = [0.0, 0.0]
        for name, mine in ours.items():
            image = Image.open(data / name)
            pixels = again_processor(image, return_tensors="pt", **(dict(input_data_format="channels_last") if channels == 4 else {}))["pixel_values"]
            for theirs, got in zip(reference(loaded, pixels), mine):
                # a processor that lays pictures on black shrinks them first
                shrinks = getattr(processor.size, "shortest_edge", None) not in (None, min(height, width))
                kind_of = 0 if int(name[0]) < 2 and not shrinks else 1
                errors[kind_of] = max(errors[kind_of], error(theirs[0], got))
        lines.append((label, errors, model.config))
    return lines


def draws(what):
    """The numbers that the command line asks for, each with a generator at a seed of its own, at which torch's begins as well."""
    options = argparse.ArgumentParser()
    options.add_argument("--count", type=int, default=60)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--only", type=int, help=f"the {what} of this number alone")
    words = options.parse_args()
    T.logging.set_verbosity_error()
    T.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)

    def each():
        for n in range(words.count):
            if words.only in (None, n):
                torch.manual_seed(1000 * words.seed + n)
                yield n, random.Random(1000 * words.seed + n)

    return each()


def main():
    numbers = draws("configuration")
    commands = Commands()
    agreed, refused, failed, worst = 0, 0, 0, [0.0, 0.0]
    for n, r in numbers:
        with tempfile.TemporaryDirectory() as folder:
            lines = tried(commands, r, n, KINDS[n % len(KINDS)], pathlib.Path(folder))
        for label, errors, said in lines:
            if errors is None:
                refused += 1
                print(f"{label:80} refused: {' | '.join(said.splitlines()[-5:])}", flush=True)
                continue
            good = errors[0] < LIMIT and errors[1] < LOOSE
            agreed, failed = agreed + good, failed + (not good)
            worst = [max(pair) for pair in zip(worst, errors)]
            print(f"{label:80} exact {errors[0]:.1e} resized {errors[1]:.1e}{'' if good else '  FAILED'}", flush=True)
    print(f"{agreed} agreed, {refused} refused, {failed} failed; worst: exact {worst[0]:.2e}, resized {worst[1]:.2e}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
