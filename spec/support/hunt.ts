/** Holds a target to the reference on random graphs, many of them compiled as one; what fails is cut down to a few lines. */
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Device, HostArray } from '../../compiler/target.ts'
import type { Fault } from '../../core/fault.ts'
import { print } from '../../core/print.ts'
import type { Generator } from './generator.ts'
import { listsOf, usesHalf } from './generators.ts'
import type { RandomGraph } from './graphs.ts'
import { merged, renamed } from './merge.ts'
import { shrunk } from './shrink.ts'
import type { Results, Verdict } from './verdict.ts'
import { expectedOf, isConditioned, judged } from './verdict.ts'

/** A target under the name that tests show, and the ways to open it: each is held to the same graphs. */
export interface Prey {
  readonly name: string
  readonly opens: ReadonlyArray<TaskEither<Fault, Device>>
  /** Whether it keeps f16 in memory. */
  readonly half: boolean
  /** Whether it adds the terms of a sum one after another, in single precision. */
  readonly addsInOrder?: boolean
  /** Graphs that are compiled as one. */
  readonly together: number
  /** How many graphs of a generator are run in CI. */
  readonly counts: Readonly<Record<string, number>>
}

export interface Failure {
  readonly target: string
  readonly generator: string
  readonly seed: number
  readonly flaw: string
  readonly graph: RandomGraph
}

export interface Bag {
  readonly graphs: number
  /** Those that were left out: they ask for f16 where there is none, or change too much with the last bits of what is given. */
  readonly unfit: number
  readonly failures: ReadonlyArray<Failure>
  readonly worst: number
  /** Where the worst difference was: `12.grad.head.mlp.weight`. */
  readonly at: string
  readonly seconds: number
}

/** The first way in which a target goes wrong, else the way in which it differs most. */
const verdictOf = async (prey: Prey, r: RandomGraph, expected: Results): Promise<Verdict> => {
  let most: Verdict = { flaws: [], worst: 0, at: '' }
  for (const open of prey.opens) {
    const v = await judged(open, r, expected)
    if (v.flaws.length > 0) return v
    if (v.worst > most.worst) most = v
  }
  return most
}

/** Smaller graphs that are tried for each failure. */
const tries = Number(process.env.DINOGRAPH_TRIES ?? 60)

const fails =
  (prey: Prey) =>
  async (r: RandomGraph): Promise<boolean> =>
    (await verdictOf(prey, r, await expectedOf(r))).flaws.length > 0

/** The members that fail by themselves, smaller; all together where none does. */
const explained = async (
  prey: Prey,
  generator: Generator,
  seed: number,
  members: ReadonlyArray<RandomGraph>,
  verdict: Verdict,
): Promise<ReadonlyArray<Failure>> => {
  const failure = async (r: RandomGraph, flaw: string): Promise<Failure> => ({
    target: prey.name,
    generator: generator.name,
    seed,
    flaw,
    graph: await shrunk(r, fails(prey), tries),
  })
  const alone: Array<Failure> = []
  // one is enough to see a fault by; others may be the same
  for (const m of members) {
    const own = verdict.flaws.find((f) => m.graph.outputs.some((o) => o.path === f.path))
    if (own !== undefined && alone.length === 0 && (await fails(prey)(m))) alone.push(await failure(m, own.text))
  }
  return alone.length > 0 ? alone : [await failure(merged(members), verdict.flaws[0]?.text ?? '')]
}

/** `count` graphs of a seed, and those that a target is not made for besides; `until` ends it earlier. */
export const hunted = async (prey: Prey, generator: Generator, seed: number, count: number, until = Infinity): Promise<Bag> => {
  const began = Date.now()
  const lists = listsOf(generator, seed, 2 * count)
  const failures: Array<Failure> = []
  let [graphs, unfit, worst, at, next] = [0, 0, 0, '', 0]
  while (graphs < count && next < lists.length && Date.now() < until) {
    const members: Array<RandomGraph> = []
    const expected = new Map<string, HostArray>()
    for (; members.length < Math.min(prey.together, count - graphs) && next < lists.length; next++) {
      const r = renamed(`${next}.`, generator.make(lists[next], { half: prey.half }))
      const own = usesHalf(r) && !prey.half ? undefined : await expectedOf(r)
      if (own === undefined || !(await isConditioned(r, own, prey.addsInOrder === true))) {
        unfit++
        continue
      }
      members.push(r)
      for (const [path, x] of own) expected.set(path, x)
    }
    if (members.length === 0) continue
    const verdict = await verdictOf(prey, merged(members), expected)
    graphs += members.length
    if (verdict.worst > worst) [worst, at] = [verdict.worst, verdict.at]
    if (verdict.flaws.length > 0) failures.push(...(await explained(prey, generator, seed, members, verdict)))
  }
  return { graphs, unfit, failures, worst, at, seconds: (Date.now() - began) / 1000 }
}

/** What a person needs to see of a failure. */
export const showFailure = (f: Failure): string =>
  [
    `${f.generator} of seed ${f.seed} on ${f.target}: ${f.flaw}`,
    print(f.graph.graph),
    ...[...f.graph.values].map(([path, t]) => `  ${path} = [${t.values.slice(0, 24).join(', ')}${t.values.length > 24 ? ', …' : ''}]`),
  ].join('\n')
