/**
 * A lint rule: no file may import itself by way of others, types included. (`import-x/no-cycle` passes over `import type`, and has no option
 * against it.) Each file is read once.
 */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import ts from 'typescript'

const known = new Map()

/** The files that a text imports, by their paths. */
const importsOf = (path, text) =>
  ts
    .preProcessFile(text, true, true)
    .importedFiles.filter((f) => f.fileName.startsWith('.'))
    .map((f) => join(dirname(path), f.fileName))
    .filter((f) => existsSync(f))

const importsOfFile = (path) => {
  const found = known.get(path) ?? importsOf(path, readFileSync(path, 'utf8'))
  known.set(path, found)
  return found
}

/** The shortest way by imports from one file to another; none where there is none. */
const way = (from, to) => {
  const before = new Map([[from, undefined]])
  const open = [from]
  for (const at of open) {
    if (at === to) {
      const path = []
      for (let p = at; p !== undefined; p = before.get(p)) path.unshift(p)
      return path
    }
    for (const next of importsOfFile(at)) {
      if (before.has(next)) continue
      before.set(next, at)
      open.push(next)
    }
  }
  return undefined
}

export const circle = {
  meta: {
    type: 'problem',
    docs: { description: 'no file imports itself by way of others, types included' },
    schema: [],
    messages: { circle: 'a circle of imports: {{way}}' },
  },
  create: (context) => {
    const file = context.physicalFilename
    const check = (node) => {
      if (node.source === null || node.source === undefined || !String(node.source.value).startsWith('.')) return
      const target = join(dirname(file), String(node.source.value))
      const found = existsSync(target) ? way(target, file) : undefined
      if (found !== undefined)
        context.report({
          node,
          messageId: 'circle',
          data: { way: [file, ...found].map((p) => p.slice(context.cwd.length + 1)).join(' -> ') },
        })
    }
    return {
      ImportDeclaration: check,
      ExportNamedDeclaration: check,
      ExportAllDeclaration: check,
      ImportExpression: check,
      TSImportType: (node) => {
        check({ ...node, source: node.source ?? node.argument?.literal })
      },
    }
  },
}
