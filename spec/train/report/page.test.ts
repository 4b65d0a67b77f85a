/** The page of a run's folder, whatever state the run was left in. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { reference } from '../../../compiler/targets/reference.ts'
import { escaped, html, table, typed } from '../../../train/judge/report/html.ts'
import { recordStart, sessionsIn } from '../../../train/run/environment.ts'
import { readRecord, recordSummary } from '../../../train/judge/report/record.ts'
import { writeReport } from '../../../train/judge/report/report.ts'
import { verdict } from '../../../train/judge/report/verdict.ts'
import { left, right } from '../../data/either.ts'

let root = ''
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'report-'))
})
afterAll(async () => {
  await rm(root, { recursive: true, force: true })
})

const folder = async (name: string, lines: ReadonlyArray<string>): Promise<string> => {
  const at = join(root, name)
  await mkdir(at)
  await writeFile(join(at, 'config.yaml'), 'steps: 300\nmodel:\n  note: "<script>alert(1)</script>"\n')
  await writeFile(join(at, 'metrics.jsonl'), lines.join('\n'))
  return at
}

const record = (step: number): string =>
  JSON.stringify({ step, loss: 9 - step, 'loss.dino': 1 / step, lr: 0.001, wd: 0.04, images_per_s: 100, entropy: null })

/** What a page would fetch, if it could. */
const fetched = (page: string): ReadonlyArray<string> =>
  [...page.matchAll(/(?:(?<![\w-])(?:src|href|xlink:href)\s*=\s*["']?|url\(["']?)([^"')\s>]+)/g)]
    .map((m) => m[1])
    .filter((u) => !u.startsWith('data:') && !u.startsWith('#'))

describe('html', () => {
  test('escapes what is put into it, and nothing twice', () => {
    expect(html`<p title="${'"'}">${'<b> & '}${html`<i>${3}</i>`}${[html`x`, html`y`]}</p>`.text).toBe(
      '<p title="&quot;">&lt;b&gt; &amp; <i>3</i>xy</p>',
    )
    expect(escaped("'")).toBe('&#39;')
  })
  test('tables have the columns of their first row, numbers to the right', () => {
    expect(
      table([
        { a: 'x', b: 0.5 },
        { a: '<', b: '70.0 %' },
      ]).text,
    ).toContain('<th>a</th><th class="number">b</th>')
    expect(table([{ a: '<' }]).text).toContain('<td>&lt;</td>')
  })
})

describe('what a run has come to', () => {
  test.each([
    [0.938, 0.828, 0.931, '11 points above the untrained network, 0.7 points above raw pixels. Training has paid: it is better than both.'],
    [0.938, 0.828, 0.948, '11 points above the untrained network, 1 point below raw pixels. Images compared pixel by pixel'],
    [0.9384, 0.9376, undefined, 'level with the untrained network. Training has made nothing better'],
    [0.1, 0.8, 0.9, '70 points below the untrained network, 80 points below raw pixels. Training has made nothing better'],
    [0.8, undefined, 0.7, '10 points above raw pixels.'],
  ])('%s after, %s before, %s of pixels', (after, before, pixels, said) => {
    expect(verdict('k-NN (k = 20)', { after, before, pixels })).toContain(`k-NN (k = 20) ${(100 * after).toFixed(1)} %: ${said}`)
  })
  test('alone, a number says nothing', () => {
    expect(verdict('k-NN', { after: 0.9, before: undefined, pixels: undefined })).toBeUndefined()
  })
})

describe('the page', () => {
  test('says what the numbers mean, of how many neighbours, and leaves options whole', async () => {
    const at = await folder('said', [record(1)])
    await writeFile(join(at, 'config.yaml'), 'steps: 1\nevaluation: { k: 7 }\n')
    right(await recordSummary(at, { ending: 'finished', metrics: { knn_before: 0.5, knn_after: 0.75, knn_pixels: 0.7 } })())
    const text = await readFile(right(await writeReport(at, [])()), 'utf8')
    expect(text).toContain('k-NN (k = 7) 75.0 %: 25 points above the untrained network, 5 points above raw pixels.')
    for (const name of ['k-NN (k = 7) of raw pixels', 'k-NN before training (k = 7)']) expect(text).toContain(name)
    expect(text).toContain('<span class="option">--config</span>')
    expect(typed('npm run report -- --run a<b').text).toBe(
      '<code>npm run report <span class="option">-- </span><span class="option">--run </span>a&lt;b</code>',
    )
  })
  test('of a run that was stopped after three steps, its last line torn', async () => {
    const at = await folder('three', [record(1), record(2), record(3), '{"step":4,"lo'])
    right(await recordStart(at, false, 'a <b> run', right(await reference.open()))())
    right(await recordSummary(at, { ending: 'stopped', metrics: { knn_before: 0.5, bad: NaN } })())
    const text = await readFile(right(await writeReport(at, [])()), 'utf8')
    for (const part of [
      'stopped at step 3 of 300',
      'a &lt;b&gt; run',
      '50.0 %',
      '&lt;script&gt;alert(1)',
      'weight decay 0.0400',
      'fp-ts',
      '<svg',
      'loss.dino',
    ])
      expect(text).toContain(part)
    expect(text).not.toContain('<script')
    expect(fetched(text)).toEqual([])
  })
  test('of a run without any step, and of one that is going on', async () => {
    expect(await readFile(right(await writeReport(await folder('none', []), [])()), 'utf8')).toContain('at step 0 of 300: not finished')
    expect(await readFile(right(await writeReport(await folder('going', [record(1)]), [])()), 'utf8')).toContain(
      'at step 1 of 300: not finished',
    )
  })
  test('draws identifiers apart, so that one chart does not clip another', async () => {
    const text = await readFile(
      right(
        await writeReport(
          await folder(
            'ids',
            Array.from({ length: 700 }, (_, i) => record(i + 1)),
          ),
          [],
        )(),
      ),
      'utf8',
    )
    const ids = [...text.matchAll(/\bid="([^"]+)"/g)].map((m) => m[1])
    expect(new Set(ids).size).toBe(ids.length)
    for (const [, id] of text.matchAll(/url\(#([^)]+)\)/g)) expect(ids).toContain(id)
    expect(text).toContain('means of 4 steps')
  })
  test('is not made of a folder that holds no run', async () => {
    expect(left(await writeReport(root, [])())).toMatchObject({ kind: 'data', found: 'no config.yaml' })
  })
})

describe('the environment', () => {
  test('grows with every start of one run, and begins anew with another; an earlier ending is forgotten', async () => {
    const at = await folder('starts', [record(1)])
    const device = right(await reference.open())
    right(await recordStart(at, false, 'one', device)())
    right(await recordSummary(at, { ending: 'stopped', metrics: {} })())
    right(await recordStart(at, true, 'one', device)())
    expect(right(await sessionsIn(at)())).toMatchObject([{ target: 'reference' }, { name: 'one', versions: { vega: '6.4.0' } }])
    expect(right(await readRecord(at)()).summary._tag).toBe('None')
    right(await recordStart(at, false, 'two', device)())
    expect(right(await sessionsIn(at)()).map((s) => s.name)).toEqual(['two'])
  })
})
