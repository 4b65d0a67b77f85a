/** Run by unexpected.test.ts as a program: a run in which something is thrown that nobody catches. `HOW` says where. */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import { main } from '../../train/cli/command.ts'
import { guardedProgram } from '../../train/cli/unexpected.ts'
import { constant } from '../../train/step/schedule.ts'
import { tiny } from './tiny.ts'

const how = process.env['HOW'] ?? ''

const thrown = (): never => {
  throw new Error(`thrown on purpose, with ${process.env['HF_TOKEN'] ?? 'nothing'}`)
}

const between = (step: number): TE.TaskEither<never, void> => {
  if (step === 3 && how === 'nowhere') setTimeout(thrown, 0)
  return TE.right(undefined)
}

const e = tiny({
  hypers: () =>
    E.right({
      lr: (step) => (step === 3 && how === 'step' ? thrown() : 0.01),
      wd: constant(0.04),
      momentum: constant(0.9),
      teacher_temp: constant(0.04),
    }),
})
const experiment = {
  ...e,
  resolve: (layers: Parameters<typeof e.resolve>[0]) =>
    pipe(
      e.resolve(layers),
      E.map((r) => ({ ...r, between: () => between, ...(how === 'assembling' ? { assemble: () => E.right(thrown()) } : {}) })),
    ),
}

process.exit(await guardedProgram(() => main({ experiment, call: 'thrown' }, process.argv.slice(2))))
