/** The command that runs all generators on all targets with fresh seeds, for as long as it is asked to. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import * as E from 'fp-ts/lib/Either.js'
import { fault, messageOf, showFault } from '../../core/fault.ts'
import { generators } from '../support/generators.ts'
import type { Failure, Prey } from '../support/hunt.ts'
import { hunted, showFailure } from '../support/hunt.ts'
import { absence, preys } from '../targets/preys.ts'
import { folder, written } from './kept.ts'

const help = `Runs random graphs and networks with fresh seeds on every target that works here, against the reference.

usage: npm run soak -- --minutes N [--target T,...] [--generator G,...] [--seed S]

  --minutes N      how long, on a clock
  --target T       only these targets (${preys.map((p) => p.name).join(', ')})
  --generator G    only these generators (${generators.map((g) => g.name).join(', ')})
  --seed S         the first seed; each round takes the next (default: a random one)
  --help           show this text

What fails is cut down and written into ${folder}, which npm test replays.
Exit code: 0 if nothing fails, 1 if something does, 2 for wrong use.`

interface Options {
  readonly minutes: number
  readonly targets: ReadonlyArray<string>
  readonly kinds: ReadonlyArray<string>
  readonly seed: number
}

const list = (text: string | undefined, all: ReadonlyArray<string>): ReadonlyArray<string> => text?.split(',') ?? all

const optionsOf = (argv: ReadonlyArray<string>): E.Either<string, Options | 'help'> => {
  const parsed = E.tryCatch(
    () =>
      parseArgs({
        args: [...argv],
        options: {
          minutes: { type: 'string' },
          target: { type: 'string' },
          generator: { type: 'string' },
          seed: { type: 'string' },
          help: { type: 'boolean' },
        },
      }).values,
    messageOf,
  )
  if (E.isLeft(parsed)) return parsed
  const v = parsed.right
  if (v.help === true) return E.right('help')
  const [targets, kinds] = [preys.map((p) => p.name), generators.map((g) => g.name)]
  const o: Options = {
    minutes: Number(v.minutes),
    targets: list(v.target, targets),
    kinds: list(v.generator, kinds),
    seed: v.seed === undefined ? randomInt(2 ** 31) : Number(v.seed),
  }
  const wrong = !(o.minutes > 0)
    ? `--minutes ${v.minutes ?? 'is missing'}`
    : !Number.isInteger(o.seed)
      ? `--seed ${v.seed ?? ''}`
      : [...o.targets.filter((x) => !targets.includes(x)), ...o.kinds.filter((x) => !kinds.includes(x))][0]
  return wrong === undefined ? E.right(o) : E.left(wrong)
}

/** Keeps one failure as a file; its path. */
const keep = (f: Failure): string => {
  const text = written(f)
  if (E.isLeft(text)) return showFault(text.left)
  mkdirSync(folder, { recursive: true })
  const path = join(folder, `${f.target.replaceAll(':', '-')}-${f.generator}-${f.seed}-${f.graph.graph.outputs.length}.json`)
  writeFileSync(path, text.right)
  return path
}

interface Tally {
  readonly graphs: number
  readonly failures: number
  readonly worst: number
}

const soak = async (o: Options, here: ReadonlyArray<Prey>): Promise<number> => {
  const until = Date.now() + o.minutes * 60_000
  const tallies = new Map<string, Tally>()
  for (let seed = o.seed; Date.now() < until; seed++) {
    for (const prey of here) {
      for (const g of generators) {
        if (!o.kinds.includes(g.name) || Date.now() >= until) continue
        const bag = await hunted(prey, g, seed, prey.together, until)
        const key = `${prey.name} ${g.name}`
        const before = tallies.get(key) ?? { graphs: 0, failures: 0, worst: 0 }
        tallies.set(key, {
          graphs: before.graphs + bag.graphs,
          failures: before.failures + bag.failures.length,
          worst: Math.max(before.worst, bag.worst),
        })
        process.stderr.write(
          `seed ${seed} ${key}: ${bag.graphs} graphs, ${bag.failures.length} fail, worst ratio ${bag.worst.toPrecision(2)} at ${bag.at}, ${bag.seconds.toFixed(1)} s\n`,
        )
        for (const f of bag.failures) process.stdout.write(`${showFailure(f)}\nkept as ${keep(f)}\n\n`)
      }
    }
  }
  for (const [key, s] of tallies)
    process.stdout.write(`${key}: ${s.graphs} graphs, ${s.failures} fail, worst ratio ${s.worst.toPrecision(2)}\n`)
  return [...tallies.values()].some((s) => s.failures > 0) ? 1 : 0
}

const main = async (argv: ReadonlyArray<string>): Promise<number> => {
  const o = optionsOf(argv)
  if (E.isLeft(o)) {
    process.stderr.write(
      `${showFault(fault('usage', { place: 'the command line', found: o.left, allowed: '--minutes N, --target, --generator, --seed S', remedy: 'see npm run soak -- --help' }))}\n`,
    )
    return 2
  }
  if (o.right === 'help') {
    process.stdout.write(`${help}\n`)
    return 0
  }
  const here: Array<Prey> = []
  for (const p of preys) {
    if (!o.right.targets.includes(p.name)) continue
    const absent = await absence(p)
    if (absent === undefined) here.push(p)
    else process.stderr.write(`${p.name} does not run here: ${absent}\n`)
  }
  return soak(o.right, here)
}

process.exitCode = await main(process.argv.slice(2))
