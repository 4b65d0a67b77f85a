/** Files of features: the same numbers in every kind, with files, classes and the network that they are of. */
import { parquetMetadataAsync, parquetReadObjects } from 'hyparquet'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import { beforeAll, describe, expect, it } from 'vitest'
import { parseCsv } from '../../../data/formats/csv.ts'
import { npyHeader, npyNumbers, npyTexts } from '../../../data/formats/npy.ts'
import { readSafetensors, writeSafetensors } from '../../../data/formats/safetensors.ts'
import { floatTensor, floatsOf, intsOf } from '../../../data/formats/tensor.ts'
import { contentBytes, zipMembers } from '../../../data/formats/zip.ts'
import { writePng } from '../../../data/readers/pictures/picture.ts'
import { declarations } from '../../../core/model.ts'
import type { Backbone } from '../../../train/exchange/huggingface/backbone.ts'
import { readBackbone } from '../../../train/exchange/huggingface/reader.ts'
import { writeInitial } from '../../../train/exchange/transfer/description.ts'
import { right } from '../../data/either.ts'
import { backbones, temporary } from '../../huggingface/backbones.ts'
import { wave } from '../../support/tensor.ts'
import type { Said } from '../../support/command.ts'
import { dinograph } from '../../support/command.ts'

const at = temporary()
const files = ['a cat/0.png', 'a cat/1.png', 'Größe, 日/0.png', 'Größe, 日/1.png']

beforeAll(async () => {
  right(await writeInitial(at('model'), backbones.dinov2_with_registers, 1)())
  for (const [k, file] of files.entries()) {
    mkdirSync(join(at('pictures'), file, '..'), { recursive: true })
    right(
      await writePng(join(at('pictures'), file))({
        channels: 1,
        height: 16,
        width: 16,
        data: Float32Array.from(wave(256, k), (v) => (v + 1) / 2),
      })(),
    )
  }
})

const features = (out: string, ...words: ReadonlyArray<string>): Said =>
  dinograph('features', '--model', at('model'), '--data', at('pictures'), '--out', at(out), '--target', 'gpujs:cpu', '--json', ...words)

const stateOf = ({ model, weights }: Backbone) =>
  new Map(declarations(model.params).map(([path, d]) => [path, floatTensor(d.shape, weights.get(path) ?? new Float32Array())]))

const sorted = (xs: ReadonlyArray<string>): ReadonlyArray<string> => [...xs].sort()

interface Read {
  readonly cls: ReadonlyArray<number>
  readonly patches: ReadonlyArray<number>
  readonly label: ReadonlyArray<number>
  readonly files: ReadonlyArray<string>
  readonly classes: ReadonlyArray<string>
  readonly digest: string
}

const listOf = (text: string | undefined): ReadonlyArray<string> => {
  const u: unknown = JSON.parse(text ?? '')
  return Array.isArray(u) ? u.map(String) : []
}

const ofSafetensors = async (file: string): Promise<Read> => {
  const { tensors, metadata } = right(await readSafetensors(file)())
  const numbers = (name: string): ReadonlyArray<number> => {
    const x = tensors.get(name)
    return x === undefined ? [] : name === 'label' ? [...right(intsOf(name)(x))] : [...right(floatsOf(name)(x))]
  }
  return {
    cls: numbers('cls'),
    patches: numbers('patches'),
    label: numbers('label'),
    files: listOf(metadata['files']),
    classes: listOf(metadata['classes']),
    digest: metadata['model_sha256'] ?? '',
  }
}

const ofNpz = async (file: string): Promise<Read> => {
  const members = new Map(right(await zipMembers(file, { memoryBytes: 2 ** 28, folder: at('unpacked') })()).map((m) => [m.name, m]))
  const array = async (name: string) => {
    const member = members.get(`${name}.npy`)
    if (member === undefined) return expect.fail(`no ${name} among ${[...members.keys()].join(', ')}`)
    const bytes = right(await contentBytes(right(await member.content()))(0, member.length)())
    const header = npyHeader(bytes)
    if (E.isLeft(header)) return expect.fail(header.left)
    return { header: header.right, bytes: bytes.subarray(header.right.offset) }
  }
  const numbers = async (name: string): Promise<ReadonlyArray<number>> => {
    const { header, bytes } = await array(name)
    return [...npyNumbers(header, bytes)]
  }
  const texts = async (name: string): Promise<ReadonlyArray<string>> => {
    const { header, bytes } = await array(name)
    return npyTexts(header, bytes)
  }
  return {
    cls: await numbers('cls'),
    patches: await numbers('patches'),
    label: await numbers('label'),
    files: await texts('files'),
    classes: await texts('classes'),
    digest: (await texts('model_sha256'))[0],
  }
}

describe('features', { timeout: 120_000 }, () => {
  it('are the same in safetensors, npz and csv, with files, classes and the digest of the network', async () => {
    for (const file of ['f.safetensors', 'f.npz']) {
      const done = features(file)
      expect(done.code, done.err).toBe(0)
    }
    const [one, other] = [await ofSafetensors(at('f.safetensors')), await ofNpz(at('f.npz'))]
    expect(other).toEqual(one)
    expect(one.cls.length).toBe(4 * 8)
    expect(one.patches.length).toBe(4 * 9 * 8)
    expect(sorted(one.files)).toEqual(sorted(files))
    expect(sorted(one.classes)).toEqual(['Größe, 日', 'a cat'])
    one.files.forEach((file, i) => {
      expect(file.startsWith(one.classes[one.label[i]])).toBe(true)
    })
    // another program than that with patches, whose sums are in another order
    expect(features('c.safetensors', '--no-patches').code).toBe(0)
    const table = features('f.csv', '--no-patches')
    expect(table.code, table.err).toBe(0)
    const parsed = parseCsv(readFileSync(at('f.csv'), 'utf8'))
    if (E.isLeft(parsed)) return expect.fail(parsed.left)
    const { names, columns } = parsed.right
    expect(names.slice(0, 5)).toEqual(['split', 'file', 'label', 'class', 'cls_0'])
    expect(columns[1]).toEqual(one.files)
    expect(columns[3]).toEqual(one.label.map((l) => one.classes[l]))
    const rows = one.files.flatMap((_, i) => columns.slice(4).map((column) => Math.fround(Number(column[i]))))
    expect(rows).toEqual((await ofSafetensors(at('c.safetensors'))).cls)
  })

  it('are the same in Parquet, a row for each image, with patches as lists of lists', async () => {
    const done = features('f.parquet')
    expect(done.code, done.err).toBe(0)
    const bytes = readFileSync(at('f.parquet'))
    const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length)
    const rows = await parquetReadObjects({ file })
    const one = await ofSafetensors(at('f.safetensors'))
    const row = (i: number, of: ReadonlyArray<number>, size: number): ReadonlyArray<number> => of.slice(i * size, (i + 1) * size)
    expect(rows).toEqual(
      one.files.map((file, i) => ({
        split: 'all',
        file,
        label: one.label[i],
        class: one.classes[one.label[i]],
        cls: row(i, one.cls, 8),
        patches: Array.from({ length: 9 }, (_, k) => row(9 * i + k, one.patches, 8)),
      })),
    )
    const { key_value_metadata } = await parquetMetadataAsync(file)
    expect(key_value_metadata?.find((m) => m.key === 'model_sha256')?.value).toBe(one.digest)
  })

  it('say which network they are of: its numbers by name, in order', async () => {
    right(await writeSafetensors(at('own.safetensors'))({ tensors: stateOf(right(await readBackbone(at('model'))())), metadata: {} })())
    const { tensors } = right(await readSafetensors(at('own.safetensors'))())
    const hash = createHash('sha256')
    for (const path of [...tensors.keys()].sort()) {
      const x = tensors.get(path)
      const values = x === undefined ? new Float32Array() : right(floatsOf(path)(x))
      hash.update(`${path}\0`).update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
    }
    expect((await ofSafetensors(at('f.safetensors'))).digest).toBe(hash.digest('hex'))
  })

  it('of patches are no table: a fault says what to pass, and that does it', () => {
    const wrong = features('g.csv')
    expect(wrong.code).toBe(2)
    expect(wrong.err).toContain('--no-patches, or --format npz')
    const npz = features('g.csv', '--format', 'npz')
    expect(npz.code, npz.err).toBe(0)
    expect(readFileSync(at('g.csv')).subarray(0, 2).toString()).toBe('PK')
  })
  it('are of a kind that their ending names, or it is refused before anything is computed', () => {
    const wrong = features('g.feather')
    expect(wrong.code).toBe(2)
    expect(wrong.err).toContain('found:   the ending .feather')
    expect(wrong.err).toContain(`write --out ${at('g')}.safetensors`)
    expect(existsSync(at('g.parquet'))).toBe(false)
  })
})
