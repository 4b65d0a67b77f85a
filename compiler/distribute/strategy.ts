/** The two ways in which a training step is distributed: which leaves are split, and what follows from that. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import type { Graph, NamedLeaf } from '../../core/graph.ts'
import { isResident, leavesOfGraph } from '../../core/graph.ts'
import type { TensorType } from '../../core/type.ts'
import { range, sizeOf } from '../../core/type.ts'
import { blocksAsRegions } from '../passes/remat.ts'
import { bucketed } from './buckets.ts'
import type { DistributeOptions } from './distribute.ts'
import { distributed, waysOf } from './distribute.ts'
import type { Distributed, Split } from './placement.ts'

/**
 * `ddp`: the batch is split by images, all ranks have all state, and gradients are summed (Li et al. 2020, "PyTorch Distributed"). `fsdp`:
 * parameters, moments and teacher are split too, gathered where a block uses them and again in its backward pass, and each rank has its
 * part of a gradient's sum (Zhao et al. 2023, "PyTorch FSDP"; Rajbhandari et al. 2020, "ZeRO", stage 3).
 */
export const distributionNames = ['ddp', 'fsdp'] as const

export type DistributionName = (typeof distributionNames)[number]

export interface DistributionOptions {
  readonly strategy: DistributionName
  /** N */
  readonly ranks: number
  /** Images of the whole batch; 0: what is given is the same on all ranks. */
  readonly images: number
  /** Inputs whose axis of images is known, by path. Default: none. */
  readonly own?: ReadonlyMap<string, number>
  /** Tensors of fewer elements are the same on all ranks. Default 1024. */
  readonly least?: number
}

/**
 * What is given for the images of a batch: along the axis that is said, or else its first of all images, once or several times. Whichever
 * axis that is, the same is computed; of another axis than that of the images more has to be sent.
 */
const ofImages = (l: NamedLeaf, images: number, own: ReadonlyMap<string, number> | undefined): Split | undefined => {
  const { shape } = l.type
  const axis = l.source._tag === 'Input' && images > 0 ? (own?.get(l.path) ?? shape.findIndex((d) => d % images === 0)) : -1
  return axis < 0 ? undefined : { _tag: 'Split', axis, blocks: range(shape[axis] / images).map(() => images), of: 'batch' }
}

/** How a tensor that lives on the device is split: along the largest axis that the ranks divide, the first of such. */
export const stateSplit = ({ shape }: TensorType, ranks: number, least = 1024): Split | undefined => {
  const extent = Math.max(0, ...shape.filter((d) => d % ranks === 0))
  return sizeOf(shape) >= least && extent > 1 ? { _tag: 'Split', axis: shape.indexOf(extent), blocks: [extent], of: 'state' } : undefined
}

const blocks = blocksAsRegions()

/** What is gathered together: a block, or else a part of a network such as a head. */
const gatheredIn = (scope: string): string => {
  const block = blocks(scope)
  return block === '' ? scope.split('.').slice(0, 2).join('.') : block
}

/** Which leaves of a step are split, and which states that it makes first. */
export const partsOf = (g: Graph, { strategy, ranks, images, own, least }: DistributionOptions): ReadonlyMap<string, Split> => {
  const ofState = (type: TensorType): Split | undefined => (strategy === 'fsdp' ? stateSplit(type, ranks, least) : undefined)
  const states = g.outputs.filter((o) => o.role === 'state').map((o) => [o.path, ofState(o.expr.type)] as const)
  const leaves = leavesOfGraph(g).map((l) => [l.path, ofImages(l, images, own) ?? (isResident(l) ? ofState(l.type) : undefined)] as const)
  return new Map([...states, ...leaves].flatMap(([path, split]) => (split === undefined ? [] : [[path, split] as const])))
}

/** The fault of a batch that ranks, or devices, cannot share evenly; `by` is said beside. */
export const unevenly = (images: number, ranks: number, by = ''): Fault | undefined =>
  images % ranks === 0
    ? undefined
    : fault('config', {
        place: 'batch',
        found: `${images} images for ${ranks} ranks or devices${by}`,
        allowed: `a multiple of ${ranks}: every rank, or device, has as many images`,
        remedy: `set batch=${Math.max(1, Math.round(images / ranks)) * ranks}, or another number of ranks (mpirun -n) or devices (--devices)`,
      })

/**
 * The step of one rank among N. Both strategies make the same sums in the same order, so that a target whose kernels do so gives the same
 * bits. Fault: a batch that the ranks cannot share evenly.
 */
export const distribute =
  (o: DistributionOptions) =>
  (g: Graph): Either<Fault, Distributed> => {
    const uneven = unevenly(o.images, o.ranks)
    if (uneven !== undefined) return E.left(uneven)
    const { ranks, images } = o
    const sharded = { ranks, images, parts: partsOf(g, { ...o, strategy: 'fsdp' }), regionOf: gatheredIn }
    const whole = (): DistributeOptions => ({ ranks, images, parts: partsOf(g, o), regionOf: () => '', like: waysOf(g, sharded) })
    return pipe(g, distributed(o.strategy === 'fsdp' ? sharded : whole()), E.chain(bucketed()))
  }
