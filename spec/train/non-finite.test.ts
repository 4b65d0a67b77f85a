/** Numbers that are not finite: what becomes of the run, by the policy of its settings, and that none is ever saved. */
import { mkdtempSync, readFileSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, test } from 'vitest'
import { showFault } from '../../core/fault.ts'
import { constant } from '../../train/step/schedule.ts'
import { left, right } from '../data/either.ts'
import { ranIn, tiny } from './tiny.ts'

const folder = (): string => mkdtempSync(join(tmpdir(), 'dinograph-'))

/** A learning rate that is no number at some steps: the step makes a state of NaN, and the one after it a loss of NaN. */
const broken = (bad: (step: number) => boolean) =>
  tiny({
    hypers: () =>
      E.right({ lr: (step) => (bad(step) ? NaN : 0.01), wd: constant(0.04), momentum: constant(0.9), teacher_temp: constant(0.04) }),
  })

const saved = (out: string): ReadonlyArray<string> =>
  readdirSync(join(out, 'checkpoints'))
    .map((n) => n.replace(/^step-0*|\.dino$/g, ''))
    .sort()
const records = (out: string): ReadonlyArray<Readonly<Record<string, unknown>>> =>
  readFileSync(join(out, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => {
      const u: unknown = JSON.parse(line)
      return Object.fromEntries(Object.entries(typeof u === 'object' && u !== null ? u : {}))
    })

describe('with nonFinite: stop', () => {
  test('a state that is not finite is not saved, and the checkpoint before stays', async () => {
    const out = folder()
    const f = left(
      await ranIn(
        out,
        broken((step) => step === 2),
        { steps: 6, runtime: { checkpoints: { every: 1, keepLast: 9 } } },
      )(),
    )
    expect(showFault(f)).toMatch(
      /^numeric fault at step 3, student\.[\w.]+\n {2}found: {3}NaN at element 0 of \d+\n {2}allowed: finite numbers: a state with others is not saved\n {2}remedy: .*--resume/,
    )
    expect(saved(out)).toEqual(['1', '2'])
    // with the cause gone the run goes on from there
    const again = right(
      await ranIn(
        out,
        broken(() => false),
        { steps: 6, runtime: { checkpoints: { every: 1, keepLast: 9 } } },
        { resume: true },
      )(),
    )
    expect(again.report.steps).toBe(6)
    expect([...again.state.values()].every((x) => x.every(Number.isFinite))).toBe(true)
  })
  test('a loss that is no number ends the run, with the term, the step, and where to go on', async () => {
    const out = folder()
    const f = left(
      await ranIn(
        out,
        broken((step) => step === 2),
        { steps: 6, runtime: { checkpoints: { every: 2 } } },
      )(),
    )
    expect(showFault(f)).toMatch(
      /^numeric fault at step 3, loss\.dino\n {2}found: {3}NaN\n {2}allowed: a finite loss\n {2}remedy: {2}lower the learning rate or clip more; the last good state is \S+step-00000002\.dino \(continue from it with --resume\)$/,
    )
    expect(records(out).length).toBe(3)
  })
})

describe('with nonFinite: skip', () => {
  test('such a step is left out and counted, nothing moves at it, and the run goes on', async () => {
    const out = folder()
    const r = right(
      await ranIn(
        out,
        broken((step) => step === 2),
        { steps: 5, runtime: { nonFinite: 'skip', checkpoints: { every: 1, keepLast: 9 } } },
      )(),
    )
    expect(records(out).map((x) => x['skipped'])).toEqual([0, 0, 1, 0, 0])
    expect([...r.state.values()].every((x) => x.every(Number.isFinite))).toBe(true)
    const short = right(
      await ranIn(
        folder(),
        broken((step) => step === 2),
        { steps: 2, runtime: { nonFinite: 'skip' } },
      )(),
    )
    const [two, three] = [
      short.state,
      right(
        await ranIn(
          folder(),
          broken((step) => step === 2),
          { steps: 3, runtime: { nonFinite: 'skip' } },
        )(),
      ).state,
    ]
    for (const [path, x] of two) expect(three.get(path), path).toEqual(x)
    expect(r.state.get('student.backbone.cls_token')).not.toEqual(three.get('student.backbone.cls_token'))
  })
  test('but not for ever', async () => {
    const out = folder()
    const f = left(
      await ranIn(
        out,
        broken((step) => step >= 2),
        { steps: 9, runtime: { nonFinite: 'skip', skips: 3, checkpoints: { every: 1, keepLast: 9 } } },
      )(),
    )
    expect(showFault(f)).toMatch(
      /^numeric fault at step 4\n {2}found: {3}3 steps in a row without finite numbers\n {2}allowed: fewer than runtime\.skips/,
    )
    expect(saved(out)).toEqual(['1', '2', '3', '4'])
  })
})
