/** DINO's networks: a backbone and a head, run over crops of several sizes (dino `utils.py` MultiCropWrapper). */
import type { Expr } from '../core/expr.ts'
import type { Context, Exprs, Model } from '../core/model.ts'
import { call, inScope } from '../core/model.ts'
import { concat, slice } from '../ops/window.ts'

/** Crops of one batch by size, each `[crops B, C, H, W]` crop-major: crop 0 of all images, then crop 1, … */
export interface Views {
  readonly global: Expr
  readonly local?: Expr
  /** The global crops for a Gram teacher, as large as the others or larger. Default: the global crops themselves. */
  readonly gram?: Expr
}

/** What a backbone must give to be trained: `cls [R, D]` and `patches [R, N, D]`. */
export interface BackboneFeatures {
  readonly cls: Expr
  readonly patches: Expr
}

export interface NetworkParams<B, H> {
  readonly backbone: B
  readonly head: H
}

/** One group of crops: `logits [R, K]`, `cls [R, D]`, `patches [R, N, D]`, R = crops times images. */
export interface GroupOutput extends BackboneFeatures {
  readonly logits: Expr
}

export interface StudentOutput {
  readonly global: GroupOutput
  readonly local?: GroupOutput
}

export interface TeacherOutput {
  readonly global: GroupOutput
}

/** A student and a teacher that see the same views, each in its own way. Both have the same parameters where one follows the other. */
export interface Pair<P, Q, V, S, T> {
  readonly student: Model<P, V, S>
  readonly teacher: Model<Q, V, T>
}

type BackboneOf<B> = Model<B, Expr, BackboneFeatures>
type HeadOf<H> = Model<H, Expr, { readonly logits: Expr }>

/** Backbone by group, one head call on the class tokens of all groups, and the rows handed back to their groups. */
const run = <B, H>(
  backbone: BackboneOf<B>,
  head: HeadOf<H>,
  c: Context,
  p: Exprs<NetworkParams<B, H>>,
  groups: ReadonlyArray<readonly [string, Expr]>,
): ReadonlyArray<GroupOutput> => {
  const features = groups.map(([name, images]) => inScope(c, name, (inner) => call(backbone, inner, 'backbone', p.backbone, images)))
  const { logits } = call(head, c, 'head', p.head, concat(0)(features.map((f) => f.cls)))
  let from = 0
  return features.map((f) => {
    const to = from + (f.cls.type.shape[0] ?? 0)
    const group = { logits: slice(0, from, to)(logits), cls: f.cls, patches: f.patches }
    from = to
    return group
  })
}

/** The pair of DINO (Caron et al. 2021, algorithm 1): the student sees all crops, the teacher the global ones. */
export const dinov1 = <B, H>(o: {
  readonly backbone: BackboneOf<B>
  readonly head: HeadOf<H>
}): Pair<NetworkParams<B, H>, NetworkParams<B, H>, Views, StudentOutput, TeacherOutput> => {
  const params: NetworkParams<B, H> = { backbone: o.backbone.params, head: o.head.params }
  return {
    student: {
      params,
      apply:
        (c, p) =>
        ({ global, local }) => {
          const groups: ReadonlyArray<readonly [string, Expr]> =
            local === undefined
              ? [['global', global]]
              : [
                  ['global', global],
                  ['local', local],
                ]
          const [first, second] = run(o.backbone, o.head, c, p, groups)
          return { global: first, ...(local === undefined ? {} : { local: second }) }
        },
    },
    teacher: {
      params,
      apply:
        (c, p) =>
        ({ global }) => ({ global: run(o.backbone, o.head, c, p, [['global', global]])[0] }),
    },
  }
}
