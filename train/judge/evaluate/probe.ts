/**
 * Linear probes on frozen features (dinov2 `eval/linear.py`): one linear classifier for each learning rate, number of blocks and use of the
 * patches' mean, all trained at once as one graph, by SGD with momentum 0.9, no decay, and a cosine to 0. Where the official evaluation
 * augments every batch, the features here are those of whole images, computed once.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { grad } from '../../../compiler/grad.ts'
import type { Device } from '../../../compiler/target.ts'
import type { Expr } from '../../../core/expr.ts'
import { table } from '../../../core/expr.ts'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import type { Graph, Output } from '../../../core/graph.ts'
import { state, value } from '../../../core/graph.ts'
import { hyper, input, parameter, resident } from '../../../core/leaves.ts'
import { normal, param, zeros } from '../../../core/model.ts'
import { permutation, stream } from '../../../core/random.ts'
import { trace } from '../../../core/trace.ts'
import { sizeOf } from '../../../core/type.ts'
import { dot } from '../../../ops/contract.ts'
import { add, mul, sub } from '../../../ops/elementwise.ts'
import { mean, sum } from '../../../ops/reduce.ts'
import { concat, slice } from '../../../ops/window.ts'
import { reshape } from '../../../ops/reshape.ts'
import { initialValues } from '../../step/initialization.ts'
import type { Look } from './network.ts'
import type { Targets } from './classes.ts'
import { lossOf } from './classes.ts'
import type { Rows } from './neighbours.ts'

/** The official learning rates, for batches of 256. */
export const officialRates: ReadonlyArray<number> = [1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1]

export interface ProbeOptions {
  readonly rates: ReadonlyArray<number>
  readonly batch: number
  readonly steps: number
  readonly seed: number
}

/** Which features a probe reads: the class tokens of the last n blocks, and the mean of the last block's patches. */
export interface Variant {
  readonly blocks: number
  readonly average: boolean
}

/** What probes read, as one row: class tokens of the last blocks, the last one last, then the mean of the patches. `[B, (blocks + 1) D]` */
export const probeRow = ({ blocks, patches }: Look): Expr => concat(1)([...blocks, mean({ axes: [1] })(patches)])

/** The official choices: 1 or 4 blocks (as many as there are), with and without the mean. */
export const variantsOf = (blocks: number): ReadonlyArray<Variant> =>
  [...new Set([1, blocks])].flatMap((n) => [
    { blocks: n, average: false },
    { blocks: n, average: true },
  ])

/** Where a variant's features lie in a row of `blocks` class tokens and a mean, each `width` wide. */
const spanOf = (v: Variant, blocks: number, width: number): readonly [number, number] => [
  (blocks - v.blocks) * width,
  (blocks + (v.average ? 1 : 0)) * width,
]

const nameOf = (v: Variant): string => `probe.blocks${v.blocks}${v.average ? '.average' : ''}`

export interface Shape {
  readonly blocks: number
  readonly width: number
  readonly outputs: number
}

interface Grid extends Shape, ProbeOptions {
  readonly multiLabel: boolean
}

/** Logits `[B, rates, outputs]` of a variant's probes. */
const logitsOf = (g: Grid, v: Variant, x: Expr): Expr => {
  const [from, to] = spanOf(v, g.blocks, g.width)
  const w = parameter(`${nameOf(v)}.weight`, param([g.rates.length, g.outputs, to - from], normal(0.01)))
  const b = parameter(`${nameOf(v)}.bias`, param([g.rates.length, g.outputs], zeros))
  return add(dot({ leftBatch: [], rightBatch: [], left: [1], right: [2] })(slice(1, from, to)(x), w), b)
}

/** One step of all probes: inputs `x [B, F]`, `target [B, outputs]`; `hyper.lr` is the share of each probe's own rate. */
const stepOf = (g: Grid): Either<Fault, Graph> => {
  const x = input('x', [g.batch, (g.blocks + 1) * g.width])
  const target = input('target', [g.batch, g.outputs])
  const rates = (rank: number): Expr =>
    reshape([g.rates.length, ...Array.from({ length: rank }, () => 1)])(
      table(
        'f32',
        [g.rates.length],
        g.rates.map((r) => (r * g.batch) / 256),
      ),
    )
  const parts = variantsOf(g.blocks).map((v) => ({ v, losses: lossOf(g.multiLabel)(logitsOf(g, v, x), target) }))
  const loss = parts.map((p) => sum()(p.losses)).reduce((a, b) => add(a, b))
  const outputs: ReadonlyArray<Output> = parts.flatMap(({ v }) => {
    const [from, to] = spanOf(v, g.blocks, g.width)
    const leaves = [
      ['weight', [g.rates.length, g.outputs, to - from]],
      ['bias', [g.rates.length, g.outputs]],
    ] as const
    const params = leaves.map(([name, shape]) => ({
      path: `${nameOf(v)}.${name}`,
      shape,
      leaf: parameter(`${nameOf(v)}.${name}`, param(shape, zeros)),
    }))
    return grad(
      loss,
      params.map((p) => p.leaf),
    ).flatMap((d, i) => {
      const { path, shape, leaf } = params[i]
      const momentum = add(mul(resident(`${path}.momentum`, param(shape, zeros)), 0.9), d)
      return [state(`${path}.momentum`, momentum), state(path, sub(leaf, mul(momentum, mul(rates(shape.length - 1), hyper('lr')))))]
    })
  })
  return trace('probes', [value('loss', loss), ...outputs])
}

/** Weights and momenta before the first step. */
const begin = (device: Device, g: Grid): TaskEither<Fault, void> =>
  pipe(
    variantsOf(g.blocks).flatMap((v) => {
      const [from, to] = spanOf(v, g.blocks, g.width)
      return [
        [`${nameOf(v)}.weight`, [g.rates.length, g.outputs, to - from], normal(0.01)],
        [`${nameOf(v)}.bias`, [g.rates.length, g.outputs], zeros],
      ] as const
    }),
    TE.traverseSeqArray(([path, shape, init]) =>
      pipe(
        device.write(path, { dtype: 'f32', shape }, initialValues(init, sizeOf(shape), g.seed, path)),
        TE.chain(() => device.write(`${path}.momentum`, { dtype: 'f32', shape }, new Float32Array(sizeOf(shape)))),
      ),
    ),
    TE.map(() => undefined),
  )

/** Which items a step sees: each epoch in an order of its own. */
const itemAt = (seed: number, n: number): ((k: number) => number) => {
  let epoch = -1
  let order = new Int32Array()
  return (k) => {
    if (Math.floor(k / n) !== epoch) {
      epoch = Math.floor(k / n)
      order = Int32Array.from(permutation(stream(seed, 'probe.order', epoch), n))
    }
    return order[k % n]
  }
}

const training = async (
  device: Device,
  g: Grid,
  rows: Rows,
  targets: Targets,
  progress: (step: number, loss: number) => void,
): Promise<Either<Fault, void>> => {
  const ready = await pipe(
    begin(device, g),
    TE.chain(() => TE.fromEither(stepOf(g))),
    TE.chain((graph) => device.compile(graph)),
  )()
  if (E.isLeft(ready)) return ready
  const item = itemAt(g.seed, targets.length)
  const [x, target] = [new Float32Array(g.batch * rows.dim), new Float32Array(g.batch * g.outputs)]
  for (let step = 0; step < g.steps; step++) {
    for (let r = 0; r < g.batch; r++) {
      const i = item(step * g.batch + r)
      x.set(rows.data.subarray(i * rows.dim, (i + 1) * rows.dim), r * rows.dim)
      target.set(targets.values.subarray(i * g.outputs, (i + 1) * g.outputs), r * g.outputs)
    }
    const lr = Float32Array.of((1 + Math.cos((Math.PI * step) / g.steps)) / 2)
    const out = await ready.right.run({
      values: new Map([
        ['x', x],
        ['target', target],
        ['hyper.lr', lr],
      ]),
    })()
    if (E.isLeft(out)) return out
    const loss = (out.right.get('loss')?.[0] ?? NaN) / (g.rates.length * variantsOf(g.blocks).length)
    if (!Number.isFinite(loss))
      return E.left(
        fault('numeric', {
          place: `linear probe, step ${step}`,
          found: `a mean loss of ${loss}`,
          allowed: 'a finite loss',
          remedy: 'give smaller rates with --rates, or normalised features',
        }),
      )
    progress(step + 1, loss)
  }
  return E.right(undefined)
}

/** One trained probe. */
export interface Probe extends Variant {
  /** As in the official grid, for batches of 256. */
  readonly rate: number
  /** `[outputs, inputs]` and `[outputs]`. */
  readonly weight: Float32Array
  readonly bias: Float32Array
  /** Where its inputs lie in a row. */
  readonly span: readonly [number, number]
}

/** Raw scores `[n, outputs]` of a probe for rows of features, in float64. */
export const probeScores = (p: Probe, rows: Rows): Float64Array => {
  const outputs = p.bias.length
  const width = p.span[1] - p.span[0]
  const n = rows.data.length / rows.dim
  const out = new Float64Array(n * outputs)
  for (let i = 0; i < n; i++) {
    for (let c = 0; c < outputs; c++) {
      let s = p.bias[c]
      for (let d = 0; d < width; d++) s += p.weight[c * width + d] * rows.data[i * rows.dim + p.span[0] + d]
      out[i * outputs + c] = s
    }
  }
  return out
}

/**
 * Trains every probe of the grid on rows `[n, (blocks + 1) D]` and gives them all. Steps of `batch` rows, fewer where there are not as
 * many. Faults: of compilation; a loss that is no number any more.
 */
export const trainProbes = (
  device: Device,
  s: Omit<Shape, 'outputs'>,
  o: ProbeOptions,
  rows: Rows,
  targets: Targets,
  progress: (step: number, loss: number) => void,
): TaskEither<Fault, ReadonlyArray<Probe>> => {
  const g: Grid = { ...s, ...o, outputs: targets.classes, batch: Math.min(o.batch, targets.length), multiLabel: targets.multiLabel }
  return pipe(
    (): Promise<Either<Fault, void>> => training(device, g, rows, targets, progress),
    TE.chain(() =>
      pipe(
        variantsOf(g.blocks),
        TE.traverseSeqArray((v) =>
          pipe(
            TE.Do,
            TE.bind('weight', () => device.read(`${nameOf(v)}.weight`)),
            TE.bind('bias', () => device.read(`${nameOf(v)}.bias`)),
            TE.map(({ weight, bias }) =>
              g.rates.map((rate, i): Probe => {
                const each = weight.length / g.rates.length
                return {
                  ...v,
                  rate,
                  span: spanOf(v, g.blocks, g.width),
                  weight: Float32Array.from(weight.subarray(i * each, (i + 1) * each)),
                  bias: Float32Array.from(bias.subarray(i * g.outputs, (i + 1) * g.outputs)),
                }
              }),
            ),
          ),
        ),
        TE.map((all) => all.flat()),
      ),
    ),
  )
}
