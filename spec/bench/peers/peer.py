"""The workloads in PyTorch eager, with the same arithmetic, first values and pixels as ours (a safetensors file that compare.ts writes).

    python3 peer.py WORKLOAD FILE THREADS [--sdpa] [--compile] [--foreach]

Reads lines of a number of steps from stdin, and answers each with one line of JSON: seconds of every step by the
clock and by the processor, losses, peak memory.
"""
import json
import math
import struct
import sys

import torch
import torch.nn.functional as F

from steps import timed

WORKLOAD, FILE, THREADS = sys.argv[1], sys.argv[2], int(sys.argv[3])
OPTIONS = set(sys.argv[4:])
torch.set_num_threads(THREADS)


def read(path):
    """Tensors of a safetensors file of float32 and int32."""
    with open(path, 'rb') as f:
        (n,) = struct.unpack('<Q', f.read(8))
        header = json.loads(f.read(n))
        out = {}
        for name, entry in header.items():
            if name == '__metadata__':
                continue
            begin, end = entry['data_offsets']
            f.seek(8 + n + begin)
            dtype = {'F32': torch.float32, 'I32': torch.int32}[entry['dtype']]
            count = (end - begin) // 4
            data = torch.frombuffer(bytearray(f.read(end - begin)), dtype=dtype) if count else torch.empty(0, dtype=dtype)
            out[name] = data.reshape(entry['shape']).clone()
        return out


class Linear:
    """A linear layer, with a low-rank pair beside it where one is given."""

    def __init__(self, p, name):
        self.w, self.b = p[name + '.weight'], p.get(name + '.bias')
        self.down, self.up = p.get(name + '.lora_A.weight'), p.get(name + '.lora_B.weight')

    def __call__(self, x):
        y = F.linear(x, self.w, self.b)
        return y if self.down is None else y + F.linear(F.linear(x, self.down), self.up) * 2.0  # alpha / r


class Vit:
    def __init__(self, p, prefix, patch, heads, offset):
        self.p = {k[len(prefix):]: v for k, v in p.items() if k.startswith(prefix)}
        self.patch, self.heads, self.offset = patch, heads, offset
        self.depth = 1 + max(int(k.split('.')[1]) for k in self.p if k.startswith('blocks.'))
        self.linears = {k[:-7]: Linear(self.p, k[:-7]) for k in self.p if k.endswith('.weight') and self.p[k].dim() == 2 and 'lora_' not in k}

    def position(self, side):
        pos = self.p['pos_embed']
        grid = int(math.sqrt(pos.shape[1] - 1))
        if grid == side:
            return pos
        patches = pos[:, 1:].reshape(1, grid, grid, -1).permute(0, 3, 1, 2)
        scale = (side + self.offset) / grid
        resized = F.interpolate(patches, scale_factor=(scale, scale), mode='bicubic')
        return torch.cat([pos[:, :1], resized.permute(0, 2, 3, 1).reshape(1, side * side, -1)], 1)

    def norm(self, name, x):
        return F.layer_norm(x, (x.shape[-1],), self.p[name + '.weight'], self.p[name + '.bias'], 1e-6)

    def attention(self, at, x):
        b, t, d = x.shape
        qkv = self.linears[at + '.qkv'](x).reshape(b, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        q, k, v = qkv[0], qkv[1], qkv[2]
        if '--sdpa' in OPTIONS:
            y = F.scaled_dot_product_attention(q, k, v)
        else:
            y = ((q * (d // self.heads) ** -0.5) @ k.transpose(-2, -1)).softmax(-1) @ v
        return self.linears[at + '.proj'](y.transpose(1, 2).reshape(b, t, d))

    def scaled(self, name, x):
        gamma = self.p.get(name + '.gamma')
        return x if gamma is None else x * gamma

    def __call__(self, images, mask=None):
        x = F.conv2d(images, self.p['patch_embed.proj.weight'], self.p['patch_embed.proj.bias'], stride=self.patch)
        side = x.shape[-1]
        x = x.flatten(2).transpose(1, 2)
        if mask is not None:
            x = torch.where(mask.unsqueeze(-1), self.p['mask_token'].unsqueeze(0), x)
        x = torch.cat([self.p['cls_token'].expand(x.shape[0], -1, -1), x], 1) + self.position(side)
        for i in range(self.depth):
            at = f'blocks.{i}'
            x = x + self.scaled(at + '.ls1', self.attention(at + '.attn', self.norm(at + '.norm1', x)))
            x = x + self.scaled(at + '.ls2', self.linears[at + '.mlp.fc2'](F.gelu(self.linears[at + '.mlp.fc1'](self.norm(at + '.norm2', x)))))
        return self.norm('norm', x)


class Head:
    def __init__(self, p, prefix):
        self.layers = [Linear(p, f'{prefix}mlp.{i}') for i in (0, 2, 4)]
        self.g, self.v = p[prefix + 'last_layer.weight_g'], p[prefix + 'last_layer.weight_v']

    def __call__(self, x):
        for i, layer in enumerate(self.layers):
            x = layer(x if i == 0 else F.gelu(x))
        weight = torch._weight_norm(self.v, self.g, 0)
        return F.linear(F.normalize(x, dim=-1, p=2, eps=1e-12), weight)


def averaged(teacher, student, m):
    """The moving average, of all tensors at once."""
    with torch.no_grad():
        torch._foreach_mul_(teacher, m)
        torch._foreach_add_(teacher, student, alpha=1 - m)


def optimizer_of(groups):
    return torch.optim.AdamW(groups, lr=1e-4, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.04, foreach='--foreach' in OPTIONS)


def network(t, root):
    return {k[len(root) + 1:]: v for k, v in t.items() if k.startswith(root + '.')}


class W1:
    def __init__(self, t):
        self.p, q = network(t, 'student'), network(t, 'teacher')
        self.trained = [k for k in self.p if k != 'head.last_layer.weight_g']
        for k in self.trained:
            self.p[k].requires_grad_(True)
        self.net = (Vit(self.p, 'backbone.', 16, 3, 0.1), Head(self.p, 'head.'))
        self.teacher = (Vit(q, 'backbone.', 16, 3, 0.1), Head(q, 'head.'))
        self.pairs = ([q[k] for k in self.p], [self.p[k] for k in self.p])
        plain = [self.p[k] for k in self.trained if k.endswith('.bias') or self.p[k].dim() == 1]
        decayed = [self.p[k] for k in self.trained if not (k.endswith('.bias') or self.p[k].dim() == 1)]
        self.opt = optimizer_of([{'params': decayed}, {'params': plain, 'weight_decay': 0.0}])
        self.centre = torch.zeros(1, 4096)
        self.globals, self.locals = t['batch.global'], t['batch.local']

    def step(self):
        with torch.no_grad():
            logits = self.teacher[1](self.teacher[0](self.globals)[:, 0])
            targets = ((logits - self.centre) / 0.04).softmax(-1).chunk(2)
        cls = torch.cat([self.net[0](self.globals)[:, 0], self.net[0](self.locals)[:, 0]])
        student = (self.net[1](cls) / 0.1).chunk(8)
        total, n = 0, 0
        for i, q in enumerate(targets):
            for v, s in enumerate(student):
                if v != i:
                    total = total + torch.sum(-q * F.log_softmax(s, -1), -1).mean()
                    n += 1
        loss = total / n
        self.opt.zero_grad(set_to_none=True)
        loss.backward()
        with torch.no_grad():
            for k in self.trained:
                g = self.p[k].grad
                c = 3.0 / (g.norm() + 1e-6)
                if c < 1:
                    g.mul_(c)
        self.opt.step()
        averaged(*self.pairs, 0.996)
        self.centre = self.centre * 0.9 + logits.mean(0, keepdim=True) * 0.1
        return loss.item()


def sinkhorn(logits):
    q = torch.exp(logits / 0.04).t()
    b, k = q.shape[1], q.shape[0]
    q = q / q.sum()
    for _ in range(3):
        q = q / q.sum(1, keepdim=True) / k
        q = q / q.sum(0, keepdim=True) / b
    return (q * b).t()


def koleo(x):
    x = F.normalize(x, eps=1e-8, p=2, dim=-1)
    with torch.no_grad():
        dots = x @ x.t()
        dots.fill_diagonal_(-1)
        near = dots.argmax(1)
    return -torch.log(F.pairwise_distance(x, x[near], 2, 1e-8) + 1e-8).mean()


class W2:
    def __init__(self, t, frozen=False):
        self.p, q = network(t, 'student'), network(t, 'teacher')
        self.trained = [k for k in self.p if not (frozen and k.startswith('backbone.') and 'lora_' not in k)]
        if frozen:
            # what is frozen is stored once
            q = {k: q.get(k, self.p[k]) for k in self.p}
        for k in self.trained:
            self.p[k].requires_grad_(True)
        self.student = [Vit(self.p, 'backbone.', 14, 3, 0.1), Head(self.p, 'dino_head.'), Head(self.p, 'ibot_head.')]
        self.teacher = [Vit(q, 'backbone.', 14, 3, 0.1), Head(q, 'dino_head.'), Head(q, 'ibot_head.')]
        self.pairs = ([q[k] for k in self.trained], [self.p[k] for k in self.trained])
        groups = {}
        for k in self.trained:
            layer = 0 if any(n in k for n in ('pos_embed', 'patch_embed', 'mask_token', 'cls_token')) else int(k.split('blocks.')[1].split('.')[0]) + 1 if 'blocks.' in k else 13
            rate = 0.9 ** (13 - layer) * (0.2 if 'patch_embed' in k else 1)
            decay = 0.0 if k.endswith('.bias') or 'norm' in k or 'gamma' in k else 0.04
            groups.setdefault((rate, decay), []).append(self.p[k])
        self.opt = optimizer_of([{'params': ps, 'lr': 1e-4 * rate, 'weight_decay': decay} for (rate, decay), ps in groups.items()])
        names = ('backbone', 'dino_head', 'ibot_head')
        self.modules = [[self.p[k] for k in self.trained if k.startswith(n + '.')] for n in names]
        self.globals, self.locals = t['batch.global'], t['batch.local']
        self.mask = t['batch.mask'].bool()
        self.indices, self.weights = t['batch.mask_indices'].long(), t['batch.mask_weights']

    def step(self):
        with torch.no_grad():
            x = self.teacher[0](self.globals)
            dino_targets = sinkhorn(self.teacher[1](x[:, 0])).chunk(2)
            ibot_targets = sinkhorn(self.teacher[2](x[:, 1:].flatten(0, 1).index_select(0, self.indices)))
        g = self.student[0](self.globals, self.mask)
        l = self.student[0](self.locals)
        said = F.log_softmax(self.student[1](torch.cat([g[:, 0], l[:, 0]])) / 0.1, -1).chunk(8)
        patches = F.log_softmax(self.student[2](g[:, 1:].flatten(0, 1).index_select(0, self.indices)) / 0.1, -1)
        loss = 0
        for v, s in enumerate(said):
            for i, q in enumerate(dino_targets):
                if v != i:
                    loss = loss - (q * s).sum(-1).mean() / 14
        loss = loss + 0.1 * sum(koleo(c) for c in g[:, 0].chunk(2))
        loss = loss - ((ibot_targets * patches).sum(-1) * self.weights).sum() / 16
        self.opt.zero_grad(set_to_none=True)
        loss.backward()
        for ps in self.modules:
            torch.nn.utils.clip_grad_norm_(ps, 3.0)
        self.opt.step()
        averaged(*self.pairs, 0.996)
        return loss.item()


class W2ce:
    def __init__(self, t):
        self.p = network(t, 'student')
        for v in self.p.values():
            v.requires_grad_(True)
        self.net, self.last = Vit(self.p, 'backbone.', 14, 3, 0.1), Linear(self.p, 'classifier')
        plain = [v for k, v in self.p.items() if k.endswith('.bias') or v.dim() == 1]
        decayed = [v for k, v in self.p.items() if not (k.endswith('.bias') or v.dim() == 1)]
        self.opt = optimizer_of([{'params': decayed}, {'params': plain, 'weight_decay': 0.0}])
        self.globals, self.locals, self.labels = t['batch.global'], t['batch.local'], t['batch.labels'].long()

    def step(self):
        logits = self.last(torch.cat([self.net(self.globals)[:, 0], self.net(self.locals)[:, 0]]))
        loss = F.cross_entropy(logits, self.labels)
        self.opt.zero_grad(set_to_none=True)
        loss.backward()
        self.opt.step()
        return loss.item()


class W3:
    def __init__(self, t):
        self.net, self.images = Vit(t, 'backbone.', 14, 6, 0.1), t['images']

    def step(self):
        with torch.no_grad():
            return self.net(self.images).square().mean().item()


tensors = read(FILE)
made = {'w1-dinov1-tiny': W1, 'w2-dinov2-tiny': W2, 'w3-vits-features': W3, 'w4-lora': lambda t: W2(t, True), 'w2ce': W2ce}[WORKLOAD](tensors)
del tensors
run = made.step
if '--compile' in OPTIONS:
    # networks are compiled; losses and updates stay eager, as users have it
    for holder in ('net', 'student', 'teacher'):
        parts = getattr(made, holder, None)
        if parts is not None:
            setattr(made, holder, type(parts)(torch.compile(x) for x in parts) if isinstance(parts, (list, tuple)) else torch.compile(parts))
for line in sys.stdin:
    print(json.dumps(timed(run, int(line))), flush=True)
