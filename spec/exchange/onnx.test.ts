/** `dinograph export --onnx`, as a process: what onnxruntime computes from the file is what the network says here, at several sizes. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import * as O from 'fp-ts/lib/Option.js'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import { evaluate } from '../../compiler/targets/reference.ts'
import { input } from '../../core/leaves.ts'
import { declarations } from '../../core/model.ts'
import type { FullOptions } from '../../models/options.ts'
import { sizeOf } from '../../core/type.ts'
import { swin } from '../../models/swin.ts'
import type { Vit } from '../../models/vit.ts'
import { vit } from '../../models/vit.ts'
import { save } from '../../train/run/checkpoints.ts'
import { floatTensor } from '../../data/formats/tensor.ts'
import { writeOnnx, onnxFeatures } from '../../train/exchange/onnx.ts'
import { writeSwin } from '../../train/exchange/huggingface/swin.ts'
import { writeBackbone } from '../../train/exchange/huggingface/writer.ts'
import { readFrozen } from '../../train/judge/evaluate/network.ts'
import { right } from '../data/either.ts'
import { backbones, temporary, weightsOf } from '../huggingface/backbones.ts'
import { runSession } from '../support/onnx.ts'
import { expectClose, wave } from '../support/tensor.ts'

const at = temporary()
const root = new URL('../..', import.meta.url).pathname

const exporting = (...words: ReadonlyArray<string>): { readonly code: number | null; readonly out: string; readonly err: string } => {
  const done = spawnSync(process.execPath, ['--import', 'tsx', 'train/cli/dinograph.ts', 'export', ...words], { cwd: root, encoding: 'utf8' })
  return { code: done.status, out: done.stdout, err: done.stderr }
}

type Size = readonly [batch: number, height: number, width: number]

/** The file against the network of `--model`, on the reference. */
const agrees = async (file: string, model: string, sizes: ReadonlyArray<Size>, options: Parameters<typeof readFrozen>[1] = {}): Promise<void> => {
  const frozen = right(await readFrozen(model, options)())
  const session = await InferenceSession.create(file)
  for (const [batch, height, width] of sizes) {
    const shape = [batch, frozen.channels, height, width]
    const data = Float32Array.from(wave(sizeOf(shape), height))
    const out = right(await runSession(session, { pixels: new Tensor('float32', data, shape) })())
    const look = frozen.look('')(input('pixels', shape))
    const expected = evaluate([look.cls, look.patches], new Map([...frozen.weights, ['pixels', data]]))
    expectClose(out.get('cls') ?? [], expected[0], 1e-5, `cls of ${shape.join()}`)
    expectClose(out.get('patches') ?? [], expected[1], 1e-5, `patches of ${shape.join()}`)
  }
}

const folderOf = async (name: string, model: Vit): Promise<string> => {
  right(await writeBackbone(at(name))({ model, weights: weightsOf(model) })())
  return at(name)
}

const exported = (model: string, file: string, ...words: ReadonlyArray<string>): Readonly<Record<string, unknown>> => {
  const done = exporting('--model', model, '--onnx', file, '--json', ...words)
  expect(done.code, done.err).toBe(0)
  const json: unknown = JSON.parse(done.out.trim().split('\n').at(-1) ?? '')
  return typeof json === 'object' && json !== null ? { ...json } : {}
}

describe('any batch and any sides', () => {
  // the grid of positions is 3 x 3 patches of 4: that one, others, such as patches do not fill
  const sizes: ReadonlyArray<Size> = [
    [1, 12, 12],
    [3, 20, 32],
    [2, 8, 28],
    [1, 13, 14],
  ]
  it.each(Object.entries(backbones))('%s', async (name, model) => {
    const folder = await folderOf(name, model)
    const told = exported(folder, at(`${name}.onnx`))
    expect(told.inputs).toEqual({ pixels: ['batch', 3, 'height', 'width'] })
    expect(told.outputs).toEqual({ cls: ['batch', 8], patches: ['batch', 'columns*rows', 8] })
    await agrees(at(`${name}.onnx`), folder, sizes)
  })
  it('by the official rule of positions, whose own grid is for squares alone', async () => {
    const folder = await folderOf('dialect', backbones.vit)
    exported(folder, at('dialect.onnx'), '--dialect', 'official')
    await agrees(at('dialect.onnx'), folder, [...sizes, [1, 12, 13]], { dialect: 'official' })
  })
  it.each<readonly [string, Partial<FullOptions>]>([
    ['the longer side divides', { position: { kind: 'rope', normalize: 'max' } }],
    ['the shorter side divides', { position: { kind: 'rope', normalize: 'min', periods: { min: 0.5, max: 80 } } }],
    ['norms of their own, by the root of the mean square', { norm: 'rms', untiedNorms: true }],
  ])('rotary positions where %s', async (name, more) => {
    const model = vit({ ...backbones.dinov3_vit.options, ...more })
    const weights = weightsOf(model)
    const look = (root: string) => right.bind(undefined)
    expect(look).toBeDefined()
    const written = right(onnxFeatures(networkOf(model), { _tag: 'Open', patch: 4 }, ''))
    const file = at(`${name}.onnx`)
    right(await writeOnnx(file)(written)())
    const session = await InferenceSession.create(file)
    expect(weights.size).toBeGreaterThan(0)
    expect(session.inputNames).toEqual(['pixels'])
  })
})
