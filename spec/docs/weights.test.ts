/** The table of docs/weights.md, of kinds of files by origins: each of its cells is tried. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import { expect, it } from 'vitest'
import { declarations } from '../../core/model.ts'
import { sizeOf } from '../../core/type.ts'
import type { HostTensors } from '../../data/formats/tensor.ts'
import { floatsOf } from '../../data/formats/tensor.ts'
import { readSafetensors, writeSafetensors } from '../../data/formats/safetensors.ts'
import { convnexts } from '../../models/huggingface/convnext.ts'
import { families } from '../../models/huggingface/families.ts'
import type { Pyramid } from '../../models/huggingface/family.ts'
import { swins } from '../../models/huggingface/swin.ts'
import { huggingFaceTypes } from '../../models/huggingface/types.ts'
import { forms } from '../../train/exchange/huggingface/forms.ts'
import { writeOfficialPyramid, writePyramid } from '../../train/exchange/huggingface/pyramid-writer.ts'
import { readModel, readPyramid } from '../../train/exchange/model.ts'
import { right } from '../data/either.ts'
import { backbones, temporary, weightsOf } from '../huggingface/backbones.ts'
import { floats, torchArchive } from '../support/torch-file.ts'
import { wave } from '../support/tensor.ts'

const at = temporary()

/** What an origin writes: tensors by its names, and its config.json where it has one. */
interface Written {
  readonly tensors: HostTensors
  readonly config?: string
  /** Of attention, where a person has to say them. */
  readonly heads?: number
}

const writtenAt = async (folder: string, file: string, heads?: number): Promise<Written> => {
  const { tensors } = right(await readSafetensors(join(folder, file))())
  return {
    tensors,
    ...(file === 'model.safetensors' ? { config: readFileSync(join(folder, 'config.json'), 'utf8') } : {}),
    ...(heads === undefined ? {} : { heads }),
  }
}

type Type = keyof typeof backbones

const vitAs = (type: Type, form: 'huggingface' | 'official' | 'timm', heads?: number) => async (): Promise<Written> => {
  const model = backbones[type]
  const folder = at(`${type}-${form}`)
  right(await forms[form](folder, {})({ model, weights: weightsOf(model) })())
  return writtenAt(folder, form === 'official' ? 'official.safetensors' : 'model.safetensors', heads)
}

const pyramids: Readonly<Record<string, Pyramid>> = {
  swin: swins.pyramid({ width: 4, depths: [1, 1], heads: [1, 2], patch: 2, window: 3, image: 12 }),
  dinov3_convnext: convnexts.pyramid({ widths: [4, 6], depths: [1, 1], image: 16 }),
}

const pyramidAs = (type: string, official: boolean) => async (): Promise<Written> => {
  const model = pyramids[type]
  const folder = at(`${type}-${official ? 'official' : 'huggingface'}`)
  const weights = new Map(declarations(model.params).map(([path, d], i) => [path, Float32Array.from(wave(sizeOf(d.shape), i))]))
  right(await (official ? writeOfficialPyramid : writePyramid)(folder)({ model, weights })())
  return writtenAt(folder, official ? 'official.safetensors' : 'model.safetensors')
}

const types = Object.keys(huggingFaceTypes).filter((t): t is Type => Object.hasOwn(backbones, t))

/** By what the table calls them: those of every type that is read, and of every family with stages. */
const origins: ReadonlyArray<readonly [string, () => Promise<Written>]> = [
  ...types.map((type) => [`Hugging Face, \`${type}\``, vitAs(type, 'huggingface')] as const),
  ...families.map(({ type }) => [`Hugging Face, \`${type}\``, pyramidAs(type, false)] as const),
  ['official names, DINO', vitAs('vit', 'official')],
  ['official names, DINO, `--heads`', vitAs('vit', 'official', 2)],
  ['official names, DINOv2, `--heads`', vitAs('dinov2', 'official', 2)],
  ['official names, DINOv2 with registers, `--heads`', vitAs('dinov2_with_registers', 'official', 2)],
  ['official names, DINOv3', vitAs('dinov3_vit', 'official')],
  ...families.map(({ type, name }) => [`official names, ${name}`, pyramidAs(type, true)] as const),
  ['timm, DINOv2', vitAs('dinov2', 'timm')],
  ['timm, DINOv3', vitAs('dinov3_vit', 'timm')],
]

const asTorch = (tensors: HostTensors): Uint8Array =>
  torchArchive({ dict: [...tensors].map(([name, x], i) => [name, floats(`${i}`, x.shape, right(floatsOf(name)(x)))] as const) })

const asSafetensors = async (file: string, tensors: HostTensors): Promise<void> => {
  right(await writeSafetensors(file)({ tensors, metadata: {} })())
}

const folderOf = (name: string, { config }: Written): string => {
  mkdirSync(at(name), { recursive: true })
  if (config !== undefined) writeFileSync(join(at(name), 'config.json'), config)
  return at(name)
}

/** By what the table calls them; each gives the path that is named. */
const kinds: ReadonlyArray<readonly [string, (name: string, w: Written) => Promise<string>]> = [
  [
    'folder',
    async (name, w) => {
      const folder = folderOf(name, w)
      await asSafetensors(join(folder, 'model.safetensors'), w.tensors)
      return folder
    },
  ],
  [
    'folder with `pytorch_model.bin`',
    (name, w) => {
      const folder = folderOf(name, w)
      writeFileSync(join(folder, 'pytorch_model.bin'), asTorch(w.tensors))
      return Promise.resolve(folder)
    },
  ],
  [
    '`.safetensors` alone',
    async (name, w) => {
      mkdirSync(at(name), { recursive: true })
      await asSafetensors(join(at(name), 'x.safetensors'), w.tensors)
      return join(at(name), 'x.safetensors')
    },
  ],
  [
    '`.pth` alone',
    (name, w) => {
      mkdirSync(at(name), { recursive: true })
      writeFileSync(join(at(name), 'x.pth'), asTorch(w.tensors))
      return Promise.resolve(join(at(name), 'x.pth'))
    },
  ],
]

/** `read`, or why not. */
const tried = async (path: string, heads: number | undefined): Promise<string> => {
  const o = heads === undefined ? {} : { heads }
  const pyramid = await readPyramid(path, o)()
  if (E.isLeft(pyramid)) return pyramid.left.allowed
  if (O.isSome(pyramid.right)) return 'read'
  const model = await readModel(path, o)()
  return E.isLeft(model) ? model.left.allowed : 'read'
}

it('docs/weights.md says of every kind of file and origin what becomes of it', { timeout: 120_000 }, async () => {
  const rows: Array<string> = [`| origin | ${kinds.map(([kind]) => kind).join(' | ')} |`, `|---|${kinds.map(() => '---|').join('')}`]
  for (const [i, [origin, make]] of origins.entries()) {
    const written = await make()
    const cells: Array<string> = []
    for (const [k, [, place]] of kinds.entries()) cells.push(await tried(await place(`${i}-${k}`, written), written.heads))
    rows.push(`| ${origin} | ${cells.join(' | ')} |`)
  }
  const page = readFileSync(join(import.meta.dirname, '../../docs/weights.md'), 'utf8')
  expect(/^\| origin \|[^]*?(?=\n\n)/m.exec(page)?.[0]).toBe(rows.join('\n'))
})
