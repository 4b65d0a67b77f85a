/** Files of torch.save: the values of every kind of view; names that are refused, unread; and strangers, named as what they are. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { openTensors } from '../../data/formats/foreign.ts'
import { readStored } from '../../data/formats/stored.ts'
import type { Value } from '../support/torch-file.ts'
import { archive, floats, torchArchive, torchLegacy } from '../support/torch-file.ts'
import { left, right } from './either.ts'

const root = mkdtempSync(join(tmpdir(), 'torch-'))
afterAll(() => {
  rmSync(root, { recursive: true, force: true })
})

const at = (name: string, bytes: Uint8Array | string): string => {
  writeFileSync(join(root, name), bytes)
  return join(root, name)
}

const text = (s: string): Uint8Array => Uint8Array.from(s, (c) => c.charCodeAt(0))

const valuesOf = async (path: string): Promise<Readonly<Record<string, ReadonlyArray<number>>>> => {
  const { tensors } = right(await openTensors(path)())
  return Object.fromEntries([...right(await readStored(tensors, tensors.keys())())].map(([name, x]) => [name, [...x.data]]))
}

const matrix = floats('0', [2, 3], [1, 2, 3, 4, 5, 6])
const checkpoint: Value = {
  dict: [
    [
      'model',
      {
        dict: [
          ['whole', matrix],
          ['turned', { ...matrix, size: [3, 2], stride: [1, 3] }],
          ['row', { ...matrix, offset: 3, size: [3], stride: [1] }],
          ['spread', { ...matrix, offset: 1, size: [2, 2], stride: [0, 3] }],
          ['one', { ...matrix, offset: 5, size: [], stride: [] }],
        ],
      },
    ],
    ['parameter', { call: ['torch._utils', '_rebuild_parameter', floats('1', [2], [7, 8]), null, null] }],
    ['half', { key: '2', type: 'HalfStorage', storage: Uint16Array.of(0x3c00, 0xc000), elements: 2, size: [2], stride: [1] }],
    ['brain', { key: '3', type: 'BFloat16Storage', storage: Uint16Array.of(0x3fc0), elements: 1, size: [1], stride: [1] }],
    ['long', { key: '4', type: 'LongStorage', storage: BigInt64Array.of(-3n, 2n ** 40n), elements: 2, size: [2], stride: [1] }],
    ['args', { call: ['argparse', 'Namespace'] }],
    ['optimizer', { dict: [['state', { dict: [[0, { dict: [['exp_avg', floats('5', [1], [9])]] }]] }]] }],
  ],
}
const expected = {
  'model.whole': [1, 2, 3, 4, 5, 6],
  'model.turned': [1, 4, 2, 5, 3, 6],
  'model.row': [4, 5, 6],
  'model.spread': [2, 5, 2, 5],
  'model.one': [6],
  parameter: [7, 8],
  half: [1, -2],
  brain: [1.5],
  long: [-3, 2 ** 40],
  'optimizer.state.0.exp_avg': [9],
}

describe('a file of torch.save', () => {
  it('gives its tensors as an archive and as pickles one behind the other, whatever it is called', async () => {
    expect(await valuesOf(at('a.pth', torchArchive(checkpoint)))).toEqual(expected)
    expect(await valuesOf(at('a.safetensors', torchArchive(checkpoint)))).toEqual(expected)
    expect(await valuesOf(at('legacy.bin', torchLegacy(checkpoint)))).toEqual(expected)
  })
  it.each([
    ['posix', 'system'],
    ['builtins', 'eval'],
    ['subprocess', 'Popen'],
    ['torch.nn.modules.linear', 'Linear'],
    ['vision_transformer', 'VisionTransformer'],
    ['torch', 'load'],
    ['torch._utils', '_rebuild_sparse_tensor'],
  ])('that names %s.%s runs nothing and is refused by that name', async (module, name) => {
    for (const write of [torchArchive, torchLegacy]) {
      const bad = left(
        await openTensors(
          at(
            'bad.pth',
            write({
              dict: [
                ['w', matrix],
                ['x', { call: [module, name, 'touch /tmp/x'] }],
              ],
            }),
          ),
        )(),
      )
      expect(bad.found).toContain(`the class or function ${module}.${name}`)
      expect(bad.allowed).toContain('no code from a file is ever run')
    }
  })
  it("that is a rank's share says so", async () => {
    expect(
      left(
        await openTensors(
          at('rank.pth', torchArchive({ dict: [['w', { call: ['torch.distributed._shard.sharded_tensor.api', 'ShardedTensor'] }]] })),
        )(),
      ).found,
    ).toContain("one rank's share")
  })
  it('is read where it is whole: views within their storage, storages that are there, all bytes', async () => {
    const wrong = async (v: Value): Promise<string> =>
      left(
        await (async () => {
          const { tensors } = right(await openTensors(at('wrong.pth', torchArchive(v)))())
          return readStored(tensors, tensors.keys())()
        })(),
      ).found
    expect(await wrong({ dict: [['w', { ...matrix, size: [3, 3], stride: [3, 1] }]] })).toContain('in a storage of 6')
    expect(await wrong({ dict: [['w', { ...matrix, size: [1000000000, 1000000000], stride: [0, 0] }]] })).toContain('in a storage of 6')
    expect(
      await wrong({
        dict: [['w', { key: 'c', type: 'ComplexFloatStorage', storage: Float32Array.of(1, 2), elements: 1, size: [1], stride: [1] }]],
      }),
    ).toBe('the element type torch.ComplexFloatStorage')
    const whole = torchArchive(checkpoint)
    expect(left(await openTensors(at('short.pth', whole.subarray(0, whole.length - 40)))()).allowed).toBe('a whole file of torch.save')
    const legacy = torchLegacy(checkpoint)
    expect(left(await openTensors(at('short-legacy.pth', legacy.subarray(0, 60)))()).found).toContain('ends too early')
    expect(left(await openTensors(at('none.pth', torchArchive({ dict: [] })))()).found).toBe('a pickle without a tensor')
  })
})

describe('other files', () => {
  it.each([
    ['version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1234\n', 'a pointer of git-lfs'],
    ['<!DOCTYPE html><html><head>', 'a web page'],
    ['<?xml version="1.0"?><Error>', 'a web page'],
    ['', 'an empty file'],
    ['GGUF\0\0\0\x03', 'a GGUF file'],
    ['\x89HDF\r\n\x1a\n\0\0\0\0\0', 'an HDF5 file'],
    ['\x08\x07\x12\x07pytorch\0\0\0', 'an ONNX model'],
    ['\x81\xa6params\0\0\0', 'a msgpack file'],
    ['\x1f\x8b\x08\0\0\0\0\0\0\0', 'a gzip archive'],
    ['Entry not found', 'text that begins "Entry not found"'],
    ['{"error":"Repository not found"}', 'text that begins'],
    ['\0'.repeat(40), 'nothing but zeros'],
  ])('%j is named', async (content, name) => {
    expect(left(await openTensors(at('stranger.safetensors', text(content)))()).found).toContain(name)
  })
  it('that are archives are distinguished', async () => {
    expect(left(await openTensors(at('x.npz', archive([['a.npy', text('\x93NUMPY')]])))()).found).toContain('.npz')
    expect(
      left(
        await openTensors(
          at(
            'x.pt',
            archive([
              ['m/data.pkl', text('\x80\x02}.')],
              ['m/constants.pkl', text('x')],
            ]),
          ),
        )(),
      ).found,
    ).toContain('TorchScript')
    expect(left(await openTensors(at('y.pt', archive([['readme', text('x')]])))()).found).toContain('without data.pkl')
  })
})

describe('safetensors of other writers', () => {
  const file = (header: string, body: number): Uint8Array =>
    Uint8Array.from([...new Uint8Array(new BigUint64Array([BigInt(header.length)]).buffer), ...text(header), ...new Uint8Array(body)])
  it('may have any free text, which is passed over and said', async () => {
    const w = '"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
    expect(right(await openTensors(at('null.safetensors', file(`{"__metadata__":null,${w}}`, 4)))()).notes.join()).toContain('null')
    const some = right(await openTensors(at('some.safetensors', file(`{"__metadata__":{"format":"pt","step":3},${w}}`, 4)))())
    expect([some.metadata, some.notes.join()]).toEqual([{ format: 'pt' }, '__metadata__: no text and passed over: step'])
  })
  it('may have tensors of unknown types, which are a fault when they are read', async () => {
    const { tensors } = right(
      await openTensors(
        at(
          'types.safetensors',
          file('{"s":{"dtype":"F8_E8M0","shape":[4],"data_offsets":[0,4]},"w":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}', 8),
        ),
      )(),
    )
    expect(right(await readStored(tensors, ['w'])()).get('w')?.shape).toEqual([1])
    expect(left(await readStored(tensors, ['s'])()).found).toBe('the element type "F8_E8M0"')
  })
})
