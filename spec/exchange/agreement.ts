/** What onnxruntime computes from a file against what the network says here. */
import { existsSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { InferenceSession, Tensor } from 'onnxruntime-web'
import { evaluate } from '../../compiler/targets/reference.ts'
import { input } from '../../core/leaves.ts'
import { sizeOf } from '../../core/type.ts'
import type { FeatureNetwork } from '../../train/exchange/onnx.ts'
import { readFrozen } from '../../train/judge/evaluate/network.ts'
import { right } from '../data/either.ts'
import { runSession } from '../support/onnx.ts'
import { expectClose, wave } from '../support/tensor.ts'

export type Size = readonly [batch: number, height: number, width: number]

/** A file against the network that it was written from, on the reference. */
export const agrees = async (file: string, n: FeatureNetwork, sizes: ReadonlyArray<Size>): Promise<void> => {
  // WebAssembly sees no files: what lies beside one is handed over
  const beside = existsSync(`${file}.data`) ? [{ path: basename(`${file}.data`), data: readFileSync(`${file}.data`) }] : []
  const session = await InferenceSession.create(file, { externalData: beside })
  for (const [batch, height, width] of sizes) {
    const shape = [batch, n.channels, height, width]
    const data = Float32Array.from(wave(sizeOf(shape), height))
    const out = right(await runSession(session, { pixels: new Tensor('float32', data, shape) })())
    const { cls, patches } = n.features(input('pixels', shape))
    const expected = evaluate([cls, patches], new Map([...n.weights, ['pixels', data]]))
    expectClose(out.get('cls') ?? [], expected[0], 1e-5, `cls of ${shape.join()}`)
    expectClose(out.get('patches') ?? [], expected[1], 1e-5, `patches of ${shape.join()}`)
  }
}

/** What `--model` names. */
export const networkAt = async (model: string, options: Parameters<typeof readFrozen>[1] = {}): Promise<FeatureNetwork> => {
  const f = right(await readFrozen(model, options)())
  return { features: f.look(''), weights: f.weights, channels: f.channels, vit: f.vit }
}
