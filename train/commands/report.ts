/** `npm run report -- --run DIR`: writes the page of a run again, also of one that was stopped or is still going. */
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../core/fault.ts'
import type { Arguments, CommandSpec } from '../arguments.ts'
import { writeReport } from '../report/report.ts'
import type { Told } from './program.ts'
import { needed, runProgram, textOption } from './program.ts'

const spec: CommandSpec = {
  call: 'npm run report --',
  about: 'Writes report.html of a run: curves, pictures of what its network sees, evaluations, configuration, environment.',
  options: [{ name: 'run', value: 'DIR', text: 'the folder of a run: finished, stopped, or still going' }],
}

const report = (a: Arguments): TaskEither<Fault, Told> => pipe(
  TE.fromEither(needed(spec, 'run', textOption(a, 'run'))),
  TE.chain((run) => pipe(writeReport(run, []), TE.map((path): Told => ({ text: path, json: { run, report: path } })))),
)

process.exitCode = await runProgram(spec, process.argv.slice(2), report)
