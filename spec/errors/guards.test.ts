/** What libraries and engines throw is caught where they are called: every such call stands within a guard. */
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { describe, expect, test } from 'vitest'

/** Calls that throw on bad input, by their last name. */
const throwing: ReadonlySet<string> = new Set([
  'parse',
  'toJS',
  'unpack',
  'postMessage',
  'inflateSync',
  'inflateRawSync',
  'gunzipSync',
  'brotliDecompressSync',
  'decodeURIComponent',
])

/** Of these names only the one of JSON. */
const ofJson: ReadonlySet<string> = new Set(['parse'])

/** What turns exceptions into faults. */
const guards = /(?:tryCatch|guarded|attempt|withFile)$/

const sources = ['core', 'compiler', 'data', 'train'].flatMap((room) =>
  readdirSync(room, { recursive: true, encoding: 'utf8' })
    .filter((f) => f.endsWith('.ts') && !f.endsWith('.d.ts'))
    .map((f) => join(room, f)),
)

const lastName = (e: ts.Expression): string => (ts.isPropertyAccessExpression(e) ? e.name.text : ts.isIdentifier(e) ? e.text : '')

/** The name of a call, through `guarded(kind, place)(body)`. */
const calleeOf = (e: ts.Expression): string => (ts.isCallExpression(e) ? calleeOf(e.expression) : lastName(e))

const isThrowing = (call: ts.CallExpression): boolean => {
  const name = lastName(call.expression)
  if (!throwing.has(name) || (name === 'unpack' && !/from 'msgpackr'/.test(call.getSourceFile().text))) return false
  return !ofJson.has(name) || (ts.isPropertyAccessExpression(call.expression) && call.expression.expression.getText() === 'JSON')
}

/** Whether a node stands in the block of a `try`, or in what a guard is given. */
const isGuarded = (node: ts.Node): boolean => {
  for (let [inner, outer] = [node, node.parent]; outer !== undefined; [inner, outer] = [outer, outer.parent]) {
    if (ts.isTryStatement(outer) && outer.tryBlock === inner) return true
    if (ts.isCallExpression(outer) && outer.expression !== inner && guards.test(calleeOf(outer.expression))) return true
  }
  return false
}

const unguarded = (text: string): ReadonlyArray<string> => {
  const file = ts.createSourceFile('x.ts', text, ts.ScriptTarget.Latest, true)
  const found: Array<string> = []
  const visit = (n: ts.Node): void => {
    if (ts.isCallExpression(n) && isThrowing(n) && !isGuarded(n))
      found.push(`${file.getLineAndCharacterOfPosition(n.getStart()).line + 1}: ${n.getText().slice(0, 60)}`)
    ts.forEachChild(n, visit)
  }
  visit(file)
  return found
}

/** Files in which it need not be, and why. */
const allowed: Readonly<Record<string, string>> = {
  'data/loading/thread.ts': 'a reply of plain data and shared memory, made here',
  'compiler/targets/gpujs/webasm-pool.ts': 'plain data and shared memory, made here',
  'data/readers/shards/compressors.ts': 'called by the library of tables, whose calls stand within a guard (parquet.ts)',
  'data/formats/header.ts': 'a part of a text that was parsed before',
}

describe('what throws', () => {
  test('is called within a guard everywhere', () => {
    const found = sources.flatMap((f) => (f in allowed ? [] : unguarded(readFileSync(f, 'utf8')).map((w) => `${f}:${w}`)))
    expect(found).toEqual([])
  })

  test('is found where it is not', () => {
    expect(unguarded('const a = JSON.parse(t)')).toHaveLength(1)
    expect(unguarded('try { f() } catch { JSON.parse(t) }')).toHaveLength(1)
    expect(unguarded('try { JSON.parse(t) } catch {}')).toHaveLength(0)
    expect(unguarded('E.tryCatch(() => JSON.parse(t), String); guarded(1, 2)(async () => doc.toJS())')).toHaveLength(0)
    expect(unguarded('codec.parse(t); worker.postMessage(x)')).toHaveLength(1)
  })
})
