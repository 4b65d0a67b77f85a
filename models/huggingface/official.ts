/**
 * State dicts of backbones without a configuration: those of the official code, and timm's. They name the same tensors in several ways;
 * here each of those that models flatten to is said in tensors of the file.
 */
import type { Shape } from '../../core/type.ts'
import { sizeOf } from '../../core/type.ts'
import type { Part } from './names.ts'

/** A tensor by its official name: its shape, and which tensors of the file it is, one after the other. */
export interface Output {
  readonly shape: Shape
  readonly parts: ReadonlyArray<Part>
}

export type Officially = ReadonlyMap<string, Output>

/**
 * Blocks of chunked models, `blocks.<chunk>.<block>.` with blocks counted over all chunks, as `blocks.<block>.` (dinov2 `block_chunks`).
 */
export const unchunked = (name: string): string => name.replace(/(^|\.)blocks\.\d+\.(\d+)\./, '$1blocks.$2.')

type Rename = readonly [pattern: RegExp, to: string]

/** timm's names (`vision_transformer.py`, `eva.py`) that are another word for one tensor. */
const renames: ReadonlyArray<Rename> = [
  [/\.gamma_([12])$/, '.ls$1.gamma'],
  [/\.mlp\.fc1_g\./, '.mlp.w1.'],
  [/\.mlp\.fc1_x\./, '.mlp.w2.'],
  [/\.attn\.q_proj\.(\w+)$/, '.attn.query.$1'],
  [/\.attn\.k_proj\.(\w+)$/, '.attn.key.$1'],
  [/\.attn\.v_proj\.(\w+)$/, '.attn.value.$1'],
  [/\.attn\.q_bias$/, '.attn.query.bias'],
  [/\.attn\.k_bias$/, '.attn.key.bias'],
  [/\.attn\.v_bias$/, '.attn.value.bias'],
  [/^rope\.periods$/, 'rope_embed.periods'],
]

/** Words that depend on what else there is. */
const dependent = (names: ReadonlySet<string>, shapes: ReadonlyMap<string, Shape>): ReadonlyArray<Rename> => {
  const gated = names.has('blocks.0.mlp.w1.weight')
  const [up, down] = [shapes.get('blocks.0.mlp.fc1.weight'), shapes.get('blocks.0.mlp.fc2.weight')]
  const packed = up !== undefined && down !== undefined && up[0] === 2 * down[1]
  return [
    [/^reg_token$/, names.has('pos_embed') ? 'register_tokens' : 'storage_tokens'],
    ...(gated || packed ? [[/\.mlp\.fc2\./, '.mlp.w3.'] as const] : []),
    ...(packed ? [[/\.mlp\.fc1\./, '.mlp.w12.'] as const] : []),
  ]
}

const renamed =
  (rules: ReadonlyArray<Rename>) =>
  (name: string): string =>
    rules.reduce((n, [pattern, to]) => n.replace(pattern, to), name)

const isSquare = (n: number): boolean => n > 0 && Number.isInteger(Math.sqrt(n))

/** Positions without a row for the class token: a row of zeros is what they mean. */
const withClassRow = (t: Output): Output => {
  const [one, rows, width] = t.shape
  if (t.shape.length !== 3 || !isSquare(rows) || isSquare(rows - 1)) return t
  return { shape: [one, rows + 1, width], parts: [{ zeros: width }, ...t.parts] }
}

const slices = ['query', 'key', 'value']

/** Queries, keys and values that are three tensors, as one; a bias that only two of them have is zeros for the third. */
const fused = (all: Map<string, Output>): void => {
  for (const [name, query] of [...all]) {
    const [, at = '', tensor = ''] = /^(.*\.attn\.)query\.(weight|bias)$/.exec(name) ?? []
    if (at === '') continue
    const three = slices.map((s) => all.get(`${at}${s}.${tensor}`))
    if (three[2] === undefined || (three[1] === undefined && tensor === 'weight')) continue
    for (const s of slices) all.delete(`${at}${s}.${tensor}`)
    const [rows, ...rest] = query.shape
    all.set(`${at}qkv.${tensor}`, {
      shape: [3 * rows, ...rest],
      parts: three.flatMap((t): ReadonlyArray<Part> => t?.parts ?? [{ zeros: sizeOf(query.shape) }]),
    })
    // what the file does not have must not be learned either
    if (three[1] === undefined) all.set(`${at}qkv.bias_mask`, { shape: [3 * rows], parts: [] })
  }
}

/** What the tensors of a file are by official names. Names that say nothing here stay as they are. */
export const officially = (shapes: ReadonlyMap<string, Shape>): Officially => {
  const first = new Map([...shapes].map(([name, shape]) => [renamed(renames)(unchunked(name)), shape] as const))
  const again = renamed(dependent(new Set(first.keys()), first))
  const all = new Map(
    [...shapes].map(([name, shape]): readonly [string, Output] => [
      again(renamed(renames)(unchunked(name))),
      { shape, parts: [{ name, shape }] },
    ]),
  )
  fused(all)
  const positions = all.get('pos_embed')
  if (positions !== undefined) all.set('pos_embed', withClassRow(positions))
  return all
}

/** Buffers that follow from the options, and heads: tensors of official files that a backbone does not have. */
export const isBesideBackbone = (name: string): boolean =>
  name === 'rope_embed.periods' ||
  name.endsWith('.attn.qkv.bias_mask') ||
  name.endsWith('.attn.k_bias') ||
  /^(?:dino_head|ibot_head|head|heads|head_dist|linear|classifier|fc|projector|predictor|dino_loss|ibot_patch_loss|optimizer\w*|\w+_schedule\w*)\./.test(
    name,
  )

/** What is part of a backbone's arithmetic whatever it is called: such a tensor may never be left out. */
export const isEssential = (name: string): boolean =>
  /(?:^|\.)(?:blocks|layers?|stages)\.\d+\./.test(name) ||
  /(?:^|[._])(?:tokens?|pos_embed\w*|position_embeddings|patch_embed\w*|(?:fc_|pre_)?norm\w*)(?:[._]|$)/.test(name)
