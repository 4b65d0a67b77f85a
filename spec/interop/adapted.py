"""Adapters of the package peft that are drawn at random, used by the commands that take --model, against merge_and_unload.

    python3 -m venv VENV && VENV/bin/pip install torch torchvision pillow transformers peft safetensors onnxruntime
    VENV/bin/python spec/interop/adapted.py [--count 60] [--seed 0] [--only 17]

Bases of all types, alone or within a class for classification; targets by list, by whole names, by expression or all linear layers; patterns of ranks and
alphas, rsLoRA, DoRA, biases, modules that are saved whole, some layers alone. `features` is compared with the merged model's features, and every
few adapters `hf import`, `export --onnx`, `evaluate` and `attention` are tried, too. Errors are the largest difference over the spread of what peft gives.
What is refused has to be refused by its key. Exit code 0 if all are below 1e-5.
"""
import json
import pathlib
import random
import sys
import tempfile
import warnings

import numpy
import onnxruntime
import peft
import torch
import transformers as T
from PIL import Image

from compare import randomised
from pictures import draws, error, features, reference
from served import Commands, picture

LIMIT = 1e-5


def bases(r, n):
    """A base, and whether it is within a class for classification."""
    common = dict(hidden_size=24, num_hidden_layers=3, num_attention_heads=3, image_size=28, patch_size=7, qkv_bias=r.random() < 0.8)
    v3 = {k: v for k, v in common.items() if k != "qkv_bias"} | dict(intermediate_size=48, num_register_tokens=2, key_bias=r.random() < 0.3)
    v3 |= dict(use_gated_mlp=True, hidden_act="silu") if r.random() < 0.5 else {}
    swiglu = dict(use_swiglu_ffn=r.random() < 0.5)
    swin = dict(embed_dim=8, depths=[2, 2], num_heads=[1, 2], window_size=2, image_size=32, patch_size=4)
    convnext = dict(hidden_sizes=[4, 6, 8], depths=[1, 2, 1], image_size=32)
    task = r.random() < 0.4
    kinds = [
        lambda: (T.ViTForImageClassification if task else T.ViTModel)(T.ViTConfig(**common, intermediate_size=40)),
        lambda: (T.Dinov2ForImageClassification if task else T.Dinov2Model)(T.Dinov2Config(**common, **swiglu)),
        lambda: (T.Dinov2WithRegistersForImageClassification if task else T.Dinov2WithRegistersModel)(T.Dinov2WithRegistersConfig(**common, **swiglu, num_register_tokens=2)),
        lambda: T.DINOv3ViTModel(T.DINOv3ViTConfig(**v3)),
        lambda: (T.SwinForImageClassification if task else T.SwinModel)(T.SwinConfig(**swin)),
        lambda: T.DINOv3ConvNextModel(T.DINOv3ConvNextConfig(**convnext)),
    ]
    return kinds[n % len(kinds)]()


def options(r, model):
    """Options of LoraConfig that suit a model."""
    heads = ("classifier", "pooler.dense")
    linear = [name for name, m in model.named_modules() if isinstance(m, torch.nn.Linear) and not name.endswith(heads)]
    convolutions = [name for name, m in model.named_modules() if isinstance(m, torch.nn.Conv2d) and m.groups == 1]
    norms = [name for name, m in model.named_modules() if isinstance(m, torch.nn.LayerNorm)]
    lasts = sorted({name.split(".")[-1] for name in linear})
    some = r.sample(lasts, r.randint(1, min(3, len(lasts))))
    c = dict(r=r.randint(1, 5), lora_alpha=r.choice([1, 4, 8, 16]))
    form = r.choice(["lasts", "lasts", "names", "expression", "all-linear", "convolutions"])
    if form == "lasts":
        c["target_modules"] = some
    elif form == "names":
        c["target_modules"] = r.sample(linear, min(len(linear), r.randint(1, 4)))
    elif form == "expression":
        c["target_modules"] = rf".*\.[01]\..*\.({'|'.join(some)})"
    elif form == "convolutions":
        c["target_modules"] = r.sample(convolutions, 1) + some
    else:
        c["target_modules"] = "all-linear"
    # every way to say of a module which one it is: its last part, an expression, its whole name, the whole name as an expression
    whole = r.choice(linear)
    patterns = [lasts[0], some[0], rf".*\.1\..*{some[0]}", whole, "^" + whole.replace(".", r"\."), rf"(?P<list>\w+)\.0\..*\.{some[0]}"]
    if r.random() < 0.5:
        c["rank_pattern"] = {k: r.randint(1, 6) for k in r.sample(patterns, r.randint(1, 2))}
    if r.random() < 0.5:
        c["alpha_pattern"] = {k: r.randint(1, 32) for k in r.sample(patterns, r.randint(1, 2))}
    c["use_rslora"] = r.random() < 0.3
    if r.random() < 0.25:
        c["use_dora"] = True
    elif r.random() < 0.15:
        c["lora_bias"] = True
    elif r.random() < 0.4:
        c["bias"] = r.choice(["all", "lora_only"])
    if r.random() < 0.25 and form in ("lasts", "names"):
        c["layers_to_transform"] = r.choice([0, [0, 1], [1]])
    if r.random() < 0.25:
        c["modules_to_save"] = [r.choice(norms).split(".", 1)[-1]] + (["classifier"] if hasattr(model, "classifier") else [])
    if r.random() < 0.2 and form in ("lasts", "all-linear"):
        c["exclude_modules"] = [r.choice(linear)]
    c["init_lora_weights"] = r.choice([True] * 12 + ["gaussian", "orthogonal", "mica", "pissa", "olora", "lora_ga"])
    return c


def backbone(model):
    """Without what is put around it for a task."""
    return next((getattr(model, name) for name in ("vit", "dinov2", "dinov2_with_registers", "swin") if hasattr(model, name)), model)


def tokens(model, pixels):
    cls, patches = reference(backbone(model).eval(), pixels)
    return cls, patches


def stirred(model):
    """What was trained is nowhere as it began."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.requires_grad:
                p.add_(torch.randn_like(p) * (0.1 if "magnitude" in name else 0.3 * max(1, p[0].numel() if p.ndim > 1 else 1) ** -0.5))
    return model.eval()


def beyond(commands, at, adapter, data, wanted, pixels, step):
    """What other commands say of an adapter: errors, or the words of a fault."""
    if step == 0:
        code, _, told = commands("hf", "import", "--model", adapter, "--out", at / "merged")
        if code != 0:
            return "import", told
        merged, info = T.AutoModel.from_pretrained(at / "merged", output_loading_info=True)
        keys = [*info["missing_keys"], *info["unexpected_keys"], *info.get("mismatched_keys", [])]
        return "import", str(keys) if keys else max(error(a, b) for a, b in zip(wanted, reference(merged.eval(), pixels)))
    if step == 1:
        code, _, told = commands("export", "--model", adapter, "--onnx", at / "f.onnx", *(["--size", f"{pixels.shape[2]}x{pixels.shape[3]}"]))
        if code != 0:
            return "onnx", told
        got = onnxruntime.InferenceSession(str(at / "f.onnx")).run(["cls", "patches"], {"pixels": pixels.numpy()})
        return "onnx", max(error(a, torch.from_numpy(b)) for a, b in zip(wanted, got))
    if step == 2:
        code, _, told = commands("attention", "--model", adapter, "--image", data / "0.png", "--out", at / "looks", "--target", "gpujs:webasm")
        return "attention", 0.0 if code == 0 else told
    code, out, told = commands("evaluate", "knn", "--model", adapter, "--data", "mnist", "--set", "data.train=20", "--set", "data.test=10", "--k", "3", "--target", "gpujs:webasm")
    return "evaluate", 0.0 if code == 0 else told


def tried(commands, r, n, at):
    model = randomised(bases(r, n))
    model.save_pretrained(at / "base")
    side = model.config.image_size
    processor = T.ViTImageProcessor(size=dict(height=side, width=side))
    processor.save_pretrained(at / "base")
    said = options(r, model)
    label = f"{n} {type(model).__name__} {json.dumps(said)}"
    base = type(model).from_pretrained(at / "base")
    name = r.choice(["default", "default", "mine"])
    try:
        made = peft.get_peft_model(base, peft.LoraConfig(**said), adapter_name=name)
    except Exception as e:
        return label, "peft: " + str(e).splitlines()[0][:80], []
    made = stirred(made)
    made.save_pretrained(at / "adapter")
    adapter = at / "adapter" / ("" if name == "default" else name)
    # as peft reads it: its file sorts patterns, of which the first that fits counts
    made = peft.PeftModel.from_pretrained(type(model).from_pretrained(at / "base"), adapter).eval()
    if r.random() < 0.2:
        from safetensors.torch import load_file
        torch.save(load_file(adapter / "adapter_model.safetensors"), adapter / "adapter_model.bin")
        (adapter / "adapter_model.safetensors").unlink()
    (at / "data").mkdir()
    generator = numpy.random.default_rng(n)
    for i in range(2):
        picture(generator, at / "data" / f"{i}.png", side, side, 3)
    pixels = torch.cat([processor(Image.open(at / "data" / f"{i}.png"), return_tensors="pt")["pixel_values"] for i in range(2)])
    plain = tokens(type(model).from_pretrained(at / "base"), pixels)
    before = tokens(made.base_model.model, pixels)
    try:
        wanted = tokens(made.merge_and_unload(), pixels)
    except Exception as e:
        wanted = before
        label += f" (peft does not merge it: {str(e).splitlines()[0][:60]})"
    changed = max(error(a, b) for a, b in zip(plain, wanted))
    ours, told = features(commands, "--model", adapter, "--data", at / "data")
    if ours is None:
        return label, told, []
    got = [torch.stack([ours[f"{i}.png"][k] for i in range(2)]) for k in (0, 1)]
    # peft's own merging may lose digits where it works in another order: the nearer of its two answers counts
    worst = min(max(error(a, b) for a, b in zip(w, got)) for w in (wanted, before))
    more = [beyond(commands, at, adapter, at / "data", wanted, pixels, n // 6 % 4)]
    return label + ("" if changed > 1e-3 else f" (changes only {changed:.0e})"), worst, more


def main():
    numbers = draws("adapter")
    commands = Commands()
    agreed, refused, unmade, failed, worst = 0, 0, 0, 0, 0.0
    for n, r in numbers:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            label, result, more = tried(commands, r, n, pathlib.Path(folder))
        if isinstance(result, str) and result.startswith("peft: "):
            unmade += 1
            print(f"{label}\n    not made by {result}", flush=True)
            continue
        if isinstance(result, str):
            refused += 1
            print(f"{label}\n    refused: {' | '.join(result.splitlines()[-5:])}", flush=True)
            continue
        bad = result >= LIMIT or any(isinstance(x, str) or x >= LIMIT for _, x in more)
        failed, agreed, worst = failed + bad, agreed + (not bad), max(worst, result, *(x for _, x in more if not isinstance(x, str)))
        print(f"{label}\n    features {result:.1e} {' '.join(f'{k} {x}' for k, x in more)}{'  FAILED' if bad else ''}", flush=True)
    print(f"{agreed} agreed, {refused} refused, {unmade} not made by peft, {failed} failed; worst {worst:.2e}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
