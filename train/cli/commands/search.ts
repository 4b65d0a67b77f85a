/** `npm run search -- --data PATH --minutes N`: which settings a method learns best with on images like these. */
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { stringify } from 'yaml'
import { commandLine } from '../../../core/command.ts'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import { valueAt } from '../../../data/formats/codec.ts'
import { folderMade, writeText } from '../../../data/formats/file.ts'
import { writeJson } from '../../../data/formats/json.ts'
import type { Choice } from '../../config/layers.ts'
import { layerOfText, layersAt, stacked } from '../../config/layers.ts'
import { settingsOf } from '../../config/settings.ts'
import { axesOf } from '../../judge/search/axes.ts'
import type { Found } from '../../judge/search/search.ts'
import { search } from '../../judge/search/search.ts'
import type { Axis } from '../../judge/search/space.ts'
import { recipe } from '../../recipes/recipe.ts'
import type { Experiment } from '../../run/experiment.ts'
import { decided } from '../../run/experiment.ts'
import { percent } from '../../run/log/numbers.ts'
import { startProgress } from '../../run/log/progress.ts'
import type { Arguments, CommandSpec } from '../arguments.ts'
import { experimentAt } from '../program-file.ts'
import { pluginOption, recipeOf } from '../plugins.ts'
import { layersOf } from '../sources.ts'
import type { Output } from './program.ts'
import { needed, numberOption, runProgram, tableText, textOption } from './program.ts'

const spec: CommandSpec = {
  call: commandLine('search'),
  about: [
    'Which settings a method learns best with: many short runs, then longer ones of the best (successive halving), judged by k-NN on labelled',
    'images that are held out of the training images. The test images are never looked at. Writes search.json and best.yaml into --out.',
  ].join('\n'),
  answers: ['config', 'set', 'data', 'model', 'out', 'target', 'threads', 'seed', 'steps'],
  settings: settingsOf(recipe().settings),
  options: [
    pluginOption,
    { name: 'minutes', value: 'N', text: 'time that the search may take' },
    { name: 'program', value: 'FILE', text: "an experiment's file; by default what train takes" },
    {
      name: 'vary',
      value: 'PATH=V,V;PATH=V,V',
      text: 'settings and the values that are tried beside the present one; by default those that mattered elsewhere',
    },
  ],
}

const wrongVary = (found: string): Fault =>
  fault('usage', {
    place: '--vary',
    found,
    allowed: 'PATH=V,V with ; between settings, such as "optimizer.lr=1e-3,2e-3;augmentation.globalScale=[0.4,1],[0.6,1]"',
    remedy: `see ${spec.call} --help`,
  })

/** One setting and its values, which are read as YAML is. */
const axisOf = (text: string): Either<Fault, Axis> => {
  const at = text.indexOf('=')
  const path = text.slice(0, Math.max(0, at)).trim()
  if (path === '') return E.left(wrongVary(text))
  return pipe(
    layerOfText(path, `[${text.slice(at + 1)}]`, '--vary'),
    E.chain(({ tree }) => {
      const values = valueAt(tree, ...path.split('.'))
      return Array.isArray(values) && values.length > 0
        ? E.right<Fault, Axis>({ name: path, choices: [{}, ...values.map((v: unknown): Choice => ({ [path]: v }))] })
        : E.left(wrongVary(text))
    }),
  )
}

const axesIn = (text: string): Either<Fault, ReadonlyArray<Axis>> =>
  pipe(
    text
      .split(';')
      .map((t) => t.trim())
      .filter((t) => t !== ''),
    E.traverseArray(axisOf),
    E.filterOrElse(
      (all) => all.length > 0,
      () => wrongVary(text),
    ),
  )

const asText = (c: Choice): string =>
  Object.keys(c).length === 0
    ? 'as it stands'
    : Object.entries(c)
        .map(([path, v]) => `${path}=${JSON.stringify(v)}`)
        .join(' ')

/** Rows with a text behind each. */
const listed = (rows: ReadonlyArray<readonly [Readonly<Record<string, string | number>>, string]>): string => {
  const lines = tableText(rows.map(([numbers]) => numbers)).split('\n')
  return lines.map((line, i) => (i === 0 ? `${line}  settings` : `${line}  ${rows[i - 1][1]}`)).join('\n')
}

/** Rows of a round that are shown. */
const shown = 5

const textOf = (axes: ReadonlyArray<Axis>, f: Found, out: string, call: string): string =>
  [
    listed(
      f.rounds.flatMap((round) =>
        round
          .slice(0, shown)
          .map((t) => [{ steps: t.steps, 'k-NN': percent(t.score), seconds: Math.round(t.seconds) }, asText(t.changes)] as const),
      ),
    ),
    '',
    `what mattered, in ${f.rounds[0].length} runs of ${f.rounds[0][0].steps} steps: how far the mean k-NN of a setting's choices lie apart, and the best`,
    listed(
      f.effects.map((e) => {
        const choices = axes.find(({ name }) => name === e.axis)?.choices ?? []
        const best = e.means.reduce<number>((b, m, i) => ((m ?? -1) > (e.means[b] ?? -1) ? i : b), 0)
        return [{ apart: percent(e.spread) }, `${e.axis}: ${asText(choices[best] ?? {})}`] as const
      }),
    ),
    '',
    `best: k-NN ${percent(f.best.score)} on held-out training images after ${f.best.steps} steps${f.whole ? '' : ', of a shorter run than asked for'}`,
    ...(f.unfit === 0 ? [] : [`${f.unfit} points were left out, as their settings do not go together`]),
    `to train with it: ${call} --config ${join(out, 'best.yaml')}`,
  ].join('\n')

const written = (out: string, axes: ReadonlyArray<Axis>, f: Found, best: unknown): TaskEither<Fault, void> =>
  pipe(
    folderMade(out),
    TE.chain(() => writeJson(join(out, 'search.json'), { axes, rounds: f.rounds, effects: f.effects, unfit: f.unfit })),
    TE.chain(() =>
      writeText(
        join(out, 'best.yaml'),
        `# The best of a search: over the settings of the experiment that was searched.\n${stringify(best)}`,
      ),
    ),
  )

const experimentOf = (a: Arguments): TaskEither<Fault, Experiment> => {
  const file = textOption(a, 'program')
  return file === undefined ? recipeOf(a) : experimentAt(file)
}

const searching = (a: Arguments): TaskEither<Fault, Output> => {
  const progress = startProgress()
  const file = textOption(a, 'program')
  const out = O.getOrElse(() => 'search')(a.out)
  const call = file === undefined ? commandLine('train') : `npx tsx ${file}`
  return pipe(
    TE.Do,
    TE.bind('asked', () => TE.fromEither(needed(spec, 'minutes', textOption(a, 'minutes')))),
    TE.bind('minutes', () => TE.fromEither(numberOption(spec, a, 'minutes', 0, (n) => n > 0, 'a number above 0'))),
    TE.bind('experiment', () => experimentOf(a)),
    TE.bind('layers', ({ experiment }) => TE.fromTask(layersOf(experiment.settings, a, process.env))),
    TE.bind('now', ({ experiment, layers }) => decided(experiment, progress.say)(layers)),
    TE.let(
      'valueOf',
      ({ now }) =>
        (path: string): unknown =>
          valueAt(now.config, ...path.split('.')),
    ),
    TE.bind('axes', ({ valueOf }) => {
      const vary = textOption(a, 'vary')
      return TE.fromEither(vary === undefined ? E.right(axesOf(valueOf)) : axesIn(vary))
    }),
    // each named value alone has to be one that the experiment takes
    TE.chainFirst(({ experiment, layers, axes }) =>
      pipe(
        textOption(a, 'vary') === undefined ? [] : axes.flatMap(({ choices }) => choices),
        TE.traverseSeqArray((c) => decided(experiment, progress.say)([...layers, ...layersAt(c, '--vary')])),
      ),
    ),
    TE.bind('found', ({ minutes, experiment, layers, now, valueOf, axes }) =>
      search(
        {
          axes,
          steps: now.settings.steps,
          seconds: 60 * minutes,
          seed: now.settings.seed,
          resolve: (changes) => decided(experiment, progress.say)([...layers, ...layersAt(changes, '--vary')]),
          say: progress.say,
        },
        valueOf,
      ),
    ),
    // what the command line said belongs to what is found
    TE.let('best', ({ layers, found }) => stacked([...layers, ...layersAt(found.best.changes, '--vary')]).tree),
    TE.chainFirst(({ axes, found, best }) => written(out, axes, found, best)),
    TE.map(({ axes, found }): Output => ({
      text: textOf(axes, found, out, call),
      json: {
        out,
        score: found.best.score,
        steps: found.best.steps,
        settings: found.best.changes,
        runs: found.rounds.map((r) => r.length),
      },
    })),
  )
}

export const main = (argv: ReadonlyArray<string>): Promise<number> => runProgram(spec, argv, searching)
