/** `dinograph new experiment|loss|backbone NAME`: a program to begin with, and its test. */
import { join, relative } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { commandLine } from '../../../core/command.ts'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import { whatIs, writeText } from '../../../data/formats/file.ts'
import { isName } from '../../recipes/added.ts'
import { usualObjectives } from '../../recipes/kinds.ts'
import { usualBackbones } from '../../recipes/parts/any-network.ts'
import type { Arguments, CommandSpec } from '../arguments.ts'
import { quoted } from '../entry.ts'
import type { Template } from '../templates.ts'
import { projectOf, tsconfig } from '../project.ts'
import { templates } from '../templates.ts'
import type { Output } from './program.ts'
import { runProgram } from './program.ts'

const whats = ['experiment', 'loss', 'backbone'] as const

const spec: CommandSpec = {
  call: commandLine('new'),
  about:
    'Writes a program to begin with, NAME.ts, and its test, NAME.test.ts: an experiment, or a plugin with a loss or a backbone that configurations name; and a tsconfig.json where there is none. Files that are there stay as they are.',
  operands: [
    { name: 'WHAT', text: 'what is written', choices: whats },
    { name: 'NAME', text: 'its name: of the files, and in configurations' },
  ],
  answers: ['out'],
  options: [{ name: 'out', value: 'DIR', text: 'write into this folder, by default the working folder' }],
}

const templateOf = (what: string, name: string): Template => {
  switch (what) {
    case 'loss':
      return templates.loss(name, usualObjectives)
    case 'backbone':
      return templates.backbone(name, usualBackbones)
    default:
      return templates.experiment(name)
  }
}

const named = (name: string, { taken }: Template): Either<Fault, string> =>
  isName(name) && !taken.includes(name)
    ? E.right(name)
    : E.left(
        fault('usage', {
          place: 'NAME',
          found: taken.includes(name) ? `${name}, which there is already` : name,
          allowed: `letters, digits, dashes and underscores, a letter first${taken.length === 0 ? '' : `; not ${taken.join(', ')}`}`,
          remedy: 'choose another name, such as my-loss',
        }),
      )

const free = (path: string): TaskEither<Fault, void> =>
  pipe(
    whatIs(path),
    TE.chain((what) =>
      what === 'nothing'
        ? TE.right(undefined)
        : TE.left(
            fault('usage', {
              place: path,
              found: `a ${what} that is there already`,
              allowed: 'a name that no file has: nothing is written over',
              remedy: 'choose another name, or another folder with --out',
            }),
          ),
    ),
  )

const make = (a: Arguments): TaskEither<Fault, Output> => {
  const [what = '', name = ''] = a.operands
  const template = templateOf(what, name)
  const folder = O.getOrElse(() => '.')(a.out)
  const [program, test, settings] = [`${name}.ts`, `${name}.test.ts`, 'tsconfig.json'].map((file) => join(folder, file))
  const shown = (path: string): string => quoted(relative('.', path))
  return pipe(
    TE.fromEither(named(name, template)),
    TE.chain(() => free(program)),
    TE.chain(() => free(test)),
    TE.chain(() => writeText(program, template.program)),
    TE.chain(() => writeText(test, template.test)),
    TE.chain(() => projectOf(folder)),
    TE.chainFirst(({ config }) => (O.isSome(config) ? TE.right(undefined) : writeText(settings, tsconfig))),
    TE.map(({ config, check }) => ({
      text: [
        `${shown(program)}: ${template.about}; ${shown(test)}: its test${O.isSome(config) ? '' : `; ${shown(settings)}: how types are checked`}`,
        `to test it:  npx tsx --test ${shown(test)}`,
        `to train it: ${template.train(shown(program))}`,
        `to check its types: ${check}`,
      ].join('\n'),
      json: { program, test, ...(O.isSome(config) ? {} : { tsconfig: settings }) },
    })),
  )
}

export const main = (argv: ReadonlyArray<string>): Promise<number> => runProgram(spec, argv, make)
