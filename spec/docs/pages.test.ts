/** What the pages say exists: links, commands, examples and settings. */
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { commands } from '../../train/cli/commands.ts'
import { config } from '../../train/recipes/recipe.ts'
import { isRecord } from '../../data/formats/codec.ts'

const root = join(import.meta.dirname, '../..')
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync(join(root, 'docs'))
    .filter((f) => f.endsWith('.md'))
    .map((f) => join('docs', f)),
]
const text = (page: string): string => readFileSync(join(root, page), 'utf8')
const found = (page: string, pattern: RegExp): ReadonlyArray<string> => [...text(page).matchAll(pattern)].map((m) => m[1])

const packageJson: unknown = JSON.parse(text('package.json'))
const scripts = isRecord(packageJson) && isRecord(packageJson['scripts']) ? Object.keys(packageJson['scripts']) : []

/** Whether a setting, or a section of them, has this path: through what a schema allows to be one of several. */
const isSetting = (schema: unknown, [first, ...rest]: ReadonlyArray<string>): boolean => {
  if (!isRecord(schema)) return false
  if (first === undefined) return true
  const { properties, anyOf, oneOf } = schema
  if (isRecord(properties) && first in properties) return isSetting(properties[first], rest)
  return [anyOf, oneOf].some((branches) => Array.isArray(branches) && branches.some((b) => isSetting(b, [first, ...rest])))
}
const { schema } = config.facts
const sections = isRecord(schema['properties']) ? Object.keys(schema['properties']) : []

describe.each(pages)('%s', (page) => {
  it('links to what is there', () => {
    const links = found(page, /\]\(([^)#\s]+)(?:#[^)]*)?\)/g).filter((l) => !/^https?:/.test(l))
    expect(links.filter((l) => !existsSync(join(root, dirname(page), l)))).toEqual([])
  })
  it('names commands, examples and files that are there', () => {
    expect(found(page, /npm run ([\w-]+)/g).filter((s) => !scripts.includes(s) && s !== 'COMMAND')).toEqual([])
    expect(found(page, /npm run dinograph -- (\w+)/g).filter((c) => !(c in commands) && c !== 'COMMAND')).toEqual([])
    expect(
      found(page, /((?:examples|spec|compiler|core|ops|models|losses|data|train)\/[\w./-]+\.(?:ts|yaml|py|json))/g).filter(
        (f) => !f.includes('NAME') && !existsSync(join(root, f)),
      ),
    ).toEqual([])
  })
  it('names settings that there are', () => {
    const named = found(page, /`(\w+(?:\.\w+)+)`/g).filter(
      (path) => sections.includes(path.split('.')[0]) && !/\.(safetensors|json|yaml)$/.test(path),
    )
    expect([...named, ...found(page, /--set (\w+(?:\.\w+)+)=/g)].filter((path) => !isSetting(schema, path.split('.')))).toEqual([])
  })
})

describe('README.md', () => {
  it('is read in five minutes', () => {
    expect(text('README.md').split('\n').length).toBeLessThanOrEqual(150)
  })
})
