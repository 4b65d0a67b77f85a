"""What the classes of transformers take where a folder says nothing, as spec/huggingface/defaults.json.

    VENV/bin/pip install torch torchvision pillow transformers
    VENV/bin/python spec/interop/defaults.py

spec/huggingface/defaults.test.ts compares each of them with what is taken here.
"""
import json
import pathlib

import transformers as T
from PIL import Image

CONFIGS = ["ViTConfig", "Dinov2Config", "Dinov2WithRegistersConfig", "DINOv3ViTConfig", "SwinConfig", "DINOv3ConvNextConfig"]
PROCESSORS = ["ViTImageProcessor", "BitImageProcessor", "DeiTImageProcessor", "CLIPImageProcessor", "DINOv3ViTImageProcessor", "DINOv3ViTImageProcessorFast"]
KEYS = "size crop_size resample do_resize do_center_crop do_rescale rescale_factor do_normalize do_convert_rgb image_mean image_std".split()
# keys of every class, which say nothing of the network
SHARED = set(T.PretrainedConfig().to_dict())


def config(name):
    c = getattr(T, name)().to_dict()
    return {k: v for k, v in c.items() if k == "model_type" or k not in SHARED and not k.startswith(("_", "out_", "stage_"))}


def processor(name):
    p = getattr(T, name)().to_dict()
    return {k: p[k] for k in KEYS if p.get(k) is not None}


def plain(x):
    if isinstance(x, dict):
        return {k: plain(v) for k, v in x.items()}
    if isinstance(x, (list, tuple)):
        return [plain(v) for v in x]
    return int(x) if isinstance(x, Image.Resampling) else x


facts = {
    "transformers": T.__version__,
    "configurations": {n: plain(config(n)) for n in CONFIGS},
    "processors": {n: plain(processor(n)) for n in PROCESSORS if hasattr(T, n)},
}
path = pathlib.Path(__file__).resolve().parents[1] / "huggingface" / "defaults.json"
path.write_text(json.dumps(facts, indent=2, sort_keys=True) + "\n")
print(path)
