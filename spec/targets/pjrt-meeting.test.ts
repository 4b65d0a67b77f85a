/** Processes that are one client, on one folder: they meet, and a plugin's threads are answered through it. */
import { spawn, spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { beforeAll, describe, expect, test } from 'vitest'

const folder = (): Promise<string> => mkdtemp(join(tmpdir(), 'dinograph-meeting-'))

const compiler = process.env.CC ?? 'cc'
const absent = spawnSync(compiler, ['--version']).status !== 0

interface Told {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

const started = (plugin: string, at: string, node: number, nodes: number, patience = 60) => {
  const words = ['--import', 'tsx', 'spec/targets/pjrt-meeting.ts', plugin, at, `${node}`, `${nodes}`, `${patience}`]
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'pipe'] })
  const said = { out: '', err: '' }
  child.stdout.on('data', (text: Buffer) => {
    said.out += text.toString()
  })
  child.stderr.on('data', (text: Buffer) => {
    said.err += text.toString()
  })
  const ended = new Promise<Told>((done) => {
    child.on('close', (code) => {
      done({ code, ...said })
    })
  })
  return { child, ended }
}

/** What a node of `nodes` is told: the values of all, and the errors that there are to be, by their codes. */
const expected = (nodes: number): string =>
  [
    Array.from({ length: nodes }, (_, i) => `${'abc'[i]}${'abc'[i]}100000 0;`).join(''),
    'none 5;late 4;put 0;there 0;empty 0;again 6;\nthe main thread went on\n',
  ].join('')

describe.skipIf(absent)('processes that are one client', () => {
  let plugin = ''
  beforeAll(async () => {
    plugin = join(await folder(), 'plugin.so')
    const r = spawnSync(compiler, ['-shared', '-fPIC', '-O1', 'spec/targets/pjrt-meeting.c', '-o', plugin, '-lpthread'], {
      encoding: 'utf8',
    })
    expect(r.status, r.stderr).toBe(0)
  })

  test('are answered through a folder, whichever of their threads asks, and whatever an earlier run left there', async () => {
    const at = await folder()
    // of a run of which one process has said its word, and another was invited and has begun
    await mkdir(join(at, 'meeting-old'))
    const left = { 'word-0': 'w', 'word-1': 'x', invitation: '{"words":["w","x"],"session":"meeting-old"}', 'answer-1': 'meeting-old' }
    for (const [name, text] of Object.entries({ ...left, begun: 'meeting-old' })) await writeFile(join(at, name), text)
    for (const nodes of [2, 3]) {
      const all = Array.from({ length: nodes }, async (_, node) => {
        // the first one comes last
        await delay(node === 0 ? 300 : 0)
        return started(plugin, at, node, nodes).ended
      })
      for (const told of await Promise.all(all)) expect([told.code, told.out], told.err).toEqual([0, expected(nodes)])
    }
    expect((await readdir(at)).filter((f) => f.startsWith('meeting-')).length).toBe(1)
  })

  test('one of which is killed before they have met, and started again, meet all the same', async () => {
    const at = await folder()
    const first = started(plugin, at, 1, 2)
    while (!(await readdir(at)).includes('word-1')) await delay(20)
    first.child.kill('SIGKILL')
    await first.ended
    const again = [started(plugin, at, 0, 2), started(plugin, at, 1, 2)]
    for (const told of await Promise.all(again.map((s) => s.ended))) expect([told.code, told.out], told.err).toEqual([0, expected(2)])
  })

  test('say who has not come', async () => {
    const at = await folder()
    const [zero, one] = await Promise.all([started(plugin, at, 0, 3, 2).ended, started(plugin, await folder(), 1, 3, 1).ended])
    expect(zero.err).toContain('process 1, 2 of 3 has not come here within 2 seconds')
    expect(one.err).toContain('process 0 of 3 has not come here within 1 seconds')
  })
})
