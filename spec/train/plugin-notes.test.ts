/** Names and notes of plugins, without a run: what two may not share, and what is the same file. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { digestsOf } from '../../train/cli/plugin-file.ts'
import { pluginsField } from '../../train/config/plugins.ts'
import { field, part, section } from '../../train/index.ts'
import { addedBy } from '../../train/recipes/added.ts'
import type { Loaded } from '../../train/recipes/added.ts'
import { plugin } from '../../train/recipes/plugin.ts'
import { left, right } from '../data/either.ts'

const folder = mkdtempSync(join(tmpdir(), 'dinograph-notes-'))
const at = (...names: ReadonlyArray<string>): string => join(folder, ...names)
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

describe('names', () => {
  const loaded = (file: string, name: string): Loaded => ({
    plugin: plugin({
      name: file,
      strategies: { [name]: part(section('nothing', { x: field.whole(0, 'nothing') }), () => (o) => ({ _tag: 'Right', right: o })) },
    }),
    file,
    note: { file, sha256: '' },
  })
  test('that there are already, that another has, or that nobody can write, are faults', () => {
    expect(left(addedBy([loaded('a.ts', 'lora')])).found).toBe('lora, which there is already')
    expect(left(addedBy([loaded('a.ts', 'mine'), loaded('b.ts', 'mine')]))).toMatchObject({
      place: 'b.ts: strategies',
      found: 'mine, which a.ts has too',
    })
    expect(left(addedBy([loaded('a.ts', 'a.b')])).found).toBe('"a.b"')
    expect(right(addedBy([loaded('a.ts', 'one'), loaded('b.ts', 'two')])).strategies.size).toBe(2)
  })
})

test('a digest is of what a file imports, too, and not of where it lies', async () => {
  const write = (dir: string, factor: number): string => {
    mkdirSync(at(dir, 'below'), { recursive: true })
    writeFileSync(at(dir, 'part.ts'), "import { factor } from './below/factor.js'\nexport default factor\n")
    writeFileSync(at(dir, 'below/factor.ts'), `export const factor = ${factor}\n`)
    return at(dir, 'part.ts')
  }
  const [one, same, other] = await Promise.all([write('one', 1), write('same', 1), write('other', 2)].map(digestsOf))
  expect(same).toEqual(one)
  expect(other.sha256).not.toBe(one.sha256)
  expect(Object.keys(one.files)).toEqual(['below/factor.ts', 'part.ts'])
  expect(other.files['part.ts']).toBe(one.files['part.ts'])
})

test('a note without the files of a plugin, as a checkpoint of before has it, is the one of the same digest', () => {
  const now = { file: 'mine.ts', sha256: 'a', files: { 'mine.ts': 'b' } }
  const plugins = pluginsField([now])
  expect(plugins.decode([{ file: 'mine.ts', sha256: 'a' }])).toEqual({ _tag: 'Right', right: [now] })
  const other = { file: 'mine.ts', sha256: 'c' }
  expect(plugins.decode([other])).toEqual({ _tag: 'Right', right: [other] })
})
