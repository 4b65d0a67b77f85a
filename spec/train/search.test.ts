/** A search for settings as a process, whose answer is trained with; what it tries is search-plan.test.ts. */
import { mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { withoutTest } from '../../train/judge/search/trial.ts'
import { recipe } from '../../train/index.ts'
import { right } from '../data/either.ts'
import { writePng } from '../../data/readers/pictures/picture.ts'
import { wave } from '../support/tensor.ts'
import { live } from './lived.ts'
import { quick } from './quick.ts'
import type { Said } from '../support/command.ts'
import { dinograph } from '../support/command.ts'

it('judges by images that training would see, and never by those of the test', async () => {
  const whole = right(recipe().resolve([{ tree: { data: { train: 60, test: 20 } }, origins: new Map(), faults: [] }]))
  const all = right(await whole.data(() => undefined)())
  const cut = right(await withoutTest(whole).data(() => undefined)())
  expect(cut.train.length + cut.test.length).toBe(all.train.length)
  expect(cut.test.length).toBeGreaterThan(0)
  const pixels = async (d: typeof all.train): Promise<ReadonlyArray<string>> =>
    Promise.all(Array.from({ length: d.length }, async (_, i) => right(await d.item(i)()).image.data.join()))
  const seen = new Set([...(await pixels(cut.train)), ...(await pixels(cut.test))])
  for (const x of await pixels(all.test)) expect(seen.has(x)).toBe(false)
})

const searched = (...words: ReadonlyArray<string>): Said => dinograph('search', ...words)

describe('as a process', () => {
  it('writes what it found, and a configuration that trains', { timeout: 300_000 }, async () => {
    const out = join(await mkdtemp(join(tmpdir(), 'dinograph-search-')), 'found')
    const vary = 'optimizer.lr=0.5;augmentation.locals=0,2'
    const found = searched(...quick, '--steps', '3', '--minutes', '1', '--vary', vary, '--out', out, '--json')
    expect(found.code, found.err).toBe(0)
    expect(found.out).toContain('what mattered')
    expect(found.err).toMatch(/plan: \d+ runs of 3 steps/)
    expect(found.out).toContain(join(out, 'best.yaml'))
    expect(JSON.parse(await readFile(join(out, 'search.json'), 'utf8'))).toMatchObject({ axes: [{ name: 'optimizer.lr' }, {}], unfit: 0 })
    const trained = await live(['--config', join(out, 'best.yaml'), '--out', join(out, 'run')])
    expect(trained.code, trained.stderr).toBe(0)
    expect((await readFile(join(out, 'run', 'metrics.jsonl'), 'utf8')).trimEnd().split('\n')).toHaveLength(3)
  })

  it('says what is wrong: time for no two runs, values of no setting, no time', { timeout: 300_000 }, () => {
    const short = searched(...quick, '--steps', '100000', '--minutes', '0.3')
    expect(short.code).toBe(2)
    expect(short.err).toMatch(/--minutes[\s\S]*remedy: {2}give it more minutes/)
    const shape = searched(...quick, '--minutes', '1', '--vary', 'optimizer.lr')
    expect(shape.code).toBe(2)
    expect(shape.err).toContain('PATH=V,V')
    expect(searched(...quick).err).toContain('--minutes with a value')
    const unknown = searched(...quick, '--steps', '3', '--minutes', '0.5', '--vary', 'optimizer.rl=1')
    expect(unknown.code).toBe(2)
    expect(unknown.err).toContain('optimizer.lr')
  })

  it('images without labels judge nothing', { timeout: 120_000 }, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'dinograph-unlabelled-'))
    for (let i = 0; i < 8; i++)
      right(await writePng(join(folder, `${i}.png`))({ channels: 1, height: 28, width: 28, data: Float32Array.from(wave(784)) })())
    const none = searched(...quick, '--data', folder, '--steps', '3', '--minutes', '1')
    expect(none.code).toBe(2)
    expect(none.err).toContain('images without labels')
  })
})
