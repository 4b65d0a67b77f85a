/** A small DINO to try strategies on, and runs of its step. */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import { concatAll } from 'fp-ts/lib/Monoid.js'
import type { Totals } from '../../compiler/memory/plan.ts'
import { totalsOf } from '../../compiler/memory/plan.ts'
import { arena } from '../../compiler/memory/arena.ts'
import { memory } from '../../compiler/memory/memory.ts'
import type { KernelRoad } from '../../compiler/road.ts'
import { follow } from '../../compiler/road.ts'
import { gpujsRoad } from '../../compiler/targets/gpujs/road.ts'
import type { Device, HostArray } from '../../compiler/target.ts'
import { reference } from '../../compiler/targets/reference.ts'
import type { Graph } from '../../core/graph.ts'
import { sizeOf } from '../../core/type.ts'
import { dino } from '../../losses/dino.ts'
import type { Features, Logits, PatchTokens } from '../../losses/features.ts'
import { lossMonoid, watch, weighted } from '../../losses/loss.ts'
import { dinov1 } from '../../models/dino.ts'
import { head } from '../../models/head.ts'
import { vit } from '../../models/vit.ts'
import { sum } from '../../ops/reduce.ts'
import { multiCrop } from '../../train/step/batch.ts'
import { initialize } from '../../train/step/initialization.ts'
import { writeResidents } from '../../train/run/state.ts'
import type { LossScale } from '../../train/step/loss-scale.ts'
import type { Objective, Resident } from '../../train/step/objective.ts'
import { adamw } from '../../train/step/optimizer.ts'
import type { ForwardStage, Program } from '../../train/step/step.ts'
import { derive, rewriteForward, trainingStep } from '../../train/step/step.ts'
import { startAdapters } from '../../train/step/strategies/adapters.ts'
import type { Strategy } from '../../train/step/strategies/strategy.ts'
import type { GradientTransform } from '../../train/step/transform.ts'
import { right } from '../data/either.ts'
import { wave } from '../support/tensor.ts'

export interface SmallOptions {
  readonly images?: number
  readonly depth?: number
  readonly width?: number
  readonly dropPath?: number
  readonly locals?: number
  readonly optimizer?: GradientTransform
  readonly image?: number
  /** Of the loss. */
  readonly weight?: number
  readonly lossScale?: LossScale
  /** Patches are watched too, so that no rows of the last blocks are left out: for what theory says of whole blocks. */
  readonly whole?: boolean
}

export const backbone = (o: SmallOptions = {}) =>
  vit({ patch: 4, width: o.width ?? 8, depth: o.depth ?? 3, heads: 2, mlpRatio: 2, image: o.image ?? 8, dropPath: o.dropPath ?? 0 })

const watched = watch<Features<Logits & PatchTokens>>(({ student, teacher }) =>
  [student.global, ...(student.local === undefined ? [] : [student.local]), teacher.global].map((g, i) => ({
    name: `patches${i}`,
    value: sum()(g.patches),
  })),
)

export const stage = (o: SmallOptions = {}): ForwardStage =>
  trainingStep({
    model: dinov1({ backbone: backbone(o), head: head({ in: o.width ?? 8, prototypes: 6, hidden: 8, bottleneck: 4 }) }),
    loss: concatAll(lossMonoid<Features<Logits & PatchTokens>>())([
      o.weight === undefined ? dino({ prototypes: 6 }) : weighted(o.weight)(dino({ prototypes: 6 })),
      ...(o.whole === true ? [watched] : []),
    ]),
    batch: multiCrop({ images: o.images ?? 2, global: { crops: 2, size: o.image ?? 8 }, local: { crops: o.locals ?? 1, size: 4 } }),
    optimizer: o.optimizer ?? adamw(),
    ...(o.lossScale === undefined ? {} : { lossScale: o.lossScale }),
  })

export const plain = (o: SmallOptions = {}): Objective => right(stage(o).objective)

export const programOf = (s: Strategy, o: SmallOptions = {}): Program => right(pipe(stage(o), rewriteForward(s), derive).program)

/** What the step is fed; `k` tells batches apart. */
export const feed = (o: SmallOptions = {}, k = 0): ReadonlyMap<string, HostArray> => {
  const n = o.images ?? 2
  const side = o.image ?? 8
  return new Map<string, HostArray>([
    ['batch.global', Float32Array.from(wave(2 * n * 3 * side * side, k))],
    ['batch.local', Float32Array.from(wave((o.locals ?? 1) * n * 3 * 16, k + 1))],
    ['hyper.lr', Float32Array.of(0.02)],
    ['hyper.wd', Float32Array.of(0.1)],
    ['hyper.momentum', Float32Array.of(0.9)],
    ['hyper.teacher_temp', Float32Array.of(0.04)],
  ])
}

/** First values, with the magnitudes of DoRA in place. */
export const firstValues = (
  p: { readonly residents: ReadonlyArray<Resident>; readonly adapters?: Program['adapters'] },
  seed = 1,
): ReadonlyMap<string, Float32Array> => right(startAdapters(p.adapters ?? [])(initialize(seed)(p.residents)))

export interface Ran {
  readonly values: ReadonlyArray<ReadonlyMap<string, HostArray>>
  readonly state: ReadonlyMap<string, Float32Array>
  readonly device: Device
}

/** Some steps on the reference. */
export const run = async (
  p: Program,
  steps: number,
  o: SmallOptions = {},
  more: ReadonlyMap<string, HostArray> = new Map(),
  seed = 1,
): Promise<Ran> => {
  const device = right(await reference.open())
  right(await writeResidents(device, p.residents)(firstValues(p, seed))())
  const executable = right(await device.compile(p.graph)())
  const values: Array<ReadonlyMap<string, HostArray>> = []
  for (let step = 0; step < steps; step++)
    values.push(right(await executable.run({ values: new Map([...feed(o, 3 * step), ...more]), seed, step })()))
  const state = new Map<string, Float32Array>()
  for (const r of p.residents) state.set(r.path, Float32Array.from(right(await device.read(r.path)())))
  return { values, state, device }
}

export const losses = (r: Ran): ReadonlyArray<number> => r.values.map((v) => v.get('loss')?.[0] ?? NaN)

/** Fusion for a processor that takes eight buffers, as a graphics processor through gpu.js does. */
/** Kernels of one output each in one arena: what a strategy saves, without what merging saves anyway and without the gaps of slots. */
export const road: KernelRoad = { ...gpujsRoad({ maxInputs: 7, packs: true }), memory: memory({ allocator: arena, inPlace: () => false }) }

export const cost = (g: Graph): Totals => totalsOf(right(follow(road)(g)))

export const count = (p: { readonly residents: ReadonlyArray<Resident> }, role: Resident['role']): number =>
  p.residents.filter((r) => r.role === role).reduce((n, r) => n + sizeOf(r.declaration.shape), 0)

export const paths = (p: { readonly residents: ReadonlyArray<Resident> }, role: Resident['role']): ReadonlyArray<string> =>
  p.residents.filter((r) => r.role === role).map((r) => r.path)

/** The shape of a failed strategy's fault. */
export const faultOf = (s: Strategy, o: SmallOptions = {}): string => {
  const e = s(plain(o))
  return E.isLeft(e) ? `${e.left.place}: ${e.left.found}; ${e.left.remedy}` : 'none'
}
