"""w2 as one writes it in JAX with optax, with the same arithmetic, first values and pixels as ours (a file that compare.ts writes).

    python3 w2_jax.py w2-dinov2-tiny FILE

Reads and answers lines as common.py says. How many threads XLA takes is told by NPROC.
"""
import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax

from common import answer, read

PATCH, HEADS, DEPTH = 14, 3, 12
NETWORKS = ('backbone', 'dino_head', 'ibot_head')


def nested(tensors, root):
    """Parameters as a tree of dicts, with JAX's layouts: kernels [in, out]."""
    tree = {}
    for path, x in tensors.items():
        if not path.startswith(root + '.'):
            continue
        *parents, name = path[len(root) + 1:].split('.')
        if name == 'weight' and x.ndim > 1:
            name, x = 'kernel', x.reshape(x.shape[0], -1).T
        at = tree
        for p in parents:
            at = at.setdefault(p, {})
        at[name] = jnp.asarray(x)
    return tree


def linear(p, x):
    return x @ p['kernel'] + p['bias']


def layer_norm(p, x, eps=1e-6):
    mean = x.mean(-1, keepdims=True)
    variance = jnp.square(x - mean).mean(-1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(variance + eps) * p['weight'] + p['bias']


def gelu(x):
    # jax.nn.gelu's exact form takes erfc, which is slower on processors
    return 0.5 * x * (1 + jax.lax.erf(x * 0.5**0.5))


def unit(x, eps=1e-12):
    return x / jnp.maximum(jnp.linalg.norm(x, axis=-1, keepdims=True), eps)


def attention(p, x):
    b, t, d = x.shape
    q, k, v = linear(p['qkv'], x).reshape(b, t, 3, HEADS, d // HEADS).transpose(2, 0, 3, 1, 4)
    scores = jnp.einsum('bhqc,bhkc->bhqk', q * (d // HEADS) ** -0.5, k)
    y = jnp.einsum('bhqk,bhkc->bhqc', jax.nn.softmax(scores), v).transpose(0, 2, 1, 3)
    return linear(p['proj'], y.reshape(b, t, d))


def block(p, x):
    x = x + p['ls1']['gamma'] * attention(p['attn'], layer_norm(p['norm1'], x))
    return x + p['ls2']['gamma'] * linear(p['mlp']['fc2'], gelu(linear(p['mlp']['fc1'], layer_norm(p['norm2'], x))))


def bicubic(grid, side, offset=0.1):
    """PyTorch's bicubic interpolation with a scale factor, as a matrix [side, grid]."""
    a, scale = -0.75, (side + offset) / grid
    matrix = np.zeros((side, grid), np.float32)
    for i in range(side):
        at = (i + 0.5) / scale - 0.5
        for j in range(int(np.floor(at)) - 1, int(np.floor(at)) + 3):
            d = abs(at - j)
            w = (a + 2) * d**3 - (a + 3) * d**2 + 1 if d <= 1 else a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a
            matrix[i, min(max(j, 0), grid - 1)] += w
    return matrix


def position(pos, side):
    grid = int((pos.shape[1] - 1) ** 0.5)
    if grid == side:
        return pos
    m = bicubic(grid, side)
    patches = jnp.einsum('yi,xj,ijd->yxd', m, m, pos[0, 1:].reshape(grid, grid, -1))
    return jnp.concatenate([pos[:, :1], patches.reshape(1, side * side, -1)], 1)


def vit(p, images, mask=None):
    """Images [B, 3, H, W] -> normalised tokens [B, 1 + N, D]."""
    b, c, h, _ = images.shape
    side = h // PATCH
    x = images.reshape(b, c, side, PATCH, side, PATCH).transpose(0, 2, 4, 1, 3, 5).reshape(b, side * side, -1)
    x = linear(p['patch_embed']['proj'], x)
    if mask is not None:
        x = jnp.where(mask[..., None], p['mask_token'], x)
    cls = jnp.broadcast_to(p['cls_token'], (b, 1, x.shape[-1]))
    x = jnp.concatenate([cls, x], 1) + position(p['pos_embed'], side)
    # a loop over blocks: XLA compiles one of them, and on processors the step is faster than written out
    stacked = jax.tree.map(lambda *ps: jnp.stack(ps), *(p['blocks'][str(i)] for i in range(DEPTH)))
    x, _ = jax.lax.scan(lambda x, q: (block(q, x), None), x, stacked)
    return layer_norm(p['norm'], x)


def head(p, x):
    x = linear(p['mlp']['4'], gelu(linear(p['mlp']['2'], gelu(linear(p['mlp']['0'], x)))))
    g, v = p['last_layer']['weight_g'], p['last_layer']['weight_v']
    return unit(x) @ (g * v / jnp.linalg.norm(v, axis=1, keepdims=True)).T


def sinkhorn(logits, temperature, rounds=3):
    """Targets [R, K]: every prototype's column to the sum R / K, every sample's row to 1, three times."""
    q = logits / temperature
    for _ in range(rounds):
        q = q - jax.nn.logsumexp(q, 0, keepdims=True)
        q = q - jax.nn.logsumexp(q, 1, keepdims=True)
    return jnp.exp(q)


def koleo(x, eps=1e-8):
    x = unit(x, eps)
    products = jax.lax.stop_gradient(x @ x.T)
    near = jnp.argmax(products.at[jnp.diag_indices(x.shape[0])].set(-2.0), 1)
    return -jnp.log(jnp.linalg.norm(x - x[near] + eps, axis=-1) + eps).mean()


def targets(teacher, batch, temperature):
    x = vit(teacher['backbone'], batch['global'])
    patches = x[:, 1:].reshape(-1, x.shape[-1])[batch['mask_indices']]
    return sinkhorn(head(teacher['dino_head'], x[:, 0]), temperature), sinkhorn(head(teacher['ibot_head'], patches), temperature)


def loss_of(student, batch, dino, ibot):
    g = vit(student['backbone'], batch['global'], batch['mask'])
    l = vit(student['backbone'], batch['local'])
    images = g.shape[0] // 2
    said = jax.nn.log_softmax(head(student['dino_head'], jnp.concatenate([g[:, 0], l[:, 0]])) / 0.1)
    said = said.reshape(-1, images, said.shape[-1])
    dino = dino.reshape(2, images, -1)
    # all pairs of a teacher's crop and a student's but those of a crop with itself
    pairs = jnp.einsum('tbk,sbk->ts', dino, said) / images
    loss = -(pairs.sum() - pairs[0, 0] - pairs[1, 1]) / (pairs.size - 2)
    loss = loss + 0.1 * (koleo(g[:images, 0]) + koleo(g[images:, 0]))
    rows = g[:, 1:].reshape(-1, g.shape[-1])[batch['mask_indices']]
    guessed = jax.nn.log_softmax(head(student['ibot_head'], rows) / 0.1)
    return loss - ((ibot * guessed).sum(-1) * batch['mask_weights']).sum() / g.shape[0]


def path_of(path):
    return '.'.join(k.key for k in path)


def rate_of(path):
    """Layer decay 0.9 from the heads down, and a fifth for the patch embedding."""
    names = path.split('.')
    low = any(n in path for n in ('pos_embed', 'patch_embed', 'mask_token', 'cls_token'))
    layer = 0 if low else int(names[names.index('blocks') + 1]) + 1 if 'blocks' in names else DEPTH + 1
    return 0.9 ** (DEPTH + 1 - layer) * (0.2 if 'patch_embed' in path else 1.0)


def decays(path):
    return not (path.endswith('.bias') or 'norm' in path or 'gamma' in path)


def by_path(f):
    return partial(jax.tree_util.tree_map_with_path, lambda path, _: f(path_of(path)))


def layer_rates():
    def update(updates, state, params=None):
        return jax.tree.map(lambda u, r: u * r, updates, by_path(rate_of)(updates)), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def adamw(learning_rate, weight_decay):
    return optax.chain(
        optax.partition({n: optax.clip_by_global_norm(3.0) for n in NETWORKS}, by_path(lambda path: path.split('.')[0])),
        optax.scale_by_adam(0.9, 0.999, 1e-8),
        optax.add_decayed_weights(weight_decay, by_path(decays)),
        layer_rates(),
        optax.scale_by_learning_rate(learning_rate),
    )


OPTIMIZER = optax.inject_hyperparams(adamw)(learning_rate=1e-4, weight_decay=0.04)


@partial(jax.jit, donate_argnums=0)
def step(state, batch, hyper):
    student, teacher, memory = state
    dino, ibot = targets(teacher, batch, hyper['teacher_temp'])
    loss, gradients = jax.value_and_grad(loss_of)(student, batch, dino, ibot)
    memory = memory._replace(hyperparams={'learning_rate': hyper['lr'], 'weight_decay': hyper['wd']})
    updates, memory = OPTIMIZER.update(gradients, memory, student)
    student = optax.apply_updates(student, updates)
    teacher = optax.incremental_update(student, teacher, 1 - hyper['momentum'])
    return (student, teacher, memory), loss


def main():
    tensors = read(sys.argv[2])
    student, teacher = nested(tensors, 'student'), nested(tensors, 'teacher')
    batch = {k[len('batch.'):]: jnp.asarray(v) for k, v in tensors.items() if k.startswith('batch.')}
    batch['mask'] = batch['mask'] > 0
    hyper = {k[len('hyper.'):]: jnp.asarray(v) for k, v in tensors.items() if k.startswith('hyper.')}
    state = (student, teacher, OPTIMIZER.init(student))
    del tensors, student, teacher

    def compiled():
        program = step.lower(state, batch, hyper).compile()

        def run():
            nonlocal state
            state, loss = program(state, batch, hyper)
            return float(loss)

        return run

    answer(compiled)


main()
