"""Losses on given logits and features, and their cases."""
import numpy as np
import torch
import torch.nn.functional as F

from cases import case, draw, gradient, rng, sub2


def cross(t, z, tau):
    return -(t * torch.log_softmax(z / tau, -1)).sum(-1)


def sinkhorn(z, tau, rounds=3):
    q = torch.exp((z - z.max()) / tau)
    q = q / q.sum()
    for _ in range(rounds):
        q = q / q.sum(0, keepdim=True) / q.shape[1]
        q = q / q.sum(1, keepdim=True) / q.shape[0]
    return q * q.shape[0]


def koleo(x, k=1):
    x = x / x.norm(dim=-1, keepdim=True).clamp_min(1e-8)
    s = (x @ x.T).detach() - 2 * torch.eye(len(x), dtype=x.dtype) * (1 + 1e-9)
    near = s.topk(k, -1).indices
    dist = ((x[:, None] - x[near] + 1e-8) ** 2).sum(-1).sqrt()
    return -torch.log(dist + 1e-8).mean(), near[:, 0]


def gram(s, g, apply_norm=True, img_level=True, remove_neg=False, remove_only_teacher_neg=False):
    if apply_norm:
        s, g = F.normalize(s, dim=-1), F.normalize(g, dim=-1)
    if not img_level:
        s, g = s.reshape(1, -1, s.shape[-1]), g.reshape(1, -1, g.shape[-1])
    s, g = s @ s.transpose(1, 2), g @ g.transpose(1, 2)
    if remove_neg:
        s = torch.where(s < 0, torch.zeros_like(s), s)
    if remove_neg or remove_only_teacher_neg:
        g = torch.where(g < 0, torch.zeros_like(g), g)
    return ((s - g) ** 2).mean()


def loss_cases():
    for name, kind, K, n, N, o in (("v2_ibot_a", "v2_ibot_loss", 17, 5, 9, {}), ("v3_ibot_a", "v3_ibot_loss", 12, 4, 12, {"student_temp": 0.2, "center_momentum": 0.7, "sk_iterations": 5})):
        config = {"out_dim": K, "n_images": n, "n_tokens": N, "teacher_temp": 0.05, **o}
        masks = (rng().random((n, N)) < 0.4).astype(np.uint8)
        masks[1] = 0
        masks[2, 0] = 1
        M = int(masks.sum())
        weights = np.repeat(1 / np.maximum(masks.sum(1), 1), masks.sum(1).astype(np.int64)).astype(np.float32)
        given = {"in/masks": masks, "in/masks_weight": weights, "in/mask_indices": np.flatnonzero(masks).astype(np.int64), "in/student": draw(M + 3, K), "in/teacher0": draw(M, K), "in/teacher1": draw(M, K),
                 "in/center0": draw(1, 1, K, scale=0.3), "in/dense_student": draw(n, N, K), "in/dense_teacher": draw(n, N, K)}

        def compute(t, dtype, c=config, n=n):
            tau, ts, m = c.get("student_temp", 0.1), c["teacher_temp"], c.get("center_momentum", 0.9)
            s = t["in/student"].clone().requires_grad_()
            wts, c0 = t["in/masks_weight"], t["in/center0"][0]
            p0 = torch.softmax((t["in/teacher0"] - c0) / ts, -1)
            c1 = m * c0 + (1 - m) * t["in/teacher0"].mean(0, keepdim=True)
            p1 = torch.softmax((t["in/teacher1"] - c1) / ts, -1)
            c2 = m * c1 + (1 - m) * t["in/teacher1"].mean(0, keepdim=True)
            sk = sinkhorn(t["in/teacher0"], ts, c.get("sk_iterations", 3))
            real = s[:len(wts)]
            centred, balanced = (wts * cross(p0, real, tau)).sum() / n, (wts * cross(sk, real, tau)).sum() / n
            ds = t["in/dense_student"].clone().requires_grad_()
            mask = t["in/masks"].to(dtype)
            ce = cross(torch.softmax(t["in/dense_teacher"] / ts, -1), ds, tau)
            dense = ((ce * mask).sum(1) / mask.sum(1).clamp_min(1)).sum() / n
            return {"out/center/probs0": p0, "out/center/probs1": p1, "out/center/center_after0": c1[None], "out/center/center_after1": c2[None], "out/sk/probs": sk, "out/center/loss": centred,
                    "grad/center/student": gradient(centred, s), "out/sk/loss": balanced, "grad/sk/student": gradient(balanced, s), "out/sk/loss_weights_none": balanced, "out/dense/loss": dense, "grad/dense/student": gradient(dense, ds)}
        case(name, kind, config, given, compute)
    for name, B, D, ks in (("koleo_a", 5, 9, [1, 4]), ("koleo_b", 2, 3, [1])):
        def compute(t, _, ks=ks):
            x = t["in/x"].clone().requires_grad_()
            loss, near = koleo(x)
            out = {"out/x/loss": loss, "grad/x": gradient(loss, x), "out/x/nn": near}
            for k in ks:
                lk = koleo(x, k)[0]
                out.update({f"out/topk{k}/loss": lk, f"grad/topk{k}": gradient(lk, x)})
            return out
        case(name, "koleo_loss", {"batch": B, "dim": D, "topk": ks}, {"in/x": draw(B, D)}, compute, exact=("out/x/nn",))
    variants = {f"v{a}{b}{c}{d}": dict(apply_norm=bool(a), img_level=bool(b), remove_neg=bool(c), remove_only_teacher_neg=bool(d)) for a in (0, 1) for b in (0, 1) for c, d in ((0, 0), (1, 0), (0, 1))}

    def grams(t, _):
        s = t["in/student"].clone().requires_grad_()
        losses = {k: gram(s, t["in/teacher"], **v) for k, v in variants.items()}
        return {**{f"out/{k}/loss": x for k, x in losses.items()}, **{f"grad/{k}/student": gradient(x, s) for k, x in losses.items()}}
    case("gram_a", "v3_gram_loss", {"batch": 2, "n": 5, "dim": 7, "variants": variants}, {"in/student": draw(2, 5, 7), "in/teacher": draw(2, 5, 7)}, grams)

    for name, T, G, L in (("v3_dino_a", 2, 2, 1), ("v3_dino_b", 3, 3, 4)):
        def compute(t, _, T=T):
            probs = sinkhorn(t["in/teacher"], 0.04).reshape(T, 3, -1)
            out = {"out/teacher_probs": probs}
            for which in ("local", "global"):
                x = t[f"in/student_{which}"].clone().requires_grad_()
                pairs = torch.stack([torch.stack([cross(probs[i], x[j], 0.1).mean() for i in range(T)]) for j in range(len(x))])
                keep = 1 - torch.eye(*pairs.shape, dtype=pairs.dtype)
                for label, m in ((f"{which}_ignore_diag", keep), (which if which == "local" else "global_all", torch.ones_like(pairs))):
                    loss = (pairs * m).sum() / m.sum()
                    out.update({f"out/{label}/loss": loss, f"grad/{label}": gradient(loss, x)})
            return out
        case(name, "v3_dino_loss", {"out_dim": 11, "batch": 3, "student_crops": L, "teacher_crops": T, "teacher_temp": 0.04, "student_temp": 0.1},
             {"in/student_global": draw(G, 3, 11), "in/student_local": draw(L, 3, 11), "in/teacher": draw(T * 3, 11)}, compute)

    for name, n_local, o in (("v2_dino_a", 1, {"student_temp": 0.15}), ("v2_dino_b", 5, {"center_momentum": 0.6})):
        config = {"out_dim": 13, "batch": 3, "teacher_temp": 0.06, **o}

        def compute(t, _, c=config, n_local=n_local):
            s, ts, m = t["in/student"].clone().requires_grad_(), c["teacher_temp"], c.get("center_momentum", 0.9)
            c0 = t["in/center0"]
            p0 = torch.softmax((t["in/teacher0"] - c0) / ts, -1)
            c1 = m * c0 + (1 - m) * t["in/teacher0"].mean(0, keepdim=True)
            p1 = torch.softmax((t["in/teacher1"] - c1) / ts, -1)
            c2 = m * c1 + (1 - m) * t["in/teacher1"].mean(0, keepdim=True)
            sk = sinkhorn(t["in/teacher0"], ts)
            total = lambda p: sum(cross(a, b, c.get("student_temp", 0.1)).mean() for a in p.chunk(2) for b in s.chunk(n_local))
            a, b = total(p0), total(sk)
            return {"out/center/probs0": p0, "out/center/probs1": p1, "out/center/center_after0": c1, "out/center/center_after1": c2, "out/sk/probs": sk,
                    "out/center/loss_local": a, "grad/center/student": gradient(a, s), "out/sk/loss_local": b, "grad/sk/student": gradient(b, s)}
        case(name, "v2_dino_loss", config, {"in/center0": draw(1, 13, scale=0.3), "in/teacher0": draw(6, 13), "in/teacher1": draw(6, 13), "in/student": draw(3 * n_local, 13)}, compute)

    for name, ncrops, warm in (("v1_dino_a", 2, 0), ("v1_dino_b", 7, 4)):
        config = {"out_dim": 10, "batch": 3, "ncrops": ncrops, "student_temp": 0.1, "center_momentum": 0.8, "epochs_called": [0, 3, 5], "warmup_teacher_temp": 0.03, "teacher_temp": 0.05, "warmup_teacher_temp_epochs": warm, "nepochs": 6}
        temps = np.concatenate([np.linspace(0.03, 0.05, warm), np.full(6 - warm, 0.05)])

        def compute(t, _, ncrops=ncrops, temps=temps):
            c, out = t["in/center0"], {}
            for i, epoch in enumerate((0, 3, 5)):
                s, g = t[f"in/step{i}/student"].clone().requires_grad_(), t[f"in/step{i}/teacher"]
                p = torch.softmax((g - c) / temps[epoch], -1).chunk(2)
                pairs = [cross(p[a], b, 0.1).mean() for a in range(2) for j, b in enumerate(s.chunk(ncrops)) if j != a]
                loss = sum(pairs) / len(pairs)
                c = 0.8 * c + 0.2 * g.mean(0, keepdim=True)
                out.update({f"out/step{i}/loss": loss, f"out/step{i}/center": c, f"grad/step{i}/student": gradient(loss, s)})
            return out
        case(name, "v1_dino_loss", config, {"in/center0": draw(1, 10, scale=0.3), **{f"in/step{i}/student": draw(ncrops * 3, 10) for i in range(3)}, **{f"in/step{i}/teacher": draw(6, 10) for i in range(3)}}, compute)
