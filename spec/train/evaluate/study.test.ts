/** examples/evaluate.ts and examples/attention.ts as a user starts them: with a network that is named, and without one. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as t from 'io-ts'
import { afterAll, describe, expect, it } from 'vitest'
import { decodeAs } from '../../../data/formats/codec.ts'
import { writeInitial } from '../../../train/exchange/transfer/description.ts'
import { right } from '../../data/either.ts'
import { backbones } from '../../huggingface/backbones.ts'
import { program } from '../../support/built.ts'

const root = mkdtempSync(join(tmpdir(), 'study-'))
afterAll(() => {
  rmSync(root, { recursive: true, force: true })
})

/** What the last line of every example holds. */
const final = t.type({
  steps: t.number,
  loss: t.union([t.number, t.null]),
  metrics: t.record(t.string, t.number),
  images_per_s: t.number,
  target: t.string,
  out: t.string,
})

const example = (
  name: string,
  ...words: ReadonlyArray<string>
): { readonly code: number | null; readonly err: string; readonly json: () => t.TypeOf<typeof final> } => {
  const settings = ['data.train=60', 'data.test=30', 'evaluation.k=3'].flatMap((s) => ['--set', s])
  const done = spawnSync(process.execPath, [program(`examples/${name}.ts`), '--target', 'gpujs:cpu', '--json', ...settings, ...words], {
    cwd: new URL('../../..', import.meta.url).pathname,
    encoding: 'utf8',
  })
  return {
    code: done.status,
    err: done.stderr,
    json: () => right(decodeAs(final, 'data', 'the last line', 'none')(JSON.parse(done.stdout.trim().split('\n').at(-1) ?? ''))),
  }
}

describe('attention', () => {
  it('looks through a network that is named, and trains nothing', async () => {
    const [model, out] = [join(root, 'model'), join(root, 'named')]
    right(await writeInitial(model, backbones.dinov2, 1)())
    const done = example('attention', '--model', model, '--out', out)
    expect(done.code, done.err).toBe(0)
    expect(done.json()).toMatchObject({ steps: 0, loss: null, target: 'gpujs:cpu', out })
    expect(Object.keys(done.json().metrics).sort()).toEqual(['ap50', 'box_patches', 'iou', 'pointing'])
    expect(existsSync(join(out, 'looks.png'))).toBe(true)
    expect(existsSync(join(out, 'checkpoints'))).toBe(false)
  })
  it('explains a network that is not there', () => {
    const done = example('attention', '--model', join(root, 'none'), '--out', join(root, 'nothing'))
    expect(done.err).toContain('found:   nothing')
    expect(done.code).toBe(1)
  })
})

describe('evaluate', () => {
  it('trains a network where none is named, and evaluates that', () => {
    const out = join(root, 'trained')
    const small = [
      'batch=4',
      'model.width=16',
      'model.depth=1',
      'model.heads=2',
      'head.hidden=16',
      'head.bottleneck=8',
      'head.prototypes=16',
      'augmentation.locals=1',
    ].flatMap((s) => ['--set', s])
    const done = example('evaluate', '--steps', '2', '--out', out, ...small)
    expect(done.code, done.err).toBe(0)
    const { metrics, ...rest } = done.json()
    expect(rest).toMatchObject({ steps: 2, target: 'gpujs:cpu', out })
    for (const name of ['knn', 'linear', 'logistic', 'auc', 'knn_before', 'knn_after'])
      expect(metrics[name], name).toBeGreaterThanOrEqual(0)
    expect(existsSync(join(out, 'report.html'))).toBe(true)
  })
})
