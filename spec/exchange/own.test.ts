/** Backbones that no class of transformers computes: never written as one, but as tensors and ONNX; and what such a run is good for. */
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'
import { InferenceSession, Tensor } from 'onnxruntime-web'
import { describe, expect, it } from 'vitest'
import { evaluate } from '../../compiler/targets/reference.ts'
import type { Expr } from '../../core/expr.ts'
import { input } from '../../core/leaves.ts'
import { sizeOf } from '../../core/type.ts'
import { readSafetensors } from '../../data/formats/safetensors.ts'
import { floatsOf } from '../../data/formats/tensor.ts'
import { writePng } from '../../data/readers/pictures/picture.ts'
import { resolve } from '../../train/config/settings.ts'
import type { SeeingFeatures } from '../../train/index.ts'
import { network } from '../../train/index.ts'
import { anyBackbone } from '../../train/step/method.ts'
import { right } from '../data/either.ts'
import { temporary } from '../huggingface/backbones.ts'
import { runSession } from '../support/onnx.ts'
import { expectClose, wave } from '../support/tensor.ts'
import { stemmed } from './convolutional-stem.ts'
import { averaged } from './mean-of-patches.ts'
import { node } from '../support/command.ts'

const at = temporary()

const accuracyOf = t.type({ metrics: t.type({ top1: t.number }) })
const finalOf = t.type({ metrics: t.type({ knn_after: t.number }) })

const asked = { channels: 1, image: 28, maskToken: false }

interface Own {
  readonly name: string
  readonly features: (root: string, images: Expr) => SeeingFeatures
  readonly sides: string
  /** Images that the file takes. */
  readonly shapes: ReadonlyArray<ReadonlyArray<number>>
}

const cases: ReadonlyArray<Own> = [
  {
    name: 'mean-of-patches',
    features: anyBackbone(averaged().make(right(resolve(averaged().settings)([])))(asked)).features,
    // its positions are constants of one grid
    sides: 'images of 28 x 28 pixels',
    shapes: [
      [1, 1, 28, 28],
      [3, 1, 28, 28],
    ],
  },
  {
    name: 'convolutional-stem',
    features: anyBackbone(stemmed().make(right(resolve(stemmed().settings)([])))(asked)).features,
    sides: 'images of any size',
    shapes: [
      [1, 1, 28, 28],
      [3, 1, 56, 20],
    ],
  },
]

describe.each(cases)('a run with $name', ({ name, features, sides, shapes }) => {
  const out = at(name)
  it('writes tensors and ONNX, says so, and no config.json', { timeout: 120_000 }, async () => {
    const { code, err } = node(`spec/exchange/${name}.ts`, '--out', out)
    expect(code, err).toBe(0)
    expect(err).toContain('not written for Hugging Face: no class of transformers computes what this backbone does')
    expect(err).toContain(`has its tensors, and its features of ${sides} as ONNX`)
    expect(existsSync(join(out, 'huggingface'))).toBe(false)
    expect(readdirSync(join(out, 'backbone')).sort()).toEqual(['backbone.onnx', 'backbone.safetensors', 'preprocessor_config.json'])
    const { tensors } = right(await readSafetensors(join(out, 'backbone/backbone.safetensors'))())
    const values = [...tensors].map(([path, x]) => [`backbone.${path}`, right(floatsOf(path)(x))] as const)
    const session = await InferenceSession.create(join(out, 'backbone/backbone.onnx'))
    for (const shape of shapes) {
      const pixels = Float32Array.from(wave(sizeOf(shape)))
      const given = right(await runSession(session, { pixels: new Tensor('float32', pixels, shape) })())
      const { cls, patches } = features('', input('pixels', shape))
      const expected = evaluate([cls, patches], new Map([...values, ['pixels', pixels] as const]))
      expectClose(given.get('cls') ?? [], expected[0], 1e-5, `cls of ${name}`)
      expectClose(given.get('patches') ?? [], expected[1], 1e-5, `patches of ${name}`)
    }
  })

  it('is no ViT for any command, and is looked at and gone on from by its own program', { timeout: 300_000 }, async () => {
    const exported = node('train/cli/dinograph.ts', 'hf', 'export', '--run', out, '--out', at(`${name}-hf`))
    expect(exported.code).toBe(2)
    expect(exported.err).toContain('a backbone of its own')
    expect(exported.err).toContain('backbone/backbone.onnx')
    expect(existsSync(at(`${name}-hf`))).toBe(false)
    expect(node('train/cli/dinograph.ts', 'features', '--model', out, '--data', 'mnist', '--out', at('f.safetensors')).err).toContain(
      'a backbone of its own',
    )
    // its program computes it: the same features as its ONNX file has, on the images of the run
    const own = ['--model', out, '--program', `spec/exchange/${name}.ts`]
    const knn = node('train/cli/dinograph.ts', 'evaluate', 'knn', ...own, '--k', '20', '--json')
    expect(knn.code, knn.err).toBe(0)
    const summary: unknown = JSON.parse(readFileSync(join(out, 'summary.json'), 'utf8'))
    const said: unknown = JSON.parse(knn.out.trim().split('\n').at(-1) ?? '')
    expect(E.isRight(accuracyOf.decode(said))).toBe(true)
    expect(
      pipe(
        accuracyOf.decode(said),
        E.map((x) => x.metrics.top1),
      ),
    ).toEqual(
      pipe(
        finalOf.decode(summary),
        E.map((x) => x.metrics.knn_after),
      ),
    )
    const picture = at('digit.png')
    right(await writePng(picture)({ channels: 1, height: 28, width: 28, data: Float32Array.from(wave(784)) })())
    const looked = node('train/cli/dinograph.ts', 'attention', ...own, '--image', picture, '--out', at(`${name}-maps`))
    expect(looked.code, looked.err).toBe(0)
    expect(readdirSync(at(`${name}-maps`))).toContain('overview.png')
    const other = cases.find((c) => c.name !== name)?.name ?? ''
    const wrong = node('train/cli/dinograph.ts', 'evaluate', 'knn', '--model', out, '--program', `spec/exchange/${other}.ts`)
    expect(wrong.code).toBe(2)
    expect(wrong.err).toMatch(/as the program declares it|unknown setting/)
    const again = node(`spec/exchange/${name}.ts`, '--model', out, '--out', `${out}-again`, '--steps', '1')
    expect(again.code, again.err).toBe(0)
    expect(again.err).toContain(`starting from ${out}`)
  })
})

it('a ViT is one: its features are equal', () => {
  const plain = network({ patch: 7, width: 16, depth: 1, heads: 2 })
  const made = plain.make(right(resolve(plain.settings)([])))(asked)
  expect(anyBackbone(made).vit._tag).toBe('Some')
  expect(anyBackbone({ ...made, apply: (c, p) => (x) => ({ ...made.apply(c, p)(x), patches: made.apply(c, p)(x).cls }) }).vit._tag).toBe(
    'None',
  )
})
