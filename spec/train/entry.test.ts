/** The program that was started: found whatever its name is written like, and typed again as it was. */
import { mkdirSync, mkdtempSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import { isUnderTsx } from '../../core/command.ts'
import { isProgram, startedAs } from '../../train/cli/entry.ts'
import { isRelayed, withoutRelay } from '../../train/cli/signals.ts'

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'dinograph-entry-')))
const file = join(folder, 'mine.js')
writeFileSync(file, '')
writeFileSync(join(folder, 'other.js'), '')
mkdirSync(join(folder, 'real'))
symlinkSync(folder, join(folder, 'real', 'link'))

describe('the program that was started', () => {
  test.each([
    ['by its path', file, true],
    ['without its ending', join(folder, 'mine'), true],
    ['through a link', join(folder, 'real/link/mine.js'), true],
    ['another file', join(folder, 'other.js'), false],
    ['a file that is gone', join(folder, 'gone.js'), false],
    ['none, as in a shell of Node', undefined, false],
  ])('is known %s', (_, started, is) => {
    expect(isProgram(pathToFileURL(file).href, started)).toBe(is)
    expect(isProgram(file, started)).toBe(is)
  })

  test('is typed as it was started', () => {
    const tsx = ['--require', '/a/node_modules/tsx/dist/preflight.cjs', '--import', 'file:///a/node_modules/tsx/dist/loader.mjs']
    const path = join(process.cwd(), 'examples/my own.ts')
    expect(startedAs(path, tsx)).toBe(`npx tsx 'examples/my own.ts'`)
    expect(startedAs(join(process.cwd(), 'built/mine.js'), ['--max-old-space-size=4096'])).toBe('node built/mine.js')
    expect(isUnderTsx(['--import', 'tsx'])).toBe(true)
  })

  test('starts again by its own options, without the relay of signals alone', () => {
    const loader = ['--import', 'file:///a/node_modules/tsx/dist/loader.mjs']
    const words = ['--enable-source-maps', '--require', '/a/node_modules/tsx/dist/preflight.cjs', ...loader]
    expect(isRelayed(words)).toBe(true)
    expect(withoutRelay(words)).toEqual(['--enable-source-maps', ...loader])
    expect(isRelayed(withoutRelay(words))).toBe(false)
  })
})
