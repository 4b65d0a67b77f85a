"""Steps of training, written out: schedules, clipping, AdamW, freezing, moving averages, centres."""
import math

import numpy as np
import torch

from cases import case, draw, sub2
from losses import cross
from models import batch_of, grads_of, network, student_losses, trainable, v2_total
from parts import head, head_weights
from vit import backbone, sub, vit, vit_weights


def cosine(base, final, total, warm=0, start=0.0):
    return np.concatenate([np.linspace(start, base, warm), [final + 0.5 * (base - final) * (1 + math.cos(math.pi * i / (total - warm))) for i in range(total - warm)]])


class AdamW:
    def __init__(self):
        self.state = {}

    def step(self, k, p, g, lr, wd):
        m, v, n = self.state.get(k, (torch.zeros_like(p), torch.zeros_like(p), 0))
        m, v, n = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g, n + 1
        self.state[k] = (m, v, n)
        return p * (1 - lr * wd) - lr * (m / (1 - 0.9 ** n)) / ((v / (1 - 0.999 ** n)).sqrt() + 1e-8)


def trajectory_cases():
    for name, sk, separate, o, extra in (
        ("v2_run_a", True, True, backbone(2, heads=2, regs=1), dict(clip_grad=0.5, layerwise_decay=0.7, patch_embed_lr_mult=0.3, freeze_last_layer_epochs=2, n_local=1)),
        ("v2_run_b", False, False, backbone(2, heads=4, ffn="fused", ls=False), dict(clip_grad=3.0, layerwise_decay=1.0, patch_embed_lr_mult=1.0, freeze_last_layer_epochs=0, n_local=3)),
    ):
        c = dict(batch=2, out_dim=9, ibot_out_dim=8, head_hidden=10, head_bottleneck=5, global_size=12, local_size=8, dino_weight=1.0, ibot_weight=0.8, koleo_weight=0.2, steps=5, epochs=3, epoch_length=2, lr=1.5e-3, min_lr=1e-5, warmup_epochs=1,
                 weight_decay=0.05, weight_decay_end=0.3, momentum_teacher=0.92, warmup_teacher_temp=0.04, teacher_temp=0.06, warmup_teacher_temp_epochs=2, **extra)
        config = {**c, "patch_size": 4, "embed_dim": 24, "depth": 2, "num_heads": o["heads"], "mlp_ratio": 2, "layerscale": 1.0 if o["ls"] else None, "ffn_layer": "swiglufused" if o["ffn"] == "fused" else "mlp", "num_register_tokens": o["regs"],
                  "ibot_separate_head": separate, "centering": "sinkhorn_knopp" if sk else "centering"}
        given = {f"init/{k}": v for k, v in network(o, c, separate, False).items()}
        for i in range(c["steps"]):
            given.update(batch_of(o, c, f"in/step{i}/"))

        def compute(t, dtype, o=o, c=c, sk=sk, separate=separate):
            s = sub2(t, "init/")
            teacher, adam, T = dict(s), AdamW(), c["epochs"] * c["epoch_length"]
            lr, wd, mom = cosine(c["lr"], c["min_lr"], T, c["warmup_epochs"] * c["epoch_length"]), cosine(c["weight_decay"], c["weight_decay_end"], T), cosine(c["momentum_teacher"], 1, T)
            warm = c["warmup_teacher_temp_epochs"] * c["epoch_length"]
            temp = np.concatenate([np.linspace(c["warmup_teacher_temp"], c["teacher_temp"], warm), np.full(T - warm, c["teacher_temp"])])
            centers = [torch.zeros(1, c["out_dim"], dtype=dtype), torch.zeros(1, c["ibot_out_dim"] if separate else c["out_dim"], dtype=dtype)]
            logs, norms, used = [], [], []
            for i in range(c["steps"]):
                live = trainable(s)
                x = sub2(t, f"in/step{i}/")
                f = student_losses(live, teacher, o, {**c, "teacher_temp": float(temp[i])}, x, None if sk else centers, separate)
                used.append(centers[0])
                centers = [0.9 * a + 0.1 * z.mean(0, keepdim=True) for a, z in zip(centers, f["logits"])]
                total, shown = v2_total(f, c)
                logs.append({"total": total, **shown})
                g = {k[5:]: v for k, v in grads_of(total, live).items()}
                row = []
                for module in ("backbone", "dino_head", "ibot_head"):
                    mine = [k for k in g if k.startswith(module + ".")]
                    if mine:
                        n = torch.sqrt(sum((g[k] ** 2).sum() for k in mine))
                        row.append(n)
                        for k in mine:
                            g[k] = g[k] * torch.clamp(c["clip_grad"] / (n + 1e-6), max=1.0)
                norms.append(torch.stack(row))
                new = {}
                for k, p in s.items():
                    if k not in g:
                        new[k] = p
                        continue
                    inner = k.split(".", 1)[1]
                    depth, mult = o["depth"], 1.0
                    if k.startswith("backbone."):
                        found = inner.split(".")
                        layer = int(found[1]) + 1 if found[0] == "blocks" else 0 if found[0] in ("pos_embed", "patch_embed", "cls_token", "mask_token", "register_tokens") else depth + 1
                        mult = c["layerwise_decay"] ** (depth + 1 - layer) * (c["patch_embed_lr_mult"] if found[0] == "patch_embed" else 1)
                    rate = 0.0 if "last_layer" in k and i < c["freeze_last_layer_epochs"] * c["epoch_length"] else float(lr[i])
                    decay = 0.0 if k.endswith(".bias") or "norm" in k or "gamma" in k else float(wd[i])
                    new[k] = adam.step(k, p, g[k], rate * mult, decay)
                s = new
                teacher = {k: float(mom[i]) * v + (1 - float(mom[i])) * s[k] for k, v in teacher.items()}
            out = {f"out/loss/{k}": torch.stack([x[k] for x in logs]) for k in logs[0]}
            out.update({"out/grad_norm": torch.stack(norms), **{f"final/student/{k}": v for k, v in s.items()}, **{f"final/teacher/{k}": v for k, v in teacher.items()}})
            if not sk:
                out.update({"out/center_used_dino": torch.cat(used), "out/center_dino": centers[0], "out/center_ibot": centers[1][None]})
            return out
        case(name, "v2_trajectory", config, given, compute)

    for name, o, extra, fixed in (("v1_run_a", backbone(1, heads=2), dict(clip_grad=0.2, freeze_last_layer=2, n_local=1), True), ("v1_run_b", backbone(1, heads=6), dict(clip_grad=0.0, freeze_last_layer=0, n_local=3), False)):
        c = dict(patch_size=4, embed_dim=24, depth=2, num_heads=o["heads"], mlp_ratio=2, global_size=12, local_size=8, batch=2, out_dim=9, head_hidden=10, head_bottleneck=5, norm_last_layer=fixed, warmup_teacher_temp=0.03, teacher_temp=0.06,
                 warmup_teacher_temp_epochs=2, epochs=3, niter_per_epoch=2, lr=1e-3, min_lr=1e-5, warmup_epochs=1, weight_decay=0.04, weight_decay_end=0.3, momentum_teacher=0.9, **extra)
        w = {**{f"backbone.{k}": v for k, v in vit_weights(o).items()}, **{f"head.{k}": v for k, v in head_weights(24, 9, 3, 10, 5, False, True, fixed).items()}}
        given = {f"init/{k}": v for k, v in w.items()}
        for i in range(6):
            given.update({f"in/step{i}/global": draw(4, 3, 12, 12), f"in/step{i}/local": draw(2 * c["n_local"], 3, 8, 8)})

        def compute(t, dtype, o=o, c=c, fixed=fixed):
            s = sub2(t, "init/")
            teacher, adam, T, n = dict(s), AdamW(), 6, c["n_local"]
            lr, wd, mom = cosine(c["lr"], c["min_lr"], T, 2), cosine(c["weight_decay"], c["weight_decay_end"], T), cosine(c["momentum_teacher"], 1, T)
            temp = [c["warmup_teacher_temp"], c["teacher_temp"], c["teacher_temp"]]
            center, losses, centers = torch.zeros(1, 9, dtype=dtype), [], []
            for i in range(T):
                live = {k: v.clone().requires_grad_(not (fixed and k.endswith("weight_g"))) for k, v in s.items()}
                net = lambda w, xs: head(sub(w, "head"), torch.cat([vit(sub(w, "backbone"), o, x)["cls"] for x in xs]))[0]
                z, tz = net(live, [t[f"in/step{i}/global"], t[f"in/step{i}/local"]]), net(teacher, [t[f"in/step{i}/global"]]).detach()
                p = torch.softmax((tz - center) / temp[i // 2], -1).chunk(2)
                pairs = [cross(p[a], b, 0.1).mean() for a in range(2) for j, b in enumerate(z.chunk(2 + n)) if j != a]
                loss = sum(pairs) / len(pairs)
                center = 0.9 * center + 0.1 * tz.mean(0, keepdim=True)
                losses.append(loss)
                centers.append(center[0])
                g = {k[5:]: v for k, v in grads_of(loss, live).items()}
                new = {}
                for k, p_ in s.items():
                    if k not in g or ("last_layer" in k and i // 2 < c["freeze_last_layer"]):
                        new[k] = p_
                        continue
                    gk = g[k] * torch.clamp(c["clip_grad"] / (g[k].norm() + 1e-6), max=1.0) if c["clip_grad"] else g[k]
                    new[k] = adam.step(k, p_, gk, float(lr[i]), 0.0 if k.endswith(".bias") or p_.dim() == 1 else float(wd[i]))
                s = new
                teacher = {k: float(mom[i]) * v + (1 - float(mom[i])) * s[k] for k, v in teacher.items()}
            return {"out/loss": torch.stack(losses), "out/center": torch.stack(centers), **{f"final/student/{k}": v for k, v in s.items()}, **{f"final/teacher/{k}": v for k, v in teacher.items()}}
        case(name, "v1_trajectory", c, given, compute)
