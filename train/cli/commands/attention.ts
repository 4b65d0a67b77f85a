/** `npm run attention -- --model DIR --image FILE --out DIR`: where a network looks in an image, and what is alike in it, as PNG. */
import { join } from 'node:path'
import * as O from 'fp-ts/lib/Option.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { commandLine } from '../../../core/command.ts'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import { shownName } from '../../../core/text.ts'
import type { Image } from '../../../data/readers/dataset.ts'
import { contactSheet, writePng } from '../../../data/readers/pictures/picture.ts'
import type { Arguments, CommandSpec } from '../arguments.ts'
import { unitImage } from '../../judge/evaluate/encoder.ts'
import type { Reading } from '../reading.ts'
import { readingFrom, readingSettings } from '../reading.ts'
import { lookAt } from '../../judge/interpret/look.ts'
import { picturesOf } from '../../judge/interpret/pictures.ts'
import type { Images, Output, Ready } from './program.ts'
import {
  imagesAsked,
  isWhole,
  modelOptions,
  needed,
  programOptions,
  numberOption,
  runProgram,
  tableText,
  textOption,
  withNetwork,
  withoutOption,
} from './program.ts'
import { folderMade } from '../../../data/formats/file.ts'

const spec: CommandSpec = {
  call: commandLine('attention'),
  about: [
    'Where the class token of the last block looks in an image, for every head, and what is alike in it. Writes into a folder:',
    '',
    '  attention-N.png, attention-mean.png   attention over the image, head by head; that of registers is left out',
    '  mask-mean.png                         the patches that hold a share of its mass',
    '  boxes.png                             boxes around what holds most attention',
    '  pca.png, pca-foreground.png           three principal components of the patches as colours',
    '  overview.png                          all of them on one sheet',
  ].join('\n'),
  answers: ['target', 'threads', 'set'],
  settings: readingSettings,
  options: [
    ...modelOptions,
    ...programOptions,
    {
      name: 'image',
      value: 'FILE',
      text: "a picture, DICOM, NIfTI or npz file; with --program also what its reader opens, by default its run's images",
    },
    { name: 'out', value: 'DIR', text: 'the folder to write into' },
    { name: 'item', value: 'N', text: 'which image, slice or frame of the file, from 0; 0 by default' },
    {
      name: 'size',
      value: 'PIXELS',
      text: 'the shorter side that the network sees, as it was trained by default: larger ones give finer maps',
    },
    { name: 'mass', value: 'SHARE', text: 'the share of attention that masks and boxes hold; 0.6 by default' },
  ],
}

/**
 * One of the images, in 0..1: of those of a file, or of a program's run, those that it is tested with. Which of several is looked at is
 * said where none was asked for.
 */
const imageOf = ({ name, isOwn, splits }: Images, r: Ready, asked: number | undefined, reading: Reading): TaskEither<Fault, Image> =>
  pipe(
    splits(r, reading),
    TE.mapLeft((f) => ({ ...f, remedy: f.remedy.replace('--data', '--image') })),
    TE.chain((found) => {
      const test = found.get('test')
      const [first] = found.values()
      const d = isOwn && test !== undefined && test.length > 0 ? test : first
      const item = asked ?? 0
      if (asked === undefined && d !== undefined && d.length > 1)
        r.progress.say(
          `${name} has ${d.length} images: the first is looked at${d.sourceOf === undefined ? '' : `, ${shownName(d.sourceOf(0))}`}; --item N names another`,
        )
      return d === undefined || item >= d.length
        ? TE.left(
            fault('usage', {
              place: '--item',
              found: String(item),
              allowed: `0 to ${(d?.length ?? 0) - 1}, the images of ${name}`,
              remedy: 'name one of these',
            }),
          )
        : unitImage(d, item)
    }),
  )

const attention = (a: Arguments): TaskEither<Fault, Output> =>
  pipe(
    TE.Do,
    TE.bind('model', () => TE.fromEither(needed(spec, 'model', textOption(a, 'model')))),
    TE.bind('images', () => TE.fromEither(imagesAsked(spec, a, O.fromNullable(textOption(a, 'image')), withoutOption(spec, 'image')))),
    TE.bind('out', () => TE.fromEither(needed(spec, 'out', O.toUndefined(a.out)))),
    TE.bind('item', () => TE.fromEither(numberOption(spec, a, 'item', 0, (n) => n === 0 || isWhole(n), 'a whole number from 0'))),
    TE.bind('side', () => TE.fromEither(numberOption(spec, a, 'size', 0, isWhole, 'a whole number of pixels'))),
    TE.bind('mass', () => TE.fromEither(numberOption(spec, a, 'mass', 0.6, (n) => n > 0 && n <= 1, 'a share above 0, up to 1'))),
    TE.bind('reading', ({ model }) => readingFrom(a, model)),
    TE.chain(({ model, images, out, item, side, mass, reading }) =>
      withNetwork(a, model, (ready) => {
        const { device, frozen, root } = ready
        return pipe(
          TE.Do,
          TE.bind('image', () => imageOf(images, ready, textOption(a, 'item') === undefined ? undefined : item, reading)),
          TE.bind('seen', ({ image }) => lookAt(device, frozen, root, { mass, ...(side === 0 ? {} : { side }) })(image)),
          TE.bind('drawn', ({ seen }) => TE.fromEither(picturesOf(mass)(seen))),
          TE.bind('sheet', ({ drawn }) =>
            TE.fromEither(
              contactSheet({ columns: Math.min(6, Math.ceil(Math.sqrt(drawn.length))), gap: 6 })(drawn.map(([, image]) => image)),
            ),
          ),
          TE.chainFirst(() => folderMade(out)),
          TE.bind('files', ({ drawn, sheet }) =>
            pipe(
              [...drawn, ['overview', sheet] as const],
              TE.traverseSeqArray(([name, picture]) =>
                pipe(
                  writePng(join(out, `${name}.png`))(picture),
                  TE.map(() => `${name}.png`),
                ),
              ),
            ),
          ),
          TE.map(({ seen, files }): Output => ({
            text: `${seen.boxes.length === 0 ? 'no region is large enough for a box' : tableText(seen.boxes.map((b) => ({ x: b.x, y: b.y, width: b.width, height: b.height, score: b.score })))}\n${files.length} pictures in ${out}`,
            json: {
              model,
              image: images.name,
              target: device.name,
              out,
              size: { height: seen.image.height, width: seen.image.width },
              grid: seen.grid,
              heads: seen.heads.length,
              mass,
              boxes: seen.boxes,
              files,
            },
          })),
        )
      }),
    ),
  )

export const main = (argv: ReadonlyArray<string>): Promise<number> => runProgram(spec, argv, attention)
