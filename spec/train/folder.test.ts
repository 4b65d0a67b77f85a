/** Two runs and one folder: each a process of its own, with the defaults. */
import { createHash } from 'node:crypto'
import { spawn } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, test } from 'vitest'
import { takeFolder } from '../../train/run/folder.ts'
import { hold, holderHere } from '../../train/run/lock.ts'
import { right } from '../data/either.ts'
import type { Lived } from './lived.ts'
import { live } from './lived.ts'
import { quick } from './quick.ts'
import { program } from '../support/built.ts'

const folder = (): Promise<string> => mkdtemp(join(tmpdir(), 'dinograph-folder-'))

const quiet = (): void => undefined

const lines = (r: Lived): ReadonlyArray<string> => r.stderr.split('\n').map((l) => l.trim())

/** What stands behind `npx dinograph train` in the line of a fault that holds a word. */
const pasted = (r: Lived, word: string): ReadonlyArray<string> => {
  const line = lines(r).find((l) => l.startsWith('npx dinograph train ') && l.includes(word))
  expect(line, r.stderr).toBeDefined()
  return (line ?? '').split(' ').slice(3)
}

describe('a folder of a run', () => {
  test(
    'with an earlier run is refused with exit code 2, and each of the two lines that are named is followed',
    { timeout: 240000 },
    async () => {
      const out = await folder()
      const first = await live([...quick, '--steps', '2', '--out', out])
      expect(first.code, first.stderr).toBe(0)
      expect(await readdir(out)).not.toContain('run.lock')
      const before = await readFile(join(out, 'metrics.jsonl'), 'utf8')
      await writeFile(join(out, 'notes.txt'), 'mine')

      const second = await live([...quick, '--steps', '3', '--out', out])
      expect(second.code).toBe(2)
      expect(second.stderr).toContain('found:   an earlier run in this folder')
      expect(await readFile(join(out, 'metrics.jsonl'), 'utf8')).toBe(before)

      const resumed = await live([...pasted(second, '--resume'), '--steps', '4'])
      expect(resumed.code, resumed.stderr).toBe(0)
      expect((await readFile(join(out, 'metrics.jsonl'), 'utf8')).startsWith(before.split('\n')[0])).toBe(true)

      const anew = await live(pasted(second, '--overwrite'))
      expect(anew.code, anew.stderr).toBe(0)
      expect(anew.stderr).toContain(`is now in ${out}.1`)
      expect(await readFile(join(`${out}.1`, 'notes.txt'), 'utf8')).toBe('mine')
      expect(await readdir(`${out}.1`)).toEqual(expect.arrayContaining(['checkpoints', 'config.yaml', 'huggingface', 'report.html']))
      expect((await readFile(join(out, 'metrics.jsonl'), 'utf8')).trimEnd().split('\n')).toHaveLength(3)
      expect(await readdir(out)).not.toContain('notes.txt')

      const both = await live([...quick, '--resume', '--overwrite', '--out', out])
      expect(both.code).toBe(2)
      expect(both.stderr).toContain('leave one out')
    },
  )

  test('with a run that is under way is refused always, naming it, and free when that was killed', { timeout: 240000 }, async () => {
    const out = await folder()
    const words = [...quick, '--steps', '400', '--out', out]
    const began = spawn(process.execPath, [program('train/cli/dinograph.ts'), 'train', ...words], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    const ended = new Promise<void>((done) => {
      began.on('close', () => {
        done()
      })
    })
    await new Promise<void>((done) => {
      let said = ''
      began.stderr.on('data', (d: Buffer) => {
        said += d.toString()
        if (/step +\d+\/400/.test(said)) done()
      })
    })
    for (const how of [[], ['--resume'], ['--overwrite']]) {
      const second = await live([...words, ...how])
      expect(second.code).toBe(2)
      expect(second.stderr).toContain(`process ${began.pid}`)
    }
    began.kill('SIGKILL')
    await ended
    expect(await readdir(out)).toContain('run.lock')
    const again = await live([...words, '--overwrite', '--steps', '2'])
    expect(again.code, again.stderr).toBe(0)
    expect(again.stderr).toContain('ended without giving its folder back')
  })

  test(
    'is free where it is empty or holds empty folders alone, and keeps nothing of a run that never began',
    { timeout: 120000 },
    async () => {
      const root = await folder()
      await mkdir(join(root, 'empty', 'checkpoints'), { recursive: true })
      for (const name of ['empty', 'new']) {
        const wrong = await live([...quick, '--data', join(root, 'nothing'), '--out', join(root, name)])
        expect(wrong.code).toBe(1)
        expect(wrong.stderr).toContain('no such file')
      }
      expect(await readdir(root)).toEqual(['empty'])
    },
  )

  test('is free again after a fault of the first batch: the remedy is followed in the same folder', { timeout: 120000 }, async () => {
    const [root, data] = [await folder(), await folder()]
    for (const word of ['a', 'b']) {
      await mkdir(join(data, word))
      for (let i = 0; i < 3; i++) await copyFile('spec/data/fixtures/pictures/gray.png', join(data, word, `${i}.png`))
    }
    const line = [...quick, '--data', data, '--steps', '1', '--out', join(root, 'run')]
    const large = await live([...line, '--set', 'batch=64'])
    expect(large.code, large.stderr).toBe(1)
    const [, remedy] = /\((--set batch=\d+)\)/.exec(large.stderr) ?? []
    expect(remedy, large.stderr).toBeDefined()
    expect(await readdir(root)).toEqual([])
    await writeFile(join(data, 'a', '9.png'), 'no picture')
    const damaged = await live([...line, ...remedy.split(' ')])
    expect(damaged.code, damaged.stderr).toBe(1)
    expect(damaged.stderr).toContain('9.png')
    expect(await readdir(root)).toEqual([])
    await rm(join(data, 'a', '9.png'))
    const small = await live([...line, ...remedy.split(' ')])
    expect(small.code, small.stderr).toBe(0)
  })

  test('is no file: what to name instead is said', async () => {
    const out = join(await folder(), 'experiment.ts')
    await writeFile(out, '')
    const taken = await takeFolder(out, { resume: false, say: quiet })()
    expect(E.isLeft(taken) && [taken.left.allowed, taken.left.remedy]).toEqual([
      'a folder, or a path where nothing is',
      'name another path: a file is there',
    ])
  })

  test('with files that are not of a run is refused, and they stay', async () => {
    const out = await folder()
    await writeFile(join(out, 'thesis.tex'), 'years')
    for (const overwrite of [false, true]) {
      const taken = await takeFolder(out, { resume: false, overwrite, say: quiet })()
      expect(E.isLeft(taken) && taken.left.found).toContain('thesis.tex')
    }
    expect(await readdir(out)).toEqual(['thesis.tex'])
  })

  test('in which a run was killed while it wrote its first file is free', async () => {
    const out = await folder()
    await writeFile(join(out, '.config.yaml.tmp'), 'steps: ')
    await mkdir(join(out, 'checkpoints'))
    await right(await takeFolder(out, { resume: false, say: quiet })()).release()
    await writeFile(join(out, '.thesis.tex.tmp'), 'years')
    expect(E.isLeft(await takeFolder(out, { resume: false, say: quiet })())).toBe(true)
  })
})

describe('a lock', () => {
  test('is one of many that ask at once, also where one was left behind', async () => {
    const out = await folder()
    for (const left of [
      undefined,
      { ...holderHere(), pid: 2 ** 22 + 1 },
      { ...holderHere(), birth: '1' },
      { ...holderHere(), boot: 'another' },
    ]) {
      if (left !== undefined) await writeFile(join(out, 'run.lock'), JSON.stringify(left))
      const asked = await Promise.all(Array.from({ length: 24 }, () => hold(out)))
      const held = asked.filter(E.isRight)
      expect(held).toHaveLength(1)
      expect(asked.filter(E.isLeft).every((f) => f.left.kind === 'usage' && f.left.found.includes(`process ${process.pid}`))).toBe(true)
      await held[0].right.release()
      expect(await readdir(out)).toEqual([])
    }
  })

  test('is given to one, however often many find one that was left behind', { timeout: 60_000 }, async () => {
    const out = await folder()
    for (let round = 0; round < 40; round++) {
      const old = JSON.stringify({ ...holderHere(), birth: '1', round })
      await writeFile(join(out, 'run.lock'), old)
      // and, now and then, one who was about to remove it
      const turn = `run.lock.${createHash('sha256').update(old).digest('hex').slice(0, 8)}`
      if (round % 3 === 0) await writeFile(join(out, turn), JSON.stringify({ ...holderHere(), birth: '2', round }))
      const asked = await Promise.all(Array.from({ length: 16 }, () => hold(out)))
      const held = asked.filter(E.isRight)
      expect(held).toHaveLength(1)
      await held[0].right.release()
      expect(await readdir(out)).toEqual([])
    }
  })

  test('of another machine, or of another space of process numbers, is believed, with the line that removes it', async () => {
    for (const other of [{ host: 'node-17' }, { space: 'pid:[1]' }]) {
      const out = await folder()
      await writeFile(join(out, 'run.lock'), JSON.stringify({ ...holderHere(), ...other }))
      const refused = await hold(out)
      expect(E.isLeft(refused) && refused.left.remedy).toContain(`rm ${join(out, 'run.lock')}`)
    }
  })

  test('that is cut short is left behind', async () => {
    const out = await folder()
    await writeFile(join(out, 'run.lock'), '{"pid": 1')
    await right(await hold(out)).release()
    expect(await readdir(out)).toEqual([])
  })
})
