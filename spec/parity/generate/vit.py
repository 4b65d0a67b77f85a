"""The Vision Transformers of the three generations, as functions of weights by their official names."""
import math

import numpy as np
import torch
import torch.nn.functional as F

from cases import draw


def linear_weights(name, out, inp, bias=True):
    return {f"{name}.weight": draw(out, inp, scale=inp ** -0.5), **({f"{name}.bias": draw(out, scale=0.2)} if bias else {})}


def norm_weights(name, d, kind="layer"):
    return {f"{name}.weight": 1 + draw(d, scale=0.2), **({f"{name}.bias": draw(d, scale=0.2)} if kind == "layer" else {})}


ALIGN = {"swiglu": 8, "swiglu32": 32, "swiglu64": 64, "swiglu128": 128}


def hidden_of(o):
    full = int(o["dim"] * o["ratio"])
    if o["ffn"] == "mlp":
        return full
    two_thirds = int(full * 2 / 3)
    return (two_thirds + 7) // 8 * 8 if o["ffn"] == "fused" else two_thirds + (-two_thirds) % ALIGN[o["ffn"]]


def vit_weights(o):
    """o: gen, dim, depth, heads, patch, chans, ratio, ffn, norm, regs, image, ls, qkv_bias, proj_bias, ffn_bias, mask_k, untied, local, chunks."""
    d, h, w = o["dim"], hidden_of(o), {}
    w["cls_token"] = draw(1, 1, d, scale=0.5)
    if o["gen"] < 3:
        w["pos_embed"] = draw(1, 1 + (o["image"] // o["patch"]) ** 2, d, scale=0.5)
    if o["regs"]:
        w["storage_tokens" if o["gen"] == 3 else "register_tokens"] = draw(1, o["regs"], d, scale=0.5)
    if o["gen"] > 1:
        w["mask_token"] = draw(1, d, scale=0.5)
    w["patch_embed.proj.weight"] = draw(d, o["chans"], o["patch"], o["patch"], scale=(o["chans"] * o["patch"] ** 2) ** -0.5)
    w["patch_embed.proj.bias"] = draw(d, scale=0.2)
    for i in range(o["depth"]):
        at = f"blocks.{i * o['chunks'] // o['depth']}.{i}" if o["chunks"] else f"blocks.{i}"
        w.update(norm_weights(f"{at}.norm1", d, o["norm"]))
        w.update(linear_weights(f"{at}.attn.qkv", 3 * d, d, o["qkv_bias"]))
        if o["mask_k"]:
            w[f"{at}.attn.qkv.bias_mask"] = np.repeat(np.float32([1, 0, 1]), d)
        w.update(linear_weights(f"{at}.attn.proj", d, d, o["proj_bias"]))
        if o["ls"]:
            w[f"{at}.ls1.gamma"], w[f"{at}.ls2.gamma"] = 0.5 + draw(d, scale=0.3), 0.5 + draw(d, scale=0.3)
        w.update(norm_weights(f"{at}.norm2", d, o["norm"]))
        if o["ffn"] == "mlp":
            w.update(linear_weights(f"{at}.mlp.fc1", h, d, o["ffn_bias"]), **linear_weights(f"{at}.mlp.fc2", d, h, o["ffn_bias"]))
        elif o["ffn"] == "fused":
            w.update(linear_weights(f"{at}.mlp.w12", 2 * h, d, o["ffn_bias"]), **linear_weights(f"{at}.mlp.w3", d, h, o["ffn_bias"]))
        else:
            for n, a, b in (("w1", h, d), ("w2", h, d), ("w3", d, h)):
                w.update(linear_weights(f"{at}.mlp.{n}", a, b, o["ffn_bias"]))
    w.update(norm_weights("norm", d, o["norm"]))
    if o["untied"]:
        w.update(norm_weights("cls_norm", d, o["norm"]))
    if o["local"]:
        w.update(norm_weights("local_cls_norm", d, o["norm"]))
    return w


def sub(w, at):
    return {k[len(at) + 1:]: v for k, v in w.items() if k.startswith(at + ".")}


def lin(w, at, x):
    return F.linear(x, w[f"{at}.weight"], w.get(f"{at}.bias"))


def normed(w, at, x, o):
    if o["norm"] == "layer":
        mean, var = x.mean(-1, keepdim=True), x.var(-1, unbiased=False, keepdim=True)
        return (x - mean) / torch.sqrt(var + o["eps"]) * w[f"{at}.weight"] + w[f"{at}.bias"]
    return x / torch.sqrt((x * x).mean(-1, keepdim=True) + o["eps"]) * w[f"{at}.weight"]


def cubic(x, a):
    x = abs(x)
    return ((a + 2) * x - (a + 3)) * x * x + 1 if x <= 1 else ((a * x - 5 * a) * x + 8 * a) * x - 4 * a if x < 2 else 0.0


def resize_matrix(n_in, n_out, scale, antialias):
    """[n_out, n_in] of bicubic resizing; `scale` is what positions are divided by."""
    m = np.zeros((n_out, n_in))
    stretch = max(1.0, 1 / scale) if antialias else 1.0
    for i in range(n_out):
        src = (i + 0.5) / scale - (0.0 if antialias else 0.5)
        if antialias:
            low, high = max(0, int(src - 2 * stretch + 0.5)), min(n_in, int(src + 2 * stretch + 0.5))
            row = np.array([cubic((j - src + 0.5) / stretch, -0.5) for j in range(low, high)])
            m[i, low:high] = row / row.sum()
        else:
            base = math.floor(src)
            for k in range(-1, 3):
                m[i, min(max(base + k, 0), n_in - 1)] += cubic(src - base - k, -0.75)
    return m


def resized(grid, h, w, offset, antialias):
    """[D, M, N] -> [D, h, w]."""
    rows, cols = grid.shape[1:]
    sy, sx = ((h + offset) / rows, (w + offset) / cols) if offset else (h / rows, w / cols)
    y = torch.tensor(resize_matrix(rows, h, sy, antialias), dtype=grid.dtype)
    x = torch.tensor(resize_matrix(cols, w, sx, antialias), dtype=grid.dtype)
    return torch.einsum("yi,dij,xj->dyx", y, grid, x)


def rope_periods(head_dim, base=None, low=None, high=None):
    n = head_dim // 4
    if base is not None:
        return np.array([base ** (4 * i / head_dim) for i in range(n)])
    return np.array([high * (high / low) ** ((i / (n - 1) if n > 1 else 0) - 1) for i in range(n)])


def rope_tables(h, w, head_dim, normalize, dtype, **periods):
    sides = {"separate": (h, w), "max": (max(h, w),) * 2, "min": (min(h, w),) * 2}[normalize]
    t = torch.tensor(rope_periods(head_dim, **periods).astype(np.float32), dtype=dtype)
    ys, xs = [2 * (torch.arange(n, dtype=dtype) + 0.5) / s - 1 for n, s in zip((h, w), sides)]
    where = torch.stack([ys[:, None].expand(h, w), xs[None].expand(h, w)], -1).reshape(h * w, 2)
    angle = (2 * math.pi * where[:, :, None] / t).reshape(h * w, head_dim // 2).repeat(1, 2)
    return torch.sin(angle), torch.cos(angle)


def rotated(x, sin, cos, prefix):
    a, b = x[..., :prefix, :], x[..., prefix:, :]
    half = b.shape[-1] // 2
    turned = torch.cat([-b[..., half:], b[..., :half]], -1)
    return torch.cat([a, b * cos + turned * sin], -2)


def vit(w, o, images, mask=None, train=False, local=False):
    """All features of images [B, C, H, W]."""
    out = {}
    B, _, H, W = images.shape
    p, d = o["patch"], o["dim"]
    h, ww = H // p, W // p
    x = F.unfold(images[:, :, :h * p, :ww * p], p, stride=p).transpose(1, 2)
    x = F.linear(x, w["patch_embed.proj.weight"].reshape(d, -1), w["patch_embed.proj.bias"])
    if mask is not None:
        x = torch.where(mask.bool().unsqueeze(-1), w["mask_token"], x)
    cls = w["cls_token"].expand(B, 1, d)
    if o["gen"] < 3:
        pos = w["pos_embed"]
        m = round(math.sqrt(pos.shape[1] - 1))
        if not (h * ww == m * m and H == W):
            patches = resized(pos[0, 1:].T.reshape(d, m, m), h, ww, o["offset"], o["antialias"])
            pos = torch.cat([pos[:, :1], patches.reshape(1, d, -1).transpose(1, 2)], 1)
        out["pos"] = pos
        x = torch.cat([cls, x], 1) + pos
        cls, x = x[:, :1], x[:, 1:]
    regs = w.get("storage_tokens", w.get("register_tokens"))
    x = torch.cat([cls, *([] if regs is None else [regs.expand(B, -1, d)]), x], 1)
    prefix = 1 + o["regs"]
    if o["gen"] == 3:
        sin, cos = rope_tables(h, ww, d // o["heads"], o["rope"], images.dtype, **o["periods"])
        out["rope_sin"], out["rope_cos"] = sin, cos
    layers = []
    for i in range(o["depth"]):
        b = sub(w, f"blocks.{i * o['chunks'] // o['depth']}.{i}" if o["chunks"] else f"blocks.{i}")
        x, out["attn"] = block(b, o, x, (sin, cos, prefix) if o["gen"] == 3 else None)
        layers.append(x)

    def final(y):
        both = normed(w, "norm", y, o)
        at = "local_cls_norm" if o["local"] and train and local else "cls_norm" if o["untied"] else None
        return both if at is None else torch.cat([normed(w, at, y[:, :prefix], o), both[:, prefix:]], 1)

    y = final(x)
    out.update(cls=y[:, 0], regs=y[:, 1:prefix], patches=y[:, prefix:], prenorm=x, layers=[final(z) for z in layers], grid=(h, ww), prefix=prefix)
    return out


def attention(b, o, x, rope):
    B, N, d = x.shape
    bias = b.get("attn.qkv.bias")
    if bias is not None and o["mask_k"]:
        bias = bias * torch.tensor(np.repeat([1.0, 0.0, 1.0], d), dtype=bias.dtype)
    q, k, v = F.linear(x, b["attn.qkv.weight"], bias).reshape(B, N, 3, o["heads"], d // o["heads"]).permute(2, 0, 3, 1, 4)
    if rope is not None:
        q, k = rotated(q, *rope), rotated(k, *rope)
    a = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(d // o["heads"]), -1)
    return lin(b, "attn.proj", (a @ v).transpose(1, 2).reshape(B, N, d)), a


def gelu(x):
    return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))


def ffn(b, o, x):
    if o["ffn"] == "mlp":
        return lin(b, "mlp.fc2", gelu(lin(b, "mlp.fc1", x)))
    g, u = lin(b, "mlp.w12", x).chunk(2, -1) if o["ffn"] == "fused" else (lin(b, "mlp.w1", x), lin(b, "mlp.w2", x))
    return lin(b, "mlp.w3", g * torch.sigmoid(g) * u)


def half(b, o, which, x, rope):
    if which == 1:
        y, a = attention(b, o, normed(b, "norm1", x, o), rope)
    else:
        y, a = ffn(b, o, normed(b, "norm2", x, o)), None
    return (y * b[f"ls{which}.gamma"] if o["ls"] else y), a


def block(b, o, x, rope):
    y, a = half(b, o, 1, x, rope)
    x = x + y
    return x + half(b, o, 2, x, rope)[0], a


def backbone(gen, **o):
    base = dict(gen=gen, dim=24, depth=2, heads=3, patch=4, chans=3, ratio=2, ffn="mlp", norm="layer", regs=0, image=12, ls=gen > 1, qkv_bias=True, proj_bias=True,
                ffn_bias=True, mask_k=False, untied=False, local=False, chunks=0, eps=1e-6, offset=0.1, antialias=False, rope="separate", periods={"base": 100.0})
    return {**base, **o}
