/** Small backbones of every type, with weights that are never where they began, and folders to put them in. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { declarations } from '../../core/model.ts'
import { sizeOf } from '../../core/type.ts'
import type { Vit } from '../../models/vit.ts'
import { vit } from '../../models/vit.ts'
import type { Weights } from '../../train/exchange/huggingface/weights.ts'
import { wave } from '../support/tensor.ts'

const sizes = { patch: 4, width: 8, depth: 2, heads: 2, image: 12 }

export const backbones: Readonly<Record<'vit' | 'dinov2' | 'dinov2_with_registers' | 'dinov3_vit', Vit>> = {
  vit: vit(sizes),
  dinov2: vit({ ...sizes, generation: 2, layerScale: 1, maskToken: true, ffn: 'swiglu-fused' }),
  dinov2_with_registers: vit({
    ...sizes,
    generation: 2,
    layerScale: 1,
    maskToken: true,
    registers: 3,
    position: { kind: 'learned', offset: 0, antialias: true },
  }),
  dinov3_vit: vit({
    ...sizes,
    generation: 3,
    layerScale: 1,
    maskToken: true,
    registers: 2,
    ffn: 'swiglu',
    eps: 1e-5,
    maskKeyBias: true,
    position: { kind: 'rope', periods: { base: 100 }, rescale: 2 },
  }),
}

/** Values for every tensor; those of masked key biases are zeros, as files that leave them out give them back. */
export const weightsOf = (m: Vit): Weights =>
  new Map(
    declarations(m.params).map(([path, d], i) => {
      const values = Float32Array.from(wave(sizeOf(d.shape), i))
      if (m.options.maskKeyBias && path.endsWith('qkv.bias')) values.fill(0, values.length / 3, (2 * values.length) / 3)
      return [path, values]
    }),
  )

/** A folder for the tests of one file, removed behind them. */
export const temporary = (): ((name: string) => string) => {
  const root = mkdtempSync(join(tmpdir(), 'huggingface-'))
  afterAll(() => {
    rmSync(root, { recursive: true, force: true })
  })
  return (name) => join(root, name)
}
