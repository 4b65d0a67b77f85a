/**
 * WebDataset shards: tar archives in which the members of one name but for their endings are one sample, `0001.jpg` with `0001.cls` or
 * `0001.json`. Members are listed once; a picture is read where it lies.
 */
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import { fault } from '../../../core/fault.ts'
import type { Fault } from '../../../core/fault.ts'
import { guarded, readAt, withFile } from '../../formats/file.ts'
import { sharedBytes, sharedNumbers } from '../../formats/memory.ts'
import { eachTarMember } from '../../formats/tar.ts'
import type { TarMember } from '../../formats/tar.ts'
import type { Dataset, SplitName } from '../dataset.ts'
import { sharedLabels } from '../manifest/labels.ts'
import { labelsIn } from '../manifest/meaning.ts'
import { originOf } from '../origin.ts'
import { pictureEndings } from '../pictures/file.ts'
import { reopener } from '../reader.ts'
import type { OpenOptions, Parts, Reader } from '../reader.ts'
import { counted, note } from '../note.ts'
import { look, packed, partsOf } from './packed.ts'
import type { PackedParts, Source } from './packed.ts'

interface TarParts extends PackedParts {
  readonly root: string
  readonly files: ReadonlyArray<string>
  /** Where each picture begins in its archive, and its bytes. */
  readonly offsets: Float64Array
  readonly lengths: Uint32Array
  /** Keys one after the other, and where each ends. */
  readonly keys: Uint8Array
  readonly ends: Uint32Array
}

const origin = originOf<TarParts>('webdataset')

const decoder = new TextDecoder()

const tarDataset = (p: TarParts): Dataset => {
  const keyOf = (i: number): string => decoder.decode(Uint8Array.from(p.keys.subarray(i === 0 ? 0 : p.ends[i - 1], p.ends[i])))
  const path = (i: number): string => join(p.root, p.files[p.shards[i]])
  const source: Source = {
    sourceOf: (i) => `${p.files[p.shards[i]]}/${keyOf(i)}`,
    placeOf: (i) => `${path(i)}: ${keyOf(i)}`,
    bytes: (i) => withFile('data', path(i))((handle) => readAt('data', path(i))(handle, p.offsets[i], p.lengths[i])),
  }
  return { ...packed(p, source), origin: TE.right(origin.of(p)) }
}

/** Labels of more bytes are none. */
const mostLabel = 4096

/** What a member says of its sample's classes; undefined where it says nothing of them. */
const labelIn = (ending: string, m: TarMember): unknown => {
  if (ending !== 'cls' && ending !== 'json' && ending !== 'cls2' && ending !== 'label') return undefined
  const text = decoder.decode(m.head(Math.min(m.length, mostLabel))).trim()
  if (ending !== 'json') return text
  try {
    const u: unknown = JSON.parse(text)
    if (typeof u !== 'object' || u === null) return undefined
    const found = Object.entries(u).find(([k]) => /^(labels?|class(es)?|cls|targets?|category|categories|class_name|label_name)$/i.test(k))
    return found?.[1]
  } catch {
    return undefined
  }
}

const isPicture = (ending: string): boolean => pictureEndings.includes(`.${ending.split('.').at(-1) ?? ''}`)

/** Samples as they are found, in lists that grow. */
interface Found {
  readonly offsets: number[]
  readonly lengths: number[]
  readonly shards: number[]
  /** What members say, as it is there. */
  readonly labels: unknown[]
  readonly ends: number[]
  keys: Buffer
}

/** Lists one archive. Left: the fault of one that is damaged. */
const listed = async (
  root: string,
  file: string,
  shard: number,
  found: Found,
  others: Map<string, number>,
): Promise<Either<Fault, boolean>> => {
  const before = found.ends.length
  let [key, several] = ['', 0]
  let label: unknown = ''
  let picture: readonly [number, number] | undefined
  const finish = (): void => {
    if (picture === undefined) return
    const end = found.ends.at(-1) ?? 0
    const length = Buffer.byteLength(key)
    if (end + length > found.keys.length) found.keys = Buffer.concat([found.keys, Buffer.alloc(Math.max(length, found.keys.length))])
    found.keys.write(key, end)
    found.ends.push(end + length)
    found.offsets.push(picture[0])
    found.lengths.push(picture[1])
    found.shards.push(shard)
    found.labels.push(label)
  }
  const path = join(root, file)
  const done = await eachTarMember(path, (m) => {
    const slash = m.name.lastIndexOf('/')
    const dot = m.name.indexOf('.', slash + 1)
    if (dot < 0 || m.name.startsWith('.', slash + 1)) return
    const [own, ending] = [m.name.slice(0, dot), m.name.slice(dot + 1).toLowerCase()]
    if (own !== key) {
      finish()
      key = own
      label = ''
      picture = undefined
    }
    const said = labelIn(ending, m)
    if (said !== undefined) label = ending === 'json' && label !== '' ? label : said
    else if (isPicture(ending)) {
      if (picture === undefined) picture = [m.offset, m.length]
      else several++
    } else others.set(ending, (others.get(ending) ?? 0) + 1)
  })
  finish()
  if (several > 0) others.set('further picture of a sample', (others.get('further picture of a sample') ?? 0) + several)
  if (E.isRight(done)) return done
  // what came before the damage is not taken for the whole
  for (const list of [found.ends, found.offsets, found.lengths, found.shards, found.labels]) list.length = before
  return E.left(
    fault('data', {
      place: path,
      found: done.left,
      allowed: 'a whole tar archive',
      remedy:
        'copy or download the file again, or skip what cannot be read (command data: --on-error skip; training: --set data.onError=skip)',
    }),
  )
}

/** Opens shards, their splits by their names. Faults: with onError 'stop' the first archive that is damaged; no picture in any. */
export const webdataset = (name: string, root: string, files: ReadonlyArray<string>, o: OpenOptions): TE.TaskEither<Fault, Parts> =>
  guarded(
    'data',
    root,
  )(async () => {
    const { splits, left } = partsOf(files)
    const found: Found = { offsets: [], lengths: [], shards: [], labels: [], ends: [], keys: Buffer.alloc(2 ** 16) }
    const others = new Map<string, number>()
    const skipped: Fault[] = []
    const open: string[] = []
    for (const [shard, file] of files.entries()) {
      if (left.includes(file)) continue
      const r = await listed(root, file, shard, found, others)
      if (E.isLeft(r)) {
        if (o.onError !== 'skip') return r
        skipped.push(r.left)
      } else if (!r.right) open.push(file)
      o.progress?.(shard + 1, files.length)
    }
    if (found.ends.length === 0) {
      const members = [...others].map(([ending, n]) => `${n} .${ending}`).join(', ')
      return E.left(
        skipped.at(0) ??
          fault('data', {
            place: root,
            found: `archives without a picture${members === '' ? '' : `: ${members}`}`,
            allowed: `WebDataset shards with pictures (${pictureEndings.join(', ')})`,
            remedy: 'unpack the archive, and name the folder that comes of it',
          }),
      )
    }
    const meaning = labelsIn(found.labels, o.unlabelled ?? [])
    const labels = meaning?.labels ?? { classes: [], said: [] }
    const keys = sharedBytes(found.keys.subarray(0, found.ends.at(-1) ?? 0))
    const all = {
      root,
      files,
      offsets: sharedNumbers(Float64Array, found.offsets),
      lengths: sharedNumbers(Uint32Array, found.lengths),
      shards: sharedNumbers(Int32Array, found.shards),
      ends: sharedNumbers(Uint32Array, found.ends),
      keys,
    }
    const whole = { ...all, name, length: found.ends.length }
    const bytes = (i: number) =>
      withFile(
        'data',
        join(root, files[all.shards[i]]),
      )((h) => readAt('data', join(root, files[all.shards[i]]))(h, all.offsets[i], all.lengths[i]))
    const { notes, ...decoding } = await look(whole.length, bytes, o)
    const datasets = new Map<SplitName, Dataset>()
    for (const split of ['train', 'val', 'test', 'all'] as const) {
      // archives lie one after the other, and so do their samples
      const own = splits.flatMap((s, k) => (s === split && !left.includes(files[k]) ? [k] : []))
      if (own.length === 0) continue
      const wanted = new Set(own)
      const items: number[] = []
      for (let i = 0; i < whole.length; i++) if (wanted.has(all.shards[i])) items.push(i)
      if (items.length > 0)
        datasets.set(
          split,
          tarDataset({
            ...whole,
            ...decoding,
            ...picked(all, items),
            ...sharedLabels(labels, Int32Array.from(items)),
            name: split === 'all' ? name : `${name}/${split}`,
            length: items.length,
          }),
        )
    }
    const isLabelled = labels.single !== undefined || labels.several !== undefined
    return E.right({
      splits: datasets,
      skipped,
      left,
      notes: [
        ...(open.length === 0
          ? []
          : [note(`${counted(open.length, 'archive ends', 'archives end')} without an end mark, and may be cut off`, open)]),
        ...(others.size === 0
          ? []
          : [
              `members of archives that are not read: ${[...others].map(([ending, n]) => `${n} ${/ /.test(ending) ? ending : `.${ending}`}`).join(', ')}`,
            ]),
        ...(isLabelled && meaning?.how !== undefined && meaning.how !== ''
          ? [`labels are ${meaning.how}, ${labels.classes.length} classes`]
          : []),
        ...(isLabelled ? labels.said : []),
        ...notes,
      ],
    })
  })

/** Some samples of all; all of them as they are. */
const picked = (
  all: Pick<TarParts, 'offsets' | 'lengths' | 'shards' | 'ends' | 'keys'>,
  items: ReadonlyArray<number>,
): Pick<TarParts, 'offsets' | 'lengths' | 'shards' | 'ends' | 'keys'> => {
  if (items.length === all.ends.length) return all
  const starts = items.map((i) => (i === 0 ? 0 : all.ends[i - 1]))
  const keys = new Uint8Array(new SharedArrayBuffer(items.reduce((n, i, k) => n + all.ends[i] - starts[k], 0)))
  const ends = new Uint32Array(new SharedArrayBuffer(4 * items.length))
  let at = 0
  items.forEach((i, k) => {
    keys.set(all.keys.subarray(starts[k], all.ends[i]), at)
    at += all.ends[i] - starts[k]
    ends[k] = at
  })
  const of = (from: ArrayLike<number>): ReadonlyArray<number> => items.map((i) => from[i])
  return {
    keys,
    ends,
    offsets: sharedNumbers(Float64Array, of(all.offsets)),
    lengths: sharedNumbers(Uint32Array, of(all.lengths)),
    shards: sharedNumbers(Int32Array, of(all.shards)),
  }
}

export const webdatasetReader: Reader = {
  ...reopener(origin, (parts) => TE.right(tarDataset(parts))),
  files: 'WebDataset shards (.tar)',
  matches: (path) => /\.tar$/i.test(path),
  open: { _tag: 'Shards', files: ({ name, root, paths }, o) => webdataset(name, root, paths, o) },
}
