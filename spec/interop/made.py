"""Small folders that transformers and peft have made, and what they compute, as spec/huggingface/made.

    VENV/bin/pip install torch torchvision pillow transformers peft safetensors
    VENV/bin/python spec/interop/made.py

spec/huggingface/made.test.ts reads them. Each has `expected.safetensors`: `pixels` [B, C, H, W] and `tokens` [B, T, D], the last hidden state; its
metadata say which versions made it.
"""
import pathlib

import peft
import torch
import transformers as T
from safetensors.torch import save_file

from adapted import backbone, stirred
from compare import randomised

MADE = pathlib.Path(__file__).resolve().parents[1] / "huggingface" / "made"
SIZES = dict(hidden_size=8, num_hidden_layers=2, num_attention_heads=2, image_size=8, patch_size=4)
VERSIONS = {"torch": torch.__version__, "transformers": T.__version__, "peft": peft.__version__}


def said(folder, model):
    pixels = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        tokens = backbone(model)(pixel_values=pixels).last_hidden_state.contiguous()
    save_file({"pixels": pixels, "tokens": tokens}, folder / "expected.safetensors", VERSIONS)
    print(folder, sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()))


def whole(name, model):
    folder = MADE / name
    randomised(model).save_pretrained(folder)
    said(folder, model)


def adapted(name, model, **options):
    folder = MADE / name
    randomised(model).save_pretrained(folder / "base")
    made = stirred(peft.get_peft_model(model, peft.LoraConfig(base_model_name_or_path="../base", **options)))
    made.peft_config["default"].base_model_name_or_path = "../base"
    made.save_pretrained(folder / "adapter")
    (folder / "adapter" / "README.md").unlink(missing_ok=True)
    said(folder, made.merge_and_unload())


def main():
    torch.manual_seed(0)
    one = dict(SIZES, num_hidden_layers=1, intermediate_size=8)
    whole("bias-of-queries", T.DINOv3ViTModel(T.DINOv3ViTConfig(**one, num_register_tokens=1, value_bias=False)))
    whole("bias-of-keys-and-values", T.DINOv3ViTModel(T.DINOv3ViTConfig(**one, query_bias=False, key_bias=True)))
    classified = lambda: T.Dinov2ForImageClassification(T.Dinov2Config(**SIZES, mlp_ratio=1))
    # the names of a class for tasks, and an expression as Python alone writes it
    adapted("alphas", classified(), r=2, lora_alpha=4, target_modules=["q_proj", "fc1"],
            alpha_pattern={"^dinov2.encoder.layer.0.attention.q_proj": 16, r"(?P<list>\w+)\.1\..*\.fc1": 1})
    adapted("mica", T.ViTModel(T.ViTConfig(**one), add_pooling_layer=False), r=2, target_modules=["v_proj"], init_lora_weights="mica")
    # peft stores the biases of a module as they were, too
    adapted("saved-with-biases", T.DINOv3ViTModel(T.DINOv3ViTConfig(**one)), r=2, target_modules=["k_proj"], bias="all", modules_to_save=["layer.0.norm1"])


if __name__ == "__main__":
    main()
