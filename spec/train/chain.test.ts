/**
 * Runs after runs: DINO's weights trained on with DINOv2's objective, the reverse, and DINOv3's stages after both, from the examples
 * themselves.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import * as t from 'io-ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { reference } from '../../compiler/targets/reference.ts'
import dinov1 from '../../examples/dinov1.ts'
import dinov2 from '../../examples/dinov2.ts'
import dinov3 from '../../examples/dinov3.ts'
import { given } from '../../train/config/settings.ts'
import type { Experiment } from '../../train/run/experiment.ts'
import type { Report } from '../../train/run/run.ts'
import { judge } from '../../train/judge/judge.ts'
import { runExperiment } from '../../train/run/run.ts'
import { right } from '../data/either.ts'
import { quiet } from './tiny.ts'

const metrics = t.intersection([t.strict({ step: t.number }), t.partial({ loss: t.number, 'loss.gram': t.number })])

let root = ''
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'chain-'))
})
afterAll(async () => {
  await rm(root, { recursive: true, force: true })
})

interface Ran {
  readonly report: Report
  readonly said: ReadonlyArray<string>
}

const small = {
  steps: 2,
  batch: 4,
  data: { train: 24, test: 12 },
  evaluation: { during: 0, k: 3 },
  model: { patch: 7, width: 8, depth: 2, heads: 2, mlpRatio: 2 },
  head: { hidden: 8, bottleneck: 4, prototypes: 8 },
  augmentation: { locals: 1 },
}

const ran = async (e: Experiment, out: string, changes: object = {}): Promise<Ran> => {
  const said: string[] = []
  const run = right(e.resolve([given(small), given(changes)]))
  const report = right(
    await runExperiment(run, {
      name: e.name,
      out: join(root, out),
      device: TE.fromTask(async () => right(await reference.open())),
      resume: false,
      judge,
      progress: {
        ...quiet,
        say: (text) => {
          said.push(text)
        },
      },
      stopping: () => false,
    })(),
  )
  expect(Number.isFinite(report.loss)).toBe(true)
  return { report, said }
}

/** The Gram term of each step, where it had one. */
const gramLosses = async (out: string): Promise<ReadonlyArray<number | undefined>> => {
  const lines = (await readFile(join(root, out, 'metrics.jsonl'), 'utf8')).trim().split('\n')
  return lines.flatMap((line) => {
    const step = metrics.decode(JSON.parse(line))
    if (E.isLeft(step)) return expect.fail(`no metrics: ${line}`)
    return step.right.loss === undefined ? [] : [step.right['loss.gram']]
  })
}

/** Without LayerScale, as DINO is released. */
const plain = { model: { layerScale: null } }

const from = (out: string, more: object = {}): object => ({ start: { from: join(root, out), ...more } })

describe('weights are trained on with another objective', { timeout: 240_000 }, () => {
  it('from DINO to DINOv2: the features are the same at first, LayerScale at 1, the mask token new, the head taken over', async () => {
    const before = await ran(dinov1, 'v1', plain)
    const after = await ran(dinov2, 'v1-v2', from('v1'))
    expect(after.report.metrics['knn_before']).toBe(before.report.metrics['knn_after'])
    const text = after.said.join('\n')
    for (const note of [
      'tensors taken over; the optimizer begins anew',
      'mask_token: begins anew',
      'ls*.gamma: begins at 1',
      "dino_head is the source's head",
      'ibot_head begins anew: the source has none',
    ])
      expect(text).toContain(note)
  })
  it('from DINOv2 to DINO: LayerScale goes into the layers before it', async () => {
    const before = await ran(dinov2, 'v2', {})
    const after = await ran(dinov1, 'v2-v1', { ...plain, ...from('v2') })
    expect(after.report.metrics['knn_before']).toBe(before.report.metrics['knn_after'])
    for (const note of ['LayerScale was multiplied into the layers before it', "head is the source's dino_head", 'mask_token: left out'])
      expect(after.said.join('\n')).toContain(note)
  })
  it('through the stages of DINOv3, whose Gram teacher is renewed at times, from the backbone alone', async () => {
    const after = await ran(dinov3, 'v2-v3', {
      ...from('v2', { heads: 'new' }),
      steps: 6,
      stages: { anchoring: 1 / 3, larger: 5 / 6 },
      anchor: { every: 1, times: 2, size: 35 },
      larger: { globalSize: 35, localSize: 14, anchorSize: 42 },
    })
    const text = after.said.join('\n')
    for (const note of [
      'pos_embed: left out: the network has none',
      'heads begin anew, as asked',
      'step 2: Gram anchoring',
      'step 5: Gram anchoring, larger images',
    ])
      expect(text).toContain(note)
    expect(after.said.filter((s) => s.includes('the Gram teacher is a copy')).map((s) => s.split(':')[0])).toEqual(['step 2', 'step 3'])
    // anchored from the second step on; the second copy, of a teacher that has moved since, is another anchor than the first would be
    const once = await ran(dinov3, 'v2-v3-once', {
      ...from('v2', { heads: 'new' }),
      steps: 6,
      stages: { anchoring: 1 / 3, larger: 5 / 6 },
      anchor: { every: 1, times: 1, size: 35 },
      larger: { globalSize: 35, localSize: 14, anchorSize: 42 },
    })
    expect(once.said.filter((s) => s.includes('the Gram teacher is a copy')).map((s) => s.split(':')[0])).toEqual(['step 2'])
    const [twice, single] = [await gramLosses('v2-v3'), await gramLosses('v2-v3-once')]
    expect(twice.map((x) => x === undefined)).toEqual([true, true, false, false, false, false])
    expect(twice[2]).toBe(single[2])
    expect(twice.slice(3).map((x, i) => x !== single[3 + i])).toEqual([true, true, true])
    expect(twice.slice(2).every((x) => x !== undefined && x > 0 && x < 1)).toBe(true)
    expect(after.report.metrics['loss.gram']).toBe(twice[5])
  })
  it('but not on a network of another size', async () => {
    const run = right(dinov2.resolve([given(small), given({ ...from('v1'), model: { width: 16 } })]))
    const f = await runExperiment(run, {
      name: 'x',
      out: join(root, 'x'),
      device: TE.fromTask(async () => right(await reference.open())),
      resume: false,
      judge,
      progress: quiet,
      stopping: () => false,
    })()
    expect(f).toMatchObject({ left: { kind: 'config', found: '[8, 1, 7, 7]', allowed: '[16, 1, 7, 7]' } })
  })
})
