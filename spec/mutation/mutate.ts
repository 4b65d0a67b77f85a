/** The command that breaks the compiler in one place after the other, and says whether the specification notices. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import * as E from 'fp-ts/lib/Either.js'
import * as t from 'io-ts'
import { fault, messageOf, showFault } from '../../core/fault.ts'
import { root } from '../rooms/rooms.ts'
import type { Group } from './bench.ts'
import { openBench } from './bench.ts'
import type { Result } from './check.ts'
import { check } from './check.ts'
import { importsOf } from './imports.ts'
import type { Judge, Survey } from './judges.ts'
import { candidates, groupsOf, judgesIn } from './judges.ts'
import type { Found } from './mutant.ts'
import { lookup, nameOf } from './mutant.ts'
import { compilerTexts, mutants } from './mutants.ts'

const folder = join(tmpdir(), 'dinograph-mutation')

/** Which file noticed which mutant: it is asked first the next time. */
const noticedPath = join(root, 'spec', 'mutation', 'noticed.json')

const help = `Applies mutants (spec/mutation/mutants/) one at a time to copies of the repository, and runs the specification files that reach the
changed file, what costs least first, until one fails. Which cost what, and which fail without any mutant, a run without mutants says before.

usage: npm run mutate -- [--only TEXT,...] [--quick] [--resume] [--jobs N] [--list]

  --only TEXT   only mutants whose file or description has one of these texts
  --quick       runs the files that take a tenth of the time of all; what they do not notice stays undecided
  --resume      goes on after what an earlier run has found (${folder}/results.json)
  --jobs N      mutants at a time (default 2)
  --list        only says which mutants there are, and whether each still applies
  --help        show this text

Which file noticed which mutant is kept in spec/mutation/noticed.json: it is asked first the next time.

Exit code: 0 if at least 95 % are noticed, 1 if not, 2 for wrong use.`

const results = t.readonlyArray(
  t.strict({
    name: t.string,
    outcome: t.keyof({ noticed: null, survived: null }),
    by: t.string,
    said: t.string,
    seconds: t.number,
  }),
)

interface Options {
  readonly only: ReadonlyArray<string>
  readonly quick: boolean
  readonly resume: boolean
  readonly jobs: number
  readonly list: boolean
}

const usage = (found: string): number => {
  process.stderr.write(
    `${showFault(fault('usage', { place: 'the command line', found, allowed: '--only, --quick, --resume, --jobs N, --list', remedy: 'see npm run mutate -- --help' }))}\n`,
  )
  return 2
}

/** What an earlier run has left at a path; `none` where that is not there, or is something else. */
const kept = <A>(type: t.Decoder<unknown, A>, none: A, path: string): A => {
  if (!existsSync(path)) return none
  const read = E.tryCatch((): unknown => JSON.parse(readFileSync(path, 'utf8')), messageOf)
  const decoded = E.isRight(read) ? type.decode(read.right) : undefined
  return decoded !== undefined && E.isRight(decoded) ? decoded.right : none
}

const line = (r: Result): string => `${r.outcome.padEnd(8)} ${r.name}  ${r.by}  ${r.seconds} s\n`

const report = (all: ReadonlyArray<Result>): number => {
  const noticed = all.filter((r) => r.outcome === 'noticed').length
  for (const r of all) if (r.outcome !== 'noticed') process.stdout.write(line(r))
  process.stdout.write(`${noticed} of ${all.length} noticed, ${all.length === 0 ? 0 : ((100 * noticed) / all.length).toFixed(1)} %\n`)
  return noticed >= 0.95 * all.length ? 0 : 1
}

const hints = t.record(t.string, t.string)

/** The file that noticed a mutant before, by the mutant's name. */
const noticedBefore = (): Readonly<Record<string, string>> => kept(hints, {}, noticedPath)

/** Writes what was noticed now beside what was noticed before, for the mutants that there are. */
const remember = (all: ReadonlyArray<Result>): void => {
  const by = new Map([...Object.entries(noticedBefore()), ...all.map((r) => [r.name, r.by] as const)])
  const now = mutants.map(nameOf).flatMap((name): ReadonlyArray<readonly [string, string]> => {
    const file = by.get(name) ?? ''
    return file === '' || file.includes(' ') ? [] : [[name, file]]
  })
  writeFileSync(noticedPath, `${JSON.stringify(Object.fromEntries(now), null, 2)}\n`)
}

/** What vitest wrote of earlier files. */
const surveys = t.readonlyArray(t.unknown)

/** Those of some specification files that judge, from runs without any mutant; what was run before is not run again. */
const surveyed = async (o: Options, tests: ReadonlyArray<string>): Promise<ReadonlyArray<Judge>> => {
  const path = join(folder, 'survey.json')
  const clean = join(folder, 'clean')
  const read = (all: ReadonlyArray<unknown>): Survey => judgesIn(all, clean)
  const known = [...kept(surveys, [], path)]
  const { judges, failing } = read(known)
  const left = tests.filter((c) => !failing.includes(c) && !judges.some((j) => j.test === c))
  if (left.length > 0) {
    process.stderr.write(`${left.length} specification files are run once without any mutant\n`)
    const bench = openBench(root, clean, join(folder, 'cache'))
    known.push(JSON.parse(await bench.survey(left, o.jobs)))
    bench.remove()
    writeFileSync(path, JSON.stringify(known))
  }
  const now = read(known)
  if (now.failing.length > 0) process.stderr.write(`left out, as they fail without any mutant: ${now.failing.join(' ')}\n`)
  return now.judges
}

const run = async (o: Options, found: ReadonlyArray<Found>): Promise<number> => {
  mkdirSync(folder, { recursive: true })
  const path = join(folder, 'results.json')
  const before = o.resume ? kept(results, [], path) : []
  if (!o.resume) rmSync(join(folder, 'survey.json'), { force: true })
  const all: Array<Result> = [...before.filter((r) => found.some((f) => nameOf(f.mutant) === r.name))]
  const left = found.filter((f) => !all.some((r) => r.name === nameOf(f.mutant)))
  process.stderr.write(`${found.length} mutants, ${left.length} to be tried\n`)
  const keep = (r: Result): void => {
    all.push(r)
    writeFileSync(path, `${JSON.stringify(all, null, 1)}\n`)
    remember(all)
    process.stderr.write(line(r))
  }
  /** Tries mutants on `jobs` copies: those that nothing noticed. */
  const tried = async (some: ReadonlyArray<Found>, groups: (f: Found) => ReadonlyArray<Group>): Promise<ReadonlyArray<Result>> => {
    const queue = [...some]
    const survived: Array<Result> = []
    const work = async (n: number): Promise<void> => {
      const bench = openBench(root, join(folder, `copy${n}`), join(folder, 'cache'))
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        const r = await check(bench, groups(next), next)
        if (r.outcome === 'noticed') keep(r)
        else survived.push(r)
      }
      bench.remove()
    }
    await Promise.all(Array.from({ length: Math.min(o.jobs, some.length) }, (_, n) => work(n)))
    return survived
  }
  const of = (rs: ReadonlyArray<Result>): ReadonlyArray<Found> => left.filter((f) => rs.some((r) => r.name === nameOf(f.mutant)))
  // what noticed a mutant before mostly does so again: all other files are only asked about what is left
  const first = noticedBefore()
  const files = [...new Set(left.flatMap((f) => first[nameOf(f.mutant)] ?? []))]
  const trusted = await surveyed(o, files)
  const unknown = await tried(left, (f) =>
    trusted.filter((j) => j.test === first[nameOf(f.mutant)]).map((j) => ({ tests: [j.test], share: 1 })),
  )
  if (unknown.length === 0) return report(all)
  const imports = importsOf()
  const judges = await surveyed(o, candidates(imports))
  const unnoticed = await tried(of(unknown), (f) => {
    const { quick, slow } = groupsOf(imports, judges, f.path)
    return [...quick, ...(o.quick ? [] : slow)]
  })
  for (const r of unnoticed)
    if (o.quick) process.stderr.write(`${r.name}: not noticed by quick files  ${r.seconds} s\n`)
    else keep(r)
  return report(all)
}

const main = async (argv: ReadonlyArray<string>): Promise<number> => {
  const parsed = E.tryCatch(
    () =>
      parseArgs({
        args: [...argv],
        options: {
          only: { type: 'string' },
          quick: { type: 'boolean' },
          resume: { type: 'boolean' },
          jobs: { type: 'string' },
          list: { type: 'boolean' },
          help: { type: 'boolean' },
        },
      }).values,
    messageOf,
  )
  if (E.isLeft(parsed)) return usage(parsed.left)
  const v = parsed.right
  if (v.help === true) {
    process.stdout.write(`${help}\n`)
    return 0
  }
  const o: Options = {
    only: v.only?.split(',') ?? [],
    quick: v.quick === true,
    resume: v.resume === true,
    jobs: Number(v.jobs ?? 2),
    list: v.list === true,
  }
  if (!Number.isInteger(o.jobs) || o.jobs < 1) return usage(`--jobs ${v.jobs ?? ''}`)
  const lookups = mutants.map(lookup(compilerTexts()))
  const lost = lookups.flatMap((l) => (l._tag === 'Lost' ? [l.why] : []))
  if (lost.length > 0) return usage(`mutants that do not apply:\n${lost.join('\n')}`)
  const found = lookups
    .flatMap((l) => (l._tag === 'Found' ? [l.found] : []))
    .filter((f) => o.only.length === 0 || o.only.some((x) => nameOf(f.mutant).includes(x)))
  if (found.length === 0) return usage(`--only ${o.only.join()}, of which no mutant is`)
  if (o.list) {
    for (const f of found) process.stdout.write(`${f.path}: ${f.mutant.breaks}\n`)
    return 0
  }
  return run(o, found)
}

// what runs in the copies ends with this
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => {
    process.exit(130)
  })

process.exitCode = await main(process.argv.slice(2))
