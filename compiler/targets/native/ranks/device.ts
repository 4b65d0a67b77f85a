/**
 * The target `native` as one rank among others. To the rest of the house it is a device like any: graphs and tensors are given and handed
 * back whole, and are the same on all ranks. Here each rank keeps its part, and runs its part of the program.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Distributed, Split } from '../../../distribute/placement.ts'
import type { DistributionName } from '../../../distribute/strategy.ts'
import { distribute, stateSplit } from '../../../distribute/strategy.ts'
import type { Fault } from '../../../../core/fault.ts'
import { fault } from '../../../../core/fault.ts'
import type { Graph } from '../../../../core/graph.ts'
import { isResident, leavesOfGraph } from '../../../../core/graph.ts'
import type { TensorType } from '../../../../core/type.ts'
import type { CompileOptions, Device, Executable, Feed, HostArray, Share } from '../../../target.ts'
import { fitting } from '../../feed.ts'
import { hostPart, hostWhole, like, partTypeOf } from '../../parts.ts'
import { asFault } from '../../residents.ts'
import type { NativeOptions } from '../device.ts'
import { openNative } from '../device.ts'
import type { Ranks } from './ranks.ts'

export interface RankedOptions extends NativeOptions {
  readonly ranks: Ranks
  readonly strategy: DistributionName
  /** Whether this rank was asked to stop; and what becomes of it once all ranks know, before the same run of a program. */
  readonly stopping?: () => boolean
  readonly stopped?: () => void
}

/** Seconds that ranks may be apart when a program is run for the first time: they have compiled it, and read images. */
const begun = 1800

const late = (seconds: number): Fault =>
  fault('target', {
    place: 'ranks',
    found: `another rank has not come to the same step within ${seconds} seconds`,
    allowed: 'ranks that take the same steps at about the same time',
    remedy: 'see what the other ranks are doing, and go on with --resume; accelerator.patience allows more time',
  })

const differ: Fault = fault('target', {
  place: 'ranks',
  found: 'ranks that are at different steps',
  allowed: 'one folder of the run that all ranks see',
  remedy: 'put --out on a file system that all machines share',
})

/** Text of all ranks: they say how long theirs is, and send it where one has any. */
const exchanging = ({ ranks, gather, meet, patience }: Ranks): Share['exchange'] => {
  const state = { rounds: 0 }
  return (said, step) =>
    pipe(
      TE.tryCatch(async (): Promise<Either<Fault, ReadonlyArray<string>>> => {
        const text = new TextEncoder().encode(said)
        const seconds = state.rounds++ === 0 ? Math.max(begun, patience) : patience
        const met = await meet(text.length, step, seconds)
        if (met._tag !== 'Met') return E.left(met._tag === 'Late' ? late(seconds) : differ)
        const padded = new Uint8Array(met.most)
        padded.set(text)
        const all = met.most === 0 ? new Uint8Array() : await gather(padded)
        const ofRank = (r: number): string => {
          const own = all.subarray(r * met.most, (r + 1) * met.most)
          const end = own.indexOf(0)
          return new TextDecoder().decode(end < 0 ? own : own.subarray(0, end))
        }
        return E.right(Array.from({ length: ranks }, (_, r) => ofRank(r)))
      }, asFault('ranks')),
      TE.chain(TE.fromEither),
    )
}

const ranked = (inner: Device, { ranks: among, strategy, stopping, stopped }: RankedOptions): Device => {
  const { rank, ranks, gather, library, meet, patience } = among
  const wholes = new Map<string, TensorType>()
  const splitOf = (type: TensorType): Split | undefined => (strategy === 'fsdp' ? stateSplit(type, ranks) : undefined)
  /** Of a graph of which no batch is known, what is given is the same on all ranks. */
  const distributed = (g: Graph, { images = 0, own }: CompileOptions = {}): Either<Fault, Distributed> =>
    distribute({ strategy, ranks, images, ...(own === undefined ? {} : { own }) })(g)

  const feeding = (d: Distributed, g: Graph, { own }: CompileOptions, run: Executable['run']): Executable['run'] => {
    const state = { runs: 0 }
    /** All ranks come to the same run of the same step, or none goes on. */
    const together = async (step: number): Promise<Either<Fault, void>> => {
      const seconds = state.runs++ === 0 ? Math.max(begun, patience) : patience
      const met = await meet(stopping?.() === true ? 1 : 0, step, seconds)
      if (met._tag !== 'Met') return E.left(met._tag === 'Late' ? late(seconds) : differ)
      if (met.most === 1) stopped?.()
      return E.right(undefined)
    }
    const types = new Map(leavesOfGraph(g).flatMap((l) => (isResident(l) ? [] : [[l.path, l.type] as const])))
    return (feed: Feed) => {
      const values = new Map<string, HostArray>()
      for (const [path, data] of feed.values) {
        const [split, type] = [own?.has(path) === true ? undefined : d.parts.get(path), types.get(path)]
        if (split === undefined || type === undefined) {
          values.set(path, data)
          continue
        }
        const fits = fitting('input', path, type, data)
        if (E.isLeft(fits)) return TE.left(fits.left)
        values.set(path, hostPart(fits.right, type, split, ranks, rank))
      }
      return pipe(
        TE.tryCatch(() => together(feed.step ?? 0), asFault('ranks')),
        TE.chain(TE.fromEither),
        TE.chain(() => run({ ...feed, values })),
      )
    }
  }

  return {
    name: inner.name,
    description: `${inner.description}, rank ${rank} of ${ranks} by ${library}: ${strategy}`,
    memory: inner.memory,
    road: inner.road,
    share: { rank, ranks, exchange: exchanging(among) },
    own: {
      split: (path) => {
        const type = wholes.get(path)
        return type === undefined ? undefined : splitOf(type)
      },
      read: inner.read,
    },
    parts: ranks,
    resident: () => new Map([...inner.resident()].map(([path, type]) => [path, wholes.get(path) ?? type])),
    write: (path, type, data) => {
      const split = splitOf(type)
      if (split === undefined) return inner.write(path, type, data)
      wholes.set(path, type)
      return pipe(
        TE.fromEither(fitting('resident', path, type, data)),
        TE.chain((fits) => inner.write(path, partTypeOf(type, split, ranks), hostPart(fits, type, split, ranks, rank))),
      )
    },
    read: (path) => {
      const type = wholes.get(path)
      const split = type === undefined ? undefined : splitOf(type)
      if (type === undefined || split === undefined) return inner.read(path)
      return pipe(
        inner.read(path),
        TE.chain((part): TaskEither<Fault, HostArray> =>
          TE.tryCatch(async () => {
            const bytes = await gather(new Uint8Array(part.buffer, part.byteOffset, part.byteLength))
            const all = like(part, part.length * ranks)
            new Uint8Array(all.buffer).set(bytes)
            return hostWhole(all, type, split, ranks)
          }, asFault('ranks')),
        ),
      )
    },
    planned: (g) =>
      pipe(
        distributed(g),
        E.chain((d) => inner.planned(d.graph)),
      ),
    compile: (g, o: CompileOptions = {}) =>
      pipe(
        TE.fromEither(distributed(g, o)),
        TE.chain((d) => {
          // what a program makes first is held as its part too
          for (const out of g.outputs) if (out.role === 'state' && d.parts.has(out.path)) wholes.set(out.path, out.expr.type)
          return pipe(
            inner.compile(d.graph, o),
            TE.map((e): Executable => ({ ...e, run: feeding(d, g, o, e.run) })),
          )
        }),
      ),
    close: inner.close,
  }
}

export const openRanked = (o: RankedOptions): TaskEither<Fault, Device> =>
  pipe(
    openNative({ ...o, collective: o.ranks.collective }),
    TE.map((inner) => ranked(inner, o)),
  )
