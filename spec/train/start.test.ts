/** Runs that start from networks of another generation: the features stay wherever they can, and what does not is reported. */
import { describe, expect, it } from 'vitest'
import { evaluate } from '../../compiler/targets/reference.ts'
import type { Expr } from '../../core/expr.ts'
import { input } from '../../core/leaves.ts'
import type { Model } from '../../core/model.ts'
import { call, context, declarations, leavesOf } from '../../core/model.ts'
import { sizeOf } from '../../core/type.ts'
import { head, plainHead } from '../../models/head.ts'
import type { VitOptions } from '../../models/options.ts'
import type { Vit } from '../../models/vit.ts'
import { vit } from '../../models/vit.ts'
import type { Resident } from '../../train/step/objective.ts'
import type { Source } from '../../train/exchange/transfer/source.ts'
import { carryOver } from '../../train/exchange/transfer/transfer.ts'
import type { Tensors } from '../../train/exchange/transfer/tensors.ts'
import { left, right } from '../data/either.ts'
import { expectClose, wave } from '../support/tensor.ts'

const sizes: VitOptions = { patch: 4, width: 8, depth: 2, heads: 2, mlpRatio: 2, image: 12 }
const v1 = vit(sizes)
const v2 = vit({ ...sizes, generation: 2, layerScale: 1e-5, maskToken: true })
const v3: VitOptions = {
  ...sizes,
  generation: 3,
  layerScale: 1e-5,
  maskToken: true,
  registers: 2,
  position: { kind: 'rope', periods: { base: 100 } },
}

const valuesOf = (params: unknown, seed: number): Tensors =>
  new Map(
    declarations(params).map(([path, d], i) => [
      path,
      { shape: d.shape, values: Float32Array.from(wave(sizeOf(d.shape), i + seed), (x) => 0.5 * x + (path.includes('norm') ? 1 : 0)) },
    ]),
  )

const source = (backbone: Vit, more: Partial<Source> = {}): Source => ({
  backbone: valuesOf(backbone.params, 3),
  heads: new Map(),
  kept: new Map(),
  attentionHeads: backbone.options.heads,
  notes: [],
  ...more,
})

const residents = (params: unknown, root = 'student'): ReadonlyArray<Resident> =>
  declarations(params).map(([path, declaration]) => ({ path: `${root}.${path}`, declaration, role: 'trained' }))

/** Outputs of a model at `root`, by the reference. */
const outputs = <P, I>(
  m: Model<P, I, unknown>,
  x: I,
  pick: (o: unknown) => Expr,
  values: ReadonlyMap<string, Float32Array>,
  inputs: ReadonlyMap<string, Float32Array>,
): Float64Array =>
  evaluate(
    [pick(call(m, context('eval'), 'm', leavesOf('m', m.params), x))],
    new Map([...[...values].map(([p, v]) => [`m.${p}`, v] as const), ...inputs]),
  )[0]

const pixels = Float32Array.from(wave(2 * 3 * 144, 1))
const features = (m: Vit, values: ReadonlyMap<string, Float32Array>): Float64Array =>
  evaluate(
    [call(m, context('eval'), 'm', leavesOf('m', m.params), input('x', [2, 3, 12, 12])).patches],
    new Map([...[...values].map(([p, v]) => [`m.${p}`, v] as const), ['x', pixels]]),
  )[0]

const plain = (t: Tensors): ReadonlyMap<string, Float32Array> => new Map([...t].map(([p, x]) => [p, x.values]))

/** A backbone's values: taken over, and zeros for what begins anew. */
const started = (to: Vit, from: Source): { readonly values: ReadonlyMap<string, Float32Array>; readonly notes: ReadonlyArray<string> } => {
  const { values, notes } = right(carryOver(residents({ backbone: to.params }), from))
  return {
    values: new Map(
      declarations(to.params).map(([path, d]) => [path, values.get(`student.backbone.${path}`) ?? new Float32Array(sizeOf(d.shape))]),
    ),
    notes,
  }
}

describe('features stay', () => {
  it('from DINO to DINOv2: LayerScale begins at 1, the mask token anew', () => {
    const { values, notes } = started(v2, source(v1))
    expectClose(features(v2, values), features(v1, plain(source(v1).backbone)), 1e-9)
    expect(notes).toEqual([
      'mask_token: begins anew: the source has none',
      'blocks.*.ls*.gamma: begins at 1, as the source has no LayerScale: the function stays',
    ])
  })
  it('from DINOv2 to DINO: LayerScale is multiplied into the layers before it', () => {
    const { values, notes } = started(v1, source(v2))
    expectClose(features(v1, values), features(v2, plain(source(v2).backbone)), 1e-6)
    expect(notes).toEqual([
      'LayerScale was multiplied into the layers before it: the function stays',
      'mask_token: left out: the network has none',
    ])
  })
  it('from one norm to norms of class token and patches', () => {
    const [from, to] = [vit(v3), vit({ ...v3, untiedNorms: true, localNorm: true })]
    const { values, notes } = started(to, source(from))
    expectClose(features(to, values), features(from, plain(source(from).backbone)), 1e-9)
    expect(notes).toEqual([
      'cls_norm.weight, cls_norm.bias, local_cls_norm.weight, local_cls_norm.bias: begins as the norm of all tokens: the function stays',
    ])
  })
})

describe('what differs is reported', () => {
  it('registers by their other name, positions that only one has', () => {
    const { notes, values } = started(vit(v3), source(vit({ ...sizes, generation: 2, registers: 2, layerScale: 1, maskToken: true })))
    expect(notes).toEqual(['pos_embed: left out: the network has none'])
    expect(values.get('storage_tokens')?.some((x) => x !== 0)).toBe(true)
    expect(started(v2, source(vit(v3))).notes).toEqual([
      'pos_embed: begins anew: the source has none',
      'storage_tokens: left out: the network has none',
    ])
  })
  it('other channels and another grid', () => {
    expect(started(vit({ ...sizes, channels: 1, image: 16 }), source(v1)).notes).toEqual([
      'pos_embed: interpolated from a grid of 3 x 3 to 4 x 4',
      'patch_embed.proj.weight: 3 channels became 1 by the rule "sum"',
    ])
  })
  it('a network that does not fit is refused by the tensor', () => {
    const to = (o: Partial<VitOptions>): ReadonlyArray<Resident> => residents({ backbone: vit({ ...sizes, ...o }).params })
    expect(left(carryOver(to({ width: 16 }), source(v1))).place).toBe('start from patch_embed.proj.weight')
    expect(left(carryOver(to({ depth: 3 }), source(v1)))).toMatchObject({
      place: 'start from blocks.2.norm1.weight',
      found: 'no such tensor',
    })
    expect(left(carryOver(to({ depth: 1 }), source(v1)))).toMatchObject({ found: 'a layer that the network does not have' })
    expect(left(carryOver(to({ ffn: 'swiglu' }), source(v1))).place).toContain('mlp.w1.weight')
    expect(left(carryOver(to({}), source(v1), { attentionHeads: 4 })).found).toBe('4 attention heads for weights of 2')
  })
})

describe('heads', () => {
  const options = { in: 8, prototypes: 6, hidden: 8, bottleneck: 4 }
  const normed = head({ ...options, normLastLayer: false })
  const unnormed = plainHead(options)
  const x = Float32Array.from(wave(5 * 8, 2))
  const logits = <P>(m: Model<P, Expr, { readonly logits: Expr }>, values: ReadonlyMap<string, Float32Array>): Float64Array =>
    outputs(
      m,
      input('x', [5, 8]),
      (o) => (typeof o === 'object' && o !== null && 'logits' in o && isExpr(o.logits) ? o.logits : input('nothing', [1])),
      values,
      new Map([['x', x]]),
    )
  const isExpr = (e: unknown): e is Expr => typeof e === 'object' && e !== null && 'type' in e
  const named = (name: string, m: { readonly params: unknown }, seed: number): Tensors =>
    new Map([...valuesOf(m.params, seed)].map(([p, v]) => [`${name}.${p}`, v]))
  const taken = (
    name: string,
    to: { readonly params: unknown },
    heads: Tensors,
  ): { readonly values: ReadonlyMap<string, Float32Array>; readonly notes: ReadonlyArray<string> } => {
    const c = right(carryOver(residents({ backbone: v1.params, [name]: to.params }), source(v1, { heads })))
    return {
      values: new Map(
        [...c.values].flatMap(([p, v]) => (p.startsWith(`student.${name}.`) ? [[p.slice(`student.${name}.`.length), v] as const] : [])),
      ),
      notes: c.notes,
    }
  }
  it('of DINO become those of DINOv2, and the reverse', () => {
    expect(taken('dino_head', normed, named('head', normed, 7)).notes).toEqual(["dino_head is the source's head"])
    const back = taken('head', normed, named('dino_head', normed, 7))
    expect(back.values).toEqual(plain(valuesOf(normed.params, 7)))
  })
  it('with norms of prototypes become plain ones with the same logits, and the reverse', () => {
    const from = named('dino_head', normed, 7)
    expectClose(logits(unnormed, taken('dino_head', unnormed, from).values), logits(normed, plain(valuesOf(normed.params, 7))), 1e-6)
    expectClose(
      logits(normed, taken('dino_head', normed, named('dino_head', unnormed, 7)).values),
      logits(unnormed, plain(valuesOf(unnormed.params, 7))),
      1e-6,
    )
    expect(taken('dino_head', head(options), from).notes).toEqual([
      'dino_head: the norms of its prototypes became 1, as they are kept here',
    ])
  })
  it('of other sizes begin anew, and centres with them', () => {
    const { notes, values } = taken('dino_head', head({ ...options, prototypes: 7 }), named('dino_head', normed, 7))
    expect(values.size).toBe(0)
    expect(notes).toEqual(['dino_head begins anew: last_layer.weight_g is [6, 1] in the source, and [7, 1] here'])
  })
  it('bring their centre, and stay away where the backbone alone is asked for', () => {
    const from = source(v1, {
      heads: named('head', normed, 7),
      kept: new Map([['dino.center', { shape: [1, 6], values: Float32Array.from([1, 2, 3, 4, 5, 6]) }]]),
    })
    const all: ReadonlyArray<Resident> = [
      ...residents({ backbone: v1.params, head: normed.params }),
      { path: 'loss.dino.center', declaration: { ...declarations(normed.params)[0][1], shape: [1, 6] }, role: 'kept' },
    ]
    expect(right(carryOver(all, from)).values.get('loss.dino.center')).toEqual(Float32Array.from([1, 2, 3, 4, 5, 6]))
    const alone = right(carryOver(all, from, { heads: 'new' }))
    expect([...alone.values.keys()].some((p) => p.includes('head') || p.startsWith('loss'))).toBe(false)
    expect(alone.notes).toEqual(['heads begin anew, as asked', 'dino.center: begins anew'])
  })
  it('begin alike in student, teacher and Gram teacher', () => {
    const all = [
      ...residents({ backbone: v1.params }),
      ...residents({ backbone: v1.params, gram: { backbone: v1.params } }, 'teacher').map((r): Resident => ({ ...r, role: 'average' })),
    ]
    const { values } = right(carryOver(all, source(v1)))
    expect(values.size).toBe(all.length)
    expect(values.get('teacher.gram.backbone.norm.weight')).toEqual(values.get('student.backbone.norm.weight'))
  })
})
