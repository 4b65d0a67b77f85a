/** The command line of an experiment: what `npx tsx examples/NAME.ts` does. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { openTarget } from '../compiler/targets/open.ts'
import type { Fault } from '../core/fault.ts'
import { exitCode, showFault } from '../core/fault.ts'
import type { Dataset, Split } from '../data/dataset.ts'
import { guarded } from '../data/file.ts'
import { showIntensity, usualIntensity, withIntensity } from '../data/intensity.ts'
import { openData, trainAndTest } from '../data/readers/open.ts'
import type { Arguments, CommandSpec } from './arguments.ts'
import { parseArguments } from './arguments.ts'
import type { Experiment, Resolved } from './experiment.ts'
import { startProgress } from './log/progress.ts'
import type { Report } from './run.ts'
import { runExperiment } from './run.ts'
import type { Change } from './settings.ts'
import { changeOf, resolve } from './settings.ts'

/** Share of a folder's images, class by class, that is kept for evaluation. */
const testShare = 0.2

const changesOf = (a: Arguments): Either<Fault, ReadonlyArray<Change>> => pipe(a.set, E.traverseArray(changeOf), E.map((set) => [
  ...set,
  ...(O.isSome(a.seed) ? [{ place: '--seed', path: 'seed', value: a.seed.value }] : []),
  ...(O.isSome(a.steps) ? [{ place: '--steps', path: 'steps', value: a.steps.value }] : []),
]))

/** A part of a split with its values as intensities, in the way that suits what they measure. */
const seen = (d: Dataset, say: (text: string) => void): TaskEither<Fault, Dataset> => {
  const intensity = usualIntensity(d)
  say(`${d.name}: ${d.length} images through ${showIntensity(intensity)}`)
  return withIntensity(intensity)(d)
}

/** Whatever lies at a path: pictures, npz, a manifest, DICOM, NIfTI. */
const dataAt = (path: string, say: (text: string) => void): TaskEither<Fault, Split> =>
  pipe(
    openData(path),
    TE.chainEitherK((o) => trainAndTest(o, testShare)),
    TE.chain(({ train, test }) => pipe(TE.Do, TE.apS('train', seen(train, say)), TE.apS('test', seen(test, say)))),
  )

const withData = (a: Arguments, say: (text: string) => void) => (r: Resolved): Resolved =>
  O.isNone(a.data) ? r : { ...r, data: dataAt(a.data.value, say) }

const execute = (e: Experiment, a: Arguments): TaskEither<Fault, Report> => {
  const out = O.getOrElse(() => join('runs', e.name))(a.out)
  let asked = 0
  const progress = startProgress()
  const stop = (): void => {
    asked++
    if (asked > 1) process.exit(130)
    progress.say('stopping after this step; press again to stop at once')
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  return pipe(
    TE.fromEither(changesOf(a)),
    TE.chain((changes) => e.resolve((defaults) => resolve(defaults, O.toUndefined(a.config), changes))),
    TE.map(withData(a, progress.say)),
    TE.chainFirst(() => guarded('io', out)(async () => E.right(await mkdir(join(out, 'checkpoints'), { recursive: true })))),
    TE.chain((r) => runExperiment(r, {
      name: e.name, out, resume: a.resume, progress,
      ...(O.isSome(a.preview) ? { preview: a.preview.value } : {}),
      device: openTarget(O.getOrElse((): string => 'auto')(a.target), O.isSome(a.threads) ? { threads: a.threads.value } : {}),
      stopping: () => asked > 0,
    })),
  )
}

const text = (r: Report): string => {
  const percent = (x: number | undefined): string => (x === undefined ? '-' : `${(100 * x).toFixed(1)} %`)
  const { knn_before, knn_after, knn_pixels } = r.metrics
  return [
    `${r.steps} steps, loss ${r.loss.toFixed(3)}, ${r.images_per_s.toFixed(0)} images/s on ${r.target}`,
    ...(knn_after === undefined ? [] : [`k-NN ${percent(knn_before)} before, ${percent(knn_after)} after training (raw pixels ${percent(knn_pixels)})`]),
    `results in ${r.out}`,
  ].join('\n')
}

const specOf = (e: Experiment): CommandSpec => ({ call: `npx tsx examples/${e.name}.ts`, about: e.about })

/** Runs the command; gives the exit code. */
const main = async (e: Experiment, argv: ReadonlyArray<string>): Promise<number> => {
  const fail = (f: Fault): number => {
    process.stderr.write(`${showFault(f)}\n`)
    return exitCode(f)
  }
  const parsed = parseArguments(specOf(e))(argv)
  if (E.isLeft(parsed)) return fail(parsed.left)
  if (parsed.right._tag === 'Help') {
    process.stdout.write(`${parsed.right.text}\n`)
    return 0
  }
  const a = parsed.right.arguments
  const report = await execute(e, a)()
  if (E.isLeft(report)) return fail(report.left)
  const { stopped, ...final } = report.right
  if (stopped) process.stderr.write(`stopped at step ${final.steps}; continue with: npx tsx examples/${e.name}.ts --resume --out ${final.out} --config ${join(final.out, 'config.yaml')}\n`)
  else process.stderr.write(`${text(report.right)}\n`)
  process.stdout.write(`${JSON.stringify(final)}\n`)
  return 0
}

/**
 * Runs the experiment when its file is the program that was started, and does nothing when it is imported (by
 * `npm run ir`, or by a test). Gives the experiment, so that the file can export it.
 */
export const command = (moduleUrl: string, e: Experiment): Experiment => {
  if (process.argv[1] !== undefined && fileURLToPath(moduleUrl) === process.argv[1])
    void main(e, process.argv.slice(2)).then((code) => { process.exit(code) })
  return e
}
