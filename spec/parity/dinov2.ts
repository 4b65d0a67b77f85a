/**
 * The networks and the objectives of DINOv2 and DINOv3 as whole-model cases describe them: values of every loss, next centres, and the
 * gradient of every weight of the student.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'
import { grad } from '../../compiler/grad.ts'
import type { Device, HostArray } from '../../compiler/target.ts'
import type { Expr } from '../../core/expr.ts'
import type { Fault } from '../../core/fault.ts'
import { value } from '../../core/graph.ts'
import { input, parameter, resident } from '../../core/leaves.ts'
import type { Model } from '../../core/model.ts'
import { call, context, declarations, leavesOf } from '../../core/model.ts'
import { trace } from '../../core/trace.ts'
import { sizeOf, tensorType } from '../../core/type.ts'
import type { GramFeatures } from '../../losses/features.ts'
import type { Loss, Outcome } from '../../losses/loss.ts'
import { total } from '../../losses/loss.ts'
import type { Dinov2Features } from '../../losses/sums.ts'
import type { Pair } from '../../models/dino.ts'
import type { Dinov2Params, Dinov2Student, Dinov2Teacher, Dinov2TeacherParams, MaskedViews } from '../../models/dinov2.ts'
import { dinov2 } from '../../models/dinov2.ts'
import { unchunked } from '../../models/huggingface/official.ts'
import type { Projected } from '../../models/head.ts'
import type { Vit, VitParams } from '../../models/vit.ts'
import { mul } from '../../ops/elementwise.ts'
import { maskInputs, maskValues } from '../../train/step/masks.ts'
import { backboneWeights } from './backbones.ts'
import type { Case } from './case.ts'
import { below, floats, inputOf, ints } from './case.ts'
import type { Computed } from './kind.ts'
import { runOnce, scalar, writeAll } from './kind.ts'

/** Parts of every such configuration. */
export const headConfig = t.intersection([
  t.type({
    patch_size: t.number,
    embed_dim: t.number,
    depth: t.number,
    num_heads: t.number,
    batch: t.number,
    out_dim: t.number,
    n_local: t.number,
  }),
  t.partial({
    ibot_out_dim: t.number,
    head_hidden: t.number,
    head_bottleneck: t.number,
    head_nlayers: t.number,
    ibot_head_hidden: t.number,
    ibot_head_bottleneck: t.number,
    ibot_head_nlayers: t.number,
    dino_weight: t.number,
    ibot_weight: t.number,
    koleo_weight: t.number,
    ibot_separate_head: t.boolean,
    global_size: t.number,
  }),
])
export type HeadConfig = t.TypeOf<typeof headConfig>

export interface HeadSizes {
  readonly in: number
  readonly prototypes: number
  readonly layers: number
  readonly hidden: number
  readonly bottleneck: number
}

const sizes = (o: HeadConfig, prototypes: number): HeadSizes => ({
  in: o.embed_dim,
  prototypes,
  layers: Math.max(1, o.head_nlayers ?? 3),
  hidden: o.head_hidden ?? 2048,
  bottleneck: o.head_bottleneck ?? 256,
})

const patchSizes = (o: HeadConfig): HeadSizes => {
  const same = sizes(o, o.ibot_out_dim ?? o.out_dim)
  return {
    ...same,
    layers: Math.max(1, o.ibot_head_nlayers ?? same.layers),
    hidden: o.ibot_head_hidden ?? same.hidden,
    bottleneck: o.ibot_head_bottleneck ?? same.bottleneck,
  }
}

export type Networks<H> = Pair<
  Dinov2Params<VitParams, H, H>,
  Dinov2TeacherParams<VitParams, H, H>,
  MaskedViews,
  Dinov2Student,
  Dinov2Teacher
>

export interface NetworkOptions<H> {
  readonly backbone: Vit
  readonly head: (o: HeadSizes) => Model<H, Expr, Projected>
  readonly separate: boolean
  /** A Gram teacher of its own, and how its features are resized. */
  readonly gram?: { readonly antialias: boolean }
}

export const networks = <H>(o: HeadConfig, n: NetworkOptions<H>): Networks<H> =>
  dinov2<VitParams, H, H>({
    backbone: n.backbone,
    head: n.head(sizes(o, o.out_dim)),
    ...(n.separate ? { patchHead: n.head(patchSizes(o)) } : {}),
    ...(n.gram === undefined ? {} : { anchor: 'own', anchorAntialias: n.gram.antialias }),
  })

/** What a case is computed with, and what the official code shows of its outcome. */
export interface Setup<H> {
  readonly images: number
  readonly networks: Networks<H>
  readonly loss: Loss<Dinov2Features & GramFeatures>
  readonly hypers: Readonly<Record<string, number>>
  readonly shown: (term: (name: string) => Expr) => ReadonlyArray<readonly [string, Expr]>
}

const optionalShape = (c: Case, name: string): ReadonlyArray<number> | undefined => c.inputs.get(name)?.shape

const termOf =
  (outcome: Outcome) =>
  (name: string): Expr =>
    outcome.terms.find((x) => x.name === name)?.value ?? mul(total(outcome), NaN)

/** The crops under `prefix` as inputs under `path`, with lists of masked patches of `length` entries. */
export const maskedViews = (c: Case, prefix: string, path: string, length: number): Either<Fault, MaskedViews> =>
  pipe(
    E.Do,
    E.bind('global', () => inputOf(c, `${prefix}global`)),
    E.bind('mask', () => inputOf(c, `${prefix}masks`)),
    E.map(({ global, mask }) => {
      const [local, gram] = [optionalShape(c, `${prefix}local`), optionalShape(c, `${prefix}gram_crops`)]
      return {
        global: input(`${path}global`, global.shape),
        masks: maskInputs(mask.shape[0], mask.shape[1], length),
        ...(local === undefined ? {} : { local: input(`${path}local`, local) }),
        ...(gram === undefined ? {} : { gram: input(`${path}gram`, gram) }),
      }
    }),
  )

/** The values of the masks under `prefix`, padded to `length`; padding names patch 0 with weight 0. */
export const maskValuesOf = (c: Case, prefix: string, length: number): Either<Fault, ReadonlyMap<string, HostArray>> =>
  pipe(
    E.Do,
    E.bind('mask', () => ints(c, `${prefix}masks`)),
    E.bind('listed', () => ints(c, `${prefix}mask_indices`)),
    E.bind('weighed', () => floats(c, `${prefix}masks_weight`)),
    E.map(({ mask, listed, weighed }) => {
      const [indices, weights] = [new Int32Array(length), new Float32Array(length)]
      indices.set(listed)
      weights.set(weighed)
      return maskValues({ mask: Uint8Array.from(mask), indices, weights, count: listed.length })
    }),
  )

const graphOf = <H>(c: Case, s: Setup<H>, length: number) =>
  pipe(
    maskedViews(c, 'in/', '', length),
    E.chain((views) => {
      const student = call(s.networks.student, context('train'), 'student', leavesOf('student', s.networks.student.params), views)
      const teacher = call(s.networks.teacher, context('eval'), 'teacher', leavesOf('teacher', s.networks.teacher.params), views)
      const [outcome, next] = s.loss.run({ images: s.images, student, teacher })(
        new Map([...s.loss.state].map(([path, d]) => [path, resident(path, d)])),
      )
      const objective = total(outcome)
      const known = new Map(declarations(s.networks.student.params).map(([path, d]) => [path, parameter(`student.${path}`, d)]))
      const wanted = c.expectations.flatMap((e) => {
        const leaf = e.name.startsWith('grad/') ? known.get(unchunked(e.name.slice('grad/'.length))) : undefined
        return leaf === undefined ? [] : [[e.name, leaf] as const]
      })
      const gradients = grad(
        objective,
        wanted.map(([, leaf]) => leaf),
      )
      return trace('model gradient', [
        value('out/loss/total', objective),
        ...s.shown(termOf(outcome)).map(([name, e]) => value(`out/loss/${name}`, e)),
        ...[...next].map(([path, e]) => value(path === 'dino.center' ? 'out/center_dino' : 'out/center_ibot', e)),
        ...wanted.map(([name], i) => value(name, gradients[i])),
      ])
    }),
  )

/** An input's numbers; none where the case has no such input. */
export const optionalFloats = (c: Case, name: string): Either<Fault, Float32Array> =>
  c.inputs.has(name) ? floats(c, name) : E.right(new Float32Array())

const startOf = (c: Case, device: Device, path: string, name: string, size: number): TaskEither<Fault, void> =>
  pipe(
    TE.fromEither(optionalFloats(c, name)),
    TE.chain((given) => device.write(path, tensorType('f32', [1, size]), given.length === 0 ? new Float32Array(size) : given)),
  )

/** Weights under `student/`, `teacher/`, `gram_teacher/`; lists as long as `upperbound` says. */
export const modelGradient = <H>(c: Case, device: Device, s: Setup<H>): TaskEither<Fault, Computed> =>
  pipe(
    TE.fromEither(E.Do),
    TE.bind('global', () => TE.fromEither(floats(c, 'in/global'))),
    TE.bind('local', () => TE.fromEither(optionalFloats(c, 'in/local'))),
    TE.bind('gram', () => TE.fromEither(optionalFloats(c, 'in/gram_crops'))),
    TE.bind('listed', () => TE.fromEither(ints(c, 'in/mask_indices'))),
    TE.bind('bound', () => TE.fromEither(c.inputs.has('in/upperbound') ? ints(c, 'in/upperbound') : E.right(Int32Array.of(1)))),
    TE.let('length', ({ bound, listed }) => Math.max(1, bound[0], listed.length)),
    TE.bind('masks', ({ length }) => TE.fromEither(maskValuesOf(c, 'in/', length))),
    TE.chainFirst(() => writeAll(device, 'student.', backboneWeights(below(c, 'student/')))),
    TE.chainFirst(() => writeAll(device, 'teacher.', backboneWeights(below(c, 'teacher/')))),
    TE.chainFirst(() => writeAll(device, 'teacher.gram.', backboneWeights(below(c, 'gram_teacher/')))),
    TE.chainFirst(() =>
      pipe(
        [...s.loss.state],
        TE.traverseSeqArray(([path, d]) =>
          startOf(c, device, path, path === 'dino.center' ? 'in/center_dino' : 'in/center_ibot', sizeOf(d.shape)),
        ),
      ),
    ),
    TE.chain(({ global, local, gram, masks, length }) =>
      runOnce(
        device,
        graphOf(c, s, length),
        new Map<string, HostArray>([
          ['global', global],
          ['local', local],
          ['gram', gram],
          ...masks,
          ...Object.entries(s.hypers).map(([name, x]) => [`hyper.${name}`, scalar(x)] as const),
        ]),
      ),
    ),
  )
