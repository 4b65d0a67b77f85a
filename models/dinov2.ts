/**
 * The networks of DINOv2 and DINOv3: a backbone that some patches of the global crops are hidden from, a head on class tokens, and a
 * head on the hidden patches, its own or the same one (dinov2 and dinov3 `train/ssl_meta_arch.py`).
 */
import type { Expr } from '../core/expr.ts'
import type { Context, Exprs, Model } from '../core/model.ts'
import { call, inScope } from '../core/model.ts'
import { misuse } from '../core/primitive.ts'
import { gather } from '../ops/gather.ts'
import { reshape } from '../ops/reshape.ts'
import { concat, slice } from '../ops/window.ts'
import type { BackboneFeatures, GroupOutput, Pair, Views } from './dino.ts'
import { resizePatches } from './feature-map.ts'

/** What a backbone is given that patches can be hidden from. */
export interface MaskedImages {
  /** `[R, C, H, W]` */
  readonly images: Expr
  /** bool `[R, N]`, true for a hidden patch; without it none is. */
  readonly mask?: Expr
  /** Which crops these are, for backbones that treat them apart. */
  readonly crops: 'global' | 'local'
}

/** Which patches of the global crops are hidden, and their places in the flat mask as a list of fixed length U. */
export interface HiddenPatches {
  /** bool `[G B, N]` */
  readonly mask: Expr
  /** i32 `[U]`; entries behind the last hidden patch are padding, and name any patch. */
  readonly indices: Expr
  /** f32 `[U]`: 1 / (hidden patches of the same crop), 0 for padding. */
  readonly weights: Expr
}

export interface MaskedViews extends Views {
  readonly masks: HiddenPatches
}

/** Named as in the official state: `backbone.…`, `dino_head.…`, `ibot_head.…` where patches have a head of their own. */
export interface Dinov2Params<B, H, I> {
  readonly backbone: B
  readonly dino_head: H
  readonly ibot_head?: I
}

/**
 * The teacher's, with those of a Gram teacher under `gram.backbone.…` where there is one. No student has these: nothing moves them but a
 * refresh.
 */
export interface Dinov2TeacherParams<B, H, I> extends Dinov2Params<B, H, I> {
  readonly gram?: { readonly backbone: B }
}

/** Logits of the listed patches `[U, K]`, with the lists themselves. */
export interface MaskedOutput {
  readonly logits: Expr
  readonly weights: Expr
  readonly mask: Expr
}

export interface Dinov2Student {
  readonly global: GroupOutput
  readonly local?: GroupOutput
  readonly masked: MaskedOutput
}

export interface Dinov2Teacher {
  readonly global: GroupOutput
  readonly masked: { readonly logits: Expr }
  /**
   * What Gram anchoring holds on to: the Gram teacher's patches of the global crops on the student's grid, or the teacher's own, `[G B,
   * N, D]`.
   */
  readonly gram: { readonly patches: Expr }
}

type BackboneOf<B> = Model<B, MaskedImages, BackboneFeatures>
type HeadOf<H> = Model<H, Expr, { readonly logits: Expr }>

export interface Dinov2Options<B, H, I> {
  readonly backbone: BackboneOf<B>
  readonly head: HeadOf<H>
  /** A head for patches alone. Default: patches go through `head`. */
  readonly patchHead?: HeadOf<I>
  /** `visible`: the student sees all patches, and the lists only say which go through the head: for distillation. Default `hidden`. */
  readonly patches?: 'hidden' | 'visible'
  /** `own`: Gram anchoring holds on to a third network of the backbone's kind, `teacher` (the default): to the teacher. */
  readonly anchor?: 'teacher' | 'own'
  /** How the Gram teacher's features of larger crops come to the student's grid: bicubic, with antialias or (the default) without. */
  readonly anchorAntialias?: boolean
}

/** The listed patches of `[R, N, D]` as rows `[U, D]`. */
const listed = (patches: Expr, masks: HiddenPatches): Expr => {
  const [crops, n, width] = patches.type.shape
  const [rows, columns] = masks.mask.type.shape
  return crops === rows && n === columns
    ? gather(0)(reshape([crops * n, width])(patches), masks.indices)
    : misuse('dinov2', [patches, masks.mask], {
        allowed: 'a mask [crops, patches] of the grid of the global crops',
        remedy: 'make the masks for the patch size of the backbone',
      })
}

/** Rows of several tensors through one call of a head, and handed back. */
const throughHead = <H>(head: HeadOf<H>, c: Context, name: string, p: Exprs<H>, inputs: ReadonlyArray<Expr>): ReadonlyArray<Expr> => {
  const { logits } = call(head, c, name, p, concat(0)(inputs))
  let from = 0
  return inputs.map((x) => {
    const rows = slice(0, from, from + (x.type.shape[0] ?? 0))(logits)
    from += x.type.shape[0] ?? 0
    return rows
  })
}

interface Heads {
  readonly classes: ReadonlyArray<Expr>
  readonly patches: Expr
}

/** Class tokens through their head, patches through theirs or the same. */
const heads = <B, H, I>(
  o: Dinov2Options<B, H, I>,
  c: Context,
  p: Exprs<Dinov2Params<B, H, I>>,
  classes: ReadonlyArray<Expr>,
  patches: Expr,
): Heads => {
  if (o.patchHead !== undefined && p.ibot_head !== undefined)
    return {
      classes: throughHead(o.head, c, 'dino_head', p.dino_head, classes),
      patches: throughHead(o.patchHead, c, 'ibot_head', p.ibot_head, [patches])[0],
    }
  const all = throughHead(o.head, c, 'dino_head', p.dino_head, [...classes, patches])
  return { classes: all.slice(0, -1), patches: all[all.length - 1] }
}

const group = (f: BackboneFeatures, logits: Expr): GroupOutput => ({ logits, cls: f.cls, patches: f.patches })

/**
 * The student sees all crops, the global ones with patches hidden; the teacher sees the global crops whole. Both heads' patches are
 * the hidden ones, in the order of the list.
 */
export const dinov2 = <B, H, I = H>(
  o: Dinov2Options<B, H, I>,
): Pair<Dinov2Params<B, H, I>, Dinov2TeacherParams<B, H, I>, MaskedViews, Dinov2Student, Dinov2Teacher> => {
  const params: Dinov2Params<B, H, I> = {
    backbone: o.backbone.params,
    dino_head: o.head.params,
    ...(o.patchHead === undefined ? {} : { ibot_head: o.patchHead.params }),
  }
  const seen = (c: Context, p: Exprs<Dinov2Params<B, H, I>>, input: MaskedImages): BackboneFeatures =>
    inScope(c, input.crops, (inner) => call(o.backbone, inner, 'backbone', p.backbone, input))
  return {
    student: {
      params,
      apply:
        (c, p) =>
        ({ global, local, masks }) => {
          const whole = seen(c, p, { images: global, crops: 'global', ...(o.patches === 'visible' ? {} : { mask: masks.mask }) })
          const small = local === undefined ? undefined : seen(c, p, { images: local, crops: 'local' })
          const { classes, patches } = heads(
            o,
            c,
            p,
            [whole.cls, ...(small === undefined ? [] : [small.cls])],
            listed(whole.patches, masks),
          )
          return {
            global: group(whole, classes[0]),
            ...(small === undefined ? {} : { local: group(small, classes[1]) }),
            masked: { logits: patches, weights: masks.weights, mask: masks.mask },
          }
        },
    },
    teacher: {
      params: { ...params, ...(o.anchor === 'own' ? { gram: { backbone: o.backbone.params } } : {}) },
      apply:
        (c, p) =>
        ({ global, masks, gram: larger = global }) => {
          const whole = seen(c, p, { images: global, crops: 'global' })
          const { classes, patches } = heads(o, c, p, [whole.cls], listed(whole.patches, masks))
          const third = p.gram
          const anchor =
            third === undefined
              ? whole.patches
              : inScope(c, 'gram', (inner) =>
                  resizePatches(
                    call(o.backbone, inner, 'backbone', third.backbone, { images: larger, crops: 'global' }).patches,
                    larger,
                    whole.patches,
                    global,
                    o.anchorAntialias === true,
                  ),
                )
          return { global: group(whole, classes[0]), masked: { logits: patches }, gram: { patches: anchor } }
        },
    },
  }
}

/** The pair with its hidden patches given: what is left to see are the crops. */
export const withMasks =
  (masks: HiddenPatches) =>
  <P, Q, S, T>(pair: Pair<P, Q, MaskedViews, S, T>): Pair<P, Q, Views, S, T> => ({
    student: { params: pair.student.params, apply: (c, p) => (views) => pair.student.apply(c, p)({ ...views, masks }) },
    teacher: { params: pair.teacher.params, apply: (c, p) => (views) => pair.teacher.apply(c, p)({ ...views, masks }) },
  })
