/**
 * Files of `torch.save`. Since PyTorch 1.6 they are zip archives of a pickle, `NAME/data.pkl`, and of storages, `NAME/data/KEY`; before,
 * pickles one behind the other (a number, the protocol, the machine, the value, the keys of storages), and then the storages, each behind
 * its length.
 */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Fault } from '../../../core/fault.ts'
import { faultsOf } from '../../../core/fault.ts'
import { elements } from '../element.ts'
import { readAt, withFile } from '../file.ts'
import type { Stored } from '../stored.ts'
import type { Member } from '../zip.ts'
import { contentBytes, zipMembers } from '../zip.ts'
import type { Read, Unread } from './pickle.ts'
import { readPickle } from './pickle.ts'
import type { StorageBytes } from './tensor.ts'
import { storedTensor } from './tensor.ts'
import type { Torch, TorchTensor, TorchValue } from './values.ts'
import { tensorsIn, torchMaker, torchTypes } from './values.ts'

const wrong = faultsOf('data')

const inPython = "in Python, where the file is trusted: torch.save(model.state_dict(), 'weights.pth')"

/** A name that is not known, in the words of those who made the file. */
const unread = (place: string, u: Unread): Fault => {
  if (u._tag === 'Short')
    return wrong(place, 'a pickle that ends too early', 'a whole file of torch.save', 'copy or download the file again')
  return /torch\.distributed\b/.test(u.found)
    ? wrong(
        place,
        `${u.found}: one rank's share of a distributed checkpoint`,
        'the state of a whole network',
        'gather it in Python (FSDP with StateDictType.FULL_STATE_DICT), and save that',
      )
    : wrong(place, u.found, 'tensors, storages and plain containers: no code from a file is ever run', `save the tensors alone ${inPython}`)
}

const storedOf = (file: string, tensors: ReadonlyMap<string, TorchTensor>, storage: StorageBytes): Either<Fault, Stored> =>
  tensors.size === 0
    ? E.left(wrong(file, 'a pickle without a tensor', 'a dictionary of tensors', `save the state of a network ${inPython}`))
    : E.right({ metadata: {}, notes: [], tensors: new Map([...tensors].map(([name, t]) => [name, storedTensor(file, name, t, storage)])) })

const pickled = (place: string, bytes: Uint8Array): Either<Fault, TorchValue> =>
  pipe(
    readPickle<Torch>(torchMaker)(bytes, 0),
    E.bimap(
      (u) => unread(place, u),
      ({ value }) => value,
    ),
  )

const largestPickle = 2 ** 31 - 1

const whole = (m: Member): TaskEither<Fault, Uint8Array> =>
  pipe(
    m.content,
    TE.chain((c) => contentBytes(c)(0, m.length)),
  )

/** What an archive without the pickle of a state is. */
const otherArchive = (file: string, names: ReadonlyArray<string>): Fault =>
  names.some((n) => n.endsWith('.npy'))
    ? wrong(
        file,
        'arrays of numpy (.npz)',
        'a file of torch.save or safetensors',
        "write them in Python: safetensors.numpy.save_file(dict(numpy.load(file)), 'weights.safetensors')",
      )
    : names.some((n) => n.endsWith('.weights.h5') || n.endsWith('.keras'))
      ? wrong(file, 'a model of Keras', 'a file of torch.save or safetensors', 'convert it in Python with the package that made it')
      : wrong(
          file,
          `a zip archive without data.pkl: ${names.slice(0, 4).join(', ')}`,
          'a file of torch.save',
          'unpack it, or download the file again',
        )

/** An archive. Faults: another kind of archive; names that the pickle may not name; a damaged one. */
export const openArchive = (file: string): TaskEither<Fault, Stored> =>
  pipe(
    zipMembers(file, { memoryBytes: largestPickle, folder: join(tmpdir(), 'dinograph') }),
    TE.mapLeft((f) => ({ ...f, allowed: 'a whole file of torch.save' })),
    TE.bindTo('members'),
    TE.bind('pickle', ({ members }) => {
      const names = members.map((m) => m.name)
      if (names.some((n) => n.endsWith('/constants.pkl') || /\/code\/.*\.py$/.test(n)))
        return TE.left(
          wrong(
            file,
            'a program of TorchScript',
            'the state of a network, as torch.save writes it',
            "save its tensors in Python: torch.save(torch.jit.load(file).state_dict(), 'weights.pth')",
          ),
        )
      const found = members.find((m) => /(?:^|\/)data\.pkl$/.test(m.name))
      return found === undefined ? TE.left(otherArchive(file, names)) : TE.right(found)
    }),
    TE.bind('order', ({ members, pickle }) => {
      const order = members.find((m) => m.name === pickle.name.replace(/data\.pkl$/, 'byteorder'))
      return order === undefined
        ? TE.right('little')
        : pipe(
            whole(order),
            TE.map((bytes) => new TextDecoder().decode(bytes)),
          )
    }),
    TE.filterOrElse(
      ({ order }) => order !== 'big',
      () =>
        wrong(
          file,
          'numbers with their high bytes first',
          'numbers with their low bytes first',
          'save it on a machine of the usual kind (x86, ARM)',
        ),
    ),
    TE.bind('bytes', ({ pickle }) => whole(pickle)),
    TE.chainEitherK(({ members, pickle, bytes }) => {
      const at = pickle.name.replace(/data\.pkl$/, 'data/')
      const byKey = new Map(members.map((m) => [m.name, m]))
      const storage: StorageBytes = (key, from, length) => {
        const member = byKey.get(`${at}${key}`)
        return member === undefined
          ? TE.left(wrong(file, `no storage ${at}${key}`, 'every storage that the pickle names', 'copy or download the file again'))
          : pipe(
              member.content,
              TE.chain((c) => contentBytes(c)(from, length)),
            )
      }
      return pipe(
        pickled(`${file}: ${pickle.name}`, bytes),
        E.chain((value) => storedOf(file, tensorsIn(value), storage)),
      )
    }),
  )

/** The number that files before PyTorch 1.6 begin with. */
const magic = 0x1950a86a20f9469cfc6cn

/** One pickle behind the other, from a place on. */
const several = (bytes: Uint8Array, n: number, from: number): Either<Unread, ReadonlyArray<Read<Torch>>> => {
  const out: Array<Read<Torch>> = []
  for (let at = from; out.length < n;) {
    const read = readPickle<Torch>(torchMaker)(bytes, at)
    if (E.isLeft(read)) return read
    out.push(read.right)
    at = read.right.end
  }
  return E.right(out)
}

/** Bytes that are read of a file at first; pickles of networks are shorter as a rule. */
const firstBytes = 2 ** 22

interface Legacy {
  readonly value: TorchValue
  readonly keys: ReadonlyArray<string>
  /** Where the storages begin. */
  readonly end: number
}

const legacyOf = (file: string, bytes: Uint8Array, complete: boolean): Either<Unread, Either<Fault, Legacy>> =>
  pipe(
    readPickle<Torch>(torchMaker)(bytes, 0),
    E.chain((first) =>
      first.value !== magic
        ? // a pickle that torch did not write: its value is all that there is
          E.right(E.right({ value: first.value, keys: [], end: first.end }))
        : pipe(
            several(bytes, 4, first.end),
            E.map(([, , value, keys]): Either<Fault, Legacy> => {
              const list = keys.value
              const names =
                typeof list === 'object' && list !== null && list._tag === 'List'
                  ? list.items.flatMap((k) => (typeof k === 'string' || typeof k === 'number' ? [String(k)] : []))
                  : undefined
              return names === undefined
                ? E.left(wrong(file, 'no list of storages', 'a whole file of torch.save', 'copy or download the file again'))
                : E.right({ value: value.value, keys: names, end: keys.end })
            }),
          ),
    ),
    E.mapLeft((u) => (complete || u._tag === 'Wrong' ? u : { _tag: 'Short' as const })),
  )

/** Bytes of elements that cannot be read: what lies behind them can. */
const foreignWidths: Readonly<Record<string, number>> = {
  ComplexFloatStorage: 8,
  ComplexDoubleStorage: 16,
  QInt8Storage: 1,
  QUInt8Storage: 1,
  QInt32Storage: 4,
}

/** Bytes of an element of storages by key, as the tensors in a value say their types. */
const widths = (tensors: ReadonlyMap<string, TorchTensor>): ReadonlyMap<string, number> =>
  new Map(
    [...tensors.values()].flatMap(({ storage: { key, type } }) => {
      const width = Object.hasOwn(torchTypes, type) ? elements[torchTypes[type]].bytes : foreignWidths[type]
      return width === undefined ? [] : [[key, width] as const]
    }),
  )

/** A file of pickles. Faults: as `openArchive`. */
export const openLegacy = (file: string): TaskEither<Fault, Stored> =>
  withFile(
    'data',
    file,
  )(async (handle, length) => {
    const read = readAt('data', file)
    for (let size = Math.min(length, firstBytes); ; size = Math.min(length, 4 * size)) {
      const bytes = await read(handle, 0, size)
      if (E.isLeft(bytes)) return bytes
      const parsed = legacyOf(file, bytes.right, size === length)
      if (E.isLeft(parsed)) {
        if (parsed.left._tag === 'Short' && size < length) continue
        return E.left(unread(file, parsed.left))
      }
      if (E.isLeft(parsed.right)) return parsed.right
      const { value, keys, end } = parsed.right.right
      const tensors = tensorsIn(value)
      const each = widths(tensors)
      const places = new Map<string, number>()
      let at = end
      for (const key of keys) {
        const head = await read(handle, at, 8)
        if (E.isLeft(head)) return head
        places.set(key, at + 8)
        const n = Number(new DataView(head.right.buffer).getBigInt64(0, true))
        const width = each.get(key)
        // without a width nothing behind it can be found
        if (width === undefined) break
        at += 8 + n * width
      }
      return storedOf(file, tensors, (key, from, n) => {
        const place = places.get(key)
        return place === undefined
          ? TE.left(wrong(file, `no storage ${key}`, 'every storage that the pickle names', 'copy or download the file again'))
          : withFile('data', file)((again) => read(again, place + from, n))
      })
    }
  })
