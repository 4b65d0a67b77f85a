/** Objectives do not depend on the architecture: a Swin and a ConvNeXt are trained by configurations alone, handed on, and go on. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { isRecord } from '../../data/formats/codec.ts'
import { readPyramid } from '../../train/exchange/model.ts'
import { right, some } from '../data/either.ts'
import { program } from '../support/built.ts'

const folder = mkdtempSync(join(tmpdir(), 'dinograph-pyramids-'))

afterAll(() => {
  rmSync(folder, { recursive: true })
})

const dinograph = (...words: ReadonlyArray<string>): string => {
  const { status, stdout, stderr } = spawnSync('node', [program('train/cli/dinograph.ts'), ...words], {
    encoding: 'utf8',
    timeout: 540_000,
  })
  if (status !== 0) throw new Error(stderr)
  return `${stderr}\n${stdout}`
}

const networks = {
  swin: '{kind: swin, patch: 2, width: 8, depths: [1, 2], heads: [1, 2], window: 3}',
  convnext: '{kind: convnext, widths: [8, 16], depths: [1, 1], layerScale: 0.1}',
}

/** Settings with which a loss falls within 20 steps: without them the centre of DINO moves more than the networks do. */
const objectives = {
  dinov1:
    'objective: {kind: dinov1, centring: sinkhorn}\naugmentation: {locals: 1, globalScale: [0.6, 1], localScale: [0.5, 0.9]}\noptimizer: {lr: 1e-3}',
  dinov2: 'objective: {kind: dinov2}\naugmentation: {locals: 1}\noptimizer: {lr: 3e-4}',
}

/** The whole configuration: what is not said is as usual. */
const configuration = (model: string, objective: string): string => `
model: ${model}
${objective}
head: {hidden: 32, bottleneck: 16, prototypes: 64}
data: {train: 64, test: 32}
batch: 16
steps: 20
schedule: {warmup: 2}
evaluation: {k: 3, during: 0}
`

const losses = (out: string): ReadonlyArray<number> =>
  readFileSync(join(out, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line): unknown => JSON.parse(line))
    .flatMap((u) => (isRecord(u) && typeof u['loss'] === 'number' ? [u['loss']] : []))

const mean = (xs: ReadonlyArray<number>): number => xs.reduce((a, b) => a + b, 0) / xs.length

describe.each(Object.entries(networks))('%s', (name, model) => {
  const runOf = (objective: string): string => join(folder, `${name}-${objective}`)

  it.each(Object.entries(objectives))('is trained by %s, whose loss falls', { timeout: 600_000 }, (objective, settings) => {
    const file = join(folder, `${name}-${objective}.yaml`)
    writeFileSync(file, configuration(model, settings))
    dinograph('train', '--config', file, '--out', runOf(objective))
    const all = losses(runOf(objective))
    expect(all).toHaveLength(20)
    expect(mean(all.slice(-5))).toBeLessThan(mean(all.slice(0, 5)))
  })

  it('is handed on as what it is: by its folder, by its checkpoint, and as a file', { timeout: 600_000 }, async () => {
    const run = runOf('dinov2')
    const [handed, kept] = [right(await readPyramid(join(run, 'huggingface'))()), right(await readPyramid(run)())]
    const [a, b] = [some(handed), some(kept)]
    expect(a.model.said.kind).toBe(name)
    expect({ ...b.model.said.options, maskToken: false }).toEqual(a.model.said.options)
    for (const [path, values] of a.weights) expect(b.weights.get(path), path).toEqual(values)
    dinograph('hf', 'export', '--run', run, '--format', 'official', '--out', join(folder, `${name}-official`))
    const c = some(right(await readPyramid(join(folder, `${name}-official`, 'official.safetensors'))()))
    expect(c.weights).toEqual(b.weights)
  })

  it('goes on with its own shape, is distilled into, and teaches', { timeout: 600_000 }, async () => {
    const file = join(folder, `${name}-on.yaml`)
    writeFileSync(
      file,
      'head: {hidden: 32, bottleneck: 16, prototypes: 64}\naugmentation: {locals: 0}\ndata: {train: 32, test: 16}\nbatch: 8\nevaluation: {k: 3, during: 0}\n',
    )
    const on = dinograph(
      'train',
      '--config',
      file,
      '--model',
      join(runOf('dinov2'), 'huggingface'),
      '--steps',
      '1',
      '--out',
      join(folder, `${name}-on`),
    )
    expect(on).toMatch(/starting from .*: \d+ of \d+ tensors taken over/)
    expect(some(right(await readPyramid(join(folder, `${name}-on`))())).model.said.kind).toBe(name)
    writeFileSync(
      file,
      `model: ${networks.convnext}\nobjective: {kind: distil, teacher: ${runOf('dinov1')}, network: ${model}}\naugmentation: {locals: 0}\ndata: {train: 32, test: 16}\nbatch: 8\nevaluation: {k: 3, during: 0}\n`,
    )
    dinograph('train', '--config', file, '--steps', '2', '--out', join(folder, `${name}-taught`))
    expect(some(right(await readPyramid(join(folder, `${name}-taught`))())).model.said.kind).toBe('convnext')
  })
})
