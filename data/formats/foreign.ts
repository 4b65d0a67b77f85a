/** Which format a file is of, by its first bytes: those that hold tensors and are read, and strangers, which are named as what they are. */
import * as E from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Fault } from '../../core/fault.ts'
import { faultsOf } from '../../core/fault.ts'
import { readAt, withFile } from './file.ts'
import { openSafetensors } from './safetensors.ts'
import type { Stored } from './stored.ts'
import { openArchive, openLegacy } from './torch/file.ts'

const convert = 'convert it in Python: safetensors.torch.save_file(state, "weights.safetensors")'
const again = 'download the file itself again'

interface Stranger {
  readonly is: (head: Uint8Array, text: string) => boolean
  readonly name: string
  readonly remedy: string
}

const begins =
  (...codes: ReadonlyArray<number | string>) =>
  (head: Uint8Array, text: string): boolean =>
    codes.every((c, i) => (typeof c === 'string' ? text.startsWith(c) : head[i] === c))

const textAt =
  (at: number, s: string) =>
  (_: Uint8Array, text: string): boolean =>
    text.startsWith(s, at)

const strangers: ReadonlyArray<Stranger> = [
  {
    is: begins('version https://git-lfs'),
    name: 'a pointer of git-lfs, without the file that it stands for',
    remedy: 'fetch the file: git lfs pull, or download it from the page of the model',
  },
  {
    is: (_, text) => /^\s*(?:<!doctype html|<html|<\?xml|<head|<!--)/i.test(text),
    name: 'a web page',
    remedy: `${again}: an address of the hub has /resolve/ in it, and gated models need a token`,
  },
  { is: begins('GGUF'), name: 'a GGUF file', remedy: convert },
  { is: begins('\x89HDF\r\n'), name: 'an HDF5 file (Keras)', remedy: convert },
  { is: textAt(4, 'TFL3'), name: 'a TFLite model', remedy: convert },
  {
    is: (head, text) => head[0] === 8 && head[1] > 0 && head[1] < 32 && (head[2] === 0x12 || /onnx|pytorch|graph/i.test(text)),
    name: 'an ONNX model',
    remedy: 'take the weights that it was exported from',
  },
  { is: begins('\x93NUMPY'), name: 'an array of numpy (.npy)', remedy: 'give a file of named tensors' },
  { is: begins(0x1f, 0x8b), name: 'a gzip archive', remedy: 'unpack it' },
  { is: begins(0x28, 0xb5, 0x2f, 0xfd), name: 'a zstd archive', remedy: 'unpack it' },
  { is: begins('\xfd7zXZ'), name: 'an xz archive', remedy: 'unpack it' },
  { is: begins('BZh'), name: 'a bzip2 archive', remedy: 'unpack it' },
  { is: begins('7z\xbc\xaf'), name: 'a 7z archive', remedy: 'unpack it' },
  { is: begins('Rar!'), name: 'a RAR archive', remedy: 'unpack it' },
  {
    is: textAt(257, 'ustar'),
    name: 'a tar archive',
    remedy: 'unpack it, or, where torch.save wrote it, save it again with a version since 0.2',
  },
  { is: begins('PAR1'), name: 'a Parquet file', remedy: 'give a file of weights' },
  { is: begins('%PDF'), name: 'a PDF document', remedy: 'give a file of weights' },
  { is: begins('\x89PNG'), name: 'a PNG picture', remedy: 'give a file of weights; pictures are --data or --image' },
  { is: begins(0xff, 0xd8, 0xff), name: 'a JPEG picture', remedy: 'give a file of weights; pictures are --data or --image' },
  { is: begins('ggml'), name: 'a GGML file', remedy: convert },
  {
    is: (head, text) => head[0] >= 0x81 && head[0] <= 0x8f && /^.[\xa0-\xbf\xd9]/.test(text),
    name: 'a msgpack file (Flax)',
    remedy: 'convert it in Python with transformers: AutoModel.from_pretrained(folder, from_flax=True).save_pretrained(folder)',
  },
]

const isText = (head: Uint8Array): boolean => head.every((b) => b >= 32 || b === 9 || b === 10 || b === 13)

/** How much of a file says what it is. */
const headBytes = 512

/** A header of safetensors begins with its length and a record. */
const isSafetensors = (head: Uint8Array): boolean => head.length >= 9 && head[8] === 0x7b

const isZip = begins('PK\x03\x04')
const isEmptyZip = begins('PK\x05\x06')

/** Pickles since protocol 2 say so; older ones begin with a container or a name. */
const isPickle = (head: Uint8Array, text: string): boolean =>
  (head[0] === 0x80 && head[1] >= 2 && head[1] <= 5) || /^(?:\(d|\(l|ccollections\n|c__builtin__\n|L\d+L\n)/.test(text)

const refuse = (path: string, found: string, remedy: string): TaskEither<Fault, never> =>
  TE.left(faultsOf('data')(path, found, 'a safetensors file, or one of torch.save (.pth, .pt, .bin)', remedy))

/** What a file of a few bytes of text says, for the answer of a hub that was saved in place of a file. */
const said = (text: string): string => {
  const line = text.trim().split('\n')[0] ?? ''
  return line.length > 60 ? `${line.slice(0, 57)}...` : line
}

/**
 * Opens a file of tensors, whatever it is called: safetensors, or what `torch.save` writes. Faults: nothing there; a file of another
 * kind, by its name; those of the formats.
 */
export const openTensors = (path: string): TaskEither<Fault, Stored> =>
  pipe(
    withFile(
      'data',
      path,
    )(async (handle, length) =>
      pipe(
        await readAt('data', path)(handle, 0, Math.min(length, headBytes)),
        E.map((head) => ({ head, length })),
      ),
    ),
    TE.chain(({ head, length }) => {
      const text = new TextDecoder('latin1').decode(head)
      if (length === 0) return refuse(path, 'an empty file', again)
      const stranger = strangers.find((s) => s.is(head, text))
      if (isZip(head, text)) return openArchive(path)
      // what a stranger may begin with by chance a header of safetensors has as well: its ninth byte decides
      if (isSafetensors(head) && (stranger === undefined || !isText(head.subarray(0, 8)))) return openSafetensors(path)
      if (stranger !== undefined) return refuse(path, stranger.name, stranger.remedy)
      if (isPickle(head, text)) return openLegacy(path)
      if (isEmptyZip(head, text)) return refuse(path, 'an empty zip archive', again)
      if (head.every((b) => b === 0)) return refuse(path, 'nothing but zeros: a download that was broken off', again)
      if (isText(head)) return refuse(path, `text that begins ${JSON.stringify(said(text))}`, again)
      return length < 9 ? refuse(path, `${length} bytes`, again) : openSafetensors(path)
    }),
  )
