/**
 * Heads of one generation for another. A head is taken over whole or begins anew whole. Weight-normalised prototypes become plain ones by
 * multiplying the norm in, and plain ones become weight-normalised by taking it out: the logits stay.
 */
import type { Declaration } from '../../../core/model.ts'
import { equalShape, showShape } from '../../../core/type.ts'
import type { Carried, Tensor, Tensors, Wanted } from './tensors.ts'

/** The heads of networks, each with those that it may come from, the nearest first: DINO has one, DINOv2 and DINOv3 one or two. */
const origins: Readonly<Record<string, ReadonlyArray<string>>> = {
  head: ['head', 'dino_head'],
  dino_head: ['dino_head', 'head'],
  ibot_head: ['ibot_head'],
}

export const headNames: ReadonlyArray<string> = Object.keys(origins)

const under = <A>(root: string, all: ReadonlyMap<string, A>): ReadonlyMap<string, A> =>
  new Map([...all].flatMap(([path, x]) => (path.startsWith(`${root}.`) ? [[path.slice(root.length + 1), x] as const] : [])))

const rowsOf = (x: Tensor): ReadonlyArray<Float32Array> =>
  Array.from({ length: x.shape[0] }, (_, k) =>
    x.values.subarray((k * x.values.length) / x.shape[0], ((k + 1) * x.values.length) / x.shape[0]),
  )
const lengthOf = (row: Float32Array): number => Math.hypot(...row)

/** `last_layer.weight` of `weight_g` and `weight_v`, and the reverse; as it is where both have the same form. */
const inForm = (source: Tensors, normalised: boolean): Tensors => {
  const [g, v, w] = ['weight_g', 'weight_v', 'weight'].map((n) => source.get(`last_layer.${n}`))
  const out = new Map([...source].filter(([path]) => !path.startsWith('last_layer.')))
  if (normalised && w !== undefined) {
    out.set('last_layer.weight_g', { shape: [w.shape[0], 1], values: Float32Array.from(rowsOf(w), lengthOf) })
    return out.set('last_layer.weight_v', w)
  }
  if (!normalised && g !== undefined && v !== undefined)
    return out.set('last_layer.weight', {
      shape: v.shape,
      values: Float32Array.from(rowsOf(v).flatMap((row, k) => Array.from(row, (x) => (x * g.values[k]) / lengthOf(row)))),
    })
  return source
}

/** The first tensor that keeps a head from being taken over. */
const obstacle = (wanted: Wanted, source: Tensors): string | undefined => {
  for (const [path, d] of wanted) {
    const x = source.get(path)
    if (x === undefined) return `the source has no ${path}`
    if (!equalShape(x.shape, d.shape)) return `${path} is ${showShape(x.shape)} in the source, and ${showShape(d.shape)} here`
  }
  const extra = [...source.keys()].find((path) => !wanted.has(path))
  return extra === undefined ? undefined : `the source has ${extra} besides`
}

/** Norms that are not trained are 1. */
const fixedNorms = (wanted: ReadonlyMap<string, Declaration>): boolean => wanted.get('last_layer.weight_g')?.trainable === false

const one = (name: string, wanted: Wanted, from: Tensors): Carried => {
  const origin = origins[name].find((o) => under(o, from).size > 0)
  if (origin === undefined) return { values: new Map(), notes: [`${name} begins anew: the source has none`] }
  const source = inForm(under(origin, from), wanted.has('last_layer.weight_g'))
  const reason = obstacle(wanted, source)
  if (reason !== undefined) return { values: new Map(), notes: [`${name} begins anew: ${reason}`] }
  const norms = source.get('last_layer.weight_g')?.values
  const loses = fixedNorms(wanted) && norms?.some((x) => Math.abs(x - 1) > 1e-6) === true
  const values = new Map(
    [...source].map(([path, x]) => [
      `${name}.${path}`,
      loses && path === 'last_layer.weight_g' ? new Float32Array(x.values.length).fill(1) : x.values,
    ]),
  )
  return {
    values,
    notes: [
      ...(origin === name ? [] : [`${name} is the source's ${origin}`]),
      ...(loses ? [`${name}: the norms of its prototypes became 1, as they are kept here`] : []),
    ],
  }
}

/** Every head that a network has, as far as the source has it. */
export const carryHeads = (wanted: Wanted, from: Tensors): Carried => {
  const each = headNames.filter((name) => under(name, wanted).size > 0).map((name) => one(name, under(name, wanted), from))
  return { values: new Map(each.flatMap((c) => [...c.values])), notes: each.flatMap((c) => c.notes) }
}

export { under }
