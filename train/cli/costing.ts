/** `ir --cost`: what a step costs when ranks share it, on paper, as a table and as an object. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import { last } from 'fp-ts/lib/ReadonlyNonEmptyArray.js'
import type { Net, StepCost } from '../../compiler/distribute/cost.ts'
import { costOfStep, nets, productFlops } from '../../compiler/distribute/cost.ts'
import type { DistributionName } from '../../compiler/distribute/strategy.ts'
import { distributionNames } from '../../compiler/distribute/strategy.ts'
import { showCount } from '../../compiler/show.ts'
import type { Fault } from '../../core/fault.ts'
import type { AssembledPhase } from '../run/assembly.ts'
import { partOf } from '../run/share.ts'
import type { Role } from '../step/objective.ts'
import type { Arguments, CommandSpec } from './arguments.ts'
import { isWhole, numberOption, numbersOption, tableText, textOption } from './commands/program.ts'

export type NetName = keyof typeof nets

export const netNames: ReadonlyArray<string> = Object.keys(nets)

/** Floating-point operations a second of a rank, where nothing is said: some cores of a server. */
const usualPeak = 1e12

export interface Costing {
  readonly ranks: ReadonlyArray<number>
  readonly net: Net & { readonly name: string }
  /** Floating-point operations a second of a rank. */
  readonly peak: number
}

const isNet = (name: string): name is NetName => Object.hasOwn(nets, name)

/** What the words of a command ask for. Faults: numbers that are none. */
export const costingOf = (c: CommandSpec, a: Arguments): Either<Fault, Costing> =>
  pipe(
    E.Do,
    E.bind('ranks', () => numbersOption(c, a, 'ranks', [2], isWhole, 'whole numbers from 1 between commas')),
    E.bind('peak', () => numberOption(c, a, 'peak', usualPeak / 1e12, (n) => n > 0, 'a number of TFLOP/s above 0')),
    E.map(({ ranks, peak }): Costing => {
      const asked = textOption(a, 'net') ?? ''
      const name = isNet(asked) ? asked : '10GbE'
      return { ranks, peak: 1e12 * peak, net: { name, ...nets[name] } }
    }),
  )

const weights: ReadonlySet<Role> = new Set(['trained', 'fixed', 'average', 'shared'])

interface Costed extends StepCost {
  readonly strategy: DistributionName
}

/** Nobody is asked while nothing runs. */
const silent = { rank: 0, exchange: () => () => Promise.resolve(E.right([])) }

const costed =
  (phase: AssembledPhase) =>
  (ranks: number, strategy: DistributionName): Either<Fault, Costed> => {
    const { graph, residents } = last(phase.turns)
    const roles = new Map(residents.map((r) => [r.path, r.role]))
    const has = (path: string, of: ReadonlySet<Role>): boolean => of.has(roles.get(path) ?? 'kept')
    return pipe(
      partOf({ ...silent, ranks }, phase.crops),
      E.chain(({ compile: { own } }) =>
        costOfStep(
          { strategy, ranks, images: phase.batch, ...(own === undefined ? {} : { own }) },
          { isTrained: (path) => has(path, new Set(['trained'])), isWeight: (path) => has(path, weights) },
        )(graph),
      ),
      E.map((c) => ({ ...c, strategy })),
    )
  }

const bytes = (n: number): string => `${showCount(Math.round(n))}B`

const seconds = (s: number): string => (s < 1 ? `${(1e3 * s).toPrecision(3)} ms` : `${s.toPrecision(3)} s`)

/** The share of its time that a rank computes what one process would have to. */
const efficiency = (one: number, { peak, net }: Costing, c: StepCost): number => one / peak / c.ranks / (c.flops / peak + c.seconds(net))

/** The table, and one object; `phaseFor`: the phase for a number of ranks. Faults: images that they cannot share evenly. */
export const costText = (phaseFor: (ranks: number) => Either<Fault, AssembledPhase>, o: Costing, json: boolean): Either<Fault, string> =>
  pipe(
    E.Do,
    E.bind('phase', () => phaseFor(1)),
    E.bind('one', ({ phase }) => productFlops(last(phase.turns).graph)),
    E.bind('all', () =>
      pipe(
        o.ranks,
        E.traverseArray((n) =>
          pipe(
            phaseFor(n),
            E.chain((own) => E.traverseArray((strategy: DistributionName) => costed(own)(n, strategy))(distributionNames)),
          ),
        ),
        E.map((rows) => rows.flat()),
      ),
    ),
    E.map(({ phase, one, all }) => {
      const table = tableText(
        all.map((c) => ({
          ranks: c.ranks,
          strategy: c.strategy,
          ...Object.fromEntries(
            ['allReduce', 'allGather', 'reduceScatter'].map((name) => {
              const s = c.sent.get(name)
              return [name, s === undefined ? '-' : `${s.count}, ${bytes(s.bytes)}`]
            }),
          ),
          sends: bytes(c.sends),
          least: bytes(c.least),
          state: bytes(c.state),
          FLOP: showCount(c.flops),
          computes: seconds(c.flops / o.peak),
          speaks: seconds(c.seconds(o.net)),
          efficiency: `${(100 * efficiency(one, o, c)).toFixed(1)} %`,
        })),
      )
      const about = [
        `${phase.batch} images in all, ${showCount(one)}FLOP in products of one process; ${o.net.name}: ${o.net.bandwidth / 1e9} GB/s each way, ${o.net.latency * 1e6} us; a rank computes ${o.peak / 1e12} TFLOP/s`,
        'collectives: how many, and the bytes of their whole tensors; sends: of one rank, and the least there can be; nothing overlaps',
      ]
      const object = {
        images: phase.batch,
        flop: one,
        net: o.net,
        peak: o.peak,
        costs: all.map((c) => ({
          ranks: c.ranks,
          strategy: c.strategy,
          collectives: Object.fromEntries(c.sent),
          sends: c.sends,
          least: c.least,
          state: c.state,
          flop: c.flops,
          computes_s: c.flops / o.peak,
          speaks_s: c.seconds(o.net),
          efficiency: efficiency(one, o, c),
        })),
      }
      return `${[...about, table].join('\n')}\n${json ? `${JSON.stringify(object)}\n` : ''}`
    }),
  )
