/** Several runs on one page. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { comparedIn, differences, namesOf, writeComparison } from '../../../train/judge/report/compare.ts'
import { recordSummary } from '../../../train/judge/report/record.ts'
import { left, right } from '../../data/either.ts'
import { dinograph } from '../../support/command.ts'

let root = ''
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'compare-'))
})
afterAll(async () => {
  await rm(root, { recursive: true, force: true })
})

const run = async (name: string, lr: number, steps: number): Promise<string> => {
  const at = join(root, name)
  await mkdir(at, { recursive: true })
  await writeFile(join(at, 'config.yaml'), stringify({ steps, seed: 1, optimizer: { lr }, note: '<script>alert(1)</script>' }))
  const line = (i: number): string => JSON.stringify({ step: i + 1, loss: 9 - lr * i, lr, wd: 0.04, images_per_s: 100 })
  await writeFile(join(at, 'metrics.jsonl'), Array.from({ length: steps }, (_, i) => line(i)).join('\n'))
  return at
}

describe('settings that differ', () => {
  const config = fc.dictionary(
    fc.constantFrom('a', 'b', 'c'),
    fc.oneof(fc.nat(3), fc.dictionary(fc.constantFrom('x', 'y'), fc.nat(3), { minKeys: 1 })),
  )
  test('are none of equal ones, and the same in any order of runs', () => {
    fc.assert(
      fc.property(config, config, (a, b) => {
        expect(differences([a, a, a])).toEqual([])
        const paths = (all: ReadonlyArray<unknown>): ReadonlyArray<string> =>
          differences(all)
            .map(([path]) => path)
            .sort()
        expect(paths([a, b])).toEqual(paths([b, a]))
        for (const [, [x, y]] of differences([a, b])) expect(x).not.toBe(y)
      }),
    )
    expect(
      differences([
        { m: { w: 1 }, s: [1, 2] },
        { m: { w: 2, d: 3 }, s: [1, 2] },
      ]),
    ).toEqual([
      ['m.w', ['1', '2']],
      ['m.d', ['-', '3']],
    ])
  })
  test('runs of one name are told apart by their folders', () => {
    expect(namesOf(['runs/a', 'runs/b/'])).toEqual(['a', 'b'])
    expect(new Set(namesOf(['x/run', 'y/run'])).size).toBe(2)
  })
})

test('one page has results, settings and curves of all, and needs nothing from elsewhere', async () => {
  const runs = [await run('low', 0.001, 40), await run('high', 0.05, 30), await run('other/low', 0.001, 40)]
  right(await recordSummary(runs[0], { ending: 'collapsed', metrics: { knn_after: 0.5 } })())
  right(
    await recordSummary(runs[1], {
      ending: 'early',
      metrics: { knn_after: 0.75 },
      best: { metric: 'loss', value: 7, step: 12, checkpoint: 'checkpoints/step-00000012.dino' },
    })(),
  )
  const path = comparedIn(runs)
  expect(path).toBe(join(root, 'compare.html'))
  const text = await readFile(right(await writeComparison(runs, path)()), 'utf8')
  for (const part of [
    '3 runs compared',
    'collapsed',
    'ended early at step 30 of 30',
    '50.0 %',
    '75.0 %',
    'optimizer.lr',
    'loss 7 at step 12',
    '<svg',
  ])
    expect(text).toContain(part)
  // what is equal in all runs is neither a difference nor a curve
  for (const part of ['>seed<', 'alert(1)', 'over steps of', '<script']) expect(text.includes(part)).toBe(part === 'over steps of')
  expect(text).not.toContain('weight decay over steps')
  expect([...text.matchAll(/(?:src|href)="([^"#][^"]*)"/g)].map((m) => m[1])).toEqual([])
  const ids = [...text.matchAll(/\bid="([^"]+)"/g)].map((m) => m[1])
  expect(new Set(ids).size).toBe(ids.length)
  // a curve for each run, in its colour
  for (const colour of ['var(--class-0)', 'var(--class-1)', 'var(--class-2)'])
    expect(text.split(`stroke="${colour}"`).length).toBeGreaterThan(1)
})

test('a folder without a run is a fault', async () => {
  expect(left(await writeComparison([await run('one', 1, 1), join(root, 'none')], join(root, 'x.html'))())).toMatchObject({
    found: 'no config.yaml',
  })
})

test('the command compares, and refuses what it cannot compare with a remedy that holds', async () => {
  const [a, b] = [await run('first', 0.1, 3), await run('second', 0.2, 3)]
  const one = dinograph('report', '--compare', a)
  expect([one.code, one.err]).toEqual([2, expect.stringContaining('--compare runs/a runs/b')])
  const picture = dinograph('report', '--compare', a, b, '--out', join(root, 'page.png'))
  expect([picture.code, picture.err]).toEqual([2, expect.stringContaining(`write --out ${join(root, 'page')}.html`)])
  const done = dinograph('report', '--compare', a, b, '--out', join(root, 'page.html'))
  expect([done.code, done.out.trim()]).toEqual([0, join(root, 'page.html')])
  expect(dinograph('report', a).err).toContain(`write --run ${a}`)
}, 60_000)
