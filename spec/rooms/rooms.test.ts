import { mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Linter } from 'eslint'
import tseslint from 'typescript-eslint'
import { describe, expect, test } from 'vitest'
import { circle } from './circle.js'
import { arrows, circles, importsIn, isPermitted, readOrder, roomOf, root, sources } from './rooms.ts'

const order = readOrder()
const rooms = Object.keys(order)
const all = sources([...new Set(rooms.map((r) => r.split('/')[0]))])

describe('the rooms', () => {
  test('are read from the files that are there', () => {
    expect(all.length).toBeGreaterThan(300)
    for (const room of rooms)
      expect(
        all.some((s) => roomOf(rooms)(s.path) === room),
        room,
      ).toBe(true)
    const between = arrows(rooms, all)
    expect(between.find((a) => a.from === 'train/run' && a.to === 'train/step')?.imports.length ?? 0).toBeGreaterThan(5)
  })

  test('import each other in one direction', () => {
    expect(
      arrows(rooms, all)
        .filter((a) => !isPermitted(order)(a))
        .flatMap((a) => a.imports),
    ).toEqual([])
  })

  test('have an order without a circle', () => {
    const below = (room: string): ReadonlyArray<string> =>
      order[room].flatMap((allowed) => rooms.filter((r) => r === allowed || r.startsWith(`${allowed}/`)))
    const isBelow = (low: string, high: string, seen: ReadonlySet<string> = new Set()): boolean =>
      below(high).some((r) => r === low || (!seen.has(r) && isBelow(low, r, new Set([...seen, r]))))
    expect(rooms.filter((r) => isBelow(r, r))).toEqual([])
  })

  test('import no file in a circle, types included', () => {
    expect(circles(all)).toEqual([])
  })

  test('hold every file of data and of train but their faces', () => {
    for (const folder of ['data', 'train'])
      expect(
        readdirSync(join(root, folder), { withFileTypes: true })
          .filter((e) => e.isFile() && e.name !== 'index.ts')
          .map((e) => e.name),
      ).toEqual([])
  })
})

describe('what is read of a file', () => {
  test('all ways to import, of types too', () => {
    const text = [
      `import type { A } from './a.ts'`,
      `import { b } from '../b.ts'`,
      `export * from './c.ts'`,
      `type D = import('./d.ts').D`,
      `const e = await import('./e.ts')`,
      `import 'node:fs'`,
    ].join('\n')
    expect([...importsIn(text)].sort()).toEqual(['../b.ts', './a.ts', './c.ts', './d.ts', './e.ts'])
  })

  test('a circle of three, one of types, and a file that imports itself', () => {
    const source = (path: string, ...imports: ReadonlyArray<string>) => ({ path, lines: 1, imports })
    expect(circles([source('a', 'b'), source('b', 'c', 'd'), source('c', 'a'), source('d'), source('e', 'e')])).toEqual([
      ['a', 'b', 'c'],
      ['e'],
    ])
  })

  test('an arrow against the order', () => {
    const up = arrows(
      ['data/formats', 'data/readers'],
      [{ path: 'data/formats/x.ts', lines: 1, imports: ['data/readers/y.ts', 'data/formats/z.ts'] }],
    )
    expect(up).toEqual([{ from: 'data/formats', to: 'data/readers', imports: ['data/formats/x.ts -> data/readers/y.ts'] }])
    expect(up.map(isPermitted(order))).toEqual([false])
  })
})

test('the lint rule reports a circle of types', () => {
  const dir = mkdtempSync(join(tmpdir(), 'dinograph-rooms-'))
  mkdirSync(join(dir, 'far'))
  const write = (name: string, text: string): string => {
    writeFileSync(join(dir, name), text)
    return text
  }
  const a = write('a.ts', `import type { B } from './far/b.ts'\nexport type A = B`)
  write('far/b.ts', `export type { C as B } from '../c.ts'`)
  write('c.ts', `export type C = import('./a.ts').A`)
  const d = write('d.ts', `import type { A } from './a.ts'\nexport type D = A`)
  const report = (name: string, text: string): ReadonlyArray<string> =>
    new Linter({ cwd: dir })
      .verify(
        text,
        [
          {
            files: ['**/*.ts'],
            languageOptions: { parser: tseslint.parser },
            plugins: { rooms: { rules: { circle } } },
            rules: { 'rooms/circle': 'error' },
          },
        ],
        { filename: join(dir, name) },
      )
      .map((m) => m.message)
  expect(report('a.ts', a)).toEqual(['a circle of imports: a.ts -> far/b.ts -> c.ts -> a.ts'])
  expect(report('d.ts', d)).toEqual([])
})
