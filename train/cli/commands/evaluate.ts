/** `npm run evaluate -- knn|linear|logistic|medmnist --model DIR --data DIR|FILE`: how good frozen features are. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { commandLine } from '../../../core/command.ts'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import type { Arguments, CommandSpec } from '../arguments.ts'
import type { EvaluationOptions } from '../../judge/evaluate/evaluation.ts'
import { ofWhich } from '../../judge/evaluate/evaluation.ts'
import { evaluations, isEvaluation } from '../../judge/evaluate/evaluations.ts'
import { logisticDefaults } from '../../judge/evaluate/logistic.ts'
import { readingFrom, readingSettings } from '../reading.ts'
import { partsOf } from '../../judge/evaluate/parts.ts'
import { officialRates } from '../../judge/evaluate/probe.ts'
import type { Output } from './program.ts'
import {
  isWhole,
  modelOptions,
  programOptions,
  imagesAsked,
  needed,
  numberOption,
  numbersOption,
  runProgram,
  tableText,
  textOption,
  withNetwork,
} from './program.ts'

/** Steps of a linear probe by default: officially 12,500 for a million images, here enough for tens of thousands. */
const probeSteps = 2500

const spec: CommandSpec = {
  call: commandLine('evaluate'),
  about: [
    'How good the features of a trained network are, without training it further.',
    '',
    '  knn        votes of the nearest neighbours, for every k at once',
    "  linear     the grid of linear classifiers of DINOv2's evaluation; the best is chosen by validation",
    '  logistic   logistic regression with an L2 penalty; C is chosen by validation',
    '  medmnist   ACC and AUC as MedMNIST reports them, by logistic regression',
    '',
    'knn, logistic and medmnist take L2-normalised features (every vector divided by its length), linear takes them as they are, as the official',
    'code does each; the command features writes them as they are.',
  ].join('\n'),
  operands: [{ name: 'EVALUATION', text: 'what to evaluate', choices: Object.keys(evaluations) }],
  answers: ['target', 'threads', 'set'],
  settings: readingSettings,
  options: [
    ...modelOptions,
    ...programOptions,
    {
      name: 'data',
      value: 'DIR|FILE',
      text: 'labelled images: train, val and test where there are such splits; mnist for the digits that are shipped',
    },
    { name: 'k', value: 'N,N,…', text: 'knn: numbers of neighbours; 10,20,100,200 by default' },
    { name: 'temperature', value: 'T', text: 'knn: of the votes; 0.07 by default' },
    { name: 'votes', value: 'RULE', choices: ['v1', 'v2'], text: 'knn: as DINO or as DINOv2 weighs votes; v1 by default' },
    { name: 'leave-one-out', text: 'knn: ask every image of the training part about all the others' },
    { name: 'steps', value: 'N', text: `linear: steps of training; ${probeSteps} by default` },
    { name: 'seed', value: 'N', text: 'linear: of first weights and of the order of images; 0 by default' },
    { name: 'rates', value: 'R,R,…', text: 'linear: learning rates for batches of 256; the official 13 by default' },
    { name: 'batch', value: 'N', text: 'linear: images of a step; 128 by default' },
    { name: 'c', value: 'C,C,…', text: 'logistic, medmnist: the values of C; the official 45 by default' },
  ],
}

const isPositive = (n: number): boolean => Number.isFinite(n) && n > 0

const optionsOf = (a: Arguments): Either<Fault, EvaluationOptions> =>
  pipe(
    E.Do,
    E.bind('k', () => numbersOption(spec, a, 'k', [10, 20, 100, 200], isWhole, 'whole numbers from 1 between commas')),
    E.bind('temperature', () => numberOption(spec, a, 'temperature', 0.07, isPositive, 'a number above 0')),
    E.bind('rates', () => numbersOption(spec, a, 'rates', officialRates, isPositive, 'numbers above 0 between commas')),
    E.bind('batch', () => numberOption(spec, a, 'batch', 128, isWhole, 'a whole number from 1')),
    E.bind('cs', () => numbersOption(spec, a, 'c', logisticDefaults.cs, isPositive, 'numbers above 0 between commas')),
    E.map(({ k, temperature, rates, batch, cs }): EvaluationOptions => ({
      knn: { k, temperature, votes: textOption(a, 'votes') === 'v2' ? 'v2' : 'v1', leaveOneOut: a.extra.has('leave-one-out') },
      probe: { rates, batch, steps: O.getOrElse(() => probeSteps)(a.steps), seed: O.getOrElse(() => 0)(a.seed) },
      logistic: { ...logisticDefaults, cs },
    })),
  )

const percent = (name: string, x: number): string =>
  `${name} ${Number.isFinite(x) ? `${(100 * x).toFixed(2)} %` : 'is undefined: a class has no images'}`

const evaluate = (a: Arguments): TaskEither<Fault, Output> =>
  pipe(
    TE.Do,
    TE.bind('name', () =>
      TE.fromEither(
        E.fromPredicate(isEvaluation, (s) =>
          fault('usage', {
            place: 'EVALUATION',
            found: s,
            allowed: Object.keys(evaluations).join(', '),
            remedy: `see ${spec.call} --help`,
          }),
        )(a.operands[0] ?? ''),
      ),
    ),
    TE.bind('model', () => TE.fromEither(needed(spec, 'model', textOption(a, 'model')))),
    TE.bind('images', () => TE.fromEither(imagesAsked(spec, a))),
    TE.bind('options', () => TE.fromEither(optionsOf(a))),
    TE.bind('reading', ({ model }) => readingFrom(a, model)),
    TE.chain(({ name, model, images, options, reading }) =>
      withNetwork(
        a,
        model,
        (r) =>
          pipe(
            images.splits(r, reading),
            TE.chainEitherK((splits) => partsOf(splits, r.progress.say)),
            TE.bindTo('parts'),
            TE.bind('result', ({ parts }) =>
              evaluations[name]({ device: r.device, frozen: r.frozen, root: r.root, parts, progress: r.progress, options }),
            ),
            TE.map(({ parts, result }): Output => ({
              text: `${tableText(result.table)}\n${Object.entries(result.metrics)
                .filter(([n]) => !n.startsWith('knn_'))
                .map(([n, v]) => percent(n, v))
                .join(', ')}${ofWhich(result)}`,
              json: {
                evaluation: name,
                model,
                data: images.name,
                target: r.device.name,
                train: parts.train.length,
                ...(parts.val === undefined ? {} : { val: parts.val.length }),
                test: parts.test.length,
                ...result.metrics,
                metrics: result.metrics,
                ...(result.positive === undefined ? {} : { positive: result.positive }),
                ...result.details,
              },
            })),
          ),
        { isShared: true },
      ),
    ),
  )

export const main = (argv: ReadonlyArray<string>): Promise<number> => runProgram(spec, argv, evaluate)
