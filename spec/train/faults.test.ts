/** Misfortunes while a run is under way, one after the other, each in a process of its own: the end is that of a run that had none. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { copyFile, mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Change } from '../disk/crash.ts'
import { changesIn, heldAfter, put, survivals } from '../disk/crash.ts'
import type { Disk } from '../disk/disk.ts'
import { disk, onDisk } from '../disk/disk.ts'
import type { Lived, Remains } from './lived.ts'
import { differs, live, remains } from './lived.ts'
import { quick } from './quick.ts'
import { program } from '../support/built.ts'

const folder = (): Promise<string> => mkdtemp(join(tmpdir(), 'dinograph-faults-'))

/** A short run that others begin from. */
const first = (out: string): ReadonlyArray<string> => [...quick, '--steps', '1', '--out', out]

/** With adapters, whose export is a folder of its own. */
const adapting = (from: string, out: string): ReadonlyArray<string> => [
  ...quick,
  ...['--set', `start.from=${from}`, '--set', 'strategies.lora.rank=2', '--steps', '6', '--out', out],
]

const again = (out: string): ReadonlyArray<string> => ['--resume', '--out', out]

/** A run on a disk. */
const on = (d: Disk, given: ReadonlyArray<string>): Promise<Lived> => live(given, { env: onDisk(d) })

const command = (given: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}): Promise<Pick<Lived, 'code' | 'stderr'>> =>
  new Promise((done) => {
    const child = spawn(process.execPath, [program('train/cli/dinograph.ts'), ...given], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, ...env },
    })
    let stderr = ''
    child.stderr.on('data', (text: Buffer) => {
      stderr += text.toString()
    })
    child.on('close', (code) => {
      done({ code, stderr })
    })
  })

const unfinished = async (out: string): Promise<ReadonlyArray<string>> =>
  (await readdir(out, { recursive: true, encoding: 'utf8' })).filter((name) => name.endsWith('.tmp'))

/** Waits until something is so. */
const until = async (is: () => boolean): Promise<void> => {
  while (!is()) await new Promise((done) => setTimeout(done, 5))
}

/** Sends a signal to a run when something is so; gives how it ended. */
const signalled = (
  d: Disk,
  given: ReadonlyArray<string>,
  when: (child: { kill: (s: NodeJS.Signals) => void; said: () => string }) => Promise<void>,
) =>
  new Promise<Pick<Lived, 'code' | 'stderr'>>((done) => {
    const child = spawn(process.execPath, [program('train/cli/dinograph.ts'), 'train', ...given], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, ...onDisk(d) },
    })
    let stderr = ''
    child.stderr.on('data', (text: Buffer) => {
      stderr += text.toString()
    })
    child.on('close', (code) => {
      done({ code, stderr })
    })
    void when({ kill: (s) => child.kill(s), said: () => stderr })
  })

describe.skipIf(disk === undefined)('a run', () => {
  let whole: Remains
  let words: (out: string) => ReadonlyArray<string>
  let [undisturbed, pictures, changes]: [string, string, ReadonlyArray<Change>] = ['', '', []]

  beforeAll(async () => {
    const base = join(await folder(), 'base')
    const begun = await live(first(base))
    expect(begun.code, begun.stderr).toBe(0)
    words = (out) => adapting(base, out)
    undisturbed = join(await folder(), 'run')
    const log = join(await folder(), 'log')
    const r = await on({ under: join(undisturbed, '..'), log }, words(undisturbed))
    expect(r.code, r.stderr).toBe(0)
    whole = await remains(undisturbed)
    changes = changesIn(await readFile(log))
    pictures = await folder()
    for (const name of ['a.png', 'b.png']) await copyFile('spec/data/fixtures/pictures/gray.png', join(pictures, name))
  }, 600_000)

  test(
    'that finds the disk full wherever it writes, again and again, loses nothing that it had saved',
    { timeout: 1_800_000 },
    async () => {
      const out = join(await folder(), 'run')
      let given = words(out)
      const line = (await readFile(join(undisturbed, 'metrics.jsonl'))).length / 6
      for (const [part, bytes, saved] of [
        ['config.yaml', 100, 0],
        ['/metrics.jsonl', 3.5 * line, 2],
        ['/events.out.tfevents', 400, 2],
        ['/checkpoints/', 1000, 2],
        ['/.model.safetensors', 100, 6],
        ['/.adapter_model.safetensors', 100, 6],
      ] as const) {
        const r = await on({ under: out, full: { part, bytes: Math.floor(bytes) } }, given)
        expect(r.code, `${part}: ${r.stderr}`).toBe(1)
        expect(r.stderr, part).toMatch(/found: +[^\n]*ENOSPC[^\n]*\n {2}allowed: a disk with room\n {2}remedy: +free space on the disk/)
        expect(await unfinished(out).catch(() => []), part).toEqual([])
        const names = await readdir(join(out, 'checkpoints')).catch(() => [])
        expect(Math.max(0, ...names.map((n) => Number(/\d+/.exec(n)?.[0]))), part).toBeGreaterThanOrEqual(saved)
        if (existsSync(join(out, 'config.yaml'))) given = again(out)
      }
      // the run is there without its page
      await rm(join(out, 'report.html'), { force: true })
      const r = await on({ under: out, full: { part: 'report.html', bytes: 1000 } }, given)
      expect(r.code, r.stderr).toBe(0)
      expect(r.stderr).toMatch(/ENOSPC[^]*no \S+report\.html was written; for another try: npx dinograph report --run \S+/)
      expect(differs(whole, await remains(out))).toBeUndefined()
      expect(existsSync(join(out, 'report.html'))).toBe(false)
      const made = await command(['report', '--run', out])
      expect(made.code, made.stderr).toBe(0)
      expect(existsSync(join(out, 'report.html'))).toBe(true)
    },
  )

  test.each([
    ['features', (at: string) => ['features', '--model', undisturbed, '--data', pictures, '--out', join(at, 'x.safetensors')]],
    ['a network', (at: string) => ['export', '--model', undisturbed, '--onnx', join(at, 'x.onnx')]],
  ] as const)('of a command that writes %s to a full disk leaves no part of a file', { timeout: 600_000 }, async (_, given) => {
    const at = await folder()
    const r = await command(given(at), onDisk({ under: at, full: { part: '/', bytes: 100 } }))
    expect(r.code, r.stderr).toBe(1)
    expect(r.stderr).toMatch(/ENOSPC[^\n]*\n {2}allowed: a disk with room/)
    expect(await readdir(at)).toEqual([])
  })

  test(
    'on a slow disk that cannot force folders, while the clock runs backwards, is stopped within a checkpoint',
    { timeout: 1_800_000 },
    async () => {
      const out = join(await folder(), 'run')
      const odd = { under: out, foldersRefused: true }
      // twice, half a second apart and more: at once, in the middle of saving
      const first = await signalled({ ...odd, slow: 150, clockBack: 0 }, words(out), async ({ kill, said }) => {
        await until(() => existsSync(join(out, 'checkpoints', '.step-00000002.dino.tmp')))
        kill('SIGTERM')
        await until(() => said().includes('press again'))
        await new Promise((done) => setTimeout(done, 700))
        kill('SIGTERM')
      })
      expect(first.code, first.stderr).toBe(130)
      // once: when it is saved
      const second = await signalled({ ...odd, slow: 60, clockBack: 3600 }, again(out), async ({ kill }) => {
        await until(() => existsSync(join(out, 'checkpoints', '.step-00000004.dino.tmp')))
        kill('SIGTERM')
      })
      expect(second.code, second.stderr).toBe(0)
      expect(second.stderr).toContain('stopped at step 4;')
      const third = await on({ ...odd, slow: 5, clockBack: 7200 }, again(out))
      expect(third.code, third.stderr).toBe(0)
      expect(third.stderr).toContain('step-00000004.dino at step 4')
      expect(third.stderr).not.toMatch(/left \?|NaN/)
      expect(differs(whole, await remains(out))).toBeUndefined()
      // TensorBoard reads files by their names: the parts of the run are in order, whatever the clock said
      const events = (await readdir(out)).filter((name) => name.startsWith('events')).sort()
      const counts = await Promise.all(
        events.map(async (name) => [/\.(\d+)\.0$/.exec(name)?.[1], (await readFile(join(out, name))).includes('config')]),
      )
      expect(counts.map(([, isFirst]) => isFirst)).toEqual([true, ...events.slice(1).map(() => false)])
    },
  )

  test(
    'whose power goes between the renaming of a checkpoint and the forcing of its folder goes on, equal to the bit',
    { timeout: 1_800_000 },
    async () => {
      const at = changes.findIndex((c) => c._tag === 'Renamed' && c.to.endsWith('step-00000004.dino'))
      expect(at).toBeGreaterThan(0)
      for (const s of survivals.filter(({ name }) => name !== 'everything')) {
        const root = await folder()
        await put(heldAfter(join(undisturbed, '..'), changes.slice(0, at + 1), s), root)
        const out = join(root, 'run')
        const r = await live(again(out))
        expect(r.code, `${s.name}: ${r.stderr}`).toBe(0)
        expect(r.stderr, s.name).toContain(s.name === 'names' ? 'at step 4' : 'at step 2')
        expect(r.stderr, s.name).not.toContain('passed over')
        expect(differs(whole, await remains(out)), s.name).toBeUndefined()
      }
    },
  )
})

test('whose step cannot be in memory is refused before anything is made of its size', { timeout: 600_000 }, async () => {
  const out = join(await folder(), 'run')
  const large = ['data.train=8000', 'batch=8000', 'model.width=4096'].flatMap((setting) => ['--set', setting])
  const r = await live([...quick, '--target', 'reference', ...large, '--out', out])
  expect(r.code, r.stderr).toBe(2)
  expect(r.stderr).toMatch(/config fault at the training step\n {2}found: +[\d.]+ [GTP]iB that it takes, beside [^]*a smaller batch/)
  expect(existsSync(out)).toBe(false)
})
