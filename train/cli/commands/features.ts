/** `npm run features -- --model DIR --data DIR|FILE --out FILE.safetensors`: class tokens and patch features of every image. */
import { extname } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { commandLine } from '../../../core/command.ts'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import { sizeOf } from '../../../core/type.ts'
import type { Dataset } from '../../../data/readers/dataset.ts'
import { subset } from '../../../data/readers/subset.ts'
import type { Arguments, CommandSpec } from '../arguments.ts'
import type { Encoder } from '../../judge/evaluate/encoder.ts'
import { encoder } from '../../judge/evaluate/encoder.ts'
import { readingFrom, readingSettings } from '../reading.ts'
import type { Table, Tables } from '../../judge/evaluate/table.ts'
import { formats, isFormat } from '../../judge/evaluate/formats.ts'
import { digestOf, tableOf, tensorsOf } from '../../judge/evaluate/table.ts'
import { isSilent } from '../ranks.ts'
import type { Ready, Output } from './program.ts'
import {
  isWhole,
  modelOptions,
  programOptions,
  imagesAsked,
  needed,
  numberOption,
  runProgram,
  tableText,
  textOption,
  withNetwork,
} from './program.ts'

const spec: CommandSpec = {
  call: commandLine('features'),
  about: [
    'Writes the features of every image: cls [n, D], patches [n, N, D] in rows of the grid, and label [n] where all have one. Where the data have',
    'several splits, names begin with theirs: train/cls. Beside them stand the files of the images, the names of the classes (files, classes), and the',
    "sha256 of the network's numbers (model_sha256): in safetensors as metadata, the lists as JSON. A csv or parquet has one row for each image.",
  ].join('\n'),
  answers: ['target', 'threads', 'set'],
  settings: readingSettings,
  options: [
    ...modelOptions,
    ...programOptions,
    { name: 'data', value: 'DIR|FILE', text: 'images; mnist for the digits that are shipped' },
    { name: 'out', value: 'FILE', text: 'the file to write' },
    {
      name: 'format',
      value: 'NAME',
      choices: Object.keys(formats),
      text: 'the kind of file; by default as its ending says',
    },
    { name: 'split', value: 'NAME', choices: ['train', 'val', 'test', 'all'], text: 'only this split' },
    { name: 'limit', value: 'N', text: 'only the first images of each split' },
    { name: 'no-patches', text: 'leave patch features out: they are large' },
  ],
}

/** What one tensor of a file can hold. */
const largest = 2 ** 32

const chosen = (a: Arguments, splits: ReadonlyMap<string, Dataset>): Either<Fault, ReadonlyMap<string, Dataset>> => {
  const split = textOption(a, 'split')
  const one = split === undefined ? undefined : splits.get(split)
  return split === undefined
    ? E.right(splits)
    : one !== undefined
      ? E.right(new Map([[split, one]]))
      : E.left(
          fault('usage', {
            place: '--split',
            found: split,
            allowed: [...splits.keys()].join(', '),
            remedy: 'name a split that the data have',
          }),
        )
}

/** The kind of file that is written. Fault: an ending that is none, where no option says the kind. */
const formatFor = (a: Arguments, out: string): Either<Fault, keyof typeof formats> => {
  const asked = textOption(a, 'format')
  const ending = extname(out).slice(1)
  const format = asked ?? (ending === '' ? 'safetensors' : ending)
  return isFormat(format)
    ? E.right(format)
    : E.left(
        fault('usage', {
          place: `--out ${out}`,
          found: `the ending .${ending}`,
          allowed: Object.keys(formats)
            .map((name) => `.${name}`)
            .join(', '),
          remedy: `write --out ${out.slice(0, -ending.length)}safetensors, for example, or name the kind with --format`,
        }),
      )
}

const first =
  (limit: number) =>
  (d: Dataset): Either<Fault, Dataset> =>
    d.length <= limit
      ? E.right(d)
      : subset(
          Array.from({ length: limit }, (_, i) => i),
          d.name,
        )(d)

const featuresOf =
  (r: Ready, eye: Encoder, split: string, dim: number) =>
  (d: Dataset): TaskEither<Fault, Table> => {
    if (4 * d.length * dim >= largest)
      return TE.left(
        fault('usage', {
          place: `--data: ${d.name}`,
          found: `${d.length} images with ${dim} numbers each in one tensor`,
          allowed: 'tensors of less than 4 GiB',
          remedy: 'pass --no-patches, or fewer images with --limit',
        }),
      )
    return pipe(
      eye.encode(d, r.progress),
      TE.map((e) => tableOf(split, d, e)),
      TE.chainFirst(() =>
        TE.fromIO(() => {
          r.progress.end()
        }),
      ),
    )
  }

/** By the first of the ranks that have made them. */
const writtenOnce = (format: keyof typeof formats, out: string, tables: Tables): TaskEither<Fault, void> =>
  isSilent() ? TE.right(undefined) : formats[format](out, tables)

const features = (a: Arguments): TaskEither<Fault, Output> =>
  pipe(
    TE.Do,
    TE.bind('model', () => TE.fromEither(needed(spec, 'model', textOption(a, 'model')))),
    TE.bind('images', () => TE.fromEither(imagesAsked(spec, a))),
    TE.bind('out', () => TE.fromEither(needed(spec, 'out', O.toUndefined(a.out)))),
    TE.bind('limit', () =>
      TE.fromEither(numberOption(spec, a, 'limit', Infinity, (n) => n === Infinity || isWhole(n), 'a whole number from 1')),
    ),
    TE.bind('reading', ({ model }) => readingFrom(a, model)),
    TE.bind('format', ({ out }) => TE.fromEither(formatFor(a, out))),
    TE.chain(({ model, images, out, format, limit, reading }) =>
      withNetwork(
        a,
        model,
        (r) =>
          pipe(
            TE.Do,
            TE.bind('splits', () =>
              pipe(
                images.splits(r, reading),
                TE.chainEitherK((s) => chosen(a, s)),
              ),
            ),
            TE.bind('eye', () =>
              encoder(r.device, r.frozen, r.root, (look) =>
                a.extra.has('no-patches') ? { cls: look.cls } : { cls: look.cls, patches: look.patches },
              ),
            ),
            TE.bind('tables', ({ splits, eye }) =>
              pipe(
                [...splits],
                TE.traverseSeqArray(([name, d]) =>
                  pipe(
                    TE.fromEither(first(limit)(d)),
                    TE.chain(
                      featuresOf(
                        r,
                        eye,
                        name,
                        a.extra.has('no-patches')
                          ? r.frozen.width
                          : r.frozen.width * Math.max(1, (eye.size.height * eye.size.width) / r.frozen.patch ** 2),
                      ),
                    ),
                  ),
                ),
                TE.map((tables): Tables => ({
                  splits: tables,
                  metadata: { model, data: images.name, model_sha256: digestOf(r.frozen) },
                })),
              ),
            ),
            TE.chainFirst(({ tables }) => writtenOnce(format, out, tables)),
            TE.bind('tensors', ({ tables }) => TE.right([...tensorsOf(tables)])),
            TE.map(({ tables, tensors, eye }): Output => ({
              text: `${tableText(tensors.map(([tensor, x]) => ({ tensor, type: x.dtype, shape: `[${x.shape.join(', ')}]` })))}\nwritten to ${out}`,
              json: {
                model,
                data: images.name,
                target: r.device.name,
                out,
                model_sha256: tables.metadata['model_sha256'],
                size: eye.size,
                tensors: Object.fromEntries(tensors.map(([name, x]) => [name, x.shape])),
                numbers: tensors.reduce((n, [, x]) => n + sizeOf(x.shape), 0),
              },
            })),
          ),
        { isShared: true },
      ),
    ),
  )

export const main = (argv: ReadonlyArray<string>): Promise<number> => runProgram(spec, argv, features)
