/** Runs that are continued with their images elsewhere, read another way, or computed otherwise. Each is a process of its own. */
import { cp, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { beforeAll, describe, expect, test } from 'vitest'
import { differs, live, remains } from './lived.ts'
import type { Remains } from './lived.ts'
import { quickOn } from './quick.ts'

const folder = (): Promise<string> => mkdtemp(join(tmpdir(), 'dinograph-elsewhere-'))

const picture = (n: number): Promise<Buffer> =>
  sharp(
    Uint8Array.from({ length: 28 * 28 }, (_, i) => (i * (n + 3)) % 251),
    { raw: { width: 28, height: 28, channels: 1 } },
  )
    .png()
    .toBuffer()

/** Twenty pictures in two classes. */
const pictures = async (): Promise<string> => {
  const root = join(await folder(), 'pictures')
  for (let n = 0; n < 20; n++) {
    await mkdir(join(root, `c${n % 2}`), { recursive: true })
    await writeFile(join(root, `c${n % 2}`, `${n}.png`), await picture(n))
  }
  return root
}

const words = (data: string, out: string): ReadonlyArray<string> => quickOn(data, out, 8)

let [data, begun] = ['', '']
let whole: Remains

/** A copy of the run that was stopped, with images of its own. */
const stopped = async (): Promise<{ readonly at: string; readonly out: string }> => {
  const root = await folder()
  const [at, out] = [join(root, 'elsewhere'), join(root, 'run')]
  await cp(data, at, { recursive: true })
  await cp(begun, out, { recursive: true })
  return { at, out }
}

beforeAll(async () => {
  data = await pictures()
  const undisturbed = join(await folder(), 'run')
  const r = await live(words(data, undisturbed))
  expect(r.code, r.stderr).toBe(0)
  whole = await remains(undisturbed)
  begun = join(await folder(), 'run')
  const s = await live(words(data, begun), { whenSaid: /step 1\/8/, signal: 'SIGINT' })
  expect(s.stderr).toContain('continue with')
}, 240000)

describe('a run goes on', () => {
  test('to the bit with its images elsewhere and read by threads, prefetched and kept otherwise', { timeout: 120000 }, async () => {
    const { at, out } = await stopped()
    const r = await live([
      '--resume',
      '--out',
      out,
      '--data',
      at,
      '--set',
      'data.workers=2',
      '--set',
      'data.prefetch=4',
      '--set',
      'data.cache=0',
    ])
    expect(r.code, r.stderr).toBe(0)
    expect(differs(whole, await remains(out))).toBeUndefined()
  })

  test('on another target, and says where equality to the bit ends', { timeout: 120000 }, async () => {
    const { out } = await stopped()
    const r = await live(['--resume', '--out', out, '--target', 'reference'])
    expect(r.code, r.stderr).toBe(0)
    expect(r.stderr).toMatch(/note: computed on reference from step \d on, and on native with \d+ threads? before/)
  })
})

describe('a run does not go on', () => {
  test('with other images, under another name or with another label, and does with the remedy', { timeout: 240000 }, async () => {
    const { at, out } = await stopped()
    await rename(join(at, 'c0', '0.png'), join(at, 'c1', '0.png'))
    const moved = await live(['--resume', '--out', out, '--data', at])
    expect(moved.code).toBe(1)
    expect(moved.stderr).toContain('by the digest of their listing')
    await rm(join(at, 'c1', '0.png'))
    expect((await live(['--resume', '--out', out, '--data', at])).stderr).toMatch(
      /found: {3}15 images to train on and 4 to evaluate with|found: .*images to train on/,
    )
    await cp(data, at, { recursive: true })
    const restored = await live(['--resume', '--out', out, '--data', at])
    expect(restored.code, restored.stderr).toBe(0)
  })

  test.each([
    [['--set', 'batch=5'], 'batch', 'which images a step sees'],
    [['--set', 'strategies.accumulate=2'], 'strategies.accumulate', 'which images a step sees'],
    [['--seed', '3'], 'seed', 'every random draw'],
  ])('with %j, and says why', { timeout: 60000 }, async (change, path, why) => {
    const { out } = await stopped()
    const r = await live(['--resume', '--out', out, ...change])
    expect(r.code).toBe(1)
    expect(r.stderr).toContain(`: ${path}`)
    expect(r.stderr).toContain(why)
  })
})
