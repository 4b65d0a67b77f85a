"""Cases of backbones: features with and without masks, at several sizes."""
import numpy as np

from cases import case, draw, rng, sub2
from vit import backbone, vit, vit_weights


def v2_config(o):
    return {"img_size": o["image"], "patch_size": o["patch"], "embed_dim": o["dim"], "depth": o["depth"], "num_heads": o["heads"], "mlp_ratio": o["ratio"], "qkv_bias": o["qkv_bias"],
            "ffn_bias": o["ffn_bias"], "proj_bias": o["proj_bias"], "init_values": 1.0 if o["ls"] else None, "ffn_layer": "swiglufused" if o["ffn"] == "fused" else "mlp",
            "block_chunks": o["chunks"], "num_register_tokens": o["regs"], "interpolate_antialias": o["antialias"], "interpolate_offset": o["offset"], "norm_eps": o["eps"], "in_chans": o["chans"]}


def v3_config(o):
    p = o["periods"]
    return {"img_size": o["image"], "patch_size": o["patch"], "embed_dim": o["dim"], "depth": o["depth"], "num_heads": o["heads"], "ffn_ratio": o["ratio"], "qkv_bias": o["qkv_bias"],
            "ffn_bias": o["ffn_bias"], "proj_bias": o["proj_bias"], "layerscale_init": 1.0 if o["ls"] else None, "norm_layer": "rmsnorm" if o["norm"] == "rms" else "layernormbf16" if o["eps"] == 1e-5 else "layernorm",
            "ffn_layer": o["ffn"], "n_storage_tokens": o["regs"], "mask_k_bias": o["mask_k"], "untie_cls_and_patch_norms": o["untied"], "untie_global_and_local_cls_norm": o["local"],
            "pos_embed_rope_base": p.get("base"), "pos_embed_rope_min_period": p.get("low"), "pos_embed_rope_max_period": p.get("high"), "pos_embed_rope_normalize_coords": o["rope"], "in_chans": o["chans"]}


def vit_cases():
    for name, o, shapes in (
        ("v1_vit_a", backbone(1, dim=20, heads=5, patch=5, image=20, ratio=3), {"native": (2, 20, 20), "wide": (1, 10, 40), "odd": (2, 33, 17)}),
        ("v1_vit_b", backbone(1, dim=16, heads=1, depth=3, image=16, qkv_bias=False, ratio=1), {"native": (1, 16, 16), "one": (2, 4, 4), "same_count": (1, 8, 32)}),
    ):
        w = vit_weights(o)
        given = {**{f"state/{k}": v for k, v in w.items()}, **{f"in/{k}": draw(b, o["chans"], h, x) for k, (b, h, x) in shapes.items()}}

        def compute(t, _, o=o, shapes=shapes):
            out = {}
            for k in shapes:
                f = vit(sub2(t, "state/"), o, t[f"in/{k}"])
                out.update({f"out/{k}/pos": f["pos"], f"out/{k}/cls": f["cls"], f"out/{k}/attn": f["attn"], **{f"out/{k}/layer{i}": y for i, y in enumerate(f["layers"])}})
            return out
        case(name, "v1_vit", {"img_size": o["image"], "patch_size": o["patch"], "embed_dim": o["dim"], "depth": o["depth"], "num_heads": o["heads"], "mlp_ratio": o["ratio"], "qkv_bias": o["qkv_bias"], "norm_eps": 1e-6}, given, compute)
    for name, o, shapes in (
        ("v2_vit_a", backbone(2, regs=3, ffn="fused", chunks=2, depth=4, heads=2, offset=0.1, antialias=True), {"native": (2, 12, 12), "up": (1, 20, 24), "down": (2, 8, 4)}),
        ("v2_vit_b", backbone(2, chans=1, heads=6, ls=False, proj_bias=False, offset=0.0, antialias=False), {"native": (3, 12, 12), "tall": (2, 36, 4)}),
        ("v2_vit_c", backbone(2, dim=32, heads=1, regs=1, ffn="fused", ffn_bias=False, offset=0.0, antialias=True, image=20, patch=4, ratio=4), {"native": (1, 20, 20), "small": (2, 8, 12)}),
        ("v3_vit_a", backbone(3, dim=32, heads=4, regs=3, ffn="swiglu128", norm="rms", eps=1e-5, rope="max", mask_k=True, untied=True, local=True, periods={"low": 0.25, "high": 20.0}), {"native": (2, 12, 12), "rect": (1, 8, 24), "train_g": (3, 12, 12), "train_l": (2, 8, 4)}),
        ("v3_vit_b", backbone(3, dim=24, heads=1, regs=0, ffn="swiglu64", eps=1e-5, rope="min", ls=False, chans=2), {"native": (2, 12, 12), "rect": (2, 16, 4)}),
        ("v3_vit_c", backbone(3, dim=48, heads=6, regs=1, ffn="mlp", rope="separate", local=True, qkv_bias=False, periods={"base": 17.0}), {"native": (2, 12, 12), "train_g": (3, 12, 12), "train_l": (2, 8, 8)}),
    ):
        w = vit_weights(o)
        given = {**{f"state/{k}": v for k, v in w.items()}, **{f"in/{k}": draw(b, o["chans"], h, x) for k, (b, h, x) in shapes.items()}}
        for k, (b, h, x) in shapes.items():
            if k != "train_l":
                given[f"in/{k}_mask"] = (rng().random((b, (h // o["patch"]) * (x // o["patch"]))) < 0.4).astype(np.uint8)

        def compute(t, _, o=o, shapes=shapes):
            out, w, names = {}, sub2(t, "state/"), "x_storage_tokens" if o["gen"] == 3 else "x_norm_regtokens"
            for k in shapes:
                if k.startswith("train"):
                    f = vit(w, o, t[f"in/{k}"], t.get(f"in/{k}_mask"), True, k == "train_l")
                    out.update({f"out/{k}/x_norm_clstoken": f["cls"], f"out/{k}/x_norm_patchtokens": f["patches"]})
                    continue
                plain, masked = vit(w, o, t[f"in/{k}"]), vit(w, o, t[f"in/{k}"], t[f"in/{k}_mask"])
                for way, f in (("plain", plain), ("masked", masked)):
                    out.update({f"out/{k}/{way}/x_norm_clstoken": f["cls"], f"out/{k}/{way}/x_norm_patchtokens": f["patches"], f"out/{k}/{way}/x_prenorm": f["prenorm"]})
                    if o["regs"]:
                        out[f"out/{k}/{way}/{names}"] = f["regs"]
                if o["gen"] == 3:
                    out.update({f"out/{k}/rope_sin": plain["rope_sin"], f"out/{k}/rope_cos": plain["rope_cos"]})
                for i, y in enumerate(plain["layers"]):
                    out[f"out/{k}/inter{i}_cls"] = y[:, 0]
                    out[f"out/{k}/inter{i}_patch"] = y[:, plain["prefix"]:].transpose(1, 2).reshape(y.shape[0], -1, *plain["grid"])
            return out
        case(name, f"v{o['gen']}_vit", v3_config(o) if o["gen"] == 3 else v2_config(o), given, compute)
