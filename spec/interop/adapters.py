"""Compares adapters with the package peft, both ways, on randomly initialised models of the four types.

    python3 -m venv VENV && VENV/bin/pip install torch transformers peft safetensors
    VENV/bin/python spec/interop/adapters.py [--only dinov3]

For each model and kind of adapter: the folder that peft saves is read here, and tokens are compared on the same pixels (`read`);
an adapter with the same options is written here and loaded with PeftModel.from_pretrained, tokens compared (`written`); and the folders
with these adapters merged here are loaded with AutoModel and compared with merge_and_unload's tokens (`merged`, the worse one). Errors
are the largest difference over the largest value. Exit code 0 if all are below 1e-4 and peft misses no tensor of an adapter.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import warnings

import peft
import torch
import transformers as T
from safetensors.torch import load_file, save_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIMIT = 1e-4


def models():
    common = dict(hidden_size=48, num_hidden_layers=3, num_attention_heads=3, image_size=56, patch_size=14)
    yield "vit", T.ViTModel(T.ViTConfig(**common, intermediate_size=96, layer_norm_eps=1e-6))
    yield "dinov2", T.Dinov2Model(T.Dinov2Config(**common))
    yield "dinov2, SwiGLU", T.Dinov2Model(T.Dinov2Config(**common, use_swiglu_ffn=True))
    yield "dinov2_with_registers", T.Dinov2WithRegistersModel(T.Dinov2WithRegistersConfig(**common, num_register_tokens=4))
    yield "dinov3_vit", T.DINOv3ViTModel(T.DINOv3ViTConfig(**dict(common, patch_size=8, intermediate_size=96), num_register_tokens=4))
    yield "dinov3_vit, gated", T.DINOv3ViTModel(T.DINOv3ViTConfig(**dict(common, patch_size=8, intermediate_size=96), num_register_tokens=4, use_gated_mlp=True, hidden_act="silu"))


def adapters(name):
    """Kinds: the options of peft, and the same ones here."""
    first = "gate_proj" if "SwiGLU" in name or "gated" in name else "up_proj" if "dinov3" in name else "fc1"
    ours = "w12" if "SwiGLU" in name else "w1" if "gated" in name else "fc1"
    norm = "norm" if "dinov3" in name else "layernorm"
    layer = {"vit": "layers"}.get(name, "model.layer" if "dinov3" in name else "encoder.layer")
    yield "LoRA, q v", dict(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"]), dict(rank=4, alpha=8, targets=["query", "value"])
    yield "rsLoRA", dict(r=4, use_rslora=True, target_modules=["q_proj", "k_proj", "o_proj", first]), dict(rank=4, rsLora=True, targets=["query", "key", "attn.proj", ours])
    yield ("patterns", dict(r=4, target_modules=["q_proj", first], rank_pattern={rf"{layer}\.1\..*\.q_proj": 2}, alpha_pattern={first: 3}),
           dict(rank=4, targets=["query", ours], rankPattern={r"blocks\.1\..*query": 2}, alphaPattern={ours if ours != "w12" else r"w12": 3}))
    yield "DoRA", dict(r=4, use_dora=True, target_modules=["q_proj", "v_proj", first]), dict(rank=4, dora=True, targets=["query", "value", ours])
    yield "saved modules", dict(r=4, target_modules=["q_proj"], modules_to_save=[norm, rf"{layer}.1.mlp"]), dict(rank=4, targets=["query"], save=["norm", "blocks.1.mlp"])
    yield "biases", dict(r=4, target_modules=["q_proj", first], bias="all"), dict(rank=4, targets=["query", ours], bias="all")


def randomised(model, only_trained=False):
    """No tensor is left where it begins: zeros and ones would hide mistakes."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            if only_trained and not p.requires_grad:
                continue
            scale = 0.3 if p.ndim < 2 or "token" in name or "position" in name else (0.3 if "lora_" in name else 1.5) * p[0].numel() ** -0.5
            kept = p if only_trained and "lora_" not in name or "magnitude" in name else torch.zeros_like(p)
            p.copy_(kept + torch.randn_like(p) * scale + (1.0 if not only_trained and p.ndim == 1 and "bias" not in name else 0.0))
    return model.eval()


def tokens(model, pixels):
    with torch.no_grad():
        return {name.replace("pixels", "tokens"): model(pixel_values=x).last_hidden_state for name, x in pixels.items()}


def ours(*words):
    done = subprocess.run(["npx", "tsx", "spec/interop/adapter.ts", *map(str, words)], cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, words))}\n{done.stdout}{done.stderr}")


def worst(theirs, got):
    return max(((theirs[n] - got[n]).abs().max() / theirs[n].abs().max()).item() for n in theirs)


def loaded(base, folder):
    """The model with an adapter, and what peft says it missed."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model = peft.PeftModel.from_pretrained(base, folder).eval()
    return model, [str(w.message) for w in said if "missing adapter keys" in str(w.message)]


def compared(name, model, theirs, options, at):
    randomised(model).save_pretrained(at / "base")

    def base():
        return type(model).from_pretrained(at / "base").eval()

    size = model.config.image_size
    pixels = {"pixels": torch.randn(2, 3, size, size)}
    save_file(pixels, at / "pixels.safetensors")
    plain = tokens(base(), pixels)

    made = randomised(peft.get_peft_model(base(), peft.LoraConfig(**theirs)), only_trained=True)
    made.save_pretrained(at / "theirs")
    expected = tokens(made, pixels)
    assert worst(plain, expected) > 1e-2, "an adapter that changes nothing hides mistakes"
    ours(at / "base", at / "theirs", at / "pixels.safetensors", at / "read.safetensors", at / "merged-theirs")
    read = worst(expected, load_file(at / "read.safetensors"))
    merged = worst(tokens(made.merge_and_unload(), pixels), tokens(T.AutoModel.from_pretrained(at / "merged-theirs").eval(), pixels))

    (at / "options.json").write_text(json.dumps(options))
    ours(at / "base", at / "ours", at / "pixels.safetensors", at / "written.safetensors", at / "merged-ours", at / "options.json")
    again, missing = loaded(base(), at / "ours")
    expected = tokens(again, pixels)
    assert worst(plain, expected) > 1e-2, "an adapter that changes nothing hides mistakes"
    written = worst(expected, load_file(at / "written.safetensors"))
    merged = max(merged, worst(tokens(again.merge_and_unload(), pixels), tokens(T.AutoModel.from_pretrained(at / "merged-ours").eval(), pixels)))
    return read, written, merged, missing


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--only", default="", help="models whose name begins so")
    options.add_argument("--adapter", default="", help="adapters whose name begins so")
    words = options.parse_args()
    torch.manual_seed(0)
    T.logging.set_verbosity_error()
    T.utils.logging.disable_progress_bar()
    print(f"torch {torch.__version__}, transformers {T.__version__}, peft {peft.__version__}\n")
    print(f"{'model':24} {'adapter':14} {'read':>9} {'written':>9} {'merged':>9}  missing")
    good = True
    for name, model in models():
        for kind, theirs, here in adapters(name):
            if not name.startswith(words.only) or not kind.startswith(words.adapter):
                continue
            with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
                warnings.simplefilter("ignore")
                read, written, merged, missing = compared(name, model, theirs, here, pathlib.Path(folder))
            good = good and max(read, written, merged) < LIMIT and not missing
            print(f"{name:24} {kind:14} {read:9.2e} {written:9.2e} {merged:9.2e}  {missing[0][:200] if missing else 'none'}", flush=True)
    sys.exit(0 if good else 1)


main()
