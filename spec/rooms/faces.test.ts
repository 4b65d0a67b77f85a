/** What users import: the faces of the rooms, and what is loaded with them. */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import * as compiler from 'dinograph/compiler'
import * as core from 'dinograph/core'
import * as data from 'dinograph/data'
import * as all from 'dinograph'
import * as losses from 'dinograph/losses'
import * as models from 'dinograph/models'
import * as ops from 'dinograph/ops'
import * as train from 'dinograph/train'
import ts from 'typescript'
import { describe, expect, test } from 'vitest'
import { readOrder, root } from './rooms.ts'

const faces = { compiler, core, data, losses, models, ops, train }

/** What a file imports when it is loaded: neither types, which are gone by then, nor what it loads later by `import(…)`. */
const loadedBy = (path: string): ReadonlyArray<string> => {
  const file = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.ESNext)
  return file.statements.flatMap((s) => {
    if (ts.isImportDeclaration(s))
      return s.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword || !ts.isStringLiteral(s.moduleSpecifier)
        ? []
        : [s.moduleSpecifier.text]
    return ts.isExportDeclaration(s) && !s.isTypeOnly && s.moduleSpecifier !== undefined && ts.isStringLiteral(s.moduleSpecifier)
      ? [s.moduleSpecifier.text]
      : []
  })
}

/** Packages that come with a file, by its imports and theirs. */
const packagesOf = (entry: string): ReadonlySet<string> => {
  const [files, packages] = [new Set([entry]), new Set<string>()]
  for (const path of files)
    for (const name of loadedBy(path)) {
      if (name.startsWith('.')) files.add(join(dirname(path), name))
      else if (!name.startsWith('node:'))
        packages.add(
          name
            .split('/')
            .slice(0, name.startsWith('@') ? 2 : 1)
            .join('/'),
        )
    }
  return packages
}

describe('faces', () => {
  test('there is one for every folder of rooms', () => {
    expect(
      [...new Set(Object.keys(readOrder()).map((room) => room.split('/')[0]))].filter((folder) => folder !== 'examples').sort(),
    ).toEqual(Object.keys(faces).sort())
  })

  test('dinograph itself is a choice of what the faces of rooms have', () => {
    const strange = Object.entries(all).filter(
      ([name, value]) => !Object.values(faces).some((face) => Object.entries(face).some(([n, v]) => n === name && v === value)),
    )
    expect(strange.map(([name]) => name)).toEqual([])
  })

  test.each(Object.entries(faces))('%s has no empty name', (_, face) => {
    expect(Object.keys(face).length).toBeGreaterThan(10)
    expect(Object.entries(face).filter(([, value]) => value === undefined)).toEqual([])
  })

  test('what is heavy is loaded when it is used', () => {
    const later = ['sharp', 'koffi', 'gpu.js', '@cornerstonejs/codec-openjpeg', '@huggingface/hub', 'vega', 'vega-lite', 'umap-js', 'mnist']
    const packages = packagesOf(join(root, 'index.ts'))
    expect(packages).toContain('fp-ts')
    expect(later.filter((name) => packages.has(name))).toEqual([])
    const pure = ['fp-ts', 'io-ts', 'msgpackr']
    for (const face of ['core', 'ops', 'models', 'losses'])
      expect(
        [...packagesOf(join(root, face, 'index.ts'))].filter((name) => !pure.includes(name)),
        face,
      ).toEqual([])
  })
})
