/** The project that a program is written into: what the compiler of TypeScript still needs there to check it. */
import { dirname, join, relative, resolve } from 'node:path'
import * as O from 'fp-ts/lib/Option.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import * as t from 'io-ts'
import type { Fault } from '../../core/fault.ts'
import { whatIs } from '../../data/formats/file.ts'
import { readJson } from '../../data/formats/json.ts'
import { quoted } from './entry.ts'

/** Settings under which programs that tsx runs are checked; types of Node are named, as TypeScript 6 takes none by itself. */
export const tsconfig = `{
  "compilerOptions": {
    "target": "es2023",
    "module": "nodenext",
    "types": ["node"],
    "strict": true,
    "skipLibCheck": true,
    "noEmit": true
  }
}
`

/** A folder and those that it lies in, nearest first. */
const upward = (folder: string): ReadonlyArray<string> => {
  const above = dirname(folder)
  return above === folder ? [folder] : [folder, ...upward(above)]
}

/** The nearest folder, of this one and those that it lies in, in which there is such a path. */
const nearestWith = (folder: string, path: string): TaskEither<Fault, O.Option<string>> =>
  upward(resolve(folder)).reduce<TaskEither<Fault, O.Option<string>>>(
    (found, at) =>
      pipe(
        found,
        TE.chain((o) =>
          O.isSome(o)
            ? TE.right(o)
            : pipe(
                whatIs(join(at, path)),
                TE.map((what) => (what === 'nothing' ? O.none : O.some(at))),
              ),
        ),
      ),
    TE.right(O.none),
  )

const declared = t.partial({ type: t.string })

/** Whether files of the folder are modules by what its package says. */
const isModular = (folder: string): TaskEither<Fault, boolean> =>
  pipe(
    nearestWith(folder, 'package.json'),
    TE.chain(
      O.match(
        () => TE.right(false),
        (at) =>
          pipe(
            readJson(join(at, 'package.json'), declared),
            TE.map((read) => O.isSome(read) && read.value.type === 'module'),
            // a file that cannot be read is npm's to explain
            TE.orElse(() => TE.right(false)),
          ),
      ),
    ),
  )

/** What a folder has of what the compiler needs. */
export interface Project {
  /** The folder of the tsconfig.json that holds there; none where there is none. */
  readonly config: O.Option<string>
  /** Commands that bring what is missing, and the one that checks. */
  readonly check: string
}

/** Of a folder in which programs are written, with or (once it is written) without a tsconfig.json of its own or above. */
export const projectOf = (folder: string): TaskEither<Fault, Project> =>
  pipe(
    TE.Do,
    TE.bind('config', () => nearestWith(folder, 'tsconfig.json')),
    TE.bind('modular', () => isModular(folder)),
    TE.bind('missing', () =>
      pipe(
        ['typescript', '@types/node'],
        TE.traverseSeqArray((name) =>
          pipe(
            nearestWith(folder, join('node_modules', name)),
            TE.map((o) => (O.isSome(o) ? [] : [name])),
          ),
        ),
        TE.map((names) => names.flat()),
      ),
    ),
    TE.map(({ config, modular, missing }) => {
      const place = relative(
        '.',
        pipe(
          config,
          O.getOrElse(() => resolve(folder)),
        ),
      )
      return {
        config,
        check: [
          ...(modular ? [] : ['npm pkg set type=module']),
          ...(missing.length === 0 ? [] : [`npm install --save-dev ${missing.join(' ')}`]),
          `npx tsc --noEmit${place === '' ? '' : ` -p ${quoted(place)}`}`,
        ].join(' && '),
      }
    }),
  )
