/** `npm run report -- --run DIR`: writes the page of a run again, also of one that was stopped or is still going. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import * as t from 'io-ts'
import { openTarget } from '../../../compiler/targets/open.ts'
import { commandLine } from '../../../core/command.ts'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import type { Split } from '../../../data/readers/split.ts'
import { decodeAs, isRecord, showValue, valueAt } from '../../../data/formats/codec.ts'
import type { Arguments, CommandSpec } from '../arguments.ts'
import type { EvaluationName } from '../../judge/evaluate/evaluations.ts'
import { evaluations, isEvaluation } from '../../judge/evaluate/evaluations.ts'
import { partsOf, splitsAt } from '../../judge/evaluate/parts.ts'
import type { Progress } from '../../run/log/progress.ts'
import { startProgress } from '../../run/log/progress.ts'
import { images, usualReader } from '../../recipes/parts/images.ts'
import { readFrozen } from '../../judge/evaluate/network.ts'
import { comparedIn, mostRuns, writeComparison } from '../../judge/report/compare.ts'
import { networkSections } from '../../judge/report/network.ts'
import { readRecord } from '../../judge/report/record.ts'
import { writeReport } from '../../judge/report/report.ts'
import type { Section } from '../../judge/report/sections.ts'
import type { Output } from './program.ts'
import { needed, runProgram, textOption } from './program.ts'
import { readingFrom } from '../reading.ts'

const names = Object.keys(evaluations)

const spec: CommandSpec = {
  call: commandLine('report'),
  about:
    'Writes report.html of a run again: curves, evaluations, attention, neighbours, a map, configuration, environment. One page that opens from the file. With --compare RUN RUN …, one page of several runs.',
  answers: ['target', 'threads'],
  operands: [{ name: 'RUN', text: 'with --compare: the folders of the runs', optional: true, repeat: true }],
  options: [
    { name: 'run', value: 'DIR', text: 'the folder of a run: finished, stopped, or still going' },
    { name: 'data', value: 'DIR|FILE', text: "look at these images; those of the run's configuration by default" },
    { name: 'evaluate', value: 'NAME,…', text: `which evaluations: ${names.join(', ')}; all by default; none for none` },
    { name: 'whole', text: 'evaluate on all images with the official grids, in place of a sample' },
    { name: 'compare', text: `one page of two to ${mostRuns} runs: curves over one another, settings that differ, results` },
    { name: 'out', value: 'FILE.html', text: 'with --compare: where the page goes; compare.html beside the first run by default' },
    { name: 'no-network', text: 'curves and configuration alone: does not look into the network' },
  ],
}

const evaluationsOf = (a: Arguments): Either<Fault, ReadonlyArray<EvaluationName>> => {
  const asked = (textOption(a, 'evaluate') ?? names.join(','))
    .split(',')
    .map((s) => s.trim())
    .filter((s) => s !== '' && s !== 'none')
  const bad = asked.find((s) => !isEvaluation(s))
  return bad === undefined
    ? E.right(asked.filter(isEvaluation))
    : E.left(
        fault('usage', {
          place: '--evaluate',
          found: bad,
          allowed: `${names.join(', ')}, with commas between them; none`,
          remedy: `see ${spec.call} --help`,
        }),
      )
}

const configCodec = t.type({ data: images().settings })

/** A run's configuration without the name of a reader, which it has where plugins bring some. Fault: it is one of these. */
const withoutReader = (run: string, config: unknown): Either<Fault, unknown> => {
  const reader = valueAt(config, 'data', 'reader')
  if (!isRecord(config) || !isRecord(config['data']) || reader === undefined) return E.right(config)
  return reader === usualReader
    ? E.right({ ...config, data: Object.fromEntries(Object.entries(config['data']).filter(([name]) => name !== 'reader')) })
    : E.left(
        fault('data', {
          place: `${run}/config.yaml: data.reader`,
          found: `${showValue(reader)}, a reader of a plugin`,
          allowed: 'images that this command reads by itself',
          remedy: 'name such images with --data, or leave out what looks at images with --no-network',
        }),
      )
}

/** The images of `--data`, or of the run's configuration; what an example does to them beyond that is not done here. */
const splitOf = (a: Arguments, run: string, config: unknown, progress: Progress): TaskEither<Fault, Split> => {
  const { data: path } = a
  return O.isSome(path)
    ? pipe(
        readingFrom(a, run),
        TE.chain(({ open, intensity }) => splitsAt(path.value, progress.say, intensity, open)),
        TE.chainEitherK((splits) => partsOf(splits, progress.say)),
      )
    : pipe(
        TE.fromEither(withoutReader(run, config)),
        TE.chainEitherK(decodeAs(configCodec, 'data', `${run}/config.yaml`, 'name the images with --data')),
        // how they are normalised, the network itself says
        TE.chain((c) => images().make({ ...c.data, normalisation: 'recipe' })(progress.say, '')),
      )
}

const seedOf = (config: unknown): number =>
  pipe(
    t.type({ seed: t.number }).decode(config),
    E.match(
      () => 0,
      (c) => c.seed,
    ),
  )

const lookedAt = (a: Arguments, run: string, config: unknown): TaskEither<Fault, ReadonlyArray<Section>> => {
  const progress = startProgress()
  return pipe(
    TE.fromEither(evaluationsOf(a)),
    TE.bindTo('which'),
    TE.bind('split', () => splitOf(a, run, config, progress)),
    TE.bind('device', () =>
      openTarget(O.getOrElse((): string => 'auto')(a.target), O.isSome(a.threads) ? { threads: a.threads.value } : {}),
    ),
    TE.chain(({ which, split, device }) => async () => {
      progress.say(`${run} on ${device.name}: ${device.description}`)
      const sections = await networkSections({
        folder: run,
        network: readFrozen(run),
        device,
        split,
        seed: seedOf(config),
        progress,
        evaluations: which,
        whole: a.extra.has('whole'),
      })()
      device.close()
      return sections
    }),
  )
}

const report = (a: Arguments): TaskEither<Fault, Output> =>
  pipe(
    TE.fromEither(needed(spec, 'run', textOption(a, 'run'))),
    TE.bindTo('run'),
    TE.bind('record', ({ run }) => readRecord(run)),
    TE.bind('seen', ({ run, record }) => (a.extra.has('no-network') ? TE.right([]) : lookedAt(a, run, record.config))),
    TE.chain(({ run, seen }) =>
      pipe(
        writeReport(run, seen),
        TE.map((path): Output => ({ text: path, json: { run, report: path, sections: seen.map((s) => s.id) } })),
      ),
    ),
  )

const wrongUse = (place: string, found: string, allowed: string, remedy: string): Fault => fault('usage', { place, found, allowed, remedy })

/** Faults: too few runs, or more than colours tell apart; a page that is no page. */
const checkCompared = (runs: ReadonlyArray<string>, out: string): Either<Fault, void> => {
  const example = `${spec.call} --compare runs/a runs/b`
  if (runs.length < 2 || runs.length > mostRuns)
    return E.left(wrongUse('--compare', `${runs.length} runs`, `two to ${mostRuns} folders of runs`, `write ${example}, for example`))
  return /\.html?$/i.test(out)
    ? E.right(undefined)
    : E.left(wrongUse('--out', out, 'a file name that ends in .html', `write --out ${out.replace(/\.[^./\\]*$/, '')}.html`))
}

const compare = (a: Arguments): TaskEither<Fault, Output> => {
  const named = textOption(a, 'run')
  const runs = [...(named === undefined ? [] : [named]), ...a.operands]
  const out = textOption(a, 'out') ?? comparedIn(runs.length === 0 ? ['.'] : runs)
  return pipe(
    TE.fromEither(checkCompared(runs, out)),
    TE.chain(() => writeComparison(runs, out)),
    TE.map((path): Output => ({ text: path, json: { runs, report: path } })),
  )
}

/** Fault: what is for several runs, of one. */
const checkOne = (a: Arguments): Either<Fault, void> =>
  a.operands.length > 0 || a.extra.has('out')
    ? E.left(
        wrongUse(
          a.operands.length > 0 ? 'RUN' : '--out',
          a.operands[0] ?? textOption(a, 'out') ?? '',
          '--run DIR for the page of one run, which goes into its folder',
          a.operands.length > 0 ? `write --run ${a.operands[0]}, or --compare with two runs and more` : 'leave it out, or add --compare',
        ),
      )
    : E.right(undefined)

const asked = (a: Arguments): TaskEither<Fault, Output> =>
  a.extra.has('compare')
    ? compare(a)
    : pipe(
        TE.fromEither(checkOne(a)),
        TE.chain(() => report(a)),
      )

export const main = (argv: ReadonlyArray<string>): Promise<number> => runProgram(spec, argv, asked)
