/** `npm run watch -- runs/a`: the page of a run on this machine while it goes on. */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { commandLine } from '../../../core/command.ts'
import type { Fault } from '../../../core/fault.ts'
import { livePages } from '../../judge/report/live.ts'
import type { Arguments, CommandSpec } from '../arguments.ts'
import { serve } from '../serving.ts'
import { stopOnSignals } from '../signals.ts'
import { print } from '../terminal.ts'
import type { Output } from './program.ts'
import { numberOption, runProgram } from './program.ts'

/** Beside that of TensorBoard. */
const usualPort = 6008

const spec: CommandSpec = {
  call: commandLine('watch'),
  about:
    'Shows the page of a run in a browser of this machine while it goes on: curves, configuration, environment, and pictures once it has ended. Nothing is written; Ctrl-C ends it.',
  answers: [],
  operands: [{ name: 'RUN', text: 'the folder of a run, which may not have begun yet' }],
  options: [{ name: 'port', value: 'N', text: `of 127.0.0.1; ${usualPort} by default, 0: any that is free` }],
}

const watch = (a: Arguments): TaskEither<Fault, Output> => {
  const [run] = a.operands
  return pipe(
    TE.fromEither(
      numberOption(spec, a, 'port', usualPort, (n) => Number.isInteger(n) && n >= 0 && n <= 65535, 'a whole number in [0, 65535]'),
    ),
    TE.chain((port) => serve(port, livePages(run))),
    TE.chain(({ url, end }) => async () => {
      const asked = new Promise<void>((resolve) => {
        stopOnSignals(resolve, resolve)
      })
      print(`${url} shows ${run}; Ctrl-C ends it`)
      await asked
      await end()
      return E.right({ text: 'ended', json: { run, url } })
    }),
  )
}

export const main = (argv: ReadonlyArray<string>): Promise<number> => runProgram(spec, argv, watch)
