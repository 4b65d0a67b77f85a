/**
 * Networks for distillation: a student that learns from a network of another width, depth or patch size, which is frozen.
 *
 * The student's features are brought to the teacher's by a linear projection D_s -> D_t and, where the grids differ, by resizing the
 * map of projected patches. Both see the same global crops.
 */
import type { Expr } from '../core/expr.ts'
import { fill } from '../core/expr.ts'
import type { Context, Exprs, Model } from '../core/model.ts'
import { call, inScope } from '../core/model.ts'
import type { BackboneFeatures, GroupOutput, NetworkParams, Pair, Views } from './dino.ts'
import { resizePatches } from './feature-map.ts'
import type { LinearParams } from './linear.ts'
import { linear } from './linear.ts'
import { patchesAlong } from './patch.ts'

type BackboneOf<B> = Model<B, Expr, BackboneFeatures>
type HeadOf<H> = Model<H, Expr, { readonly logits: Expr }>

/** Projections for class and patch tokens: what the two learn differs. */
export interface MatchingParams<B> {
  readonly backbone: B
  readonly projection: { readonly cls: LinearParams; readonly patches: LinearParams }
}

export interface BackboneOnly<B> {
  readonly backbone: B
}

/** The student's features as they are, and brought to the teacher's width and grid: `cls [R, D_t]`, `patches [R, N_t, D_t]`. */
export interface MatchedOutput {
  readonly global: BackboneFeatures
  readonly projected: BackboneFeatures
}

export interface TeacherFeatures {
  readonly global: BackboneFeatures
}

/** A backbone that knows the width of its features and the side of its patches, as every ViT does. */
export interface Sized<B> extends BackboneOf<B> {
  readonly width: number
  readonly patch: number
}

const seen = <B>(m: BackboneOf<B>, c: Context, p: Exprs<B>, images: Expr): BackboneFeatures =>
  inScope(c, 'global', (inner) => call(m, inner, 'backbone', p, images))

/** A tensor of the shape of a network's patches `[1, N, 1]` of images `[R, C, H, W]`, which says on what grid they are. */
const gridOf = (patch: number, images: Expr): Expr => {
  const [height, width] = images.type.shape.slice(-2)
  return fill('f32', [1, Math.max(1, patchesAlong(height, patch) * patchesAlong(width, patch)), 1], 0)
}

/** A student with its projections to what another network says. */
const matching = <B, T>(student: Sized<B>, to: Sized<T>): Model<MatchingParams<B>, Views, MatchedOutput> => {
  const [cls, patches] = [linear({ in: student.width, out: to.width }), linear({ in: student.width, out: to.width })]
  return {
    params: { backbone: student.params, projection: { cls: cls.params, patches: patches.params } },
    apply:
      (c, p) =>
      ({ global: images }) => {
        const features = seen(student, c, p.backbone, images)
        return inScope(c, 'projection', (inner) => ({
          global: features,
          projected: {
            cls: call(cls, inner, 'cls', p.projection.cls, features.cls),
            patches: resizePatches(
              call(patches, inner, 'patches', p.projection.patches, features.patches),
              images,
              gridOf(to.patch, images),
              images,
              false,
            ),
          },
        }))
      },
  }
}

const standing = <B>(teacher: BackboneOf<B>): Model<BackboneOnly<B>, Views, TeacherFeatures> => ({
  params: { backbone: teacher.params },
  apply:
    (c, p) =>
    ({ global }) => ({ global: seen(teacher, c, p.backbone, global) }),
})

/** Feature matching: for teachers without heads, such as those of Hugging Face. */
export const featurePair = <B, T>(o: {
  readonly student: Sized<B>
  readonly teacher: Sized<T>
}): Pair<MatchingParams<B>, BackboneOnly<T>, Views, MatchedOutput, TeacherFeatures> => ({
  student: matching(o.student, o.teacher),
  teacher: standing(o.teacher),
})

/** Backbone and head on the global crops. */
const headed = <B, H>(backbone: BackboneOf<B>, head: HeadOf<H>): Model<NetworkParams<B, H>, Views, { readonly global: GroupOutput }> => ({
  params: { backbone: backbone.params, head: head.params },
  apply:
    (c, p) =>
    ({ global }) => {
      const features = seen(backbone, c, p.backbone, global)
      return { global: { ...features, ...call(head, c, 'head', p.head, features.cls) } }
    },
})

export interface HeadedPairOptions<B, H, T, G> {
  readonly student: { readonly backbone: BackboneOf<B>; readonly head: HeadOf<H> }
  /** With the head that it was trained with, of the same number of prototypes. */
  readonly teacher: { readonly backbone: BackboneOf<T>; readonly head: HeadOf<G> }
}

/** Logit matching: for teachers with their heads, such as those of a run. */
export const logitPair = <B, H, T, G>(
  o: HeadedPairOptions<B, H, T, G>,
): Pair<NetworkParams<B, H>, NetworkParams<T, G>, Views, { readonly global: GroupOutput }, { readonly global: GroupOutput }> => ({
  student: headed(o.student.backbone, o.student.head),
  teacher: headed(o.teacher.backbone, o.teacher.head),
})

/** What feature matching gives to losses. */
export interface Matched {
  readonly images: number
  readonly student: MatchedOutput
  readonly teacher: TeacherFeatures
}

/** What feature matching by several students gives to losses. */
export interface SeveralMatched {
  readonly images: number
  readonly student: Readonly<Record<string, MatchedOutput>>
  readonly teacher: TeacherFeatures
}

/** Several students of one teacher in one step, each under its name; the teacher runs once (Siméoni et al. 2025, section 5.2). */
export const severalStudents = <P, Q, V, S, T>(
  students: Readonly<Record<string, Model<P, V, S>>>,
  teacher: Model<Q, V, T>,
): Pair<Readonly<Record<string, P>>, Q, V, Readonly<Record<string, S>>, T> => ({
  student: {
    params: Object.fromEntries(Object.entries(students).map(([name, m]) => [name, m.params])),
    apply: (c, p) => (views) => Object.fromEntries(Object.entries(students).map(([name, m]) => [name, call(m, c, name, p[name], views)])),
  },
  teacher,
})
