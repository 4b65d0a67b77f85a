/** A run that comes before another and is stopped: the same command goes on with it, and then begins the other. */
import { spawn } from 'node:child_process'
import { mkdtemp, readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { root } from '../rooms/rooms.ts'
import { set, small } from './quick.ts'
import { started } from '../support/built.ts'

interface Ended {
  readonly code: number | null
  readonly said: string
}

/** Runs a program, and interrupts it once it has said something. */
const ran = (words: ReadonlyArray<string>, interruptAt?: RegExp): Promise<Ended> =>
  new Promise((done) => {
    const child = spawn(process.execPath, started(words), { cwd: root, stdio: ['ignore', 'ignore', 'pipe'] })
    let [said, sent] = ['', false]
    child.stderr.on('data', (d: Buffer) => {
      said += d.toString()
      if (interruptAt?.test(said) !== true || sent) return
      sent = true
      child.kill('SIGINT')
    })
    child.on('close', (code) => {
      done({ code, said })
    })
  })

test('the base of adapters that is interrupted is gone on with by the same command', async () => {
  const out = join(await mkdtemp(join(tmpdir(), 'dinograph-before-')), 'run')
  const words = [
    ...['examples/lora.ts', '--target', 'gpujs:cpu', '--steps', '20', '--out', out],
    ...set({ ...small, 'data.train': 32, 'data.test': 16, 'data.workers': 0, 'evaluation.k': 3, 'evaluation.report': 'false' }),
  ]
  const stopped = await ran(words, /step +\d+\/60/)
  expect(stopped.said).toContain('the run before')
  expect(stopped.said).toContain('remedy:  start again by the same command')
  expect(stopped.code).toBe(1)
  expect((await readdir(out)).filter((name) => !name.startsWith('.'))).toEqual(['before'])
  // as it says
  const again = await ran(words)
  expect(again.code, again.said).toBe(0)
  expect(again.said).toMatch(/continuing from .*before.checkpoints/)
  expect(await readdir(out)).toContain('adapter')
})
