/** A few damaged files of every kind, and all that were once read wrong. `npm run fuzz -- --minutes N` reads more. */
import { existsSync, readdirSync } from 'node:fs'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import { afterAll, describe, expect, test } from 'vitest'
import { kinds } from './kinds.ts'
import { openPen } from './pen.ts'

const pen = openPen()
afterAll(() => {
  pen.close()
})

describe('damaged files', () => {
  test.each(kinds.map((k) => k.name))('of %s are read or refused', { timeout: 120000 }, async (kind) => {
    const count = 30
    const o = await pen.ask({ _tag: 'Inputs', kind, seed: 20, from: 0, count })
    expect(o.wrong).toEqual([])
    expect(o.read + o.refused).toBe(count)
    expect(o.refused).toBeGreaterThan(0)
  })
})

/** Damage of a file that is refused in any case says nothing. */
test.each(kinds.map((k) => [k.name, k] as const))('a whole file of %s is read', async (_, kind) => {
  const folder = await mkdtemp(join(tmpdir(), 'dinograph-fuzz-'))
  for (const [name, bytes] of Object.entries((await kind.beside?.()) ?? {})) await writeFile(join(folder, name), bytes)
  const read: boolean[] = []
  for (const bytes of await kind.seeds()) {
    const path = join(folder, kind.file)
    await writeFile(path, bytes)
    const outcome = await kind.read(path, bytes)
    read.push(E.isRight(outcome))
    if (E.isRight(outcome)) expect(outcome.right).toBeUndefined()
  }
  expect(read).toContain(true)
})

const corpus = 'spec/fuzz/corpus'
const kept = existsSync(corpus) ? readdirSync(corpus).filter((f) => kinds.some((k) => f.startsWith(`${k.name}-`))) : []

describe.skipIf(kept.length === 0)('files that were once read wrong', () => {
  test.each(kept)('%s', { timeout: 60000 }, async (file) => {
    const kind = kinds
      .map((k) => k.name)
      .filter((k) => file.startsWith(`${k}-`))
      .sort((a, b) => b.length - a.length)[0]
    expect((await pen.ask({ _tag: 'File', kind, path: join(corpus, file) })).wrong).toEqual([])
  })
})

describe('the pen', () => {
  test('tells a file that is read for too long, or with too much memory, or that ends the process', { timeout: 120000 }, async () => {
    for (const [kind, found] of [
      ['trial:loop', 'more than 10 s of processor'],
      ['trial:memory', 'of resident memory'],
      ['trial:exit', 'code 7'],
    ] as const) {
      const o = await pen.ask({ _tag: 'Inputs', kind, seed: 0, from: 0, count: 2 })
      expect(o.wrong.map((w) => w.found).join()).toContain(found)
      expect(o.lost).toBe(0)
    }
    const o = await pen.ask({ _tag: 'Inputs', kind: 'trial:throw', seed: 0, from: 0, count: 2 })
    expect(o.wrong.map((w) => w.input)).toEqual([0, 1])
    expect(o.wrong[0].found).toContain('thrown on purpose')
  })
})
