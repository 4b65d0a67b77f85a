"""Heads, stochastic depth and rotary tables, and their cases."""
import numpy as np
import torch
import torch.nn.functional as F

from cases import case, draw, gradient, rng, sub2
from vit import backbone, gelu, half, lin, linear_weights, rope_periods, rope_tables, sub, vit_weights


def head_weights(inp, K, layers, hidden, bottleneck, plain, bias=True, fixed=False):
    w, widths = {}, [inp] + [hidden] * (layers - 1) + [bottleneck]
    for i in range(layers):
        w.update(linear_weights("mlp" if layers == 1 else f"mlp.{2 * i}", widths[i + 1], widths[i], bias))
    if plain:
        w["last_layer.weight"] = draw(K, bottleneck, scale=0.5)
    else:
        w["last_layer.weight_g"] = np.ones((K, 1), np.float32) if fixed else 1 + draw(K, 1, scale=0.3)
        w["last_layer.weight_v"] = draw(K, bottleneck)
    return w


def head(w, x):
    if "mlp.weight" in w:
        x = lin(w, "mlp", x)
    else:
        places = sorted({int(k.split(".")[1]) for k in w if k.startswith("mlp.")})
        for i, p in enumerate(places):
            x = lin(w, f"mlp.{p}", x if i == 0 else gelu(x))
    x = F.normalize(x, dim=-1, eps=1e-12)
    last = w["last_layer.weight"] if "last_layer.weight" in w else w["last_layer.weight_g"] * w["last_layer.weight_v"] / w["last_layer.weight_v"].norm(dim=1, keepdim=True)
    return x @ last.T, x


def part_cases():
    for name, kind, layers, bias, fixed in (("v1_head_a", "v1_head", 2, True, True), ("v1_head_b", "v1_head", 4, True, False), ("v2_head_a", "v2_head", 1, True, False), ("v2_head_b", "v2_head", 2, False, False), ("v3_head_a", "v3_head", 1, True, False), ("v3_head_b", "v3_head", 4, False, False)):
        config = {"in_dim": 10, "out_dim": 14, "nlayers": layers, "hidden_dim": 12, "bottleneck_dim": 6, "mlp_bias": bias, "batch": 3, **({"norm_last_layer": fixed} if kind == "v1_head" else {})}
        w = head_weights(10, 14, layers, 12, 6, kind == "v3_head", bias, fixed)

        def compute(t, _, fixed=fixed):
            w = {k: v.clone().requires_grad_(not (fixed and k.endswith("weight_g"))) for k, v in sub2(t, "state/").items()}
            x = t["in/x"].clone().requires_grad_()
            y, b = head(w, x)
            loss = (y * t["in/cotangent"]).sum()
            return {"out/y": y, "out/bottleneck": b, "grad/in/x": gradient(loss, x), **{f"grad/{k}": gradient(loss, v) for k, v in w.items() if v.requires_grad}}
        case(name, kind, config, {**{f"state/{k}": v for k, v in w.items()}, "in/x": draw(3, 10), "in/cotangent": draw(3, 14)}, compute)

    for name, B, heads, o in (("drop_path_a", 7, 4, dict(ratio=3, ffn="fused")), ("drop_path_b", 4, 1, dict(ls=False, qkv_bias=False)), ("drop_path_c", 3, 2, dict())):
        o = backbone(2, dim=16, heads=heads, **o)
        ratio = 0.3 if B > 3 else 0.9
        kept = max(int(B * (1 - ratio)), 1)
        w = sub({k: v for k, v in vit_weights(o).items()}, "blocks.0")

        def compute(t, _, o=o, kept=kept, B=B):
            w = {k: v.clone().requires_grad_() for k, v in sub2(t, "state/").items()}
            x = x0 = t["in/x"].clone().requires_grad_()
            for which in (1, 2):
                rows = t[f"in/perm{which}"][:kept]
                x = x.index_add(0, rows, half(w, o, which, x[rows], None)[0] * (B / kept))
            loss = (x * x).sum()
            return {"out/y": x, "grad/in/x": gradient(loss, x0), **{f"grad/{k}": gradient(loss, v) for k, v in w.items()}}
        case(name, "v2_drop_path", {"batch": B, "tokens": 5, "dim": 16, "sample_drop_ratio": ratio, "num_heads": heads}, {**{f"state/{k}": v for k, v in w.items()}, "in/x": draw(B, 5, 16),
             "in/perm1": rng().permutation(B).astype(np.int64), "in/perm2": rng().permutation(B).astype(np.int64)}, compute)

    variants = {"sep": dict(head_dim=8, base=50.0, normalize_coords="separate"), "max": dict(head_dim=12, base=100.0, normalize_coords="max"),
                "min": dict(head_dim=20, min_period=0.5, max_period=90.0, normalize_coords="min"), "four": dict(head_dim=4, base=10.0, normalize_coords="separate")}
    grids = [[1, 5], [3, 3], [7, 2]]

    def tables(_, dtype):
        out = {}
        for k, v in variants.items():
            p = {"base": v["base"]} if "base" in v else {"low": v["min_period"], "high": v["max_period"]}
            out[f"out/{k}/periods"] = rope_periods(v["head_dim"], **p)
            for h, w in grids:
                out[f"out/{k}/h{h}w{w}/sin"], out[f"out/{k}/h{h}w{w}/cos"] = rope_tables(h, w, v["head_dim"], v["normalize_coords"], dtype, **p)
        return out
    case("rope_a", "v3_rope_tables", {"variants": variants, "grids_hw": grids}, {"in/nothing": draw(1)}, tables)
