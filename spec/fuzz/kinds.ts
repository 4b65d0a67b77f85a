/** What is damaged and read: each kind with whole files to begin from, how it is read, and what tells a wrong value where something can. */
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { stringify } from 'yaml'
import type { Fault } from '../../core/fault.ts'
import { faultsOf } from '../../core/fault.ts'
import { declarations } from '../../core/model.ts'
import { sizeOf } from '../../core/type.ts'
import { parseCsv } from '../../data/formats/csv.ts'
import { openTensors } from '../../data/formats/foreign.ts'
import { encodeSafetensors, decodeSafetensors } from '../../data/formats/safetensors.ts'
import { readStored } from '../../data/formats/stored.ts'
import type { HostTensors } from '../../data/formats/tensor.ts'
import { openData } from '../../data/readers/index.ts'
import { datasetOf } from '../../data/readers/split.ts'
import type { Vit } from '../../models/vit.ts'
import { vit } from '../../models/vit.ts'
import type { Layer } from '../../train/config/layers.ts'
import { layerOfYaml } from '../../train/config/layers.ts'
import { readBackbone } from '../../train/exchange/huggingface/reader.ts'
import type { Weights } from '../../train/exchange/huggingface/weights.ts'
import { writeBackbone } from '../../train/exchange/huggingface/writer.ts'
import { readConfig } from '../../train/exchange/peft/folder.ts'
import type { Resolved } from '../../train/run/experiment.ts'
import { recipe } from '../../train/recipes/recipe.ts'
import { right } from '../data/either.ts'
import { counting } from '../data/npy-files.ts'
import { floats, torchArchive, torchLegacy } from '../support/torch-file.ts'
import { checkpoints } from './checkpoint-kinds.ts'
import type { Kind } from './kind.ts'

/** Of one image, volume or array. */
const itemBytes = 256 * 2 ** 20

const fixtures = 'spec/data/fixtures'

const filesOf =
  (folders: ReadonlyArray<string>, ending: RegExp, most = 60_000) =>
  async (): Promise<ReadonlyArray<Buffer>> => {
    const all: Array<Buffer> = []
    for (const folder of folders)
      for (const name of (await readdir(join(fixtures, folder))).sort())
        if (ending.test(name)) all.push(await readFile(join(fixtures, folder, name)))
    return all.filter((b) => b.length <= most)
  }

/** Images that are read of a file. */
const looked = 4

/** Reads images as a run does. */
const images: Kind['read'] = async (path) => {
  const opened = E.chain(datasetOf)(await openData(path, { itemBytes })())
  if (E.isLeft(opened)) return opened
  const d = opened.right
  for (let i = 0; i < Math.min(d.length, looked); i++) {
    d.label(i)
    d.sourceOf?.(i)
    const item = await d.item(i)()
    if (E.isLeft(item)) return item
    const { channels, height, width, data } = item.right.image
    if (data.length !== channels * height * width) return E.right(`${data.length} values for [${channels}, ${height}, ${width}]`)
    if (channels !== d.channels) return E.right(`${channels} channels of a dataset of ${d.channels}`)
  }
  return E.right(undefined)
}

const tensors: HostTensors = new Map([
  ['a.weight', { dtype: 'f32', shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) }],
  ['b', { dtype: 'f16', shape: [4], data: Float32Array.of(1, 0.5, 0.25, 2) }],
  ['c', { dtype: 'i64', shape: [2], data: Float64Array.of(7, 9) }],
])

/** The values of float tensors, read without any of our code but JSON's. */
const plainly = (bytes: Buffer): ReadonlyMap<string, string> => {
  const n = bytes.readUInt32LE(0)
  const entries: unknown = JSON.parse(bytes.subarray(8, 8 + n).toString('utf8'))
  const out = new Map<string, string>()
  for (const [name, e] of Object.entries(entries ?? {})) {
    const entry: unknown = e
    if (typeof entry !== 'object' || entry === null || !('dtype' in entry) || entry.dtype !== 'F32' || !('data_offsets' in entry)) continue
    const offsets: unknown = entry.data_offsets
    if (!Array.isArray(offsets)) continue
    const [from, to] = offsets.map(Number)
    const values: Array<number> = []
    for (let at = from; at < to; at += 4) values.push(bytes.readFloatLE(8 + n + at))
    out.set(name, values.join())
  }
  return out
}

const safetensors: Kind['read'] = (_, bytes) => {
  const read = decodeSafetensors('file')(bytes)
  if (E.isLeft(read)) return Promise.resolve(read)
  for (const [name, values] of plainly(bytes))
    if ([...(read.right.tensors.get(name)?.data ?? [])].join() !== values) return Promise.resolve(E.right(`other values of ${name}`))
  return Promise.resolve(E.right(undefined))
}

const csv: Kind['read'] = (_, bytes) => {
  const wrong = faultsOf('data')
  const read = parseCsv(bytes.toString('utf8'))
  if (E.isLeft(read)) return Promise.resolve(E.left(wrong('file', read.left, 'a table', 'correct it')))
  const { names, columns, lines } = read.right
  const quoted = (cells: ReadonlyArray<string>): string => cells.map((c) => `"${c.replaceAll('"', '""')}"`).join(',')
  const text = [names, ...Array.from(lines, (_line, i) => columns.map((c) => c[i]))].map(quoted).join('\n')
  const again = parseCsv(`${text}\n`)
  // a line of one empty cell is no line
  const same = columns.length < 2 || (E.isRight(again) && JSON.stringify(again.right.columns) === JSON.stringify(columns))
  return Promise.resolve(E.right(same ? undefined : 'a table that is another one once it is quoted'))
}

const experiment = recipe()

const yaml: Kind['read'] = (_, bytes) => {
  const read = (file: string, text: string): Either<Fault, string> =>
    E.chain((l: Layer) => E.map((r: Resolved) => JSON.stringify(r.config))(experiment.resolve([l])))(layerOfYaml(file, text))
  const decided = read('file.yaml', bytes.toString('utf8'))
  if (E.isLeft(decided)) return Promise.resolve(decided)
  const again = read('again.yaml', stringify(JSON.parse(decided.right)))
  return Promise.resolve(
    E.right(E.isRight(again) && again.right === decided.right ? undefined : 'a configuration that is another one once it is written'),
  )
}

/** Small backbones of two types, whose weights lie beside a config.json that is damaged. */
const backbones = {
  dinov2: vit({
    patch: 4,
    width: 8,
    depth: 1,
    heads: 2,
    image: 8,
    generation: 2,
    layerScale: 1,
    maskToken: true,
    position: { kind: 'learned', offset: 0 },
  }),
  dinov3: vit({
    patch: 4,
    width: 8,
    depth: 1,
    heads: 2,
    image: 8,
    generation: 3,
    layerScale: 1,
    maskToken: true,
    eps: 1e-5,
    maskKeyBias: true,
    position: { kind: 'rope' },
  }),
}

const weightsOf = (model: Vit): Weights =>
  new Map(
    declarations(model.params).map(([path, d], i) => {
      const values = Float32Array.from({ length: sizeOf(d.shape) }, (_, k) => Math.sin(k + 3 * i))
      if (model.options.maskKeyBias && path.endsWith('qkv.bias')) values.fill(0, values.length / 3, (2 * values.length) / 3)
      return [path, values]
    }),
  )

/** The files of such a folder. */
const folderOf = async (model: Vit): Promise<Readonly<Record<string, Buffer>>> => {
  const folder = await mkdtemp(join(tmpdir(), 'dinograph-fuzz-'))
  const names = right(await writeBackbone(folder)({ model, weights: weightsOf(model) })())
  const files = await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name))] as const))
  await rm(folder, { recursive: true })
  return Object.fromEntries(files)
}

/** A folder of Hugging Face: where it is read, every number is that of its weights; the token for hidden patches may be left out. */
const huggingface = (name: string, model: Vit): Kind => ({
  name,
  file: 'config.json',
  structure: 'text',
  beside: () => folderOf(model),
  seeds: async () => [(await folderOf(model))['config.json'] ?? Buffer.alloc(0)],
  read: async (path) => {
    const read = await readBackbone(dirname(path))()
    if (E.isLeft(read)) return read
    const { weights } = read.right
    const odd = [...weightsOf(model)].find(([at, values]) => at !== 'mask_token' && weights.get(at)?.join() !== values.join())
    return E.right(odd === undefined ? undefined : `other values of ${odd[0]}`)
  },
})

const adapter = { peft_type: 'LORA', r: 4, lora_alpha: 8, target_modules: ['query', 'value'], bias: 'none', base_model_name_or_path: 'x' }

const torch: Kind['read'] = async (path) => {
  const opened = await openTensors(path)()
  if (E.isLeft(opened)) return opened
  const read = await readStored(opened.right.tensors, opened.right.tensors.keys())()
  if (E.isLeft(read)) return read
  for (const [name, t] of read.right)
    if (t.data.length !== t.shape.reduce((a, b) => a * b, 1)) return E.right(`${t.data.length} values of ${name} [${t.shape.join(', ')}]`)
  return E.right(undefined)
}

const saved = {
  dict: [
    ['w', floats('0', [2, 3], [1, 2, 3, 4, 5, 6])],
    ['b', floats('1', [2], [1, 2])],
  ] as const,
}

const json = (u: unknown): Buffer => Buffer.from(JSON.stringify(u, null, 2))

/** What tables name. */
const pictured = async (): Promise<Readonly<Record<string, Buffer>>> => {
  const picture = await readFile(join(fixtures, 'pictures/gray.png'))
  return { 'a.png': picture, 'b.png': picture }
}

const jsonl = Buffer.from('{"path": "a.png", "label": 1}\n{"path": "b.png", "label": 0, "split": "train"}\n')

export const kinds: ReadonlyArray<Kind> = [
  {
    name: 'safetensors',
    file: 'x.safetensors',
    structure: 'headed',
    seeds: () => Promise.resolve([Buffer.from(right(encodeSafetensors({ tensors, metadata: { format: 'pt' } })))]),
    read: safetensors,
  },
  {
    name: 'npy',
    file: 'x.npy',
    structure: 'bytes',
    seeds: () => Promise.resolve([counting('|u1', [3, 4, 5]), counting('<f4', [2, 3, 4, 5])]),
    read: images,
  },
  {
    name: 'npz',
    file: 'x.npz',
    structure: 'archive',
    seeds: async () => [...(await filesOf(['npz'], /\.npz$/)()), counting('|u1', [3, 4, 5])],
    read: images,
  },
  { name: 'dicom', file: 'x.dcm', structure: 'bytes', seeds: filesOf(['dicom', 'pydicom'], /\.dcm$/), read: images },
  { name: 'nifti', file: 'x.nii', structure: 'bytes', seeds: filesOf(['nifti', 'nibabel'], /\.nii$/), read: images },
  { name: 'nifti.gz', file: 'x.nii.gz', structure: 'gzip', seeds: filesOf(['nifti', 'nibabel'], /\.nii\.gz$/), read: images },
  { name: 'png', file: 'x.png', structure: 'bytes', seeds: filesOf(['pictures', 'formats'], /\.png$/), read: images },
  { name: 'tiff', file: 'x.tif', structure: 'bytes', seeds: filesOf(['pictures', 'formats'], /\.tif$/), read: images },
  { name: 'raster', file: 'x.bmp', structure: 'bytes', seeds: filesOf(['formats'], /\.(bmp|pgm|ppm|pbm)$/), read: images },
  { name: 'jpeg', file: 'x.jpg', structure: 'bytes', seeds: filesOf(['formats'], /\.(jpg|jp2|j2k)$/), read: images },
  {
    name: 'yaml',
    file: 'x.yaml',
    structure: 'text',
    seeds: async () => [await readFile('examples/recipes/v1.yaml'), await readFile('examples/recipes/v3.yaml')],
    read: yaml,
  },
  {
    name: 'csv',
    file: 'x.csv',
    structure: 'text',
    seeds: () => Promise.resolve([Buffer.from('path,label,split\na.png,1,train\n"b, c.png","x ""y""",test\n')]),
    read: csv,
  },
  {
    name: 'table',
    file: 'x.csv',
    beside: pictured,
    structure: 'text',
    seeds: () => Promise.resolve([Buffer.from('path,label,split\na.png,1,train\nb.png,2,test\n')]),
    read: images,
  },
  { name: 'jsonl', file: 'x.jsonl', beside: pictured, structure: 'text', seeds: () => Promise.resolve([jsonl]), read: images },
  ...checkpoints,
  huggingface('huggingface', backbones.dinov2),
  huggingface('huggingface-rotary', backbones.dinov3),
  {
    name: 'peft',
    file: 'adapter_config.json',
    structure: 'text',
    seeds: () => Promise.resolve([json(adapter)]),
    read: async (path) => E.map(() => undefined)(await readConfig(dirname(path))()),
  },
  {
    name: 'torch',
    file: 'x.pth',
    structure: 'bytes',
    seeds: () => Promise.resolve([Buffer.from(torchArchive(saved)), Buffer.from(torchLegacy(saved))]),
    read: torch,
  },
]
