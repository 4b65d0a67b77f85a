"""Whole models: every loss, and the gradient of every weight of the student."""
import numpy as np
import torch

from backbones import v3_config
from cases import case, draw, rng, sub2
from losses import cross, gram, koleo, sinkhorn
from parts import head, head_weights
from vit import backbone, resized, sub, vit, vit_weights


def student_losses(s, t, o, c, x, center, separate):
    """Terms of DINOv2 and DINOv3 on one batch, by the official weights; `center` is (dino, ibot), or None with Sinkhorn."""
    n, B, tt = c["n_local"], c["batch"], c["teacher_temp"]
    g, gl = vit(sub(s, "backbone"), o, x["global"], x["masks"], True), None
    if n:
        gl = vit(sub(s, "backbone"), o, x["local"], None, True, True)
    tf = vit(sub(t, "backbone"), o, x["global"])
    listed = lambda f: f["patches"].reshape(-1, o["dim"])[x["mask_indices"]]
    s_head, t_head = sub(s, "dino_head"), sub(t, "dino_head")
    s_ib, t_ib = (sub(s, "ibot_head"), sub(t, "ibot_head")) if separate else (s_head, t_head)
    tz, tp = head(t_head, tf["cls"])[0].detach(), head(t_ib, listed(tf))[0].detach()
    targets = sinkhorn(tz, tt) if center is None else torch.softmax((tz - center[0]) / tt, -1)
    patch_targets = sinkhorn(tp, tt) if center is None else torch.softmax((tp - center[1]) / tt, -1)
    T, S = targets.chunk(2), head(s_head, g["cls"])[0].chunk(2)
    skip = c.get("global_ignore_diagonal", True)
    global_pairs = [cross(T[a], S[b], 0.1).mean() for a in range(2) for b in range(2) if not (skip and a == b)]
    local_pairs = [cross(a, b, 0.1).mean() for a in T for b in head(s_head, gl["cls"])[0].chunk(n)] if n else []
    ibot = (x["masks_weight"] * cross(patch_targets, head(s_ib, listed(g))[0], 0.1)).sum() / (2 * B)
    kol = [koleo(v, c.get("koleo_topk", 1))[0] for v in g["cls"].chunk(2)]
    return dict(globals=global_pairs, locals=local_pairs, ibot=ibot, koleo=sum(kol), g=g, teacher=tf, logits=(tz, tp))


def batch_of(o, c, prefix="in/"):
    N = (c["global_size"] // o["patch"]) ** 2
    masks = (rng().random((2 * c["batch"], N)) < 0.4).astype(np.uint8)
    masks[0] = 0
    masks[1, 0] = 1
    counts = masks.sum(1).astype(np.int64)
    size = lambda n, s: draw(n, o["chans"], s, s)
    return {f"{prefix}global": size(2 * c["batch"], c["global_size"]), **({f"{prefix}local": size(c["n_local"] * c["batch"], c["local_size"])} if c["n_local"] else {}), f"{prefix}masks": masks,
            f"{prefix}mask_indices": np.flatnonzero(masks).astype(np.int64), f"{prefix}masks_weight": np.repeat(1 / np.maximum(counts, 1), counts).astype(np.float32), f"{prefix}upperbound": np.array([int(masks.sum()) + 2], np.int64)}


def network(o, c, separate, plain):
    w = {f"backbone.{k}": v for k, v in vit_weights(o).items()}
    w.update({f"dino_head.{k}": v for k, v in head_weights(o["dim"], c["out_dim"], 3, c["head_hidden"], c["head_bottleneck"], plain).items()})
    if separate:
        w.update({f"ibot_head.{k}": v for k, v in head_weights(o["dim"], c["ibot_out_dim"], 3, c["head_hidden"], c["head_bottleneck"], plain).items()})
    return w


def trainable(w):
    return {k: v.clone().requires_grad_(not k.endswith("bias_mask")) for k, v in w.items()}


def grads_of(total, s):
    live = {k: v for k, v in s.items() if v.requires_grad}
    return {f"grad/{k}": g for k, g in zip(live, torch.autograd.grad(total, list(live.values()), allow_unused=True)) if g is not None}


def v2_total(f, c):
    n = c["n_local"]
    pairs = 2 + max(2 * n, 1)
    glob, loc = sum(f["globals"]) / pairs, sum(f["locals"]) / pairs if n else None
    k = c["koleo_weight"]
    total = c["dino_weight"] * (glob + (loc if n else 0)) + k * f["koleo"] + c["ibot_weight"] * f["ibot"]
    return total, {"dino_global_crops_loss": glob, **({"dino_local_crops_loss": loc} if n else {}), "koleo_loss": k * f["koleo"] / 2, "ibot_loss": f["ibot"] / 2}


def model_cases():
    for name, sk, separate, c, o in (
        ("v2_grad_a", False, True, dict(n_local=1, koleo_weight=0.3, dino_weight=0.7, ibot_weight=1.6), backbone(2, heads=4, regs=1, antialias=True, offset=0.0)),
        ("v2_grad_b", True, False, dict(n_local=4, koleo_weight=0.1, dino_weight=1.0, ibot_weight=0.5), backbone(2, heads=1, ffn="fused", ls=False)),
        ("v2_grad_c", True, True, dict(n_local=0, koleo_weight=0.1, dino_weight=1.0, ibot_weight=1.0), backbone(2, heads=2)),
    ):
        c = dict(batch=3, out_dim=11, ibot_out_dim=9, head_hidden=13, head_bottleneck=6, global_size=12, local_size=8, teacher_temp=0.05, **c)
        config = {**c, "patch_size": o["patch"], "embed_dim": o["dim"], "depth": o["depth"], "num_heads": o["heads"], "mlp_ratio": o["ratio"], "layerscale": 1.0 if o["ls"] else None, "ffn_layer": "swiglufused" if o["ffn"] == "fused" else "mlp",
                  "num_register_tokens": o["regs"], "interpolate_antialias": o["antialias"], "interpolate_offset": o["offset"], "ibot_separate_head": separate, "centering": "sinkhorn_knopp" if sk else "centering"}
        given = {**{f"student/{k}": v for k, v in network(o, c, separate, False).items()}, **{f"teacher/{k}": v for k, v in network(o, c, separate, False).items()}, **batch_of(o, c)}
        if not sk:
            given.update({"in/center_dino": draw(1, 11, scale=0.2), "in/center_ibot": draw(1, 1, 9 if separate else 11, scale=0.2)})

        def compute(t, _, o=o, c=c, sk=sk, separate=separate):
            s = trainable(sub2(t, "student/"))
            f = student_losses(s, sub2(t, "teacher/"), o, c, sub2(t, "in/"), None if sk else (t["in/center_dino"], t["in/center_ibot"][0]), separate)
            total, shown = v2_total(f, c)
            out = {"out/loss/total": total, **{f"out/loss/{k}": v for k, v in shown.items()}, **grads_of(total, s)}
            if not sk:
                out.update({"out/center_dino": 0.9 * t["in/center_dino"] + 0.1 * f["logits"][0].mean(0, keepdim=True), "out/center_ibot": 0.9 * t["in/center_ibot"] + 0.1 * f["logits"][1].mean(0)[None, None]})
            return out
        case(name, "v2_model_grad", config, given, compute)

    for name, c, o, g in (
        ("v3_grad_a", dict(n_local=1, global_ignore_diagonal=False, koleo_weight=0.2), backbone(3, dim=24, heads=2, regs=1, mask_k=True, untied=True, ffn="swiglu", norm="rms", eps=1e-5, rope="max"), dict(gram_weight=1.5, gram_img_level=False, gram_remove_neg=True, gram_size=20, gram_resize_antialias=True)),
        ("v3_grad_b", dict(n_local=3, global_ignore_diagonal=True, koleo_weight=0.1), backbone(3, dim=16, heads=4, local=True, ls=False), dict(gram_weight=0.5, gram_ema_teacher=True, gram_normalized=False, gram_remove_only_teacher_neg=True)),
        ("v3_grad_c", dict(n_local=2, global_ignore_diagonal=True, koleo_weight=0.1, dino_weight=0.5), backbone(3, dim=24, heads=3, regs=2), dict(gram_weight=1.0, gram_tokens_used="masked", gram_img_level=False, gram_size=12)),
        ("v3_grad_d", dict(n_local=2, global_ignore_diagonal=True, koleo_weight=0.1), backbone(3, dim=24, heads=3, regs=2), dict(gram_weight=1.0, gram_tokens_used="unmasked", gram_img_level=False, gram_size=8)),
    ):
        c = dict(batch=3, out_dim=11, ibot_out_dim=9, head_hidden=13, head_bottleneck=6, global_size=12, local_size=8, teacher_temp=0.05, ibot_weight=1.0, **{"dino_weight": 1.0, **c})
        g = dict(gram_ema_teacher=False, gram_normalized=True, gram_img_level=True, gram_remove_neg=False, gram_remove_only_teacher_neg=False, gram_tokens_used="all", gram_resize_antialias=False, **{}) | g
        v3 = v3_config(o)
        config = {**c, **g, **{k: v3[k] for k in v3 if k not in ("img_size", "in_chans")}, "_no_key_bias": False}
        given = {**{f"student/{k}": v for k, v in network(o, c, True, True).items()}, **{f"teacher/{k}": v for k, v in network(o, c, True, True).items()}, **batch_of(o, c)}
        if not g["gram_ema_teacher"]:
            given.update({f"gram_teacher/backbone.{k}": v for k, v in vit_weights(o).items()})
            given["in/gram_crops"] = draw(2 * c["batch"], 3, g["gram_size"], g["gram_size"])

        def compute(t, _, o=o, c=c, g=g):
            s = trainable(sub2(t, "student/"))
            x = sub2(t, "in/")
            f = student_losses(s, sub2(t, "teacher/"), o, c, x, None, True)
            glob, loc, G, L = sum(f["globals"]) / len(f["globals"]), sum(f["locals"]) / len(f["locals"]), len(f["globals"]), len(f["locals"])
            ours = f["g"]["patches"]
            if g["gram_ema_teacher"]:
                theirs = f["teacher"]["patches"].detach()
            else:
                tf = vit(sub(sub2(t, "gram_teacher/"), "backbone"), o, x["gram_crops"])
                theirs = tf["patches"]
                if tf["grid"] != f["g"]["grid"]:
                    maps = theirs.transpose(1, 2).reshape(len(theirs), -1, *tf["grid"])
                    theirs = torch.stack([resized(m, *f["g"]["grid"], 0, g["gram_resize_antialias"]) for m in maps]).flatten(2).transpose(1, 2)
            if g["gram_tokens_used"] != "all":
                keep = x["masks"].bool() == (g["gram_tokens_used"] == "masked")
                ours, theirs = ours[keep][None], theirs[keep][None]
            gl = gram(ours, theirs, g["gram_normalized"], g["gram_img_level"], g["gram_remove_neg"], g["gram_remove_only_teacher_neg"])
            total = c["dino_weight"] * (loc * L + glob * G) / (G + L) + c["koleo_weight"] * f["koleo"] + c["ibot_weight"] * f["ibot"] + g["gram_weight"] * gl
            return {"out/loss/total": total, "out/loss/dino_local_crops_loss": loc, "out/loss/dino_global_crops_loss": glob, "out/loss/koleo_loss": f["koleo"] / 2, "out/loss/ibot_loss": f["ibot"], "out/loss/gram_loss": gl, **grads_of(total, s)}
        case(name, "v3_model_grad", config, given, compute)

    for name, n, o, fixed in (("v1_grad_a", 0, backbone(1, heads=2), False), ("v1_grad_b", 5, backbone(1, heads=6, ratio=1), True)):
        c = dict(patch_size=4, embed_dim=24, depth=2, num_heads=o["heads"], mlp_ratio=o["ratio"], global_size=12, local_size=8, n_local=n, batch=2, out_dim=10, head_hidden=11, head_bottleneck=6, norm_last_layer=fixed, teacher_temp=0.05)
        w = {**{f"backbone.{k}": v for k, v in vit_weights(o).items()}, **{f"head.{k}": v for k, v in head_weights(24, 10, 3, 11, 6, False, True, fixed).items()}}
        given = {**{f"state/{k}": v for k, v in w.items()}, "in/global": draw(4, 3, 12, 12), **({"in/local": draw(2 * n, 3, 8, 8)} if n else {}), "in/teacher_logits": draw(4, 10), "in/center": draw(1, 10, scale=0.2)}

        def compute(t, _, o=o, n=n, fixed=fixed):
            s = {k: v.clone().requires_grad_(not (fixed and k.endswith("weight_g"))) for k, v in sub2(t, "state/").items()}
            cls = [vit(sub(s, "backbone"), o, t["in/global"])["cls"]] + ([vit(sub(s, "backbone"), o, t["in/local"])["cls"]] if n else [])
            z = head(sub(s, "head"), torch.cat(cls))[0]
            p = torch.softmax((t["in/teacher_logits"] - t["in/center"]) / 0.05, -1).chunk(2)
            pairs = [cross(p[a], b, 0.1).mean() for a in range(2) for j, b in enumerate(z.chunk(2 + n)) if j != a]
            loss = sum(pairs) / len(pairs)
            return {"out/student_logits": z, "out/loss": loss, **grads_of(loss, s)}
        case(name, "v1_model_grad", c, given, compute)
