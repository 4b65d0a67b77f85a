import { mkdtemp, readFile, readdir, writeFile as write } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { elementNames } from '../../data/formats/element.ts'
import { narrowBF16, narrowF16, widenBF16, widenE4M3, widenE5M2, widenF16 } from '../../data/formats/half.ts'
import { makeFolder } from '../../core/folder.ts'
import { writeFile } from '../../data/formats/file.ts'
import {
  decodeSafetensors,
  encodeSafetensors,
  readSafetensors,
  readSafetensorsIndex,
  writeSafetensors,
} from '../../data/formats/safetensors.ts'
import type { Safetensors } from '../../data/formats/safetensors.ts'
import { floatsOf, intsOf } from '../../data/formats/tensor.ts'
import type { HostTensor } from '../../data/formats/tensor.ts'
import { left, right } from './either.ts'
import { hostTensors } from './tensors.ts'

/** A file with the given header text and body. */
const fileOf = (header: string, body: ReadonlyArray<number> = [], stated?: number): Uint8Array => {
  const text = new TextEncoder().encode(header)
  const bytes = new Uint8Array(8 + text.length + body.length)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(stated ?? text.length), true)
  bytes.set(text, 8)
  bytes.set(body, 8 + text.length)
  return bytes
}

const decode = decodeSafetensors('m.safetensors')
const found = (bytes: Uint8Array): string => {
  const f = left(decode(bytes))
  return `${f.place} | ${f.found}`
}

const sorted = (c: Safetensors): ReadonlyArray<readonly [string, HostTensor]> => [...c.tensors].sort(([a], [b]) => (a < b ? -1 : 1))

describe('safetensors in memory', () => {
  test('decode after encode is the identity on every element type', () => {
    fc.assert(
      fc.property(hostTensors, fc.dictionary(fc.string(), fc.string(), { noNullPrototype: true }), (tensors, metadata) => {
        const contents: Safetensors = { tensors, metadata }
        const bytes = right(encodeSafetensors(contents))
        const back = right(decode(bytes))
        expect(sorted(back)).toEqual(sorted(contents))
        expect(Object.entries(back.metadata)).toEqual(Object.entries(metadata))
        expect(right(encodeSafetensors(back))).toEqual(bytes)
      }),
      { numRuns: 200 },
    )
  })

  test('the body starts at a multiple of 8, every tensor at a multiple of its element size, whatever the order put in', () => {
    const a: HostTensor = { dtype: 'u8', shape: [3], data: Uint8Array.of(1, 2, 3) }
    const b: HostTensor = { dtype: 'f64', shape: [], data: Float64Array.of(0.1) }
    const c: HostTensor = { dtype: 'f16', shape: [1], data: Float32Array.of(1.5) }
    const one = right(
      encodeSafetensors({
        tensors: new Map<string, HostTensor>([
          ['a', a],
          ['b', b],
          ['c', c],
        ]),
        metadata: {},
      }),
    )
    const two = right(
      encodeSafetensors({
        tensors: new Map<string, HostTensor>([
          ['c', c],
          ['a', a],
          ['b', b],
        ]),
        metadata: {},
      }),
    )
    expect(one).toEqual(two)
    expect(new DataView(one.buffer).getUint32(0, true) % 8).toBe(0)
    expect([...right(decode(one)).tensors.keys()]).toEqual(['b', 'c', 'a'])
  })

  test('every truncation is a fault', () => {
    const tensors = new Map<string, HostTensor>([
      ['w', { dtype: 'f32', shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) }],
      ['n', { dtype: 'i64', shape: [2], data: Float64Array.of(-1, 2 ** 53 - 1) }],
    ])
    const bytes = right(encodeSafetensors({ tensors, metadata: { format: 'pt' } }))
    for (let n = 0; n < bytes.length; n++) left(decode(bytes.subarray(0, n)))
    left(decode(Uint8Array.of(...bytes, 0)))
  })

  test('flipped bytes give a fault or other data, and never throw', () => {
    fc.assert(
      fc.property(
        hostTensors,
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 4 }),
        (tensors, flips) => {
          const bytes = right(encodeSafetensors({ tensors, metadata: {} }))
          for (const [at, mask] of flips) bytes[at % bytes.length] ^= mask
          const e = decode(bytes)
          if (E.isLeft(e)) expect(e.left._tag).toBe('Fault')
        },
      ),
      { numRuns: 500 },
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        decode(bytes)
      }),
    )
  })

  test('each corruption is named', () => {
    const entry = (dtype: string, shape: string, b: number, e: number) => `{"dtype":"${dtype}","shape":${shape},"data_offsets":[${b},${e}]}`
    expect(found(new Uint8Array(3))).toBe('m.safetensors | 3 bytes')
    expect(found(fileOf('{}', [], 100_000_001))).toBe('m.safetensors | a header of 100000001 bytes')
    expect(found(fileOf('{}', [], 40))).toBe('m.safetensors | a header of 40 bytes in a file of 10')
    expect(found(fileOf(''))).toBe('m.safetensors | an empty header')
    expect(found(fileOf(' {}'))).toBe('m.safetensors | a header that starts with byte 32')
    expect(found(fileOf('{"a":'))).toMatch(/m.safetensors \| a header that is not JSON: /)
    expect(found(fileOf('{"a":3}'))).toBe('m.safetensors: a | 3')
    expect(found(fileOf(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}}`, [0, 0, 0, 0]))).toBe(
      'm.safetensors: a: data_offsets | a list of 3',
    )
    expect(found(fileOf(`{"a":${entry('F32', '[-1]', 0, 4)}}`, [0, 0, 0, 0]))).toBe('m.safetensors: a: shape.0 | -1')
    expect(found(fileOf(`{"a":${entry('F33', '[1]', 0, 4)}}`, [0, 0, 0, 0]))).toBe('m.safetensors: a | the element type "F33"')
    expect(found(fileOf(`{"a":${entry('F32', '[2]', 0, 4)}}`, [0, 0, 0, 0]))).toBe('m.safetensors: a | the bytes [0, 4) for F32[2]')
    expect(found(fileOf(`{"a":${entry('F32', '[9007199254740991,9007199254740991]', 0, 4)}}`, [0, 0, 0, 0]))).toMatch(
      /^m.safetensors: a \| the bytes \[0, 4\)/,
    )
    expect(found(fileOf(`{"a":${entry('U8', '[2]', 4, 6)}}`, [0, 0, 0, 0]))).toBe(
      'm.safetensors: a | the bytes [4, 6) in a body of 4 bytes',
    )
    expect(found(fileOf(`{"a":${entry('U8', '[2]', 2, 4)}}`, [0, 0, 0, 0]))).toBe('m.safetensors: a | a hole of 2 bytes before byte 2')
    expect(found(fileOf(`{"a":${entry('U8', '[3]', 0, 3)},"b":${entry('U8', '[2]', 2, 4)}}`, [0, 0, 0, 0]))).toBe(
      'm.safetensors: b | the bytes [2, 4), which overlap the tensor before',
    )
    expect(found(fileOf(`{"a":${entry('U8', '[2]', 0, 2)}}`, [0, 0, 0, 0]))).toBe('m.safetensors | 2 bytes after the last tensor')
    expect(found(fileOf(`{"a":${entry('U8', '[2]', 0, 2)}, "\\u0061" : ${entry('U8', '[2]', 0, 2)}}`, [0, 0]))).toBe(
      'm.safetensors: a | the same name twice',
    )
    expect(found(fileOf(`{"a":${entry('BOOL', '[2]', 0, 2)}}`, [1, 7]))).toBe('m.safetensors: a | the byte 7 at element 1 of a bool tensor')
    expect(found(fileOf(`{"a":${entry('I64', '[1]', 0, 8)}}`, [0, 0, 0, 0, 0, 0, 32, 0]))).toMatch(/^m.safetensors: a \| an integer beyond/)
  })

  test('scalars, empty tensors and odd names live', () => {
    const tensors = new Map<string, HostTensor>([
      ['__proto__', { dtype: 'f32', shape: [], data: Float32Array.of(3) }],
      ['', { dtype: 'i32', shape: [0, 4], data: new Int32Array(0) }],
      ['ä "\\\n', { dtype: 'bool', shape: [1], data: Uint8Array.of(1) }],
    ])
    expect(new Map(right(decode(right(encodeSafetensors({ tensors, metadata: {} })))).tensors)).toEqual(tensors)
  })

  test('what cannot be stored is a fault that names the tensor', () => {
    const encode = (t: HostTensor, name = 'w') => left(encodeSafetensors({ tensors: new Map([[name, t]]), metadata: {} }))
    expect(encode({ dtype: 'f32', shape: [3], data: new Float32Array(2) }).place).toBe('safetensors: w')
    expect(encode({ dtype: 'i64', shape: [1], data: Float64Array.of(0.5) }).found).toMatch(/^0.5 at element 0/)
    expect(encode({ dtype: 'u64', shape: [1], data: Float64Array.of(-1) }).found).toMatch(/^-1 at element 0/)
    expect(encode({ dtype: 'bool', shape: [1], data: Uint8Array.of(2) }).found).toMatch(/^the byte 2/)
    expect(encode({ dtype: 'f32', shape: [0], data: new Float32Array(0) }, '__metadata__').found).toMatch(/__metadata__/)
  })

  test('the views of tensors as floats and integers', () => {
    const i64: HostTensor = { dtype: 'i64', shape: [2], data: Float64Array.of(-5, 7) }
    expect(right(intsOf('x')(i64))).toEqual(Int32Array.of(-5, 7))
    expect(left(intsOf('x')({ dtype: 'i64', shape: [1], data: Float64Array.of(2 ** 31) })).found).toMatch(/2147483648 at element 0/)
    left(floatsOf('x')(i64))
    left(intsOf('x')({ dtype: 'f16', shape: [1], data: Float32Array.of(1) }))
    expect(right(floatsOf('x')({ dtype: 'f64', shape: [1], data: Float64Array.of(0.1) }))).toEqual(Float32Array.of(0.1))
  })
})

describe('short floats', () => {
  const words = Uint16Array.from({ length: 65536 }, (_, i) => i)

  test('every binary16 and every bfloat16 survives widening and narrowing', () => {
    for (const [widen, narrow, exponent] of [
      [widenF16, narrowF16, 0x7c00],
      [widenBF16, narrowBF16, 0x7f80],
    ] as const) {
      const wide = widen(words)
      const back = narrow(wide)
      for (let i = 0; i < 65536; i++) {
        if ((i & 0x7fff) > exponent) expect(Number.isNaN(wide[i]) && (back[i] & 0x7fff) > exponent).toBe(true)
        else if (back[i] !== i) expect(back[i]).toBe(i)
      }
    }
  })

  test('narrowing picks the nearest, ties to the even one', () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, min: -65504, max: 65504 }), (x) => {
        const b = narrowF16(Float32Array.of(x))[0]
        const got = widenF16(Uint16Array.of(b))[0]
        for (const n of [b - 1, b + 1]) {
          if ((n & 0x7fff) >= 0x7c00 || n < 0 || (n & 0x8000) !== (b & 0x8000)) continue
          const other = widenF16(Uint16Array.of(n))[0]
          const closer = Math.abs(got - x) - Math.abs(other - x)
          expect(closer < 0 || (closer === 0 && b % 2 === 0)).toBe(true)
        }
      }),
      { numRuns: 1000 },
    )
    expect([...narrowF16(Float32Array.of(65519, 65520, -1e30, 2 ** -25, 2 ** -25 * 1.01, 1 + 2 ** -11))]).toEqual([
      0x7bff, 0x7c00, 0xfc00, 0, 1, 0x3c00,
    ])
  })

  test('known 8-bit values', () => {
    expect([...widenE4M3(Uint8Array.of(0x7e, 0x7f, 0x01, 0x38, 0xb8))]).toEqual([448, NaN, 2 ** -9, 1, -1])
    expect([...widenE5M2(Uint8Array.of(0x7b, 0x7c, 0xfc, 0x01, 0x3c))]).toEqual([57344, Infinity, -Infinity, 2 ** -16, 1])
  })
})

describe('safetensors on disk', () => {
  test('write and read, and the index alone', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'dinograph-'))
    const path = join(dir, 'a/b/m.safetensors')
    const tensors = new Map<string, HostTensor>([
      ['w', { dtype: 'f16', shape: [2], data: Float32Array.of(1, -0.5) }],
      ['v', { dtype: 'f32', shape: [1, 2], data: Float32Array.of(3, NaN) }],
    ])
    right(await writeSafetensors(path)({ tensors, metadata: { format: 'pt' } })())
    expect(await readdir(join(dir, 'a/b'))).toEqual(['m.safetensors'])
    const back = right(await readSafetensors(path)())
    expect(new Map(back.tensors)).toEqual(tensors)
    expect(right(await readSafetensorsIndex(path)()).entries.map((e) => [e.name, e.dtype, e.shape])).toEqual([
      ['v', 'f32', [1, 2]],
      ['w', 'f16', [2]],
    ])
    const bytes = await readFile(path)
    for (const n of [0, 5, 8, 9, 30, bytes.length - 1]) {
      await write(path, bytes.subarray(0, n))
      expect(left(await readSafetensors(path)()).place).toContain(path)
    }
    expect(left(await readSafetensors(join(dir, 'none'))()).found).toMatch(/ENOENT/)
    expect(left(await readSafetensors(dir)()).place).toBe(dir)
  })

  test('reads the files that the official library and the fixtures use', async () => {
    const knn = right(await readSafetensors(new URL('../parity/fixtures/knn/tensors.safetensors', import.meta.url).pathname)())
    expect(knn.tensors.get('in/train_features')?.shape).toEqual([220, 16])
    expect(knn.tensors.get('in/train_labels')?.dtype).toBe('i64')
    expect(Object.keys(elementNames).length).toBe(15)
  })
})

describe('folders for files', () => {
  test('are made with their parents; what the system refuses ends, as a fault', async () => {
    const root = await mkdtemp(join(tmpdir(), 'dinograph-'))
    await Promise.all(['a', 'b', 'c'].map((name) => makeFolder(join(root, 'deep/er', name))))
    expect((await readdir(join(root, 'deep/er'))).sort()).toEqual(['a', 'b', 'c'])
    await makeFolder(join(root, 'deep'))
    await write(join(root, 'file'), 'x')
    await expect(makeFolder(join(root, 'file'))).rejects.toMatchObject({ code: 'EEXIST' })
    await expect(makeFolder(join(root, 'file/below'))).rejects.toMatchObject({ code: 'ENOTDIR' })
  })
  // /proc says of any new folder that there is no such path, whoever asks
  test.skipIf(process.platform !== 'linux')('end where a file system has none', async () => {
    await expect(makeFolder('/proc/dinograph/below')).rejects.toMatchObject({ code: 'ENOENT' })
    expect(left(await writeFile('io', '/proc/dinograph/x.safetensors')([])()).kind).toBe('io')
  })
})
