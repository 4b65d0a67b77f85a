/** Images that vanish, or change, while a run reads them; each run is a process of its own. */
import { cp, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { spawn } from 'node:child_process'
import sharp from 'sharp'
import { describe, expect, test } from 'vitest'
import { differs, live, remains } from './lived.ts'
import { quickOn } from './quick.ts'
import { program } from '../support/built.ts'

const folder = (): Promise<string> => mkdtemp(join(tmpdir(), 'dinograph-vanishing-'))

const pictures = async (): Promise<string> => {
  const root = join(await folder(), 'pictures')
  await mkdir(root)
  for (let n = 0; n < 20; n++) {
    const pixels = Uint8Array.from({ length: 28 * 28 }, (_, i) => (i * (n + 3)) % 251)
    await writeFile(
      join(root, `${n}.png`),
      await sharp(pixels, { raw: { width: 28, height: 28, channels: 1 } })
        .png()
        .toBuffer(),
    )
  }
  return root
}

const words = (data: string, out: string): ReadonlyArray<string> =>
  quickOn(data, out, 12, { 'data.prefetch': 0, 'data.cache': 0, 'runtime.checkpoints.every': 1000 })

/** Runs, and does something to its images once it has trained a step. */
const disturbed = (
  data: string,
  out: string,
  how: () => Promise<void>,
): Promise<{ readonly code: number | null; readonly stderr: string }> =>
  new Promise((done) => {
    const child = spawn(process.execPath, [program('train/cli/dinograph.ts'), 'train', ...words(data, out)], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let [stderr, began] = ['', false]
    child.stderr.on('data', (d: Buffer) => {
      stderr += d.toString()
      if (began || !/step +1\/12/.test(stderr)) return
      began = true
      void how()
    })
    child.on('close', (code) => {
      done({ code, stderr })
    })
  })

describe('images', () => {
  test.each(['vanish', 'are cut short'])(
    'that %s cost nothing that was trained: restored, the run ends equal to the bit',
    { timeout: 240000 },
    async (how) => {
      const [data, undisturbed, out] = [await pictures(), join(await folder(), 'run'), join(await folder(), 'run')]
      const whole = await live(words(data, undisturbed))
      expect(whole.code, whole.stderr).toBe(0)
      const kept = `${data}.kept`
      await cp(data, kept, { recursive: true })
      const r = await disturbed(data, out, async () => {
        if (how === 'vanish') await rename(data, `${data}.gone`)
        else for (let n = 0; n < 20; n++) await writeFile(join(data, `${n}.png`), (await readFile(join(kept, `${n}.png`))).subarray(0, 60))
      })
      expect(r.code, r.stderr).toBe(1)
      expect(r.stderr).toMatch(/found: .*\n {2}allowed: .*\n {2}remedy: .*all \d+ steps are saved, and --resume goes on from/)
      await rm(data, { recursive: true, force: true })
      await rename(kept, data)
      const again = await live(['--resume', '--out', out])
      expect(again.code, again.stderr).toBe(0)
      expect(differs(await remains(undisturbed), await remains(out))).toBeUndefined()
    },
  )

  test('one of which is damaged is skipped when the run goes on as the remedy says', { timeout: 240000 }, async () => {
    const [data, out] = [await pictures(), join(await folder(), 'run')]
    const r = await disturbed(data, out, async () => {
      for (const n of [3, 4]) await writeFile(join(data, `${n}.png`), (await readFile(join(data, `${n}.png`))).subarray(0, 60))
    })
    expect(r.code, r.stderr).toBe(1)
    const remedy = /--set data\.onError=skip/.exec(r.stderr)?.[0] ?? expect.fail(r.stderr)
    const again = await live(['--resume', '--out', out, ...remedy.split(' ')])
    expect(again.code, again.stderr).toBe(0)
    expect(again.stderr).toContain('3.png')
  })
})
