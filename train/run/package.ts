/** This package by its own package.json: its name, its version, and the versions that it pins. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import * as t from 'io-ts'
import type { Fault } from '../../core/fault.ts'
import { decodeAs } from '../../data/formats/codec.ts'
import { guarded } from '../../data/formats/file.ts'

const packageCodec = t.type({ name: t.string, version: t.string, dependencies: t.record(t.string, t.string) })

/** Our package.json: the nearest above this file, which stands one folder deeper where it was compiled. */
const ownPackage = (folder: URL = new URL('.', import.meta.url)): URL => {
  const [here, above] = [new URL('package.json', folder), new URL('..', folder)]
  return existsSync(here) || above.href === folder.href ? here : ownPackage(above)
}

const own: TaskEither<Fault, t.TypeOf<typeof packageCodec>> = pipe(
  guarded('io', 'package.json')(async () => E.right<Fault, unknown>(JSON.parse(await readFile(ownPackage(), 'utf8')))),
  TE.chainEitherK((text: unknown) => decodeAs(packageCodec, 'data', 'package.json', 'restore the file')(text)),
)

/** The version of this package: `0.2.0`. */
export const ownVersion: TaskEither<Fault, string> = pipe(
  own,
  TE.map((p) => p.version),
)

/** Versions of packages by name, this one first. */
export const versions: TaskEither<Fault, Readonly<Record<string, string>>> = pipe(
  own,
  TE.map((p) => ({ [p.name]: p.version, ...p.dependencies })),
)
